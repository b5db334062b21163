//! `fabric generate card-transactions`

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use fabric::generate::CardTransactions;
use fabric::report::figures;

use crate::exit::Exit;

/// Write a deterministic file with known bad records, to try fabric and to measure it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  fabric generate card-transactions --records 1000000 --bad-ppm 1000 --out cards.txt"
)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Card transactions for examples/card-transactions.yaml: 174 bytes a record on average
    CardTransactions(CardArgs),
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  fabric generate card-transactions --records 1000000 --bad-ppm 1000 --out cards.txt"
)]
struct CardArgs {
    /// How many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=CardTransactions::MOST_RECORDS))]
    records: u64,
    /// The same seed gives the same file
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Bad records per million
    #[arg(long, value_name = "P", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    bad_ppm: u32,
    /// Where to write; - for standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Written at once: far above the cost of a system call.
const BUFFER_BYTES: usize = 1 << 20;

pub fn run(args: Args) -> anyhow::Result<Exit> {
    let What::CardTransactions(args) = args.what;
    let mut cards = CardTransactions::new(args.records, args.seed, args.bad_ppm);
    let bytes = write(&mut cards, open(&args.out)?).with_context(|| format!("cannot write {}", args.out.display()))?;
    let expected = cards.expected();
    let rules: Vec<_> =
        expected.by_rule.iter().map(|(rule, records)| format!("{rule} {}", figures::count(*records))).collect();
    eprintln!(
        "{}  {}, {}: {} good, {} bad{}{}",
        args.out.display(),
        figures::counted(expected.records, "record", "records"),
        figures::bytes(bytes),
        figures::count(expected.good),
        figures::count(expected.bad),
        if rules.is_empty() { "" } else { "\n  " },
        rules.join(" · ")
    );
    Ok(Exit::Done)
}

fn open(path: &Path) -> anyhow::Result<Box<dyn Write>> {
    if path == Path::new("-") {
        return Ok(Box::new(std::io::stdout().lock()));
    }
    Ok(Box::new(File::create(path).with_context(|| format!("cannot write {}", path.display()))?))
}

fn write(cards: &mut CardTransactions, mut out: impl Write) -> std::io::Result<u64> {
    let mut buffer = Vec::with_capacity(BUFFER_BYTES + 4096);
    let mut bytes = 0;
    while cards.write_next(&mut buffer).is_some() {
        if buffer.len() >= BUFFER_BYTES {
            out.write_all(&buffer)?;
            bytes += buffer.len() as u64;
            buffer.clear();
        }
    }
    out.write_all(&buffer)?;
    out.flush()?;
    Ok(bytes + buffer.len() as u64)
}
