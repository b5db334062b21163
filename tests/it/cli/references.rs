//! `fabric check --references`: sets from CSV files, no server.

use serde_json::json;

use super::Desk;

const FEED: &str = "
feed: visits
layout: { format: delimited, header: false }
fields:
  - { name: id, type: integer }
  - { name: country, type: string }
  - { name: branch, type: string }
rules:
  - { name: known-branch, fields: [branch, country], reference: { set: branches, columns: [code, country] } }
  - { name: open-country, fields: [country], reference: closed, match: not-in, severity: warn }
";

const VISITS: &str = "1,CH,ZRH\n2,CH,CDG\n3,FR,CDG\n4,,CDG\n";

fn desk() -> Desk {
    let desk = Desk::new(FEED, VISITS);
    std::fs::create_dir(desk.path("sets")).unwrap();
    std::fs::write(desk.path("sets/branches.csv"), "country,code,name\nCH,ZRH,Zurich\nFR,CDG,Paris\n").unwrap();
    std::fs::write(desk.path("sets/closed.csv"), "country\nFR\n").unwrap();
    desk
}

#[test]
fn a_rule_is_judged_by_the_sets_of_a_folder() {
    let ran = desk().check(&["--references", "sets", "--json"]);
    let report = ran.json();
    assert_eq!((ran.code, &report["accepted"]), (0, &json!(3)));
    assert_eq!(report["rejectsByRule"], json!({"known-branch": 1}));
    assert_eq!(report["warningsByRule"], json!({"open-country": 1}));
    let told = desk().check(&["--references", "sets"]).out;
    let reject = "line 2, record 2, byte 9 · \"CDG, CH\" · as branch, country is not in the reference set branches";
    assert!(told.contains(reject), "{told}");
}

#[test]
fn a_folder_that_is_needed_or_a_file_that_is_not_there_is_named() {
    let desk = desk();
    let ran = desk.check(&[]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("visits has rules that look up reference sets (branches, closed)"), "{}", ran.err);
    std::fs::remove_file(desk.path("sets/closed.csv")).unwrap();
    let ran = desk.check(&["--references", "sets"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("there is no reference set closed: sets/closed.csv does not exist"), "{}", ran.err);
}

#[test]
fn a_set_that_is_wrong_is_told_with_its_lines() {
    let desk = desk();
    std::fs::write(desk.path("sets/branches.csv"), "country,code\nCH,ZRH\nCH,ZRH\nFR\n").unwrap();
    let ran = desk.check(&["--references", "sets"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("sets/branches.csv:3  the key `ZRH, CH` stands in line 2 already"), "{}", ran.err);
    assert!(ran.err.contains("sets/branches.csv:4  has 1 cell; the first line names 2 columns"), "{}", ran.err);
    std::fs::write(desk.path("sets/branches.csv"), "country,code\nCH,ZRH\n").unwrap();
    std::fs::write(desk.path("sets/closed.csv"), "country,since\nFR,2026\n").unwrap();
    let ran = desk.check(&["--references", "sets"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("rule open-country looks up country in the reference set closed"), "{}", ran.err);
}
