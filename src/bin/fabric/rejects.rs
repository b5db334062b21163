//! `fabric rejects JOB`

use std::io::Write;

use fabric::chunk::JobId;
use fabric::jobs::{self, RejectReason, RejectRow};
use fabric::report::{Align, figures, table};
use serde_json::json;
use sqlx::PgPool;

use crate::exit::{Exit, Refused};
use crate::globals::{Globals, print, print_json};
use crate::server;

/// Show why records of a job were rejected: by rule, then the records with their positions
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric rejects 2 --rule amount.exclusiveMinimum --limit 5")]
pub struct Args {
    job: i64,
    /// Only records that broke this rule
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
    /// Records to show; all of them with --csv unless this is given
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Print records as CSV: record, line, byte, length, rule, severity, field, value, message, source
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const SHOWN: u64 = 20;
/// Rows of one query: an answer in memory stays small.
const PAGE: u32 = 1_000;

pub fn run(globals: &Globals, args: Args) -> anyhow::Result<Exit> {
    server::run(globals, async |server| {
        let job = JobId(args.job);
        if jobs::state_of(&server.pool, job).await?.is_none() {
            return Err(Refused(format!("there is no job {job}: fabric jobs list")).into());
        }
        if args.csv {
            csv(&server.pool, job, &args).await?;
        } else if args.json {
            as_json(&server.pool, job, &args).await?;
        } else {
            text(&server.pool, job, &args).await?;
        }
        Ok(Exit::Done)
    })
}

/// Calls `each` with the rejects in the order of the file, a page at a time.
async fn walk(
    pool: &PgPool,
    job: JobId,
    rule: Option<&str>,
    limit: u64,
    mut each: impl FnMut(RejectRow) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (mut after, mut left) = (0, limit);
    while left > 0 {
        let page = jobs::reject_rows(pool, job, rule, after, PAGE.min(u32::try_from(left).unwrap_or(PAGE))).await?;
        let Some(last) = page.last() else { break };
        after = last.record;
        left -= page.len() as u64;
        page.into_iter().try_for_each(&mut each)?;
    }
    Ok(())
}

async fn text(pool: &PgPool, job: JobId, args: &Args) -> anyhow::Result<()> {
    let by_rule = jobs::rejects_by_rule(pool, job).await?;
    if by_rule.is_empty() {
        eprintln!("job {job} has no rejects");
        return Ok(());
    }
    let rows: Vec<_> = by_rule.iter().map(|(rule, records)| vec![rule.clone(), figures::count(*records)]).collect();
    print(&table("  ", &[("rule", Align::Left), ("records", Align::Right)], &rows))?;
    print("\n")?;
    walk(pool, job, args.rule.as_deref(), args.limit.unwrap_or(SHOWN), |row| print(&tell(&row))).await
}

fn tell(row: &RejectRow) -> String {
    let mut lines = format!(
        "  line {}, record {}, byte {}\n",
        figures::count(row.line),
        figures::count(row.record),
        figures::count(row.byte)
    );
    for RejectReason { rule, field, value, message, .. } in &row.reasons {
        let value = value.as_ref().map(|value| format!(" {value:?}")).unwrap_or_default();
        lines.push_str(&format!("    {}{value} · {message}\n", field.as_ref().unwrap_or(rule)));
    }
    match &row.source {
        Some(source) => lines.push_str(&format!("    {}\n", String::from_utf8_lossy(source).escape_debug())),
        None => lines.push_str(&format!(
            "    ({} not kept: the byte range finds them in the file)\n",
            figures::bytes(row.length)
        )),
    }
    lines
}

async fn as_json(pool: &PgPool, job: JobId, args: &Args) -> anyhow::Result<()> {
    let by_rule: std::collections::BTreeMap<_, _> = jobs::rejects_by_rule(pool, job).await?.into_iter().collect();
    let mut rejects = Vec::new();
    walk(pool, job, args.rule.as_deref(), args.limit.unwrap_or(SHOWN), |row| {
        rejects.push(json!({
            "record": row.record, "line": row.line, "byte": row.byte, "length": row.length,
            "source": row.source.as_deref().map(String::from_utf8_lossy), "reasons": row.reasons,
        }));
        Ok(())
    })
    .await?;
    print_json(&json!({ "job": job.0, "rejectsByRule": by_rule, "rejects": rejects }))
}

/// One line per broken rule; memory does not grow with their number.
async fn csv(pool: &PgPool, job: JobId, args: &Args) -> anyhow::Result<()> {
    let mut out = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(std::io::stdout().lock());
    let heads = ["record", "line", "byte", "length", "rule", "severity", "field", "value", "message", "source"];
    out.write_record(heads).map_err(from_csv)?;
    walk(pool, job, args.rule.as_deref(), args.limit.unwrap_or(u64::MAX), |row| write_row(&mut out, &row)).await?;
    Ok(out.flush()?)
}

fn write_row(out: &mut csv::Writer<impl Write>, row: &RejectRow) -> anyhow::Result<()> {
    let numbers = [row.record, row.line, row.byte, row.length].map(|number| number.to_string());
    for reason in &row.reasons {
        let texts = [
            reason.rule.as_str(),
            &reason.severity,
            reason.field.as_deref().unwrap_or(""),
            reason.value.as_deref().unwrap_or(""),
            &reason.message,
        ];
        let cells = numbers.iter().map(String::as_bytes).chain(texts.into_iter().map(str::as_bytes));
        out.write_record(cells.chain([row.source.as_deref().unwrap_or_default()])).map_err(from_csv)?;
    }
    Ok(())
}

/// So that a broken pipe is known for what it is.
fn from_csv(error: csv::Error) -> anyhow::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error.into(),
        other => anyhow::anyhow!("cannot write CSV: {other:?}"),
    }
}
