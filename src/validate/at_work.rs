//! Leave to work in this process: beside all others, or alone, where the work may kill whoever does it.
//!
//! Of a whole process, since that is what dies: lanes and streams ask here alike.

use tokio::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Held in common by what is worked on beside others; one operation without contention for each piece of work.
static AT_WORK: RwLock<()> = RwLock::const_new(());
/// One at a time waits for the others to be done, so that they are never held up by more than one.
static TURN: Mutex<()> = Mutex::const_new(());

/// Given back when it is dropped.
pub enum Leave {
    Beside { _others: RwLockReadGuard<'static, ()> },
    Alone { _at_work: RwLockWriteGuard<'static, ()>, _turn: MutexGuard<'static, ()> },
}

impl Leave {
    pub async fn beside() -> Self {
        Self::Beside { _others: AT_WORK.read().await }
    }

    /// Waits until nothing else is worked on.
    pub async fn alone() -> Self {
        let turn = TURN.lock().await;
        Self::Alone { _at_work: AT_WORK.write().await, _turn: turn }
    }
}
