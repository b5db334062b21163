//! Postgres restored to an earlier point: validators refuse what they find, and `fabric recover` loads from Kafka what was
//! forgotten.

use std::time::Duration;

use super::{LEDGER_ROWS, RECORDS, SOME, installation};
use crate::accounting::account_of_jobs;
use crate::installation::Installation;

async fn completes(installation: &Installation, job: i64) {
    let report = installation.json(0, &["jobs", "wait", &job.to_string(), "--timeout", "120s", "--json"]);
    assert_eq!(report["state"], "completed", "{report}");
}

/// Jobs 1, 2, … have loaded these files, each record once.
async fn are_loaded(installation: &Installation, files: &[&str]) {
    let bytes: Vec<u8> = files.iter().flat_map(|file| std::fs::read(file).unwrap()).collect();
    let jobs: Vec<i64> = (1..=files.len()).map(|job| job.try_into().unwrap()).collect();
    account_of_jobs(&installation.database.pool, &jobs, &bytes).await;
    for (job, file) in jobs.iter().zip(files) {
        let report = installation.json(0, &["jobs", "show", &job.to_string(), "--json"]);
        let records = std::fs::read(file).unwrap().split_inclusive(|byte| *byte == b'\n').count();
        assert_eq!(report["records"], records, "{report}");
    }
}

fn another_version(installation: &Installation) {
    let example = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/card-transactions.yaml"));
    let version = example.unwrap() + "\n# Another version.\n";
    let path = installation.write("card-transactions.yaml", version);
    installation.succeed(&["feeds", "apply", &path]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_restored_postgres_forgot_is_loaded_again_from_kafka() {
    let installation = installation().await;
    let [before, whole, begun, after] = [("before", 20_000), ("whole", 40_000), ("begun", RECORDS), ("after", 1_000)]
        .map(|(name, records)| installation.card_transactions(name, records));
    let validator = installation.validator();
    installation.succeed(&["ingest", "card-transactions", &before, "--wait"]);
    validator.terminate();
    installation.database.keep().await;

    another_version(&installation);
    let validator = installation.validator();
    installation.succeed(&["ingest", "card-transactions", &whole, "--wait"]);
    let loaded = installation.database.number(LEDGER_ROWS).await;
    let killed = [("FABRIC_TEST_POINTS", "publish.acked=80*off->return(kill)")];
    let mut ingest = installation.start_with(&killed, &["ingest", "card-transactions", &begun]);
    assert_eq!(ingest.wait(Duration::from_secs(60)), None, "{}", ingest.log());
    installation.until(loaded + SOME, LEDGER_ROWS).await;
    validator.terminate();
    installation.database.restore().await;

    let validator = installation.validator();
    validator.until_says("let `fabric recover` say what is missing", Duration::from_secs(30)).await;
    let plan = installation.json(0, &["recover", "--json"]);
    assert_eq!(plan["done"], false);
    let jobs: Vec<_> = plan["plan"]["jobs"].as_array().unwrap().iter().map(|job| job["what"].clone()).collect();
    assert_eq!(jobs, ["registerClosed", "registerOpen"], "{plan}");
    let said = installation.succeed(&["recover"]);
    for words in [
        "2  card-transactions v2  registered again, closed\n",
        "`fabric ingest --resume 3` goes on",
        "Nothing has been changed",
    ] {
        assert!(said.contains(words), "{said}");
    }
    let said = installation.succeed(&["recover", "--yes"]);
    assert!(said.contains("1 feed version is stored again\n  card-transactions v2\n"), "{said}");

    completes(&installation, 2).await;
    installation.succeed(&["ingest", "--resume", "3", "--wait"]);
    completes(&installation, 3).await;
    installation.until(0, "select -count(*) from fabric.lane_rewinds").await;
    installation.succeed(&["ingest", "card-transactions", &after, "--wait"]);
    are_loaded(&installation, &[&before, &whole, &begun, &after]).await;
    let log = validator.terminate();
    assert!(log.contains("the partition begins again here"), "{log}");
    assert_eq!(installation.succeed(&["recover"]).lines().count(), 1, "there is nothing left to do");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_number_was_given_again_since_is_named_and_left_alone() {
    let installation = installation().await;
    let [before, lost, other] = [("before", 5_000), ("lost", 6_000), ("other", 7_000)]
        .map(|(name, records)| installation.card_transactions(name, records));
    let validator = installation.validator();
    installation.succeed(&["ingest", "card-transactions", &before, "--wait"]);
    validator.terminate();
    installation.database.keep().await;
    let validator = installation.validator();
    installation.succeed(&["ingest", "card-transactions", &lost, "--wait"]);
    validator.terminate();
    installation.database.restore().await;

    // Nobody has noticed yet.
    let ingest = installation.start(&["ingest", "card-transactions", &other, "--wait"]);
    installation.until(2, "select max(job_id) from fabric.jobs where chunks is not null").await;
    let validator = installation.validator();
    validator.until_says("let `fabric recover` say what is missing", Duration::from_secs(30)).await;
    let said = installation.succeed(&["recover", "--yes"]);
    assert!(
        said.contains("job 2 of feed card-transactions is forgotten, and its number has been given to another"),
        "{said}"
    );
    completes(&installation, 2).await;
    drop(ingest);
    // As it says.
    installation.succeed(&["ingest", "card-transactions", &lost, "--wait"]);
    are_loaded(&installation, &[&before, &other, &lost]).await;
    validator.terminate();
}
