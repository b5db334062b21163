//! A seed into card transactions: twelve pipe-separated cells a record, 174 bytes on average.

use std::collections::BTreeMap;

use super::bad::Bad;
use super::digits::{cents, hex, padded, plain};
use super::merchants::{MERCHANTS, Merchant, table};
use super::splitmix::SplitMix64;

/// Draws that decide on badness are apart from those that make the cells, so that they can be made alone.
const BADNESS: u64 = 0x6261_646e_6573_7300;

/// Account numbers have 12 digits, the first of them not 0.
const FIRST_ACCOUNT: u64 = 100_000_000_000;
const ACCOUNTS: u64 = 900_000_000_000;
/// Shares no factor (2, 3, 5) with [`ACCOUNTS`]: record numbers become account numbers one to one.
const ACCOUNT_STEP: u64 = 618_033_988_751;

const SECONDS_A_DAY: u32 = 86_400;
const ZONES: [&[u8; 6]; 4] = [b"+01:00", b"+00:00", b"-05:00", b"+09:00"];
const CURRENCIES: [&[u8; 3]; 5] = [b"USD", b"EUR", b"GBP", b"CHF", b"JPY"];
const BRANCH_LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// Highest amounts in cents, drawn evenly: most payments are small. 1,000,000.00 is the feed's maximum.
const AMOUNT_LIMITS: [u64; 8] = [2_000, 10_000, 10_000, 50_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// Writes card transactions, one record a call.
///
/// No two records share a transaction id or an account number, so that a record is rejected for its badness alone,
/// whatever keys the feed declares.
#[derive(Debug, Clone)]
pub struct CardTransactions {
    records: u64,
    seed: u64,
    bad_ppm: u32,
    /// Number of the record to write next, from 1.
    next: u64,
    merchants: Vec<Merchant>,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    Good,
    Bad(Bad),
}

/// What a load of the whole file must find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    pub records: u64,
    pub good: u64,
    pub bad: u64,
    /// Bad records per rule that they break; rules that none breaks are left out.
    pub by_rule: BTreeMap<&'static str, u64>,
}

impl CardTransactions {
    /// Transaction ids have eleven digits.
    pub const MOST_RECORDS: u64 = 99_999_999_999;

    /// A file of `records` records, [`Self::MOST_RECORDS`] at most, of which about `bad_ppm` in a million are bad.
    pub fn new(records: u64, seed: u64, bad_ppm: u32) -> Self {
        Self { records: records.min(Self::MOST_RECORDS), seed, bad_ppm, next: 1, merchants: table() }
    }

    /// Appends the next record with its line end and says what it is; `None`, and nothing appended, at the end.
    pub fn write_next(&mut self, out: &mut Vec<u8>) -> Option<Made> {
        let number = self.next;
        if number > self.records {
            return None;
        }
        self.next += 1;
        let made = self.kind_of(number);
        match made {
            Made::Good => self.write_record(out, number, None),
            Made::Bad(bad) => self.write_record(out, number, Some(bad)),
        }
        Some(made)
    }

    /// What a load of the whole file must find, from the parameters alone.
    pub fn expected(&self) -> Expected {
        let mut by_rule = BTreeMap::new();
        let mut bad = 0;
        for number in 1..=self.records {
            if let Made::Bad(kind) = self.kind_of(number) {
                bad += 1;
                *by_rule.entry(kind.rule()).or_insert(0) += 1;
            }
        }
        Expected { records: self.records, good: self.records - bad, bad, by_rule }
    }

    /// What record `number` (from 1) is.
    pub fn kind_of(&self, number: u64) -> Made {
        let mut rng = SplitMix64::of_record(self.seed ^ BADNESS, number);
        if rng.below(1_000_000) >= self.bad_ppm {
            return Made::Good;
        }
        Made::Bad(Bad::ALL[rng.below(Bad::ALL.len() as u32) as usize])
    }

    fn write_record(&self, out: &mut Vec<u8>, number: u64, bad: Option<Bad>) {
        let mut rng = SplitMix64::of_record(self.seed, number);
        let merchant = &self.merchants[rng.draw() as usize & (MERCHANTS - 1)];
        transaction_id(out, number, bad);
        account_number(out, self.seed, number, bad);
        hex(out, rng.draw());
        hex(out, rng.draw());
        out.push(b'|');
        posted_at(out, &mut rng, bad);
        value_date(out, &mut rng, bad);
        amount(out, &mut rng, bad);
        currency(out, &mut rng, merchant, bad);
        merchant_name(out, merchant, bad);
        plain(out, if bad == Some(Bad::CategoryZero) { 0 } else { u64::from(merchant.category) });
        out.push(b'|');
        out.extend_from_slice(merchant.country);
        out.push(b'|');
        branch_code(out, &mut rng);
        is_reversal(out, &mut rng, bad);
        out.push(b'\n');
    }
}

fn transaction_id(out: &mut Vec<u8>, number: u64, bad: Option<Bad>) {
    out.push(if bad == Some(Bad::TransactionIdMalformed) { b'X' } else { b'T' });
    padded::<11>(out, number);
    out.push(b'|');
}

fn account_number(out: &mut Vec<u8>, seed: u64, number: u64, bad: Option<Bad>) {
    let offset = SplitMix64::new(seed).draw() % ACCOUNTS;
    // Both factors are below 2^40.
    let step = (u128::from(number) * u128::from(ACCOUNT_STEP)) % u128::from(ACCOUNTS);
    let account = FIRST_ACCOUNT + (step as u64 + offset) % ACCOUNTS;
    match bad {
        Some(Bad::AccountTooShort) => padded::<11>(out, account),
        Some(Bad::AccountTooLong) => padded::<13>(out, account),
        _ => padded::<12>(out, account),
    }
    out.push(b'|');
}

/// Some second of 23 November 2026, in one of four zones.
fn posted_at(out: &mut Vec<u8>, rng: &mut SplitMix64, bad: Option<Bad>) {
    let second = rng.below(SECONDS_A_DAY);
    let zone = ZONES[rng.draw() as usize % ZONES.len()];
    out.extend_from_slice(if bad == Some(Bad::PostedAtUnreadable) { b"23.11.2026T" } else { b"2026-11-23T" });
    padded::<2>(out, u64::from(second / 3600));
    out.push(b':');
    padded::<2>(out, u64::from(second / 60 % 60));
    out.push(b':');
    padded::<2>(out, u64::from(second % 60));
    out.extend_from_slice(zone);
    out.push(b'|');
}

/// The day itself or one of the three after it.
fn value_date(out: &mut Vec<u8>, rng: &mut SplitMix64, bad: Option<Bad>) {
    let day = 23 + u64::from(rng.below(4));
    if bad == Some(Bad::ValueDateImpossible) {
        out.extend_from_slice(b"2026-02-30");
    } else {
        out.extend_from_slice(b"2026-11-");
        padded::<2>(out, day);
    }
    out.push(b'|');
}

fn amount(out: &mut Vec<u8>, rng: &mut SplitMix64, bad: Option<Bad>) {
    let limit = AMOUNT_LIMITS[rng.below(AMOUNT_LIMITS.len() as u32) as usize];
    let value = 1 + rng.draw() % limit;
    match bad {
        Some(Bad::AmountMissing) => {}
        Some(Bad::AmountNegative) => {
            out.push(b'-');
            cents(out, value);
        }
        Some(Bad::AmountOver) => cents(out, 100_000_000 + value),
        Some(Bad::AmountNotANumber) => {
            cents(out, value);
            out.extend_from_slice(b" CR");
        }
        _ => cents(out, value),
    }
    out.push(b'|');
}

/// The merchant's own, or for one record in eight any.
fn currency(out: &mut Vec<u8>, rng: &mut SplitMix64, merchant: &Merchant, bad: Option<Bad>) {
    let drawn = rng.below(8 * CURRENCIES.len() as u32) as usize;
    let code = CURRENCIES.get(drawn).copied().unwrap_or(merchant.currency);
    out.extend_from_slice(if bad == Some(Bad::CurrencyUnknown) { b"XTS" } else { code });
    out.push(b'|');
}

fn merchant_name(out: &mut Vec<u8>, merchant: &Merchant, bad: Option<Bad>) {
    let name = merchant.name.as_bytes();
    match bad {
        // In place of the first byte, or before it: the name's length in characters stays within bounds.
        Some(Bad::MerchantNotUtf8) => {
            out.push(0xff);
            out.extend_from_slice(&name[1..]);
        }
        Some(Bad::MerchantNul) => {
            out.push(0);
            out.extend(merchant.name.chars().skip(1).collect::<String>().into_bytes());
        }
        _ => out.extend_from_slice(name),
    }
    out.push(b'|');
}

/// Three to six capitals and digits.
fn branch_code(out: &mut Vec<u8>, rng: &mut SplitMix64) {
    let drawn = rng.draw();
    let length = 3 + (drawn >> 62) as usize;
    for i in 0..length {
        out.push(BRANCH_LETTERS[(drawn >> (5 * i)) as usize & 31]);
    }
}

/// One in 64 is a reversal. The last cell, so here is where a record comes out with too few or too many.
fn is_reversal(out: &mut Vec<u8>, rng: &mut SplitMix64, bad: Option<Bad>) {
    let reversal = rng.below(64) == 0;
    if bad == Some(Bad::TooFewCells) {
        return;
    }
    out.extend_from_slice(if reversal { b"|true" } else { b"|false" });
    if bad == Some(Bad::TooManyCells) {
        out.push(b'|');
    }
}

#[cfg(test)]
mod tests;
