//! The feeds of the suite: few rules, so that the reader may judge each record by itself, in two versions that differ.

/// The feed of files, and its target.
pub const FILES: &str = "orders";

/// What a version allows: `maximum` of an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    Lenient,
    Strict,
}

impl Version {
    pub const fn maximum(self) -> i64 {
        match self {
            Self::Lenient => 1_000_000,
            Self::Strict => 5_000,
        }
    }

    pub const fn other(self) -> Self {
        match self {
            Self::Lenient => Self::Strict,
            Self::Strict => Self::Lenient,
        }
    }
}

/// Whether two records of files may have one id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    Free,
    Unique,
}

/// How the values of a stream are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Json,
    Delimited,
    Avro,
}

impl Form {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Delimited => "delimited",
            Self::Avro => "avro",
        }
    }
}

pub fn of_files(version: Version, keys: Keys) -> String {
    let key = if keys == Keys::Unique { "primaryKey: [id]\n" } else { "" };
    format!(
        "feed: {FILES}
layout: {{ format: delimited, delimiter: \"|\", quoteChar: none, header: false }}
fields:
  - {{ name: id, type: string, required: true, pattern: \"[A-Z]{{2}}[0-9]{{8}}\" }}
  - {{ name: booked, type: date, format: \"%Y-%m-%d\", required: true }}
  - {{ name: amount, type: \"decimal(12,2)\", required: true, exclusiveMinimum: 0, maximum: {} }}
  - {{ name: currency, type: string, required: true, enum: [EUR, USD, CHF] }}
  - {{ name: words, type: string, maxLength: 40 }}
{key}target: {{ schema: public, table: {FILES}, mode: append }}
",
        version.maximum()
    )
}

pub fn of_stream(name: &str, topic: &str, form: Form, version: Version) -> String {
    let layout = match form {
        Form::Delimited => "layout: { format: delimited, delimiter: \"|\", quoteChar: none, header: false }\n",
        Form::Json | Form::Avro => "",
    };
    format!(
        "feed: {name}
stream: {{ topic: {topic}, value: {}, batch: {{ records: 100, time: 30ms }} }}
{layout}fields:
  - {{ name: id, type: string, required: true, pattern: \"P[0-9]+\" }}
  - {{ name: amount, type: \"decimal(12,2)\", required: true, exclusiveMinimum: 0, maximum: {} }}
  - {{ name: city, type: string }}
target: {{ schema: public, table: {}, mode: append }}
",
        form.word(),
        version.maximum(),
        table(name)
    )
}

/// Of a stream.
pub fn table(name: &str) -> String {
    name.replace('-', "_")
}

/// The schema by which the suite writes Avro.
pub const SCHEMA: &str = r#"{"type":"record","name":"Payment","namespace":"org.example","fields":[
  {"name":"id","type":"string"},
  {"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":12,"scale":2}},
  {"name":"city","type":["null","string"]}]}"#;

/// What each message in Avro begins with: the mark of single-object encoding and the fingerprint of [`SCHEMA`] (CRC-64-AVRO
/// of its canonical form).
pub const HEAD: [u8; 10] = [0xc3, 0x01, 0xf3, 0x04, 0x2f, 0x4a, 0x9f, 0xc4, 0x21, 0x0e];
