//! Turns what the config topic says into what this process knows to be active, each change made ready before it is known.
//!
//! An event tells that something changed, and Postgres is asked what. Where the topic cannot be followed, or nobody
//! publishes what has changed, Postgres is read every second instead. One task reads Postgres, one read after another:
//! what it learns later is never older.

mod applying;
mod reader;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::sync::{Notify, mpsc};
use tokio::time::{MissedTickBehavior, interval, timeout};

pub(super) use reader::{News, Reader};

use super::cache::Cache;
use super::known::{Known, Way};
use super::{Active, ConfigEvent, Thing, current};
use crate::postgres;
use crate::settings::PostgresSettings;
use crate::telemetry::catalog::CONFIG_EVENTS;
use crate::telemetry::{Statement, timed};
use applying::Applying;

/// Between two reads of Postgres by who cannot follow the topic.
const FALL_BACK: Duration = Duration::from_secs(1);
/// Between two reads by who follows: somebody may have written past the outbox, or put an older database back.
const READ_ANYWAY: Duration = Duration::from_secs(5);
/// A Postgres that has not answered by then does not answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// News that are taken together: one read of Postgres serves them all.
const TOGETHER: usize = 1_000;

/// What a process makes ready when something changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prepares {
    /// Plans and documents: it judges.
    Plans,
    /// It only knows what is active.
    Nothing,
}

pub(super) struct Follower {
    pool: PgPool,
    postgres: PostgresSettings,
    cache: Arc<Cache>,
    known: Arc<Known>,
    prepares: Prepares,
    applying: Applying,
    /// What the reader said last: whether it follows.
    reader: Result<(), String>,
    /// The topic is being read from its begin.
    folding: bool,
    /// What Postgres said last; `None`: nothing was asked yet.
    answered: Option<Result<(), String>>,
    /// When everything was read last.
    read_at: Option<Instant>,
    /// The last two times at which every event of a change stood in the topic.
    published: [Option<Instant>; 2],
}

/// What is read of Postgres.
enum Scope {
    All,
    Of(BTreeSet<Thing>),
}

impl Follower {
    pub(super) fn new(
        pool: PgPool,
        postgres: PostgresSettings,
        cache: Arc<Cache>,
        known: Arc<Known>,
        prepares: Prepares,
    ) -> Self {
        let reader = Err("the config topic has not been read yet".to_owned());
        let applying = Applying::new(Arc::clone(&cache), Arc::clone(&known), prepares);
        Self {
            pool,
            postgres,
            cache,
            known,
            prepares,
            applying,
            reader,
            folding: true,
            answered: None,
            read_at: None,
            published: [None; 2],
        }
    }

    /// Goes on until the reader has ended. `again`: somebody wants Postgres to be read. `told` hears, after each step, by
    /// which way it goes.
    pub(super) async fn run(mut self, mut news: mpsc::Receiver<News>, again: Arc<Notify>, told: impl Fn(&Way)) {
        let mut ticks = interval(FALL_BACK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                first = news.recv() => {
                    let Some(first) = first else { return };
                    let mut all = vec![first];
                    while let Some(next) = (all.len() < TOGETHER).then(|| news.try_recv().ok()).flatten() {
                        all.push(next);
                    }
                    self.hear(all).await;
                }
                _ = ticks.tick() => self.tick().await,
                () = again.notified() => self.read(Scope::All, &[]).await,
            }
            let way = self.way();
            told(&way);
            self.known.goes(way);
        }
    }

    async fn hear(&mut self, news: Vec<News>) {
        let (mut whole, mut events, mut things) = (false, Vec::new(), BTreeSet::new());
        let mut up_to_date = None;
        for news in news {
            match news {
                News::Begins => {
                    self.folding = true;
                    self.known.topic_begins();
                }
                News::Message { thing, event } => {
                    self.known.topic_says(&thing, event.as_ref().map(|event| event.revision));
                    let known = self.known.get(&thing).map(|active| active.revision);
                    if self.folding || event.as_ref().is_some_and(|event| known == Some(event.revision)) {
                        CONFIG_EVENTS.add(&["known"], 1);
                    } else {
                        things.insert(thing);
                        events.extend(event);
                    }
                }
                News::Ends => {
                    self.folding = false;
                    whole = true;
                }
                News::UpToDate { at } => up_to_date = Some(at),
                News::Follows(follows) => {
                    whole |= follows.is_ok() != self.reader.is_ok();
                    self.reader = follows;
                }
            }
        }
        match (whole, things.is_empty()) {
            (true, _) => self.read(Scope::All, &events).await,
            (false, false) => self.read(Scope::Of(things), &events).await,
            (false, true) => {}
        }
        if whole && !self.folding {
            self.known.topic_is_folded();
        }
        // What was in the topic before it was looked at has been heard of.
        let published = |at| self.published.into_iter().flatten().filter(|published| *published <= at).max();
        if let Some(at) = up_to_date.filter(|_| self.way() == Way::Topic).and_then(published) {
            self.known.confirm(at);
        }
    }

    async fn tick(&mut self) {
        let is_old = self.read_at.is_none_or(|at| at.elapsed() > READ_ANYWAY);
        if self.way() != Way::Topic || is_old || !self.all_is_published().await {
            self.read(Scope::All, &[]).await;
        }
        self.cache.sweep().await;
    }

    /// Whether the topic has had every change until now. While no steward leads, or none reaches Kafka, it has not.
    async fn all_is_published(&mut self) -> bool {
        let began = Instant::now();
        let asked = timed(Statement::Outbox, current::is_any_unpublished(&self.pool));
        let all = timeout(PATIENCE, asked).await.is_ok_and(|answer| answer.is_ok_and(|any| !any));
        if all {
            self.published = [Some(began), self.published[0]];
        }
        all
    }

    fn way(&self) -> Way {
        let why = match &self.reader {
            Err(why) => why.clone(),
            Ok(()) if self.folding => "the config topic is being read from its begin".to_owned(),
            Ok(()) => String::new(),
        };
        match &self.answered {
            None => Way::Starting,
            Some(Ok(())) if why.is_empty() => Way::Topic,
            Some(Ok(())) => Way::Postgres(why),
            Some(Err(words)) => Way::Cut(words.clone()),
        }
    }

    /// Asks Postgres, makes ready what has changed, and then knows it. `events`: those that are the reason.
    async fn read(&mut self, scope: Scope, events: &[ConfigEvent]) {
        let (began, at) = (Instant::now(), jiff::Timestamp::now().as_microsecond());
        let rows = match timeout(PATIENCE, timed(Statement::ConfigCurrent, self.ask(&scope))).await {
            Ok(Ok(rows)) => rows,
            Ok(Err(error)) => return self.unanswered(postgres::describe(&error, &self.postgres)),
            Err(_) => return self.unanswered("Postgres does not answer in time".to_owned()),
        };
        tell_of_events(events, &rows);
        let whole = matches!(scope, Scope::All);
        match self.read_at {
            None => self.begin_with(rows),
            Some(_) => self.take(scope, rows, at),
        }
        // What was asked for some things says nothing of the rest.
        if whole {
            self.read_at = Some(began);
            self.answered = Some(Ok(()));
            self.known.confirm(began);
        }
    }

    fn unanswered(&mut self, words: String) {
        if self.answered.as_ref().is_none_or(|answered| answered.as_ref().err() != Some(&words)) {
            tracing::warn!(
                "what is active cannot be read: {words}\n  Trying again; jobs keep the versions that they have."
            );
        }
        // The next tick reads everything.
        self.answered = Some(Err(words));
    }

    async fn ask(&self, scope: &Scope) -> Result<BTreeMap<Thing, Active>, sqlx::Error> {
        let rows = match scope {
            Scope::All => current::all_active(&self.pool).await?,
            Scope::Of(things) => current::some_active(&self.pool, &things.iter().cloned().collect::<Vec<_>>()).await?,
        };
        Ok(rows.into_iter().collect())
    }

    fn take(&mut self, scope: Scope, rows: BTreeMap<Thing, Active>, at: i64) {
        let asked = match scope {
            Scope::All => self.known.all().into_keys().collect(),
            Scope::Of(things) => things,
        };
        for thing in asked.into_iter().filter(|thing| !rows.contains_key(thing)) {
            self.applying.forget(thing);
        }
        for (thing, active) in rows {
            if self.known.get(&thing).as_ref() != Some(&active) {
                self.applying.begin(thing, active, at);
            }
        }
    }

    /// What is active when the process starts is known at once, and made ready beside its work.
    fn begin_with(&self, all: BTreeMap<Thing, Active>) {
        for (thing, active) in &all {
            self.known.learn(thing.clone(), active.clone());
        }
        tracing::info!(things = all.len(), "knows what is active");
        if self.prepares == Prepares::Plans {
            let cache = Arc::clone(&self.cache);
            tokio::spawn(async move {
                for (thing, active) in all {
                    cache.settle(&thing, &active).await;
                }
            });
        }
    }
}

/// An event that Postgres does not bear out was made by somebody else, or is of a database that was put back.
fn tell_of_events(events: &[ConfigEvent], rows: &BTreeMap<Thing, Active>) {
    for event in events {
        let thing = super::Kind::parse(&event.kind).map(|kind| Thing { kind, name: event.name.clone() });
        let row = thing.and_then(|thing| rows.get(&thing));
        let ConfigEvent { kind, name, version, revision, .. } = event;
        match row {
            Some(row) if row.revision >= *revision => {}
            Some(row) => {
                CONFIG_EVENTS.add(&["set_aside"], 1);
                let (known, has) = (row.version, row.revision);
                tracing::warn!(
                    "a config event is set aside: it tells of {kind}/{name} v{version} (revision {revision}), and Postgres \
                     has v{known} (revision {has})"
                );
            }
            None => {
                CONFIG_EVENTS.add(&["set_aside"], 1);
                tracing::warn!(
                    "a config event is set aside: it tells of {kind}/{name} v{version}, and Postgres has no such {kind}"
                );
            }
        }
    }
}
