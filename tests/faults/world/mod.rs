//! A scenario in the real world: servers, processes, and what is done to them.

mod cancel;
mod disk;
mod ending;
mod hostile;
mod keeper;
mod killer;
mod member;
mod produce;
mod publish;
mod restore;
mod servers;
mod strike;
mod told;
mod ways;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};

use crate::database::{Database, ServerAlone, server_alone};
use crate::feeds::{self, Form, Version};
use crate::installation::{Installation, admin, told};
use crate::reader::{Finding, Kind};
use crate::scenario::{Armed, Blow, Clock, Fault, Pace, Protocol, Scenario, Who};
use cancel::Cancelled;
use disk::Disk;
use member::Member;
pub use publish::{Ending, Published};
use told::Told;
use ways::Ways;

/// Where everything of a seed is kept.
pub fn folder(seed: u64) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/faults").join(seed.to_string())
}

pub struct World {
    pub scenario: Scenario,
    pub installation: Installation,
    pub folder: PathBuf,
    pub told: Told,
    /// A deliberate fault of the program itself.
    defect: Option<String>,
    ways: Ways,
    members: Mutex<BTreeMap<Who, Member>>,
    versions: Mutex<Versions>,
    /// When another version of a stream's feed became active for the last time.
    activated: Mutex<Instant>,
    /// Jobs that were cancelled, by the number of their file.
    cancelled: Mutex<BTreeMap<usize, Cancelled>>,
    /// What has been done, by kind.
    injected: Mutex<BTreeMap<String, u64>>,
    /// Processes that have ended in order, at the end.
    ended: Mutex<Vec<u32>>,
    /// What steps have found.
    noticed: Mutex<Vec<Finding>>,
    /// Everybody is stopped for a moment, and not by a failpoint.
    paused: AtomicBool,
    /// The release that a record kills has been replaced.
    mended: AtomicBool,
    /// Nothing is started again any more.
    over: AtomicBool,
    /// Of those who take something away that others take away too.
    gate: tokio::sync::Mutex<()>,
    /// Under the target of files, where it is to be full.
    disk: Option<Disk>,
    /// Held while this one may restart servers.
    _alone: Option<ServerAlone>,
}

/// Which version of each feed was made active last.
struct Versions {
    files: Version,
    streams: Vec<Version>,
}

impl World {
    pub async fn new(scenario: Scenario, defect: Option<String>, aloud: bool) -> Self {
        let folder = folder(scenario.seed);
        std::fs::remove_dir_all(&folder).ok();
        std::fs::create_dir_all(&folder).expect("target/faults can be written");
        let told = Told::new(&folder, aloud).expect("target/faults can be written");
        told.text(&scenario.to_string());
        let alone = if scenario.shakes_servers() { Some(server_alone().await) } else { None };
        let database = match &alone {
            Some(alone) => Database::alone(alone).await,
            None => Database::new().await,
        };
        let mut installation = Installation::bare(database);
        set(&mut installation, &scenario);
        let ways = Ways::of(&scenario, &installation).await;
        let fills = scenario.faults().any(|fault| matches!(fault, Fault::DiskFull { .. }));
        let disk = if fills { Disk::new(&installation).await } else { None };
        let versions = Versions { files: Version::Lenient, streams: vec![Version::Lenient; scenario.streams.len()] };
        let world = Self {
            scenario,
            installation,
            folder,
            told,
            defect,
            ways,
            members: Mutex::default(),
            versions: Mutex::new(versions),
            activated: Mutex::new(Instant::now()),
            cancelled: Mutex::default(),
            injected: Mutex::default(),
            noticed: Mutex::default(),
            ended: Mutex::default(),
            paused: AtomicBool::new(false),
            mended: AtomicBool::new(false),
            over: AtomicBool::new(false),
            gate: tokio::sync::Mutex::default(),
            disk,
            _alone: alone,
        };
        world.prepare().await;
        world
    }

    async fn prepare(&self) {
        self.must(&["topics", "apply"]);
        for stream in &self.scenario.streams {
            let name = self.topic(&stream.name);
            let topic = NewTopic::new(&name, stream.partitions, TopicReplication::Fixed(1));
            admin().create_topics(&[topic], &AdminOptions::new()).await.expect("Kafka answers");
        }
        if self.scenario.streams.iter().any(|stream| stream.form == Form::Avro) {
            let schema = self.installation.write("payment.avsc", feeds::SCHEMA);
            self.must(&["schemas", "add", &schema]);
        }
        self.apply_files(Version::Lenient);
        for stream in 0..self.scenario.streams.len() {
            self.apply_stream(stream, Version::Lenient);
        }
        if self.scenario.protocol == Protocol::Consumer && self.scenario.size.pace == Pace::Quick {
            self.shorten_sessions().await;
        }
        if let Some(disk) = &self.disk {
            disk.put_under(feeds::FILES).await;
        }
        for validator in 0..self.scenario.validators {
            self.start(Who::Validator(validator));
        }
        for steward in 0..self.scenario.stewards {
            self.start(Who::Steward(steward));
        }
    }

    /// Under KIP-848 a group's timeouts are the broker's.
    async fn shorten_sessions(&self) {
        for group in ["lanes", "streams"] {
            let name = self.topic(group);
            let config = AlterConfig::new(ResourceSpecifier::Group(&name))
                .set("consumer.session.timeout.ms", "2000")
                .set("consumer.heartbeat.interval.ms", "500");
            let answer = admin().alter_configs([&config], &AdminOptions::new()).await;
            if let Err(error) = answer {
                self.told.tell(&format!("the timeouts of group {name} stay as they are: {error}"));
            }
        }
    }

    /// With the installation's prefix.
    pub fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.installation.prefix)
    }

    /// Runs a command that is to succeed sooner or later, whatever is broken meanwhile.
    pub fn must(&self, arguments: &[&str]) -> String {
        let mut output = self.run(arguments);
        for _ in 0..20 {
            if output.status.success() {
                break;
            }
            std::thread::sleep(Duration::from_millis(500));
            output = self.run(arguments);
        }
        assert!(output.status.success(), "fabric {arguments:?}\n{}", told(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub fn run(&self, arguments: &[&str]) -> std::process::Output {
        tokio::task::block_in_place(|| self.installation.run(arguments))
    }

    fn apply_files(&self, version: Version) {
        let document = feeds::of_files(version, self.scenario.keys);
        let file = self.installation.write("orders.yaml", document);
        self.must(&["feeds", "apply", &file]);
    }

    fn apply_stream(&self, stream: usize, version: Version) {
        let its = &self.scenario.streams[stream];
        let document = feeds::of_stream(&its.name, &self.topic(&its.name), its.form, version);
        let file = self.installation.write(&format!("{}.yaml", its.name), document);
        self.must(&["feeds", "apply", &file]);
    }

    /// Once more, for feeds that Postgres may have forgotten.
    fn apply_again(&self) {
        let (files, streams) = {
            let versions = self.versions.lock().expect("nobody panics with the versions");
            (versions.files, versions.streams.clone())
        };
        self.apply_files(files);
        for (stream, version) in streams.into_iter().enumerate() {
            self.apply_stream(stream, version);
        }
    }

    /// Starts a validator or a steward.
    fn start(&self, who: Who) {
        let role = match who {
            Who::Validator(_) => "validate",
            Who::Steward(_) => "steward",
            Who::Publisher(_) => unreachable!("publishers are started by their jobs"),
        };
        self.start_as(who, &[role.to_owned()]);
    }

    fn start_as(&self, who: Who, arguments: &[String]) {
        let mut members = self.members.lock().expect("nobody panics with the members");
        let member = members.entry(who).or_insert_with(|| Member::new(&self.folder, &who.to_string()));
        let command = self.command(who, member.lives, arguments);
        member.start(command).expect("the program can be started");
    }

    fn command(&self, who: Who, life: usize, arguments: &[String]) -> Command {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut command = self.installation.fabric(&arguments);
        command.envs(self.ways.environment(who));
        let its = self.scenario.armed.iter().filter(|armed| armed.who == who && armed.life == life);
        let armed: Vec<String> = its.map(words).collect();
        if !armed.is_empty() {
            command.env("FABRIC_TEST_POINTS", armed.join(";"));
        }
        if let Some(defect) = &self.defect {
            command.env("FABRIC_TEST_DEFECT", defect);
        }
        if let Some(killer) = self.scenario.killer
            && matches!(who, Who::Validator(_))
            && !self.mended.load(Ordering::Relaxed)
        {
            command.env("FABRIC_TEST_STRIKE", self.strike_of(killer));
        }
        if let Some((_, clock)) = self.scenario.clocks.iter().find(|(its, _)| *its == who) {
            command.env("LD_PRELOAD", clock_library());
            command.env("WRONG_CLOCK_SECONDS", if *clock == Clock::Fast { "10800" } else { "-10800" });
        }
        command
    }

    pub fn defect(&self) -> Option<&str> {
        self.defect.as_deref()
    }

    /// Something that a step has found.
    fn noticed(&self, kind: Kind, words: &str) {
        self.noticed
            .lock()
            .expect("nobody panics with what was noticed")
            .push(Finding { kind, words: words.to_owned() });
    }

    pub fn take_noticed(&self) -> Vec<Finding> {
        std::mem::take(&mut *self.noticed.lock().expect("nobody panics with what was noticed"))
    }

    /// Which version of a stream's feed is active.
    pub fn version_of_stream(&self, stream: usize) -> Version {
        self.versions.lock().expect("nobody panics with the versions").streams[stream]
    }

    /// Counts something that was done to the scenario.
    fn count(&self, kind: &str) {
        *self.injected.lock().expect("nobody panics with the counts").entry(kind.to_owned()).or_default() += 1;
    }

    pub fn injected(&self) -> BTreeMap<String, u64> {
        self.injected.lock().expect("nobody panics with the counts").clone()
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// From now on nobody is started again.
    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.members.lock().expect("nobody panics with the members").clear();
        if let Some(disk) = &self.disk {
            disk.take_away(feeds::FILES);
        }
        let topics: Vec<String> = self.scenario.streams.iter().map(|stream| self.topic(&stream.name)).collect();
        let deleting = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let names: Vec<&str> = topics.iter().map(String::as_str).collect();
            runtime.block_on(async { admin().delete_topics(&names, &AdminOptions::new()).await.ok() });
        });
        deleting.join().ok();
    }
}

fn set(installation: &mut Installation, scenario: &Scenario) {
    let redis = std::env::var("FABRIC_REDIS_URL").unwrap_or_default();
    let patience = format!("{}s", scenario.patience_of_commands);
    let protocol = if scenario.protocol == Protocol::Classic { "classic" } else { "consumer" };
    let always = [
        ("FABRIC_REDIS_URL", redis.as_str()),
        ("FABRIC_VALIDATE_GROUP_PROTOCOL", protocol),
        ("FABRIC_INGEST_PATIENCE", patience.as_str()),
        ("FABRIC_VALIDATE_WORKERS", "2"),
        ("FABRIC_LOG", "info,sqlx=error"),
    ];
    let quick = [
        ("FABRIC_VALIDATE_SESSION_TIMEOUT", "1500ms"),
        ("FABRIC_VALIDATE_HEARTBEAT", "200ms"),
        ("FABRIC_VALIDATE_GRACE", "5s"),
        ("FABRIC_LOAD_LOCK_TIMEOUT", "400ms"),
        ("FABRIC_LOAD_EVICT_AFTER", "800ms"),
        ("FABRIC_INGEST_LEASE", "3s"),
        ("FABRIC_STEWARD_INTERVAL", "50ms"),
        ("FABRIC_STEWARD_PROBE_INTERVAL", "100ms"),
    ];
    let chosen: &[(&str, &str)] = if scenario.size.pace == Pace::Quick { &quick } else { &[] };
    if std::env::var_os("FABRIC_FAULTS_DEBUG").is_some() {
        installation.set("FABRIC_KAFKA_PROPERTIES_DEBUG", "fetch,msg,topic,cgrp");
        installation.set("FABRIC_LOG", "debug,sqlx=error");
    }
    for (name, value) in always.iter().chain(chosen) {
        installation.set(name, value);
    }
}

/// As `FABRIC_TEST_POINTS` has it.
fn words(armed: &Armed) -> String {
    let blow = match armed.blow {
        Blow::Kill => "return(kill)".to_owned(),
        Blow::Stop => "return(stop)".to_owned(),
        Blow::Sleep(millis) => format!("sleep({millis})"),
        Blow::Panic => "panic".to_owned(),
        Blow::Error => "return(error)".to_owned(),
    };
    let passes = if armed.passes > 0 { format!("{}*off->", armed.passes) } else { String::new() };
    format!("{}={passes}{}*{blow}", armed.point, armed.times)
}

/// Compiled once per run.
fn clock_library() -> PathBuf {
    static LIBRARY: std::sync::LazyLock<PathBuf> = std::sync::LazyLock::new(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let library = root.join(format!("target/faults/wrong_clock-{}.so", std::process::id()));
        let source = root.join("tests/it/outages/wrong_clock.c");
        let output = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).arg("-ldl").output();
        assert!(output.expect("cc can be run").status.success(), "wrong_clock.c does not compile");
        library
    });
    LIBRARY.clone()
}
