//! Waits between tries: the one module that knows the `backoff` crate.
//!
//! `backoff` 0.4 is unmaintained (RUSTSEC-2025-0012); keeping it here makes replacing it a change of one file.

use std::time::{Duration, Instant};

use backoff::backoff::Backoff as _;

use crate::shutdown::Shutdown;

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

/// Tries until it works, the error is one that waiting does not mend, `patience` is over or the process is to end.
/// `tell` hears of an error when it first shows, with the patience left.
pub async fn patiently<T, E, F>(
    patience: Duration,
    shutdown: &Shutdown,
    attempt: impl Fn() -> F,
    is_passing: impl Fn(&E) -> bool,
    tell: impl Fn(&E, Duration),
) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let began = Instant::now();
    let mut waits = Waits::new(Duration::from_millis(100), Duration::from_secs(2));
    let mut told = false;
    loop {
        let error = match attempt().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let left = patience.saturating_sub(began.elapsed());
        if !is_passing(&error) || left.is_zero() || shutdown.is_due() {
            return Err(error);
        }
        if !std::mem::replace(&mut told, true) {
            tell(&error, left);
        }
        let mut shutdown = shutdown.clone();
        tokio::select! {
            () = tokio::time::sleep(waits.next_wait().min(left)) => {}
            () = shutdown.due() => {}
        }
    }
}
