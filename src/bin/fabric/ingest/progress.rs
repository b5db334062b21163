//! Shows how far files are: bars on a terminal, a line every ten seconds elsewhere.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fabric::ingest::{Input, Progress};
use fabric::report::figures;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::Work;

/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);
const REDRAW_EVERY: Duration = Duration::from_millis(100);

/// All bars of one command.
pub struct Display {
    bars: MultiProgress,
    terminal: bool,
}

/// One file's.
pub struct Bar {
    bar: ProgressBar,
    name: String,
    terminal: bool,
    display: MultiProgress,
}

impl Display {
    pub fn new() -> Self {
        Self { bars: MultiProgress::new(), terminal: std::io::stderr().is_terminal() }
    }

    /// Words for whoever waits, above the bars.
    pub fn say(&self, words: &str) {
        say(&self.bars, self.terminal, words);
    }

    pub fn bar(&self, name: &str, work: &Work) -> Bar {
        let path = match work {
            Work::File(request) => Some(&request.input),
            Work::Resume(_, from) => from.as_ref(),
        };
        let bytes = match path {
            Some(Input::Path(path)) => std::fs::metadata(path).ok().map(|metadata| metadata.len()),
            _ => None,
        };
        let bar =
            if self.terminal { self.bars.add(ProgressBar::new(bytes.unwrap_or(0))) } else { ProgressBar::hidden() };
        bar.set_style(style(
            "{msg:24!}  {bar:20}  {binary_bytes:>10} of {binary_total_bytes}  {eta:>4} left  publishing",
        ));
        bar.set_message(name.to_owned());
        Bar { bar, name: name.to_owned(), terminal: self.terminal, display: self.bars.clone() }
    }
}

impl Bar {
    pub fn say(&self, words: &str) {
        say(&self.display, self.terminal, &format!("{}: {words}", self.name));
    }

    /// Follows the publishing until what this returns is dropped.
    pub fn follow(&self, progress: Arc<Progress>) -> Following {
        let (bar, name, terminal) = (self.bar.clone(), self.name.clone(), self.terminal);
        Following(tokio::spawn(async move {
            let began = Instant::now();
            let mut next_line = began + LINE_EVERY;
            loop {
                tokio::time::sleep(REDRAW_EVERY).await;
                bar.set_position(progress.stored_bytes.load(Ordering::Relaxed));
                if !terminal && Instant::now() >= next_line {
                    next_line += LINE_EVERY;
                    let records = progress.records.load(Ordering::Relaxed);
                    eprintln!(
                        "{name}: publishing, {} records, {}, {}",
                        figures::count(records),
                        figures::bytes(progress.bytes.load(Ordering::Relaxed)),
                        figures::rate(records as f64 / began.elapsed().as_secs_f64())
                    );
                }
            }
        }))
    }

    /// From now on the bar counts records that are in Postgres.
    pub fn loading(&self, records: u64) {
        self.bar
            .set_style(style("{msg:24!}  {bar:20}  {human_pos:>10} of {human_len} records  {per_sec:>12}  loading"));
        self.bar.set_length(records);
        self.bar.set_position(0);
        self.bar.reset_elapsed();
    }

    pub fn loaded(&self, records: u64) {
        let before = self.bar.position();
        self.bar.set_position(records);
        // Lines in a log, as often as a tenth of the file is done.
        let tenth = (self.bar.length().unwrap_or(0) / 10).max(1);
        if !self.terminal && before / tenth != records / tenth && self.bar.elapsed() > LINE_EVERY {
            eprintln!("{}: loading, {} records", self.name, figures::count(records));
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Ends with its owner.
pub struct Following(tokio::task::JoinHandle<()>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn say(bars: &MultiProgress, terminal: bool, words: &str) {
    match terminal {
        // Fails only where standard error is gone: nobody is left to tell.
        true => bars.println(words).unwrap_or_default(),
        false => eprintln!("{words}"),
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is one of ours").progress_chars("█▌ ")
}
