//! Targets of active feeds: whether each is there, fits, and may be written to.

use sqlx::PgPool;

use super::{Check, Finding};
use crate::feed;
use crate::load::{TargetError, check_target};
use crate::report::figures;

/// Told one by one, at most.
const TOLD: usize = 10;

pub async fn look(pool: &PgPool) -> Result<Finding, sqlx::Error> {
    let active: Vec<(String, i32, String)> = sqlx::query_as(
        "select f.feed, v.version, coalesce(v.resolved, v.document) from fabric.feeds f
           join fabric.feed_versions v on (v.feed, v.version) = (f.feed, f.active_version)
          where f.retired_at is null
          order by f.feed",
    )
    .fetch_all(pool)
    .await?;
    let mut connection = pool.acquire().await?;
    let mut unfit = vec![];
    for (name, version, document) in &active {
        let feed = match feed::parse(&format!("feed {name} v{version}"), document) {
            Ok(feed) => feed,
            Err(faults) => {
                unfit.push(format!("feed {name}: this release cannot read it\n  {faults}"));
                continue;
            }
        };
        match check_target(&mut connection, &feed).await {
            Ok(()) => {}
            Err(TargetError::Unfit(reason)) => unfit.push(format!("feed {name}: {reason}")),
            Err(TargetError::Postgres(error)) => return Err(error),
        }
    }
    Ok(verdict(active.len(), &unfit))
}

fn verdict(active: usize, unfit: &[String]) -> Finding {
    let feeds = figures::counted(active as u64, "active feed", "active feeds");
    if unfit.is_empty() {
        return Finding::ok(Check::Targets, format!("{feeds}; every target is there and may be written to"));
    }
    let mut lines = unfit.iter().take(TOLD).cloned().collect::<Vec<_>>().join("\n");
    if unfit.len() > TOLD {
        lines.push_str(&format!("\n… {} more", unfit.len() - TOLD));
    }
    let found = format!("{feeds}, {} cannot load\n{lines}", figures::count(unfit.len() as u64));
    Finding::fault(Check::Targets, found, "then `fabric jobs resume JOB` for each job that was parked meanwhile")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feed_that_cannot_load_is_named() {
        assert!(verdict(2, &[]).found.starts_with("2 active feeds; every target"));
        let finding = verdict(2, &["feed cards: public.cards is not there".into()]);
        assert_eq!(finding.found, "2 active feeds, 1 cannot load\nfeed cards: public.cards is not there");
    }
}
