//! The programs under `examples/producers`, run as they are, and held against what the documentation shows of them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use super::{LEDGER_ROWS, installation};
use crate::accounting::account;
use crate::cli::root;
use crate::installation::{Installation, brokers, told};
use crate::streams::bench::Bench;

fn examples() -> PathBuf {
    root().join("examples/producers")
}

/// Python with what the examples need, in a folder of its own that later runs find again.
static PYTHON: LazyLock<PathBuf> = LazyLock::new(|| {
    let wanted = examples().join("python/requirements.txt");
    let folder = root().join("target/python-examples");
    let (python, had) = (folder.join("bin/python"), folder.join("requirements.txt"));
    let text = std::fs::read(&wanted).unwrap();
    if std::fs::read(&had).is_ok_and(|had| had == text) {
        return python;
    }
    ran(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
    ran(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(&wanted));
    std::fs::write(had, text).unwrap();
    python
});

fn ran(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}\n{}", told(&output));
}

fn java(file: &str) -> Command {
    let mut command = Command::new("java");
    command.arg("-cp").arg(root().join("target/kafka-jars/*")).arg(examples().join("java").join(file));
    command
}

fn python(file: &str) -> Command {
    let mut command = Command::new(&*PYTHON);
    command.arg(examples().join("python").join(file));
    command
}

fn shell(file: &str) -> Command {
    Command::new(examples().join("shell").join(file))
}

/// With `fabric` and the console producer of Kafka in the search path, and the settings of the installation.
fn at_home(installation: &Installation, mut command: Command, arguments: &[&str]) -> Command {
    let of_fabric = installation.fabric(&[]);
    let settings = of_fabric.get_envs().filter_map(|(name, value)| Some((name, value?)));
    command.envs(settings);
    let fabric = Path::new(crate::installation::FABRIC).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{}:{path}", fabric.display(), root().join("dev/kafka").display());
    command.env("PATH", path).args(arguments);
    command
}

fn run(installation: &Installation, command: Command, arguments: &[&str], input: Option<&str>) -> Output {
    let mut command = at_home(installation, command, arguments);
    if let Some(file) = input {
        command.stdin(std::fs::File::open(file).unwrap());
    }
    command.output().unwrap()
}

/// Each program writes records that become rows and rejects.
#[tokio::test(flavor = "multi_thread")]
async fn records_that_the_examples_write_are_loaded() {
    let mut bench = Bench::new(3).await;
    let _validator = bench.installation.validator();
    let topic = bench.topic.clone();
    let writers = [
        ("python", python("records.py"), &["id"][..]),
        ("java", java("Records.java"), &["id"]),
        ("shell", shell("records.sh"), &[]),
    ];
    let brokers = brokers();
    for (first, (name, writer, more)) in writers.into_iter().enumerate() {
        let lines = bench.written(first * 1_000, 200);
        let file = bench.installation.write(&format!("{name}.jsonl"), lines);
        let arguments = [&[brokers.as_str(), topic.as_str()][..], more].concat();
        let output = run(&bench.installation, writer, &arguments, Some(&file));
        assert!(output.status.success(), "{name}: {}", told(&output));
    }
    bench.account().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_kafka_does_not_take_fails_each_example() {
    let bench = Bench::new(1).await;
    let long = format!("{{\"id\":\"P1\",\"city\":\"{}\"}}\n", "x".repeat(2 << 20));
    let file = bench.installation.write("long.jsonl", long);
    let brokers = brokers();
    for (writer, more) in
        [(python("records.py"), &["id"][..]), (java("Records.java"), &["id"]), (shell("records.sh"), &[])]
    {
        let arguments = [&[brokers.as_str(), bench.topic.as_str()][..], more].concat();
        let output = run(&bench.installation, writer, &arguments, Some(&file));
        assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    }
}

/// Each program loads a file; the same one again is a duplicate.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_the_examples_publish_are_loaded_once() {
    let mut installation = installation().await;
    installation.set("FABRIC_INGEST_CHUNK_BYTES", "8192");
    let _validator = installation.validator();
    for (records, program) in [(900, (|| python("chunks.py")) as fn() -> Command), (1_000, || java("Chunks.java"))] {
        let file = installation.card_transactions(&format!("{records}.txt"), records);
        let arguments = [brokers(), "card-transactions".to_owned(), file.clone()];
        let arguments = arguments.each_ref().map(String::as_str);
        installation.database.run("truncate card_transactions").await;
        let output = run(&installation, program(), &arguments, None);
        assert!(output.status.success(), "{}", told(&output));
        let job = installation.database.number("select max(job_id) from fabric.jobs").await;
        let report = installation.json(0, &["jobs", "wait", &job.to_string(), "--json"]);
        assert_eq!((&report["state"], &report["records"]), (&"completed".into(), &records.into()), "{report}");
        assert_eq!(report["file"], format!("{records}.txt"));
        account(&installation.database.pool, job, file.as_ref()).await;

        let again = run(&installation, program(), &arguments, None);
        assert_eq!(again.status.code(), Some(3), "{}", told(&again));
        assert!(told(&again).contains(&format!("job {job} has the same content")), "{}", told(&again));
    }
}

/// The file is large enough that the program is at work on it when its first chunk is loaded.
#[tokio::test(flavor = "multi_thread")]
async fn an_example_that_was_killed_goes_on_with_its_job() {
    let mut installation = installation().await;
    installation.set("FABRIC_INGEST_CHUNK_BYTES", "32768");
    let _validator = installation.validator();
    for (name, program) in [("python", (|| python("chunks.py")) as fn() -> Command), ("java", || java("Chunks.java"))] {
        installation.database.run("truncate card_transactions").await;
        let file =
            installation.card_transactions(&format!("{name}.txt"), if name == "java" { 200_000 } else { 201_000 });
        let arguments = [brokers(), "card-transactions".to_owned(), file.clone()];
        let arguments = arguments.each_ref().map(String::as_str);
        let before = installation.database.number(LEDGER_ROWS).await;
        let mut killed = at_home(&installation, program(), &arguments).spawn().unwrap();
        installation.until(before + 1, LEDGER_ROWS).await;
        killed.kill().unwrap();
        killed.wait().unwrap();
        let job = installation.database.number("select max(job_id) from fabric.jobs").await;
        let job_text = job.to_string();
        let resumed = [&arguments[..], &["--resume", &job_text]].concat();
        let too_early = run(&installation, program(), &resumed, None);
        assert_eq!(too_early.status.code(), Some(1), "{}", told(&too_early));
        assert!(told(&too_early).contains("whose lease runs for"), "{}", told(&too_early));
        let run_out = format!("update fabric.jobs set lease_until = clock_timestamp() where job_id = {job}");
        installation.database.run(&run_out).await;
        let output = run(&installation, program(), &resumed, None);
        assert!(output.status.success() && told(&output).contains("goes on"), "{}", told(&output));
        account(&installation.database.pool, job, file.as_ref()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_example_reads_headers_quotes_and_blank_lines_as_fabric_does() {
    let mut installation = installation().await;
    installation.set("FABRIC_INGEST_CHUNK_BYTES", "4096");
    let feed = "feed: notes\nlayout: { format: delimited, header: true }\nfields:\n  - { name: id, type: integer }\n  \
                - { name: text, type: string }\ntarget: { schema: public, table: notes }\n";
    let feed = installation.write("notes.yaml", feed);
    installation.succeed(&["feeds", "apply", &feed]);
    let _validator = installation.validator();
    let group = |n| format!("\"two\nlines, and \"\"quotes\"\"\",{n}\n\nplain,{n}\r\n\r\nnot a number,x\n");
    let text = format!("\u{feff}text,id\r\n{}last,4", (0..300).map(group).collect::<String>());
    let file = installation.write("notes.csv", text);
    let arguments = [brokers(), "notes".to_owned(), file.clone()];
    let output = run(&installation, python("chunks.py"), &arguments.each_ref().map(String::as_str), None);
    assert!(output.status.success(), "{}", told(&output));
    let ledger = "select string_agg(concat_ws(' ', first_record, first_line, first_byte, span, crc32c, records, blanks, loaded), ';' order by seq)
                    from fabric.chunk_ledger where job_id = (select max(job_id) from fabric.jobs)";
    let ours: String = sqlx::query_scalar(ledger).fetch_one(&installation.database.pool).await.unwrap();
    installation.json(0, &["ingest", "notes", &file, "--again", "--wait", "--json"]);
    let theirs: String = sqlx::query_scalar(ledger).fetch_one(&installation.database.pool).await.unwrap();
    assert_eq!(ours, theirs);
    assert!(installation.database.number(LEDGER_ROWS).await >= 8);
}

/// What stands behind a comment that names an example is a passage of it, or all of it.
#[test]
fn the_documentation_shows_the_examples_as_they_are() {
    let text = std::fs::read_to_string(root().join("docs/producing.md")).unwrap();
    let mut shown = 0;
    for part in text.split("<!-- examples/producers/").skip(1) {
        let (name, rest) = part.split_once(" -->").unwrap();
        let block = rest.split("```").nth(1).unwrap();
        let (_, block) = block.split_once('\n').unwrap();
        let file = std::fs::read_to_string(examples().join(name)).unwrap();
        assert!(file.contains(block.trim_end()), "docs/producing.md shows what is not in {name}:\n{block}");
        shown += 1;
    }
    assert!(shown > 0);
}
