//! One batch's way: find what judges it, judge, load, and say where its partition stands.

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
use crate::config::PinnedFeed;
use crate::copy::RowEncoder;
use crate::load::{JudgedBatch, Outcome, Standing, StreamPlace};
use crate::processes::{Stage, Tally};
use crate::record::Messages;
use crate::record::avro::Readings;
use crate::retry::Waits;
use crate::rules::{Scratch, Verdict};
use crate::telemetry::catalog::STAGE;
use crate::validate::Pool;

/// Between two tries of a batch whose target is at fault; its gate lets one through now and then.
const ASIDE: Duration = Duration::from_millis(200);

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

impl Works {
    /// Takes a batch to its end; gives it up once its partition is another's.
    pub async fn handle(&self, closed: Closed) {
        let _in_flight = self.tally.begin();
        let Closed { partition, expected, topic_id, epoch, messages, share } = closed;
        let mut waits = Waits::new(Duration::from_millis(100), Duration::from_secs(5));
        let bytes = messages.payload().len() as u64;
        let (topic, number) = (Arc::from(partition.stream.topic.as_str()), partition.number);
        let place = StreamPlace { topic, topic_id, partition: number };
        let mut messages = Some(messages);
        let mut said = String::new();
        while let Some(taken) = messages.take().filter(|_| !partition.is_over()) {
            let judged = match self.judge(&partition.stream.feed, &place, expected, taken).await {
                Ok(judged) => judged,
                Err((taken, why)) => {
                    let wait = waits.next_wait();
                    warn!(%partition, error = why, ?wait, "a batch is not judged yet: trying again");
                    if why != said {
                        self.tell(&partition, expected, &why).await;
                        said = why;
                    }
                    messages = Some(taken);
                    tokio::time::sleep(wait).await;
                    continue;
                }
            };
            if let Some(stream) = &judged.feed.feed.stream {
                partition.stream.set_limits(stream.batch);
            }
            share.weigh(judged.messages.payload().len() + judged.rows.capacity());
            let loading = self.load(&judged, &partition, &mut waits);
            match self.tally.timed(Stage::Load, loading).await {
                Some(Outcome::Loaded { loaded, rejected }) => {
                    self.tally.count(loaded + rejected, bytes);
                    partition.loaded(epoch, judged.next());
                }
                // Postgres has another position, or lets nothing in.
                Some(_) if partition.reopen_of(epoch) => {
                    tokio::spawn(Arc::clone(&self.opener).open(Arc::clone(&partition)));
                }
                Some(_) | None => {}
            }
        }
    }

    /// Has `fabric streams list` say what a batch waits for.
    async fn tell(&self, partition: &Partition, expected: i64, why: &str) {
        let place = (partition.stream.feed.as_str(), partition.stream.topic.as_str(), partition.number);
        let told = positions::put_waiting(&self.pool, place, expected, &format!("waiting: {why}")).await;
        // Where Postgres is what is waited for, the log has to do.
        if let Err(error) = told {
            debug!(%partition, %error, "what a batch waits for is not in Postgres");
        }
    }

    /// Gives the messages back where they cannot be judged now.
    async fn judge(
        &self,
        feed: &str,
        place: &StreamPlace,
        expected: i64,
        messages: Messages,
    ) -> Result<JudgedBatch, (Messages, String)> {
        let plan = match self.plans.active(feed).await {
            Ok(plan) if plan.feed.stream.as_ref().is_some_and(|stream| stream.topic == *place.topic) => plan,
            Ok(plan) => return Err((messages, format!("feed {feed} v{} is of another topic", plan.version))),
            Err(error) => return Err((messages, error.to_string())),
        };
        let readings = match self.schemas.readings(&plan, &messages).await {
            Ok(readings) => Arc::new(readings),
            Err(not_yet) => return Err((messages, not_yet.to_string())),
        };
        let messages = Arc::new(messages);
        let (judging, place, known) = (Arc::clone(&messages), place.clone(), Arc::clone(&readings));
        let judged = self.judges.run(move || judge(plan, place, &judging, &known));
        match self.tally.timed(Stage::Judge, judged).await {
            Ok((feed, place, verdict, rows)) => {
                let messages = Arc::unwrap_or_clone(messages);
                Ok(JudgedBatch { place, feed, expected, messages, readings, verdict, rows })
            }
            Err(panicked) => {
                error!(feed, expected, %panicked, "a batch has killed its worker");
                Err((Arc::unwrap_or_clone(messages), format!("a panic: {panicked}")))
            }
        }
    }

    /// Tries until it is decided. `None`: its partition is another's.
    async fn load(&self, judged: &JudgedBatch, partition: &Partition, waits: &mut Waits) -> Option<Outcome> {
        while !partition.is_over() {
            let wait = match self.loaders.load(judged).await {
                // What is parked waits here: it alone, for what comes after it must not overtake it.
                Ok(Outcome::Parked { reason }) => {
                    warn!(%partition, reason, "a stream is parked: it goes on by itself once its target is mended");
                    ASIDE
                }
                Ok(outcome) => return Some(outcome),
                Err(Unloaded::Aside(aside)) => {
                    if aside.standing == Standing::Held {
                        Duration::ZERO
                    } else {
                        ASIDE
                    }
                }
                Err(Unloaded::ForNow(why)) => {
                    let wait = waits.next_wait();
                    warn!(%partition, error = %why, ?wait, "a batch is not loaded yet: trying again");
                    wait
                }
                Err(Unloaded::Panicked(panicked)) => {
                    let wait = waits.next_wait();
                    error!(%partition, %panicked, ?wait, "a batch has killed its loader: trying again");
                    wait
                }
            };
            tokio::time::sleep(wait).await;
        }
        None
    }
}

type Judged = (Arc<PinnedFeed>, StreamPlace, Verdict, Vec<u8>);

fn judge(feed: Arc<PinnedFeed>, place: StreamPlace, messages: &Messages, readings: &Readings) -> Judged {
    let began = Instant::now();
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
