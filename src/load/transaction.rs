//! What a loading transaction does between its fence and its end: COPY of the good, COPY of the rejects, commit.

use std::borrow::Cow;

use sqlx::{AssertSqlSafe, PgConnection};

use super::faults::{FaultClass, Site, classify_error};
use super::{Outcome, Piece, counted, slow, sql};
use crate::copy::{KeepSource, joined};
use crate::faults;
use crate::telemetry::{Statement, timed};

/// An error, and what the statement that raised it was about.
pub(super) struct TransactionFault {
    pub error: sqlx::Error,
    pub site: Site,
}

pub(super) fn on_target(error: sqlx::Error) -> TransactionFault {
    TransactionFault { error, site: Site::Target }
}

pub(super) fn on_fabric(error: sqlx::Error) -> TransactionFault {
    TransactionFault { error, site: Site::Fabric }
}

/// What stands between the fences and the end of a transaction of several pieces. `None`: the target left a record out.
pub(super) async fn together<P: Piece>(
    connection: &mut PgConnection,
    pieces: &[&P],
    keep: impl Iterator<Item = KeepSource>,
) -> Result<Option<Vec<Outcome>>, TransactionFault> {
    let accepted: u64 = pieces.iter().map(|piece| piece.verdict().accepted).sum();
    if accepted > 0 && copy_rows(connection, pieces).await.map_err(on_target)? != accepted {
        return Ok(None);
    }
    let rejects: Vec<Vec<u8>> = pieces
        .iter()
        .zip(keep)
        .filter(|(piece, _)| !piece.verdict().rejects.is_empty())
        .map(|(piece, keep)| piece.rejects(&piece.verdict().rejects, keep))
        .collect();
    if !rejects.is_empty() {
        copy_rejects::<P>(connection, &rejects.iter().map(Vec::as_slice).collect::<Vec<_>>())
            .await
            .map_err(on_fabric)?;
    }
    commit(connection).await.map_err(on_target)?;
    pieces.iter().for_each(|piece| counted::committed(*piece, &[]));
    let loaded = |piece: &&P| Outcome::Loaded {
        loaded: piece.verdict().accepted,
        rejected: piece.verdict().rejects.len() as u64,
    };
    Ok(Some(pieces.iter().map(loaded).collect()))
}

/// What stands between the fence and the end of the transaction of one piece.
pub(super) async fn transact<P: Piece>(
    connection: &mut PgConnection,
    piece: &P,
    keep: KeepSource,
) -> Result<Outcome, TransactionFault> {
    let accepted = piece.verdict().accepted;
    let mut extra = Vec::new();
    if accepted > 0 {
        match copy_rows(connection, &[piece]).await {
            Ok(copied) if copied == accepted => {}
            // A trigger of the target left records out, or a record breaks a constraint: find which.
            Ok(_) => extra = timed(Statement::Isolate, slow::isolate(connection, piece)).await?,
            Err(error) if classify_error(&error, Site::Target) == FaultClass::Data => {
                extra = timed(Statement::Isolate, slow::isolate(connection, piece)).await?;
            }
            Err(error) => return Err(on_target(error)),
        }
    }
    let mut rejects = Cow::Borrowed(&piece.verdict().rejects);
    if !extra.is_empty() {
        rejects.to_mut().extend_from_slice(&extra);
        rejects.to_mut().sort_by_key(|reject| reject.at.record);
    }
    if !rejects.is_empty() {
        copy_rejects::<P>(connection, &[&piece.rejects(&rejects, keep)]).await.map_err(on_fabric)?;
    }
    let (loaded, rejected) = (accepted - extra.len() as u64, rejects.len() as u64);
    if !extra.is_empty() {
        let statement = piece.correction(loaded, rejected, &extra);
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *connection).await.map_err(on_fabric)?;
    }
    // Whatever a commit reports may come from the target: its constraints are immediate, a trigger's may not be.
    commit(connection).await.map_err(on_target)?;
    counted::committed(piece, &extra);
    Ok(Outcome::Loaded { loaded, rejected })
}

/// `pieces` are of one feed version.
async fn copy_rows<P: Piece>(connection: &mut PgConnection, pieces: &[&P]) -> Result<u64, sqlx::Error> {
    let feed = &pieces[0].feed().feed;
    let statement = format!("copy {} ({}) from stdin (format binary)", sql::table(&feed.target), sql::columns(feed));
    let copies: Vec<_> = pieces.iter().map(|piece| piece.rows()).collect();
    faults::statement("load.rows", connection).await?;
    timed(Statement::CopyRows, copy(connection, &statement, &copies)).await
}

async fn copy_rejects<P: Piece>(connection: &mut PgConnection, copies: &[&[u8]]) -> Result<u64, sqlx::Error> {
    let columns = sql::idents(P::REJECTS.columns.iter().copied());
    let statement = format!("copy {} ({columns}) from stdin (format binary)", P::REJECTS.name);
    faults::statement("load.rejects", connection).await?;
    timed(Statement::CopyRejects, copy(connection, &statement, copies)).await
}

async fn commit(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    faults::statement("load.commit.sent", connection).await?;
    timed(Statement::Commit, sqlx::raw_sql("commit").execute(connection)).await?;
    faults::answer("load.commit.acked").await
}

/// One COPY of what several whole ones in memory hold. Answers how many rows it stored.
pub(super) async fn copy(connection: &mut PgConnection, statement: &str, copies: &[&[u8]]) -> Result<u64, sqlx::Error> {
    let mut copy = connection.copy_in_raw(statement).await?;
    for piece in joined(copies) {
        if let Err(error) = copy.send(piece).await {
            // Only a broken socket fails here; the first error says more than a failing farewell would.
            copy.abort("the rows could not be sent").await.ok();
            return Err(error);
        }
    }
    faults::step("load.copying").await;
    copy.finish().await
}

pub(super) async fn rollback(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("rollback").execute(connection).await?;
    Ok(())
}
