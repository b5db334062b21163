//! A quote that never closes costs its line, not the file.

use super::bench::{Bench, NOTES};
use crate::installation::Installation;

#[tokio::test]
async fn a_quote_that_is_open_at_the_end_of_the_file_costs_its_line() {
    let bench = Bench::new(&[NOTES]).await;
    let middle = bench.load(0, "notes", "middle.csv", "id,text\n1,a\n2,\"open\n3,c\n4,d\n").await;
    assert_eq!(bench.rows("notes", middle.job).await, ["1|1|a", "3|3|c", "4|4|d"]);
    assert_eq!(middle.rejects[0].told(), (2, 3, 12, &b"2,\"open\n"[..], "record.unclosedQuote".to_owned()));

    let end = bench.load(0, "notes", "end.csv", "id,text\n1,\"closed\nin line 3\"\n2,\"open").await;
    assert_eq!(bench.rows("notes", end.job).await, ["1|1|closed\nin line 3"]);
    assert_eq!(end.rejects[0].told(), (2, 4, 29, &b"2,\"open"[..], "record.unclosedQuote".to_owned()));
}

#[tokio::test]
async fn a_quote_that_is_open_at_the_limit_of_a_record_costs_its_line() {
    let mut installation = Installation::new().await;
    installation.set("FABRIC_INGEST_RECORD_BYTES", "1KiB");
    let bench = Bench::over(installation, &[NOTES]);
    let rest: String = (3..500).map(|id| format!("{id},plain\n")).collect();
    // The quote that would close it lies past the limit, and opens one itself.
    let file = format!("id,text\n1,a\n2,\"open\n{rest}500,\"closed\"\n501,\"open again\n502,z\n");
    let load = bench.load(0, "notes", "limit.csv", &file).await;
    let rows = bench.rows("notes", load.job).await;
    assert_eq!(rows.len(), 500);
    assert_eq!(rows[1], "3|3|plain");
    assert_eq!(rows[498..], ["500|500|closed", "502|502|z"]);
    let rejects: Vec<_> = load.rejects.iter().map(|reject| (reject.record, &reject.source[..])).collect();
    assert_eq!(rejects, [(2, &b"2,\"open\n"[..]), (501, b"501,\"open again\n")]);
    assert_eq!(load.report["rejectsByRule"]["record.unclosedQuote"], 2);
}
