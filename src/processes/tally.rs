//! What a process counts of its work while it goes on, and what a heartbeat makes of two looks at it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use tokio::sync::watch;

use crate::chunk::Lane;
use crate::config::{Holding, Live};

/// Counted by the work, read by the heartbeat. Counting takes no lock, but for partitions, which rarely change.
#[derive(Debug, Default)]
pub struct Tally {
    records: AtomicU64,
    bytes: AtomicU64,
    in_flight: AtomicU64,
    stages: [AtomicU64; Stage::ALL.len()],
    partitions: Mutex<Vec<(Lane, i32)>>,
    config: OnceLock<Arc<Live>>,
}

/// Where the time of a chunk goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Decode,
    Judge,
    /// From judged to committed, waiting for a loader included.
    Load,
}

/// What a process does, as its row tells it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Doing {
    /// By lane.
    pub partitions: BTreeMap<String, Vec<i32>>,
    pub chunks_in_flight: u64,
    /// Since the beat before, per second.
    pub records_per_second: f64,
    pub bytes_per_second: f64,
    /// Seconds of chunks' time per second, by stage: more than one where several chunks are at it side by side.
    pub stages: BTreeMap<String, f64>,
    /// `None`: a process that does not follow what is active.
    pub config: Option<Holding>,
}

/// A look at a tally's sums.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    at: Instant,
    records: u64,
    bytes: u64,
    stages: [u64; Stage::ALL.len()],
}

/// One chunk in flight; counts it out when dropped.
pub struct InFlight<'t>(&'t Tally);

impl Stage {
    pub const ALL: [Self; 3] = [Self::Decode, Self::Judge, Self::Load];

    pub fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Judge => "judge",
            Self::Load => "load",
        }
    }
}

impl Tally {
    /// A chunk is done: its records and payload bytes.
    pub fn count(&self, records: u64, bytes: u64) {
        self.records.fetch_add(records, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn begin(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self)
    }

    /// Adds the time that `work` takes to a stage.
    pub async fn timed<T>(&self, stage: Stage, work: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let done = work.await;
        self.add(stage, began.elapsed());
        done
    }

    fn add(&self, stage: Stage, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.stages[stage as usize].fetch_add(nanos, Ordering::Relaxed);
    }

    /// Tells from now on what the process knows to be active. Once.
    pub fn follows(&self, live: &Arc<Live>) {
        // Whoever is second tells of the same process.
        self.config.set(Arc::clone(live)).ok();
    }

    /// Returns once something has changed that people who ask should see soon.
    pub async fn news(&self, seen: &mut Option<watch::Receiver<u64>>) {
        let changes = match (&mut *seen, self.config.get()) {
            (Some(changes), _) => changes,
            (none, Some(live)) => none.insert(live.known().watch()),
            (None, None) => return std::future::pending().await,
        };
        if changes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// What this member of the group holds from now on.
    pub fn holds(&self, partitions: impl Iterator<Item = (Lane, i32)>) {
        *self.partitions.lock().unwrap_or_else(PoisonError::into_inner) = partitions.collect();
    }

    pub fn look(&self) -> Look {
        Look {
            at: Instant::now(),
            records: self.records.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            stages: self.stages.each_ref().map(|nanos| nanos.load(Ordering::Relaxed)),
        }
    }

    /// What was done since `before`.
    pub fn doing_since(&self, before: Look) -> Doing {
        let mut partitions: BTreeMap<String, Vec<i32>> = BTreeMap::new();
        for (lane, partition) in &*self.partitions.lock().unwrap_or_else(PoisonError::into_inner) {
            partitions.entry(lane.as_str().to_owned()).or_default().push(*partition);
        }
        partitions.values_mut().for_each(|held| held.sort_unstable());
        let now = self.look();
        // Below a millisecond there is no rate to speak of.
        let seconds = now.at.duration_since(before.at).as_secs_f64().max(0.001);
        let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
        let stage = |stage: Stage| {
            let place = stage as usize;
            (stage.name().to_owned(), rate(now.stages[place], before.stages[place]) / 1e9)
        };
        Doing {
            partitions,
            chunks_in_flight: self.in_flight.load(Ordering::Relaxed),
            records_per_second: rate(now.records, before.records),
            bytes_per_second: rate(now.bytes, before.bytes),
            stages: Stage::ALL.map(stage).into_iter().filter(|(_, share)| *share > 0.0).collect(),
            config: self.config.get().map(|live| live.holding()),
        }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_what_was_done_between_two_looks() {
        let tally = Tally::default();
        tally.count(1_000, 1);
        let before = Look { at: Instant::now() - Duration::from_secs(2), ..tally.look() };
        tally.count(500, 4_000);
        tally.add(Stage::Load, Duration::from_secs(3));
        let doing = tally.doing_since(before);
        assert!((249.0..=250.0).contains(&doing.records_per_second), "{doing:?}");
        assert!((1.49..=1.5).contains(&doing.stages["load"]), "{doing:?}");
        assert!(!doing.stages.contains_key("judge"));
    }

    #[test]
    fn chunks_count_as_in_flight_while_they_are() {
        let tally = Tally::default();
        let chunk = tally.begin();
        assert_eq!(tally.doing_since(tally.look()).chunks_in_flight, 1);
        drop(chunk);
        assert_eq!(tally.doing_since(tally.look()).chunks_in_flight, 0);
    }

    #[test]
    fn what_an_older_or_newer_release_tells_is_read() {
        let doing: Doing = serde_json::from_str(r#"{"chunksInFlight": 3, "later": true}"#).unwrap();
        assert_eq!(doing, Doing { chunks_in_flight: 3, ..Doing::default() });
        let told = serde_json::to_value(Tally::default().doing_since(Tally::default().look())).unwrap();
        assert_eq!(told["chunksInFlight"], 0);
    }
}
