//! What people ask of streams and do to them.

use std::time::{Duration, Instant};

use super::bench::Bench;
use crate::installation::told;
use crate::visible::asked::{Page, address};

const SUM: &str = "select coalesce(sum(loaded + rejected), 0)::bigint from fabric.stream_positions";

/// Waits until messages of the stream wait for that alone; answers how many.
async fn lag(bench: &Bench, address: &str, standing: &str) -> f64 {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let page = Page::of(address).text;
        let ours = page.lines().filter(|line| {
            line.starts_with("fabric_stream_lag_messages") && line.contains(&format!("\"{}\"", bench.topic))
        });
        let figure = |line: &str| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap();
        let (here, elsewhere): (Vec<&str>, Vec<&str>) =
            ours.partition(|line| line.contains(&format!("standing=\"{standing}\"")));
        let sum: f64 = here.into_iter().map(figure).sum();
        if sum > 0.0 && elsewhere.into_iter().all(|line| figure(line) == 0.0) {
            return sum;
        }
        assert!(Instant::now() < deadline, "{page}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_paused_stream_loads_nothing_until_it_is_resumed_and_both_are_on_record() {
    let mut bench = Bench::new(2).await;
    let validator = bench.installation.validator();
    bench.produce(0, 500).await;
    bench.account().await;
    let said = bench.installation.succeed(&["streams", "pause", "payments", "--reason", "table is rebuilt"]);
    assert_eq!(said, "payments  paused\n");
    bench.produce(500, 500).await;
    validator.until_says("is paused", Duration::from_secs(20)).await;
    assert_eq!(bench.installation.database.number(SUM).await, 500);
    let shown = bench.installation.json(0, &["streams", "show", "payments", "--json"]);
    assert_eq!((&shown["state"], &shown["reason"]), (&"paused".into(), &"table is rebuilt".into()));
    assert_eq!(shown["waiting"], 500);
    assert_eq!(lag(&bench, &address(&validator).await, "paused").await, 500.0);
    bench.installation.succeed(&["streams", "resume", "payments"]);
    bench.account().await;
    let audited = bench.installation.json(0, &["audit", "--kind", "stream", "--json"]);
    let actions: Vec<&str> =
        audited.as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["resume", "pause"]);
}

#[tokio::test]
async fn a_seek_asks_for_a_pause_first_and_loads_again_what_it_goes_back_over() {
    let mut bench = Bench::new(1).await;
    let _validator = bench.installation.validator();
    bench.produce(0, 100).await;
    bench.account().await;
    let refused = bench.installation.run(&["streams", "seek", "payments", "--to", "0"]);
    assert_eq!(refused.status.code(), Some(2), "{}", told(&refused));
    assert!(told(&refused).contains("fabric streams pause payments"), "{}", told(&refused));
    bench.installation.succeed(&["streams", "pause", "payments"]);
    let outside = bench.installation.run(&["streams", "seek", "payments", "--to", "101"]);
    assert!(told(&outside).contains("holds offsets 0 to 100"), "{}", told(&outside));
    let moved = bench.installation.succeed(&["streams", "seek", "payments", "--to", "40"]);
    assert_eq!(moved, "payments  partition 0  from offset 100 to 40\n");
    bench.installation.succeed(&["streams", "resume", "payments"]);
    bench.until(160).await;
    let twice = "select count(*) from (select from payments group by _offset having count(*) = 2) t";
    assert_eq!(bench.installation.database.number(twice).await, 54);
    let audited = bench.installation.succeed(&["audit", "payments", "--kind", "stream"]);
    assert!(audited.contains("from offset 100 to 40"), "{audited}");
}

#[tokio::test]
async fn a_new_version_judges_from_a_batch_on_and_each_row_says_which_judged_it() {
    let mut bench = Bench::new(1).await;
    let _validator = bench.installation.validator();
    bench.produce(0, 300).await;
    bench.account().await;
    bench.apply(&bench.definition("looser").replace(", exclusiveMinimum: 0", ""));
    bench.installation.until(1, "select count(*) from fabric.processes where doing -> 'config' is not null").await;
    // Once a batch of the new version is in, no later one is of the old.
    let mut number = 300;
    while bench.installation.database.number("select max(_feed_version)::bigint from payments").await < 2 {
        bench.send(format!(r#"{{"id":"P{number}","amount":1}}"#).as_bytes()).await;
        number += 1;
        bench.until(number).await;
    }
    bench.send(br#"{"id":"P999","amount":-1}"#).await;
    bench.until(number + 1).await;
    assert_eq!(bench.installation.database.number("select count(*) from payments where amount < 0").await, 1);
    let mixed = "select count(*) from payments a join payments b on a._offset < b._offset and a._feed_version > b._feed_version";
    assert_eq!(bench.installation.database.number(mixed).await, 0);
}

#[tokio::test]
async fn a_target_at_fault_parks_its_stream_alone_and_it_goes_on_by_itself() {
    let mut bench = Bench::new(2).await;
    let other = format!("{}others", bench.installation.prefix);
    bench.make_topic_named(&other, 1).await;
    let definition = bench.definition("other").replace(&bench.topic, &other).replace("feed: payments", "feed: others");
    let file = bench.installation.write("others.yaml", definition);
    bench.installation.succeed(&["feeds", "apply", &file]);
    let validator = bench.installation.validator();
    bench.produce(0, 300).await;
    bench.account().await;
    bench.installation.database.run("alter table payments rename to gone").await;
    bench.produce(300, 300).await;
    bench.installation.until(1, "select count(*) from fabric.stream_positions where state = 'parked'").await;
    assert!(lag(&bench, &address(&validator).await, "parked").await > 0.0);
    let shown = bench.installation.json(0, &["streams", "show", "payments", "--json"]);
    assert_eq!(shown["state"], "parked", "{shown}");
    assert!(shown["reason"].as_str().unwrap().contains("put it back as the feed has it"), "{shown}");

    bench.send_to(&other, br#"{"id":"P1","amount":1}"#).await;
    bench.installation.until(1, "select count(*) from others").await;
    bench.installation.database.run("alter table gone rename to payments").await;
    bench.installation.until(601, SUM).await;
    let streams = bench.installation.json(0, &["streams", "list", "--json"]);
    assert!(streams.as_array().unwrap().iter().all(|stream| stream["state"] == "running"), "{streams}");
    bench.remove_topic(&other).await;
    bench.account_of_two_topics().await;
}

#[tokio::test]
async fn a_producer_is_told_what_it_needs_and_no_file_is_loaded_through_a_stream() {
    let bench = Bench::without_topic().await;
    let told_in_words = bench.installation.succeed(&["streams", "describe", "payments"]);
    assert!(told_in_words.contains(&bench.topic) && told_in_words.contains("/address/city"), "{told_in_words}");
    let described = bench.installation.json(0, &["streams", "describe", "payments", "--json"]);
    assert_eq!((&described["topic"], &described["value"]), (&bench.topic.clone().into(), &"json".into()));
    assert!(told_in_words.contains("it is not there yet"), "{told_in_words}");
    assert!(described["partitions"].is_null() && described["batch"]["records"] == 200, "{described}");
    bench.make_topic(3).await;
    let there = bench.installation.json(0, &["streams", "describe", "payments", "--json"]);
    assert_eq!((&there["partitions"], &there["longestMessageBytes"]), (&3.into(), &5_242_880.into()), "{there}");
    let file = bench.installation.write("some.txt", "x\n");
    for arguments in [
        &["ingest", "payments", &file][..],
        &["check", bench.installation.path("payments.yaml").to_str().unwrap(), &file],
    ] {
        let output = bench.installation.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
        assert!(told(&output).contains("is a stream: its records come by topic"), "{}", told(&output));
    }
    let none = bench.installation.run(&["streams", "pause", "absent"]);
    assert_eq!(none.status.code(), Some(2), "{}", told(&none));
}
