//! What a cell means once its type is known.

/// A typed value, borrowed from the chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'c> {
    /// One of the layout's missing values.
    Missing,
    Text(&'c str),
    Integer(i64),
    /// Unscaled: 12.50 in a `decimal(12,2)` is 1250.
    Decimal(i128),
    Boolean(bool),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
}
