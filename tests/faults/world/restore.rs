//! Postgres restored to an earlier point, and what an operator does then.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use sqlx::{AssertSqlSafe, Connection as _};

use super::World;
use crate::scenario::Who;

impl World {
    /// As a backup does, but that nobody works meanwhile: a database is copied only while nobody is connected.
    pub(super) async fn keep(&self) {
        let _gate = self.gate.lock().await;
        let name = self.installation.database.name();
        self.paused.store(true, Ordering::Relaxed);
        self.signal_all(Signal::SIGSTOP);
        self.alone_with(&[format!("create database {name}_kept template {name}")]).await;
        self.signal_all(Signal::SIGCONT);
        self.paused.store(false, Ordering::Relaxed);
    }

    pub(super) async fn restore(&self) {
        let _gate = self.gate.lock().await;
        let name = self.installation.database.name();
        self.paused.store(true, Ordering::Relaxed);
        self.signal_all(Signal::SIGSTOP);
        self.alone_with(&[
            format!("drop database {name} with (force)"),
            format!("alter database {name}_kept rename to {name}"),
        ])
        .await;
        // Nobody registers a job by a number that Postgres has forgotten before it is told of it.
        self.kill_publishers();
        self.signal_all(Signal::SIGCONT);
        self.paused.store(false, Ordering::Relaxed);
        self.recover();
        self.apply_again();
        *self.activated.lock().expect("nobody panics with the moment") = Instant::now();
    }

    fn recover(&self) {
        let said = self.must(&["recover", "--yes"]);
        for line in said.lines().take(12) {
            self.told.tell(&format!("  {line}"));
        }
    }

    fn kill_publishers(&self) {
        let mut members = self.members.lock().expect("nobody panics with the members");
        for (who, member) in members.iter_mut() {
            if matches!(who, Who::Publisher(_)) {
                member.kill();
            }
        }
    }

    fn signal_all(&self, signal: Signal) {
        let members = self.members.lock().expect("nobody panics with the members");
        for member in members.values() {
            member.signal(signal);
        }
    }

    /// Runs statements while nobody is connected to the database.
    async fn alone_with(&self, statements: &[String]) {
        let name = self.installation.database.name();
        let mut connection = self.elsewhere().await;
        let mut done = 0;
        while done < statements.len() {
            let end = format!(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}' and pid <> pg_backend_pid()"
            );
            sqlx::raw_sql(AssertSqlSafe(end)).execute(&mut connection).await.ok();
            match sqlx::raw_sql(AssertSqlSafe(statements[done].clone())).execute(&mut connection).await {
                Ok(_) => done += 1,
                Err(error) => {
                    self.told.tell(&format!("{}: {error}", statements[done]));
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    connection = self.elsewhere().await;
                }
            }
        }
        connection.close().await.ok();
    }
}
