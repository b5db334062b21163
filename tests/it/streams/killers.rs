//! A record that kills whoever works on it costs itself, and nothing else; whoever is killed from outside costs nothing.

use std::time::{Duration, Instant};

use super::bench::Bench;
use crate::installation::{Installation, Process};
use crate::visible::asked::{Page, address};

const RECORDS: usize = 2_000;
/// A good one, in the middle.
const KILLER: usize = 1_234;

const KILLERS: &str = "select count(*) from fabric.stream_rejects where reasons -> 0 ->> 'rule' = 'record.killer'";
const LOADED: &str = "select coalesce(sum(loaded + rejected), 0)::bigint from fabric.stream_positions";

/// Deaths are noticed by the group in seconds.
async fn bench(partitions: i32) -> Bench {
    let mut installation = Installation::new().await;
    installation.set("FABRIC_VALIDATE_SESSION_TIMEOUT", "2s");
    installation.set("FABRIC_VALIDATE_HEARTBEAT", "500ms");
    let bench = Bench::within(installation).await;
    bench.make_topic(partitions).await;
    bench
}

fn validator(bench: &Bench, how: &str) -> Process {
    let strike = format!("{how} \"P{KILLER}\"");
    bench.installation.start_with(&[("FABRIC_TEST_STRIKE", &strike)], &["validate"])
}

/// Everything but the one is loaded, and that one is a reject with its bytes.
async fn it_alone_is_rejected(bench: &mut Bench, why: &str) {
    bench.expect_rejected(&format!("\"P{KILLER}\""));
    bench.account().await;
    let killers = "select reasons -> 0 ->> 'message' from fabric.stream_rejects
                    where reasons -> 0 ->> 'rule' = 'record.killer'";
    let said: Vec<String> = sqlx::query_scalar(killers).fetch_all(&bench.installation.database.pool).await.unwrap();
    assert_eq!(said, [why]);
}

async fn a_panic_costs_the_record_alone(how: &str) {
    let mut bench = bench(2).await;
    let validator = validator(&bench, how);
    bench.produce(0, RECORDS).await;
    it_alone_is_rejected(&mut bench, "has killed its worker 3 times: see the logs of the validators").await;
    assert!(Page::of(&address(&validator).await).figure("fabric_panics_total") >= 3.0);
    validator.terminate();
}

#[tokio::test]
async fn a_record_whose_judging_panics_is_a_reject_and_the_process_lives_on() {
    a_panic_costs_the_record_alone("panic judged").await;
}

#[tokio::test]
async fn a_record_whose_loading_panics_is_a_reject_and_the_process_lives_on() {
    a_panic_costs_the_record_alone("panic loaded").await;
}

#[tokio::test]
async fn where_one_record_after_the_other_panics_the_stream_is_parked_since_the_fault_is_fabrics() {
    let mut bench = Bench::new(1).await;
    bench.produce(0, 100).await;
    let validator = bench.installation.start_with(&[("FABRIC_TEST_STRIKE", "panic judged Z")], &["validate"]);
    bench.installation.until(1, "select count(*) from fabric.stream_positions where state = 'parked'").await;
    let shown = bench.installation.json(0, &["streams", "show", "payments", "--json"]);
    assert!(shown["reason"].as_str().unwrap().contains("the fault is fabric's"), "{shown}");
    assert_eq!(bench.installation.database.number(LOADED).await, 8);
    validator.kill();
    for number in 0..8 {
        bench.expect_rejected(&format!("\"P{number}\""));
    }
    let _sound = bench.installation.validator();
    bench.account().await;
}

/// Keeps so many validators at work until everything is loaded; answers how many have died.
async fn supervise(bench: &Bench, members: usize) -> usize {
    let mut working: Vec<Process> = (0..members).map(|_| validator(bench, "abort judged")).collect();
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut deaths = 0;
    while bench.installation.database.number(LOADED).await < RECORDS as i64 {
        for process in &mut working {
            if process.has_ended() {
                deaths += 1;
                assert!(deaths <= 8, "they are killed for ever:\n{}", process.log());
                *process = validator(bench, "abort judged");
            }
        }
        let logs = || working.iter().map(Process::log).collect::<Vec<_>>().join("\n---\n");
        assert!(Instant::now() < deadline, "{deaths} deaths\n{}", logs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    working.into_iter().for_each(|process| drop(process.terminate()));
    deaths
}

/// One death that tells nothing, one of some records together, two of the record alone.
async fn is_rejected_after_four_deaths(mut bench: Bench, members: usize) {
    bench.produce(0, RECORDS).await;
    assert_eq!(supervise(&bench, members).await, 4, "deaths");
    it_alone_is_rejected(&mut bench, "has killed its process 3 times: see the logs of the validators").await;
    assert_eq!(bench.installation.database.number("select count(*) from fabric.stream_trials").await, 0);
    let held = format!("select count(*) from fabric.held_partitions where topic = '{}'", bench.topic);
    assert_eq!(bench.installation.database.number(&held).await, 0);
}

#[tokio::test]
async fn a_record_that_aborts_its_process_is_a_reject_after_four_deaths() {
    is_rejected_after_four_deaths(bench(2).await, 1).await;
}

#[tokio::test]
async fn two_members_of_a_kip_848_group_find_the_record_that_kills_them() {
    let mut bench = bench(2).await;
    bench.installation.set("FABRIC_VALIDATE_GROUP_PROTOCOL", "consumer");
    is_rejected_after_four_deaths(bench, 2).await;
}

#[tokio::test]
async fn validators_killed_from_outside_again_and_again_leave_no_record_condemned() {
    let mut bench = bench(2).await;
    bench.produce(0, RECORDS).await;
    let mut working = bench.installation.validator();
    for round in 1..=5 {
        // In the midst of what is tried alone, from the second time on.
        bench.until(round * 150).await;
        working.kill();
        working = bench.installation.validator();
    }
    bench.account().await;
    assert_eq!(bench.installation.database.number(KILLERS).await, 0);
    working.terminate();
    let log = {
        let next = bench.installation.validator();
        bench.produce(RECORDS, 100).await;
        bench.account().await;
        next.terminate()
    };
    assert!(!log.contains("is tried alone"), "whoever lets go leaves nothing behind:\n{log}");
}
