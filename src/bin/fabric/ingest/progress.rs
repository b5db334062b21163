//! Shows how far files are: bars on a terminal, a line every ten seconds elsewhere.

use std::io::IsTerminal as _;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fabric::ingest::Progress;
use fabric::report::figures;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);
const REDRAW_EVERY: Duration = Duration::from_millis(100);

/// All bars of one command.
pub struct Display {
    bars: MultiProgress,
    terminal: bool,
}

/// One file's. Leaves the screen when dropped.
pub struct Bar(Arc<Line>);

struct Line {
    bar: ProgressBar,
    name: String,
    display: MultiProgress,
    lines: Lines,
    began: Instant,
    /// Of the file as stored; `None` for a pipe.
    bytes: Option<u64>,
}

/// Where the state of things is told.
enum Lines {
    /// On the bar itself.
    Terminal,
    /// In a log; when the last line was written.
    Log(Mutex<Instant>),
}

impl Display {
    pub fn new() -> Self {
        Self { bars: MultiProgress::new(), terminal: std::io::stderr().is_terminal() }
    }

    /// Words for whoever waits, above the bars.
    pub fn say(&self, words: &str) {
        say(&self.bars, self.terminal, words);
    }

    /// `bytes`: of the file as stored, if it has a size.
    pub fn bar(&self, name: &str, bytes: Option<u64>, began: Instant) -> Bar {
        let (bar, lines) = match self.terminal {
            true => (self.bars.add(ProgressBar::new(bytes.unwrap_or(0))), Lines::Terminal),
            false => (ProgressBar::hidden(), Lines::Log(Mutex::new(Instant::now()))),
        };
        bar.set_style(style(if bytes.is_some() { WITH_BAR } else { WITHOUT_BAR }));
        bar.set_prefix(name.to_owned());
        Bar(Arc::new(Line { bar, name: name.to_owned(), display: self.bars.clone(), lines, began, bytes }))
    }
}

/// What does not fit the terminal's width is cut off at the right.
const WITH_BAR: &str = "{prefix:30!}  {bar:20}  {wide_msg}";
const WITHOUT_BAR: &str = "{prefix:30!}  {wide_msg}";

impl Bar {
    pub fn say(&self, words: &str) {
        let line = &self.0;
        say(&line.display, matches!(line.lines, Lines::Terminal), &format!("{}: {words}", line.name));
    }

    /// Follows the publishing until what this returns is dropped.
    pub fn follow(&self, progress: Arc<Progress>) -> Following {
        let line = self.0.clone();
        Following(tokio::spawn(async move {
            loop {
                tokio::time::sleep(REDRAW_EVERY).await;
                line.published(&progress);
            }
        }))
    }

    /// From now on the bar counts records that are in Postgres.
    pub fn loading(&self, records: u64) {
        self.0.bar.set_style(style(WITH_BAR));
        self.0.bar.set_length(records);
    }

    pub fn loaded(&self, done: u64) {
        let line = &self.0;
        let total = line.bar.length().unwrap_or(0);
        let words = format!("{} of {} records  {}", figures::count(done), figures::count(total), line.rate(done));
        line.show(done, &format!("{words}{}  loading", line.left(done, Some(total))));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.bar.finish_and_clear();
    }
}

impl Line {
    fn published(&self, progress: &Progress) {
        let stored = progress.stored_bytes.load(Ordering::Relaxed);
        let records = progress.records.load(Ordering::Relaxed);
        let size = match self.bytes {
            Some(total) => format!("{} of {}", figures::bytes(stored), figures::bytes(total)),
            None => figures::bytes(progress.bytes.load(Ordering::Relaxed)),
        };
        let words = format!("{size}  {} records  {}", figures::count(records), self.rate(records));
        self.show(stored, &format!("{words}{}  publishing", self.left(stored, self.bytes)));
    }

    /// Since the file began: chunks are loaded while others are still published.
    fn rate(&self, records: u64) -> String {
        figures::rate(records as f64 / self.began.elapsed().as_secs_f64())
    }

    /// `  12 s left`, at the speed so far; nothing where there is no telling.
    fn left(&self, done: u64, total: Option<u64>) -> String {
        match total {
            Some(total) if done > 0 && done < total => {
                let left = self.began.elapsed().as_secs_f64() * (total - done) as f64 / done as f64;
                format!("  {} left", figures::whole_duration(Duration::from_secs_f64(left)))
            }
            _ => String::new(),
        }
    }

    fn show(&self, position: u64, words: &str) {
        match &self.lines {
            Lines::Terminal => {
                self.bar.set_position(position);
                self.bar.set_message(words.to_owned());
            }
            Lines::Log(last) => {
                let mut last = last.lock().expect("no holder of this lock can panic");
                if last.elapsed() >= LINE_EVERY {
                    *last = Instant::now();
                    eprintln!("{}: {words}", self.name);
                }
            }
        }
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
