//! What a check found: how bad it is, what it is, what to do next.

use serde::Serialize;

/// What is looked at, in the order in which it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Check {
    Postgres,
    Kafka,
    Redis,
    Registry,
    Migrations,
    Topics,
    Commits,
    Pooler,
    Clock,
    Connections,
    Disk,
    Retention,
    Jobs,
    Streams,
    DeadLetters,
    Targets,
}

/// From good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    Ok,
    /// Could not be looked at, or is not needed: nothing is known to be wrong.
    Note,
    /// Works now; somebody should look.
    Warn,
    /// Loads fail, or could lose what was answered.
    Fault,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    pub check: Check,
    pub status: Status,
    /// One line, or several.
    pub found: String,
    /// What to do about it.
    pub next: Option<String>,
}

/// Everything that was found, in the order of [`Check`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Findings {
    pub findings: Vec<Finding>,
}

impl Check {
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "Postgres",
            Self::Kafka => "Kafka",
            Self::Redis => "Redis",
            Self::Registry => "registry",
            Self::Migrations => "migrations",
            Self::Topics => "topics",
            Self::Commits => "commits",
            Self::Pooler => "pooler",
            Self::Clock => "clock",
            Self::Connections => "connections",
            Self::Disk => "disk",
            Self::Retention => "retention",
            Self::Jobs => "jobs",
            Self::Streams => "streams",
            Self::DeadLetters => "dead letters",
            Self::Targets => "targets",
        }
    }
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warn => "warn",
            Self::Fault => "fault",
        }
    }
}

impl Finding {
    pub fn ok(check: Check, found: impl Into<String>) -> Self {
        Self { check, status: Status::Ok, found: found.into(), next: None }
    }

    pub fn note(check: Check, found: impl Into<String>) -> Self {
        Self { check, status: Status::Note, found: found.into(), next: None }
    }

    pub fn warn(check: Check, found: impl Into<String>, next: impl Into<String>) -> Self {
        Self { check, status: Status::Warn, found: found.into(), next: Some(next.into()) }
    }

    pub fn fault(check: Check, found: impl Into<String>, next: impl Into<String>) -> Self {
        Self { check, status: Status::Fault, found: found.into(), next: Some(next.into()) }
    }

    /// A fault as the edge words it: what happened, then what to do, in a sentence or a line of its own.
    pub fn told(check: Check, words: &str) -> Self {
        let (found, next) = words.split_once('\n').or_else(|| words.split_once(". ")).unwrap_or((words, ""));
        let next = next.trim();
        Self {
            check,
            status: Status::Fault,
            found: found.trim().trim_end_matches('.').to_owned(),
            next: (!next.is_empty()).then(|| next.to_owned()),
        }
    }
}

impl Findings {
    pub fn new(mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| finding.check);
        Self { findings }
    }

    /// Of the worst finding.
    pub fn worst(&self) -> Status {
        self.findings.iter().map(|finding| finding.status).max().unwrap_or(Status::Ok)
    }

    pub fn count(&self, status: Status) -> u64 {
        self.findings.iter().filter(|finding| finding.status == status).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_edge_says_is_split_into_what_happened_and_what_to_do() {
        let told = Finding::told(Check::Kafka, "Kafka does not answer at 127.0.0.1:1 (refused).\n  Is it running?");
        assert_eq!(told.found, "Kafka does not answer at 127.0.0.1:1 (refused)");
        assert_eq!(told.next.as_deref(), Some("Is it running?"));
        let told = Finding::told(Check::Postgres, "Postgres at 127.0.0.1:1 has no database x. Create it.");
        assert_eq!(
            (told.found.as_str(), told.next.as_deref()),
            ("Postgres at 127.0.0.1:1 has no database x", Some("Create it."))
        );
    }

    #[test]
    fn findings_stand_in_the_order_of_checks_whoever_came_first() {
        let findings = Findings::new(vec![
            Finding::ok(Check::Targets, ""),
            Finding::warn(Check::Kafka, "", ""),
            Finding::note(Check::Redis, ""),
        ]);
        let checks: Vec<_> = findings.findings.iter().map(|finding| finding.check.name()).collect();
        assert_eq!(checks, ["Kafka", "Redis", "targets"]);
        assert_eq!(findings.worst(), Status::Warn);
    }
}
