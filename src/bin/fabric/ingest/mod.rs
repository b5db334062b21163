//! `fabric ingest`: registers files as jobs, publishes them, and waits for them if asked to.

mod one;
mod progress;

use std::path::PathBuf;
use std::sync::Arc;

use fabric::chunk::JobId;
use fabric::ingest::{Ingest, Input, Repeat, Request};
use fabric::processes::{self, Tally};
use fabric::report::{self, Report};
use fabric::settings::Settings;
use fabric::shutdown;
use fabric::telemetry::{Endpoint, Health, Role};
use futures::StreamExt as _;

use crate::exit::{Exit, Refused};
use crate::globals::{Globals, print, print_json};
use crate::lane::LaneName;
use crate::{role, server};
use one::{Desk, Loaded, Until};
use progress::Display;

/// Load files: cut them into chunks and publish those for the validators
///
/// Killed at any moment, the same command goes on with the same job; nothing is lost and nothing doubled. A file that
/// was loaded before is refused unless --again is given: its bytes as stored tell, whatever its name; so a compressed
/// copy is another file. Exits 3 where the data is at fault.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  fabric ingest card-transactions target/demo/card-transactions-1000000.txt --again --wait"
)]
pub struct Args {
    /// The feed that the files belong to
    #[arg(required_unless_present = "resume")]
    feed: Option<String>,
    /// Files, plain or compressed with gzip or zstd; - for standard input
    #[arg(required_unless_present = "resume", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Wait until every job has ended, and print its report
    #[arg(long)]
    wait: bool,
    /// Print the report as JSON: one document; for several files one array of them
    #[arg(long)]
    json: bool,
    /// Files that are published at the same time
    #[arg(long, value_name = "N", default_value = "2", value_parser = clap::value_parser!(u16).range(1..=64))]
    parallel: u16,
    /// Load a file though it was loaded before
    #[arg(long)]
    again: bool,
    /// The topic of chunks: high goes first
    #[arg(long, value_enum, default_value = "normal")]
    lane: LaneName,
    /// Go on with a job whose publishing was cut short, or whose chunks are missing
    #[arg(long, value_name = "JOB", conflicts_with_all = ["feed", "files", "again", "lane"])]
    resume: Option<i64>,
    /// With --resume: where the file is now, if it was moved
    #[arg(long, value_name = "FILE", requires = "resume")]
    from: Option<PathBuf>,
}

/// One thing to do.
enum Work {
    File(Request),
    Resume(JobId, Option<Input>),
}

pub fn run(globals: &Globals, args: Args) -> anyhow::Result<Exit> {
    let works = works(&args)?;
    let several = works.len() > 1;
    let until = if args.wait { Until::Ended } else { Until::Published };
    server::run(globals, async |server| {
        answer(&server.settings)?;
        let display = Arc::new(Display::new());
        let (trigger, shutdown) = shutdown::channel();
        // The first Ctrl-C ends in order: the lease is given up, so that the next run need not wait for it.
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                trigger.fire();
            }
            std::future::pending::<()>().await;
        });
        let tell = {
            let display = display.clone();
            Box::new(move |words: &str| display.say(words))
        };
        let ingest = Ingest::new(server.settings.clone(), server.pool.clone(), tell, shutdown);
        let tally = Arc::new(Tally::default());
        let announcement = processes::announce(&server.pool, processes::Role::Ingest, Arc::clone(&tally));
        let desk = Desk { ingest: &ingest, server, display: &display, tally };
        let parallel = usize::from(args.parallel);
        // A file that is published makes room for the next, however long it takes to load.
        let (published, follow) = tokio::sync::mpsc::unbounded_channel();
        let publishing = async {
            let each = works.into_iter().map(|work| one::publish(&desk, work, until));
            let mut each = std::pin::pin!(futures::stream::iter(each).buffered(parallel));
            while let Some(step) = each.next().await {
                // Whoever follows hears every step.
                published.send(step).ok();
            }
            drop(published);
        };
        let follow = futures::stream::unfold(follow, async |mut steps| Some((steps.recv().await?, steps)));
        let following = follow.map(|step| one::follow(server, &display, step)).buffered(parallel).collect();
        let ((), done): ((), Vec<Loaded>) = futures::join!(publishing, following);
        announcement.end().await;
        show(&args, several, &done)
    })
}

/// Where the settings name an address, it can be asked how it is for as long as it runs.
fn answer(settings: &Settings) -> anyhow::Result<()> {
    let address = &settings.ingest.http_listen;
    if address.is_empty() {
        return Ok(());
    }
    let endpoint = Endpoint::listen("ingest.http_listen", address)?;
    eprintln!("health and metrics on http://{}", endpoint.address());
    role::serve(endpoint, Role::Ingest, &Health::new(Role::Ingest))
}

fn works(args: &Args) -> anyhow::Result<Vec<Work>> {
    let input = |path: &PathBuf| match path.as_os_str() == "-" {
        true => Input::Stdin,
        false => Input::Path(path.clone()),
    };
    if let Some(job) = args.resume {
        return Ok(vec![Work::Resume(JobId(job), args.from.as_ref().map(input))]);
    }
    if args.files.iter().filter(|path| path.as_os_str() == "-").count() > 1 {
        return Err(Refused("standard input can be read once only".to_owned()).into());
    }
    let repeat = if args.again { Repeat::Load } else { Repeat::Refuse };
    let feed = args.feed.clone().unwrap_or_default();
    let request = |path| Work::File(Request { feed: feed.clone(), input: input(path), lane: args.lane.into(), repeat });
    Ok(args.files.iter().map(request).collect())
}

/// Reports in the order of the files; the exit code of the worst.
fn show(args: &Args, several: bool, done: &[Loaded]) -> anyhow::Result<Exit> {
    let reports: Vec<&Report> = done.iter().filter_map(|loaded| loaded.report.as_ref()).collect();
    match (args.json, several, &reports[..]) {
        (true, false, [report]) => print_json(report)?,
        (true, false, _) => {}
        (true, true, reports) => print_json(&reports)?,
        (false, _, reports) => {
            for report in reports {
                print(&report::text(report))?;
            }
        }
    }
    Ok(done.iter().map(|loaded| loaded.exit).max_by_key(|exit| severity(*exit)).unwrap_or(Exit::Done))
}

/// A failing system outweighs a failing file: it says nothing about the file yet.
fn severity(exit: Exit) -> u8 {
    match exit {
        Exit::Done => 0,
        Exit::Data => 1,
        Exit::Usage => 2,
        Exit::SystemFailed => 3,
    }
}

/// Brings back a job for `fabric jobs resume`, whatever cut it short: a parked one from its lane, any other from its file.
pub fn resume(globals: &Globals, job: i64, from: Option<PathBuf>) -> anyhow::Result<Exit> {
    server::run(globals, async |server| one::resume(server, JobId(job), from.map(Input::Path)).await)
}
