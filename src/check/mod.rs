//! Judges a local file with no server: same parse, same rules, same verdicts.
