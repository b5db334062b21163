//! Waits between tries: the one module that knows the `backoff` crate.
//!
//! `backoff` 0.4 is unmaintained (RUSTSEC-2025-0012); keeping it here makes replacing it a change of one file.

use std::time::Duration;

use backoff::backoff::Backoff as _;

/// Exponential waits with jitter: from `first`, growing to `longest`, without end.
pub struct Waits {
    inner: backoff::ExponentialBackoff,
}

impl Waits {
    pub fn new(first: Duration, longest: Duration) -> Self {
        let inner = backoff::ExponentialBackoffBuilder::new()
            .with_initial_interval(first)
            .with_max_interval(longest)
            .with_max_elapsed_time(None)
            .build();
        Self { inner }
    }

    /// How long to wait before the next try.
    pub fn next_wait(&mut self) -> Duration {
        self.inner.next_backoff().expect("waits without an end have a next one")
    }

    /// A try succeeded: start from the shortest wait again.
    pub fn reset(&mut self) {
        self.inner.reset();
    }
}
