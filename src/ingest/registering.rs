//! Finds out who a file is, and registers its job or goes on with the one that it has.

use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use super::{Ingest, IngestError, Input, Repeat, Request, publisher_name};
use crate::chunk::{JobId, Limits};
use crate::jobs::{self, Claim, CutBy, NewJob, OpenJob, RegisterError, Registration, SourceIdentity};
use crate::ledger::JobState;
use crate::postgres;
use crate::retry::patiently;
use crate::source;

/// What registering came to.
pub enum Registered {
    Open(OpenJob),
    Duplicate { of: JobId, state: JobState },
}

/// Between two looks at a lease that another process holds.
const LEASE_LOOK: Duration = Duration::from_millis(500);

impl Ingest {
    pub(super) async fn register(&self, request: &Request) -> Result<Registered, IngestError> {
        let mut new = NewJob {
            feed: request.feed.clone(),
            lane: request.lane,
            source: identify(&request.input).await?,
            limits: Limits {
                chunk_bytes: self.settings.ingest.chunk_bytes,
                record_bytes: self.settings.ingest.record_bytes,
            },
            again: request.repeat == Repeat::Load,
            publisher: self.publisher.clone(),
            lease: self.settings.ingest.lease,
            cut_by: CutBy::Fabric,
        };
        let mut waits = LeaseWaits::new(self.settings.ingest.lease);
        loop {
            match self.register_once(&new).await? {
                Registration::New(open) => {
                    tracing::info!(job = open.job.0, feed = request.feed, file = new.source.file, "registered");
                    return Ok(Registered::Open(open));
                }
                Registration::Continue(open) => {
                    (self.tell)(&format!("Going on with job {}, which an earlier run began.", open.job));
                    return Ok(Registered::Open(open));
                }
                Registration::HashNeeded { .. } => new.source.content = hash(&request.input).await?,
                Registration::Duplicate { of, state } => return Ok(Registered::Duplicate { of, state }),
                Registration::Leased { job, publisher, remaining } => {
                    if let Some(open) = self.after_lease(job, &publisher, remaining, &mut waits).await? {
                        return Ok(Registered::Open(open));
                    }
                }
            }
        }
    }

    /// Where the bytes of a job that is resumed are: `from`, else where they lay. They must look like those that it
    /// was registered with.
    pub(super) async fn source_of(&self, job: JobId, from: Option<Input>) -> Result<Input, IngestError> {
        let known = self.patient_postgres(|| jobs::source_of(&self.pool, job)).await?;
        let (known, cut_by) = known.ok_or(RegisterError::NoJob(job))?;
        if cut_by == CutBy::Publisher {
            return Err(RegisterError::CutByPublisher { job }.into());
        }
        let input = from.or(known.path.clone().map(Input::Path)).ok_or(IngestError::NoPath { job })?;
        let found = identify(&input).await.map_err(|error| match error {
            IngestError::Source(error) if error.is_unreachable() => IngestError::SourceGone { job, path: input.path() },
            error => error,
        })?;
        let differs = |a: Option<[u8; 32]>, b: Option<[u8; 32]>| a.zip(b).is_some_and(|(a, b)| a != b);
        let resized = found.bytes.zip(known.bytes).is_some_and(|(a, b)| a != b);
        if resized || differs(found.head, known.head) || differs(found.tail, known.tail) {
            return Err(IngestError::OtherSource { job, path: input.path() });
        }
        Ok(input)
    }

    /// `--resume JOB`.
    pub(super) async fn reopen(&self, job: JobId) -> Result<OpenJob, IngestError> {
        let mut waits = LeaseWaits::new(self.settings.ingest.lease);
        loop {
            match jobs::reopen(&self.pool, job, &self.claim()).await? {
                Registration::New(open) | Registration::Continue(open) => return Ok(open),
                Registration::Leased { publisher, remaining, .. } => {
                    if let Some(open) = self.after_lease(job, &publisher, remaining, &mut waits).await? {
                        return Ok(open);
                    }
                }
                Registration::Duplicate { state, .. } => {
                    return Err(RegisterError::NotResumable { job, state }.into());
                }
                Registration::HashNeeded { .. } => return Err(RegisterError::NoJob(job).into()),
            }
        }
    }

    fn claim(&self) -> Claim<'_> {
        Claim { publisher: &self.publisher, lease: self.settings.ingest.lease, cut_by: CutBy::Fabric }
    }

    async fn register_once(&self, new: &NewJob) -> Result<Registration, IngestError> {
        let settings = &self.settings;
        let attempt = || jobs::register(&self.pool, new, &settings.load);
        let is_passing = |error: &RegisterError| error.postgres().is_some_and(postgres::is_passing);
        let registered = patiently(settings.ingest.patience, &self.shutdown, attempt, is_passing, |error, left| {
            if let Some(error) = error.postgres() {
                self.tell_waiting(&postgres::describe(error, &settings.postgres), left);
            }
        });
        registered.await.map_err(|error| match error.postgres() {
            Some(error) => IngestError::Postgres(postgres::describe(error, &settings.postgres)),
            None => error.into(),
        })
    }

    /// Another process holds the job. One of this host that is gone gives it up at once; else its lease must run out.
    async fn after_lease(
        &self,
        job: JobId,
        publisher: &str,
        remaining: Duration,
        waits: &mut LeaseWaits,
    ) -> Result<Option<OpenJob>, IngestError> {
        if publisher_name::is_gone(publisher) {
            let taken = jobs::take_lease(&self.pool, job, publisher, &self.claim()).await?;
            if let Registration::New(open) | Registration::Continue(open) = taken {
                (self.tell)(&format!("Going on with job {job}, which a run that has ended began."));
                return Ok(Some(open));
            }
        }
        if !waits.may_go_on() {
            return Err(IngestError::Leased { job, publisher: publisher.to_owned() });
        }
        if waits.first() {
            (self.tell)(&format!(
                "Job {job} of this file is being published by {publisher}. Waiting {} s to see whether it still is.",
                remaining.as_secs() + 1
            ));
        }
        tokio::time::sleep(LEASE_LOOK).await;
        Ok(None)
    }
}

/// Waits for one lease's length, so that a dead publisher's runs out and a live one's is seen to be renewed.
struct LeaseWaits {
    since: Option<Instant>,
    told: bool,
    at_most: Duration,
}

impl LeaseWaits {
    fn new(lease: Duration) -> Self {
        Self { since: None, told: false, at_most: lease + 4 * LEASE_LOOK }
    }

    fn may_go_on(&mut self) -> bool {
        self.since.get_or_insert_with(Instant::now).elapsed() < self.at_most
    }

    fn first(&mut self) -> bool {
        !std::mem::replace(&mut self.told, true)
    }
}

async fn identify(input: &Input) -> Result<SourceIdentity, IngestError> {
    let Input::Path(path) = input else {
        return Ok(SourceIdentity { file: "-".to_owned(), ..SourceIdentity::default() });
    };
    let path = path.clone();
    tokio::task::spawn_blocking(move || identify_path(&path)).await.map_err(IngestError::Panicked)?
}

fn identify_path(path: &Path) -> Result<SourceIdentity, IngestError> {
    let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let absolute = std::path::absolute(path).ok();
    // A named pipe has no identity before it has been read.
    if !path.is_file() && path.exists() && !path.is_dir() {
        return Ok(SourceIdentity { file, path: absolute, ..SourceIdentity::default() });
    }
    let print = source::fingerprint(path)?;
    Ok(SourceIdentity {
        file,
        path: absolute,
        bytes: Some(print.bytes),
        head: Some(print.head),
        tail: Some(print.tail),
        content: None,
    })
}

async fn hash(input: &Input) -> Result<Option<[u8; 32]>, IngestError> {
    let Input::Path(path) = input else { return Ok(None) };
    let path = path.clone();
    let hash =
        tokio::task::spawn_blocking(move || source::hash_whole(&path)).await.map_err(IngestError::Panicked)??;
    Ok(Some(hash))
}
