//! This machine's clock against Postgres'. No outcome depends on it; log lines of two machines do.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::PgPool;

use super::{Check, Finding};
use crate::report::figures;

/// Log lines of two machines cannot be put in order past this.
const TOLERATED: Duration = Duration::from_secs(1);

/// Seconds since 1970 on both ends of one question.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Reading {
    before: f64,
    there: f64,
    after: f64,
}

pub async fn look(pool: &PgPool) -> Result<Finding, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let before = here();
    let there: f64 =
        sqlx::query_scalar("select extract(epoch from clock_timestamp())::float8").fetch_one(&mut *connection).await?;
    Ok(verdict(Reading { before, there, after: here() }))
}

fn here() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Postgres read its clock at some instant between ours: what lies within is no difference.
fn verdict(reading: Reading) -> Finding {
    let (ahead, behind) = (reading.before - reading.there, reading.there - reading.after);
    let apart = Duration::from_secs_f64(ahead.max(behind).max(0.0));
    if apart <= TOLERATED {
        // Known no better than the question took.
        let within = apart + Duration::from_secs_f64((reading.after - reading.before).max(0.001));
        let told = figures::duration(within);
        return Finding::ok(Check::Clock, format!("this machine's agrees with Postgres' to within {told}"));
    }
    let told = figures::duration(apart);
    let way = if ahead > behind { "ahead of" } else { "behind" };
    Finding::warn(
        Check::Clock,
        format!("this machine is {told} {way} Postgres: no load depends on it, but times in logs do not match"),
        "set both by NTP (`timedatectl status`)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;

    #[test]
    fn what_lies_within_the_question_s_own_time_is_no_difference() {
        let finding = verdict(Reading { before: 100.0, there: 101.0, after: 103.0 });
        assert_eq!(finding.status, Status::Ok);
    }

    #[test]
    fn a_clock_that_is_off_is_told_with_its_way() {
        let finding = verdict(Reading { before: 1_000.0, there: 839.0, after: 1_000.1 });
        assert_eq!(finding.status, Status::Warn);
        assert!(finding.found.starts_with("this machine is 2m 41s ahead of Postgres"), "{}", finding.found);
        assert!(verdict(Reading { before: 5.0, there: 9.0, after: 5.0 }).found.contains("4.0 s behind Postgres"));
    }
}
