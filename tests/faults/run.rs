//! One seed, from its scenario to its outcome.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::outcome::Outcome;
use crate::reader::{self, Kind, Reading, Rest};
use crate::scenario::Scenario;
use crate::world::{Published, World};

const LOOK: Duration = Duration::from_millis(100);

/// How a seed is run.
#[derive(Debug, Clone, Default)]
pub struct Manner {
    /// A deliberate fault of the program itself.
    pub defect: Option<String>,
    /// Whether the story is printed while it happens.
    pub aloud: bool,
    /// Whether what it left is kept though nothing was found.
    pub keep: bool,
}

pub async fn run(scenario: Scenario, manner: &Manner) -> Outcome {
    let world = Arc::new(World::new(scenario, manner.defect.clone(), manner.aloud).await);
    let began = Instant::now();
    let keeper = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.keep_alive().await }
    });
    let mut reading = Reading::default();
    let published = play(&world, &mut reading).await;
    world.end();
    keeper.await.ok();
    world.terminate_all(&mut reading);
    world.let_go_once_more(&mut reading).await;
    world.look_at_cancelled(&mut reading).await;
    if let Err(error) = reader::read(&world, &published, &mut reading).await {
        reading.find(Kind::Unaccounted, format!("Postgres could not be read: {error}"));
    }
    world.count_points();
    for finding in &reading.findings {
        world.told.tell(&finding.to_string());
    }
    let outcome = Outcome::of(&world, reading, began.elapsed());
    world.told.text(&outcome.sentence());
    if outcome.findings.is_empty() && !manner.keep {
        std::fs::remove_dir_all(&world.folder).ok();
    }
    outcome
}

/// The steps, the healing, and rest.
async fn play(world: &Arc<World>, reading: &mut Reading) -> Vec<Published> {
    let producing = world.start_producing();
    let mut beside = world.play().await;
    reading.findings.extend(world.take_noticed());
    while beside.lasting.join_next().await.is_some() {}
    world.until_killer_is_found(reading).await;
    world.told.tell("all is well again");
    world.heal_members();
    let mut published = Vec::new();
    let limit = tokio::time::sleep(4 * world.scenario.patience());
    let everything = async {
        while let Some(done) = beside.publishing.join_next().await {
            match done {
                Ok(done) => published.push(done),
                Err(error) => reading.find(Kind::Stuck, format!("a publisher of the suite's own: {error}")),
            }
        }
        producing.join_all().await;
    };
    tokio::select! {
        () = everything => {}
        () = limit => reading.find(Kind::Stuck, "not everything could be published".to_owned()),
    }
    until_rest(world, reading).await;
    if reading.findings.is_empty() && !world.scenario.streams.is_empty() {
        world.afterword().await;
        until_rest(world, reading).await;
    }
    if reading.findings.is_empty() {
        world.look_at_sessions(reading).await;
    }
    published.sort_by_key(|published| published.job);
    published
}

/// Until nothing is pending; or nothing has moved for so long that nothing will.
async fn until_rest(world: &World, reading: &mut Reading) {
    let ends = reader::ends(world);
    let mut last = Rest::of(world, &ends).await;
    let (mut moved, began) = (Instant::now(), Instant::now());
    while !last.pending.is_empty() {
        tokio::time::sleep(LOOK).await;
        let now = Rest::of(world, &ends).await;
        if now.figure != last.figure {
            moved = Instant::now();
        }
        last = now;
        let at_most = world.scenario.patience();
        if moved.elapsed() > at_most || began.elapsed() > 8 * at_most {
            reading.find(Kind::Stuck, format!("nothing moves any more: {}", last.pending.join("; ")));
            return;
        }
    }
    world.told.tell("everything is at rest");
}
