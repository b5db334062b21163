//! Reads a file, cuts it, seals the chunks and sends them: the one sequential pass over the bytes.

use std::io::{ErrorKind, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::IngestError;
use super::producer::ChunkProducer;
use super::publication::{AlreadyLoaded, Earlier, Publication, Sent};
use crate::chunk::{Chunk, CutTotals, Cutter, Envelope, Origin};
use crate::faults::{self, Defect};
use crate::feed::Feed;
use crate::jobs::OpenJob;
use crate::processes::Tally;
use crate::record::Columns;
use crate::source::{Finished, Source, SourceError};
use crate::telemetry::catalog::STAGE;

/// Bytes asked of the source at a time.
const READ_BYTES: usize = 512 << 10;

/// How far a run is, for whoever shows it.
#[derive(Debug, Default)]
pub struct Progress {
    /// Of the file as stored.
    pub stored_bytes: AtomicU64,
    /// Decompressed.
    pub bytes: AtomicU64,
    pub records: AtomicU64,
    /// Of the whole process.
    pub tally: Arc<Tally>,
}

impl Progress {
    /// The file is read from its beginning again.
    pub fn begin_again(&self) {
        [&self.stored_bytes, &self.bytes, &self.records]
            .into_iter()
            .for_each(|count| count.store(0, Ordering::Relaxed));
    }
}

/// What reading a whole file gave.
pub struct CutFile {
    pub totals: CutTotals,
    pub finished: Finished,
    /// Columns of the header that the feed does not know.
    pub unknown_columns: Vec<String>,
}

/// Everything that cutting one file needs.
pub struct Cutting {
    pub open: Arc<OpenJob>,
    /// Of the source, for errors.
    pub path: PathBuf,
    pub producer: Arc<ChunkProducer>,
    pub publication: Arc<Publication>,
    pub loaded: AlreadyLoaded,
    pub progress: Arc<Progress>,
}

impl Cutting {
    /// Blocks until the file has been read and every chunk handed to Kafka (not yet acknowledged).
    pub fn run(self, mut source: Source) -> Result<CutFile, IngestError> {
        let mut cutter = Cutter::new(&self.open.feed.feed.layout, self.open.limits);
        let mut sender = Sender { cutting: &self, message: Vec::new(), unknown_columns: None };
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let read = match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(SourceError::from_read(&self.path, error).into()),
            };
            cutter.push(&buffer[..read], |chunk| sender.send(chunk))?;
            self.progress.stored_bytes.store(source.stored_position(), Ordering::Relaxed);
            self.progress.bytes.fetch_add(read as u64, Ordering::Relaxed);
            if let Some(halt) = self.publication.halted() {
                return Err(halt.into());
            }
        }
        let totals = cutter.finish(|chunk| match faults::has(Defect::TailLost) {
            true => Ok(()),
            false => sender.send(chunk),
        })?;
        // A file of nothing but a header still has to fit; an empty one is judged by the feed's `onEmpty`.
        if let (Some(header), None) = (cutter.header(), &sender.unknown_columns) {
            sender.bind(&self.open.feed.feed, header)?;
        }
        let unknown_columns = sender.unknown_columns.unwrap_or_default();
        let finished = source.finish()?;
        Ok(CutFile { totals, finished, unknown_columns })
    }
}

/// Seals and sends, in order.
struct Sender<'c> {
    cutting: &'c Cutting,
    /// Used again for each message.
    message: Vec<u8>,
    /// `None` until the first chunk has shown that its header fits the feed.
    unknown_columns: Option<Vec<String>>,
}

impl Sender<'_> {
    fn bind(&mut self, feed: &Feed, header: &[u8]) -> Result<(), IngestError> {
        let columns = Columns::bind(feed, header)?;
        self.unknown_columns = Some(columns.unknown);
        Ok(())
    }

    fn send(&mut self, chunk: Chunk) -> Result<(), IngestError> {
        let cutting = self.cutting;
        let open = &cutting.open;
        if self.unknown_columns.is_none() {
            self.bind(&open.feed.feed, &chunk.context)?;
        }
        cutting.progress.records.fetch_add(u64::from(chunk.records), Ordering::Relaxed);
        cutting.progress.tally.count(u64::from(chunk.records), chunk.payload.len() as u64);
        let span = chunk.span;
        let envelope = Envelope::seal(open.job, open.token, chunk);
        match cutting.loaded.compare(envelope.id.seq, envelope.crc) {
            Earlier::Unknown => {}
            Earlier::Same => return Ok(cutting.publication.skip(span)?),
            Earlier::Other => {
                return Err(IngestError::OtherBytes { chunk: envelope.id, at: envelope.chunk.start.byte });
            }
        }
        self.message.clear();
        envelope.encode(&mut self.message);
        let bytes = self.message.len() as u64;
        let ready = Instant::now();
        cutting.publication.admit(bytes, span)?;
        STAGE.observe(&["backpressure"], ready.elapsed());
        let records = envelope.chunk.records;
        let (publication, origin) = (cutting.publication.clone(), Origin::Publisher);
        let sent = Sent { publication, chunk: envelope.id, origin, bytes, records, at: Instant::now() };
        Ok(cutting.producer.send(&envelope, &self.message, sent)?)
    }
}
