//! Turns files into chunk messages on a lane: register the job, cut, publish, close.
//!
//! One pass over the bytes on a thread of its own ([`cutting`]); Kafka's acknowledgements come back through the
//! [`publication`], which also bounds what is in flight and what no validator has loaded yet; a task keeps the job's
//! lease ([`keeper`]). Killed at any instruction, the same command goes on with the same job: the chunks are the same
//! bytes, and the ledger absorbs those that are published twice.

mod cutting;
mod error;
mod keeper;
mod producer;
mod publication;
mod publisher_name;
mod redrive;
mod registering;
mod vanished;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::error::KafkaError;
use sqlx::PgPool;

pub use cutting::Progress;
pub use error::IngestError;
pub use producer::COPY_HEADER;
pub use publication::Halt;
pub(crate) use publisher_name::own as own_name;
pub use redrive::{Copied, Redriven, copy_owed};

use crate::chunk::{CutTotals, JobId, Lane};
use crate::jobs::{self, CloseFigures, Closed, FileFigures, JobClosed, JobOpened, OpenJob, Recorder, RegisterError};
use crate::ledger::JobState;
use crate::retry::patiently;
use crate::settings::Settings;
use crate::shutdown::Shutdown;
use crate::source::{Source, SourceError};
use crate::telemetry::{Statement, timed};
use crate::{faults, kafka, postgres};
use cutting::{CutFile, Cutting};
use keeper::Keeper;
use producer::ChunkProducer;
use publication::{AlreadyLoaded, Publication, PublicationLimits};
use registering::Registered;
use vanished::Vigil;

/// Where a file comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    Path(PathBuf),
    Stdin,
}

impl Input {
    /// As errors name it.
    fn path(&self) -> PathBuf {
        match self {
            Self::Path(path) => path.clone(),
            Self::Stdin => PathBuf::from("standard input"),
        }
    }

    fn open(&self) -> Result<Source, SourceError> {
        match self {
            Self::Path(path) => Source::open(path),
            Self::Stdin => Source::stdin(),
        }
    }
}

/// How a file is to be loaded.
#[derive(Debug, Clone)]
pub struct Request {
    pub feed: String,
    pub input: Input,
    pub lane: Lane,
    /// What is done with a file that was loaded before.
    pub repeat: Repeat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    Refuse,
    /// `--again`.
    Load,
}

/// What ingesting one file came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ingested {
    /// Every chunk is acknowledged by Kafka and the job knows how many there are.
    Published { job: JobId, totals: CutTotals, unknown_columns: Vec<String> },
    /// The same content was loaded, or is loading: nothing was done.
    Duplicate { of: JobId, state: JobState },
    /// A pipe turned out to hold what another job loaded; `job` has ended as `duplicate`.
    LateDuplicate { job: JobId, of: JobId },
    /// The job was ended by others while its file was published.
    Ended { job: JobId, state: JobState },
}

/// Hears what a person who waits should know.
pub type Tell = dyn Fn(&str) + Send + Sync;

/// One ingesting process.
pub struct Ingest {
    settings: Settings,
    pool: PgPool,
    publisher: String,
    /// One per lane, made when first used.
    producers: Mutex<Vec<(Lane, Arc<ChunkProducer>)>>,
    recorder: Recorder,
    tell: Box<Tell>,
    shutdown: Shutdown,
}

/// Runs over one file at most: chunks that vanish from the lane while it is published are published again.
const RUNS: u32 = 4;
/// One try of reaching Kafka.
const CONNECT_TRY: Duration = Duration::from_secs(5);

impl Ingest {
    pub fn new(settings: Settings, pool: PgPool, tell: Box<Tell>, shutdown: Shutdown) -> Self {
        let recorder = Recorder::new(&settings.kafka);
        Self { settings, pool, publisher: publisher_name::own(), producers: Mutex::default(), recorder, tell, shutdown }
    }

    /// Registers the file's job (or finds the one to go on with) and publishes it.
    pub async fn file(&self, request: &Request, progress: &Arc<Progress>) -> Result<Ingested, IngestError> {
        // Kafka first: a job that cannot be published is not registered.
        let producer = self.producer(request.lane).await?;
        match self.register(request).await? {
            Registered::Open(open) => self.publish(open, request.input.clone(), producer, progress).await,
            Registered::Duplicate { of, state } => Ok(Ingested::Duplicate { of, state }),
        }
    }

    /// `--resume JOB`: reads the job's file again and publishes what the ledger does not hold. `from`: where the file
    /// lies now, if it was moved.
    pub async fn resume(
        &self,
        job: JobId,
        from: Option<Input>,
        progress: &Arc<Progress>,
    ) -> Result<Ingested, IngestError> {
        let input = self.source_of(job, from).await?;
        let producer = self.producer_of(job).await?;
        let open = self.reopen(job).await?;
        self.publish(open, input, producer, progress).await
    }

    async fn publish(
        &self,
        open: OpenJob,
        input: Input,
        producer: Arc<ChunkProducer>,
        progress: &Arc<Progress>,
    ) -> Result<Ingested, IngestError> {
        let open = Arc::new(open);
        if let Err(error) = self.record_opened(&open).await {
            return self.give_up(open.job, error).await;
        }
        let mut run = 1;
        loop {
            let outcome = self.publish_once(&open, &input, &producer, progress).await;
            // A pipe cannot be read again.
            let can_repeat = run < RUNS && matches!(input, Input::Path(_));
            match outcome {
                Err(IngestError::Halted(Halt::Vanished)) if can_repeat => {
                    self.tell_vanished(&open, &input);
                    progress.begin_again();
                    run += 1;
                }
                Ok(ingested) => return Ok(ingested),
                Err(error) => return self.give_up(open.job, error).await,
            }
        }
    }

    /// Reads the file once, publishes what the ledger does not hold, and closes the job.
    async fn publish_once(
        &self,
        open: &Arc<OpenJob>,
        input: &Input,
        producer: &Arc<ChunkProducer>,
        progress: &Arc<Progress>,
    ) -> Result<Ingested, IngestError> {
        let job = open.job;
        let topic = producer.topic().to_owned();
        let publication = Publication::new(PublicationLimits {
            in_flight: self.settings.ingest.in_flight_bytes as u64,
            backlog: self.settings.ingest.backlog_bytes,
        });
        let seqs = self.patient_postgres(|| jobs::loaded_seqs(&self.pool, job)).await?;
        let keeper = Keeper {
            pool: self.pool.clone(),
            job,
            token: open.token.hash(),
            lease: self.settings.ingest.lease,
            publication: publication.clone(),
            vigil: Vigil::new(&self.settings.kafka, &topic),
        };
        let _keeper = AbortOnDrop(tokio::spawn(keeper.run(self.shutdown.clone())));
        let cutting = Cutting {
            open: open.clone(),
            path: input.path(),
            producer: producer.clone(),
            publication: publication.clone(),
            loaded: AlreadyLoaded::new(seqs),
            progress: progress.clone(),
        };
        let input = input.clone();
        let (cut, last_offsets) = tokio::task::spawn_blocking(move || {
            let cut = cutting.run(input.open()?)?;
            Ok::<_, IngestError>((cut, publication.drain()?))
        })
        .await
        .map_err(IngestError::Panicked)??;
        let figures = CloseFigures {
            chunks: cut.totals.chunks,
            records: cut.totals.records,
            file: Some(FileFigures::new(cut.finished.stored_bytes, &cut.totals)),
            content: cut.finished.sha256,
            topic,
            last_offsets,
        };
        self.close(job, cut, &figures).await
    }

    fn tell_vanished(&self, open: &OpenJob, input: &Input) {
        let (job, path) = (open.job, input.path());
        tracing::warn!(job = job.0, "chunks vanished from the lane before they were loaded: publishing them again");
        (self.tell)(&format!(
            "{}: chunks of job {job} vanished from their topic before they were loaded (it was emptied or made anew, or \
             its retention is shorter than the backlog).\n  Reading the file again, and publishing what is not loaded.",
            path.display()
        ));
    }

    async fn close(&self, job: JobId, cut: CutFile, figures: &CloseFigures) -> Result<Ingested, IngestError> {
        let told = JobClosed::of(job, figures);
        faults::step("close.before").await;
        self.patient_kafka(|| self.recorder.closed(&told)).await?;
        faults::step("close.recorded").await;
        let closed =
            self.patient_postgres(|| timed(Statement::CloseJob, jobs::close(&self.pool, job, figures))).await?;
        tracing::info!(job = job.0, chunks = cut.totals.chunks, records = cut.totals.records, ?closed, "published");
        Ok(match closed {
            Closed::Loading => Ingested::Published { job, totals: cut.totals, unknown_columns: cut.unknown_columns },
            Closed::Duplicate { of } => Ingested::LateDuplicate { job, of },
            Closed::Otherwise { chunks, records, .. } => {
                return Err(IngestError::ClosedOtherwise { job, chunks, records });
            }
            Closed::Ended(state) => Ingested::Ended { job, state },
        })
    }

    /// What the data did ends the job; what the system did leaves it to be gone on with.
    async fn give_up(&self, job: JobId, error: IngestError) -> Result<Ingested, IngestError> {
        match error {
            IngestError::Halted(Halt::JobEnded(state)) => Ok(Ingested::Ended { job, state }),
            error if error.is_the_datas_doing() => {
                let reason = error.to_string();
                jobs::fail(&self.pool, job, &reason).await?;
                Err(IngestError::JobFailed { job, reason })
            }
            error => {
                // So that the next run need not wait for the lease to run out. It will if this fails.
                if let Err(failure) = jobs::release_lease(&self.pool, job, &self.publisher).await {
                    tracing::debug!(job = job.0, error = %failure, "the lease was left to run out");
                }
                Err(IngestError::Unfinished { job, cause: Box::new(error) })
            }
        }
    }

    /// Kafka first, here too: a job that cannot be published stays as it is.
    async fn producer_of(&self, job: JobId) -> Result<Arc<ChunkProducer>, IngestError> {
        let lane = self.patient_postgres(|| jobs::lane_of(&self.pool, job)).await?;
        self.producer(lane.ok_or(RegisterError::NoJob(job))?).await
    }

    async fn producer(&self, lane: Lane) -> Result<Arc<ChunkProducer>, IngestError> {
        let find = || {
            let producers = self.producers.lock().expect("no holder of this lock can panic");
            producers.iter().find(|(of, _)| *of == lane).map(|(_, producer)| producer.clone())
        };
        if let Some(producer) = find() {
            return Ok(producer);
        }
        let settings = &self.settings;
        let connect = || async {
            let (kafka, ingest) = (settings.kafka.clone(), settings.ingest.clone());
            tokio::task::spawn_blocking(move || ChunkProducer::connect(&kafka, &ingest, lane, CONNECT_TRY))
                .await
                .expect("connecting does not panic")
        };
        let patience = settings.ingest.patience;
        let producer = patiently(
            patience,
            &self.shutdown,
            connect,
            |_| true,
            |error, left| {
                self.tell_waiting(&kafka::describe(error, &settings.kafka), left);
            },
        )
        .await
        .map_err(|error| IngestError::Kafka(kafka::describe(&error, &settings.kafka)))?;
        let producer = Arc::new(producer);
        self.producers.lock().expect("no holder of this lock can panic").push((lane, producer.clone()));
        Ok(producer)
    }

    /// No chunk is sent before Kafka has what registers the job again if Postgres forgets it.
    async fn record_opened(&self, open: &OpenJob) -> Result<(), IngestError> {
        let (job, token) = (open.job, open.token.hash());
        let opened = self.patient_postgres(|| JobOpened::of(&self.pool, job, token)).await?;
        let opened = opened.ok_or(RegisterError::NoJob(job))?;
        self.patient_kafka(|| self.recorder.opened(&opened)).await?;
        faults::step("open.recorded").await;
        Ok(())
    }

    async fn patient_kafka<F>(&self, attempt: impl Fn() -> F) -> Result<(), IngestError>
    where
        F: Future<Output = Result<(), KafkaError>>,
    {
        let settings = &self.settings;
        let sent = patiently(
            settings.ingest.patience,
            &self.shutdown,
            attempt,
            |_| true,
            |error, left| {
                self.tell_waiting(&kafka::describe(error, &settings.kafka), left);
            },
        );
        sent.await.map_err(|error| IngestError::Kafka(kafka::describe(&error, &settings.kafka)))
    }

    async fn patient_postgres<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, IngestError>
    where
        F: Future<Output = Result<T, sqlx::Error>>,
    {
        let settings = &self.settings;
        patiently(settings.ingest.patience, &self.shutdown, attempt, postgres::is_passing, |error, left| {
            self.tell_waiting(&postgres::describe(error, &settings.postgres), left);
        })
        .await
        .map_err(|error| IngestError::Postgres(postgres::describe(&error, &settings.postgres)))
    }

    fn tell_waiting(&self, what: &str, left: Duration) {
        (self.tell)(&format!("{what}\n  Trying again for {} s; Ctrl-C loses nothing.", left.as_secs()));
    }
}

/// A task that ends with its owner.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
