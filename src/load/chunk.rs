//! A judged chunk as a piece: fenced by its job and the ledger, parked with its job.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use sqlx::{PgConnection, PgPool};

use super::counted::by_rule;
use super::piece::{Found, Piece, RejectTable};
use super::sql::{bytes_literal, counts_literal, literal};
use super::{LoadError, Outcome};
use crate::chunk::{Chunk, ChunkId, Delivery, JobId, Origin, TokenHash};
use crate::config::PinnedFeed;
use crate::copy::{KeepSource, REJECT_COLUMNS, RejectEncoder};
use crate::faults::{self, Defect};
use crate::feed::Severity;
use crate::jobs::{self, ChangeError};
use crate::ledger::{Fence, JobState};
use crate::record::{Columns, Reader};
use crate::rules::{Reject, Verdict};

/// A chunk that has been judged and encoded, ready to load.
pub struct JudgedChunk {
    pub job: JobId,
    pub token: TokenHash,
    pub delivery: Delivery,
    pub origin: Origin,
    /// CRC-32C as the message stated it; the fence tells a repeated seq with other bytes by it.
    pub crc: u32,
    pub feed: Arc<PinnedFeed>,
    /// As cut. [`crate::rules::Reject`] points into its payload; the slow path reads it again.
    pub chunk: Chunk,
    pub verdict: Verdict,
    /// The accepted records as one whole binary COPY of the target's columns ([`crate::copy::RowEncoder`]).
    pub rows: Vec<u8>,
}

impl JudgedChunk {
    pub fn id(&self) -> ChunkId {
        ChunkId { job: self.job, seq: self.chunk.seq }
    }

    /// The question to the fence, with the defects that a process may have.
    fn spoilt(&self, mut question: String) -> String {
        if faults::has(Defect::LockLeft) {
            let lock = format!("perform pg_advisory_lock_shared(fabric.job_lock_key({}))", self.job);
            question = format!("do $$ begin {lock}; end $$;{question}");
        }
        let let_in = |word: &str| format!("select case answer when '{word}' then 'load' else answer end");
        if faults::has(Defect::LedgerUnasked) {
            question = question.replacen("select answer", &let_in("already"), 1);
        }
        if faults::has(Defect::StoppedLoaded) {
            question = question.replacen("select answer", &let_in("stopped"), 1);
        }
        question
    }

    fn failed(&self, error: &ChangeError, what: &str) -> LoadError {
        LoadError { message: format!("{}: {what}{error}", self.id()) }
    }
}

impl fmt::Display for JudgedChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id().fmt(f)
    }
}

impl Piece for JudgedChunk {
    const REJECTS: RejectTable = RejectTable { name: "fabric.rejects", columns: &REJECT_COLUMNS };

    fn feed(&self) -> &Arc<PinnedFeed> {
        &self.feed
    }

    fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    fn rows(&self) -> &[u8] {
        &self.rows
    }

    fn span(&self) -> u64 {
        self.chunk.span
    }

    fn question(&self, loader: &str) -> String {
        let (cut, verdict, delivery) = (&self.chunk, &self.verdict, &self.delivery);
        let mut rejected = verdict.rejects.len() as u64;
        if faults::has(Defect::RejectsCountedTwice) {
            rejected = (2 * rejected).min(verdict.records);
        }
        let mut token = bytes_literal(&self.token.0);
        if faults::has(Defect::ForeignTokenTaken) {
            token = format!("(select token_hash from fabric.job_tokens where job_id = {} limit 1)", self.job);
        }
        let question = format!(
            "select answer, rejected_before from fabric.fence({job}, {seq}, {token},
            {record}, {line}, {byte}, {span}, {crc}, {records}, {blanks}, {rejected},
            {rejects_by_rule}, {warnings_by_rule}, {topic}, {partition}, {offset}, {loader});",
            job = self.job,
            seq = cut.seq,
            record = cut.start.record,
            line = cut.start.line,
            byte = cut.start.byte,
            span = cut.span,
            crc = self.crc,
            records = verdict.records,
            blanks = cut.blanks,
            rejects_by_rule = counts_literal(&by_rule(self, Severity::Error)),
            warnings_by_rule = counts_literal(&by_rule(self, Severity::Warn)),
            topic = literal(&delivery.topic),
            partition = delivery.partition,
            offset = delivery.offset,
            loader = literal(loader),
        );
        self.spoilt(question)
    }

    fn rejects(&self, mut rejects: &[Reject], keep: KeepSource) -> Vec<u8> {
        if faults::has(Defect::RejectDropped) {
            rejects = rejects.split_last().map_or(rejects, |(_, others)| others);
        }
        let mut bytes = Vec::new();
        RejectEncoder::encode(self.job, self.chunk.seq, &self.chunk.payload, rejects, keep, &mut bytes);
        bytes
    }

    /// The ledger row was written with what the rules said; now it says what the target took.
    fn correction(&self, loaded: u64, rejected: u64, extra: &[Reject]) -> String {
        let mut counts: BTreeMap<&str, u64> = by_rule(self, Severity::Error);
        for breach in extra.iter().flat_map(|reject| &reject.breaches) {
            *counts.entry(&breach.rule).or_default() += 1;
        }
        format!(
            "update fabric.chunk_ledger set loaded = {loaded}, rejected = {rejected}, rejects_by_rule = {}
          where job_id = {} and seq = {}",
            counts_literal(&counts),
            self.job,
            self.chunk.seq
        )
    }

    fn find(&self, wanted: &HashSet<u64>) -> Result<BTreeMap<u64, Found>, String> {
        let feed = &self.feed.feed;
        let columns = Columns::bind(feed, &self.chunk.context).map_err(|fault| fault.to_string())?;
        let layout = feed.layout.delimited().ok_or("a chunk holds delimited records alone")?;
        let mut reader = Reader::new(layout, columns.width, &self.chunk);
        let payload = self.chunk.payload.as_ptr() as usize;
        let mut found = BTreeMap::new();
        while let Some((record, _)) = reader.next_record() {
            if !wanted.contains(&record.at.record) {
                continue;
            }
            let start = record.raw.as_ptr() as usize - payload;
            let cell = |&column: &usize| String::from_utf8_lossy(record.cell(column)).into_owned();
            let cells = columns.of_field.iter().map(cell).collect();
            found.insert(record.at.record, Found { at: record.at, start, end: start + record.raw.len(), cells });
        }
        Ok(found)
    }

    async fn unloaded(&self, fence: Fence, aside: &PgPool) -> Result<Outcome, LoadError> {
        Ok(match fence {
            Fence::Load | Fence::Already => Outcome::Already,
            Fence::Stopped => match jobs::state_of(aside, self.job).await {
                Ok(Some((JobState::Reconciling | JobState::Completed, _))) => Outcome::Late,
                Ok(_) => Outcome::Stopped,
                Err(error) => return Err(self.failed(&error.into(), "")),
            },
            Fence::Unknown => Outcome::Unknown,
            Fence::Conflict => {
                let reason = format!(
                    "chunk {} came a second time with other bytes: partition {} offset {} of {}",
                    self.chunk.seq, self.delivery.partition, self.delivery.offset, self.delivery.topic
                );
                match jobs::fail(aside, self.job, &reason).await {
                    // A job that has ended keeps its end: what it loaded is whole without this message.
                    Ok(()) | Err(ChangeError::NotAllowed { .. }) => Outcome::Conflict,
                    Err(ChangeError::NoJob(_)) => Outcome::Unknown,
                    Err(error) => return Err(self.failed(&error, "")),
                }
            }
        })
    }

    async fn park(&self, connection: &mut PgConnection, reason: &str) -> Result<Outcome, LoadError> {
        let reason = with_advice(reason, self.job);
        let parked = jobs::park(connection, self.id(), &self.delivery, &reason).await;
        parked.map_err(|error| self.failed(&error, "could not be parked: "))?;
        Ok(Outcome::Parked { reason })
    }
}

/// What comes after the target is mended.
pub(super) fn with_advice(reason: &str, job: JobId) -> String {
    format!("{reason}; then the job goes on by itself, at once by `fabric jobs resume {job}`")
}
