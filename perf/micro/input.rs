//! Turns a shape into a file of card transactions, and the feed that reads it.

use fabric::feed::{self, Feed};
use fabric::generate::CardTransactions;

/// How the records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// As the example's feed has them: between bars, a quote is a character like any other.
    Bars,
    /// Between commas, every cell in quotes.
    Quoted,
}

pub struct Input {
    pub feed: Feed,
    pub text: Vec<u8>,
}

const FEED: &str = include_str!("../../examples/card-transactions.yaml");

impl Input {
    /// The same bytes every time. Only good records are written in quotes.
    pub fn generate(shape: Shape, records: u64, bad_ppm: u32) -> Self {
        let mut text = Vec::new();
        let mut cards = CardTransactions::new(records, 1, bad_ppm);
        while cards.write_next(&mut text).is_some() {}
        match shape {
            Shape::Bars => Self { feed: read(FEED), text },
            Shape::Quoted => {
                let feed =
                    FEED.replace("delimiter: \"|\"", "delimiter: \",\"").replace("quoteChar: none", "quoteChar: '\"'");
                Self { feed: read(&feed), text: quoted(&text) }
            }
        }
    }
}

fn read(document: &str) -> Feed {
    feed::parse("card-transactions.yaml", document).unwrap_or_else(|faults| panic!("{faults}"))
}

fn quoted(text: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(text.len() * 5 / 4);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        for cell in line.strip_suffix(b"\n").unwrap_or(line).split(|byte| *byte == b'|') {
            quoted.push(b'"');
            quoted.extend_from_slice(cell);
            quoted.extend_from_slice(b"\",");
        }
        quoted.pop();
        quoted.push(b'\n');
    }
    quoted
}
