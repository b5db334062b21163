//! What a schema registry did instead of answering, in people's words.

use std::fmt;
use std::sync::Arc;

/// Why the registry gave no answer. None of these says anything of a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the schema registry at {place} {fault}")]
pub struct RegistryError {
    /// Without secrets.
    pub place: Arc<str>,
    pub fault: Fault,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nobody is there, or says nothing in time: why.
    Silent(String),
    /// HTTP's status.
    KeepsOut(u16),
    /// HTTP's status, and what it says beside.
    Refuses { status: u16, message: String },
    /// An answer that no registry gives.
    Unusable(String),
}

impl fmt::Display for Fault {
    /// What happened, and what to do next; goes on after `the schema registry at … `.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent(why) => write!(
                f,
                "does not answer ({why}). Is it running? See schema_registry.url (FABRIC_SCHEMA_REGISTRY_URL)"
            ),
            Self::KeepsOut(status) => write!(
                f,
                "does not let fabric in (HTTP {status}). Check schema_registry.user and schema_registry.password"
            ),
            Self::Refuses { status, message } if message.is_empty() => write!(f, "is in trouble (HTTP {status})"),
            Self::Refuses { status, message } => write!(f, "is in trouble (HTTP {status}: {message})"),
            Self::Unusable(why) => write!(
                f,
                "does not answer as Confluent's API has it ({why}). Does schema_registry.url lead to that API? \
                 Apicurio's ends with /apis/ccompat/v7"
            ),
        }
    }
}
