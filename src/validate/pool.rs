//! Worker threads that take work from one queue; a panic costs one chunk one try, not the process.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Instant;

use crossbeam_channel::Sender;
use tokio::sync::oneshot;

use crate::telemetry::catalog::STAGE;
use crate::telemetry::without_values;

type Work = Box<dyn FnOnce() + Send>;

/// A lane's workers. They end with it.
///
/// Work is whole chunks, each a millisecond or more, so one queue serves as well as stealing between many, and a thread
/// without work sleeps instead of looking around.
pub struct Pool {
    queue: Sender<Work>,
}

/// The work panicked.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Panicked(String);

impl Panicked {
    /// Of what the panic carries, without what it may quote.
    pub fn of(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        Self(text.map_or("a panic without words".to_owned(), without_values))
    }
}

impl Pool {
    /// `name` shows in thread lists.
    pub fn new(name: &'static str, workers: usize) -> std::io::Result<Self> {
        let (queue, work) = crossbeam_channel::unbounded::<Work>();
        for number in 0..workers.max(1) {
            let work = work.clone();
            let body = move || work.iter().for_each(|work| work());
            thread::Builder::new().name(format!("{name}-{number}")).spawn(body)?;
        }
        Ok(Self { queue })
    }

    /// Runs `work` on a worker.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Panicked> {
        let (tell, told) = oneshot::channel();
        let asked = Instant::now();
        let work = move || {
            STAGE.observe(&["queue"], asked.elapsed());
            let outcome = catch_unwind(AssertUnwindSafe(work));
            // Nobody listens where the chunk was given up meanwhile.
            let _ = tell.send(outcome);
        };
        // No worker ends before this does; if one did, `told` would say so.
        let _ = self.queue.send(Box::new(work));
        match told.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(payload)) => Err(Panicked::of(payload.as_ref())),
            Err(_) => Err(Panicked("the worker is gone".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_answer_and_the_worker_lives_on() {
        let pool = Pool::new("test", 1).expect("threads");
        let outcome = pool.run(|| -> u8 { std::panic::panic_any("no") }).await;
        assert_eq!(outcome.expect_err("it panicked").to_string(), "no");
        assert_eq!(pool.run(|| 7).await.expect("it works"), 7);
    }
}
