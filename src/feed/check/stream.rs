//! Checks where a stream's records come from, when a batch of them closes, and how long a window is.

use std::ops::RangeInclusive;

use super::{keys, layout};
use crate::feed::decode::Written;
use crate::feed::document::{BatchDocument, FeedDocument, Scalar, StreamDocument, StreamValue};
use crate::feed::fault::Findings;
use crate::feed::model::{BatchLimits, Framing, Layout, Stream};
use crate::feed::node::shortened;

/// Kafka's own bound (`org.apache.kafka.common.internals.Topic.MAX_NAME_LENGTH`).
const LONGEST_TOPIC: usize = 249;

const RECORDS: RangeInclusive<u64> = 1..=100_000;
const BYTES: RangeInclusive<u64> = (1 << 10)..=(64 << 20);
const MILLISECONDS: RangeInclusive<u64> = 1..=60_000;

const WINDOW_SECONDS: RangeInclusive<u64> = 1..=86_400;

/// Where records come from, and how each becomes cells: a stream's values, or the layout of files.
pub(super) fn source(feed: &FeedDocument, findings: &mut Findings) -> (Option<Stream>, Option<Layout>) {
    let Some(written) = &feed.stream else { return (None, layout::layout(feed, findings)) };
    let stream = findings.within(StreamDocument::WHAT, |findings| stream(written, feed, findings));
    let framing = framing(written, findings);
    let layout = match written.value.as_ref().map(|value| value.value) {
        Some(StreamValue::Delimited) => delimited(feed, findings),
        Some(StreamValue::Json) => {
            refuse_layout(feed, "JSON", findings);
            Some(Layout::Json)
        }
        Some(StreamValue::Avro) => {
            refuse_layout(feed, "Avro", findings);
            Some(Layout::Avro(framing))
        }
        None => None,
    };
    if let Some(at) = feed.keys.place_of("onEmpty") {
        findings.add(at, "`onEmpty` is not supported yet for a stream");
    }
    (stream, layout)
}

fn refuse_layout(feed: &FeedDocument, values: &str, findings: &mut Findings) {
    if let Some(at) = feed.keys.place_of("layout") {
        findings.add(at, format!("`layout` says how text becomes cells; a stream of {values} values has none"));
    }
}

fn framing(written: &StreamDocument, findings: &mut Findings) -> Framing {
    let Some(registry) = written.schema_registry.as_ref().filter(|registry| registry.value) else {
        return Framing::SingleObject;
    };
    if matches!(&written.value, Some(value) if !matches!(value.value, StreamValue::Avro)) {
        let message = "a schema registry holds schemas of Avro values; expected `value: avro`, or no `schemaRegistry`";
        findings.within("stream.schemaRegistry", |f| f.add(registry.at, message));
    }
    Framing::Confluent
}

fn delimited(feed: &FeedDocument, findings: &mut Findings) -> Option<Layout> {
    let layout = layout::layout(feed, findings)?;
    let written = feed.layout.as_ref()?.header.as_ref();
    match written {
        Some(header) if !header.value => Some(layout),
        Some(header) => {
            findings.add(header.at, "a message has no header line; expected `header: false`");
            None
        }
        None => {
            findings.add(feed.layout.as_ref()?.keys.at, "a message has no header line; expected `header: false` here");
            None
        }
    }
}

fn stream(written: &StreamDocument, feed: &FeedDocument, findings: &mut Findings) -> Option<Stream> {
    written.keys.refuse_others(StreamDocument::WHAT, StreamDocument::KEYS, &[], findings);
    written.keys.require("topic", "topic: payments", findings);
    written.keys.require("value", "value: json", findings);
    let topic = written.topic.as_ref().and_then(|topic| self::topic(topic, findings));
    let fields = feed.fields.as_ref().map(|fields| fields.value.as_slice()).unwrap_or_default();
    let key = written.key.as_ref().and_then(|key| findings.within("key", |f| keys::column(key, fields, f)));
    let batch = written.batch.as_ref();
    let batch = batch.map_or_else(BatchLimits::default, |batch| findings.within("batch", |f| limits(batch, f)));
    let window_seconds = written.window.as_ref().and_then(|window| self::window(window, findings));
    Some(Stream { topic: topic?, key, batch, window_seconds: window_seconds.unwrap_or(Stream::WINDOW_SECONDS) })
}

fn window(written: &Written<Scalar>, findings: &mut Findings) -> Option<u32> {
    let units = [("s", 1), ("m", 60), ("h", 3_600)];
    let seconds = quantity("window", written, &units, &WINDOW_SECONDS, "5m, from 1s to 24h", findings)?;
    u32::try_from(seconds).ok()
}

/// As Kafka takes them (`org.apache.kafka.common.internals.Topic.validate`).
fn topic(written: &Written<String>, findings: &mut Findings) -> Option<String> {
    let name = &written.value;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let good = !name.is_empty() && name.len() <= LONGEST_TOPIC && name.bytes().all(allowed);
    if !good || name == "." || name == ".." {
        let message = format!(
            "`{}` cannot be a topic's name; expected letters, digits, `.`, `_` and `-`, at most {LONGEST_TOPIC}",
            shortened(name)
        );
        findings.within("topic", |f| f.add(written.at, message));
        return None;
    }
    Some(name.clone())
}

fn limits(written: &BatchDocument, findings: &mut Findings) -> BatchLimits {
    written.keys.refuse_others(BatchDocument::WHAT, BatchDocument::KEYS, &[], findings);
    let mut limits = BatchLimits::default();
    if let Some(records) = &written.records {
        match u32::try_from(records.value) {
            Ok(count) if RECORDS.contains(&records.value) => limits.records = count,
            _ => {
                let message = format!("found {}; expected 1 to {}", records.value, RECORDS.end());
                findings.within("records", |f| f.add(records.at, message));
            }
        }
    }
    let bytes = written.bytes.as_ref();
    let sizes = [("KiB", 1 << 10), ("MiB", 1 << 20)];
    if let Some(bytes) =
        bytes.and_then(|text| quantity("bytes", text, &sizes, &BYTES, "4MiB, from 1KiB to 64MiB", findings))
    {
        limits.bytes = bytes;
    }
    let time = written.time.as_ref();
    let times = [("ms", 1), ("s", 1_000)];
    if let Some(time) =
        time.and_then(|text| quantity("time", text, &times, &MILLISECONDS, "200ms, from 1ms to 60s", findings))
    {
        limits.milliseconds = time;
    }
    limits
}

fn quantity(
    key: &str,
    written: &Written<Scalar>,
    units: &[(&str, u64)],
    range: &RangeInclusive<u64>,
    expected: &str,
    findings: &mut Findings,
) -> Option<u64> {
    let text = written.value.0.as_str();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = units.iter().find(|(name, _)| *name == unit.trim_start()).map(|(_, factor)| *factor);
    let value = number.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    let value = value.filter(|value| range.contains(value));
    if value.is_none() {
        findings.within(key, |f| f.add(written.at, format!("found `{}`; expected as in {expected}", shortened(text))));
    }
    value
}
