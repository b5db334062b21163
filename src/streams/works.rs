//! One batch's way: find what judges it, judge, load, and say where its partition stands. A record that kills whoever works
//! on it is found, and costs itself alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::PgPool;
use tracing::{debug, error, warn};

use super::loaders::{Loaders, Unloaded};
use super::opening::Opener;
use super::partition::{Closed, Partition};
use super::plans::Plans;
use super::positions;
use super::schemas::Schemas;
use super::suspicion::Trial;
use crate::config::PinnedFeed;
use crate::copy::RowEncoder;
use crate::faults::{self, Defect};
use crate::load::{JudgedBatch, Outcome, Standing, StreamPlace};
use crate::processes::{Stage, Tally};
use crate::record::Messages;
use crate::record::avro::Readings;
use crate::retry::Waits;
use crate::rules::{Scratch, Verdict};
use crate::telemetry::catalog::STAGE;
use crate::validate::{ATTEMPTS, Leave, Panicked, Pool, Share};

/// Between two tries of a batch whose target is at fault; its gate lets one through now and then.
const ASIDE: Duration = Duration::from_millis(200);

/// Records of one batch that may be rejects since they killed their worker. Where more do, the fault is not theirs: it is
/// this release's, and the partition waits for another one.
const MOST_KILLERS: u32 = 8;

/// A batch that cannot be judged is kept for so long; then its memory is left to other streams.
const KEPT: Duration = Duration::from_secs(1);
/// After that it is fetched again this often.
const FETCHED_AGAIN: Duration = Duration::from_secs(5);

/// What all streams of the process share.
pub struct Works {
    pub judges: Pool,
    pub loaders: Loaders,
    pub plans: Arc<Plans>,
    pub schemas: Schemas,
    pub opener: Arc<Opener>,
    pub tally: Arc<Tally>,
    pub pool: PgPool,
}

/// A batch on its way, or what is left of it.
struct Course {
    partition: Arc<Partition>,
    place: StreamPlace,
    epoch: u64,
    /// Where what is left begins.
    expected: i64,
    share: Share,
    waits: Waits,
    /// What people have been told that it waits for, and since when it does.
    said: String,
    unjudged_since: Option<Instant>,
}

/// What is to be done with messages.
#[derive(Debug, Clone, Copy)]
enum Fate<'t> {
    Judge,
    /// They may have killed a process: they are tried alone in this one.
    Try(&'t Trial),
    /// They have killed whoever worked on them, this many times.
    Condemn(&'static str, u32),
}

/// What became of them.
enum Ended {
    /// They are rows and rejects.
    Loaded,
    /// They are to be tried again.
    NotYet(Messages),
    Killed(Messages),
    /// The partition stands elsewhere, or is another's.
    Gone,
}

enum Unjudged {
    NotYet(Messages, String),
    Panicked(Messages, Panicked),
}

enum Tried {
    Decided(Outcome),
    Panicked(Panicked),
    /// Its partition is another's.
    Over,
}

impl Works {
    /// Takes a batch to its end; gives it up once its partition is another's. Where its messages kill whoever works on
    /// them, it is halved until the one that does is found.
    pub async fn handle(&self, closed: Closed) {
        let _in_flight = self.tally.begin();
        let Closed { partition, expected, topic_id, epoch, messages, share } = closed;
        let (topic, number) = (Arc::from(partition.stream.topic.as_str()), partition.number);
        let place = StreamPlace { topic, topic_id, partition: number };
        let waits = Waits::new(Duration::from_millis(100), Duration::from_secs(5));
        let mut course =
            Course { partition, place, epoch, expected, share, waits, said: String::new(), unjudged_since: None };
        // Those that come first stand last.
        let mut pending = vec![messages];
        let (mut panics, mut killers) = (0, 0);
        while let Some(mut messages) = pending.pop() {
            let trial = course.partition.trial(&messages);
            if let Some((count, _)) = trial
                && count < messages.len()
            {
                pending.push(messages.split_off(count));
            }
            if panics >= ATTEMPTS && killers == MOST_KILLERS {
                self.park(&mut course).await;
                panics = 0;
            }
            let fate = match &trial {
                _ if panics >= ATTEMPTS => Fate::Condemn("its worker", panics),
                Some((_, trial)) if trial.is_condemned() => Fate::Condemn("its process", trial.deaths + 1),
                Some((_, trial)) => Fate::Try(trial),
                None => Fate::Judge,
            };
            match self.take(&mut course, messages, fate).await {
                Ended::Loaded => {
                    killers += u32::from(panics >= ATTEMPTS);
                    panics = 0;
                }
                Ended::NotYet(messages) => pending.push(messages),
                Ended::Killed(mut messages) if messages.len() > 1 => {
                    let upper = messages.split_off(messages.len() / 2);
                    pending.extend([upper, messages]);
                }
                Ended::Killed(messages) => {
                    panics += 1;
                    pending.push(messages);
                }
                Ended::Gone => return,
            }
        }
        course.partition.loaded(epoch, course.expected);
    }

    /// Judges and loads messages that follow on each other. Waits before it answers that they are to be tried again.
    async fn take(&self, course: &mut Course, messages: Messages, fate: Fate<'_>) -> Ended {
        if course.partition.is_over() {
            return Ended::Gone;
        }
        let (count, bytes) = (messages.len(), messages.payload().len() as u64);
        let judged = match self.judge(course, messages, fate).await {
            Ok(judged) => judged,
            Err(Unjudged::NotYet(messages, why)) => return self.keep_or_let_go(course, messages, why).await,
            Err(Unjudged::Panicked(messages, panicked)) => {
                error!(partition = %course.partition, from = course.expected, count, %panicked, "records have killed their worker");
                return Ended::Killed(messages);
            }
        };
        if let Some(stream) = &judged.feed.feed.stream {
            course.partition.stream.set_limits(stream.batch);
        }
        course.share.weigh(judged.messages.payload().len() + judged.rows.capacity());
        let loading = self.load(&judged, course, fate);
        match self.tally.timed(Stage::Load, loading).await {
            Tried::Decided(Outcome::Loaded { loaded, rejected }) => {
                faults::step("stream.loaded").await;
                self.tally.count(loaded + rejected, bytes);
                course.expected = judged.next();
                course.unjudged_since = None;
                course.partition.survived(count, course.expected);
                Ended::Loaded
            }
            Tried::Panicked(panicked) => {
                error!(partition = %course.partition, from = course.expected, count, %panicked, "records have killed their loader");
                Ended::Killed(judged.messages)
            }
            Tried::Decided(_) if faults::has(Defect::RefusedBatchPassed) => {
                course.expected = judged.next();
                Ended::Loaded
            }
            // Postgres has another position, or lets nothing in.
            Tried::Decided(_) => {
                if course.partition.reopen_of(course.epoch) {
                    tokio::spawn(Arc::clone(&self.opener).open(Arc::clone(&course.partition)));
                }
                Ended::Gone
            }
            Tried::Over => Ended::Gone,
        }
    }

    /// A batch that cannot be judged now is kept for a while, then let go to be fetched again.
    async fn keep_or_let_go(&self, course: &mut Course, messages: Messages, why: String) -> Ended {
        let wait = course.waits.next_wait();
        warn!(partition = %course.partition, error = why, ?wait, "a batch is not judged yet: trying again");
        if why != course.said {
            self.tell(course, &why).await;
            course.said = why;
        }
        let kept = course.unjudged_since.get_or_insert_with(Instant::now).elapsed();
        // One that was let go before is not kept again: of many partitions one would always hold the memory.
        if kept > KEPT || course.partition.was_let_go() {
            if course.partition.let_go_of(course.epoch) {
                let opening = Arc::clone(&self.opener).open_after(FETCHED_AGAIN, Arc::clone(&course.partition));
                tokio::spawn(opening);
            }
            return Ended::Gone;
        }
        tokio::time::sleep(wait).await;
        Ended::NotYet(messages)
    }

    /// Has `fabric streams list` say what a batch waits for.
    async fn tell(&self, course: &Course, why: &str) {
        let Course { partition, expected, .. } = course;
        let place = (partition.stream.feed.as_str(), partition.stream.topic.as_str(), partition.number);
        let told = positions::put_waiting(&self.pool, place, *expected, &format!("waiting: {why}")).await;
        // Where Postgres is what is waited for, the log has to do.
        if let Err(error) = told {
            debug!(%partition, %error, "what a batch waits for is not in Postgres");
        }
    }

    /// Gives the messages back where they cannot be judged now.
    async fn judge(&self, course: &Course, messages: Messages, fate: Fate<'_>) -> Result<JudgedBatch, Unjudged> {
        let Course { partition, place, expected, .. } = course;
        let (feed, expected) = (partition.stream.feed.as_str(), *expected);
        let plan = match self.plans.active(feed).await {
            Ok(plan) if plan.feed.stream.as_ref().is_some_and(|stream| stream.topic == *place.topic) => plan,
            Ok(plan) => {
                return Err(Unjudged::NotYet(messages, format!("feed {feed} v{} is of another topic", plan.version)));
            }
            Err(error) => return Err(Unjudged::NotYet(messages, error.to_string())),
        };
        if let Fate::Condemn(whom, times) = fate {
            let killed = format!("has killed {whom} {times} times: see the logs of the validators");
            error!(%partition, offset = expected, killed, "a record is rejected unread");
            let verdict = plan.plan.condemn(&messages, &killed);
            let (place, readings) = (place.clone(), Arc::default());
            return Ok(JudgedBatch { place, feed: plan, expected, messages, readings, verdict, rows: Vec::new() });
        }
        let readings = match self.schemas.readings(&plan, &messages).await {
            Ok(readings) => Arc::new(readings),
            Err(not_yet) => return Err(Unjudged::NotYet(messages, not_yet.to_string())),
        };
        let leave = match self.leave(partition, fate).await {
            Ok(leave) => leave,
            Err(error) => return Err(Unjudged::NotYet(messages, error.to_string())),
        };
        let messages = Arc::new(messages);
        let (judging, place, known) = (Arc::clone(&messages), place.clone(), Arc::clone(&readings));
        let judged = self.judges.run(move || judge(plan, place, &judging, &known));
        let judged = self.tally.timed(Stage::Judge, judged).await;
        self.give_back(leave, partition).await;
        let messages = Arc::unwrap_or_clone(messages);
        match judged {
            Ok((feed, place, verdict, rows)) => {
                Ok(JudgedBatch { place, feed, expected, messages, readings, verdict, rows })
            }
            Err(panicked) => Err(Unjudged::Panicked(messages, panicked)),
        }
    }

    /// Tries until it is decided.
    async fn load(&self, judged: &JudgedBatch, course: &mut Course, fate: Fate<'_>) -> Tried {
        let Course { partition, waits, .. } = course;
        while !partition.is_over() {
            let leave = match self.leave(partition, fate).await {
                Ok(leave) => leave,
                Err(error) => {
                    let wait = waits.next_wait();
                    warn!(%partition, %error, ?wait, "records cannot be tried alone yet: trying again");
                    tokio::time::sleep(wait).await;
                    continue;
                }
            };
            let loaded = self.loaders.load(judged).await;
            self.give_back(leave, partition).await;
            let wait = match loaded {
                // What is parked waits here: it alone, for what comes after it must not overtake it.
                Ok(Outcome::Parked { reason }) => {
                    warn!(%partition, reason, "a stream is parked: it goes on by itself once its target is mended");
                    aside(fate, waits)
                }
                Ok(outcome) => return Tried::Decided(outcome),
                Err(Unloaded::Aside(aside)) => {
                    if aside.standing == Standing::Held {
                        Duration::ZERO
                    } else {
                        self::aside(fate, waits)
                    }
                }
                Err(Unloaded::ForNow(_)) if faults::has(Defect::BatchGivenUp) => {
                    let place = (partition.stream.feed.as_str(), &*judged.place.topic, partition.number);
                    match positions::pass_over(&self.pool, place, judged.expected, judged.next()).await {
                        Ok(()) => return Tried::Decided(Outcome::Loaded { loaded: 0, rejected: 0 }),
                        Err(_) => waits.next_wait(),
                    }
                }
                Err(Unloaded::ForNow(why)) => {
                    let wait = waits.next_wait();
                    warn!(%partition, error = %why, ?wait, "a batch is not loaded yet: trying again");
                    wait
                }
                Err(Unloaded::Panicked(panicked)) => return Tried::Panicked(panicked),
            };
            tokio::time::sleep(wait).await;
        }
        Tried::Over
    }

    /// Has people see that one record after the other kills its worker, and waits before it is tried again.
    async fn park(&self, course: &mut Course) {
        let StreamPlace { topic, partition, .. } = &course.place;
        let reason = format!(
            "{MOST_KILLERS} records in a row have killed their worker and are rejects, and the one at offset {} does so too: \
             the fault is fabric's; see the logs of the validators, and go on with another release",
            course.expected
        );
        let place = (course.partition.stream.feed.as_str(), &**topic, *partition);
        if let Err(error) = self.opener.put_parked(place, course.expected, &reason).await {
            warn!(partition = %course.partition, %error, "it cannot be put down that a stream is parked");
        }
        let wait = course.waits.next_wait();
        error!(partition = %course.partition, reason, ?wait, "a stream is parked");
        tokio::time::sleep(wait).await;
    }

    /// Leave to work on messages: those under suspicion alone, with a note.
    async fn leave(&self, partition: &Partition, fate: Fate<'_>) -> Result<Leave, sqlx::Error> {
        let Fate::Try(trial) = fate else { return Ok(Leave::beside().await) };
        let leave = Leave::alone().await;
        self.opener.custody.try_alone(partition, trial).await?;
        Ok(leave)
    }

    /// Whoever asks for it has lived through the work.
    async fn give_back(&self, leave: Leave, partition: &Partition) {
        if matches!(leave, Leave::Alone { .. }) {
            self.opener.custody.acquit(partition).await;
        }
    }
}

/// How long what is set aside waits. What is tried alone keeps others from work for as long as it is tried.
fn aside(fate: Fate<'_>, waits: &mut Waits) -> Duration {
    match fate {
        Fate::Try(_) => waits.next_wait().max(ASIDE),
        Fate::Judge | Fate::Condemn(..) => ASIDE,
    }
}

type Judged = (Arc<PinnedFeed>, StreamPlace, Verdict, Vec<u8>);

fn judge(feed: Arc<PinnedFeed>, place: StreamPlace, messages: &Messages, readings: &Readings) -> Judged {
    let began = Instant::now();
    faults::strike("judged", messages.payload());
    let encoder = RowEncoder::of_stream(&feed.feed, &place.topic, place.partition, feed.version);
    let (mut rows, mut scratch) = (Vec::new(), Scratch::default());
    encoder.begin(&mut rows);
    let verdict = feed.plan.judge_messages(messages, readings, &mut scratch, |offset, values| {
        encoder.row(&mut rows, offset, values);
    });
    encoder.finish(&mut rows);
    STAGE.observe(&["judge"], began.elapsed());
    (feed, place, verdict, rows)
}
