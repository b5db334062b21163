//! A process's heartbeat: a row that says that it runs and what it does. It never delays or fails the work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::PgPool;
use sqlx::types::Json;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Doing, Role, Tally};

/// Between two beats.
pub const BEAT: Duration = Duration::from_secs(5);
/// News that come together are told together.
const SOON: Duration = Duration::from_millis(200);
/// A beat that takes longer is given up: another follows.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long the end of a process may wait for its row to go.
const FAREWELL: Duration = Duration::from_secs(1);

/// Beats until it is dropped; then its row goes stale. [`Announcement::end`] removes the row.
pub struct Announcement {
    pool: PgPool,
    place: Place,
    /// Whether there is a row to remove.
    shown: Arc<AtomicBool>,
    beating: JoinHandle<()>,
}

/// What tells this process from every other.
#[derive(Debug, Clone)]
struct Place {
    role: Role,
    host: String,
    pid: i32,
}

/// Begins to beat, at once and then every [`BEAT`].
pub fn announce(pool: &PgPool, role: Role, tally: Arc<Tally>) -> Announcement {
    let host = nix::unistd::gethostname().map_or_else(|_| "?".into(), |name| name.to_string_lossy().into_owned());
    let place = Place { role, host, pid: std::process::id().cast_signed() };
    let shown = Arc::new(AtomicBool::new(false));
    let beating = tokio::spawn(beat(pool.clone(), place.clone(), tally, shown.clone()));
    Announcement { pool: pool.clone(), place, shown, beating }
}

async fn beat(pool: PgPool, place: Place, tally: Arc<Tally>, shown: Arc<AtomicBool>) {
    let mut before = tally.look();
    let mut seen = None;
    loop {
        let doing = tally.doing_since(before);
        before = tally.look();
        match timeout(PATIENCE, write(&pool, &place, &doing)).await {
            Ok(Ok(())) => shown.store(true, Ordering::Release),
            // Whoever loads says what is wrong with Postgres.
            Ok(Err(error)) => tracing::debug!(%error, "a heartbeat was left out"),
            Err(_) => tracing::debug!("a heartbeat was left out: Postgres did not answer in time"),
        }
        tokio::select! {
            () = tokio::time::sleep(BEAT) => {}
            () = tally.news(&mut seen) => tokio::time::sleep(SOON).await,
        }
    }
}

/// A process that was taken for gone, and swept, comes back as it was.
async fn write(pool: &PgPool, place: &Place, doing: &Doing) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into fabric.processes as p (role, host, pid, version, doing) values ($1, $2, $3, $4, $5)
         on conflict (host, pid, role) do update set
            -- Another process of that id was here before.
            started_at = case when p.beat_at < clock_timestamp() - interval '60 s' then clock_timestamp()
                              else p.started_at end,
            version = excluded.version, doing = excluded.doing, beat_at = clock_timestamp()",
    )
    .bind(place.role.as_str())
    .bind(&place.host)
    .bind(place.pid)
    .bind(env!("CARGO_PKG_VERSION"))
    .bind(Json(doing))
    .execute(pool)
    .await?;
    Ok(())
}

impl Announcement {
    /// Removes the row; where Postgres does not answer it goes stale and is swept.
    pub async fn end(self) {
        self.beating.abort();
        if !self.shown.load(Ordering::Acquire) {
            return;
        }
        let Place { role, host, pid } = &self.place;
        let gone = sqlx::query("delete from fabric.processes where (host, pid, role) = ($1, $2, $3)")
            .bind(host)
            .bind(pid)
            .bind(role.as_str())
            .execute(&self.pool);
        if let Ok(Err(error)) = timeout(FAREWELL, gone).await {
            tracing::debug!(%error, "this process's row is left to be swept");
        }
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        self.beating.abort();
    }
}
