//! Worker threads that steal work from each other; a panic costs one chunk one try, not the process.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::oneshot;

/// A lane's workers.
pub struct Pool {
    threads: rayon::ThreadPool,
}

/// The work panicked.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Panicked(String);

impl Pool {
    /// `name` shows in thread lists.
    pub fn new(name: &'static str, workers: usize) -> Result<Self, rayon::ThreadPoolBuildError> {
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(workers.max(1))
            .thread_name(move |number| format!("{name}-{number}"))
            .build()?;
        Ok(Self { threads })
    }

    /// Runs `work` on a worker.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Panicked> {
        let (tell, told) = oneshot::channel();
        self.threads.spawn(move || {
            let outcome = catch_unwind(AssertUnwindSafe(work));
            // Nobody listens where the chunk was given up meanwhile.
            let _ = tell.send(outcome);
        });
        match told.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(payload)) => Err(Panicked(words_of(payload.as_ref()))),
            Err(_) => Err(Panicked("the worker is gone".into())),
        }
    }
}

fn words_of(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
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
