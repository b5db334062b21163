//! A Kafka, a Postgres, a topic that is not there: said with the address and what to run, and no job is left behind.

use super::bench::{NOTES, apply};
use crate::installation::{Installation, told};

/// Nothing listens there.
const NOWHERE: &str = "127.0.0.1:1";

async fn without(settings: &[(&str, &str)], expected: &[&str]) {
    let mut installation = Installation::new().await;
    apply(&installation, NOTES);
    let file = installation.write("notes.csv", "id,text\n1,a\n");
    installation.set("FABRIC_INGEST_PATIENCE", "1s");
    installation.set("FABRIC_POSTGRES_ACQUIRE_TIMEOUT", "1s");
    for (name, value) in settings {
        installation.set(name, value);
    }
    let output = installation.run(&["ingest", "notes", &file, "--wait"]);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let words = String::from_utf8_lossy(&output.stderr);
    for expected in expected {
        assert!(words.contains(expected), "`{expected}` is not said:\n{words}");
    }
    assert_eq!(installation.database.number("select count(*) from fabric.jobs").await, 0);
}

#[tokio::test]
async fn an_absent_kafka_is_named_with_its_address_and_what_to_run() {
    let expected = ["Kafka does not answer at 127.0.0.1:1 (connection refused)", "`dev/stack status`"];
    without(&[("FABRIC_KAFKA_BROKERS", NOWHERE)], &expected).await;
}

#[tokio::test]
async fn an_absent_postgres_is_named_with_its_address_and_what_to_run() {
    let url = format!("postgres://fabric:hidden@{NOWHERE}/fabric");
    let expected =
        ["Postgres does not answer at 127.0.0.1:1 (connection refused)", "`dev/stack status`", "Trying again for"];
    // Long enough that the first refusal leaves some of it.
    without(&[("FABRIC_POSTGRES_URL", &url), ("FABRIC_INGEST_PATIENCE", "8s")], &expected).await;
}

#[tokio::test]
async fn an_absent_topic_is_told_with_the_command_that_makes_it() {
    without(&[("FABRIC_KAFKA_PREFIX", "nobody-made-these.")], &["fabric topics apply"]).await;
}
