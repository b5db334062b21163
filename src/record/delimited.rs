//! Records of a delimited chunk, without copying what needs no unquoting.
//!
//! A quote opens only as the first byte of a cell; inside, a doubled quote is an escape and any other quote closes;
//! what follows it up to the delimiter stands for itself. The cutter reads the same way.

use memchr::memchr;

use super::RecordFault;
use super::marks::Marks;
use super::stretch::Stretch;
use crate::chunk::{Chunk, Ending, Position};
use crate::feed::Delimited;

const LF: u8 = b'\n';

/// Walks the records of one chunk.
pub struct Reader<'c> {
    text: &'c [u8],
    delimiter: u8,
    quote: Option<u8>,
    width: usize,
    marks: Marks<'c>,
    /// Of the next record, or of the blank lines before it.
    position: Position,
    /// Where it begins in the text.
    start: usize,
    last: Last,
    /// Of the current record, `found` of them; one more than it should have is kept at most.
    cells: Vec<Cell>,
    found: usize,
    utf8: Stretch<'c>,
    /// Cells of the current record that had to be unquoted, one after the other.
    scratch: Vec<u8>,
}

/// What the chunk says of its last record.
struct Last {
    record: u64,
    fault: Option<RecordFault>,
}

/// Where a cell lies: in the text, or where [`Cell::UNQUOTED`] is set in `start`, in the scratch.
#[derive(Clone, Copy)]
struct Cell {
    start: usize,
    end: usize,
}

impl Cell {
    const NONE: Self = Self { start: 0, end: 0 };
    const UNQUOTED: usize = 1 << (usize::BITS - 1);
}

/// One record, borrowed from the chunk (and from the reader's scratch where a cell had to be unquoted).
pub struct Record<'r> {
    pub at: Position,
    /// Source bytes, line end included: a sub-slice of the chunk's payload.
    pub raw: &'r [u8],
    text: &'r [u8],
    scratch: &'r [u8],
    cells: &'r [Cell],
    utf8: Stretch<'r>,
}

impl<'r> Record<'r> {
    /// Number of cells; of a record with too many, one more than expected at least; of one with an unclosed quote or
    /// an overlong one, none.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Cell `column`, unquoted. Panics past [`Record::len`].
    #[inline]
    pub fn cell(&self, column: usize) -> &'r [u8] {
        let Cell { start, end } = self.cells[column];
        if start & Cell::UNQUOTED == 0 { &self.text[start..end] } else { &self.scratch[start ^ Cell::UNQUOTED..end] }
    }

    /// Cell `column` as text; `None` where it is not UTF-8. Panics past [`Record::len`].
    #[inline]
    pub fn text(&self, column: usize) -> Option<&'r str> {
        let Cell { start, end } = self.cells[column];
        // An unquoted cell's start lies past every stretch.
        self.utf8.get(start, end).or_else(|| std::str::from_utf8(self.cell(column)).ok())
    }
}

impl<'c> Reader<'c> {
    /// `width`: cells that a record must have. At most one more is kept of a longer record.
    pub fn new(layout: &Delimited, width: usize, chunk: &'c Chunk) -> Self {
        let fault = match chunk.ending {
            Ending::Whole => None,
            Ending::UnclosedQuote => Some(RecordFault::UnclosedQuote),
            Ending::Overlong { length } => Some(RecordFault::Overlong { length }),
        };
        let record = chunk.start.record.saturating_add(u64::from(chunk.records)).saturating_sub(1);
        Self { position: chunk.start, last: Last { record, fault }, ..Self::over(layout, width, &chunk.payload) }
    }

    /// Reads the value of one message.
    pub fn of_message(layout: &Delimited, width: usize, value: &'c [u8]) -> Self {
        Self::over(layout, width, value)
    }

    /// Reads records that no cutter has seen.
    pub(super) fn over(layout: &Delimited, width: usize, text: &'c [u8]) -> Self {
        Self {
            text,
            delimiter: layout.delimiter,
            quote: layout.quote,
            width,
            marks: Marks::new(text, [layout.delimiter, LF, layout.quote.unwrap_or(LF)]),
            position: Position { record: 1, line: 1, byte: 0 },
            start: 0,
            last: Last { record: 0, fault: None },
            cells: vec![Cell::NONE; width.min(text.len()) + 1],
            found: 0,
            utf8: Stretch::EMPTY,
            scratch: Vec::new(),
        }
    }

    /// The next record, and what is wrong with it if its layout is; blank lines are passed over.
    #[inline]
    pub fn next_record(&mut self) -> Option<(Record<'_>, Option<RecordFault>)> {
        self.pass_blank_lines();
        if self.start >= self.text.len() {
            return None;
        }
        self.found = 0;
        self.scratch.clear();
        let at = self.position;
        let start = self.start;
        let fault = if self.last.fault.is_some() && at.record == self.last.record {
            self.start = self.text.len();
            self.last.fault
        } else {
            self.split()
        };
        self.position.record += 1;
        self.position.byte += (self.start - start) as u64;
        let raw = &self.text[start..self.start];
        if !self.utf8.reaches(self.start) {
            self.utf8 = Stretch::of(self.text, start);
        }
        let cells = &self.cells[..self.found.min(self.cells.len())];
        Some((Record { at, raw, text: self.text, scratch: &self.scratch, cells, utf8: self.utf8 }, fault))
    }

    #[inline]
    fn pass_blank_lines(&mut self) {
        loop {
            let length = match self.text[self.start..] {
                [LF, ..] => 1,
                [b'\r', LF, ..] => 2,
                _ => return,
            };
            self.marks.next();
            self.start += length;
            self.position.line += 1;
            self.position.byte += length as u64;
        }
    }

    /// Splits the record at `start` into cells, and moves on to the next.
    #[inline]
    fn split(&mut self) -> Option<RecordFault> {
        match self.quote {
            None => self.split_plain(),
            Some(quote) => self.split_quoted(quote),
        }
        .or_else(|| {
            let (expected, found) = (self.width, self.found);
            (found != expected).then_some(RecordFault::FieldCount { expected, found })
        })
    }

    /// Every mark ends a cell.
    #[inline]
    fn split_plain(&mut self) -> Option<RecordFault> {
        let mut cell_start = self.start;
        loop {
            let end = self.marks.next().unwrap_or(self.text.len());
            if self.text.get(end) != Some(&self.delimiter) {
                self.keep(Cell { start: cell_start, end: self.without_cr(cell_start, end) });
                self.end_line(end);
                return None;
            }
            self.keep(Cell { start: cell_start, end });
            cell_start = end + 1;
        }
    }

    #[inline]
    fn split_quoted(&mut self, quote: u8) -> Option<RecordFault> {
        let mut cell_start = self.start;
        loop {
            let quoted = self.text.get(cell_start) == Some(&quote);
            let close = if quoted { self.close_quote(cell_start) } else { Some(Close::NONE) };
            let Some(close) = close else {
                // No cutter gives such a chunk but as its last record; whoever did, the record is not readable.
                self.found = 0;
                self.start = self.text.len();
                return Some(RecordFault::UnclosedQuote);
            };
            let end = self.cell_end();
            let line_end = self.text.get(end) != Some(&self.delimiter);
            let content = if line_end { self.without_cr(cell_start.max(close.at), end) } else { end };
            let cell = if quoted && self.found < self.cells.len() {
                self.unquote(cell_start, close, content)
            } else {
                Cell { start: cell_start, end: content }
            };
            self.keep(cell);
            if line_end {
                self.end_line(end);
                return None;
            }
            cell_start = end + 1;
        }
    }

    #[inline]
    fn keep(&mut self, cell: Cell) {
        if let Some(place) = self.cells.get_mut(self.found) {
            *place = cell;
        }
        self.found += 1;
    }

    /// The record ends at `end`, with a line end or with the text.
    #[inline]
    fn end_line(&mut self, end: usize) {
        let lf = usize::from(end < self.text.len());
        self.start = end + lf;
        self.position.line += lf as u64;
    }

    /// Offset of the delimiter or line end that comes next, or of the text's end; quotes stand for themselves.
    #[inline]
    fn cell_end(&mut self) -> usize {
        while let Some(mark) = self.marks.next() {
            let byte = self.text[mark];
            if byte == self.delimiter || byte == LF {
                return mark;
            }
        }
        self.text.len()
    }

    /// A CR directly before the LF at `end` belongs to the line end.
    #[inline]
    fn without_cr(&self, start: usize, end: usize) -> usize {
        let crlf = end > start && end < self.text.len() && self.text[end - 1] == b'\r';
        end - usize::from(crlf)
    }

    /// Passes over what stands inside the quote at `quote_at`; `None` where it does not close.
    fn close_quote(&mut self, quote_at: usize) -> Option<Close> {
        let quote = self.text[quote_at];
        // The opening quote's own mark.
        self.marks.next();
        let mut escapes = false;
        while let Some(mark) = self.marks.next() {
            let byte = self.text[mark];
            if byte == LF {
                self.position.line += 1;
            } else if byte == quote {
                if self.text.get(mark + 1) != Some(&quote) {
                    return Some(Close { at: mark + 1, escapes });
                }
                self.marks.next();
                escapes = true;
            }
        }
        None
    }

    /// The cell that begins with a quote at `start` and ends at `end`: borrowed, unless it has escapes or goes on after
    /// its quote.
    fn unquote(&mut self, start: usize, close: Close, end: usize) -> Cell {
        let (inner_start, inner_end) = (start + 1, close.at - 1);
        if !close.escapes && close.at == end {
            return Cell { start: inner_start, end: inner_end };
        }
        let from = self.scratch.len();
        let quote = self.text[start];
        let mut inner = &self.text[inner_start..inner_end];
        while let Some(at) = memchr(quote, inner) {
            self.scratch.extend_from_slice(&inner[..=at]);
            inner = &inner[at + 2..];
        }
        self.scratch.extend_from_slice(inner);
        self.scratch.extend_from_slice(&self.text[close.at..end]);
        Cell { start: from | Cell::UNQUOTED, end: self.scratch.len() }
    }
}

/// How a quoted cell's quote closes.
#[derive(Clone, Copy)]
struct Close {
    /// Offset of the byte after it.
    at: usize,
    /// Doubled quotes stand inside.
    escapes: bool,
}

impl Close {
    /// Of a cell without one.
    const NONE: Self = Self { at: 0, escapes: false };
}
