//! `fabric jobs cancel|resume`

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use fabric::chunk::JobId;
use fabric::jobs;
use fabric::report;

use super::no_job;
use crate::exit::{Exit, Refused};
use crate::globals::{Globals, print};
use crate::{ingest, server};

/// Stop a job for good: once this has answered, nothing of it commits; what is loaded stays
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric jobs cancel 2 --yes")]
pub struct CancelArgs {
    job: i64,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Kept with the job
    #[arg(long, value_name = "TEXT", default_value = "cancelled by hand")]
    reason: String,
}

/// Bring back a job: a parked one once its target is whole again, one that was cut short, one whose chunks are missing
///
/// What a parked job owes is copied from its lane; whatever the lane holds no more is cut from the file again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric jobs resume 2")]
pub struct ResumeArgs {
    job: i64,
    /// Where the file is now, if it was moved
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

pub fn cancel(globals: &Globals, args: CancelArgs) -> anyhow::Result<Exit> {
    server::run(globals, async |server| {
        let job = JobId(args.job);
        if !args.yes {
            let report = jobs::report(&server.pool, job).await?.ok_or_else(|| no_job(job))?;
            eprint!("{}", report::text(&report));
            if !confirmed()? {
                eprintln!("nothing was changed");
                return Ok(Exit::Usage);
            }
        }
        let state = jobs::cancel(&server.pool, job, &args.reason).await?;
        print(&format!("job {job}  {}\n", state.as_str()))?;
        Ok(Exit::Done)
    })
}

fn confirmed() -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(Refused("nobody is there to ask: say --yes to cancel it".to_owned()).into());
    }
    eprint!("Cancel it for good? [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

pub fn resume(globals: &Globals, args: ResumeArgs) -> anyhow::Result<Exit> {
    ingest::resume(globals, args.job, args.from)
}
