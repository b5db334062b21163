//! The steps of a scenario, done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminOptions, NewPartitions};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::task::JoinSet;

use super::{Published, World};
use crate::feeds::FILES;
use crate::installation::admin;
use crate::reader;
use crate::scenario::{Act, Fault, Server, Step, Trouble, Wait, Who};

/// How long a step waits for loads at most.
const PATIENCE: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(15);

/// Until the end of the scenario, in milliseconds.
pub(super) const FOR_GOOD: u64 = 3_600_000;

/// Sessions of fabric's processes.
const OURS: &str = "datname = current_database() and application_name like 'fabric%'
  and application_name <> 'fabric test'";

/// What goes on beside the steps.
#[derive(Default)]
pub struct Beside {
    pub publishing: JoinSet<Published>,
    /// Faults that last, until each is healed.
    pub lasting: JoinSet<()>,
}

impl World {
    /// All steps in order; what they began goes on.
    pub async fn play(self: &Arc<Self>) -> Beside {
        let mut beside = Beside::default();
        for step in self.scenario.steps.clone() {
            self.wait(step.wait).await;
            self.act(&step, &mut beside).await;
        }
        beside
    }

    async fn wait(&self, wait: Wait) {
        let deadline = Instant::now() + PATIENCE;
        match wait {
            Wait::Millis(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
            Wait::Loaded(count) => {
                let mut from = None;
                while Instant::now() < deadline {
                    if let Some(loads) = self.loads().await {
                        let from = *from.get_or_insert(loads);
                        if loads >= from + i64::try_from(count).expect("it is small") {
                            return;
                        }
                    }
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    }

    /// Chunks, and hundreds of records of streams.
    async fn loads(&self) -> Option<i64> {
        let query = "select (select count(*) from fabric.chunk_ledger)
          + coalesce((select sum(loaded + rejected) / 100 from fabric.stream_positions), 0)::bigint";
        let asked = sqlx::query_scalar(query).fetch_one(&self.installation.database.pool);
        tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()
    }

    async fn act(self: &Arc<Self>, step: &Step, beside: &mut Beside) {
        self.told.tell(&step.act.to_string());
        match &step.act {
            Act::Begin(job) => {
                let (world, job) = (Arc::clone(self), *job);
                beside.publishing.spawn(async move { world.publish(job).await });
            }
            Act::Cancel(job) => self.cancel(*job).await,
            Act::ActivateFiles => {
                let version = {
                    let mut versions = self.versions.lock().expect("nobody panics with the versions");
                    versions.files = versions.files.other();
                    versions.files
                };
                self.apply_files(version);
            }
            Act::ActivateStream(stream) => {
                let version = {
                    let mut versions = self.versions.lock().expect("nobody panics with the versions");
                    versions.streams[*stream] = versions.streams[*stream].other();
                    versions.streams[*stream]
                };
                self.apply_stream(*stream, version);
                *self.activated.lock().expect("nobody panics with the moment") = Instant::now();
            }
            Act::Keep => self.keep().await,
            Act::Fault(fault) => {
                self.count(fault.kind());
                self.strike(fault, beside).await;
            }
        }
    }

    async fn strike(self: &Arc<Self>, fault: &Fault, beside: &mut Beside) {
        match *fault {
            Fault::Killed { who, back } => self.kill(who, back),
            Fault::KilledLoading { who, back } => {
                self.until_loading(who).await;
                self.kill(who, back);
            }
            Fault::Leaves { who, back } => self.with(who, |member| {
                member.signal(nix::sys::signal::Signal::SIGTERM);
                member.back_in(back);
            }),
            Fault::Frozen { who, lasting } => self.with(who, |member| member.freeze(lasting)),
            Fault::FrozenLoading { who, lasting } => self.freeze_loading(who, lasting).await,
            Fault::Abandoned { who } => self.freeze_loading(who, FOR_GOOD).await,
            Fault::Joins { who } => self.start(who),
            Fault::PostgresKilled { back } => self.kill_postgres(back).await,
            Fault::PostgresRestarted => self.stack(&["restart", "postgres"]),
            Fault::KafkaRestarted => self.stack(&["restart", "kafka"]),
            Fault::RedisRestarted => self.stack(&["restart", "redis"]),
            Fault::RedisFlushed => self.flush_redis(),
            Fault::SessionsEnded => self.end_sessions().await,
            Fault::Restored => self.restore().await,
            Fault::LanePartitions { high } => {
                let lane = if high { "chunks.high" } else { "chunks.normal" };
                self.add_partitions(&self.topic(lane)).await;
            }
            Fault::StreamPartitions { stream } => {
                self.add_partitions(&self.topic(&self.scenario.streams[stream].name)).await;
            }
            Fault::StreamPaused { stream, lasting } => {
                let world = Arc::clone(self);
                beside.lasting.spawn(async move { world.pause(stream, lasting).await });
            }
            Fault::DatabaseClosed { lasting } => self.lasting(beside, lasting, Lasting::Closed),
            Fault::ConnectionsTaken { lasting } => self.lasting(beside, lasting, Lasting::Taken),
            Fault::DiskFull { lasting } => self.lasting(beside, lasting, Lasting::DiskFull),
            Fault::TargetGone { lasting } => self.lasting(beside, lasting, Lasting::ColumnGone),
            Fault::TargetLocked { lasting } => self.lasting(beside, lasting, Lasting::Locked),
            Fault::RightRevoked { lasting } => self.lasting(beside, lasting, Lasting::Revoked),
            Fault::Network { who, server, trouble, lasting } => {
                let world = Arc::clone(self);
                beside.lasting.spawn(async move { world.trouble(who, server, trouble, lasting).await });
            }
        }
    }

    async fn pause(&self, stream: usize, lasting: u64) {
        let name = &self.scenario.streams[stream].name;
        self.must(&["streams", "pause", name]);
        tokio::time::sleep(Duration::from_millis(lasting)).await;
        self.must(&["streams", "resume", name]);
        self.told.tell(&format!("stream {} goes on", stream + 1));
    }

    fn lasting(self: &Arc<Self>, beside: &mut Beside, lasting: u64, what: Lasting) {
        let world = Arc::clone(self);
        beside.lasting.spawn(async move {
            let _gate = world.gate.lock().await;
            let lasting = Duration::from_millis(lasting);
            match what {
                Lasting::Closed => world.close_database(lasting).await,
                Lasting::Taken => world.take_connections(lasting).await,
                Lasting::DiskFull => {
                    if let Some(disk) = &world.disk {
                        tokio::task::block_in_place(|| disk.fill());
                        tokio::time::sleep(lasting).await;
                        disk.clear();
                    }
                }
                Lasting::ColumnGone => {
                    world.alter(&format!("alter table public.{FILES} rename column amount to amount_away")).await;
                    tokio::time::sleep(lasting).await;
                    world.alter(&format!("alter table public.{FILES} rename column amount_away to amount")).await;
                }
                Lasting::Locked => world.lock_target(lasting).await,
                Lasting::Revoked => {
                    world.alter(&format!("revoke insert on public.{FILES} from current_user")).await;
                    tokio::time::sleep(lasting).await;
                    world.alter(&format!("grant insert on public.{FILES} to current_user")).await;
                }
            }
            world.told.tell(&format!("{what:?} is over"));
        });
    }

    pub(super) fn with(&self, who: Who, act: impl FnOnce(&mut super::member::Member)) {
        let mut members = self.members.lock().expect("nobody panics with the members");
        if let Some(member) = members.get_mut(&who) {
            act(member);
        }
    }

    fn kill(&self, who: Who, back: u64) {
        self.with(who, |member| {
            if member.kill() && !matches!(who, Who::Publisher(_)) {
                member.back_in(back);
            }
        });
    }

    async fn freeze_loading(&self, who: Who, lasting: u64) {
        for _ in 0..40 {
            self.with(who, |member| member.freeze(lasting));
            tokio::time::sleep(Duration::from_millis(40)).await;
            if self.is_loading(who).await {
                return;
            }
            self.with(who, super::member::Member::thaw);
            tokio::time::sleep(Duration::from_millis(7)).await;
        }
        self.told.tell(&format!("{who} had no transaction open"));
        self.with(who, |member| member.freeze(lasting));
    }

    async fn until_loading(&self, who: Who) {
        let deadline = Instant::now() + PATIENCE / 2;
        while Instant::now() < deadline {
            if self.is_loading(who).await {
                return;
            }
        }
        self.told.tell(&format!("{who} had no transaction open"));
    }

    /// Whether one of its loaders has a transaction open.
    async fn is_loading(&self, who: Who) -> bool {
        let mut pid = 0;
        self.with(who, |member| pid = member.pid());
        let query = format!(
            "select exists (select from pg_stat_activity where datname = current_database() and xact_start is not null
               and application_name like 'fabric loader %/{pid}/%')"
        );
        let asked = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&self.installation.database.pool);
        tokio::time::timeout(PATIENCE, asked).await.is_ok_and(|answer| answer.unwrap_or(false))
    }

    async fn end_sessions(&self) {
        let end = format!("select count(pg_terminate_backend(pid)) from pg_stat_activity where {OURS}");
        let ended = sqlx::query(AssertSqlSafe(end)).execute(&self.installation.database.pool).await;
        if let Err(error) = ended {
            self.told.tell(&format!("sessions could not be ended: {error}"));
        }
    }

    /// As the owner of the database, in another one that is always there; tries until the server answers.
    pub(super) async fn elsewhere(&self) -> PgConnection {
        let url = self.installation.database.settings.url.replace(self.installation.database.name(), "postgres");
        loop {
            match PgConnection::connect(&url).await {
                Ok(connection) => return connection,
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }

    async fn close_database(&self, lasting: Duration) {
        let name = self.installation.database.name();
        let mut connection = self.elsewhere().await;
        let end = OURS.replace("current_database()", &format!("'{name}'"));
        let close = format!(
            "alter database {name} allow_connections false;
             select pg_terminate_backend(pid) from pg_stat_activity where {end}"
        );
        sqlx::raw_sql(AssertSqlSafe(close)).execute(&mut connection).await.ok();
        tokio::time::sleep(lasting).await;
        self.insist(&format!("alter database {name} allow_connections true")).await;
    }

    /// Until it has succeeded, whatever is broken meanwhile.
    async fn insist(&self, statement: &str) {
        loop {
            let mut connection = self.elsewhere().await;
            match sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await {
                Ok(_) => return,
                Err(error) => self.told.tell(&format!("{statement}: {error}")),
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// As [`Self::insist`], as the owner of the target.
    async fn alter(&self, statement: &str) {
        let statement = format!("set lock_timeout = '500ms'; {statement}");
        loop {
            let altered = async {
                let mut connection = PgConnection::connect(&self.installation.database.settings.url).await?;
                sqlx::raw_sql(AssertSqlSafe(statement.clone())).execute(&mut connection).await?;
                connection.close().await
            };
            if altered.await.is_ok() || self.is_over() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn lock_target(&self, lasting: Duration) {
        let Ok(mut connection) = PgConnection::connect(&self.installation.database.settings.url).await else { return };
        let lock = format!("begin; lock table public.{FILES} in access exclusive mode");
        if sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut connection).await.is_ok() {
            tokio::time::sleep(lasting).await;
        }
        connection.close().await.ok();
    }

    /// Those that are free, then those of fabric's processes, whose sessions are ended.
    async fn take_connections(&self, lasting: Duration) {
        let url = &self.installation.database.settings.url;
        let mut taken = Vec::new();
        let deadline = Instant::now() + lasting;
        while Instant::now() < deadline {
            while let Ok(connection) = PgConnection::connect(url).await {
                taken.push(connection);
            }
            self.end_sessions().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn add_partitions(&self, topic: &str) {
        let Ok(partitions) = tokio::task::block_in_place(|| reader::partitions(topic)) else { return };
        let count = partitions.len() + 2;
        let more = NewPartitions::new(topic, count);
        if let Err(error) = admin().create_partitions(&[more], &AdminOptions::new()).await {
            self.told.tell(&format!("{topic} got no more partitions: {error}"));
        }
    }

    async fn trouble(&self, who: Who, server: Server, trouble: Trouble, lasting: u64) {
        let proxy = self.ways.to(who, server).expect("it is behind a proxy");
        match trouble {
            Trouble::Cut => proxy.cut(),
            Trouble::Refused => proxy.refuse(),
            Trouble::Slow(rate) => proxy.throttle(rate),
            Trouble::Reset(bytes) => proxy.reset_after(bytes),
            Trouble::AnswersLost => proxy.drop_answers(),
            Trouble::HalfOpen => proxy.half_open(),
        }
        tokio::time::sleep(Duration::from_millis(lasting)).await;
        while proxy.heal().is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.told.tell(&format!("the way of {who} to {server} is well again"));
    }
}

#[derive(Debug, Clone, Copy)]
enum Lasting {
    Closed,
    Taken,
    DiskFull,
    ColumnGone,
    Locked,
    Revoked,
}
