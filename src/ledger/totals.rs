//! Adds up ledger rows and judges the sum.

use std::ops::AddAssign;

use crate::feed::{OnEmpty, RejectLimit, Threshold, ThresholdAction};

/// Sums of a job's ledger rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    pub chunks: u64,
    /// One past the highest seq; more than `chunks` where some are missing.
    pub end: u64,
    pub records: u64,
    pub loaded: u64,
    pub rejected: u64,
    /// Decompressed bytes of the file that the chunks answer for.
    pub bytes: u64,
    pub blanks: u64,
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.chunks += other.chunks;
        self.end = self.end.max(other.end);
        self.records += other.records;
        self.loaded += other.loaded;
        self.rejected += other.rejected;
        self.bytes += other.bytes;
        self.blanks += other.blanks;
    }
}

/// What the publisher stated when it closed the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stated {
    pub chunks: u64,
    pub records: u64,
}

/// What the job's feed asks for.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'f> {
    pub thresholds: &'f [Threshold],
    pub on_empty: OnEmpty,
}

/// What the sums mean for the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// Chunks are still to come, and nothing speaks against them.
    Wait,
    /// A `stop` threshold is passed.
    Stop { reason: String },
    /// Every record is accounted for; `warning` where the feed wants an empty file noticed.
    Complete { warning: Option<String> },
    /// The figures do not agree, or the feed refuses an empty file.
    Fail { reason: String },
}

/// A threshold that the totals have passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crossing {
    /// Index into the feed's thresholds.
    pub threshold: usize,
    /// `612 rejects among 1,024 records, over 50 % after 10,000 records`
    pub text: String,
}

/// Judges a job by what its chunks add up to so far; `stated` is `None` until the publisher has closed it.
pub fn judge(terms: Terms<'_>, stated: Option<Stated>, totals: &Totals) -> Judgement {
    if totals.records != totals.loaded + totals.rejected {
        return Judgement::Fail { reason: unbalanced(totals) };
    }
    if let Some(stop) = crossings(terms.thresholds, ThresholdAction::Stop, totals).into_iter().next() {
        return Judgement::Stop { reason: stop.text };
    }
    match stated {
        Some(stated) => reconcile(terms.on_empty, stated, totals),
        None => Judgement::Wait,
    }
}

/// Thresholds with this action that the totals have passed, in the order of the feed.
pub fn crossings(thresholds: &[Threshold], action: ThresholdAction, totals: &Totals) -> Vec<Crossing> {
    let passed = |(_, threshold): &(usize, &Threshold)| threshold.action == action && is_past(threshold, totals);
    let tell = |(at, threshold)| Crossing { threshold: at, text: describe(threshold, totals) };
    thresholds.iter().enumerate().filter(passed).map(tell).collect()
}

fn reconcile(on_empty: OnEmpty, stated: Stated, totals: &Totals) -> Judgement {
    if totals.end > stated.chunks {
        let reason = format!(
            "chunk {} is loaded, but the publisher closed the job with {} chunks",
            grouped(totals.end - 1),
            grouped(stated.chunks)
        );
        return Judgement::Fail { reason };
    }
    if totals.chunks < stated.chunks {
        return Judgement::Wait;
    }
    if totals.records != stated.records {
        let reason = format!(
            "the publisher counted {} records, the chunks held {}",
            grouped(stated.records),
            grouped(totals.records)
        );
        return Judgement::Fail { reason };
    }
    const EMPTY: &str = "the file holds no records";
    match on_empty {
        OnEmpty::Fail if totals.records == 0 => Judgement::Fail { reason: EMPTY.into() },
        OnEmpty::Warn if totals.records == 0 => Judgement::Complete { warning: Some(EMPTY.into()) },
        OnEmpty::Ok | OnEmpty::Warn | OnEmpty::Fail => Judgement::Complete { warning: None },
    }
}

fn is_past(threshold: &Threshold, totals: &Totals) -> bool {
    if totals.records < threshold.after {
        return false;
    }
    match threshold.limit {
        RejectLimit::Count(most) => totals.rejected > most,
        RejectLimit::PartsPerMillion(most) => {
            u128::from(totals.rejected) * 1_000_000 > u128::from(totals.records) * u128::from(most)
        }
    }
}

fn describe(threshold: &Threshold, totals: &Totals) -> String {
    let limit = match threshold.limit {
        RejectLimit::Count(most) => format!("the limit of {}", grouped(most)),
        RejectLimit::PartsPerMillion(most) => percent(most),
    };
    let after = match threshold.after {
        0 => String::new(),
        after => format!(" after {} records", grouped(after)),
    };
    // Its feed does not show it: say where it comes from.
    let by = if *threshold == Threshold::default_stop() { "stopped by the default threshold: " } else { "" };
    format!("{by}{} rejects among {} records, over {limit}{after}", grouped(totals.rejected), grouped(totals.records))
}

/// `500_000` → `50 %`, `12_500` → `1.25 %`
fn percent(parts_per_million: u32) -> String {
    let (whole, rest) = (parts_per_million / 10_000, parts_per_million % 10_000);
    if rest == 0 {
        return format!("{whole} %");
    }
    let digits = format!("{rest:04}");
    format!("{whole}.{} %", digits.trim_end_matches('0'))
}

/// `1024` → `1,024`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn unbalanced(totals: &Totals) -> String {
    format!(
        "records do not add up: {} read, but {} loaded and {} rejected",
        grouped(totals.records),
        grouped(totals.loaded),
        grouped(totals.rejected)
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FREE: Terms<'static> = Terms { thresholds: &[], on_empty: OnEmpty::Ok };

    fn totals(chunks: u64, loaded: u64, rejected: u64) -> Totals {
        Totals { chunks, end: chunks, records: loaded + rejected, loaded, rejected, ..Totals::default() }
    }

    fn stop(limit: RejectLimit, after: u64) -> Threshold {
        Threshold { limit, after, action: ThresholdAction::Stop }
    }

    fn stated(chunks: u64, records: u64) -> Option<Stated> {
        Some(Stated { chunks, records })
    }

    #[test]
    fn a_stop_says_which_threshold_and_how_far_over() {
        let thresholds = [Threshold { after: 1_000, ..Threshold::default_stop() }];
        let terms = Terms { thresholds: &thresholds, on_empty: OnEmpty::Ok };
        let reason = "612 rejects among 1,024 records, over 50 % after 1,000 records".to_owned();
        assert_eq!(judge(terms, None, &totals(1, 412, 612)), Judgement::Stop { reason });
        assert_eq!(judge(terms, None, &totals(1, 0, 999)), Judgement::Wait);

        let thresholds = [stop(RejectLimit::Count(500), 0)];
        let terms = Terms { thresholds: &thresholds, on_empty: OnEmpty::Ok };
        let reason = "501 rejects among 501 records, over the limit of 500".to_owned();
        assert_eq!(judge(terms, None, &totals(1, 0, 501)), Judgement::Stop { reason });
        assert_eq!(judge(terms, None, &totals(1, 0, 500)), Judgement::Wait);
    }

    #[test]
    fn a_stop_threshold_passed_by_the_last_chunk_stops_the_job() {
        let thresholds = [stop(RejectLimit::PartsPerMillion(12_500), 0)];
        let terms = Terms { thresholds: &thresholds, on_empty: OnEmpty::Ok };
        let judged = judge(terms, stated(1, 100), &totals(1, 98, 2));
        assert_eq!(judged, Judgement::Stop { reason: "2 rejects among 100 records, over 1.25 %".into() });
        assert_eq!(judge(terms, stated(1, 100), &totals(1, 99, 1)), Judgement::Complete { warning: None });
    }

    #[test]
    fn after_holds_at_the_end_of_a_job_too() {
        let thresholds = [Threshold::default_stop()];
        let terms = Terms { thresholds: &thresholds, on_empty: OnEmpty::Ok };
        assert_eq!(judge(terms, stated(1, 5), &totals(1, 0, 5)), Judgement::Complete { warning: None });
    }

    #[test]
    fn continue_and_alert_stop_nothing() {
        for action in [ThresholdAction::Continue, ThresholdAction::Alert] {
            let thresholds = [Threshold { limit: RejectLimit::Count(0), after: 0, action }];
            let terms = Terms { thresholds: &thresholds, on_empty: OnEmpty::Ok };
            assert_eq!(judge(terms, None, &totals(1, 0, 9)), Judgement::Wait);
            assert_eq!(crossings(&thresholds, action, &totals(1, 0, 9)).len(), 1);
        }
    }

    #[test]
    fn a_job_completes_only_with_what_its_publisher_counted() {
        assert_eq!(judge(FREE, None, &totals(2, 10, 0)), Judgement::Wait);
        assert_eq!(judge(FREE, stated(3, 15), &totals(2, 10, 0)), Judgement::Wait);
        assert_eq!(judge(FREE, stated(2, 10), &totals(2, 9, 1)), Judgement::Complete { warning: None });
        let reason = "the publisher counted 11 records, the chunks held 10".to_owned();
        assert_eq!(judge(FREE, stated(2, 11), &totals(2, 10, 0)), Judgement::Fail { reason });
        let reason = "chunk 2 is loaded, but the publisher closed the job with 2 chunks".to_owned();
        let beyond = Totals { end: 3, ..totals(2, 10, 0) };
        assert_eq!(judge(FREE, stated(2, 10), &beyond), Judgement::Fail { reason });
    }

    #[test]
    fn an_empty_file_is_what_the_feed_says() {
        let judged = |on_empty| judge(Terms { thresholds: &[], on_empty }, stated(0, 0), &Totals::default());
        assert_eq!(judged(OnEmpty::Ok), Judgement::Complete { warning: None });
        assert_eq!(judged(OnEmpty::Warn), Judgement::Complete { warning: Some("the file holds no records".into()) });
        assert_eq!(judged(OnEmpty::Fail), Judgement::Fail { reason: "the file holds no records".into() });
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(["0", "999", "1,000", "1,234,567"], [0, 999, 1_000, 1_234_567].map(grouped)[..]);
    }

    fn chunks() -> impl Strategy<Value = Vec<Totals>> {
        let one = (0u64..2_000, 0u64..2_000, 0u64..10).prop_map(|(loaded, rejected, blanks)| Totals {
            blanks,
            bytes: 7 * (loaded + rejected),
            ..totals(1, loaded, rejected)
        });
        prop::collection::vec(one, 0..20).prop_map(|mut chunks| {
            for (seq, chunk) in (1..).zip(&mut chunks) {
                chunk.end = seq;
            }
            chunks
        })
    }

    fn sum(chunks: &[Totals]) -> Totals {
        let mut sum = Totals::default();
        chunks.iter().for_each(|chunk| sum += *chunk);
        sum
    }

    proptest! {
        #[test]
        fn the_order_of_chunks_changes_no_sum(chunks in chunks(), by in any::<prop::sample::Index>()) {
            let mut turned = chunks.clone();
            if !turned.is_empty() {
                turned.rotate_left(by.index(chunks.len()));
            }
            prop_assert_eq!(sum(&chunks), sum(&turned));
        }

        #[test]
        fn a_job_that_lacks_a_chunk_or_a_record_never_completes(chunks in chunks(), more in 1u64..5) {
            let sums = sum(&chunks);
            let full = Stated { chunks: sums.chunks, records: sums.records };
            let completes = |stated| matches!(judge(FREE, Some(stated), &sums), Judgement::Complete { .. });
            prop_assert!(completes(full));
            let lacks_chunks = completes(Stated { chunks: full.chunks + more, ..full });
            let lacks_records = completes(Stated { records: full.records + more, ..full });
            prop_assert!(!lacks_chunks && !lacks_records);
            let gap = Totals { chunks: sums.chunks.saturating_sub(1), ..sums };
            prop_assert!(sums.chunks == 0 || judge(FREE, Some(full), &gap) == Judgement::Wait);
        }

        #[test]
        fn a_ratio_is_judged_exactly(sums in chunks().prop_map(|c| sum(&c)), most in 0u32..=1_000_000, after in 0u64..9_000) {
            let threshold = stop(RejectLimit::PartsPerMillion(most), after);
            let over = sums.records >= after
                && u128::from(sums.rejected) * 1_000_000 > u128::from(most) * u128::from(sums.records);
            prop_assert_eq!(crossings(&[threshold], ThresholdAction::Stop, &sums).len() == 1, over);
        }
    }
}
