//! The group protocol of KIP-848, whose timeouts and assignor are the broker's.

use std::time::Duration;

use super::held_target::{HeldTarget, PATIENT};
use crate::accounting::account;
use crate::installation::Installation;

#[tokio::test]
async fn members_of_a_kip_848_group_load_a_file_while_one_joins_and_one_leaves() {
    let mut installation = Installation::new().await;
    installation.set("FABRIC_VALIDATE_GROUP_PROTOCOL", "consumer");
    installation.set("FABRIC_INGEST_CHUNK_BYTES", "65536");
    installation.set(PATIENT.0, PATIENT.1);
    installation.apply_card_transactions();
    let file = installation.card_transactions("cards.txt", 60_000);
    let job = installation.json(0, &["ingest", "card-transactions", &file, "--json"])["job"].as_i64().unwrap();
    let target = HeldTarget::hold(&installation).await;
    let first = installation.validator();
    target.until_waited_for(&installation, 2).await;
    let second = installation.validator();
    second.until_says(".chunks.normal ", Duration::from_secs(30)).await;
    target.release().await;
    first.terminate();
    let report = installation.json(0, &["jobs", "wait", &job.to_string(), "--timeout", "60s", "--json"]);
    assert_eq!(report["state"], "completed", "{report}");
    account(&installation.database.pool, job, file.as_ref()).await;
    second.terminate();
}
