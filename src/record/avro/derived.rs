//! Turns a feed into the Avro schema of its records: what a writer may take as it is, and what others are resolved against.

use serde_json::{Map, Value, json};

use super::schema_ref::{SchemaRef, fingerprint};
use crate::feed::{Feed, Field, FieldType, is_avro_name};
use crate::record::Members;

/// Feeds' names are one space of their own.
const NAMESPACE: &str = "fabric.feeds";

/// Why a feed's records have no Avro schema: ways that a JSON value has and an Avro record cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSchema {
    #[error(
        "field {field}: /{way} leads through a name that Avro does not have: letters of ASCII, digits and `_`, no digit first"
    )]
    Name { field: String, way: String },
    #[error(
        "field {field}: /{way} is the place of another field, too, or above or below one: an Avro value is of one type"
    )]
    Crossing { field: String, way: String },
}

/// The schema, as JSON: a record of the feed's name with `_` for `-`, nested ones where pointers lead.
pub fn schema_of(feed: &Feed) -> Result<Value, NoSchema> {
    let name = feed.name.as_str().replace('-', "_");
    let mut schema = record(feed, &Members::of(feed), NAMESPACE, &name)?;
    if let Some(description) = &feed.description {
        schema["doc"] = json!(description);
    }
    Ok(schema)
}

/// How people name the schema of a feed.
pub(super) fn name_of(feed: &Feed) -> String {
    let name = format!("{NAMESPACE}.{}", feed.name.as_str().replace('-', "_"));
    let parsed = schema_of(feed).ok().and_then(|schema| apache_avro::Schema::parse(&schema).ok());
    match parsed {
        Some(schema) => format!("{name} ({})", SchemaRef::Fingerprint(fingerprint(&schema))),
        None => name,
    }
}

fn record(feed: &Feed, members: &Members, namespace: &str, name: &str) -> Result<Value, NoSchema> {
    let within = format!("{namespace}.{name}");
    let fields: Result<Vec<Value>, NoSchema> =
        members.children.iter().map(|(name, child)| member(feed, child, &within, name)).collect();
    Ok(json!({ "type": "record", "name": name, "namespace": namespace, "fields": fields? }))
}

fn member(feed: &Feed, members: &Members, within: &str, name: &str) -> Result<Value, NoSchema> {
    let all = members.all_fields();
    let of = |field: usize| (feed.fields[field].name.clone(), feed.fields[field].way().join("/"));
    if !is_avro_name(name) {
        let (field, way) = of(all[0]);
        return Err(NoSchema::Name { field, way });
    }
    let (kind, doc) = match (members.fields.as_slice(), members.children.is_empty()) {
        ([], _) => (record(feed, members, within, name)?, None),
        ([field], true) => (kind(&feed.fields[*field].kind), doc(&feed.fields[*field])),
        ([_, second, ..], _) => {
            let (field, way) = of(*second);
            return Err(NoSchema::Crossing { field, way });
        }
        ([_], false) => {
            let (field, way) = of(all[1]);
            return Err(NoSchema::Crossing { field, way });
        }
    };
    let mut member = Map::new();
    member.insert("name".to_owned(), json!(name));
    if all.iter().all(|field| feed.fields[*field].is_optional()) {
        member.insert("type".to_owned(), json!(["null", kind]));
        member.insert("default".to_owned(), Value::Null);
    } else {
        member.insert("type".to_owned(), kind);
    }
    if let Some(doc) = doc {
        member.insert("doc".to_owned(), json!(doc));
    }
    Ok(Value::Object(member))
}

fn kind(kind: &FieldType) -> Value {
    match kind {
        FieldType::String => json!("string"),
        FieldType::Integer => json!("long"),
        FieldType::Decimal { precision, scale } => {
            json!({ "type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale })
        }
        FieldType::Boolean { .. } => json!("boolean"),
        FieldType::Date { .. } => json!({ "type": "int", "logicalType": "date" }),
        FieldType::Timestamp { .. } => json!({ "type": "long", "logicalType": "timestamp-micros" }),
    }
}

fn doc(field: &Field) -> Option<String> {
    field.description.clone()
}
