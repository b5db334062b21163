//! `fabric check FEED FILE`

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use fabric::check::{self, CheckError, Options, Ruling};
use fabric::chunk::Limits;
use fabric::feed::{self, Feed};
use fabric::rules::Plan;

use crate::definitions;
use crate::exit::{Exit, Refused};
use crate::globals::{Globals, print, print_json};
use crate::source;

/// Judge a local file by a feed definition, before anything is loaded; needs no server
///
/// Same cut, same rules, same verdicts as a load, on all cores. Exits 3 where the file would not load: over a `stop`
/// threshold, a header that does not fit, empty where the feed refuses that, damaged.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric check examples/card-transactions.yaml cards.txt --rejects rejects.txt")]
pub struct Args {
    /// The feed definition (YAML)
    feed: PathBuf,
    /// The file to judge; - for standard input; .gz and .zst are read by content
    file: PathBuf,
    /// Templates that the feed extends: files, or folders of them
    #[arg(long, value_name = "PATH", num_args = 1..)]
    templates: Vec<PathBuf>,
    /// The folder of the reference sets that the rules look up: NAME.csv each, its first line naming the columns
    #[arg(long, value_name = "DIR")]
    references: Option<PathBuf>,
    /// Write the source bytes of every reject here, unchanged (of a record over the limit: its first bytes)
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Write the accepted records here, as CSV (RFC 4180) with a header
    #[arg(long, value_name = "FILE")]
    accepted: Option<PathBuf>,
    /// Rejects to show
    #[arg(long, value_name = "N", default_value_t = 10)]
    show: usize,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(globals: &Globals, args: Args) -> anyhow::Result<Exit> {
    let settings = globals.settings()?;
    let feed = read_feed(&args.feed, &args.templates)?;
    if let Some(stream) = &feed.stream {
        let reason = format!(
            "feed {} is a stream: its records come by topic {}, and no file holds them",
            feed.name, stream.topic
        );
        return Err(Refused(reason).into());
    }
    let plan = plan(&feed, args.references.as_deref())?;
    let source = source::open(&args.file)?;
    let options = Options {
        limits: Limits { chunk_bytes: settings.ingest.chunk_bytes, record_bytes: settings.ingest.record_bytes },
        workers: std::thread::available_parallelism().map_or(2, usize::from),
        show: args.show,
        rejects: args.rejects.as_deref().map(|path| create(path, &args.file)).transpose()?,
        accepted: args.accepted.as_deref().map(|path| create(path, &args.file)).transpose()?,
    };
    let result = match check::run(&feed, &plan, &args.file.display().to_string(), source, options) {
        Err(CheckError::Source(error)) if error.is_the_datas_doing() => {
            eprintln!("would not load: {error}");
            return Ok(Exit::Data);
        }
        result => result?,
    };
    if args.json {
        print_json(&result.report)?;
    } else {
        print(&check::text(&feed, &result))?;
    }
    Ok(match result.ruling {
        Ruling::Passed { .. } => Exit::Done,
        Ruling::Refused { .. } => Exit::Data,
    })
}

fn plan(feed: &Feed, references: Option<&Path>) -> anyhow::Result<Plan> {
    let sets = check::read_sets(feed, references).map_err(|error| Refused(error.to_string()))?;
    Ok(Plan::compile(feed, &sets).map_err(|fault| Refused(fault.to_string()))?)
}

/// Reads and checks a definition.
fn read_feed(path: &Path, templates: &[PathBuf]) -> anyhow::Result<Feed> {
    let document =
        definitions::read_one(path).map_err(|Refused(reason)| Refused(format!("the feed definition {reason}")))?;
    Ok(feed::resolve(&document.name, &document.text, &definitions::templates(templates)?)?.feed)
}

/// An output file; never the file that is being read.
fn create(path: &Path, input: &Path) -> anyhow::Result<Box<dyn Write>> {
    if path.canonicalize().is_ok_and(|path| input.canonicalize().is_ok_and(|input| path == input)) {
        return Err(
            Refused(format!("{} is the file that is being checked: it would be overwritten", path.display())).into()
        );
    }
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Box::new(BufWriter::with_capacity(1 << 20, file)))
}
