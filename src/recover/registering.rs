//! A plan into rows, in one transaction: jobs and versions are registered again, partitions are told where to begin.

use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection, PgPool};

use super::{Forgotten, Plan, What};
use crate::chunk::JobId;
use crate::config::audit;
use crate::faults::{self, Defect};
use crate::jobs;
use crate::ledger::JobState;

/// Does what the plan says. Safe to repeat; what was there stays.
///
/// The session's user is to be one who may write versions of feeds: the owner, as for `fabric migrate`.
pub async fn apply(pool: &PgPool, plan: &Plan) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    for job in &plan.jobs {
        register(&mut transaction, job).await?;
    }
    faults::statement("recover.registered", &mut transaction).await?;
    let highest = plan.jobs.iter().map(|job| job.job.0).max();
    if let Some(highest) = highest {
        // Numbers of jobs that were forgotten are not given again.
        sqlx::query(
            "select setval(s, greatest($1, coalesce(pg_sequence_last_value(s), 1)))
               from (select pg_get_serial_sequence('fabric.jobs', 'job_id')::regclass as s) as of_jobs",
        )
        .bind(highest)
        .execute(&mut *transaction)
        .await?;
    }
    for rewind in plan.rewinds.iter().skip(usize::from(faults::has(Defect::RewindSkipped))) {
        sqlx::query(
            "insert into fabric.lane_rewinds (topic, partition, next_offset) values ($1, $2, $3)
             on conflict (topic, partition) do update set next_offset = least(lane_rewinds.next_offset, excluded.next_offset),
                    asked_by = default, asked_at = default",
        )
        .bind(&rewind.topic)
        .bind(rewind.partition)
        .bind(rewind.to)
        .execute(&mut *transaction)
        .await?;
        let message = format!("back from offset {} to {}", rewind.from, rewind.to);
        let place = format!("{}/{}", rewind.topic, rewind.partition);
        audit(&mut transaction, "recover", "lane", &place, None, None, Some(&message)).await?;
    }
    faults::statement("recover.commit.sent", &mut transaction).await?;
    transaction.commit().await?;
    faults::answer("recover.commit.acked").await?;
    // By the way of every publisher, with its checks; whoever finds it closed does nothing.
    for job in plan.jobs.iter().filter(|job| matches!(job.what, What::RegisterClosed | What::Close)) {
        if let Some(figures) = job.told.closed.as_ref().and_then(jobs::JobClosed::figures) {
            jobs::close(pool, job.job, &figures).await?;
        }
    }
    Ok(())
}

async fn register(connection: &mut PgConnection, job: &Forgotten) -> Result<(), sqlx::Error> {
    let opened = &job.told.opened;
    if job.version_is_forgotten {
        // It is not made the active one: that is for people to say.
        put(connection, "fabric.feed_versions", &opened.version_row, &[]).await?;
    }
    let state = match &job.what {
        What::RegisterEnded(state) => Some(*state),
        // As a publisher that is gone leaves it: whoever resumes it may do so at once.
        What::RegisterClosed | What::RegisterOpen => Some(JobState::Publishing),
        What::Close | What::AddTokens => None,
    };
    if let Some(state) = state {
        let reason = job.told.state.as_ref().and_then(|(_, reason)| reason.clone()).filter(|_| state.has_ended());
        let reason = reason.map_or(Value::Null, Value::String);
        let zero = || Value::from(0);
        put(
            connection,
            "fabric.jobs",
            &opened.job_row,
            &[
                ("state", state.as_str().into()),
                ("reason", reason),
                ("lease_until", Value::Null),
                ("chunks_loaded", zero()),
                ("records_loaded", zero()),
                ("records_rejected", zero()),
                ("bytes_loaded", zero()),
            ],
        )
        .await?;
        if state == JobState::Publishing {
            // It has run out.
            sqlx::query("update fabric.jobs set lease_until = clock_timestamp() where job_id = $1")
                .bind(job.job.0)
                .execute(&mut *connection)
                .await?;
        }
    }
    for token in &job.told.tokens {
        sqlx::query("insert into fabric.job_tokens (job_id, token_hash) values ($1, $2) on conflict do nothing")
            .bind(job.job.0)
            .bind(token)
            .execute(&mut *connection)
            .await?;
    }
    audit_job(connection, job.job, &job.what).await
}

async fn audit_job(connection: &mut PgConnection, job: JobId, what: &What) -> Result<(), sqlx::Error> {
    audit(connection, "recover", "job", &job.to_string(), None, None, Some(what.in_words())).await
}

/// Inserts a row that was kept as a JSON object; columns that this release does not have are left out, those that it has and
/// the object has not get their defaults.
async fn put(
    connection: &mut PgConnection,
    table: &'static str,
    row: &str,
    over: &[(&str, Value)],
) -> Result<(), sqlx::Error> {
    let undone = |error: serde_json::Error| sqlx::Error::Decode(error.into());
    let mut row: serde_json::Map<String, Value> = serde_json::from_str(row).map_err(undone)?;
    row.extend(over.iter().map(|(column, value)| ((*column).to_owned(), value.clone())));
    let row = Value::Object(row);
    let columns: String = sqlx::query_scalar(
        "select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
          where attrelid = $1::regclass and attnum > 0 and not attisdropped and $2::jsonb ? attname::text",
    )
    .bind(table)
    .bind(&row)
    .fetch_one(&mut *connection)
    .await?;
    let insert = format!(
        "insert into {table} ({columns}) overriding system value
         select {columns} from jsonb_populate_record(null::{table}, $1) on conflict do nothing"
    );
    sqlx::query(AssertSqlSafe(insert)).bind(&row).execute(connection).await?;
    Ok(())
}

/// Of a row of `fabric.feed_versions`, which has it as `\x…`.
pub(super) fn sha256(version_row: &str) -> Option<Vec<u8>> {
    let row: Value = serde_json::from_str(version_row).ok()?;
    let digits = row.get("sha256")?.as_str()?.strip_prefix("\\x")?;
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// Of a row of `fabric.jobs`: microseconds since 1970-01-01T00:00:00Z.
pub(super) fn registered_at(job_row: &str) -> Option<i64> {
    let row: Value = serde_json::from_str(job_row).ok()?;
    let at: jiff::Timestamp = row.get("registered_at")?.as_str()?.parse().ok()?;
    Some(at.as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_say_when_a_job_was_registered_and_what_its_version_is() {
        assert_eq!(
            registered_at(r#"{"registered_at": "2026-11-25T22:17:46.123456+00:00"}"#),
            Some(1_795_645_066_123_456)
        );
        assert_eq!(sha256(r#"{"sha256": "\\x00ff"}"#), Some(vec![0, 255]));
        assert_eq!((sha256("{}"), registered_at("no JSON")), (None, None));
    }
}
