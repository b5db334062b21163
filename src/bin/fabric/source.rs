//! Opens what a person named: a file or standard input.

use std::path::Path;

use fabric::source::Source;

use crate::exit::Refused;

/// `-` is standard input.
pub fn open(path: &Path) -> anyhow::Result<Source> {
    Ok(Source::open(path).map_err(|error| Refused(error.to_string()))?)
}
