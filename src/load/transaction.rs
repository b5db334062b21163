//! What a loading transaction does between its fence and its end: COPY of the good, COPY of the rejects, commit.

use std::borrow::Cow;
use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, PgConnection};

use super::faults::{FaultClass, Site, classify_error};
use super::{JudgedChunk, Outcome, counted, fence, slow, sql};
use crate::copy::{KeepSource, REJECT_COLUMNS, RejectEncoder, joined};
use crate::feed::Severity;
use crate::rules::Reject;
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

/// What stands between the fences and the end of a transaction of several chunks. `None`: the target left a record out.
pub(super) async fn together(
    connection: &mut PgConnection,
    chunks: &[&JudgedChunk],
    keep: impl Iterator<Item = KeepSource>,
) -> Result<Option<Vec<Outcome>>, TransactionFault> {
    let accepted: u64 = chunks.iter().map(|chunk| chunk.verdict.accepted).sum();
    if accepted > 0 && copy_rows(connection, chunks).await.map_err(on_target)? != accepted {
        return Ok(None);
    }
    let rejects: Vec<Vec<u8>> = chunks
        .iter()
        .zip(keep)
        .filter(|(chunk, _)| !chunk.verdict.rejects.is_empty())
        .map(|(chunk, keep)| encode_rejects(chunk, &chunk.verdict.rejects, keep))
        .collect();
    if !rejects.is_empty() {
        copy_rejects(connection, &rejects.iter().map(Vec::as_slice).collect::<Vec<_>>()).await.map_err(on_fabric)?;
    }
    commit(connection).await.map_err(on_target)?;
    chunks.iter().for_each(|chunk| counted::committed(chunk, &[]));
    let loaded = |chunk: &&JudgedChunk| Outcome::Loaded {
        loaded: chunk.verdict.accepted,
        rejected: chunk.verdict.rejects.len() as u64,
    };
    Ok(Some(chunks.iter().map(loaded).collect()))
}

/// What stands between the fence and the end of the transaction of one chunk.
pub(super) async fn transact(
    connection: &mut PgConnection,
    chunk: &JudgedChunk,
    keep: KeepSource,
) -> Result<Outcome, TransactionFault> {
    let accepted = chunk.verdict.accepted;
    let mut extra = Vec::new();
    if accepted > 0 {
        match copy_rows(connection, &[chunk]).await {
            Ok(copied) if copied == accepted => {}
            // A trigger of the target left records out, or a record breaks a constraint: find which.
            Ok(_) => extra = timed(Statement::Isolate, slow::isolate(connection, chunk)).await?,
            Err(error) if classify_error(&error, Site::Target) == FaultClass::Data => {
                extra = timed(Statement::Isolate, slow::isolate(connection, chunk)).await?;
            }
            Err(error) => return Err(on_target(error)),
        }
    }
    let mut rejects = Cow::Borrowed(&chunk.verdict.rejects);
    if !extra.is_empty() {
        rejects.to_mut().extend_from_slice(&extra);
        rejects.to_mut().sort_by_key(|reject| reject.at.record);
    }
    if !rejects.is_empty() {
        copy_rejects(connection, &[&encode_rejects(chunk, &rejects, keep)]).await.map_err(on_fabric)?;
    }
    let (loaded, rejected) = (accepted - extra.len() as u64, rejects.len() as u64);
    if !extra.is_empty() {
        correct_ledger(connection, chunk, loaded, rejected, &extra).await.map_err(on_fabric)?;
    }
    // Whatever a commit reports may come from the target: its constraints are immediate, a trigger's may not be.
    commit(connection).await.map_err(on_target)?;
    counted::committed(chunk, &extra);
    Ok(Outcome::Loaded { loaded, rejected })
}

/// `chunks` are of one feed version.
async fn copy_rows(connection: &mut PgConnection, chunks: &[&JudgedChunk]) -> Result<u64, sqlx::Error> {
    let feed = &chunks[0].feed.feed;
    let statement = format!("copy {} ({}) from stdin (format binary)", sql::table(&feed.target), sql::columns(feed));
    let copies: Vec<_> = chunks.iter().map(|chunk| chunk.rows.as_slice()).collect();
    timed(Statement::CopyRows, copy(connection, &statement, &copies)).await
}

fn encode_rejects(chunk: &JudgedChunk, rejects: &[Reject], keep: KeepSource) -> Vec<u8> {
    let mut bytes = Vec::new();
    RejectEncoder::encode(chunk.job, chunk.chunk.seq, &chunk.chunk.payload, rejects, keep, &mut bytes);
    bytes
}

async fn copy_rejects(connection: &mut PgConnection, copies: &[&[u8]]) -> Result<u64, sqlx::Error> {
    let columns = sql::idents(REJECT_COLUMNS);
    let statement = format!("copy fabric.rejects ({columns}) from stdin (format binary)");
    timed(Statement::CopyRejects, copy(connection, &statement, copies)).await
}

async fn commit(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    timed(Statement::Commit, sqlx::raw_sql("commit").execute(connection)).await?;
    Ok(())
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
    copy.finish().await
}

/// The ledger row was written with what the rules said; now it says what the target took.
async fn correct_ledger(
    connection: &mut PgConnection,
    chunk: &JudgedChunk,
    loaded: u64,
    rejected: u64,
    extra: &[Reject],
) -> Result<(), sqlx::Error> {
    let mut counts: BTreeMap<&str, u64> = fence::by_rule(chunk, Severity::Error);
    for breach in extra.iter().flat_map(|reject| &reject.breaches) {
        *counts.entry(&breach.rule).or_default() += 1;
    }
    let statement = format!(
        "update fabric.chunk_ledger set loaded = {loaded}, rejected = {rejected}, rejects_by_rule = {}
          where job_id = {} and seq = {}",
        fence::counts_literal(&counts),
        chunk.job,
        chunk.chunk.seq
    );
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await?;
    Ok(())
}

pub(super) async fn rollback(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("rollback").execute(connection).await?;
    Ok(())
}
