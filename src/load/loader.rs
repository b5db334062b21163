//! One loader connection: chunks into transactions, several at once where nothing speaks against it.

use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{PgConnection, PgPool};

use super::encode::KeepSource;
use super::faults::{FaultClass, answer, classify_error};
use super::gate::{Pass, Patience, Tries};
use super::transaction::{TransactionFault, rollback, together, transact};
use super::watch::Watch;
use super::{JudgedChunk, Outcome, fence};
use crate::chunk::JobId;
use crate::jobs::{self, ChangeError};
use crate::ledger::Fence;
use crate::postgres;
use crate::settings::{LoadSettings, PostgresSettings};
use crate::telemetry::catalog::LEDGER_ANSWERS;
use crate::telemetry::{Statement, timed};

/// A transaction that has had no end by then is given up with its connection: the server or the network is frozen.
/// Locks are waited for much less long ([`LoadSettings::lock_timeout`]).
const TRANSACTION_LIMIT: Duration = Duration::from_secs(120);

/// After chunks that could not be loaded together, this many go one by one: where one record breaks a constraint of its
/// target, others are near, and each costs what was loaded with it a second COPY.
const APART: usize = 32;

/// Owns one connection and has one transaction at a time on it.
pub struct Loader {
    postgres: PostgresSettings,
    load: LoadSettings,
    name: String,
    /// `None` after a fault: what it was doing is unknown, so the next call makes a new one.
    session: Option<Session>,
    /// For what must be done while, or after, the session's own transaction cannot.
    aside: PgPool,
    /// Chunks that are still loaded one by one, since some that were loaded together had to be undone.
    apart: usize,
}

struct Session {
    connection: PgConnection,
    pid: i32,
}

/// The whole chunk must be tried again: nothing of it was committed, or what was is found by the fence.
#[derive(Debug, Clone, thiserror::Error)]
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
            apart: 0,
        };
        loader.session = Some(loader.open_session().await.map_err(failed)?);
        Ok(loader)
    }

    async fn open_session(&self) -> Result<Session, sqlx::Error> {
        let mut connection = postgres::connect_with(&self.postgres, &self.name, session_options).await?;
        let pid = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut connection).await?;
        Ok(Session { connection, pid })
    }

    /// Loads chunks of one feed version in one transaction, which spares Postgres and the network the most of what a
    /// chunk costs beside its rows. An outcome for each, in their order; `None`: nothing was committed, since one of them
    /// met anything out of the ordinary, and they are to be loaded one by one.
    pub async fn load_together(&mut self, chunks: &[(&JudgedChunk, &Pass)]) -> Result<Option<Vec<Outcome>>, LoadError> {
        let mut sound = chunks.iter().all(|(_, pass)| pass.tries() == Tries::Sound);
        sound &= chunks.len() > 1 && self.apart == 0;
        let (Some(first), true) = (chunks.first(), sound) else { return Ok(None) };
        let attempted = tokio::time::timeout(TRANSACTION_LIMIT, self.attempt_together(chunks)).await;
        let outcomes = attempted.unwrap_or_else(|_| Err(unanswered(first.0)))?;
        match &outcomes {
            Some(_) => chunks.iter().for_each(|(_, pass)| pass.passed()),
            None => self.apart = APART,
        }
        Ok(outcomes)
    }

    async fn attempt_together(&mut self, passed: &[(&JudgedChunk, &Pass)]) -> Result<Option<Vec<Outcome>>, LoadError> {
        let (first, pass) = passed[0];
        let chunks: Vec<&JudgedChunk> = passed.iter().map(|(chunk, _)| *chunk).collect();
        let failed =
            |error| LoadError { message: format!("{}: {}", first.id(), postgres::describe(&error, &self.postgres)) };
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.open_session().await.map_err(failed)?,
        };
        let Session { connection, pid } = &mut session;
        let asked = fence::open(connection, *pid, &self.aside, &chunks, &self.load, &self.name, Tries::Sound);
        let opened = timed(Statement::Fence, asked).await.map_err(failed)?;
        let mut outcomes = None;
        if opened.iter().all(|opened| opened.fence == Fence::Load) {
            let keep = opened.iter().map(|opened| keep_source(opened.rejected_before, &self.load));
            let watch = Watch { aside: &self.aside, pid: *pid, evict_after: self.load.evict_after, pass, chunk: first };
            let transacted = tokio::select! {
                transacted = together(connection, &chunks, keep) => transacted,
                never = watch.run() => match never {},
            };
            outcomes = match transacted {
                Ok(outcomes) => outcomes,
                Err(fault) if classify_error(&fault.error, fault.site) == FaultClass::Infrastructure => {
                    return Err(failed(fault.error));
                }
                Err(_) => None,
            };
        }
        if outcomes.is_some() {
            LEDGER_ANSWERS.add(&[Fence::Load.as_str()], chunks.len() as u64);
        } else {
            rollback(connection).await.map_err(failed)?;
        }
        self.session = Some(session);
        Ok(outcomes)
    }

    /// Loads one chunk in one transaction. After an error the connection is made anew by the next call.
    /// `pass`: the leave that the feed's gate gave; it hears of what the target did.
    pub async fn load(&mut self, chunk: &JudgedChunk, pass: &Pass) -> Result<Outcome, LoadError> {
        self.apart = self.apart.saturating_sub(1);
        let attempted = tokio::time::timeout(TRANSACTION_LIMIT, self.attempt(chunk, pass)).await;
        attempted.unwrap_or_else(|_| Err(unanswered(chunk)))
    }

    async fn attempt(&mut self, chunk: &JudgedChunk, pass: &Pass) -> Result<Outcome, LoadError> {
        let began = Instant::now();
        // Taken, and put back when it is known to be at rest: whoever drops this future drops the connection.
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.open_session().await.map_err(|error| self.infrastructure(chunk, &error))?,
        };
        let Session { connection, pid } = &mut session;
        let one = [chunk];
        let asked = fence::open(connection, *pid, &self.aside, &one, &self.load, &self.name, pass.tries());
        let opened =
            timed(Statement::Fence, asked).await.map_err(|error| self.infrastructure(chunk, &error))?.remove(0);
        LEDGER_ANSWERS.add(&[opened.fence.as_str()], 1);
        if opened.fence != Fence::Load {
            rollback(connection).await.map_err(|error| self.infrastructure(chunk, &error))?;
            self.session = Some(session);
            return self.unloaded(chunk, opened.fence).await;
        }
        let keep = keep_source(opened.rejected_before, &self.load);
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

fn unanswered(chunk: &JudgedChunk) -> LoadError {
    LoadError { message: format!("{}: Postgres has not answered for {} s", chunk.id(), TRANSACTION_LIMIT.as_secs()) }
}

fn keep_source(rejected_before: u64, load: &LoadSettings) -> KeepSource {
    if rejected_before >= load.kept_rejects { KeepSource::Range } else { KeepSource::Bytes }
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
