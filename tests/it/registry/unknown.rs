//! An id that the registry does not know: waited for, then given up, and taken once it comes.

use std::time::{Duration, Instant};

use fabric::registry::{Id, NotYet};

use super::apicurio::Apicurio;
use super::front::Front;
use super::{registry, schema, settings, text, unique};

#[tokio::test]
async fn an_id_is_waited_for_then_unknown_and_known_once_it_is_registered() {
    let front = Front::of(Apicurio.url());
    let mut settings = settings(&front.url());
    settings.schema_registry.id_patience = Duration::from_secs(2);
    let registry = registry(&settings, None);
    let wanted = schema(&unique("Late"));
    // As a registry answers that does not have it, whatever others register meanwhile.
    front.answer_with(|_| (404, r#"{"error_code":40403,"message":"Schema not found"}"#.into()));
    let id = Apicurio.register(&unique("late"), &wanted).await;
    let began = Instant::now();
    loop {
        match registry.schema(id).await {
            Err(NotYet::Unknown { place, .. }) => assert_eq!(*place, front.url()),
            Ok(Id::Unknown) => break,
            other => panic!("{other:?}"),
        }
        assert!(began.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
    assert!((2..=20).contains(&front.asked_for(id)), "it is asked now and then: {}", front.asked_for(id));
    assert_eq!(registry.note(), None, "a registry that does not know an id is well");

    front.hand_on();
    let deadline = Instant::now() + Duration::from_secs(30);
    while registry.schema(id).await.is_ok_and(|known| known == Id::Unknown) {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(text(&registry, id).await, wanted.to_string());
}

#[tokio::test]
async fn a_registry_that_goes_while_an_id_is_waited_for_gives_nothing_up() {
    let front = Front::of("http://h/api");
    let mut settings = settings(&front.url());
    settings.schema_registry.id_patience = Duration::from_millis(500);
    let registry = registry(&settings, None);
    let denied = || (404, r#"{"error_code":40403}"#.to_owned());
    front.answer_with(move |_| denied());
    assert!(matches!(registry.schema(7).await, Err(NotYet::Unknown { .. })));
    front.answer_with(|_| (503, String::new()));
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(2) {
        assert!(registry.schema(7).await.is_err());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
