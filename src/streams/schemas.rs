//! The schemas that a batch's messages name → how each is read as the feed.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt as _;
use moka::sync::Cache;
use sqlx::PgPool;

use crate::config::PinnedFeed;
use crate::feed::{Framing, Layout};
use crate::record::avro::{Known, Reading, Readings, SchemaRef, schema_ref};
use crate::record::{Content, Messages};
use crate::registry::{self, Id, Registered, Registry};

/// Compiled readings that a process keeps: a few kilobytes each.
const KEPT: u64 = 1_000;
/// Questions of one batch to the registry at a time.
const AT_ONCE: usize = 8;

/// Why a batch cannot be judged yet.
#[derive(Debug, thiserror::Error)]
pub enum NotYet {
    #[error("Postgres cannot be asked for the schemas of messages: {0}")]
    Postgres(#[from] sqlx::Error),
    #[error(
        "feed {feed} takes its schemas from a schema registry: set schema_registry.url (FABRIC_SCHEMA_REGISTRY_URL)"
    )]
    NoRegistry { feed: String },
    #[error(transparent)]
    Registry(registry::NotYet),
}

pub struct Schemas {
    pool: PgPool,
    /// `None`: none is set.
    registry: Option<Arc<Registry>>,
    /// What does not change: how a schema is read as a version of a feed.
    compiled: Cache<(Arc<str>, i32, SchemaRef), Known>,
}

impl Schemas {
    pub fn new(pool: PgPool, registry: Option<Arc<Registry>>) -> Self {
        Self { pool, registry, compiled: Cache::new(KEPT) }
    }

    /// How each schema is read that one of the messages names; none where they are no Avro.
    pub async fn readings(&self, feed: &Arc<PinnedFeed>, messages: &Messages) -> Result<Readings, NotYet> {
        let Layout::Avro(framing) = feed.feed.layout else { return Ok(Readings::new()) };
        let name: Arc<str> = feed.feed.name.as_str().into();
        let mut readings = Readings::new();
        let mut asked = Vec::new();
        for schema in named(messages, framing) {
            match self.compiled.get(&(Arc::clone(&name), feed.version, schema)) {
                Some(known) => drop(readings.insert(schema, known)),
                None => asked.push(schema),
            }
        }
        for (schema, found) in self.documents(feed.feed.name.as_str(), asked).await? {
            let known = match found {
                Found::Document(text) => match Reading::new(&text, &feed.feed) {
                    Ok(reading) => Known::Reading(Arc::new(reading)),
                    Err(unresolvable) => Known::Unresolvable(Arc::new(unresolvable)),
                },
                Found::Refused(why) => Known::Refused(why),
                Found::Unknown => Known::Unknown,
            };
            // What nobody knows today may be known tomorrow.
            if matches!(known, Known::Reading(_) | Known::Unresolvable(_)) {
                self.compiled.insert((Arc::clone(&name), feed.version, schema), known.clone());
            }
            readings.insert(schema, known);
        }
        Ok(readings)
    }

    /// What is known of each of `asked`.
    async fn documents(&self, feed: &str, asked: Vec<SchemaRef>) -> Result<Vec<(SchemaRef, Found)>, NotYet> {
        let (mut fingerprints, mut ids) = (Vec::new(), Vec::new());
        for schema in asked {
            match schema {
                SchemaRef::Fingerprint(fingerprint) => fingerprints.push(fingerprint),
                SchemaRef::RegistryId(id) => ids.push(id),
            }
        }
        let mut found = self.stored(fingerprints).await?;
        if !ids.is_empty() {
            let absent = || NotYet::NoRegistry { feed: feed.to_owned() };
            found.extend(registered(self.registry.as_ref().ok_or_else(absent)?, ids).await?);
        }
        Ok(found)
    }

    /// Of Postgres.
    async fn stored(&self, asked: Vec<[u8; 8]>) -> Result<Vec<(SchemaRef, Found)>, NotYet> {
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let fingerprints: Vec<&[u8]> = asked.iter().map(<[u8; 8]>::as_slice).collect();
        let stored: Vec<(Vec<u8>, String)> =
            sqlx::query_as("select fingerprint, document from fabric.schemas where fingerprint = any($1)")
                .bind(&fingerprints)
                .fetch_all(&self.pool)
                .await?;
        let found = |fingerprint: &[u8; 8]| match stored.iter().find(|(of, _)| of == fingerprint) {
            Some((_, text)) => Found::Document(text.as_str().into()),
            None => Found::Unknown,
        };
        Ok(asked.iter().map(|of| (SchemaRef::Fingerprint(*of), found(of))).collect())
    }
}

/// What is known of a schema.
enum Found {
    /// As JSON.
    Document(Arc<str>),
    /// As [`Known::Refused`].
    Refused(Arc<str>),
    Unknown,
}

/// Of the schema registry. Every id is asked for, though one of them has to be waited for: their waits run side by side.
async fn registered(registry: &Registry, ids: Vec<u32>) -> Result<Vec<(SchemaRef, Found)>, NotYet> {
    let asking = ids.into_iter().map(async |id| (id, registry.schema(id).await));
    let answers: Vec<_> = futures::stream::iter(asking).buffer_unordered(AT_ONCE).collect().await;
    let at = registry.place();
    let found = answers.into_iter().map(|(id, answer)| {
        let found = match answer.map_err(NotYet::Registry)? {
            Id::Registered(registered) => match &*registered {
                Registered::Avro(text) => Found::Document(text.as_str().into()),
                Registered::Unusable(why) => {
                    Found::Refused(format!("; at the schema registry at {at} it {why}").into())
                }
            },
            Id::Unknown => Found::Refused(format!(", which the schema registry at {at} does not know").into()),
        };
        Ok((SchemaRef::RegistryId(id), found))
    });
    found.collect()
}

fn named(messages: &Messages, framing: Framing) -> BTreeSet<SchemaRef> {
    let values = messages.iter().filter(|message| message.content == Content::Value);
    let refs = values.filter_map(|message| schema_ref(messages.value(message), framing).ok());
    refs.map(|(schema, _)| schema).collect()
}
