//! Brings a stream to rest: whoever holds its lock alone knows that no batch of it is under way.

use sqlx::{Connection as _, PgConnection, Postgres, Transaction};
use tracing::warn;

use super::change::ChangeError;
use crate::postgres::{EVICT_AFTER, SharedLock};

/// After this many tries of 2 s whoever waits is told who loads.
const TRIES: usize = 10;

/// The lock that batches of a stream share.
pub(crate) async fn lock_of(connection: &mut PgConnection, feed: &str) -> Result<SharedLock, sqlx::Error> {
    let key = sqlx::query_scalar("select fabric.stream_lock_key($1)").bind(feed).fetch_one(connection).await?;
    Ok(SharedLock(key))
}

/// A transaction that holds the stream's lock alone: it has waited for the batches under way, and has evicted loaders of
/// ours that are frozen.
pub(super) async fn alone<'c>(
    connection: &'c mut PgConnection,
    feed: &str,
) -> Result<Transaction<'c, Postgres>, ChangeError> {
    let lock = lock_of(connection, feed).await?;
    let mut tries = 0;
    while !is_at_rest(connection, lock).await? {
        tries += 1;
        if tries == TRIES {
            let holders = lock.holders(connection).await?;
            return Err(ChangeError::Held { feed: feed.to_owned(), holders });
        }
        for loader in lock.evict(connection, EVICT_AFTER).await? {
            warn!(feed, loader, "evicted a loader that held up its stream for too long");
        }
    }
    let mut transaction = connection.begin().await?;
    if lock.alone(&mut transaction).await? {
        return Ok(transaction);
    }
    Err(ChangeError::Held { feed: feed.to_owned(), holders: "a loader that came just now".to_owned() })
}

/// For an instant, if not for longer.
async fn is_at_rest(connection: &mut PgConnection, lock: SharedLock) -> Result<bool, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let held = lock.alone(&mut transaction).await?;
    transaction.rollback().await?;
    Ok(held)
}
