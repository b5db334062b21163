//! The table that tells whose fault a database error is.

use sqlx::postgres::PgDatabaseError;

use crate::faults::{self, Defect};

/// Whose fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultClass {
    /// A record's: isolate it.
    Data,
    /// The feed's target: park the job.
    Feed,
    /// Nobody's at first, as when an index is being built on the target: retry the whole chunk; once it has lasted
    /// ([`super::held`]), the feed's.
    Held,
    /// Nobody's: retry the whole chunk.
    Infrastructure,
}

/// What a fault is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    /// The target table, and whatever its triggers, defaults and constraints touch: a statement on the target raised
    /// the fault while it handled a record, so a record (or the feed) answers for it.
    Target,
    /// A table or function of fabric's own.
    Fabric,
}

/// By SQLSTATE (PostgreSQL documentation, appendix A) and what it is about. Anything not in the table is
/// infrastructure: a fault that nobody foresaw must not make rejects.
pub fn classify(sqlstate: &str, site: Site) -> FaultClass {
    if site == Site::Fabric {
        return FaultClass::Infrastructure;
    }
    match sqlstate {
        // The binary image of a row does not fit the column's type: the target was changed under the feed.
        "22P03" | "22P04" => FaultClass::Feed,
        // `index row size … exceeds btree maximum`: one record's value is too long for an index.
        "54000" => FaultClass::Data,
        "53100" if faults::has(Defect::FullDiskRejected) => FaultClass::Data,
        // Lock not available, query canceled, disk full, object in use or not in the state it should be in.
        "55P03" | "57014" | "53100" | "55000" | "55006" => FaultClass::Held,
        _ => match sqlstate.get(..2).unwrap_or_default() {
            // Data exceptions and constraints; cardinality, check option and RAISE EXCEPTION of the target's triggers.
            "22" | "23" | "21" | "44" | "P0" | "09" | "27" => FaultClass::Data,
            // What is missing, forbidden or impossible there; a trigger's function that is broken.
            "42" | "3F" | "0A" | "54" | "2F" | "38" | "39" => FaultClass::Feed,
            _ => FaultClass::Infrastructure,
        },
    }
}

/// What an error is about. An error of class 22 names no table, so the statement that raised it says where it
/// happened; a table that the error does name in fabric's schema overrules it.
pub(super) fn site_of(error: &PgDatabaseError, statement: Site) -> Site {
    if error.schema() == Some("fabric") { Site::Fabric } else { statement }
}

/// The class of whatever the driver reports. What did not come from the server is infrastructure.
pub(super) fn classify_error(error: &sqlx::Error, statement: Site) -> FaultClass {
    match answer(error) {
        Some(answer) => classify(answer.code(), site_of(answer, statement)),
        None => FaultClass::Infrastructure,
    }
}

/// The server's own error, where there is one.
pub(super) fn answer(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    match error {
        sqlx::Error::Database(database) => database.try_downcast_ref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::FaultClass::{Data, Feed, Held, Infrastructure};
    use super::*;

    #[test]
    fn each_sqlstate_on_a_target_has_its_class() {
        let table = [
            ("22001", "string too long", Data),
            ("22003", "numeric out of range", Data),
            ("22021", "character not in repertoire", Data),
            ("22P05", "untranslatable character", Data),
            ("22P03", "binary image of another type", Feed),
            ("22P04", "bad COPY format", Feed),
            ("23502", "not null", Data),
            ("23503", "foreign key", Data),
            ("23505", "unique", Data),
            ("23514", "check", Data),
            ("23P01", "exclusion", Data),
            ("44000", "check option", Data),
            ("P0001", "raise exception", Data),
            ("54000", "index row too big", Data),
            ("54011", "too many columns", Feed),
            ("42P01", "undefined table", Feed),
            ("42703", "undefined column", Feed),
            ("42501", "insufficient privilege", Feed),
            ("42809", "wrong object type", Feed),
            ("3F000", "invalid schema", Feed),
            ("0A000", "not supported", Feed),
            ("55P03", "lock not available", Held),
            ("57014", "query canceled", Held),
            ("53100", "disk full", Held),
            ("53200", "out of memory", Infrastructure),
            ("53300", "too many connections", Infrastructure),
            ("08006", "connection failure", Infrastructure),
            ("25006", "read-only transaction", Infrastructure),
            ("25P02", "in failed transaction", Infrastructure),
            ("40001", "serialization failure", Infrastructure),
            ("40P01", "deadlock", Infrastructure),
            ("57P01", "admin shutdown", Infrastructure),
            ("58030", "i/o error", Infrastructure),
            ("XX001", "data corrupted", Infrastructure),
            ("ZZ999", "unknown", Infrastructure),
            ("", "no code", Infrastructure),
        ];
        for (sqlstate, name, class) in table {
            assert_eq!(classify(sqlstate, Site::Target), class, "{sqlstate} {name}");
            assert_eq!(classify(sqlstate, Site::Fabric), Infrastructure, "{sqlstate} {name} on fabric's tables");
        }
    }

    #[test]
    fn a_lost_connection_is_nobodys_fault() {
        let lost = sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
        assert_eq!(classify_error(&lost, Site::Target), Infrastructure);
    }
}
