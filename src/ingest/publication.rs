//! What one publishing run of a job has sent, what Kafka has acknowledged, and whether it may go on.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::chunk::{ChunkId, Origin, Seq};
use crate::ledger::JobState;
use crate::telemetry::catalog::PUBLISHING_BYTES;
use crate::telemetry::sample;

/// Shared by the thread that cuts, Kafka's delivery reports and the keeper of the lease.
pub struct Publication {
    limits: PublicationLimits,
    ledger: Mutex<Ledger>,
    changed: Condvar,
}

/// Bounds of what a publisher holds or leaves behind, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct PublicationLimits {
    /// Sent, not yet acknowledged by Kafka.
    pub in_flight: u64,
    /// Sent, not yet loaded into Postgres.
    pub backlog: u64,
}

/// Why a run ends before its file does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Halt {
    /// The job takes no more chunks: it was cancelled, or a threshold stopped it.
    JobEnded(JobState),
    /// The operator ended this process.
    Interrupted,
    /// Chunks of it that are not loaded will not be: no lane holds them any more.
    Vanished,
    /// Kafka did not take a chunk.
    Undelivered { chunk: ChunkId, reason: String },
}

#[derive(Debug, Default)]
struct Ledger {
    in_flight: u64,
    unacknowledged: u64,
    /// Bytes of the file: sent in this run, or found loaded already.
    published: u64,
    loaded: u64,
    last_offsets: BTreeMap<i32, i64>,
    halt: Option<Halt>,
}

/// One sent chunk, on its way to an acknowledgement.
pub struct Sent {
    pub publication: Arc<Publication>,
    pub chunk: ChunkId,
    pub origin: Origin,
    /// Of the message.
    pub bytes: u64,
    pub records: u32,
    pub at: Instant,
}

/// How often a wait looks again even if nothing told it to: a bound on what a missed wake-up could cost.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

impl Publication {
    pub fn new(limits: PublicationLimits) -> Arc<Self> {
        let publication = Arc::new(Self { limits, ledger: Mutex::default(), changed: Condvar::new() });
        sample(&publication, |publication, set| set(&PUBLISHING_BYTES, &[], publication.ledger().in_flight as f64));
        publication
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().expect("no holder of this lock can panic")
    }

    /// Blocks until a message of this size may be sent, and counts it as sent. `span`: bytes of the file it answers for.
    pub fn admit(&self, message_bytes: u64, span: u64) -> Result<(), Halt> {
        let mut ledger = self.ledger();
        loop {
            if let Some(halt) = &ledger.halt {
                return Err(halt.clone());
            }
            // A single message larger than a limit goes alone.
            let in_flight_fits = ledger.in_flight == 0 || ledger.in_flight + message_bytes <= self.limits.in_flight;
            let backlog = ledger.published.saturating_sub(ledger.loaded);
            let backlog_fits = backlog == 0 || backlog + span <= self.limits.backlog;
            if in_flight_fits && backlog_fits {
                ledger.in_flight += message_bytes;
                ledger.unacknowledged += 1;
                ledger.published += span;
                return Ok(());
            }
            (ledger, _) = self.changed.wait_timeout(ledger, LOOK_AGAIN).expect("no holder of this lock can panic");
        }
    }

    /// A chunk of an earlier run that the ledger already holds: it need not be sent.
    pub fn skip(&self, span: u64) -> Result<(), Halt> {
        let mut ledger = self.ledger();
        ledger.published += span;
        ledger.halt.clone().map_or(Ok(()), Err)
    }

    pub fn acknowledge(&self, message_bytes: u64, partition: i32, offset: i64) {
        let mut ledger = self.ledger();
        ledger.in_flight -= message_bytes;
        ledger.unacknowledged -= 1;
        let last = ledger.last_offsets.entry(partition).or_insert(offset);
        *last = offset.max(*last);
        self.changed.notify_all();
    }

    pub fn undelivered(&self, chunk: ChunkId, message_bytes: u64, reason: String) {
        let mut ledger = self.ledger();
        ledger.in_flight -= message_bytes;
        ledger.unacknowledged -= 1;
        ledger.halt.get_or_insert(Halt::Undelivered { chunk, reason });
        self.changed.notify_all();
    }

    /// The first reason stands.
    pub fn halt(&self, halt: Halt) {
        self.ledger().halt.get_or_insert(halt);
        self.changed.notify_all();
    }

    pub fn halted(&self) -> Option<Halt> {
        self.ledger().halt.clone()
    }

    pub fn set_loaded(&self, bytes: u64) {
        self.ledger().loaded = bytes;
        self.changed.notify_all();
    }

    /// Whether the next chunk would wait for validators.
    pub fn backlog_is_full(&self) -> bool {
        let ledger = self.ledger();
        ledger.published.saturating_sub(ledger.loaded) + self.limits.in_flight > self.limits.backlog
    }

    /// The last offset of each partition, unless something sent is not acknowledged yet.
    pub fn acknowledged(&self) -> Option<BTreeMap<i32, i64>> {
        let ledger = self.ledger();
        (ledger.unacknowledged == 0).then(|| ledger.last_offsets.clone())
    }

    /// Blocks until everything sent is acknowledged; answers the last offset of each partition.
    pub fn drain(&self) -> Result<BTreeMap<i32, i64>, Halt> {
        let mut ledger = self.ledger();
        loop {
            if let Some(halt) = &ledger.halt {
                return Err(halt.clone());
            }
            if ledger.unacknowledged == 0 {
                return Ok(ledger.last_offsets.clone());
            }
            (ledger, _) = self.changed.wait_timeout(ledger, LOOK_AGAIN).expect("no holder of this lock can panic");
        }
    }
}

/// Chunks that an earlier run got loaded, in ascending order: seq and CRC-32C.
pub struct AlreadyLoaded(Vec<(u32, u32)>);

/// How a chunk of this run stands to what is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Earlier {
    /// Not in the ledger: it is to be sent.
    Unknown,
    Same,
    /// Its seq was loaded from other bytes: this is not the file that the job was begun with.
    Other,
}

impl AlreadyLoaded {
    pub fn new(mut chunks: Vec<(u32, u32)>) -> Self {
        chunks.sort_unstable();
        Self(chunks)
    }

    pub fn compare(&self, seq: Seq, crc: u32) -> Earlier {
        match self.0.binary_search_by_key(&seq.0, |(seq, _)| *seq) {
            Err(_) => Earlier::Unknown,
            Ok(place) if self.0[place].1 == crc => Earlier::Same,
            Ok(_) => Earlier::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::JobId;

    fn publication(in_flight: u64, backlog: u64) -> Arc<Publication> {
        Publication::new(PublicationLimits { in_flight, backlog })
    }

    #[test]
    fn a_message_larger_than_the_limit_goes_alone() {
        let publication = publication(10, 1000);
        publication.admit(50, 50).unwrap();
        publication.acknowledge(50, 0, 7);
        publication.admit(50, 50).unwrap();
        publication.acknowledge(50, 1, 3);
        assert_eq!(publication.drain().unwrap(), BTreeMap::from([(0, 7), (1, 3)]));
    }

    #[test]
    fn a_full_backlog_waits_until_chunks_are_loaded() {
        let publication = publication(1000, 100);
        publication.admit(80, 80).unwrap();
        publication.acknowledge(80, 0, 0);
        let waiting = {
            let publication = publication.clone();
            std::thread::spawn(move || publication.admit(80, 80))
        };
        assert!(publication.backlog_is_full());
        assert!(!waiting.is_finished());
        publication.set_loaded(80);
        waiting.join().unwrap().unwrap();
    }

    #[test]
    fn a_halt_wakes_who_waits_and_the_first_reason_stands() {
        let publication = publication(10, 1000);
        publication.admit(10, 10).unwrap();
        let waiting = {
            let publication = publication.clone();
            std::thread::spawn(move || publication.admit(10, 10))
        };
        let chunk = ChunkId { job: JobId(1), seq: Seq(0) };
        publication.undelivered(chunk, 10, "gone".into());
        publication.halt(Halt::Interrupted);
        let halt = Halt::Undelivered { chunk, reason: "gone".into() };
        assert_eq!(waiting.join().unwrap(), Err(halt.clone()));
        assert_eq!(publication.drain(), Err(halt));
    }

    #[test]
    fn chunks_of_an_earlier_run_count_as_published() {
        let publication = publication(1000, 100);
        publication.skip(90).unwrap();
        assert!(publication.backlog_is_full());
        publication.set_loaded(90);
        publication.admit(90, 90).unwrap();
    }

    #[test]
    fn a_loaded_chunk_is_known_by_its_bytes() {
        let loaded = AlreadyLoaded::new(vec![(7, 70), (3, 30)]);
        let compared = [(3, 30), (7, 30), (5, 30)].map(|(seq, crc)| loaded.compare(Seq(seq), crc));
        assert_eq!(compared, [Earlier::Same, Earlier::Other, Earlier::Unknown]);
    }
}
