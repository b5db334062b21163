//! Finds where records end in a text that begins at a record's start.
//!
//! A quote opens only as the first byte of a cell. Inside, a doubled quote is an escape and any other quote closes;
//! after it, and in mid-cell, bytes stand for themselves. While unquoted, "the byte before is the delimiter, or there is
//! none in this record" says whether a quote opens: no other state is needed.

use memchr::{memchr, memchr_iter, memchr2, memmem, memrchr};

use crate::feed::Delimited;

const LF: u8 = b'\n';

/// What ends records in a layout.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan {
    delimiter: u8,
    quote: Option<u8>,
}

/// How the first record of a text stands at the end of the window that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    /// It ends before this offset, line end included.
    Ended(usize),
    /// It goes on, unquoted.
    Unended,
    /// It goes on inside the quote that stands at `quote_at`.
    Open { quote_at: usize },
}

/// A run of whole records and blank lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Run {
    /// Where it ends, and the next record begins.
    pub end: usize,
    pub records: u32,
    pub blanks: u32,
    /// LFs, those in quotes included.
    pub lines: u64,
}

impl Scan {
    /// `None`: every record is a line, whatever stands in it.
    pub(super) fn new(layout: Option<&Delimited>) -> Self {
        layout.map_or(Self { delimiter: LF, quote: None }, |layout| Self {
            delimiter: layout.delimiter,
            quote: layout.quote,
        })
    }

    /// Looks for the end of the first record in `text[..window]`. The byte after the window, where there is one, tells
    /// a quote that closes from half of an escape.
    pub(super) fn first(&self, text: &[u8], window: usize) -> First {
        let mut at = 0;
        loop {
            let rest = &text[at..window];
            let found = match self.quote {
                None => memchr(LF, rest),
                Some(quote) => memchr2(quote, LF, rest),
            };
            let Some(found) = found.map(|found| at + found) else { return First::Unended };
            if text[found] == LF {
                return First::Ended(found + 1);
            }
            at = match self.after_quote(text, window, 0, found) {
                Some(at) => at,
                None => return First::Open { quote_at: found },
            };
        }
    }

    /// All whole records in `text[..window]`.
    pub(super) fn run(&self, text: &[u8], window: usize) -> Run {
        let mut run = Run::default();
        let mut at = 0;
        while let Some(found) = self.quote.and_then(|quote| memchr(quote, &text[at..window])) {
            let quote_at = at + found;
            run.take_lines(text, at, quote_at);
            match self.after_quote(text, window, run.end, quote_at) {
                Some(unquoted) => at = unquoted,
                None => return run.with_lines_of(text),
            }
        }
        run.take_lines(text, at, window);
        if at > 0 { run.with_lines_of(text) } else { run }
    }

    /// Where unquoted text goes on after the quote at `quote_at`, in the record that begins at `start`; `None` where
    /// the quote opens and does not close in the window.
    #[inline]
    fn after_quote(&self, text: &[u8], window: usize, start: usize, quote_at: usize) -> Option<usize> {
        let opens = quote_at == start || text[quote_at - 1] == self.delimiter;
        if !opens {
            return Some(quote_at + 1);
        }
        let quote = text[quote_at];
        let mut at = quote_at + 1;
        while at < window {
            let found = at + memchr(quote, &text[at..window])?;
            if text.get(found + 1) != Some(&quote) {
                return Some(found + 1);
            }
            at = found + 2;
        }
        None
    }
}

impl Run {
    /// Adds the records that end in `text[at..stop]`, which is unquoted.
    #[inline]
    fn take_lines(&mut self, text: &[u8], at: usize, stop: usize) {
        if at > self.end {
            // In mid-record, past a quote: what ends here is no blank line.
            let Some(found) = memchr(LF, &text[at..stop]) else { return };
            self.records += 1;
            self.lines += 1;
            self.end = at + found + 1;
        }
        let Some(last) = memrchr(LF, &text[self.end..stop]) else { return };
        let lines = &text[self.end..self.end + last + 1];
        let blanks = blank_lines(lines);
        let count = line_count(lines);
        self.lines += count as u64;
        self.records += count as u32 - blanks;
        self.blanks += blanks;
        self.end += last + 1;
    }

    /// Counts again, LFs in quotes too.
    fn with_lines_of(self, text: &[u8]) -> Self {
        Self { lines: line_count(&text[..self.end]) as u64, ..self }
    }
}

/// One record, whatever its lines.
pub(super) fn single(record: &[u8]) -> Run {
    Run { end: record.len(), records: 1, blanks: 0, lines: line_count(record) as u64 }
}

pub(super) fn line_count(text: &[u8]) -> usize {
    memchr_iter(LF, text).count()
}

/// Length of the blank line that `text` begins with, if it does.
pub(super) fn blank_line(text: &[u8]) -> Option<usize> {
    match text {
        [LF, ..] => Some(1),
        [b'\r', LF, ..] => Some(2),
        _ => None,
    }
}

/// Blank lines among whole unquoted lines. Nearly always there are none, and two searches show it at memory speed.
fn blank_lines(lines: &[u8]) -> u32 {
    let some = blank_line(lines).is_some()
        || memmem::find(lines, b"\n\n").is_some()
        || memmem::find(lines, b"\n\r\n").is_some();
    if !some {
        return 0;
    }
    let mut start = 0;
    let mut blanks = 0;
    for end in memchr_iter(LF, lines) {
        blanks += u32::from(matches!(&lines[start..end], [] | [b'\r']));
        start = end + 1;
    }
    blanks
}
