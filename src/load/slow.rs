//! The slow path: finds the records that the target refuses, and loads the rest, inside the same transaction.

mod refusal;
mod winners;

use sqlx::{AssertSqlSafe, PgConnection};

use super::faults::{FaultClass, Site, answer, classify_error};
use super::transaction::{TransactionFault, copy, on_fabric, on_target};
use super::{Piece, sql};
use crate::config::PinnedFeed;
use crate::copy::{lineage, record_number};
use crate::faults;
use crate::feed::FieldType;
use crate::rules::Reject;
use refusal::Refusal;

/// Holds the piece's rows for the length of the transaction.
const STAGING: &str = "pg_temp.fabric_staging";

/// Goes back to the savepoint of the fence, loads what the target takes, and answers a reject for each record that it
/// does not take. Of several records with one key the lowest number wins.
pub(super) async fn isolate<P: Piece>(
    connection: &mut PgConnection,
    piece: &P,
) -> Result<Vec<Reject>, TransactionFault> {
    execute(connection, "rollback to savepoint piece").await.map_err(on_fabric)?;
    let records = stage(connection, piece).await.map_err(on_target)?;
    faults::statement("load.staged", connection).await.map_err(on_target)?;
    let mut insert = Insert::new(connection, piece.feed()).await.map_err(on_target)?;
    insert.bisect(connection, &records).await.map_err(on_target)?;
    let refused = insert.settle(connection, piece.feed()).await.map_err(on_target)?;
    rejects(piece, refused).map_err(|reason| on_fabric(sqlx::Error::Protocol(reason)))
}

async fn execute(connection: &mut PgConnection, statement: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(connection).await?;
    Ok(())
}

/// Copies the rows into a table without constraints. Answers their record numbers, ascending.
async fn stage<P: Piece>(connection: &mut PgConnection, piece: &P) -> Result<Vec<i64>, sqlx::Error> {
    let feed = &piece.feed().feed;
    let fields = feed.fields.iter().map(|field| (field.name.as_str(), staged_type(&field.kind)));
    let columns = lineage(feed).iter().map(|column| (column.name, column.kind)).chain(fields);
    let columns: Vec<String> = columns.map(|(name, kind)| format!("{} {kind}", sql::ident(name))).collect();
    let create = format!("create temporary table fabric_staging ({}) on commit drop", columns.join(", "));
    execute(connection, &create).await?;
    let statement = format!("copy {STAGING} ({}) from stdin (format binary)", sql::columns(feed));
    copy(connection, &statement, &[piece.rows()]).await?;
    let numbers = format!("select {} from {STAGING} order by 1", record_number(feed));
    sqlx::query_scalar(AssertSqlSafe(numbers)).persistent(false).fetch_all(connection).await
}

const fn staged_type(kind: &FieldType) -> &'static str {
    match kind {
        FieldType::String => "text",
        FieldType::Integer => "bigint",
        FieldType::Decimal { .. } => "numeric",
        FieldType::Boolean { .. } => "boolean",
        FieldType::Date { .. } => "date",
        FieldType::Timestamp { .. } => "timestamptz",
    }
}

/// Moves rows from the staging table to the target.
struct Insert {
    /// Up to the bounds of the records.
    statement: String,
    /// The column that numbers the records.
    number: &'static str,
    on_conflict: &'static str,
    /// Passed over without an error: another record has their key, or a trigger left them out.
    passed_over: Vec<i64>,
    refused: Vec<(i64, Refusal)>,
}

impl Insert {
    async fn new(connection: &mut PgConnection, pinned: &PinnedFeed) -> Result<Self, sqlx::Error> {
        let feed = &pinned.feed;
        let (table, columns) = (sql::table(&feed.target), sql::columns(feed));
        // ON CONFLICT takes no deferrable constraint: there each loser is found by its error.
        let deferrable: bool = sqlx::query_scalar(
            "select exists (select from pg_index where indrelid = $1::regclass and not indimmediate)",
        )
        .bind(&table)
        .fetch_one(connection)
        .await?;
        Ok(Self {
            statement: format!("insert into {table} ({columns}) select {columns} from {STAGING}"),
            number: record_number(feed),
            on_conflict: if deferrable { "" } else { "on conflict do nothing" },
            passed_over: Vec::new(),
            refused: Vec::new(),
        })
    }

    /// Halves what fails until single records are left, lower numbers first.
    async fn bisect(&mut self, connection: &mut PgConnection, records: &[i64]) -> Result<(), sqlx::Error> {
        let mut pending = vec![records];
        while let Some(part) = pending.pop() {
            match self.try_insert(connection, part, self.on_conflict).await {
                Ok(inserted) => {
                    self.passed_over.extend(part.iter().filter(|no| inserted.binary_search(no).is_err()));
                }
                Err(error) if classify_error(&error, Site::Target) != FaultClass::Data => return Err(error),
                Err(error) => match *part {
                    [record] => self.refused.push((record, Refusal::of(answer(&error)))),
                    _ => {
                        let (lower, upper) = part.split_at(part.len() / 2);
                        pending.extend([upper, lower]);
                    }
                },
            }
        }
        Ok(())
    }

    /// Inserts a run of records behind a savepoint. Answers the numbers of those that are in, ascending.
    async fn try_insert(
        &self,
        connection: &mut PgConnection,
        part: &[i64],
        on_conflict: &str,
    ) -> Result<Vec<i64>, sqlx::Error> {
        let (Some(first), Some(last)) = (part.first(), part.last()) else { return Ok(Vec::new()) };
        let statement = format!(
            "with inserted as (
                 {statement} where {number} between {first} and {last} order by {number} {on_conflict}
                 returning {number}
             ) select {number} from inserted order by 1",
            statement = self.statement,
            number = self.number,
        );
        execute(connection, "savepoint part").await?;
        let inserted = sqlx::query_scalar(AssertSqlSafe(statement)).persistent(false).fetch_all(&mut *connection).await;
        let end = if inserted.is_ok() { "release part" } else { "rollback to part; release part" };
        execute(connection, end).await?;
        inserted
    }

    /// Says of every record that is not in why it is not.
    async fn settle(
        self,
        connection: &mut PgConnection,
        pinned: &PinnedFeed,
    ) -> Result<Vec<(i64, Refusal)>, sqlx::Error> {
        let doubles = self.refused.iter().filter(|(_, refusal)| refusal.is_duplicate()).map(|(record, _)| *record);
        let losers: Vec<i64> = self.passed_over.iter().copied().chain(doubles).collect();
        let won = winners::find(connection, &pinned.feed, &losers).await?;
        let mut refused = Vec::new();
        for &record in self.passed_over.iter().filter(|record| !won.contains_key(record)) {
            // Its index is not one that a join can follow, its winner has gone meanwhile, or a trigger left it out.
            match self.try_insert(connection, &[record], "").await {
                Ok(inserted) if inserted.is_empty() => refused.push((record, Refusal::LeftOut)),
                Ok(_) => {}
                Err(error) if classify_error(&error, Site::Target) == FaultClass::Data => {
                    refused.push((record, Refusal::of(answer(&error))));
                }
                Err(error) => return Err(error),
            }
        }
        refused.extend(self.refused.into_iter().filter(|(record, _)| !won.contains_key(record)));
        refused.extend(won.into_iter().map(|(record, winner)| (record, Refusal::Lost(winner))));
        Ok(refused)
    }
}

fn rejects<P: Piece>(piece: &P, refused: Vec<(i64, Refusal)>) -> Result<Vec<Reject>, String> {
    let numbers: std::collections::HashSet<u64> = refused.iter().map(|(record, _)| record.unsigned_abs()).collect();
    let mut found = piece.find(&numbers)?;
    refused
        .into_iter()
        .map(|(record, refusal)| {
            let found = found
                .remove(&record.unsigned_abs())
                .ok_or_else(|| format!("record {record} was judged but is not in its piece"))?;
            let breach = refusal.breach(&piece.feed().feed, &found.cells);
            let length = (found.end - found.start) as u64;
            Ok(Reject { at: found.at, start: found.start, end: found.end, length, breaches: vec![breach] })
        })
        .collect()
}
