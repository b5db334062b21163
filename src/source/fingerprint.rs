//! Turns a file into what tells it from others: cheaply by its ends, surely by its whole.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{BUFFER_BYTES, SourceError, stored};

/// Bytes at each end that a fingerprint takes in.
const END_BYTES: u64 = 1 << 20;

/// Files that differ in this are different; files that do not have to be hashed whole. Of stored bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint {
    pub bytes: u64,
    /// SHA-256 of the first MiB, or of all where there is less.
    pub head: [u8; 32],
    /// SHA-256 of the last MiB, or of all where there is less.
    pub tail: [u8; 32],
}

/// Reads both ends of a regular file.
pub fn fingerprint(path: &Path) -> Result<Fingerprint, SourceError> {
    let (mut file, metadata) = stored::open(path)?;
    let bytes = metadata.len();
    let mut end_at = |offset| {
        file.seek(SeekFrom::Start(offset))?;
        hash(file.by_ref().take(END_BYTES))
    };
    let ends = end_at(0).and_then(|head| Ok((head, end_at(bytes.saturating_sub(END_BYTES))?)));
    let (head, tail) = ends.map_err(|error| SourceError::io(path, error))?;
    Ok(Fingerprint { bytes, head, tail })
}

/// SHA-256 of all stored bytes of a file.
pub fn hash_whole(path: &Path) -> Result<[u8; 32], SourceError> {
    let (file, _): (File, _) = stored::open(path)?;
    hash(file).map_err(|error| SourceError::io(path, error))
}

fn hash(mut input: impl Read) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(read) => hash.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
