//! Opens a loading transaction: what fences its pieces, then the savepoint of the slow path; one round trip.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, PgConnection, PgPool, Row as _};

use super::evict::evict_blockers;
use super::faults::answer;
use super::gate::Tries;
use super::piece::Piece;
use crate::faults;
use crate::ledger::Fence;
use crate::settings::LoadSettings;

/// How often a waiting fence looks for a frozen loader that it waits for.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// How long the piece that tries a target at fault waits for its locks: others need its loader.
const TRY_LOCK_TIMEOUT: Duration = Duration::from_millis(250);

/// What the fence said.
pub(super) struct Opened {
    pub fence: Fence,
    /// Rejects of the job, or of the stream, as last added up.
    pub rejected_before: u64,
}

/// One simple query: parameters would cost a round trip of their own for each statement.
fn statement<P: Piece>(pieces: &[&P], load: &LoadSettings, loader: &str, tries: Tries) -> String {
    let mut text = format!(
        "begin isolation level read committed;
         set local lock_timeout = {lock_timeout};
         set constraints all immediate;",
        lock_timeout = load.lock_timeout.as_millis(),
    );
    for piece in pieces {
        text.push_str(&piece.question(loader));
    }
    if tries == Tries::AtFault {
        let timeout = load.lock_timeout.min(TRY_LOCK_TIMEOUT).as_millis();
        text.push_str(&format!("set local lock_timeout = {timeout};"));
    }
    text.push_str("savepoint piece");
    text
}

/// Begins the transaction and asks the fence of each piece, in their order. While it waits for a lock, frozen loaders
/// that hold it are evicted; it gives up once one has had the time to become old enough for that.
pub(super) async fn open<P: Piece>(
    connection: &mut PgConnection,
    pid: i32,
    aside: &PgPool,
    pieces: &[&P],
    load: &LoadSettings,
    loader: &str,
    tries: Tries,
) -> Result<Vec<Opened>, sqlx::Error> {
    let (began, patience) = (Instant::now(), load.evict_after + 2 * load.lock_timeout);
    let text = statement(pieces, load, loader, tries);
    faults::statement("load.fence", connection).await?;
    loop {
        let asked = tokio::select! {
            asked = sqlx::raw_sql(AssertSqlSafe(text.clone())).fetch_all(&mut *connection) => asked,
            never = evict_while_waiting(aside, pid, load) => match never {},
        };
        match asked {
            Ok(rows) if rows.len() == pieces.len() => {
                faults::answer("load.fenced").await?;
                return rows.iter().map(read).collect();
            }
            Ok(_) => return Err(sqlx::Error::RowNotFound),
            Err(error) if is_lock_timeout(&error) && began.elapsed() < patience => {
                sqlx::raw_sql("rollback").execute(&mut *connection).await?;
            }
            Err(error) => return Err(error),
        }
    }
}

fn read(row: &sqlx::postgres::PgRow) -> Result<Opened, sqlx::Error> {
    let word: String = row.try_get(0)?;
    let fence = Fence::parse(&word).ok_or_else(|| {
        sqlx::Error::Protocol(format!("fabric.fence answers {word}: this release knows no such answer"))
    })?;
    let rejected_before: Option<i64> = row.try_get(1)?;
    Ok(Opened { fence, rejected_before: rejected_before.unwrap_or(0).unsigned_abs() })
}

fn is_lock_timeout(error: &sqlx::Error) -> bool {
    answer(error).is_some_and(|answer| answer.code() == "55P03")
}

/// Most fences answer before the first look, which comes while a lock is still waited for: after that nobody would be
/// seen to hold it.
async fn evict_while_waiting(aside: &PgPool, pid: i32, load: &LoadSettings) -> std::convert::Infallible {
    loop {
        tokio::time::sleep(LOOK_INTERVAL.min(load.lock_timeout / 2)).await;
        let looked = async { evict_blockers(&mut *aside.acquire().await?, pid, load.evict_after).await };
        if let Err(error) = looked.await {
            tracing::warn!(%error, "could not look for the loader that holds a fence");
        }
    }
}
