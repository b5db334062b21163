//! Claims about judging records and chunks.

use super::*;
use crate::chunk::{Ending, Seq};
use crate::feed::{
    Bound, Constraint, Delimited, Feed, FeedName, Field, FieldType, Layout, Membership, OnEmpty, Reference,
    ReferenceName, Rule, RuleKind, Target, TargetMode,
};
use crate::record::avro::Readings;
use crate::rules::{PlanFault, SetFile, Sets};

fn field(name: &str, kind: FieldType, constraints: Vec<Constraint>) -> Field {
    let name = name.to_owned();
    Field {
        name,
        description: None,
        pii: false,
        kind,
        pointer: None,
        required: false,
        constraints,
        severity: Severity::Error,
    }
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
        stream: None,
        fields: vec![key, field("amount", money, limits), currency, field("at", local, vec![])],
        primary_key: vec![],
        unique_keys: vec![],
        rules: vec![],
        on_empty: OnEmpty::Ok,
        approval: None,
        thresholds: vec![],
        target: Target { schema: "public".to_owned(), table: "judged".to_owned(), mode: TargetMode::Append },
    }
}

fn compiled(feed: &Feed) -> Plan {
    Plan::compile(feed, &Sets::new()).unwrap()
}

/// The values of one record and what it broke, by name.
fn judged<'c>(plan: &Plan, cells: &[&'c [u8]]) -> (Vec<Value<'c>>, Vec<String>) {
    let (mut values, mut broken) = (Vec::new(), Vec::new());
    let both = (|column: usize| Some(cells[column]), |column: usize| std::str::from_utf8(cells[column]).ok());
    plan.judge_cells(both, &[0, 1, 2, 3], Nuls::Somewhere, &mut values, &mut broken);
    assert!(broken.is_sorted(), "in the order of the plan's rules");
    (values, broken.iter().map(|rule| plan.rule(*rule).name.clone()).collect())
}

fn broken(cells: &[&[u8]]) -> Vec<String> {
    judged(&compiled(&feed()), cells).1
}

#[test]
fn a_good_record_gives_one_value_per_field() {
    let plan = compiled(&feed());
    let (values, broken) = judged(&plan, &[b"T001", b"12.5", b"EUR", b"1970-01-01 01:00:00"]);
    assert_eq!(values, [Value::Text("T001"), Value::Decimal(1250), Value::Text("EUR"), Value::Timestamp(0)]);
    assert!(broken.is_empty());
}

#[test]
fn rules_stand_in_the_order_in_which_they_are_told() {
    let plan = compiled(&feed());
    let names: Vec<_> = plan.rules().iter().map(|rule| rule.name.as_str()).collect();
    let key = ["key.required", "key.encoding", "key.nul", "key.pattern"];
    let amount = ["amount.type", "amount.maximum", "amount.exclusiveMinimum"];
    let currency = ["currency.required", "currency.encoding", "currency.nul", "currency.enum"];
    let expected = [&["record.fieldCount", "record.unclosedQuote", "record.tooLong"][..], &key, &amount, &currency];
    assert_eq!(names, [expected.concat(), vec!["at.type"]].concat());
}

#[test]
fn a_missing_value_breaks_required_and_nothing_else() {
    let plan = compiled(&feed());
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
    let plan = compiled(&feed());
    let severity = |name: &str| plan.rules().iter().find(|rule| rule.name == name).unwrap().severity;
    assert_eq!(severity("currency.required"), Severity::Warn);
    assert_eq!(severity("currency.enum"), Severity::Warn);
    assert_eq!(severity("currency.encoding"), Severity::Error);
    assert_eq!(severity("currency.nul"), Severity::Error);
}

#[test]
fn a_breach_names_field_value_and_what_must_be() {
    let plan = compiled(&feed());
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
    let verdict = compiled(&feed).judge(&columns, &chunk(payload, ending), &mut Scratch::default(), accept);
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
    let plan = compiled(&feed());
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
    let (plan, columns) = (compiled(&feed), Columns::bind(&feed, b"").unwrap());
    let mut scratch = Scratch::default();
    let bad = chunk(b"T001|0|CHF|\n", Ending::Whole);
    let first = plan.judge(&columns, &bad, &mut scratch, |_, _| {});
    assert_eq!(plan.judge(&columns, &bad, &mut scratch, |_, _| {}), first);
    let good = plan.judge(&columns, &chunk(b"T001|1|EUR|\n", Ending::Whole), &mut scratch, |_, _| {});
    assert_eq!((good.accepted, good.tally), (1, vec![]));
}

fn reference(name: &str, fields: &[usize], set: &str, membership: Membership) -> Rule {
    let set = ReferenceName::new(set).unwrap();
    let kind = RuleKind::Reference(Reference { set, columns: vec![], membership });
    Rule { name: name.to_owned(), fields: fields.to_vec(), severity: Severity::Error, message: None, kind }
}

fn sets(files: &[(&str, &str)]) -> Sets {
    let read = |(name, text): &(&str, &str)| {
        let file = SetFile::read(name, text.as_bytes(), &[]).unwrap();
        ((*name).to_owned(), file.keys.into_set(file.columns).into())
    };
    files.iter().map(read).collect()
}

/// What the records of `payload` break of the feed's own rules, by record.
fn looked_up(rules: Vec<Rule>, files: &[(&str, &str)], payload: &[u8]) -> Verdict {
    let feed = Feed { rules, ..feed() };
    let plan = Plan::compile(&feed, &sets(files)).unwrap();
    let columns = Columns::bind(&feed, b"").unwrap();
    plan.judge(&columns, &chunk(payload, Ending::Whole), &mut Scratch::default(), |_, _| {})
}

#[test]
fn a_record_whose_key_is_not_in_the_set_breaks_the_rule_by_its_name() {
    let known = reference("known-key", &[0], "keys", Membership::In);
    let verdict = looked_up(vec![known], &[("keys", "key\nT001\n")], b"T001|1|EUR|\nT002|1|EUR|\n");
    assert_eq!((verdict.accepted, rules_of(&verdict.rejects[0])), (1, vec!["known-key"]));
    let breach = &verdict.rejects[0].breaches[0];
    assert_eq!((breach.field.as_deref(), breach.value.as_deref()), (Some("key"), Some("T002")));
    assert_eq!(breach.message, "is not in the reference set keys");
}

#[test]
fn a_record_whose_key_is_in_the_set_breaks_a_rule_of_not_in() {
    let closed = Rule {
        severity: Severity::Warn,
        message: Some("The account is closed".into()),
        ..reference("open", &[0], "closed", Membership::NotIn)
    };
    let verdict =
        looked_up(vec![closed.clone()], &[("closed", "key\nT001\n")], b"T001|1|EUR|\nT002|0|EUR|\nT001|0|EUR|\n");
    assert_eq!((verdict.accepted, verdict.rejects.len()), (1, 2));
    assert_eq!(verdict.tally.last().map(|tally| tally.records), Some(2), "a warning is counted and loaded");
    assert_eq!(rules_of(&verdict.rejects[1]), ["amount.exclusiveMinimum", "open"]);
    assert_eq!(verdict.rejects[1].breaches[1].message, "The account is closed");
}

#[test]
fn several_fields_are_one_key_in_the_order_of_the_sets_columns() {
    let in_order = reference("pair", &[2, 0], "pairs", Membership::In);
    let mut by_name = reference("named-pair", &[0, 2], "pairs", Membership::In);
    let RuleKind::Reference(named) = &mut by_name.kind;
    named.columns = vec!["key".into(), "currency".into()];
    let pairs = [("pairs", "currency,key\nEUR,T001\nUSD,T002\n")];
    let verdict = looked_up(vec![in_order, by_name], &pairs, b"T001|1|EUR|\nT002|1|USD|\nT001|1|USD|\n");
    assert_eq!((verdict.accepted, rules_of(&verdict.rejects[0])), (2, vec!["pair", "named-pair"]));
    let breach = &verdict.rejects[0].breaches[0];
    assert_eq!((breach.field.as_deref(), breach.value.as_deref()), (None, Some("USD, T001")));
    assert_eq!(breach.message, "as currency, key is not in the reference set pairs");
}

#[test]
fn a_cell_that_holds_the_separator_is_no_other_key() {
    let pair = reference("pair", &[0, 2], "pairs", Membership::In);
    let verdict = looked_up(vec![pair], &[("pairs", "a,b\nT001,EUR\n")], b"T001\x1fEUR|1|EUR|\nT001|1|EUR|\n");
    assert_eq!((verdict.accepted, rules_of(&verdict.rejects[0])), (1, vec!["key.pattern", "pair"]));
}

#[test]
fn a_record_without_a_value_in_its_key_is_not_asked() {
    let rules = vec![
        reference("amount", &[1], "none", Membership::In),
        reference("both", &[0, 1], "pairs", Membership::In),
        reference("neither", &[0, 1], "pairs", Membership::NotIn),
    ];
    let files = [("none", "amount\n-\n"), ("pairs", "a,b\n-,-\n")];
    let verdict = looked_up(rules, &files, b"T001||EUR|\nT001|NULL|EUR|\nT001|x|EUR|\n");
    assert_eq!(verdict.accepted, 2);
    assert_eq!(rules_of(&verdict.rejects[0]), ["amount.type"], "nor one that cannot be read");
}

#[test]
fn a_plan_needs_every_set_with_as_many_columns_as_the_rule_has_fields() {
    let feed = Feed { rules: vec![reference("pair", &[0, 2], "pairs", Membership::In)], ..feed() };
    let refused = |files: &[(&str, &str)]| Plan::compile(&feed, &sets(files)).err().unwrap();
    assert_eq!(refused(&[]), PlanFault::NoSet { rule: "pair".into(), set: "pairs".into() });
    assert_eq!(
        refused(&[("pairs", "key\nT001\n")]).to_string(),
        "rule pair looks up key with currency in the reference set pairs, whose key is the column key; \
         the set would be loaded for it with `--columns key,currency`"
    );
}

/// The feed of these tests as a stream of JSON values.
fn stream() -> Feed {
    let stream = crate::feed::Stream {
        topic: "t".to_owned(),
        key: None,
        batch: crate::feed::BatchLimits::default(),
        window_seconds: crate::feed::Stream::WINDOW_SECONDS,
    };
    Feed { layout: Layout::Json, stream: Some(stream), ..feed() }
}

/// What became of each value: its values, or the rules that it broke.
fn judged_messages(feed: &Feed, values: &[Option<&[u8]>]) -> Vec<Result<String, String>> {
    let keyless: Vec<_> = values.iter().map(|value| (None, *value)).collect();
    judged_with_keys(feed, &keyless, |breach| breach.rule.clone())
}

type Bytes<'m> = Option<&'m [u8]>;

/// As [`judged_messages`], of keys and values; `told` says what is to be read of a breach.
fn judged_with_keys(
    feed: &Feed,
    pushed: &[(Bytes<'_>, Bytes<'_>)],
    told: impl Fn(&Breach) -> String,
) -> Vec<Result<String, String>> {
    let mut messages = crate::record::Messages::default();
    pushed.iter().zip(7_u64..).for_each(|((key, value), offset)| messages.push(offset, *key, *value, 100));
    let mut outcomes: Vec<Option<Result<String, String>>> = vec![None; pushed.len()];
    let place = |offset: u64| usize::try_from(offset - 7).unwrap();
    let verdict =
        compiled(feed).judge_messages(&messages, &Readings::new(), &mut Scratch::default(), |offset, values| {
            outcomes[place(offset)] = Some(Ok(format!("{values:?}")));
        });
    assert_eq!(verdict.records, verdict.accepted + verdict.rejects.len() as u64);
    for reject in &verdict.rejects {
        let rules: Vec<_> = reject.breaches.iter().map(&told).collect();
        outcomes[place(reject.at.record)] = Some(Err(rules.join(" ")));
    }
    outcomes.into_iter().map(|outcome| outcome.unwrap()).collect()
}

#[test]
fn each_message_is_accepted_or_rejected_for_what_it_is() {
    let long = [b'x'; 101];
    let values: [Option<&[u8]>; 7] = [
        Some(br#"{"key":"T001","amount":12.50,"currency":"EUR","at":"1970-01-01 01:00:00"}"#),
        Some(br#"{"key":"T002","amount":"7","currency":""}"#),
        Some(br#"{"amount":"-1","currency":null}"#),
        Some(b"T001|1"),
        None,
        Some(&long),
        Some(br#"{"key":"T003\u0000","currency":"EUR"}"#),
    ];
    let outcomes = judged_messages(&stream(), &values);
    assert_eq!(outcomes[0], Ok(r#"[Text("T001"), Decimal(1250), Text("EUR"), Timestamp(0)]"#.to_owned()));
    assert!(outcomes[1].is_ok(), "a currency that is none only warns: {outcomes:?}");
    let broken: Vec<&str> = outcomes[2..].iter().map(|outcome| outcome.as_ref().unwrap_err().as_str()).collect();
    let expected = [
        "key.required amount.exclusiveMinimum currency.required",
        "schema-error",
        "record.null",
        "record.tooLong",
        "key.nul key.pattern",
    ];
    assert_eq!(broken, expected);
}

#[test]
fn a_message_that_is_text_is_one_line() {
    let feed = Feed { layout: feed().layout, ..stream() };
    let values: [Option<&[u8]>; 5] =
        [Some(b"T001|1|EUR|"), Some(b"T001|1|EUR|\r\n"), Some(b"T001|1"), Some(b"a\nb"), Some(b"")];
    let outcomes = judged_messages(&feed, &values);
    assert_eq!(outcomes[0], outcomes[1]);
    let broken: Vec<&str> = outcomes[2..].iter().map(|outcome| outcome.as_ref().unwrap_err().as_str()).collect();
    assert_eq!(broken, ["record.fieldCount", "schema-error", "schema-error"]);
}

#[test]
fn a_messages_key_is_the_text_of_the_field_that_the_feed_expects() {
    let mut feed = stream();
    feed.stream.as_mut().unwrap().key = Some(0);
    let good = Some(&br#"{"key":"T001","currency":"EUR"}"#[..]);
    let pushed: [(Bytes<'_>, Bytes<'_>); 5] = [
        (Some(b"T001"), good),
        (Some(b"T0011"), good),
        (None, good),
        (Some(b""), Some(br#"{"amount":"-1","currency":"EUR"}"#)),
        (Some(b"\xff"), Some(br#"{"currency":"EUR"}"#)),
    ];
    let said = |breach: &Breach| {
        let value = breach.value.as_deref().unwrap_or("record");
        format!("{}: {} {} {}.", breach.rule, breach.field.as_deref().unwrap_or_default(), value, breach.message)
    };
    let outcomes = judged_with_keys(&feed, &pushed, said);
    assert!(outcomes[0].is_ok(), "{outcomes:?}");
    let broken: Vec<&str> = outcomes[1..].iter().map(|outcome| outcome.as_ref().unwrap_err().as_str()).collect();
    let required = "key.required: key  is required.";
    let expected = [
        "record.key: key T001 is not the key of its message, which is T0011.",
        "record.key: key T001 is not the key of its message, which has none.",
        &format!("{required} amount.exclusiveMinimum: amount -1 must be greater than 0."),
        &format!("record.key: key  is not the key of its message, which is \u{fffd}. {required}"),
    ];
    assert_eq!(broken, expected);
    feed.fields[0].pii = true;
    let outcomes = judged_with_keys(&feed, &pushed[1..2], said);
    assert_eq!(outcomes[0], Err("record.key: key T001 is not the key of its message.".to_owned()));
}
