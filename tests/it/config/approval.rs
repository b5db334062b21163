//! Two people: one applies, another activates.

use fabric::config::{self, Applied, Change, ConfigError, Edit, Edited, Kind, WaitsFor};
use sqlx::PgPool;

use super::{active, cards, load};
use crate::database::Database;

const WAITING: fn(i32) -> Applied = |version| Applied::Waiting { version, waits_for: WaitsFor::Approval };

fn careful(minimum: u32) -> String {
    format!("approval: required\n{}", cards(minimum))
}

/// Those whom `dev/stack` lets log in.
const ANNA: &str = "fabric_anna";
const BEN: &str = "fabric_ben";

/// Connections of the two, who may edit config but not write approvals themselves.
async fn people(database: &Database) -> (PgPool, PgPool) {
    for name in [ANNA, BEN] {
        let grants = format!(
            "grant usage on schema fabric to {name}; grant create on schema public to {name};
             grant select, insert, update on all tables in schema fabric to {name};
             grant usage on all sequences in schema fabric to {name};
             grant execute on function fabric.approve_feed(text, integer, text) to {name};
             revoke insert, update on fabric.feed_approvals from {name}"
        );
        database.run(&grants).await;
    }
    (login(database, ANNA), login(database, BEN))
}

fn login(database: &Database, name: &str) -> PgPool {
    fabric::postgres::pool(&database.settings_of(name), "fabric test").unwrap()
}

async fn apply(pool: &PgPool, document: &str) -> Edited {
    config::edit_feed(pool, "cards.yaml", document, &Edit::default(), &load()).await.unwrap()
}

async fn activate(pool: &PgPool, version: i32) -> Result<config::Activated, ConfigError> {
    config::activate(pool, Kind::Feed, "cards", version, &Change::default(), &load()).await
}

#[tokio::test]
async fn who_applied_a_version_cannot_activate_it_and_somebody_else_can() {
    let database = Database::new().await;
    let (anna, ben) = people(&database).await;
    assert_eq!(apply(&anna, &careful(1)).await.applied, WAITING(1));
    let own = activate(&anna, 1).await.unwrap_err();
    assert!(matches!(&own, ConfigError::OwnApproval { author, .. } if author == ANNA), "{own}");
    assert_eq!(database.number("select count(*) from fabric.feeds").await, 0);
    activate(&ben, 1).await.unwrap();
    assert_eq!(active(&database, "cards").await, 1);
    // What is approved stays so: its author goes back to it without asking again.
    assert_eq!(apply(&ben, &careful(2)).await.applied, WAITING(2));
    activate(&anna, 2).await.unwrap();
    assert_eq!(
        config::roll_back(&anna, Kind::Feed, "cards", None, &Change::default(), &load()).await.unwrap().version,
        1
    );
    let who = format!(
        "select count(*) from fabric.audit_log where action = 'approve' and (who, after) in (('{BEN}', 1), ('{ANNA}', 2))"
    );
    assert_eq!(database.number(&who).await, 2);
    let history = config::history(&database.pool, Kind::Feed, "cards").await.unwrap();
    assert_eq!(history[1].approved_by.as_deref(), Some(BEN));
}

#[tokio::test]
async fn leaving_the_approval_out_needs_one_too() {
    let database = Database::new().await;
    let (anna, ben) = people(&database).await;
    apply(&anna, &careful(1)).await;
    activate(&ben, 1).await.unwrap();
    assert_eq!(apply(&anna, &cards(2)).await.applied, WAITING(2));
    activate(&anna, 2).await.unwrap_err();
    // Neither by retiring the feed first.
    config::retire(&anna, Kind::Feed, "cards", None).await.unwrap();
    assert_eq!(apply(&anna, &cards(2)).await.applied, WAITING(2));
    activate(&ben, 2).await.unwrap();
    assert_eq!(apply(&anna, &cards(3)).await.applied, Applied::New { version: 3 });
}

#[tokio::test]
async fn the_pointer_and_the_approvals_cannot_be_written_past_the_function() {
    let database = Database::new().await;
    let (anna, ben) = people(&database).await;
    apply(&anna, &careful(1)).await;
    activate(&ben, 1).await.unwrap();
    apply(&anna, &careful(2)).await;
    for statement in [
        "update fabric.feeds set active_version = 2",
        "insert into fabric.feeds values ('cards', 2) on conflict (feed) do update set active_version = 2",
        "insert into fabric.feed_approvals (feed, version) values ('cards', 2)",
        "select fabric.approve_feed('cards', 2, null)",
    ] {
        let error = sqlx::raw_sql(statement).execute(&anna).await.unwrap_err();
        let code = error.as_database_error().and_then(|error| error.code()).unwrap().into_owned();
        assert!(["FB001", "42501"].contains(&code.as_str()), "{statement}: {error}");
    }
    assert_eq!(active(&database, "cards").await, 1);
}
