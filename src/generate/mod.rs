//! Deterministic files with known bad records, from a seed.
