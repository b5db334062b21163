//! The failpoints of the program, and by whom each is passed.

use crate::scenario::{By, Scenario, Who};

/// Who may come by a point, each with a weight.
pub fn whose(_point: &str, scenario: &Scenario) -> Vec<(u64, Who)> {
    let validators = (0..scenario.validators).map(|number| (4, Who::Validator(number)));
    let stewards = (0..scenario.stewards).map(|number| (2, Who::Steward(number)));
    let published = scenario.jobs.iter().enumerate().filter(|(_, job)| job.by != By::Hostile);
    let publishers = published.map(|(number, _)| (2, Who::Publisher(number)));
    validators.chain(stewards).chain(publishers).collect()
}
