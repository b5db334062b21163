//! `fabric feeds schema`: of definitions, for editors; of one feed's records, for producers.

use crate::exit::Exit;
use crate::globals::{Globals, print_json};

/// Print the Avro schema of a feed's records, derived from its fields; without a feed, the JSON Schema of a feed definition,
/// for editors
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  fabric feeds schema payments > payments.avsc\n  fabric feeds schema > feed.schema.json"
)]
pub struct Args {
    #[cfg(feature = "server")]
    feed: Option<String>,
    /// Of another version of the feed than the active one
    #[cfg(feature = "server")]
    #[arg(long, value_name = "N", requires = "feed")]
    version: Option<i32>,
}

#[cfg_attr(not(feature = "server"), expect(unused_variables, reason = "definitions need no settings"))]
pub fn run(globals: &Globals, args: Args) -> anyhow::Result<Exit> {
    #[cfg(feature = "server")]
    if let Some(feed) = args.feed {
        return of_records(globals, &feed, args.version);
    }
    print_json(&fabric::feed::json_schema())?;
    Ok(Exit::Done)
}

#[cfg(feature = "server")]
fn of_records(globals: &Globals, feed: &str, version: Option<i32>) -> anyhow::Result<Exit> {
    use fabric::config::{self, SchemaError};
    use fabric::record::avro;
    crate::server::run(globals, async |server| {
        let found = match version {
            Some(version) => config::feed_version(&server.pool, feed, version).await?,
            None => config::current_feed(&server.pool, feed).await?,
        };
        let schema = avro::schema_of(&found.feed).map_err(SchemaError::from)?;
        crate::globals::print(&format!("{schema}\n"))?;
        Ok(Exit::Done)
    })
}
