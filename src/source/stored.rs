//! Turns a file or a pipe into its stored bytes, hashed and counted as they pass.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::SourceError;

/// Enough to tell gzip from zstd.
const MAGIC_BYTES: usize = 4;

/// Bytes as they are stored, before anything is decompressed.
pub(super) struct Stored {
    path: PathBuf,
    input: Input,
    /// The first bytes, read to see what the file is.
    head: Vec<u8>,
    /// How many of them have been given out.
    head_given: usize,
    hash: Sha256,
    position: u64,
}

enum Input {
    /// `opened` is `None` for what is no regular file: it has no size to hold it to.
    File {
        file: File,
        opened: Option<Stamp>,
    },
    Stdin(io::Stdin),
}

/// What a file looked like.
#[derive(PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Option<Self> {
        metadata.is_file().then(|| Self { bytes: metadata.len(), modified: metadata.modified().ok() })
    }
}

/// Opens a file that can be read, which a directory cannot.
pub(super) fn open(path: &Path) -> Result<(File, Metadata), SourceError> {
    let fault = |error| SourceError::io(path, error);
    let file = File::open(path).map_err(fault)?;
    let metadata = file.metadata().map_err(fault)?;
    if metadata.is_dir() {
        return Err(SourceError::Directory(path.to_owned()));
    }
    Ok((file, metadata))
}

impl Stored {
    pub(super) fn open(path: &Path) -> Result<Self, SourceError> {
        let (file, metadata) = open(path)?;
        Self::over(path, Input::File { file, opened: Stamp::of(&metadata) })
    }

    pub(super) fn stdin() -> Result<Self, SourceError> {
        Self::over(Path::new("standard input"), Input::Stdin(io::stdin()))
    }

    fn over(path: &Path, input: Input) -> Result<Self, SourceError> {
        let hash = Sha256::new();
        let mut stored = Self { path: path.to_owned(), input, head: Vec::new(), head_given: 0, hash, position: 0 };
        let mut head = Vec::with_capacity(MAGIC_BYTES);
        stored
            .by_ref()
            .take(MAGIC_BYTES as u64)
            .read_to_end(&mut head)
            .map_err(|error| SourceError::io(path, error))?;
        stored.head = head;
        Ok(stored)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The first bytes, as many as there are of four.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn len(&self) -> Option<u64> {
        match &self.input {
            Input::File { opened: Some(opened), .. } => Some(opened.bytes),
            Input::File { opened: None, .. } | Input::Stdin(_) => None,
        }
    }

    /// Fails where the file is not what it was when it was opened. That its name is gone does not matter.
    pub(super) fn check_unchanged(&self) -> Result<(), SourceError> {
        let Input::File { file, opened: Some(opened) } = &self.input else { return Ok(()) };
        let metadata = file.metadata().map_err(|error| SourceError::io(&self.path, error))?;
        let path = || self.path.clone();
        match Stamp::of(&metadata) {
            Some(now) if now.bytes != opened.bytes => {
                Err(SourceError::Resized { path: path(), before: opened.bytes, now: now.bytes })
            }
            Some(now) if now != *opened => Err(SourceError::Rewritten(path())),
            _ => Ok(()),
        }
    }

    pub(super) fn sha256(self) -> [u8; 32] {
        self.hash.finalize().into()
    }
}

impl Read for Stored {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.head_given < self.head.len() {
            let given = (&self.head[self.head_given..]).read(buffer)?;
            self.head_given += given;
            return Ok(given);
        }
        let read = match &mut self.input {
            Input::File { file, .. } => file.read(buffer)?,
            Input::Stdin(stdin) => stdin.read(buffer)?,
        };
        self.hash.update(&buffer[..read]);
        self.position += read as u64;
        Ok(read)
    }
}
