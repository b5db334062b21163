//! A feed's types and rules, compiled.

use super::constraint::Check;
use super::field::{FieldPlan, Reading};
use super::message::{self, WidthOf};
use super::reference::{self, PlanFault, ReferenceRule, Sets};
use super::text_set::TextSet;
use super::{RuleTally, Value};
use crate::feed::{Constraint, Delimited, Feed, Field, FieldType, Layout, Rule, Severity};
use crate::record::avro::Texts;
use crate::record::{Members, RecordFault};

/// Index into [`Plan::rules`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub u16);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleInfo {
    /// `amount.exclusiveMinimum`, `posted_at.type`, `transaction_id.required`, `record.fieldCount`,
    /// `record.unclosedQuote`, `record.tooLong`, `schema-error`, `record.null`, `record.killer` and `record.key` of
    /// streams, `name.encoding` (not UTF-8), `name.nul` (Postgres holds no U+0000); a rule of the feed's own by its name.
    pub name: String,
    pub severity: Severity,
    /// Indices into the feed's fields; none where the rule is about the whole record.
    pub fields: Vec<usize>,
}

/// Immutable, shared by all workers.
pub struct Plan {
    pub(super) layout: Layout,
    /// Of JSON values: where their fields are.
    pub(super) members: Members,
    /// Each field's number: fields of messages are in the feed's order.
    pub(super) in_order: Vec<usize>,
    pub(super) width_of: WidthOf,
    pub(super) missing: TextSet,
    pub(super) fields: Vec<FieldPlan>,
    pub(super) field_names: Vec<String>,
    pub(super) references: Vec<ReferenceRule>,
    /// The field whose text is a message's key.
    pub(super) key: Option<usize>,
    pub(super) key_is_pii: bool,
    /// Fields whose text a rule of the feed looks at, or that of a message's key.
    pub(super) looked_up: Vec<usize>,
    rules: Vec<RuleInfo>,
    /// For each rule what people read; empty for those whose message holds a figure of the record.
    messages: Vec<String>,
}

/// A worker's buffers, used again for each chunk.
#[derive(Default)]
pub struct Scratch {
    /// Empty between records: its memory alone is kept.
    pub(super) values: Vec<Value<'static>>,
    pub(super) broken: Vec<RuleId>,
    /// A key of several fields.
    pub(super) key: Vec<u8>,
    /// Of values of Avro that are no texts.
    pub(super) texts: Texts,
    /// One for each rule.
    pub(super) tally: Vec<Option<RuleTally>>,
}

impl Plan {
    /// Compiles a checked feed: its patterns, formats and time zones are those that [`super::Pattern`],
    /// [`super::Format`] and [`super::Zone`] accept. `sets` are those that its rules look up.
    pub fn compile(feed: &Feed, sets: &Sets) -> Result<Self, PlanFault> {
        let mut plan = Self {
            layout: feed.layout.clone(),
            members: Members::of(feed),
            in_order: (0..feed.fields.len()).collect(),
            width_of: match &feed.layout {
                Layout::Delimited(Delimited { header: true, .. }) => WidthOf::Header,
                Layout::Delimited(_) | Layout::Json | Layout::Avro(_) => WidthOf::Feed,
            },
            missing: TextSet::new(feed.layout.missing_values()),
            fields: Vec::with_capacity(feed.fields.len()),
            field_names: feed.fields.iter().map(|field| field.name.clone()).collect(),
            references: Vec::with_capacity(feed.rules.len()),
            key: key(feed),
            key_is_pii: key(feed).is_some_and(|field| feed.fields[field].pii),
            looked_up: looked_up(feed),
            rules: Vec::new(),
            messages: Vec::new(),
        };
        let of_streams = if feed.stream.is_some() { &OF_STREAMS[..] } else { &[] };
        for name in STRUCTURE.iter().chain(of_streams) {
            let info = RuleInfo { name: (*name).to_owned(), severity: Severity::Error, fields: Vec::new() };
            plan.add(info, String::new());
        }
        if let Some(field) = plan.key {
            plan.rules[usize::from(OTHER_KEY.0)].fields.push(field);
        }
        for (index, field) in feed.fields.iter().enumerate() {
            let compiled = plan.compile_field(index, field);
            plan.fields.push(compiled);
        }
        for rule in &feed.rules {
            plan.compile_rule(feed, rule, sets)?;
        }
        Ok(plan)
    }

    /// Every rule of the feed: those of a record's structure, then each field's in the order of the fields
    /// (`required`, `encoding`, `nul`, `type`, constraints in their order), then the feed's own in their order.
    pub fn rules(&self) -> &[RuleInfo] {
        &self.rules
    }

    pub(super) fn rule(&self, id: RuleId) -> &RuleInfo {
        &self.rules[usize::from(id.0)]
    }

    pub(super) fn message(&self, id: RuleId) -> &str {
        &self.messages[usize::from(id.0)]
    }

    fn add(&mut self, info: RuleInfo, message: String) -> RuleId {
        let id = u16::try_from(self.rules.len())
            .expect("1,600 columns of Postgres with 11 rules each and 1,000 of the feed fit 16 bits");
        self.rules.push(info);
        self.messages.push(message);
        RuleId(id)
    }

    fn compile_rule(&mut self, feed: &Feed, rule: &Rule, sets: &Sets) -> Result<(), PlanFault> {
        let message = rule.message.clone().unwrap_or_else(|| reference::message(feed, rule));
        let info = RuleInfo { name: rule.name.clone(), severity: rule.severity, fields: rule.fields.clone() };
        let id = self.add(info, message);
        self.references.push(ReferenceRule::compile(feed, rule, id, sets)?);
        Ok(())
    }

    fn compile_field(&mut self, index: usize, field: &Field) -> FieldPlan {
        let is_avro = matches!(self.layout, Layout::Avro(_));
        let mut add = |rule: &str, severity, message| {
            let name = format!("{}.{rule}", field.name);
            self.add(RuleInfo { name, severity, fields: vec![index] }, message)
        };
        let required = field.required.then(|| add("required", field.severity, message::REQUIRED.to_owned()));
        let unreadable = match &field.kind {
            FieldType::String => add("encoding", Severity::Error, message::ENCODING.to_owned()),
            kind => add("type", Severity::Error, message::kind(kind)),
        };
        let is_text = field.kind == FieldType::String;
        let nul = is_text.then(|| add("nul", Severity::Error, message::NUL.to_owned()));
        let reading = Reading::compile(&field.kind);
        let checks = field.constraints.iter().map(|constraint| {
            let id = add(keyword(constraint), field.severity, message::constraint(constraint));
            let check = if is_avro { reading.check_of_values(constraint) } else { Check::compile(constraint) };
            (id, check)
        });
        let checks = checks.collect();
        FieldPlan { required, unreadable, nul, reading, checks }
    }
}

fn key(feed: &Feed) -> Option<usize> {
    feed.stream.as_ref().and_then(|stream| stream.key)
}

fn looked_up(feed: &Feed) -> Vec<usize> {
    let by_rules = feed.rules.iter().flat_map(|rule| rule.fields.iter().copied());
    let mut fields: Vec<usize> = by_rules.chain(key(feed)).collect();
    fields.sort_unstable();
    fields.dedup();
    fields
}

const STRUCTURE: [&str; 3] = ["record.fieldCount", "record.unclosedQuote", "record.tooLong"];

/// Of messages, behind [`STRUCTURE`].
const OF_STREAMS: [&str; 4] = ["schema-error", "record.null", "record.killer", "record.key"];
/// A value that is not of its schema.
pub(super) const SCHEMA_ERROR: RuleId = RuleId(3);
/// No value at all.
pub(super) const NULL_VALUE: RuleId = RuleId(4);
/// It has killed whoever worked on it.
pub(super) const KILLER: RuleId = RuleId(5);
/// Its key is not what the feed expects.
pub(super) const OTHER_KEY: RuleId = RuleId(6);

/// The rule of a record that could not be read, in the order of [`STRUCTURE`].
pub(super) fn structure_rule(fault: RecordFault) -> RuleId {
    RuleId(match fault {
        RecordFault::FieldCount { .. } => 0,
        RecordFault::UnclosedQuote => 1,
        RecordFault::Overlong { .. } => 2,
    })
}

fn keyword(constraint: &Constraint) -> &'static str {
    match constraint {
        Constraint::MinLength(_) => "minLength",
        Constraint::MaxLength(_) => "maxLength",
        Constraint::Pattern(_) => "pattern",
        Constraint::Enum(_) => "enum",
        Constraint::Minimum(_) => "minimum",
        Constraint::Maximum(_) => "maximum",
        Constraint::ExclusiveMinimum(_) => "exclusiveMinimum",
        Constraint::ExclusiveMaximum(_) => "exclusiveMaximum",
    }
}
