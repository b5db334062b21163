//! The keys of one version, whole, in order, and proved by their hash.

use futures::TryStreamExt as _;
use sqlx::{Connection as _, FromRow, PgConnection};

use super::{ReferenceError, no_version};
use crate::copy::KeyDecoder;
use crate::rules::SetHash;

/// What Postgres says of a version.
#[derive(Debug, FromRow)]
pub(super) struct Header {
    pub version_id: i64,
    pub columns: Vec<String>,
    pub keys: i64,
    sha256: Vec<u8>,
}

pub(super) async fn header(connection: &mut PgConnection, name: &str, version: i32) -> Result<Header, ReferenceError> {
    let header = sqlx::query_as(
        "select version_id, columns, keys, sha256 from fabric.reference_versions where reference = $1 and version = $2",
    )
    .bind(name)
    .bind(version)
    .fetch_optional(&mut *connection)
    .await?;
    match header {
        Some(header) => Ok(header),
        None => Err(no_version(connection, name, version).await?),
    }
}

/// Calls `each` with every key, ascending. [`ReferenceError::Damaged`] where they are not those that were stored.
pub(super) async fn each_key(
    connection: &mut PgConnection,
    (name, version): (&str, i32),
    header: &Header,
    mut each: impl FnMut(&[u8]) -> Result<(), ReferenceError>,
) -> Result<(), ReferenceError> {
    let mut transaction = connection.begin().await?;
    // Keys were written in order, so that index and table run side by side; a table without statistics would have a
    // million keys sorted on disk.
    sqlx::raw_sql("set local enable_sort = off").execute(&mut *transaction).await?;
    let statement = format!(
        "copy (select key from fabric.reference_keys where version_id = {} order by key) to stdout (format binary)",
        header.version_id
    );
    let mut hash = SetHash::new(&header.columns);
    let mut decoder = KeyDecoder::default();
    let mut keys = 0;
    {
        let mut pieces = transaction.copy_out_raw(&statement).await?;
        while let Some(piece) = pieces.try_next().await? {
            decoder.take(&piece, |key| {
                keys += 1;
                hash.add(key);
                each(key)
            })?;
        }
    }
    transaction.rollback().await?;
    if !decoder.is_whole() || keys != header.keys || hash.finish()[..] != header.sha256[..] {
        return Err(ReferenceError::Damaged { name: name.to_owned(), version });
    }
    Ok(())
}
