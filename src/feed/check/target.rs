//! Checks where good records go.

use crate::feed::document::TargetDocument;
use crate::feed::fault::Findings;
use crate::feed::model::{Target, TargetMode};

use super::names;

/// `feed`: the feed's name, which the table has by default; `None` where it is wrong itself.
pub(super) fn target(written: Option<&TargetDocument>, feed: Option<&str>, findings: &mut Findings) -> Option<Target> {
    let default_table = feed.map(|name| name.replace('-', "_"));
    let Some(written) = written else {
        return Some(Target { schema: "public".to_owned(), table: default_table?, mode: TargetMode::Append });
    };
    findings.within(TargetDocument::WHAT, |findings| {
        written.keys.refuse_others(TargetDocument::WHAT, TargetDocument::KEYS, &[], findings);
        let schema = match &written.schema {
            None => Some("public".to_owned()),
            Some(name) if is_reserved(&name.value) => {
                let message =
                    format!("schema `{}` is not for feeds; expected one of your own, or `public`", name.value);
                findings.add(name.at, message);
                None
            }
            Some(name) => names::identifier("schema", name, findings),
        };
        let table = match &written.table {
            None => default_table,
            Some(name) => names::identifier("table", name, findings),
        };
        let mode = written.mode.as_ref().map_or(TargetMode::Append, |mode| mode.value);
        Some(Target { schema: schema?, table: table?, mode })
    })
}

/// Postgres' own schemas, and the one that fabric keeps its accounts in.
fn is_reserved(schema: &str) -> bool {
    schema.starts_with("pg_") || matches!(schema, "information_schema" | "fabric")
}
