//! Adds verdicts up in the order of the file.

use std::io::Write;

use super::pipeline::{Accepting, Judged, csv_writer};
use super::{CheckError, FirstReject, RuleCount};
use crate::feed::{Feed, ThresholdAction};
use crate::ledger::{Totals, crossings};
use crate::rules::{Plan, Verdict};

/// Whether more of the file is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    GoOn,
    Halt,
}

pub struct Fold<'f> {
    feed: &'f Feed,
    plan: &'f Plan,
    show: usize,
    rejects: Option<Box<dyn Write>>,
    accepted: Option<Box<dyn Write>>,
    totals: Totals,
    /// By rule of the plan.
    rules: Vec<Option<RuleCount>>,
    first_rejects: Vec<FirstReject>,
    stopped: Option<String>,
}

/// What the whole came to.
pub struct Found {
    pub rules: Vec<RuleCount>,
    pub first_rejects: Vec<FirstReject>,
    pub alerts: Vec<String>,
}

impl<'f> Fold<'f> {
    pub fn new(
        feed: &'f Feed,
        plan: &'f Plan,
        show: usize,
        rejects: Option<Box<dyn Write>>,
        mut accepted: Option<Box<dyn Write>>,
    ) -> Result<Self, CheckError> {
        if let Some(out) = &mut accepted {
            let mut csv = csv_writer();
            csv.write_record(feed.fields.iter().map(|field| field.name.as_str())).expect("memory takes every write");
            out.write_all(&csv.into_inner().expect("memory takes every write"))
                .map_err(writing("the accepted records"))?;
        }
        let rules = vec![None; plan.rules().len()];
        let totals = Totals::default();
        Ok(Self { feed, plan, show, rejects, accepted, totals, rules, first_rejects: Vec::new(), stopped: None })
    }

    pub fn accepting(&self) -> Accepting {
        if self.accepted.is_some() { Accepting::Kept } else { Accepting::Dropped }
    }

    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The `stop` threshold that was passed, in words.
    pub fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }

    /// Takes the next chunk of the file. Thresholds are judged at its end.
    pub fn take(&mut self, judged: Judged) -> Result<Next, CheckError> {
        let Judged { chunk, verdict, accepted } = judged;
        self.totals += Totals {
            chunks: 1,
            end: u64::from(chunk.seq.0) + 1,
            records: verdict.records,
            loaded: verdict.accepted,
            rejected: verdict.rejects.len() as u64,
            bytes: chunk.span,
            blanks: u64::from(chunk.blanks),
        };
        if let Some(out) = &mut self.rejects {
            for reject in &verdict.rejects {
                out.write_all(&chunk.payload[reject.start..reject.end]).map_err(writing("the rejects"))?;
            }
        }
        if let Some(out) = &mut self.accepted {
            out.write_all(&accepted).map_err(writing("the accepted records"))?;
        }
        self.tally(verdict);
        self.stopped = self.crossed(ThresholdAction::Stop).into_iter().next();
        Ok(if self.stopped.is_some() { Next::Halt } else { Next::GoOn })
    }

    pub fn flush(&mut self) -> Result<(), CheckError> {
        if let Some(out) = &mut self.rejects {
            out.flush().map_err(writing("the rejects"))?;
        }
        if let Some(out) = &mut self.accepted {
            out.flush().map_err(writing("the accepted records"))?;
        }
        Ok(())
    }

    pub fn into_found(self) -> Found {
        let alerts = self.crossed(ThresholdAction::Alert);
        Found { rules: self.rules.into_iter().flatten().collect(), first_rejects: self.first_rejects, alerts }
    }

    fn tally(&mut self, verdict: Verdict) {
        for tally in &verdict.tally {
            let index = usize::from(tally.rule.0);
            let info = &self.plan.rules()[index];
            let count = self.rules[index].get_or_insert_with(|| RuleCount {
                rule: info.name.clone(),
                severity: info.severity,
                records: 0,
                first: tally.first,
            });
            count.records += tally.records;
        }
        let room = self.show.saturating_sub(self.first_rejects.len());
        let firsts = verdict.rejects.into_iter().take(room);
        self.first_rejects.extend(firsts.map(|reject| FirstReject { at: reject.at, breaches: reject.breaches }));
    }

    fn crossed(&self, action: ThresholdAction) -> Vec<String> {
        crossings(&self.feed.thresholds, action, &self.totals).into_iter().map(|crossing| crossing.text).collect()
    }
}

fn writing(what: &'static str) -> impl Fn(std::io::Error) -> CheckError {
    move |error| CheckError::Write { what, error }
}
