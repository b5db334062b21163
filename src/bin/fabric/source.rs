//! Opens what a person named: a file or standard input.

use std::path::Path;

use fabric::source::{Source, SourceError};

/// `-` is standard input.
pub fn open(path: &Path) -> Result<Source, SourceError> {
    if path == Path::new("-") { Source::stdin() } else { Source::open(path) }
}
