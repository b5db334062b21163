//! Cuts a stream of bytes into chunks of whole records.
//!
//! The buffer always begins at a record's start. It is filled to one byte more than the window that is looked at
//! (the lookahead that tells a closing quote from an escape, and "exactly at the limit" from "beyond it"), whatever the
//! size of the pieces that come in: so the chunks are a function of the bytes alone.

use memchr::memchr;

use super::scan::{First, Run, Scan, blank_line, line_count, single};
use super::{Chunk, Ending, Position, Seq};
use crate::feed::Layout;

/// Changes whenever the same bytes, layout and limits could give other chunks. A job pins it.
pub const CUTTER_VERSION: i32 = 1;

/// What the payload keeps of an overlong record, at most: enough to see what it was.
pub const OVERLONG_KEPT: usize = 64 << 10;

/// A CRLF must fit: a blank line is no record, however small the limits.
const SHORTEST: usize = 2;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Sizes that a job pins. Less than 2, a blank line's length, counts as 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A chunk ends at the last record end within this many bytes; a single longer record is a chunk of its own.
    /// No more than `record_bytes` counts.
    pub chunk_bytes: usize,
    /// A longer record, its line end included, is a reject.
    pub record_bytes: usize,
}

impl Limits {
    /// 1 MiB chunks, records of at most 3.5 MiB.
    pub const DEFAULT: Self = Self { chunk_bytes: 1 << 20, record_bytes: 7 << 19 };
}

/// What a whole file came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CutTotals {
    pub bytes: u64,
    pub records: u64,
    pub chunks: u32,
    /// 0 or 1.
    pub headers: u64,
    /// Those before the header, which belong to no chunk, included.
    pub blanks: u64,
}

/// Takes a file's bytes in pieces of any size, gives its chunks. Holds about `chunk_bytes + record_bytes` at most.
///
/// - A byte order mark (UTF-8) at the start is skipped; then, where the layout has a header, so are blank lines before
///   it and the header itself, which every chunk carries as its context.
/// - A record that is overlong, or whose quote does not close, is the only one of its chunk.
/// - After an unclosed quote, reading goes on at the line after the one in which it opened, so bytes are read again.
///   That stays linear: the quote was open to the window's end, so every run of quotes between is of even length, and
///   a line with even runs only cannot leave a quote open. The next record that stays open can therefore open its quote
///   no earlier than in the window's last line, and ends past the window: no byte lies in more than two such windows.
pub struct Cutter {
    scan: Scan,
    chunk_bytes: usize,
    record_bytes: usize,
    stage: Stage,
    /// Bytes from the next record's start that the next look takes in.
    window: usize,
    buffer: Vec<u8>,
    /// Where in the buffer the next record begins.
    begin: usize,
    /// Of the byte at `begin`.
    position: Position,
    header: Option<Vec<u8>>,
    totals: CutTotals,
}

/// What comes next in the file.
enum Stage {
    Start {
        header: NextRecord,
    },
    Record(NextRecord),
    /// The rest of an overlong record.
    Skip(Overlong),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum NextRecord {
    Header,
    Data,
}

/// An overlong record, as far as it has been read.
struct Overlong {
    what: NextRecord,
    kept: Vec<u8>,
    length: u64,
    lines: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Input {
    More,
    Ended,
}

/// What the record at the buffer's start is.
enum Judged {
    Whole(usize),
    UnclosedQuote(usize),
    Overlong,
    /// The window shows neither its end nor a fault.
    Undecided,
}

impl Cutter {
    pub fn new(layout: &Layout, limits: Limits) -> Self {
        let record_bytes = limits.record_bytes.max(SHORTEST);
        Self {
            scan: Scan::new(layout.delimited()),
            chunk_bytes: limits.chunk_bytes.clamp(SHORTEST, record_bytes),
            record_bytes,
            stage: Stage::Start {
                header: if layout.delimited().is_some_and(|delimited| delimited.header) {
                    NextRecord::Header
                } else {
                    NextRecord::Data
                },
            },
            window: BOM.len() - 1,
            buffer: Vec::new(),
            begin: 0,
            position: Position { record: 1, line: 1, byte: 0 },
            header: None,
            totals: CutTotals::default(),
        }
    }

    /// Takes the next bytes of the file; calls `emit` for each chunk that is complete. After an error of `emit` the
    /// cutter is of no more use.
    pub fn push<E>(&mut self, mut bytes: &[u8], mut emit: impl FnMut(Chunk) -> Result<(), E>) -> Result<(), E> {
        while !bytes.is_empty() {
            if let Stage::Skip(overlong) = &mut self.stage {
                let line_end = overlong.skip(&mut bytes);
                if line_end {
                    self.close_overlong(&mut emit)?;
                }
                continue;
            }
            let wanted = self.begin + self.window + 1;
            let missing = wanted - self.buffer.len();
            let taken = missing.min(bytes.len());
            self.buffer.reserve_exact(missing);
            self.buffer.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            self.settle(Input::More, &mut emit)?;
        }
        Ok(())
    }

    /// The file has ended: emits what remains. Call it once; [`Cutter::header`] may be known only after it.
    pub fn finish<E>(&mut self, mut emit: impl FnMut(Chunk) -> Result<(), E>) -> Result<CutTotals, E> {
        self.settle(Input::Ended, &mut emit)?;
        self.close_overlong(&mut emit)?;
        self.totals.bytes = self.position.byte;
        Ok(self.totals)
    }

    /// The raw header record, once it has been read whole; `None` before, and where the layout has none.
    pub fn header(&self) -> Option<&[u8]> {
        self.header.as_deref()
    }

    /// Takes everything out of the buffer that its bytes decide.
    fn settle<E>(&mut self, input: Input, emit: &mut impl FnMut(Chunk) -> Result<(), E>) -> Result<(), E> {
        loop {
            let left = self.buffer.len() - self.begin;
            let enough = left > self.window || (input == Input::Ended && left > 0);
            if !enough {
                return Ok(());
            }
            match self.stage {
                Stage::Start { header } => self.skip_bom(header),
                Stage::Record(NextRecord::Header) => self.take_header(input),
                Stage::Record(NextRecord::Data) => self.take_chunk(input, emit)?,
                Stage::Skip(_) => return Ok(()),
            }
            if let Stage::Skip(overlong) = &mut self.stage {
                // The byte of lookahead may be the line's end already.
                let mut rest = &self.buffer[self.begin + self.record_bytes..];
                let line_end = overlong.skip(&mut rest);
                let left = rest.len();
                self.begin = self.buffer.len() - left;
                self.shed();
                if line_end {
                    self.close_overlong(emit)?;
                }
            }
        }
    }

    fn skip_bom(&mut self, next: NextRecord) {
        if self.buffer.starts_with(BOM) {
            self.advance(BOM.len(), 0);
        }
        self.expect(next);
    }

    fn take_header(&mut self, input: Input) {
        let text = &self.buffer[self.begin..];
        if let Some(length) = blank_line(text) {
            self.totals.blanks += 1;
            return self.advance(length, 1);
        }
        match self.judge(input) {
            Judged::Undecided => self.widen(),
            Judged::Overlong => self.skip_from(NextRecord::Header),
            Judged::Whole(end) | Judged::UnclosedQuote(end) => {
                let header = text[..end].to_vec();
                self.advance(end, line_count(&header) as u64);
                self.take_as_header(header);
            }
        }
    }

    fn take_chunk<E>(&mut self, input: Input, emit: &mut impl FnMut(Chunk) -> Result<(), E>) -> Result<(), E> {
        if self.window == self.chunk_bytes {
            let run = self.run(input);
            if run.end > 0 {
                return self.emit(run, Ending::Whole, emit);
            }
        }
        match self.judge(input) {
            Judged::Undecided => self.widen(),
            Judged::Overlong => self.skip_from(NextRecord::Data),
            Judged::Whole(end) => return self.emit(self.single(end), Ending::Whole, emit),
            Judged::UnclosedQuote(end) => return self.emit(self.single(end), Ending::UnclosedQuote, emit),
        }
        Ok(())
    }

    fn single(&self, end: usize) -> Run {
        single(&self.buffer[self.begin..self.begin + end])
    }

    /// The whole records within a chunk's size; the end of the file ends a record too.
    fn run(&self, input: Input) -> Run {
        let text = &self.buffer[self.begin..];
        let window = text.len().min(self.chunk_bytes);
        let mut run = self.scan.run(text, window);
        let tail = &text[run.end..];
        let last = input == Input::Ended && text.len() == window && !tail.is_empty();
        if last && self.scan.first(tail, tail.len()) == First::Unended {
            run.records += 1;
            run.end = text.len();
        }
        run
    }

    /// Judges the record at the buffer's start by what the window shows of it.
    fn judge(&self, input: Input) -> Judged {
        let text = &self.buffer[self.begin..];
        let window = text.len().min(self.window);
        let all = input == Input::Ended && text.len() == window;
        let first = self.scan.first(text, window);
        if let First::Ended(end) = first {
            return Judged::Whole(end);
        }
        if !all && window < self.record_bytes {
            return Judged::Undecided;
        }
        let line_end = match first {
            First::Open { quote_at } => memchr(b'\n', &text[quote_at..window]).map(|found| quote_at + found + 1),
            _ => None,
        };
        match (first, line_end) {
            (_, Some(end)) => Judged::UnclosedQuote(end),
            (First::Open { .. }, None) if all => Judged::UnclosedQuote(window),
            _ if all => Judged::Whole(window),
            _ => Judged::Overlong,
        }
    }

    fn widen(&mut self) {
        self.window = self.window.saturating_mul(2).min(self.record_bytes);
    }

    fn expect(&mut self, next: NextRecord) {
        self.stage = Stage::Record(next);
        self.window = self.chunk_bytes;
    }

    fn take_as_header(&mut self, header: Vec<u8>) {
        self.header = Some(header);
        self.totals.headers = 1;
        self.expect(NextRecord::Data);
    }

    /// Passes over bytes that belong to no chunk.
    fn advance(&mut self, bytes: usize, lines: u64) {
        self.begin += bytes;
        self.position.byte += bytes as u64;
        self.position.line += lines;
        self.shed();
    }

    /// Drops what lies before `begin` once that costs no more than it did to read.
    fn shed(&mut self) {
        if self.buffer.len() <= 2 * self.begin {
            self.buffer.drain(..self.begin);
            self.begin = 0;
        }
    }

    /// Begins to skip the overlong record at the buffer's start.
    fn skip_from(&mut self, what: NextRecord) {
        let window = &self.buffer[self.begin..self.begin + self.record_bytes];
        self.stage = Stage::Skip(Overlong {
            what,
            kept: window[..window.len().min(OVERLONG_KEPT)].to_vec(),
            length: window.len() as u64,
            lines: line_count(window) as u64,
        });
    }

    /// The overlong record that is being skipped, if one is, has ended.
    fn close_overlong<E>(&mut self, emit: &mut impl FnMut(Chunk) -> Result<(), E>) -> Result<(), E> {
        if !matches!(self.stage, Stage::Skip(_)) {
            return Ok(());
        }
        let Stage::Skip(overlong) = std::mem::replace(&mut self.stage, Stage::Record(NextRecord::Data)) else {
            return Ok(());
        };
        let start = self.position;
        self.position.byte += overlong.length;
        self.position.line += overlong.lines;
        match overlong.what {
            NextRecord::Header => self.take_as_header(overlong.kept),
            NextRecord::Data => {
                let ending = Ending::Overlong { length: overlong.length };
                let run = single(&overlong.kept);
                emit(self.chunk(start, overlong.length, run, ending, overlong.kept))?;
                self.expect(NextRecord::Data);
            }
        }
        Ok(())
    }

    /// Emits `run`, which lies at the buffer's start.
    fn emit<E>(&mut self, run: Run, ending: Ending, emit: &mut impl FnMut(Chunk) -> Result<(), E>) -> Result<(), E> {
        let start = self.position;
        let payload = self.take_payload(run.end);
        self.position.byte += run.end as u64;
        self.position.line += run.lines;
        self.window = self.chunk_bytes;
        emit(self.chunk(start, run.end as u64, run, ending, payload))
    }

    /// Takes `length` bytes out of the buffer: by giving the buffer away where little remains of it, so that most bytes
    /// are copied once, and never at more cost than a copy of what is taken.
    fn take_payload(&mut self, length: usize) -> Vec<u8> {
        let rest = self.buffer.len() - self.begin - length;
        if self.begin == 0 && rest <= length / 2 {
            let mut next = Vec::with_capacity(self.chunk_bytes.max(rest) + 1);
            next.extend_from_slice(&self.buffer[length..]);
            let mut payload = std::mem::replace(&mut self.buffer, next);
            payload.truncate(length);
            return payload;
        }
        let end = self.begin + length;
        let payload = self.buffer[self.begin..end].to_vec();
        self.begin = end;
        self.shed();
        payload
    }

    fn chunk(&mut self, start: Position, span: u64, run: Run, ending: Ending, payload: Vec<u8>) -> Chunk {
        let seq = Seq(self.totals.chunks);
        self.totals.chunks += 1;
        self.totals.records += u64::from(run.records);
        self.totals.blanks += u64::from(run.blanks);
        self.position.record += u64::from(run.records);
        let context = self.header.clone().unwrap_or_default();
        Chunk { seq, start, span, records: run.records, blanks: run.blanks, ending, context, payload: payload.into() }
    }
}

impl Overlong {
    /// Takes bytes up to the end of the line, and says whether it has been met.
    fn skip(&mut self, bytes: &mut &[u8]) -> bool {
        let line_end = memchr(b'\n', bytes);
        let taken = line_end.map_or(bytes.len(), |at| at + 1);
        self.length += taken as u64;
        self.lines += u64::from(line_end.is_some());
        *bytes = &bytes[taken..];
        line_end.is_some()
    }
}
