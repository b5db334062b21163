//! The elected loop that turns ledger rows into job states and publishes the outbox.
