//! Jobs that wait for somebody.

use sqlx::{FromRow, PgPool};

use super::{Check, Finding};
use crate::report::figures;

/// Told one by one, at most.
const TOLD: usize = 5;

#[derive(Debug, Clone, FromRow)]
struct Waiting {
    job_id: i64,
    feed: String,
    state: String,
    reason: Option<String>,
}

pub async fn look(pool: &PgPool) -> Result<Finding, sqlx::Error> {
    let waiting: Vec<Waiting> = sqlx::query_as(
        "select job_id, feed, state, reason from fabric.jobs
          where state in ('parked', 'stalled', 'incomplete') order by job_id",
    )
    .fetch_all(pool)
    .await?;
    Ok(verdict(&waiting))
}

fn verdict(waiting: &[Waiting]) -> Finding {
    let Some(first) = waiting.first() else {
        return Finding::ok(Check::Jobs, "none is parked, stalled or incomplete");
    };
    let count = figures::counted(waiting.len() as u64, "waits", "wait");
    let mut found = format!("{count} for somebody");
    for Waiting { job_id, feed, state, reason } in waiting.iter().take(TOLD) {
        let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        found.push_str(&format!("\njob {job_id}  {feed}  {state}{reason}"));
    }
    if waiting.len() > TOLD {
        found.push_str(&format!("\n… {} more: fabric jobs list", waiting.len() - TOLD));
    }
    let job = first.job_id;
    let next = match first.state.as_str() {
        "parked" => format!("mend what the reason says, then `fabric jobs resume {job}`"),
        _ => format!("`fabric ingest --resume {job}`, or `fabric jobs cancel {job}`"),
    };
    Finding::warn(Check::Jobs, found, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_waiting_has_its_own_remedy_and_a_long_list_is_cut() {
        let job = |job_id, state: &str| Waiting {
            job_id,
            feed: "cards".into(),
            state: state.into(),
            reason: (state == "parked").then(|| "its target is gone".into()),
        };
        assert_eq!(verdict(&[]).next, None);
        let parked = verdict(&[job(3, "parked")]);
        assert_eq!(parked.found, "1 waits for somebody\njob 3  cards  parked: its target is gone");
        assert!(parked.next.unwrap().ends_with("`fabric jobs resume 3`"));
        let many: Vec<_> = (1..=7).map(|number| job(number, "stalled")).collect();
        assert!(verdict(&many).found.ends_with("… 2 more: fabric jobs list"));
    }
}
