//! What every live process holds of what is active, against what Postgres says: who is behind, and how far.

use serde::Serialize;
use sqlx::PgConnection;

use super::{Process, list};
use crate::config::{self, Active, Thing};

/// A thing that users edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CurrentThing {
    /// `feed/cards`
    pub thing: String,
    pub version: i32,
    pub revision: i64,
    pub retired: bool,
    pub changed_at: jiff::Timestamp,
}

/// What a process has not applied yet.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Behind {
    pub thing: String,
    /// `None`: it does not know the thing.
    pub holds: Option<i32>,
    pub active: i32,
    /// Since it was changed.
    pub seconds: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessHolding {
    #[serde(flatten)]
    pub process: Process,
    pub behind: Vec<Behind>,
}

/// Everything that is active, and who holds it. A process that has none of it (it does not follow) is left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Holdings {
    pub things: Vec<CurrentThing>,
    pub processes: Vec<ProcessHolding>,
}

/// Reads both at one instant, by the clock of Postgres.
pub async fn holdings(connection: &mut PgConnection) -> Result<Holdings, sqlx::Error> {
    let now: i64 = sqlx::query_scalar("select (extract(epoch from clock_timestamp()) * 1000000)::bigint")
        .fetch_one(&mut *connection)
        .await?;
    let mut things = config::all_active(&mut *connection).await?;
    things.sort_by(|one, other| one.0.cmp(&other.0));
    let processes = list(connection).await?.into_iter().filter(|process| !process.is_gone());
    let processes = processes.filter(|process| process.doing.config.is_some());
    let processes = processes.map(|process| ProcessHolding { behind: behind(&process, &things, now), process });
    let processes = processes.collect();
    Ok(Holdings { things: things.iter().map(current).collect(), processes })
}

fn current((thing, active): &(Thing, Active)) -> CurrentThing {
    let changed_at = jiff::Timestamp::from_microsecond(active.changed_at);
    CurrentThing {
        thing: thing.to_string(),
        version: active.version,
        revision: active.revision,
        retired: active.retired,
        changed_at: changed_at.expect("a time of Postgres of this era is one of jiff"),
    }
}

/// What is retired is held by nobody.
fn behind(process: &Process, things: &[(Thing, Active)], now: i64) -> Vec<Behind> {
    let Some(holding) = &process.doing.config else { return Vec::new() };
    let late = things.iter().filter_map(|(thing, active)| {
        let name = thing.to_string();
        let held = holding.things.get(&name).copied();
        let is_late = match held {
            Some((_, revision)) => revision != active.revision,
            None => !active.retired,
        };
        let seconds = now.saturating_sub(active.changed_at) as f64 / 1e6;
        is_late.then(|| Behind { thing: name, holds: held.map(|held| held.0), active: active.version, seconds })
    });
    late.collect()
}
