//! What happened, with its time since the beginning: kept, and printed where somebody watches.

use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

pub struct Told {
    began: Instant,
    file: Mutex<std::fs::File>,
    aloud: bool,
}

impl Told {
    /// In `folder`, as `story.txt`.
    pub fn new(folder: &Path, aloud: bool) -> std::io::Result<Self> {
        let file = Mutex::new(std::fs::File::create(folder.join("story.txt"))?);
        Ok(Self { began: Instant::now(), file, aloud })
    }

    pub fn text(&self, text: &str) {
        if self.aloud {
            print!("{text}");
        }
        let mut file = self.file.lock().expect("nobody panics with the file");
        file.write_all(text.as_bytes()).ok();
    }

    pub fn tell(&self, words: &str) {
        let millis = self.began.elapsed().as_millis();
        self.text(&format!("{:02}:{:02}.{} {words}\n", millis / 60_000, millis / 1000 % 60, millis / 100 % 10));
    }
}
