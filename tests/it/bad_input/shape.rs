//! Files without records, without a last line end, with lines that are no records.

use super::bench::{Bench, NOTES};

/// NOTES under another name, for a file that may have no records.
fn on_empty(feed: &str, word: &str) -> String {
    NOTES.replace("notes", feed) + &format!("onEmpty: {word}\n")
}

#[tokio::test]
async fn an_empty_file_is_what_its_feed_says_of_it() {
    let feeds = [on_empty("quiet", "ok"), on_empty("wary", "warn"), on_empty("strict", "fail")];
    let bench = Bench::new(&feeds.each_ref().map(String::as_str)).await;

    let quiet = bench.load(0, "quiet", "empty.csv", "").await;
    assert!(quiet.report["reason"].is_null(), "{}", quiet.report);
    let wary = bench.load(0, "wary", "empty.csv", "").await;
    assert_eq!(wary.report["reason"], "the file holds no records");
    let strict = bench.load(3, "strict", "empty.csv", "").await;
    assert_eq!(strict.report["state"], "failed");
    assert_eq!(strict.report["reason"], "the file holds no records");

    // A header, or blank lines, are no records.
    let header = bench.load(3, "strict", "header.csv", "id,text\n").await;
    assert_eq!(header.report["reason"], "the file holds no records");
    let blank = bench.load(0, "wary", "blank.csv", "\n\r\n").await;
    assert_eq!(blank.report["reason"], "the file holds no records");
    assert_eq!(blank.report["skipped"]["blank"], 2);
}

#[tokio::test]
async fn lines_that_are_no_records_are_counted_and_number_no_record() {
    let bench = Bench::new(&[NOTES]).await;

    let everywhere = bench.load(0, "notes", "everywhere.csv", "\u{feff}\n\r\nid,text\n\n1,a\n\r\n2,b\n\n").await;
    assert_eq!(bench.rows("notes", everywhere.job).await, ["1|1|a", "2|2|b"]);
    assert_eq!(everywhere.report["skipped"]["header"], 1);
    assert_eq!(everywhere.report["skipped"]["blank"], 5);

    let header = bench.load(0, "notes", "header.csv", "id,text\n").await;
    assert_eq!((&header.report["records"], &header.report["skipped"]["header"]), (&0.into(), &1.into()));
    let header = bench.load(0, "notes", "unended-header.csv", "id,text").await;
    assert_eq!((&header.report["records"], &header.report["skipped"]["header"]), (&0.into(), &1.into()));

    let chunk_of_none = bench.load(0, "notes", "blanks.csv", "id,text\n\n\r\n\n").await;
    assert_eq!(chunk_of_none.report["skipped"]["blank"], 3);
    let none = bench.load(0, "notes", "none.csv", "\n\n").await;
    assert_eq!((&none.report["skipped"]["header"], &none.report["skipped"]["blank"]), (&0.into(), &2.into()));
}

#[tokio::test]
async fn line_ends_may_be_mixed_and_the_last_may_be_missing() {
    let bench = Bench::new(&[NOTES]).await;

    let mixed = bench.load(0, "notes", "mixed.csv", "id,text\r\n1,a\r\n2,b\n3,c\rd\r\nx,e\r\n5,f").await;
    assert_eq!(bench.rows("notes", mixed.job).await, ["1|1|a", "2|2|b", "3|3|c\rd", "5|5|f"]);
    let rejects: Vec<_> = mixed.rejects.iter().map(|reject| reject.told()).collect();
    assert_eq!(rejects, [(4, 5, 25, &b"x,e\r\n"[..], "id.type".to_owned())]);

    let last = bench.load(0, "notes", "last.csv", "id,text\n1,a\nx,last").await;
    assert_eq!(bench.rows("notes", last.job).await, ["1|1|a"]);
    assert_eq!(last.rejects[0].told(), (2, 3, 12, &b"x,last"[..], "id.type".to_owned()));
}

#[tokio::test]
async fn a_byte_order_mark_is_no_part_of_the_first_column() {
    let bench = Bench::new(&[NOTES]).await;
    let marked = bench.load(0, "notes", "marked.csv", "\u{feff}id,text\nx,a\n2,\u{feff}b\n").await;
    assert_eq!(bench.rows("notes", marked.job).await, ["2|2|\u{feff}b"]);
    assert_eq!(marked.rejects[0].told(), (1, 2, 11, &b"x,a\n"[..], "id.type".to_owned()));
}
