//! Keys of a reference set → rows of `fabric.reference_keys` and back.

use super::{HEADER_BYTES, bigint, bytes};

/// The columns of `fabric.reference_keys` that [`KeyEncoder`] writes, in its order.
pub const KEY_COLUMNS: [&str; 2] = ["version_id", "key"];

/// A row's count of columns, and a value's length.
const COUNT_BYTES: usize = 2;
const LENGTH_BYTES: usize = 4;

/// Encodes the keys of one version.
#[derive(Debug, Clone, Copy)]
pub struct KeyEncoder {
    pub version_id: i64,
}

impl KeyEncoder {
    pub fn begin(self, buffer: &mut Vec<u8>) {
        super::begin(buffer);
    }

    pub fn row(self, buffer: &mut Vec<u8>, key: &[u8]) {
        buffer.extend_from_slice(&(KEY_COLUMNS.len() as i16).to_be_bytes());
        bigint(buffer, self.version_id);
        bytes(buffer, key);
    }

    pub fn finish(self, buffer: &mut Vec<u8>) {
        super::finish(buffer);
    }
}

/// Decodes a binary COPY of one column, in pieces as they come.
#[derive(Debug, Default)]
pub struct KeyDecoder {
    /// Taken, and not yet a whole row.
    rest: Vec<u8>,
    stage: Stage,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Header,
    Rows,
    Ended,
}

/// The bytes are not a COPY of one column without NULLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Postgres sent keys in another form than it was asked for")]
pub struct NotKeys;

impl KeyDecoder {
    /// Takes the next piece; calls `each` with every key that is whole now.
    pub fn take<E: From<NotKeys>>(
        &mut self,
        piece: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.rest.extend_from_slice(piece);
        let mut at = 0;
        while let Some(step) = self.step(at)? {
            if let Some(key) = step.key {
                each(&self.rest[key.0..key.1])?;
            }
            (self.stage, at) = (step.stage, step.next);
        }
        self.rest.drain(..at);
        Ok(())
    }

    /// Whether the end has come, and nothing after it.
    pub fn is_whole(&self) -> bool {
        self.stage == Stage::Ended && self.rest.is_empty()
    }

    /// What stands at `at`; `None` where it is not whole yet.
    fn step(&self, at: usize) -> Result<Option<Step>, NotKeys> {
        let rest = &self.rest[at..];
        match self.stage {
            // Postgres writes no extension of the header.
            Stage::Header => Ok((rest.len() >= HEADER_BYTES).then(|| Step {
                key: None,
                stage: Stage::Rows,
                next: at + HEADER_BYTES,
            })),
            Stage::Rows => row(rest, at),
            Stage::Ended if rest.is_empty() => Ok(None),
            Stage::Ended => Err(NotKeys),
        }
    }
}

struct Step {
    /// Where it begins and ends.
    key: Option<(usize, usize)>,
    stage: Stage,
    next: usize,
}

fn row(rest: &[u8], at: usize) -> Result<Option<Step>, NotKeys> {
    let Some((count, rest)) = rest.split_first_chunk::<COUNT_BYTES>() else { return Ok(None) };
    match i16::from_be_bytes(*count) {
        -1 => return Ok(Some(Step { key: None, stage: Stage::Ended, next: at + COUNT_BYTES })),
        1 => {}
        _ => return Err(NotKeys),
    }
    let Some((length, rest)) = rest.split_first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
    let length = usize::try_from(i32::from_be_bytes(*length)).map_err(|_| NotKeys)?;
    let start = at + COUNT_BYTES + LENGTH_BYTES;
    Ok((rest.len() >= length).then(|| Step {
        key: Some((start, start + length)),
        stage: Stage::Rows,
        next: start + length,
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A COPY of one column, as Postgres sends it.
    fn sent(keys: &[Vec<u8>]) -> Vec<u8> {
        let mut sent = Vec::new();
        super::super::begin(&mut sent);
        for key in keys {
            sent.extend_from_slice(&1i16.to_be_bytes());
            bytes(&mut sent, key);
        }
        super::super::finish(&mut sent);
        sent
    }

    proptest! {
        #[test]
        fn keys_come_back_however_they_are_cut(
            keys in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..20), size in 1usize..40,
        ) {
            let mut decoder = KeyDecoder::default();
            let mut got = Vec::new();
            for piece in sent(&keys).chunks(size) {
                prop_assert!(!decoder.is_whole());
                decoder.take(piece, |key| { got.push(key.to_vec()); Ok::<_, NotKeys>(()) }).unwrap();
            }
            prop_assert!(decoder.is_whole());
            prop_assert_eq!(got, keys);
        }
    }

    #[test]
    fn another_form_is_refused() {
        let mut two_columns = sent(&[]);
        let end = two_columns.len() - 2;
        two_columns[end..].copy_from_slice(&2i16.to_be_bytes());
        let taken = KeyDecoder::default().take(&two_columns, |_| Ok::<_, NotKeys>(()));
        assert_eq!(taken, Err(NotKeys));
        let mut more = sent(&[]);
        more.push(0);
        assert_eq!(KeyDecoder::default().take(&more, |_| Ok::<_, NotKeys>(())), Err(NotKeys));
    }

    #[test]
    fn a_row_is_a_version_and_a_key() {
        let mut rows = Vec::new();
        let encoder = KeyEncoder { version_id: 7 };
        encoder.begin(&mut rows);
        encoder.row(&mut rows, b"ZRH");
        encoder.finish(&mut rows);
        let row = [&[0, 2, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 3][..], b"ZRH", &[0xff, 0xff]].concat();
        assert_eq!(&rows[HEADER_BYTES..], row);
    }
}
