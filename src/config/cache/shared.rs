//! What processes share by way of Redis: documents by version, pointers, and that there is none. Nothing here is trusted.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use super::fresh::{self, Pointer};
use crate::config::checksum::Checksum;
use crate::config::{Active, Kind, Thing};
use crate::redis::{Redis, RedisError};
use crate::telemetry::catalog::CACHE_LOOKUPS;

/// Redis, with the keys of one installation. Without one every answer is "not there".
pub(super) struct Shared {
    redis: Option<Arc<Redis>>,
    /// `fabric`, of topics that are named `fabric.…`: installations that share a Redis keep apart.
    prefix: String,
    random: RandomState,
}

impl Shared {
    pub(super) fn new(redis: Option<Arc<Redis>>, topics: &str) -> Self {
        Self { redis, prefix: topics.trim_end_matches('.').to_owned(), random: RandomState::new() }
    }

    /// The text of a version, if Redis has the one that was applied.
    pub(super) async fn document(&self, kind: Kind, name: &str, version: i32, expected: Checksum) -> Option<Vec<u8>> {
        let redis = self.redis.as_ref()?;
        let key = format!("{}:{kind}:{name}:{version}", self.prefix);
        let text = counted(cache_of(kind), redis.get(&key).await)?;
        if fresh::is_genuine(&text, expected) {
            return Some(text);
        }
        CACHE_LOOKUPS.add(&[cache_of(kind), "redis", "refused"], 1);
        tracing::warn!(
            key,
            "what Redis holds is not the document that was applied (its SHA-256 differs): it is not used, and replaced.\n  \
             Does somebody else write there?"
        );
        None
    }

    /// Whoever has read a document of Postgres leaves it for the others.
    pub(super) async fn keep_document(&self, kind: Kind, name: &str, version: i32, text: &str, ttl: Duration) {
        let Some(redis) = &self.redis else { return };
        let key = format!("{}:{kind}:{name}:{version}", self.prefix);
        let ttl = fresh::stay(ttl, false, self.random.hash_one(&key));
        // What is wrong stands in Redis' own note.
        redis.set(&key, text.as_bytes().to_vec(), ttl).await.ok();
    }

    /// What is active, if Redis says so and may be believed.
    pub(super) async fn pointer(&self, thing: &Thing, known: Option<&Active>) -> Option<Pointer> {
        let redis = self.redis.as_ref()?;
        let text = counted("active", redis.get(&self.pointer_key(thing)).await)?;
        let pointer = Pointer::read(&text).filter(|pointer| fresh::holds(pointer, known, now_micros()));
        if pointer.is_none() {
            CACHE_LOOKUPS.add(&["active", "redis", "refused"], 1);
        }
        pointer
    }

    pub(super) async fn keep_pointer(&self, thing: &Thing, pointer: &Pointer) {
        let Some(redis) = &self.redis else { return };
        let ttl = if pointer.active.is_some() { fresh::POINTER } else { fresh::ABSENT };
        redis.set(&self.pointer_key(thing), pointer.write().into_bytes(), ttl).await.ok();
    }

    fn pointer_key(&self, thing: &Thing) -> String {
        format!("{}:active:{}:{}", self.prefix, thing.kind, thing.name)
    }
}

/// By this machine's clock.
pub(super) fn now_micros() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

pub(super) fn cache_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Feed => "feeds",
        Kind::Template => "templates",
        Kind::Reference => "references",
    }
}

fn counted(cache: &str, answer: Result<Option<Vec<u8>>, RedisError>) -> Option<Vec<u8>> {
    let word = match &answer {
        Ok(Some(_)) => "hit",
        Ok(None) => "miss",
        Err(_) => "error",
    };
    CACHE_LOOKUPS.add(&[cache, "redis", word], 1);
    answer.ok().flatten()
}
