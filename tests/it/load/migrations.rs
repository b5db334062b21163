//! fabric's own tables.

use fabric::postgres::{NotMigrated, check_migrated, migrate};

use crate::database::Database;

#[tokio::test]
async fn migrating_twice_changes_nothing_the_second_time() {
    let database = Database::empty().await;
    let files = std::fs::read_dir("migrations").unwrap().count();
    assert!(matches!(check_migrated(&database.pool).await, Err(NotMigrated::Pending(count)) if count == files));
    assert_eq!(migrate(&database.pool).await.unwrap(), files);
    assert_eq!(migrate(&database.pool).await.unwrap(), 0);
    check_migrated(&database.pool).await.unwrap();
    let schemas = std::fs::read_dir("schemas").unwrap().map(|entry| entry.unwrap().path());
    let schemas = schemas.filter(|path| path.extension().is_some_and(|extension| extension == "avsc")).count();
    assert_eq!(database.number("select count(*) from fabric.schemas").await, i64::try_from(schemas).unwrap());
}

#[tokio::test]
async fn eight_processes_that_migrate_at_once_do_it_once() {
    let database = Database::empty().await;
    let applied = futures::future::join_all((0..8).map(|_| migrate(&database.pool))).await;
    assert!(applied.iter().all(Result::is_ok), "{applied:?}");
    check_migrated(&database.pool).await.unwrap();
}

#[tokio::test]
async fn tables_that_are_not_there_are_described_with_what_to_run() {
    let database = Database::empty().await;
    let error = sqlx::query("select from fabric.jobs").execute(&database.pool).await.unwrap_err();
    let said = fabric::postgres::describe(&error, &database.settings);
    assert!(said.ends_with("Run `fabric migrate`."), "{said}");
}
