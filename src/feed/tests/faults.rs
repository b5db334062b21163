//! What is said of a wrong definition, and where.

use crate::feed::parse;

use super::field;

/// The faults of `text`, one a line.
fn faults(text: &str) -> String {
    parse("card.yaml", text).map(|feed| panic!("{feed:?}")).map_err(|faults| faults.to_string()).unwrap_err()
}

/// The faults of a feed with one field `x`, without file and line.
fn of_field(options: &str) -> String {
    let text = faults(&field(options));
    text.lines().map(|line| line.split_once("  ").unwrap().1).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_fault_is_told_at_once_with_its_place() {
    let text = "\
feed: Card Transactions
layuot: { format: delimited }
layout: { format: delimeted, delimiter: '||', header: yes }
fields:
  - { name: amount, type: 'decimal(12,2)', exclusivMinimum: 0 }
  - { name: branch_code, type: strnig }
  - { name: Posted At, type: string, minimum: 3 }
rules:
  - { name: Known Branch, fields: [branch], reference: branches, match: notin }
  - { name: large, when: amount > 10000, expression: branch_code != '' }
primaryKey: [branch]
thresholds:
  - { rejects: 101%, action: rollback }
";
    insta::assert_snapshot!(faults(text));
}

#[test]
fn text_that_is_not_yaml_is_one_fault_with_its_place() {
    let text = faults("feed: [a\nlayout: }");
    assert!(text.starts_with("card.yaml:2:") && text.lines().count() == 1, "{text}");
}

#[test]
fn what_the_language_leaves_out_of_yaml_is_refused() {
    for (text, expected) in [
        ("", "1:1  there is nothing here"),
        ("feed: a\nfeed: b", "2:1  `feed` stands here a second time; the first is in line 1"),
        ("feed: &a x\nowner: *a", "2:8  aliases"),
        ("feed: &a x", "1:"),
        ("feed: !!str x", "tags"),
        ("feed: a\n---\nfeed: b", "2:1  a second document"),
        ("<<: {feed: a}", "merge keys"),
        ("[a]: b", "found a list as a key"),
        ("- a", "found a list; expected the options of a feed"),
    ] {
        let found = faults(text);
        assert!(found.contains(expected), "{text:?}: {found}");
    }
    let large = format!("feed: {}", "a".repeat(1 << 20));
    assert!(faults(&large).contains("1:1  the definition has 1048582 bytes"));
    let deep = "[".repeat(10_000);
    assert_eq!(faults(&deep).lines().count(), 1);
}

#[test]
fn words_whose_time_has_not_come_are_not_supported_yet() {
    for text in [
        "rules: [ { name: a, when: x > 1, expression: y > 1 } ]",
        "controls: []",
        "stream: { topic: t, value: json }\nonEmpty: warn",
        "files: []",
        "deadline: x",
        "layout: { format: fixed-width }",
        "layout: { format: json-lines }",
        "layout: { escapeChar: x }",
        "fields: [ { name: x, type: uuid } ]",
        "fields: [ { name: x, type: integer, multipleOf: 2 } ]",
        "thresholds: [ { rule: a, records: 5%, action: alert } ]",
        "target: { mode: upsert }",
    ] {
        let found = faults(text);
        assert!(found.contains("is not supported yet"), "{text}: {found}");
    }
}

#[test]
fn a_stream_that_is_wrong_is_refused() {
    for (text, expected) in [
        ("stream: { topic: 'a b', value: json }", "stream.topic: `a b` cannot be a topic's name"),
        ("stream: { topic: t, value: xml }", "stream.value: found `xml`; expected one of `avro`, `json`, `delimited`"),
        (
            "stream: { topic: t, value: json, batch: { records: 0 } }",
            "stream.batch.records: found 0; expected 1 to 100000",
        ),
        (
            "stream: { topic: t, value: json, batch: { bytes: 4 } }",
            "stream.batch.bytes: found `4`; expected as in 4MiB",
        ),
        (
            "stream: { topic: t, value: json, batch: { time: 2m } }",
            "stream.batch.time: found `2m`; expected as in 200ms",
        ),
        (
            "stream: { topic: t, value: json, window: 25h }",
            "stream.window: found `25h`; expected as in 5m, from 1s to 24h",
        ),
        (
            "stream: { topic: t, value: json }\nthresholds: [ { rejects: 1%, action: rollback } ]",
            "thresholds.action: `rollback` cannot be for a stream, whose batches are final once they are loaded",
        ),
        ("stream: { topic: t, value: json, key: ammount }", "stream.key: there is no field `ammount`"),
        ("stream: { topic: t, value: json }\nlayout: { format: delimited }", "a stream of JSON values has none"),
        ("stream: { topic: t, value: delimited }\nlayout: { format: delimited }", "expected `header: false` here"),
        ("stream: { topic: t, value: delimited }", "`layout` is missing"),
        ("stream: { topic: t, value: json }\nfields: [ { name: x, type: string, pointer: x } ]", "is no JSON Pointer"),
        ("stream: { topic: t, value: avro }\nlayout: { format: delimited }", "a stream of Avro values has none"),
        (
            "stream: { topic: t, value: json, schemaRegistry: true }",
            "stream.schemaRegistry: a schema registry holds schemas of Avro values; expected `value: avro`",
        ),
        (
            "stream: { topic: t, value: avro }\nfields: [ { name: x, type: string, pointer: /a/1st } ]",
            "x.pointer: `1st` cannot be a name in Avro",
        ),
        (
            "stream: { topic: t, value: avro }\nfields: [ { name: a, type: string }, { name: b, type: string, pointer: /a/b } ]",
            "b.pointer: /a/b leads through the place of `a`",
        ),
        ("layout: { format: delimited }\nfields: [ { name: x, type: string, pointer: /x } ]", "of this feed are text"),
    ] {
        let found = faults(text);
        assert!(found.contains(expected), "{text}: {found}");
    }
}

#[test]
fn an_impossible_rule_is_refused() {
    for (options, expected) in [
        ("type: 'decimal(39,2)'", "expected 1 to 38 digits"),
        ("type: 'decimal(2,3)'", "expected 1 to 38 digits"),
        ("type: decimal", "as in `\"decimal(12,2)\"`"),
        ("type: integer, minimum: 5, maximum: 3", "x: no integer passes `minimum: 5` and `maximum: 3`"),
        ("type: integer, exclusiveMinimum: 1, exclusiveMaximum: 2", "no integer passes"),
        ("type: integer, minimum: 9223372036854775808", "no integer passes"),
        ("type: 'decimal(5,2)', minimum: 1000", "no decimal(5,2) passes `minimum: 1000`"),
        ("type: integer, minimum: 1e3", "expected a number written out in digits"),
        ("type: string, minLength: 5, maxLength: 3", "no value has both"),
        ("type: string, pattern: '['", "x.pattern: it does not compile"),
        ("type: string, pattern: 'a)|(b'", "it does not compile"),
        ("type: string, pattern: '((a{100}){100}){100}'", "when compiled"),
        ("type: string, enum: []", "expected at least one"),
        ("type: string, enum: [A, A]", "x.enum: `A` stands here a second time"),
        ("type: string, enum: ['']", "missingValues"),
        ("type: string, enum: [AB], maxLength: 1", "more than `maxLength: 1`"),
        ("type: string, enum: [A], pattern: '[0-9]'", "does not match the field's own pattern"),
        ("type: 'decimal(4,2)', enum: [1.005]", "is not of type decimal(4,2)"),
        ("type: integer, enum: [7], maximum: 5", "outside the field's own bounds"),
        ("type: date, enum: [30.11.2026]", "is not as `%Y-%m-%d` writes it"),
        ("type: date, minimum: 2026-02-30", "x.minimum: found `2026-02-30`; expected a date"),
        ("type: boolean, trueValues: [J], falseValues: [J]", "stands for true or false already"),
        ("type: boolean, trueValues: ['0']", "stands for true or false already"),
    ] {
        let found = of_field(options);
        assert!(found.contains(expected), "{options}: {found}");
        assert_eq!(found.lines().count(), 1, "{options}: {found}");
    }
}

#[test]
fn an_option_of_another_type_is_refused() {
    for (options, expected) in [
        ("type: 'decimal(5,2)', minLength: 3", "x: `minLength` is not an option of decimal; it is one of `string`"),
        ("type: integer, format: '%Y'", "`format` is not an option of integer; it is one of `date`, `timestamp`"),
        ("type: date, timezone: UTC", "`timezone` is not an option of date; it is one of `timestamp`"),
        ("type: boolean, enum: ['true']", "`enum` is not an option of boolean"),
        ("type: string, requird: true", "`requird` is not an option of string; did you mean `required`?"),
    ] {
        assert!(of_field(options).contains(expected), "{options}: {}", of_field(options));
    }
}

#[test]
fn a_format_that_does_not_name_one_moment_is_refused() {
    for (options, expected) in [
        ("type: date, format: '%Y-%m'", "it reads no day"),
        ("type: date, format: '%Y-%m-%d %H'", "expected type `timestamp`"),
        ("type: date, format: '%Y-%m-%d %y'", "`%y` reads the year a second time"),
        ("type: date, format: '%Y-%Q'", "`%Q` is not supported; expected words among `%Y`"),
        ("type: timestamp, format: '%F %T'", "expected `timezone` too"),
        ("type: timestamp, format: '%F %T %Z'", "`%Z` is not supported"),
        ("type: timestamp, format: '%F %I:%M %z'", "as `%I` with `%p`"),
        ("type: timestamp, format: '%F %T%z', timezone: UTC", "expected one of the two"),
        ("type: timestamp, timezone: UTC", "expected one of the two"),
        ("type: timestamp, format: '%F %T', timezone: Europe/Zurch", "did you mean `Europe/Zurich`?"),
    ] {
        let found = of_field(options);
        assert!(found.contains(expected), "{options}: {found}");
        assert_eq!(found.lines().count(), 1, "{options}: {found}");
    }
}

#[test]
fn an_unsafe_name_is_refused() {
    for (text, expected) in [
        ("feed: Card_Transactions", "for example `card-transactions`"),
        ("fields: [ { name: PostedAt, type: string } ]", "for example `posted_at`"),
        ("fields: [ { name: _x, type: string } ]", "cannot be a field's name"),
        ("fields: [ { name: ctid, type: string } ]", "Postgres keeps for itself"),
        ("fields: [ { name: a, type: string }, { name: a, type: string } ]", "there is a field `a` in line 1 already"),
        ("target: { table: 'x; drop table y' }", "cannot be a table's name"),
        ("target: { schema: pg_catalog }", "is not for feeds"),
        ("target: { schema: fabric }", "is not for feeds"),
    ] {
        assert!(faults(text).contains(expected), "{text}: {}", faults(text));
    }
}

#[test]
fn a_key_of_unknown_repeated_or_optional_fields_is_refused() {
    for (keys, expected) in [
        ("primaryKey: [x]", "primaryKey: `x` is not `required: true`"),
        ("primaryKey: [y]", "primaryKey: there is no field `y`"),
        ("uniqueKeys: [[x, x]]", "uniqueKeys: `x` stands here a second time"),
        ("uniqueKeys: [[x], [x]]", "are a key already"),
        ("uniqueKeys: [[]]", "expected 1 to 32"),
        ("uniqueKeys: [x]", "expected a list"),
    ] {
        let found = faults(&(field("type: string") + keys));
        assert!(found.contains(expected), "{keys}: {found}");
    }
}

#[test]
fn a_rule_that_cannot_be_meant_is_refused() {
    for (rules, expected) in [
        ("name: a, fields: [y], reference: s", "rule a: there is no field `y`"),
        ("name: A, fields: [x], reference: s", "`A` cannot be a rule's name; expected kebab-case"),
        ("name: a, fields: [x], reference: S/../x", "rule a: `S/../x` cannot be a reference set's name"),
        ("name: a, fields: [x, x], reference: s", "`x` stands here a second time"),
        ("name: a, fields: [], reference: s", "expected 1 to 32"),
        ("name: a, fields: [x]", "rule a: `reference` is missing; expected for example `reference: branches`"),
        ("name: a, reference: s", "`fields` is missing"),
        ("fields: [x], reference: s", "`name` is missing"),
        ("name: a, fields: [x], reference: [s]", "found a list; expected a reference set's name"),
        ("name: a, fields: [x], reference: { columns: [c] }", "`set` is missing"),
        ("name: a, fields: [x], reference: { set: s, columns: [] }", "there is no column here"),
        ("name: a, fields: [x], reference: { set: s, columns: [c, d] }", "found 2 columns for 1 fields"),
        ("name: a, fields: [x], reference: { set: s, column: c }", "did you mean `columns`?"),
        ("name: a, fields: [x], reference: s, match: not", "expected one of `in`, `not-in`"),
        ("name: a, fields: [x], reference: s, severty: warn", "did you mean `severity`?"),
    ] {
        let found = faults(&(field("type: string") + &format!("rules: [ {{ {rules} }} ]\n")));
        assert!(found.contains(expected), "{rules}: {found}");
    }
    let twice = "rules:\n  - { name: a, fields: [x], reference: s }\n  - { name: a, fields: [x], reference: t }\n";
    let found = faults(&(field("type: string") + twice));
    assert!(found.contains("there is a rule `a` in line 6 already"), "{found}");
}

#[test]
fn a_quote_that_is_the_delimiter_is_refused() {
    let found = faults("layout: { format: delimited, delimiter: '|', quoteChar: '|' }");
    assert!(found.contains("1:57  layout: `quoteChar` and `delimiter` are the same character"), "{found}");
}
