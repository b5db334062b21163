//! The processes of a scenario: started, struck, and started again.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// One after the other under one name; their words are in one file.
pub struct Member {
    log: PathBuf,
    process: Option<Child>,
    /// How many have been started.
    pub lives: usize,
    /// When the next is to be started.
    pub back_at: Option<Instant>,
    /// When who is frozen is to go on.
    pub thaw_at: Option<Instant>,
}

impl Member {
    pub fn new(folder: &Path, name: &str) -> Self {
        let log = folder.join(format!("{}.log", name.replace(' ', "-")));
        Self { log, process: None, lives: 0, back_at: None, thaw_at: None }
    }

    pub fn start(&mut self, mut command: Command) -> std::io::Result<()> {
        let file = OpenOptions::new().create(true).append(true).open(&self.log)?;
        self.process = Some(command.stdout(file.try_clone()?).stderr(file).spawn()?);
        self.lives += 1;
        (self.back_at, self.thaw_at) = (None, None);
        Ok(())
    }

    pub fn lives(&self) -> bool {
        self.process.is_some()
    }

    /// 0: there is none.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().map_or(0, Child::id)
    }

    pub fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            kill(pid(process), signal).ok();
        }
    }

    /// Whether there was anybody.
    pub fn kill(&mut self) -> bool {
        let Some(mut process) = self.process.take() else { return false };
        process.kill().ok();
        process.wait().ok();
        true
    }

    pub fn back_in(&mut self, millis: u64) {
        self.back_at = Some(Instant::now() + Duration::from_millis(millis));
    }

    pub fn freeze(&mut self, millis: u64) {
        self.signal(Signal::SIGSTOP);
        self.thaw_at = Some(Instant::now() + Duration::from_millis(millis));
    }

    /// Whether nobody waits for it to be thawed.
    pub fn is_abandoned(&self) -> bool {
        self.thaw_at.is_some_and(|at| at > Instant::now() + Duration::from_secs(600))
    }

    pub fn thaw(&mut self) {
        self.signal(Signal::SIGCONT);
        self.thaw_at = None;
    }

    /// How it ended, once.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        let status = self.process.as_mut()?.try_wait().ok()??;
        self.process = None;
        Some(status)
    }

    /// Whether it is stopped (proc(5), state T).
    pub fn is_frozen(&self) -> bool {
        let Some(process) = &self.process else { return false };
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    }

    /// The last line that has these words.
    pub fn last_word(&self, words: &str) -> Option<String> {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        log.lines().rev().find(|line| line.contains(words)).map(str::to_owned)
    }

    pub fn last_line(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        log.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned()
    }

    /// How often it has said these words.
    pub fn said(&self, words: &str) -> usize {
        let log = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log).matches(words).count()
    }

    /// What failpoints have done to it, in their own words: `failpoint NAME: WHAT`.
    pub fn blows(&self) -> Vec<String> {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let blows = log.lines().filter_map(|line| line.strip_prefix("failpoint ")?.split_once(": "));
        blows.map(|(_, what)| what.to_owned()).collect()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.kill();
    }
}

fn pid(process: &Child) -> Pid {
    Pid::from_raw(process.id().try_into().expect("Linux counts processes in 22 bits"))
}
