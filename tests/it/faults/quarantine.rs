//! A chunk that kills whoever works on it costs itself, and nothing else; whoever is killed from outside costs nothing.

use std::time::{Duration, Instant};

use super::prepared;
use crate::accounting::{account, account_of_ledger};
use crate::installation::{Installation, Process};
use crate::validate::dead_letters::letters;
use crate::visible::asked::{Page, address};

/// Some 55 chunks of 64 KiB, over 3 partitions: what is behind a commit is suspected as a whole.
const RECORDS: u64 = 20_000;
const OTHER_RECORDS: u64 = 5_000;

const QUARANTINED: &str = "select count(*) from fabric.owed_chunks where cause = 'worker'";
const NOTES: &str = "select count(*) from fabric.suspect_chunks";

/// Deaths are noticed by the group in seconds.
async fn installation() -> Installation {
    let mut installation = prepared(Installation::new().await);
    installation.set("FABRIC_VALIDATE_SESSION_TIMEOUT", "2s");
    installation.set("FABRIC_VALIDATE_HEARTBEAT", "500ms");
    installation
}

/// A published file of which one chunk kills.
struct Killer {
    job: i64,
    file: String,
    chunks: i64,
    /// For the environment of whoever is to be killed.
    strike: String,
}

impl Killer {
    /// `how`: `abort judged`, as `FABRIC_TEST_STRIKE` has it.
    async fn publish(installation: &Installation, how: &str) -> Self {
        let file = installation.card_transactions("cards.txt", RECORDS);
        // A record in the middle that is text, as not all of them are.
        let bytes = std::fs::read(&file).unwrap();
        let mut records = bytes.split(|byte| *byte == b'\n').skip(RECORDS as usize / 2);
        let marker = records.find_map(|record| std::str::from_utf8(record).ok()).unwrap();
        let report = installation.json(0, &["ingest", "card-transactions", &file, "--json"]);
        let job = report["job"].as_i64().unwrap();
        let chunks = format!("select chunks::bigint from fabric.jobs where job_id = {job}");
        let chunks = installation.database.number(&chunks).await;
        Self { job, file, chunks, strike: format!("{how} {marker}") }
    }

    fn validator(&self, installation: &Installation) -> Process {
        installation.start_with(&[("FABRIC_TEST_STRIKE", &self.strike)], &["validate"])
    }

    fn loaded(&self) -> String {
        format!("select count(*) from fabric.chunk_ledger where job_id = {}", self.job)
    }

    /// Keeps so many validators at work until all chunks but one are loaded and `query` answers 1. Answers how many
    /// have died.
    async fn supervise(&self, installation: &Installation, members: usize, query: &str) -> usize {
        let mut working: Vec<Process> = (0..members).map(|_| self.validator(installation)).collect();
        let deadline = Instant::now() + Duration::from_secs(90);
        let mut deaths = 0;
        loop {
            for process in &mut working {
                if process.has_ended() {
                    deaths += 1;
                    assert!(deaths <= 6, "they are killed for ever:\n{}", process.log());
                    *process = self.validator(installation);
                }
            }
            let (loaded, found) =
                (installation.database.number(&self.loaded()).await, installation.database.number(query).await);
            if loaded == self.chunks - 1 && found == 1 {
                break;
            }
            let logs: Vec<String> = working.iter().map(Process::log).collect();
            assert!(Instant::now() < deadline, "{loaded} loaded, {found} found\n{}", logs.join("\n---\n"));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        working.into_iter().for_each(|process| drop(process.terminate()));
        deaths
    }

    /// Everything but one chunk is loaded, and the job tells which one, where it is and what to do.
    async fn is_quarantined_alone(&self, installation: &Installation) {
        let job = self.job.to_string();
        assert_eq!(installation.database.number(QUARANTINED).await, 1);
        assert_eq!(installation.database.number("select count(*) from fabric.owed_chunks").await, 1);
        account_of_ledger(&installation.database.pool, self.job, self.file.as_ref()).await;

        let report = installation.json(1, &["jobs", "wait", &job, "--timeout", "10s", "--json"]);
        assert_eq!(report["state"], "parked", "{report}");
        let seq = "select seq::bigint from fabric.owed_chunks";
        let (seq, reason) = (installation.database.number(seq).await, report["reason"].as_str().unwrap());
        assert!(reason.starts_with(&format!("chunk {seq} killed its ")), "{reason}");
        assert!(reason.contains("3 times: it is set aside in ") && reason.contains("offset "), "{reason}");
        assert!(reason.contains(&format!("`fabric jobs resume {job}`")), "{reason}");
        let shown = installation.succeed(&["jobs", "show", &job]);
        println!("{shown}");
        assert!(shown.contains(&format!("  quarantined chunk {seq} killed its ")), "{shown}");
    }

    /// Without what kills, a resume brings the chunk in and the job to its end.
    async fn is_brought_back(&self, installation: &Installation) {
        let validator = installation.validator();
        let job = self.job.to_string();
        let answer = installation.succeed(&["jobs", "resume", &job]);
        assert!(answer.contains("1 chunk"), "{answer}");
        let report = installation.json(0, &["jobs", "wait", &job, "--timeout", "60s", "--json"]);
        assert_eq!(report["state"], "completed", "{report}");
        let account = account(&installation.database.pool, self.job, self.file.as_ref()).await;
        assert_eq!((account.records as u64, &report["records"]), (RECORDS, &RECORDS.into()));
        validator.terminate();
    }
}

/// A file of another feed on the same lane; answers its job.
fn publish_neighbour(installation: &Installation) -> i64 {
    let feed =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/card-transactions.yaml")).unwrap();
    let feed = feed.replace("card-transactions", "other-cards").replace("card_transactions", "other_cards");
    installation.succeed(&["feeds", "apply", &installation.write("other-cards.yaml", feed)]);
    let file = installation.path("other.txt").to_str().unwrap().to_owned();
    let records = OTHER_RECORDS.to_string();
    installation.succeed(&["generate", "card-transactions", "--records", &records, "--seed", "8", "--out", &file]);
    installation.json(0, &["ingest", "other-cards", &file, "--json"])["job"].as_i64().unwrap()
}

async fn is_quarantined_after_three_deaths(installation: &Installation, members: usize) {
    let killer = Killer::publish(installation, "abort judged").await;
    let neighbour = publish_neighbour(installation);
    assert_eq!(killer.supervise(installation, members, QUARANTINED).await, 3, "deaths");
    killer.is_quarantined_alone(installation).await;
    let done = installation.json(0, &["jobs", "wait", &neighbour.to_string(), "--timeout", "30s", "--json"]);
    assert_eq!((&done["state"], &done["records"]), (&"completed".into(), &OTHER_RECORDS.into()), "{done}");
    assert_eq!(installation.database.number(NOTES).await, 0, "notes that are done with");
    killer.is_brought_back(installation).await;
}

#[tokio::test]
async fn a_chunk_that_aborts_its_process_is_quarantined_after_three_deaths_and_a_resume_loads_it() {
    is_quarantined_after_three_deaths(&installation().await, 1).await;
}

#[tokio::test]
async fn two_members_of_a_kip_848_group_are_killed_three_times_together() {
    let mut installation = installation().await;
    installation.set("FABRIC_VALIDATE_GROUP_PROTOCOL", "consumer");
    is_quarantined_after_three_deaths(&installation, 2).await;
}

#[tokio::test]
async fn a_message_that_aborts_its_process_before_it_is_decoded_is_in_the_dead_letters_after_three_deaths() {
    let installation = installation().await;
    let killer = Killer::publish(&installation, "abort decoded").await;
    let incomplete = format!(
        "select count(*) from fabric.jobs where job_id = {} and state = 'incomplete' and reason like 'chunks are missing (1)%'",
        killer.job
    );
    assert_eq!(killer.supervise(&installation, 1, &incomplete).await, 3, "deaths");
    let settings = installation.kafka();
    let letter = letters(&settings, 1).await.remove(0);
    assert_eq!(letter.headers["fabric-reason"], "killer");
    assert!(letter.headers["fabric-detail"].starts_with("it killed its worker 3 times"), "{:?}", letter.headers);
    account_of_ledger(&installation.database.pool, killer.job, killer.file.as_ref()).await;
}

#[tokio::test]
async fn a_chunk_whose_judging_panics_is_quarantined_and_the_process_lives_on() {
    panics_cost_the_chunk_alone("panic judged").await;
}

#[tokio::test]
async fn a_chunk_whose_loading_panics_is_quarantined_and_the_process_lives_on() {
    panics_cost_the_chunk_alone("panic loaded").await;
}

async fn panics_cost_the_chunk_alone(how: &str) {
    let installation = installation().await;
    let killer = Killer::publish(&installation, how).await;
    let validator = killer.validator(&installation);
    installation.until(killer.chunks - 1, &killer.loaded()).await;
    installation.until(1, QUARANTINED).await;
    let page = Page::of(&address(&validator).await);
    assert_eq!(page.figure(r#"fabric_quarantined_chunks_total{feed="card-transactions"}"#), 1.0);
    assert!(page.figure("fabric_panics_total") >= 3.0);
    let log = validator.terminate();
    if how == "panic judged" {
        let seq = installation.database.number("select seq::bigint from fabric.owed_chunks").await;
        let named = format!("job {} chunk {seq} (partition ", killer.job);
        let panics = log.lines().filter(|line| line.contains("a fault of fabric's own"));
        assert!(panics.filter(|line| line.contains(&named)).count() >= 3, "{log}");
    }
    killer.is_quarantined_alone(&installation).await;
    killer.is_brought_back(&installation).await;
}

#[tokio::test]
async fn validators_killed_from_outside_again_and_again_leave_no_chunk_in_quarantine() {
    let installation = installation().await;
    let file = installation.card_transactions("cards.txt", RECORDS);
    let report = installation.json(0, &["ingest", "card-transactions", &file, "--json"]);
    let job = report["job"].as_i64().unwrap();
    let mut validator = installation.validator();
    installation.until(5, super::LEDGER_ROWS).await;
    for _ in 0..5 {
        validator.kill();
        let since = installation.database.number("select (extract(epoch from clock_timestamp()) * 1e6)::bigint").await;
        validator = installation.validator();
        // Killed in the very moment in which chunks are tried alone, or when there is nothing left to try.
        let tried = format!(
            "select (select count(*) from fabric.suspect_chunks where extract(epoch from tried_at) * 1e6 > {since})
                  + (select count(*) from fabric.jobs where state = 'completed')"
        );
        installation.until(1, &tried).await;
    }
    let report = installation.json(0, &["jobs", "wait", &job.to_string(), "--timeout", "60s", "--json"]);
    assert_eq!(report["state"], "completed", "{report}");
    assert_eq!(installation.database.number("select count(*) from fabric.owed_chunks").await, 0);
    assert_eq!(account(&installation.database.pool, job, file.as_ref()).await.records as u64, RECORDS);
    validator.terminate();
}

#[tokio::test]
async fn a_validator_that_lets_go_leaves_nothing_behind() {
    let installation = installation().await;
    let file = installation.card_transactions("cards.txt", RECORDS);
    let validator = installation.validator();
    installation.json(0, &["ingest", "card-transactions", &file, "--wait", "--json"]);
    installation.until(1, "select count(*) from fabric.held_partitions").await;
    validator.terminate();
    assert_eq!(installation.database.number("select count(*) from fabric.held_partitions").await, 0);

    let next = installation.validator();
    installation.json(0, &["ingest", "card-transactions", &file, "--again", "--wait", "--json"]);
    let log = next.terminate();
    assert!(!log.contains("ended without a word"), "{log}");
    assert_eq!(installation.database.number(NOTES).await, 0);
}
