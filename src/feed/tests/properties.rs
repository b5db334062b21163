//! What holds for every text, and for every feed.

use proptest::prelude::*;

use super::{CARDS, bound};
use crate::feed::*;

/// As YAML writes a text in double quotes.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

fn texts(values: &[String]) -> String {
    format!("[{}]", values.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(", "))
}

fn type_options(kind: &FieldType) -> String {
    let options = match kind {
        FieldType::Boolean { true_values, false_values } => {
            format!(", trueValues: {}, falseValues: {}", texts(true_values), texts(false_values))
        }
        FieldType::Date { format } => format!(", format: {}", quoted(format)),
        FieldType::Timestamp { format, timezone } => {
            let zone = timezone.as_ref().map(|zone| format!(", timezone: {zone}")).unwrap_or_default();
            format!(", format: {}{zone}", quoted(format))
        }
        _ => String::new(),
    };
    format!("type: {}{options}", quoted(&kind.to_string()))
}

fn constraint(constraint: &Constraint) -> String {
    let value = match constraint {
        Constraint::MinLength(length) | Constraint::MaxLength(length) => length.to_string(),
        Constraint::Pattern(pattern) => quoted(pattern),
        Constraint::Enum(values) => texts(values),
        Constraint::Minimum(bound)
        | Constraint::Maximum(bound)
        | Constraint::ExclusiveMinimum(bound)
        | Constraint::ExclusiveMaximum(bound) => bound.text.clone(),
    };
    format!(", {}: {value}", constraint.keyword())
}

fn printed_field(field: &Field) -> String {
    let severity = if field.severity == Severity::Warn { "warn" } else { "error" };
    let rules: String = field.constraints.iter().map(constraint).collect();
    format!(
        "  - {{ name: {}, {}, required: {}, pii: {}, severity: {severity}{rules} }}\n",
        field.name,
        type_options(&field.kind),
        field.required,
        field.pii
    )
}

fn printed_rule(feed: &Feed, rule: &Rule) -> String {
    let RuleKind::Reference(Reference { set, columns, membership }) = &rule.kind;
    let fields: Vec<String> = rule.fields.iter().map(|i| feed.fields[*i].name.clone()).collect();
    let severity = if rule.severity == Severity::Warn { "warn" } else { "error" };
    let membership = if *membership == Membership::NotIn { "not-in" } else { "in" };
    let set =
        if columns.is_empty() { set.to_string() } else { format!("{{ set: {set}, columns: {} }}", texts(columns)) };
    let message = rule.message.as_ref().map(|message| format!(", message: {}", quoted(message))).unwrap_or_default();
    format!(
        "  - {{ name: {}, fields: {}, reference: {set}, severity: {severity}, match: {membership}{message} }}\n",
        rule.name,
        texts(&fields)
    )
}

fn printed(feed: &Feed) -> String {
    let layout = feed.layout.delimited().unwrap();
    let quote = layout.quote.map_or("none".to_owned(), |quote| quoted(&char::from(quote).to_string()));
    let fields: String = feed.fields.iter().map(printed_field).collect();
    let names = |key: &Vec<usize>| key.iter().map(|i| feed.fields[*i].name.clone()).collect::<Vec<_>>();
    let key = if feed.primary_key.is_empty() {
        String::new()
    } else {
        format!("primaryKey: {}\n", texts(&names(&feed.primary_key)))
    };
    let rules: String = feed.rules.iter().map(|rule| printed_rule(feed, rule)).collect();
    let rules = if rules.is_empty() { rules } else { format!("rules:\n{rules}") };
    let Threshold { limit: RejectLimit::Count(rejects), after, .. } = feed.thresholds[0] else { unreachable!() };
    format!(
        "feed: {}\ndescription: {}\nlayout: {{ format: delimited, delimiter: {}, quoteChar: {quote}, header: {}, \
         missingValues: {} }}\nfields:\n{fields}{key}{rules}thresholds: [ {{ rejects: {rejects}, after: {after}, action: stop }} ]\n\
         target: {{ schema: {}, table: {} }}\n",
        feed.name,
        quoted(feed.description.as_deref().unwrap()),
        quoted(&char::from(layout.delimiter).to_string()),
        layout.header,
        texts(&layout.missing_values),
        feed.target.schema,
        feed.target.table
    )
}

/// The parts of a printed feed: a key with all that stands under it.
fn parts(text: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for line in text.lines() {
        match parts.last_mut() {
            Some(part) if line.starts_with(' ') => part.push_str(&format!("{line}\n")),
            _ => parts.push(format!("{line}\n")),
        }
    }
    parts
}

fn kind() -> impl Strategy<Value = (FieldType, Vec<Constraint>)> {
    let lengths = (0_usize..9, 9_usize..99).prop_map(|(least, most)| {
        let pattern = Constraint::Pattern(r"[^\t#]{0,40}".to_owned());
        (FieldType::String, vec![Constraint::MinLength(least), Constraint::MaxLength(most), pattern])
    });
    let numbers = (1_u8..=38, 0_u8..=38, any::<i64>(), 2_u32..99).prop_map(|(precision, scale, least, width)| {
        let scale = scale.min(precision);
        let least = i128::from(least) % 10_i128.pow(u32::from(precision.min(18)));
        let text = |scaled: i128| {
            let digits = format!("{:0>1$}", scaled.unsigned_abs(), usize::from(scale) + 1);
            let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
            let point = if fraction.is_empty() { "" } else { "." };
            format!("{}{whole}{point}{fraction}", if scaled < 0 { "-" } else { "" })
        };
        let most = least + i128::from(width);
        let rules = vec![
            Constraint::Minimum(bound(least, &text(least))),
            Constraint::ExclusiveMaximum(bound(most, &text(most))),
        ];
        (FieldType::Decimal { precision, scale }, rules)
    });
    let plain = |kind: FieldType| (kind, Vec::new());
    let boolean = FieldType::Boolean { true_values: vec!["Y".into()], false_values: vec!["N".into(), "~".into()] };
    let zoned = FieldType::Timestamp { format: "%d %b %Y %T".into(), timezone: Some("Asia/Tokyo".into()) };
    let offset = FieldType::Timestamp { format: "%Y%m%d%H%M%S%.f%z".into(), timezone: None };
    let others = [FieldType::Integer, boolean, zoned, offset, FieldType::Date { format: "%Y%j".into() }].map(plain);
    prop_oneof![lengths, numbers, proptest::sample::select(others.to_vec())]
}

prop_compose! {
    /// About the first field, which every feed has.
    fn rule()(
        set in "[a-z][a-z0-9-]{0,20}", column in proptest::option::of("\\PC{1,10}"), warn in any::<bool>(),
        not in any::<bool>(), message in proptest::option::of("\\PC{1,20}"),
    ) -> Rule {
        let membership = if not { Membership::NotIn } else { Membership::In };
        let set = ReferenceName::new(&set).unwrap();
        let kind = RuleKind::Reference(Reference { set, columns: column.into_iter().collect(), membership });
        let severity = if warn { Severity::Warn } else { Severity::Error };
        Rule { name: String::new(), fields: vec![0], severity, message, kind }
    }
}

prop_compose! {
    fn feed()(
        name in "[a-z][a-z0-9-]{0,20}", description in "\\PC{1,40}", delimiter in "[,;|\t]", quote in any::<bool>(),
        header in any::<bool>(), kinds in proptest::collection::vec((kind(), any::<[bool; 3]>()), 1..6),
        missing in proptest::sample::subsequence(vec!["", "null", "NULL", "-", "#N/A", "é"], 0..6),
        rules in proptest::collection::vec(rule(), 0..4), rejects in 0..u64::MAX / 2, after in 0_u64..1_000_000, table in "[a-z_][a-z0-9_]{0,62}",
    ) -> Feed {
        let fields = kinds.into_iter().enumerate().map(|(i, ((kind, constraints), [required, pii, warn]))| Field {
            name: format!("f{i}"), description: None, pii, kind, pointer: None, required: required || i == 0, constraints,
            severity: if warn && i > 0 { Severity::Warn } else { Severity::Error },
        });
        Feed {
            name: FeedName::new(&name).unwrap(), description: Some(description), owner: None,
            layout: Layout::Delimited(Delimited {
                delimiter: delimiter.as_bytes()[0], quote: quote.then_some(b'"'), header,
                missing_values: missing.into_iter().map(str::to_owned).collect(),
            }),
            stream: None, fields: fields.collect(), primary_key: vec![0], unique_keys: Vec::new(), approval: None,
            rules: rules.into_iter().enumerate().map(|(i, rule)| Rule { name: format!("rule-{i}"), ..rule }).collect(),
            on_empty: OnEmpty::Ok,
            thresholds: vec![Threshold { limit: RejectLimit::Count(rejects), after, action: ThresholdAction::Stop }],
            target: Target { schema: "public".into(), table, mode: TargetMode::Append },
        }
    }
}

proptest! {
    #[test]
    fn a_printed_feed_parses_to_itself(feed in feed()) {
        let text = printed(&feed);
        let parsed = parse("f", &text).map_err(|faults| TestCaseError::fail(format!("{faults}\n{text}")))?;
        prop_assert_eq!(parsed, feed);
    }

    /// Each part stands in the template, in the feed, or in both.
    #[test]
    fn a_feed_split_over_a_template_resolves_to_itself(feed in feed(), places in any::<[u8; 8]>()) {
        let text = printed(&feed);
        let (mut template, mut own) = ("template: t\n".to_owned(), "extends: [t]\n".to_owned());
        for (part, place) in parts(&text).into_iter().zip(places) {
            let of_feed = part.starts_with("feed:") || part.starts_with("description:");
            if !of_feed && place % 3 != 0 {
                template.push_str(&part);
            }
            if of_feed || place % 3 != 1 {
                own.push_str(&part);
            }
        }
        let stored = TemplateText { source_name: "template t".into(), version: 1, text: template };
        let resolved = resolve("f", &own, &Templates::from([("t".to_owned(), stored)]));
        let resolved = resolved.map_err(|faults| TestCaseError::fail(format!("{faults}\n{own}")))?;
        prop_assert_eq!(&resolved.feed, &feed);
        let text = resolved.text.unwrap();
        let again = parse("f", &text).map_err(|faults| TestCaseError::fail(format!("{faults}\n{text}")))?;
        prop_assert_eq!(again, feed);
    }

    #[test]
    fn no_text_panics_and_none_is_refused_without_a_reason(text in "\\PC{0,80}") {
        if let Err(faults) = parse("f", &text) {
            prop_assert!(!faults.faults.is_empty());
        }
    }

    #[test]
    fn no_damaged_definition_panics(at in 0..CARDS.len(), length in 0_usize..20, put in "[\\[\\]{}:&*!|>'\"%#0-9a-z \n-]{0,6}") {
        let start = CARDS.char_indices().map(|(i, _)| i).take_while(|i| *i <= at).last().unwrap_or(0);
        let end = CARDS.char_indices().map(|(i, _)| i).find(|i| *i >= start + length).unwrap_or(CARDS.len());
        let text = format!("{}{put}{}", &CARDS[..start], &CARDS[end..]);
        if let Err(faults) = parse("f", &text) {
            prop_assert!(!faults.faults.is_empty());
            let lines = text.lines().count() + 1;
            prop_assert!(faults.faults.iter().all(|fault| (1..=lines).contains(&fault.line) && fault.column > 0));
        }
    }
}
