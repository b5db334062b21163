//! Claims about settings: precedence, refusals, masks.

use std::path::PathBuf;
use std::time::Duration;

use super::{Effective, Given, Origin, SPECS};

fn given(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Given {
    Given {
        file: (!file.is_empty()).then(|| (PathBuf::from("fabric.toml"), file.to_owned())),
        environment: environment.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
        flags: flags.iter().map(|(k, v)| (format!("--set {k}"), k.to_string(), v.to_string())).collect(),
    }
}

fn refused(given: Given) -> String {
    given.resolve().expect_err("must be refused").to_string()
}

fn value(effective: &Effective, key: &str) -> String {
    effective.shown().into_iter().find(|shown| shown.key == key).expect("a setting").value
}

#[test]
fn a_flag_goes_over_a_variable_over_the_file_over_the_default() {
    let file = "[validate]\nworkers = 3\nloaders = 3\nhigh_workers = 3\n";
    let env = [("FABRIC_VALIDATE_WORKERS", "4"), ("FABRIC_VALIDATE_LOADERS", "4")];
    let effective = given(file, &env, &[("validate.workers", "5")]).resolve().unwrap();
    let validate = &effective.settings.validate;
    assert_eq!((validate.workers, validate.loaders, validate.high_workers, validate.high_loaders), (5, 4, 3, 1));
    assert_eq!(effective.origin("validate.high_workers").to_string(), "fabric.toml:4");
    assert_eq!(effective.origin("validate.loaders").to_string(), "environment, FABRIC_VALIDATE_LOADERS");
    assert_eq!(effective.origin("validate.workers").to_string(), "flag, --set validate.workers");
    assert_eq!(*effective.origin("validate.high_loaders"), Origin::Default);
}

#[test]
fn every_fault_is_told_at_once_with_its_place_and_the_nearest_word() {
    let file = "[kafka]\nbrokerz = 'a:1'\n[validate]\nworkers = 0\n  grace = 'soon'\n";
    let env = [("FABRIC_KAFKA_BROKER", "a:1"), ("FABRIC_INGEST_CHUNK_BYTES", "5MiB")];
    insta::assert_snapshot!(refused(given(file, &env, &[("log.jsn", "true")])), @r"
    fabric.toml:2:1  `kafka.brokerz` is not a setting; did you mean `kafka.brokers`?
    fabric.toml:4:1  validate.workers: `0` is not between 1 and 1024
    fabric.toml:5:3  validate.grace: `soon` is not a time such as 500ms, 15s or 2m
    environment variable FABRIC_KAFKA_BROKER  is not a setting; did you mean `FABRIC_KAFKA_BROKERS`?
    environment variable FABRIC_INGEST_CHUNK_BYTES  ingest.chunk_bytes: `5MiB` is not between 4KiB and 3584KiB
    --set log.jsn  `log.jsn` is not a setting; did you mean `log.json`?
    6 errors in the settings
    ");
}

#[test]
fn a_file_that_is_no_toml_names_line_and_column() {
    assert!(refused(given("[kafka]\nbrokers = \n", &[], &[])).starts_with("fabric.toml:2:1"));
}

#[test]
fn secrets_are_never_shown() {
    let file = "[kafka.properties]\n\"sasl.password\" = 's3cret'\n\"security.protocol\" = 'SASL_SSL'\n";
    let env = [
        ("FABRIC_POSTGRES_URL", "postgres://fabric:s3cret@db.example:5432/fabric?password=s3cret&sslmode=require"),
        ("FABRIC_KAFKA_PROPERTIES_SSL_KEY_PASSWORD", "s3cret"),
        ("FABRIC_SCHEMA_REGISTRY_URL", "https://fabric:s3cret@registry.example/apis/ccompat/v7"),
        ("FABRIC_SCHEMA_REGISTRY_PASSWORD", "s3cret"),
    ];
    let effective = given(file, &env, &[]).resolve().unwrap();
    assert!(!format!("{:?}", effective.shown()).contains("s3cret"));
    let url = "postgres://fabric:****@db.example:5432/fabric?password=****&sslmode=require";
    assert_eq!(value(&effective, "postgres.url"), url);
    assert_eq!(value(&effective, "kafka.properties.sasl.password"), "****");
    assert_eq!(value(&effective, "schema_registry.url"), "https://fabric:****@registry.example/apis/ccompat/v7");
    assert_eq!(value(&effective, "schema_registry.password"), "****");
    assert_eq!(value(&effective, "kafka.properties.security.protocol"), "SASL_SSL");
    assert!(effective.settings.kafka.properties.contains(&("ssl.key.password".into(), "s3cret".into())));
}

#[test]
fn sizes_and_times_have_units() {
    let flags = [("validate.queue_bytes", "1.5GiB"), ("ingest.chunk_bytes", "4096"), ("validate.grace", "2m")];
    let settings = given("", &[], &flags).resolve().unwrap().settings;
    assert_eq!(settings.validate.queue_bytes, 3 << 29);
    assert_eq!(settings.ingest.chunk_bytes, 4096);
    assert_eq!(settings.validate.grace, Duration::from_secs(120));
    assert!(refused(given("", &[], &[("validate.grace", "2")])).contains("a time such as"));
}

#[test]
fn what_is_shown_can_be_set() {
    let effective = Given::default().resolve().unwrap();
    for spec in SPECS {
        let mut copy = effective.settings.clone();
        spec.set(&mut copy, &spec.show(&effective.settings)).unwrap();
    }
}

#[test]
fn every_default_is_within_its_bounds_and_every_name_is_unique() {
    let mut names: Vec<_> = SPECS.iter().flat_map(|spec| [spec.key, spec.env]).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 2 * SPECS.len());
}

#[test]
fn a_heartbeat_too_slow_for_its_session_is_refused() {
    let flags = [("validate.heartbeat", "3s")];
    assert!(refused(given("", &[], &flags)).contains("more than a third of validate.session_timeout"));
}

#[test]
fn variables_of_kubernetes_and_of_the_local_stack_are_no_mistakes() {
    let env = [
        ("FABRIC_SETTINGS", "x"),
        ("FABRIC_REDIS_URL", "redis://x"),
        ("FABRIC_API_SERVICE_HOST", "10.0.0.1"),
        ("FABRIC_API_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("FABRIC_API_PORT", "tcp://10.0.0.1:8080"),
    ];
    given("", &env, &[]).resolve().unwrap();
}
