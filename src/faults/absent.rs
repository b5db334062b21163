//! Nothing: what a release has of failpoints and defects.

use rdkafka::error::KafkaError;
use sqlx::PgConnection;

use super::Defect;

#[inline(always)]
pub const fn has(_defect: Defect) -> bool {
    false
}

#[inline(always)]
pub const fn point(_name: &'static str) {}

#[inline(always)]
pub const fn strike(_at: &'static str, _bytes: &[u8]) {}

#[inline(always)]
pub const fn kafka(_name: &'static str) -> Result<(), KafkaError> {
    Ok(())
}

#[inline(always)]
pub async fn step(_name: &'static str) {}

#[inline(always)]
pub async fn statement(_name: &'static str, _connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    Ok(())
}

#[inline(always)]
pub async fn answer(_name: &'static str) -> Result<(), sqlx::Error> {
    Ok(())
}
