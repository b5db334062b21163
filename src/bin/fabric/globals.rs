//! What every command takes: settings, and the zone of times.

use std::io::Write as _;
use std::path::PathBuf;

use fabric::settings::{Effective, Given, Settings};
#[cfg(feature = "server")]
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::exit::Refused;

#[derive(Debug, clap::Args)]
pub struct Globals {
    /// The settings file (TOML)
    #[arg(long, global = true, value_name = "FILE", env = "FABRIC_SETTINGS", help_heading = "Every command")]
    settings: Option<PathBuf>,
    /// One setting for this run, over file and environment: --set validate.workers=4 (see `fabric settings`)
    #[arg(long, global = true, value_name = "KEY=VALUE", help_heading = "Every command")]
    set: Vec<String>,
    #[cfg(feature = "server")]
    /// Times in UTC instead of local time
    #[arg(long, global = true, help_heading = "Every command")]
    utc: bool,
}

/// A flag of a command that stands for a setting.
pub struct SettingFlag {
    pub flag: &'static str,
    pub key: &'static str,
    pub value: Option<String>,
}

impl Globals {
    pub fn settings(&self) -> anyhow::Result<Settings> {
        Ok(self.effective(&[])?.settings)
    }

    /// `flags` go over `--set`.
    pub fn effective(&self, flags: &[SettingFlag]) -> anyhow::Result<Effective> {
        let mut given = Vec::new();
        for pair in &self.set {
            let (key, value) = pair
                .split_once('=')
                .ok_or_else(|| Refused(format!("--set {pair}  wants KEY=VALUE, as in --set validate.workers=4")))?;
            given.push((format!("--set {key}"), key.to_owned(), value.to_owned()));
        }
        for SettingFlag { flag, key, value } in flags {
            given.extend(value.iter().map(|value| (flag.to_string(), key.to_string(), value.clone())));
        }
        Ok(Given::of_process(self.settings.as_deref(), given)?.resolve()?)
    }

    /// Of times that are shown.
    #[cfg(feature = "server")]
    pub fn zone(&self) -> TimeZone {
        if self.utc { TimeZone::UTC } else { TimeZone::system() }
    }
}

/// Text on standard output; a broken pipe comes back as an error.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// One JSON document on standard output.
pub fn print_json(document: &impl Serialize) -> anyhow::Result<()> {
    print(&format!("{}\n", serde_json::to_string_pretty(document)?))
}
