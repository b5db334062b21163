//! What tests of following have at hand: a process in all but name, and feeds that differ by a mark.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fabric::config::{Active, Kind, Live, Prepares, Thing};
use fabric::settings::Settings;
use fabric::telemetry::{Health, Role};

use crate::installation::Installation;

/// A definition of the feed `cards` that differs from every other by its mark.
pub fn definition(mark: u32) -> String {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/card-transactions.yaml");
    let example = std::fs::read_to_string(example).unwrap();
    format!("# {mark}\n{}", example.replace("feed: card-transactions", "feed: cards"))
}

/// Applies it: the next version, or the one that it was before.
pub fn apply(installation: &Installation, mark: u32) {
    let path = installation.write(&format!("cards-{mark}.yaml"), definition(mark));
    installation.succeed(&["feeds", "apply", &path]);
}

pub fn cards() -> Thing {
    Thing { kind: Kind::Feed, name: "cards".into() }
}

/// A process of its own, in all but name: it follows, and has a cache and connections to Redis.
pub fn live(installation: &Installation, settings: &Settings) -> (Arc<Live>, Arc<Health>) {
    let health = Health::new(Role::Validate);
    let live = Live::start(settings, installation.database.pool.clone(), health.clone(), Prepares::Plans).unwrap();
    (live, health)
}

/// Waits until a process knows what is asked for.
pub async fn until(live: &Live, what: &str, holds: impl Fn(Option<&Active>) -> bool) -> Option<Active> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let known = live.known().get(&cards());
        if holds(known.as_ref()) {
            return known;
        }
        assert!(Instant::now() < deadline, "{what}: it knows {known:?} by {:?}", live.known().way());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub async fn until_version(live: &Live, version: i32) {
    until(live, &format!("v{version}"), |known| known.is_some_and(|known| known.version == version)).await;
}

/// Waits until it is so.
pub async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
