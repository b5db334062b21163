//! `fabric.job-events` into what it tells of each job. A number that was given again after a restore is of two jobs.

use std::collections::{BTreeMap, BTreeSet};

use rdkafka::message::Message as _;

use super::registering::registered_at;
use crate::chunk::JobId;
use crate::jobs::{EVENT_TOPIC, EventKind, JobClosed, JobOpened, Recorded};
use crate::kafka::{self, StretchReader};
use crate::ledger::JobState;
use crate::settings::KafkaSettings;

/// What Kafka keeps of a job.
#[derive(Debug, Clone)]
pub struct Told {
    /// The last run that began.
    pub opened: JobOpened,
    /// When the job was registered, in microseconds since 1970-01-01T00:00:00Z: it tells jobs of one number apart.
    pub registered_at: Option<i64>,
    /// Hashes of the tokens of all runs.
    pub tokens: BTreeSet<Vec<u8>>,
    /// `None`: not closed, or opened again since.
    pub closed: Option<JobClosed>,
    /// The last state, and its reason.
    pub state: Option<(JobState, Option<String>)>,
}

impl Told {
    fn of(opened: JobOpened) -> Self {
        let registered_at = registered_at(&opened.job_row);
        Self { tokens: BTreeSet::from([opened.token_hash.clone()]), opened, registered_at, closed: None, state: None }
    }

    fn opened_again(&mut self, opened: JobOpened) {
        self.tokens.insert(opened.token_hash.clone());
        self.opened = opened;
        self.closed = None;
    }
}

/// Of one partition's messages in their order: all that is told of a number stands in one.
fn hear(jobs: &mut Vec<Told>, recorded: Recorded) {
    match (recorded, jobs.last_mut()) {
        (Recorded::Opened(opened), Some(last)) if registered_at(&opened.job_row) == last.registered_at => {
            last.opened_again(opened);
        }
        (Recorded::Opened(opened), _) => jobs.push(Told::of(opened)),
        (Recorded::Closed(closed), Some(last)) => last.closed = Some(closed),
        (Recorded::Event(event), Some(last)) if event.kind == EventKind::State => {
            last.state = JobState::parse(&event.state).map(|state| (state, event.reason));
        }
        // Of jobs of a release that told nothing else of them.
        (Recorded::Closed(_) | Recorded::Event(_), _) => {}
    }
}

/// Reads all of the topic; of jobs of one number the last is the latest. Blocks.
pub fn read(settings: &KafkaSettings) -> Result<BTreeMap<JobId, Vec<Told>>, rdkafka::error::KafkaError> {
    let topic = settings.name(EVENT_TOPIC);
    let inquirer = kafka::inquirer(settings)?;
    let partitions =
        kafka::partition_count(rdkafka::consumer::Consumer::client(&inquirer), &topic, kafka::ANSWER_TIMEOUT)?
            .unwrap_or(0);
    let reader = StretchReader::new(settings)?;
    let mut told: BTreeMap<JobId, Vec<Told>> = BTreeMap::new();
    for partition in 0..partitions {
        let log = reader.log(&topic, partition)?;
        reader.read(&topic, partition, log, |message| {
            let recorded = message.payload().and_then(Recorded::decode);
            let job = message.key().and_then(|key| std::str::from_utf8(key).ok()?.parse().ok()).map(JobId);
            if let (Some(recorded), Some(job)) = (recorded, job) {
                hear(told.entry(job).or_default(), recorded);
            }
        })?;
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(at: &str, token: u8) -> Recorded {
        let mut opened: JobOpened =
            serde_json::from_str(include_str!("../../schemas/examples/job-opened.json")).unwrap();
        opened.job_row = format!(r#"{{"registered_at": "{at}"}}"#);
        opened.token_hash = vec![token];
        Recorded::Opened(opened)
    }

    fn closed() -> Recorded {
        Recorded::Closed(serde_json::from_str(include_str!("../../schemas/examples/job-closed.json")).unwrap())
    }

    #[test]
    fn a_second_run_adds_its_token_and_opens_the_job_again() {
        let mut jobs = vec![];
        for recorded in [opened("2026-11-25T10:00:00Z", 1), closed(), opened("2026-11-25T10:00:00+00:00", 2)] {
            hear(&mut jobs, recorded);
        }
        assert_eq!(jobs.len(), 1);
        assert_eq!((jobs[0].tokens.len(), &jobs[0].closed), (2, &None));
    }

    #[test]
    fn a_number_that_was_given_again_is_of_two_jobs() {
        let mut jobs = vec![];
        for recorded in [opened("2026-11-25T10:00:00Z", 1), closed(), opened("2026-11-25T10:00:01Z", 2)] {
            hear(&mut jobs, recorded);
        }
        let said: Vec<_> = jobs.iter().map(|job| (job.tokens.len(), job.closed.is_some())).collect();
        assert_eq!(said, [(1, true), (1, false)]);
    }

    #[test]
    fn what_is_told_of_a_job_that_nobody_opened_is_passed_over() {
        let mut jobs = vec![];
        hear(&mut jobs, closed());
        assert!(jobs.is_empty());
    }
}
