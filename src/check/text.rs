//! A check as people read it.

use std::time::Duration;

use super::{CheckResult, FirstReject, Ruling};
use crate::feed::{Feed, RejectLimit, Severity, ThresholdAction};
use crate::report::{Align, figures, table};
use crate::rules::Breach;

/// The whole of what `fabric check` prints.
pub fn text(feed: &Feed, result: &CheckResult) -> String {
    let report = &result.report;
    let mut text = format!(
        "{}  {}, {}, {}\n",
        report.file,
        figures::counted(report.records, "record", "records"),
        figures::bytes(report.bytes),
        figures::duration(Duration::from_secs_f64(report.seconds))
    );
    if !result.rules.is_empty() {
        text.push_str(&format!("\n{}", rules(result)));
    }
    if !result.first_rejects.is_empty() {
        text.push_str(&format!("\n{}", rejects(result)));
    }
    text.push('\n');
    for remark in remarks(feed, result) {
        text.push_str(&format!("{remark}\n"));
    }
    text.push_str(&closing(feed, result));
    text
}

fn rules(result: &CheckResult) -> String {
    let heads =
        [("rule", Align::Left), ("severity", Align::Left), ("records", Align::Right), ("first at", Align::Left)];
    let row = |count: &super::RuleCount| {
        let severity = match count.severity {
            Severity::Error => "error",
            Severity::Warn => "warn",
        };
        let first = format!("line {}", figures::count(count.first.line));
        vec![count.rule.clone(), severity.to_owned(), figures::count(count.records), first]
    };
    table("  ", &heads, &result.rules.iter().map(row).collect::<Vec<_>>())
}

fn rejects(result: &CheckResult) -> String {
    let mut text: String = result.first_rejects.iter().map(reject).collect();
    let more = result.report.rejected - result.first_rejects.len() as u64;
    if more > 0 {
        text.push_str(&format!("  … {} more: --rejects FILE writes them all, byte for byte\n", figures::count(more)));
    }
    text
}

fn reject(reject: &FirstReject) -> String {
    let at = reject.at;
    let place = format!(
        "  line {}, record {}, byte {} · ",
        figures::count(at.line),
        figures::count(at.record),
        figures::count(at.byte)
    );
    let indent = " ".repeat(place.chars().count());
    let mut lines = String::new();
    for (index, breach) in reject.breaches.iter().enumerate() {
        lines.push_str(&format!("{}{}\n", if index == 0 { &place } else { &indent }, tell(breach)));
    }
    lines
}

fn tell(breach: &Breach) -> String {
    let warning = match breach.severity {
        Severity::Error => "",
        Severity::Warn => " (a warning)",
    };
    match (&breach.field, &breach.value) {
        (Some(field), Some(value)) => format!("{field} {value:?} · {}{warning}", breach.message),
        (Some(field), None) => format!("{field} · {}{warning}", breach.message),
        (None, Some(value)) => format!("{value:?} · {}{warning}", breach.message),
        (None, None) => format!("{}{warning}", breach.message),
    }
}

fn remarks(feed: &Feed, result: &CheckResult) -> Vec<String> {
    let mut remarks: Vec<String> = result.alerts.iter().map(|alert| format!("alert: {alert}")).collect();
    if !result.unknown_columns.is_empty() {
        remarks.push(format!("not in the feed, so not loaded: {}", result.unknown_columns.join(", ")));
    }
    if !feed.primary_key.is_empty() || !feed.unique_keys.is_empty() {
        remarks.push("primaryKey and uniqueKeys are judged by Postgres when the file is loaded, not here".to_owned());
    }
    remarks
}

fn closing(feed: &Feed, result: &CheckResult) -> String {
    let report = &result.report;
    let accepted = figures::count(report.accepted.unwrap_or(0));
    let share = match report.rejected {
        0 => String::new(),
        rejected => format!(" ({})", figures::percent(rejected, report.records)),
    };
    let sum = format!("{accepted} accepted · {} rejected{share}", figures::count(report.rejected));
    match &result.ruling {
        Ruling::Refused { reason } => format!("{sum}\nwould not load: {reason}\n"),
        Ruling::Passed { remark: Some(remark) } => format!("{sum}; {remark}\n"),
        Ruling::Passed { remark: None } if report.rejected == 0 => format!("{sum}\n"),
        Ruling::Passed { remark: None } => format!("{sum}{}\n", under(feed, report.records)),
    }
}

/// `, under the threshold of 1 %`: the feed's first `stop`.
fn under(feed: &Feed, records: u64) -> String {
    let Some(stop) = feed.thresholds.iter().find(|threshold| threshold.action == ThresholdAction::Stop) else {
        return String::new();
    };
    let limit = match stop.limit {
        RejectLimit::Count(most) => figures::count(most),
        RejectLimit::PartsPerMillion(most) => figures::parts_per_million(most),
    };
    if records < stop.after {
        format!("; the threshold of {limit} counts from {} records", figures::count(stop.after))
    } else {
        format!(", under the threshold of {limit}")
    }
}
