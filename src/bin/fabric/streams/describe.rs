//! `fabric streams describe`: what a producer needs to know.

use fabric::config;
use fabric::feed::{Feed, Field, Framing, Layout, Stream};
use fabric::report::{Align, figures, table};
use serde_json::{Value, json};

use super::no_stream;
use super::subject::Subject;
use super::topic::{self, Topic};
use crate::exit::Exit;
use crate::globals::{Globals, print, print_json};
use crate::server;

/// Print what a producer of a stream needs: topic, form of a value, fields, limits
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fabric streams describe payments")]
pub struct Args {
    feed: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(globals: &Globals, args: Args) -> anyhow::Result<Exit> {
    server::run(globals, async |server| {
        let active = config::active_feed(&server.pool, &args.feed).await?;
        let Some(stream) = &active.feed.stream else { return Err(no_stream(&args.feed).into()) };
        let longest = server.settings.ingest.record_bytes;
        let topic = topic::look(&server.settings, &stream.topic).await;
        let subject = Subject::of(&active.feed, &server.settings).await?;
        if args.json {
            let mut described = as_json(&active.feed, active.version, stream, longest);
            topic.add_to(&mut described);
            described["registry"] = subject.map_or(Value::Null, |subject| subject.as_json());
            print_json(&described)?;
        } else {
            let line = subject.as_ref().map(Subject::line).unwrap_or_default();
            let hint = subject.as_ref().and_then(Subject::hint).unwrap_or_default();
            print(&(text(&active.feed, active.version, stream, longest, &topic, &line) + &hint))?;
        }
        Ok(Exit::Done)
    })
}

fn value_of(feed: &Feed) -> String {
    match &feed.layout {
        Layout::Json => "one JSON object, UTF-8".to_owned(),
        Layout::Avro(Framing::SingleObject) => format!(
            "one Avro datum in single-object encoding: of the schema that `fabric feeds schema {}` prints, or of one that \
             `fabric schemas add` knows",
            feed.name
        ),
        Layout::Avro(Framing::Confluent) => "one Avro datum in the Confluent wire format".to_owned(),
        Layout::Delimited(layout) => {
            let quote = layout.quote.map_or("no quotes".to_owned(), |quote| format!("quoted by {}", char::from(quote)));
            format!("one line of text, UTF-8, cells parted by {:?}, {quote}, no header", char::from(layout.delimiter))
        }
    }
}

fn key_of(feed: &Feed, stream: &Stream) -> String {
    match stream.key {
        None => "any: it is not read; records of one key keep their order".to_owned(),
        Some(field) => format!("the text of {}: records of one key keep their order", feed.fields[field].name),
    }
}

/// Where a value has the field.
fn place(field: &Field, layout: &Layout, number: usize) -> String {
    match (layout, &field.pointer) {
        (Layout::Delimited(_), _) => format!("cell {}", number + 1),
        (Layout::Json | Layout::Avro(_), None) => format!("/{}", field.name),
        (Layout::Json | Layout::Avro(_), Some(tokens)) => {
            tokens.iter().map(|token| format!("/{}", token.replace('~', "~0").replace('/', "~1"))).collect()
        }
    }
}

fn as_json(feed: &Feed, version: i32, stream: &Stream, longest: usize) -> Value {
    let fields = feed.fields.iter().enumerate().map(|(number, field)| {
        json!({
            "name": field.name, "type": field.kind.to_string(), "required": field.required,
            "at": place(field, &feed.layout, number),
        })
    });
    json!({
        "feed": feed.name.as_str(), "version": version, "topic": stream.topic,
        "value": match feed.layout { Layout::Avro(_) => "avro", Layout::Json => "json", Layout::Delimited(_) => "delimited" },
        "key": stream.key.map(|field| &feed.fields[field].name), "headers": [], "longestValueBytes": longest,
        "batch": {
            "records": stream.batch.records, "bytes": stream.batch.bytes, "milliseconds": stream.batch.milliseconds,
        },
        "fields": fields.collect::<Vec<_>>(),
    })
}

fn text(feed: &Feed, version: i32, stream: &Stream, longest: usize, topic: &Topic, subject: &str) -> String {
    let batch = stream.batch;
    let mut text = format!(
        "{} v{version}\n  topic    {}: {}\n  value    {}\n{subject}  key      {}\n  \
         headers  none are needed\n  limit    {}\n  batch    {} records, {}, or {} ms after its first: then they are in the table\n\n",
        feed.name,
        stream.topic,
        topic.words(),
        value_of(feed),
        key_of(feed, stream),
        topic.limit(longest),
        batch.records,
        figures::bytes(batch.bytes),
        batch.milliseconds,
    );
    let heads = [("field", Align::Left), ("type", Align::Left), ("", Align::Left), ("at", Align::Left)];
    let rows = feed.fields.iter().enumerate().map(|(number, field)| {
        let required = if field.required { "required" } else { "" };
        vec![field.name.clone(), field.kind.to_string(), required.to_owned(), place(field, &feed.layout, number)]
    });
    text.push_str(&table("  ", &heads, &rows.collect::<Vec<_>>()));
    if !matches!(feed.layout, Layout::Avro(_)) {
        let topic = &stream.topic;
        text.push_str(&format!("\n  kafka-console-producer.sh --bootstrap-server BROKERS --topic {topic} <records"));
    }
    text.push_str(&format!(
        "\n  docs/producing.md has programs; fabric streams rejects {} shows what was not accepted\n",
        feed.name
    ));
    text
}
