//! A way to a server for one process, which a test can take away.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::installation::Installation;
use crate::proxy::Proxy;

/// Those of this run that are in use. Another run's are known by their port.
static IN_USE: Mutex<Vec<SocketAddr>> = Mutex::new(Vec::new());

/// Clients that begin here are led by the broker to here, and nowhere else.
pub struct KafkaProxy {
    pub proxy: Proxy,
}

impl KafkaProxy {
    /// Takes one that is free; waits where all are in use.
    pub async fn new() -> Self {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            if let Some(proxy) = places().into_iter().find_map(|(listen, to)| take(listen, to)) {
                return Self { proxy };
            }
            assert!(Instant::now() < deadline, "no proxy of Kafka came free");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// For `FABRIC_KAFKA_BROKERS` and `bootstrap.servers`.
    pub fn brokers(&self) -> String {
        self.proxy.address().to_string()
    }
}

impl Drop for KafkaProxy {
    fn drop(&mut self) {
        // The port is still bound until the field is dropped: then another has to look once more.
        IN_USE.lock().unwrap().retain(|used| *used != self.proxy.address());
    }
}

fn take(listen: SocketAddr, to: SocketAddr) -> Option<Proxy> {
    let mut in_use = IN_USE.lock().unwrap();
    if in_use.contains(&listen) {
        return None;
    }
    let proxy = Proxy::start(listen, to, Duration::ZERO).ok()?;
    in_use.push(listen);
    Some(proxy)
}

/// Where a proxy listens, and the listener of the broker that advertises it.
fn places() -> Vec<(SocketAddr, SocketAddr)> {
    let pairs = std::env::var("FABRIC_TEST_KAFKA_PROXIED").unwrap_or_default();
    assert!(!pairs.is_empty(), "FABRIC_TEST_KAFKA_PROXIED is not set: `dev/stack restart kafka`, then `dev/stack env`");
    let pair = |pair: &str| {
        let (listen, to) = pair.split_once('=').unwrap();
        (listen.parse().unwrap(), to.parse().unwrap())
    };
    pairs.split(',').map(pair).collect()
}

/// A way to Postgres.
pub struct Way {
    pub proxy: Proxy,
    /// Leads to the installation's database by the proxy.
    pub url: String,
}

impl Way {
    pub fn to_postgres(installation: &Installation) -> Self {
        let url = &installation.database.settings.url;
        let begin = url.find('@').unwrap() + 1;
        let end = begin + url[begin..].find('/').unwrap();
        let to = url[begin..end].parse().unwrap();
        let proxy = Proxy::start("127.0.0.1:0".parse().unwrap(), to, Duration::ZERO).unwrap();
        let url = format!("{}{}{}", &url[..begin], proxy.address(), &url[end..]);
        Self { proxy, url }
    }
}
