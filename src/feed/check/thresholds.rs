//! Checks the limits on rejects.

use crate::feed::decode::Written;
use crate::feed::document::{ActionWord, Scalar, StreamDocument, ThresholdDocument};
use crate::feed::fault::Findings;
use crate::feed::model::{RejectLimit, Threshold, ThresholdAction};
use crate::feed::node::shortened;

const LATER: &[&str] = &["rule", "records"];

/// As written, and the default where none of them stops a load or says that it may go on.
pub(super) fn thresholds(
    written: Option<&Written<Vec<ThresholdDocument>>>,
    stream: Option<&StreamDocument>,
    findings: &mut Findings,
) -> Vec<Threshold> {
    let documents = written.map(|written| written.value.as_slice()).unwrap_or_default();
    let mut thresholds: Vec<Threshold> = findings
        .within("thresholds", |f| documents.iter().filter_map(|document| threshold(document, stream, f)).collect());
    if thresholds.iter().all(|threshold| threshold.action == ThresholdAction::Alert) {
        thresholds.push(Threshold::default_stop());
    }
    thresholds
}

fn threshold(
    written: &ThresholdDocument,
    stream: Option<&StreamDocument>,
    findings: &mut Findings,
) -> Option<Threshold> {
    written.keys.refuse_others(ThresholdDocument::WHAT, ThresholdDocument::KEYS, LATER, findings);
    // `rule:` with `records:` is another kind of threshold, refused above; it needs no second fault.
    if !LATER.iter().any(|key| written.keys.place_of(key).is_some()) {
        written.keys.require("rejects", "rejects: 1%", findings);
    }
    written.keys.require("action", "action: stop", findings);
    let limit = written.rejects.as_ref().and_then(|limit| reject_limit(limit, findings));
    let action = written.action.as_ref().and_then(|action| self::action(action, stream, findings));
    Some(Threshold { limit: limit?, after: written.after.as_ref().map_or(0, |after| after.value), action: action? })
}

fn action(
    written: &Written<ActionWord>,
    stream: Option<&StreamDocument>,
    findings: &mut Findings,
) -> Option<ThresholdAction> {
    let ActionWord::Action(action) = written.value else {
        let why = match stream {
            Some(_) => "cannot be for a stream, whose batches are final once they are loaded",
            None => "is not supported yet",
        };
        let message = format!("`rollback` {why}; expected one of `stop`, `alert`, `continue`");
        findings.within("action", |f| f.add(written.at, message));
        return None;
    };
    Some(action)
}

fn reject_limit(written: &Written<Scalar>, findings: &mut Findings) -> Option<RejectLimit> {
    let text = written.value.0.as_str();
    let limit = match text.strip_suffix('%') {
        Some(percent) => parts_per_million(percent).map(RejectLimit::PartsPerMillion),
        None if text.bytes().all(|b| b.is_ascii_digit()) => {
            text.parse().ok().filter(|count| *count <= i64::MAX as u64).map(RejectLimit::Count)
        }
        None => None,
    };
    if limit.is_none() {
        let message = format!(
            "found `{}`; expected a number of records, as in `500`, or a share from 0% to 100% \
             with at most 4 digits after the point, as in `0.5%`",
            shortened(text)
        );
        findings.within("rejects", |f| f.add(written.at, message));
    }
    limit
}

/// `0.5` (percent) is 5 000; `None` past 100 and for finer shares than a millionth.
fn parts_per_million(percent: &str) -> Option<u32> {
    let (whole, fraction) = percent.split_once('.').unwrap_or((percent, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 4 {
        return None;
    }
    let parts = whole.parse::<u32>().ok()?.checked_mul(10_000)?.checked_add(format!("{fraction:0<4}").parse().ok()?)?;
    (parts <= 1_000_000).then_some(parts)
}
