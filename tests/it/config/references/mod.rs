//! Reference sets: their versions, what jobs pin of them, what a process holds of them.

mod followed;
mod memory;
mod pins;
mod refused;
mod room;
mod versions;

use crate::installation::{Installation, told};

/// Loads a set with these lines under the name of one column.
fn load(installation: &Installation, name: &str, keys: &[&str]) -> String {
    let file = installation.write(&format!("{name}.csv"), csv(keys));
    installation.succeed(&["references", "load", name, &file])
}

fn csv(keys: &[&str]) -> String {
    format!("code\n{}\n", keys.join("\n"))
}

/// What it said on standard error, in ending with this code.
fn refused(installation: &Installation, code: i32, arguments: &[&str]) -> String {
    let output = installation.run(arguments);
    assert_eq!(output.status.code(), Some(code), "fabric {arguments:?}\n{}", told(&output));
    String::from_utf8(output.stderr).unwrap()
}
