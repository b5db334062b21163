//! What `/metrics` says of a load is what its report says, in a form that Prometheus takes.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fabric::telemetry::catalog::METRICS;

use super::asked::{Page, address};
use crate::installation::Installation;

/// Of metrics that nothing in this test gives reason for.
const NOT_MET: [&str; 11] = [
    "fabric_parked_chunks_total",
    "fabric_quarantined_chunks_total",
    "fabric_config_propagation_seconds",
    "fabric_cache_age_seconds",
    "fabric_redis_well",
    "fabric_redis_call_seconds",
    "fabric_schema_registry_well",
    "fabric_schema_registry_breaker_open",
    "fabric_schema_registry_request_seconds",
    "fabric_stream_lag_messages",
    "fabric_stream_thresholds_total",
];

/// A publication has it while it publishes, which twenty thousand records are over too soon to be asked about.
const PASSING: &str = "fabric_publishing_bytes";

fn promtool(page: &Page) {
    let run = Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut run = run.expect("promtool is in Debian's package prometheus: `dev/test` installs it");
    run.stdin.take().unwrap().write_all(page.text.as_bytes()).unwrap();
    let output = run.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}\n{}", page.text);
}

/// Asks until `holds`: an offset is committed, and an acknowledgement counted, a moment after the job has moved.
async fn page_where(address: &str, holds: impl Fn(&Page) -> bool) -> Page {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let page = Page::of(address);
        if holds(&page) {
            return page;
        }
        assert!(Instant::now() < deadline, "{}", page.text);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn the_figures_of_a_load_are_those_of_its_report() {
    let mut installation = Installation::new().await;
    installation.set("FABRIC_INGEST_HTTP_LISTEN", "127.0.0.1:0");
    installation.set("FABRIC_INGEST_CHUNK_BYTES", "65536");
    installation.apply_card_transactions();
    let file = installation.card_transactions("cards.txt", 20_000);
    let bytes = std::fs::metadata(&file).unwrap().len();

    // Nobody loads yet: the publisher waits, and can be asked.
    let mut publisher = installation.start(&["ingest", "card-transactions", &file, "--wait"]);
    let asked = address(&publisher).await;
    let published = page_where(&asked, |page| page.text.contains("fabric_published_records_total 20000")).await;
    promtool(&published);
    let chunks = published.figure("fabric_published_chunks_total");
    assert_eq!(published.figure(r#"fabric_stage_seconds_count{stage="publish"}"#), chunks);

    let validator = installation.validator();
    let asked = address(&validator).await;
    assert_eq!(publisher.wait(Duration::from_secs(60)), Some(0));
    let report = installation.json(0, &["jobs", "wait", "1", "--timeout", "30s", "--json"]);
    let finished = |page: &Page| {
        ["fabric_lag_seconds{", "fabric_lag_estimated_records{", "fabric_job_events_total"]
            .iter()
            .all(|metric| page.text.contains(metric))
            && lag(page) == 0.0
    };
    let page = page_where(&asked, finished).await;
    promtool(&page);

    let of_feed = |metric: &str| page.figure(&format!(r#"{metric}{{feed="card-transactions"}}"#));
    assert_eq!(of_feed("fabric_loaded_records_total"), report["loaded"].as_f64().unwrap());
    assert_eq!(of_feed("fabric_rejected_records_total"), report["rejected"].as_f64().unwrap());
    assert_eq!(of_feed("fabric_loaded_chunks_total"), chunks);
    assert_eq!(of_feed("fabric_loaded_bytes_total"), bytes as f64);
    assert_eq!(page.figure(r#"fabric_ledger_answers_total{answer="load"}"#), chunks);
    assert_eq!(page.figure(r#"fabric_stage_seconds_count{stage="judge"}"#), chunks);
    let rules: BTreeMap<String, u64> = serde_json::from_value(report["rejectsByRule"].clone()).unwrap();
    assert!(!rules.is_empty());
    for (rule, records) in rules {
        let series = format!(r#"fabric_rejects_total{{feed="card-transactions",rule="{rule}"}}"#);
        assert_eq!(page.figure(&series), records as f64, "{rule}");
    }
    assert_eq!(page.figure("fabric_steward_leader"), 1.0);
    assert!(page.figure("process_resident_memory_bytes") > 1e6);

    let declared = METRICS.iter().map(|metric| metric.name).filter(|name| !NOT_MET.contains(name) && *name != PASSING);
    let absent: Vec<_> = declared.filter(|name| !page.has(name) && !published.has(name)).collect();
    assert!(absent.is_empty(), "{absent:?}\n{}", page.text);
}

fn lag(page: &Page) -> f64 {
    let of_partition = |line: &&str| line.starts_with("fabric_lag_messages{");
    page.text.lines().filter(of_partition).filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

#[tokio::test]
async fn what_caches_did_and_hold_is_told_by_cache_and_level() {
    let mut installation = Installation::new().await;
    installation.set("FABRIC_CACHE_REFERENCES_TTL", "1s");
    installation.set("FABRIC_REDIS_URL", &std::env::var("FABRIC_REDIS_URL").unwrap());
    let set = installation.write("countries.csv", "code\nCH\nFR\n");
    installation.succeed(&["references", "load", "countries", &set]);
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/card-transactions.yaml");
    let rule = "rules:\n  - { name: known-country, fields: [country], reference: countries }\n";
    let feed = installation.write("cards.yaml", std::fs::read_to_string(example).unwrap() + rule);
    installation.succeed(&["feeds", "apply", &feed]);
    let validator = installation.validator();
    let asked = address(&validator).await;
    // It makes the plan ready; then nobody asks for it.
    let page = page_where(&asked, |page| {
        let over = [
            r#"fabric_cache_evictions_total{cache="references",cause="expired"} 1"#,
            r#"fabric_cache_evictions_total{cache="plans",cause="replaced"} 1"#,
            r#"fabric_cache_entries{cache="plans"} 0"#,
        ];
        over.iter().all(|line| page.text.contains(line))
    })
    .await;
    promtool(&page);
    for (series, expected) in [
        (r#"fabric_cache_lookups_total{cache="references",level="process",outcome="miss"}"#, 1.0),
        (r#"fabric_cache_lookups_total{cache="references",level="postgres",outcome="hit"}"#, 1.0),
        (r#"fabric_cache_lookups_total{cache="feeds",level="postgres",outcome="hit"}"#, 1.0),
        (r#"fabric_cache_load_seconds_count{cache="references"}"#, 1.0),
        (r#"fabric_cache_load_seconds_count{cache="plans"}"#, 1.0),
        (r#"fabric_cache_age_seconds_count{cache="references"}"#, 1.0),
        (r#"fabric_cache_entries{cache="references"}"#, 0.0),
        (r#"fabric_cache_bytes{cache="references"}"#, 0.0),
        (r#"fabric_cache_entries{cache="feeds"}"#, 1.0),
    ] {
        assert!((page.figure(series) - expected).abs() < 0.5, "{series}\n{}", page.text);
    }
    assert!(page.figure(r#"fabric_cache_bytes{cache="feeds"}"#) > 1_000.0);
    assert!(page.text.contains(r#"fabric_cache_lookups_total{cache="feeds",level="redis",outcome="#));
    validator.terminate();
}
