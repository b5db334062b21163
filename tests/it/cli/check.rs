//! `fabric check` on good and bad files.

use serde_json::{Value, json};

use super::{Desk, fabric, root};

const PEOPLE: &str = "
feed: people
layout: { format: delimited, header: false }
fields:
  - { name: id, type: integer, required: true, minimum: 1 }
  - { name: name, type: string }
target: { schema: public, table: people, mode: append }
";

fn with_header() -> String {
    PEOPLE.replace("header: false", "header: true")
}

/// Exit code, accepted, rejects by rule.
fn judged(feed: &str, file: impl AsRef<[u8]>) -> (i32, u64, Value) {
    let ran = Desk::new(feed, file).check(&["--json"]);
    let report = ran.json();
    (ran.code, report["accepted"].as_u64().unwrap(), report["rejectsByRule"].clone())
}

#[test]
fn an_empty_file_is_no_fault_unless_the_feed_says_so() {
    assert_eq!(judged(PEOPLE, ""), (0, 0, json!({})));
    let refusing = Desk::new(&format!("{PEOPLE}onEmpty: fail\n"), "").check(&[]);
    assert_eq!(refusing.code, 3);
    assert!(refusing.out.contains("would not load: the file holds no records"), "{}", refusing.out);
}

#[test]
fn a_file_of_only_a_header_holds_no_records() {
    for file in ["id,name\n", "id,name"] {
        let report = Desk::new(&with_header(), file).check(&["--json"]).json();
        assert_eq!((report["records"].as_u64(), report["skipped"]["header"].as_u64()), (Some(0), Some(1)));
    }
}

#[test]
fn a_header_that_does_not_fit_is_the_datas_doing() {
    for file in ["id,nom\n1,Ada\n", "id,nom"] {
        let ran = Desk::new(&with_header(), file).check(&[]);
        assert_eq!(ran.code, 3);
        assert!(ran.out.contains("would not load: the header has no column name"), "{}", ran.out);
    }
}

#[test]
fn the_last_record_counts_without_its_newline() {
    assert_eq!(judged(PEOPLE, "1,Ada\n2,Bob"), (0, 2, json!({})));
}

#[test]
fn crlf_and_lf_may_be_mixed() {
    assert_eq!(judged(PEOPLE, "1,Ada\r\n2,Bob\n3,Cy\r\n"), (0, 3, json!({})));
}

#[test]
fn nul_bytes_and_invalid_utf8_are_rejects() {
    let file = b"1,A\0da\n2,\xff\xfe\n3,Cy\n";
    assert_eq!(judged(PEOPLE, file), (0, 1, json!({"name.nul": 1, "name.encoding": 1})));
}

#[test]
fn too_few_and_too_many_fields_are_rejects() {
    assert_eq!(judged(PEOPLE, "1\n2,Bob,x\n3,Cy\n"), (0, 1, json!({"record.fieldCount": 2})));
}

#[test]
fn an_unclosed_quote_costs_one_line() {
    assert_eq!(judged(PEOPLE, "1,Ada\n2,\"Bob\n3,Cy\n4,Di\n"), (0, 3, json!({"record.unclosedQuote": 1})));
}

#[test]
fn a_record_over_the_limit_is_a_reject_that_keeps_its_first_bytes() {
    let long = format!("2,{}\n", "x".repeat(10_000));
    let desk = Desk::new(PEOPLE, format!("1,Ada\n{long}3,Cy\n"));
    let ran = desk.check(&["--json", "--set", "ingest.record_bytes=1KiB", "--rejects", "rejects"]);
    let report = ran.json();
    assert_eq!((ran.code, &report["accepted"]), (0, &json!(2)));
    assert_eq!(report["rejectsByRule"], json!({"record.tooLong": 1}));
    let kept = desk.read("rejects");
    assert!(!kept.is_empty() && kept.len() <= 1024 && long.as_bytes().starts_with(&kept));
}

#[test]
fn a_wrong_delimiter_is_stopped_by_the_default_threshold() {
    let desk = Desk::new(PEOPLE, "1;Ada Lovelace\n".repeat(200_000));
    let args = ["--json", "--set", "ingest.chunk_bytes=16KiB"];
    let ran = desk.check(&args);
    let report = ran.json();
    assert_eq!(ran.code, 3);
    let reason = report["reason"].as_str().unwrap();
    assert!(reason.starts_with("stopped by the default threshold: "), "{reason}");
    let records = report["records"].as_u64().unwrap();
    assert!((10_000..12_000).contains(&records), "{records}");
    assert_eq!(desk.check(&args).json()["records"], records, "a stop is at the same chunk each time");
}

#[test]
fn rejects_are_written_byte_for_byte_and_accepted_records_as_rfc_4180() {
    let file = "1,\"a \"\"b\"\",\nc\"\r\nx,\"Bob\"\r\n3,plain\n0,Di\n";
    let desk = Desk::new(PEOPLE, file);
    desk.check(&["--rejects", "rejects", "--accepted", "accepted.csv"]);
    assert_eq!(String::from_utf8(desk.read("rejects")).unwrap(), "x,\"Bob\"\r\n0,Di\n");
    let accepted = "id,name\r\n1,\"a \"\"b\"\",\nc\"\r\n3,plain\r\n";
    assert_eq!(String::from_utf8(desk.read("accepted.csv")).unwrap(), accepted);
}

#[test]
fn many_chunks_on_many_cores_come_out_in_the_order_of_the_file() {
    let line = |n: u32| if n.is_multiple_of(100) { format!("bad{n},x\n") } else { format!("{n},name {n}\n") };
    let file: String = (1..=50_000).map(line).collect();
    let desk = Desk::new(PEOPLE, &file);
    let ran = desk.check(&["--json", "--set", "ingest.chunk_bytes=4KiB", "--rejects", "r", "--accepted", "a"]);
    assert_eq!((ran.code, &ran.json()["rejected"]), (0, &json!(500)));
    let bad: String = (1..=50_000u32).filter(|n| n.is_multiple_of(100)).map(line).collect();
    assert!(desk.read("r") == bad.as_bytes());
    let good: String = (1..=50_000u32).filter(|n| !n.is_multiple_of(100)).map(line).collect();
    assert!(desk.read("a") == format!("id,name\n{good}").replace('\n', "\r\n").as_bytes());
}

#[test]
fn a_check_reads_as_people_need_it() {
    let feed = format!("{PEOPLE}primaryKey: [id]\nthresholds:\n  - {{ rejects: 90%, action: stop }}\n");
    let ran = Desk::new(&feed, "1,Ada\n0,Bob\nx,Cy\n4\n5,Eve\n").check(&["--show", "2"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    insta::assert_snapshot!(without_time(&ran.out), @r#"
    data.csv  5 records, 25 B, TIME

      rule               severity  records  first at
      record.fieldCount  error           1  line 4
      id.type            error           1  line 3
      id.minimum         error           1  line 2

      line 2, record 2, byte 6 · id "0" · must be at least 1
      line 3, record 3, byte 12 · id "x" · is not an integer of 64 bits
      … 1 more: --rejects FILE writes them all, byte for byte

    primaryKey and uniqueKeys are judged by Postgres when the file is loaded, not here
    2 accepted · 3 rejected (60 %), under the threshold of 90 %
    "#);
}

#[test]
fn standard_input_and_gzip_are_read_too() {
    use std::io::Write as _;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"1,Ada\n2,Bob\n").unwrap();
    assert_eq!(judged(PEOPLE, gzip.finish().unwrap()), (0, 2, json!({})));

    let desk = Desk::new(PEOPLE, "1,Ada\n");
    let file = std::fs::File::open(desk.path("data.csv")).unwrap();
    let feed = desk.path("feed.yaml");
    let ran = super::ran(super::command().args(["check".as_ref(), feed.as_os_str(), "-".as_ref()]).stdin(file));
    assert!(ran.out.contains("1 accepted"), "{}", ran.out);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let desk = Desk::new(PEOPLE, "");
    let ran = desk.run(["check", "feed.yaml", "gone.csv"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("gone.csv does not exist"), "{}", ran.err);
}

#[test]
fn the_checked_file_is_never_overwritten() {
    let desk = Desk::new(PEOPLE, "1,Ada\n");
    let ran = desk.check(&["--rejects", "data.csv"]);
    assert_eq!((ran.code, desk.read("data.csv").as_slice()), (2, b"1,Ada\n".as_slice()));
}

#[test]
fn a_wrong_definition_is_told_with_its_places() {
    let feed = PEOPLE.replace("minimum: 1", "minimun: 1");
    let ran = Desk::new(&feed, "").check(&[]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.starts_with("feed.yaml:5:"), "{}", ran.err);
    assert!(ran.err.contains("`minimum`"), "{}", ran.err);
}

#[test]
fn the_json_of_a_check_keeps_to_the_schema() {
    let report = Desk::new(PEOPLE, "1,Ada\nx,Bob\n").check(&["--json"]).json();
    let schema = std::fs::read_to_string(root().join("docs/report.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let known = schema["properties"].as_object().unwrap();
    for key in report.as_object().unwrap().keys() {
        assert!(known.contains_key(key), "{key} is not in the schema");
    }
    for key in schema["required"].as_array().unwrap() {
        assert!(report.get(key.as_str().unwrap()).is_some(), "{key} is missing");
    }
    assert!(report.get("job").is_none() && report.get("state").is_none() && report.get("loaded").is_none());
}

#[test]
fn a_generated_file_holds_the_rejects_that_it_announces() {
    let desk = Desk::new("", "");
    let cards = desk.path("cards.txt");
    let cards = cards.to_str().unwrap();
    let made = fabric(["generate", "card-transactions", "--records", "5000", "--bad-ppm", "20000", "--out", cards]);
    let feed = root().join("examples/card-transactions.yaml");
    let report = fabric(["check", feed.to_str().unwrap(), cards, "--json"]).json();
    assert_eq!(report["records"], 5000);
    let rejected = report["rejected"].as_u64().unwrap();
    assert!(rejected > 0 && made.err.contains(&format!("{rejected} bad")), "{}", made.err);
}

/// The first line ends in how long it took.
fn without_time(text: &str) -> String {
    let (first, rest) = text.split_once('\n').unwrap();
    let (first, _time) = first.rsplit_once(", ").unwrap();
    format!("{first}, TIME\n{rest}")
}
