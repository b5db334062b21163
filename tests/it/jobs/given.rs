//! Jobs and ledger rows as other parts would have left them.

use fabric::chunk::JobId;
use sqlx::AssertSqlSafe;

use crate::database::Database;

const FEED: &str = "feed: cards\nlayout: { format: delimited }\nfields:\n  - { name: amount, type: integer, minimum: 1 }\ntarget: { schema: public, table: cards }\n";

/// A job of the feed `cards`, leased to `host/1/1` for an hour.
pub async fn job(database: &Database, state: &str) -> JobId {
    job_of(database, FEED, state).await
}

pub async fn job_of(database: &Database, document: &str, state: &str) -> JobId {
    let sql = format!(
        "insert into fabric.feed_versions (feed, version, document, sha256)
         values ('cards', 1, $feed${document}$feed$, sha256('x')) on conflict do nothing;
         insert into fabric.feeds values ('cards', 1) on conflict do nothing;
         insert into fabric.jobs (feed, feed_version, lane, file, cutter_version, chunk_bytes, record_bytes, state,
                                  lease_until, publisher)
         values ('cards', 1, 'normal', 'cards.csv', 1, 1048576, 3670016, '{state}', now() + interval '1 hour', 'host/1/1')"
    );
    database.run(&sql).await;
    JobId(database.number("select max(job_id) from fabric.jobs").await)
}

/// Closes a job as its publisher would have, by what stands in the ledger or is said to be missing.
pub async fn closed(database: &Database, job: JobId, chunks: u32, records: u64) {
    run(
        database,
        &format!(
            "update fabric.jobs set state = 'loading', chunks = {chunks}, records = {records}, bytes = 0, headers = 0,
                    blanks = 0, topic = 'none', last_offsets = '{{}}' where job_id = {job}"
        ),
    )
    .await;
}

pub async fn ledger(database: &Database, job: JobId, seq: u32, loaded: u32, rejected: u32) {
    run(
        database,
        &format!(
            r#"insert into fabric.chunk_ledger (job_id, seq, first_record, first_line, first_byte, span, crc32c, records,
                      blanks, loaded, rejected, rejects_by_rule, topic, partition, "offset", loader)
               values ({job}, {seq}, 1, 1, 0, 10, 0, {loaded} + {rejected}, 0, {loaded}, {rejected},
                       '{{"amount.minimum": {rejected}}}', 't', 0, {seq}, 'test')"#
        ),
    )
    .await;
}

async fn run(database: &Database, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&database.pool).await.unwrap();
}
