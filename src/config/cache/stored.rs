//! Documents as Postgres has them: the lowest layer, which is always right.

use sqlx::PgPool;

use crate::config::Kind;

/// What processes read of a version: a feed's definition with its templates merged in, a template as it was written.
/// `None`: there is no such version, or it has no document (a reference set has keys).
pub(super) async fn document(
    pool: &PgPool,
    kind: Kind,
    name: &str,
    version: i32,
) -> Result<Option<String>, sqlx::Error> {
    let statement = match kind {
        Kind::Feed => "select coalesce(resolved, document) from fabric.feed_versions where feed = $1 and version = $2",
        Kind::Template => "select document from fabric.template_versions where template = $1 and version = $2",
        Kind::Reference => return Ok(None),
    };
    sqlx::query_scalar(statement).bind(name).bind(version).fetch_optional(pool).await
}
