//! The executable as a person meets it: what it prints, how it ends. Needs no server.

mod check;
mod manners;
mod references;
mod settings;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How a run ended and what it said.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {} {}", self.out, self.err))
    }
}

/// Ours, with none of this process's settings.
pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fabric"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FABRIC_") || name.starts_with("RUST_")) {
        command.env_remove(name);
    }
    command
}

pub fn fabric(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ran {
    ran(command().args(args))
}

pub fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().expect("ended by itself"),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A feed and a file in a directory of their own.
pub struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    pub fn new(feed: &str, file: impl AsRef<[u8]>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("feed.yaml"), feed).unwrap();
        std::fs::write(dir.path().join("data.csv"), file).unwrap();
        Self { dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// `fabric check feed.yaml data.csv …`, in the directory.
    pub fn check(&self, args: &[&str]) -> Ran {
        self.run(["check", "feed.yaml", "data.csv"].iter().chain(args))
    }

    pub fn run(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ran {
        ran(command().current_dir(self.dir.path()).args(args))
    }
}

/// Of this repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
