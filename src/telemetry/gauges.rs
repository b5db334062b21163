//! Turns what can be looked at into gauges, at the moment when someone asks for the metrics.
//!
//! A gauge that nobody sets then is not shown: what a member has given up leaves no figure behind.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::metric::Metric;

/// Hears figures of gauges, with the values of their labels; those of one series add up.
pub type Set<'s> = dyn FnMut(&'static Metric, &[&str], f64) + 's;

/// Tells the gauges of one source; `false` once the source is gone.
type Sampler = Box<dyn Fn(&mut Set<'_>) -> bool + Send>;

static SAMPLERS: Mutex<Vec<Sampler>> = Mutex::new(Vec::new());

/// Has `read` look at `source` whenever the metrics are asked for, as long as someone else keeps it.
pub fn sample<T: Send + Sync + 'static>(source: &Arc<T>, read: impl Fn(&T, &mut Set<'_>) + Send + 'static) {
    let source = Arc::downgrade(source);
    let mut samplers = SAMPLERS.lock().unwrap_or_else(PoisonError::into_inner);
    samplers.push(Box::new(move |set| {
        source.upgrade().is_some_and(|source| {
            read(&source, set);
            true
        })
    }));
}

/// Sets every gauge, and answers with `then` before anyone else does so.
pub(super) fn fresh<T>(then: impl FnOnce() -> T) -> T {
    let mut samplers = SAMPLERS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut sums: BTreeMap<(&str, Vec<String>), (&'static Metric, f64)> = BTreeMap::new();
    samplers.retain(|sampler| {
        sampler(&mut |metric, values, figure| {
            let key = (metric.name, values.iter().map(|value| (*value).to_owned()).collect());
            sums.entry(key).or_insert((metric, 0.0)).1 += figure;
        })
    });
    for ((_, values), (metric, sum)) in &sums {
        metric.set(&values.iter().map(String::as_str).collect::<Vec<_>>(), *sum);
    }
    super::process::sample();
    then()
}
