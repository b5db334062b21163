//! Schemas that processes share by way of Redis, each with a checksum of its own. Without Redis none is there.

use std::sync::Arc;
use std::time::Duration;

use crate::config::Checksum;
use crate::redis::Redis;
use crate::telemetry::catalog::CACHE_LOOKUPS;

/// Hexadecimal digits of a checksum.
const DIGITS: usize = 64;

pub struct Shared {
    redis: Option<Arc<Redis>>,
    /// `fabric:schema:3f0a…`: of this installation and of this registry, whose ids are of no other.
    prefix: String,
    ttl: Duration,
}

impl Shared {
    pub fn new(redis: Option<Arc<Redis>>, topics: &str, registry: &str, ttl: Duration) -> Self {
        let registry = Checksum::of(registry.as_bytes()).to_string();
        Self { redis, prefix: format!("{}:schema:{}", topics.trim_end_matches('.'), &registry[..16]), ttl }
    }

    /// The schema of an id, if Redis has it whole.
    pub async fn schema(&self, id: u32) -> Option<String> {
        let redis = self.redis.as_ref()?;
        let key = self.key(id);
        let found = redis.get(&key).await;
        let word = match &found {
            Ok(Some(_)) => "hit",
            Ok(None) => "miss",
            Err(_) => "error",
        };
        CACHE_LOOKUPS.add(&["schemas", "redis", word], 1);
        let schema = read(id, found.ok()??);
        if schema.is_none() {
            CACHE_LOOKUPS.add(&["schemas", "redis", "refused"], 1);
            tracing::warn!(
                key,
                "what Redis holds is not what fabric wrote (its SHA-256 differs): it is not used, and replaced.\n  \
                 Does somebody else write there?"
            );
        }
        schema
    }

    /// Whoever has asked the registry leaves the answer for the others.
    pub async fn keep(&self, id: u32, schema: &str) {
        let Some(redis) = &self.redis else { return };
        // What is wrong stands in Redis' own note.
        redis.set(&self.key(id), written(id, schema).into_bytes(), self.ttl).await.ok();
    }

    fn key(&self, id: u32) -> String {
        format!("{}:{id}", self.prefix)
    }
}

fn checksum(id: u32, schema: &str) -> String {
    Checksum::of(format!("{id}\n{schema}").as_bytes()).to_string()
}

/// The checksum is of the id too: what is copied to another key is not genuine there.
fn written(id: u32, schema: &str) -> String {
    format!("{}\n{schema}", checksum(id, schema))
}

/// `None`: nobody wrote that for this id.
fn read(id: u32, value: Vec<u8>) -> Option<String> {
    let value = String::from_utf8(value).ok()?;
    let schema = value.get(DIGITS..)?.strip_prefix('\n')?;
    (value[..DIGITS] == checksum(id, schema)).then(|| schema.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_read_as_it_was_written_for_its_id_and_not_otherwise() {
        let value = written(7, "\"long\"").into_bytes();
        assert_eq!(read(7, value.clone()).as_deref(), Some("\"long\""));
        assert_eq!(read(8, value.clone()), None);
        let mut changed = value.clone();
        changed[DIGITS + 3] = b'x';
        let cut = value[..value.len() - 1].to_vec();
        for other in [changed, cut, Vec::new(), b"{}".to_vec(), vec![0xff; 80], "é".repeat(80).into_bytes()] {
            assert_eq!(read(7, other), None);
        }
    }
}
