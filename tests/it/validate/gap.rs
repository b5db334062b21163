//! Chunks that were deleted from their lane before anyone read them.

use rdkafka::admin::AdminOptions;
use rdkafka::{Offset, TopicPartitionList};

use super::member::committed;
use super::publisher::{Publisher, kafka_of};
use crate::installation::{Installation, admin};

async fn delete_before(topic: &str, offsets: [(i32, i64); 2]) {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in offsets {
        list.add_partition_offset(topic, partition, Offset::Offset(offset)).unwrap();
    }
    let answer = admin().delete_records(&list, &AdminOptions::new()).await.unwrap();
    answer.elements().iter().for_each(|element| element.error().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_in_the_log_is_told_to_its_job_and_passed() {
    let installation = Installation::new().await;
    installation.apply_card_transactions();
    let file = installation.card_transactions("cards.txt", 750);
    let mut publisher = Publisher::register(&installation, &file).await;
    assert!(publisher.chunks.len() >= 8);
    let validator = installation.validator();
    for (partition, seq) in [(5, 0), (5, 1), (6, 2)] {
        publisher.send(partition, &publisher.chunk(seq)).await;
    }
    installation.until(3, "select count(*) from fabric.chunk_ledger").await;
    validator.terminate();

    // Of partition 5 the middle is lost, of partition 6 all that was not read.
    for (partition, seq) in [(5, 3), (5, 4), (5, 5), (6, 6)] {
        publisher.send(partition, &publisher.chunk(seq)).await;
    }
    publisher.close(&installation).await;
    let lane = kafka_of(&installation).name("chunks.normal");
    delete_before(&lane, [(5, 4), (6, 2)]).await;
    let validator = installation.validator();
    installation.until(4, "select count(*) from fabric.chunk_ledger").await;
    let report = installation.json(3, &["jobs", "wait", &publisher.job.to_string(), "--timeout", "30s", "--json"]);
    assert_eq!(report["state"], "incomplete", "{report}");
    for note in
        ["%a gap in % partition 5: % before offset 2, % begins at 4%", "%partition 6: % offset 1, % begins at 2%"]
    {
        installation.until(1, &format!("select count(*) from fabric.job_notes where note like '{note}'")).await;
    }
    let log = validator.terminate();
    assert_eq!(log.matches("a gap in ").count(), 2, "{log}");
    assert_eq!(committed(&kafka_of(&installation), lane.clone(), 5).await.0, Some(5));
    assert_eq!(committed(&kafka_of(&installation), lane, 6).await.0, Some(2));
}
