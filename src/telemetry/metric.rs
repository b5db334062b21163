//! Turns a figure and its labels into a series: one of a bounded set, whatever comes.

use std::collections::{HashMap, HashSet};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

/// A declared metric. Its name ends with its unit, as Prometheus has it (<https://prometheus.io/docs/practices/naming/>).
#[derive(Debug)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [Label],
    /// One sentence, for people.
    pub help: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from 0 at the start of the process.
    Counter,
    /// As it is when it is asked for.
    Gauge,
    /// Durations in seconds, counted by [`BUCKETS`].
    Histogram,
}

#[derive(Debug)]
pub struct Label {
    pub name: &'static str,
    pub values: Values,
}

#[derive(Debug)]
pub enum Values {
    /// These words and no others.
    Of(&'static [&'static str]),
    /// Names of the installation's: what they are. Bounded by [`LABEL_SETS`].
    Named(&'static str),
}

/// Series of one metric whose labels are names; what comes after them is counted under [`OTHER`].
pub const LABEL_SETS: usize = 500;

pub const OTHER: &str = "other";

/// Upper bounds in seconds: from a commit on a fast disk to a target that someone holds.
pub const BUCKETS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Metric {
    /// Adds to a counter. `values`: of the labels, in their order; so in all of these.
    pub fn add(&'static self, values: &[&str], amount: u64) {
        debug_assert_eq!(self.kind, Kind::Counter, "{}", self.name);
        metrics::counter!(self.name, self.series(values)).increment(amount);
    }

    /// Brings a counter to what someone else has counted.
    pub(crate) fn reach(&'static self, values: &[&str], total: u64) {
        debug_assert_eq!(self.kind, Kind::Counter, "{}", self.name);
        metrics::counter!(self.name, self.series(values)).absolute(total);
    }

    pub(super) fn set(&'static self, values: &[&str], value: f64) {
        debug_assert_eq!(self.kind, Kind::Gauge, "{}", self.name);
        metrics::gauge!(self.name, self.series(values)).set(value);
    }

    /// Counts a duration in a histogram.
    pub fn observe(&'static self, values: &[&str], took: Duration) {
        debug_assert_eq!(self.kind, Kind::Histogram, "{}", self.name);
        metrics::histogram!(self.name, self.series(values)).record(took);
    }

    /// The words that a label may have; none where they are names.
    pub fn words(&self, label: usize) -> &'static [&'static str] {
        match self.labels[label].values {
            Values::Of(words) => words,
            Values::Named(_) => &[],
        }
    }

    /// Every set of values that is known beforehand; `None` where some are names.
    pub(super) fn known_series(&self) -> Option<Vec<Vec<&'static str>>> {
        let mut sets = vec![vec![]];
        for label in self.labels {
            let Values::Of(words) = label.values else { return None };
            sets = sets
                .iter()
                .flat_map(|set| words.iter().map(|word| [set.as_slice(), &[*word]].concat()).collect::<Vec<_>>())
                .collect();
        }
        Some(sets)
    }

    fn series(&self, values: &[&str]) -> Vec<metrics::Label> {
        debug_assert_eq!(values.len(), self.labels.len(), "{}", self.name);
        let has_names = self.labels.iter().any(|label| matches!(label.values, Values::Named(_)));
        let admitted = !has_names || admit(self.name, values);
        let labelled = self.labels.iter().zip(values).map(|(label, value)| {
            let value = match label.values {
                Values::Of(words) if !words.contains(value) => OTHER,
                Values::Named(_) if !admitted => OTHER,
                _ => value,
            };
            metrics::Label::new(label.name, value.to_owned())
        });
        labelled.collect()
    }
}

/// Whether a set of values is among the first [`LABEL_SETS`] of its metric.
fn admit(metric: &'static str, values: &[&str]) -> bool {
    static SEEN: LazyLock<Mutex<HashMap<&'static str, HashSet<String>>>> = LazyLock::new(Mutex::default);
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let sets = seen.entry(metric).or_default();
    let key = values.join("\0");
    sets.contains(&key) || (sets.len() < LABEL_SETS && sets.insert(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    static CROWDED: Metric = Metric {
        name: "fabric_test_total",
        kind: Kind::Counter,
        labels: &[
            Label { name: "feed", values: Values::Named("feed") },
            Label { name: "answer", values: Values::Of(&["yes", "no"]) },
        ],
        help: "",
    };

    fn shown(values: &[&str]) -> Vec<String> {
        CROWDED.series(values).iter().map(|label| format!("{}={}", label.key(), label.value())).collect()
    }

    #[test]
    fn what_comes_after_the_last_admitted_series_is_counted_under_other() {
        for number in 0..LABEL_SETS {
            assert_eq!(shown(&[&format!("feed-{number}"), "yes"])[0], format!("feed=feed-{number}"));
        }
        assert_eq!(shown(&["one-too-many", "yes"]), ["feed=other", "answer=yes"]);
        assert_eq!(shown(&["feed-7", "yes"]), ["feed=feed-7", "answer=yes"]);
    }

    #[test]
    fn a_word_that_is_not_declared_makes_no_series_of_its_own() {
        static PLAIN: Metric = Metric {
            name: "fabric_plain_total",
            kind: Kind::Counter,
            labels: &[Label { name: "answer", values: Values::Of(&["yes", "no"]) }],
            help: "",
        };
        assert_eq!(PLAIN.series(&["perhaps"])[0].value(), "other");
    }
}
