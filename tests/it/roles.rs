//! Roles beside the owner of fabric's tables: each does its work and no more.

use sqlx::{AssertSqlSafe, PgPool};

use crate::database::Database;
use crate::installation::Installation;

/// Logs in, and is a member of `fabric_app` alone.
const WORKER: &str = "fabric_worker";

async fn login(database: &Database, member_of: &str) -> PgPool {
    let roles = "select count(*) from pg_roles where rolname in ('fabric_worker', 'fabric_app')";
    assert_eq!(database.number(roles).await, 2, "the server is of an older dev/stack: dev/stack restart postgres");
    let member = format!("select pg_has_role('{WORKER}', '{member_of}', 'member')::integer::bigint");
    assert_eq!(database.number(&member).await, 1);
    fabric::postgres::pool(&database.settings_of(WORKER), "fabric test").unwrap()
}

async fn refused(pool: &PgPool, statement: &str) {
    let done = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(pool).await;
    let error = done.map(drop).expect_err(statement);
    let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default();
    // insufficient_privilege
    assert_eq!(code, "42501", "{statement}: {error}");
}

#[tokio::test]
async fn processes_that_are_members_of_fabric_app_take_a_job_to_its_end() {
    let mut installation = Installation::new().await;
    installation.apply_card_transactions();
    installation.database.run("grant select, insert on public.card_transactions to fabric_app").await;
    let owner = installation.database.settings.url.clone();
    login(&installation.database, "fabric_app").await.close().await;
    installation.set("FABRIC_POSTGRES_URL", &installation.database.settings_of(WORKER).url);
    let steward = installation.start(&["steward"]);
    let validator = installation.validator();
    let file = installation.card_transactions("cards.txt", 2_000);
    let report = installation.json(0, &["ingest", "card-transactions", &file, "--wait", "--json"]);
    assert_eq!(report["state"], "completed", "{report}");
    assert!(report["rejected"].as_u64().unwrap() > 0, "{report}");
    installation.until(3, "select count(*) from pg_inherits where inhparent = 'fabric.rejects'::regclass").await;
    let processes = installation.succeed(&["config", "status"]);
    assert!(processes.contains("feed/card-transactions"), "{processes}");
    let again = installation.json(0, &["ingest", "card-transactions", &file, "--again", "--json"])["job"].to_string();
    installation.succeed(&["jobs", "cancel", &again, "--yes"]);
    let audited = installation.json(0, &["audit", &again, "--kind", "job", "--json"]);
    assert_eq!((&audited[0]["who"], &audited[0]["action"]), (&WORKER.into(), &"cancel".into()), "{audited}");
    assert!(steward.log().contains("leads as steward") || validator.log().contains("leads as steward"));
    for process in [steward, validator] {
        let log = process.terminate();
        assert!(!log.contains("permission denied"), "{log}");
    }
    installation.set("FABRIC_POSTGRES_URL", &owner);
    assert_eq!(installation.succeed(&["migrate"]).lines().count(), 1, "granting again changes nothing");
}

#[tokio::test]
async fn what_has_happened_and_what_is_active_is_not_for_fabric_app_to_write() {
    let database = Database::new().await;
    let worker = login(&database, "fabric_app").await;
    sqlx::query("insert into fabric.audit_log (action, kind, name) values ('cancel', 'job', '1')")
        .execute(&worker)
        .await
        .unwrap();
    for statement in [
        "update fabric.audit_log set who = 'nobody'",
        "delete from fabric.audit_log",
        "truncate fabric.audit_log",
        "alter table fabric.audit_log disable trigger append_only",
        "drop trigger append_only on fabric.audit_log",
        "insert into fabric.schemas (fingerprint, name, document) values ('\\x0001020304050607', 'x', '{}')",
        "select fabric.add_schema('\\x0001020304050607', 'x', '{}')",
        "drop table fabric.audit_log",
        "insert into fabric.feed_versions (feed, version, document, sha256) values ('x', 1, '', '')",
        "update fabric.feed_versions set document = ''",
        "delete from fabric.template_versions",
        "update fabric.reference_keys set key = ''",
        "insert into fabric.feeds (feed, active_version) values ('x', 1)",
        "update fabric.feeds set active_version = 2",
        "update fabric.reference_sets set retired_at = now()",
        "insert into fabric.feed_approvals (feed, version) values ('x', 1)",
        "select fabric.approve_feed('x', 1, null)",
        "select fabric.grant_roles()",
        "delete from fabric.migrations",
        "create table fabric.own (a integer)",
    ] {
        refused(&worker, statement).await;
    }
    // What it locks when it registers a job.
    sqlx::raw_sql("select from fabric.feeds for share; select from fabric.reference_sets for share")
        .execute(&worker)
        .await
        .unwrap();
}

#[tokio::test]
async fn people_have_what_their_role_is_for() {
    let database = Database::new().await;
    let holds = async |role: &str, privilege: &str, table: &str| {
        let asked = format!("select has_table_privilege('{role}', 'fabric.{table}', '{privilege}')::integer::bigint");
        database.number(&asked).await == 1
    };
    for role in ["fabric_app", "fabric_reader", "fabric_analyst", "fabric_approver", "fabric_operator"] {
        for table in ["jobs", "chunk_ledger", "rejects", "feeds", "audit_log", "config_current"] {
            assert!(holds(role, "select", table).await, "{role} {table}");
        }
        for privilege in ["update", "delete", "truncate"] {
            assert!(!holds(role, privilege, "audit_log").await, "{role} {privilege}");
        }
        assert_eq!(holds(role, "insert", "audit_log").await, role != "fabric_reader", "{role}");
        assert_eq!(holds(role, "insert", "feed_versions").await, role == "fabric_analyst", "{role}");
        let edits = ["fabric_analyst", "fabric_approver"].contains(&role);
        assert_eq!(holds(role, "update", "feeds").await, edits, "{role}");
        let runs = ["fabric_app", "fabric_operator"].contains(&role);
        assert_eq!(holds(role, "update", "jobs").await, runs, "{role}");
        assert_eq!(holds(role, "update", "streams").await, runs, "{role}");
        let approves = format!(
            "select has_function_privilege('{role}', 'fabric.approve_feed(text, integer, text)', 'execute')::integer::bigint"
        );
        assert_eq!(database.number(&approves).await == 1, role == "fabric_approver", "{role}");
    }
}
