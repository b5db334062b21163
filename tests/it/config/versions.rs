//! One thing's versions: applied, activated, gone back to, compared, retired.

use fabric::config::{
    self, Applied, Change, Comparison, ConfigError, Edit, Kind, Stage, VersionState, WaitsFor, activate, roll_back,
};
use fabric::load::TargetChange;

use super::{active, apply, cards, edit, is_new, load};
use crate::database::Database;
use crate::installation::{Installation, told};

const NONE: Change<'static> = Change { message: None, target: TargetChange::Propose, propagate: config::Propagate::No };

#[tokio::test]
async fn an_edit_based_on_an_old_version_is_refused_with_the_difference() {
    let database = Database::new().await;
    apply(&database, &cards(1)).await;
    apply(&database, &cards(2)).await;
    let late = Edit { based_on: Some(1), ..Edit::default() };
    let refused = edit(&database, &cards(3), late).await.unwrap_err();
    assert!(matches!(&refused, ConfigError::Moved { based_on: 1, current: 2, .. }), "{refused}");
    let said = refused.to_string();
    for words in
        ["feed cards is at v2", "-  - { name: amount, type: integer, minimum: 1 }", "+++ cards v2", "--based-on 2"]
    {
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(database.number("select count(*) from fabric.feed_versions").await, 2);
    let current = Edit { based_on: Some(2), ..Edit::default() };
    assert!(is_new(&edit(&database, &cards(3), current).await.unwrap(), 3));
    // A lost answer, asked for again.
    assert_eq!(edit(&database, &cards(3), current).await.unwrap().applied, Applied::Unchanged { version: 3 });
    let nothing = edit(&database, &cards(1).replace("feed: cards", "feed: other"), current).await.unwrap_err();
    assert!(matches!(nothing, ConfigError::NothingToBaseOn { .. }), "{nothing}");
}

#[tokio::test]
async fn a_rollback_goes_back_one_version_each_time_and_says_so_in_the_history() {
    let database = Database::new().await;
    for minimum in 1..=3 {
        let message = format!("at least {minimum}");
        edit(&database, &cards(minimum), Edit { message: Some(&message), ..Edit::default() }).await.unwrap();
    }
    let back = async |to| roll_back(&database.pool, Kind::Feed, "cards", to, &NONE, &load()).await;
    assert_eq!((back(None).await.unwrap().version, active(&database, "cards").await), (2, 2));
    assert_eq!((back(None).await.unwrap().version, active(&database, "cards").await), (1, 1));
    let none = back(None).await.unwrap_err();
    assert!(matches!(none, ConfigError::NothingBefore { .. }), "{none}");
    assert_eq!(back(Some(3)).await.unwrap().before, Some(1));
    let missing = back(Some(7)).await.unwrap_err().to_string();
    assert_eq!(missing, "there is no feed cards v7; its newest version is 3");
    let history = config::history(&database.pool, Kind::Feed, "cards").await.unwrap();
    let seen: Vec<_> = history.iter().map(|v| (v.version, v.state, v.based_on, v.message.as_deref())).collect();
    let expected = [
        (3, VersionState::Active, Some(2), Some("at least 3")),
        (2, VersionState::Earlier, Some(1), Some("at least 2")),
        (1, VersionState::Earlier, None, Some("at least 1")),
    ];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_draft_changes_nothing_until_it_is_activated() {
    let database = Database::new().await;
    apply(&database, &cards(1)).await;
    let draft = Edit { stage: Stage::Draft, ..Edit::default() };
    let waiting = Applied::Waiting { version: 2, waits_for: WaitsFor::Activation };
    assert_eq!(edit(&database, &cards(2), draft).await.unwrap().applied, waiting);
    assert_eq!(active(&database, "cards").await, 1);
    assert_eq!(database.number("select count(*) from fabric.outbox where topic = 'config'").await, 1);
    let done = activate(&database.pool, Kind::Feed, "cards", 2, &NONE, &load()).await.unwrap();
    assert_eq!((done.before, active(&database, "cards").await), (Some(1), 2));
    assert_eq!(database.number("select count(*) from fabric.outbox where topic = 'config'").await, 2);
    // Nothing is active of a feed that has drafts alone.
    edit(&database, &cards(1).replace("feed: cards", "feed: other"), draft).await.unwrap();
    let none = config::active_feed(&database.pool, "other").await.map(|_| ()).unwrap_err().to_string();
    assert!(none.contains("fabric feeds activate other 1"), "{none}");
}

#[tokio::test]
async fn two_versions_are_compared_line_by_line() {
    let database = Database::new().await;
    apply(&database, &cards(1)).await;
    apply(&database, &cards(2)).await;
    let compare =
        async |from, to| config::compare(&database.pool, Kind::Feed, "cards", Comparison { from, to }).await.unwrap();
    let shown = compare(None, None).await.unwrap();
    assert!(shown.contains("--- cards v1\n+++ cards v2\n") && shown.contains("+  - { name: amount"), "{shown}");
    assert_eq!(compare(Some(2), Some(2)).await, None);
    assert!(compare(Some(2), Some(1)).await.unwrap().contains("--- cards v2\n+++ cards v1\n"));
}

#[tokio::test]
async fn a_version_that_the_target_cannot_take_is_not_activated_and_its_columns_are_added_on_request() {
    let database = Database::new().await;
    apply(&database, &cards(1)).await;
    let wider = cards(1) + "  - { name: branch, type: string, required: true }\n";
    let refused = edit(&database, &wider, Edit::default()).await.unwrap_err().to_string();
    assert!(refused.contains("alter table \"public\".\"cards\" add column \"branch\" text"), "{refused}");
    assert!(refused.contains("--migrate-target"), "{refused}");
    assert_eq!(
        (active(&database, "cards").await, database.number("select count(*) from fabric.feed_versions").await),
        (1, 1)
    );
    edit(&database, &wider, Edit { stage: Stage::Draft, ..Edit::default() }).await.unwrap();
    activate(&database.pool, Kind::Feed, "cards", 2, &NONE, &load()).await.unwrap_err();
    let change = Change { target: TargetChange::Migrate, ..NONE };
    let done = activate(&database.pool, Kind::Feed, "cards", 2, &change, &load()).await.unwrap();
    assert_eq!(done.migrated, ["alter table \"public\".\"cards\" add column \"branch\" text"]);
    assert_eq!(active(&database, "cards").await, 2);
    // What is not a missing column is told, and no column is added beside it.
    let other = wider
        .replace("name: amount, type: integer", "name: amount, type: date")
        .replace("minimum: 1 }", "}, { name: late, type: date }");
    let other = other.replace("type: date, }", "type: date }").replace("}, { name: late", "}\n  - { name: late");
    let migrate = Edit { target: TargetChange::Migrate, ..Edit::default() };
    let refused = edit(&database, &other, migrate).await.unwrap_err().to_string();
    assert!(refused.contains("alter column \"amount\" type date"), "{refused}");
    let late = "select count(*) from information_schema.columns where table_name = 'cards' and column_name = 'late'";
    assert_eq!(database.number(late).await, 0);
}

#[tokio::test]
async fn a_retired_feed_takes_no_new_job_and_its_old_ones_go_on() {
    let installation = Installation::new().await;
    installation.apply_card_transactions();
    let (first, second) =
        (installation.card_transactions("a.txt", 2_000), installation.card_transactions("b.txt", 3_000));
    let registered = installation.json(0, &["ingest", "card-transactions", &first, "--json"]);
    installation.succeed(&["feeds", "retire", "card-transactions", "--message", "replaced"]);
    let refused = installation.run(&["ingest", "card-transactions", &second]);
    let said = told(&refused);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("is retired") && said.contains("fabric feeds activate card-transactions 1"), "{said}");
    let validator = installation.validator();
    let job = registered["job"].to_string();
    let report = installation.json(0, &["jobs", "wait", &job, "--json"]);
    assert_eq!(report["records"], 2_000, "{report}");
    installation.succeed(&["feeds", "activate", "card-transactions", "1"]);
    installation.json(0, &["ingest", "card-transactions", &second, "--wait", "--json"]);
    validator.terminate();
    let listed = installation.json(0, &["feeds", "list", "--json"]);
    assert_eq!(listed[0]["retired"], false, "{listed}");
}

#[tokio::test]
async fn a_definition_over_a_mebibyte_or_with_an_odd_name_is_refused() {
    let installation = Installation::bare(Database::new().await);
    let long = installation.write("long.yaml", cards(1) + "# " + &"x".repeat(1 << 20));
    for group in ["feeds", "templates"] {
        let refused = installation.run(&[group, "apply", &long]);
        let said = told(&refused);
        assert!(refused.status.code() == Some(2) && said.contains("more than 1048576 bytes"), "{said}");
    }
    for name in ["Cards", "../cards", "cards; drop table x", "karten-\u{fc}", "", "-cards"] {
        let feed = installation.write("odd.yaml", cards(1).replace("feed: cards", &format!("feed: {name:?}")));
        let template = installation.write("odd-template.yaml", format!("template: {name:?}\n"));
        for (group, file) in [("feeds", &feed), ("templates", &template)] {
            let refused = installation.run(&[group, "apply", file]);
            let said = told(&refused);
            assert!(refused.status.code() == Some(2) && said.contains("expected kebab-case"), "{name:?} {said}");
            let shown = installation.run(&[group, "history", "--", name]);
            let said = told(&shown);
            assert!(shown.status.code() == Some(2) && said.contains("there is no "), "{name:?} {said}");
        }
    }
    assert_eq!(installation.database.number("select count(*) from fabric.audit_log").await, 0);
}
