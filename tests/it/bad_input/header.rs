//! Headers that do not fit their feed.

use super::bench::{Bench, NOTES};

#[tokio::test]
async fn a_header_without_a_needed_column_fails_the_job_before_anything_is_loaded() {
    let bench = Bench::new(&[NOTES]).await;
    // With records, with none, and without so much as a line end.
    for (name, file) in [("some.csv", "id,txt\n1,a\n"), ("none.csv", "id,txt\n"), ("unended.csv", "id,txt")] {
        let load = bench.load(3, "notes", name, file).await;
        assert_eq!(load.report["state"], "failed");
        assert_eq!(load.report["loaded"], 0);
        let reason = load.report["reason"].as_str().unwrap();
        assert!(reason.starts_with("the header has no column text"), "{reason}");
        assert!(load.words.contains("the header has no column text"), "{}", load.words);
    }
    // A job that failed does not stand in the way of the file once it is mended, or the feed is.
    bench.load(3, "notes", "some.csv", "id,txt\n1,a\n").await;
}

#[tokio::test]
async fn a_header_that_names_a_column_of_the_feed_twice_fails_the_job() {
    let bench = Bench::new(&[NOTES]).await;
    let load = bench.load(3, "notes", "twice.csv", "id,text,id\n1,a,2\n").await;
    assert_eq!(load.report["state"], "failed");
    let reason = load.report["reason"].as_str().unwrap();
    assert!(reason.starts_with("the header names column id twice"), "{reason}");
}

#[tokio::test]
async fn a_header_may_hold_columns_in_any_order_and_unknown_ones_are_told() {
    let bench = Bench::new(&[NOTES]).await;
    let load = bench.load(0, "notes", "more.csv", "remark,text,id,\n-,a,1,\n-,b,2\n").await;
    assert_eq!(bench.rows("notes", load.job).await, ["1|1|a"]);
    assert_eq!(load.rejects[0].told(), (2, 3, 23, &b"-,b,2\n"[..], "record.fieldCount".to_owned()));
    assert!(load.words.contains("columns that the feed does not know are not loaded: remark"), "{}", load.words);
}
