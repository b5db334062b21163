//! Reads the primitives of an Avro body (Avro 1.12, "Binary encoding") out of bytes that anyone may have written.

use super::EnvelopeError;

/// What is left of a body. Nothing is allocated: what a message states is held against the bytes that it has.
pub(super) struct Body<'m> {
    rest: &'m [u8],
}

impl<'m> Body<'m> {
    pub(super) fn new(rest: &'m [u8]) -> Self {
        Self { rest }
    }

    /// A zigzag varint: seven bits a byte, lowest first, ten bytes at most.
    pub(super) fn long(&mut self, field: &str) -> Result<i64, EnvelopeError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or_else(|| short(field))?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err(EnvelopeError::Malformed(format!("{field} is no varint")))
    }

    /// A long that cannot be negative.
    pub(super) fn size(&mut self, field: &str) -> Result<u64, EnvelopeError> {
        let value = self.long(field)?;
        u64::try_from(value).map_err(|_| out_of_range(field, value))
    }

    /// An int that cannot be negative.
    pub(super) fn count(&mut self, field: &str) -> Result<u32, EnvelopeError> {
        let value = self.long(field)?;
        let count = i32::try_from(value).ok().and_then(|value| u32::try_from(value).ok());
        count.ok_or_else(|| out_of_range(field, value))
    }

    pub(super) fn fixed<const N: usize>(&mut self, field: &str) -> Result<[u8; N], EnvelopeError> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| short(field))?;
        self.rest = rest;
        Ok(*bytes)
    }

    pub(super) fn bytes(&mut self, field: &str) -> Result<&'m [u8], EnvelopeError> {
        let length = self.size(field)?;
        let length = usize::try_from(length).map_err(|_| short(field))?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or_else(|| short(field))?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Nothing may follow the last field.
    pub(super) fn end(&self) -> Result<(), EnvelopeError> {
        match self.rest.len() {
            0 => Ok(()),
            more => Err(EnvelopeError::Malformed(format!("{more} bytes follow its last field"))),
        }
    }
}

fn short(field: &str) -> EnvelopeError {
    EnvelopeError::Malformed(format!("it ends in {field}"))
}

fn out_of_range(field: &str, value: i64) -> EnvelopeError {
    EnvelopeError::Malformed(format!("{field} is out of range: {value}"))
}
