//! The doctor against real trouble: what it says is wrong, and how it ends.

use std::time::{Duration, Instant};

use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};
use serde_json::Value;

use crate::database::Database;
use crate::installation::{Installation, admin};
use crate::streams::bench::Bench;

/// One finding of `fabric doctor --json`, which must end with `code`.
fn finding(installation: &Installation, code: i32, check: &str) -> Value {
    let told = installation.json(code, &["doctor", "--json"]);
    let found = told["findings"].as_array().unwrap().iter().find(|finding| finding["check"] == check);
    found.unwrap_or_else(|| panic!("no {check} in {told}")).clone()
}

fn says(finding: &Value, status: &str, found: &str, next: &str) {
    assert_eq!(finding["status"], status, "{finding}");
    assert!(finding["found"].as_str().unwrap().contains(found), "{finding}");
    assert!(finding["next"].as_str().unwrap_or_default().contains(next), "{finding}");
}

#[tokio::test]
async fn a_sound_installation_has_no_fault_and_every_check_is_told() {
    let installation = Installation::new().await;
    installation.apply_card_transactions();
    let told = installation.json(0, &["doctor", "--json"]);
    let findings = told["findings"].as_array().unwrap();
    let statuses = |check: &str| findings.iter().find(|f| f["check"] == check).map(|f| f["status"].as_str().unwrap());
    for check in ["postgres", "kafka", "migrations", "topics", "commits", "pooler", "clock", "retention", "targets"] {
        assert_eq!(statuses(check), Some("ok"), "{check}: {told}");
    }
    for check in ["redis", "registry", "connections", "disk", "jobs", "streams", "deadLetters"] {
        assert!(statuses(check).is_some(), "{check}: {told}");
    }
}

#[tokio::test]
async fn servers_that_are_down_are_told_in_time_with_what_depends_on_them() {
    let mut installation = Installation::bare(Database::empty().await);
    installation.set("FABRIC_POSTGRES_URL", "postgres://fabric:s3cret@127.0.0.1:1/fabric");
    installation.set("FABRIC_KAFKA_BROKERS", "127.0.0.1:1");
    installation.set("FABRIC_REDIS_URL", "redis://:s3cret@127.0.0.1:1/0");
    installation.set("FABRIC_SCHEMA_REGISTRY_URL", "http://fabric:s3cret@127.0.0.1:1");
    let began = Instant::now();
    let output = installation.run(&["doctor"]);
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("fault  Postgres      Postgres does not answer at 127.0.0.1:1 (connection refused)"),
        "{told}"
    );
    assert!(told.contains("fault  Kafka         Kafka does not answer at 127.0.0.1:1 (connection refused)"), "{told}");
    assert!(told.contains("note   Redis         does not answer at 127.0.0.1:1"), "{told}");
    let registry =
        "fault  registry      the schema registry at http://127.0.0.1:1 does not answer (connection refused)";
    assert!(told.contains(registry), "{told}");
    assert!(told.contains("note   migrations    not looked at, it needs Postgres"), "{told}");
    assert!(told.ends_with("\n3 faults, 0 warnings\n"), "{told}");
    assert!(!told.contains("s3cret"), "{told}");
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_does_not_keep_it() {
    let mut installation = Installation::bare(Database::empty().await);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = silent.local_addr().unwrap();
    installation.set("FABRIC_POSTGRES_URL", &format!("postgres://fabric@{place}/fabric"));
    installation.set("FABRIC_KAFKA_BROKERS", &place.to_string());
    let began = Instant::now();
    says(&finding(&installation, 1, "postgres"), "fault", "", "");
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
}

#[tokio::test]
async fn absent_tables_and_topics_are_told_with_the_commands_that_make_them() {
    let installation = Installation::bare(Database::empty().await);
    says(&finding(&installation, 1, "migrations"), "fault", "are missing", "run `fabric migrate`");
    let topic = format!("topic {}chunks.normal is not there", installation.prefix);
    says(&finding(&installation, 1, "topics"), "fault", &topic, "fabric topics apply");
    says(&finding(&installation, 1, "targets"), "note", "not looked at", "");
}

#[tokio::test]
async fn a_lane_with_too_few_partitions_is_told_with_both_numbers() {
    let installation = Installation::bare(Database::new().await);
    let name = format!("{}chunks.normal", installation.prefix);
    let few = NewTopic::new(&name, 2, TopicReplication::Fixed(1));
    admin().create_topics([&few], &AdminOptions::new()).await.unwrap();
    let expected = format!("topic {name} has 2 partitions, 8 are declared");
    says(&finding(&installation, 1, "topics"), "fault", &expected, "fabric topics apply");
}

#[tokio::test]
async fn commits_that_do_not_wait_for_the_disk_are_refused_where_they_were_set() {
    let installation = Installation::new().await;
    let database = installation.database.name();
    installation.database.run(&format!("alter database {database} set synchronous_commit = off")).await;
    let next = format!("alter database {database} reset synchronous_commit");
    says(&finding(&installation, 1, "commits"), "fault", "synchronous_commit is off for database", &next);

    // Of the role in this database alone: other tests use the role.
    installation.database.run(&format!("alter database {database} reset synchronous_commit")).await;
    let of_role = format!("alter role current_user in database {database}");
    installation.database.run(&format!("{of_role} set synchronous_commit = off")).await;
    let found = finding(&installation, 1, "commits");
    installation.database.run(&format!("{of_role} reset synchronous_commit")).await;
    says(&found, "fault", "synchronous_commit is off for role", "reset synchronous_commit");
}

#[tokio::test]
async fn a_dropped_target_and_a_revoked_right_are_told_with_the_sql_that_mends_them() {
    let installation = Installation::new().await;
    installation.apply_card_transactions();
    installation.database.run("revoke insert on card_transactions from current_user").await;
    says(
        &finding(&installation, 1, "targets"),
        "fault",
        r#"grant insert on "public"."card_transactions" to"#,
        "jobs resume",
    );
    installation.database.run("drop table card_transactions").await;
    says(&finding(&installation, 1, "targets"), "fault", r#""public"."card_transactions" is not there"#, "jobs resume");
}

#[tokio::test]
async fn a_parked_job_and_chunks_that_wait_are_told_and_are_no_fault() {
    let installation = Installation::new().await;
    installation.apply_card_transactions();
    let file = installation.card_transactions("cards.txt", 2_000);
    installation.succeed(&["ingest", "card-transactions", &file]);
    says(&finding(&installation, 0, "retention"), "ok", "1 wait", "");
    installation.database.run("update fabric.jobs set state = 'parked', reason = 'its target is gone'").await;
    says(&finding(&installation, 0, "jobs"), "warn", "card-transactions  parked: its target is gone", "jobs resume");
}

#[tokio::test]
async fn a_record_topic_that_is_not_as_its_stream_needs_it_is_told() {
    let mut bench = Bench::without_topic().await;
    let streams = |bench: &Bench, code| finding(&bench.installation, code, "streams");
    says(&streams(&bench, 0), "warn", "is not there, the stream waits for it", "make topic ");
    bench.make_topic(1).await;
    let validator = bench.installation.validator();
    bench.produce(0, 20).await;
    bench.account().await;
    // The broker's own limit.
    says(&streams(&bench, 0), "note", "takes messages of up to 5.0 MiB", "lower max.message.bytes");
    validator.terminate();
    bench.produce(20, 20).await;
    bench.delete_before(30).await;
    says(&streams(&bench, 1), "fault", "stands at offset 20, and its log holds 30 to 40", "accept-gap payments");
    bench.installation.succeed(&["streams", "pause", "payments", "--reason", "rebuilt"]);
    says(&streams(&bench, 1), "fault", "payments: is paused: rebuilt", "");
}
