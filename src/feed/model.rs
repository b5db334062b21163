//! The checked feed: what a definition means, with nothing left to doubt.

use std::fmt;

/// A feed definition that has passed every check.
#[derive(Debug, Clone, PartialEq)]
pub struct Feed {
    pub name: FeedName,
    pub description: Option<String>,
    pub owner: Option<String>,
    /// Of a file's records, or of a stream's values.
    pub layout: Layout,
    /// `None`: its records come in files.
    pub stream: Option<Stream>,
    /// At least one, names unique.
    pub fields: Vec<Field>,
    /// Indices into `fields`; empty where none is declared.
    pub primary_key: Vec<usize>,
    /// Each a list of indices into `fields`.
    pub unique_keys: Vec<Vec<usize>>,
    /// Of the whole record, names unique.
    pub rules: Vec<Rule>,
    pub on_empty: OnEmpty,
    /// `None`: whoever applies a version makes it the active one.
    pub approval: Option<Approval>,
    /// As written; the default threshold ([`Threshold::default_stop`]) is added where no `stop` is written.
    pub thresholds: Vec<Threshold>,
    pub target: Target,
}

/// A feed's name: kebab-case, `[a-z][a-z0-9-]*`, at most 63 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FeedName(pub(in crate::feed) String);

impl FeedName {
    /// `None` where `name` is not kebab-case or too long.
    pub fn new(name: &str) -> Option<Self> {
        is_kebab_case(name).then(|| Self(name.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FeedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_kebab_case(name: &str) -> bool {
    let mut bytes = name.bytes();
    let starts = bytes.next().is_some_and(|b| b.is_ascii_lowercase());
    starts && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') && name.len() <= 63
}

/// A reference set's name: spelt as a feed's, so that it is safe in file names and keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReferenceName(String);

impl ReferenceName {
    /// `None` where `name` is not kebab-case or too long.
    pub fn new(name: &str) -> Option<Self> {
        is_kebab_case(name).then(|| Self(name.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ReferenceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// How the bytes of a file become records and fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    Delimited(Delimited),
    /// One JSON object is one record. What a member lacks, and `null`, is no value.
    Json,
    /// One Avro datum is one record. `null` is no value.
    Avro(Framing),
}

/// How a message says which schema its Avro datum was written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// By the schema's fingerprint, as the Avro specification has it ("Single-object encoding").
    SingleObject,
    /// By the schema's id in a Confluent schema registry.
    Confluent,
}

impl Layout {
    /// Texts that mean "no value".
    pub fn missing_values(&self) -> &[String] {
        match self {
            Self::Delimited(delimited) => &delimited.missing_values,
            Self::Json | Self::Avro(_) => &[],
        }
    }

    /// How text becomes cells; `None` of other values.
    pub const fn delimited(&self) -> Option<&Delimited> {
        match self {
            Self::Delimited(delimited) => Some(delimited),
            Self::Json | Self::Avro(_) => None,
        }
    }
}

/// Records come from a topic, each message one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// Whole: no prefix of the installation stands before it.
    pub topic: String,
    /// The field whose text a message's key has to be, by its place among the feed's fields.
    pub key: Option<usize>,
    pub batch: BatchLimits,
    /// Thresholds are judged over the records of so many seconds.
    pub window_seconds: u32,
}

impl Stream {
    /// Where a feed says nothing else: five minutes.
    pub const WINDOW_SECONDS: u32 = 300;
}

/// Whichever comes first closes a batch: what one transaction loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    pub records: u32,
    /// Of message values.
    pub bytes: u64,
    /// Since its first record was taken.
    pub milliseconds: u64,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self { records: 5_000, bytes: 4 << 20, milliseconds: 200 }
    }
}

/// RFC 4180 and its relatives: lines of cells. Records end at LF or CRLF; a lone CR is data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delimited {
    /// Any single byte of ASCII but CR, LF, NUL and the quote.
    pub delimiter: u8,
    /// `None`: `quoteChar: none`, every byte stands for itself.
    pub quote: Option<u8>,
    /// The first record names the columns; fields are found by name, in any order.
    pub header: bool,
    /// Texts that mean "no value". By default the empty text alone.
    pub missing_values: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// snake_case, `[a-z_][a-z0-9_]*`, at most 63 bytes, no leading underscore: a safe column name.
    pub name: String,
    pub description: Option<String>,
    /// Holds personal data: masked where values are shown to more than the feed's owners.
    pub pii: bool,
    pub kind: FieldType,
    /// Of JSON and Avro values: the way to its member, a JSON Pointer's tokens (RFC 6901), decoded; one at least. `None`: the
    /// member of its own name.
    pub pointer: Option<Vec<String>>,
    pub required: bool,
    /// Constraints in the order of their names' declaration in [`Constraint`].
    pub constraints: Vec<Constraint>,
    /// Of this field's own rules.
    pub severity: Severity,
}

impl Field {
    /// The way to its member in a JSON or Avro value.
    pub fn way(&self) -> &[String] {
        self.pointer.as_deref().unwrap_or(std::slice::from_ref(&self.name))
    }

    /// Whether a record without it may be loaded.
    pub fn is_optional(&self) -> bool {
        !self.required || self.severity == Severity::Warn
    }
}

/// As the Avro specification has it ("Names"), without a namespace.
pub fn is_avro_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldType {
    String,
    Integer,
    /// Exact: `precision` digits in all (1 to 38), `scale` of them after the point.
    Decimal {
        precision: u8,
        scale: u8,
    },
    Boolean {
        true_values: Vec<String>,
        false_values: Vec<String>,
    },
    /// strptime words, checked.
    Date {
        format: String,
    },
    /// `timezone` (IANA) is `Some` exactly where `format` has no offset.
    Timestamp {
        format: String,
        timezone: Option<String>,
    },
}

/// As a definition writes it: `decimal(12,2)`.
impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String => f.write_str("string"),
            Self::Integer => f.write_str("integer"),
            Self::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Self::Boolean { .. } => f.write_str("boolean"),
            Self::Date { .. } => f.write_str("date"),
            Self::Timestamp { .. } => f.write_str("timestamp"),
        }
    }
}

/// A rule on one field. Bounds of numbers are scaled integers of the field's own scale, so that comparison is exact;
/// where a bound has more digits after the point than the field, it is tightened to the nearest value inside.
/// Bounds of dates are days, of timestamps microseconds, since 1970-01-01 UTC.
#[derive(Debug, Clone, PartialEq)]
pub enum Constraint {
    /// In Unicode scalar values.
    MinLength(usize),
    MaxLength(usize),
    /// Matches the whole value, as in Frictionless and XML Schema.
    Pattern(String),
    /// Texts as they stand in the file.
    Enum(Vec<String>),
    Minimum(Bound),
    Maximum(Bound),
    ExclusiveMinimum(Bound),
    ExclusiveMaximum(Bound),
}

impl Constraint {
    /// The option's key, which names the rule too: `amount.exclusiveMinimum`.
    pub const fn keyword(&self) -> &'static str {
        match self {
            Self::MinLength(_) => "minLength",
            Self::MaxLength(_) => "maxLength",
            Self::Pattern(_) => "pattern",
            Self::Enum(_) => "enum",
            Self::Minimum(_) => "minimum",
            Self::Maximum(_) => "maximum",
            Self::ExclusiveMinimum(_) => "exclusiveMinimum",
            Self::ExclusiveMaximum(_) => "exclusiveMaximum",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// See [`Constraint`].
    pub scaled: i128,
    /// As the author wrote it, for messages.
    pub text: String,
}

/// A rule with a name of its own, which reports give it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// kebab-case, at most 63 bytes: never that of a field's rule, which has a point.
    pub name: String,
    /// Indices into the feed's fields; at least one, each once.
    pub fields: Vec<usize>,
    pub severity: Severity,
    /// What people read of a record that breaks it; `None`: what its kind says.
    pub message: Option<String>,
    pub kind: RuleKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleKind {
    Reference(Reference),
}

/// The fields together are a key of a reference set, or are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub set: ReferenceName,
    /// The set's columns in the order of the rule's fields, as many; empty: the set's own order.
    pub columns: Vec<String>,
    pub membership: Membership,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Membership {
    #[default]
    In,
    NotIn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    Error,
    Warn,
}

/// Who may make a version of the feed the active one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// Somebody other than its author.
    Required,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnEmpty {
    #[default]
    Ok,
    Warn,
    Fail,
}

/// A limit on rejects and what happens past it.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    pub limit: RejectLimit,
    /// Judged only once this many records have been read; 0 where not written.
    pub after: u64,
    pub action: ThresholdAction,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RejectLimit {
    /// More than this many rejects.
    Count(u64),
    /// More than this share of the records read, in parts per million (`1%` is 10 000).
    PartsPerMillion(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThresholdAction {
    Stop,
    Alert,
    Continue,
}

impl Threshold {
    /// In force where a feed writes no `stop` (nor `continue`) of its own: more than half rejected after 10,000 records.
    pub const fn default_stop() -> Self {
        Self { limit: RejectLimit::PartsPerMillion(500_000), after: 10_000, action: ThresholdAction::Stop }
    }
}

/// Where good records go. Names are safe identifiers (`[a-z_][a-z0-9_]*`, at most 63 bytes).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub schema: String,
    pub table: String,
    pub mode: TargetMode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetMode {
    Append,
}
