//! Sets a chunk aside that its feed's gate does not let through.

use sqlx::PgPool;

use super::chunk::with_advice;
use super::gate::{Aside, Standing};
use super::{JudgedChunk, LoadError, Outcome};
use crate::jobs::{self, ChangeError};

/// Records the chunk as owed; parks its job where the target has been at fault for long enough.
pub async fn set_aside(pool: &PgPool, chunk: &JudgedChunk, aside: &Aside) -> Result<Outcome, LoadError> {
    let reason = with_advice(&aside.reason, chunk.job);
    let set = async {
        let mut connection = pool.acquire().await?;
        match aside.standing {
            Standing::Held => jobs::owe(&mut connection, chunk.id(), &chunk.delivery, &reason).await,
            Standing::Parked => jobs::park(&mut connection, chunk.id(), &chunk.delivery, &reason).await,
        }
    };
    match (set.await, aside.standing) {
        (Ok(()), Standing::Held) => Ok(Outcome::Owed { reason }),
        (Ok(()), Standing::Parked) => Ok(Outcome::Parked { reason }),
        (Err(ChangeError::NotAllowed { .. }), _) => Ok(Outcome::Stopped),
        (Err(ChangeError::NoJob(_)), _) => Ok(Outcome::Unknown),
        (Err(error), _) => Err(LoadError { message: format!("{}: could not be set aside: {error}", chunk.id()) }),
    }
}
