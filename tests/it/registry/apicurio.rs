//! The schema registry of the local stack, started by the first test that needs it.

use std::process::Command;
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::installation::told;

/// Where it speaks Confluent's API.
static URL: LazyLock<String> = LazyLock::new(|| {
    stack(&["start", "registry"]);
    let environment = stack(&["env"]);
    let line = environment.lines().find_map(|line| line.strip_prefix("export FABRIC_SCHEMA_REGISTRY_URL='"));
    line.unwrap().trim_end_matches('\'').to_owned()
});

pub struct Apicurio;

impl Apicurio {
    pub fn url(&self) -> &'static str {
        &URL
    }

    /// Answers the schema's id.
    pub async fn register(&self, subject: &str, schema: &Value) -> u32 {
        self.register_as(subject, json!({ "schema": schema.to_string() })).await
    }

    /// With what else the API takes beside a schema.
    pub async fn register_as(&self, subject: &str, body: Value) -> u32 {
        let url = format!("{}/subjects/{subject}/versions", self.url());
        let request = reqwest::Client::new().post(url).header("content-type", "application/vnd.schemaregistry.v1+json");
        let answer = request.body(body.to_string()).send().await.unwrap().text().await.unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        answer["id"].as_u64().unwrap_or_else(|| panic!("{answer}")).try_into().unwrap()
    }
}

fn stack(arguments: &[&str]) -> String {
    let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/dev/stack")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    String::from_utf8(output.stdout).unwrap()
}
