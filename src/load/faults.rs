//! The table that tells whose fault a database error is.

/// Whose fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultClass {
    /// A record's: isolate it.
    Data,
    /// The feed's target: park the job.
    Feed,
    /// Nobody's: retry the whole chunk.
    Infrastructure,
}

/// By SQLSTATE and the schema and table that the error names.
pub fn classify(sqlstate: &str, schema: Option<&str>, table: Option<&str>) -> FaultClass {
    let _ = (sqlstate, schema, table);
    todo!()
}
