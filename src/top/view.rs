//! Turns readings into what is shown: rates, shares, times that are left, who holds what.

use std::time::Duration;

use serde::Serialize;

use super::reading::{JobRow, Reading};
use crate::processes::Process;
use crate::streams::StreamSummary;

/// Everything on one screen.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// Seconds since 1970, by Postgres' clock.
    pub at: f64,
    pub jobs: Vec<Job>,
    pub partitions: Vec<Partition>,
    pub streams: Vec<StreamSummary>,
    pub processes: Vec<Member>,
    pub rejects: Vec<Rule>,
    /// What could not be asked, in words.
    pub trouble: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    pub job: i64,
    pub feed: String,
    pub feed_version: i32,
    pub file: String,
    pub state: String,
    pub reason: Option<String>,
    /// Of the file, from 0 to 1; `None` where that cannot be told yet.
    pub done: Option<f64>,
    /// Loaded or rejected.
    pub records: u64,
    /// In the file; `None` until it is published.
    pub of: Option<u64>,
    pub rejected: u64,
    pub records_per_second: f64,
    pub seconds_left: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Partition {
    pub lane: &'static str,
    pub partition: i32,
    pub waiting: u64,
    pub committed: Option<i64>,
    pub end: i64,
    /// `HOST/PID`.
    pub held_by: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    #[serde(flatten)]
    pub process: Process,
    pub leads: bool,
    pub gone: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    pub job: i64,
    pub rule: String,
    pub records: u64,
}

impl View {
    /// `before`: an earlier reading, from which on rates are counted; without one they are of a job's whole time.
    pub fn of(before: Option<&Reading>, now: &Reading) -> Self {
        let place = |process: &Process| format!("{}/{}", process.host, process.pid);
        let holder = |lane: &str, partition: i32| {
            let holds = |process: &&Process| {
                let held = process.doing.partitions.get(lane);
                !process.is_gone() && held.is_some_and(|held| held.contains(&partition))
            };
            now.processes.iter().find(holds).map(place)
        };
        let partitions = now.partitions.iter().map(|(lane, standing)| Partition {
            lane: lane.as_str(),
            partition: standing.partition,
            waiting: standing.waiting(),
            committed: standing.committed,
            end: standing.high,
            held_by: holder(lane.as_str(), standing.partition),
        });
        let member = |process: &Process| Member {
            leads: now.leader.as_ref() == Some(&place(process)),
            gone: process.is_gone(),
            process: process.clone(),
        };
        let rule = |row: &super::reading::RuleRow| Rule {
            job: row.job_id,
            rule: row.rule.clone(),
            records: row.records.cast_unsigned(),
        };
        Self {
            at: now.at,
            jobs: now.jobs.iter().map(|row| job(before, now.at, row)).collect(),
            partitions: partitions.collect(),
            streams: now.streams.clone(),
            processes: now.processes.iter().map(member).collect(),
            rejects: now.rejects.iter().map(rule).collect(),
            trouble: now.trouble.clone(),
        }
    }

    /// Messages that wait on a lane.
    pub fn waiting(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.waiting).sum()
    }
}

fn job(before: Option<&Reading>, at: f64, row: &JobRow) -> Job {
    let records = (row.loaded + row.rejected).max(0);
    let earlier = before.and_then(|before| {
        let earlier = before.jobs.iter().find(|earlier| earlier.job_id == row.job_id)?;
        // Under half a second the steward's sums may not have moved at all.
        (at - before.at > 0.5 && !row.ended).then(|| (earlier.loaded + earlier.rejected, at - before.at))
    });
    let (since, seconds) = earlier.unwrap_or((0, row.age));
    let records_per_second = if seconds > 0.0 { (records - since).max(0) as f64 / seconds } else { 0.0 };
    let done = share(row, records);
    let at_work = matches!(row.state.as_str(), "publishing" | "loading") && records_per_second > 0.0;
    let left = done.filter(|done| at_work && *done > 0.0).map(|done| records as f64 * (1.0 / done - 1.0));
    Job {
        job: row.job_id,
        feed: row.feed.clone(),
        feed_version: row.feed_version,
        file: row.file.clone(),
        state: row.state.clone(),
        reason: row.reason.clone(),
        done,
        records: records.cast_unsigned(),
        of: row.records.map(i64::cast_unsigned),
        rejected: row.rejected.max(0).cast_unsigned(),
        records_per_second,
        seconds_left: left.map(|left| left / records_per_second),
    }
}

/// By records once they are counted; until then by bytes, where the file is not compressed.
fn share(row: &JobRow, records: i64) -> Option<f64> {
    let part = |part: i64, whole: i64| if whole > 0 { part as f64 / whole as f64 } else { 1.0 };
    match (row.records, row.source_bytes) {
        (Some(of), _) => Some(part(records, of).min(1.0)),
        (None, Some(bytes)) if row.bytes_loaded <= bytes => Some(part(row.bytes_loaded, bytes)),
        _ => None,
    }
}

impl Job {
    pub fn time_left(&self) -> Option<Duration> {
        self.seconds_left.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    }
}
