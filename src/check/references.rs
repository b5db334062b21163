//! A folder of CSV files → the reference sets that a feed's rules look up.

use std::path::Path;
use std::sync::Arc;

use crate::feed::Feed;
use crate::rules::{SetFaults, SetFile, Sets, columns_of, sets_of};
use crate::source::{Source, SourceError};

#[derive(Debug, thiserror::Error)]
pub enum ReferencesError {
    #[error(
        "{feed} has rules that look up reference sets ({sets}): name the folder of their CSV files, as in --references DIR"
    )]
    NoFolder { feed: String, sets: String },
    #[error("there is no reference set {set}: {error}")]
    Absent { set: String, error: SourceError },
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Faults(#[from] SetFaults),
}

/// Reads `folder/NAME.csv` for each set that `feed` looks up, whole. Its key is made of the columns that the rules
/// name, or of all of the file's columns where they name none.
pub fn read_sets(feed: &Feed, folder: Option<&Path>) -> Result<Sets, ReferencesError> {
    let names = sets_of(feed);
    if names.is_empty() {
        return Ok(Sets::new());
    }
    let Some(folder) = folder else {
        return Err(ReferencesError::NoFolder { feed: feed.name.to_string(), sets: names.join(", ") });
    };
    let mut sets = Sets::new();
    for name in names {
        let path = folder.join(format!("{name}.csv"));
        let file = read(name, &path, columns_of(feed, name))?;
        sets.insert(name.to_owned(), Arc::new(file.keys.into_set(file.columns)));
    }
    Ok(sets)
}

fn read(set: &str, path: &Path, columns: &[String]) -> Result<SetFile, ReferencesError> {
    let mut source = Source::open(path).map_err(|error| match error {
        error if error.is_unreachable() => ReferencesError::Absent { set: set.to_owned(), error },
        error => ReferencesError::Source(error),
    })?;
    let file = SetFile::read(&path.display().to_string(), &mut source, columns)?;
    source.finish()?;
    Ok(file)
}
