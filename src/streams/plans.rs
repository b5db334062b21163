//! What judges the next batch of a stream: the feed's version that is active now, with the reference sets that are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::{Active, Cache, ConfigError, Kind, Pinned, PinnedFeed, Reads, ReferencePins, Thing};
use crate::feed;
use crate::rules::sets_of;

pub struct Plans {
    cache: Arc<Cache>,
    sets: Mutex<HashMap<String, SetsOf>>,
}

/// A feed's version, and the sets that its rules look up.
type SetsOf = (i32, Arc<[String]>);

/// Why a batch cannot be judged now.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("Postgres cannot be asked what is active: {0}")]
    Postgres(Arc<sqlx::Error>),
    #[error("feed {feed} is not there, or retired")]
    NoFeed { feed: String },
    #[error(
        "feed {feed} v{version} looks up reference set {set}, which is not there: `fabric references load {set} FILE`"
    )]
    NoSet { feed: String, version: i32, set: String },
    #[error("feed {feed} v{version}: {error}")]
    Feed { feed: String, version: i32, error: Arc<ConfigError> },
}

impl Plans {
    pub fn new(cache: Arc<Cache>) -> Self {
        Self { cache, sets: Mutex::default() }
    }

    /// Asked before each batch, so that a version changes between batches alone.
    pub async fn active(&self, feed: &str) -> Result<Arc<PinnedFeed>, PlanError> {
        let thing = Thing { kind: Kind::Feed, name: feed.to_owned() };
        let Active { version, checksum, .. } =
            self.of(&thing).await?.ok_or(PlanError::NoFeed { feed: feed.to_owned() })?;
        let mut references = ReferencePins::new();
        for set in self.sets(feed, version, &thing).await?.iter() {
            let of = Thing { kind: Kind::Reference, name: set.clone() };
            let active = self.of(&of).await?;
            let absent = || PlanError::NoSet { feed: feed.to_owned(), version, set: set.clone() };
            references.insert(set.clone(), active.ok_or_else(absent)?.version);
        }
        let pinned = Pinned { feed: feed.to_owned(), version, references };
        let plan = self.cache.plan(&pinned, Some(checksum)).await;
        plan.map_err(|error| PlanError::Feed { feed: feed.to_owned(), version, error })
    }

    async fn of(&self, thing: &Thing) -> Result<Option<Active>, PlanError> {
        let active = self.cache.active(thing, Reads::Fresh).await.map_err(PlanError::Postgres)?;
        Ok(active.filter(|active| !active.retired))
    }

    async fn sets(&self, name: &str, version: i32, thing: &Thing) -> Result<Arc<[String]>, PlanError> {
        let kept = self.sets.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if let Some((_, sets)) = kept.filter(|(of, _)| *of == version) {
            return Ok(sets);
        }
        let text = self.cache.document(thing.kind, name, version, None).await.map_err(PlanError::Postgres)?;
        let parsed = text.map(|text| feed::parse(&format!("feed {name} v{version}"), &text));
        let sets: Arc<[String]> = match parsed {
            None => return Err(PlanError::NoFeed { feed: name.to_owned() }),
            Some(Ok(feed)) => sets_of(&feed).into_iter().map(str::to_owned).collect(),
            Some(Err(faults)) => {
                let error = Arc::new(ConfigError::Faults(faults));
                return Err(PlanError::Feed { feed: name.to_owned(), version, error });
            }
        };
        let mut kept = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(name.to_owned(), (version, Arc::clone(&sets)));
        Ok(sets)
    }
}
