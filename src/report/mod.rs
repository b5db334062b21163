//! The report of a load or a check: what programs read as JSON and people as text.

pub mod figures;
mod table;
mod text;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use table::{Align, table};
pub use text::text;

/// Grows, never changes: programs depend on it. `docs/report.schema.json` describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// 1.
    pub schema_version: u32,
    /// Absent in a check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<i64>,
    pub feed: String,
    /// Absent where a local definition was used.
    pub feed_version: Option<i32>,
    pub file: String,
    /// Absent in a check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    pub reason: Option<String>,
    /// Records read.
    pub records: u64,
    /// Rows in the target; absent in a check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loaded: Option<u64>,
    /// Records that would load; only in a check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<u64>,
    pub rejected: u64,
    /// Records that a newer one replaced (upserts).
    pub superseded: u64,
    /// Records that broke each rule of severity `error`.
    pub rejects_by_rule: BTreeMap<String, u64>,
    pub warnings_by_rule: BTreeMap<String, u64>,
    pub skipped: Skipped,
    pub controls: Vec<serde_json::Value>,
    /// Of the file, decompressed.
    pub bytes: u64,
    pub seconds: f64,
    pub records_per_second: f64,
}

/// The JSON Schema (draft 2020-12) of [`Report`]: what `docs/report.schema.json` holds.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(Report).to_value()
}

/// Lines that are no records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Skipped {
    pub header: u64,
    pub trailer: u64,
    pub blank: u64,
    pub comment: u64,
}

#[cfg(test)]
mod tests;
