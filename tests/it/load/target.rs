//! Target tables and versions of feeds.

use fabric::config::{Applied, ConfigError, active_feed, apply_feed, feed_version, list_feeds};
use fabric::settings::Settings;

use super::bench::{Bench, KEYED};
use crate::database::Database;

#[tokio::test]
async fn eight_appliers_at_once_make_one_table_and_one_history() {
    let database = Database::new().await;
    let load = Settings::default().load;
    let applied =
        futures::future::join_all((0..8).map(|_| apply_feed(&database.pool, "cards.yaml", KEYED, &load))).await;
    let new = applied.iter().filter(|applied| matches!(applied, Ok((_, Applied::New { version: 1 })))).count();
    let same = applied.iter().filter(|applied| matches!(applied, Ok((_, Applied::Unchanged { version: 1 })))).count();
    assert_eq!((new, same), (1, 7));
    let feeds = list_feeds(&database.pool).await.unwrap();
    assert_eq!((feeds.len(), feeds[0].target.as_str(), feeds[0].active_version), (1, "public.cards", 1));
    assert_eq!(database.number("select count(*) from pg_indexes where tablename = 'cards'").await, 2);
}

#[tokio::test]
async fn another_document_is_another_version_and_an_old_one_comes_back() {
    let bench = Bench::new(KEYED, "").await;
    let pool = &bench.database.pool;
    let other = KEYED.replace("minimum: 0", "minimum: 1");
    let (_, applied) = apply_feed(pool, "cards.yaml", &other, &bench.load).await.unwrap();
    assert_eq!(applied, Applied::New { version: 2 });
    assert_eq!(active_feed(pool, "cards").await.unwrap().version, 2);
    let (_, applied) = apply_feed(pool, "cards.yaml", KEYED, &bench.load).await.unwrap();
    assert_eq!(applied, Applied::Unchanged { version: 1 });
    assert_eq!(active_feed(pool, "cards").await.unwrap().version, 1);
    assert_eq!(feed_version(pool, "cards", 2).await.unwrap().document, other);
    let missing = active_feed(pool, "card").await.map(|_| ()).unwrap_err();
    assert!(matches!(&missing, ConfigError::NoFeed { hint, .. } if hint == "did you mean cards?"), "{missing}");
}

#[tokio::test]
async fn a_table_that_does_not_fit_is_refused_with_what_mends_it() {
    let database = Database::new().await;
    database.run("create table public.cards (id text, amount integer, region text not null, _record_no bigint)").await;
    let refused = apply_feed(&database.pool, "cards.yaml", KEYED, &Settings::default().load).await.unwrap_err();
    let said = refused.to_string();
    for mend in [
        "add column _job_id bigint",
        "alter column \"amount\" type numeric(12,2)",
        "alter column \"region\" drop not null",
        "create unique index \"cards_pkey\" on \"public\".\"cards\" (\"id\")",
    ] {
        assert!(said.contains(mend), "{said}");
    }
    assert_eq!(database.number("select count(*) from fabric.feed_versions").await, 0);
}

#[tokio::test]
async fn a_view_and_a_forbidden_schema_are_refused() {
    let database = Database::new().await;
    let load = Settings::default().load;
    database.run("create view public.cards as select 1 as id").await;
    let view = apply_feed(&database.pool, "cards.yaml", KEYED, &load).await.unwrap_err().to_string();
    assert!(view.contains("is no table"), "{view}");
    let document = KEYED.replace("schema: public", "schema: elsewhere");
    let schema = apply_feed(&database.pool, "cards.yaml", &document, &load).await.unwrap_err().to_string();
    assert!(schema.contains("target_schemas"), "{schema}");
}
