//! The schema registry: whether it answers what streams will ask it.

use tokio::time::timeout;

use super::{Check, Finding, LIMIT};
use crate::registry::{Registry, RegistryError};
use crate::settings::Settings;

pub async fn look(settings: &Settings) -> Finding {
    match Registry::new(settings, None) {
        Ok(None) => Finding::note(
            Check::Registry,
            "none in schema_registry.url (FABRIC_SCHEMA_REGISTRY_URL); only streams with `schemaRegistry: true` need one",
        ),
        Ok(Some(registry)) => match timeout(LIMIT, registry.check()).await {
            Ok(answer) => verdict(registry.place(), answer),
            Err(_) => super::late(Check::Registry),
        },
        Err(error) => Finding::told(Check::Registry, &error.to_string()),
    }
}

fn verdict(place: &str, answer: Result<(), RegistryError>) -> Finding {
    match answer {
        Ok(()) => Finding::ok(Check::Registry, format!("answers at {place}")),
        Err(error) => Finding::told(Check::Registry, &error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;
    use crate::registry::Fault;

    #[test]
    fn a_registry_that_is_away_keeps_records_waiting_and_is_told_with_what_to_do() {
        assert_eq!(verdict("http://h", Ok(())).status, Status::Ok);
        let fault = Fault::Silent("connection refused".into());
        let told = verdict("http://h", Err(RegistryError { place: "http://h".into(), fault }));
        assert_eq!(told.found, "the schema registry at http://h does not answer (connection refused)");
        assert!(told.status == Status::Fault && told.next.is_some_and(|next| next.starts_with("Is it running?")));
    }
}
