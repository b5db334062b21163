//! What a process answers while nothing fresh can be had.

use std::time::{Duration, Instant};

use fabric::config::{Kind, Live, Pinned, Prepares, Reads, ReferencePins};
use fabric::telemetry::{Health, Role};

use super::following::{apply, cards, eventually, until_version};
use crate::installation::Installation;
use crate::outages::proxied::Way;

#[tokio::test]
async fn while_postgres_is_silent_whoever_can_do_with_it_hears_the_last_that_was_known() {
    let installation = Installation::new().await;
    apply(&installation, 1);
    let way = Way::to_postgres(&installation);
    let mut settings = installation.settings();
    settings.postgres.url = way.url.clone();
    // Nobody listens there: this process has Postgres alone.
    settings.kafka.brokers = "127.0.0.1:1".into();
    let pool = fabric::postgres::pool(&settings.postgres, "fabric test").unwrap();
    let process = Live::start(&settings, pool, Health::new(Role::Validate), Prepares::Plans).unwrap();
    until_version(&process, 1).await;
    let pinned = Pinned { feed: "cards".into(), version: 1, references: ReferencePins::new() };
    process.cache().plan(&pinned, None).await.unwrap();

    way.proxy.cut();
    let active = async |reads| process.cache().active(&cards(), reads).await;
    eventually("nothing fresh is known", async || active(Reads::Fresh).await.is_err()).await;
    let began = Instant::now();
    assert_eq!(active(Reads::EvenStale).await.unwrap().unwrap().version, 1);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    // Versions never change: what is in memory is as good as ever.
    assert_eq!(process.cache().plan(&pinned, None).await.unwrap().version, 1);
    assert!(process.cache().document(Kind::Feed, "cards", 1, None).await.unwrap().is_some());

    way.proxy.heal().unwrap();
    apply(&installation, 2);
    eventually("what is fresh is known again", async || {
        active(Reads::Fresh).await.is_ok_and(|active| active.is_some_and(|active| active.version == 2))
    })
    .await;
}
