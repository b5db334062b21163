//! Who changed what.

use std::time::Duration;

use fabric::config::{self, AuditQuery, Change, Edit, Kind};
use fabric::jobs::{self, Claim, CutBy};

use super::{apply, cards, edit, load};
use crate::database::Database;
use crate::installation::Installation;
use crate::jobs::given;

#[tokio::test]
async fn every_change_is_on_record_with_who_why_and_the_versions() {
    let database = Database::new().await;
    edit(&database, &cards(1), Edit { message: Some("first"), ..Edit::default() }).await.unwrap();
    apply(&database, &cards(2)).await;
    let change = Change { message: Some("too strict"), ..Change::default() };
    config::roll_back(&database.pool, Kind::Feed, "cards", None, &change, &load()).await.unwrap();
    config::retire(&database.pool, Kind::Feed, "cards", Some("gone")).await.unwrap();
    let job = given::job(&database, "loading").await;
    jobs::cancel(&database.pool, job, "wrong file").await.unwrap();
    jobs::cancel(&database.pool, job, "again").await.unwrap();
    let query = AuditQuery { limit: 50, ..AuditQuery::default() };
    let log = config::audit_log(&database.pool, &query).await.unwrap();
    let seen: Vec<_> = log
        .iter()
        .map(|e| (e.action.as_str(), format!("{} {}", e.kind, e.name), e.before, e.after, e.message.as_deref()))
        .collect();
    let cards = "feed cards".to_owned();
    let expected = [
        ("cancel", format!("job {job}"), None, None, Some("wrong file")),
        ("retire", cards.clone(), Some(1), Some(1), Some("gone")),
        ("rollback", cards.clone(), Some(2), Some(1), Some("too strict")),
        ("apply", cards.clone(), Some(1), Some(2), None),
        ("apply", cards, None, Some(1), Some("first")),
    ];
    assert_eq!(seen, expected);
    let user: String = sqlx::query_scalar("select session_user::text").fetch_one(&database.pool).await.unwrap();
    assert!(log.iter().all(|entry| entry.who == user));
}

#[tokio::test]
async fn whoever_brings_a_job_back_is_on_record_and_a_refused_one_leaves_no_trace() {
    let database = Database::new().await;
    let job = given::job(&database, "parked").await;
    jobs::resume(&database.pool, job).await.unwrap();
    database
        .run("update fabric.jobs set state = 'stalled', lease_until = now() - interval '1 second', cutter_version = 9")
        .await;
    let claim = Claim { publisher: "host/2/2", lease: Duration::from_secs(60), cut_by: CutBy::Fabric };
    let Err(refused) = jobs::reopen(&database.pool, job, &claim).await.map(drop) else {
        panic!("the job was cut by another cutter")
    };
    assert!(refused.to_string().contains("was cut by cutter version 9"), "{refused}");
    database.run(&format!("update fabric.jobs set cutter_version = {}", fabric::chunk::CUTTER_VERSION)).await;
    jobs::reopen(&database.pool, job, &claim).await.map(drop).unwrap();
    jobs::cancel(&database.pool, job, "").await.unwrap();
    assert!(jobs::resume(&database.pool, job).await.is_err());
    assert!(jobs::reopen(&database.pool, job, &claim).await.is_err());
    let installation = Installation::bare(database);
    let log = installation.json(0, &["audit", &job.to_string(), "--kind", "job", "--json"]);
    let actions: Vec<_> = log.as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["cancel", "resume", "resume"], "{log}");
}

#[tokio::test]
async fn the_log_is_asked_by_thing_person_and_time() {
    let database = Database::new().await;
    database
        .run(
            "insert into fabric.audit_log (at, who, action, kind, name, after) values
                 ('2026-11-20 10:00Z', 'anna', 'apply', 'feed', 'cards', 1),
                 ('2026-11-21 10:00Z', 'ben', 'apply', 'template', 'cards', 1),
                 ('2026-11-22 10:00Z', 'anna', 'apply', 'feed', 'equities', 1)",
        )
        .await;
    let installation = Installation::bare(database);
    let names = |arguments: &[&str]| {
        let log = installation.json(0, &[&["audit", "--json"], arguments].concat());
        log.as_array().unwrap().iter().map(|e| format!("{} {}", e["kind"], e["name"])).collect::<Vec<_>>().join(", ")
    };
    let [feed, template, other] = [r#""feed" "cards""#, r#""template" "cards""#, r#""feed" "equities""#];
    assert_eq!(names(&[]), format!("{other}, {template}, {feed}"));
    assert_eq!(names(&["cards"]), format!("{template}, {feed}"));
    assert_eq!(names(&["cards", "--kind", "feed"]), feed);
    assert_eq!(names(&["--who", "anna"]), format!("{other}, {feed}"));
    assert_eq!(names(&["--since", "2026-11-21T00:00:00Z", "--until", "2026-11-22T10:00:00Z"]), template);
    assert_eq!(names(&["--limit", "1"]), other);
    assert_eq!(installation.run(&["audit", "--since", "whenever"]).status.code(), Some(2));
}

#[tokio::test]
async fn the_log_takes_new_rows_only() {
    let database = Database::new().await;
    apply(&database, &cards(1)).await;
    for statement in
        ["update fabric.audit_log set who = 'nobody'", "delete from fabric.audit_log", "truncate fabric.audit_log"]
    {
        let error = sqlx::raw_sql(statement).execute(&database.pool).await.unwrap_err();
        assert!(error.to_string().contains("takes new rows only"), "{statement}: {error}");
    }
    assert_eq!(database.number("select count(*) from fabric.audit_log").await, 1);
}
