//! Makes a target table from a feed's fields.

use sqlx::{AssertSqlSafe, PgConnection};

use super::{derived_name, key_names, primary_key_name, unique_key_name};
use crate::copy::{Source, lineage, postgres_type};
use crate::feed::{Feed, Field, Severity};
use crate::load::sql;

/// The table, its declared keys, and the index by which the rows of a job are found.
pub(super) async fn create(connection: &mut PgConnection, feed: &Feed) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(statements(feed))).execute(connection).await?;
    Ok(())
}

fn statements(feed: &Feed) -> String {
    let table = sql::table(&feed.target);
    let places = lineage(feed).iter().map(|column| format!("{} {} not null", column.name, column.kind));
    let mut parts: Vec<String> = places.collect();
    parts.extend(feed.fields.iter().map(column));
    if !feed.primary_key.is_empty() {
        let columns = sql::idents(key_names(feed, &feed.primary_key));
        parts.push(format!("constraint {} primary key ({columns})", sql::ident(&primary_key_name(feed))));
    }
    for key in &feed.unique_keys {
        let columns = sql::idents(key_names(feed, key));
        parts.push(format!("constraint {} unique ({columns})", sql::ident(&unique_key_name(feed, key))));
    }
    // A job's rows lie together, but jobs that load at once are interleaved, and so are partitions: multi-minmax keeps
    // several ranges per block range. Undo and proof by lineage read through it; loading pays almost nothing for it.
    let (suffix, by) = match Source::of(feed) {
        Source::Files => ("job_id_brin", "_job_id int8_minmax_multi_ops"),
        Source::Stream => ("offset_brin", "_partition int4_minmax_multi_ops, _offset int8_minmax_multi_ops"),
    };
    let brin = sql::ident(&derived_name(&feed.target.table, suffix));
    format!(
        "create table {table} (\n    {}\n);\n\
         create index {brin} on {table} using brin ({by}) with (autosummarize = on);",
        parts.join(",\n    ")
    )
}

fn column(field: &Field) -> String {
    let not_null = if field.required && field.severity == Severity::Error { " not null" } else { "" };
    format!("{} {}{not_null}", sql::ident(&field.name), postgres_type(&field.kind))
}
