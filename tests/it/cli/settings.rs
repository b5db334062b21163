//! `fabric settings`, and how settings are refused.

use super::{Desk, command, fabric, ran};

#[test]
fn each_value_says_where_it_came_from() {
    let desk = Desk::new("", "");
    std::fs::write(desk.path("fabric.toml"), "[validate]\nworkers = 3\n").unwrap();
    let out = ran(command()
        .current_dir(desk.path(""))
        .env("FABRIC_POSTGRES_URL", "postgres://fabric:s3cret@db.example:5432/fabric")
        .args(["settings", "--json", "--settings", "fabric.toml", "--set", "log.json=true"]));
    let shown = out.json();
    let of = |key: &str| {
        let all = shown.as_array().unwrap();
        let one = all.iter().find(|setting| setting["key"] == key).unwrap();
        format!("{} from {}", one["value"].as_str().unwrap(), one["origin"].as_str().unwrap())
    };
    assert_eq!(of("validate.workers"), "3 from fabric.toml:2");
    assert_eq!(of("log.json"), "true from flag, --set log.json");
    assert_eq!(of("kafka.prefix"), "fabric. from default");
    let url = "postgres://fabric:****@db.example:5432/fabric from environment, FABRIC_POSTGRES_URL";
    assert_eq!(of("postgres.url"), url);
    assert!(!out.out.contains("s3cret"));
}

#[test]
fn unknown_settings_are_refused_all_at_once() {
    let ran = ran(command().env("FABRIC_KAFKA_BROKER", "x:1").args([
        "settings",
        "--set",
        "validate.worker=1",
        "--set",
        "validate.loaders=0",
    ]));
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    insta::assert_snapshot!(ran.err, @r"
    environment variable FABRIC_KAFKA_BROKER  is not a setting; did you mean `FABRIC_KAFKA_BROKERS`?
    --set validate.worker  `validate.worker` is not a setting; did you mean `validate.workers`?
    --set validate.loaders  validate.loaders: `0` is not between 1 and 64
    3 errors in the settings
    ");
}

#[test]
fn people_get_a_table() {
    let ran = fabric(["settings"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let lines: Vec<_> = ran.out.lines().collect();
    assert!(lines[0].starts_with("setting "), "{}", lines[0]);
    assert!(lines.iter().any(|line| line.starts_with("ingest.chunk_bytes ") && line.contains(" 1MiB ")));
}
