//! What a run came to: a sentence for people, a line of JSON for `perf/results/faults.jsonl`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::reader::{Finding, Reading};
use crate::scenario::Pace;
use crate::world::World;

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    pub seed: u64,
    pub commit: String,
    pub pace: &'static str,
    pub rich: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defect: Option<String>,
    pub protocol: &'static str,
    pub jobs: usize,
    pub streams: usize,
    /// How often each kind of fault was injected.
    pub faults: BTreeMap<String, u64>,
    pub records: u64,
    pub rows: u64,
    pub rejects: u64,
    pub lost: u64,
    pub doubled: u64,
    pub seconds: f64,
    pub outcome: &'static str,
    pub findings: Vec<String>,
}

impl Outcome {
    pub fn of(world: &World, reading: Reading, took: Duration) -> Self {
        let scenario = &world.scenario;
        Self {
            seed: scenario.seed,
            commit: std::env::var("FABRIC_FAULTS_COMMIT").unwrap_or_default(),
            pace: if scenario.size.pace == Pace::Quick { "quick" } else { "usual" },
            rich: scenario.size.rich,
            defect: world.defect().map(str::to_owned),
            protocol: scenario.protocol.word(),
            jobs: scenario.jobs.len(),
            streams: scenario.streams.len(),
            faults: world.injected(),
            records: reading.records,
            rows: reading.rows,
            rejects: reading.rejects,
            lost: reading.lost,
            doubled: reading.doubled,
            seconds: (took.as_secs_f64() * 10.0).round() / 10.0,
            outcome: if reading.findings.is_empty() { "ok" } else { "found" },
            findings: reading.findings.iter().map(Finding::to_string).collect(),
        }
    }

    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    pub fn sentence(&self) -> String {
        let Self { seed, records, rows, rejects, lost, doubled, seconds, .. } = self;
        let faults: u64 = self.faults.values().sum();
        let found = if self.is_sound() { "ok".to_owned() } else { format!("{} FINDINGS", self.findings.len()) };
        format!(
            "seed {seed}: {found}; {records} records, {rows} rows, {rejects} rejects, {lost} lost, {doubled} doubled; {faults} \
             faults in {seconds} s\n"
        )
    }
}
