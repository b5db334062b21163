//! Reads Avro's primitives (Avro 1.12, "Binary encoding") out of bytes that anyone may have written.

use std::fmt;
use std::sync::Arc;

/// What is left of a datum. Nothing is allocated: what it states is held against the bytes that it has.
pub(super) struct Datum<'m> {
    all: usize,
    rest: &'m [u8],
}

/// Why a datum is not of its schema, and at which of its bytes that shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecodable {
    /// From 0, behind the name of its schema.
    pub at: usize,
    pub(super) fault: Fault,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    Ends,
    LongNumber,
    NotAnInt,
    Boolean(u8),
    Length(i64),
    Branch {
        found: i64,
        branches: usize,
    },
    Symbol {
        found: i64,
        symbols: usize,
    },
    TooDeep,
    Trailing(usize),
    /// A branch of a union that cannot be read as the field; known since the schema was compiled.
    Unfit(Arc<str>),
}

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fault {
            Fault::Ends => f.write_str("it ends in the middle of a value")?,
            Fault::LongNumber => f.write_str("a number has more than 64 bits")?,
            Fault::NotAnInt => f.write_str("an int has more than 32 bits")?,
            Fault::Boolean(byte) => write!(f, "a boolean is {byte:#04x}, neither 0 nor 1")?,
            Fault::Length(length) => write!(f, "a length is {length}")?,
            Fault::Branch { found, branches } => write!(f, "branch {found} of a union that has {branches}")?,
            Fault::Symbol { found, symbols } => write!(f, "symbol {found} of an enum that has {symbols}")?,
            Fault::TooDeep => write!(f, "its values are nested more than {DEEPEST} deep")?,
            Fault::Trailing(bytes) => write!(f, "{bytes} bytes follow the record")?,
            Fault::Unfit(why) => f.write_str(why)?,
        }
        write!(f, " (byte {})", self.at)
    }
}

/// Values within values at most: far more than a schema writes down, which only recursion reaches.
pub(super) const DEEPEST: u32 = 200;

impl<'m> Datum<'m> {
    pub(super) fn new(bytes: &'m [u8]) -> Self {
        Self { all: bytes.len(), rest: bytes }
    }

    #[cold]
    pub(super) fn fault(&self, fault: Fault) -> Undecodable {
        Undecodable { at: self.all - self.rest.len(), fault }
    }

    /// A zigzag varint: seven bits a byte, lowest first, ten bytes at most.
    #[inline]
    pub(super) fn long(&mut self) -> Result<i64, Undecodable> {
        let mut value = 0u64;
        for (place, byte) in self.rest.iter().enumerate().take(10) {
            // The tenth byte has one bit that fits.
            if place == 9 && *byte > 1 {
                return Err(self.fault(Fault::LongNumber));
            }
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[place + 1..];
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err(self.fault(if self.rest.len() < 10 { Fault::Ends } else { Fault::LongNumber }))
    }

    pub(super) fn int(&mut self) -> Result<i32, Undecodable> {
        let value = self.long()?;
        i32::try_from(value).map_err(|_| self.fault(Fault::NotAnInt))
    }

    pub(super) fn boolean(&mut self) -> Result<bool, Undecodable> {
        match self.take(1)?[0] {
            0 => Ok(false),
            1 => Ok(true),
            byte => Err(self.fault(Fault::Boolean(byte))),
        }
    }

    #[inline]
    pub(super) fn take(&mut self, bytes: usize) -> Result<&'m [u8], Undecodable> {
        let Some((taken, rest)) = self.rest.split_at_checked(bytes) else { return Err(self.fault(Fault::Ends)) };
        self.rest = rest;
        Ok(taken)
    }

    /// A length and as many bytes.
    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'m [u8], Undecodable> {
        let length = self.length()?;
        self.take(length)
    }

    pub(super) fn branch(&mut self, branches: usize) -> Result<usize, Undecodable> {
        let found = self.long()?;
        let branch = usize::try_from(found).ok().filter(|branch| *branch < branches);
        branch.ok_or_else(|| self.fault(Fault::Branch { found, branches }))
    }

    pub(super) fn symbol(&mut self, symbols: usize) -> Result<usize, Undecodable> {
        let found = self.long()?;
        let symbol = usize::try_from(found).ok().filter(|symbol| *symbol < symbols);
        symbol.ok_or_else(|| self.fault(Fault::Symbol { found, symbols }))
    }

    /// The items of the next block of an array or a map, 0 behind the last; and its bytes, where it states them.
    pub(super) fn block(&mut self) -> Result<(u64, Option<usize>), Undecodable> {
        let count = self.long()?;
        let bytes = if count < 0 { Some(self.length()?) } else { None };
        Ok((count.unsigned_abs(), bytes))
    }

    fn length(&mut self) -> Result<usize, Undecodable> {
        let length = self.long()?;
        usize::try_from(length).map_err(|_| self.fault(Fault::Length(length)))
    }

    /// Nothing may follow the record.
    pub(super) fn end(&self) -> Result<(), Undecodable> {
        match self.rest.len() {
            0 => Ok(()),
            more => Err(self.fault(Fault::Trailing(more))),
        }
    }
}
