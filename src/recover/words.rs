//! A plan in words.

use std::collections::BTreeSet;
use std::fmt;

use super::{Plan, What};
use crate::report::figures::{count, counted};

impl What {
    /// What is done.
    pub const fn in_words(&self) -> &'static str {
        match self {
            Self::RegisterClosed => "registered again, closed",
            Self::RegisterOpen => "registered again, not published to its end",
            Self::RegisterEnded(_) => "registered again, ended",
            Self::Close => "closed again",
            Self::AddTokens => "a run of its publisher is known again",
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() && self.beyond.is_empty() {
            return writeln!(f, "Postgres knows all that Kafka believes to be loaded: there is nothing to recover.");
        }
        if !self.jobs.is_empty() {
            writeln!(f, "{}", counted(self.jobs.len() as u64, "job", "jobs"))?;
            let width = self.jobs.iter().map(|job| job.job.to_string().len()).max().unwrap_or(0);
            let feeds = self.jobs.iter().map(|job| job.feed.len() + job.feed_version.to_string().len() + 2);
            let feeds = feeds.max().unwrap_or(0);
            for job in &self.jobs {
                let feed = format!("{} v{}", job.feed, job.feed_version);
                let words = job.what.in_words();
                write!(f, "  {:>width$}  {feed:<feeds$}  {words}", job.job.to_string())?;
                match job.what {
                    What::RegisterOpen => writeln!(f, ": `fabric ingest --resume {}` goes on", job.job)?,
                    What::RegisterEnded(state) => writeln!(f, ": {}", state.as_str())?,
                    _ => writeln!(f)?,
                }
            }
        }
        let versions: BTreeSet<_> =
            self.jobs.iter().filter(|job| job.version_is_forgotten).map(|job| (&job.feed, job.feed_version)).collect();
        if !versions.is_empty() {
            writeln!(f, "{} stored again", counted(versions.len() as u64, "feed version is", "feed versions are"))?;
            versions.iter().try_for_each(|(feed, version)| writeln!(f, "  {feed} v{version}"))?;
        }
        if !self.rewinds.is_empty() {
            writeln!(
                f,
                "{} of {} go back",
                counted(self.rewinds.len() as u64, "partition", "partitions"),
                self.partitions
            )?;
            let width = self.rewinds.iter().map(|rewind| rewind.topic.len()).max().unwrap_or(0);
            for rewind in &self.rewinds {
                writeln!(
                    f,
                    "  {:<width$} {:>3}  from offset {} to {}: {} loaded again",
                    rewind.topic,
                    rewind.partition,
                    count(rewind.from.unsigned_abs()),
                    count(rewind.to.unsigned_abs()),
                    counted(rewind.chunks, "chunk is", "chunks are")
                )?;
            }
        }
        if !self.beyond.is_empty() {
            writeln!(f, "what this cannot put in order")?;
            self.beyond.iter().try_for_each(|words| writeln!(f, "  {words}"))?;
        }
        Ok(())
    }
}
