//! Postgres restored to an earlier point, and what an operator does then.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use sqlx::{AssertSqlSafe, Connection as _};

use super::World;
use super::member::Member;
use crate::reader::Kind;
use crate::scenario::{Pace, Who};

/// What a validator says that finds a commit of which the ledger knows nothing.
const REFUSAL: &str = "let `fabric recover` say what is missing";

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

    /// Everybody goes down with the server, and is back with it. Publishers only after `fabric recover`: nobody is to
    /// register a job by a number that Postgres has forgotten.
    pub(super) async fn restore(&self) {
        let _gate = self.gate.lock().await;
        let name = self.installation.database.name();
        self.paused.store(true, Ordering::Relaxed);
        let members = self.kill_all();
        self.alone_with(&[
            format!("drop database {name} with (force)"),
            format!("alter database {name}_kept rename to {name}"),
        ])
        .await;
        let refused = self.refusals();
        members.into_iter().for_each(|who| self.start(who));
        self.until_refused(refused).await;
        self.recover();
        self.apply_again();
        *self.activated.lock().expect("nobody panics with the moment") = Instant::now();
        self.paused.store(false, Ordering::Relaxed);
    }

    /// Those that are to be started again.
    fn kill_all(&self) -> Vec<Who> {
        let mut members = self.members.lock().expect("nobody panics with the members");
        for member in members.values_mut() {
            member.kill();
            (member.back_at, member.thaw_at) = (None, None);
        }
        members.keys().copied().filter(|who| !matches!(who, Who::Publisher(_))).collect()
    }

    fn refusals(&self) -> usize {
        let members = self.members.lock().expect("nobody panics with the members");
        members.values().map(|member| member.said(REFUSAL)).sum()
    }

    /// Where a partition is to go back, its new holder must have noticed by itself.
    async fn until_refused(&self, before: usize) {
        let plan = self.must(&["recover", "--json"]);
        let plan: serde_json::Value = serde_json::from_str(&plan).unwrap_or_default();
        let rewinds = plan["plan"]["rewinds"].as_array().map_or(0, Vec::len);
        self.told.tell(&format!("{rewinds} partitions are to go back"));
        let quick = self.scenario.size.pace == Pace::Quick;
        let deadline = Instant::now() + Duration::from_secs(if quick { 20 } else { 60 });
        while rewinds > 0 && self.refusals() == before {
            if Instant::now() > deadline {
                let words = "Postgres has forgotten chunks that the group has committed, and no validator says so";
                self.noticed(Kind::Unaccounted, words);
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn recover(&self) {
        let said = self.must(&["recover", "--yes"]);
        for line in said.lines().take(12) {
            self.told.tell(&format!("  {line}"));
        }
    }

    fn signal_all(&self, signal: Signal) {
        let members = self.members.lock().expect("nobody panics with the members");
        members.values().filter(|member| !Member::is_abandoned(member)).for_each(|member| member.signal(signal));
    }

    /// Runs statements while nobody is connected to the database.
    async fn alone_with(&self, statements: &[String]) {
        let name = self.installation.database.name();
        let mut connection = self.elsewhere().await;
        let mut done = 0;
        while done < statements.len() {
            let end = format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'");
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
