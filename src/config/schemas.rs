//! Avro schemas by which messages name what they were written with: taught by people, or derived from a feed's fields.

use apache_avro::Schema;
use jiff::Timestamp;
use sqlx::{Connection as _, PgConnection, PgPool};

use super::change::audit;
use super::versions::timestamp;
use crate::feed::{Feed, Framing, Layout};
use crate::record::avro::{NoSchema, SchemaRef, are_read_alike, fingerprint, schema_of};

/// Bytes of a document at most: each process that meets the schema holds what it makes of it.
const LONGEST: usize = 1 << 20;

/// One that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSchema {
    pub fingerprint: [u8; 8],
    pub name: String,
    pub document: String,
    pub added_by: String,
    pub added_at: Timestamp,
}

/// What became of a schema that was taught.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taught {
    New,
    /// It was there, or one that is read alike.
    Known,
}

#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    #[error("{source_name} is no Avro schema: {why}")]
    NoSchema { source_name: String, why: String },
    #[error("{source_name} is a schema of {bytes} bytes; expected {LONGEST} at most")]
    Large { source_name: String, bytes: usize },
    #[error(
        "{new} has the {fingerprint} of {known}, which is stored, and other logical types or aliases; a fingerprint says \
         nothing of those, so that nobody could tell which of the two a message was written with. Give a record or a \
         field of the new one another name"
    )]
    Taken { new: String, known: String, fingerprint: SchemaRef },
    #[error("there is no schema of fingerprint {0}: `fabric schemas list` lists them")]
    Unknown(String),
    #[error(transparent)]
    Feed(#[from] NoSchema),
    #[error(transparent)]
    Postgres(#[from] sqlx::Error),
}

impl SchemaError {
    /// Whether the person can put it right by asking otherwise.
    pub const fn is_usage(&self) -> bool {
        !matches!(self, Self::Postgres(_))
    }
}

/// Stores a writer's schema, so that messages that name it by its fingerprint are read; audited where it is new.
pub async fn teach_schema(
    pool: &PgPool,
    source_name: &str,
    document: &str,
) -> Result<(String, [u8; 8], Taught), SchemaError> {
    let source_name = source_name.to_owned();
    if document.len() > LONGEST {
        return Err(SchemaError::Large { source_name, bytes: document.len() });
    }
    let parsed = Schema::parse_str(document);
    let schema = match &parsed {
        Ok(schema @ Schema::Record(_)) => schema,
        Ok(_) => {
            let why = "it is of something else than a record, which is what a message holds".to_owned();
            return Err(SchemaError::NoSchema { source_name, why });
        }
        Err(error) => return Err(SchemaError::NoSchema { source_name, why: error.to_string() }),
    };
    let name = schema.name().map(ToString::to_string).unwrap_or_default();
    let mut connection = pool.acquire().await?;
    let mut transaction = connection.begin().await?;
    let taught = add(&mut transaction, &name, document, schema).await?;
    if taught == Taught::New {
        let message = SchemaRef::Fingerprint(fingerprint(schema)).to_string();
        audit(&mut transaction, "add", "schema", &name, None, None, Some(&message)).await?;
    }
    transaction.commit().await?;
    Ok((name, fingerprint(schema), taught))
}

/// Stores the schema of a feed's fields, where messages name it by its fingerprint.
pub(super) async fn add_of_feed(connection: &mut PgConnection, feed: &Feed, version: i32) -> Result<(), SchemaError> {
    if feed.layout != Layout::Avro(Framing::SingleObject) {
        return Ok(());
    }
    let document = schema_of(feed)?;
    let schema = Schema::parse_str(&document).expect("the schema of a checked feed is Avro");
    add(connection, &format!("feed {} v{version}", feed.name), &document, &schema).await?;
    Ok(())
}

async fn add(
    connection: &mut PgConnection,
    name: &str,
    document: &str,
    schema: &Schema,
) -> Result<Taught, SchemaError> {
    let own = fingerprint(schema);
    let there: Option<String> = sqlx::query_scalar("select fabric.add_schema($1, $2, $3)")
        .bind(&own[..])
        .bind(name)
        .bind(document)
        .fetch_one(&mut *connection)
        .await?;
    match there {
        None => Ok(Taught::New),
        Some(there) if are_read_alike(&there, document) => Ok(Taught::Known),
        Some(_) => {
            let known = sqlx::query_scalar("select name from fabric.schemas where fingerprint = $1")
                .bind(&own[..])
                .fetch_one(connection)
                .await?;
            let new = format!("the schema of {name}");
            Err(SchemaError::Taken { new, known, fingerprint: SchemaRef::Fingerprint(own) })
        }
    }
}

const SELECT: &str = "select fingerprint, name, document, added_by,
                             (extract(epoch from stored_at) * 1000000)::bigint from fabric.schemas";

type Row = (Vec<u8>, String, String, String, i64);

fn stored((fingerprint, name, document, added_by, at): Row) -> StoredSchema {
    let fingerprint = fingerprint.try_into().expect("a check of the table");
    StoredSchema { fingerprint, name, document, added_by, added_at: timestamp(at) }
}

/// All of them, by name, fabric's own too.
pub async fn list_schemas(pool: &PgPool) -> Result<Vec<StoredSchema>, SchemaError> {
    let query = sqlx::AssertSqlSafe(format!("{SELECT} order by name, stored_at, fingerprint"));
    let rows: Vec<Row> = sqlx::query_as(query).fetch_all(pool).await?;
    Ok(rows.into_iter().map(stored).collect())
}

/// The one of this fingerprint, as `fabric schemas list` prints it.
pub async fn stored_schema(pool: &PgPool, fingerprint: &str) -> Result<StoredSchema, SchemaError> {
    let query = sqlx::AssertSqlSafe(format!("{SELECT} where encode(fingerprint, 'hex') = lower($1)"));
    let row: Option<Row> = sqlx::query_as(query).bind(fingerprint).fetch_optional(pool).await?;
    row.map(stored).ok_or_else(|| SchemaError::Unknown(fingerprint.to_owned()))
}
