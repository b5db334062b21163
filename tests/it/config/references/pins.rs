//! A job is judged by the versions of the sets that were active when it was registered.

use serde_json::json;

use super::load;
use crate::installation::Installation;
use crate::validate::publisher::Publisher;

/// The example's feed, with a rule that looks up the country.
fn apply(installation: &Installation) {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/card-transactions.yaml");
    let rule = "rules:\n  - { name: known-country, fields: [country], reference: countries }\n";
    let feed = installation.write("cards.yaml", std::fs::read_to_string(example).unwrap() + rule);
    installation.succeed(&["feeds", "apply", &feed]);
}

/// The countries of the first records of a file.
fn countries(file: &str) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let mut found: Vec<String> = text.lines().filter_map(|line| line.split('|').nth(9)).map(str::to_owned).collect();
    found.retain(|country| country.len() == 2);
    found.sort_unstable();
    found.dedup();
    found
}

#[tokio::test]
async fn a_job_keeps_its_pinned_set_through_activations_redeliveries_and_restarts() {
    let installation = Installation::new().await;
    let file = installation.card_transactions("cards.txt", 1_000);
    let known = countries(&file);
    load(&installation, "countries", &known.iter().map(String::as_str).collect::<Vec<_>>());
    apply(&installation);
    let mut job = Publisher::register(&installation, &file).await;
    assert!(job.chunks.len() > 2);
    let validator = installation.validator();
    job.send(0, &job.chunk(0)).await;
    installation.until(1, "select count(*) from fabric.chunk_ledger").await;
    // None of the file's countries is in the set any more.
    load(&installation, "countries", &["ZZ"]);
    job.send(0, &job.chunk(1)).await;
    installation.until(2, "select count(*) from fabric.chunk_ledger").await;
    validator.kill();
    // A process that has never seen the first version reads it, since the job pins it.
    let validator = installation.validator();
    for seq in 0..job.chunks.len() {
        job.send(0, &job.chunk(seq)).await;
    }
    job.close(&installation).await;
    installation.until(1, "select count(*) from fabric.jobs where state = 'completed'").await;
    let unknown = "select coalesce(sum((rejects_by_rule->>'known-country')::bigint), 0)::bigint
                     from fabric.chunk_ledger where job_id = ";
    assert_eq!(installation.database.number(&format!("{unknown}{}", job.job)).await, 0);

    let report = installation.json(0, &["ingest", "card-transactions", &file, "--wait", "--json", "--again"]);
    assert_eq!(report["loaded"], json!(0), "{report}");
    assert!(report["rejectsByRule"]["known-country"].as_u64().unwrap() > 900, "{report}");
    let shown = installation.succeed(&["jobs", "show", &report["job"].to_string()]);
    assert!(shown.contains("references  countries v2\n"), "{shown}");
    let pins: Vec<serde_json::Value> = sqlx::query_scalar("select reference_pins from fabric.jobs order by job_id")
        .fetch_all(&installation.database.pool)
        .await
        .unwrap();
    assert_eq!(pins, [json!({"countries": 1}), json!({"countries": 2})]);
    validator.terminate();
}
