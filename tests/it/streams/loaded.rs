//! Records of a topic become rows and rejects, with their places.

use std::time::{Duration, Instant};

use rdkafka::producer::Producer as _;

use super::bench::Bench;

#[tokio::test]
async fn every_message_is_a_row_or_a_reject_with_its_place() {
    let mut bench = Bench::new(3).await;
    let validator = bench.installation.validator();
    bench.produce(0, 2_000).await;
    bench.account().await;
    let placed =
        "select count(*) from payments where _topic is not null and _partition between 0 and 2 and _offset >= 0
                  and _feed_version = 1 and city = 'Zürich ' || (substr(id, 2)::int % 7) and amount = 12.50";
    assert_eq!(bench.installation.database.number(placed).await, 1_800);
    let why = "select count(*) from fabric.stream_rejects where feed = 'payments' and feed_version = 1
               and reasons -> 0 ->> 'rule' = 'amount.exclusiveMinimum' and reasons -> 0 ->> 'value' = '-1.50'";
    assert_eq!(bench.installation.database.number(why).await, 200);

    let streams = bench.installation.json(0, &["streams", "list", "--json"]);
    assert_eq!(streams[0]["feed"], "payments");
    assert_eq!((&streams[0]["state"], &streams[0]["waiting"]), (&"running".into(), &0.into()));
    assert_eq!((&streams[0]["loaded"], &streams[0]["rejected"]), (&1_800.into(), &200.into()));
    let last = bench.installation.json(0, &["streams", "rejects", "payments", "--limit", "1", "--json"]);
    assert_eq!(last[0]["reasons"][0]["message"], "must be greater than 0", "{last}");
    validator.terminate();
}

#[tokio::test]
async fn a_lone_record_is_in_the_table_at_once_and_offsets_are_committed_after_it() {
    let mut bench = Bench::new(1).await;
    let _validator = bench.installation.start(&["validate", "--only", "streams"]);
    bench.produce(0, 1).await;
    bench.until(1).await;
    let began = Instant::now();
    bench.produce(1, 1).await;
    bench.until(2).await;
    // A debug build, and a machine that does other things; perf/load/stream measures it.
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    bench.account().await;
}

#[tokio::test]
async fn what_a_producer_took_back_is_not_loaded_and_the_holes_that_it_leaves_are_no_gap() {
    let mut bench = Bench::new(1).await;
    let _validator = bench.installation.validator();
    let patience = Duration::from_secs(30);
    let record = |number: u32| format!(r#"{{"id":"P{number}","amount":1}}"#).into_bytes();
    bench.transaction(&[&record(1), &record(2)], |producer| producer.abort_transaction(patience)).await;
    bench.transaction(&[&record(3)], |producer| producer.commit_transaction(patience)).await;
    bench.transaction(&[&record(4)], |producer| producer.abort_transaction(patience)).await;
    bench.send(&record(5)).await;
    bench.until(2).await;
    bench.produce_values(vec![(record(6), true)]).await;
    bench.until(3).await;
    let loaded: Vec<String> = sqlx::query_scalar("select id from payments order by _offset")
        .fetch_all(&bench.installation.database.pool)
        .await
        .unwrap();
    assert_eq!(loaded, ["P3", "P5", "P6"]);
    assert_eq!(bench.installation.json(0, &["streams", "list", "--json"])[0]["state"], "running");
}
