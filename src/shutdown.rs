//! One signal that tells every task of a process to end.

use tokio::sync::watch;

/// Held by whoever ends the process.
pub struct Trigger {
    sender: watch::Sender<bool>,
}

/// Held by everyone who must end with it.
#[derive(Clone)]
pub struct Shutdown {
    receiver: watch::Receiver<bool>,
}

/// Held by work that nobody joins and others wait for: where it panics the process ends, for it would look alive and do
/// nothing. Nothing is lost by that: another one goes on where things stand.
pub(crate) struct Vital;

impl Drop for Vital {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}

pub fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (Trigger { sender }, Shutdown { receiver })
}

impl Trigger {
    pub fn fire(&self) {
        self.sender.send_replace(true);
    }
}

impl Shutdown {
    pub fn is_due(&self) -> bool {
        *self.receiver.borrow()
    }

    /// Returns once the process is to end, or the trigger is gone.
    pub async fn due(&mut self) {
        let _ = self.receiver.wait_for(|due| *due).await;
    }
}
