//! Turns series into the text that Prometheus reads.

use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_util::MetricKindMask;

use super::catalog::{BUILD, METRICS};
use super::gauges;
use super::health::Role;
use super::metric::{BUCKETS, Kind};

/// What a process has counted.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
    role: Role,
}

impl Metrics {
    /// Counts from now on; before, and in a process that never calls this, a figure costs next to nothing and goes
    /// nowhere. `None`: this process counts already.
    pub fn install(role: Role) -> Option<Self> {
        let mut builder = PrometheusBuilder::new()
            // A gauge that is not set when the metrics are asked for is of something that is no more.
            .idle_timeout(MetricKindMask::GAUGE, Some(Duration::ZERO));
        for metric in METRICS.iter().filter(|metric| metric.kind == Kind::Histogram) {
            let matcher = Matcher::Full(metric.name.to_owned());
            builder = builder.set_buckets_for_metric(matcher, &BUCKETS).expect("there are buckets");
        }
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).ok()?;
        for metric in METRICS {
            match metric.kind {
                Kind::Counter => metrics::describe_counter!(metric.name, metric.help),
                Kind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
                Kind::Histogram => metrics::describe_histogram!(metric.name, metric.help),
            }
            // A counter begins at 0 where its labels are known: what it counts first is seen as growth.
            if metric.kind == Kind::Counter {
                metric.known_series().unwrap_or_default().iter().for_each(|values| metric.add(values, 0));
            }
        }
        Some(Self { handle, role })
    }

    /// In Prometheus' text format.
    pub fn text(&self) -> String {
        gauges::fresh(|| {
            BUILD.set(&[env!("CARGO_PKG_VERSION"), self.role.as_str()], 1.0);
            self.handle.render()
        })
    }

    /// What is observed waits in memory until it is added up; to be called now and then where nobody asks for the text.
    pub(super) fn add_up(&self) {
        self.handle.run_upkeep();
    }
}
