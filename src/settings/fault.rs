//! What is wrong with settings, all of it at once.

use std::fmt;
use std::path::PathBuf;

use super::Origin;

/// One setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingFault {
    pub origin: Origin,
    /// What was found, what was expected, the nearest word. Never a secret's value.
    pub message: String,
}

#[derive(Debug, thiserror::Error)]
pub enum SettingFaults {
    #[error("the settings file {} cannot be read: {error}", .path.display())]
    Unreadable { path: PathBuf, error: std::io::Error },
    #[error("{}", lines(.0))]
    Faults(Vec<SettingFault>),
}

impl fmt::Display for SettingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::File { path, line, column } => write!(f, "{}:{line}:{column}  ", path.display())?,
            Origin::Environment(name) => write!(f, "environment variable {name}  ")?,
            Origin::Flag(name) => write!(f, "{name}  ")?,
            Origin::Default => f.write_str("settings  ")?,
        }
        f.write_str(&self.message)
    }
}

fn lines(faults: &[SettingFault]) -> String {
    let count = faults.len();
    let mut text: String = faults.iter().map(|fault| format!("{fault}\n")).collect();
    text.push_str(&format!("{count} {} in the settings", if count == 1 { "error" } else { "errors" }));
    text
}
