//! The end of a scenario: last words to its streams, a look at its sessions, and everybody is told to end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;
use tokio::task::JoinSet;

use super::World;
use crate::dice::Dice;
use crate::installation::brokers;
use crate::reader::{self, Kind, Reading};
use crate::records::value;
use crate::scenario::{Pace, Who};

/// What a process knows of versions is no older than this.
const KNOWN: Duration = Duration::from_millis(3_200);

/// The first number of a message of the afterword: others have smaller ones.
const AFTERWORD: u64 = 10_000_000;

/// Longer than Postgres takes to find out about a client that is gone.
const PATIENCE: Duration = Duration::from_secs(6);

/// Of both lanes, at least.
const LANE_PARTITIONS: i64 = 12;

/// Sessions of one process, at most: loaders of both lanes and of streams, each with one aside, a pool, a steward's.
const SESSIONS: i64 = 24;

impl World {
    pub fn start_producing(self: &Arc<Self>) -> JoinSet<()> {
        let mut producing = JoinSet::new();
        for stream in 0..self.scenario.streams.len() {
            let world = Arc::clone(self);
            producing.spawn(async move { world.produce(stream).await });
        }
        producing
    }

    /// A few messages more on each partition of each stream, once everybody must know which version is active.
    pub async fn afterword(&self) {
        let activated = *self.activated.lock().expect("nobody panics with the moment");
        tokio::time::sleep_until((activated + KNOWN).into()).await;
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers());
        let producer: FutureProducer = config.create().expect("a producer");
        for stream in &self.scenario.streams {
            let topic = self.topic(&stream.name);
            let partitions = tokio::task::block_in_place(|| reader::partitions(&topic)).unwrap_or_default();
            let mut dice = Dice::new(stream.seed + 1);
            for partition in partitions {
                for number in 0..3 {
                    let value = value(stream.form, AFTERWORD + number, &mut dice);
                    let record = FutureRecord::to(&topic).partition(partition).key("last").payload(&value);
                    producer.send(record, Timeout::After(Duration::from_secs(20))).await.ok();
                }
            }
        }
        self.told.tell("each stream has its last messages");
    }

    /// Each session is of a process that lives, and no process has more than it may. Backends need a moment to see that
    /// their client is gone.
    pub async fn look_at_sessions(&self, reading: &mut Reading) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.sessions().await;
            if found.is_empty() || Instant::now() > deadline {
                found.into_iter().for_each(|words| reading.find(Kind::Left, words));
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn sessions(&self) -> Vec<String> {
        let mut found = Vec::new();
        let names: Result<Vec<String>, sqlx::Error> = sqlx::query_scalar(
            "select application_name from pg_stat_activity where datname = current_database()
                and application_name like 'fabric%' and application_name <> 'fabric test'",
        )
        .fetch_all(&self.installation.database.pool)
        .await;
        let Ok(names) = names else { return found };
        let locks: Result<i64, sqlx::Error> = sqlx::query_scalar(
            "select count(*) from pg_locks join pg_stat_activity using (pid) where locktype = 'advisory'
                and datname = current_database() and application_name like 'fabric loader%'",
        )
        .fetch_one(&self.installation.database.pool)
        .await;
        if let Ok(locks @ 1..) = locks {
            found.push(format!("{locks} locks of jobs, which loaders hold at rest"));
        }
        let living: Vec<u32> = {
            let members = self.members.lock().expect("nobody panics with the members");
            members.values().map(super::member::Member::pid).filter(|pid| *pid > 0).collect()
        };
        let most = SESSIONS * i64::try_from(living.len()).unwrap_or(i64::MAX);
        if i64::try_from(names.len()).unwrap_or(i64::MAX) > most {
            found.push(format!("{} sessions of {} processes", names.len(), living.len()));
        }
        let mut loaders: BTreeMap<&str, usize> = BTreeMap::new();
        for name in &names {
            // fabric loader HOST/PID/N, fabric steward HOST/PID
            let pid = name.split('/').nth(1).and_then(|pid| pid.parse().ok());
            if pid.is_some_and(|pid| !living.contains(&pid)) {
                found.push(format!("a session of a process that has ended: {name}"));
            }
            if name.starts_with("fabric loader ") {
                *loaders.entry(name).or_default() += 1;
            }
        }
        for (name, count) in loaders.into_iter().filter(|(_, count)| *count > 1) {
            found.push(format!("{count} sessions of one loader: {name}"));
        }
        found
    }

    /// Whoever ends on a busy machine may have no time to say what it lets go of. One more comes, takes everything over, and
    /// ends with nothing else to do: then nothing may be in its custody.
    pub async fn let_go_once_more(&self, reading: &mut Reading) {
        let pool = &self.installation.database.pool;
        let held = "select count(*) from fabric.held_partitions where holder <> 0";
        if sqlx::query_scalar::<_, i64>(held).fetch_one(pool).await.unwrap_or(0) == 0 {
            return;
        }
        self.told.tell("somebody has not let go: one more validator comes and ends");
        let who = Who::Validator(0);
        self.start(who);
        let mut pid = 0;
        self.with(who, |member| pid = member.pid());
        let by_it = "select count(*) from fabric.held_partitions where place like '%/' || $1";
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let taken = sqlx::query_scalar::<_, i64>(by_it).bind(pid.to_string()).fetch_one(pool).await.unwrap_or(0);
            if taken >= LANE_PARTITIONS || Instant::now() > deadline {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        self.ended.lock().expect("nobody panics with the ended").clear();
        self.terminate_all(reading);
    }

    pub fn ended_in_order(&self) -> Vec<u32> {
        self.ended.lock().expect("nobody panics with the ended").clone()
    }

    /// SIGTERM to everybody: each ends by itself, in order.
    pub fn terminate_all(&self, reading: &mut Reading) {
        let grace = Duration::from_secs(if self.scenario.size.pace == Pace::Quick { 15 } else { 40 });
        let mut members = self.members.lock().expect("nobody panics with the members");
        members.values_mut().for_each(super::member::Member::thaw);
        members.values().for_each(|member| member.signal(Signal::SIGTERM));
        let deadline = Instant::now() + grace;
        for (who, member) in members.iter_mut() {
            if matches!(who, Who::Publisher(_)) {
                member.kill();
                continue;
            }
            let pid = member.pid();
            while member.lives() {
                if let Some(status) = member.has_ended() {
                    if status.success() {
                        self.ended.lock().expect("nobody panics with the ended").push(pid);
                    } else if !member.last_line().starts_with("failpoint ") {
                        let words = format!("{who} was told to end, and ended with {status}: {}", member.last_line());
                        reading.find(Kind::Left, words);
                    }
                } else if Instant::now() > deadline {
                    reading.find(Kind::Stuck, format!("{who} was told to end and has not within {grace:?}"));
                    member.kill();
                } else {
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
        }
    }
}
