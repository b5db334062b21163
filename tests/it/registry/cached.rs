//! An id is asked for once: by whoever comes first, of however many, in whichever process.

use std::sync::Arc;

use fabric::redis::Redis;
use fabric::registry::{Id, Registered};

use super::apicurio::Apicurio;
use super::front::Front;
use super::{registry, schema, settings, text, unique};
use crate::config::following::eventually;
use crate::config::redis::server::Server;

#[tokio::test]
async fn a_thousand_who_want_one_schema_ask_once() {
    let wanted = schema(&unique("Stampede"));
    let id = Apicurio.register(&unique("stampede"), &wanted).await;
    let front = Front::of(Apicurio.url());
    let registry = registry(&settings(&front.url()), None);
    let asking: Vec<_> = (0..1_000)
        .map(|_| {
            let registry = Arc::clone(&registry);
            tokio::spawn(async move { text(&registry, id).await })
        })
        .collect();
    for asked in asking {
        assert_eq!(asked.await.unwrap(), wanted.to_string());
    }
    assert_eq!(front.asked_for(id), 1);
    assert_eq!(front.asked()[0].authorization, None);
}

#[tokio::test]
async fn what_one_process_has_asked_the_next_finds_in_redis_and_what_is_forged_there_is_asked_anew() {
    let wanted = schema(&unique("Shared"));
    let id = Apicurio.register(&unique("shared"), &wanted).await;
    let (front, server) = (Front::of(Apicurio.url()), Server::start(&[]).await);
    let mut settings = settings(&front.url());
    settings.redis.url = server.url();
    let redis = Arc::new(Redis::start(&settings.redis).unwrap().unwrap());
    eventually("Redis is connected", async || redis.get("nothing").await.is_ok()).await;

    for _ in 0..3 {
        let process = registry(&settings, Some(Arc::clone(&redis)));
        assert_eq!(text(&process, id).await, wanted.to_string());
    }
    assert_eq!(front.asked_for(id), 1);

    let keys = server.cli(&["keys", "*"]);
    let key = keys.trim();
    assert!(key.contains(":schema:") && key.ends_with(&format!(":{id}")), "{keys}");
    let genuine = server.cli(&["get", key]);
    server.cli(&["set", key, &genuine.trim_end().replace("\"long\"", "\"string\"")]);
    let process = registry(&settings, Some(Arc::clone(&redis)));
    assert_eq!(text(&process, id).await, wanted.to_string());
    assert_eq!(front.asked_for(id), 2);
    assert_eq!(server.cli(&["get", key]), genuine, "Redis has the real one again");
}

#[tokio::test]
async fn ids_of_two_registries_are_kept_apart_in_one_redis() {
    let server = Server::start(&[]).await;
    let (one, other) = (Front::of("http://h/api"), Front::of("http://h/api"));
    one.answer_with(|_| (200, r#"{"schema":"\"long\""}"#.into()));
    other.answer_with(|_| (200, r#"{"schema":"\"string\""}"#.into()));
    let mut settings = settings(&one.url());
    settings.redis.url = server.url();
    let redis = Arc::new(Redis::start(&settings.redis).unwrap().unwrap());
    eventually("Redis is connected", async || redis.get("nothing").await.is_ok()).await;
    assert_eq!(text(&registry(&settings, Some(Arc::clone(&redis))), 7).await, r#""long""#);
    settings.schema_registry.url = other.url();
    assert_eq!(text(&registry(&settings, Some(redis)), 7).await, r#""string""#);
}

#[tokio::test]
async fn ten_thousand_schemas_take_no_more_memory_than_they_may() {
    let front = Front::of("http://h/api");
    front.answer_with(|path| {
        let schema = super::schema(&format!("R{}", path.rsplit('/').next().unwrap())).to_string();
        (200, serde_json::json!({ "schema": schema }).to_string())
    });
    let mut settings = settings(&front.url());
    settings.cache.schemas.bytes = 256 << 10;
    let registry = registry(&settings, None);
    for first in (0..10_000).step_by(100) {
        futures::future::join_all((first..first + 100).map(|id| text(&registry, id))).await;
    }
    registry.sweep().await;
    let figures = registry.figures();
    assert!(figures.bytes <= 256 << 10 && figures.entries > 100, "{figures:?}");
    assert_eq!(figures.loads, 10_000);
}

#[tokio::test]
async fn what_is_no_avro_schema_of_its_own_is_said_to_be_that() {
    let subject = unique("base");
    let name = unique("Base");
    Apicurio.register(&subject, &schema(&name)).await;
    let refers = serde_json::json!({
        "schema": format!(r#"{{"type":"record","name":"Refers","fields":[{{"name":"base","type":"{name}"}}]}}"#),
        "references": [{ "name": name, "subject": subject, "version": 1 }],
    });
    let id = Apicurio.register_as(&unique("refers"), refers).await;
    let registry = registry(&settings(Apicurio.url()), None);
    let Id::Registered(registered) = registry.schema(id).await.unwrap() else { panic!("it is there") };
    let expected = format!("refers to other schemas ({name}), which fabric does not follow; register it whole");
    assert_eq!(*registered, Registered::Unusable(expected));
}

#[tokio::test]
async fn the_last_schema_of_a_subject_is_told_with_its_id() {
    // A slash in it would lead elsewhere.
    let subject = unique("a subject");
    let registry = registry(&settings(Apicurio.url()), None);
    assert_eq!(registry.latest(&format!("{subject}/x")).await.unwrap(), None);
    let encoded = subject.replace(' ', "%20");
    Apicurio.register(&encoded, &schema("First")).await;
    let second = schema(&unique("Second"));
    let id = Apicurio.register(&encoded, &second).await;
    let latest = registry.latest(&subject).await.unwrap().unwrap();
    assert_eq!((latest.id, latest.version, latest.schema), (id, 2, second.to_string()));
}
