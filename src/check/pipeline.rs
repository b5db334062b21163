//! One thread that cuts, threads that judge, and the caller's that folds verdicts in the order of the file.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::CheckError;
use super::fold::{Fold, Next};
use crate::chunk::{Chunk, CutTotals, Cutter, Limits};
use crate::feed::Feed;
use crate::record::{Columns, HeaderFault};
use crate::rules::{Plan, Scratch, Verdict};

/// Chunks under way for each worker: enough to hide how long one chunk takes beside another.
const CHUNKS_PER_WORKER: usize = 4;
const READ_BYTES: usize = 256 << 10;

/// How the cut went.
pub struct Cut {
    pub end: CutEnd,
    /// Of a file that was cut whole; else of what was cut of it.
    pub totals: CutTotals,
    pub unknown_columns: Vec<String>,
}

pub enum CutEnd {
    Whole,
    /// The folder wanted no more.
    Halted,
    Header(HeaderFault),
}

pub enum Failure {
    Read(std::io::Error),
    Fold(CheckError),
}

/// One judged chunk, on its way back into order.
pub struct Judged {
    pub chunk: Chunk,
    pub verdict: Verdict,
    /// CSV of the accepted records; empty where nobody asked for it.
    pub accepted: Vec<u8>,
}

struct Work {
    columns: Arc<Columns>,
    chunk: Chunk,
}

/// Runs the whole file through. Each chunk holds a permit from when it is cut until it is folded: that bounds memory,
/// and as permits go out in the order of the file, the chunk that is awaited always holds one.
pub fn run(
    feed: &Feed,
    plan: &Plan,
    source: impl Read + Send,
    limits: Limits,
    workers: usize,
    fold: &mut Fold<'_>,
) -> Result<Cut, Failure> {
    let under_way = workers.max(1) * CHUNKS_PER_WORKER;
    let (permit, permits) = bounded::<()>(under_way);
    let (work, queue) = bounded::<Work>(under_way);
    let (judged, verdicts) = bounded::<Judged>(under_way);
    for _ in 0..under_way {
        permit.send(()).expect("the channel holds all permits");
    }
    std::thread::scope(|scope| {
        let cutter = scope.spawn(move || Cutting::new(feed, permits, work).run(source, limits));
        for _ in 0..workers.max(1) {
            let (queue, judged) = (queue.clone(), judged.clone());
            let keeps = fold.accepting();
            scope.spawn(move || work_off(plan, &queue, &judged, keeps));
        }
        drop((queue, judged));
        let folded = fold_in_order(&verdicts, permit, fold);
        // Workers end once nobody takes their verdicts.
        drop(verdicts);
        let cut = cutter.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        folded.map_err(Failure::Fold)?;
        cut
    })
}

fn fold_in_order(verdicts: &Receiver<Judged>, permit: Sender<()>, fold: &mut Fold<'_>) -> Result<(), CheckError> {
    let mut early = BTreeMap::new();
    let mut next = 0u32;
    for judged in verdicts {
        early.insert(judged.chunk.seq.0, judged);
        while let Some(judged) = early.remove(&next) {
            next += 1;
            if fold.take(judged)? == Next::Halt {
                return Ok(());
            }
            // The cutter may have ended, and wants no more permits.
            let _ = permit.send(());
        }
    }
    Ok(())
}

/// Whether the accepted records are wanted as CSV.
#[derive(Clone, Copy)]
pub enum Accepting {
    Dropped,
    Kept,
}

fn work_off(plan: &Plan, queue: &Receiver<Work>, judged: &Sender<Judged>, accepting: Accepting) {
    let mut scratch = Scratch::default();
    for Work { columns, chunk } in queue {
        let mut csv = csv_writer();
        let verdict = plan.judge(&columns, &chunk, &mut scratch, |record, _values| {
            if matches!(accepting, Accepting::Kept) {
                csv.write_record(columns.of_field.iter().map(|column| record.cell(*column)))
                    .expect("memory takes every write, and every record has the feed's width");
            }
        });
        let accepted = csv.into_inner().expect("memory takes every write");
        if judged.send(Judged { chunk, verdict, accepted }).is_err() {
            return;
        }
    }
}

/// RFC 4180: CRLF, quotes only where a cell needs them.
pub fn csv_writer() -> csv::Writer<Vec<u8>> {
    csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .quote_style(csv::QuoteStyle::Necessary)
        .from_writer(Vec::new())
}

/// Why the cutter stops before the end of the file.
enum Halt {
    Halted,
    Header(HeaderFault),
}

struct Cutting<'f> {
    feed: &'f Feed,
    permits: Receiver<()>,
    work: Sender<Work>,
    columns: Option<Arc<Columns>>,
}

impl<'f> Cutting<'f> {
    fn new(feed: &'f Feed, permits: Receiver<()>, work: Sender<Work>) -> Self {
        Self { feed, permits, work, columns: None }
    }

    fn run(mut self, mut source: impl Read, limits: Limits) -> Result<Cut, Failure> {
        let mut cutter = Cutter::new(&self.feed.layout, limits);
        let mut buffer = vec![0; READ_BYTES];
        let mut bytes = 0u64;
        loop {
            let taken = match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(taken) => taken,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Failure::Read(error)),
            };
            bytes += taken as u64;
            if let Err(halt) = cutter.push(&buffer[..taken], |chunk| self.hand_over(chunk)) {
                return Ok(self.ended(halt, bytes));
            }
        }
        let totals = match cutter.finish(|chunk| self.hand_over(chunk)) {
            Ok(totals) => totals,
            Err(halt) => return Ok(self.ended(halt, bytes)),
        };
        // A file of nothing but a header still has to fit.
        if let (Some(header), None) = (cutter.header(), &self.columns) {
            match Columns::bind(self.feed, header) {
                Ok(columns) => self.columns = Some(Arc::new(columns)),
                Err(fault) => return Ok(self.ended(Halt::Header(fault), bytes)),
            }
        }
        Ok(Cut { end: CutEnd::Whole, totals, unknown_columns: self.unknown_columns() })
    }

    fn hand_over(&mut self, chunk: Chunk) -> Result<(), Halt> {
        let columns = match &self.columns {
            Some(columns) => Arc::clone(columns),
            None => {
                let bound = Arc::new(Columns::bind(self.feed, &chunk.context).map_err(Halt::Header)?);
                Arc::clone(self.columns.insert(bound))
            }
        };
        self.permits.recv().map_err(|_| Halt::Halted)?;
        self.work.send(Work { columns, chunk }).map_err(|_| Halt::Halted)
    }

    fn ended(self, halt: Halt, bytes: u64) -> Cut {
        let headers = u64::from(self.feed.layout.delimited().is_some_and(|layout| layout.header));
        let unknown_columns = self.unknown_columns();
        match halt {
            Halt::Header(fault) => {
                let totals = CutTotals { bytes, headers, ..CutTotals::default() };
                Cut { end: CutEnd::Header(fault), totals, unknown_columns }
            }
            Halt::Halted => {
                // What was read ahead of the stop is not part of the report.
                let totals = CutTotals { headers, ..CutTotals::default() };
                Cut { end: CutEnd::Halted, totals, unknown_columns }
            }
        }
    }

    fn unknown_columns(&self) -> Vec<String> {
        self.columns.as_ref().map(|columns| columns.unknown.clone()).unwrap_or_default()
    }
}
