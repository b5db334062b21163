//! Whether a connection keeps one server process: session locks and COPY need that, transaction pooling breaks it.

use sqlx::PgConnection;

use super::{Check, Finding};

/// Server processes that two connections of ours met. The second one's transaction stood open between the first one's
/// two: a pooler that gives a server process to each transaction must then have moved somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Met {
    first: i32,
    second: i32,
    first_again: i32,
}

/// Others may keep a pooler so busy that one look misses it.
const LOOKS: usize = 5;

pub async fn look(one: &mut PgConnection, other: &mut PgConnection) -> Result<Finding, sqlx::Error> {
    for _ in 0..LOOKS {
        let met = meet(one, other).await?;
        if met.is_shared() {
            return Ok(shared());
        }
    }
    Ok(Finding::ok(Check::Pooler, "none in transaction mode: each connection keeps its own server process"))
}

/// Unprepared, in a transaction each: what any pooler understands.
async fn meet(one: &mut PgConnection, other: &mut PgConnection) -> Result<Met, sqlx::Error> {
    let first = in_transaction(one).await?;
    sqlx::raw_sql("begin").execute(&mut *other).await?;
    let second = server_process(other).await?;
    let first_again = in_transaction(one).await?;
    sqlx::raw_sql("commit").execute(&mut *other).await?;
    Ok(Met { first, second, first_again })
}

async fn in_transaction(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::raw_sql("begin").execute(&mut *connection).await?;
    let met = server_process(connection).await?;
    sqlx::raw_sql("commit").execute(connection).await?;
    Ok(met)
}

async fn server_process(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    use sqlx::Row as _;
    let row = sqlx::raw_sql("select pg_backend_pid()").fetch_one(connection).await?;
    // Unprepared answers come as text or binary, as the driver asked; it reads both.
    row.try_get(0)
}

impl Met {
    fn is_shared(self) -> bool {
        self.first != self.first_again || self.first == self.second
    }
}

/// Errors that a connection which keeps its server process never meets: a statement of somebody else's is there
/// already, one of its own is not; or start-up options are not passed on.
pub fn betrays_itself(error: &sqlx::Error) -> bool {
    let Some(answer) = error.as_database_error() else { return false };
    match answer.code().as_deref() {
        Some("42P05" | "26000") => true,
        Some("08P01") => answer.message().contains("startup parameter"),
        _ => false,
    }
}

pub fn shared() -> Finding {
    Finding::fault(
        Check::Pooler,
        "a pooler in transaction mode lies between:\n\
         connections share server processes, and fabric's locks are lost",
        "let FABRIC_POSTGRES_URL lead to Postgres itself,\n\
         or to a pooler with pool_mode = session that lets the start-up parameter `options` through",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_or_changing_server_processes_are_a_pooler_in_transaction_mode() {
        let shared = |first, second, first_again| Met { first, second, first_again }.is_shared();
        assert!(!shared(7, 8, 7));
        assert!(shared(7, 7, 8) && shared(7, 8, 9));
    }
}
