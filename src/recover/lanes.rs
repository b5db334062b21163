//! A lane's partitions, what the group has committed of them and what the ledger knows, into where they must begin again.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use bytes::Bytes;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde::Serialize;

use crate::chunk::{ChunkId, Envelope, JobId, Lane, Seq};
use crate::kafka::{self, ANSWER_TIMEOUT, StretchReader};
use crate::settings::Settings;

/// Where a partition begins again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rewind {
    pub topic: String,
    pub partition: i32,
    /// What the group had committed.
    pub from: i64,
    /// The first chunk that has no ledger row.
    pub to: i64,
    /// Chunks from there on that have none; those between that have one are skipped when they come.
    pub chunks: u64,
}

/// One partition as Kafka knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    pub topic: String,
    pub partition: i32,
    /// From the begin of its log to what the group has committed.
    pub stretch: Range<i64>,
    /// The chunks that the commit names, which the ledger must know.
    pub names: Vec<ChunkId>,
}

/// A chunk of a lane that the ledger does not know by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unknown {
    pub offset: i64,
    /// `None`: it does not say, by its headers or by itself.
    pub chunk: Option<ChunkId>,
}

/// What the group has committed of both lanes. Blocks.
pub fn committed(settings: &Settings, proof: impl Fn(&str) -> Vec<ChunkId>) -> Result<Vec<Committed>, KafkaError> {
    let mut config = kafka::client_config(&settings.kafka, "recover");
    config.set("group.id", settings.kafka.name("lanes")).set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create()?;
    let mut asked = TopicPartitionList::new();
    for lane in Lane::ALL {
        let topic = settings.kafka.lane_topic(lane);
        let partitions = kafka::partition_count(consumer.client(), &topic, ANSWER_TIMEOUT)?.unwrap_or(0);
        asked.add_partition_range(&topic, 0, partitions - 1);
    }
    let answered = consumer.committed_offsets(asked, ANSWER_TIMEOUT)?;
    let mut found = vec![];
    for element in answered.elements() {
        let Offset::Offset(next) = element.offset() else { continue };
        let (low, high) = consumer.fetch_watermarks(element.topic(), element.partition(), ANSWER_TIMEOUT)?;
        found.push(Committed {
            topic: element.topic().to_owned(),
            partition: element.partition(),
            stretch: low..next.min(high),
            names: proof(element.metadata()),
        });
    }
    Ok(found)
}

/// What of a stretch stands at none of these offsets, as stretches.
pub fn gaps(stretch: Range<i64>, known: &BTreeSet<i64>) -> Vec<Range<i64>> {
    let mut gaps = vec![];
    let mut next = stretch.start;
    for offset in known.range(stretch.clone()).copied().chain([stretch.end]) {
        if next < offset {
            gaps.push(next..offset);
        }
        next = offset + 1;
    }
    gaps
}

/// The messages of a partition that stand at none of these offsets. Blocks; of the chunks that are known nothing is read.
pub fn unknown(
    reader: &StretchReader,
    partition: &Committed,
    known: &BTreeSet<i64>,
) -> Result<Vec<Unknown>, KafkaError> {
    let mut unknown = vec![];
    for gap in gaps(partition.stretch.clone(), known) {
        reader.read(&partition.topic, partition.partition, gap, |message| {
            unknown.push(Unknown { offset: message.offset(), chunk: chunk_of(message) });
        })?;
    }
    Ok(unknown)
}

fn chunk_of(message: &BorrowedMessage<'_>) -> Option<ChunkId> {
    of_headers(message).or_else(|| of_envelope(message.payload()?))
}

/// Other programs than fabric need not write headers.
fn of_envelope(message: &[u8]) -> Option<ChunkId> {
    Some(Envelope::read(&Bytes::copy_from_slice(message)).ok()?.id)
}

fn of_headers(message: &BorrowedMessage<'_>) -> Option<ChunkId> {
    let headers = message.headers()?;
    let value = |key: &str| {
        let header = headers.iter().find(|header| header.key == key)?;
        std::str::from_utf8(header.value?).ok()
    };
    Some(ChunkId { job: JobId(value("job")?.parse().ok()?), seq: Seq(value("seq")?.parse().ok()?) })
}

/// Where a partition begins again: at its first chunk that is to be loaded. `None`: it need not.
pub fn rewind(partition: &Committed, to_load: impl Iterator<Item = i64>, is_refused: bool) -> Option<Rewind> {
    let (mut first, mut chunks) = (None, 0);
    for offset in to_load {
        first.get_or_insert(offset);
        chunks += 1;
    }
    // What its commit names is gone, and nothing of it is to be loaded: it goes on where it stood.
    let to = first.or(is_refused.then_some(partition.stretch.end))?;
    Some(Rewind {
        topic: partition.topic.clone(),
        partition: partition.partition,
        from: partition.stretch.end,
        to,
        chunks,
    })
}

/// Offsets by topic and partition.
pub type Offsets = BTreeMap<(String, i32), BTreeSet<i64>>;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn gaps_are_what_is_not_known(start in 0..20_i64, length in 0..30_i64, known in prop::collection::btree_set(0..60_i64, 0..40)) {
            let stretch = start..start + length;
            let of_gaps: Vec<i64> = gaps(stretch.clone(), &known).into_iter().flatten().collect();
            let expected: Vec<i64> = stretch.filter(|offset| !known.contains(offset)).collect();
            prop_assert_eq!(of_gaps, expected);
        }
    }

    #[test]
    fn a_partition_begins_again_at_its_first_chunk_to_load_or_where_its_commit_is_not_believed() {
        let partition = Committed { topic: "t".into(), partition: 3, stretch: 5..40, names: Vec::new() };
        let to = |offsets: &[i64], refused| {
            rewind(&partition, offsets.iter().copied(), refused).map(|at| (at.to, at.chunks))
        };
        assert_eq!(to(&[], false), None);
        assert_eq!(to(&[], true), Some((40, 0)));
        assert_eq!(to(&[7, 9], true), Some((7, 2)));
    }
}
