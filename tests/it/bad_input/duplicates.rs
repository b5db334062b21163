//! Files that were loaded before, by whatever way they come again; and several files at once.

use std::io::Write as _;
use std::process::{Child, Stdio};

use super::bench::{Bench, NOTES};
use super::damaged::{gzip, notes};
use crate::installation::Installation;

const FILE: &str = "id,text\n1,a\n2,b\nx,c\n";

async fn rows(bench: &Bench) -> i64 {
    bench.installation.database.number("select count(*) from notes").await
}

/// An ingest that waits for its standard input.
fn pipe(installation: &Installation) -> Child {
    let mut command = installation.fabric(&["ingest", "notes", "-", "--wait", "--json"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[tokio::test]
async fn the_same_content_is_refused_under_any_name_and_loads_again_only_if_told_to() {
    let bench = Bench::new(&[NOTES]).await;
    let first = bench.load(0, "notes", "first.csv", FILE).await;
    for name in ["first.csv", "another-name.csv"] {
        let path = bench.installation.write(name, FILE);
        let load = bench.ingest(3, &["ingest", "notes", &path, "--wait", "--json"]).await;
        assert_eq!(load.job, first.job, "the report is that of the job that loaded it");
        let told = format!("job {} has the same content and is completed", first.job);
        assert!(load.words.contains(&told) && load.words.contains("--again"), "{}", load.words);
    }
    assert_eq!(rows(&bench).await, 2);

    let path = bench.installation.write("first.csv", FILE);
    let again = bench.ingest(0, &["ingest", "notes", &path, "--again", "--wait", "--json"]).await;
    assert_ne!(again.job, first.job);
    assert_eq!(bench.rows("notes", again.job).await, bench.rows("notes", first.job).await);
    assert_eq!(rows(&bench).await, 4);
}

/// Identity is that of the stored bytes: fabric does not unpack a file to know it again. Where that matters, a
/// `primaryKey` turns the second load's records into rejects.
#[tokio::test]
async fn a_compressed_copy_of_a_loaded_file_is_another_file() {
    let bench = Bench::new(&[NOTES]).await;
    let plain = bench.load(0, "notes", "plain.csv", FILE).await;
    let path = bench.installation.write("plain.csv.gz", gzip(FILE.as_bytes()));
    let packed = bench.load_file(0, "notes", &path, FILE.as_bytes()).await;
    assert_ne!(packed.job, plain.job);
    assert_eq!(rows(&bench).await, 4);
    assert_eq!(bench.ingest(3, &["ingest", "notes", &path, "--wait", "--json"]).await.job, packed.job);
}

#[tokio::test]
async fn a_pipe_turns_out_to_be_a_duplicate_only_at_its_end_and_its_rows_stand_apart() {
    let mut installation = Installation::new().await;
    installation.set("FABRIC_INGEST_CHUNK_BYTES", "16KiB");
    let bench = Bench::over(installation, &[NOTES]);
    let text = notes();
    let first = bench.load(0, "notes", "first.csv", &text).await;

    // The rest of the pipe comes only once some of it is loaded.
    let (some, rest) = text.as_bytes().split_at(text.len() / 2);
    let mut ingest = pipe(&bench.installation);
    let mut stdin = ingest.stdin.take().unwrap();
    stdin.write_all(some).unwrap();
    let loaded = format!("select count(*) from fabric.chunk_ledger where job_id > {}", first.job);
    bench.installation.until(5, &loaded).await;
    stdin.write_all(rest).unwrap();
    drop(stdin);
    let late = bench.loaded(3, &ingest.wait_with_output().unwrap()).await;
    assert_ne!(late.job, first.job);
    assert_eq!(late.report["state"], "duplicate");
    let reason = late.report["reason"].as_str().unwrap();
    assert!(reason.starts_with(&format!("the same content as job {}", first.job)), "{reason}");
    assert!(reason.ends_with(&format!("have _job_id {}", late.job)), "{reason}");
    // What was loaded of it stands under its own id, as its ledger says; the first job's rows are as they were.
    let rows_over_ledger = format!(
        "select (select count(*) from notes where _job_id = {0})
              - (select sum(loaded) from fabric.chunk_ledger where job_id = {0})::bigint",
        late.job
    );
    assert_eq!(bench.installation.database.number(&rows_over_ledger).await, 0);
    let rows_of_first = format!("select count(*) from notes where _job_id = {}", first.job);
    assert_eq!(bench.installation.database.number(&rows_of_first).await, 20_000);

    let mut other = pipe(&bench.installation);
    other.stdin.take().unwrap().write_all(b"id,text\n7,by pipe\n").unwrap();
    let other = bench.loaded(0, &other.wait_with_output().unwrap()).await;
    assert_eq!(bench.rows("notes", other.job).await, ["1|7|by pipe"]);
    assert_eq!(other.report["file"], "-");
}

#[tokio::test]
async fn several_files_at_once_each_come_to_their_own_end() {
    let bench = Bench::new(&[NOTES]).await;
    let mut files: Vec<String> = (0..6)
        .map(|file| bench.installation.write(&format!("{file}.csv"), format!("id,text\n{file},a\nx,{file}\n")))
        .collect();
    files.push(bench.installation.write("bad.csv", "id,txt\n1,a\n"));
    // The content of the first once more, while that may still be under way.
    files.push(bench.installation.write("same.csv", "id,text\n0,a\nx,0\n"));
    let mut arguments = vec!["ingest", "notes", "--parallel", "4", "--wait", "--json"];
    arguments.extend(files.iter().map(String::as_str));
    let reports = bench.installation.json(3, &arguments);
    let reports = reports.as_array().unwrap();
    assert_eq!(reports.len(), 8);
    for (index, report) in reports[..6].iter().enumerate() {
        assert_eq!(report["file"], format!("{index}.csv"), "in the order of the command");
        assert_eq!((&report["loaded"], &report["rejected"]), (&1.into(), &1.into()), "{report}");
        assert_eq!(bench.rows("notes", report["job"].as_i64().unwrap()).await, [format!("1|{index}|a")]);
    }
    assert_eq!(reports[6]["state"], "failed");
    assert_eq!(reports[7]["job"], reports[0]["job"], "the second of two alike is the first's duplicate");
    assert_eq!(rows(&bench).await, 6);
}
