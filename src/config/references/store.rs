//! A file of keys → a new version of a set, made the active one, in one transaction.

use sqlx::{Connection as _, PgConnection, PgPool};

use super::change::check_feeds;
use super::read::{Header, each_key, header};
use super::{Active, ReferenceError, active, checked, lock, no_set, told};
use crate::config::change::{Action, Kind, set_active};
use crate::copy::{KEY_COLUMNS, KeyEncoder};
use crate::rules::{SetFile, SortedKeys};

/// A piece of a COPY, sent at once.
const PIECE_BYTES: usize = 1 << 20;

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    New {
        version: i32,
        keys: u64,
        /// Of the file, which the version before had already.
        known: u64,
    },
    /// The same columns and keys are the same version; it is active.
    Unchanged { version: i32, keys: u64 },
}

/// The columns of a set's active version, which its next one has unless somebody says otherwise; `None` where there is no
/// such set.
pub async fn columns(pool: &PgPool, name: &str) -> Result<Option<Vec<String>>, ReferenceError> {
    let name = checked(name)?;
    let mut connection = pool.acquire().await?;
    Ok(active(&mut connection, name.as_str()).await?.map(|active| active.columns))
}

/// Stores the file's keys as a version of `name` and makes that the active one. Keys of old make their version the
/// active one again.
pub async fn load(pool: &PgPool, name: &str, file: &SetFile, message: Option<&str>) -> Result<Stored, ReferenceError> {
    let name = checked(name)?;
    let mut connection = pool.acquire().await?;
    let mut transaction = connection.begin().await?;
    lock(&mut transaction, name.as_str()).await?;
    let before = active(&mut transaction, name.as_str()).await?;
    let new = NewVersion { name: name.as_str(), columns: &file.columns, keys: &file.keys, message };
    let stored = new.store(&mut transaction, before.as_ref(), 0).await?;
    transaction.commit().await?;
    Ok(stored)
}

/// As [`load`], the keys of the active version and those of the file together.
pub async fn append(
    pool: &PgPool,
    name: &str,
    file: &SetFile,
    message: Option<&str>,
) -> Result<Stored, ReferenceError> {
    let name = checked(name)?;
    let mut connection = pool.acquire().await?;
    let mut transaction = connection.begin().await?;
    lock(&mut transaction, name.as_str()).await?;
    let Some(before) = active(&mut transaction, name.as_str()).await? else {
        return Err(no_set(&mut transaction, name.as_str()).await?);
    };
    let name = name.as_str();
    if before.retired {
        let (name, by, version) = (name.to_owned(), before.changed_by, before.version);
        return Err(ReferenceError::Retired { name, by, version });
    }
    if before.columns != file.columns {
        let (columns, found) = (told(&before.columns), told(&file.columns));
        return Err(ReferenceError::OtherColumns { name: name.to_owned(), version: before.version, columns, found });
    }
    let old = header(&mut transaction, name, before.version).await?;
    let held = sorted(&mut transaction, (name, before.version), &old).await?;
    let (keys, known) = held.union(&file.keys)?;
    let new = NewVersion { name, columns: &file.columns, keys: &keys, message };
    let stored = new.store(&mut transaction, Some(&before), known as u64).await?;
    transaction.commit().await?;
    Ok(stored)
}

async fn sorted(connection: &mut PgConnection, of: (&str, i32), header: &Header) -> Result<SortedKeys, ReferenceError> {
    let mut keys = SortedKeys::default();
    each_key(connection, of, header, |key| Ok(keys.add(key)?)).await?;
    Ok(keys)
}

struct NewVersion<'n> {
    name: &'n str,
    columns: &'n [String],
    keys: &'n SortedKeys,
    message: Option<&'n str>,
}

impl NewVersion<'_> {
    /// The caller holds the set's lock.
    async fn store(
        &self,
        connection: &mut PgConnection,
        before: Option<&Active>,
        known: u64,
    ) -> Result<Stored, ReferenceError> {
        let sha256 = self.keys.sha256(self.columns);
        let keys = self.keys.len() as u64;
        let same: Option<i32> =
            sqlx::query_scalar("select version from fabric.reference_versions where reference = $1 and sha256 = $2")
                .bind(self.name)
                .bind(&sha256[..])
                .fetch_optional(&mut *connection)
                .await?;
        let (version, action, stored) = match same {
            Some(version) => (version, Action::Activate, Stored::Unchanged { version, keys }),
            None => {
                let version = self.insert(connection, before, &sha256).await?;
                (version, Action::Apply, Stored::New { version, keys, known })
            }
        };
        check_feeds(connection, self.name, self.columns).await?;
        set_active(connection, Kind::Reference, self.name, version, action, self.message).await?;
        Ok(stored)
    }

    async fn insert(
        &self,
        connection: &mut PgConnection,
        before: Option<&Active>,
        sha256: &[u8],
    ) -> Result<i32, ReferenceError> {
        let (version, version_id): (i32, i64) = sqlx::query_as(
            "insert into fabric.reference_versions (reference, version, columns, keys, sha256, based_on, message)
             select $1, coalesce(max(version), 0) + 1, $2, $3, $4, $5, $6
               from fabric.reference_versions where reference = $1
             returning version, version_id",
        )
        .bind(self.name)
        .bind(self.columns)
        .bind(i64::try_from(self.keys.len()).unwrap_or(i64::MAX))
        .bind(sha256)
        .bind(before.map(|before| before.version))
        .bind(self.message)
        .fetch_one(&mut *connection)
        .await?;
        copy(connection, version_id, self.keys).await?;
        Ok(version)
    }
}

async fn copy(connection: &mut PgConnection, version_id: i64, keys: &SortedKeys) -> Result<(), sqlx::Error> {
    let statement = format!("copy fabric.reference_keys ({}) from stdin (format binary)", KEY_COLUMNS.join(", "));
    let mut copy = connection.copy_in_raw(&statement).await?;
    let (encoder, mut piece) = (KeyEncoder { version_id }, Vec::with_capacity(PIECE_BYTES + 2048));
    encoder.begin(&mut piece);
    for key in keys.iter() {
        encoder.row(&mut piece, key);
        if piece.len() >= PIECE_BYTES {
            if let Err(error) = copy.send(piece.as_slice()).await {
                // Only a broken socket fails here; the first error says more than a failing farewell would.
                copy.abort("the keys could not be sent").await.ok();
                return Err(error);
            }
            piece.clear();
        }
    }
    encoder.finish(&mut piece);
    if let Err(error) = copy.send(piece.as_slice()).await {
        copy.abort("the keys could not be sent").await.ok();
        return Err(error);
    }
    copy.finish().await?;
    Ok(())
}
