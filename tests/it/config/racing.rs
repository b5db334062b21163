//! Many edit one thing at once.

use std::time::Duration;

use fabric::config::{self, Applied, ConfigError, Edit, Kind};

use super::{apply, edit};
use crate::database::Database;

/// A feed whose description counts how often each client has edited it.
fn counting(counts: &[u32; 8]) -> String {
    let words: Vec<String> = counts.iter().map(u32::to_string).collect();
    format!("description: {}\n{}", words.join("-"), super::cards(1))
}

fn counts(document: &str) -> [u32; 8] {
    let words = document.lines().next().unwrap().strip_prefix("description: ").unwrap();
    words.split('-').map(|count| count.parse().unwrap()).collect::<Vec<_>>().try_into().unwrap()
}

/// Reads, adds one to its own count, applies; begins anew where another was first. Answers how often it was refused.
async fn client(database: &Database, own: usize, edits: u32) -> u32 {
    let mut refused = 0;
    for _ in 0..edits {
        loop {
            let current = config::active_feed(&database.pool, "cards").await.unwrap();
            let mut counts = counts(&current.document);
            counts[own] += 1;
            let message = format!("client {own}");
            let based = Edit { based_on: Some(current.version), message: Some(&message), ..Edit::default() };
            match edit(database, &counting(&counts), based).await {
                Ok(edited) => {
                    assert!(matches!(edited.applied, Applied::New { .. }));
                    break;
                }
                Err(ConfigError::Moved { .. }) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
    }
    refused
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edits_of_eight_clients_make_one_history_and_none_is_lost() {
    const EDITS: u32 = 5;
    let database = Database::new().await;
    apply(&database, &counting(&[0; 8])).await;
    let clients = (0..8).map(|own| client(&database, own, EDITS));
    let all = tokio::time::timeout(Duration::from_secs(120), futures::future::join_all(clients)).await.unwrap();
    assert!(all.iter().sum::<u32>() > 0, "nobody met anybody: this race shows nothing");
    let last = config::active_feed(&database.pool, "cards").await.unwrap();
    assert_eq!((last.version, counts(&last.document)), (1 + 8 * EDITS as i32, [EDITS; 8]));
    let history = config::history(&database.pool, Kind::Feed, "cards").await.unwrap();
    for (newer, older) in history.iter().zip(&history[1..]) {
        assert_eq!((newer.version, newer.based_on), (older.version + 1, Some(older.version)));
    }
    // One outbox row and one audit row for each change, in one order.
    let out_of_order = "select count(*) from (
            select (payload ->> 'version')::int as version, (payload ->> 'revision')::bigint as revision,
                   lag((payload ->> 'version')::int, 1, 0) over (order by event_id) as version_before,
                   lag((payload ->> 'revision')::bigint, 1, 0::bigint) over (order by event_id) as revision_before
              from fabric.outbox where topic = 'config') o
          where version <> version_before + 1 or revision <= revision_before";
    assert_eq!(database.number(out_of_order).await, 0);
    let audited = "select count(*) from fabric.audit_log where action = 'apply' and after = coalesce(before, 0) + 1";
    assert_eq!(database.number(audited).await, i64::from(1 + 8 * EDITS));
}
