//! The failpoints of the program, and by whom each is passed.

use fabric::faults::POINTS;

use crate::scenario::{By, Scenario, Who};

/// Passed by commands that the suite itself runs, or by streams whose feeds have thresholds.
const ELSEWHERE: [&str; 5] = ["recover.", "cancel.", "config.pointed", "config.commit.", "window."];

/// Those that processes of a scenario pass.
pub fn all() -> Vec<&'static str> {
    let elsewhere = |name: &str| ELSEWHERE.iter().any(|prefix| name.starts_with(prefix));
    POINTS.iter().map(|point| point.name).filter(|name| !elsewhere(name)).collect()
}

/// Whether it may answer by an error.
pub fn may_fail(name: &str) -> bool {
    POINTS.iter().any(|point| point.name == name && point.answers == fabric::faults::Answers::Error)
}

/// Who may come by a point, each with a weight.
pub fn whose(point: &str, scenario: &Scenario) -> Vec<(u64, Who)> {
    let by = |prefixes: &[&str]| prefixes.iter().any(|prefix| point.starts_with(prefix));
    let validators = (0..scenario.validators).map(|number| (2, Who::Validator(number)));
    let stewards = (0..scenario.stewards).map(|number| (4, Who::Steward(number)));
    if by(&["register.", "open.", "publish.", "close."]) {
        let published = scenario.jobs.iter().enumerate().filter(|(_, job)| job.by != By::Hostile);
        let publishers: Vec<_> = published.map(|(number, _)| (1, Who::Publisher(number))).collect();
        if !publishers.is_empty() {
            return publishers;
        }
    }
    if by(&["steward.", "outbox.", "owed."]) {
        return validators.chain(stewards).collect();
    }
    validators.collect()
}
