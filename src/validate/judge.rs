//! Turns an envelope and its job's plan into a judged chunk, ready to load. No I/O.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::chunk::{Delivery, Envelope, Origin};
use crate::config::PinnedFeed;
use crate::copy::RowEncoder;
use crate::faults::{self, Defect};
use crate::load::JudgedChunk;
use crate::record::{Columns, HeaderFault};
use crate::rules::{Reject, Scratch, Value};
use crate::telemetry::catalog::STAGE;

/// Buffers that go round: taken by a worker, given back once its chunk is loaded.
#[derive(Default)]
pub struct Buffers {
    rows: Mutex<Vec<Vec<u8>>>,
    scratch: Mutex<Vec<Scratch>>,
}

/// Buffers kept for the next chunks; more than that many are never busy at once for long.
const KEPT_BUFFERS: usize = 8;

/// A buffer that has grown beyond this goes: it would be held for one unusual chunk for good.
const KEPT_BYTES: usize = 8 << 20;

/// What a breach takes beside its cell: rule, field, message.
const BREACH_BYTES: usize = 256;

impl Buffers {
    fn take_rows(&self) -> Vec<u8> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// A chunk is loaded: its buffer is for the next.
    pub fn give_back(&self, rows: Vec<u8>) {
        let mut kept = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_BUFFERS && rows.capacity() <= KEPT_BYTES {
            kept.push(rows);
        }
    }

    fn take_scratch(&self) -> Scratch {
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give_scratch(&self, scratch: Scratch) {
        let mut kept = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_BUFFERS {
            kept.push(scratch);
        }
    }
}

/// Bytes that a judged chunk holds beside its message, where its payload is.
pub fn held_bytes(judged: &JudgedChunk) -> usize {
    let breaches: usize = judged.verdict.rejects.iter().map(|reject| reject.breaches.len()).sum();
    let rejects = judged.verdict.rejects.len() * size_of::<Reject>() + breaches * BREACH_BYTES;
    judged.chunk.context.len() + judged.rows.capacity() + rejects
}

/// Parses, judges and encodes every record. A header that does not fit means that the chunk is not from our publisher:
/// that one compares the header before it publishes.
pub fn judge(
    envelope: Envelope,
    feed: Arc<PinnedFeed>,
    delivery: Delivery,
    origin: Origin,
    buffers: &Buffers,
) -> Result<JudgedChunk, HeaderFault> {
    let began = Instant::now();
    faults::strike("judged", &envelope.chunk.payload);
    let Envelope { id, token, crc, chunk } = envelope;
    let columns = Columns::bind(&feed.feed, &chunk.context)?;
    let encoder = RowEncoder::new(&feed.feed, id.job);
    let mut rows = buffers.take_rows();
    let mut scratch = buffers.take_scratch();
    encoder.begin(&mut rows);
    let verdict = feed.plan.judge(&columns, &chunk, &mut scratch, |record, values| {
        if faults::has(Defect::CentsCut) {
            return encoder.row(&mut rows, record.at.record, &without_cents(values));
        }
        encoder.row(&mut rows, record.at.record, values);
    });
    encoder.finish(&mut rows);
    buffers.give_scratch(scratch);
    STAGE.observe(&["judge"], began.elapsed());
    Ok(JudgedChunk { job: id.job, token: token.hash(), delivery, origin, crc, feed, chunk, verdict, rows })
}

/// As a decimal that went through an integer: no part of fabric but a deliberate defect.
fn without_cents<'c>(values: &[Value<'c>]) -> Vec<Value<'c>> {
    let cut = |value: &Value<'c>| match *value {
        Value::Decimal(unscaled) => Value::Decimal(unscaled / 100 * 100),
        other => other,
    };
    values.iter().map(cut).collect()
}
