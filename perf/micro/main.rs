//! Turns the name of a pure part into the time that it takes: its input is made first, then it passes over it again and
//! again. perf/micro/run makes tables of it, and counts instructions by running it under valgrind.

#[cfg(feature = "server")]
mod caches;
mod input;
mod messages;
mod parts;
mod references;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use nix::time::{ClockId, clock_gettime};

use input::Input;
use parts::{CASES, Case};

/// Time one of the pure parts, on generated card transactions. See perf/micro/run
#[derive(Debug, Parser)]
#[command(after_help = "Example:\n  micro encode --records 100000 --passes 21")]
struct Args {
    /// Which; without it, their names
    case: Option<String>,
    /// What each pass works on
    #[arg(long, default_value_t = 100_000)]
    records: u64,
    #[arg(long, default_value_t = 21)]
    passes: u32,
    /// Said by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let Some(name) = args.case else {
        for case in cases() {
            println!("{}", case.name);
        }
        return ExitCode::SUCCESS;
    };
    let Some(case) = cases().find(|case| case.name == name) else {
        eprintln!("micro: there is no part '{name}'; without arguments it names them all");
        return ExitCode::from(2);
    };
    let input = Input::generate(case.shape, args.records, case.bad_ppm);
    let bytes = input.text.len();
    let mut part = (case.prepare)(input);
    // Records, bytes, then nanoseconds of processor time of each pass.
    print!("{} {bytes}", args.records);
    for _ in 0..args.passes {
        let began = processor_time();
        part();
        print!(" {}", (processor_time() - began).as_nanos());
    }
    println!();
    ExitCode::SUCCESS
}

/// Those that this build has.
fn cases() -> impl Iterator<Item = &'static Case> {
    let pure = CASES.iter();
    #[cfg(feature = "server")]
    return pure.chain(&caches::CASES);
    #[cfg(not(feature = "server"))]
    pure
}

/// Of this thread: what others do on the machine counts as little as it can.
fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("Linux has this clock").into()
}
