//! Judges streams: what a window's records add up to, against the thresholds of the version that the window began with.
//!
//! A stream is paused past a `stop`, and an `alert` is told once in a window. A window ends by its time or with its
//! version; the next begins under the stream's lock taken alone, so that no record is in neither or in both.

use sqlx::{Connection as _, FromRow, PgConnection};

use crate::config::audit;
use crate::faults;
use crate::feed::{Feed, Stream, ThresholdAction};
use crate::ledger::{Totals, crossings};
use crate::postgres::EVICT_AFTER;
use crate::streams;
use crate::telemetry::catalog::STREAM_THRESHOLDS;

/// The window of a running stream.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Window {
    pub feed: String,
    /// Whose thresholds hold.
    pub version: i32,
    pub active_version: i32,
    /// No version was on record of it.
    fresh: bool,
    number: i64,
    /// By the server's clock.
    seconds: f64,
    began: String,
    alerted: Vec<i32>,
    records: i64,
    rejected: i64,
}

/// What a window's time says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    Open,
    Over,
}

/// Of one stream, or of all.
pub(super) async fn read(connection: &mut PgConnection, feed: Option<&str>) -> Result<Vec<Window>, sqlx::Error> {
    sqlx::query_as(
        "select s.feed, coalesce(s.window_version, f.active_version) as version, f.active_version,
                s.window_version is null as fresh, s.window_number as number, s.window_alerted as alerted,
                extract(epoch from clock_timestamp() - s.window_began)::float8 as seconds,
                to_char(s.window_began at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') as began,
                coalesce(sum(p.window_records), 0)::bigint as records,
                coalesce(sum(p.window_rejected), 0)::bigint as rejected
           from fabric.streams s
           join fabric.feeds f on f.feed = s.feed and f.retired_at is null
           join fabric.feed_versions v on (v.feed, v.version) = (f.feed, f.active_version)
           left join fabric.stream_positions p on p.feed = s.feed and p.window_number = s.window_number
          where s.state = 'running' and v.stream_topic is not null and ($1::text is null or s.feed = $1)
          group by s.feed, f.active_version order by s.feed",
    )
    .bind(feed)
    .fetch_all(connection)
    .await
}

impl Window {
    fn totals(&self) -> Totals {
        let (records, rejected) = (self.records.unsigned_abs(), self.rejected.unsigned_abs());
        Totals { records, rejected, loaded: records.saturating_sub(rejected), ..Totals::default() }
    }

    fn age(&self, seconds: u32) -> Age {
        let over = self.seconds >= f64::from(seconds) || self.version != self.active_version;
        if over { Age::Over } else { Age::Open }
    }
}

/// `feed` is of the window's version.
pub(super) async fn look_after(connection: &mut PgConnection, window: &Window, feed: &Feed) -> Result<(), sqlx::Error> {
    let seconds = feed.stream.as_ref().map_or(Stream::WINDOW_SECONDS, |stream| stream.window_seconds);
    if window.fresh {
        pin_version(connection, window).await?;
    }
    if judge(connection, window, feed, seconds).await? || window.age(seconds) == Age::Open {
        return Ok(());
    }
    let lock = streams::lock_of(connection, &window.feed).await?;
    let mut transaction = connection.begin().await?;
    if !lock.alone(&mut transaction).await? {
        transaction.rollback().await?;
        for loader in lock.evict(connection, EVICT_AFTER).await? {
            tracing::warn!(feed = window.feed, loader, "evicted a loader that held up its stream for too long");
        }
        return Ok(());
    }
    // Whoever was under way has ended: these are the last figures.
    let last = read(&mut transaction, Some(&window.feed)).await?.pop().filter(|last| last.number == window.number);
    if let Some(last) = last
        && !judge(&mut transaction, &last, feed, seconds).await?
    {
        begin(&mut transaction, &last).await?;
    }
    faults::statement("window.commit.sent", &mut transaction).await?;
    transaction.commit().await
}

async fn pin_version(connection: &mut PgConnection, window: &Window) -> Result<(), sqlx::Error> {
    sqlx::query("update fabric.streams set window_version = $3 where feed = $1 and window_number = $2")
        .bind(&window.feed)
        .bind(window.number)
        .bind(window.version)
        .execute(connection)
        .await?;
    Ok(())
}

async fn begin(connection: &mut PgConnection, ended: &Window) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update fabric.streams
            set window_number = window_number + 1, window_began = clock_timestamp(), window_version = $3,
                window_alerted = '{}'
          where feed = $1 and window_number = $2 and state = 'running'",
    )
    .bind(&ended.feed)
    .bind(ended.number)
    .bind(ended.active_version)
    .execute(connection)
    .await?;
    if ended.records > 0 {
        let Window { feed, records, rejected, .. } = ended;
        tracing::info!(feed, records, rejected, "a window of a stream has ended");
    }
    Ok(())
}

/// Tells of alerts; answers whether the stream was paused.
async fn judge(connection: &mut PgConnection, window: &Window, feed: &Feed, seconds: u32) -> Result<bool, sqlx::Error> {
    let totals = window.totals();
    for crossing in crossings(&feed.thresholds, ThresholdAction::Alert, &totals) {
        match i32::try_from(crossing.threshold) {
            Ok(threshold) if !window.alerted.contains(&threshold) => {
                alert(connection, window, threshold, &tell(window, seconds, &crossing.text)).await?;
            }
            _ => {}
        }
    }
    match crossings(&feed.thresholds, ThresholdAction::Stop, &totals).into_iter().next() {
        Some(crossing) => pause(connection, window, &tell(window, seconds, &crossing.text)).await,
        None => Ok(false),
    }
}

/// `31 rejects among 1,000 records, over 3 %, in the window of 5m since 2026-11-25 22:10:00 UTC`
fn tell(window: &Window, seconds: u32, crossing: &str) -> String {
    let length = match seconds {
        _ if seconds.is_multiple_of(3_600) => format!("{}h", seconds / 3_600),
        _ if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    };
    format!("{crossing}, in the window of {length} since {} UTC", window.began)
}

async fn alert(connection: &mut PgConnection, window: &Window, threshold: i32, text: &str) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let told = sqlx::query(
        "update fabric.streams set window_alerted = window_alerted || $3
          where feed = $1 and window_number = $2 and not $3 = any(window_alerted)",
    );
    let told = told.bind(&window.feed).bind(window.number).bind(threshold).execute(&mut *transaction).await?;
    if told.rows_affected() > 0 {
        audit(&mut transaction, "alert", "stream", &window.feed, None, None, Some(text)).await?;
    }
    transaction.commit().await?;
    STREAM_THRESHOLDS.add(&[&window.feed, "alert"], told.rows_affected());
    tracing::warn!(feed = window.feed, alert = text, "a threshold of a stream is passed");
    Ok(())
}

/// `false`: it is paused already, or another window has begun.
async fn pause(connection: &mut PgConnection, window: &Window, text: &str) -> Result<bool, sqlx::Error> {
    let Window { feed, number, .. } = window;
    let reason = format!("paused by fabric: {text}; `fabric streams resume {feed}` begins a new window");
    let mut transaction = connection.begin().await?;
    let paused = sqlx::query(
        "update fabric.streams
            set state = 'paused', reason = $3, changed_by = 'fabric', changed_at = clock_timestamp()
          where feed = $1 and window_number = $2 and state = 'running'",
    );
    let paused = paused.bind(feed).bind(number).bind(&reason).execute(&mut *transaction).await?.rows_affected() > 0;
    if paused {
        audit(&mut transaction, "pause", "stream", feed, None, None, Some(&reason)).await?;
    }
    faults::statement("window.pause.sent", &mut transaction).await?;
    transaction.commit().await?;
    if paused {
        STREAM_THRESHOLDS.add(&[feed.as_str(), "stop"], 1);
        tracing::error!(feed, reason, "a threshold of a stream is passed: it is paused");
    }
    Ok(paused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window() -> Window {
        Window {
            feed: "payments".to_owned(),
            version: 2,
            active_version: 2,
            fresh: false,
            number: 7,
            seconds: 299.5,
            began: "2026-11-25 22:10:00".to_owned(),
            alerted: Vec::new(),
            records: 1_000,
            rejected: 31,
        }
    }

    #[test]
    fn a_window_ends_by_its_time_or_with_its_version() {
        assert_eq!(window().age(300), Age::Open);
        assert_eq!(Window { seconds: 300.0, ..window() }.age(300), Age::Over);
        assert_eq!(Window { active_version: 3, ..window() }.age(300), Age::Over);
    }

    #[test]
    fn a_reason_names_limit_counts_and_window() {
        for (seconds, told) in [(45, "45s"), (300, "5m"), (7_200, "2h")] {
            let expected = format!(
                "31 rejects among 1,000 records, over 3 %, in the window of {told} since 2026-11-25 22:10:00 UTC"
            );
            assert_eq!(tell(&window(), seconds, "31 rejects among 1,000 records, over 3 %"), expected);
        }
    }
}
