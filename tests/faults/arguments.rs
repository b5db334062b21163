//! What the suite is asked for.

use std::path::PathBuf;

/// Draws loads and faults from seeds, does them to the real program on real servers, and has an independent reader look at
/// what came of it.
///
/// Each seed draws jobs, streams, processes and a schedule of faults. What a seed means is printed first, then what happens,
/// then what was found. Exits 0 where nothing was found (with --defect and --defects: where each was found), 1 where
/// something was, 2 where the suite itself failed. The last line is for scripts: `runs N ok N found N`.
///
/// A finding keeps the story and every log under target/faults/SEED, and names the command that runs the seed again.
#[derive(Debug, Clone, clap::Parser)]
#[command(
    name = "dev/faults",
    after_help = "FABRIC_FAULTS_DEBUG  set to anything: logs hold what librdkafka says of itself\n\nExample:\n  dev/faults --quick --runs 5\n  dev/faults --seed 4711 --rich"
)]
pub struct Arguments {
    /// This seed alone, and its story while it happens
    #[arg(long, value_name = "S", conflicts_with_all = ["runs", "minutes", "defects"])]
    pub seed: Option<u64>,
    /// So many seeds
    #[arg(long, value_name = "N")]
    pub runs: Option<u64>,
    /// As many seeds as fit into so many minutes
    #[arg(long, value_name = "M", conflicts_with = "runs")]
    pub minutes: Option<u64>,
    /// The first seed of several; drawn from the clock unless given
    #[arg(long, value_name = "S", conflicts_with = "seed")]
    pub from: Option<u64>,
    /// Seeds side by side, where none of them shakes servers
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=8))]
    pub beside: u64,
    /// Timeouts as short as they may be, and small files
    #[arg(long)]
    pub quick: bool,
    /// Five faults or more in each run
    #[arg(long)]
    pub rich: bool,
    /// With this deliberate defect in the program: it is to be found
    #[arg(long, value_name = "NAME")]
    pub defect: Option<String>,
    /// Each defect, on the seed that tests/faults/defects.txt records for it
    #[arg(long)]
    pub defects: bool,
    /// Tries seeds until one finds this defect; says which, and how many it took
    #[arg(long, value_name = "NAME", conflicts_with_all = ["defect", "defects", "seed"])]
    pub find: Option<String>,
    /// Prints the scenario and does nothing
    #[arg(long)]
    pub dry: bool,
    /// Keeps story and logs though nothing was found
    #[arg(long)]
    pub keep: bool,
    /// Appends each run to this file, as one line of JSON
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}
