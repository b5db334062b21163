//! Whether a process is alive and ready, and what it says where it is not.

use std::net::TcpListener;

use super::asked::{address, get, until};
use crate::database::Database;
use crate::installation::{Installation, told};

#[tokio::test]
async fn a_validator_is_ready_once_it_has_its_partitions_and_alive_all_the_while() {
    let installation = Installation::new().await;
    let validator = installation.validator();
    let asked = address(&validator).await;
    assert_eq!(get(&asked, "/health/live").0, 200);
    let ready = until(&asked, "/health/ready", 200, |_| true).await;
    assert_eq!(ready, serde_json::json!({ "role": "validate", "ok": true, "reasons": {} }));
    validator.terminate();
}

#[tokio::test]
async fn a_validator_without_kafka_is_alive_and_says_what_it_waits_for() {
    let mut installation = Installation::bare(Database::new().await);
    installation.set("FABRIC_KAFKA_BROKERS", "127.0.0.1:1");
    let validator = installation.validator();
    let asked = address(&validator).await;
    let answer = until(&asked, "/health/ready", 503, |body| body.contains("\"kafka\":\"Kafka does not answer")).await;
    assert!(answer["reasons"]["kafka"].as_str().unwrap().contains("127.0.0.1:1"), "{answer}");
    assert_eq!(get(&asked, "/health/live").0, 200);
}

#[tokio::test]
async fn a_steward_is_ready_as_leader_and_as_candidate_and_not_without_postgres() {
    let mut installation = Installation::bare(Database::new().await);
    let each = [installation.start(&["steward"]), installation.start(&["steward"])];
    for steward in &each {
        until(&address(steward).await, "/health/ready", 200, |_| true).await;
    }
    installation.set("FABRIC_POSTGRES_URL", "postgres://fabric@127.0.0.1:1/fabric");
    let alone = installation.start(&["steward"]);
    let asked = address(&alone).await;
    let answer = until(&asked, "/health/ready", 503, |body| body.contains("127.0.0.1:1")).await;
    assert!(answer["reasons"]["steward"].is_string(), "{answer}");
}

#[tokio::test]
async fn a_port_in_use_is_an_error_with_the_settings_name() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut installation = Installation::bare(Database::new().await);
    installation.set("FABRIC_HTTP_LISTEN", &taken.local_addr().unwrap().to_string());
    let output = installation.run(&["validate"]);
    let said = told(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("http.listen: cannot listen on 127.0.0.1:"), "{said}");
}
