//! Where a setting's value came from.

use std::fmt;
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    /// Lines and columns from 1.
    File {
        path: PathBuf,
        line: usize,
        column: usize,
    },
    /// The variable's name.
    Environment(String),
    /// The flag as a person would write it: `--set validate.workers`, `--workers`.
    Flag(String),
}

impl Origin {
    /// Line and column in the file; zeros elsewhere.
    pub(super) fn place(&self) -> (usize, usize) {
        match self {
            Self::File { line, column, .. } => (*line, *column),
            _ => (0, 0),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line, .. } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment, {name}"),
            Self::Flag(name) => write!(f, "flag, {name}"),
        }
    }
}
