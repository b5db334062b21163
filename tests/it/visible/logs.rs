//! What a process logs: one line per job event, JSON where asked for, never a field's value.

use std::time::Duration;

use serde_json::Value;

use crate::installation::Installation;

const FEED: &str = r#"
feed: cards
layout: { format: delimited, delimiter: "|", quoteChar: none, header: false }
fields:
  - { name: id, type: string, required: true }
  - { name: amount, type: "decimal(12,2)", minimum: 0 }
target: { schema: public, table: cards, mode: append }
"#;

#[tokio::test]
async fn each_job_event_is_one_line_of_json_and_no_line_holds_a_fields_value() {
    let mut installation = Installation::new().await;
    installation.set("FABRIC_LOG_JSON", "true");
    installation.set("FABRIC_LOG", "fabric=debug");
    let feed = installation.write("cards.yaml", FEED);
    installation.succeed(&["feeds", "apply", &feed]);
    let file = installation.write("cards.txt", "secret-card-1|12.00\nsecret-card-2|-771.25\nsecret-card-3|rude-7\n");
    let validator = installation.validator();
    let report = installation.json(0, &["ingest", "cards", &file, "--wait", "--json"]);
    assert_eq!(report["rejected"], 2, "{report}");
    installation.database.number("select count(*) from fabric.outbox").await;
    validator.until_says("completed", Duration::from_secs(20)).await;
    let log = validator.terminate();

    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let events: Vec<&Value> = lines.iter().filter(|line| line["message"] == "job event").collect();
    let completed = events.iter().filter(|event| event["state"] == "completed").count();
    assert_eq!(completed, 1, "{log}");
    assert!(events.iter().all(|event| event["level"] == "INFO" && event["job"] == report["job"]), "{log}");
    for value in ["secret-card", "771.25", "rude-7"] {
        assert!(!log.contains(value), "{value} in\n{log}");
    }
}
