//! Files that are not what they are taken for: damaged in themselves, or read with the wrong delimiter.

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::bench::{Bench, LINES, NOTES};
use crate::installation::{Installation, told};

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Many different lines, so that compression leaves something to damage.
pub fn notes() -> String {
    (0..20_000u64).fold("id,text\n".to_owned(), |mut text, id| {
        writeln!(text, "{id},{:x}", id.wrapping_mul(0x9e37_79b9_7f4a_7c15)).unwrap();
        text
    })
}

#[tokio::test]
async fn a_damaged_archive_fails_its_job_and_the_whole_one_loads_after_it() {
    let bench = Bench::new(&[NOTES]).await;
    let text = notes();
    let whole = gzip(text.as_bytes());
    let zstd = zstd::encode_all(text.as_bytes(), 0).unwrap();
    let mut flipped = whole.clone();
    // The last eight bytes are checksum and length of the content (RFC 1952).
    let checksum = flipped.len() - 8;
    flipped[checksum] ^= 1;
    for (name, bytes, reason) in [
        ("cut.csv.gz", &whole[..whole.len() / 2], "is gzip but ends early, at byte"),
        ("cut.csv.zst", &zstd[..zstd.len() / 2], "is zstd but ends early, at byte"),
        ("flipped.csv.gz", &flipped, "is gzip but damaged, by byte"),
    ] {
        let file = bench.installation.write(name, bytes);
        let definition = bench.installation.path("notes.yaml");
        let check = bench.installation.run(&["check", definition.to_str().unwrap(), &file]);
        assert_eq!(check.status.code(), Some(3), "{}", told(&check));
        assert!(String::from_utf8_lossy(&check.stderr).contains(reason), "{}", told(&check));

        let load = bench.ingest(3, &["ingest", "notes", &file, "--wait", "--json"]).await;
        assert_eq!(load.report["state"], "failed");
        assert!(load.report["reason"].as_str().unwrap().contains(reason), "{}", load.report);
        assert!(load.words.contains("fetch it again"), "{}", load.words);
    }

    let file = bench.installation.write("whole.csv.gz", &whole);
    let load = bench.load_file(0, "notes", &file, text.as_bytes()).await;
    assert_eq!(load.report["loaded"], 20_000);
    let file = bench.installation.write("whole.csv.zst", &zstd);
    let load = bench.load_file(0, "notes", &file, text.as_bytes()).await;
    assert_eq!(load.report["loaded"], 20_000);
}

#[tokio::test]
async fn a_wrong_delimiter_for_the_whole_file_is_stopped_by_the_default_threshold() {
    const RECORDS: i64 = 1_500_000;
    let mut installation = Installation::new().await;
    installation.set("FABRIC_INGEST_BACKLOG_BYTES", "4MiB");
    installation.set("FABRIC_INGEST_IN_FLIGHT_BYTES", "4MiB");
    installation.set("FABRIC_INGEST_CHUNK_BYTES", "256KiB");
    let bench = Bench::over(installation, &[LINES]);
    let mut text = String::new();
    for id in 0..RECORDS {
        writeln!(text, "{id};a semicolon, where the feed has a pipe").unwrap();
    }
    let file = bench.installation.write("semicolons.txt", text);

    let definition = bench.installation.path("lines.yaml");
    let check = bench.installation.json(3, &["check", definition.to_str().unwrap(), &file, "--json"]);
    let reason = check["reason"].as_str().unwrap();
    assert!(reason.starts_with("stopped by the default threshold: "), "{reason}");

    let report = bench.installation.json(3, &["ingest", "lines", &file, "--wait", "--json"]);
    assert_eq!(report["state"], "stopped");
    assert_eq!(report["loaded"], 0);
    let rejected = report["rejected"].as_i64().unwrap();
    assert!((10_000..RECORDS / 2).contains(&rejected), "{report}");
    assert_eq!(report["rejectsByRule"]["record.fieldCount"], rejected);
    // How far past the threshold it went.
    let reason = report["reason"].as_str().unwrap().replace(',', "");
    let over = format!(
        "stopped by the default threshold: {rejected} rejects among {rejected} records over 50 % after 10000 records"
    );
    assert_eq!(reason, over);
    assert_eq!(bench.installation.database.number("select count(*) from fabric.rejects").await, rejected);
    assert_eq!(bench.installation.database.number("select count(*) from lines").await, 0);
}
