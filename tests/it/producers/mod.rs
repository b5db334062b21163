//! Programs that publish by themselves: what the commands answer them, what becomes of wrong chunks, and the examples.

mod closed;
mod examples;
mod leased;
mod opened;
mod program;
mod restored;
mod wrong;

use crate::installation::Installation;

const LEDGER_ROWS: &str = "select count(*) from fabric.chunk_ledger";

async fn installation() -> Installation {
    let installation = Installation::new().await;
    installation.apply_card_transactions();
    installation
}
