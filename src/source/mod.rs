//! Turns a path or a pipe into a stream of decompressed bytes, hashing what is stored as it goes.

mod error;
mod fingerprint;
mod stored;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

pub use error::SourceError;
pub use fingerprint::{Fingerprint, fingerprint, hash_whole};
use stored::Stored;

/// Bytes read from disk at once: few system calls, and still inside the second-level cache.
const BUFFER_BYTES: usize = 256 << 10;

/// How a source is stored. Told by its first bytes, never by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    /// RFC 1952: begins with 1f 8b; any number of members.
    Gzip,
    /// RFC 8878: begins with 28 b5 2f fd; any number of frames.
    Zstd,
}

/// What a source that was read to its end came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    pub stored_bytes: u64,
    /// Of the stored bytes.
    pub sha256: [u8; 32],
    pub compression: Compression,
}

/// A file or a pipe. As [`Read`] it gives decompressed bytes; its [`io::Error`]s hold a [`SourceError`]
/// (see [`SourceError::from_read`]). Read it in large pieces: an uncompressed file is read straight into the caller's.
pub struct Source {
    decoder: Decoder,
    compression: Compression,
}

enum Decoder {
    Plain(Stored),
    Gzip(MultiGzDecoder<BufReader<Stored>>),
    Zstd(zstd::Decoder<'static, BufReader<Stored>>),
}

impl Source {
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        Self::over(Stored::open(path)?)
    }

    pub fn stdin() -> Result<Self, SourceError> {
        Self::over(Stored::stdin()?)
    }

    fn over(stored: Stored) -> Result<Self, SourceError> {
        let compression = Compression::of(stored.head());
        let path = stored.path().to_owned();
        let decoder = match compression {
            Compression::None => Decoder::Plain(stored),
            Compression::Gzip => Decoder::Gzip(MultiGzDecoder::new(BufReader::with_capacity(BUFFER_BYTES, stored))),
            Compression::Zstd => {
                let decoder = zstd::Decoder::with_buffer(BufReader::with_capacity(BUFFER_BYTES, stored));
                Decoder::Zstd(decoder.map_err(|error| SourceError::io(&path, error))?)
            }
        };
        Ok(Self { decoder, compression })
    }

    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Stored bytes read so far.
    pub fn stored_position(&self) -> u64 {
        self.stored().position()
    }

    /// Stored bytes in all, where that is known: of a regular file.
    pub fn stored_len(&self) -> Option<u64> {
        self.stored().len()
    }

    /// What the source came to; reads what is left of it first.
    ///
    /// # Errors
    /// Where the file shrank, grew or was written to since it was opened.
    pub fn finish(mut self) -> Result<Finished, SourceError> {
        let rest = io::copy(&mut self, &mut io::sink());
        rest.map_err(|error| SourceError::from_read(self.stored().path(), error))?;
        self.stored().check_unchanged()?;
        let compression = self.compression;
        let stored = match self.decoder {
            Decoder::Plain(stored) => stored,
            Decoder::Gzip(decoder) => decoder.into_inner().into_inner(),
            Decoder::Zstd(decoder) => decoder.finish().into_inner(),
        };
        Ok(Finished { stored_bytes: stored.position(), compression, sha256: stored.sha256() })
    }

    fn stored(&self) -> &Stored {
        match &self.decoder {
            Decoder::Plain(stored) => stored,
            Decoder::Gzip(decoder) => decoder.get_ref().get_ref(),
            Decoder::Zstd(decoder) => decoder.get_ref().get_ref(),
        }
    }

    /// A decoder's error in words. That the file changed explains more than how its stream broke.
    fn explain(&self, error: io::Error) -> SourceError {
        let stored = self.stored();
        if let Err(changed) = stored.check_unchanged() {
            return changed;
        }
        let (path, compression, at) = (stored.path().to_owned(), self.compression, stored.position());
        match (compression, error.kind()) {
            (Compression::None, _) => SourceError::io(&path, error),
            (_, io::ErrorKind::UnexpectedEof) => SourceError::Truncated { path, compression, at },
            (_, _) if error.raw_os_error().is_some() => SourceError::io(&path, error),
            _ => SourceError::Corrupt { path, compression, at, detail: error.to_string() },
        }
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.decoder {
            Decoder::Plain(stored) => stored.read(buffer),
            Decoder::Gzip(decoder) => decoder.read(buffer),
            Decoder::Zstd(decoder) => decoder.read(buffer),
        };
        match read {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(self.explain(error).into_read()),
            read => read,
        }
    }
}

impl Compression {
    fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd] => Self::Zstd,
            _ => Self::None,
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "uncompressed",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}
