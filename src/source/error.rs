//! What can go wrong while a file is read, in words for who has to mend it.

use std::io;
use std::path::{Path, PathBuf};

use super::Compression;

/// Why a source cannot be read to its end. Each names the file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("{} does not exist; check the path, or wait until the file has arrived", .0.display())]
    NotFound(PathBuf),
    #[error("{} is a directory; name the files in it", .0.display())]
    Directory(PathBuf),
    #[error("{} may not be read by this user; check its permissions", .0.display())]
    Permission(PathBuf),
    #[error(
        "{} is {compression} but ends early, at byte {at} of what is stored; it was cut off on its way: fetch it again",
        .path.display()
    )]
    Truncated { path: PathBuf, compression: Compression, at: u64 },
    #[error(
        "{} is {compression} but damaged, by byte {at} of what is stored ({detail}); fetch it again",
        .path.display()
    )]
    Corrupt { path: PathBuf, compression: Compression, at: u64, detail: String },
    #[error(
        "{} changed while it was read: it had {before} bytes, now {now}; wait until it is complete, then start again",
        .path.display()
    )]
    Resized { path: PathBuf, before: u64, now: u64 },
    #[error("{} was written to while it was read; wait until it is complete, then start again", .0.display())]
    Rewritten(PathBuf),
    #[error("{} cannot be read: {error}; check the disk or the mount that holds it", .path.display())]
    Io { path: PathBuf, error: io::Error },
}

impl SourceError {
    pub(super) fn io(path: &Path, error: io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound(path),
            io::ErrorKind::IsADirectory => Self::Directory(path),
            io::ErrorKind::PermissionDenied => Self::Permission(path),
            _ => Self::Io { path, error },
        }
    }

    /// Of an [`io::Error`] that a [`super::Source`] gave as a [`io::Read`].
    pub fn from_read(path: &Path, error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => own,
            Err(error) => Self::io(path, error),
        }
    }

    /// Whether the file's content is at fault: reading it again gives the same.
    pub fn is_the_datas_doing(&self) -> bool {
        matches!(self, Self::Truncated { .. } | Self::Corrupt { .. } | Self::Resized { .. } | Self::Rewritten(_))
    }

    /// Whether nothing can be read under the path that was named.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::NotFound(_) | Self::Directory(_) | Self::Permission(_))
    }

    /// For where [`io::Read`] allows nothing else: its text is this error's.
    pub(super) fn into_read(self) -> io::Error {
        let kind = match &self {
            Self::Truncated { .. } => io::ErrorKind::UnexpectedEof,
            Self::Corrupt { .. } => io::ErrorKind::InvalidData,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, self)
    }
}
