//! A judged batch of a stream as a piece: fenced by the position of its partition, parked alone.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use sqlx::{PgConnection, PgPool};

use super::piece::{Found, Piece, RejectTable};
use super::sql::literal;
use super::{LoadError, Outcome};
use crate::chunk::Position;
use crate::config::PinnedFeed;
use crate::copy::{KeepSource, STREAM_REJECT_COLUMNS, StreamRejectEncoder};
use crate::faults::{self, Defect};
use crate::ledger::Fence;
use crate::record::Messages;
use crate::record::avro::Readings;
use crate::rules::{Reject, Verdict};

/// Messages of one partition that have been judged and encoded, ready to load.
pub struct JudgedBatch {
    pub place: StreamPlace,
    pub feed: Arc<PinnedFeed>,
    /// The offset from which on the partition is not loaded yet.
    pub expected: i64,
    pub messages: Messages,
    /// Of the schemas that the messages name, where they are Avro.
    pub readings: Arc<Readings>,
    pub verdict: Verdict,
    /// The accepted records as one whole binary COPY of the target's columns.
    pub rows: Vec<u8>,
}

/// A partition of a record topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamPlace {
    pub topic: Arc<str>,
    /// Kafka's: a topic made anew has another.
    pub topic_id: Arc<str>,
    pub partition: i32,
}

impl JudgedBatch {
    /// Where the next batch begins.
    pub fn next(&self) -> i64 {
        self.messages.last_offset().map_or(self.expected, |last| last.cast_signed() + 1)
    }

    /// Condition on its row of `fabric.stream_positions`.
    fn is_its_row(&self) -> String {
        format!(
            "feed = {} and topic = {} and partition = {}",
            literal(self.feed.feed.name.as_str()),
            literal(&self.place.topic),
            self.place.partition
        )
    }
}

impl fmt::Display for JudgedBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StreamPlace { topic, partition, .. } = &self.place;
        write!(f, "{topic} partition {partition} offsets {} to {}", self.expected, self.next() - 1)
    }
}

impl Piece for JudgedBatch {
    const REJECTS: RejectTable = RejectTable { name: "fabric.stream_rejects", columns: &STREAM_REJECT_COLUMNS };

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
        self.messages.iter().map(|message| message.length()).sum()
    }

    fn question(&self, _loader: &str) -> String {
        let mut expected = self.expected.to_string();
        if faults::has(Defect::PositionUncompared) {
            expected = format!("(select next_offset from fabric.stream_positions where {})", self.is_its_row());
        }
        format!(
            "select answer, rejected_before from fabric.stream_fence({feed}, {topic}, {partition}, {topic_id}, {expected},
            {next}, {version}, {loaded}, {rejected});",
            feed = literal(self.feed.feed.name.as_str()),
            topic = literal(&self.place.topic),
            partition = self.place.partition,
            topic_id = literal(&self.place.topic_id),
            next = self.next(),
            version = self.feed.version,
            loaded = self.verdict.accepted,
            rejected = self.verdict.rejects.len(),
        )
    }

    /// The topic is no file that could be read again by byte ranges: bytes are kept.
    fn rejects(&self, rejects: &[Reject], _keep: KeepSource) -> Vec<u8> {
        let (topic, partition) = (&*self.place.topic, self.place.partition);
        let encoder = StreamRejectEncoder {
            feed: self.feed.feed.name.as_str(),
            topic,
            partition,
            feed_version: self.feed.version,
        };
        let mut bytes = Vec::new();
        encoder.encode(self.messages.payload(), rejects, &mut bytes);
        bytes
    }

    fn correction(&self, _loaded: u64, _rejected: u64, extra: &[Reject]) -> String {
        format!(
            "update fabric.stream_positions set loaded = loaded - {refused}, rejected = rejected + {refused},
                    window_rejected = window_rejected + {refused} where {row}",
            refused = extra.len(),
            row = self.is_its_row()
        )
    }

    fn find(&self, wanted: &HashSet<u64>) -> Result<BTreeMap<u64, Found>, String> {
        let found = self.messages.iter().filter(|message| wanted.contains(&message.offset)).map(|message| {
            let at = Position { record: message.offset, line: 0, byte: message.start as u64 };
            let cells = self.feed.plan.cells_of(self.messages.value(message), &self.readings);
            (message.offset, Found { at, start: message.start, end: message.end, cells })
        });
        Ok(found.collect())
    }

    async fn unloaded(&self, fence: Fence, _aside: &PgPool) -> Result<Outcome, LoadError> {
        Ok(match fence {
            Fence::Load | Fence::Already | Fence::Conflict => Outcome::Already,
            Fence::Stopped => Outcome::Stopped,
            Fence::Unknown => Outcome::Unknown,
        })
    }

    async fn park(&self, connection: &mut PgConnection, reason: &str) -> Result<Outcome, LoadError> {
        let statement = format!(
            "update fabric.stream_positions set state = 'parked', reason = {} where {} and next_offset = {} and state <> 'gap'",
            literal(reason),
            self.is_its_row(),
            self.expected
        );
        let parked = sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(connection).await;
        parked.map_err(|error| LoadError { message: format!("{self}: could not be parked: {error}") })?;
        Ok(Outcome::Parked { reason: reason.to_owned() })
    }
}
