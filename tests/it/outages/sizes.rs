//! Many small files in one run, and one record as large as a record may be.

use std::time::Duration;

use crate::accounting::account_of_jobs;
use crate::faults::installation;

/// `perf/load/small-files` times ten thousand.
const FILES: usize = 400;

#[tokio::test]
async fn many_small_files_in_one_run_become_a_completed_job_each() {
    let installation = installation().await;
    let whole = std::fs::read(installation.card_transactions("all.txt", 10 * FILES as u64)).unwrap();
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let files: Vec<String> = lines
        .chunks(lines.len().div_ceil(FILES))
        .enumerate()
        .map(|(number, lines)| installation.write(&format!("{number}.txt"), lines.concat()))
        .collect();
    assert_eq!(files.len(), FILES);
    let validator = installation.validator();
    let mut arguments = vec!["ingest", "card-transactions", "--wait", "--json"];
    arguments.extend(files.iter().map(String::as_str));
    let reports = installation.json(0, &arguments);
    let reports = reports.as_array().unwrap();
    assert!(reports.iter().all(|report| report["state"] == "completed"), "{reports:?}");
    // In the order of the files.
    let jobs: Vec<i64> = reports.iter().map(|report| report["job"].as_i64().unwrap()).collect();
    let named: Vec<&str> = reports.iter().map(|report| report["file"].as_str().unwrap()).collect();
    assert_eq!(named, (0..FILES).map(|number| format!("{number}.txt")).collect::<Vec<_>>());
    let account = account_of_jobs(&installation.database.pool, &jobs, &whole).await;
    assert_eq!(account.records, lines.len());
    validator.terminate();
}

#[tokio::test]
async fn a_file_of_one_record_of_three_megabytes_is_loaded() {
    let installation = installation().await;
    let feed = "feed: long\nlayout: {format: delimited, delimiter: '|', header: false}\nfields:\n  - {name: id, type: string}\n  \
                - {name: words, type: string}\ntarget: {schema: public, table: long_records}\n";
    installation.succeed(&["feeds", "apply", &installation.write("long.yaml", feed)]);
    let words = "0123456789".repeat(300_000);
    let file = installation.write("long.txt", format!("1|{words}\n"));
    let _validator = installation.validator();
    let mut ingest = installation.start(&["ingest", "long", &file, "--wait"]);
    assert_eq!(ingest.wait(Duration::from_secs(60)), Some(0), "{}", ingest.log());
    let found: String =
        sqlx::query_scalar("select words from long_records").fetch_one(&installation.database.pool).await.unwrap();
    assert!(found == words, "{} bytes, not {}", found.len(), words.len());
}
