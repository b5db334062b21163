//! The schemas that a batch's messages name → how each is read as the feed.

use std::collections::BTreeSet;
use std::sync::Arc;

use moka::sync::Cache;
use sqlx::PgPool;

use crate::config::PinnedFeed;
use crate::feed::{Framing, Layout};
use crate::record::avro::{Known, Reading, Readings, SchemaRef, schema_ref};
use crate::record::{Content, Messages};

/// Compiled readings that a process keeps: a few kilobytes each.
const KEPT: u64 = 1_000;

/// Why a batch cannot be judged yet.
#[derive(Debug, thiserror::Error)]
pub enum NotYet {
    #[error("Postgres cannot be asked for the schemas of messages: {0}")]
    Postgres(#[from] sqlx::Error),
    #[error("feed {feed} takes its schemas from a schema registry, and this release has no client for one")]
    NoRegistry { feed: String },
}

pub struct Schemas {
    pool: PgPool,
    /// What does not change: how a schema is read as a version of a feed.
    compiled: Cache<(Arc<str>, i32, SchemaRef), Known>,
}

impl Schemas {
    pub fn new(pool: PgPool) -> Self {
        Self { pool, compiled: Cache::new(KEPT) }
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
        for (schema, document) in self.documents(&feed.feed.name.to_string(), asked).await? {
            let known = match document {
                None => Known::Unknown,
                Some(document) => match Reading::new(&document, &feed.feed) {
                    Ok(reading) => Known::Reading(Arc::new(reading)),
                    Err(unresolvable) => Known::Unresolvable(Arc::new(unresolvable)),
                },
            };
            // What nobody knows today may be known tomorrow.
            if !matches!(known, Known::Unknown) {
                self.compiled.insert((Arc::clone(&name), feed.version, schema), known.clone());
            }
            readings.insert(schema, known);
        }
        Ok(readings)
    }

    /// The text of each of `asked`; `None`: nobody knows it.
    async fn documents(&self, feed: &str, asked: Vec<SchemaRef>) -> Result<Vec<(SchemaRef, Option<String>)>, NotYet> {
        let mut fingerprints = Vec::with_capacity(asked.len());
        for schema in &asked {
            match schema {
                SchemaRef::Fingerprint(fingerprint) => fingerprints.push(fingerprint.to_vec()),
                SchemaRef::RegistryId(_) => return Err(NotYet::NoRegistry { feed: feed.to_owned() }),
            }
        }
        if fingerprints.is_empty() {
            return Ok(Vec::new());
        }
        let stored: Vec<(Vec<u8>, String)> =
            sqlx::query_as("select fingerprint, document from fabric.schemas where fingerprint = any($1)")
                .bind(&fingerprints)
                .fetch_all(&self.pool)
                .await?;
        let found = |fingerprint: &[u8]| stored.iter().find(|(of, _)| of == fingerprint).map(|(_, text)| text.clone());
        Ok(asked.into_iter().zip(&fingerprints).map(|(schema, of)| (schema, found(of))).collect())
    }
}

fn named(messages: &Messages, framing: Framing) -> BTreeSet<SchemaRef> {
    let values = messages.iter().filter(|message| message.content == Content::Value);
    let refs = values.filter_map(|message| schema_ref(messages.value(message), framing).ok());
    refs.map(|(schema, _)| schema).collect()
}
