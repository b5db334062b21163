//! One chunk's way through a lane: decode, find its plan, judge, load, and count it as finished.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::message::Headers as _;
use tracing::{debug, error, warn};

use super::assignment::Ticket;
use super::attempts::{ATTEMPTS, Attempt, Attempts, Refused};
use super::dead_letters::{DeadLetters, Reason};
use super::judge::{Buffers, held_bytes, judge};
use super::loaders::{Loaders, Unloaded};
use super::message::ChunkMessage;
use super::plans::{Found, Plans};
use super::pool::{Panicked, Pool};
use super::quarantine::{Aside, Quarantine};
use crate::chunk::{ChunkId, Envelope, EnvelopeError, JobId, Origin, Token};
use crate::config::PinnedFeed;
use crate::faults::{self, Defect};
use crate::ingest::COPY_HEADER;
use crate::ledger::Finish;
use crate::load::{JudgedChunk, Outcome};
use crate::processes::{Stage, Tally};
use crate::record::HeaderFault;
use crate::retry::Waits;
use crate::telemetry::catalog::{PARKED_CHUNKS, STAGE};
use crate::telemetry::{WorkedOn, working_on};

/// A message and the ticket that accounts for it.
pub struct Delivered {
    pub message: ChunkMessage,
    pub ticket: Ticket,
}

/// The workers and loaders of one lane.
pub struct LaneWorks {
    pub pool: Pool,
    pub loaders: Loaders,
    pub shared: Arc<Shared>,
}

/// What both lanes share.
pub struct Shared {
    pub buffers: Buffers,
    pub plans: Plans,
    pub dead_letters: DeadLetters,
    pub attempts: Attempts,
    pub quarantine: Quarantine,
    pub tally: Arc<Tally>,
}

/// Why a delivery does not get any further.
enum Stop {
    /// To the dead letters; with the job whose token the message had.
    Bury(Option<JobId>, Reason),
    /// It has killed its worker too often; how, for people.
    Quarantine(ChunkId, String),
    /// Its partition is another's now, or the process ends.
    Abandoned,
}

impl LaneWorks {
    /// Takes a delivery to its end. Returns early, without finishing it, once its assignment is over.
    pub async fn handle(&self, delivered: Delivered) {
        let _in_flight = self.shared.tally.begin();
        let Delivered { message, ticket } = delivered;
        let message = Arc::new(message);
        match self.attempt(&message, &ticket).await {
            Ok(finish) => ticket.finish(finish),
            Err(Stop::Bury(job, reason)) => self.shared.dead_letters.bury(&message, ticket, job, &reason).await,
            Err(Stop::Quarantine(chunk, killed)) => match self.shared.quarantine.take(chunk, &ticket, &killed).await {
                Aside::Recorded => ticket.finish(Finish::Elsewhere),
                Aside::NoJob => self.shared.dead_letters.bury(&message, ticket, None, &no_job(chunk)).await,
                Aside::Abandoned => {}
            },
            Err(Stop::Abandoned) => {}
        }
    }

    /// Takes a delivery as far as it gets, beside others or alone.
    async fn attempt(&self, message: &Arc<ChunkMessage>, ticket: &Ticket) -> Result<Finish, Stop> {
        let mut attempt = self.shared.attempts.begin(ticket).await?;
        let outcome = self.take_through(message, ticket, &mut attempt).await;
        match outcome {
            Err(Stop::Abandoned) => attempt.give_up().await,
            _ => attempt.end().await,
        }
        outcome
    }

    async fn take_through(
        &self,
        message: &Arc<ChunkMessage>,
        ticket: &Ticket,
        attempt: &mut Attempt<'_>,
    ) -> Result<Finish, Stop> {
        let envelope = self.shared.tally.timed(Stage::Decode, self.decode(message, ticket, attempt)).await?;
        let id = envelope.id;
        ticket.assignment.read(envelope.chunk.records);
        let feed = match self.find_plan(id, &envelope.token, ticket, attempt).await? {
            Found::Known(feed) => feed,
            Found::NoJob => return Err(Stop::Bury(None, no_job(id))),
            Found::WrongToken => {
                return Err(Stop::Bury(None, Reason::new("unknown", format!("{id}: its token is none of its job's"))));
            }
        };
        attempt.is_of(id).await?;
        let judging = self.judge(envelope, feed, message, ticket);
        let judged = Arc::new(self.shared.tally.timed(Stage::Judge, judging).await?);
        ticket.share.weigh(message.bytes().len() + held_bytes(&judged));
        let outcome = self.shared.tally.timed(Stage::Load, self.load(&judged, ticket, attempt)).await?;
        faults::step("load.told").await;
        if let Outcome::Loaded { loaded, rejected } = outcome {
            self.shared.tally.count(loaded + rejected, judged.chunk.payload.len() as u64);
        }
        if let Some(judged) = Arc::into_inner(judged) {
            self.shared.buffers.give_back(judged.rows);
        }
        settle(id, outcome)
    }

    async fn decode(
        &self,
        message: &Arc<ChunkMessage>,
        ticket: &Ticket,
        attempt: &mut Attempt<'_>,
    ) -> Result<Envelope, Stop> {
        let decoded = self.working(message, None, decode).await;
        match decoded {
            Ok(Ok(envelope)) => Ok(envelope),
            Ok(Err(error)) => {
                let job = self.owner(&error, ticket, attempt).await?;
                Err(Stop::Bury(job, Reason::new(word_of(&error), error.to_string())))
            }
            Err(panicked) => Err(Stop::Bury(None, undecoded(&panicked.to_string()))),
        }
    }

    /// The job of a damaged chunk, where its token proves it.
    async fn owner(
        &self,
        error: &EnvelopeError,
        ticket: &Ticket,
        attempt: &mut Attempt<'_>,
    ) -> Result<Option<JobId>, Stop> {
        let Some((id, token)) = error.claims() else { return Ok(None) };
        let found = self.find_plan(id, &token, ticket, attempt).await?;
        Ok(matches!(found, Found::Known(_)).then_some(id.job))
    }

    /// Asks until Postgres answers.
    async fn find_plan(
        &self,
        chunk: ChunkId,
        token: &Token,
        ticket: &Ticket,
        attempt: &mut Attempt<'_>,
    ) -> Result<Found, Stop> {
        let mut waits = Waits::new(Duration::from_millis(100), Duration::from_secs(5));
        while !ticket.is_abandoned() {
            match self.shared.plans.find(chunk.job, token.hash()).await {
                Ok(found) => return Ok(found),
                Err(error) => {
                    let wait = waits.next_wait();
                    warn!(%chunk, %error, ?wait, "no plan for a chunk yet: trying again");
                    attempt.rest(wait).await?;
                }
            }
        }
        Err(Stop::Abandoned)
    }

    async fn judge(
        &self,
        envelope: Envelope,
        feed: Arc<PinnedFeed>,
        message: &Arc<ChunkMessage>,
        ticket: &Ticket,
    ) -> Result<JudgedChunk, Stop> {
        if ticket.is_abandoned() {
            return Err(Stop::Abandoned);
        }
        let id = envelope.id;
        let delivery = ticket.delivery();
        let shared = Arc::clone(&self.shared);
        let origin = origin(message);
        let first = std::sync::Mutex::new(Some(envelope));
        let judged = self.working(message, Some(id), move |message| {
            // A second try decodes the message again: the first one's envelope went down with it.
            let envelope = first.lock().ok().and_then(|mut kept| kept.take());
            let envelope = match envelope {
                Some(envelope) => envelope,
                None => Envelope::decode(&message.bytes()).expect("it was decoded before"),
            };
            judge(envelope, Arc::clone(&feed), delivery.clone(), origin, &shared.buffers)
        });
        match judged.await {
            Ok(Ok(judged)) => Ok(judged),
            Ok(Err(fault)) => Err(Stop::Bury(Some(id.job), header_reason(id, &fault))),
            Err(panicked) => Err(Stop::Quarantine(id, format!("killed its worker (a panic: {panicked})"))),
        }
    }

    /// Runs work on a worker; a panic is tried again, up to [`ATTEMPTS`] times.
    async fn working<T: Send + 'static>(
        &self,
        message: &Arc<ChunkMessage>,
        chunk: Option<ChunkId>,
        work: impl Fn(&ChunkMessage) -> T + Send + Sync + 'static,
    ) -> Result<T, Panicked> {
        let work = Arc::new(work);
        let mut attempt = 1;
        loop {
            let (message, work) = (Arc::clone(message), Arc::clone(&work));
            let what = WorkedOn { partition: message.partition, offset: message.offset, chunk };
            match self.pool.run(move || working_on(what, || work(&message))).await {
                Ok(value) => return Ok(value),
                Err(panicked) => {
                    error!(at_work_on = %what, attempt, %panicked, "a chunk has killed its worker");
                    if attempt == ATTEMPTS {
                        return Err(panicked);
                    }
                    attempt += 1;
                }
            }
        }
    }

    /// Tries the whole chunk until it is decided.
    async fn load(
        &self,
        judged: &Arc<JudgedChunk>,
        ticket: &Ticket,
        attempt: &mut Attempt<'_>,
    ) -> Result<Outcome, Stop> {
        let mut waits = Waits::new(Duration::from_millis(100), Duration::from_secs(5));
        let mut panics = 0;
        while !ticket.is_abandoned() {
            match self.loaders.load(judged).await {
                Ok(outcome) => {
                    if matches!(outcome, Outcome::Parked { .. }) {
                        PARKED_CHUNKS.add(&[judged.feed.feed.name.as_str()], 1);
                    }
                    return Ok(outcome);
                }
                Err(Unloaded::Panicked(panicked)) => {
                    panics += 1;
                    error!(chunk = %judged.id(), attempt = panics, %panicked, "a chunk has killed its loader");
                    if panics == ATTEMPTS {
                        return Err(Stop::Quarantine(judged.id(), format!("killed its loader (a panic: {panicked})")));
                    }
                }
                Err(Unloaded::ForNow(_)) if faults::has(Defect::ChunkGivenUp) => return Ok(Outcome::Stopped),
                Err(Unloaded::ForNow(error)) => {
                    let wait = waits.next_wait();
                    warn!(chunk = %judged.id(), %error, ?wait, "a chunk is not loaded yet: trying again");
                    attempt.rest(wait).await?;
                }
            }
        }
        Err(Stop::Abandoned)
    }
}

fn decode(message: &ChunkMessage) -> Result<Envelope, EnvelopeError> {
    let began = Instant::now();
    let bytes = message.bytes();
    faults::strike("decoded", &bytes);
    let mut decoded = Envelope::read(&bytes);
    if !faults::has(Defect::ChecksumIgnored) {
        decoded = decoded.and_then(Envelope::verified);
    }
    STAGE.observe(&["decode"], began.elapsed());
    decoded
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Abandoned => Self::Abandoned,
            Refused::Killer(Some(chunk)) => Self::Quarantine(chunk, "killed its process".into()),
            Refused::Killer(None) => Self::Bury(None, undecoded("each time the whole process died")),
        }
    }
}

fn no_job(chunk: ChunkId) -> Reason {
    Reason::new("unknown", format!("there is no job {}", chunk.job))
}

/// A message that kills whoever tries to find out what it is.
fn undecoded(how: &str) -> Reason {
    Reason::new("killer", format!("it killed its worker {ATTEMPTS} times before it was known which chunk it is: {how}"))
}

/// What an outcome means for the delivery.
fn settle(id: ChunkId, outcome: Outcome) -> Result<Finish, Stop> {
    match outcome {
        Outcome::Loaded { .. } | Outcome::Already => Ok(Finish::InLedger(id)),
        Outcome::Stopped => Ok(Finish::Elsewhere),
        // A job that is parked by it says so itself.
        Outcome::Parked { reason } | Outcome::Owed { reason } => {
            debug!(chunk = %id, reason, "a chunk is recorded as owed");
            Ok(Finish::Elsewhere)
        }
        Outcome::Conflict => {
            let detail = format!("{id} is loaded already, from other bytes");
            Err(Stop::Bury(Some(id.job), Reason::new("conflict", detail)))
        }
        Outcome::Late => {
            let detail = format!("{id} came after its job had completed without it");
            Err(Stop::Bury(Some(id.job), Reason::new("late", detail)))
        }
        Outcome::Unknown => {
            Err(Stop::Bury(None, Reason::new("unknown", format!("{id}: Postgres knows no such job or token any more"))))
        }
    }
}

/// As the message's headers have it; who forges them wins nothing by it.
fn origin(message: &ChunkMessage) -> Origin {
    let mut headers = message.headers.iter().flat_map(|headers| headers.iter());
    if headers.any(|header| header.key == COPY_HEADER) { Origin::Copy } else { Origin::Publisher }
}

fn header_reason(id: ChunkId, fault: &HeaderFault) -> Reason {
    Reason::new("header", format!("{id}: {fault}"))
}

/// The machine's word for why a message is no chunk.
fn word_of(error: &EnvelopeError) -> &'static str {
    match error {
        EnvelopeError::NotSingleObject => "not-avro",
        EnvelopeError::UnknownSchema(_) => "unknown-schema",
        EnvelopeError::Malformed(_) | EnvelopeError::Span { .. } => "malformed",
        EnvelopeError::Checksum { .. } => "checksum",
    }
}
