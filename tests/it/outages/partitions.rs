//! A lane that grows while files are loaded through it.

use rdkafka::admin::{AdminOptions, NewPartitions};

use crate::faults::{LEDGER_ROWS, RECORDS, SOME, begin, completes, installation};
use crate::installation::admin;
use crate::resuming::lane;

#[tokio::test]
async fn partitions_added_during_a_load_take_part_in_the_next_and_lose_nothing_of_this() {
    let mut installation = installation().await;
    super::stay_in_mid_file(&mut installation);
    let file = installation.card_transactions("cards.txt", RECORDS);
    let _validators = (installation.validator(), installation.validator());
    let (_ingest, job) = begin(&installation, &file).await;
    installation.until(SOME, LEDGER_ROWS).await;

    let topic = lane::normal(&installation);
    let before = lane::partitions(&topic);
    let more = NewPartitions::new(&topic, 2 * before);
    admin().create_partitions([&more], &AdminOptions::new()).await.unwrap();
    lane::until_it_has(&topic, 2 * before).await;
    completes(&installation, job, &file).await;

    // So that the independent reader finds the second job's rows alone.
    installation.database.run("truncate card_transactions").await;
    let again = installation.json(0, &["ingest", "card-transactions", &file, "--again", "--wait", "--json"]);
    let last = format!("select max(partition)::int8 from fabric.chunk_ledger where job_id = {}", again["job"]);
    assert_eq!(installation.database.number(&last).await, i64::try_from(2 * before).unwrap() - 1);
    completes(&installation, again["job"].as_i64().unwrap(), &file).await;
}
