//! Records with known faults, by a seed: lines of a file, values of a stream.

use crate::dice::Dice;
use crate::feeds::{Form, HEAD, Keys};

const CURRENCIES: [&str; 3] = ["EUR", "USD", "CHF"];
const WORDS: [&str; 5] = ["", "paid at once", "Zürich, by hand", "a \"quoted\" word", "thirty days, 2 % in ten"];
const CITIES: [&str; 3] = ["Bern", "Zürich", "Chur"];

/// Of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOf {
    pub records: u64,
    pub seed: u64,
    /// Two letters with which each id begins: no two files share any.
    pub letters: String,
    pub keys: Keys,
}

impl FileOf {
    pub fn bytes(&self) -> Vec<u8> {
        let mut dice = Dice::new(self.seed);
        let mut bytes = Vec::new();
        for number in 0..self.records {
            bytes.extend_from_slice(self.line(number, &mut dice).as_bytes());
            bytes.push(b'\n');
        }
        bytes
    }

    fn line(&self, number: u64, dice: &mut Dice) -> String {
        let twin = self.keys == Keys::Unique && number > 0 && dice.below(400) == 0;
        let number = if twin { dice.below(number) } else { number };
        let mut cells = [
            format!("{}{number:08}", self.letters),
            format!("2026-{:02}-{:02}", dice.between(1, 12), dice.between(1, 28)),
            amount(dice),
            dice.pick(&CURRENCIES).to_owned(),
            dice.pick(&WORDS).to_owned(),
        ];
        if dice.below(50) == 0 {
            spoil(&mut cells, dice);
        }
        if dice.below(1000) == 0 {
            return cells[..4].join("|");
        }
        cells.join("|")
    }
}

fn amount(dice: &mut Dice) -> String {
    let cents = if dice.percent(8) { dice.between(500_001, 99_999_999) } else { dice.between(1, 500_000) };
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn spoil(cells: &mut [String; 5], dice: &mut Dice) {
    let (cell, value) = dice.pick(&[
        (0, "ab00000001"),
        (0, ""),
        (1, "2026-02-30"),
        (1, "yesterday"),
        (2, "0.00"),
        (2, "-1.50"),
        (2, "12,50"),
        (2, "1000000.01"),
        (3, "GBP"),
        (3, ""),
        (4, "more words than anybody may write about one order"),
    ]);
    cells[cell] = value.to_owned();
}

/// The value of one message of a stream; `number` tells it apart from all others of the stream.
pub fn value(form: Form, number: u64, dice: &mut Dice) -> Vec<u8> {
    let bad = dice.below(40);
    let id = if bad == 0 { format!("Q{number}") } else { format!("P{number}") };
    let amount = if bad == 1 { "-1.50".to_owned() } else { amount(dice) };
    let city = dice.pick(&CITIES);
    let mut value = match form {
        Form::Json => format!(r#"{{"id":"{id}","amount":{amount},"city":"{city}"}}"#).into_bytes(),
        Form::Delimited => format!("{id}|{amount}|{city}").into_bytes(),
        Form::Avro => avro(&id, &amount, city),
    };
    if bad == 2 {
        value.truncate(match form {
            Form::Json => value.len() - 1,
            Form::Delimited => id.len(),
            Form::Avro => value.len() - 2,
        });
    }
    value
}

/// By the specification of Avro 1.12, "Binary encoding".
fn avro(id: &str, amount: &str, city: &str) -> Vec<u8> {
    let cents: i64 = amount.replace('.', "").parse().expect("an amount of the suite's own");
    let mut value = HEAD.to_vec();
    bytes(&mut value, id.as_bytes());
    bytes(&mut value, &cents.to_be_bytes());
    long(&mut value, 1);
    bytes(&mut value, city.as_bytes());
    value
}

fn bytes(into: &mut Vec<u8>, bytes: &[u8]) {
    long(into, bytes.len() as i64);
    into.extend_from_slice(bytes);
}

fn long(into: &mut Vec<u8>, number: i64) {
    let mut left = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while left >= 0x80 {
        into.push(left as u8 | 0x80);
        left >>= 7;
    }
    into.push(left as u8);
}
