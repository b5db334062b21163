//! Starts again who has died, and thaws who is frozen.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::World;
use crate::scenario::{Pace, Who};

const LOOK: Duration = Duration::from_millis(25);

/// Before one that died by itself is started again, in milliseconds.
const BACK: u64 = 300;

impl World {
    /// Until the end.
    pub async fn keep_alive(&self) {
        while !self.is_over() {
            if !self.paused.load(Ordering::Relaxed) {
                self.look_after();
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn look_after(&self) {
        let frozen = if self.scenario.size.pace == Pace::Quick { 3_000 } else { 9_000 };
        let mut start = Vec::new();
        let mut members = self.members.lock().expect("nobody panics with the members");
        for (who, member) in members.iter_mut() {
            let published = matches!(who, Who::Publisher(_));
            if !published && let Some(status) = member.has_ended() {
                let why = member.last_word("failpoint ").unwrap_or_else(|| member.last_line());
                self.told.tell(&format!("{who} has ended ({status}): {why}"));
                if member.back_at.is_none() {
                    member.back_in(BACK);
                }
            }
            if member.thaw_at.is_none() && member.is_frozen() {
                let why = member.last_word("failpoint ").unwrap_or_default();
                self.told.tell(&format!("{who} has frozen: {why}"));
                member.freeze(frozen);
            }
            if member.thaw_at.is_some_and(|at| at <= Instant::now()) {
                member.thaw();
                self.told.tell(&format!("{who} is thawed"));
            }
            if !published && !member.lives() && member.back_at.is_some_and(|at| at <= Instant::now()) {
                start.push(*who);
            }
        }
        drop(members);
        for who in start {
            self.start(who);
            self.told.tell(&format!("{who} is started again"));
        }
    }

    /// Whoever is frozen goes on, whoever is dead is back: at once.
    pub fn heal_members(&self) {
        let mut members = self.members.lock().expect("nobody panics with the members");
        for member in members.values_mut() {
            if !member.is_abandoned() && (member.is_frozen() || member.thaw_at.is_some()) {
                member.thaw();
            }
            if member.back_at.is_some() {
                member.back_at = Some(Instant::now());
            }
        }
    }

    /// Counts how often failpoints have struck, by what they did.
    pub fn count_points(&self) {
        let members = self.members.lock().expect("nobody panics with the members");
        for blow in members.values().flat_map(super::member::Member::blows) {
            self.count(&format!("failpoint {blow}"));
        }
    }
}
