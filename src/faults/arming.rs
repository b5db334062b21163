//! The environment of a process into what happens at its failpoints and which defect it has.

use std::collections::HashSet;
use std::sync::OnceLock;

use super::defects::{self, Defect};
use super::points::{Answers, POINTS, Point};

const POINTS_VARIABLE: &str = "FABRIC_TEST_POINTS";
const DEFECT_VARIABLE: &str = "FABRIC_TEST_DEFECT";

/// Never set where no point is armed.
static ARMED: OnceLock<HashSet<&'static str>> = OnceLock::new();

/// What the environment asks for and this build does not know.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {reason}")]
pub struct Unknown {
    variable: &'static str,
    reason: String,
}

/// Once, when the process starts.
pub fn arm() -> Result<(), Unknown> {
    if let Ok(text) = std::env::var(POINTS_VARIABLE) {
        let armed = parse(&text).and_then(|planned| {
            planned.iter().try_for_each(|(point, actions)| fail::cfg(point.name, actions))?;
            Ok(planned.iter().map(|(point, _)| point.name).collect())
        });
        let armed: HashSet<_> = armed.map_err(|reason| Unknown { variable: POINTS_VARIABLE, reason })?;
        let _ = ARMED.set(armed);
    }
    if let Ok(name) = std::env::var(DEFECT_VARIABLE) {
        let unknown = || Unknown { variable: DEFECT_VARIABLE, reason: format!("there is no defect '{name}'") };
        defects::turn_on(Defect::named(&name).ok_or_else(unknown)?);
    }
    Ok(())
}

pub(super) fn is_armed(name: &str) -> bool {
    ARMED.get().is_some_and(|armed| armed.contains(name))
}

/// Points and their actions, each of which this build knows.
fn parse(text: &str) -> Result<Vec<(&'static Point, &str)>, String> {
    text.split(';').map(str::trim).filter(|part| !part.is_empty()).map(parse_one).collect()
}

fn parse_one(part: &str) -> Result<(&'static Point, &str), String> {
    let (name, actions) = part.split_once('=').ok_or_else(|| format!("'{part}' is not NAME=ACTIONS"))?;
    let point = POINTS.iter().find(|point| point.name == name.trim());
    let point = point.ok_or_else(|| format!("there is no failpoint '{}'", name.trim()))?;
    actions.split("->").try_for_each(|action| check(point, action.trim()))?;
    Ok((point, actions))
}

/// `fail` itself checks the rest of the grammar.
fn check(point: &Point, action: &str) -> Result<(), String> {
    let kind = action.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '%' | '*'));
    match kind {
        "return(kill)" | "return(stop)" | "panic" | "off" => Ok(()),
        "return(error)" if point.answers == Answers::Error => Ok(()),
        "return(error)" => Err(format!("{} cannot fail: nothing answers there", point.name)),
        _ if kind.starts_with("sleep(") => Ok(()),
        _ => Err(format!(
            "'{action}' is not what a failpoint does: return(kill), return(stop), return(error), sleep(MILLISECONDS), \
             panic or off"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        parse(text).err().unwrap_or_default()
    }

    #[test]
    fn points_are_read_with_their_actions() {
        let read = parse("publish.before=3*off->1*return(kill); load.commit.sent=50%2*sleep(300);").unwrap();
        let named: Vec<_> = read.iter().map(|(point, actions)| (point.name, *actions)).collect();
        let expected = [("publish.before", "3*off->1*return(kill)"), ("load.commit.sent", "50%2*sleep(300)")];
        assert_eq!(named, expected);
        assert!(parse("").unwrap().is_empty());
    }

    #[test]
    fn what_this_build_does_not_know_is_refused() {
        assert_eq!(refusal("publish.befor=panic"), "there is no failpoint 'publish.befor'");
        assert_eq!(refusal("publish.before"), "'publish.before' is not NAME=ACTIONS");
        for action in ["pause", "print", "return", "return(crash)", "kill", "", "off->yield"] {
            assert!(refusal(&format!("publish.before={action}")).contains("is not what a failpoint does"), "{action}");
        }
    }

    #[test]
    fn only_a_step_that_can_fail_is_told_to() {
        assert_eq!(refusal("load.commit.sent=return(error)"), "");
        assert_eq!(refusal("poll.taken=return(error)"), "poll.taken cannot fail: nothing answers there");
    }

    #[test]
    fn names_of_points_and_defects_are_of_one_each() {
        let points: HashSet<_> = POINTS.iter().map(|point| point.name).collect();
        assert_eq!(points.len(), POINTS.len());
        let defects: HashSet<_> = super::super::DEFECTS.iter().map(|defect| defect.name()).collect();
        assert_eq!(defects.len(), super::super::DEFECTS.len());
        assert!(super::super::DEFECTS.iter().all(|defect| Defect::named(defect.name()) == Some(*defect)));
    }
}
