//! Redis is a cache: without it everything loads.

use crate::faults::{RECORDS, begin, completes, installation};

#[tokio::test]
async fn without_any_redis_a_file_loads_as_usual() {
    let installation = installation().await;
    let file = installation.card_transactions("cards.txt", RECORDS);
    let _validator = installation.validator();
    let (_ingest, job) = begin(&installation, &file).await;
    completes(&installation, job, &file).await;
}

#[tokio::test]
async fn with_a_redis_that_is_not_there_a_file_loads_as_usual() {
    let mut installation = installation().await;
    // Nobody listens at port 1.
    installation.set("FABRIC_REDIS_URL", "redis://127.0.0.1:1");
    let file = installation.card_transactions("cards.txt", RECORDS);
    let _validator = installation.validator();
    let (_ingest, job) = begin(&installation, &file).await;
    completes(&installation, job, &file).await;
}
