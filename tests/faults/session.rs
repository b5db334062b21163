//! Several seeds, one after another or side by side.

use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use tokio::task::JoinSet;

use crate::arguments::Arguments;
use crate::outcome::Outcome;
use crate::points;
use crate::run::{Manner, run};
use crate::scenario::{Pace, Scenario, Size, draw};
use crate::world::folder;

/// Whether all was as it is to be.
pub async fn session(arguments: Arguments) -> anyhow::Result<bool> {
    if arguments.dry {
        print!("{}", scenario(&arguments, arguments.seed.or(arguments.from).context("--dry needs --seed")?));
        return Ok(true);
    }
    if arguments.defects {
        return defects(&arguments).await;
    }
    if let Some(defect) = arguments.find.clone() {
        return find(&arguments, &defect).await;
    }
    let mut tally = Tally::default();
    match arguments.seed {
        Some(seed) => {
            let manner = Manner { defect: arguments.defect.clone(), aloud: true, keep: arguments.keep };
            let outcome = run(scenario(&arguments, seed), &manner).await;
            tally.take(&arguments, &outcome)?;
        }
        None => several(&arguments, &mut tally).await?,
    }
    Ok(tally.told(arguments.defect.is_some()))
}

fn scenario(arguments: &Arguments, seed: u64) -> Scenario {
    let pace = if arguments.quick { Pace::Quick } else { Pace::Usual };
    draw(seed, Size { pace, rich: arguments.rich }, &points::all())
}

async fn several(arguments: &Arguments, tally: &mut Tally) -> anyhow::Result<()> {
    let first = first_seed(arguments);
    let began = Instant::now();
    let limit = Duration::from_secs(60 * arguments.minutes.unwrap_or(u64::MAX / 60));
    let runs = if arguments.minutes.is_some() { u64::MAX } else { arguments.runs.unwrap_or(1) };
    let manner = Manner { defect: arguments.defect.clone(), aloud: false, keep: arguments.keep };
    let (mut next, mut running) = (0, JoinSet::new());
    loop {
        while running.len() < usize::try_from(arguments.beside)? && next < runs && began.elapsed() < limit {
            let scenario = scenario(arguments, first + next);
            let manner = manner.clone();
            running.spawn(async move { run(scenario, &manner).await });
            next += 1;
        }
        let Some(done) = running.join_next().await else { return Ok(()) };
        let outcome = done.context("the suite itself has failed: see above")?;
        print!("{}", outcome.sentence());
        tally.take(arguments, &outcome)?;
    }
}

/// By the clock, so that each session has seeds of its own.
fn first_seed(arguments: &Arguments) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    arguments.from.unwrap_or(now * 1000)
}

/// `NAME SEED TRIED`: a seed that finds it, and how many were tried until it was.
const RECORDED: &str = include_str!("defects.txt");

async fn defects(arguments: &Arguments) -> anyhow::Result<bool> {
    let mut tally = Tally::default();
    let mut waiting: VecDeque<Tried> = recorded().map(|(defect, seed)| Tried { defect, seed, times: 0 }).collect();
    let mut running = JoinSet::new();
    loop {
        while running.len() < usize::try_from(arguments.beside)?
            && let Some(mut tried) = waiting.pop_front()
        {
            tried.times += 1;
            let scenario = scenario(arguments, tried.seed);
            let manner = Manner { defect: Some(tried.defect.clone()), aloud: false, keep: false };
            running.spawn(async move { (run(scenario, &manner).await, tried) });
        }
        let Some(done) = running.join_next().await else { break };
        let (outcome, tried) = done.context("the suite itself has failed: see above")?;
        if outcome.is_sound() && tried.times < TRIES {
            waiting.push_back(tried);
            continue;
        }
        let by = outcome.findings.first().map_or("NOT FOUND", String::as_str);
        let times = if tried.times == 1 { String::new() } else { format!(" (run {})", tried.times) };
        println!("{}{times}: {by}", tried.defect);
        tally.take(arguments, &outcome)?;
    }
    Ok(tally.told(true))
}

/// A seed says what is done and not in which instant: one that finds a defect need not find it each time.
const TRIES: u32 = 8;

struct Tried {
    defect: String,
    seed: u64,
    times: u32,
}

fn recorded() -> impl Iterator<Item = (String, u64)> {
    let words = |line: &str| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
    };
    RECORDED.lines().filter(|line| !line.starts_with('#')).filter_map(words)
}

/// Until a seed finds it.
async fn find(arguments: &Arguments, defect: &str) -> anyhow::Result<bool> {
    let (first, most) = (first_seed(arguments), arguments.runs.unwrap_or(20));
    let manner = Manner { defect: Some(defect.to_owned()), aloud: false, keep: arguments.keep };
    let (mut next, mut tried, mut running) = (0, 0, JoinSet::new());
    let mut found = None;
    loop {
        while running.len() < usize::try_from(arguments.beside)? && next < most && found.is_none() {
            let scenario = scenario(arguments, first + next);
            let manner = manner.clone();
            running.spawn(async move { run(scenario, &manner).await });
            next += 1;
        }
        let Some(done) = running.join_next().await else { break };
        let outcome = done.context("the suite itself has failed: see above")?;
        tried += 1;
        if let Some(by) = outcome.findings.first() {
            found.get_or_insert((outcome.seed, tried, by.clone()));
        }
    }
    match &found {
        Some((seed, tried, by)) => println!("{defect} {seed} {tried}  {by}"),
        None => println!("{defect} was not found by {most} seeds from {first} on"),
    }
    Ok(found.is_some())
}

#[derive(Default)]
struct Tally {
    runs: u64,
    sound: u64,
}

impl Tally {
    fn take(&mut self, arguments: &Arguments, outcome: &Outcome) -> anyhow::Result<()> {
        self.runs += 1;
        self.sound += u64::from(outcome.is_sound());
        if !outcome.is_sound() && outcome.defect.is_none() {
            for finding in &outcome.findings {
                println!("  {finding}");
            }
            println!("  story and logs: {}", folder(outcome.seed).display());
            println!("  again: dev/faults --seed {}{}", outcome.seed, manner_words(arguments));
        }
        if let Some(file) = &arguments.out {
            let line = serde_json::to_string(outcome)?;
            let mut out = OpenOptions::new().create(true).append(true).open(file)?;
            writeln!(out, "{line}").with_context(|| format!("{} cannot be written", file.display()))?;
        }
        Ok(())
    }

    /// Prints the last line; whether all was as it is to be.
    fn told(&self, is_to_be_found: bool) -> bool {
        let found = self.runs - self.sound;
        println!("runs {} ok {} found {found}", self.runs, self.sound);
        if is_to_be_found { self.sound == 0 } else { found == 0 }
    }
}

fn manner_words(arguments: &Arguments) -> String {
    let quick = if arguments.quick { " --quick" } else { "" };
    let rich = if arguments.rich { " --rich" } else { "" };
    format!("{quick}{rich}")
}
