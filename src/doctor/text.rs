//! Turns findings into aligned lines for people.

use super::{Findings, Status};
use crate::report::figures;

/// One line per finding, what to do under it, and the sum at the end.
pub fn text(findings: &Findings) -> String {
    let width = findings.findings.iter().map(|finding| finding.check.name().len()).max().unwrap_or(0);
    let margin = " ".repeat("fault".len() + 2 + width + 2);
    let mut text = String::new();
    for finding in &findings.findings {
        let (status, check) = (finding.status.name(), finding.check.name());
        for (index, line) in finding.found.lines().enumerate() {
            match index {
                0 => text.push_str(&format!("{status:5}  {check:width$}  {line}\n")),
                _ => text.push_str(&format!("{margin}{line}\n")),
            }
        }
        for (index, line) in finding.next.iter().flat_map(|next| next.lines()).enumerate() {
            text.push_str(&format!("{margin}{}{line}\n", if index == 0 { "→ " } else { "  " }));
        }
    }
    text.push_str(&format!("\n{}\n", sum(findings)));
    text
}

fn sum(findings: &Findings) -> String {
    let faults = figures::counted(findings.count(Status::Fault), "fault", "faults");
    let warnings = figures::counted(findings.count(Status::Warn), "warning", "warnings");
    match findings.worst() {
        Status::Ok | Status::Note => "nothing is wrong".to_owned(),
        Status::Warn => format!("{warnings}, no fault"),
        Status::Fault => format!("{faults}, {warnings}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Check, Finding};

    #[test]
    fn findings_are_aligned_and_say_what_to_do() {
        let findings = Findings::new(vec![
            Finding::ok(Check::Postgres, "15.18 at 127.0.0.1:5432, database fabric"),
            Finding::note(Check::Redis, "does not answer at 127.0.0.1:6379; fabric does not use it yet"),
            Finding::fault(Check::Migrations, "2 are missing", "fabric migrate"),
            Finding::warn(Check::DeadLetters, "3 since yesterday\n  topic fabric.dead-letters", "look\nthen mend"),
        ]);
        insta::assert_snapshot!(text(&findings), @r"
        ok     Postgres      15.18 at 127.0.0.1:5432, database fabric
        note   Redis         does not answer at 127.0.0.1:6379; fabric does not use it yet
        fault  migrations    2 are missing
                             → fabric migrate
        warn   dead letters  3 since yesterday
                               topic fabric.dead-letters
                             → look
                               then mend

        1 fault, 1 warning
        ");
    }
}
