//! The polling thread of streams: places partitions where Postgres says, gathers their messages into batches, serves the
//! group, commits what is loaded.
//!
//! Each partition has a queue of its own, as in the lanes' consumer, and one batch in flight: its position is a chain.
//! While that one is loaded the next is gathered, up to its limits; beyond those the queue is not asked.

mod offsets;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;
use tracing::{debug, error, info, warn};

use super::gathering::Gathering;
use super::known::{Stream, Streams};
use super::opening::Opener;
use super::partition::{Begins, Begun, Closed, Partition, Standing};
use crate::faults::{self, Defect};
use crate::feed::BatchLimits;
use crate::kafka;
use crate::retry::Waits;
use crate::settings::Settings;
use crate::shutdown::Shutdown;
use crate::telemetry::{Health, Pulse};
use crate::validate::{Budget, Mailbox, Rebalance, Share, consumer_config, listed};

/// The thread is woken by messages, events and batches that are done; it looks by itself this often.
const IDLE: Duration = Duration::from_millis(50);
/// Messages of one partition in a row.
const IN_A_ROW: usize = 1_000;
const SUBSCRIBE_INTERVAL: Duration = Duration::from_millis(500);
/// Between two warnings of the same trouble.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);
/// Of the whole process, for sharing what is fetched ahead.
const PARTITIONS: i32 = 8;

/// Where a partition stands until its position is known: beyond the end of any log, where nothing is fetched. Not the logical
/// end: librdkafka asks the broker for that, and where the answer comes after the partition has been placed elsewhere it asks
/// again half a second later, and goes to the end by that answer (`rd_kafka_toppar_handle_Offset` in 2.12).
const NOWHERE: Offset = Offset::Offset(1 << 62);

/// What the polling thread is given.
pub struct Intake {
    pub settings: Settings,
    pub shutdown: Shutdown,
    pub streams: Arc<Streams>,
    pub opener: Arc<Opener>,
    pub deliver: UnboundedSender<Closed>,
    pub runtime: Handle,
    pub health: Arc<Health>,
}

impl Intake {
    /// Has a partition fetched again from Postgres' position.
    fn reopen(&self, partition: &Arc<Partition>) {
        if partition.reopen() {
            self.runtime.spawn(Arc::clone(&self.opener).open(Arc::clone(partition)));
        }
    }
}

struct Held {
    partition: Arc<Partition>,
    queue: PartitionQueue<Mailbox>,
    gathering: Gathering,
    share: Option<Share>,
    /// What the last commit said.
    committed: Option<i64>,
}

/// One membership of the group.
struct Member<'i> {
    intake: &'i Intake,
    consumer: Arc<BaseConsumer<Mailbox>>,
    budget: Arc<Budget>,
    held: Vec<Held>,
    topics: BTreeSet<String>,
    pulse: Pulse,
    subscribed_at: Option<Instant>,
    committed_at: Instant,
    complained_at: Option<Instant>,
}

/// Consumes until shutdown is due and everything in flight is finished or given up. A consumer that cannot go on is made
/// anew: its partitions begin at their positions.
pub fn run(intake: &Intake) {
    let budget = Budget::new(intake.settings.validate.queue_bytes, thread::current());
    let mut waits = Waits::new(Duration::from_millis(200), Duration::from_secs(5));
    while !intake.shutdown.is_due() {
        let lived = Instant::now();
        let Err(fault) = Member::join(intake, Arc::clone(&budget)).and_then(Member::consume) else { return };
        if lived.elapsed() > Duration::from_secs(60) {
            waits.reset();
        }
        let wait = waits.next_wait();
        warn!(error = kafka::describe(&fault, &intake.settings.kafka), ?wait, "the consumer of streams is made anew");
        thread::park_timeout(wait);
    }
}

/// Also where the thread panics: a consumer is closed when it is dropped, and that waits until the group's last word is
/// answered, which nobody else does any more.
impl Drop for Member<'_> {
    fn drop(&mut self) {
        self.consumer.context().close();
    }
}

impl<'i> Member<'i> {
    fn join(intake: &'i Intake, budget: Arc<Budget>) -> Result<Self, KafkaError> {
        // Of producers that use transactions: what they took back is never seen.
        let isolation = if faults::has(Defect::AbortedRead) { "read_uncommitted" } else { "read_committed" };
        let mut config = consumer_config(&intake.settings, PARTITIONS);
        config
            .set("group.id", intake.settings.kafka.name("streams"))
            .set("client.id", "fabric-streams")
            .set("isolation.level", isolation);
        let mut consumer: BaseConsumer<Mailbox> = config.create_with_context(Mailbox::default())?;
        let poller = thread::current();
        consumer.set_nonempty_callback(move || poller.unpark());
        info!(group = intake.settings.kafka.name("streams"), "joining the group");
        Ok(Self {
            intake,
            consumer: Arc::new(consumer),
            budget,
            held: vec![],
            topics: BTreeSet::new(),
            pulse: intake.health.pulse(),
            subscribed_at: None,
            committed_at: Instant::now(),
            complained_at: None,
        })
    }

    fn consume(mut self) -> Result<(), KafkaError> {
        let outcome = self.turns();
        if let Err(fault) = &outcome {
            debug!(%fault, "giving up what is in flight");
        }
        self.leave();
        outcome
    }

    fn turns(&mut self) -> Result<(), KafkaError> {
        while !self.intake.shutdown.is_due() {
            self.subscribe()?;
            self.serve_group()?;
            self.place()?;
            let taken = self.take()?;
            let next = self.close();
            self.commit_now_and_then();
            if taken == 0 {
                thread::park_timeout(next.map_or(IDLE, |at| at.saturating_duration_since(Instant::now()).min(IDLE)));
            }
        }
        self.drain()
    }

    /// Follows the streams that there are.
    fn subscribe(&mut self) -> Result<(), KafkaError> {
        if self.subscribed_at.is_some_and(|at| at.elapsed() < SUBSCRIBE_INTERVAL) {
            return Ok(());
        }
        self.subscribed_at = Some(Instant::now());
        let topics: BTreeSet<String> = self.intake.streams.now().iter().map(|stream| stream.topic.clone()).collect();
        if topics == self.topics {
            return Ok(());
        }
        if topics.is_empty() {
            self.consumer.unsubscribe();
        } else {
            self.consumer.subscribe(&topics.iter().map(String::as_str).collect::<Vec<_>>())?;
        }
        info!(topics = Vec::from_iter(topics.iter().cloned()).join(", "), "record topics");
        self.topics = topics;
        Ok(())
    }

    /// Hears what the group and librdkafka have to say, and acts on it.
    fn serve_group(&mut self) -> Result<(), KafkaError> {
        self.pulse.beat();
        match self.consumer.poll(Duration::ZERO).map(|outcome| outcome.map(|message| message.offset())) {
            None => {}
            // Queues are split off before their partitions are assigned. What could not be in order is begun anew.
            Some(Ok(offset)) => {
                error!(offset, "a message came by the queue of events");
                return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::BadMessage));
            }
            Some(Err(fault @ KafkaError::MessageConsumptionFatal(_))) => return Err(fault),
            Some(Err(fault)) => self.complain(&fault),
        }
        let consumer = Arc::clone(&self.consumer);
        while let Some(rebalance) = consumer.context().next() {
            match rebalance {
                Rebalance::Assign(partitions) => self.assign(&partitions)?,
                Rebalance::Revoke(partitions) => self.revoke(&partitions)?,
            }
        }
        Ok(())
    }

    /// librdkafka goes on by itself; people are told now and then.
    fn complain(&mut self, fault: &KafkaError) {
        if self.complained_at.is_none_or(|at| at.elapsed() > COMPLAINT_INTERVAL) {
            self.complained_at = Some(Instant::now());
            let topic_is_away = fault.rdkafka_error_code() == Some(RDKafkaErrorCode::UnknownTopicOrPartition);
            if topic_is_away {
                warn!(%fault, "a record topic is not there: its stream waits for it");
            } else {
                warn!(
                    error = kafka::describe(fault, &self.intake.settings.kafka),
                    "Kafka is in trouble: waiting for it"
                );
            }
        }
    }

    /// Answers the group, and has it found out where the partitions begin. Until then they stand
    /// [`NOWHERE`].
    fn assign(&mut self, partitions: &[(String, i32)]) -> Result<(), KafkaError> {
        let streams = self.intake.streams.now();
        let mut list = TopicPartitionList::new();
        let mut added = vec![];
        for (topic, number) in partitions {
            list.add_partition_offset(topic, *number, NOWHERE)?;
            let stream = streams.iter().find(|stream| stream.topic == *topic);
            // A topic that is no stream's any more goes with the next rebalance; until then its queue is left alone.
            let gone = || Arc::new(Stream::new(String::new(), topic.clone(), BatchLimits::default()));
            let held = self.hold(&stream.map_or_else(gone, Arc::clone), *number)?;
            if stream.is_none() {
                held.partition.end();
            }
            added.push(held);
        }
        self.consumer.incremental_assign(&list)?;
        if !partitions.is_empty() {
            info!(partitions = listed(partitions), "stream partitions assigned");
        }
        for held in added.iter().filter(|held| !held.partition.is_over()) {
            self.intake.opener.watches(&held.partition);
            self.intake.runtime.spawn(Arc::clone(&self.intake.opener).open(Arc::clone(&held.partition)));
        }
        self.held.extend(added);
        Ok(())
    }

    fn hold(&self, stream: &Arc<Stream>, number: i32) -> Result<Held, KafkaError> {
        let partition = Partition::new(Arc::clone(stream), number, thread::current());
        let queue = self.split(&stream.topic, number)?;
        Ok(Held { partition, queue, gathering: Gathering::default(), share: None, committed: None })
    }

    fn split(&self, topic: &str, number: i32) -> Result<PartitionQueue<Mailbox>, KafkaError> {
        let unknown = || KafkaError::Subscription(format!("{topic} partition {number} is not ours"));
        let mut queue = self.consumer.split_partition_queue(topic, number).ok_or_else(unknown)?;
        let poller = thread::current();
        queue.set_nonempty_callback(move || poller.unpark());
        Ok(queue)
    }

    /// Begins partitions whose place has been found. What was gathered before is of another place.
    fn place(&mut self) -> Result<(), KafkaError> {
        for at in 0..self.held.len() {
            let Standing::Placed { next, .. } = self.held[at].partition.standing() else { continue };
            let (topic, number) = (self.held[at].partition.stream.topic.clone(), self.held[at].partition.number);
            let mut list = TopicPartitionList::new();
            list.add_partition(&topic, number);
            self.consumer.incremental_unassign(&list)?;
            // That there is nothing [`NOWHERE`] is no news.
            while self.held[at].queue.poll(Duration::ZERO).is_some() {}
            let queue = self.split(&topic, number)?;
            let mut begins = Offset::Offset(next);
            if faults::has(Defect::StreamAtGroupsOffset) {
                let answered = self.consumer.committed_offsets(list.clone(), kafka::ANSWER_TIMEOUT)?;
                let committed = answered.elements().first().map(|element| element.offset());
                begins = committed.filter(|offset| matches!(offset, Offset::Offset(_))).unwrap_or(begins);
            }
            list.set_all_offsets(begins)?;
            self.consumer.incremental_assign(&list)?;
            let held = &mut self.held[at];
            (held.queue, held.gathering, held.share) = (queue, Gathering::from(next), None);
            held.partition.open();
            faults::point("stream.placed");
        }
        Ok(())
    }

    fn take(&mut self) -> Result<usize, KafkaError> {
        let longest = self.intake.settings.ingest.record_bytes;
        let mut taken = 0;
        for held in &mut self.held {
            if !matches!(held.partition.standing(), Standing::Open { .. }) {
                // It is fetched again from where it begins.
                (held.gathering, held.share) = (Gathering::default(), None);
                continue;
            }
            let limits = held.partition.stream.limits();
            for _ in 0..IN_A_ROW {
                if !held.gathering.has_room(&limits) || !(held.share.is_some() || self.budget.has_room()) {
                    break;
                }
                match held.queue.poll(Duration::ZERO) {
                    None => break,
                    Some(Ok(message)) => {
                        let (offset, now) = (message.offset(), Instant::now());
                        if held.gathering.push(offset, message.key(), message.payload(), longest, now).is_err() {
                            let partition = &held.partition;
                            error!(%partition, offset, "a message came a second time: the partition is fetched again");
                            self.intake.reopen(partition);
                            break;
                        }
                        taken += 1;
                    }
                    Some(Err(KafkaError::MessageConsumption(
                        RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange,
                    ))) => {
                        self.intake.reopen(&held.partition);
                        break;
                    }
                    Some(Err(fault @ KafkaError::MessageConsumptionFatal(_))) => return Err(fault),
                    Some(Err(fault)) => {
                        warn!(partition = %held.partition, %fault, "a partition is in trouble");
                        break;
                    }
                }
            }
            if held.gathering.bytes() > 0 || held.gathering.closes_at(&limits).is_some() {
                let share = held.share.get_or_insert_with(|| self.budget.take(0));
                // The values, and the rows that are made of them.
                share.weigh(2 * held.gathering.bytes());
            }
        }
        Ok(taken)
    }

    /// Hands batches on that are to be loaded. Answers when the next is.
    fn close(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let mut next: Option<Instant> = None;
        for held in &mut self.held {
            let limits = held.partition.stream.limits();
            let Some(at) = held.gathering.closes_at(&limits) else { continue };
            if !held.gathering.is_closed(&limits, now) {
                next = Some(next.map_or(at, |next| next.min(at)));
                continue;
            }
            let Some(share) = held.share.take() else { continue };
            let from = held.gathering.begins_at();
            match held.partition.begin(from) {
                Begins::Here(Begun { expected, topic_id, epoch }) => {
                    let partition = Arc::clone(&held.partition);
                    let messages = held.gathering.take();
                    faults::point("stream.closed");
                    // The receiver is gone only when the process ends.
                    let _ = self.intake.deliver.send(Closed { partition, expected, topic_id, epoch, messages, share });
                }
                Begins::NotNow => held.share = Some(share),
                Begins::Elsewhere { next } => {
                    let partition = &held.partition;
                    error!(%partition, from, next, "messages are missing before a batch: the partition is fetched again");
                    self.intake.reopen(partition);
                }
            }
        }
        next
    }

    /// Lets what is in flight finish within the grace period, as a member of the group until the end.
    fn drain(&mut self) -> Result<(), KafkaError> {
        let deadline = Instant::now() + self.intake.settings.validate.grace;
        while self.held.iter().any(is_in_flight) && Instant::now() < deadline {
            self.serve_group()?;
            self.commit_now_and_then();
            thread::park_timeout(IDLE);
        }
        Ok(())
    }

    /// Commits what is loaded, gives up the rest, and leaves the group. The consumer is closed by its last reference, here.
    fn leave(mut self) {
        self.commit(CommitMode::Sync);
        self.intake.opener.custody.let_go(self.held.iter().map(|held| &held.partition));
        self.held.iter().for_each(|held| held.partition.end());
        self.held.clear();
        info!("leaving the group of streams");
    }

    /// Stops handing out, lets what is in flight finish for half a session, commits, lets go.
    fn revoke(&mut self, partitions: &[(String, i32)]) -> Result<(), KafkaError> {
        let lost = self.consumer.assignment_lost();
        faults::point("stream.revoke.begun");
        let is_going = |held: &Held| {
            let Partition { stream, number, .. } = &*held.partition;
            partitions.iter().any(|(topic, p)| *topic == stream.topic && p == number)
        };
        if !lost {
            let settings = &self.intake.settings.validate;
            let deadline = Instant::now() + (settings.session_timeout / 2).min(settings.grace);
            while self.held.iter().any(|held| is_going(held) && is_in_flight(held)) && Instant::now() < deadline {
                thread::park_timeout(IDLE);
            }
            self.commit(CommitMode::Sync);
        }
        faults::point("stream.revoke.rested");
        let going = || self.held.iter().filter(|held| is_going(held)).map(|held| &held.partition);
        self.intake.opener.custody.let_go(going());
        going().for_each(|partition| partition.end());
        self.held.retain(|held| !is_going(held));
        let mut list = TopicPartitionList::new();
        for (topic, partition) in partitions {
            list.add_partition(topic, *partition);
        }
        self.consumer.incremental_unassign(&list)?;
        info!(partitions = listed(partitions), lost, "stream partitions revoked");
        Ok(())
    }
}

fn is_in_flight(held: &Held) -> bool {
    matches!(held.partition.standing(), Standing::Open { in_flight: true, .. })
}
