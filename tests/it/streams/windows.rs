//! Thresholds of streams: judged over the records of a window, each of which counts once.

use std::time::Duration;

use super::bench::Bench;
use crate::visible::asked::{Page, address};

const PAUSED: &str = "select count(*) from fabric.streams where state = 'paused'";

/// Of each ten records one is a reject.
async fn bench(partitions: i32, more: &str) -> Bench {
    let bench = Bench::new(partitions).await;
    bench.apply(&format!("{}{more}", bench.definition("limited")));
    bench
}

#[tokio::test]
async fn more_rejects_than_a_window_may_have_pause_the_stream_and_a_resume_begins_a_new_window() {
    let mut bench = bench(2, "thresholds:\n  - { rejects: 60, action: stop }\n").await;
    let validator = bench.installation.validator();
    let page = address(&validator).await;
    bench.produce(0, 400).await;
    bench.account().await;
    assert_eq!(bench.installation.database.number(PAUSED).await, 0);
    bench.produce(400, 400).await;
    bench.installation.until(1, PAUSED).await;
    let shown = bench.installation.json(0, &["streams", "show", "payments", "--json"]);
    let reason = shown["reason"].as_str().unwrap();
    assert!(reason.starts_with("paused by fabric: ") && reason.contains(" rejects among "), "{reason}");
    assert!(reason.contains("over the limit of 60, in the window of 5m since 20"), "{reason}");
    let audited = bench.installation.json(0, &["audit", "payments", "--kind", "stream", "--json"]);
    assert_eq!((&audited[0]["action"], audited[0]["message"].as_str()), (&"pause".into(), Some(reason)), "{audited}");
    validator.until_says("a threshold of a stream is passed: it is paused", Duration::from_secs(10)).await;
    let told = Page::of(&page).figure(r#"fabric_stream_thresholds_total{feed="payments",action="stop"}"#);
    assert_eq!(told, 1.0);

    bench.produce(800, 100).await;
    bench.installation.succeed(&["streams", "resume", "payments"]);
    bench.account().await;
    assert_eq!(bench.installation.database.number(PAUSED).await, 0);
    let counted = bench.installation.json(0, &["streams", "show", "payments", "--json"]);
    assert!(counted["window"]["records"].as_i64().unwrap() < 900, "{counted}");
}

#[tokio::test]
async fn an_alert_is_told_once_in_a_window_and_stops_nothing() {
    let thresholds =
        "thresholds:\n  - { rejects: 1%, after: 100, action: alert }\n  - { rejects: 0, action: continue }\n";
    let mut bench = bench(1, thresholds).await;
    let validator = bench.installation.validator();
    let alerts = "select count(*) from fabric.audit_log where kind = 'stream' and action = 'alert'";
    bench.produce(0, 300).await;
    bench.installation.until(1, alerts).await;
    bench.produce(300, 300).await;
    bench.account().await;
    let told = "select count(*) from fabric.streams where window_alerted = '{0}' and state = 'running'";
    assert_eq!(bench.installation.database.number(told).await, 1);
    assert_eq!(bench.installation.database.number(alerts).await, 1);
    let message = bench.installation.succeed(&["audit", "payments", "--kind", "stream"]);
    assert!(message.contains("over 1 % after 100 records, in the window of 5m since 20"), "{message}");

    // A new version begins a new window.
    bench.apply(&format!("{}{thresholds}", bench.definition("again")));
    let begun = "select count(*) from fabric.streams where window_version = 3 and window_alerted = '{}'";
    bench.installation.until(1, begun).await;
    validator.terminate();
}

#[tokio::test]
async fn a_window_counts_each_record_once_whoever_is_killed() {
    let mut bench = bench(4, "thresholds:\n  - { rejects: 100%, action: continue }\n").await;
    let killed = bench.installation.validator();
    bench.produce(0, 3_000).await;
    bench.until(500).await;
    killed.kill();
    let killed = bench.installation.validator();
    bench.produce(3_000, 3_000).await;
    bench.until(3_500).await;
    let _other = bench.installation.validator();
    killed.kill();
    bench.account().await;
    let shown = bench.installation.json(0, &["streams", "show", "payments", "--json"]);
    assert_eq!((&shown["window"]["records"], &shown["window"]["rejected"]), (&6_000.into(), &600.into()), "{shown}");
}

#[tokio::test]
async fn windows_that_end_while_records_come_share_them_out_without_a_rest() {
    let mut bench = Bench::new(4).await;
    bench.apply(&bench.definition("short").replace("  value: json\n", "  value: json\n  window: 1s\n"));
    let validator = bench.installation.validator();
    for round in 0..4 {
        bench.produce(round * 1_500, 1_500).await;
        bench.until(round * 1_500 + 700).await;
    }
    bench.account().await;
    let begun =
        "select 1 - least(count(*), 1) from fabric.stream_positions join fabric.streams using (feed, window_number)";
    bench.installation.until(1, begun).await;
    let log = validator.terminate();
    let ended = log.lines().filter(|line| line.contains("a window of a stream has ended"));
    let figures = ended.map(|line| (figure(line, "records="), figure(line, "rejected=")));
    let (records, rejected) = figures.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert_eq!((records, rejected), (6_000, 600), "{log}");
}

fn figure(line: &str, name: &str) -> u64 {
    let digits = line.split(name).nth(1).unwrap().chars().take_while(char::is_ascii_digit);
    digits.collect::<String>().parse().unwrap()
}
