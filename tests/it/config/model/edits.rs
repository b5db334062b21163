//! Edits of a story, and the plain map: what is active of each thing, as the edits have answered.

use std::collections::BTreeMap;
use std::time::Instant;

use fabric::config::references::{self, Stored};
use fabric::config::{self, Change, ConfigError, Kind, Outcome, Propagate, TemplateEdited, Thing};
use fabric::feed::{self, Feed, TemplateText, Templates};
use fabric::rules::SetFile;

use super::super::load;
use super::super::witness::{History, State};
use crate::database::Database;

/// Each document is one of so many, so that one comes again.
const DOCUMENTS: u64 = 6;

#[derive(Debug, Clone, Copy)]
pub enum Edit {
    /// The document of that number.
    Apply {
        thing: &'static str,
        number: u32,
        propagate: Propagate,
    },
    Activate {
        thing: &'static str,
        version: i32,
    },
    RollBack {
        thing: &'static str,
    },
    Retire {
        thing: &'static str,
    },
}

/// A plain feed, one that extends a template, one that looks a set up; the template, the set.
const THINGS: [&str; 5] = ["feed/plain", "feed/extending", "feed/looking", "template/limits", "reference/branches"];

#[derive(Default)]
pub struct Edits {
    /// The plain map.
    pub active: BTreeMap<Thing, (i32, bool)>,
    pub history: History,
    /// What each version of a feed is, whole.
    pub feeds: BTreeMap<(String, i32), Feed>,
    /// Documents of the versions of feeds and templates.
    pub documents: BTreeMap<(Thing, i32), String>,
}

pub fn things() -> Vec<Thing> {
    THINGS.iter().map(|key| thing(key)).collect()
}

pub fn thing(key: &str) -> Thing {
    Thing::of_key(Some(key.as_bytes())).unwrap()
}

fn document(thing: &Thing, number: u32) -> String {
    let fields = "layout: { format: delimited }\nfields:\n  - { name: amount, type: integer, minimum: ";
    match thing.to_string().as_str() {
        "feed/plain" => format!("feed: plain\n{fields}{number} }}\n"),
        "feed/extending" => {
            format!("feed: extending\nextends: [limits]\nfields:\n  - {{ name: amount, maximum: {number} }}\n")
        }
        "feed/looking" => format!(
            "feed: looking\n{fields}{number} }}\n  - {{ name: branch, type: string }}\nrules:\n  - {{ name: known, fields: [branch], reference: branches }}\n"
        ),
        "template/limits" => format!("template: limits\n{fields}{} }}\n", -i64::from(number) - 1),
        _ => (0..=number).fold("code\n".to_owned(), |keys, n| keys + &format!("k{n}\n")),
    }
}

impl Edits {
    /// By numbers below what is asked for.
    pub fn draw(mut below: impl FnMut(u64) -> u64) -> Edit {
        let thing = THINGS[below(THINGS.len() as u64) as usize];
        match below(10) {
            0..=5 => {
                let propagate = if below(2) == 0 { Propagate::No } else { Propagate::Yes };
                Edit::Apply { thing, number: below(DOCUMENTS) as u32, propagate }
            }
            6 | 7 => Edit::Activate { thing, version: 1 + below(DOCUMENTS) as i32 },
            8 => Edit::RollBack { thing },
            _ => Edit::Retire { thing },
        }
    }

    /// Does it, and notes what it has answered; in words.
    pub async fn make(&mut self, database: &Database, edit: Edit) -> String {
        let began = Instant::now();
        let answer = match edit {
            Edit::Apply { thing: key, number, propagate } => self.apply(database, &thing(key), number, propagate).await,
            Edit::Activate { thing: key, version } => self.activate(database, &thing(key), version).await,
            Edit::RollBack { thing: key } => self.roll_back(database, &thing(key)).await,
            Edit::Retire { thing: key } => self.retire(database, &thing(key)).await,
        };
        match answer {
            Ok(states) => {
                for (thing, state) in &states {
                    self.history.edited(thing, Some(*state), began);
                    self.active.insert(thing.clone(), *state);
                }
                states.iter().map(|(thing, state)| format!("{thing} {state:?}")).collect::<Vec<_>>().join(", ")
            }
            Err(error) if is_refusal(&error) => format!("refused: {}", error.to_string().lines().next().unwrap_or("")),
            Err(error) => panic!("{error}"),
        }
    }

    /// What processes have to answer.
    pub fn state(&self, thing: &Thing) -> State {
        self.active.get(thing).copied()
    }

    async fn apply(&mut self, database: &Database, thing: &Thing, number: u32, propagate: Propagate) -> Answer {
        let (pool, text) = (&database.pool, document(thing, number));
        match thing.kind {
            Kind::Feed => {
                let edited = config::edit_feed(pool, &thing.name, &text, &config::Edit::default(), &load()).await?;
                Ok(vec![self.feed_is(&thing.name, edited.applied.version(), &text)])
            }
            Kind::Template => {
                let edit = config::Edit::default();
                let answer = config::edit_template(pool, &thing.name, &text, &edit, propagate, &load()).await?;
                let TemplateEdited { edited, touched } = answer;
                let version = edited.applied.version();
                self.documents.insert((thing.clone(), version), text);
                Ok(self.template_is(thing, version, &touched))
            }
            Kind::Reference => {
                let file = SetFile::read("branches.csv", text.as_bytes(), &[]).unwrap();
                let stored = references::load(pool, &thing.name, &file, None).await?;
                let (Stored::New { version, .. } | Stored::Unchanged { version, .. }) = stored;
                Ok(vec![(thing.clone(), (version, false))])
            }
        }
    }

    async fn activate(&mut self, database: &Database, thing: &Thing, version: i32) -> Answer {
        if thing.kind == Kind::Reference {
            references::activate(&database.pool, &thing.name, version, None).await?;
            return Ok(vec![(thing.clone(), (version, false))]);
        }
        let change = Change::default();
        let answer = config::activate(&database.pool, thing.kind, &thing.name, version, &change, &load()).await?;
        assert_eq!(answer.version, version);
        Ok(vec![(thing.clone(), (version, false))])
    }

    async fn roll_back(&mut self, database: &Database, thing: &Thing) -> Answer {
        let version = match thing.kind {
            Kind::Reference => references::rollback(&database.pool, &thing.name, None, None).await?.1,
            kind => {
                let change = Change::default();
                config::roll_back(&database.pool, kind, &thing.name, None, &change, &load()).await?.version
            }
        };
        Ok(vec![(thing.clone(), (version, false))])
    }

    async fn retire(&mut self, database: &Database, thing: &Thing) -> Answer {
        let pool = &database.pool;
        let version = match thing.kind {
            Kind::Reference => {
                references::retire(pool, &thing.name, None).await?;
                self.active[thing].0
            }
            kind => config::retire(pool, kind, &thing.name, None).await?,
        };
        Ok(vec![(thing.clone(), (version, true))])
    }

    /// A feed whose active version is this document, with the templates that are active.
    fn feed_is(&mut self, name: &str, version: i32, text: &str) -> (Thing, (i32, bool)) {
        let resolved = feed::resolve(name, text, &self.templates()).unwrap().feed;
        let before = self.feeds.insert((name.to_owned(), version), resolved.clone());
        assert!(before.is_none_or(|before| before == resolved), "{name} v{version} is two feeds");
        let thing = Thing { kind: Kind::Feed, name: name.to_owned() };
        self.documents.insert((thing.clone(), version), text.to_owned());
        (thing, (version, false))
    }

    fn template_is(&mut self, thing: &Thing, version: i32, touched: &[config::Touched]) -> Vec<(Thing, (i32, bool))> {
        let mut states = vec![(thing.clone(), (version, false))];
        self.active.insert(thing.clone(), (version, false));
        for feed in touched {
            if let Outcome::Changed(applied) = &feed.outcome {
                let of = Thing { kind: Kind::Feed, name: feed.feed.clone() };
                let text = self.documents[&(of, feed.version)].clone();
                states.push(self.feed_is(&feed.feed, applied.version(), &text));
            }
        }
        states
    }

    fn templates(&self) -> Templates {
        let live = self.active.iter().filter(|(thing, (_, retired))| thing.kind == Kind::Template && !retired);
        let text = |(thing, (version, _)): (&Thing, &(i32, bool))| {
            let text = self.documents[&(thing.clone(), *version)].clone();
            (thing.name.clone(), TemplateText { source_name: thing.name.clone(), version: *version, text })
        };
        live.map(text).collect()
    }
}

type Answer = Result<Vec<(Thing, (i32, bool))>, ConfigError>;

fn is_refusal(error: &ConfigError) -> bool {
    match error {
        ConfigError::Reference(error) => error.is_usage(),
        error => error.is_usage(),
    }
}
