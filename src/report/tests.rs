//! Claims about reports: their text, their schema.

use std::path::Path;

use super::{Report, json_schema, text};

fn completed() -> Report {
    Report {
        schema_version: 1,
        job: Some(2),
        feed: "card-transactions".into(),
        feed_version: Some(1),
        file: "TXN_20261123.txt".into(),
        state: Some("completed".into()),
        reason: None,
        records: 1_000_000,
        loaded: Some(998_971),
        accepted: None,
        rejected: 1_029,
        superseded: 0,
        rejects_by_rule: [
            ("amount.exclusiveMinimum", 412),
            ("posted_at.type", 398),
            ("currency.enum", 219),
            ("a.b", 1),
        ]
        .map(|(rule, records)| (rule.to_owned(), records))
        .into(),
        warnings_by_rule: [("branch_code.pattern".to_owned(), 37)].into(),
        skipped: super::Skipped::default(),
        controls: vec![],
        bytes: 174_000_000,
        seconds: 1.8,
        records_per_second: 555_555.6,
    }
}

#[test]
fn a_completed_job_is_an_equation_and_its_top_rules() {
    insta::assert_snapshot!(text(&completed()), @r"
    job 2  card-transactions v1  completed
           1,000,000 read = 998,971 loaded + 1,029 rejected
           amount.exclusiveMinimum  412   posted_at.type  398   currency.enum  219   … 1 more rule
           branch_code.pattern  37
    ");
}

#[test]
fn a_job_under_way_never_prints_an_equation_that_does_not_hold() {
    let mut report = Report { state: Some("loading".into()), loaded: Some(1_000), rejected: 0, ..completed() };
    assert!(text(&report).contains("1,000,000 read = 1,000 loaded + 0 rejected + 999,000 to come"));
    report.records = 0;
    assert!(text(&report).contains("so far 1,000 loaded + 0 rejected"));
}

#[test]
fn a_report_read_back_is_the_same() {
    let report = completed();
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
}

/// `FABRIC_UPDATE=1 cargo test --lib report` writes the file anew.
#[test]
fn the_schema_in_docs_is_that_of_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/report.schema.json");
    let current = format!("{}\n", serde_json::to_string_pretty(&json_schema()).unwrap());
    if std::env::var_os("FABRIC_UPDATE").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == current, "docs/report.schema.json is old: run `FABRIC_UPDATE=1 cargo test --lib report`");
}
