//! Why the target did not take a record, as a reject's reason.

use sqlx::postgres::PgDatabaseError;

use super::winners::Winner;
use crate::feed::{Feed, Severity};
use crate::rules::Breach;

/// Bytes of a cell that a reason keeps; the reject's source has the whole.
const SHOWN_BYTES: usize = 200;

/// Why one record is not in the target.
pub(super) enum Refusal {
    /// Another row has its key.
    Lost(Winner),
    /// The server's words.
    Said { sqlstate: String, message: String, constraint: Option<String>, column: Option<String> },
    /// A trigger of the target answered NULL for it.
    LeftOut,
}

impl Refusal {
    pub(super) fn of(answer: Option<&PgDatabaseError>) -> Self {
        answer.map_or(Self::LeftOut, |answer| Self::Said {
            sqlstate: answer.code().to_owned(),
            message: answer.message().to_owned(),
            constraint: answer.constraint().map(str::to_owned),
            column: answer.column().map(str::to_owned),
        })
    }

    pub(super) fn is_duplicate(&self) -> bool {
        matches!(self, Self::Said { sqlstate, .. } if sqlstate == "23505")
    }

    /// `cells` in the order of the feed's fields.
    pub(super) fn breach(self, feed: &Feed, cells: &[String]) -> Breach {
        let (rule, field, message) = match self {
            Self::Lost(winner) => (winner.rule(feed), winner.only_column(), winner.to_string()),
            Self::LeftOut => ("target.trigger".into(), None, "a trigger of the target left it out".into()),
            Self::Said { sqlstate, message, constraint, column } => {
                let rule = said_rule(&sqlstate, constraint, column.as_deref());
                (rule, column, format!("the target refuses it: {message}"))
            }
        };
        let index = field.as_ref().and_then(|name| feed.fields.iter().position(|field| field.name == *name));
        let value = index.and_then(|index| cells.get(index)).map(|cell| shown(cell));
        Breach { rule, severity: Severity::Error, field, value, message }
    }
}

/// A constraint's own name where there is one.
fn said_rule(sqlstate: &str, constraint: Option<String>, column: Option<&str>) -> String {
    match (sqlstate, constraint, column) {
        (_, Some(constraint), _) => format!("target.{constraint}"),
        ("23502", None, Some(column)) => format!("target.{column}.notNull"),
        ("22001", ..) => "target.tooLong".into(),
        ("22003", ..) => "target.outOfRange".into(),
        (code, ..) if code.starts_with("P0") => "target.trigger".into(),
        (code, ..) => format!("target.{code}"),
    }
}

fn shown(cell: &str) -> String {
    let end = (0..=SHOWN_BYTES.min(cell.len())).rev().find(|&end| cell.is_char_boundary(end)).unwrap_or(0);
    cell[..end].to_owned()
}
