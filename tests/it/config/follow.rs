//! An activation on its way to every process: in order, once, whatever happens to the steward, the topic and the network.

use std::time::Duration;

use fabric::config::{Pinned, ReferencePins, Way};
use rdkafka::admin::{AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::producer::{FutureProducer, FutureRecord};

use super::following::{apply, cards, eventually, live, until, until_version};
use crate::installation::{Installation, admin, brokers};
use crate::outages::proxied::KafkaProxy;
use crate::resuming::lane;

const OUTBOX: &str = "select count(*) from fabric.outbox where topic = 'config'";

fn topic(installation: &Installation) -> String {
    format!("{}config", installation.prefix)
}

async fn follows(live: &fabric::config::Live) {
    eventually("it follows the topic", async || live.known().way() == Way::Topic).await;
}

/// Puts a message on the topic as nobody should.
async fn forge(installation: &Installation, key: &str, value: &[u8]) {
    let mut config = rdkafka::ClientConfig::new();
    let producer: FutureProducer = config.set("bootstrap.servers", brokers()).create().unwrap();
    let topic = topic(installation);
    let record = FutureRecord::to(&topic).key(key).payload(value);
    producer.send(record, Duration::from_secs(10)).await.unwrap();
}

#[tokio::test]
async fn a_change_is_applied_by_who_follows_and_known_to_who_starts_later() {
    let installation = Installation::new().await;
    let _steward = installation.start(&["steward"]);
    let (early, _health) = live(&installation, &installation.settings());
    follows(&early).await;
    apply(&installation, 1);
    until_version(&early, 1).await;
    apply(&installation, 2);
    until_version(&early, 2).await;
    // What the next use needs is there: nothing is loaded for it.
    let loads = early.cache().plan_figures().loads;
    let pinned = Pinned { feed: "cards".into(), version: 2, references: ReferencePins::new() };
    let plan = early.cache().plan(&pinned, None).await.unwrap();
    assert_eq!((plan.version, early.cache().plan_figures().loads), (2, loads));

    let (late, _health) = live(&installation, &installation.settings());
    follows(&late).await;
    assert_eq!(late.known().all(), early.known().all());
    eventually("the outbox is empty", async || installation.database.number(OUTBOX).await == 0).await;
}

#[tokio::test]
async fn a_change_that_no_steward_has_published_is_published_by_the_next_in_order() {
    let installation = Installation::new().await;
    let (process, _health) = live(&installation, &installation.settings());
    follows(&process).await;
    let steward = installation.start(&["steward"]);
    eventually("a steward leads", async || steward.log().contains("leads as steward")).await;
    steward.kill();
    for mark in 1..=3 {
        apply(&installation, mark);
    }
    assert_eq!(installation.database.number(OUTBOX).await, 3);
    let next = installation.start(&["steward"]);
    until_version(&process, 3).await;
    eventually("all three are published", async || next.log().matches("config event").count() == 3).await;
    let log = next.log();
    let places: Vec<_> = (1..=3).map(|version| log.find(&format!("version={version}")).unwrap()).collect();
    assert!(places.is_sorted(), "{log}");
}

#[tokio::test]
async fn a_topic_that_was_made_anew_or_emptied_is_mended_and_read_anew() {
    let installation = Installation::new().await;
    let _steward = installation.start(&["steward"]);
    let (old, _health) = live(&installation, &installation.settings());
    apply(&installation, 1);
    apply(&installation, 2);
    until_version(&old, 2).await;
    let topic = topic(&installation);

    lane::delete(&topic).await;
    installation.succeed(&["topics", "apply"]);
    eventually("what is active stands in the new topic", async || lane::sent(&topic) > 0).await;
    follows(&old).await;
    apply(&installation, 3);
    until_version(&old, 3).await;

    let before = lane::sent(&topic);
    // Kafka deletes no records of a topic that is compacted only.
    let policy = AlterConfig::new(ResourceSpecifier::Topic(&topic)).set("cleanup.policy", "delete");
    admin().alter_configs([&policy], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
    lane::empty(&topic, 0..1).await;
    installation.succeed(&["topics", "apply"]);
    eventually("what is active stands in the emptied topic", async || lane::sent(&topic) > before).await;
    let (fresh, _health) = live(&installation, &installation.settings());
    follows(&fresh).await;
    follows(&old).await;
    assert_eq!(fresh.known().all(), old.known().all());
    assert!(fresh.known().owed_to_topic().is_empty());
}

#[tokio::test]
async fn messages_of_no_use_are_set_aside_and_what_they_covered_is_published_again() {
    let installation = Installation::new().await;
    let steward = installation.start(&["steward"]);
    // Else the validator, which stands for election too, may be the one that publishes.
    steward.until_says("leads as steward", Duration::from_secs(30)).await;
    apply(&installation, 1);
    let validator = installation.validator();
    validator.until_says("knows what is active", Duration::from_secs(30)).await;
    validator.until_says("partitions assigned", Duration::from_secs(30)).await;
    eventually("it is published", async || installation.database.number(OUTBOX).await == 0).await;
    let sent = lane::sent(&topic(&installation));
    forge(&installation, "widget/x", b"?").await;
    forge(&installation, "feed/cards", b"{\"not\": \"avro\"}").await;
    let event = fabric::config::ConfigEvent {
        kind: "feed".into(),
        name: "cards".into(),
        version: 99,
        revision: 1 << 40,
        checksum: String::new(),
        retired: false,
        by: "nobody".into(),
        at: 0,
    };
    forge(&installation, "feed/cards", &event.encode().unwrap()).await;
    let other = fabric::config::ConfigEvent { name: "ghosts".into(), ..event };
    forge(&installation, "feed/ghosts", &other.encode().unwrap()).await;
    let patience = Duration::from_secs(20);
    validator.until_says("this release knows no widget", patience).await;
    validator.until_says("it is no Avro that this release can read", patience).await;
    validator.until_says("it tells of feed/cards v99 (revision 1099511627776), and Postgres has v1", patience).await;
    validator.until_says("it tells of feed/ghosts v99, and Postgres has no such feed", patience).await;
    steward.until_says("is published again", patience).await;
    eventually("the topic says again what is active", async || lane::sent(&topic(&installation)) > sent + 4).await;

    let (fresh, _health) = live(&installation, &installation.settings());
    follows(&fresh).await;
    apply(&installation, 2);
    until_version(&fresh, 2).await;
    validator.until_says("version=2", patience).await;
}

#[tokio::test]
async fn who_is_cut_off_from_kafka_reads_postgres_and_says_so_until_it_follows_again() {
    let mut installation = Installation::new().await;
    let _steward = installation.start(&["steward"]);
    let way = KafkaProxy::new().await;
    installation.set("FABRIC_KAFKA_BROKERS", &way.brokers());
    let (process, health) = live(&installation, &installation.settings());
    installation.set("FABRIC_KAFKA_BROKERS", &brokers());
    follows(&process).await;
    apply(&installation, 1);
    until_version(&process, 1).await;
    way.proxy.cut();
    eventually("it reads Postgres", async || matches!(process.known().way(), Way::Postgres(_))).await;
    let answer = health.ready(std::time::Instant::now());
    assert!(answer.notes["config"].contains("Postgres is read every second"), "{answer:?}");
    assert!(!answer.reasons.contains_key("config"), "{answer:?}");
    apply(&installation, 2);
    until_version(&process, 2).await;
    way.proxy.heal().unwrap();
    follows(&process).await;
    apply(&installation, 3);
    until_version(&process, 3).await;
    eventually("nothing is noted", async || health.ready(std::time::Instant::now()).notes.is_empty()).await;
}

#[tokio::test]
async fn a_retired_feed_is_a_tombstone_and_known_as_retired() {
    let installation = Installation::new().await;
    let _steward = installation.start(&["steward"]);
    let (process, _health) = live(&installation, &installation.settings());
    follows(&process).await;
    apply(&installation, 1);
    until_version(&process, 1).await;
    installation.succeed(&["feeds", "retire", "cards"]);
    until(&process, "retired", |known| known.is_some_and(|known| known.retired)).await;
    let (fresh, _health) = live(&installation, &installation.settings());
    follows(&fresh).await;
    assert!(fresh.known().get(&cards()).unwrap().retired);
    // The event of the retirement is in the topic, so nothing is owed to it.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(fresh.known().owed_to_topic().is_empty());
}

#[tokio::test]
async fn the_status_names_who_holds_what_and_who_is_behind() {
    let installation = Installation::new().await;
    let steward = installation.start(&["steward"]);
    apply(&installation, 1);
    let _validator = installation.validator();
    let held = |version: i64| {
        let told = installation.json(0, &["config", "status", "--json"]);
        let processes = told["processes"].as_array().unwrap();
        let holds = |process: &serde_json::Value| process["doing"]["config"]["things"]["feed/cards"][0] == version;
        processes.len() == 2
            && processes.iter().all(|process| holds(process) && process["behind"] == serde_json::json!([]))
    };
    eventually("both hold v1", async || held(1)).await;
    apply(&installation, 2);
    eventually("both hold v2", async || held(2)).await;
    let told = installation.succeed(&["config", "status"]);
    assert!(told.contains("feed/cards") && told.contains("2 of 2") && told.contains("topic"), "{told}");
    // A frozen steward says nothing, and learns nothing.
    steward.signal(nix::sys::signal::Signal::SIGSTOP);
    apply(&installation, 3);
    eventually("the validator holds v3", async || {
        let told = installation.succeed(&["config", "status"]);
        told.contains("1 of 2") && told.contains("feed/cards v2 → v3 for ")
    })
    .await;
}
