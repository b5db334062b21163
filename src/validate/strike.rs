//! Lets a test kill a worker by what a chunk holds; nothing at all in a release build.
//!
//! `FABRIC_TEST_STRIKE=HOW WHERE MARKER`: `abort` the process or `panic`, while a message is `decoded`, `judged` or
//! `loaded`, where it holds the marker.

#[cfg(debug_assertions)]
use std::sync::LazyLock;

#[cfg(debug_assertions)]
static STRIKE: LazyLock<Option<[String; 3]>> = LazyLock::new(|| {
    let words = std::env::var("FABRIC_TEST_STRIKE").ok()?;
    let words: Vec<String> = words.splitn(3, ' ').map(str::to_owned).collect();
    words.try_into().ok()
});

#[cfg(debug_assertions)]
fn strike(at: &str, bytes: &[u8]) {
    let Some([how, place, marker]) = &*STRIKE else { return };
    if place == at && memchr::memmem::find(bytes, marker.as_bytes()).is_some() {
        match how.as_str() {
            "abort" => std::process::abort(),
            _ => std::panic::panic_any("struck by a test"),
        }
    }
}

#[cfg(not(debug_assertions))]
fn strike(_at: &str, _bytes: &[u8]) {}

pub fn while_decoded(bytes: &[u8]) {
    strike("decoded", bytes);
}

pub fn while_loaded(bytes: &[u8]) {
    strike("loaded", bytes);
}

pub fn while_judged(bytes: &[u8]) {
    strike("judged", bytes);
}
