//! Processes that are cut off, and stewards that are killed with events in hand: what is answered meanwhile was so a
//! moment ago, and once all is well everybody agrees.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fabric::config::{self, KNOWN, Live, Way, all_active};

use super::following::{apply, cards as thing, eventually, live, until_version};
use super::redis::server::Server;
use super::topic;
use super::witness::{History, Witness};
use crate::database::Database;
use crate::installation::{Installation, Process};
use crate::outages::proxied::KafkaProxy;
use crate::proxy::Proxy;

const OUTBOX: &str = "select count(*) from fabric.outbox where topic = 'config'";
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes the document of that number the active one.
async fn edit(database: &Database, number: u32) -> i32 {
    super::apply(database, &super::cards(number)).await
}

/// Edits one after another for that long.
async fn keep_editing(database: &Database, history: &mut History, numbers: &mut u32, how_long: Duration) {
    let until = Instant::now() + how_long;
    while Instant::now() < until {
        *numbers += 1;
        let began = Instant::now();
        // Every third goes back to what was active before.
        let version = match *numbers % 3 {
            0 => {
                let (change, load) = (config::Change::default(), super::load());
                let back = config::roll_back(&database.pool, config::Kind::Feed, "cards", None, &change, &load).await;
                back.unwrap().version
            }
            _ => edit(database, *numbers).await,
        };
        history.edited(&thing(), Some((version, false)), began);
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

async fn agree(installation: &Installation, processes: &[&Arc<Live>]) {
    let database = &installation.database;
    for process in processes {
        eventually("it knows what Postgres has", async || {
            let current: BTreeMap<_, _> = all_active(&database.pool).await.unwrap().into_iter().collect();
            process.known().all() == current
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_are_cut_off_from_kafka_and_from_redis_use_nothing_stale_and_agree_once_healed() {
    let installation = Installation::new().await;
    let _steward = installation.start(&["steward"]);
    let (kafka, server) = (KafkaProxy::new().await, Server::start(&[]).await);
    let to = format!("127.0.0.1:{}", server.port).parse().unwrap();
    let redis = Proxy::start("127.0.0.1:0".parse().unwrap(), to, Duration::ZERO).unwrap();
    let mut settings = installation.settings();
    settings.redis.url = server.url();
    let (mut without_kafka, mut without_redis) = (settings.clone(), settings);
    without_kafka.kafka.brokers = kafka.brokers();
    without_redis.redis.url = format!("redis://{}", redis.address());
    let (first, _health) = live(&installation, &without_kafka);
    let (second, _health) = live(&installation, &without_redis);

    let (mut history, mut numbers) = (History::default(), 0);
    let witnesses = [Witness::of(&first, &[thing()]), Witness::of(&second, &[thing()])];
    keep_editing(&installation.database, &mut history, &mut numbers, Duration::from_secs(1)).await;
    agree(&installation, &[&first, &second]).await;
    kafka.proxy.cut();
    redis.cut();
    keep_editing(&installation.database, &mut history, &mut numbers, 2 * KNOWN).await;
    assert!(matches!(first.known().way(), Way::Postgres(_)), "{:?}", first.known().way());
    kafka.proxy.heal().unwrap();
    redis.heal().unwrap();
    keep_editing(&installation.database, &mut history, &mut numbers, KNOWN).await;
    agree(&installation, &[&first, &second]).await;
    for process in [&first, &second] {
        eventually("it follows again", async || process.known().way() == Way::Topic).await;
    }
    for (name, witness) in ["first", "second"].into_iter().zip(witnesses) {
        assert_eq!(witness.objects(&history).await, Ok(()), "the {name} one");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_no_steward_publishes_anything_what_a_process_answers_is_no_older_than_the_bound() {
    let installation = Installation::new().await;
    let (process, _health) = live(&installation, &installation.settings());
    eventually("it follows the topic", async || process.known().way() == Way::Topic).await;
    let (mut history, mut numbers) = (History::default(), 0);
    let witness = Witness::of(&process, &[thing()]);
    keep_editing(&installation.database, &mut history, &mut numbers, 3 * KNOWN).await;
    assert_eq!(witness.objects(&history).await, Ok(()));
    assert!(installation.database.number(OUTBOX).await > 0, "nobody has published");
}

/// The versions that the topic tells of, each where it comes first.
fn first_told(installation: &Installation) -> Vec<i32> {
    let mut seen = Vec::new();
    for event in topic::events(installation) {
        if !seen.contains(&event.version) {
            seen.push(event.version);
        }
    }
    seen
}

async fn leader(installation: &Installation, environment: &[(&str, &str)]) -> Process {
    let steward = installation.start_with(environment, &["steward"]);
    steward.until_says("leads as steward", PATIENCE).await;
    steward
}

#[tokio::test]
async fn a_steward_killed_with_events_in_hand_leaves_each_to_the_next_in_order() {
    let installation = Installation::new().await;
    let (process, _health) = live(&installation, &installation.settings());
    let way = KafkaProxy::new().await;
    let brokers = way.brokers();
    let first = leader(&installation, &[("FABRIC_KAFKA_BROKERS", &brokers)]).await;
    apply(&installation, 1);
    until_version(&process, 1).await;
    eventually("it is published", async || installation.database.number(OUTBOX).await == 0).await;
    way.proxy.cut();
    for mark in 2..=5 {
        apply(&installation, mark);
    }
    // It has taken them and can neither publish nor forget them.
    first.until_says("Kafka does not take events; trying again", PATIENCE).await;
    first.kill();
    assert_eq!(installation.database.number(OUTBOX).await, 4);
    let _next = leader(&installation, &[]).await;
    // What the first had sent arrives now, late.
    way.proxy.heal().unwrap();
    eventually("the outbox is empty", async || installation.database.number(OUTBOX).await == 0).await;
    until_version(&process, 5).await;
    assert_eq!(first_told(&installation), [1, 2, 3, 4, 5]);
    eventually("the topic ends with what is active", async || {
        topic::events(&installation).last().is_some_and(|event| event.version == 5)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stewards_killed_in_the_middle_of_publishing_leave_no_event_out() {
    const EDITS: u32 = 12;
    let installation = Installation::new().await;
    let (process, _health) = live(&installation, &installation.settings());
    let mut last = 0;
    for round in 0..4 {
        let steward = leader(&installation, &[]).await;
        for number in 1..=EDITS {
            last = edit(&installation.database, round * EDITS + number).await;
            if number == EDITS / 2 + round {
                steward.signal(nix::sys::signal::Signal::SIGKILL);
            }
        }
        drop(steward);
    }
    let _steward = leader(&installation, &[]).await;
    eventually("the outbox is empty", async || installation.database.number(OUTBOX).await == 0).await;
    until_version(&process, last).await;
    assert_eq!(first_told(&installation), (1..=last).collect::<Vec<_>>());
    assert_eq!(topic::events(&installation).last().unwrap().version, last);
}

#[tokio::test]
async fn what_a_deposed_steward_writes_late_is_ignored_and_mended() {
    let installation = Installation::new().await;
    let _steward = leader(&installation, &[]).await;
    let (process, _health) = live(&installation, &installation.settings());
    apply(&installation, 1);
    apply(&installation, 2);
    until_version(&process, 2).await;
    eventually("the outbox is empty", async || installation.database.number(OUTBOX).await == 0).await;
    let late = topic::events(&installation)[0].clone();
    assert_eq!(late.version, 1);
    topic::forge(&installation, b"feed/cards", Some(&late.encode().unwrap())).await;
    eventually("the topic ends with what is active", async || {
        let versions: Vec<_> = topic::events(&installation).iter().map(|event| event.version).collect();
        process.known().get(&thing()).unwrap().version == 2 && versions == [1, 2, 1, 2]
    })
    .await;
}
