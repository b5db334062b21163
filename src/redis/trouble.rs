//! What is wrong with Redis, told once when it begins, now and then while it lasts, and once when it is over.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::RedisError;

/// Between two warnings of the same trouble.
const TELL_EVERY: Duration = Duration::from_secs(300);

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    Unreachable(String),
    KeepsOut(String),
    Tls(String),
    /// It is connected, and does not answer in time.
    Silent,
    Full,
    Refuses(String),
}

pub(super) struct Trouble {
    place: String,
    now: Mutex<Option<Told>>,
}

struct Told {
    fault: Fault,
    /// The call that met it; `None`: connecting did.
    call: Option<String>,
    at: Instant,
}

impl Trouble {
    pub(super) fn new(place: String) -> Self {
        Self { place, now: Mutex::new(None) }
    }

    /// A call has ended: `word` is what it was.
    pub(super) fn heard(&self, word: &str, error: Option<&RedisError>) {
        match error {
            Some(error) => self.may_be(word, Fault::from(error)),
            None => self.answered(word),
        }
    }

    /// Why there is no connection.
    pub(super) fn is(&self, fault: Fault) {
        self.tell(None, fault);
    }

    fn tell(&self, call: Option<&str>, fault: Fault) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let news = now.as_ref().is_none_or(|told| !told.fault.is_like(&fault) || told.at.elapsed() > TELL_EVERY);
        if news {
            let words = fault.words(&self.place);
            tracing::warn!("Redis {words}\n  Postgres is asked instead: slower, and nothing is lost.");
            *now = Some(Told { fault, call: call.map(str::to_owned), at: Instant::now() });
        }
    }

    /// Silence says less than what is known to be the reason.
    fn may_be(&self, call: &str, fault: Fault) {
        let known = self.now.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|told| told.fault.clone());
        if fault == Fault::Silent && known.is_some_and(|known| known.explains_silence()) {
            return;
        }
        self.tell(Some(call), fault);
    }

    /// A server that answers is there; what it has refused it may still refuse until it does the same.
    fn answered(&self, call: &str) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = |told: &Told| matches!(told.fault, Fault::Full | Fault::Refuses(_));
        let over = now.as_ref().is_some_and(|told| !refused(told) || told.call.as_deref() == Some(call));
        if over {
            tracing::info!("Redis at {} is well again", self.place);
            *now = None;
        }
    }

    pub(super) fn note(&self) -> Option<String> {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.as_ref().map(|told| format!("Redis {}", told.fault.words(&self.place)))
    }
}

impl Fault {
    fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    fn explains_silence(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::KeepsOut(_) | Self::Tls(_))
    }

    /// What happened, and what to do next; goes on after `Redis `.
    fn words(&self, place: &str) -> String {
        match self {
            Self::Unreachable(why) => {
                format!("does not answer at {place} ({why}). Is it running? See redis.url (FABRIC_REDIS_URL).")
            }
            Self::KeepsOut(why) => {
                format!("at {place} does not let fabric in ({why}). Check user and password in redis.url.")
            }
            Self::Tls(why) => {
                format!(
                    "at {place}: no TLS ({why}). Check its certificate (SSL_CERT_FILE names further authorities) and \
                     rediss:// in redis.url."
                )
            }
            Self::Silent => format!("at {place} does not answer in time (redis.timeout)."),
            Self::Full => {
                format!("at {place} is over its memory limit. Raise maxmemory, or set maxmemory-policy allkeys-lru.")
            }
            Self::Refuses(why) => format!("at {place} refuses what fabric asks ({why})."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_reason_is_not_covered_by_the_silence_that_it_causes() {
        let trouble = Trouble::new("h:1".into());
        trouble.is(Fault::KeepsOut("WRONGPASS".into()));
        trouble.heard("get", Some(&RedisError::Away));
        assert!(trouble.note().unwrap().contains("does not let fabric in (WRONGPASS)"));
        trouble.heard("ping", None);
        assert_eq!(trouble.note(), None);
    }

    #[test]
    fn a_full_one_is_well_again_once_it_takes_a_value() {
        let trouble = Trouble::new("h:1".into());
        trouble.heard("set", Some(&RedisError::Full));
        trouble.heard("get", None);
        assert!(trouble.note().unwrap().contains("over its memory limit"));
        trouble.heard("set", None);
        assert_eq!(trouble.note(), None);
    }
}
