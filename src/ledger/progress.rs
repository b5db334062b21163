//! How far one assignment of one partition may be committed: the longest prefix of deliveries that are finished.

/// See the module.
#[derive(Debug, Default)]
pub struct Progress {}
