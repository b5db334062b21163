//! One loader connection.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, PgConnection, PgPool};

use super::encode::{KeepSource, REJECT_COLUMNS, RejectEncoder};
use super::faults::{FaultClass, Site, answer, classify_error};
use super::gate::{Pass, Patience};
use super::watch::Watch;
use super::{JudgedChunk, Outcome, fence, slow, sql};
use crate::chunk::JobId;
use crate::feed::Severity;
use crate::jobs::{self, ChangeError};
use crate::ledger::Fence;
use crate::postgres;
use crate::rules::Reject;
use crate::settings::{LoadSettings, PostgresSettings};

/// A transaction that has had no end by then is given up with its connection: the server or the network is frozen.
/// Locks are waited for much less long ([`LoadSettings::lock_timeout`]).
const TRANSACTION_LIMIT: Duration = Duration::from_secs(120);

/// Owns one connection and loads one chunk at a time on it.
pub struct Loader {
    postgres: PostgresSettings,
    load: LoadSettings,
    name: String,
    /// `None` after a fault: what it was doing is unknown, so the next call makes a new one.
    session: Option<Session>,
    /// For what must be done while, or after, the session's own transaction cannot.
    aside: PgPool,
}

struct Session {
    connection: PgConnection,
    pid: i32,
}

/// The whole chunk must be tried again: nothing of it was committed, or what was is found by the fence.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct LoadError {
    pub message: String,
}

impl Loader {
    /// `name` shows as application_name: `fabric loader HOST/PID/N`.
    pub async fn connect(postgres: &PostgresSettings, load: &LoadSettings, name: &str) -> Result<Self, LoadError> {
        let failed = |error| LoadError { message: postgres::describe(&error, postgres) };
        let aside = PostgresSettings { pool: 1, ..postgres.clone() };
        let mut loader = Self {
            postgres: postgres.clone(),
            load: load.clone(),
            name: name.to_owned(),
            session: None,
            aside: postgres::pool(&aside, "fabric aside").map_err(failed)?,
        };
        loader.session = Some(loader.open_session().await.map_err(failed)?);
        Ok(loader)
    }

    async fn open_session(&self) -> Result<Session, sqlx::Error> {
        let mut connection = postgres::connect_with(&self.postgres, &self.name, session_options).await?;
        let pid = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut connection).await?;
        Ok(Session { connection, pid })
    }

    /// Loads one chunk in one transaction. After an error the connection is made anew by the next call.
    /// `pass`: the leave that the feed's gate gave; it hears of what the target did.
    pub async fn load(&mut self, chunk: &JudgedChunk, pass: &Pass) -> Result<Outcome, LoadError> {
        match tokio::time::timeout(TRANSACTION_LIMIT, self.attempt(chunk, pass)).await {
            Ok(attempted) => attempted,
            Err(_) => Err(LoadError {
                message: format!("{}: Postgres has not answered for {} s", chunk.id(), TRANSACTION_LIMIT.as_secs()),
            }),
        }
    }

    async fn attempt(&mut self, chunk: &JudgedChunk, pass: &Pass) -> Result<Outcome, LoadError> {
        let began = Instant::now();
        // Taken, and put back when it is known to be at rest: whoever drops this future drops the connection.
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.open_session().await.map_err(|error| self.infrastructure(chunk, &error))?,
        };
        let Session { connection, pid } = &mut session;
        let opened = fence::open(connection, *pid, &self.aside, chunk, &self.load, &self.name, pass.tries())
            .await
            .map_err(|error| self.infrastructure(chunk, &error))?;
        if opened.fence != Fence::Load {
            rollback(connection).await.map_err(|error| self.infrastructure(chunk, &error))?;
            self.session = Some(session);
            return self.unloaded(chunk, opened.fence).await;
        }
        let past_limit = opened.rejected_before >= self.load.kept_rejects;
        let keep = if past_limit { KeepSource::Range } else { KeepSource::Bytes };
        let watch = Watch { aside: &self.aside, pid: *pid, evict_after: self.load.evict_after, pass, chunk };
        let transacted = tokio::select! {
            transacted = transact(connection, chunk, keep) => transacted,
            never = watch.run() => match never {},
        };
        match transacted {
            Ok(outcome) => {
                pass.passed();
                self.session = Some(session);
                Ok(outcome)
            }
            Err(error) => self.faulted(session, chunk, pass, began, error).await,
        }
    }

    /// What the fence did not let in.
    async fn unloaded(&self, chunk: &JudgedChunk, fence: Fence) -> Result<Outcome, LoadError> {
        Ok(match fence {
            Fence::Load | Fence::Already => Outcome::Already,
            Fence::Stopped => Outcome::Stopped,
            Fence::Unknown => Outcome::Unknown,
            Fence::Conflict => {
                let reason = format!(
                    "chunk {} came a second time with other bytes: partition {} offset {} of {}",
                    chunk.chunk.seq, chunk.delivery.partition, chunk.delivery.offset, chunk.delivery.topic
                );
                match jobs::fail(&self.aside, chunk.job, &reason).await {
                    // A job that has ended keeps its end: what it loaded is whole without this message.
                    Ok(()) | Err(ChangeError::NotAllowed { .. }) => Outcome::Conflict,
                    Err(ChangeError::NoJob(_)) => Outcome::Unknown,
                    Err(ChangeError::Postgres(error)) => return Err(self.infrastructure(chunk, &error)),
                    Err(error) => return Err(LoadError { message: format!("{}: {error}", chunk.id()) }),
                }
            }
        })
    }

    async fn faulted(
        &mut self,
        mut session: Session,
        chunk: &JudgedChunk,
        pass: &Pass,
        began: Instant,
        fault: TransactionFault,
    ) -> Result<Outcome, LoadError> {
        let error = fault.error;
        let reason = match (classify_error(&error, fault.site), answer(&error)) {
            (FaultClass::Feed, Some(answer)) => {
                let blame = blame(chunk, answer.message(), answer.code());
                pass.at_fault(&blame);
                blame
            }
            (FaultClass::Held, Some(answer)) => {
                let blame = blame(chunk, answer.message(), answer.code());
                match pass.held(began, &blame) {
                    Patience::Park(lasted) => format!("{blame} (it has lasted {} s)", lasted.as_secs()),
                    Patience::Retry => return Err(self.infrastructure(chunk, &error)),
                }
            }
            _ => return Err(self.infrastructure(chunk, &error)),
        };
        let reason = with_advice(&reason, chunk.job);
        rollback(&mut session.connection).await.map_err(|error| self.infrastructure(chunk, &error))?;
        jobs::park(&mut session.connection, chunk.id(), &chunk.delivery, &reason)
            .await
            .map_err(|error| LoadError { message: format!("{}: could not be parked: {error}", chunk.id()) })?;
        self.session = Some(session);
        Ok(Outcome::Parked { reason })
    }

    fn infrastructure(&self, chunk: &JudgedChunk, error: &sqlx::Error) -> LoadError {
        LoadError { message: format!("{}: {}", chunk.id(), postgres::describe(error, &self.postgres)) }
    }
}

/// Nothing of a loader's session rests on the defaults of its role or database.
fn session_options(options: PgConnectOptions) -> PgConnectOptions {
    options.options([("statement_timeout", "0"), ("idle_in_transaction_session_timeout", "60000")])
}

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

/// What stands between the fence and the end of the transaction.
async fn transact(
    connection: &mut PgConnection,
    chunk: &JudgedChunk,
    keep: KeepSource,
) -> Result<Outcome, TransactionFault> {
    let accepted = chunk.verdict.accepted;
    let mut extra = Vec::new();
    if accepted > 0 {
        match copy_rows(connection, chunk).await {
            Ok(copied) if copied == accepted => {}
            // A trigger of the target left records out, or a record breaks a constraint: find which.
            Ok(_) => extra = slow::isolate(connection, chunk).await?,
            Err(error) if classify_error(&error, Site::Target) == FaultClass::Data => {
                extra = slow::isolate(connection, chunk).await?;
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
        copy_rejects(connection, chunk, &rejects, keep).await.map_err(on_fabric)?;
    }
    let (loaded, rejected) = (accepted - extra.len() as u64, rejects.len() as u64);
    if !extra.is_empty() {
        correct_ledger(connection, chunk, loaded, rejected, &extra).await.map_err(on_fabric)?;
    }
    // Whatever a commit reports may come from the target: its constraints are immediate, a trigger's may not be.
    sqlx::raw_sql("commit").execute(connection).await.map_err(on_target)?;
    Ok(Outcome::Loaded { loaded, rejected })
}

async fn copy_rows(connection: &mut PgConnection, chunk: &JudgedChunk) -> Result<u64, sqlx::Error> {
    let feed = &chunk.feed.feed;
    let statement = format!("copy {} ({}) from stdin (format binary)", sql::table(&feed.target), sql::columns(feed));
    copy(connection, &statement, &chunk.rows).await
}

async fn copy_rejects(
    connection: &mut PgConnection,
    chunk: &JudgedChunk,
    rejects: &[Reject],
    keep: KeepSource,
) -> Result<u64, sqlx::Error> {
    let mut bytes = Vec::new();
    RejectEncoder::encode(chunk.job, chunk.chunk.seq, &chunk.chunk.payload, rejects, keep, &mut bytes);
    let columns = sql::idents(REJECT_COLUMNS);
    copy(connection, &format!("copy fabric.rejects ({columns}) from stdin (format binary)"), &bytes).await
}

/// One COPY from memory. Answers how many rows it stored.
pub(super) async fn copy(connection: &mut PgConnection, statement: &str, bytes: &[u8]) -> Result<u64, sqlx::Error> {
    let mut copy = connection.copy_in_raw(statement).await?;
    if let Err(error) = copy.send(bytes).await {
        // Only a broken socket fails here; the first error says more than a failing farewell would.
        copy.abort("the rows could not be sent").await.ok();
        return Err(error);
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

async fn rollback(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("rollback").execute(connection).await?;
    Ok(())
}

/// Why a target cannot take its feed, and what mends it.
pub(super) fn blame(chunk: &JudgedChunk, said: &str, sqlstate: &str) -> String {
    let target = &chunk.feed.feed.target;
    let mend = match sqlstate {
        "42P01" | "42703" | "3F000" | "22P03" | "22P04" => {
            "put it back as the feed has it (`fabric feeds apply` checks it)"
        }
        "42501" => "grant the right to insert",
        "55P03" => "end what holds a lock on it",
        "53100" => "make room on the server's disk",
        _ => "mend it",
    };
    format!("target {}.{} cannot take records: {said} (SQLSTATE {sqlstate}): {mend}", target.schema, target.table)
}

/// What comes after the target is mended.
pub(super) fn with_advice(reason: &str, job: JobId) -> String {
    format!("{reason}; then the job goes on by itself, at once by `fabric jobs resume {job}`")
}
