//! Judges a local file with no server: same cut, same rules, same verdicts as a load.
//!
//! One thread cuts, all cores judge, and what they find is put back in the order of the file, so that a check of the
//! same file always says the same. Memory is bounded by the chunks under way, whatever the size of the file.

mod fold;
mod pipeline;
mod references;
mod text;

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use crate::chunk::{Limits, Position};
use crate::feed::{Feed, Severity};
use crate::ledger::{Judgement, Stated, Terms, judge};
use crate::report::{Report, Skipped};
use crate::rules::{Breach, Plan};
use crate::source::{Source, SourceError};

pub use references::{ReferencesError, read_sets};
pub use text::text;

use fold::Fold;
use pipeline::{Cut, CutEnd};

/// What a person asks of a check.
pub struct Options {
    pub limits: Limits,
    /// Threads that judge; at least 1.
    pub workers: usize,
    /// First rejects to keep for showing.
    pub show: usize,
    /// Gets the source bytes of every reject, unchanged, in the order of the file. Of a record that is longer than the
    /// limit only its first bytes are known.
    pub rejects: Option<Box<dyn Write>>,
    /// Gets the accepted records as CSV (RFC 4180): a header of the feed's fields, CRLF, quotes where needed.
    pub accepted: Option<Box<dyn Write>>,
}

/// What a check found.
#[derive(Debug)]
pub struct CheckResult {
    pub report: Report,
    /// Rules that some record broke, in the order of the plan.
    pub rules: Vec<RuleCount>,
    pub first_rejects: Vec<FirstReject>,
    pub ruling: Ruling,
    /// `alert` thresholds that were passed, in words.
    pub alerts: Vec<String>,
    /// Columns of the header that the feed does not know.
    pub unknown_columns: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleCount {
    pub rule: String,
    pub severity: Severity,
    pub records: u64,
    pub first: Position,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstReject {
    pub at: Position,
    pub breaches: Vec<Breach>,
}

/// What the figures mean: would this file load?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// It would, with a remark where there is one.
    Passed { remark: Option<String> },
    /// It would be stopped or refused, for this reason.
    Refused { reason: String },
}

#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("cannot write {what}: {error}")]
    Write { what: &'static str, error: std::io::Error },
}

/// Judges `source` by `feed`, whose plan is `plan`; `file` is its name for people. Ends early where a `stop` threshold
/// is passed.
pub fn run(
    feed: &Feed,
    plan: &Plan,
    file: &str,
    mut source: Source,
    options: Options,
) -> Result<CheckResult, CheckError> {
    let started = Instant::now();
    let mut fold = Fold::new(feed, plan, options.show, options.rejects, options.accepted)?;
    let cut = pipeline::run(feed, plan, &mut source, options.limits, options.workers, &mut fold);
    let cut = cut.map_err(|end| match end {
        pipeline::Failure::Read(error) => CheckError::Source(SourceError::from_read(Path::new(file), error)),
        pipeline::Failure::Fold(error) => error,
    })?;
    if matches!(cut.end, CutEnd::Whole) {
        // A file that changed under the check has not been judged as it is now.
        source.finish()?;
    }
    fold.flush()?;
    let ruling = rule(feed, &fold, &cut);
    let seconds = started.elapsed().as_secs_f64();
    Ok(conclude(feed, file, fold, cut, ruling, seconds))
}

fn rule(feed: &Feed, fold: &Fold<'_>, cut: &Cut) -> Ruling {
    if let Some(reason) = fold.stopped() {
        return Ruling::Refused { reason: reason.to_owned() };
    }
    if let CutEnd::Header(fault) = &cut.end {
        return Ruling::Refused { reason: fault.to_string() };
    }
    let stated = Stated { chunks: fold.totals().chunks, records: fold.totals().records };
    let terms = Terms { thresholds: &feed.thresholds, on_empty: feed.on_empty };
    match judge(terms, Some(stated), fold.totals()) {
        Judgement::Complete { warning } => Ruling::Passed { remark: warning },
        Judgement::Stop { reason } | Judgement::Fail { reason } => Ruling::Refused { reason },
        Judgement::Wait => Ruling::Passed { remark: None },
    }
}

fn conclude(feed: &Feed, file: &str, fold: Fold<'_>, cut: Cut, ruling: Ruling, seconds: f64) -> CheckResult {
    let totals = *fold.totals();
    let found = fold.into_found();
    let of = |severity| {
        let counts = found.rules.iter().filter(|count| count.severity == severity);
        counts.map(|count| (count.rule.clone(), count.records)).collect()
    };
    let reason = match &ruling {
        Ruling::Passed { remark } => remark.clone(),
        Ruling::Refused { reason } => Some(reason.clone()),
    };
    let report = Report {
        schema_version: 1,
        job: None,
        feed: feed.name.to_string(),
        feed_version: None,
        file: file.to_owned(),
        state: None,
        reason,
        records: totals.records,
        loaded: None,
        accepted: Some(totals.loaded),
        rejected: totals.rejected,
        superseded: 0,
        rejects_by_rule: of(Severity::Error),
        warnings_by_rule: of(Severity::Warn),
        skipped: Skipped {
            header: cut.totals.headers,
            // Those before the header belong to no chunk.
            blank: cut.totals.blanks.max(totals.blanks),
            ..Skipped::default()
        },
        controls: Vec::new(),
        bytes: cut.totals.bytes.max(totals.bytes),
        seconds,
        records_per_second: if seconds > 0.0 { totals.records as f64 / seconds } else { 0.0 },
    };
    CheckResult {
        report,
        rules: found.rules,
        first_rejects: found.first_rejects,
        ruling,
        alerts: found.alerts,
        unknown_columns: cut.unknown_columns,
    }
}
