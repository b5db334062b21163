//! Versions of a set: loaded, appended to, compared, chosen, retired.

use fabric::config::references;
use fabric::rules::SetFile;
use serde_json::json;

use super::{csv, load, refused};
use crate::database::Database;
use crate::installation::Installation;

async fn installation() -> Installation {
    Installation::bare(Database::new().await)
}

#[tokio::test]
async fn a_set_is_loaded_and_the_same_keys_are_the_same_version() {
    let installation = installation().await;
    assert_eq!(load(&installation, "branches", &["ZRH", "BSL"]), "branches v1  loaded, 2 keys of code\n");
    assert_eq!(load(&installation, "branches", &["BSL", "ZRH"]), "branches v1  unchanged, 2 keys\n");
    assert_eq!(load(&installation, "branches", &["GVA"]), "branches v2  loaded, 1 key of code\n");
    assert_eq!(load(&installation, "branches", &["ZRH", "BSL"]), "branches v1  unchanged, 2 keys\n");
    let shown = installation.json(0, &["references", "show", "branches", "--json"]);
    assert_eq!((&shown["version"], &shown["active"], &shown["keys"]), (&json!(1), &json!(true), &json!(2)));
    assert_eq!(installation.succeed(&["references", "show", "branches", "--keys"]), "code\nBSL\nZRH\n");
}

#[tokio::test]
async fn a_key_is_made_of_the_columns_that_are_asked_for() {
    let installation = installation().await;
    let file = installation.write("pairs.csv", "name,code,country\n\"Basel, old\",BSL,CH\nParis,CDG,FR\n");
    let columns = ["references", "load", "pairs", &file, "--columns", "country,code"];
    assert_eq!(installation.succeed(&columns), "pairs v1  loaded, 2 keys of country, code\n");
    assert_eq!(installation.succeed(&["references", "show", "pairs", "--keys"]), "country,code\nCH,BSL\nFR,CDG\n");
    let same = installation.succeed(&["references", "load", "pairs", &file]);
    assert_eq!(same, "pairs v1  unchanged, 2 keys\n", "the next version has the columns of the last");
}

#[tokio::test]
async fn appending_makes_a_version_with_the_keys_of_both() {
    let installation = installation().await;
    load(&installation, "branches", &["ZRH", "BSL"]);
    let more = installation.write("more.csv", csv(&["GVA", "ZRH"]));
    let said = installation.succeed(&["references", "append", "branches", &more]);
    assert_eq!(said, "branches v2  loaded, 3 keys of code; 1 of the file's was there already\n");
    assert_eq!(installation.succeed(&["references", "append", "branches", &more]), "branches v2  unchanged, 3 keys\n");
    let difference = installation.succeed(&["references", "diff", "branches", "1"]);
    assert_eq!(difference, "  + GVA\nbranches v1 to v2  1 added, 0 removed\n");
    let other = installation.write("other.csv", "name\nBern\n");
    let absent = refused(&installation, 2, &["references", "append", "branches", &other]);
    assert!(absent.contains("other.csv:1  there is no column `code`; there are name"), "{absent}");
    let append = ["references", "append", "branches", &other, "--columns", "name"];
    let refused = refused(&installation, 2, &append);
    assert!(refused.contains("the key of branches v2 is the column code, the file's is the column name"), "{refused}");
}

#[tokio::test]
async fn appends_at_once_lose_no_key() {
    let database = Database::new().await;
    let file = |keys: &[String]| {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        SetFile::read("keys.csv", csv(&keys).as_bytes(), &[]).unwrap()
    };
    references::load(&database.pool, "keys", &file(&["first".to_owned()]), None).await.unwrap();
    let files: Vec<SetFile> = (0..8).map(|n| file(&[format!("a{n}"), format!("b{n}")])).collect();
    let appends = files.iter().map(|file| references::append(&database.pool, "keys", file, Some("together")));
    for appended in futures::future::join_all(appends).await {
        appended.unwrap();
    }
    let (versions, active) = references::history(&database.pool, "keys").await.unwrap();
    assert_eq!((versions.len(), active, versions[0].keys), (9, Some(9), 17));
    assert!(versions.iter().zip(&versions[1..]).all(|(new, old)| new.based_on == Some(old.version)));
}

#[tokio::test]
async fn a_version_is_gone_back_to_and_a_set_is_retired_and_brought_back() {
    let installation = installation().await;
    load(&installation, "branches", &["ZRH", "BSL"]);
    load(&installation, "branches", &["ZRH", "GVA"]);
    let run = |arguments: &[&str]| installation.succeed(&[&["references"], arguments].concat());
    assert_eq!(run(&["rollback", "branches", "--message", "too early"]), "branches v1  active, instead of v2\n");
    assert_eq!(run(&["diff", "branches", "1", "2"]), "  - BSL\n  + GVA\nbranches v1 to v2  1 added, 1 removed\n");
    let refused = refused(&installation, 2, &["references", "rollback", "branches"]);
    assert!(refused.contains("v1 is active, and a rollback goes to a version before it"), "{refused}");
    assert_eq!(run(&["activate", "branches", "2"]), "branches v2  active, instead of v1\n");
    assert_eq!(run(&["retire", "branches"]), "branches  retired\n");
    let listed = installation.json(0, &["references", "list", "--json"]);
    assert_eq!((&listed[0]["retired"], &listed[0]["activeVersion"]), (&json!(true), &json!(2)));
    assert_eq!(run(&["activate", "branches", "2"]), "branches v2  active\n");

    let database = &installation.database;
    let audited: Vec<(String, Option<i32>, Option<i32>)> = sqlx::query_as(
        "select action || coalesce(': ' || message, ''), before, after
           from fabric.audit_log where kind = 'reference' order by audit_id",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    let actions: Vec<_> = audited.iter().map(|(action, before, after)| (action.as_str(), *before, *after)).collect();
    let expected = [
        ("apply", None, Some(1)),
        ("apply", Some(1), Some(2)),
        ("rollback: too early", Some(2), Some(1)),
        ("activate", Some(1), Some(2)),
        ("retire", Some(2), Some(2)),
        ("activate", Some(2), Some(2)),
    ];
    assert_eq!(actions, expected);
    let told =
        "select count(distinct (payload->>'revision')::bigint) from fabric.outbox where key = 'reference/branches'";
    assert_eq!(database.number(told).await, 6, "each change is told with a revision of its own");
}
