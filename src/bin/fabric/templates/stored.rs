//! `fabric templates list|show`: what Postgres holds.

use fabric::config::{self, TemplateSummary};
use fabric::report::{Align, figures, table};
use serde_json::json;

use crate::exit::Exit;
use crate::globals::{Globals, print, print_json};
use crate::server;

/// List templates with their active versions and the feeds that extend them
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric templates list")]
pub struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Show a template as it was applied
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric templates show pii-rules --version 1")]
pub struct ShowArgs {
    template: String,
    /// Another version than the active one
    #[arg(long, value_name = "N")]
    version: Option<i32>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn list(globals: &Globals, args: ListArgs) -> anyhow::Result<Exit> {
    let zone = globals.zone();
    server::run(globals, async |server| {
        let templates = config::list_templates(&server.pool).await?;
        if args.json {
            let of = |template: &TemplateSummary| {
                json!({
                    "template": template.template, "activeVersion": template.active_version,
                    "newestVersion": template.newest_version, "retired": template.retired, "feeds": template.feeds,
                    "appliedBy": template.applied_by, "appliedAt": template.applied_at,
                })
            };
            print_json(&templates.iter().map(of).collect::<Vec<_>>())?;
            return Ok(Exit::Done);
        }
        if templates.is_empty() {
            eprintln!("no templates yet: fabric templates apply FILE");
            return Ok(Exit::Done);
        }
        let heads = [
            ("template", Align::Left),
            ("version", Align::Right),
            ("applied", Align::Left),
            ("by", Align::Left),
            ("feeds", Align::Left),
        ];
        let row = |template: TemplateSummary| {
            let feeds = if template.retired { "retired".to_owned() } else { template.feeds.join(", ") };
            let applied = figures::time(template.applied_at, &zone);
            vec![template.template, format!("v{}", template.active_version), applied, template.applied_by, feeds]
        };
        print(&table("", &heads, &templates.into_iter().map(row).collect::<Vec<_>>()))?;
        Ok(Exit::Done)
    })
}

pub fn show(globals: &Globals, args: ShowArgs) -> anyhow::Result<Exit> {
    server::run(globals, async |server| {
        let (version, document) = config::template(&server.pool, &args.template, args.version).await?;
        if args.json {
            print_json(&json!({ "template": args.template, "version": version, "document": document }))?;
        } else {
            eprintln!("{} v{version}", args.template);
            print(&format!("{}\n", document.trim_end()))?;
        }
        Ok(Exit::Done)
    })
}
