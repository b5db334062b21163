//! An installation of its own per test: a database, topics under a random prefix, and processes of the built binary.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use fabric::settings::{Given, KafkaSettings, Settings};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;

use crate::database::Database;

/// The program under test.
pub const FABRIC: &str = env!("CARGO_BIN_EXE_fabric");

/// A migrated database, applied topics, a folder for files.
pub struct Installation {
    pub database: Database,
    pub folder: tempfile::TempDir,
    /// Of topics and groups.
    pub prefix: String,
    environment: Vec<(String, String)>,
}

impl Installation {
    pub async fn new() -> Self {
        Self::with(Database::new().await)
    }

    pub fn with(database: Database) -> Self {
        let installation = Self::bare(database);
        installation.succeed(&["topics", "apply"]);
        installation
    }

    /// As the database is, and no topics.
    pub fn bare(database: Database) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let prefix = format!("{}.", database.name().replace('_', "-"));
        let environment = vec![
            ("FABRIC_POSTGRES_URL".to_owned(), database.settings.url.clone()),
            ("FABRIC_KAFKA_BROKERS".to_owned(), brokers()),
            ("FABRIC_KAFKA_PREFIX".to_owned(), prefix.clone()),
        ];
        Self { database, folder, prefix, environment }
    }

    /// Adds a setting for every process started from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// The program with this installation's settings and no others.
    pub fn fabric(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(FABRIC);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FABRIC_")) {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().cloned()).args(arguments).stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.fabric(arguments).output().unwrap()
    }

    /// Runs to a successful end; answers standard output.
    pub fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "fabric {arguments:?}\n{}", told(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs to the expected exit code; answers the JSON document on standard output.
    pub fn json(&self, code: i32, arguments: &[&str]) -> serde_json::Value {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(code), "fabric {arguments:?}\n{}", told(&output));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", told(&output)))
    }

    pub fn start(&self, arguments: &[&str]) -> Process {
        Process::start(self.fabric(arguments), self.folder.path())
    }

    /// With a file's bytes on its standard input.
    pub fn start_reading(&self, input: &str, arguments: &[&str]) -> Process {
        let mut command = self.fabric(arguments);
        command.stdin(std::fs::File::open(input).unwrap());
        Process::start(command, self.folder.path())
    }

    /// With variables of this process alone.
    pub fn start_with(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Process {
        let mut command = self.fabric(arguments);
        command.envs(environment.iter().copied());
        Process::start(command, self.folder.path())
    }

    /// As a process of this installation has them.
    pub fn settings(&self) -> Settings {
        let given = Given { environment: self.environment.clone(), ..Given::default() };
        given.resolve().unwrap().settings
    }

    /// For clients of a test itself.
    pub fn kafka(&self) -> KafkaSettings {
        KafkaSettings { brokers: brokers(), prefix: self.prefix.clone(), ..Settings::default().kafka }
    }

    pub fn validator(&self) -> Process {
        self.start(&["validate"])
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Applies the example feed for card transactions.
    pub fn apply_card_transactions(&self) {
        let feed = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/card-transactions.yaml");
        self.succeed(&["feeds", "apply", feed]);
    }

    /// Generates card transactions with about 1 % bad records.
    pub fn card_transactions(&self, name: &str, records: u64) -> String {
        let path = self.path(name).to_str().unwrap().to_owned();
        let records = records.to_string();
        let arguments = [
            "generate",
            "card-transactions",
            "--records",
            &records,
            "--seed",
            "7",
            "--bad-ppm",
            "10000",
            "--out",
            &path,
        ];
        self.succeed(&arguments);
        path
    }

    /// Waits until the query's one number is at least `number`.
    pub async fn until(&self, number: i64, query: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let found = self.database.number(query).await;
            if found >= number {
                return;
            }
            assert!(Instant::now() < deadline, "{query}: still {found}, waited for {number}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        let topics: Vec<String> = ["chunks.normal", "chunks.high", "job-events", "dead-letters", "config"]
            .iter()
            .map(|suffix| format!("{}{suffix}", self.prefix))
            .collect();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let names: Vec<&str> = topics.iter().map(String::as_str).collect();
            runtime.block_on(async { admin().delete_topics(&names, &AdminOptions::new()).await.ok() });
        })
        .join()
        .ok();
    }
}

pub fn brokers() -> String {
    std::env::var("FABRIC_KAFKA_BROKERS")
        .expect("FABRIC_KAFKA_BROKERS names the broker: run `dev/stack up`, then `eval \"$(dev/stack env)\"`")
}

pub fn admin() -> AdminClient<DefaultClientContext> {
    rdkafka::ClientConfig::new().set("bootstrap.servers", brokers()).create().unwrap()
}

pub fn told(output: &Output) -> String {
    format!(
        "exit {:?}\n--- stdout\n{}\n--- stderr\n{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A running process of ours; killed when dropped.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    fn start(mut command: Command, folder: &Path) -> Self {
        let log = tempfile::Builder::new().prefix("process-").suffix(".log").tempfile_in(folder).unwrap();
        let (file, log) = log.keep().unwrap();
        let child = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        Self { child, log }
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Kills without warning.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end and waits until it has.
    pub fn terminate(mut self) -> String {
        self.signal(Signal::SIGTERM);
        let code = self.wait(Duration::from_secs(40));
        let log = self.log();
        assert_eq!(code, Some(0), "{log}");
        log
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end; answers the exit code.
    pub fn wait(&mut self, at_most: Duration) -> Option<i32> {
        let deadline = Instant::now() + at_most;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "still running after {at_most:?}:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until its log has these words.
    pub async fn until_says(&self, words: &str, at_most: Duration) {
        let deadline = Instant::now() + at_most;
        while !self.log().contains(words) {
            assert!(Instant::now() < deadline, "it did not say {words:?} within {at_most:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
    }
}
