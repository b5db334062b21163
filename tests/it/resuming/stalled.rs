//! A publisher that dies leaves a stalled job, which a resume completes.

use super::events::{read_until, states};
use super::{RECORDS, begin, completes, installation, with_a_small_backlog};

#[tokio::test]
async fn a_job_whose_publisher_died_is_stalled_says_so_and_is_resumed() {
    let mut installation = with_a_small_backlog(installation().await);
    installation.set("FABRIC_INGEST_LEASE", "3s");
    let file = installation.card_transactions("cards.txt", RECORDS);
    let steward = installation.start(&["steward"]);
    let (ingest, job) = begin(&installation, &file).await;
    installation.until(1, "select count(*) from fabric.jobs where state = 'publishing'").await;
    ingest.kill();
    let events = read_until(&installation, |event| event.state == "stalled").await;
    assert_eq!(states(&events, job), ["registered", "publishing", "stalled"]);
    let reason = events.last().unwrap().reason.as_deref();
    assert!(reason.unwrap().starts_with("its publisher's lease ran out"), "{reason:?}");

    let _validator = installation.validator();
    let report = installation.json(0, &["ingest", "--resume", &job.to_string(), "--wait", "--json"]);
    assert_eq!(report["job"], job);
    assert_eq!(report["reason"], serde_json::Value::Null, "{report}");
    completes(&installation, job, &file).await;
    steward.terminate();
}
