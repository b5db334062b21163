//! A change that was heard of → what anybody may ask for next, ready before it is asked for.

use std::sync::PoisonError;

use super::room::Room;
use super::{Cache, Pinned, Pointer, Version};
use crate::config::{Active, Kind, ReferencePins, Thing};
use crate::rules::sets_of;

impl Cache {
    /// A thing changed: what anybody may ask of it next is made ready, and the pointers that others read.
    /// `read_at`: when Postgres was asked for it, by this machine's clock.
    pub(in crate::config) async fn prepare(&self, thing: &Thing, active: &Active, read_at: i64) {
        self.active.forget(thing).await;
        self.settle(thing, active).await;
        self.shared.keep_pointer(thing, &Pointer { active: Some(active.clone()), read_at }).await;
    }

    /// As [`prepare`](Self::prepare), of what is known already: a feed and a set that it looks up may have changed at the
    /// same time, and only who is known last finds the other.
    pub(in crate::config) async fn settle(&self, thing: &Thing, active: &Active) {
        if active.retired {
            return;
        }
        let ready = match thing.kind {
            Kind::Feed => self.prepare_feed(&thing.name, active, None).await,
            Kind::Template => self.prepare_template(&thing.name, active).await,
            Kind::Reference => self.prepare_set(&thing.name, active.version).await,
        };
        if let Err(error) = ready {
            let version = active.version;
            tracing::warn!(%thing, version, error, "a version that became active cannot be made ready here");
        }
    }

    /// The plan that the next job will ask for. `set`: one that is about to become active.
    async fn prepare_feed(&self, name: &str, active: &Active, set: Option<(&str, i32)>) -> Result<(), String> {
        let Active { version, checksum, .. } = *active;
        // One that was not there a moment ago may be remembered as absent.
        self.forget_absent(&self.feeds, name, version).await;
        let text = self.document(Kind::Feed, name, version, Some(checksum)).await.map_err(|error| error.to_string())?;
        let text = text.ok_or("Postgres has no such version")?;
        let feed =
            crate::feed::parse(&format!("feed {name} v{version}"), &text).map_err(|faults| faults.to_string())?;
        let sets: Vec<String> = sets_of(&feed).into_iter().map(|set| set.to_string()).collect();
        self.looks_up.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), sets.clone());
        let mut references = ReferencePins::new();
        for of in sets {
            let known = self.known.get(&Thing { kind: Kind::Reference, name: of.clone() });
            let next = set.filter(|(set, _)| *set == of).map(|(_, version)| version);
            // A set that is not there: no job can be registered, so none needs a plan.
            let Some(version) = next.or(known.map(|known| known.version)) else { return Ok(()) };
            references.insert(of, version);
        }
        let pinned = Pinned { feed: name.to_owned(), version, references };
        self.plan(&pinned, Some(checksum)).await.map(drop).map_err(|error| error.to_string())
    }

    async fn prepare_template(&self, name: &str, active: &Active) -> Result<(), String> {
        self.forget_absent(&self.templates, name, active.version).await;
        let text = self.document(Kind::Template, name, active.version, Some(active.checksum)).await;
        text.map(drop).map_err(|error| error.to_string())
    }

    /// Every feed that looks it up gets a plan with it; the sets before it serve on meanwhile.
    async fn prepare_set(&self, name: &str, version: i32) -> Result<(), String> {
        let feeds: Vec<String> = {
            let looks_up = self.looks_up.lock().unwrap_or_else(PoisonError::into_inner);
            let using = looks_up.iter().filter(|(_, sets)| sets.iter().any(|set| set == name));
            using.map(|(feed, _)| feed.clone()).collect()
        };
        let mut ready = Ok(());
        for feed in feeds {
            let thing = Thing { kind: Kind::Feed, name: feed };
            if let Some(active) = self.known.get(&thing).filter(|active| !active.retired) {
                let one = self.prepare_feed(&thing.name, &active, Some((name, version))).await;
                ready = ready.and(one.map_err(|error| format!("{thing}: {error}")));
            }
        }
        ready
    }

    async fn forget_absent(&self, room: &Room<Version, str>, name: &str, version: i32) {
        let key = (name.to_owned(), version);
        if room.peek(&key).await.is_none() {
            room.forget(&key).await;
        }
    }
}
