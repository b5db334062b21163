//! What a definition means, and what is said of one that is wrong.

mod extending;
mod faults;
mod properties;
mod schema;

use super::*;

const CARDS: &str = include_str!("../../../examples/card-transactions.yaml");
const EQUITIES: &str = include_str!("../../../examples/equities.yaml");

fn parsed(text: &str) -> Feed {
    parse("feed.yaml", text).unwrap_or_else(|faults| panic!("{faults}\n{text}"))
}

/// A feed of one field, `x`, with these options.
fn field(options: &str) -> String {
    format!("feed: f\nlayout: {{ format: delimited }}\nfields:\n  - {{ name: x, {options} }}\n")
}

fn only_field(options: &str) -> Field {
    parsed(&field(options)).fields.remove(0)
}

fn bound(scaled: i128, text: &str) -> Bound {
    Bound { scaled, text: text.to_owned() }
}

#[test]
fn the_card_transactions_example_has_twelve_fields_and_twelve_rules() {
    let feed = parsed(CARDS);
    let rules: usize = feed.fields.iter().map(|field| field.constraints.len() + usize::from(field.required)).sum();
    assert_eq!((feed.fields.len(), rules), (12, 12));
    assert!(feed.primary_key.is_empty() && feed.unique_keys.is_empty());
    assert_eq!(feed.target.table, "card_transactions");
}

#[test]
fn the_equities_example_has_the_columns_of_its_file() {
    let names: Vec<String> = parsed(EQUITIES).fields.into_iter().map(|field| field.name).collect();
    let header = "symbol,name,summary,currency,sector,industry_group,industry,exchange,mic,market,country,state,city,\
                  zipcode,website,market_cap,isin,cusip,figi,composite_figi,shareclass_figi,delisted";
    assert_eq!(names.join(","), header);
}

#[test]
fn what_is_not_written_has_its_default() {
    let feed = parsed("feed: daily-prices\nlayout: { format: delimited }\nfields: [ { name: x, type: string } ]");
    let layout = Delimited { delimiter: b',', quote: Some(b'"'), header: true, missing_values: vec![String::new()] };
    assert_eq!(feed.layout, Layout::Delimited(layout));
    assert_eq!(feed.on_empty, OnEmpty::Ok);
    assert_eq!(feed.thresholds, [Threshold::default_stop()]);
    let target = Target { schema: "public".into(), table: "daily_prices".into(), mode: TargetMode::Append };
    assert_eq!(feed.target, target);
}

#[test]
fn a_bound_finer_than_its_field_is_tightened_to_the_nearest_value_inside() {
    let field = only_field("type: 'decimal(12,2)', minimum: 0.005, maximum: 9.999");
    let expected = [Constraint::Minimum(bound(1, "0.005")), Constraint::Maximum(bound(999, "9.999"))];
    assert_eq!(field.constraints, expected);
    let field = only_field("type: 'decimal(12,2)', exclusiveMinimum: -0.005, exclusiveMaximum: 0.005");
    let expected = [Constraint::ExclusiveMinimum(bound(-1, "-0.005")), Constraint::ExclusiveMaximum(bound(1, "0.005"))];
    assert_eq!(field.constraints, expected);
}

#[test]
fn a_bound_keeps_more_digits_than_a_float_has() {
    let field = only_field("type: 'decimal(38,2)', maximum: 123456789012345678901234567890123456.78");
    let text = "123456789012345678901234567890123456.78";
    assert_eq!(field.constraints, [Constraint::Maximum(bound(12345678901234567890123456789012345678, text))]);
}

#[test]
fn bounds_of_dates_are_read_in_the_fields_own_format_and_in_iso() {
    let field = only_field("type: date, format: '%d.%m.%Y', minimum: 02.01.1970, maximum: 1970-01-03");
    let expected = [Constraint::Minimum(bound(1, "02.01.1970")), Constraint::Maximum(bound(2, "1970-01-03"))];
    assert_eq!(field.constraints, expected);
}

#[test]
fn bounds_of_timestamps_count_microseconds_in_utc() {
    let field = only_field("type: timestamp, minimum: '1970-01-01T01:00:00+01:00', maximum: 1970-01-01T00:00:01Z");
    let expected = [
        Constraint::Minimum(bound(0, "1970-01-01T01:00:00+01:00")),
        Constraint::Maximum(bound(1_000_000, "1970-01-01T00:00:01Z")),
    ];
    assert_eq!(field.constraints, expected);
    let zoned = "type: timestamp, format: '%F %T', timezone: Europe/Zurich, minimum: 1970-01-01 01:00:00";
    assert_eq!(only_field(zoned).constraints, [Constraint::Minimum(bound(0, "1970-01-01 01:00:00"))]);
}

#[test]
fn a_share_is_read_as_parts_per_million_quoted_or_plain() {
    for (written, parts) in [("1%", 10_000), ("\"1%\"", 10_000), ("0.5%", 5_000), ("100%", 1_000_000), ("0%", 0)] {
        let text = field("type: string") + &format!("thresholds: [ {{ rejects: {written}, action: stop }} ]\n");
        let limit = RejectLimit::PartsPerMillion(parts);
        assert_eq!(parsed(&text).thresholds, [Threshold { limit, after: 0, action: ThresholdAction::Stop }]);
    }
}

#[test]
fn a_rule_looks_a_key_up_in_a_reference_set() {
    let text = field("type: string")
        + "  - { name: y, type: string }\n"
        + "rules:\n  - { name: known, fields: [x], reference: branches }\n"
        + "  - name: no-pair\n    fields: [y, x]\n    reference: { set: pairs, columns: [b, a] }\n"
        + "    match: not-in\n    severity: warn\n    message: Closed\n";
    let reference = |set, columns: &[&str], membership| {
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        RuleKind::Reference(Reference { set: ReferenceName::new(set).unwrap(), columns, membership })
    };
    let known = Rule {
        name: "known".into(),
        fields: vec![0],
        severity: Severity::Error,
        message: None,
        kind: reference("branches", &[], Membership::In),
    };
    let no_pair = Rule {
        name: "no-pair".into(),
        fields: vec![1, 0],
        severity: Severity::Warn,
        message: Some("Closed".into()),
        kind: reference("pairs", &["b", "a"], Membership::NotIn),
    };
    assert_eq!(parsed(&text).rules, [known, no_pair]);
}

#[test]
fn an_alert_alone_leaves_the_default_stop_in_force() {
    let text = field("type: string") + "thresholds: [ { rejects: 5, action: alert } ]\n";
    let thresholds = parsed(&text).thresholds;
    assert_eq!((thresholds.len(), thresholds[1].clone()), (2, Threshold::default_stop()));
    let text = field("type: string") + "thresholds: [ { rejects: 5, action: continue } ]\n";
    assert_eq!(parsed(&text).thresholds.len(), 1);
}

#[test]
fn words_that_yaml_might_read_as_booleans_stay_texts() {
    let field = only_field("type: string, enum: [NO, yes, true, 012, 1e3]");
    let texts = ["NO", "yes", "true", "012", "1e3"].map(str::to_owned).to_vec();
    assert_eq!(field.constraints, [Constraint::Enum(texts)]);
}
