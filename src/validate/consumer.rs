//! The polling thread: takes messages while their lane has room, serves the group all the while, commits what is done.
//!
//! Each partition has a queue of its own, which is simply not asked while its lane is full; the consumer's main queue,
//! which carries the group's events, is asked on every turn. The queue is split off before the partition is assigned:
//! librdkafka leaves a queue alone that the application has forwarded (`RD_KAFKA_Q_F_FWD_APP`), so no message ever comes
//! by the main queue, where it could overtake or be overtaken.

mod elsewhere;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::mpsc::UnboundedSender;
use tracing::{debug, error, info, warn};

use super::assignment::{Assignment, Standing};
use super::budget::Budget;
use super::lane::Delivered;
use super::member;
use super::message::ChunkMessage;
use super::proof::{self, Ledger};
use super::rebalance::{Mailbox, Rebalance};
use super::suspicion::Suspicion;
use super::watch::{Idle, Watched};
use crate::chunk::{ChunkId, Lane};
use crate::faults::{self, Defect};
use crate::kafka;
use crate::processes::Tally;
use crate::retry::Waits;
use crate::settings::Settings;
use crate::shutdown::Shutdown;
use crate::telemetry::{Health, Pulse};

/// The thread is woken by messages, events and bytes that come back; it looks by itself this often.
const IDLE: Duration = Duration::from_millis(50);
const COMMIT_INTERVAL: Duration = Duration::from_millis(500);
/// What was committed is committed again so often: a broker forgets the commits of a deleted topic some time after it is
/// gone, also those that were made since for one of the same name.
const REPEAT_INTERVAL: Duration = Duration::from_secs(10);
/// Between two warnings of the same trouble.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);

/// What the polling thread is given.
pub struct Intake {
    pub settings: Settings,
    pub shutdown: Shutdown,
    pub ledger: Ledger,
    /// Bounded by the lanes' budgets.
    pub deliver: UnboundedSender<Delivered>,
    /// Of both lanes together.
    pub partitions: i32,
    pub watched: Arc<Watched>,
    pub health: Arc<Health>,
    pub tally: Arc<Tally>,
}

/// A partition that this member holds.
struct Held {
    assignment: Arc<Assignment>,
    queue: PartitionQueue<Mailbox>,
    /// What the last commit, ours or an earlier member's, said.
    committed: Option<i64>,
    /// What it named.
    proof: Vec<ChunkId>,
}

/// Which partitions' offsets are to be committed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    /// Those that have moved since the last time.
    Moved,
    All,
}

/// One membership of the group.
struct Member<'i> {
    intake: &'i Intake,
    consumer: Arc<BaseConsumer<Mailbox>>,
    budgets: [Arc<Budget>; 2],
    held: Vec<Held>,
    /// Where the next sweep over the partitions begins.
    turn: usize,
    pulse: Pulse,
    idle: Idle,
    committed_at: Instant,
    /// When everything was committed again.
    repeated_at: Instant,
    complained_at: Option<Instant>,
    looked_back_at: Instant,
}

/// Consumes until shutdown is due and everything in flight is finished or given up. A consumer that cannot go on is made
/// anew: its partitions begin at what was committed.
pub fn run(intake: &Intake) {
    let bytes = intake.settings.validate.queue_bytes;
    let budgets = Lane::ALL.map(|_| Budget::new(bytes, thread::current()));
    Lane::ALL.iter().zip(&budgets).for_each(|(lane, budget)| budget.watch(*lane));
    let mut waits = Waits::new(Duration::from_millis(200), Duration::from_secs(5));
    while !intake.shutdown.is_due() {
        let lived = Instant::now();
        let ended = Member::join(intake, budgets.clone()).and_then(Member::consume);
        let Err(fault) = ended else { return };
        if lived.elapsed() > Duration::from_secs(60) {
            waits.reset();
        }
        let wait = waits.next_wait();
        warn!(error = kafka::describe(&fault, &intake.settings.kafka), ?wait, "the consumer is made anew");
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
    fn join(intake: &'i Intake, budgets: [Arc<Budget>; 2]) -> Result<Self, KafkaError> {
        let config = member::consumer_config(&intake.settings, intake.partitions);
        let mut consumer: BaseConsumer<Mailbox> = config.create_with_context(Mailbox::default())?;
        let poller = thread::current();
        consumer.set_nonempty_callback(move || poller.unpark());
        let topics = Lane::ALL.map(|lane| intake.settings.kafka.lane_topic(lane));
        consumer.subscribe(&topics.each_ref().map(String::as_str))?;
        info!(group = member::group(&intake.settings), "joining the group");
        Ok(Self {
            intake,
            consumer: Arc::new(consumer),
            budgets,
            held: vec![],
            turn: 0,
            pulse: intake.health.pulse(),
            idle: Idle::default(),
            committed_at: Instant::now(),
            looked_back_at: Instant::now(),
            repeated_at: Instant::now(),
            complained_at: None,
        })
    }

    /// Ends once shutdown is due and the group is left.
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
            self.serve_group()?;
            self.settle();
            self.go_back()?;
            let mut taken = self.take(Lane::High)?;
            taken += self.take(Lane::Normal)?;
            self.commit_now_and_then();
            self.idle.turn(taken, self.budgets.iter().any(|budget| budget.has_room()));
            if taken == 0 {
                thread::park_timeout(IDLE);
            }
        }
        self.drain()
    }

    /// Lets what is in flight finish within the grace period, as a member of the group until the end.
    fn drain(&mut self) -> Result<(), KafkaError> {
        let deadline = Instant::now() + self.intake.settings.validate.grace;
        while !self.held.iter().all(|held| held.assignment.is_idle()) && Instant::now() < deadline {
            self.serve_group()?;
            self.commit_now_and_then();
            thread::park_timeout(IDLE);
        }
        Ok(())
    }

    /// Commits what is done, gives up the rest, and leaves the group. The consumer is closed by its last reference, here.
    fn leave(mut self) {
        faults::point("leave.begun");
        self.held.iter().for_each(|held| held.assignment.set_standing(Standing::Over));
        let all: Vec<usize> = (0..self.held.len()).collect();
        self.commit(&all, What::Moved, CommitMode::Sync);
        let all: Vec<_> = self.held.iter().map(|held| Arc::clone(&held.assignment)).collect();
        self.intake.ledger.custody.let_go(&all);
        self.held.clear();
        self.tell_held();
        info!("leaving the group");
    }

    /// Hears what the group and librdkafka have to say, and acts on it.
    fn serve_group(&mut self) -> Result<(), KafkaError> {
        self.pulse.beat();
        let outcome = self.consumer.poll(Duration::ZERO).map(|outcome| outcome.map(|message| message.offset()));
        match outcome {
            None => {}
            // See the module: it cannot be. What could not be in order is begun anew.
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
            warn!(error = kafka::describe(fault, &self.intake.settings.kafka), "Kafka is in trouble: waiting for it");
        }
    }

    /// Takes at most one message of each partition of a lane, while the lane has room.
    fn take(&mut self, lane: Lane) -> Result<usize, KafkaError> {
        let budget = Arc::clone(&self.budgets[lane as usize]);
        self.turn = self.turn.wrapping_add(1);
        let mut taken = 0;
        let mut gaps = vec![];
        for step in 0..self.held.len() {
            let place = (self.turn + step) % self.held.len();
            let Held { assignment, queue, .. } = &self.held[place];
            if assignment.lane != lane || !assignment.gives() || !budget.has_room() {
                continue;
            }
            match queue.poll(Duration::ZERO) {
                None => {}
                Some(Ok(message)) => {
                    let share = budget.take(message.payload_len());
                    let ticket = assignment.begin(message.offset(), share);
                    assignment.appended(message.offset(), message.timestamp().to_millis());
                    // The receiver is gone only when the process ends; then the ticket stays unfinished.
                    let _ = self.intake.deliver.send(Delivered { message: ChunkMessage::of(&message), ticket });
                    faults::point("poll.taken");
                    taken += 1;
                }
                Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset))) => gaps.push(place),
                Some(Err(fault @ KafkaError::MessageConsumptionFatal(_))) => return Err(fault),
                Some(Err(fault)) => warn!(partition = assignment.partition, %fault, "a partition is in trouble"),
            }
        }
        // From the back: taking one out moves only those behind it.
        gaps.sort_unstable_by_key(|place| std::cmp::Reverse(*place));
        gaps.into_iter().try_for_each(|place| self.begin_anew(place))?;
        Ok(taken)
    }

    /// Begins partitions where the group's commits stand; the first chunk where there is none.
    fn assign(&mut self, partitions: &[(String, i32)]) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        for (topic, partition) in partitions {
            list.add_partition(topic, *partition);
        }
        let list = member::committed(&self.consumer, list)?;
        faults::point("assign.asked");
        let committed: Vec<_> = list.elements().iter().map(|e| (e.offset(), proof::read(e.metadata()))).collect();
        for (element, (offset, _)) in list.elements().iter_mut().zip(&committed) {
            let start = if matches!(offset, Offset::Offset(_)) { *offset } else { Offset::Beginning };
            element.set_offset(start)?;
            element.set_metadata("");
        }
        let mut added: Vec<Held> = vec![];
        for ((topic, partition), (offset, proof)) in partitions.iter().zip(committed) {
            let committed = if let Offset::Offset(next) = offset { Some(next) } else { None };
            added.push(self.hold(topic, *partition, committed, proof)?);
        }
        self.consumer.incremental_assign(&list)?;
        if !partitions.is_empty() {
            info!(partitions = member::listed(partitions), "partitions assigned");
        }
        self.intake.watched.heard_of_group();
        self.open(added);
        Ok(())
    }

    fn hold(
        &self,
        topic: &str,
        partition: i32,
        committed: Option<i64>,
        proof: Vec<ChunkId>,
    ) -> Result<Held, KafkaError> {
        let mut lanes = Lane::ALL.into_iter();
        let lane = lanes.find(|lane| self.intake.settings.kafka.lane_topic(*lane) == topic);
        let unknown = || KafkaError::Subscription(format!("{topic} partition {partition} is not ours"));
        let mut queue = self.consumer.split_partition_queue(topic, partition).ok_or_else(unknown)?;
        let poller = thread::current();
        queue.set_nonempty_callback(move || poller.unpark());
        let assignment = Assignment::new(lane.ok_or_else(unknown)?, topic.into(), partition, thread::current());
        self.intake.watched.add(&assignment, committed);
        Ok(Held { assignment, queue, committed, proof })
    }

    /// Partitions are taken from once it is known how their last holder ended, and the ledger agrees with the chunk that
    /// their last commit names.
    fn open(&mut self, added: Vec<Held>) {
        self.intake.ledger.open(added.iter().map(|held| (Arc::clone(&held.assignment), held.proof.clone())).collect());
        self.held.extend(added);
        self.tell_held();
    }

    /// For people who look at who holds what.
    fn tell_held(&self) {
        self.intake.tally.holds(self.held.iter().map(|held| (held.assignment.lane, held.assignment.partition)));
    }

    /// Stops handing out, lets what is in flight finish for half a session, commits, lets go. What is lost already is
    /// another's: its offsets are not ours to commit.
    fn revoke(&mut self, partitions: &[(String, i32)]) -> Result<(), KafkaError> {
        let lost = self.consumer.assignment_lost();
        faults::point("revoke.begun");
        let (going, staying): (Vec<Held>, Vec<Held>) = std::mem::take(&mut self.held).into_iter().partition(|held| {
            partitions.iter().any(|(topic, p)| **topic == *held.assignment.topic && *p == held.assignment.partition)
        });
        // The going ones first, so that their places are known; nothing is taken while this function runs.
        let places: Vec<usize> = (0..going.len()).collect();
        self.held = going;
        if !lost {
            let settings = &self.intake.settings.validate;
            let deadline = Instant::now() + (settings.session_timeout / 2).min(settings.grace);
            while !self.held.iter().all(|held| held.assignment.is_idle()) && Instant::now() < deadline {
                thread::park_timeout(IDLE);
            }
        }
        let at_rest = self.held.iter().map(|held| &held.assignment).filter(|assignment| assignment.is_idle());
        let at_rest: Vec<_> = at_rest.map(Arc::clone).collect();
        let given_up = self.held.len() - at_rest.len();
        self.held.iter().for_each(|held| held.assignment.set_standing(Standing::Over));
        faults::point("revoke.rested");
        if !lost {
            self.commit(&places, What::Moved, CommitMode::Sync);
            if faults::has(Defect::GivenUpCommitted)
                && let Ok(taken) = self.consumer.position()
            {
                self.consumer.commit(&taken, CommitMode::Sync).ok();
            }
            faults::point("revoke.committed");
            self.intake.ledger.custody.let_go(&at_rest);
        }
        faults::point("revoke.released");
        let mut list = TopicPartitionList::new();
        for (topic, partition) in partitions {
            list.add_partition(topic, *partition);
        }
        self.held = staying;
        self.tell_held();
        self.consumer.incremental_unassign(&list)?;
        info!(partitions = member::listed(partitions), lost, with_chunks_given_up = given_up, "partitions revoked");
        Ok(())
    }

    /// What may have killed the last holders of partitions is done: committed at once, so that it is never suspected again.
    fn settle(&mut self) {
        let now = Instant::now();
        let due = |held: &Held| held.assignment.suspicion().is_some_and(|suspicion| suspicion.is_to_settle(now));
        let places: Vec<usize> = (0..self.held.len()).filter(|place| due(&self.held[*place])).collect();
        if places.is_empty() {
            return;
        }
        self.commit(&places, What::Moved, CommitMode::Sync);
        for place in places {
            let assignment = &self.held[place].assignment;
            if let Some(done) = assignment.committable() {
                self.intake.ledger.custody.committed(assignment, done.next_offset);
            }
            assignment.suspicion().into_iter().for_each(Suspicion::settle);
        }
    }

    fn commit_now_and_then(&mut self) {
        if self.committed_at.elapsed() < COMMIT_INTERVAL {
            return;
        }
        self.committed_at = Instant::now();
        let failed = self.consumer.context().take_commit_failure();
        let repeats = failed || self.repeated_at.elapsed() >= REPEAT_INTERVAL;
        if repeats {
            self.repeated_at = Instant::now();
        }
        let all: Vec<usize> = (0..self.held.len()).collect();
        self.commit(&all, if repeats { What::All } else { What::Moved }, CommitMode::Async);
    }

    fn commit(&mut self, places: &[usize], what: What, mode: CommitMode) {
        let mut list = TopicPartitionList::new();
        for place in places {
            let held = &mut self.held[*place];
            let before = held.committed;
            if let Some(done) = held.assignment.committable() {
                held.committed = Some(done.next_offset);
                if !done.last_in_ledger.is_empty() {
                    held.proof = done.last_in_ledger;
                }
            }
            let Some(next_offset) = held.committed.filter(|_| what == What::All || held.committed != before) else {
                continue;
            };
            let mut element = list.add_partition(&held.assignment.topic, held.assignment.partition);
            let set = element.set_offset(Offset::Offset(next_offset));
            debug_assert!(set.is_ok(), "offsets are not negative");
            element.set_metadata(proof::write(&held.proof));
        }
        if list.count() == 0 {
            return;
        }
        if let Err(error) = faults::kafka("offsets.before").and_then(|()| self.consumer.commit(&list, mode)) {
            warn!(%error, "offsets were not committed: their chunks come again and are found in the ledger");
        }
        faults::point("offsets.after");
    }
}
