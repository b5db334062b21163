//! What was active when, and whoever writes down what a process answers meanwhile: an answer is true where it was so at
//! some instant within the bound.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fabric::config::{Active, KNOWN, Live, Reads, Thing};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A version and whether it is retired; `None`: there is no such thing.
pub type State = Option<(i32, bool)>;

/// Each state of each thing with the first instant at which it may have been so, and the last.
#[derive(Default)]
pub struct History {
    states: BTreeMap<Thing, Vec<Span>>,
}

struct Span {
    state: State,
    from: Instant,
    until: Option<Instant>,
}

impl History {
    /// An edit that was asked for at `began`, and has answered by now, left the thing so.
    pub fn edited(&mut self, thing: &Thing, state: State, began: Instant) {
        let spans = self.states.entry(thing.clone()).or_default();
        let before = spans.last_mut();
        if before.as_ref().map_or(state.is_none(), |before| before.state == state) {
            return;
        }
        if let Some(before) = before {
            before.until = Some(Instant::now());
        } else {
            spans.push(Span { state: None, from: began, until: Some(Instant::now()) });
        }
        spans.push(Span { state, from: began, until: None });
    }

    /// Whether it was so at some instant between these two.
    fn was(&self, thing: &Thing, state: State, from: Instant, until: Instant) -> bool {
        let Some(spans) = self.states.get(thing) else { return state.is_none() };
        let first = |span: &Span| std::ptr::eq(span, &spans[0]);
        spans.iter().any(|span| {
            let begun = first(span) || span.from <= until;
            span.state == state && begun && span.until.is_none_or(|end| end >= from)
        })
    }
}

/// One answer of a process.
struct Sample {
    thing: Thing,
    asked: Instant,
    answered: Instant,
    active: Option<Active>,
}

/// Asks one process again and again, until it is asked for what it has seen.
pub struct Witness {
    end: watch::Sender<bool>,
    asking: JoinHandle<Result<Vec<Sample>, String>>,
}

impl Witness {
    pub fn of(live: &Arc<Live>, things: &[Thing]) -> Self {
        let (end, ended) = watch::channel(false);
        let (live, things) = (Arc::clone(live), things.to_vec());
        let asking = tokio::spawn(async move {
            let mut samples = Vec::new();
            while !*ended.borrow() {
                for thing in &things {
                    let asked = Instant::now();
                    let active = live.cache().active(thing, Reads::Fresh).await;
                    let active = active.map_err(|error| format!("{thing}: {error}"))?;
                    samples.push(Sample { thing: thing.clone(), asked, answered: Instant::now(), active });
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Ok(samples)
        });
        Self { end, asking }
    }

    /// What is wrong with what it has seen: an answer that was not so within the bound.
    pub async fn objects(self, history: &History) -> Result<(), String> {
        self.end.send_replace(true);
        for Sample { thing, asked, answered, active } in self.asking.await.unwrap()? {
            let state = active.as_ref().map(|active| (active.version, active.retired));
            let within = asked.checked_sub(KNOWN).unwrap_or(asked);
            if !history.was(&thing, state, within, answered) {
                return Err(format!("{thing} was not {state:?} within {KNOWN:?}; {}", history.told(&thing, answered)));
            }
        }
        Ok(())
    }
}

impl History {
    fn told(&self, thing: &Thing, at: Instant) -> String {
        let spans = self.states.get(thing).map(Vec::as_slice).unwrap_or_default();
        let ago = |then: Instant| format!("{:?} before", at.saturating_duration_since(then));
        let span = |span: &Span| {
            let until = span.until.map_or("now".to_owned(), ago);
            format!("{:?} from {} until {until}", span.state, ago(span.from))
        };
        spans.iter().rev().take(5).map(span).collect::<Vec<_>>().join("; ")
    }
}
