//! What happens to a topic and to its group while a stream is loaded from it.

use std::process::Command;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::bench::Bench;
use crate::database::{self, Database};
use crate::installation::{Installation, brokers, told};
use crate::topics_of_own::broker_alone;

const ROUND: usize = 3_000;

const GAPS: &str = "select count(*) from fabric.stream_positions where state = 'gap'";

fn stack(arguments: &[&str]) {
    let stack = concat!(env!("CARGO_MANIFEST_DIR"), "/dev/stack");
    let output = Command::new(stack).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
}

#[tokio::test]
async fn postgres_and_the_broker_restarted_in_mid_stream_lose_and_double_nothing() {
    let server = database::server_alone().await;
    let broker = broker_alone(&server).await;
    let mut bench = Bench::within(Installation::with(Database::alone(&server).await)).await;
    bench.make_topic(3).await;
    let _validators = (bench.installation.validator(), bench.installation.validator());
    for (number, server) in ["postgres", "kafka"].into_iter().enumerate() {
        bench.produce(number * ROUND, ROUND).await;
        bench.until(number * ROUND + ROUND / 4).await;
        stack(&["restart", server]);
    }
    bench.produce(2 * ROUND, ROUND).await;
    bench.account().await;
    drop(bench);
    drop((broker, server));
}

#[tokio::test]
async fn partitions_that_are_added_are_loaded_from_their_first_record() {
    let mut bench = Bench::new(1).await;
    let _validator = bench.installation.validator();
    bench.produce(0, ROUND).await;
    bench.add_partitions(4).await;
    // A producer hears of them within its own time; one that begins now knows them at once.
    bench.ask_anew();
    bench.produce(ROUND, ROUND).await;
    bench.account().await;
    let used = bench.installation.database.number("select count(distinct _partition) from payments").await;
    assert_eq!(used, 4);
}

#[tokio::test]
async fn offsets_that_an_operator_sets_back_to_zero_change_nothing() {
    let mut bench = Bench::new(2).await;
    let validator = bench.installation.validator();
    bench.produce(0, ROUND).await;
    bench.account().await;
    validator.terminate();
    let group: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers())
        .set("group.id", format!("{}streams", bench.installation.prefix))
        .create()
        .unwrap();
    let mut offsets = TopicPartitionList::new();
    for number in 0..2 {
        offsets.add_partition(&bench.topic, number);
    }
    let committed = group.committed_offsets(offsets.clone(), Duration::from_secs(10)).unwrap();
    let sum: i64 = committed.elements().iter().map(|element| element.offset().to_raw().unwrap()).sum();
    assert_eq!(sum, ROUND as i64, "the group's offsets say what is loaded, for those who look at lag");
    offsets.set_all_offsets(Offset::Offset(0)).unwrap();
    group.commit(&offsets, CommitMode::Sync).unwrap();

    let _validator = bench.installation.validator();
    bench.produce(ROUND, ROUND).await;
    bench.account().await;
}

#[tokio::test]
async fn records_deleted_before_they_were_loaded_stop_the_stream_until_the_gap_is_accepted() {
    let mut bench = Bench::new(1).await;
    let validator = bench.installation.validator();
    bench.produce(0, 100).await;
    bench.account().await;
    validator.terminate();
    bench.produce_lost(100, 50).await;
    bench.delete_before(150).await;
    bench.produce(150, 100).await;

    let validator = bench.installation.validator();
    bench.installation.until(1, GAPS).await;
    let listed = bench.installation.succeed(&["streams", "list"]);
    assert!(listed.contains("gap") && listed.contains("offsets 100 to 149"), "{listed}");
    assert_eq!(
        bench.installation.database.number("select sum(loaded + rejected)::bigint from fabric.stream_positions").await,
        100
    );

    let accepted = bench.installation.json(0, &["streams", "accept-gap", "payments", "--json"]);
    assert_eq!(accepted["moved"][0], serde_json::json!({ "partition": 0, "from": 100, "to": 150 }));
    bench.account().await;
    validator.terminate();
    let audited = bench.installation.succeed(&["audit", "payments", "--kind", "stream"]);
    assert!(audited.contains("accept-gap") && audited.contains("offsets 100 to 149"), "{audited}");
    let none = bench.installation.run(&["streams", "accept-gap", "payments"]);
    assert_eq!(none.status.code(), Some(2), "{}", told(&none));
}

#[tokio::test]
async fn a_topic_made_anew_is_told_from_the_one_before_though_it_has_as_many_records() {
    let mut bench = Bench::new(1).await;
    let validator = bench.installation.validator();
    bench.produce(0, 100).await;
    bench.account().await;
    validator.terminate();
    bench.delete_topic().await;
    bench.make_topic_again(1).await;
    bench.produce(100, 200).await;

    let _validator = bench.installation.validator();
    bench.installation.until(1, GAPS).await;
    let shown = bench.installation.json(0, &["streams", "show", "payments", "--json"]);
    assert!(shown["reason"].as_str().unwrap().contains("was made anew"), "{shown}");
    bench.installation.succeed(&["streams", "accept-gap", "payments"]);
    bench.account_of_two_topics().await;
}

#[tokio::test]
async fn a_topic_made_anew_under_a_running_stream_is_noticed() {
    let mut bench = Bench::new(1).await;
    let _validator = bench.installation.validator();
    bench.produce(0, 100).await;
    bench.account().await;
    bench.delete_topic().await;
    let deadline = Instant::now() + Duration::from_secs(30);
    while !bench.installation.succeed(&["streams", "list"]).contains("is not there: it waits for it") {
        assert!(Instant::now() < deadline, "{}", bench.installation.succeed(&["streams", "list"]));
    }
    bench.make_topic_again(1).await;
    bench.installation.until(1, GAPS).await;
    bench.installation.succeed(&["streams", "accept-gap", "payments"]);
    bench.produce(100, 200).await;
    bench.account_of_two_topics().await;
}

#[tokio::test]
async fn a_topic_made_anew_with_fewer_partitions_tells_of_each_that_is_gone() {
    let mut bench = Bench::new(3).await;
    let validator = bench.installation.validator();
    bench.produce(0, 300).await;
    bench.account().await;
    validator.terminate();
    bench.delete_topic().await;
    bench.make_topic_again(1).await;
    bench.produce(300, 50).await;

    let _validator = bench.installation.validator();
    bench.installation.until(3, GAPS).await;
    let without = "select count(*) from fabric.stream_positions where reason like '%made anew without partition%'";
    assert_eq!(bench.installation.database.number(without).await, 2);
    bench.installation.succeed(&["streams", "accept-gap", "payments"]);
    bench.account_of_two_topics().await;
}

#[tokio::test]
async fn a_topic_that_is_not_there_yet_is_waited_for() {
    let mut bench = Bench::without_topic().await;
    let validator = bench.installation.validator();
    let listed = bench.installation.succeed(&["streams", "list"]);
    assert!(listed.contains("payments v1") && listed.contains("is not there: it waits for it"), "{listed}");
    validator.until_says("joining the group", Duration::from_secs(20)).await;
    bench.make_topic(2).await;
    bench.produce(0, 500).await;
    bench.account().await;
}
