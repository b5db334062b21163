//! What Postgres and Kafka say at one instant.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{FromRow, PgConnection, PgPool};

use crate::chunk::Lane;
use crate::kafka::{self, Onlooker, Standing};
use crate::processes::{self, Process};
use crate::settings::Settings;
use crate::steward::SEAT;
use crate::streams::{self, StreamSummary};

/// Of each question to Kafka, of which there are about fifteen; the first that is not answered is the last.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// Sums over ledgers are asked for less often than the rest.
const REJECTS_EVERY: Duration = Duration::from_secs(5);
/// So are streams, for which each partition of each topic is asked.
const STREAMS_EVERY: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// Seconds since 1970, by Postgres' clock.
    pub at: f64,
    pub jobs: Vec<JobRow>,
    pub rejects: Vec<RuleRow>,
    pub processes: Vec<Process>,
    /// `HOST/PID` of the leading steward.
    pub leader: Option<String>,
    pub partitions: Vec<(Lane, Standing)>,
    pub streams: Vec<StreamSummary>,
    /// Kafka's silence, in words.
    pub trouble: Option<String>,
}

/// One job under way, or ended a moment ago.
#[derive(Debug, Clone, Default, FromRow)]
pub struct JobRow {
    pub job_id: i64,
    pub feed: String,
    pub feed_version: i32,
    pub file: String,
    pub state: String,
    pub reason: Option<String>,
    /// As the publisher counted them; `None` until it has closed the job.
    pub records: Option<i64>,
    /// As stored; `None` for a pipe.
    pub source_bytes: Option<i64>,
    pub loaded: i64,
    pub rejected: i64,
    pub bytes_loaded: i64,
    /// Seconds since it was registered, to its end where it has one.
    pub age: f64,
    pub ended: bool,
}

/// Records that broke a rule, in jobs under way.
#[derive(Debug, Clone, FromRow)]
pub struct RuleRow {
    pub job_id: i64,
    pub rule: String,
    pub records: i64,
}

/// Asks again and again.
pub struct Reader {
    settings: Settings,
    pool: PgPool,
    onlooker: Option<Arc<Onlooker>>,
    rejects: Vec<RuleRow>,
    rejects_read: Option<Instant>,
    streams: Vec<StreamSummary>,
    streams_read: Option<Instant>,
}

impl Reader {
    pub fn new(settings: Settings, pool: PgPool) -> Self {
        let (rejects, streams) = (vec![], vec![]);
        Self { settings, pool, onlooker: None, rejects, rejects_read: None, streams, streams_read: None }
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Without Kafka there is still most of it; without Postgres there is nothing.
    pub async fn read(&mut self) -> Result<Reading, sqlx::Error> {
        let onlooker = self.onlooker();
        let of_kafka = async {
            match onlooker {
                Ok(onlooker) => standings(&self.settings, onlooker).await,
                Err(words) => Err(words),
            }
        };
        let (of_kafka, of_postgres) = tokio::join!(of_kafka, of_postgres(&self.pool));
        let mut reading = of_postgres?;
        if self.rejects_read.is_none_or(|read| read.elapsed() > REJECTS_EVERY) {
            self.rejects = rejects(&self.pool).await?;
            self.rejects_read = Some(Instant::now());
        }
        reading.rejects.clone_from(&self.rejects);
        if self.streams_read.is_none_or(|read| read.elapsed() > STREAMS_EVERY) {
            self.streams = streams::list(&self.pool, &self.settings.kafka).await?;
            self.streams_read = Some(Instant::now());
        }
        reading.streams.clone_from(&self.streams);
        match of_kafka {
            Ok(partitions) => reading.partitions = partitions,
            Err(words) => reading.trouble = Some(words),
        }
        Ok(reading)
    }

    fn onlooker(&mut self) -> Result<Arc<Onlooker>, String> {
        if let Some(onlooker) = &self.onlooker {
            return Ok(Arc::clone(onlooker));
        }
        let made = Onlooker::new(&self.settings.kafka);
        let made = Arc::new(made.map_err(|error| kafka::describe(&error, &self.settings.kafka))?);
        Ok(Arc::clone(self.onlooker.insert(made)))
    }
}

/// Off the async workers.
async fn standings(settings: &Settings, onlooker: Arc<Onlooker>) -> Result<Vec<(Lane, Standing)>, String> {
    let kafka = settings.kafka.clone();
    let asked = tokio::task::spawn_blocking(move || {
        let mut all = vec![];
        for lane in Lane::ALL {
            let found = onlooker.standings(&kafka.lane_topic(lane), ANSWER_LIMIT);
            let found = found.map_err(|error| kafka::describe(&error, &kafka))?;
            all.extend(found.into_iter().map(|standing| (lane, standing)));
        }
        Ok(all)
    });
    asked.await.unwrap_or_else(|error| Err(error.to_string()))
}

async fn of_postgres(pool: &PgPool) -> Result<Reading, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let at =
        sqlx::query_scalar("select extract(epoch from clock_timestamp())::float8").fetch_one(&mut *connection).await?;
    let jobs = jobs(&mut connection).await?;
    let processes = processes::list(&mut connection).await?;
    let leader = leader(&mut connection).await?;
    Ok(Reading { at, jobs, processes, leader, ..Reading::default() })
}

/// Those under way by their index; of the newest also those that ended within the last half minute.
async fn jobs(connection: &mut PgConnection) -> Result<Vec<JobRow>, sqlx::Error> {
    sqlx::query_as(
        "select job_id, feed, feed_version, file, state, reason, records, source_bytes,
                records_loaded as loaded, records_rejected as rejected, bytes_loaded,
                extract(epoch from coalesce(ended_at, clock_timestamp()) - registered_at)::float8 as age,
                ended_at is not null as ended
           from fabric.jobs
          where state in ('registered', 'publishing', 'loading', 'reconciling', 'parked', 'stopping', 'stalled',
                          'incomplete')
             or (job_id > (select max(job_id) from fabric.jobs) - 50
                 and ended_at > clock_timestamp() - interval '30 s')
          order by ended_at is not null, job_id limit 200",
    )
    .fetch_all(connection)
    .await
}

/// The rules that most records of jobs at work have broken.
async fn rejects(pool: &PgPool) -> Result<Vec<RuleRow>, sqlx::Error> {
    sqlx::query_as(
        "select l.job_id, rule, sum(count::bigint)::bigint as records
           from fabric.jobs j join fabric.chunk_ledger l using (job_id), jsonb_each_text(l.rejects_by_rule)
                as each (rule, count)
          where j.state in ('registered', 'publishing', 'loading', 'reconciling', 'stopping')
          group by l.job_id, rule order by records desc, l.job_id, rule limit 50",
    )
    .fetch_all(pool)
    .await
}

async fn leader(connection: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
    let name: Option<String> = sqlx::query_scalar(
        "select a.application_name from pg_locks l join pg_stat_activity a using (pid)
          where l.locktype = 'advisory' and l.granted and l.objsubid = 1 and a.datname = current_database()
            and (l.classid::bigint << 32) | l.objid::bigint = $1 limit 1",
    )
    .bind(SEAT)
    .fetch_optional(connection)
    .await?;
    Ok(name.and_then(|name| name.strip_prefix("fabric steward ").map(str::to_owned)))
}
