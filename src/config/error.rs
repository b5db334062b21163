//! What can stand in the way of an edit, in words that say what to do next.

use super::change::Kind;
use super::references::ReferenceError;
use super::schemas::SchemaError;
use crate::feed::Faults;

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(transparent)]
    Faults(#[from] Faults),
    #[error(transparent)]
    Schema(#[from] SchemaError),
    #[error(transparent)]
    Target(#[from] crate::load::TargetError),
    #[error("there is no feed {name}; {hint}")]
    NoFeed { name: String, hint: String },
    #[error("there is no template {name}; {hint}")]
    NoTemplate { name: String, hint: String },
    /// An edit that is based on a version which is not the active one any more.
    #[error(
        "{kind} {name} is at {now}, not at v{based_on} any more; nothing was applied. What changed from v{based_on}:\n\n{difference}\nBring your edit up to it, then apply it with --based-on {current}"
    )]
    Moved {
        kind: Kind,
        name: String,
        based_on: i32,
        current: i32,
        /// `v4 (alex, 2026-11-24 …)`
        now: String,
        /// From `based_on` to the active version.
        difference: String,
    },
    #[error("there is no {kind} {name} yet: nothing can be based on its v{based_on}; leave --based-on out")]
    NothingToBaseOn { kind: Kind, name: String, based_on: i32 },
    #[error(
        "{kind} {name} is retired (by {by}); nothing new begins with it. `fabric {kind}s activate {name} {version}` brings it back"
    )]
    Retired { kind: Kind, name: String, version: i32, by: String },
    #[error("template {name} is extended by {by}: apply those without it, or retire them, first")]
    Extended { name: String, by: String },
    #[error(
        "no other version of {kind} {name} was active before: `fabric {kind}s history {name}` lists them, --to N names one"
    )]
    NothingBefore { kind: Kind, name: String },
    #[error(
        "feed {name} v{version} needs the approval of somebody other than {author}, who applied it: ask them for `fabric feeds activate {name} {version}`"
    )]
    OwnApproval { name: String, version: i32, author: String },
    #[error(
        "with template {template} as it would be, feeds that extend it are at fault; nothing was applied\n{faults}"
    )]
    Propagation { template: String, faults: String },
    #[error(
        "feed {name} is a stream: its records come by topic {topic}, not in files. `fabric streams describe {name}` says how"
    )]
    NoFiles { name: String, topic: String },
    /// In people's words: a topic has one stream.
    #[error("{0}")]
    TopicTaken(String),
    #[error(transparent)]
    Postgres(sqlx::Error),
    /// As [`Postgres`](Self::Postgres), for several who asked at once.
    #[error("{0}")]
    Read(std::sync::Arc<sqlx::Error>),
    #[error("feed {feed} cannot become active: {error}")]
    LooksUp { feed: String, error: Box<ReferenceError> },
    /// A reference set that a feed's rules look up.
    #[error(transparent)]
    Reference(std::sync::Arc<ReferenceError>),
    /// A defect of this program.
    #[error("compiling broke down: {0}")]
    Compiler(String),
}

impl From<sqlx::Error> for ConfigError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            // Of the trigger on feeds.
            sqlx::Error::Database(said) if said.code().as_deref() == Some("FB002") => {
                Self::TopicTaken(said.message().to_owned())
            }
            _ => Self::Postgres(error),
        }
    }
}

impl From<ReferenceError> for ConfigError {
    fn from(error: ReferenceError) -> Self {
        Self::Reference(std::sync::Arc::new(error))
    }
}

impl ConfigError {
    /// The driver's error, where it is one.
    pub fn postgres(&self) -> Option<&sqlx::Error> {
        match self {
            Self::Postgres(error) => Some(error),
            Self::Read(error) => Some(error),
            Self::Reference(error) => match &**error {
                ReferenceError::Postgres(error) => Some(error),
                _ => None,
            },
            Self::Schema(SchemaError::Postgres(error)) => Some(error),
            _ => None,
        }
    }

    /// Whether the person can put it right by asking otherwise.
    pub const fn is_usage(&self) -> bool {
        match self {
            Self::Faults(_)
            | Self::NoFeed { .. }
            | Self::NoTemplate { .. }
            | Self::Moved { .. }
            | Self::NothingToBaseOn { .. }
            | Self::Retired { .. }
            | Self::Extended { .. }
            | Self::NothingBefore { .. }
            | Self::OwnApproval { .. }
            | Self::NoFiles { .. }
            | Self::TopicTaken(_)
            | Self::Propagation { .. }
            | Self::LooksUp { .. } => true,
            Self::Schema(error) => error.is_usage(),
            Self::Target(_) | Self::Postgres(_) | Self::Read(_) | Self::Reference(_) | Self::Compiler(_) => false,
        }
    }
}
