//! The processes of a story, what they need, and what takes that away from them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fabric::config::{Kind, Live, Pinned, Reads, ReferencePins, Thing};
use fabric::settings::Settings;
use fabric::telemetry::Health;

use super::super::following::live;
use super::super::redis::server::Server;
use super::super::witness::Witness;
use super::Event;
use super::edits::{Edit, Edits, thing, things};
use crate::installation::{Installation, Process};
use crate::outages::proxied::KafkaProxy;
use crate::proxy::Proxy;

/// The longest that a process may take until it has heard of everything, whoever is away: with room for a slow machine.
const PATIENCE: Duration = Duration::from_secs(15);

/// Three places for processes: the first finds Kafka behind a proxy, the second Redis, the third neither.
pub struct World {
    edits: Edits,
    running: [Option<Running>; 3],
    steward: Option<Process>,
    kafka: KafkaProxy,
    redis: Proxy,
    server: Server,
    settings: [Settings; 3],
    installation: Installation,
}

struct Running {
    live: Arc<Live>,
    _health: Arc<Health>,
    witness: Witness,
}

impl World {
    pub async fn new() -> Self {
        let (installation, kafka, server) =
            (Installation::new().await, KafkaProxy::new().await, Server::start(&[]).await);
        let to = format!("127.0.0.1:{}", server.port).parse().unwrap();
        let redis = Proxy::start("127.0.0.1:0".parse().unwrap(), to, Duration::ZERO).unwrap();
        let mut settings = installation.settings();
        settings.redis.url = server.url();
        let mut settings = [settings.clone(), settings.clone(), settings];
        settings[0].kafka.brokers = kafka.brokers();
        settings[1].redis.url = format!("redis://{}", redis.address());
        let mut world = Self {
            edits: Edits::default(),
            running: [None, None, None],
            steward: None,
            kafka,
            redis,
            server,
            settings,
            installation,
        };
        for event in [Event::StewardStarts, Event::ProcessStarts { place: 0 }, Event::ProcessStarts { place: 1 }] {
            world.meet(event).await;
        }
        world
    }

    pub async fn edit(&mut self, edit: Edit) -> String {
        self.edits.make(&self.installation.database, edit).await
    }

    pub async fn meet(&mut self, event: Event) {
        match event {
            Event::ProcessStarts { place } => {
                self.stop(place).await;
                let (live, health) = live(&self.installation, &self.settings[place]);
                let witness = Witness::of(&live, &things());
                self.running[place] = Some(Running { live, _health: health, witness });
            }
            Event::ProcessEnds { place } => self.stop(place).await,
            Event::StewardStarts => {
                // One that follows the topic by the way that may be cut, or leads by it.
                let behind = [("FABRIC_KAFKA_BROKERS", self.kafka.brokers())];
                let behind: Vec<_> = behind.iter().map(|(name, value)| (*name, value.as_str())).collect();
                self.steward.get_or_insert_with(|| self.installation.start_with(&behind, &["steward"]));
            }
            Event::StewardIsKilled => drop(self.steward.take()),
            Event::KafkaIsCut => self.kafka.proxy.cut(),
            Event::KafkaIsBack => self.kafka.proxy.heal().unwrap(),
            Event::RedisIsCut => self.redis.cut(),
            Event::RedisIsBack => self.redis.heal().unwrap(),
            Event::RedisIsFlushed => drop(self.server.cli(&["flushall"])),
            Event::TimePasses { millis } => tokio::time::sleep(Duration::from_millis(millis)).await,
        }
    }

    async fn stop(&mut self, place: usize) {
        if let Some(Running { witness, .. }) = self.running[place].take() {
            let objects = witness.objects(&self.edits.history).await;
            assert!(objects.is_ok(), "the process at {place}: {}", objects.unwrap_err());
        }
    }

    /// Every process answers what the plain map says, once it has heard of it.
    pub async fn all_agree(&self) {
        let running = self.running.iter().enumerate();
        for (place, running) in running.filter_map(|(place, running)| Some((place, running.as_ref()?))) {
            let until = Instant::now() + PATIENCE;
            while let Err(why) = self.agrees(&running.live).await {
                let way = running.live.known().way();
                assert!(Instant::now() < until, "the process at {place}, which follows by {way:?}: {why}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    async fn agrees(&self, live: &Live) -> Result<(), String> {
        let known: Vec<_> =
            live.known().all().into_iter().map(|(thing, active)| (thing, (active.version, active.retired))).collect();
        let expected: Vec<_> = self.edits.active.clone().into_iter().collect();
        if known != expected {
            return Err(format!("it knows {known:?}, and active is {expected:?}"));
        }
        for thing in things() {
            let active = live.cache().active(&thing, Reads::Fresh).await.map_err(|error| error.to_string())?;
            let (state, expected) = (active.as_ref().map(|it| (it.version, it.retired)), self.edits.state(&thing));
            if state != expected {
                return Err(format!("it answers {thing} {state:?}, and active is {expected:?}"));
            }
            if let Some((version, false)) = expected {
                self.has(live, &thing, version).await?;
            }
        }
        Ok(())
    }

    /// The version is there as it was applied.
    async fn has(&self, live: &Live, thing: &Thing, version: i32) -> Result<(), String> {
        match thing.kind {
            Kind::Reference => {}
            Kind::Template => {
                let text = live.cache().document(Kind::Template, &thing.name, version, None).await;
                let text = text.map_err(|error| error.to_string())?;
                let expected = self.edits.documents.get(&(thing.clone(), version));
                if text.as_deref() != expected.map(String::as_str) {
                    return Err(format!("it has {thing} v{version} as {text:?}, not as {expected:?}"));
                }
            }
            Kind::Feed => {
                let Some(references) = self.references_of(&thing.name) else { return Ok(()) };
                let pinned = Pinned { feed: thing.name.clone(), version, references };
                let plan = live.cache().plan(&pinned, None).await.map_err(|error| error.to_string())?;
                if plan.feed != self.edits.feeds[&(thing.name.clone(), version)] {
                    return Err(format!("it has another {thing} v{version}: {:?}", plan.feed));
                }
            }
        }
        Ok(())
    }

    /// What a job would pin; `None` where the set that the feed looks up is not there.
    fn references_of(&self, feed: &str) -> Option<ReferencePins> {
        if feed != "looking" {
            return Some(ReferencePins::new());
        }
        let (version, retired) = self.edits.state(&thing("reference/branches"))?;
        (!retired).then(|| ReferencePins::from([("branches".to_owned(), version)]))
    }

    /// All is well again, and everybody agrees; no witness objects.
    pub async fn ends(&mut self) {
        for event in [Event::KafkaIsBack, Event::RedisIsBack, Event::StewardStarts] {
            self.meet(event).await;
        }
        self.all_agree().await;
        let until = Instant::now() + 2 * PATIENCE;
        let owed = "select count(*) from fabric.outbox where topic = 'config'";
        while self.installation.database.number(owed).await > 0 {
            assert!(Instant::now() < until, "the outbox is not emptied");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for place in 0..self.running.len() {
            self.stop(place).await;
        }
    }
}
