//! `fabric jobs open|renew|close`: for programs that publish chunks themselves.

use std::time::Duration;

use fabric::chunk::{JobId, Token};
use fabric::kafka;
use fabric::publishers::{self, Open, OpenedJob, PublisherError, Stated, Which};
use fabric::report::figures;
use fabric::settings::parse_duration;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::exit::{Exit, Refused};
use crate::globals::{Globals, print, print_json};
use crate::lane::LaneName;
use crate::server::{self, Server};

/// Open a job whose chunks a program of your own publishes: prints its token, topic and limits
///
/// docs/producing.md has the format of a chunk and what to do at each failure. Renew the lease while you publish, close
/// the job when every chunk is acknowledged.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric jobs open card-transactions --name cards.txt --json")]
pub struct OpenArgs {
    /// The feed that the file belongs to
    #[arg(required_unless_present = "resume")]
    feed: Option<String>,
    /// The file's name, for people
    #[arg(long, value_name = "NAME", default_value = "-")]
    name: String,
    /// The topic of chunks: high goes first
    #[arg(long, value_enum, default_value = "normal")]
    lane: LaneName,
    /// SHA-256 of the file as stored, if you know it already: a file that was loaded before is then refused at once
    #[arg(long, value_name = "HEX", value_parser = sha256)]
    sha256: Option<[u8; 32]>,
    /// Load it though it was loaded before
    #[arg(long)]
    again: bool,
    /// Go on with a job whose publishing was cut short, or whose chunks are missing: gives a new token
    #[arg(long, value_name = "JOB", conflicts_with_all = ["feed", "name", "lane", "sha256", "again"])]
    resume: Option<i64>,
    /// How long the lease runs unless it is renewed
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = lease)]
    lease: Duration,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Renew the lease of a job that a program of your own publishes
///
/// A third of the lease's time is a good pace. One that has run out can still be renewed, unless another run took it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  FABRIC_JOB_TOKEN=3f2a60… fabric jobs renew 7")]
pub struct RenewArgs {
    job: i64,
    #[command(flatten)]
    token: TokenArg,
    /// How long the lease runs from now on
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = lease)]
    lease: Duration,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Close a job that a program of your own has published: state how many chunks and records there are
///
/// Repeating it with the same figures is safe. Exits 3 where the content is another job's, or the job has ended.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric jobs close 7 --chunks 12 --records 80000 --sha256 9f86d081884c…")]
pub struct CloseArgs {
    job: i64,
    #[command(flatten)]
    token: TokenArg,
    /// Chunks that were published: their numbers are 0 to N - 1
    #[arg(long, value_name = "N")]
    chunks: u32,
    /// Records in them
    #[arg(long, value_name = "N")]
    records: u64,
    /// SHA-256 of the file as stored, as sha256sum prints it
    #[arg(long, value_name = "HEX", value_parser = sha256)]
    sha256: [u8; 32],
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct TokenArg {
    /// As `fabric jobs open` gave it; others on this machine see arguments, so better by the environment
    #[arg(long, value_name = "HEX", env = "FABRIC_JOB_TOKEN", hide_env_values = true, value_parser = token)]
    token: Secret,
}

/// Says nothing of itself.
#[derive(Clone)]
struct Secret(Token);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// Shorter ones run out between two calls; a longer one hides for days that a program is gone.
const LEASES: std::ops::RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_secs(24 * 3600);

fn lease(text: &str) -> Result<Duration, String> {
    let lease = parse_duration(text).ok_or_else(|| "a time such as 30s or 5m is expected".to_owned())?;
    if LEASES.contains(&lease) {
        Ok(lease)
    } else {
        Err("a lease runs for 5s at least, and for 24h at most".to_owned())
    }
}

fn sha256(text: &str) -> Result<[u8; 32], String> {
    hex(text).ok_or_else(|| "64 hexadecimal digits are expected, as sha256sum prints them".to_owned())
}

fn token(text: &str) -> Result<Secret, String> {
    hex(text.trim()).map(|token| Secret(Token(token))).ok_or_else(|| "32 hexadecimal digits are expected".to_owned())
}

fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

pub fn open(globals: &Globals, args: OpenArgs) -> anyhow::Result<Exit> {
    let which = match (args.resume, args.feed) {
        (Some(job), _) => Which::Resume(JobId(job)),
        (None, Some(feed)) => {
            let (lane, name) = (args.lane.into(), args.name);
            Which::New { feed, lane, name, content: args.sha256, again: args.again }
        }
        (None, None) => return Err(Refused("which feed? fabric feeds list".to_owned()).into()),
    };
    let (json, zone) = (args.json, globals.zone());
    server::run(globals, async |server| {
        wait_for_kafka(server).await?;
        let request = Open { which, lease: args.lease };
        match publishers::open(&server.settings, &server.pool, request).await {
            Ok(opened) if json => print_json(&opened)?,
            Ok(opened) => print(&words(&opened, &zone))?,
            Err(error) => return refused(error),
        }
        Ok(Exit::Done)
    })
}

pub fn renew(globals: &Globals, args: RenewArgs) -> anyhow::Result<Exit> {
    let zone = globals.zone();
    server::run(globals, async |server| {
        let job = JobId(args.job);
        let kept = match publishers::renew(&server.pool, job, args.token.token.0.hash(), args.lease).await {
            Ok(kept) => kept,
            Err(error) => return refused(error),
        };
        if kept.had_run_out {
            eprintln!("the lease of job {job} had run out, so that another run might have taken it; none has");
        }
        if args.json {
            print_json(&kept)?;
        } else {
            let loaded = figures::counted(kept.chunks_loaded.into(), "chunk", "chunks");
            let lease = match kept.lease_until {
                Some(until) => format!("leased until {}", figures::time(until, &zone)),
                None => "closed: it needs no lease any more".to_owned(),
            };
            print(&format!("job {job}  {}  {loaded} loaded  {lease}\n", kept.state))?;
        }
        Ok(Exit::Done)
    })
}

pub fn close(globals: &Globals, args: CloseArgs) -> anyhow::Result<Exit> {
    server::run(globals, async |server| {
        wait_for_kafka(server).await?;
        let job = JobId(args.job);
        let stated = Stated { chunks: args.chunks, records: args.records, content: args.sha256 };
        let token = args.token.token.0.hash();
        let state = match publishers::close(&server.settings, &server.pool, job, token, stated).await {
            Ok(state) => state,
            Err(error) => return refused(error),
        };
        if args.json {
            let answer = json!({ "job": job.0, "state": state, "chunks": args.chunks, "records": args.records });
            print_json(&answer)?;
        } else {
            print(&format!("job {job}  {state}; fabric jobs wait {job}\n"))?;
        }
        Ok(Exit::Done)
    })
}

async fn wait_for_kafka(server: &Server) -> anyhow::Result<()> {
    let settings = &server.settings;
    Ok(kafka::wait_until_answers(&settings.kafka, settings.ingest.patience, |words| eprintln!("{words}")).await?)
}

/// What the data did is told, and is no failure of the system's.
fn refused(error: PublisherError) -> anyhow::Result<Exit> {
    if error.is_usage() {
        return Err(Refused(error.to_string()).into());
    }
    if error.is_the_datas_doing() {
        eprintln!("{error}");
        return Ok(Exit::Data);
    }
    Err(error.into())
}

fn words(opened: &OpenedJob, zone: &TimeZone) -> String {
    let OpenedJob { job, feed, feed_version, topic, partitions, limits, layout, schema, .. } = opened;
    let begun = if opened.goes_on { "goes on" } else { "opened" };
    let lease = match opened.lease_until {
        Some(until) => format!("{} s, until {}", opened.lease_seconds, figures::time(until, zone)),
        None => format!("{} s", opened.lease_seconds),
    };
    let context = match layout.header {
        true => "the header record of the file, in every chunk",
        false => "empty: the file has no header",
    };
    let mut text = format!("job {job}  {feed} v{feed_version}  {begun}\n\n");
    let mut line = |name: &str, what: &str| text.push_str(&format!("  {name:<9} {what}\n"));
    line("token", &opened.token);
    line("lane", &format!("{}: topic {topic}, {partitions} partitions", opened.lane));
    line(
        "limits",
        &format!(
            "{} bytes in a message, {} in a record; about {} in a chunk",
            limits.message_bytes, limits.record_bytes, limits.chunk_bytes
        ),
    );
    line("schema", &format!("{} {}: a message begins with {}", schema.name, schema.fingerprint, schema.message_head));
    line("context", context);
    line("fields", &layout.fields.join(" "));
    if !opened.loaded.is_empty() {
        let ranges = opened.loaded.iter().map(|[first, last]| format!("{first}–{last}"));
        line("loaded", &ranges.collect::<Vec<_>>().join(", "));
    }
    line("lease", &lease);
    text.push_str(&format!("\n  fabric jobs renew {job}   while you publish\n  fabric jobs close {job} --chunks N --records N --sha256 HEX\n"));
    text
}
