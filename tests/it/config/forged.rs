//! Messages of the config topic that nobody should have sent: each is set aside with a clear word, and whoever follows goes
//! on, whoever comes later too.

use std::time::Duration;

use fabric::config::{ConfigEvent, Way};

use super::following::{apply, eventually, live, until, until_version};
use super::topic::forge;
use crate::installation::Installation;

fn event(kind: &str, name: &str, version: i32) -> Vec<u8> {
    let event = ConfigEvent {
        kind: kind.into(),
        name: name.into(),
        version,
        revision: 1 << 40,
        checksum: "none".into(),
        retired: false,
        by: "nobody".into(),
        at: i64::MAX,
    };
    event.encode().unwrap()
}

#[tokio::test]
async fn whatever_stands_in_the_topic_who_follows_goes_on() {
    let installation = Installation::new().await;
    let steward = installation.start(&["steward"]);
    steward.until_says("leads as steward", Duration::from_secs(30)).await;
    apply(&installation, 1);
    steward.until_says("config applied", Duration::from_secs(30)).await;
    let well = event("feed", "cards", 1);
    let long = vec![b'x'; 900 << 10];
    for (key, value, expected) in [
        (&b""[..], Some(&well[..]), "its key is no kind/name"),
        (b"feed/", Some(&well), "its key is no kind/name"),
        (b"feed/\xff\xfe", Some(&well), "its key is no kind/name"),
        (b"widget/cards", Some(&well), "this release knows no widget"),
        (b"feed/other", Some(&well), "it tells of feed/cards, under the key of feed/other"),
        (b"feed/cards", Some(&b""[..]), "it is no Avro that this release can read"),
        (b"feed/cards", Some(&well[..well.len() - 2]), "it is no Avro that this release can read"),
        (b"feed/cards", Some(&long), "it is no Avro that this release can read"),
        // The tombstone of a feed that is not retired.
        (b"feed/cards", None, "it has neither a value nor the header"),
        (b"feed/ghosts", Some(&event("feed", "ghosts", 7)), "feed/ghosts v7, and Postgres has no such feed"),
        (b"template/t", Some(&event("template", "t", 7)), "template/t v7, and Postgres has no such template"),
        (b"reference/r", Some(&event("reference", "r", 7)), "reference/r v7, and Postgres has no such reference"),
        (b"feed/cards", Some(&event("feed", "cards", 7)), "it tells of feed/cards v7 (revision 1099511627776)"),
    ] {
        let before = steward.log().matches(expected).count();
        forge(&installation, key, value).await;
        eventually(expected, async || steward.log().matches(expected).count() > before).await;
    }
    let (fresh, _health) = live(&installation, &installation.settings());
    eventually("it follows the topic", async || fresh.known().way() == Way::Topic).await;
    until_version(&fresh, 1).await;
    apply(&installation, 2);
    until_version(&fresh, 2).await;
    installation.succeed(&["feeds", "retire", "cards"]);
    until(&fresh, "it is retired", |known| known.is_some_and(|known| known.retired)).await;
}
