//! Reference sets: looking keys up, and making a set of them.

use std::hint::black_box;

use fabric::rules::{KeySet, KeySetBuilder, SetFile};

use crate::input::Input;

/// Keys of a set for each record that is looked up: a million for 100,000.
const KEYS_PER_RECORD: u64 = 10;

/// A key of 10 bytes, in no order.
fn key(number: u64) -> String {
    // 2^64 over the golden ratio: the upper bits of its multiples lie far apart (Knuth, volume 3, section 6.4).
    format!("{:010x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24)
}

fn records(input: &Input) -> u64 {
    input.text.iter().filter(|byte| **byte == b'\n').count() as u64
}

fn set(keys: u64) -> KeySet {
    let mut builder = KeySetBuilder::default();
    for number in 0..keys {
        builder.push(key(number).as_bytes()).expect("a key of 10 bytes fits");
    }
    builder.finish()
}

/// Keys that are in the set, each somewhere else than the last.
pub fn hit(input: Input) -> Box<dyn FnMut()> {
    look_up(records(&input), 0)
}

/// Keys that are not.
pub fn miss(input: Input) -> Box<dyn FnMut()> {
    let records = records(&input);
    look_up(records, records * KEYS_PER_RECORD)
}

fn look_up(records: u64, first: u64) -> Box<dyn FnMut()> {
    let keys = records * KEYS_PER_RECORD;
    let set = set(keys);
    // A prime step through the keys.
    let asked: Vec<String> = (0..records).map(|n| key(first + n * 7_919 % keys)).collect();
    Box::new(move || {
        for key in &asked {
            black_box(set.contains(black_box(key.as_bytes())));
        }
    })
}

/// A set of as many keys as there are records, from their bytes in memory.
pub fn build(input: Input) -> Box<dyn FnMut()> {
    let keys: Vec<String> = (0..records(&input)).map(key).collect();
    Box::new(move || {
        let mut builder = KeySetBuilder::default();
        for key in &keys {
            builder.push(key.as_bytes()).expect("a key of 10 bytes fits");
        }
        black_box(builder.finish());
    })
}

/// A file of as many keys as there are records: read, checked, brought in order.
pub fn read(input: Input) -> Box<dyn FnMut()> {
    let lines: Vec<String> = (0..records(&input)).map(|number| format!("{},name {number}\n", key(number))).collect();
    let text = format!("code,name\n{}", lines.concat());
    let columns = ["code".to_owned()];
    Box::new(move || {
        black_box(SetFile::read("keys.csv", text.as_bytes(), &columns).expect("the file was made well"));
    })
}
