//! The sets that a process holds.

use std::sync::Arc;

use fabric::config::references::{self, ReferenceError, ReferenceSets};
use fabric::postgres::ServicePool;
use fabric::rules::SetFile;

use crate::database::Database;

async fn load(database: &Database, keys: impl Iterator<Item = String>) {
    let text = format!("code\n{}\n", keys.collect::<Vec<_>>().join("\n"));
    let file = SetFile::read("keys.csv", text.as_bytes(), &[]).unwrap();
    references::load(&database.pool, "keys", &file, None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_read_once_shared_by_all_and_freed_with_the_last() {
    let database = Database::new().await;
    load(&database, (0..50_000).map(|n| format!("old{n}"))).await;
    load(&database, (0..1_000).map(|n| format!("new{n}"))).await;
    let pool = ServicePool::watched(database.pool.clone());
    let sets = ReferenceSets::default();
    let asked = (0..16).map(|n| sets.get(&pool, "keys", 1 + n % 2));
    let got: Vec<_> = futures::future::join_all(asked).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(sets.len(), 2);
    for (n, set) in got.iter().enumerate() {
        assert!(Arc::ptr_eq(set, &got[n % 2]), "one of each version");
    }
    assert_eq!((got[0].keys.len(), got[0].columns.as_slice()), (50_000, ["code".to_owned()].as_slice()));
    assert!((0..50_000).all(|n| got[0].keys.contains(format!("old{n}").as_bytes())));
    assert!(got[1].keys.contains(b"new7") && !got[1].keys.contains(b"old7"));
    let kept = Arc::clone(&got[1]);
    drop(got);
    assert_eq!(sets.len(), 1);
    assert!(Arc::ptr_eq(&kept, &sets.get(&pool, "keys", 2).await.unwrap()));
    drop(kept);
    assert!(sets.is_empty());
}

#[tokio::test]
async fn keys_that_were_changed_behind_the_versions_back_are_refused() {
    let database = Database::new().await;
    load(&database, (0..10).map(|n| format!("k{n}"))).await;
    let pool = ServicePool::watched(database.pool.clone());
    let sets = ReferenceSets::default();
    for change in [
        "update fabric.reference_keys set key = 'other' where key = 'k3'",
        "delete from fabric.reference_keys where key = 'other'",
    ] {
        database.run(change).await;
        let read = sets.get(&pool, "keys", 1).await.unwrap_err();
        assert!(matches!(read, ReferenceError::Damaged { version: 1, .. }), "{read}");
    }
    assert!(sets.is_empty());
}
