//! Failpoints and defects do what the environment of a process says, and nothing that it does not know.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Output;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::installation;
use crate::installation::Installation;

const FEED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/card-transactions.yaml");

fn apply(installation: &Installation, points: &str) -> (Output, String) {
    let output = installation.fabric(&["feeds", "apply", FEED]).env("FABRIC_TEST_POINTS", points).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, said)
}

/// Versions of the feed that are known.
async fn versions(installation: &Installation) -> i64 {
    installation.database.number("select count(*) from fabric.feed_versions").await
}

#[tokio::test]
async fn a_point_kills_where_it_stands_and_says_so() {
    let installation = Installation::new().await;
    for (point, committed) in [("config.commit.sent", 0), ("config.commit.acked", 1)] {
        let (output, said) = apply(&installation, &format!("{point}=return(kill)"));
        assert_eq!(output.status.signal(), Some(Signal::SIGKILL as i32), "{said}");
        assert_eq!(said.trim_end(), format!("failpoint {point}: kill"));
        assert_eq!(versions(&installation).await, committed, "{point}");
    }
}

#[tokio::test]
async fn an_error_before_a_statement_is_the_servers_own_and_one_after_it_is_a_lost_answer() {
    let installation = Installation::new().await;
    let (output, said) = apply(&installation, "config.commit.sent=return(error)");
    assert!(!output.status.success() && said.contains("failpoint config.commit.sent"), "{said}");
    assert_eq!(versions(&installation).await, 0);
    let (output, said) = apply(&installation, "config.commit.acked=return(error)");
    assert!(!output.status.success(), "{said}");
    assert_eq!(versions(&installation).await, 1);
}

#[tokio::test]
async fn a_point_waits_for_its_turn_and_a_panic_or_a_sleep_is_one() {
    let installation = Installation::new().await;
    let (output, said) = apply(&installation, "config.commit.sent=1*off->return(kill);config.pointed=sleep(20)");
    assert!(output.status.success(), "{said}");
    let (output, said) = apply(&installation, "config.commit.sent=panic");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("failpoint config.commit.sent panic"), "{said}");
}

#[tokio::test]
async fn a_publisher_that_can_hear_of_no_delivery_any_more_ends() {
    let installation = installation().await;
    let file = installation.card_transactions("cards.txt", 5_000);
    let broken = [("FABRIC_TEST_POINTS", "publish.acked=3*off->panic")];
    let mut ingest = installation.start_with(&broken, &["ingest", "card-transactions", &file]);
    assert_eq!(ingest.wait(Duration::from_secs(20)), None, "{}", ingest.log());
    let validator = installation.validator();
    installation.succeed(&["ingest", "card-transactions", &file, "--wait"]);
    validator.terminate();
}

#[tokio::test]
async fn a_validator_that_breaks_down_ends_instead_of_holding_what_it_does_nothing_for() {
    let installation = installation().await;
    for point in ["assign.asked", "custody.taken", "poll.taken"] {
        let name = format!("{point}.txt");
        let file = installation.card_transactions(&name, 5_000);
        let panics = format!("{point}=1*panic");
        let mut validator = installation.start_with(&[("FABRIC_TEST_POINTS", &panics)], &["validate"]);
        installation.succeed(&["ingest", "card-transactions", &file, "--again"]);
        let code = validator.wait(Duration::from_secs(20));
        assert_ne!(code, Some(0), "{point}\n{}", validator.log());
    }
}

#[tokio::test]
async fn what_a_build_does_not_know_is_refused_when_it_starts() {
    let installation = Installation::new().await;
    let (output, said) = apply(&installation, "config.comit.sent=panic");
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("FABRIC_TEST_POINTS: there is no failpoint 'config.comit.sent'"), "{said}");
    let output = installation.fabric(&["settings"]).env("FABRIC_TEST_DEFECT", "tail-kept").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("FABRIC_TEST_DEFECT: there is no defect 'tail-kept'"), "{said}");
}
