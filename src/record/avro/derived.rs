//! Turns a feed into the Avro schema of its records: what a writer may take as it is, and what others are resolved against.

use serde::Serialize;
use serde_json::Value as Json;

use super::schema_ref::{SchemaRef, fingerprint};
use crate::feed::{Feed, FieldType, is_avro_name};
use crate::record::Members;

/// Feeds' names are a space of their own.
const NAMESPACE: &str = "fabric.feeds";

/// Why a feed's records have no Avro schema: ways that a JSON value has and an Avro record cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSchema {
    #[error(
        "field {field}: /{way} leads through a name that Avro does not have; its names are letters of ASCII, digits and \
         `_`, no digit first"
    )]
    Name { field: String, way: String },
    #[error(
        "field {field}: /{way} is the place of another field, too, or above or below one; a value of Avro has one type"
    )]
    Crossing { field: String, way: String },
}

#[derive(Serialize)]
struct Record {
    #[serde(rename = "type")]
    record: &'static str,
    name: String,
    namespace: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    doc: Option<String>,
    fields: Vec<Member>,
}

#[derive(Serialize)]
struct Member {
    name: String,
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    doc: Option<String>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Kind {
    Word(&'static str),
    Logical {
        #[serde(rename = "type")]
        of: &'static str,
        #[serde(rename = "logicalType")]
        logical: &'static str,
    },
    Decimal {
        #[serde(rename = "type")]
        of: &'static str,
        #[serde(rename = "logicalType")]
        logical: &'static str,
        precision: u8,
        scale: u8,
    },
    Record(Record),
    OrNull(&'static str, Box<Self>),
}

/// The schema, as JSON: a record of the feed's name with `_` for `-`, nested ones where pointers lead.
pub fn schema_of(feed: &Feed) -> Result<String, NoSchema> {
    let mut schema = record(feed, &Members::of(feed), NAMESPACE.to_owned(), &own_name(feed))?;
    schema.doc.clone_from(&feed.description);
    Ok(serde_json::to_string_pretty(&schema).expect("a schema is JSON"))
}

fn own_name(feed: &Feed) -> String {
    feed.name.as_str().replace('-', "_")
}

/// How people name the schema of a feed.
pub(super) fn name_of(feed: &Feed) -> String {
    let name = format!("{NAMESPACE}.{}", own_name(feed));
    let parsed = schema_of(feed).ok().and_then(|schema| apache_avro::Schema::parse_str(&schema).ok());
    match parsed {
        Some(schema) => format!("{name} ({})", SchemaRef::Fingerprint(fingerprint(&schema))),
        None => name,
    }
}

fn record(feed: &Feed, members: &Members, namespace: String, name: &str) -> Result<Record, NoSchema> {
    let within = format!("{namespace}.{name}");
    let fields = members.children.iter().map(|(name, child)| member(feed, child, &within, name));
    Ok(Record {
        record: "record",
        name: name.to_owned(),
        fields: fields.collect::<Result<_, _>>()?,
        namespace,
        doc: None,
    })
}

fn member(feed: &Feed, members: &Members, within: &str, name: &str) -> Result<Member, NoSchema> {
    let all = members.all_fields();
    let of = |place: usize| {
        let field = &feed.fields[all[place]];
        (field.name.clone(), field.way().join("/"))
    };
    if !is_avro_name(name) {
        let (field, way) = of(0);
        return Err(NoSchema::Name { field, way });
    }
    let (kind, doc) = match members.fields.as_slice() {
        [] => (Kind::Record(record(feed, members, within.to_owned(), name)?), None),
        [field] if members.children.is_empty() => {
            (kind(&feed.fields[*field].kind), feed.fields[*field].description.clone())
        }
        [..] => {
            let (field, way) = of(1);
            return Err(NoSchema::Crossing { field, way });
        }
    };
    let is_optional = all.iter().all(|field| feed.fields[*field].is_optional());
    let (kind, default) =
        if is_optional { (Kind::OrNull("null", Box::new(kind)), Some(Json::Null)) } else { (kind, None) };
    Ok(Member { name: name.to_owned(), kind, default, doc })
}

const fn kind(kind: &FieldType) -> Kind {
    match *kind {
        FieldType::String => Kind::Word("string"),
        FieldType::Integer => Kind::Word("long"),
        FieldType::Decimal { precision, scale } => Kind::Decimal { of: "bytes", logical: "decimal", precision, scale },
        FieldType::Boolean { .. } => Kind::Word("boolean"),
        FieldType::Date { .. } => Kind::Logical { of: "int", logical: "date" },
        FieldType::Timestamp { .. } => Kind::Logical { of: "long", logical: "timestamp-micros" },
    }
}
