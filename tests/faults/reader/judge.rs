//! The suite's own judgement of a record: by the rules in words, not by the program's code.

use std::collections::BTreeSet;

use crate::feeds::{Form, HEAD};

/// Rules that a record breaks, by their names.
pub type Broken = BTreeSet<&'static str>;

/// What a sound record is in Postgres.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    pub cells: Vec<String>,
    pub cents: i64,
}

/// Of a file, without its line end.
pub fn line(line: &[u8], maximum: i64) -> Result<Sound, Broken> {
    let Ok(text) = std::str::from_utf8(line) else { return Err(Broken::from(["record.encoding"])) };
    let cells: Vec<&str> = text.split('|').collect();
    let [id, booked, amount, currency, words] = cells[..] else { return Err(Broken::from(["record.fieldCount"])) };
    let mut broken = Broken::new();
    if id.is_empty() {
        broken.insert("id.required");
    } else if !is_order(id) {
        broken.insert("id.pattern");
    }
    if !is_day(booked) {
        broken.insert("booked.type");
    }
    let cents = money(amount, maximum, &mut broken);
    if currency.is_empty() {
        broken.insert("currency.required");
    } else if !["EUR", "USD", "CHF"].contains(&currency) {
        broken.insert("currency.enum");
    }
    if words.chars().count() > 40 {
        broken.insert("words.maxLength");
    }
    if !broken.is_empty() {
        return Err(broken);
    }
    Ok(Sound { cells: cells.into_iter().map(str::to_owned).collect(), cents })
}

/// Two capital letters, eight digits.
fn is_order(id: &str) -> bool {
    let id = id.as_bytes();
    id.len() == 10 && id[..2].iter().all(u8::is_ascii_uppercase) && id[2..].iter().all(u8::is_ascii_digit)
}

/// `YYYY-MM-DD`, of a year without a leap day.
fn is_day(text: &str) -> bool {
    const DAYS: [u32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return false };
    let (Ok(month), Ok(day)) = (month.parse::<usize>(), day.parse::<u32>()) else { return false };
    year == "2026" && (1..=12).contains(&month) && day >= 1 && day <= DAYS[month - 1]
}

/// Cents, or 0 where a rule is broken.
fn money(text: &str, maximum: i64, broken: &mut Broken) -> i64 {
    let Some(cents) = cents(text) else {
        broken.insert(if text.is_empty() { "amount.required" } else { "amount.type" });
        return 0;
    };
    if cents <= 0 {
        broken.insert("amount.exclusiveMinimum");
    }
    if cents > maximum * 100 {
        broken.insert("amount.maximum");
    }
    cents
}

/// Of `-12.50`: two digits behind the point, always, as the suite writes them.
pub fn cents(text: &str) -> Option<i64> {
    let (whole, part) = text.split_once('.')?;
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    if part.len() != 2 || digits.is_empty() || !(digits.to_owned() + part).bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let cents: i64 = format!("{digits}{part}").parse().ok()?;
    Some(if whole.starts_with('-') { -cents } else { cents })
}

/// Of a stream.
pub fn message(form: Form, value: &[u8], maximum: i64) -> Result<Sound, Broken> {
    let told = match form {
        Form::Json => of_json(value).ok_or("schema-error"),
        Form::Delimited => of_line(value).ok_or("record.fieldCount"),
        Form::Avro => of_avro(value).ok_or("schema-error"),
    };
    let [id, amount, city] = told.map_err(|rule| Broken::from([rule]))?;
    let mut broken = Broken::new();
    if !id.strip_prefix('P').is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit())) {
        broken.insert("id.pattern");
    }
    let cents = money(&amount, maximum, &mut broken);
    if broken.is_empty() { Ok(Sound { cells: vec![id, amount, city], cents }) } else { Err(broken) }
}

fn of_line(value: &[u8]) -> Option<[String; 3]> {
    let cells: Vec<String> = std::str::from_utf8(value).ok()?.split('|').map(str::to_owned).collect();
    cells.try_into().ok()
}

/// Exactly as the suite writes it: amounts are not read as floats.
fn of_json(value: &[u8]) -> Option<[String; 3]> {
    let rest = std::str::from_utf8(value).ok()?.strip_prefix("{\"id\":\"")?;
    let (id, rest) = rest.split_once("\",\"amount\":")?;
    let (amount, rest) = rest.split_once(",\"city\":\"")?;
    Some([id.to_owned(), amount.to_owned(), rest.strip_suffix("\"}")?.to_owned()])
}

/// By the specification of Avro 1.12, "Binary encoding".
fn of_avro(value: &[u8]) -> Option<[String; 3]> {
    let mut rest = value.strip_prefix(&HEAD)?;
    let id = text(&mut rest)?;
    let amount: [u8; 8] = bytes(&mut rest)?.try_into().ok()?;
    let cents = i64::from_be_bytes(amount);
    let sign = if cents < 0 { "-" } else { "" };
    let amount = format!("{sign}{}.{:02}", cents.unsigned_abs() / 100, cents.unsigned_abs() % 100);
    let city = if long(&mut rest)? == 1 { text(&mut rest)? } else { String::new() };
    rest.is_empty().then_some([id, amount, city])
}

pub fn text(rest: &mut &[u8]) -> Option<String> {
    String::from_utf8(bytes(rest)?.to_vec()).ok()
}

fn bytes<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let length = usize::try_from(long(rest)?).ok()?;
    let (bytes, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(bytes)
}

pub fn long(rest: &mut &[u8]) -> Option<i64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
        }
    }
    None
}
