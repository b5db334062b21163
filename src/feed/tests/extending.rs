//! What a feed takes over from templates, and what is said where that cannot be.

use crate::feed::{Faults, Feed, Resolved, TemplateText, Templates, check_template, parse, resolve, template_name};

fn templates(texts: &[&str]) -> Templates {
    let of = |text: &&str| {
        let name = text.lines().next().unwrap().strip_prefix("template: ").unwrap().to_owned();
        let source_name = format!("{name}.yaml");
        (name, TemplateText { source_name, version: 3, text: (*text).to_owned() })
    };
    texts.iter().map(of).collect()
}

fn resolved(feed: &str, texts: &[&str]) -> Resolved {
    resolve("feed.yaml", feed, &templates(texts)).unwrap_or_else(|faults| panic!("{faults}\n{feed}"))
}

fn faults(feed: &str, texts: &[&str]) -> String {
    resolve("feed.yaml", feed, &templates(texts)).map(|seen| panic!("{seen:?}")).unwrap_err().to_string()
}

fn names(feed: &Feed) -> String {
    feed.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(" ")
}

const LAYOUT: &str = "template: layout\nlayout: { format: delimited, delimiter: '|', header: false }\nfields:\n  - { name: id, type: string, required: true, enum: [A, B] }\n  - { name: amount, type: integer, minimum: 1 }\nprimaryKey: [id]\n";

#[test]
fn maps_merge_by_key_fields_by_name_and_other_lists_are_replaced() {
    let rules = "template: rules\ndescription: of the template\nlayout: { delimiter: ';', missingValues: [x] }\nfields: [ { name: id, pii: true }, { name: late, type: date } ]\n";
    let feed = "feed: f\nextends: [layout, rules]\nlayout: { delimiter: '!' }\nfields:\n  - { name: own, type: string }\n  - { name: id, enum: [C] }\n";
    let resolved = resolved(feed, &[LAYOUT, rules]);
    let whole = "feed: f\nlayout: { format: delimited, delimiter: '!', header: false, missingValues: [x] }\nfields:\n  - { name: id, type: string, required: true, enum: [C], pii: true }\n  - { name: amount, type: integer, minimum: 1 }\n  - { name: late, type: date }\n  - { name: own, type: string }\nprimaryKey: [id]\n";
    assert_eq!(resolved.feed, parse("whole.yaml", whole).unwrap());
    let pins: Vec<_> = resolved.pins.iter().map(|(name, version)| (name.as_str(), *version)).collect();
    assert_eq!(pins, [("layout", 3), ("rules", 3)]);
}

#[test]
fn later_templates_win_over_earlier_ones_and_each_counts_once() {
    let base = "template: base\nowner: base\nclassification: base\n";
    let (one, other) =
        ("template: one\nextends: [base]\nowner: one\n", "template: other\nextends: [base]\nclassification: other\n");
    let owner = |extends: &str| {
        let feed = format!(
            "feed: f\nextends: {extends}\nlayout: {{ format: delimited }}\nfields: [ {{ name: x, type: string }} ]\n"
        );
        resolved(&feed, &[base, one, other]).feed.owner.unwrap()
    };
    // `other` brings `base` along, which does not undo what `one` said.
    assert_eq!(owner("[one, other]"), "one");
    assert_eq!(owner("[other, one]"), "one");
    assert_eq!(owner("[one, base]"), "one");
    assert_eq!(owner("[base]"), "base");
}

#[test]
fn a_field_stands_where_the_first_document_that_names_it_puts_it() {
    let pii = "template: pii\nfields: [ { name: amount, pii: true } ]\n";
    let feed = |extends: &str| format!("feed: f\nextends: {extends}\n");
    assert_eq!(names(&resolved(&feed("[layout, pii]"), &[LAYOUT, pii]).feed), "id amount");
    assert_eq!(names(&resolved(&feed("[pii, layout]"), &[LAYOUT, pii]).feed), "amount id");
}

#[test]
fn what_cannot_be_merged_is_told_with_the_place_in_its_own_document() {
    let circle = ["template: a\nextends: [b]\n", "template: b\nextends:\n  - a\n"];
    for (feed, texts, expected) in [
        (
            "feed: f\nextends: [layuot]",
            &[LAYOUT][..],
            "feed.yaml:2:11  extends: there is no template `layuot`; did you mean `layout`?",
        ),
        ("feed: f\nextends: [x]", &[], "feed.yaml:2:11  extends: there is no template `x`; none is there"),
        ("feed: f\nextends: layout", &[LAYOUT], "feed.yaml:2:10  extends: found `layout`; expected a list"),
        (
            "feed: f\nextends: [layout, layout]",
            &[LAYOUT],
            "feed.yaml:2:19  extends: `layout` stands here a second time",
        ),
        ("feed: f\nextends: [a]", &circle, "b.yaml:3:5  extends: templates go in a circle: a → b → a"),
        (
            "feed: f\nextends: [layout]\nlayout: fixed",
            &[LAYOUT],
            "feed.yaml:3:9  layout: found `fixed`, but a template has a map here",
        ),
        (
            "feed: f\nextends: [layout]\nfields: { id: x }",
            &[LAYOUT],
            "feed.yaml:3:9  fields: found a map, but a template has a list here",
        ),
        (
            "feed: f\nextends: [layout]\nfields: [ { name: id, enum: A } ]",
            &[LAYOUT],
            "feed.yaml:3:29  id.enum: found `A`, but a template has a list here",
        ),
        (
            "feed: f\nextends: [layout]\nfields: [ { name: amount, maximum: 0 } ]",
            &[LAYOUT],
            "amount: no integer passes",
        ),
        (
            "feed: f\nextends: [layout]\nfields: [ { name: new, pii: true } ]",
            &[LAYOUT],
            "feed.yaml:3:11  new: `type` is missing",
        ),
        (
            "feed: f\nextends: [odd]",
            &["template: odd\nlayout: { format: csv }\n"],
            "odd.yaml:2:19  layout.format: found `csv`",
        ),
        ("feed: f\nextends: [empty]", &["template: empty\n"], "feed.yaml:1:1  `layout` is missing"),
    ] {
        let found = faults(feed, texts);
        assert!(found.contains(expected), "{feed}\n{found}");
    }
}

#[test]
fn the_resolved_text_says_where_each_line_came_from_and_means_the_same() {
    let rules = "template: rules\nfields:\n  - { name: id, pii: true }\n";
    let feed = "feed: f\nextends: [layout, rules]\ndescription: \"tab \\t, é, \\\"quoted\\\" # not a comment\"\nlayout: { quoteChar: none }\nfields:\n  - { name: amount, maximum: 9 }\n";
    let resolved = resolved(feed, &[LAYOUT, rules]);
    let text = resolved.text.unwrap();
    assert_eq!(parse("resolved", &text).unwrap(), resolved.feed);
    let lines: Vec<&str> = text.lines().filter(|line| !line.contains("sha256")).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn the_resolved_text_differs_where_the_document_or_a_template_does() {
    let feed = "feed: f\nextends: [layout]\n";
    let text = |feed: &str, version| {
        let mut texts = templates(&[LAYOUT]);
        texts.get_mut("layout").unwrap().version = version;
        resolve("feed.yaml", feed, &texts).unwrap().text.unwrap()
    };
    assert_eq!(text(feed, 1), text(feed, 1));
    assert_ne!(text(feed, 1), text(feed, 2));
    assert_ne!(text(feed, 1), text(&format!("{feed}# a remark\n"), 1));
    assert_eq!(resolve("f", &(field() + "# a remark\n"), &Templates::new()).unwrap().text, None);
}

fn field() -> String {
    super::field("type: string")
}

#[test]
fn a_template_is_checked_as_far_as_it_goes() {
    for text in [
        "template: t\n",
        LAYOUT,
        "template: t\nfields: [ { name: a, pii: true }, { name: b, minimum: 3 }, { name: c, timezone: UTC, format: '%F %T' } ]\n",
        "template: t\nprimaryKey: [a]\nuniqueKeys: [[a, b]]\nfields: [ { name: a, maxLength: 3 } ]\n",
        "template: t\nlayout: { delimiter: ';' }\nthresholds: [ { rejects: 1%, action: stop } ]\n",
        "template: t\nextends: [layout]\nfields: [ { name: id, maxLength: 1 } ]\n",
    ] {
        let name = check_template("t.yaml", text, &templates(&[LAYOUT]));
        assert!(name.is_ok(), "{text}{name:?}");
    }
    let told =
        |text: &str| check_template("t.yaml", text, &Templates::new()).map_err(|faults: Faults| faults.to_string());
    let own = "template: t\nextends: [t]\n";
    let circle = check_template("t.yaml", own, &templates(&[own])).unwrap_err().to_string();
    assert!(circle.contains("t.yaml:2:11  extends: templates go in a circle: t → t"), "{circle}");
    for (text, expected) in [
        ("template: T\n", "t.yaml:1:11  `T` cannot be a template's name"),
        ("template: t\nfields: [ { name: a, type: integer, minimum: x } ]\n", "t.yaml:2:46  a.minimum: found `x`"),
        ("template: t\nfields: [ { name: a, type: strnig } ]\n", "t.yaml:2:28  a: there is no type `strnig`"),
        ("template: t\nfields: [ { name: A, pii: true } ]\n", "cannot be a field's name"),
        ("template: t\nprimaryKey: [Aa]\n", "t.yaml:2:14"),
    ] {
        let found = told(text).unwrap_err();
        assert!(found.contains(expected), "{text}{found}");
    }
}

#[test]
fn the_example_takes_most_of_itself_over_from_its_templates() {
    let layout = include_str!("../../../examples/templates/card-layout.yaml");
    let pii = include_str!("../../../examples/templates/pii-rules.yaml");
    let feed = include_str!("../../../examples/templates/card-refunds.yaml");
    let of = |text: &str| TemplateText { source_name: "t".into(), version: 1, text: text.to_owned() };
    let templates = Templates::from([("card-layout".to_owned(), of(layout)), ("pii-rules".to_owned(), of(pii))]);
    for (name, template) in &templates {
        assert_eq!(check_template("t", &template.text, &Templates::new()).as_ref(), Ok(name));
        assert_eq!(template_name(&template.text).as_ref(), Some(name));
    }
    let feed = resolve("card-refunds.yaml", feed, &templates).unwrap_or_else(|faults| panic!("{faults}")).feed;
    assert_eq!(names(&feed), "transaction_id account_number amount currency reason");
    let pii: Vec<_> = feed.fields.iter().filter(|field| field.pii).map(|field| field.name.as_str()).collect();
    assert_eq!(pii, ["account_number"]);
}

#[test]
fn rules_merge_by_name_and_a_template_may_rule_on_fields_that_others_give() {
    let rules = "template: rules\nrules:\n  - { name: known-id, fields: [id], reference: ids }\n";
    assert!(check_template("rules.yaml", rules, &Templates::new()).is_ok());
    let feed = "feed: f\nextends: [layout, rules]\nrules:\n  - { name: other, fields: [id], reference: others }\n  - { name: known-id, severity: warn }\n";
    let whole = format!(
        "feed: f\n{}rules:\n  - {{ name: known-id, fields: [id], reference: ids, severity: warn }}\n  - {{ name: other, \
         fields: [id], reference: others }}\n",
        LAYOUT.replace("template: layout\n", "")
    );
    let resolved = resolved(feed, &[LAYOUT, rules]);
    assert_eq!(resolved.feed, parse("whole.yaml", &whole).unwrap());
    assert_eq!(parse("resolved", &resolved.text.unwrap()).unwrap(), resolved.feed);
}
