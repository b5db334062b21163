//! One file from its path to its report.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fabric::chunk::JobId;
use fabric::ingest::{Ingest, IngestError, Ingested, Input, Progress};
use fabric::jobs::{self, Publishing};
use fabric::ledger::JobState;
use fabric::processes::Tally;
use fabric::report::{Report, figures};
use fabric::shutdown;

use super::Work;
use super::progress::{Bar, Display};
use crate::exit::{Exit, Refused};
use crate::globals::print;
use crate::server::Server;

/// How far a file is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    Published,
    Ended,
}

/// What one file came to.
pub struct Loaded {
    /// `None` where no job came of it.
    pub report: Option<Report>,
    pub exit: Exit,
}

/// Between two looks at a job that is waited for.
const LOOK: Duration = Duration::from_millis(100);
/// A job whose chunks are in Kafka, and of which nothing was loaded for so long, is told of.
const STILL: Duration = Duration::from_secs(10);

/// What every file of a command is published with.
pub struct Desk<'d> {
    pub ingest: &'d Ingest,
    pub server: &'d Server,
    pub display: &'d Arc<Display>,
    pub tally: Arc<Tally>,
}

/// How far a file is once its publishing has ended.
pub enum Step {
    Done(Box<Loaded>),
    /// Its job is to be waited for.
    Wait(Wait),
}

pub struct Wait {
    name: String,
    job: JobId,
    records: u64,
    began: Instant,
}

/// Publishes one file.
pub async fn publish(desk: &Desk<'_>, work: Work, until: Until) -> Step {
    let Desk { ingest, server, display, tally } = desk;
    let (name, bytes) = match &work {
        Work::File(request) => (name_of(&request.input), size_of(&request.input)),
        Work::Resume(job, from) => (format!("job {job}"), from.as_ref().and_then(size_of)),
    };
    let began = Instant::now();
    let progress = Arc::new(Progress { tally: tally.clone(), ..Progress::default() });
    let bar = display.bar(&name, bytes, began);
    let following = bar.follow(progress.clone());
    let ingested = match work {
        Work::File(request) => ingest.file(&request, &progress).await,
        Work::Resume(job, from) => ingest.resume(job, from, &progress).await,
    };
    drop(following);
    let ended = match ingested {
        Ok(Ingested::Published { job, totals, unknown_columns }) => {
            if !unknown_columns.is_empty() {
                bar.say(&format!("columns that the feed does not know are not loaded: {}", unknown_columns.join(", ")));
            }
            if until == Until::Ended {
                return Step::Wait(Wait { name, job, records: totals.records, began });
            }
            bar.say(&format!(
                "published as job {job}: {} in {}; fabric jobs wait {job}",
                figures::counted(totals.records, "record", "records"),
                figures::counted(totals.chunks.into(), "chunk", "chunks"),
            ));
            reported(server, job, Exit::Done).await
        }
        Ok(ended) => tell_of_end(server, &bar, ended).await,
        Err(error) => Err(error.into()),
    };
    Step::Done(Box::new(or_failed(server, display, &name, ended).await))
}

/// Waits for the job of a file that is published, if there is one to wait for.
pub async fn follow(server: &Server, display: &Display, step: Step) -> Loaded {
    let waiting = match step {
        Step::Done(loaded) => return *loaded,
        Step::Wait(waiting) => waiting,
    };
    let bar = display.bar(&waiting.name, None, waiting.began);
    let ended = match wait(server, &bar, waiting.job, waiting.records).await {
        Ok(state) => reported(server, waiting.job, Exit::of_job(state)).await,
        Err(error) => Err(error),
    };
    or_failed(server, display, &waiting.name, ended).await
}

async fn or_failed(server: &Server, display: &Display, name: &str, loaded: anyhow::Result<Loaded>) -> Loaded {
    match loaded {
        Ok(loaded) => loaded,
        Err(error) => {
            let error = crate::server::describe(error, &server.settings);
            display.say(&format!("{name}: {error:#}"));
            let exit = error.downcast_ref::<IngestError>().map_or(Exit::SystemFailed, exit_of_error);
            Loaded { report: failed_report(server, &error).await, exit }
        }
    }
}

async fn reported(server: &Server, job: JobId, exit: Exit) -> anyhow::Result<Loaded> {
    Ok(Loaded { report: jobs::report(&server.pool, job).await?, exit })
}

/// What has come of a file whose job is not loading.
async fn tell_of_end(server: &Server, bar: &Bar, ended: Ingested) -> anyhow::Result<Loaded> {
    match ended {
        Ingested::Published { job, .. } => reported(server, job, Exit::Done).await,
        Ingested::Duplicate { of, state } => {
            bar.say(&format!(
                "not loaded: job {of} has the same content and is {state}. --again loads it all the same; \
                 fabric jobs show {of}"
            ));
            reported(server, of, Exit::Data).await
        }
        Ingested::LateDuplicate { job, of } => {
            bar.say(&format!("the pipe held what job {of} loaded; rows of this one have _job_id {job}"));
            reported(server, job, Exit::Data).await
        }
        Ingested::Ended { job, state } => {
            bar.say(&format!("job {job} is {state}: its publishing was ended"));
            let state = jobs::wait(&server.pool, job, Some(Duration::from_secs(30))).await.map_or(state, |(s, _)| s);
            reported(server, job, Exit::of_job(state)).await
        }
    }
}

/// Follows the job to its end; a Postgres that goes away meanwhile is waited for.
async fn wait(server: &Server, bar: &Bar, job: JobId, records: u64) -> anyhow::Result<JobState> {
    bar.loading(records);
    let mut silent_since = None;
    let mut progress = Stillness::new();
    loop {
        match jobs::progress(&server.pool, job).await {
            Ok(Some((state, _))) if state.exit_code().is_some() => return Ok(state),
            Ok(Some((_, done))) => {
                silent_since = None;
                bar.loaded(done);
                if progress.is_news(done) {
                    bar.say(&format!(
                        "nothing of job {job} was loaded for {} s. Does a validator run? `fabric validate` starts one. \
                         Waiting on; Ctrl-C loses nothing",
                        STILL.as_secs()
                    ));
                }
            }
            Ok(None) => return Err(Refused(format!("job {job} is gone")).into()),
            Err(error) => {
                let since = *silent_since.get_or_insert_with(Instant::now);
                if !fabric::postgres::is_passing(&error) || since.elapsed() > server.settings.ingest.patience {
                    return Err(error.into());
                }
            }
        }
        // Once every record is accounted for only the job's end is missing, which takes an instant.
        tokio::time::sleep(if progress.done >= records { LOOK / 8 } else { LOOK }).await;
    }
}

/// Notices when a job stands still.
struct Stillness {
    done: u64,
    since: Instant,
    told: bool,
}

impl Stillness {
    fn new() -> Self {
        Self { done: 0, since: Instant::now(), told: false }
    }

    /// Whether it has stood still for so long that someone should hear of it, which they do once.
    fn is_news(&mut self, done: u64) -> bool {
        if done != self.done {
            *self = Self { done, since: Instant::now(), told: false };
        }
        self.since.elapsed() >= STILL && !std::mem::replace(&mut self.told, true)
    }
}

/// A job that failed for its data has a report too.
async fn failed_report(server: &Server, error: &anyhow::Error) -> Option<Report> {
    match error.downcast_ref::<IngestError>() {
        Some(IngestError::JobFailed { job, .. }) => jobs::report(&server.pool, *job).await.ok().flatten(),
        _ => None,
    }
}

fn exit_of_error(error: &IngestError) -> Exit {
    use fabric::config::ConfigError;
    use fabric::jobs::{ChangeError, RegisterError};
    match error {
        error if error.is_the_datas_doing() => Exit::Data,
        IngestError::Source(error) if error.is_unreachable() => Exit::Usage,
        IngestError::Register(RegisterError::Reference(error)) if error.is_usage() => Exit::Usage,
        IngestError::Register(
            RegisterError::NoJob(_)
            | RegisterError::NotResumable { .. }
            | RegisterError::CutByPublisher { .. }
            | RegisterError::Config(
                ConfigError::NoFeed { .. } | ConfigError::Retired { .. } | ConfigError::NoFiles { .. },
            ),
        )
        | IngestError::NoPath { .. }
        | IngestError::SourceGone { .. }
        | IngestError::OtherSource { .. }
        | IngestError::Change(ChangeError::NoJob(_) | ChangeError::NotAllowed { .. }) => Exit::Usage,
        _ => Exit::SystemFailed,
    }
}

/// As stored; `None` for a pipe.
fn size_of(input: &Input) -> Option<u64> {
    match input {
        Input::Path(path) => std::fs::metadata(path).ok().map(|metadata| metadata.len()),
        Input::Stdin => None,
    }
}

fn name_of(input: &Input) -> String {
    match input {
        Input::Path(path) => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
        Input::Stdin => "standard input".to_owned(),
    }
}

/// See [`super::resume`].
pub async fn resume(server: &Server, job: JobId, from: Option<Input>) -> anyhow::Result<Exit> {
    let (_trigger, shutdown) = shutdown::channel();
    let tell = Box::new(|words: &str| eprintln!("{words}"));
    let ingest = Ingest::new(server.settings.clone(), server.pool.clone(), tell, shutdown);
    match bring_back(server, &ingest, job, from).await {
        Ok(()) => Ok(Exit::Done),
        Err(error) => {
            let error = crate::server::describe(error, &server.settings);
            let exit = error.downcast_ref::<IngestError>().map(exit_of_error);
            let Some(exit) = exit else { return Err(error) };
            eprintln!("{error:#}");
            Ok(exit)
        }
    }
}

async fn bring_back(server: &Server, ingest: &Ingest, job: JobId, from: Option<Input>) -> anyhow::Result<()> {
    let state = jobs::state_of(&server.pool, job).await?;
    // A job that is loading owes chunks where an earlier resume was cut short.
    if state.is_some_and(|(state, _)| matches!(state, JobState::Parked | JobState::Loading)) {
        let redriven = ingest.redrive(job).await?;
        let copied = figures::counted(redriven.copied.len() as u64, "chunk", "chunks");
        print(&format!("job {job}  resumed; {copied} that it owed went to the end of the lane\n"))?;
        let gone = figures::counted(redriven.gone.len() as u64, "chunk", "chunks");
        match (redriven.publishing, redriven.gone.is_empty()) {
            (Publishing::Done | Publishing::AtWork, true) => return Ok(()),
            (Publishing::AtWork, false) => {
                eprintln!("{gone} that it owes are in no lane any more. Once it is published whole, resume it again");
                return Ok(());
            }
            (Publishing::CutShort, true) => eprintln!("its publisher is gone: the file is read again"),
            (Publishing::Done | Publishing::CutShort, false) => {
                eprintln!("{gone} that it owes are in no lane any more: the file is read again");
            }
        }
    }
    let progress = Arc::new(Progress::default());
    ingest.resume(job, from, &progress).await?;
    let read = figures::count(progress.records.load(Ordering::Relaxed));
    print(&format!("job {job}  resumed; {read} records read again; fabric jobs wait {job}\n"))
}
