//! Kills a worker by what a message holds.

use std::sync::LazyLock;

static STRIKE: LazyLock<Option<[String; 3]>> = LazyLock::new(|| {
    let words = std::env::var("FABRIC_TEST_STRIKE").ok()?;
    let words: Vec<String> = words.splitn(3, ' ').map(str::to_owned).collect();
    words.try_into().ok()
});

/// `at`: `decoded`, `judged` or `loaded`, of a message or what is left of it.
pub fn strike(at: &'static str, bytes: &[u8]) {
    let Some([how, place, marker]) = &*STRIKE else { return };
    if place == at && memchr::memmem::find(bytes, marker.as_bytes()).is_some() {
        match how.as_str() {
            "abort" => std::process::abort(),
            _ => std::panic::panic_any("struck by a test"),
        }
    }
}
