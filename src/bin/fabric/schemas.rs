//! `fabric schemas`: the Avro schemas that messages name by their fingerprints.

use std::path::PathBuf;

use clap::Subcommand;
use fabric::config::{self, StoredSchema, Taught};
use fabric::record::avro::SchemaRef;
use fabric::report::{Align, figures, table};
use serde_json::{Value, json};

use crate::exit::{Exit, Refused};
use crate::globals::{Globals, print, print_json};
use crate::server;

/// Avro schemas that messages in single-object encoding name by their fingerprints: add a writer's, list them, show one
///
/// The schema of a feed's own fields is known without adding it: `fabric feeds schema FEED` prints it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric schemas add payment.avsc")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Add the schema that a writer of records uses, so that its messages are read
    #[command(after_help = "Example:\n  fabric schemas add payment.avsc")]
    Add {
        /// The schema, as JSON
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the schemas that are known
    #[command(after_help = "Example:\n  fabric schemas list")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show the schema of a fingerprint
    #[command(after_help = "Example:\n  fabric schemas show c3f24a0b1d2e5f67")]
    Show {
        /// As `fabric schemas list` prints it, and as a reject has it
        fingerprint: String,
    },
}

pub fn run(globals: &Globals, args: Args) -> anyhow::Result<Exit> {
    match args.what {
        What::Add { file, json } => add(globals, &file, json),
        What::List { json } => list(globals, json),
        What::Show { fingerprint } => server::run(globals, async |server| {
            let found = config::stored_schema(&server.pool, &fingerprint).await?;
            print(&format!("{}\n", found.document.trim_end()))?;
            Ok(Exit::Done)
        }),
    }
}

fn add(globals: &Globals, file: &std::path::Path, as_json: bool) -> anyhow::Result<Exit> {
    let document = std::fs::read_to_string(file)
        .map_err(|error| Refused(format!("{} cannot be read as text: {error}", file.display())))?;
    server::run(globals, async |server| {
        let taught = config::teach_schema(&server.pool, &file.display().to_string(), &document).await?;
        let (name, fingerprint, taught) = taught;
        if as_json {
            print_json(&json!({ "name": name, "fingerprint": hex(fingerprint), "new": taught == Taught::New }))?;
        } else {
            let said = match taught {
                Taught::New => "is known now",
                Taught::Known => "was known already",
            };
            print(&format!("{name} {said}, {}\n", SchemaRef::Fingerprint(fingerprint)))?;
        }
        Ok(Exit::Done)
    })
}

fn list(globals: &Globals, as_json: bool) -> anyhow::Result<Exit> {
    let zone = globals.zone();
    server::run(globals, async |server| {
        let schemas = config::list_schemas(&server.pool).await?;
        if as_json {
            print_json(&schemas.iter().map(described).collect::<Vec<_>>())?;
            return Ok(Exit::Done);
        }
        let heads = ["fingerprint", "schema", "added", "by"].map(|head| (head, Align::Left));
        let row = |schema: StoredSchema| {
            vec![hex(schema.fingerprint), schema.name, figures::time(schema.added_at, &zone), schema.added_by]
        };
        print(&table("", &heads, &schemas.into_iter().map(row).collect::<Vec<_>>()))?;
        Ok(Exit::Done)
    })
}

fn described(schema: &StoredSchema) -> Value {
    json!({
        "fingerprint": hex(schema.fingerprint), "name": schema.name, "addedBy": schema.added_by,
        "addedAt": schema.added_at,
    })
}

fn hex(fingerprint: [u8; 8]) -> String {
    fingerprint.iter().map(|byte| format!("{byte:02x}")).collect()
}
