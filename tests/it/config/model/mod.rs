//! Random stories of edits, processes and outages, told by a seed: what every process answers is what a plain map says.
//!
//! `FABRIC_TEST_SEED=N` tells the story of one seed; `FABRIC_TEST_STEPS=N` makes stories longer.

mod edits;
mod world;

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures::FutureExt as _;

use edits::{Edit, Edits};
use world::World;

const SEEDS: [u64; 3] = [1, 2, 3];
const STEPS: u64 = 60;
/// After so many steps every process is asked for everything.
const CHAPTER: u64 = 15;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a whole number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_every_process_answers_what_a_plain_map_says() {
    let seeds = number("FABRIC_TEST_SEED").map_or(SEEDS.to_vec(), |seed| vec![seed]);
    // Side by side; one that ends badly is printed, and the others go on.
    let stories = seeds.into_iter().map(|seed| AssertUnwindSafe(tell(seed)).catch_unwind());
    let ends = futures::future::join_all(stories).await;
    if let Some(Err(panic)) = ends.into_iter().find(Result::is_err) {
        resume_unwind(panic);
    }
}

async fn tell(seed: u64) {
    let mut story = Story::of(seed);
    let mut world = World::new().await;
    for step in 1..=number("FABRIC_TEST_STEPS").unwrap_or(STEPS) {
        let what = draw(&mut story.random);
        story.write(format!("{step:>3}  {what:?}"));
        match what {
            What::Edit(edit) => {
                let answer = world.edit(edit).await;
                story.write(format!("       {answer}"));
            }
            What::Other(event) => world.meet(event).await,
        }
        if step % CHAPTER == 0 {
            story.write("     everybody is asked".into());
            world.all_agree().await;
        }
    }
    world.ends().await;
}

/// Random numbers of a seed, and what has happened so far: printed where it ends badly.
struct Story {
    seed: u64,
    random: Random,
    lines: Vec<String>,
}

impl Story {
    fn of(seed: u64) -> Self {
        Self { seed, random: Random(seed), lines: Vec::new() }
    }

    fn write(&mut self, line: String) {
        self.lines.push(line);
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { seed, lines, .. } = self;
            eprintln!("FABRIC_TEST_SEED={seed} tells this story again:\n{}", lines.join("\n"));
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
struct Random(u64);

impl Random {
    /// Below `bound`.
    fn draw(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

#[derive(Debug)]
enum What {
    Edit(Edit),
    Other(Event),
}

/// What happens beside edits.
#[derive(Debug, Clone, Copy)]
enum Event {
    ProcessStarts { place: usize },
    ProcessEnds { place: usize },
    StewardStarts,
    StewardIsKilled,
    KafkaIsCut,
    KafkaIsBack,
    RedisIsCut,
    RedisIsBack,
    RedisIsFlushed,
    TimePasses { millis: u64 },
}

fn draw(random: &mut Random) -> What {
    const PLACES: u64 = 3;
    if random.draw(3) > 0 {
        return What::Edit(Edits::draw(|bound| random.draw(bound)));
    }
    let place = random.draw(PLACES) as usize;
    What::Other(match random.draw(12) {
        0 | 1 => Event::ProcessStarts { place },
        2 => Event::ProcessEnds { place },
        3 | 4 => Event::StewardStarts,
        5 => Event::StewardIsKilled,
        6 => Event::KafkaIsCut,
        7 => Event::KafkaIsBack,
        8 => Event::RedisIsCut,
        9 => Event::RedisIsBack,
        10 => Event::RedisIsFlushed,
        _ => Event::TimePasses { millis: random.draw(1_500) },
    })
}
