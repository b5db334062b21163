//! Job events on their topic: all of them, in order, once Kafka takes them.

use super::events::{self, read_until, states};
use super::{installation, lane};
use crate::installation::Installation;

const OUTBOX: &str = "select count(*) from fabric.outbox";
const A_LOAD: [&str; 5] = ["registered", "publishing", "loading", "reconciling", "completed"];

#[tokio::test]
async fn a_loads_events_arrive_in_order_and_an_alert_once() {
    let installation = installation().await;
    let feed =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/card-transactions.yaml")).unwrap();
    let feed = feed.replace("{ rejects: 1%, after: 10000, action: alert }", "{ rejects: 5, action: alert }");
    let path = installation.write("alerted.yaml", feed);
    installation.succeed(&["feeds", "apply", &path]);
    let file = installation.card_transactions("cards.txt", 10_000);
    let _validator = installation.validator();
    let report = installation.json(0, &["ingest", "card-transactions", &file, "--wait", "--json"]);
    let job = report["job"].as_i64().unwrap();

    let events = read_until(&installation, |event| event.state == "completed").await;
    assert_eq!(states(&events, job), A_LOAD);
    let last = events.last().unwrap();
    assert_eq!((last.records, last.rejected), (10_000, report["rejected"].as_i64().unwrap()));
    let alerts: Vec<_> = events.iter().filter(|event| event.kind == "ALERT").collect();
    let [alert] = alerts[..] else { panic!("{alerts:?}") };
    assert!(alert.reason.as_ref().unwrap().ends_with(", over the limit of 5"), "{alert:?}");
    empties(&installation).await;
}

#[tokio::test]
async fn events_wait_for_their_topic_and_hold_up_nothing_else() {
    let installation = installation().await;
    let _validator = installation.validator();
    let first = installation.card_transactions("first.txt", 100);
    installation.json(0, &["ingest", "card-transactions", &first, "--wait", "--json"]);
    empties(&installation).await;
    lane::delete(&events::topic(&installation)).await;
    let file = installation.card_transactions("cards.txt", 2_000);
    let report = installation.json(0, &["ingest", "card-transactions", &file, "--wait", "--json"]);
    let job = report["job"].as_i64().unwrap();
    assert_eq!(installation.database.number(OUTBOX).await, A_LOAD.len() as i64);

    installation.succeed(&["topics", "apply"]);
    let events = read_until(&installation, |event| event.state == "completed").await;
    assert_eq!(states(&events, job), A_LOAD);
    empties(&installation).await;
}

async fn empties(installation: &Installation) {
    installation.until(1, "select (count(*) = 0)::integer::bigint from fabric.outbox").await;
}
