//! Who leads: whoever holds one session advisory lock of the database.

use sqlx::PgConnection;

use crate::settings::PostgresSettings;

/// Key of the advisory lock of the leader. `x'fab3'`, 47 bits up, as jobs' locks are `x'fab1'`.
pub const SEAT: i64 = 0xfab3 << 47;

/// A leader that says nothing for this long has lost its connection, and the seat with it: it may be frozen.
const SESSION: &str = "set idle_session_timeout = '5s'; set idle_in_transaction_session_timeout = '5s'";

/// The connection that holds the lock. Dropping it gives the seat up.
pub struct Seat {
    connection: PgConnection,
}

pub(super) struct Candidate {
    connection: PgConnection,
}

pub(super) enum Vote {
    Won(Seat),
    Taken(Candidate),
}

impl Candidate {
    pub(super) async fn connect(settings: &PostgresSettings) -> Result<Self, sqlx::Error> {
        let host = nix::unistd::gethostname().map_or_else(|_| "?".into(), |name| name.to_string_lossy().into_owned());
        let name = format!("fabric steward {host}/{}", std::process::id());
        let mut connection = crate::postgres::connect(settings, &name).await?;
        sqlx::raw_sql(SESSION).execute(&mut connection).await?;
        Ok(Self { connection })
    }

    /// Tries once; never waits for the present leader.
    pub(super) async fn stand(mut self) -> Result<Vote, sqlx::Error> {
        let won: bool =
            sqlx::query_scalar("select pg_try_advisory_lock($1)").bind(SEAT).fetch_one(&mut self.connection).await?;
        Ok(if won { Vote::Won(Seat { connection: self.connection }) } else { Vote::Taken(self) })
    }
}

impl Seat {
    /// Waits until the seat is free, and takes it. It is lost after 5 s without a statement on its connection.
    pub async fn take(settings: &PostgresSettings) -> Result<Self, sqlx::Error> {
        let mut candidate = Candidate::connect(settings).await?;
        loop {
            match candidate.stand().await? {
                Vote::Won(seat) => return Ok(seat),
                Vote::Taken(again) => candidate = again,
            }
            tokio::time::sleep(super::CANDIDATE_WAIT).await;
        }
    }

    /// All that a leader writes goes this way.
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}
