//! Registering files: new, gone on with, loaded before, leased.

use std::path::PathBuf;
use std::time::Duration;

use fabric::chunk::{Lane, Limits};
use fabric::jobs::{self, Claim, CutBy, NewJob, Registration, SourceIdentity};
use fabric::settings::LoadSettings;

use crate::database::Database;

const FEED: &str = "feed: cards\nlayout: { format: delimited }\nfields:\n  - { name: amount, type: integer }\n\
                    target: { schema: public, table: cards }\n";

fn load() -> LoadSettings {
    fabric::settings::Settings::default().load
}

async fn database() -> Database {
    let database = Database::new().await;
    fabric::config::apply_feed(&database.pool, "cards.yaml", FEED, &load()).await.unwrap();
    database
}

fn file(publisher: &str, lease: Duration) -> NewJob {
    let source = SourceIdentity {
        file: "cards.csv".into(),
        path: Some(PathBuf::from("/in/cards.csv")),
        bytes: Some(100),
        head: Some([1; 32]),
        tail: Some([2; 32]),
        content: None,
    };
    NewJob {
        feed: "cards".into(),
        lane: Lane::Normal,
        source,
        limits: Limits::DEFAULT,
        again: false,
        publisher: publisher.into(),
        lease,
        cut_by: CutBy::Fabric,
    }
}

async fn register(database: &Database, new: &NewJob) -> Registration {
    jobs::register(&database.pool, new, &load()).await.unwrap()
}

#[tokio::test]
async fn a_file_is_leased_then_goes_on_then_is_a_duplicate() {
    let database = database().await;
    let lease = Duration::from_secs(60);
    let Registration::New(job) = register(&database, &file("a/1/1", lease)).await else { panic!("not new") };
    let Registration::Leased { job: leased, publisher, .. } = register(&database, &file("b/1/1", lease)).await else {
        panic!("not leased")
    };
    assert_eq!((leased, publisher.as_str()), (job.job, "a/1/1"));
    let claim = Claim { publisher: "b/1/1", lease: Duration::ZERO, cut_by: CutBy::Fabric };
    let Registration::Continue(taken) = jobs::take_lease(&database.pool, job.job, "a/1/1", &claim).await.unwrap()
    else {
        panic!("not taken")
    };
    assert!(taken.job == job.job && taken.token != job.token && taken.limits == Limits::DEFAULT);
    let Registration::Continue(again) = register(&database, &file("c/1/1", lease)).await else { panic!("not free") };
    assert_eq!(again.job, job.job);

    database
        .run("update fabric.jobs set state = 'completed', chunks = 1, records = 1, content_sha256 = sha256('x')")
        .await;
    let Registration::HashNeeded { like } = register(&database, &file("d/1/1", lease)).await else {
        panic!("not to be hashed")
    };
    assert_eq!(like, job.job);
    let mut other = file("d/1/1", lease);
    other.source.content = Some([9; 32]);
    assert!(matches!(register(&database, &other).await, Registration::New(_)));
    other.again = true;
    assert!(matches!(register(&database, &other).await, Registration::New(_)));
}

#[tokio::test]
async fn of_processes_that_register_one_file_at_once_one_wins() {
    let database = database().await;
    let lease = Duration::from_secs(60);
    let names: Vec<NewJob> = (0..8).map(|n| file(&format!("h/{n}/1"), lease)).collect();
    let answers = futures::future::join_all(names.iter().map(|new| register(&database, new))).await;
    let won = answers.iter().filter(|answer| matches!(answer, Registration::New(_))).count();
    let leased = answers.iter().filter(|answer| matches!(answer, Registration::Leased { .. })).count();
    assert_eq!((won, leased), (1, 7));
}
