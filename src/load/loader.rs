//! One loader connection: pieces into transactions, several at once where nothing speaks against it.

use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{PgConnection, PgPool};

use super::faults::{FaultClass, answer, classify_error};
use super::gate::{Pass, Patience};
use super::transaction::{TransactionFault, rollback, together, transact};
use super::watch::Watch;
use super::{Outcome, Piece, fence};
use crate::copy::KeepSource;
use crate::faults::{self, Defect};
use crate::feed::Feed;
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
        if faults::has(Defect::ConnectionLeaked) {
            std::mem::forget(postgres::connect_with(&self.postgres, &self.name, session_options).await?);
        }
        let pid = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut connection).await?;
        Ok(Session { connection, pid })
    }

    /// Loads chunks of one feed version: all in one transaction, which spares Postgres and the network the most of what
    /// a chunk costs beside its rows; or each in its own, where one of them meets anything out of the ordinary. Answers
    /// for each, in their order. `pass`: the leave that the feed's gate gave one of them; the gate hears by it of what the
    /// target did.
    pub async fn load_all<P: Piece>(&mut self, chunks: &[&P], pass: &Pass) -> Vec<Result<Outcome, LoadError>> {
        if chunks.len() > 1 && self.apart == 0 {
            let attempted = tokio::time::timeout(TRANSACTION_LIMIT, self.attempt_together(chunks, pass)).await;
            match attempted.unwrap_or_else(|_| Err(unanswered(chunks[0]))) {
                Ok(Some(outcomes)) => return outcomes.into_iter().map(Ok).collect(),
                Ok(None) => self.apart = APART,
                Err(error) => return vec![Err(error); chunks.len()],
            }
        }
        let mut answers = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            answers.push(self.load(*chunk, pass).await);
            self.apart = self.apart.saturating_sub(1);
        }
        answers
    }

    /// `None`: undone, they are to be loaded one by one.
    async fn attempt_together<P: Piece>(
        &mut self,
        chunks: &[&P],
        pass: &Pass,
    ) -> Result<Option<Vec<Outcome>>, LoadError> {
        let (first, began) = (chunks[0], Instant::now());
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.open_session().await.map_err(|error| self.infrastructure(first, &error))?,
        };
        let Session { connection, pid } = &mut session;
        let asked = fence::open(connection, *pid, &self.aside, chunks, &self.load, &self.name, pass.tries());
        let opened = timed(Statement::Fence, asked).await.map_err(|error| self.infrastructure(first, &error))?;
        let mut outcomes = None;
        if opened.iter().all(|opened| opened.fence == Fence::Load) {
            let keep = opened.iter().map(|opened| keep_source(opened.rejected_before, &self.load));
            let transacted = tokio::select! {
                transacted = together(connection, chunks, keep) => transacted,
                never = self.watch(*pid, first, pass).run() => match never {},
            };
            outcomes = match transacted.map_err(|fault| (classify_error(&fault.error, fault.site), fault.error)) {
                Ok(outcomes) => outcomes,
                Err((FaultClass::Infrastructure, error)) => return Err(self.infrastructure(first, &error)),
                // One by one each would wait as long.
                Err((FaultClass::Held, error)) => {
                    pass.held(began, &blame(&first.feed().feed, &error));
                    return Err(self.infrastructure(first, &error));
                }
                Err((FaultClass::Data | FaultClass::Feed, _)) => None,
            };
        }
        match outcomes {
            Some(_) => {
                pass.passed();
                LEDGER_ANSWERS.add(&[Fence::Load.as_str()], chunks.len() as u64);
            }
            None => rollback(connection).await.map_err(|error| self.infrastructure(first, &error))?,
        }
        self.session = Some(session);
        Ok(outcomes)
    }

    /// Loads one chunk in one transaction. After an error the connection is made anew by the next call.
    pub async fn load<P: Piece>(&mut self, chunk: &P, pass: &Pass) -> Result<Outcome, LoadError> {
        let attempted = tokio::time::timeout(TRANSACTION_LIMIT, self.attempt(chunk, pass)).await;
        attempted.unwrap_or_else(|_| Err(unanswered(chunk)))
    }

    async fn attempt<P: Piece>(&mut self, chunk: &P, pass: &Pass) -> Result<Outcome, LoadError> {
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
            if !faults::has(Defect::TransactionLeftOpen) {
                rollback(connection).await.map_err(|error| self.infrastructure(chunk, &error))?;
            }
            self.session = Some(session);
            return chunk.unloaded(opened.fence, &self.aside).await;
        }
        let transacted = tokio::select! {
            transacted = transact(connection, chunk, keep_source(opened.rejected_before, &self.load)) => transacted,
            never = self.watch(*pid, chunk, pass).run() => match never {},
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

    async fn faulted<P: Piece>(
        &mut self,
        mut session: Session,
        chunk: &P,
        pass: &Pass,
        began: Instant,
        fault: TransactionFault,
    ) -> Result<Outcome, LoadError> {
        let error = fault.error;
        let blame = blame(&chunk.feed().feed, &error);
        let reason = match classify_error(&error, fault.site) {
            FaultClass::Feed => {
                pass.at_fault(&blame);
                blame
            }
            FaultClass::Held => match pass.held(began, &blame) {
                Patience::Park(lasted) => format!("{blame} (it has lasted {} s)", lasted.as_secs()),
                Patience::Retry => return Err(self.infrastructure(chunk, &error)),
            },
            FaultClass::Data | FaultClass::Infrastructure => return Err(self.infrastructure(chunk, &error)),
        };
        rollback(&mut session.connection).await.map_err(|error| self.infrastructure(chunk, &error))?;
        let outcome = chunk.park(&mut session.connection, &reason).await?;
        self.session = Some(session);
        Ok(outcome)
    }

    fn watch<'l, P: Piece>(&'l self, pid: i32, chunk: &'l P, pass: &'l Pass) -> Watch<'l> {
        Watch { aside: &self.aside, pid, evict_after: self.load.evict_after, pass, feed: &chunk.feed().feed }
    }

    fn infrastructure<P: Piece>(&self, chunk: &P, error: &sqlx::Error) -> LoadError {
        LoadError { message: format!("{chunk}: {}", postgres::describe(error, &self.postgres)) }
    }
}

/// Nothing of a loader's session rests on the defaults of its role or database.
fn session_options(options: PgConnectOptions) -> PgConnectOptions {
    options.options([("statement_timeout", "0"), ("idle_in_transaction_session_timeout", "60000")])
}

fn unanswered<P: Piece>(chunk: &P) -> LoadError {
    LoadError { message: format!("{chunk}: Postgres has not answered for {} s", TRANSACTION_LIMIT.as_secs()) }
}

fn keep_source(rejected_before: u64, load: &LoadSettings) -> KeepSource {
    if rejected_before >= load.kept_rejects { KeepSource::Range } else { KeepSource::Bytes }
}

/// Why a target cannot take its feed, and what mends it.
pub(super) fn blame(feed: &Feed, error: &sqlx::Error) -> String {
    let (said, sqlstate) = answer(error).map_or(("no answer", ""), |answer| (answer.message(), answer.code()));
    blame_for(feed, said, sqlstate)
}

/// As [`blame`], for what is seen from outside.
pub(super) fn blame_for(feed: &Feed, said: &str, sqlstate: &str) -> String {
    let target = &feed.target;
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
