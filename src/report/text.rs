//! A report as people read it.

use std::collections::BTreeMap;

use super::{Report, figures};

/// Rules of a report that its few lines name; `fabric rejects JOB` names them all.
const TOP_RULES: usize = 3;

/// Three or four lines:
/// ```text
/// job 2  card-transactions v1  completed
///        1,000,000 read = 998,971 loaded + 1,029 rejected
///        amount.exclusiveMinimum  412   posted_at.type  398   currency.enum  219
/// ```
pub fn text(report: &Report) -> String {
    let title = match report.job {
        Some(job) => format!("job {job}  "),
        None => String::new(),
    };
    let indent = " ".repeat(title.chars().count());
    let mut lines = format!("{title}{}", report.feed);
    if let Some(version) = report.feed_version {
        lines.push_str(&format!(" v{version}"));
    }
    lines.push_str(&format!("  {}\n", report.state.as_deref().unwrap_or("checked")));
    if let Some(reason) = &report.reason {
        lines.push_str(&format!("{indent}{reason}\n"));
    }
    lines.push_str(&format!("{indent}{}\n", sum(report)));
    for rules in [&report.rejects_by_rule, &report.warnings_by_rule] {
        if !rules.is_empty() {
            lines.push_str(&format!("{indent}{}\n", top(rules)));
        }
    }
    lines
}

/// `1,000,000 read = 998,971 loaded + 1,029 rejected`. Where the two sides differ (a job under way), it says what is
/// still to come rather than an equation that does not hold.
fn sum(report: &Report) -> String {
    let (good, verb) = match (report.loaded, report.accepted) {
        (Some(loaded), _) => (loaded, "loaded"),
        (None, accepted) => (accepted.unwrap_or(0), "accepted"),
    };
    let mut right = format!("{} {verb} + {} rejected", figures::count(good), figures::count(report.rejected));
    if report.superseded > 0 {
        right.push_str(&format!(" + {} superseded", figures::count(report.superseded)));
    }
    let accounted = good + report.rejected + report.superseded;
    if report.records == accounted {
        format!("{} read = {right}", figures::count(report.records))
    } else if report.records > accounted {
        let owed = figures::count(report.records - accounted);
        format!("{} read = {right} + {owed} to come", figures::count(report.records))
    } else {
        // While the file is being published nobody knows yet how many there are.
        format!("so far {right}")
    }
}

fn top(rules: &BTreeMap<String, u64>) -> String {
    let mut sorted: Vec<_> = rules.iter().collect();
    sorted.sort_by(|(a, x), (b, y)| y.cmp(x).then(a.cmp(b)));
    let named: Vec<_> =
        sorted.iter().take(TOP_RULES).map(|(rule, records)| format!("{rule}  {}", figures::count(**records))).collect();
    let more = match sorted.len().saturating_sub(TOP_RULES) {
        0 => String::new(),
        more => format!("   … {}", figures::counted(more as u64, "more rule", "more rules")),
    };
    format!("{}{more}", named.join("   "))
}
