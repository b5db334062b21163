//! Claims about judging records and chunks.

use super::*;
use crate::chunk::{Ending, Seq};
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
        approval: None,
        thresholds: vec![],
        target: Target { schema: "public".to_owned(), table: "judged".to_owned(), mode: TargetMode::Append },
    }
}

/// The values of one record and what it broke, by name.
fn judged<'c>(plan: &Plan, cells: &[&'c [u8]]) -> (Vec<Value<'c>>, Vec<String>) {
    let (mut values, mut broken) = (Vec::new(), Vec::new());
    let both = (|column: usize| cells[column], |column: usize| std::str::from_utf8(cells[column]).ok());
    plan.judge_cells(both, &[0, 1, 2, 3], Nuls::Somewhere, &mut values, &mut broken);
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

fn chunk(payload: &[u8], ending: Ending) -> Chunk {
    Chunk {
        seq: Seq(0),
        start: Position { record: 101, line: 201, byte: 5000 },
        span: payload.len() as u64,
        records: payload.split_inclusive(|byte| *byte == b'\n').count() as u32,
        blanks: 0,
        ending,
        context: Vec::new(),
        payload: payload.to_vec().into(),
    }
}

fn verdict(payload: &[u8], ending: Ending) -> (Verdict, Vec<u64>) {
    let feed = feed();
    let columns = Columns::bind(&feed, b"").unwrap();
    let mut accepted = Vec::new();
    let accept = |record: &Record<'_>, values: &[Value<'_>]| {
        assert_eq!(values.len(), 4);
        accepted.push(record.at.record);
    };
    let verdict = Plan::compile(&feed).judge(&columns, &chunk(payload, ending), &mut Scratch::default(), accept);
    assert_eq!(verdict.records, verdict.accepted + verdict.rejects.len() as u64);
    (verdict, accepted)
}

fn rules_of(reject: &Reject) -> Vec<&str> {
    reject.breaches.iter().map(|breach| breach.rule.as_str()).collect()
}

#[test]
fn a_chunk_gives_its_good_records_and_a_reject_for_each_other() {
    let payload = b"T001|1|EUR|\nT002|0|CHF|\nT003|1\nT004|1|CHF|\n";
    let (verdict, accepted) = verdict(payload, Ending::Whole);
    assert_eq!(accepted, [101, 104]);
    let [amount, count] = verdict.rejects.as_slice() else { unreachable!("{verdict:?}") };
    assert_eq!(rules_of(amount), ["amount.exclusiveMinimum", "currency.enum"]);
    assert_eq!(amount.at, Position { record: 102, line: 202, byte: 5012 });
    assert_eq!(&payload[amount.start..amount.end], b"T002|0|CHF|\n");
    assert_eq!(amount.length, 12);
    assert_eq!(rules_of(count), ["record.fieldCount"]);
    assert_eq!(count.breaches[0].message, "has 2 cells, the feed has 4 fields");
    assert_eq!(&payload[count.start..count.end], b"T003|1\n");
}

#[test]
fn the_tally_counts_warnings_of_accepted_records_too() {
    let (verdict, _) = verdict(b"T001|1|CHF|\nT002|0|CHF|\nT003|0|EUR|\n", Ending::Whole);
    let plan = Plan::compile(&feed());
    let tally = verdict.tally.iter().map(|one| (plan.rule(one.rule).name.as_str(), one.records, one.first.record));
    assert_eq!(tally.collect::<Vec<_>>(), [("amount.exclusiveMinimum", 2, 102), ("currency.enum", 2, 101)]);
}

#[test]
fn an_overlong_record_is_a_reject_that_keeps_its_first_bytes() {
    let (verdict, accepted) = verdict(b"T001|1|EU", Ending::Overlong { length: 4_194_305 });
    assert!(accepted.is_empty());
    assert_eq!((verdict.rejects[0].start, verdict.rejects[0].end, verdict.rejects[0].length), (0, 9, 4_194_305));
    assert_eq!(verdict.rejects[0].breaches[0].message, "is 4,194,305 bytes long, longer than a record may be");
}

#[test]
fn a_scratch_carries_nothing_from_chunk_to_chunk() {
    let feed = feed();
    let (plan, columns) = (Plan::compile(&feed), Columns::bind(&feed, b"").unwrap());
    let mut scratch = Scratch::default();
    let bad = chunk(b"T001|0|CHF|\n", Ending::Whole);
    let first = plan.judge(&columns, &bad, &mut scratch, |_, _| {});
    assert_eq!(plan.judge(&columns, &bad, &mut scratch, |_, _| {}), first);
    let good = plan.judge(&columns, &chunk(b"T001|1|EUR|\n", Ending::Whole), &mut scratch, |_, _| {});
    assert_eq!((good.accepted, good.tally), (1, vec![]));
}
