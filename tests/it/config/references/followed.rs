//! A set's change on its way to every process: the version before serves on until the next is whole, and nothing else waits.

use fabric::config::references::{self, Stored};
use fabric::config::{Kind, Live, Pinned, Reads, ReferencePins, Thing};
use fabric::rules::SetFile;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use super::super::following::{eventually, live};
use super::csv;
use crate::database::Database;
use crate::installation::Installation;

/// A feed that looks its branch up; the number makes versions of it.
fn visits(number: u32) -> String {
    format!(
        "feed: visits\nlayout: {{ format: delimited, header: false }}\nfields:\n  - {{ name: id, type: integer, minimum: \
         {number} }}\n  - {{ name: branch, type: string }}\nrules:\n  - {{ name: known-branch, fields: [branch], \
         reference: branches }}\n"
    )
}

async fn load(database: &Database, keys: &[&str]) -> i32 {
    let file = SetFile::read("branches.csv", csv(keys).as_bytes(), &[]).unwrap();
    let stored = references::load(&database.pool, "branches", &file, None).await.unwrap();
    let (Stored::New { version, .. } | Stored::Unchanged { version, .. }) = stored;
    version
}

fn branches() -> Thing {
    Thing { kind: Kind::Reference, name: "branches".into() }
}

fn pinned(version: i32, set: i32) -> Pinned {
    Pinned { feed: "visits".into(), version, references: ReferencePins::from([("branches".to_owned(), set)]) }
}

async fn until(live: &Live, kind: Kind, name: &str, version: i32) {
    let thing = Thing { kind, name: name.into() };
    let what = format!("{thing} v{version} is applied");
    eventually(&what, async || live.known().get(&thing).is_some_and(|active| active.version == version)).await;
}

/// Two versions of the set, of which the first is active, and a process that has never held the second.
async fn installation() -> (Installation, crate::installation::Process) {
    let installation = Installation::new().await;
    let steward = installation.start(&["steward"]);
    assert_eq!(load(&installation.database, &["ZRH"]).await, 1);
    assert_eq!(load(&installation.database, &["BSL"]).await, 2);
    references::rollback(&installation.database.pool, "branches", None, None).await.unwrap();
    super::super::apply(&installation.database, &visits(0)).await;
    (installation, steward)
}

/// Nobody can read a set until the transaction ends.
async fn hold_keys(connection: &mut PgConnection) -> sqlx::Transaction<'_, sqlx::Postgres> {
    let mut transaction = connection.begin().await.unwrap();
    sqlx::raw_sql("lock table fabric.reference_keys in access exclusive mode")
        .execute(&mut *transaction)
        .await
        .unwrap();
    transaction
}

async fn until_somebody_reads(database: &Database) {
    let waits = "select count(*) from pg_locks where not granted and relation = 'fabric.reference_keys'::regclass
                    and database = (select oid from pg_database where datname = current_database())";
    eventually("somebody reads the set", async || database.number(waits).await > 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_set_is_read_the_version_before_serves_on_and_no_other_change_waits() {
    let (installation, _steward) = installation().await;
    let database = &installation.database;
    let (process, _health) = live(&installation, &installation.settings());
    until(&process, Kind::Feed, "visits", 1).await;
    eventually("its plan is ready", async || process.cache().plan_figures().loads == 1).await;
    let mut connection = database.connect().await;
    let held = hold_keys(&mut connection).await;
    references::activate(&database.pool, "branches", 2, None).await.unwrap();
    until_somebody_reads(database).await;

    let loads = process.cache().plan_figures().loads;
    let plan = process.cache().plan(&pinned(1, 1), None).await.unwrap();
    assert_eq!((plan.version, process.cache().plan_figures().loads), (1, loads));
    assert_eq!(process.known().get(&branches()).unwrap().version, 1);
    let active = process.cache().active(&branches(), Reads::Fresh).await.unwrap().unwrap();
    assert_eq!(active.version, 2, "what is active is no secret meanwhile");
    super::super::apply(database, &super::super::cards(1)).await;
    until(&process, Kind::Feed, "cards", 1).await;
    assert_eq!(process.known().get(&branches()).unwrap().version, 1, "it is still being read");

    held.rollback().await.unwrap();
    until(&process, Kind::Reference, "branches", 2).await;
    let loads = process.cache().plan_figures().loads;
    process.cache().plan(&pinned(1, 2), None).await.unwrap();
    assert_eq!(process.cache().plan_figures().loads, loads, "it was ready before it was known");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_and_its_set_that_change_at_the_same_time_are_ready_together() {
    let (installation, _steward) = installation().await;
    let database = &installation.database;
    let (process, _health) = live(&installation, &installation.settings());
    eventually("its plan is ready", async || process.cache().plan_figures().loads == 1).await;
    let mut connection = database.connect().await;
    let held = hold_keys(&mut connection).await;
    references::activate(&database.pool, "branches", 2, None).await.unwrap();
    until_somebody_reads(database).await;
    super::super::apply(database, &visits(7)).await;
    until(&process, Kind::Feed, "visits", 2).await;
    held.rollback().await.unwrap();
    // v1 and v2 of the feed, each with v1 and v2 of the set.
    eventually("each with each is ready", async || process.cache().plan_figures().loads == 4).await;
    process.cache().plan(&pinned(2, 2), None).await.unwrap();
    assert_eq!(process.cache().plan_figures().loads, 4);
}

#[tokio::test]
async fn every_process_follows_a_set_and_the_next_job_is_judged_by_it() {
    let (installation, _steward) = installation().await;
    let validators = [installation.validator(), installation.validator()];
    // Both keys, many times, in chunks for both validators.
    let lines: String = (0..400).map(|n| format!("{n},{}\n", ["ZRH", "BSL"][n % 2])).collect();
    let file = installation.write("visits.csv", lines);
    let judged = || {
        let arguments = ["ingest", "visits", &file, "--wait", "--again", "--json"];
        let report = installation.json(0, &arguments);
        (report["loaded"].clone(), report["rejectsByRule"]["known-branch"].clone())
    };
    let hold = async |version: i64| {
        eventually(&format!("all hold v{version}"), async || {
            let told = installation.json(0, &["config", "status", "--json"]);
            let processes = told["processes"].as_array().unwrap();
            let holds = |process: &serde_json::Value| {
                process["doing"]["config"]["things"]["reference/branches"][0] == version
                    && process["behind"] == json!([])
            };
            processes.len() == 3 && processes.iter().all(holds)
        })
        .await;
    };
    hold(1).await;
    assert_eq!(judged(), (json!(200), json!(200)));
    assert_eq!(load(&installation.database, &["ZRH", "BSL"]).await, 3);
    hold(3).await;
    assert_eq!(judged(), (json!(400), json!(null)));
    installation.succeed(&["references", "activate", "branches", "2"]);
    hold(2).await;
    assert_eq!(judged(), (json!(200), json!(200)));
    for validator in validators {
        validator.terminate();
    }
}
