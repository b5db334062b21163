//! The reference sets that a process holds: each version read whole, once, and shared as long as anyone uses it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::ReferenceError;
use super::read::{each_key, header};
use crate::postgres::ServicePool;
use crate::rules::{KeySetBuilder, ReferenceSet};
use crate::telemetry::catalog::CACHE_LOOKUPS;
use crate::telemetry::{Statement, timed};

/// Whoever wants a version that is being read waits for it; other versions are served meanwhile. A set is freed with
/// the last plan that looks it up.
#[derive(Default)]
pub struct ReferenceSets {
    places: Mutex<HashMap<(String, i32), Arc<Place>>>,
}

type Place = tokio::sync::Mutex<Weak<ReferenceSet>>;

impl ReferenceSets {
    /// The set, read from Postgres where no one holds it.
    pub async fn get(&self, pool: &ServicePool, name: &str, version: i32) -> Result<Arc<ReferenceSet>, ReferenceError> {
        let place = self.place(name, version);
        let mut held = place.lock().await;
        if let Some(set) = held.upgrade() {
            return Ok(set);
        }
        let read = timed(Statement::ReferenceSet, read(pool, name, version)).await;
        let word = match &read {
            Ok(_) => "hit",
            Err(ReferenceError::NoSet { .. } | ReferenceError::NoVersion { .. }) => "miss",
            Err(_) => "error",
        };
        CACHE_LOOKUPS.add(&["references", "postgres", word], 1);
        let set = Arc::new(read?);
        *held = Arc::downgrade(&set);
        Ok(set)
    }

    /// How many are in memory, or on their way there.
    pub fn len(&self) -> usize {
        self.swept(|places| places.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn place(&self, name: &str, version: i32) -> Arc<Place> {
        self.swept(|places| Arc::clone(places.entry((name.to_owned(), version)).or_default()))
    }

    /// Without the places of sets that are freed.
    fn swept<T>(&self, look: impl FnOnce(&mut HashMap<(String, i32), Arc<Place>>) -> T) -> T {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|_, place| {
            // Whoever waits at a place holds it too.
            Arc::strong_count(place) > 1 || place.try_lock().is_ok_and(|held| held.strong_count() > 0)
        });
        look(&mut places)
    }
}

async fn read(pool: &ServicePool, name: &str, version: i32) -> Result<ReferenceSet, ReferenceError> {
    let mut connection = pool.acquire().await?;
    let header = header(&mut connection, name, version).await?;
    let keys = usize::try_from(header.keys).unwrap_or_default();
    let mut builder = KeySetBuilder::with_room(keys, 0);
    each_key(&mut connection, (name, version), &header, |key| Ok(builder.push(key)?)).await?;
    drop(connection);
    // A tenth of a second for a million keys: other tasks of the thread need not wait for it.
    let keys = tokio::task::spawn_blocking(|| builder.finish()).await;
    let keys = keys.map_err(|error| sqlx::Error::Io(std::io::Error::other(error)))?;
    Ok(ReferenceSet { columns: header.columns, keys })
}
