//! Looks at an installation from where it stands, and turns what it sees into findings: what is wrong, what to do next.
//!
//! Each file looks at one thing and judges it by a function of values alone. What depends on a server is looked at once
//! that server answers; all checks run side by side, each within a limit, so that the doctor is done in about ten
//! seconds whatever is down.

mod broker;
mod clock;
mod commits;
mod connections;
mod disk;
mod finding;
mod jobs;
mod lanes;
mod pooler;
mod redis;
mod registry;
mod server;
mod streams;
mod targets;
mod text;

use std::time::Duration;

use sqlx::PgPool;
use tokio::time::timeout;

pub use finding::{Check, Finding, Findings, Status};
pub use text::text;

use crate::settings::{KafkaSettings, PostgresSettings, Settings};
use crate::{postgres, topics};
use lanes::{Backlog, Pace};

/// Of one check; a server's first answer has less.
const LIMIT: Duration = Duration::from_secs(5);
/// Connections of the doctor's checks: one that waits does not hold up the others.
const CONNECTIONS: u32 = 3;
const NAME: &str = "fabric doctor";

/// Looks at everything.
pub async fn examine(settings: &Settings) -> Findings {
    let (of_postgres, of_kafka, of_redis, of_registry) = tokio::join!(
        look_at_postgres(settings),
        look_at_kafka(&settings.kafka),
        redis::look(&settings.redis.url),
        registry::look(settings),
    );
    let (mut findings, asked) = of_postgres;
    let (more, backlogs) = of_kafka;
    let kafka_answers = more.iter().any(|finding| finding.check == Check::Kafka && finding.status != Status::Fault);
    findings.extend(more);
    findings.extend([of_redis, of_registry]);
    if let Some(backlogs) = backlogs {
        findings.push(lanes::verdict(&backlogs, asked.pace));
    }
    findings.push(match asked.streams {
        None => unseen(Check::Streams, "fabric's tables"),
        Some(_) if !kafka_answers => unseen(Check::Streams, "Kafka"),
        Some(rows) => of_streams(settings, &rows).await,
    });
    Findings::new(findings)
}

/// What Postgres knows and other checks need; `None` where it did not tell.
#[derive(Default)]
struct Asked {
    pace: Option<Pace>,
    streams: Option<Vec<streams::Row>>,
}

async fn of_streams(settings: &Settings, rows: &[streams::Row]) -> Finding {
    match timeout(LIMIT, streams::look(settings, rows)).await {
        Ok(Ok(logs)) => streams::verdict(rows, &logs, settings.ingest.record_bytes),
        Ok(Err(words)) => Finding::told(Check::Streams, &words),
        Err(_) => late(Check::Streams),
    }
}

async fn look_at_postgres(settings: &Settings) -> (Vec<Finding>, Asked) {
    const DEPENDENT: [Check; 7] =
        [Check::Migrations, Check::Commits, Check::Clock, Check::Connections, Check::Disk, Check::Jobs, Check::Targets];
    let own = PostgresSettings { pool: CONNECTIONS, acquire_timeout: LIMIT, ..settings.postgres.clone() };
    let reached = within(&own, Check::Postgres, reach(&own)).await;
    if reached.status == Status::Fault {
        return (
            with_unseen(vec![reached, unseen(Check::Pooler, "Postgres")], &DEPENDENT, "Postgres"),
            Asked::default(),
        );
    }
    // Alone: the other checks would keep a pooler's server processes busy, and fail behind it one by one.
    let pooler = within(&own, Check::Pooler, pooler(&own)).await;
    if pooler.status == Status::Fault {
        return (with_unseen(vec![reached, pooler], &DEPENDENT, "a session of Postgres"), Asked::default());
    }
    let pool = match postgres::pool(&own, NAME) {
        Ok(pool) => pool,
        Err(error) => {
            let told = Finding::told(Check::Postgres, &postgres::describe(&error, &own));
            return (with_unseen(vec![told, pooler], &DEPENDENT, "Postgres"), Asked::default());
        }
    };
    let (mut findings, asked) = ask_postgres(settings, &own, &pool).await;
    findings.extend([reached, pooler]);
    // A server that does not answer must not keep the process.
    timeout(Duration::from_secs(1), pool.close()).await.ok();
    (findings, asked)
}

async fn ask_postgres(settings: &Settings, own: &PostgresSettings, pool: &PgPool) -> (Vec<Finding>, Asked) {
    let (migrations, commits, clock, connections, disk, jobs, targets, pace, streams) = tokio::join!(
        within(own, Check::Migrations, server::migrations(pool)),
        within(own, Check::Commits, commits(own)),
        within(own, Check::Clock, clock::look(pool)),
        within(own, Check::Connections, connections::look(pool, settings)),
        within(own, Check::Disk, disk::look(pool)),
        within(own, Check::Jobs, jobs::look(pool)),
        within(own, Check::Targets, targets::look(pool)),
        timeout(LIMIT, lanes::pace(pool)),
        timeout(LIMIT, streams::rows(pool)),
    );
    let findings = vec![migrations, commits, clock, connections, disk, jobs, targets];
    let asked = Asked { pace: pace.ok().and_then(Result::ok), streams: streams.ok().and_then(Result::ok) };
    (findings, asked)
}

async fn look_at_kafka(settings: &KafkaSettings) -> (Vec<Finding>, Option<Vec<Backlog>>) {
    const DEPENDENT: [Check; 3] = [Check::Topics, Check::Retention, Check::DeadLetters];
    let reached = match broker::look(settings).await {
        Ok(reached) => reached,
        Err(fault) => return (with_unseen(vec![fault], &DEPENDENT, "Kafka"), None),
    };
    let (topics, lanes) = tokio::join!(timeout(LIMIT, topics::verify(settings)), timeout(LIMIT, lanes::look(settings)));
    let mut findings = vec![reached, topics.map_or_else(|_| late(Check::Topics), |answer| of_topics(settings, answer))];
    match lanes {
        Ok(Ok((backlogs, dead_letters))) => {
            findings.push(dead_letters);
            return (findings, Some(backlogs));
        }
        Ok(Err(words)) => findings.push(Finding::told(Check::Retention, &words)),
        Err(_) => findings.push(late(Check::Retention)),
    }
    findings.push(unseen(Check::DeadLetters, "the lanes"));
    (findings, None)
}

fn of_topics(settings: &KafkaSettings, answer: Result<(), topics::TopicsError>) -> Finding {
    match answer {
        Ok(()) => {
            let count = topics::declared(&settings.prefix).len();
            Finding::ok(Check::Topics, format!("all {count} as declared, prefix {}", settings.prefix))
        }
        Err(topics::TopicsError::NotAsDeclared(problems)) => {
            let problems: Vec<_> =
                problems.iter().map(|said| said.replace(": run `fabric topics apply`", "")).collect();
            Finding::fault(
                Check::Topics,
                problems.join("\n"),
                "run `fabric topics apply` (`fabric topics plan` shows first)",
            )
        }
        Err(error) => Finding::told(Check::Topics, &error.to_string()),
    }
}

async fn reach(own: &PostgresSettings) -> Result<Finding, sqlx::Error> {
    let mut connection = postgres::connect(own, NAME).await?;
    server::look(&mut connection, &server::place(own)).await
}

async fn commits(own: &PostgresSettings) -> Result<Finding, sqlx::Error> {
    commits::look(&mut postgres::connect_bare(own, NAME).await?).await
}

async fn pooler(own: &PostgresSettings) -> Result<Finding, sqlx::Error> {
    let mut one = postgres::connect(own, NAME).await?;
    pooler::look(&mut one, &mut postgres::connect(own, NAME).await?).await
}

/// What a check of Postgres found, or that it was not answered in time, or an error in words.
async fn within(
    own: &PostgresSettings,
    check: Check,
    look: impl Future<Output = Result<Finding, sqlx::Error>>,
) -> Finding {
    match timeout(LIMIT, look).await {
        Ok(Ok(finding)) => finding,
        Ok(Err(error)) if pooler::betrays_itself(&error) => Finding { check, ..pooler::shared() },
        Ok(Err(error)) if lacks_tables(&error) => unseen(check, "fabric's tables: see migrations"),
        Ok(Err(error)) => Finding::told(check, &postgres::describe(&error, own)),
        Err(_) => late(check),
    }
}

/// SQLSTATEs of an absent schema, table, column: what this release's migrations make.
fn lacks_tables(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|answer| answer.code());
    code.is_some_and(|code| matches!(code.as_ref(), "3F000" | "42P01" | "42703"))
}

fn late(check: Check) -> Finding {
    Finding::fault(
        check,
        format!("no answer within {} s", LIMIT.as_secs()),
        "look at the server's load and locks (`select * from pg_stat_activity`), then run `fabric doctor` again",
    )
}

fn unseen(check: Check, needs: &str) -> Finding {
    Finding::note(check, format!("not looked at, it needs {needs}"))
}

fn with_unseen(seen: Vec<Finding>, dependent: &[Check], server: &str) -> Vec<Finding> {
    seen.into_iter().chain(dependent.iter().map(|check| unseen(*check, server))).collect()
}
