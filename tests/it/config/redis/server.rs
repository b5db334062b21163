//! A Redis that a test starts for itself, with whatever it wants wrong with it.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::config::following::eventually;

/// A Redis of a test's own; gone when dropped.
pub struct Server {
    child: Child,
    pub port: u16,
    /// What its client needs to reach it.
    access: Vec<String>,
    _folder: tempfile::TempDir,
}

impl Server {
    pub async fn start(options: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self::start_at(port, options).await
    }

    pub async fn start_at(port: u16, options: &[&str]) -> Self {
        let port_ = port.to_string();
        let server = Self::launch(port, &["--port", &port_], options, &[]);
        eventually("Redis answers", async || server.cli(&["ping"]).contains("PONG") || !options.is_empty()).await;
        server
    }

    /// Speaks TLS alone, with this certificate and key; `authority` is what its own client believes.
    pub async fn with_tls(certificate: &str, key: &str, authority: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let port_ = port.to_string();
        let listens = ["--port", "0", "--tls-port", &port_];
        let options = [
            "--tls-cert-file",
            certificate,
            "--tls-key-file",
            key,
            "--tls-auth-clients",
            "no",
            "--tls-ca-cert-file",
            authority,
        ];
        let server = Self::launch(port, &listens, &options, &["--tls", "--insecure"]);
        eventually("Redis answers", async || server.cli(&["ping"]).contains("PONG")).await;
        server
    }

    fn launch(port: u16, listens: &[&str], options: &[&str], access: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]).args(listens).args(options);
        let child = command.current_dir(folder.path()).stdout(Stdio::null()).spawn().unwrap();
        Self { child, port, access: access.iter().map(|word| (*word).to_owned()).collect(), _folder: folder }
    }

    pub fn cli(&self, arguments: &[&str]) -> String {
        let port = self.port.to_string();
        let mut command = Command::new("redis-cli");
        let output = command.args(["-p", &port]).args(&self.access).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Keeps its connections and answers nothing, until that is dropped.
    pub fn stall(&self) -> Stalled {
        let process = Pid::from_raw(self.child.id().try_into().unwrap());
        kill(process, Signal::SIGSTOP).unwrap();
        Stalled(process)
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Commands of a kind that it has had.
    pub fn stat(&self, name: &str) -> u64 {
        let info = self.cli(&["info", "stats"]);
        let line = info.lines().find_map(|line| line.trim().strip_prefix(&format!("{name}:"))).unwrap_or("0");
        line.parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub struct Stalled(Pid);

impl Drop for Stalled {
    fn drop(&mut self) {
        kill(self.0, Signal::SIGCONT).ok();
    }
}
