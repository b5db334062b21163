//! Turns a writer's schema and a feed into a [`Reading`], or into the reason why there is none.

use std::fmt;
use std::sync::Arc;

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, NamesRef, RecordField, RecordSchema, ResolvedSchema, UuidSchema};

use super::derived;
use super::read::{Entry, Form, Reading, Step, Unit};
use super::skip::{Skip, Skips};
use crate::feed::{Feed, FieldType};
use crate::record::Members;

/// Why the records of a writer's schema cannot be a feed's; it reads on after the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolvable {
    /// The writer's name of its records, where it has one.
    pub writer: Option<String>,
    /// The name and the fingerprint of the feed's own schema.
    pub reader: String,
    pub why: String,
}

impl fmt::Display for Unresolvable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let writer = self.writer.as_ref().map_or_else(String::new, |name| format!(" ({name})"));
        write!(f, "{writer}, which cannot be read as {}: {}", self.reader, self.why)
    }
}

impl std::error::Error for Unresolvable {}

impl Reading {
    /// Resolves the writer's schema against the fields of `feed`.
    pub fn new(writer_json: &str, feed: &Feed) -> Result<Self, Unresolvable> {
        let unresolvable = |writer: Option<&Schema>, why: String| Unresolvable {
            writer: writer.and_then(Schema::name).map(ToString::to_string),
            reader: derived::name_of(feed),
            why,
        };
        let schema = Schema::parse_str(writer_json);
        let schema = schema.map_err(|error| unresolvable(None, format!("it is no Avro schema: {error}")))?;
        let resolved = ResolvedSchema::new(&schema);
        let resolved = resolved.map_err(|error| unresolvable(Some(&schema), error.to_string()))?;
        let names = resolved.get_names();
        let mut compiler = Compiler { feed, names, skips: Skips::new(names) };
        let step = compiler.members(&schema, &Members::of(feed), "");
        let step = step.map_err(|Unfit(why)| unresolvable(Some(&schema), why))?;
        let writer = schema.name().map_or_else(|| word(&schema), ToString::to_string);
        Ok(Self { writer, step, records: compiler.skips.into_records() })
    }
}

/// Why a value of the writer is none of the feed's.
#[derive(Debug)]
struct Unfit(String);

struct Compiler<'s> {
    feed: &'s Feed,
    names: &'s NamesRef<'s>,
    skips: Skips<'s>,
}

impl<'s> Compiler<'s> {
    /// `at`: the way to here, for people.
    fn value(&mut self, schema: &Schema, members: &Members, at: &str) -> Result<Step, Unfit> {
        match members.fields.as_slice() {
            [] => self.members(schema, members, at),
            [field, ..] => self.field(schema, *field, at),
        }
    }

    /// A value that holds fields.
    fn members(&mut self, schema: &Schema, members: &Members, at: &str) -> Result<Step, Unfit> {
        match self.named(schema) {
            Schema::Null => Ok(Step::Skip(Skip::Nothing)),
            Schema::Record(record) => self.record(record, members, at),
            Schema::Map(map) => {
                let mut entries = Vec::with_capacity(members.children.len());
                for (key, child) in &members.children {
                    let value = self.value(&map.types, child, &format!("{at}/{key}"))?;
                    entries.push(Entry { key: key.as_str().into(), value, fields: child.all_fields().into() });
                }
                Ok(Step::Map { entries: entries.into(), other: self.skips.of(&map.types) })
            }
            Schema::Union(union) => {
                self.union(union.variants(), |compiler, branch| compiler.members(branch, members, at))
            }
            other => {
                let place = if at.is_empty() { "a record" } else { at };
                Err(Unfit(format!("{place} is {} there, which has no fields", word(other))))
            }
        }
    }

    fn record(&mut self, record: &RecordSchema, members: &Members, at: &str) -> Result<Step, Unfit> {
        let mut of_child = vec![None; members.children.len()];
        for (place, (name, child)) in members.children.iter().enumerate() {
            of_child[place] = self.place(record, members, name, at)?;
            if of_child[place].is_none() {
                self.may_be_left_out(child, &format!("{at}/{name}"))?;
            }
        }
        let mut steps: Vec<Step> = Vec::with_capacity(record.fields.len());
        for (place, field) in record.fields.iter().enumerate() {
            let step = match of_child.iter().position(|found| *found == Some(place)) {
                Some(child) => {
                    let (name, child) = &members.children[child];
                    self.value(&field.schema, child, &format!("{at}/{name}"))?
                }
                None => Step::Skip(self.skips.of(&field.schema)),
            };
            if step != Step::Skip(Skip::Nothing) {
                steps.push(step);
            }
        }
        Ok(Step::Record(steps.into()))
    }

    /// Which of the record's fields has `name`, or had it before its writer renamed it.
    fn place(&self, record: &RecordSchema, members: &Members, name: &str, at: &str) -> Result<Option<usize>, Unfit> {
        let exact = record.fields.iter().position(|field| field.name == name);
        if exact.is_some() {
            return Ok(exact);
        }
        let is_free = |field: &RecordField| members.children.iter().all(|(child, _)| *child != field.name);
        let had = |field: &RecordField| field.aliases.iter().any(|alias| alias == name);
        let renamed = record.fields.iter().enumerate().filter(|(_, field)| is_free(field) && had(field));
        match renamed.collect::<Vec<_>>().as_slice() {
            [] => Ok(None),
            [(place, _)] => Ok(Some(*place)),
            [(_, one), (_, other), ..] => {
                Err(Unfit(format!("{at}/{name} is an alias of two fields there: {} and {}", one.name, other.name)))
            }
        }
    }

    fn may_be_left_out(&self, members: &Members, at: &str) -> Result<(), Unfit> {
        let needed = members.all_fields().into_iter().find(|field| !self.feed.fields[*field].is_optional());
        match needed {
            None => Ok(()),
            Some(field) => {
                let name = &self.feed.fields[field].name;
                Err(Unfit(format!("{at} is not there, and the field {name} is required")))
            }
        }
    }

    /// A value that is one field's.
    fn field(&mut self, schema: &Schema, field: usize, at: &str) -> Result<Step, Unfit> {
        let found = self.named(schema);
        match found {
            Schema::Null => return Ok(Step::Skip(Skip::Nothing)),
            Schema::Union(union) => {
                return self.union(union.variants(), |compiler, branch| compiler.field(branch, field, at));
            }
            _ => {}
        }
        let kind = &self.feed.fields[field].kind;
        match form(found, kind) {
            Some(form) => Ok(Step::Take { form, field }),
            None => Err(Unfit(format!("{at} is {} there, and {} is wanted", word(found), wanted(kind)))),
        }
    }

    /// A branch that does not fit costs the records that take it alone, as long as one does fit.
    fn union(
        &mut self,
        branches: &[Schema],
        mut step: impl FnMut(&mut Self, &Schema) -> Result<Step, Unfit>,
    ) -> Result<Step, Unfit> {
        let steps: Vec<_> = branches.iter().map(|branch| (step(self, branch), branch)).collect();
        let fits = |(step, branch): &(Result<Step, Unfit>, &Schema)| step.is_ok() && !matches!(branch, Schema::Null);
        if !steps.iter().any(fits) {
            let unfit = steps.iter().find_map(|(step, _)| step.as_ref().err());
            if let Some(Unfit(why)) = unfit {
                return Err(Unfit(why.clone()));
            }
        }
        let or_unfit = |step: Result<Step, Unfit>| step.unwrap_or_else(|Unfit(why)| Step::Unfit(Arc::from(why)));
        Ok(Step::Union(steps.into_iter().map(|(step, _)| or_unfit(step)).collect()))
    }

    fn named<'a>(&self, schema: &'a Schema) -> &'a Schema
    where
        's: 'a,
    {
        match schema {
            Schema::Ref { name } => self.names[name],
            schema => schema,
        }
    }
}

/// How a value of `schema` is one of a field of type `kind`; `None`: it is none.
fn form(schema: &Schema, kind: &FieldType) -> Option<Form> {
    let integer = *kind == FieldType::Integer;
    let number = integer || matches!(kind, FieldType::Decimal { .. });
    let timestamp = |unit| match kind {
        FieldType::Timestamp { .. } => Some(Form::Timestamp(unit)),
        _ => integer.then_some(Form::Long),
    };
    let local = |unit| match kind {
        FieldType::Timestamp { timezone: Some(_), .. } => Some(Form::LocalTimestamp(unit)),
        _ => integer.then_some(Form::Long),
    };
    match (schema, kind) {
        (Schema::String | Schema::Uuid(UuidSchema::String), _) => Some(Form::Text),
        (Schema::Enum(of), _) => Some(Form::Enum(of.symbols.iter().map(|symbol| symbol.as_str().into()).collect())),
        (Schema::Bytes, FieldType::String) => Some(Form::Text),
        (Schema::Int, _) => number.then_some(Form::Int),
        (Schema::Long, _) => number.then_some(Form::Long),
        (Schema::Boolean, FieldType::Boolean { .. }) => Some(Form::Boolean),
        (Schema::Decimal(decimal), FieldType::Decimal { .. }) => Some(match &decimal.inner {
            InnerDecimalSchema::Bytes => Form::Decimal { scale: decimal.scale },
            InnerDecimalSchema::Fixed(fixed) => Form::FixedDecimal { size: fixed.size, scale: decimal.scale },
        }),
        (Schema::Date, FieldType::Date { .. }) => Some(Form::Date),
        (Schema::Date | Schema::TimeMillis, _) => integer.then_some(Form::Int),
        (Schema::TimeMicros, _) => integer.then_some(Form::Long),
        (Schema::TimestampMillis, _) => timestamp(Unit::Millis),
        (Schema::TimestampMicros, _) => timestamp(Unit::Micros),
        (Schema::TimestampNanos, _) => timestamp(Unit::Nanos),
        (Schema::LocalTimestampMillis, _) => local(Unit::Millis),
        (Schema::LocalTimestampMicros, _) => local(Unit::Micros),
        (Schema::LocalTimestampNanos, _) => local(Unit::Nanos),
        _ => None,
    }
}

/// What a field takes, in Avro's words.
fn wanted(kind: &FieldType) -> String {
    let forms = match kind {
        FieldType::String => "string, bytes or an enum",
        FieldType::Integer => "int or long",
        FieldType::Decimal { .. } => "decimal, int or long",
        FieldType::Boolean { .. } => "boolean",
        FieldType::Date { .. } => "date",
        FieldType::Timestamp { timezone: None, .. } => "timestamp-millis, -micros or -nanos",
        FieldType::Timestamp { timezone: Some(_), .. } => "timestamp- or local-timestamp-millis, -micros or -nanos",
    };
    if *kind == FieldType::String { forms.to_owned() } else { format!("{forms} (or a string, for {kind})") }
}

/// A schema in a word or two.
fn word(schema: &Schema) -> String {
    let word = match schema {
        Schema::Null => "null",
        Schema::Boolean => "boolean",
        Schema::Int => "int",
        Schema::Long => "long",
        Schema::Float => "float",
        Schema::Double => "double",
        Schema::Bytes => "bytes",
        Schema::String => "string",
        Schema::Array(_) => "an array",
        Schema::Map(_) => "a map",
        Schema::Union(_) => "a union",
        Schema::Record(record) => return format!("the record {}", record.name),
        Schema::Enum(of) => return format!("the enum {}", of.name),
        Schema::Fixed(fixed) => return format!("fixed {}", fixed.name),
        Schema::Decimal(decimal) => return format!("decimal({},{})", decimal.precision, decimal.scale),
        Schema::BigDecimal => "big-decimal",
        Schema::Uuid(UuidSchema::String) => "uuid",
        Schema::Uuid(_) => "uuid of 16 bytes",
        Schema::Date => "date",
        Schema::TimeMillis => "time-millis",
        Schema::TimeMicros => "time-micros",
        Schema::TimestampMillis => "timestamp-millis",
        Schema::TimestampMicros => "timestamp-micros",
        Schema::TimestampNanos => "timestamp-nanos",
        Schema::LocalTimestampMillis => "local-timestamp-millis",
        Schema::LocalTimestampMicros => "local-timestamp-micros",
        Schema::LocalTimestampNanos => "local-timestamp-nanos",
        Schema::Duration(_) => "duration",
        Schema::Ref { name } => return name.to_string(),
    };
    word.to_owned()
}
