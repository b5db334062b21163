//! Sets that are wrong, and questions about sets that are not there: each a clear error, and nothing is stored.

use fabric::config::{self, Change, Kind, references};

use super::{csv, load, refused};
use crate::database::Database;
use crate::installation::Installation;

const FEED: &str = "
feed: visits
layout: { format: delimited, header: false }
fields:
  - { name: id, type: integer }
  - { name: branch, type: string }
rules:
  - { name: known-branch, fields: [branch], reference: branches }
";

#[tokio::test]
async fn a_file_that_is_wrong_is_refused_with_its_lines_and_nothing_is_loaded() {
    let installation = Installation::bare(Database::new().await);
    let path = installation.path("bad.csv").to_str().unwrap().to_owned();
    for (bytes, expected) in [
        (&b""[..], "bad.csv:1  there is nothing here"),
        (b"code\n", "bad.csv:1  there is no key here"),
        (b"code\nZRH\nBSL\nZRH\n", "bad.csv:4  the key `ZRH` stands in line 2 already"),
        (b"code,name\nZRH\n", "bad.csv:2  has 1 cell; the first line names 2 columns"),
        (b"code\nGen\xe8ve\n", "bad.csv:2  the key `Gen\u{fffd}ve` is not UTF-8"),
    ] {
        installation.write("bad.csv", bytes);
        let said = refused(&installation, 2, &["references", "load", "branches", &path]);
        assert!(said.contains(expected) && said.trim_end().ends_with("1 error; nothing was loaded"), "{said}");
    }
    let absent = refused(&installation, 2, &["references", "load", "branches", "/nowhere/branches.csv"]);
    assert!(absent.contains("/nowhere/branches.csv does not exist"), "{absent}");
    assert_eq!(installation.database.number("select count(*) from fabric.reference_versions").await, 0);
    assert_eq!(installation.database.number("select count(*) from fabric.reference_keys").await, 0);
}

#[tokio::test]
async fn an_odd_name_is_refused() {
    let installation = Installation::bare(Database::new().await);
    let file = installation.write("good.csv", csv(&["ZRH"]));
    for name in ["Branches", "../branches", "branches;", "filialen-z\u{fc}rich", "", &"b".repeat(64)] {
        let said = refused(&installation, 2, &["references", "load", name, &file]);
        assert!(said.contains("cannot be a reference set's name; expected kebab-case"), "{said}");
    }
}

#[tokio::test]
async fn a_set_or_a_version_that_is_not_there_is_met_with_what_is() {
    let installation = Installation::bare(Database::new().await);
    let none = refused(&installation, 2, &["references", "show", "branches"]);
    assert!(none.contains("there is no reference set branches; none has been loaded yet"), "{none}");
    load(&installation, "branches", &["ZRH"]);
    let near = refused(&installation, 2, &["references", "history", "branch"]);
    assert!(near.contains("did you mean branches?"), "{near}");
    for arguments in
        [&["activate", "branches", "7"][..], &["diff", "branches", "1", "7"], &["show", "branches", "--version", "7"]]
    {
        let said = refused(&installation, 2, &[&["references"], arguments].concat());
        assert!(said.contains("the reference set branches has no version 7; its newest is 1"), "{said}");
    }
}

#[tokio::test]
async fn a_job_is_not_registered_where_a_set_that_its_rules_look_up_is_not_there_or_does_not_fit() {
    let installation = Installation::new().await;
    let feed = installation.write("visits.yaml", FEED);
    load(&installation, "branches", &["ZRH"]);
    installation.succeed(&["feeds", "apply", &feed]);
    let file = installation.write("visits.csv", "1,ZRH\n");
    let ingest = ["ingest", "visits", file.as_str()];
    let pairs = installation.write("pairs.csv", "country,code\nCH,ZRH\n");
    let misfit =
        "rule known-branch looks up branch in the reference set branches, whose key is the columns country, code";
    let wide = refused(&installation, 2, &["references", "load", "branches", &pairs, "--columns", "country,code"]);
    assert!(wide.contains(&format!("feed visits: {misfit}")), "{wide}");
    installation.database.run("update fabric.reference_versions set columns = '{country,code}'").await;
    let wide = refused(&installation, 2, &ingest);
    assert!(wide.contains(misfit), "{wide}");
    installation.database.run("update fabric.reference_versions set columns = '{code}'").await;
    let in_use = refused(&installation, 2, &["references", "retire", "branches"]);
    assert!(in_use.contains("the reference set branches is looked up by visits"), "{in_use}");
    installation.database.run("update fabric.reference_sets set retired_at = now()").await;
    let retired = refused(&installation, 2, &ingest);
    assert!(retired.contains("the reference set branches was retired by"), "{retired}");
    assert_eq!(installation.database.number("select count(*) from fabric.jobs").await, 0);
}

#[tokio::test]
async fn a_feed_does_not_become_active_where_a_set_that_its_rules_look_up_is_not_there_or_does_not_fit() {
    let installation = Installation::bare(Database::new().await);
    let active = "select coalesce(sum(active_version), 0)::bigint from fabric.feeds";
    let feed = installation.write("visits.yaml", FEED);
    let apply = ["feeds", "apply", feed.as_str()];
    let absent = refused(&installation, 2, &apply);
    let expected = "feed visits cannot become active: there is no reference set branches; none has been loaded yet";
    assert!(absent.contains(expected) && absent.contains("fabric references load branches FILE.csv"), "{absent}");
    assert_eq!(installation.database.number("select count(*) from fabric.feed_versions").await, 0, "all or nothing");
    // To be looked at it may be stored.
    installation.succeed(&["feeds", "apply", &feed, "--draft"]);
    let activate = ["feeds", "activate", "visits", "1"];
    let absent = refused(&installation, 2, &activate);
    assert!(absent.contains(expected), "{absent}");
    let pairs = installation.write("pairs.csv", "country,code\nCH,ZRH\n");
    installation.succeed(&["references", "load", "branches", &pairs]);
    let wide = refused(&installation, 2, &activate);
    assert!(wide.contains("feed visits cannot become active: rule known-branch looks up branch"), "{wide}");
    installation.succeed(&["references", "retire", "branches"]);
    let retired = refused(&installation, 2, &apply);
    assert!(
        retired.contains("feed visits cannot become active: the reference set branches was retired by"),
        "{retired}"
    );
    assert_eq!(installation.database.number(active).await, 0);
    let file = installation.write("branches.csv", csv(&["ZRH"]));
    installation.succeed(&["references", "load", "branches", &file, "--columns", "code"]);
    installation.succeed(&activate);

    let without = installation.write("plain.yaml", FEED.split("rules:").next().unwrap());
    installation.succeed(&["feeds", "apply", &without]);
    installation.succeed(&["references", "retire", "branches"]);
    let back = refused(&installation, 2, &["feeds", "rollback", "visits"]);
    assert!(back.contains("feed visits cannot become active: the reference set branches was retired by"), "{back}");
    assert_eq!(installation.database.number(active).await, 2);
}

#[tokio::test]
async fn a_template_is_not_propagated_to_a_feed_that_would_look_up_a_set_that_is_not_there() {
    let installation = Installation::bare(Database::new().await);
    let (layout, rules) = FEED.split_once("rules:").unwrap();
    let layout = layout.replace("feed: visits", "template: visits-layout");
    let file = installation.write("layout.yaml", &layout);
    installation.succeed(&["templates", "apply", &file]);
    let feed = installation.write("visits.yaml", "feed: visits\nextends: [visits-layout]\n");
    installation.succeed(&["feeds", "apply", &feed]);
    installation.write("layout.yaml", format!("{layout}rules:{rules}"));
    let said = refused(&installation, 2, &["templates", "apply", &file, "--propagate"]);
    assert!(said.contains("feed visits cannot become active: there is no reference set branches"), "{said}");
    assert_eq!(installation.database.number("select count(*) from fabric.template_versions").await, 1);
    load(&installation, "branches", &["ZRH"]);
    let said = installation.succeed(&["templates", "apply", &file, "--propagate"]);
    assert!(said.contains("feed visits v2  applied"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_and_a_feed_that_looks_it_up_are_never_retired_and_active_at_once() {
    let installation = Installation::bare(Database::new().await);
    let pool = &installation.database.pool;
    let without = FEED.split("rules:").next().unwrap();
    load(&installation, "branches", &["ZRH"]);
    for document in [FEED, without] {
        let file = installation.write("visits.yaml", document);
        installation.succeed(&["feeds", "apply", &file]);
    }
    let (change, settings) = (Change::default(), super::super::load());
    for round in 0..20 {
        let activated = config::activate(pool, Kind::Feed, "visits", 1, &change, &settings);
        let (activated, retired) = futures::join!(activated, references::retire(pool, "branches", None));
        assert!(activated.is_ok() != retired.is_ok(), "round {round}: {activated:?} {retired:?}");
        references::activate(pool, "branches", 1, None).await.unwrap();
        config::activate(pool, Kind::Feed, "visits", 2, &change, &settings).await.unwrap();
    }
}
