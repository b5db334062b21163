//! Chunks that vanish from their lane while their publisher waits behind a full backlog: it notices, and sends them
//! again where it can.

use std::time::Duration;

use super::{RECORDS, begin, completes, installation, lane, with_a_small_backlog};

const LIMIT: Duration = Duration::from_secs(60);

/// Waits until the lane holds what the backlog takes, and the publisher sends no more.
async fn stands_still(topic: &str) {
    let mut before = -1;
    for _ in 0..100 {
        let sent = lane::sent(topic);
        if sent > 0 && sent == before {
            return;
        }
        before = sent;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    panic!("{topic} grows on");
}

#[tokio::test]
async fn a_publisher_reads_its_file_again_and_sends_what_vanished() {
    let installation = with_a_small_backlog(installation().await);
    let file = installation.card_transactions("cards.txt", RECORDS);
    let (mut ingest, job) = begin(&installation, &file).await;
    let topic = lane::normal(&installation);
    stands_still(&topic).await;
    lane::empty(&topic, 0..8).await;

    let _validator = installation.validator();
    completes(&installation, job, &file).await;
    assert_eq!(ingest.wait(LIMIT), Some(0));
    let said = ingest.log();
    assert!(said.contains(&format!("chunks of job {job} vanished from their topic")), "{said}");
}

#[tokio::test]
async fn a_pipe_cannot_be_read_again_so_its_job_is_left_to_a_resume() {
    let installation = with_a_small_backlog(installation().await);
    let file = installation.card_transactions("cards.txt", RECORDS);
    let mut ingest = installation.start_reading(&file, &["ingest", "card-transactions", "-"]);
    let topic = lane::normal(&installation);
    stands_still(&topic).await;
    lane::empty(&topic, 0..8).await;
    assert_eq!(ingest.wait(LIMIT), Some(1));
    let said = ingest.log();
    assert!(said.contains("no lane holds them any more") && said.contains("is not published whole"), "{said}");

    let _validator = installation.validator();
    let resumed = installation.json(0, &["ingest", "--resume", "1", "--from", &file, "--wait", "--json"]);
    assert_eq!(resumed["state"], "completed");
    completes(&installation, 1, &file).await;
}
