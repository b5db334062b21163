//! Logs: structured, one line per event, never a field's value.
