//! Checks an existing table against a feed: every reason why it cannot take it, each with the SQL that mends it.

use std::collections::BTreeSet;

use sqlx::{PgConnection, Row as _};

use super::{TargetError, key_names, primary_key_name, unique_key_name};
use crate::copy::{lineage, postgres_type};
use crate::feed::{Feed, FieldType, Target};
use crate::load::sql;

/// An existing relation.
pub(super) struct Table {
    oid: i64,
    /// `pg_class.relkind`.
    kind: String,
    has_rules: bool,
}

struct Column {
    name: String,
    /// The base type's name, where the column's is a domain.
    base_type: String,
    /// As people write it.
    shown_type: String,
    not_null: bool,
    has_default: bool,
    generated: bool,
}

pub(super) async fn find(connection: &mut PgConnection, target: &Target) -> Result<Option<Table>, sqlx::Error> {
    let row = sqlx::query(
        "select c.oid::bigint, c.relkind::text,
                exists (select from pg_rewrite r where r.ev_class = c.oid and r.ev_type = '3')
           from pg_class c join pg_namespace n on n.oid = c.relnamespace
          where n.nspname = $1 and c.relname = $2",
    )
    .bind(&target.schema)
    .bind(&target.table)
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| Table { oid: row.get(0), kind: row.get(1), has_rules: row.get(2) }))
}

pub(super) async fn check(connection: &mut PgConnection, feed: &Feed, table: &Table) -> Result<(), TargetError> {
    let name = sql::table(&feed.target);
    if !matches!(table.kind.as_str(), "r" | "p") {
        return Err(TargetError::Unfit(format!("{name} is no table: a target is a plain or partitioned one")));
    }
    let columns = columns(connection, table.oid).await?;
    let mut reasons = Vec::new();
    if table.has_rules {
        reasons.push(format!("{name} has a rule on insert, which COPY does not obey: write it as a trigger"));
    }
    reasons.extend(lineage_columns(feed, &name, &columns));
    reasons.extend(field_columns(feed, &name, &columns));
    reasons.extend(unfilled_columns(feed, &name, &columns));
    reasons.extend(missing_keys(feed, &name, &unique_keys(connection, table.oid).await?));
    if reasons.is_empty() {
        return Ok(());
    }
    Err(TargetError::Unfit(format!("{name} cannot take feed {}:\n  {}", feed.name, reasons.join("\n  "))))
}

/// The statements that add the columns which the table lacks.
pub(super) async fn missing_columns(
    connection: &mut PgConnection,
    feed: &Feed,
    table: &Table,
) -> Result<Vec<String>, sqlx::Error> {
    let columns = columns(connection, table.oid).await?;
    let wanted = lineage(feed).iter().map(|column| (column.name, column.kind.to_owned()));
    let fields = feed.fields.iter().map(|field| (field.name.as_str(), postgres_type(&field.kind)));
    let lacks = |name: &str| columns.iter().all(|column| column.name != name);
    let add = |(name, kind): (&str, String)| add_column(&sql::table(&feed.target), name, &kind);
    Ok(wanted.chain(fields).filter(|(name, _)| lacks(name)).map(add).collect())
}

fn add_column(table: &str, name: &str, kind: &str) -> String {
    format!("alter table {table} add column {} {kind}", sql::ident(name))
}

/// Whether this role may write there: the grants that it lacks.
pub(super) async fn may_insert(
    connection: &mut PgConnection,
    target: &Target,
    table: &Table,
) -> Result<(), TargetError> {
    let (role, in_schema, in_table): (String, bool, bool) = sqlx::query_as(
        "select current_user::text, has_schema_privilege($1, 'usage'), has_table_privilege($2::bigint::oid, 'insert')",
    )
    .bind(&target.schema)
    .bind(table.oid)
    .fetch_one(connection)
    .await?;
    let role = sql::ident(&role);
    let mut grants = Vec::new();
    if !in_schema {
        grants.push(format!("grant usage on schema {} to {role}", sql::ident(&target.schema)));
    }
    if !in_table {
        grants.push(format!("grant insert on {} to {role}", sql::table(target)));
    }
    if grants.is_empty() {
        return Ok(());
    }
    Err(TargetError::Unfit(format!("role {role} may not load it: {}", grants.join("; "))))
}

async fn columns(connection: &mut PgConnection, table: i64) -> Result<Vec<Column>, sqlx::Error> {
    let rows = sqlx::query(
        "select a.attname::text, coalesce(base.typname, t.typname)::text, format_type(a.atttypid, a.atttypmod),
                a.attnotnull, a.atthasdef or a.attidentity <> '', a.attgenerated <> '' or a.attidentity = 'a'
           from pg_attribute a
           join pg_type t on t.oid = a.atttypid
           left join pg_type base on base.oid = nullif(t.typbasetype, 0)
          where a.attrelid = $1::bigint::oid and a.attnum > 0 and not a.attisdropped
          order by a.attnum",
    )
    .bind(table)
    .fetch_all(connection)
    .await?;
    Ok(rows
        .iter()
        .map(|row| Column {
            name: row.get(0),
            base_type: row.get(1),
            shown_type: row.get(2),
            not_null: row.get(3),
            has_default: row.get(4),
            generated: row.get(5),
        })
        .collect())
}

/// The column sets on which a whole unique index stands (none over expressions, none of some rows only).
async fn unique_keys(connection: &mut PgConnection, table: i64) -> Result<Vec<BTreeSet<String>>, sqlx::Error> {
    let keys: Vec<Vec<String>> = sqlx::query_scalar(
        "select array(select a.attname::text from pg_attribute a
                       where a.attrelid = i.indrelid and a.attnum = any (i.indkey[0:i.indnkeyatts - 1]))
           from pg_index i
          where i.indrelid = $1::bigint::oid and i.indisunique and i.indisvalid
            and i.indpred is null and i.indexprs is null",
    )
    .bind(table)
    .fetch_all(connection)
    .await?;
    Ok(keys.into_iter().map(|key| key.into_iter().collect()).collect())
}

/// Which record a row was.
fn lineage_columns(feed: &Feed, table: &str, columns: &[Column]) -> Vec<String> {
    let mut reasons = Vec::new();
    for wanted in lineage(feed) {
        let (name, kind) = (wanted.name, wanted.kind);
        match columns.iter().find(|column| column.name == name) {
            None => reasons.push(format!("it has no column {name}: alter table {table} add column {name} {kind}")),
            Some(column) if column.base_type != wanted.base_type => reasons.push(format!(
                "column {name} is {}: alter table {table} alter column {name} type {kind}",
                column.shown_type
            )),
            Some(_) => {}
        }
    }
    reasons
}

/// Types whose binary image in COPY is that of the field's type. Nothing is cast on the way, so `integer` does not
/// fit a field of type integer (8 bytes); a narrower `varchar` or `numeric` fits, and rejects what is too long for it.
fn fits(kind: &FieldType, base_type: &str) -> bool {
    match kind {
        FieldType::String => matches!(base_type, "text" | "varchar"),
        FieldType::Integer => base_type == "int8",
        FieldType::Decimal { .. } => base_type == "numeric",
        FieldType::Boolean { .. } => base_type == "bool",
        FieldType::Date { .. } => base_type == "date",
        FieldType::Timestamp { .. } => base_type == "timestamptz",
    }
}

fn field_columns(feed: &Feed, table: &str, columns: &[Column]) -> Vec<String> {
    let mut reasons = Vec::new();
    for field in &feed.fields {
        let (name, wanted) = (sql::ident(&field.name), postgres_type(&field.kind));
        match columns.iter().find(|column| column.name == field.name) {
            None => {
                reasons.push(format!("it has no column {}: alter table {table} add column {name} {wanted}", field.name))
            }
            Some(column) if column.generated => {
                reasons.push(format!("column {} is generated: nothing can be loaded into it", field.name));
            }
            Some(column) if !fits(&field.kind, &column.base_type) => reasons.push(format!(
                "column {} is {}, its field needs {wanted}: alter table {table} alter column {name} type {wanted}",
                field.name, column.shown_type
            )),
            Some(_) => {}
        }
    }
    reasons
}

/// Columns that the feed does not fill and that cannot stay empty.
fn unfilled_columns(feed: &Feed, table: &str, columns: &[Column]) -> Vec<String> {
    let of_lineage = |name: &str| lineage(feed).iter().any(|column| column.name == name);
    let known = |name: &str| of_lineage(name) || feed.fields.iter().any(|f| f.name == name);
    columns
        .iter()
        .filter(|column| column.not_null && !column.has_default && !column.generated && !known(&column.name))
        .map(|column| {
            let name = sql::ident(&column.name);
            format!(
                "column {} may not be null, has no default, and no field fills it: alter table {table} alter column \
                 {name} drop not null",
                column.name
            )
        })
        .collect()
}

fn missing_keys(feed: &Feed, table: &str, present: &[BTreeSet<String>]) -> Vec<String> {
    let declared = std::iter::once((&feed.primary_key, primary_key_name(feed)))
        .chain(feed.unique_keys.iter().map(|key| (key, unique_key_name(feed, key))));
    let mut reasons = Vec::new();
    for (key, name) in declared {
        let names = key_names(feed, key);
        let wanted: BTreeSet<String> = names.iter().map(|&name| name.to_owned()).collect();
        if !wanted.is_empty() && !present.contains(&wanted) {
            reasons.push(format!(
                "no unique index is on ({}): create unique index {} on {table} ({})",
                names.join(", "),
                sql::ident(&name),
                sql::idents(names.iter().copied())
            ));
        }
    }
    reasons
}
