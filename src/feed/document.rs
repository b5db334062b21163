//! A feed definition as it is written: the keys that each map may have, and the shapes of their values.
//!
//! The decoder and the JSON Schema both come from these types, so that an editor offers what the parser takes.

use schemars::JsonSchema;

use super::decode::{Decode, Keys, Word, Written, entries, mismatch};
use super::fault::Findings;
use super::model::{Approval, Membership, OnEmpty, Severity, TargetMode, ThresholdAction};
use super::node::{Node, Value};

/// Defines a map: a struct with one optional member per key, its decoder, and its schema.
macro_rules! document {
    ($(#[$meta:meta])* $name:ident is $what:literal { $($(#[$key_meta:meta])* $key:literal $member:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, JsonSchema)]
        #[schemars(deny_unknown_fields)]
        pub(super) struct $name {
            $($(#[$key_meta])* #[schemars(rename = $key)] pub $member: Option<$type>,)*
            #[schemars(skip)]
            pub keys: Keys,
        }

        impl $name {
            /// How faults name the map.
            pub(super) const WHAT: &'static str = $what;
            pub(super) const KEYS: &'static [&'static str] = &[$($key),*];
        }

        impl Decode for $name {
            fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
                let entries = entries(node, concat!("the options of ", $what), findings)?;
                let keys = Keys { at: node.at, words: entries.iter().map(|e| (e.key.clone(), e.key_at)).collect() };
                let mut written = Self { keys, $($member: None),* };
                findings.named(label(node), |findings| {
                    for entry in entries {
                        match entry.key.as_str() {
                            $($key => written.$member = findings.within($key, |f| Decode::decode(&entry.node, f)),)*
                            _ => {}
                        }
                    }
                });
                Some(written)
            }
        }
    };
}

/// The name that a map gives itself: faults about its options begin with it.
fn label(node: &Node) -> Option<&str> {
    node.text("name")
}

/// Defines how the words of a closed set are written.
macro_rules! words {
    ($type:ident { $($word:literal => $value:ident),* } later [$($later:literal),*]) => {
        impl Word for $type {
            const WORDS: &'static [(&'static str, Self)] = &[$(($word, Self::$value)),*];
            const LATER: &'static [&'static str] = &[$($later),*];
        }
        impl Decode for $type {
            fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
                Self::decode_word(node, findings)
            }
        }
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "enum": [$($word),*] })
            }
        }
    };
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Format {
    Delimited,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Encoding {
    Utf8,
}

/// What happens past a threshold, as written.
#[derive(Debug, Clone, Copy)]
pub(super) enum ActionWord {
    Action(ThresholdAction),
    /// Not supported yet; never for a stream.
    Rollback,
}

impl Decode for ActionWord {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, .. } if text == "rollback" => Some(Self::Rollback),
            _ => ThresholdAction::decode(node, findings).map(Self::Action),
        }
    }
}

impl JsonSchema for ActionWord {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        ThresholdAction::schema_name()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        ThresholdAction::json_schema(generator)
    }
}

words! { Format { "delimited" => Delimited } later ["fixed-width", "json-lines"] }
#[derive(Debug, Clone, Copy)]
pub(super) enum StreamValue {
    Avro,
    Json,
    Delimited,
}

words! { StreamValue { "avro" => Avro, "json" => Json, "delimited" => Delimited } later [] }
words! { Encoding { "utf-8" => Utf8 } later [] }
words! { Approval { "required" => Required } later [] }
words! { OnEmpty { "ok" => Ok, "warn" => Warn, "fail" => Fail } later [] }
words! { Membership { "in" => In, "not-in" => NotIn } later [] }
words! { Severity { "error" => Error, "warn" => Warn } later [] }
words! { ThresholdAction { "stop" => Stop, "alert" => Alert, "continue" => Continue } later [] }
words! { TargetMode { "append" => Append } later ["upsert", "replace"] }

/// A scalar whose meaning hangs on its field's type; read as its source text, so that numbers stay exact.
#[derive(Debug, Clone)]
pub(super) struct Scalar(pub String);

impl Decode for Scalar {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        String::decode(node, findings).map(Self)
    }
}

impl JsonSchema for Scalar {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Scalar".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

document! {
    /// A feed: a kind of file that arrives, what its records look like, what they must obey, where they go.
    FeedDocument is "a feed" {
        /// The feed's name, in kebab-case: `card-transactions`.
        #[schemars(required, extend("pattern" = "^[a-z][a-z0-9-]{0,62}$"))]
        "feed" feed: Written<String>,
        /// What arrives, for people.
        "description" description: Written<String>,
        /// Who answers for the feed: a team or an address.
        "owner" owner: Written<String>,
        /// How confidential the feed's data is, in your own words.
        "classification" classification: Written<String>,
        /// Templates whose parts this feed takes over: later ones win over earlier ones, the feed wins over all.
        "extends" extends: Written<Vec<Written<String>>>,
        /// `required`: somebody other than its author makes a version of the feed the active one.
        "approval" approval: Written<Approval>,
        /// How the bytes of a file become records; needed here or in a template, but for a stream of Avro or JSON values.
        #[schemars(required)]
        "layout" layout: LayoutDocument,
        /// Records come one by one from a Kafka topic instead of in files.
        "stream" stream: StreamDocument,
        /// The fields of a record, in the order of the file where it has no header; needed here or in a template.
        #[schemars(required, length(min = 1))]
        "fields" fields: Written<Vec<FieldDocument>>,
        /// Rules with a name of their own, beside those of single fields.
        "rules" rules: Written<Vec<RuleDocument>>,
        /// Fields whose values together name a record: the target gets a primary key.
        #[schemars(length(min = 1))]
        "primaryKey" primary_key: Written<Vec<Written<String>>>,
        /// Lists of fields whose values together occur once: the target gets a unique index for each.
        "uniqueKeys" unique_keys: Written<Vec<Written<Vec<Written<String>>>>>,
        /// What a file without records means; default `ok`.
        "onEmpty" on_empty: Written<OnEmpty>,
        /// Limits on rejects, and what happens past them: of a file, or of each window of a stream. Without a `stop` of
        /// your own, a load stops when more than half of at least 10,000 records are rejected.
        "thresholds" thresholds: Written<Vec<ThresholdDocument>>,
        /// Where good records go; default a table with the feed's name in schema `public`.
        "target" target: TargetDocument,
    }
}

document! {
    /// How the bytes of a file become records.
    LayoutDocument is "layout" {
        /// `delimited`: lines of cells (CSV and its relatives).
        #[schemars(required)]
        "format" format: Written<Format>,
        /// The text's encoding; default `utf-8`.
        "encoding" encoding: Written<Encoding>,
        /// What stands between two cells: one ASCII character, `"\t"` for a tab; default `,`.
        #[schemars(length(min = 1, max = 1))]
        "delimiter" delimiter: Written<String>,
        /// What a cell is wrapped in where it holds a delimiter or a line end: one ASCII character, or `none`; default `"`.
        #[schemars(extend("pattern" = "^(.|none)$"))]
        "quoteChar" quote_char: Written<String>,
        /// Whether the first line names the columns, which are then found by name in any order; default `true`.
        "header" header: Written<bool>,
        /// Texts that mean "no value"; default the empty text alone.
        "missingValues" missing_values: Written<Vec<Written<String>>>,
    }
}

document! {
    /// A record topic, each of whose messages is one record.
    StreamDocument is "stream" {
        /// The topic's whole name.
        #[schemars(required, extend("pattern" = "^[a-zA-Z0-9._-]{1,249}$"))]
        "topic" topic: Written<String>,
        /// What a message's value is: an `avro` datum in single-object encoding, a `json` object, or one line of
        /// `delimited` text, which `layout` describes.
        #[schemars(required)]
        "value" value: Written<StreamValue>,
        /// Whether Avro values name their schema by its id in the schema registry (the Confluent wire format); default
        /// `false`.
        "schemaRegistry" schema_registry: Written<bool>,
        /// The field whose text is to be the message's key: a record that says otherwise is a reject. Without this any key
        /// will do.
        "key" key: Written<String>,
        /// When a batch is loaded.
        "batch" batch: BatchDocument,
        /// The time over whose records `thresholds` are judged: `5m`, which is the default.
        #[schemars(extend("type" = "string", "pattern" = "^[0-9]+ *(s|m|h)$"))]
        "window" window: Written<Scalar>,
    }
}

document! {
    /// Whichever comes first closes a batch, which is then loaded in one transaction.
    BatchDocument is "batch" {
        /// Records at most; default 5000.
        #[schemars(range(min = 1, max = 100_000))]
        "records" records: Written<u64>,
        /// Bytes of values at most: `4MiB`, which is the default.
        #[schemars(extend("type" = "string", "pattern" = "^[0-9]+ *(KiB|MiB)$"))]
        "bytes" bytes: Written<Scalar>,
        /// Time after its first record at most: `200ms`, which is the default.
        #[schemars(extend("type" = "string", "pattern" = "^[0-9]+ *(ms|s)$"))]
        "time" time: Written<Scalar>,
    }
}

document! {
    /// A field: its name, its type, and what its values must obey.
    FieldDocument is "a field" {
        /// In snake_case: the column's name in the file's header and in the table.
        #[schemars(required, extend("pattern" = "^[a-z][a-z0-9_]{0,62}$"))]
        "name" name: Written<String>,
        /// What the field means, for people.
        "description" description: Written<String>,
        /// How confidential the field is, in your own words.
        "classification" classification: Written<String>,
        /// The way to the member of a JSON value, or the field of an Avro record: `/address/city` (RFC 6901); default the member of the field's name.
        #[schemars(extend("pattern" = "^/"))]
        "pointer" pointer: Written<String>,
        /// Whether it holds personal data; default `false`.
        "pii" pii: Written<bool>,
        /// `string`, `integer`, `decimal(p,s)`, `boolean`, `date` or `timestamp`.
        #[schemars(required, extend(
            "pattern" = r"^(string|integer|boolean|date|timestamp|decimal\( *[0-9]{1,2} *, *[0-9]{1,2} *\))$",
            "examples" = ["string", "integer", "decimal(12,2)", "boolean", "date", "timestamp"]
        ))]
        "type" kind: Written<String>,
        /// Whether a record without a value is a reject; default `false`.
        "required" required: Written<bool>,
        /// Characters at least (string).
        "minLength" min_length: Written<u64>,
        /// Characters at most (string).
        "maxLength" max_length: Written<u64>,
        /// A regular expression that the whole value matches (string).
        "pattern" pattern: Written<String>,
        /// The values that may occur, as they stand in the file.
        #[schemars(length(min = 1))]
        "enum" values: Written<Vec<Written<Scalar>>>,
        /// The least value.
        "minimum" minimum: Written<Scalar>,
        /// The greatest value.
        "maximum" maximum: Written<Scalar>,
        /// Values are greater than this.
        "exclusiveMinimum" exclusive_minimum: Written<Scalar>,
        /// Values are less than this.
        "exclusiveMaximum" exclusive_maximum: Written<Scalar>,
        /// Whether a record that breaks one of this field's rules is a reject (`error`) or noted (`warn`); default `error`.
        "severity" severity: Written<Severity>,
        /// How a date or a timestamp is written, in strptime words: `"%Y-%m-%d"`.
        "format" format: Written<String>,
        /// The IANA time zone of a timestamp whose format has no offset: `Europe/Zurich`.
        "timezone" timezone: Written<String>,
        /// Texts that mean true (boolean); default `true`, `True`, `TRUE`, `1`.
        #[schemars(length(min = 1))]
        "trueValues" true_values: Written<Vec<Written<Scalar>>>,
        /// Texts that mean false (boolean); default `false`, `False`, `FALSE`, `0`.
        #[schemars(length(min = 1))]
        "falseValues" false_values: Written<Vec<Written<Scalar>>>,
    }
}

document! {
    /// A rule with a name of its own: what some fields of a record must obey together.
    RuleDocument is "a rule" {
        /// In kebab-case: how reports, metrics and rejects name the rule.
        #[schemars(required, extend("pattern" = "^[a-z][a-z0-9-]{0,62}$"))]
        "name" name: Written<String>,
        /// The fields that the rule is about. A record in which one of them has no value is not asked.
        #[schemars(required, length(min = 1, max = 32))]
        "fields" fields: Written<Vec<Written<String>>>,
        /// The reference set in which the fields, as they stand in the file, are looked up as one key.
        #[schemars(required)]
        "reference" reference: Written<ReferenceWritten>,
        /// Whether the key has to be in the set (`in`) or must not be (`not-in`); default `in`.
        "match" membership: Written<Membership>,
        /// Whether a record that breaks the rule is a reject (`error`) or noted (`warn`); default `error`.
        "severity" severity: Written<Severity>,
        /// What people read of a record that breaks the rule.
        "message" message: Written<String>,
    }
}

document! {
    /// A reference set, and which of its columns the fields are.
    ReferenceDocument is "reference" {
        /// The reference set's name.
        #[schemars(required, extend("pattern" = "^[a-z][a-z0-9-]{0,62}$"))]
        "set" set: Written<String>,
        /// The set's columns in the order of the rule's fields; default the set's own order.
        #[schemars(length(min = 1, max = 32))]
        "columns" columns: Written<Vec<Written<String>>>,
    }
}

/// `branches`, or `{set: branches, columns: [code]}`.
#[derive(Debug, JsonSchema)]
#[schemars(untagged, inline)]
pub(super) enum ReferenceWritten {
    Name(#[schemars(extend("pattern" = "^[a-z][a-z0-9-]{0,62}$"))] String),
    Full(Box<ReferenceDocument>),
}

impl Decode for ReferenceWritten {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        match &node.value {
            Value::Scalar { .. } if !node.value.is_null() => String::decode(node, findings).map(Self::Name),
            Value::Map(_) => ReferenceDocument::decode(node, findings).map(|written| Self::Full(Box::new(written))),
            _ => mismatch(node, "a reference set's name, as in `reference: branches`", findings),
        }
    }
}

document! {
    /// A limit on rejects, and what happens past it.
    ThresholdDocument is "a threshold" {
        /// More than this many rejects, or more than this share of the records read: `500`, `1%`, `0.5%`.
        #[schemars(required, extend("type" = ["integer", "string"], "pattern" = r"^[0-9]+(\.[0-9]{1,4})?%?$", "minimum" = 0))]
        "rejects" rejects: Written<Scalar>,
        /// Judged only once this many records have been read; default 0.
        "after" after: Written<u64>,
        /// `stop` the load or pause the stream, raise an `alert`, or `continue` whatever comes.
        #[schemars(required)]
        "action" action: Written<ActionWord>,
    }
}

document! {
    /// Where good records go.
    TargetDocument is "target" {
        /// The table's schema; default `public`.
        #[schemars(extend("pattern" = "^[a-z_][a-z0-9_]{0,62}$"))]
        "schema" schema: Written<String>,
        /// The table; default the feed's name with `_` for `-`.
        #[schemars(extend("pattern" = "^[a-z_][a-z0-9_]{0,62}$"))]
        "table" table: Written<String>,
        /// `append`: records are added; default.
        "mode" mode: Written<TargetMode>,
    }
}
