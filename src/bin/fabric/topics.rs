//! `fabric topics`: compares the declared Kafka topics with the broker's, and makes them.

use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};
use fabric::settings::Settings;
use fabric::topics;

/// Compare fabric's Kafka topics with what is declared, and make them.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  fabric topics apply --replication 3")]
pub struct Topics {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what `apply` would change; changes nothing.
    Plan(Options),
    /// Make the topics what is declared. Safe to repeat.
    Apply(Options),
    /// Check that every topic is as declared; exit 1 and say what differs where one is not.
    Verify {
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct Options {
    /// Copies of each partition: 1 on a bare machine, 3 in production.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=32767))]
    replication: Option<i32>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: Topics, settings: &Settings) -> anyhow::Result<ExitCode> {
    let kafka = &settings.kafka;
    match arguments.command {
        Command::Plan(options) => show(&topics::plan_for(kafka, options.replication).await?, &options)?,
        Command::Apply(options) => {
            let plan = topics::apply(kafka, options.replication).await?;
            show(&plan, &options)?;
            if plan.refusals().next().is_some() {
                bail!("some topics are not as declared, and fabric must not change them: see above");
            }
        }
        Command::Verify { json } => match topics::verify(kafka).await {
            Ok(()) if json => println!("{}", serde_json::json!({ "problems": [] })),
            Ok(()) => {}
            Err(topics::TopicsError::NotAsDeclared(problems)) if json => {
                println!("{}", serde_json::json!({ "problems": problems }));
                return Ok(ExitCode::FAILURE);
            }
            Err(error) => return Err(error.into()),
        },
    }
    Ok(ExitCode::SUCCESS)
}

fn show(plan: &topics::Plan, options: &Options) -> anyhow::Result<()> {
    if options.json {
        println!("{}", serde_json::to_string_pretty(plan)?);
    } else {
        print!("{plan}");
    }
    Ok(())
}
