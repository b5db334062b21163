//! Which row has the key that a record would have had.

use std::collections::BTreeMap;
use std::fmt;

use sqlx::{AssertSqlSafe, PgConnection, Row as _};

use super::STAGING;
use crate::copy::{Source, lineage, record_number};
use crate::feed::Feed;
use crate::load::sql;

/// A row that stands in another's way, and the key that both have.
#[derive(Debug, Clone)]
pub(super) struct Winner {
    index: String,
    columns: Vec<String>,
    /// Which record it is, for people; `None`: none of fabric's making.
    holder: Option<String>,
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
        match &self.holder {
            Some(record) => write!(f, "{record}, which loaded"),
            None => f.write_str("an existing row"),
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
    feed: &Feed,
    losers: &[i64],
) -> Result<BTreeMap<i64, Winner>, sqlx::Error> {
    let mut found = BTreeMap::new();
    if losers.is_empty() {
        return Ok(found);
    }
    for key in keys(connection, feed).await? {
        let open: Vec<i64> = losers.iter().copied().filter(|record| !found.contains_key(record)).collect();
        let rows = sqlx::query(AssertSqlSafe(statement(&key, feed)))
            .bind(open)
            .persistent(false)
            .fetch_all(&mut *connection)
            .await?;
        for row in rows {
            let (index, columns) = (key.index.clone(), key.columns.clone());
            found.insert(row.get(0), Winner { index, columns, holder: row.get(1) });
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

/// A row's record in words; null where fabric did not load it.
fn holder(feed: &Feed) -> &'static str {
    match Source::of(feed) {
        Source::Files => "'record ' || t._record_no || ' of job ' || t._job_id",
        Source::Stream => "'offset ' || t._offset || ' of ' || t._topic || ' partition ' || t._partition",
    }
}

fn statement(key: &Key, feed: &Feed) -> String {
    let equals = if key.nulls_are_equal { "is not distinct from" } else { "=" };
    let same: Vec<String> = key
        .columns
        .iter()
        .map(|column| format!("s.{column} {equals} t.{column}", column = sql::ident(column)))
        .collect();
    let places = |of: &str| {
        let columns: Vec<String> = lineage(feed).iter().map(|column| format!("{of}.{}", column.name)).collect();
        columns.join(", ")
    };
    format!(
        "select distinct on (s.{number}) s.{number}, {holder}
           from {STAGING} s join (select * from {table} where {predicate}) t on {same}
          where s.{number} = any ($1) and ({theirs}) is distinct from ({ours})
          order by s.{number}",
        number = record_number(feed),
        holder = holder(feed),
        theirs = places("t"),
        ours = places("s"),
        table = sql::table(&feed.target),
        predicate = key.predicate.as_deref().unwrap_or("true"),
        same = same.join(" and "),
    )
}
