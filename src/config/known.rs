//! What a process knows to be active, what the config topic says of it, and by which way it hears of changes.

use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{Active, Thing};
use crate::faults::{self, Defect};

/// What the topic lacks for so long is not on its way: the steward publishes within milliseconds.
const ON_ITS_WAY: Duration = Duration::from_secs(1);

/// By which way a process hears of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// It has read neither yet.
    Starting,
    Topic,
    /// It reads Postgres every second, since it cannot follow the topic: why.
    Postgres(String),
    /// Neither answers: why.
    Cut(String),
}

/// Shared by who follows and who asks.
pub struct Known {
    inner: RwLock<Inner>,
    /// Grows with every change of what is shown to people.
    changes: watch::Sender<u64>,
}

struct Inner {
    things: HashMap<Thing, Active>,
    /// Revisions that Postgres has told of and that are being made ready.
    coming: HashMap<Thing, i64>,
    way: Way,
    /// When it was last sure that nothing newer is active.
    confirmed: Option<Instant>,
    /// Revisions of the topic's last messages; `None`: a message that cannot be read.
    topic: HashMap<Thing, Option<i64>>,
    /// Whether the whole topic has been read.
    folded: bool,
    /// Since when the topic says something else than Postgres.
    unlike: HashMap<Thing, Instant>,
}

/// What a process holds, as its row tells it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Holding {
    /// topic, postgres, cut, starting.
    pub follows: String,
    /// Why it does not follow the topic; what else is wrong on its way.
    pub note: Option<String>,
    /// The greatest it has applied.
    pub revision: i64,
    /// Version and revision by `kind/name`.
    pub things: BTreeMap<String, (i32, i64)>,
}

impl Default for Known {
    fn default() -> Self {
        let inner = Inner {
            things: HashMap::new(),
            coming: HashMap::new(),
            way: Way::Starting,
            confirmed: None,
            topic: HashMap::new(),
            folded: false,
            unlike: HashMap::new(),
        };
        Self { inner: RwLock::new(inner), changes: watch::Sender::new(0) }
    }
}

impl Known {
    /// `None`: there is no such thing, or nothing has been read yet.
    pub fn get(&self, thing: &Thing) -> Option<Active> {
        self.read().things.get(thing).cloned()
    }

    /// As [`get`](Self::get), with when it was last sure that nothing newer is active; never while something newer is
    /// being made ready.
    pub fn confirmed(&self, thing: &Thing) -> (Option<Active>, Option<Instant>) {
        let inner = self.read();
        let confirmed = inner.confirmed.filter(|_| !inner.coming.contains_key(thing));
        (inner.things.get(thing).cloned(), confirmed)
    }

    pub fn way(&self) -> Way {
        self.read().way.clone()
    }

    /// Everything, by name.
    pub fn all(&self) -> BTreeMap<Thing, Active> {
        self.read().things.iter().map(|(thing, active)| (thing.clone(), active.clone())).collect()
    }

    /// What the topic has not had for a while as it is in Postgres: the steward publishes it again. Nothing as long as this
    /// process has not read all of the topic.
    pub fn owed_to_topic(&self) -> Vec<Thing> {
        let inner = self.read();
        if !inner.folded || inner.way != Way::Topic {
            return Vec::new();
        }
        let late = inner.unlike.iter().filter(|(_, since)| since.elapsed() >= ON_ITS_WAY);
        late.map(|(thing, _)| thing.clone()).collect()
    }

    /// For people: what it holds. `note`: what else is wrong.
    pub fn holding(&self, note: Option<String>) -> Holding {
        let inner = self.read();
        let (follows, why) = match &inner.way {
            Way::Starting => ("starting", None),
            Way::Topic => ("topic", None),
            Way::Postgres(why) => ("postgres", Some(why.clone())),
            Way::Cut(why) => ("cut", Some(why.clone())),
        };
        let live = inner.things.iter().filter(|(_, active)| !active.retired);
        Holding {
            follows: follows.to_owned(),
            note: why.or(note),
            revision: inner.things.values().map(|active| active.revision).max().unwrap_or(0),
            things: live.map(|(thing, active)| (thing.to_string(), (active.version, active.revision))).collect(),
        }
    }

    /// Hears of changes of what people are shown.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Postgres has said this of a thing.
    pub(super) fn learn(&self, thing: Thing, active: Active) {
        self.write().learn(thing, Some(active));
        self.changed();
    }

    /// Postgres has told of this revision of a thing: it is known once it is ready.
    pub(super) fn comes(&self, thing: &Thing, revision: i64) {
        self.write().coming.insert(thing.clone(), revision);
    }

    /// Postgres has no such thing (any more).
    pub(super) fn unlearn(&self, thing: Thing) {
        self.write().learn(thing, None);
        self.changed();
    }

    /// At that time nothing newer was active than what is known or comes.
    pub(super) fn confirm(&self, at: Instant) {
        self.write().confirmed = Some(at);
    }

    pub(super) fn goes(&self, way: Way) {
        let mut inner = self.write();
        if inner.way != way {
            inner.way = way;
            drop(inner);
            self.changed();
        }
    }

    /// The topic is read from its begin: anew, where it was read before.
    pub(super) fn topic_begins(&self) {
        let mut inner = self.write();
        inner.folded = false;
        inner.topic.clear();
        inner.unlike.clear();
    }

    /// The topic's last message of a thing: its revision, where it can be read.
    pub(super) fn topic_says(&self, thing: &Thing, revision: Option<i64>) {
        let mut inner = self.write();
        inner.topic.insert(thing.clone(), revision);
        inner.compare(thing);
    }

    /// The whole topic has been read, up to the end that was seen.
    pub(super) fn topic_is_folded(&self) {
        let mut inner = self.write();
        inner.folded = true;
        let things: Vec<Thing> = inner.things.keys().cloned().collect();
        things.iter().for_each(|thing| inner.compare(thing));
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn learn(&mut self, thing: Thing, active: Option<Active>) {
        if self.coming.get(&thing).is_some_and(|coming| active.as_ref().is_none_or(|it| it.revision >= *coming)) {
            self.coming.remove(&thing);
        }
        match active {
            Some(_) if faults::has(Defect::FirstVersionKept) && self.things.contains_key(&thing) => None,
            Some(active) => self.things.insert(thing.clone(), active),
            None => self.things.remove(&thing),
        };
        self.compare(&thing);
    }

    /// Notes whether the topic has of a thing what Postgres has. Compaction may have dropped the tombstone of one that is
    /// retired; what Postgres does not have at all is nothing to publish.
    fn compare(&mut self, thing: &Thing) {
        let alike = match (self.things.get(thing), self.topic.get(thing)) {
            (Some(active), Some(revision)) => *revision == Some(active.revision),
            (Some(active), None) => active.retired || !self.folded,
            (None, _) => true,
        };
        if alike {
            self.unlike.remove(thing);
        } else {
            self.unlike.entry(thing.clone()).or_insert_with(Instant::now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Kind;
    use crate::config::checksum::Checksum;

    fn thing(name: &str) -> Thing {
        Thing { kind: Kind::Feed, name: name.into() }
    }

    fn active(revision: i64) -> Active {
        Active { version: 1, revision, checksum: Checksum::of(b""), retired: false, changed_at: 0 }
    }

    fn unlike(known: &Known) -> Vec<String> {
        let mut names: Vec<_> = known.read().unlike.keys().map(ToString::to_string).collect();
        names.sort();
        names
    }

    #[test]
    fn what_the_topic_lacks_or_has_otherwise_is_owed_once_all_of_it_was_read() {
        let known = Known::default();
        known.topic_begins();
        known.topic_says(&thing("late"), Some(3));
        known.topic_says(&thing("damaged"), None);
        known.topic_says(&thing("well"), Some(6));
        known.topic_says(&thing("nowhere"), Some(9));
        for (name, revision) in [("late", 4), ("damaged", 5), ("well", 6), ("absent", 7)] {
            known.learn(thing(name), active(revision));
        }
        known.learn(thing("gone"), Active { retired: true, ..active(8) });
        known.topic_is_folded();
        assert_eq!(unlike(&known), ["feed/absent", "feed/damaged", "feed/late"]);
        assert!(known.owed_to_topic().is_empty(), "it does not follow, and it may be on its way");
        known.topic_says(&thing("late"), Some(4));
        assert_eq!(unlike(&known), ["feed/absent", "feed/damaged"]);
    }

    #[test]
    fn nothing_is_sure_of_a_thing_while_a_newer_revision_is_made_ready() {
        let (known, now) = (Known::default(), Instant::now());
        known.confirm(now);
        known.learn(thing("cards"), active(4));
        assert_eq!(known.confirmed(&thing("cards")), (Some(active(4)), Some(now)));
        known.comes(&thing("cards"), 6);
        known.comes(&thing("gone"), 5);
        known.learn(thing("cards"), active(5));
        assert_eq!(known.confirmed(&thing("cards")), (Some(active(5)), None));
        assert_eq!(known.confirmed(&thing("other")), (None, Some(now)));
        known.learn(thing("cards"), active(6));
        known.unlearn(thing("gone"));
        assert_eq!(known.confirmed(&thing("cards")), (Some(active(6)), Some(now)));
        assert_eq!(known.confirmed(&thing("gone")), (None, Some(now)));
    }

    #[test]
    fn what_it_holds_is_told_with_versions_and_revisions() {
        let known = Known::default();
        known.learn(thing("cards"), active(4));
        known.learn(thing("gone"), Active { retired: true, ..active(8) });
        known.goes(Way::Postgres("Kafka does not answer".into()));
        let holding = known.holding(Some("Redis is away".into()));
        assert_eq!((holding.follows.as_str(), holding.revision), ("postgres", 8));
        assert_eq!(holding.note.as_deref(), Some("Kafka does not answer"));
        assert_eq!(holding.things, BTreeMap::from([("feed/cards".to_owned(), (1, 4))]));
    }
}
