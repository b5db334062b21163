//! Many edit one thing at once.

use std::time::Duration;

use fabric::config::{self, Applied, ConfigError, Edit, Kind, Propagate};
use fabric::feed::{self, TemplateText, Templates};

use super::{apply, edit, load};
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

const TEMPLATE: &str =
    "template: limits\nlayout: { format: delimited }\nfields:\n  - { name: amount, type: integer, minimum: ";

async fn edit_template(database: &Database, minimum: usize) {
    let document = format!("{TEMPLATE}{minimum} }}\n");
    let edit = Edit::default();
    config::edit_template(&database.pool, "limits.yaml", &document, &edit, Propagate::Yes, &load()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edits_of_a_feed_and_of_its_template_at_once_leave_each_version_as_its_pins_say() {
    let database = Database::new().await;
    edit_template(&database, 0).await;
    let feed = |own: usize| {
        format!("feed: cards\nextends: [limits]\nfields:\n  - {{ name: amount, maximum: {} }}\n", 100 + own)
    };
    apply(&database, &feed(0)).await;
    let client = async |own: usize| {
        for round in 1..=4 {
            match own % 2 {
                0 => edit_template(&database, 10 * own + round).await,
                _ => {
                    apply(&database, &feed(10 * own + round)).await;
                }
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(120), futures::future::join_all((0..6).map(client))).await.unwrap();
    let versions: Vec<(String, String, String, i32)> = sqlx::query_as(
        "select v.document, v.resolved, t.document, t.version
           from fabric.feed_versions v
           join fabric.template_versions t on (t.template, t.version) = ('limits', (v.pins ->> 'limits')::int)",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    assert!(versions.len() > 12, "{}", versions.len());
    for (document, resolved, text, version) in versions {
        let template = TemplateText { source_name: "limits".into(), version, text };
        let again = feed::resolve("cards", &document, &Templates::from([("limits".to_owned(), template)])).unwrap();
        assert_eq!(again.text.unwrap(), resolved);
    }
    // What is active of both belongs together.
    let together = "select count(*) from fabric.feeds f join fabric.templates t on t.template = 'limits'
                      join fabric.feed_versions v on (v.feed, v.version) = (f.feed, f.active_version)
                     where v.pins = jsonb_build_object('limits', t.active_version)";
    assert_eq!(database.number(together).await, 1);
}
