//! Asks a process of ours over HTTP, and reads what Prometheus would read.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::installation::Process;

/// Where it says that it listens.
pub async fn address(process: &Process) -> String {
    process.until_says("health and metrics on http://", Duration::from_secs(20)).await;
    let log = process.log();
    let rest = log.split("health and metrics on http://").nth(1).unwrap();
    rest.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':')).next().unwrap().to_owned()
}

/// Status and body.
pub fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Asks until it is ready or not, as `status` says; answers the body.
pub async fn until(address: &str, path: &str, status: u16, holds: impl Fn(&str) -> bool) -> serde_json::Value {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let (found, body) = get(address, path);
        if found == status && holds(&body) {
            return serde_json::from_str(&body).unwrap();
        }
        assert!(Instant::now() < deadline, "{path}: still {found}: {body}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What stands on `/metrics`.
pub struct Page {
    /// As it came. Its samples end in a line break, whatever the transfer does.
    pub text: String,
    samples: BTreeMap<String, f64>,
}

impl Page {
    pub fn of(address: &str) -> Self {
        let (status, text) = get(address, "/metrics");
        assert_eq!(status, 200, "{text}");
        let sample = |line: &str| {
            let (series, figure) = line.rsplit_once(' ')?;
            Some((series.to_owned(), figure.parse().ok()?))
        };
        let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect();
        Self { text, samples }
    }

    /// One series, as in `fabric_loaded_records_total{feed="cards"}`.
    pub fn figure(&self, series: &str) -> f64 {
        *self.samples.get(series).unwrap_or_else(|| panic!("no {series} in\n{}", self.text))
    }

    pub fn has(&self, metric: &str) -> bool {
        self.text.contains(&format!("\n# TYPE {metric} ")) || self.text.starts_with(&format!("# TYPE {metric} "))
    }
}
