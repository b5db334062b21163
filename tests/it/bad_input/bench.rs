//! One installation with a validator, through which one file after the other goes. Every load is held against a check
//! of the same file, and every reject against the file's bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Output;

use serde_json::{Value, json};

use crate::installation::{Installation, Process, told};

/// Comma, double quotes, a header.
pub const NOTES: &str = "feed: notes
layout: { format: delimited }
fields:
  - { name: id, type: integer, required: true }
  - { name: text, type: string }
target: { table: notes }
";

pub struct Bench {
    pub installation: Installation,
    _validator: Process,
}

/// Pipes, no quotes, no header.
pub const LINES: &str = "feed: lines
layout: { format: delimited, delimiter: \"|\", quoteChar: none, header: false }
fields:
  - { name: id, type: integer, required: true }
  - { name: text, type: string }
target: { table: lines }
";

/// What became of a file.
pub struct Load {
    pub job: i64,
    pub report: Value,
    pub rejects: Vec<Reject>,
    /// What was said to people.
    pub words: String,
}

/// As `fabric rejects` and the table both have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    pub record: i64,
    pub line: i64,
    pub byte: i64,
    /// In the file.
    pub length: i64,
    pub source: Vec<u8>,
    pub rules: BTreeSet<String>,
    pub messages: BTreeSet<String>,
}

impl Reject {
    /// Record, line, byte, source, rules separated by spaces.
    pub fn told(&self) -> (i64, i64, i64, &[u8], String) {
        let rules: Vec<&str> = self.rules.iter().map(String::as_str).collect();
        (self.record, self.line, self.byte, &self.source, rules.join(" "))
    }
}

impl Bench {
    pub async fn new(feeds: &[&str]) -> Self {
        Self::over(Installation::new().await, feeds)
    }

    pub fn over(installation: Installation, feeds: &[&str]) -> Self {
        for feed in feeds {
            apply(&installation, feed);
        }
        let _validator = installation.validator();
        Self { installation, _validator }
    }

    /// Writes the file, checks it and loads it; both must end with `code`.
    pub async fn load(&self, code: i32, feed: &str, name: &str, bytes: impl AsRef<[u8]>) -> Load {
        let bytes = bytes.as_ref();
        let file = self.installation.write(name, bytes);
        self.load_file(code, feed, &file, bytes).await
    }

    /// `bytes` are the file's, decompressed.
    pub async fn load_file(&self, code: i32, feed: &str, file: &str, bytes: &[u8]) -> Load {
        let rejects = self.installation.path("rejects-of-check");
        let definition = definition(&self.installation, feed);
        let check = self.installation.json(
            code,
            &["check", definition.to_str().unwrap(), file, "--json", "--rejects", rejects.to_str().unwrap()],
        );
        let load = self.ingest(code, &["ingest", feed, file, "--wait", "--json"]).await;
        if code == 0 {
            same_verdict(&check, &load.report);
            let sources: Vec<u8> = load.rejects.iter().flat_map(|reject| reject.source.clone()).collect();
            assert!(std::fs::read(rejects).unwrap() == sources, "check and load reject other bytes");
        } else {
            assert_eq!(check["records"], load.report["records"]);
            assert_eq!(check["reason"].is_null(), load.report["reason"].is_null());
        }
        hold_against(bytes, &load.rejects);
        load
    }

    /// Runs an ingest that ends with one report.
    pub async fn ingest(&self, code: i32, arguments: &[&str]) -> Load {
        let output = self.installation.run(arguments);
        self.loaded(code, &output).await
    }

    pub async fn loaded(&self, code: i32, output: &Output) -> Load {
        assert_eq!(output.status.code(), Some(code), "{}", told(output));
        let report: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", told(output)));
        let job = report["job"].as_i64().unwrap();
        let rejects = rejects(&self.installation, job).await;
        assert_eq!(report["rejected"], rejects.len(), "{report}");
        Load { job, report, rejects, words: String::from_utf8_lossy(&output.stderr).into_owned() }
    }

    /// Rows of the job, each as `record|id|text`.
    pub async fn rows(&self, table: &str, job: i64) -> Vec<String> {
        let statement = format!(
            "select concat_ws('|', _record_no, id, text) from {table} where _job_id = {job} order by _record_no"
        );
        sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).fetch_all(&self.installation.database.pool).await.unwrap()
    }
}

pub fn apply(installation: &Installation, feed: &str) {
    let name = feed.lines().find_map(|line| line.strip_prefix("feed: ")).unwrap();
    let path = installation.write(&format!("{name}.yaml"), feed);
    installation.succeed(&["feeds", "apply", &path]);
}

fn definition(installation: &Installation, feed: &str) -> PathBuf {
    installation.path(&format!("{feed}.yaml"))
}

/// The same records, the same fate of each.
pub fn same_verdict(check: &Value, load: &Value) {
    let verdict = |report: &Value, good: &str| {
        json!({
            "records": report["records"], "good": report[good], "rejected": report["rejected"],
            "rejectsByRule": report["rejectsByRule"], "warningsByRule": report["warningsByRule"],
            "skipped": report["skipped"], "bytes": report["bytes"], "reason": report["reason"],
        })
    };
    assert_eq!(verdict(check, "accepted"), verdict(load, "loaded"));
    assert_eq!(load["state"], "completed");
    let sum = load["loaded"].as_u64().unwrap() + load["rejected"].as_u64().unwrap();
    assert_eq!(load["records"], sum);
}

/// The rejects of a job from the table, which `fabric rejects` must tell alike.
pub async fn rejects(installation: &Installation, job: i64) -> Vec<Reject> {
    type Row = (i64, i64, i64, i64, Vec<u8>, Value);
    let rows: Vec<Row> = sqlx::query_as(
        "select record_no, line, byte_offset, byte_length, source, reasons
           from fabric.rejects where job_id = $1 order by record_no",
    )
    .bind(job)
    .fetch_all(&installation.database.pool)
    .await
    .unwrap();
    let texts = |reasons: &Value, key: &str| {
        reasons.as_array().unwrap().iter().map(|reason| reason[key].as_str().unwrap().to_owned()).collect()
    };
    let stored: Vec<Reject> = rows
        .into_iter()
        .map(|(record, line, byte, length, source, reasons)| {
            let (rules, messages) = (texts(&reasons, "rule"), texts(&reasons, "message"));
            Reject { record, line, byte, length, source, rules, messages }
        })
        .collect();
    assert_eq!(told_rejects(installation, job), stored);
    stored
}

fn told_rejects(installation: &Installation, job: i64) -> Vec<Reject> {
    let output = installation.run(&["rejects", &job.to_string(), "--csv"]);
    assert!(output.status.success(), "{}", told(&output));
    let mut found: BTreeMap<i64, Reject> = BTreeMap::new();
    for row in csv::Reader::from_reader(&output.stdout[..]).into_byte_records() {
        let row = row.unwrap();
        let text = |column: usize| String::from_utf8(row[column].to_vec()).unwrap();
        let number = |column: usize| text(column).parse::<i64>().unwrap();
        let reject = found.entry(number(0)).or_insert_with(|| Reject {
            record: number(0),
            line: number(1),
            byte: number(2),
            length: number(3),
            source: row[9].to_vec(),
            rules: BTreeSet::new(),
            messages: BTreeSet::new(),
        });
        reject.rules.insert(text(4));
        reject.messages.insert(text(8));
    }
    found.into_values().collect()
}

/// Each reject's place is where its bytes stand in the file.
fn hold_against(file: &[u8], rejects: &[Reject]) {
    for reject in rejects {
        let start = usize::try_from(reject.byte).unwrap();
        assert!(file[start..].starts_with(&reject.source), "{reject:?}");
        let lines_before = file[..start].iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(reject.line, lines_before as i64 + 1, "{reject:?}");
        assert!(reject.length >= reject.source.len() as i64);
    }
}
