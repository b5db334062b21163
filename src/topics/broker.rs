//! Asks the broker what it has, and makes it what is declared.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigSource, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::plan::{Actual, Plan, Step, plan};
use super::spec::{TopicSpec, declared};
use crate::kafka;
use crate::settings::KafkaSettings;

/// How long Kafka may take for one change.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the broker that is asked may take to hear of it.
const SEEN_WITHIN: Duration = Duration::from_secs(10);
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

#[derive(Debug, thiserror::Error)]
pub enum TopicsError {
    /// In people's words.
    #[error("{0}")]
    Kafka(String),
    #[error("topic {topic}: Kafka would not {verb}: {code}")]
    Change { topic: String, verb: &'static str, code: RDKafkaErrorCode },
    /// What [`verify`] found, one sentence per line.
    #[error("{}", .0.join("\n"))]
    NotAsDeclared(Vec<String>),
}

type Admin = AdminClient<DefaultClientContext>;

/// What must change, for these copies of each partition.
pub async fn plan_for(settings: &KafkaSettings, replication: Option<i32>) -> Result<Plan, TopicsError> {
    let specs = wanted(settings, replication);
    Ok(plan(&specs, &look(settings, &specs).await?))
}

/// Makes the topics what is declared. Safe to repeat, and to run at once from several places. Answers what it did.
pub async fn apply(settings: &KafkaSettings, replication: Option<i32>) -> Result<Plan, TopicsError> {
    let specs = wanted(settings, replication);
    let actual = look(settings, &specs).await?;
    let plan = plan(&specs, &actual);
    let admin = kafka::admin(settings).map_err(|error| TopicsError::Kafka(kafka::describe(&error, settings)))?;
    for step in &plan.steps {
        let spec = specs.iter().find(|spec| spec.name == step.topic()).expect("steps come from specs");
        take(&admin, settings, step, spec, actual.get(step.topic())).await?;
    }
    until_seen(settings, &specs, &plan.steps).await?;
    Ok(plan)
}

/// The controller has a change at once; the broker that is asked hears of it from there, and whoever starts next asks it.
async fn until_seen(settings: &KafkaSettings, specs: &[TopicSpec], taken: &[Step]) -> Result<(), TopicsError> {
    let changed: Vec<&str> = taken.iter().filter(|step| step.is_change()).map(Step::topic).collect();
    let deadline = Instant::now() + SEEN_WITHIN;
    while !changed.is_empty() && Instant::now() < deadline {
        let left = plan(specs, &look(settings, specs).await?);
        if !left.steps.iter().any(|step| step.is_change() && changed.contains(&step.topic())) {
            return Ok(());
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    Ok(())
}

/// Whether every topic that is declared is there, with at least its partitions and with its configuration. Copies are
/// not compared: how many there should be is the operator's knowledge.
pub async fn verify(settings: &KafkaSettings) -> Result<(), TopicsError> {
    let mut specs = declared(&settings.prefix);
    for spec in &mut specs {
        spec.replication = 0;
    }
    let problems = plan(&specs, &look(settings, &specs).await?).problems();
    if problems.is_empty() { Ok(()) } else { Err(TopicsError::NotAsDeclared(problems)) }
}

fn wanted(settings: &KafkaSettings, replication: Option<i32>) -> Vec<TopicSpec> {
    let specs = declared(&settings.prefix).into_iter();
    specs.map(|spec| if let Some(copies) = replication { spec.replicated(copies) } else { spec }).collect()
}

/// What the broker has of these topics.
pub async fn look(settings: &KafkaSettings, specs: &[TopicSpec]) -> Result<BTreeMap<String, Actual>, TopicsError> {
    look_at(settings, specs.iter().map(|spec| spec.name.clone()).collect()).await
}

/// As [`look`], of topics that need not be declared.
pub async fn look_at(settings: &KafkaSettings, names: Vec<String>) -> Result<BTreeMap<String, Actual>, TopicsError> {
    let in_words = |error: KafkaError| TopicsError::Kafka(kafka::describe(&error, settings));
    let mut found = counts(settings, names).await?;
    if found.is_empty() {
        return Ok(found);
    }
    let admin = kafka::admin(settings).map_err(in_words)?;
    let names: Vec<String> = found.keys().cloned().collect();
    let resources: Vec<_> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
    let answers = admin.describe_configs(&resources, &options()).await.map_err(in_words)?;
    for (name, answer) in names.iter().zip(answers) {
        let resource =
            answer.map_err(|code| TopicsError::Change { topic: name.clone(), verb: "tell its configuration", code })?;
        let actual = found.get_mut(name).expect("asked by its names");
        for entry in resource.entries {
            let Some(value) = entry.value else { continue };
            if entry.source == ConfigSource::DynamicTopic {
                actual.set_here.push(entry.name.clone());
            }
            actual.configs.insert(entry.name, value);
        }
    }
    Ok(found)
}

/// Partitions and copies of those that are there. Blocking, so off the async workers.
async fn counts(settings: &KafkaSettings, names: Vec<String>) -> Result<BTreeMap<String, Actual>, TopicsError> {
    use rdkafka::consumer::Consumer as _;
    let owned = settings.clone();
    let asked = tokio::task::spawn_blocking(move || {
        let client = kafka::inquirer(&owned)?;
        // All topics: asking for one by its name may create it where a cluster allows that.
        let metadata = client.fetch_metadata(None, kafka::ANSWER_TIMEOUT)?;
        let ours = metadata.topics().iter().filter(|topic| names.iter().any(|name| name == topic.name()));
        let actual = ours.filter(|topic| topic.error().is_none()).map(|topic| {
            let replication = topic.partitions().first().map_or(0, |partition| partition.replicas().len() as i32);
            let partitions = topic.partitions().len() as i32;
            (topic.name().to_owned(), Actual { partitions, replication, ..Actual::default() })
        });
        Ok(actual.collect::<BTreeMap<_, _>>())
    });
    match asked.await {
        Ok(answer) => answer.map_err(|error: KafkaError| TopicsError::Kafka(kafka::describe(&error, settings))),
        Err(error) => Err(TopicsError::Kafka(error.to_string())),
    }
}

async fn take(
    admin: &Admin,
    settings: &KafkaSettings,
    step: &Step,
    spec: &TopicSpec,
    actual: Option<&Actual>,
) -> Result<(), TopicsError> {
    let (verb, answers) = match step {
        Step::Create { .. } => ("create it", create(admin, spec).await),
        Step::AddPartitions { topic, to, .. } => {
            let more = NewPartitions::new(topic, *to as usize);
            ("add partitions", admin.create_partitions([&more], &options()).await.map(codes))
        }
        Step::AlterConfigs { .. } => ("alter its configuration", alter(admin, spec, actual).await),
        Step::Unchanged { .. } | Step::Refused { .. } => return Ok(()),
    };
    let answers = answers.map_err(|error| TopicsError::Kafka(kafka::describe(&error, settings)))?;
    match answers.into_iter().find(|code| *code != RDKafkaErrorCode::TopicAlreadyExists) {
        Some(code) => Err(TopicsError::Change { topic: spec.name.clone(), verb, code }),
        None => Ok(()),
    }
}

async fn create(admin: &Admin, spec: &TopicSpec) -> Result<Vec<RDKafkaErrorCode>, KafkaError> {
    let configs: Vec<_> = spec.configs.iter().map(|(key, value)| (key.as_str(), value.to_string())).collect();
    let mut topic = NewTopic::new(&spec.name, spec.partitions, TopicReplication::Fixed(spec.replication));
    for (key, value) in &configs {
        topic = topic.set(key, value);
    }
    admin.create_topics([&topic], &options()).await.map(codes)
}

/// This client has only the call that replaces a topic's whole configuration, so what others set on it goes along.
async fn alter(admin: &Admin, spec: &TopicSpec, actual: Option<&Actual>) -> Result<Vec<RDKafkaErrorCode>, KafkaError> {
    let mut configs = BTreeMap::new();
    if let Some(actual) = actual {
        let kept = actual.configs.iter().filter(|(key, _)| actual.set_here.contains(key));
        configs.extend(kept.map(|(key, value)| (key.as_str(), value.clone())));
    }
    configs.extend(spec.configs.iter().map(|(key, value)| (key.as_str(), value.to_string())));
    let mut change = AlterConfig::new(ResourceSpecifier::Topic(&spec.name));
    for (key, value) in &configs {
        change = change.set(key, value);
    }
    let answers = admin.alter_configs([&change], &options()).await?;
    Ok(answers.into_iter().filter_map(|answer| answer.err().map(|(_, code)| code)).collect())
}

fn codes(answers: Vec<Result<String, (String, RDKafkaErrorCode)>>) -> Vec<RDKafkaErrorCode> {
    answers.into_iter().filter_map(|answer| answer.err().map(|(_, code)| code)).collect()
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(CHANGE_TIMEOUT)).operation_timeout(Some(CHANGE_TIMEOUT))
}
