//! One loader connection.

use super::{JudgedChunk, Outcome};
use crate::settings::{LoadSettings, PostgresSettings};

/// Owns one connection and loads one chunk at a time on it.
pub struct Loader {}

/// The whole chunk must be tried again: nothing of it was committed, or what was is found by the fence.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct LoadError {
    pub message: String,
}

impl Loader {
    /// `name` shows as application_name: `fabric loader HOST/PID/N`.
    pub async fn connect(postgres: &PostgresSettings, load: &LoadSettings, name: &str) -> Result<Self, LoadError> {
        let _ = (postgres, load, name);
        todo!()
    }

    /// Loads one chunk in one transaction. After an error the connection is made anew by the next call.
    pub async fn load(&mut self, chunk: &JudgedChunk) -> Result<Outcome, LoadError> {
        let _ = chunk;
        todo!()
    }
}
