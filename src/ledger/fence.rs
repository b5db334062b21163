//! The five answers of the fence.

/// What Postgres says of a delivered chunk, before anything is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fence {
    /// Its ledger row is ours: load it.
    Load,
    /// It is loaded: same byte range, same CRC. Skip.
    Already,
    /// Another chunk with this seq is loaded. The job fails; the message goes to the dead letters.
    Conflict,
    /// Its job takes no more chunks.
    Stopped,
    /// No such job, or a token that is none of its. To the dead letters; the job's state stays.
    Unknown,
}

impl Fence {
    /// As `fabric.fence` answers it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Already => "already",
            Self::Conflict => "conflict",
            Self::Stopped => "stopped",
            Self::Unknown => "unknown",
        }
    }

    /// Reads the answer of the SQL function `fabric.fence`.
    pub fn parse(answer: &str) -> Option<Self> {
        Some(match answer {
            "load" => Self::Load,
            "already" => Self::Already,
            "conflict" => Self::Conflict,
            "stopped" => Self::Stopped,
            "unknown" => Self::Unknown,
            _ => return None,
        })
    }
}
