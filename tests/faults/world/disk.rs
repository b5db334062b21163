//! A disk of its own under a target, in memory, which can be full.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::Command;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::installation::{Installation, told};

const MIB: u32 = 64;

pub struct Disk {
    folder: PathBuf,
    tablespace: String,
    superuser: String,
}

impl Disk {
    /// `None`: nobody but root may mount one.
    pub async fn new(installation: &Installation) -> Option<Self> {
        if std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() != 0) {
            return None;
        }
        let tablespace = format!("faults_{}", installation.database.name());
        // The server's user must be able to enter it.
        let folder = std::env::temp_dir().join(&tablespace);
        std::fs::create_dir_all(&folder).expect("the folder of temporary files can be written");
        succeed(Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={MIB}m"), "tmpfs"]).arg(&folder));
        let data = folder.join("data");
        std::fs::create_dir_all(&data).expect("an empty disk");
        succeed(Command::new("chown").arg("postgres:").arg(&folder).arg(&data));
        let superuser = installation.database.settings.url.replace("://fabric@", "://postgres@");
        Some(Self { folder, tablespace, superuser })
    }

    pub async fn put_under(&self, table: &str) {
        let mut superuser = PgConnection::connect(&self.superuser).await.expect("Postgres answers");
        let place = self.folder.join("data");
        for statement in [
            format!("create tablespace {} location '{}'", self.tablespace, place.display()),
            format!("alter table public.{table} set tablespace {}", self.tablespace),
        ] {
            sqlx::raw_sql(AssertSqlSafe(statement))
                .execute(&mut superuser)
                .await
                .expect("a table on a disk of its own");
        }
        superuser.close().await.ok();
    }

    pub fn fill(&self) {
        // It ends where there is no more room.
        Command::new("dd").args(["if=/dev/zero", "bs=64k"]).arg(self.filler()).output().ok();
    }

    pub fn clear(&self) {
        std::fs::remove_file(self.folder.join("filler")).ok();
    }

    fn filler(&self) -> String {
        format!("of={}", self.folder.join("filler").display())
    }

    /// Once nobody uses the table any more: it goes with its database, and the disk after it.
    pub fn take_away(&self, table: &str) {
        self.clear();
        let statements = format!("drop table if exists public.{table} cascade; drop tablespace {}", self.tablespace);
        for statement in statements.split("; ") {
            Command::new("psql").args(["-X", "-q", "-c", statement, &self.superuser]).output().ok();
        }
        Command::new("umount").arg(&self.folder).output().ok();
        std::fs::remove_dir(&self.folder).ok();
    }
}

fn succeed(command: &mut Command) {
    let output = command.output().expect("a program of the system");
    assert!(output.status.success(), "{command:?}\n{}", told(&output));
}
