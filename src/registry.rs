//! The way to a schema registry that speaks Confluent's API: an id in, the schema that a message was written with out.
//!
//! An id is of one schema for ever. So a process asks for it once, and keeps it; what one process has heard the others find
//! in Redis. That the registry is away, or does not know an id yet, makes nobody reject a record: whoever asks waits.

mod answer;
mod client;
mod fault;
mod shared;
mod unknown;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use recloser::{AsyncRecloser, Recloser};

pub use answer::{Latest, Registered};
pub use client::RegistryUrlError;
pub use fault::{Fault, RegistryError};

use crate::config::{Figures, Loaded, Room, Runs};
use crate::redis::Redis;
use crate::settings::Settings;
use crate::telemetry::catalog::{CACHE_LOAD, CACHE_LOOKUPS, REGISTRY, REGISTRY_BREAKER, REGISTRY_REQUEST};
use crate::telemetry::sample;
use client::Client;
use shared::Shared;
use unknown::{Standing, Unknown};

/// Errors among so many questions open the breaker, where they are half of them.
const QUESTIONS: usize = 4;
/// While the breaker is open nobody waits for the registry; after this long one question goes through.
const OPEN_FOR: Duration = Duration::from_secs(1);
/// Trouble that is older says nothing any more: whoever waits for the registry asks more often than that.
const STALE_AFTER: Duration = Duration::from_secs(30);
/// What an entry takes beside its text. Bytes.
const ENTRY: u64 = 64;

/// What is known of an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Id {
    Registered(Arc<Registered>),
    /// The registry has been asked now and then for as long as it may take to learn of a schema, and does not know it.
    Unknown,
}

/// Why nothing is known of an id now. Whoever waits asks again.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotYet {
    #[error(transparent)]
    Registry(Arc<RegistryError>),
    #[error("the schema registry at {place} does not know schema id {id}; it is asked again for {} s more", left.as_secs())]
    Unknown { place: Arc<str>, id: u32, left: Duration },
}

/// Where serializers register the schema of a topic's values (TopicNameStrategy).
pub fn subject_of(topic: &str) -> String {
    format!("{topic}-value")
}

/// One per process.
pub struct Registry {
    client: Client,
    breaker: AsyncRecloser,
    schemas: Room<u32, Registered>,
    shared: Shared,
    unknown: Unknown,
    trouble: Mutex<Option<Trouble>>,
}

/// What it last answered instead of what it was asked for.
#[derive(Debug, Clone)]
struct Trouble {
    error: RegistryError,
    at: Instant,
    /// The breaker keeps questions back.
    is_open: bool,
}

impl Registry {
    /// `None`: none is set. Nothing is asked yet.
    pub fn new(settings: &Settings, redis: Option<Arc<Redis>>) -> Result<Option<Arc<Self>>, RegistryUrlError> {
        let Some(client) = Client::new(&settings.schema_registry)? else { return Ok(None) };
        let breaker =
            Recloser::custom().error_rate(0.5).closed_len(QUESTIONS).half_open_len(1).open_wait(OPEN_FOR).build();
        let shared = Shared::new(redis, &settings.kafka.prefix, &client.place, settings.cache.schemas.ttl);
        let registry = Arc::new(Self {
            client,
            breaker: breaker.into(),
            schemas: Room::new("schemas", settings.cache.schemas, Runs::FromUse),
            shared,
            unknown: Unknown::new(settings.schema_registry.id_patience),
            trouble: Mutex::default(),
        });
        sample(&registry, |registry, set| {
            registry.schemas.tell(set);
            let trouble = registry.trouble();
            set(&REGISTRY, &[], f64::from(u8::from(trouble.is_none())));
            let is_open = trouble.is_some_and(|trouble| trouble.is_open);
            set(&REGISTRY_BREAKER, &[], f64::from(u8::from(is_open)));
        });
        Ok(Some(registry))
    }

    /// Where it is, without secrets.
    pub fn place(&self) -> &Arc<str> {
        &self.client.place
    }

    /// What the registry has under an id. Of many who ask for the same at once one asks the registry.
    pub async fn schema(&self, id: u32) -> Result<Id, NotYet> {
        if let Some(standing) = self.unknown.lately(id, Instant::now()) {
            return self.unknown(id, standing);
        }
        let found = self.schemas.get(&id, || self.load(id).boxed()).await.map_err(NotYet::Registry)?;
        match found {
            Some(registered) => Ok(Id::Registered(registered)),
            None => self.unknown(id, self.unknown.standing(id)),
        }
    }

    fn unknown(&self, id: u32, standing: Standing) -> Result<Id, NotYet> {
        match standing {
            Standing::Given => Ok(Id::Unknown),
            Standing::Waits { left } => Err(NotYet::Unknown { place: Arc::clone(self.place()), id, left }),
        }
    }

    async fn load(&self, id: u32) -> Result<Loaded<Registered>, RegistryError> {
        let began = Instant::now();
        let registered = match self.shared.schema(id).await {
            Some(schema) => Registered::Avro(schema),
            None => match self.ask_for(id).await? {
                Some(registered) => registered,
                None => {
                    self.unknown.denied_at(id, Instant::now());
                    return Ok(None);
                }
            },
        };
        self.unknown.forget(id);
        CACHE_LOAD.observe(&["schemas"], began.elapsed());
        let bytes = registered.text().len() as u64 + ENTRY;
        Ok(Some((Arc::new(registered), bytes)))
    }

    async fn ask_for(&self, id: u32) -> Result<Option<Registered>, RegistryError> {
        let asked = self.ask(&["schemas", "ids", &id.to_string()], answer::registered).await;
        let word = match &asked {
            Ok(Some(_)) => "hit",
            Ok(None) => "miss",
            Err(_) => "error",
        };
        CACHE_LOOKUPS.add(&["schemas", "registry", word], 1);
        let registered = asked?;
        if let Some(Registered::Avro(schema)) = &registered {
            self.shared.keep(id, schema).await;
        }
        Ok(registered)
    }

    /// The last schema of a subject; `None`: the registry has no such subject.
    pub async fn latest(&self, subject: &str) -> Result<Option<Latest>, RegistryError> {
        self.ask(&["subjects", subject, "versions", "latest"], answer::latest).await
    }

    /// Whether it answers what it will be asked.
    pub async fn check(&self) -> Result<(), RegistryError> {
        // Whether it has one of that id makes no difference.
        self.ask(&["schemas", "ids", "1"], answer::registered).await.map(drop)
    }

    /// Asks through the breaker. That there is no such thing is an answer.
    async fn ask<T>(
        &self,
        path: &[&str],
        read: impl FnOnce(u16, &[u8]) -> Result<Option<T>, Fault>,
    ) -> Result<Option<T>, RegistryError> {
        let asked = async {
            let began = Instant::now();
            let answer = self.client.get(path).await.and_then(|(status, body)| read(status, &body));
            REGISTRY_REQUEST.observe(&[word_of(&answer)], began.elapsed());
            answer
        };
        let fault = match self.breaker.call(asked).await {
            Ok(found) => {
                self.is_well();
                return Ok(found);
            }
            Err(recloser::Error::Inner(fault)) => Some(fault),
            Err(recloser::Error::Rejected) => None,
        };
        Err(self.is_in_trouble(fault))
    }

    /// What is wrong with it now, for people.
    pub fn note(&self) -> Option<String> {
        self.trouble().map(|trouble| trouble.error.to_string())
    }

    fn trouble(&self) -> Option<Trouble> {
        self.last_trouble().clone().filter(|trouble| trouble.at.elapsed() < STALE_AFTER)
    }

    fn is_well(&self) {
        if self.last_trouble().take().is_some() {
            tracing::info!("the schema registry at {} is well again", self.place());
        }
    }

    /// `None`: it was not asked, for it has failed so often; that is of the trouble before.
    fn is_in_trouble(&self, fault: Option<Fault>) -> RegistryError {
        let mut last = self.last_trouble();
        let before = last.as_ref().map(|trouble| trouble.error.clone());
        let (error, is_open) = match (fault, before) {
            (None, Some(error)) => (error, true),
            (fault, before) => {
                let fault = fault.unwrap_or_else(|| Fault::Silent("it has failed of late".into()));
                let error = RegistryError { place: Arc::clone(self.place()), fault };
                if before.as_ref() != Some(&error) {
                    tracing::warn!("{error}");
                }
                (error, false)
            }
        };
        *last = Some(Trouble { error: error.clone(), at: Instant::now(), is_open });
        error
    }

    fn last_trouble(&self) -> MutexGuard<'_, Option<Trouble>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of what is in memory.
    pub fn figures(&self) -> Figures {
        self.schemas.figures()
    }

    /// Frees what has to go, though nobody asks for anything.
    pub async fn sweep(&self) {
        self.schemas.sweep().await;
    }
}

fn word_of<T>(answer: &Result<Option<T>, Fault>) -> &'static str {
    match answer {
        Ok(Some(_)) => "found",
        Ok(None) => "unknown",
        Err(Fault::Silent(_)) => "silent",
        Err(Fault::KeepsOut(_) | Fault::Refuses { .. }) => "refused",
        Err(Fault::Unusable(_)) => "unusable",
    }
}
