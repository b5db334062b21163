//! What `fabric top` tells of processes, lanes and jobs is what they are.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::installation::Installation;

const ROWS: &str = "select count(*) from fabric.processes";

fn shown(installation: &Installation) -> Value {
    installation.json(0, &["top", "--json"])
}

/// Of one lane, the partitions that nobody holds.
fn unheld(view: &Value) -> usize {
    let partitions = view["partitions"].as_array().unwrap();
    partitions.iter().filter(|partition| partition["heldBy"].is_null()).count()
}

#[tokio::test]
async fn a_validator_is_shown_with_what_it_holds_until_its_orderly_end() {
    let installation = Installation::new().await;
    let validator = installation.validator();
    installation.until(1, ROWS).await;
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut view = shown(&installation);
    while unheld(&view) > 0 || view["processes"][0]["leads"] != true {
        assert!(Instant::now() < deadline, "{view}");
        view = shown(&installation);
    }
    assert_eq!(view["partitions"].as_array().unwrap().len(), 12, "{view}");
    let process = &view["processes"][0];
    assert_eq!((process["role"].as_str(), process["gone"].as_bool()), (Some("validate"), Some(false)), "{view}");
    validator.terminate();
    assert_eq!(installation.database.number(ROWS).await, 0);
}

#[tokio::test]
async fn a_process_that_was_killed_is_shown_as_gone_and_swept_in_time() {
    let installation = Installation::new().await;
    let steward = installation.start(&["steward"]);
    installation.until(1, ROWS).await;
    steward.kill();
    installation.database.run("update fabric.processes set beat_at = beat_at - interval '30 s'").await;
    let view = shown(&installation);
    assert_eq!(view["processes"][0]["gone"], true, "{view}");
    assert!(installation.succeed(&["top", "--once"]).contains("gone: silent for"));

    installation.database.run("update fabric.processes set beat_at = beat_at - interval '1 h'").await;
    let successor = installation.start(&["steward"]);
    let old = "select count(*) from fabric.processes where beat_at > clock_timestamp() - interval '1 minute'
                  and not exists (select from fabric.processes where beat_at < clock_timestamp() - interval '1 minute')";
    installation.until(1, old).await;
    successor.signal(Signal::SIGTERM);
}

#[tokio::test]
async fn a_published_file_waits_on_its_lane_and_is_shown_as_a_job() {
    let installation = Installation::new().await;
    installation.apply_card_transactions();
    let file = installation.card_transactions("cards.txt", 2_000);
    installation.succeed(&["ingest", "card-transactions", &file]);
    let view = shown(&installation);
    let job = &view["jobs"][0];
    assert_eq!((job["feed"].as_str(), job["of"].as_u64()), (Some("card-transactions"), Some(2_000)), "{view}");
    let waiting: u64 = view["partitions"].as_array().unwrap().iter().map(|p| p["waiting"].as_u64().unwrap()).sum();
    assert_eq!(waiting, 1, "{view}");
    let text = installation.succeed(&["top"]);
    assert!(text.contains("0/2,000") && text.contains("nobody"), "{text}");
}
