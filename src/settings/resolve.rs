//! Turns what a file, the environment and flags say into effective settings, each with its origin.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::table::is_secret_property;
use super::{Origin, PROPERTIES_ENV, PROPERTIES_KEY, SPECS, SettingFault, SettingFaults, Settings, Spec, file, units};

/// Variables that begin with `FABRIC_` and are no settings: where the settings file is, the token of a job that a
/// program publishes, and what the local stack says to other programs.
const NO_SETTINGS: [&str; 3] = ["FABRIC_SETTINGS", "FABRIC_JOB_TOKEN", "FABRIC_BIN"];
const NO_SETTINGS_PREFIXES: [&str; 2] = ["FABRIC_STACK_", "FABRIC_TEST_"];

/// What was given, lowest precedence first.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// Path and text.
    pub file: Option<(PathBuf, String)>,
    pub environment: Vec<(String, String)>,
    /// Flag as written (`--workers`), key, value.
    pub flags: Vec<(String, String, String)>,
}

/// Settings, and where each came from.
#[derive(Debug, Clone)]
pub struct Effective {
    pub settings: Settings,
    origins: BTreeMap<String, Origin>,
}

/// One setting as `fabric settings` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    pub key: String,
    /// Secrets are masked.
    pub value: String,
    pub origin: String,
    /// The variable that sets it.
    pub variable: String,
    pub description: String,
}

impl Given {
    /// Reads the file and takes this process's environment.
    pub fn of_process(file: Option<&Path>, flags: Vec<(String, String, String)>) -> Result<Self, SettingFaults> {
        let file = file
            .map(|path| match std::fs::read_to_string(path) {
                Ok(text) => Ok((path.to_owned(), text)),
                Err(error) => Err(SettingFaults::Unreadable { path: path.to_owned(), error }),
            })
            .transpose()?;
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
            .filter(|(name, _)| name.starts_with("FABRIC_"))
            .collect();
        Ok(Self { file, environment, flags })
    }

    /// Flags over environment over file over defaults; every fault at once.
    pub fn resolve(self) -> Result<Effective, SettingFaults> {
        let mut effective = Effective { settings: Settings::default(), origins: BTreeMap::new() };
        let mut faults = Vec::new();
        if let Some((path, text)) = &self.file {
            for entry in file::read(path, text, &mut faults) {
                effective.set(&entry.key, &entry.text, entry.origin, &mut faults);
            }
            faults.sort_by_key(|fault: &SettingFault| fault.origin.place());
        }
        for (name, value) in self.environment {
            effective.set_variable(&name, &value, &mut faults);
        }
        for (flag, key, value) in self.flags {
            effective.set(&key, &value, Origin::Flag(flag), &mut faults);
        }
        if faults.is_empty() {
            effective.check_together(&mut faults);
        }
        if faults.is_empty() { Ok(effective) } else { Err(SettingFaults::Faults(faults)) }
    }
}

impl Effective {
    /// Every setting in the order of the table, librdkafka's properties after it.
    pub fn shown(&self) -> Vec<Shown> {
        let declared = SPECS.iter().map(|spec| Shown {
            key: spec.key.to_owned(),
            value: spec.show(&self.settings),
            origin: self.origin(spec.key).to_string(),
            variable: spec.env.to_owned(),
            description: spec.doc.to_owned(),
        });
        let properties = self.settings.kafka.properties.iter().map(|(name, value)| {
            let key = format!("{PROPERTIES_KEY}{name}");
            Shown {
                value: if is_secret_property(name) { "****".to_owned() } else { value.clone() },
                origin: self.origin(&key).to_string(),
                variable: format!("{PROPERTIES_ENV}{}", name.to_uppercase().replace('.', "_")),
                description: "Passed to every Kafka client".to_owned(),
                key,
            }
        });
        declared.chain(properties).collect()
    }

    pub fn origin(&self, key: &str) -> &Origin {
        self.origins.get(key).unwrap_or(&Origin::Default)
    }

    fn set_variable(&mut self, name: &str, value: &str, faults: &mut Vec<SettingFault>) {
        let origin = || Origin::Environment(name.to_owned());
        if let Some(spec) = SPECS.iter().find(|spec| spec.env == name) {
            self.store(spec, value, origin(), faults);
        } else if let Some(property) = name.strip_prefix(PROPERTIES_ENV) {
            self.set_property(&property.to_lowercase().replace('_', "."), value, origin());
        } else if !is_no_setting(name) {
            let near = nearest(name, SPECS.iter().map(|spec| spec.env));
            faults.push(SettingFault { origin: origin(), message: format!("is not a setting{near}") });
        }
    }

    fn set(&mut self, key: &str, value: &str, origin: Origin, faults: &mut Vec<SettingFault>) {
        if let Some(spec) = SPECS.iter().find(|spec| spec.key == key) {
            self.store(spec, value, origin, faults);
        } else if let Some(property) = key.strip_prefix(PROPERTIES_KEY).filter(|name| !name.is_empty()) {
            self.set_property(property, value, origin);
        } else {
            let near = nearest(key, SPECS.iter().map(|spec| spec.key));
            faults.push(SettingFault { origin, message: format!("`{key}` is not a setting{near}") });
        }
    }

    fn store(&mut self, spec: &Spec, value: &str, origin: Origin, faults: &mut Vec<SettingFault>) {
        match spec.set(&mut self.settings, value) {
            Ok(()) => {
                self.origins.insert(spec.key.to_owned(), origin);
            }
            Err(message) => faults.push(SettingFault { origin, message }),
        }
    }

    fn set_property(&mut self, name: &str, value: &str, origin: Origin) {
        let properties = &mut self.settings.kafka.properties;
        properties.retain(|(known, _)| known != name);
        properties.push((name.to_owned(), value.to_owned()));
        self.origins.insert(format!("{PROPERTIES_KEY}{name}"), origin);
    }

    /// Bounds that tie two settings together.
    fn check_together(&self, faults: &mut Vec<SettingFault>) {
        let Settings { ingest, validate, .. } = &self.settings;
        let mut refuse = |key: &str, message: String| {
            faults.push(SettingFault { origin: self.origin(key).clone(), message: format!("{key}: {message}") });
        };
        if validate.heartbeat * 3 > validate.session_timeout {
            refuse(
                "validate.heartbeat",
                format!(
                    "{} is more than a third of validate.session_timeout ({}): one lost heartbeat would cost the partitions",
                    units::duration(validate.heartbeat),
                    units::duration(validate.session_timeout)
                ),
            );
        }
        if ingest.backlog_bytes < ingest.in_flight_bytes as u64 {
            refuse(
                "ingest.backlog_bytes",
                format!(
                    "{} is less than ingest.in_flight_bytes ({})",
                    units::size(ingest.backlog_bytes),
                    units::size(ingest.in_flight_bytes as u64)
                ),
            );
        }
    }
}

/// Kubernetes gives every pod variables of each service in its namespace: a service called `fabric-api` makes
/// `FABRIC_API_SERVICE_HOST` and `FABRIC_API_PORT_8080_TCP_ADDR`.
fn is_of_kubernetes(name: &str) -> bool {
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name.split_once("_PORT_").is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn is_no_setting(name: &str) -> bool {
    NO_SETTINGS.contains(&name)
        || NO_SETTINGS_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || is_of_kubernetes(name)
}

fn nearest<'w>(word: &str, words: impl Iterator<Item = &'w str>) -> String {
    let best = words.map(|known| (strsim::jaro_winkler(word, known), known)).max_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((likeness, known)) if likeness > 0.85 => format!("; did you mean `{known}`?"),
        _ => "; `fabric settings` lists them all".to_owned(),
    }
}
