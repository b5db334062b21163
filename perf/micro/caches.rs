//! What a process holds in memory: a plan that is there.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use fabric::config::{Pinned, PinnedFeed, ReferencePins, Room, Runs};
use fabric::rules::Sets;
use fabric::settings::RoomSettings;
use futures::FutureExt as _;

use crate::input::{Input, Shape};
use crate::parts::{Case, case};

pub const CASES: [Case; 1] = [case("plan-hit", Shape::Bars, 0, hit)];

/// So many feeds have a plan in memory.
const FEEDS: i32 = 100;
const ROOM: RoomSettings = RoomSettings { bytes: 64 << 20, ttl: Duration::from_secs(3600) };

/// A plan for each record, of one feed after the other.
fn hit(input: Input) -> Box<dyn FnMut()> {
    let records = input.text.iter().filter(|byte| **byte == b'\n').count();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without drivers starts");
    let room: Room<Pinned, PinnedFeed> = Room::new("plans", ROOM, Runs::FromUse);
    let plan = PinnedFeed::compile(input.feed, 1, &Sets::new()).expect("the feed looks no set up");
    let plan = Arc::new(plan);
    let pinned = |version| Pinned { feed: "card-transactions".into(), version, references: ReferencePins::new() };
    let asked: Vec<Pinned> = (0..FEEDS).map(pinned).collect();
    Box::new(move || {
        runtime.block_on(async {
            for pinned in asked.iter().cycle().take(records) {
                let load = || async { Ok::<_, ()>(Some((Arc::clone(&plan), 60_000))) }.boxed();
                black_box(room.get(pinned, load).await).expect("a load that cannot fail");
            }
        });
    })
}
