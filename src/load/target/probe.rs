//! Tries whether a target that was at fault could take records again, without giving it one.

use sqlx::{Connection as _, PgConnection};

use super::check;
use super::{TargetError, sql};
use crate::feed::Feed;
use crate::load::transaction;

/// Whoever holds the table for longer holds it still; and nobody queues behind the probe for longer.
const LIMITS: &str = "set local lock_timeout = '200ms'; set local statement_timeout = '5s'";

/// A binary COPY of no rows: signature, flags, no extension, trailer (PostgreSQL documentation, COPY, "Binary Format").
const NO_ROWS: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\xff\xff";

/// The table is there and fits the feed, nobody holds it, and this role may insert into it. Whether the disk has room
/// and its triggers are sound only a record can show. Leaves nothing behind.
pub async fn probe_target(connection: &mut PgConnection, feed: &Feed) -> Result<(), TargetError> {
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql(LIMITS).execute(&mut *transaction).await?;
    let name = sql::table(&feed.target);
    let Some(table) = check::find(&mut transaction, &feed.target).await? else {
        return Err(TargetError::Unfit(format!("there is no table {name}")));
    };
    check::check(&mut transaction, feed, &table).await?;
    let statement = format!("copy {name} ({}) from stdin (format binary)", sql::columns(feed));
    transaction::copy(&mut transaction, &statement, &[NO_ROWS]).await?;
    transaction.rollback().await?;
    Ok(())
}
