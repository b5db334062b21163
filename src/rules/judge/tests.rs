use super::*;
use crate::feed::{
    Bound, Constraint, Delimited, Feed, FeedName, Field, FieldType, Layout, OnEmpty, Target, TargetMode,
};

fn field(name: &str, kind: FieldType, constraints: Vec<Constraint>) -> Field {
    let name = name.to_owned();
    Field { name, description: None, pii: false, kind, required: false, constraints, severity: Severity::Error }
}

fn bound(scaled: i128, text: &str) -> Bound {
    Bound { scaled, text: text.to_owned() }
}

/// Four fields: a required key, an amount, a currency that only warns, a time in Zurich.
fn feed() -> Feed {
    let money = FieldType::Decimal { precision: 12, scale: 2 };
    let limits = vec![Constraint::Maximum(bound(100_000_000, "1000000")), Constraint::ExclusiveMinimum(bound(0, "0"))];
    let currencies = ["USD", "EUR", "GBP"].map(str::to_owned).to_vec();
    let local = FieldType::Timestamp { format: "%F %T".to_owned(), timezone: Some("Europe/Zurich".to_owned()) };
    let mut key = field("key", FieldType::String, vec![Constraint::Pattern("T[0-9]{3}".to_owned())]);
    key.required = true;
    let mut currency = field("currency", FieldType::String, vec![Constraint::Enum(currencies)]);
    currency.required = true;
    currency.severity = Severity::Warn;
    Feed {
        name: FeedName::new("judged").unwrap(),
        description: None,
        owner: None,
        layout: Layout::Delimited(Delimited {
            delimiter: b'|',
            quote: None,
            header: false,
            missing_values: vec![String::new(), "NULL".to_owned()],
        }),
        fields: vec![key, field("amount", money, limits), currency, field("at", local, vec![])],
        primary_key: vec![],
        unique_keys: vec![],
        on_empty: OnEmpty::Ok,
        thresholds: vec![],
        target: Target { schema: "public".to_owned(), table: "judged".to_owned(), mode: TargetMode::Append },
    }
}

/// The values of one record and what it broke, by name.
fn judged<'c>(plan: &Plan, cells: &[&'c [u8]]) -> (Vec<Value<'c>>, Vec<String>) {
    let (mut values, mut broken) = (Vec::new(), Vec::new());
    plan.judge_cells(|column| cells[column], &[0, 1, 2, 3], Nuls::Somewhere, &mut values, &mut broken);
    assert!(broken.is_sorted(), "in the order of the plan's rules");
    (values, broken.iter().map(|rule| plan.rule(*rule).name.clone()).collect())
}

fn broken(cells: &[&[u8]]) -> Vec<String> {
    judged(&Plan::compile(&feed()), cells).1
}

#[test]
fn a_good_record_gives_one_value_per_field() {
    let plan = Plan::compile(&feed());
    let (values, broken) = judged(&plan, &[b"T001", b"12.5", b"EUR", b"1970-01-01 01:00:00"]);
    assert_eq!(values, [Value::Text("T001"), Value::Decimal(1250), Value::Text("EUR"), Value::Timestamp(0)]);
    assert!(broken.is_empty());
}

#[test]
fn rules_stand_in_the_order_in_which_they_are_told() {
    let plan = Plan::compile(&feed());
    let names: Vec<_> = plan.rules().iter().map(|rule| rule.name.as_str()).collect();
    let key = ["key.required", "key.encoding", "key.nul", "key.pattern"];
    let amount = ["amount.type", "amount.maximum", "amount.exclusiveMinimum"];
    let currency = ["currency.required", "currency.encoding", "currency.nul", "currency.enum"];
    let expected = [&["record.fieldCount", "record.unclosedQuote", "record.tooLong"][..], &key, &amount, &currency];
    assert_eq!(names, [expected.concat(), vec!["at.type"]].concat());
}

#[test]
fn a_missing_value_breaks_required_and_nothing_else() {
    let plan = Plan::compile(&feed());
    for missing in [b"".as_slice(), b"NULL"] {
        let (values, broken) = judged(&plan, &[missing; 4]);
        assert_eq!(values, [Value::Missing; 4]);
        assert_eq!(broken, ["key.required", "currency.required"]);
    }
}

#[test]
fn a_record_tells_every_rule_that_it_broke() {
    assert_eq!(
        broken(&[b"t001", b"-12.50", b"CHF", b"2026-03-29 02:30:00"]),
        ["key.pattern", "amount.exclusiveMinimum", "currency.enum", "at.type"]
    );
}

#[test]
fn a_cell_that_cannot_be_read_is_asked_no_constraint() {
    assert_eq!(
        broken(&[b"T\xff01", b"12.505", b"EUR", b"2026-02-30 00:00:00"]),
        ["key.encoding", "amount.type", "at.type"]
    );
    assert_eq!(broken(&[b"T\x0001", b"1", b"EUR", b""]), ["key.nul", "key.pattern"]);
}

#[test]
fn faults_of_a_value_are_errors_though_the_field_only_warns() {
    let plan = Plan::compile(&feed());
    let severity = |name: &str| plan.rules().iter().find(|rule| rule.name == name).unwrap().severity;
    assert_eq!(severity("currency.required"), Severity::Warn);
    assert_eq!(severity("currency.enum"), Severity::Warn);
    assert_eq!(severity("currency.encoding"), Severity::Error);
    assert_eq!(severity("currency.nul"), Severity::Error);
}

#[test]
fn a_breach_names_field_value_and_what_must_be() {
    let plan = Plan::compile(&feed());
    let told = |rule: &str, cell: &'static [u8]| {
        let id = plan.rules().iter().position(|known| known.name == rule).unwrap();
        let breach = plan.breach(RuleId(id as u16), |_| cell);
        (breach.field.unwrap(), breach.value.unwrap(), breach.message)
    };
    let expected = |field: &str, value: &str, message: &str| (field.to_owned(), value.to_owned(), message.to_owned());
    assert_eq!(told("amount.exclusiveMinimum", b"-12.50"), expected("amount", "-12.50", "must be greater than 0"));
    assert_eq!(told("amount.type", b"x"), expected("amount", "x", "is not a decimal(12,2)"));
    assert_eq!(told("currency.enum", b"CHF"), expected("currency", "CHF", "must be one of USD, EUR, GBP"));
    assert_eq!(told("key.encoding", b"T\xff"), expected("key", "T\u{fffd}", "is not UTF-8"));
    assert_eq!(told("key.required", b""), expected("key", "", "is required"));
}

#[test]
fn a_long_value_is_quoted_up_to_a_character() {
    assert_eq!(quoted(&[b'x'; 200]), "x".repeat(200));
    assert_eq!(quoted(&[b'x'; 201]), "x".repeat(200));
    for lead in 0..4 {
        let text = format!("{}{}", "x".repeat(lead), "😀".repeat(60));
        let quoted = quoted(text.as_bytes());
        assert!(text.starts_with(&quoted) && quoted.len() > 196, "{quoted}");
    }
    assert_eq!(quoted(&[0x80; 300]).chars().count(), 197);
}

#[test]
fn buffers_are_used_again_from_record_to_record() {
    let mut values = Vec::with_capacity(12);
    values.push(Value::Integer(1));
    let memory = values.as_ptr() as usize;
    let again: Vec<Value<'_>> = recycle(values);
    assert!(again.is_empty() && again.capacity() == 12 && again.as_ptr() as usize == memory);
}
