//! What people see of jobs and their rejects, word for word; only times and this machine's names are left out.

use regex::Regex;

use crate::installation::Installation;

const PEOPLE: &str = "feed: people
layout: { format: delimited, header: true }
fields:
  - { name: id, type: integer, required: true, minimum: 1 }
  - { name: name, type: string, maxLength: 8 }
  - { name: born, type: date, format: '%Y-%m-%d', severity: warn }
target: { schema: public, table: people, mode: append }
";

const FILE: &str = "id,name,born
1,Ada,1815-12-10
0,Bob,1990-01-01
x,\"Cy, the long\",1991-02-03

4,Dot
5,Eve,1992-02-30
6,Flo,1993-04-05
";

fn redacted(text: &str) -> String {
    let patterns = [
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "TIME"),
        (r"by [a-z_]+\n", "by WHO\n"),
        (r"\S+/\d+/\d+, lane", "PUBLISHER, lane"),
        (r#""seconds": [\d.]+"#, r#""seconds": S"#),
        (r#""recordsPerSecond": [\d.]+"#, r#""recordsPerSecond": R"#),
        (r#"At": "[^"]+""#, r#"At": "TIME""#),
    ];
    patterns.iter().fold(text.to_owned(), |text, (pattern, with)| {
        Regex::new(pattern).unwrap().replace_all(&text, *with).into_owned()
    })
}

fn shown(installation: &Installation, arguments: &[&str]) -> String {
    redacted(&installation.succeed(arguments))
}

#[tokio::test]
async fn a_small_load_reads_as_people_need_it() {
    let installation = Installation::new().await;
    let feed = installation.write("people.yaml", PEOPLE);
    installation.succeed(&["feeds", "apply", &feed]);
    let file = installation.write("people.csv", FILE);
    let _validator = installation.validator();
    installation.succeed(&["ingest", "people", &file, "--wait"]);

    insta::assert_snapshot!("list", shown(&installation, &["jobs", "list", "--utc"]));
    insta::assert_snapshot!("list_json", shown(&installation, &["jobs", "list", "--json"]));
    insta::assert_snapshot!("show", shown(&installation, &["jobs", "show", "1", "--utc"]));
    insta::assert_snapshot!("wait", shown(&installation, &["jobs", "wait", "1"]));
    insta::assert_snapshot!("wait_json", shown(&installation, &["jobs", "wait", "1", "--json"]));
    insta::assert_snapshot!("rejects", shown(&installation, &["rejects", "1"]));
    insta::assert_snapshot!("rejects_of_a_rule", shown(&installation, &["rejects", "1", "--rule", "id.minimum"]));
    insta::assert_snapshot!("rejects_csv", shown(&installation, &["rejects", "1", "--csv"]));
    insta::assert_snapshot!("rejects_json", shown(&installation, &["rejects", "1", "--json", "--limit", "1"]));
}

#[tokio::test]
async fn a_job_that_is_not_there_is_named_and_usage() {
    let installation = Installation::new().await;
    for arguments in [["jobs", "show", "7"], ["jobs", "wait", "7"], ["jobs", "resume", "7"], ["rejects", "7", "--csv"]]
    {
        let output = installation.run(&arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "fabric {arguments:?}: {said}");
        assert!(said.contains("there is no job 7"), "fabric {arguments:?}: {said}");
    }
}
