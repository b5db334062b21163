//! What must change on the broker, worked out from what is declared and what is there.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::TopicSpec;

/// A topic as the broker has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Actual {
    pub partitions: i32,
    /// Of partition 0.
    pub replication: i32,
    /// Every effective configuration, Kafka's defaults included.
    pub configs: BTreeMap<String, String>,
    /// Names among them that were set on this topic.
    pub set_here: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigChange {
    pub config: String,
    pub from: Option<String>,
    pub to: String,
}

/// What one topic needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "step")]
pub enum Step {
    Create {
        topic: String,
        partitions: i32,
        replication: i32,
    },
    AddPartitions {
        topic: String,
        from: i32,
        to: i32,
    },
    AlterConfigs {
        topic: String,
        changes: Vec<ConfigChange>,
    },
    Unchanged {
        topic: String,
    },
    /// It differs in a way that this program must not mend.
    Refused {
        topic: String,
        reason: String,
    },
}

/// Steps in the order of the declarations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Plan {
    pub steps: Vec<Step>,
}

impl Plan {
    /// Nothing to do, and nothing refused.
    pub fn is_settled(&self) -> bool {
        self.steps.iter().all(|step| matches!(step, Step::Unchanged { .. }))
    }

    pub fn refusals(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| matches!(step, Step::Refused { .. }))
    }

    /// One clear sentence per difference, for a process that finds the topics not as it needs them.
    pub fn problems(&self) -> Vec<String> {
        self.steps.iter().filter_map(Step::problem).collect()
    }
}

/// Compares. Topics on the broker that are not declared are none of our business.
pub fn plan(declared: &[TopicSpec], actual: &BTreeMap<String, Actual>) -> Plan {
    let mut steps = vec![];
    for spec in declared {
        let topic = spec.name.clone();
        let Some(found) = actual.get(&topic) else {
            steps.push(Step::Create { topic, partitions: spec.partitions, replication: spec.replication });
            continue;
        };
        steps.extend(differences(spec, found));
    }
    Plan { steps }
}

fn differences(spec: &TopicSpec, found: &Actual) -> Vec<Step> {
    let topic = || spec.name.clone();
    let mut steps = vec![];
    if found.partitions < spec.partitions {
        steps.push(Step::AddPartitions { topic: topic(), from: found.partitions, to: spec.partitions });
    }
    if found.replication < spec.replication {
        let reason = format!(
            "has each partition {} times, {} times is wanted: move it with kafka-reassign-partitions",
            found.replication, spec.replication
        );
        steps.push(Step::Refused { topic: topic(), reason });
    }
    let changes = changed_configs(spec, found);
    if !changes.is_empty() {
        steps.push(Step::AlterConfigs { topic: topic(), changes });
    }
    if steps.is_empty() {
        steps.push(Step::Unchanged { topic: topic() });
    }
    steps
}

fn changed_configs(spec: &TopicSpec, found: &Actual) -> Vec<ConfigChange> {
    spec.configs
        .iter()
        .map(|(config, wanted)| (config, wanted.to_string(), found.configs.get(config)))
        .filter(|(_, wanted, has)| *has != Some(wanted))
        .map(|(config, to, has)| ConfigChange { config: config.clone(), from: has.cloned(), to })
        .collect()
}

impl Step {
    pub fn topic(&self) -> &str {
        match self {
            Self::Create { topic, .. }
            | Self::AddPartitions { topic, .. }
            | Self::AlterConfigs { topic, .. }
            | Self::Unchanged { topic }
            | Self::Refused { topic, .. } => topic,
        }
    }

    pub fn is_change(&self) -> bool {
        matches!(self, Self::Create { .. } | Self::AddPartitions { .. } | Self::AlterConfigs { .. })
    }

    fn verb(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::AddPartitions { .. } => "add partitions",
            Self::AlterConfigs { .. } => "alter",
            Self::Unchanged { .. } => "unchanged",
            Self::Refused { .. } => "refused",
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Create { partitions, replication, .. } => {
                let parted = if *partitions == 1 { "partition" } else { "partitions" };
                format!("{partitions} {parted}, {replication} {}", if *replication == 1 { "copy" } else { "copies" })
            }
            Self::AddPartitions { from, to, .. } => format!("{from} → {to}"),
            Self::AlterConfigs { changes, .. } => {
                let words = changes.iter().map(|c| {
                    let from = c.from.as_deref().unwrap_or("unset");
                    format!("{} {from} → {}", c.config, c.to)
                });
                words.collect::<Vec<_>>().join(", ")
            }
            Self::Unchanged { .. } => String::new(),
            Self::Refused { reason, .. } => reason.clone(),
        }
    }

    fn problem(&self) -> Option<String> {
        let topic = self.topic();
        Some(match self {
            Self::Unchanged { .. } => return None,
            Self::Create { .. } => format!("topic {topic} is not there: run `fabric topics apply`"),
            Self::AddPartitions { from, to, .. } => {
                format!("topic {topic} has {from} partitions, {to} are declared: run `fabric topics apply`")
            }
            Self::AlterConfigs { .. } => {
                format!("topic {topic} is configured otherwise ({}): run `fabric topics apply`", self.detail())
            }
            Self::Refused { reason, .. } => format!("topic {topic} {reason}"),
        })
    }
}

/// A table for people.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topic_width = self.steps.iter().map(|step| step.topic().len()).max().unwrap_or(0);
        let verb_width = self.steps.iter().map(|step| step.verb().len()).max().unwrap_or(0);
        for step in &self.steps {
            let line = format!("{:topic_width$}  {:verb_width$}  {}", step.topic(), step.verb(), step.detail());
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topics::declared;

    fn as_declared() -> BTreeMap<String, Actual> {
        let actual = |spec: &TopicSpec| Actual {
            partitions: spec.partitions,
            replication: spec.replication,
            configs: spec.configs.iter().map(|(key, value)| (key.clone(), value.to_string())).collect(),
            set_here: vec![],
        };
        declared("f.").iter().map(|spec| (spec.name.clone(), actual(spec))).collect()
    }

    #[test]
    fn what_is_as_declared_is_left_alone() {
        let plan = plan(&declared("f."), &as_declared());
        assert!(plan.is_settled());
        assert_eq!(plan.problems(), Vec::<String>::new());
    }

    #[test]
    fn more_partitions_than_declared_are_an_operator_s_choice() {
        let mut actual = as_declared();
        actual.get_mut("f.chunks.normal").expect("declared").partitions = 64;
        assert!(plan(&declared("f."), &actual).is_settled());
    }

    #[test]
    fn each_difference_is_one_step_and_one_clear_sentence() {
        let mut actual = as_declared();
        actual.remove("f.dead-letters");
        actual.get_mut("f.chunks.normal").expect("declared").partitions = 2;
        let high = actual.get_mut("f.chunks.high").expect("declared");
        high.configs.insert("retention.ms".into(), "1000".into());
        let specs: Vec<_> = declared("f.")
            .into_iter()
            .map(|spec| if spec.name == "f.job-events" { spec.replicated(2) } else { spec })
            .collect();

        let plan = plan(&specs, &actual);

        insta::assert_snapshot!(plan.to_string(), @r"
        f.chunks.normal  add partitions  2 → 8
        f.chunks.high    alter           retention.ms 1000 → 604800000
        f.dead-letters   create          1 partition, 1 copy
        f.job-events     refused         has each partition 1 times, 2 times is wanted: move it with kafka-reassign-partitions
        f.config         unchanged
        ");
        insta::assert_snapshot!(plan.problems().join("\n"), @r"
        topic f.chunks.normal has 2 partitions, 8 are declared: run `fabric topics apply`
        topic f.chunks.high is configured otherwise (retention.ms 1000 → 604800000): run `fabric topics apply`
        topic f.dead-letters is not there: run `fabric topics apply`
        topic f.job-events has each partition 1 times, 2 times is wanted: move it with kafka-reassign-partitions
        ");
    }

    #[test]
    fn a_declaration_never_takes_partitions_away() {
        let fewer: Vec<_> = declared("f.").into_iter().map(|spec| TopicSpec { partitions: 1, ..spec }).collect();
        let plan = plan(&fewer, &as_declared());
        assert!(!plan.steps.iter().any(|step| matches!(step, Step::AddPartitions { .. })));
    }
}
