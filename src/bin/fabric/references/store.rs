//! `fabric references load|append NAME FILE.csv`

use std::path::{Path, PathBuf};

use fabric::config::references::{self, Stored};
use fabric::report::figures;
use fabric::rules::{SetFaults, SetFile};

use crate::exit::{Exit, Refused};
use crate::globals::{Globals, print};
use crate::server::{self, Server};
use crate::source;

/// Load a set of keys from a CSV file, and make it the version that new jobs use
///
/// The file's first line names its columns. The whole file is checked before anything is stored. The same keys twice
/// are the same version, so this can be repeated.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  fabric references load branches branches.csv --columns code --message 'Basel closed'"
)]
pub struct LoadArgs {
    #[command(flatten)]
    file: FileArgs,
}

/// Add keys to a set: a new version with those that it has and those of the file
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric references append branches new-branches.csv --columns code")]
pub struct AppendArgs {
    #[command(flatten)]
    file: FileArgs,
}

#[derive(Debug, clap::Args)]
struct FileArgs {
    /// The set's name, in kebab-case
    name: String,
    /// CSV with a line of column names; - for standard input; .gz and .zst are read by content
    file: PathBuf,
    /// The columns that make a key, in its order [default: those of the active version, else all of the file's]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    columns: Vec<String>,
    /// Why: kept with the version
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
}

impl FileArgs {
    async fn read(&self, server: &Server) -> anyhow::Result<SetFile> {
        let mut columns = self.columns.clone();
        let of_set = references::columns(&server.pool, &self.name).await?;
        if columns.is_empty() {
            columns = of_set.unwrap_or_default();
        }
        let mut opened = source::open(&self.file)?;
        let file = SetFile::read(&shown(&self.file), &mut opened, &columns).map_err(refused)?;
        opened.finish()?;
        Ok(file)
    }
}

fn shown(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
}

fn refused(faults: SetFaults) -> Refused {
    let count = figures::counted(faults.count, "error", "errors");
    Refused(format!("{faults}{count}; nothing was loaded"))
}

pub fn load(globals: &Globals, args: LoadArgs) -> anyhow::Result<Exit> {
    let FileArgs { name, message, .. } = &args.file;
    server::run(globals, async |server| {
        let file = args.file.read(server).await?;
        let stored = references::load(&server.pool, name, &file, message.as_deref()).await?;
        print(&tell(name, &file.columns, &stored))?;
        Ok(Exit::Done)
    })
}

pub fn append(globals: &Globals, args: AppendArgs) -> anyhow::Result<Exit> {
    let FileArgs { name, message, .. } = &args.file;
    server::run(globals, async |server| {
        let file = args.file.read(server).await?;
        let stored = references::append(&server.pool, name, &file, message.as_deref()).await?;
        print(&tell(name, &file.columns, &stored))?;
        Ok(Exit::Done)
    })
}

fn tell(name: &str, columns: &[String], stored: &Stored) -> String {
    let keys = |keys| figures::counted(keys, "key", "keys");
    match stored {
        Stored::New { version, keys: all, known } => {
            let known = match known {
                0 => String::new(),
                1 => "; 1 of the file's was there already".to_owned(),
                known => format!("; {} of the file's were there already", figures::count(*known)),
            };
            format!("{name} v{version}  loaded, {} of {}{known}\n", keys(*all), columns.join(", "))
        }
        Stored::Unchanged { version, keys: all } => format!("{name} v{version}  unchanged, {}\n", keys(*all)),
    }
}
