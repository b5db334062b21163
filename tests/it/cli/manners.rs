//! How every command behaves.

use super::{command, fabric, ran};

/// Every command line that ends in `--help`.
const COMMANDS: &[&str] = &[
    "audit",
    "check",
    "completions",
    "doctor",
    "feeds",
    "feeds activate",
    "feeds apply",
    "feeds diff",
    "feeds history",
    "feeds list",
    "feeds retire",
    "feeds rollback",
    "feeds schema",
    "feeds show",
    "generate",
    "generate card-transactions",
    "jobs",
    "jobs cancel",
    "jobs close",
    "jobs list",
    "jobs open",
    "jobs renew",
    "jobs resume",
    "jobs show",
    "jobs wait",
    "migrate",
    "rejects",
    "settings",
    "steward",
    "templates",
    "templates activate",
    "templates apply",
    "templates diff",
    "templates history",
    "templates list",
    "templates retire",
    "templates rollback",
    "templates show",
    "top",
    "validate",
];

#[test]
fn help_begins_with_what_a_command_is_for_and_ends_with_an_example() {
    for line in COMMANDS {
        let help = fabric(line.split(' ').chain(["--help"])).out;
        assert!(!help.starts_with("Usage"), "{line} does not say what it is for");
        let last = help.trim_end().lines().last().unwrap();
        let first_words: Vec<_> = line.split(' ').take(1).collect();
        assert!(last.contains("fabric ") && last.contains(first_words[0]), "{line} ends in: {last}");
        assert!(help.contains("Example:\n"), "{line} has no example");
    }
}

#[test]
fn usage_is_exit_code_2() {
    for line in ["", "chek", "check", "jobs show x", "settings --set novalue"] {
        assert_eq!(fabric(line.split_whitespace()).code, 2, "{line}");
    }
}

#[test]
fn a_postgres_that_is_not_there_is_told_with_its_address_and_what_to_do() {
    let ran = ran(command().env("FABRIC_POSTGRES_URL", "postgres://fabric:s3cret@127.0.0.1:1/fabric").args([
        "jobs",
        "list",
        "--set",
        "postgres.acquire_timeout=500ms",
    ]));
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("127.0.0.1:1") && ran.err.contains("FABRIC_POSTGRES_URL"), "{}", ran.err);
    assert!(!ran.err.contains("s3cret"), "{}", ran.err);
}

#[test]
fn a_reader_that_has_enough_ends_it_quietly() {
    let fabric = env!("CARGO_BIN_EXE_fabric");
    let script = format!("set -o pipefail; '{fabric}' completions bash | head -n 1 > /dev/null");
    let ran = ran(std::process::Command::new("bash").args(["-c", &script]));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
}

#[test]
fn completions_name_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = fabric(["completions", shell]).out;
        for line in COMMANDS {
            assert!(script.contains(line.split(' ').next_back().unwrap()), "{shell}: {line}");
        }
    }
}

#[test]
fn the_schema_of_feeds_is_one_json_document() {
    assert!(fabric(["feeds", "schema"]).json()["properties"]["feed"].is_object());
}
