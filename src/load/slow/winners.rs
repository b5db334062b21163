//! Which row has the key that a record would have had.

use std::collections::BTreeMap;
use std::fmt;

use sqlx::{AssertSqlSafe, PgConnection, Row as _};

use super::STAGING;
use crate::feed::Feed;
use crate::load::{JudgedChunk, sql};

/// A row that stands in another's way, and the key that both have.
#[derive(Debug, Clone)]
pub(super) struct Winner {
    index: String,
    columns: Vec<String>,
    pub holder: Holder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    Record {
        job: i64,
        record: i64,
    },
    /// Not of fabric's making.
    ExistingRow,
}

impl Winner {
    /// As the feed declares the key; else by the name of the target's own index.
    pub(super) fn rule(&self, feed: &Feed) -> String {
        let is_this = |key: &Vec<usize>| {
            key.len() == self.columns.len() && key.iter().all(|&field| self.columns.contains(&feed.fields[field].name))
        };
        if is_this(&feed.primary_key) {
            return "primaryKey".into();
        }
        match feed.unique_keys.iter().find(|key| is_this(key)) {
            Some(key) => {
                let names: Vec<_> = key.iter().map(|&field| feed.fields[field].name.as_str()).collect();
                format!("uniqueKey({})", names.join(","))
            }
            None => format!("target.{}", self.index),
        }
    }

    pub(super) fn only_column(&self) -> Option<String> {
        if let [only] = &self.columns[..] { Some(only.clone()) } else { None }
    }
}

impl fmt::Display for Winner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "has the same {} as ", self.columns.join(" and "))?;
        match self.holder {
            Holder::Record { job, record } => write!(f, "record {record} of job {job}, which loaded"),
            Holder::ExistingRow => f.write_str("an existing row"),
        }
    }
}

/// A unique index that a join can follow: on plain columns of the feed.
struct Key {
    index: String,
    columns: Vec<String>,
    /// Of a partial index.
    predicate: Option<String>,
    nulls_are_equal: bool,
}

/// The winner over each of `losers` that a join finds; the primary key's first.
pub(super) async fn find(
    connection: &mut PgConnection,
    chunk: &JudgedChunk,
    losers: &[i64],
) -> Result<BTreeMap<i64, Winner>, sqlx::Error> {
    let mut found = BTreeMap::new();
    if losers.is_empty() {
        return Ok(found);
    }
    for key in keys(connection, &chunk.feed.feed).await? {
        let open: Vec<i64> = losers.iter().copied().filter(|record| !found.contains_key(record)).collect();
        let rows = sqlx::query(AssertSqlSafe(statement(&key, chunk)))
            .bind(open)
            .persistent(false)
            .fetch_all(&mut *connection)
            .await?;
        for row in rows {
            let holder = match (row.get::<Option<i64>, _>(1), row.get::<Option<i64>, _>(2)) {
                (Some(job), Some(record)) => Holder::Record { job, record },
                _ => Holder::ExistingRow,
            };
            found.insert(row.get(0), Winner { index: key.index.clone(), columns: key.columns.clone(), holder });
        }
    }
    Ok(found)
}

async fn keys(connection: &mut PgConnection, feed: &Feed) -> Result<Vec<Key>, sqlx::Error> {
    // `indnullsnotdistinct` exists since Postgres 15; read through JSON it is simply absent before.
    let rows = sqlx::query(
        "select c.relname::text,
                array(select a.attname::text from unnest(i.indkey[0:i.indnkeyatts - 1]) with ordinality k (attnum, place)
                        join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum order by k.place),
                pg_get_expr(i.indpred, i.indrelid),
                coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false)
           from pg_index i join pg_class c on c.oid = i.indexrelid
          where i.indrelid = $1::regclass and i.indisunique and i.indisvalid and i.indexprs is null
          order by i.indisprimary desc, i.indexrelid",
    )
    .bind(sql::table(&feed.target))
    .fetch_all(connection)
    .await?;
    let keys = rows.iter().map(|row| Key {
        index: row.get(0),
        columns: row.get(1),
        predicate: row.get(2),
        nulls_are_equal: row.get(3),
    });
    let staged = |name: &String| name.starts_with('_') || feed.fields.iter().any(|field| field.name == *name);
    Ok(keys.filter(|key| key.columns.iter().all(staged)).collect())
}

fn statement(key: &Key, chunk: &JudgedChunk) -> String {
    let equals = if key.nulls_are_equal { "is not distinct from" } else { "=" };
    let same: Vec<String> = key
        .columns
        .iter()
        .map(|column| format!("s.{column} {equals} t.{column}", column = sql::ident(column)))
        .collect();
    format!(
        "select distinct on (s._record_no) s._record_no, t._job_id, t._record_no
           from {STAGING} s join (select * from {table} where {predicate}) t on {same}
          where s._record_no = any ($1)
            and (t._job_id, t._record_no) is distinct from (s._job_id, s._record_no)
          order by s._record_no",
        table = sql::table(&chunk.feed.feed.target),
        predicate = key.predicate.as_deref().unwrap_or("true"),
        same = same.join(" and "),
    )
}
