//! Claims about sources: compression by content, damage, change while reading.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::*;

/// A file of `bytes` in a directory of its own, and its path. Its name tells nothing of its content.
fn file(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("input.txt");
    fs::write(&path, bytes).unwrap();
    (dir, path)
}

/// Enough that no buffer holds it whole, and hard to compress.
fn text() -> Vec<u8> {
    (0u64..200_000).flat_map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 8).to_le_bytes()).collect()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// As the `zstd` command writes it: with a checksum, without which damage may go unseen.
fn zstd(text: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// What reading `stored` to its end gives.
fn read(stored: &[u8]) -> (Vec<u8>, Finished) {
    let (_dir, path) = file(stored);
    let mut source = Source::open(&path).unwrap();
    assert_eq!(source.stored_len(), Some(stored.len() as u64));
    let mut bytes = Vec::new();
    source.read_to_end(&mut bytes).unwrap();
    assert_eq!(source.stored_position(), stored.len() as u64);
    (bytes, source.finish().unwrap())
}

fn failure(stored: &[u8]) -> SourceError {
    let (_dir, path) = file(stored);
    let error = Source::open(&path).unwrap().read_to_end(&mut Vec::new()).unwrap_err();
    SourceError::from_read(&path, error)
}

#[test]
fn compression_is_told_by_content_and_stored_bytes_are_hashed() {
    let text = text();
    for (stored, compression) in
        [(text.clone(), Compression::None), (gzip(&text), Compression::Gzip), (zstd(&text), Compression::Zstd)]
    {
        let (bytes, finished) = read(&stored);
        assert!(bytes == text, "{compression}");
        let sha256 = Sha256::digest(&stored).into();
        assert_eq!(finished, Finished { stored_bytes: stored.len() as u64, sha256, compression });
    }
}

#[test]
fn all_members_and_frames_are_read() {
    assert_eq!(read(&[gzip(b"one\n"), gzip(b""), gzip(b"two\n")].concat()).0, b"one\ntwo\n");
    assert_eq!(read(&[zstd(b"one\n"), zstd(b"two\n")].concat()).0, b"one\ntwo\n");
}

#[test]
fn files_shorter_than_any_magic_are_text() {
    for stored in [&b""[..], b"a", b"\x28\xb5", b"a\nb"] {
        assert_eq!(read(stored).0, stored);
    }
}

#[test]
fn a_compressed_file_that_ends_early_says_so() {
    let text = text();
    for stored in [gzip(&text), zstd(&text)] {
        let error = failure(&stored[..stored.len() / 2]);
        assert!(matches!(error, SourceError::Truncated { .. }), "{error}");
        assert!(error.to_string().contains("but ends early, at byte"), "{error}");
    }
}

#[test]
fn a_damaged_compressed_file_says_so() {
    let text = text();
    for mut stored in [gzip(&text), zstd(&text)] {
        let middle = stored.len() / 2;
        stored[middle..middle + 64].fill(0xa5);
        let error = failure(&stored);
        assert!(matches!(error, SourceError::Corrupt { .. }), "{error}");
    }
    let error = failure(&[gzip(b"one\n"), b"nothing that gzip wrote".to_vec()].concat());
    assert!(matches!(error, SourceError::Corrupt { .. }), "{error}");
}

#[test]
fn a_file_that_grows_or_shrinks_while_it_is_read_is_refused() {
    for now in [&b"1\n2\n3\n"[..], b"1\n"] {
        let (_dir, path) = file(b"1\n2\n");
        let source = Source::open(&path).unwrap();
        fs::write(&path, now).unwrap();
        let error = source.finish().unwrap_err().to_string();
        assert!(error.contains(&format!("it had 4 bytes, now {}", now.len())), "{error}");
    }
}

#[test]
fn a_file_that_is_rewritten_in_place_is_refused() {
    let (_dir, path) = file(b"1\n2\n");
    let source = Source::open(&path).unwrap();
    let written = fs::File::options().write(true).open(&path).unwrap();
    written.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert!(matches!(source.finish(), Err(SourceError::Rewritten(_))));
}

#[test]
fn a_file_that_is_removed_while_it_is_read_is_read_to_its_end() {
    let (_dir, path) = file(b"1\n2\n");
    let source = Source::open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert_eq!(source.finish().unwrap().stored_bytes, 4);
}

#[test]
fn what_cannot_be_opened_is_named() {
    let (dir, path) = file(b"");
    assert!(matches!(Source::open(dir.path()), Err(SourceError::Directory(_))));
    assert!(matches!(fingerprint(dir.path()), Err(SourceError::Directory(_))));
    let absent = path.with_extension("gone");
    let error = Source::open(&absent).err().unwrap().to_string();
    assert!(error.contains("input.gone does not exist"), "{error}");
}

#[test]
fn a_fingerprint_is_of_both_ends() {
    let mut bytes = vec![1u8; 3 << 20];
    let (_dir, path) = file(&bytes);
    let before = fingerprint(&path).unwrap();
    assert_eq!(before.head, before.tail);
    bytes[3 << 19] = 2;
    fs::write(&path, &bytes).unwrap();
    assert_eq!(fingerprint(&path).unwrap(), before);
    assert_eq!(hash_whole(&path).unwrap(), <[u8; 32]>::from(Sha256::digest(&bytes)));
    bytes[(3 << 20) - 1] = 2;
    fs::write(&path, &bytes).unwrap();
    let after = fingerprint(&path).unwrap();
    assert_eq!((after.bytes, after.head, after.tail == before.tail), (before.bytes, before.head, false));
}
