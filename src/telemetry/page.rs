//! Turns the table of metrics into the page that documents them.

use super::catalog::METRICS;
use super::metric::{BUCKETS, Kind, LABEL_SETS, Metric, OTHER, Values};

/// `docs/metrics.md`.
pub fn page() -> String {
    let mut text = format!(
        "# Metrics\n\n\
         Every role answers on `/metrics` in Prometheus' text format (settings `http.listen`; `ingest.http_listen` for\n\
         `fabric ingest`). This page is made of the table in `src/telemetry/catalog.rs`.\n\n\
         - A counter begins at 0 with its process. Sums over an installation are sums over its processes.\n\
         - A gauge is as it is when it is asked for; of what is no more there is none.\n\
         - Histograms count durations up to {} s.\n\
         - A metric whose labels are names has at most {LABEL_SETS} series in a process; what comes after them is\n  \
         counted under `{OTHER}`.\n\
         - Lag is told by the member that holds the partition, from offsets that Kafka is asked for every 2 s.\n  \
         `fabric_lag_seconds` is this machine's clock minus the time at which the broker appended the oldest unfinished\n  \
         message. Where that one was not fetched yet, it is taken for as old as the last finished one; where nothing was\n  \
         finished either, the time for which the partition has been held is told.\n\n",
        BUCKETS.map(|bound| bound.to_string()).join(", ")
    );
    text.push_str("| metric | type | labels | meaning |\n|---|---|---|---|\n");
    for metric in METRICS {
        let Metric { name, kind, help, .. } = metric;
        text.push_str(&format!("| `{name}` | {} | {} | {help} |\n", kind.as_str(), labels(metric)));
    }
    text.push_str(&format!("\nA histogram `x` has the series `x_bucket`, `x_sum` and `x_count`: {}.\n", examples()));
    text
}

fn labels(metric: &Metric) -> String {
    let each = metric.labels.iter().map(|label| match label.values {
        Values::Of(words) => format!("`{}`: {}", label.name, words.join(", ")),
        Values::Named(what) => format!("`{}`: {what}", label.name),
    });
    each.collect::<Vec<_>>().join("; ")
}

fn examples() -> String {
    let histograms = METRICS.iter().filter(|metric| metric.kind == Kind::Histogram);
    let means = histograms.map(|metric| format!("`rate({0}_sum[1m]) / rate({0}_count[1m])`", metric.name)).take(1);
    format!("{} is a mean over a minute", means.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENERATED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");

    #[test]
    fn the_page_in_docs_is_current() {
        if std::env::var_os("FABRIC_BLESS").is_some() {
            std::fs::write(GENERATED, page()).unwrap();
        }
        let stored = std::fs::read_to_string(GENERATED).unwrap_or_default();
        assert!(stored == page(), "run the tests once with FABRIC_BLESS=1 to write {GENERATED} anew");
    }
}
