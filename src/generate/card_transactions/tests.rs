//! Claims about generated card transactions.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;

fn written(records: u64, seed: u64, bad_ppm: u32) -> (Vec<u8>, Vec<Made>) {
    let mut generator = CardTransactions::new(records, seed, bad_ppm);
    let mut out = Vec::new();
    let mut made = Vec::new();
    while let Some(kind) = generator.write_next(&mut out) {
        made.push(kind);
    }
    (out, made)
}

/// Records without their line ends. A record holds no other LF.
fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.strip_suffix(b"\n").unwrap().split(|&b| b == b'\n').collect()
}

fn cells(line: &[u8]) -> Vec<&[u8]> {
    line.split(|&b| b == b'|').collect()
}

#[test]
fn a_record_has_174_bytes_on_average() {
    for seed in [1, 2, 20_261_123] {
        let (bytes, _) = written(100_000, seed, 1_000);
        let average = bytes.len() as f64 / 100_000.0;
        assert!((173.0..=175.0).contains(&average), "seed {seed}: {average} bytes a record");
    }
}

/// Golden: a changed digest means that the same parameters no longer give the same file, on this machine or another.
#[test]
fn the_same_seed_gives_the_same_bytes_for_ever() {
    let (bytes, _) = written(10_000, 1, 1_000);
    let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    insta::assert_snapshot!(digest, @"e8d33871a94b7565dcac658a287e184831bc1acb6e8f44428908babb92dd1e2c");
    insta::assert_snapshot!(String::from_utf8(written(3, 1, 0).0).unwrap(), @r"
    T00000000001|397234811216|9f4a3f874fecfd774daf7f017a52aa3f|2026-11-23T02:11:15-05:00|2026-11-24|183.82|EUR|Ωκεανός Εστιατόριο, Λάρισα|5812|GR|3XPN|false
    T00000000002|115268799967|f53fedf0b2f7a850f0603bf6fff1434c|2026-11-23T03:49:44+01:00|2026-11-26|339.28|EUR|Blue Heron Petrol Station, Salzburg|5541|AT|4HSPZ|false
    T00000000003|733302788718|daf68950579f0c38801ff780a9f07638|2026-11-23T12:39:09-05:00|2026-11-26|18.39|CHF|ブルーヘロン ガソリンスタンド・京都市左京区|5541|JP|KA2RNZ|false
    ");
}

#[test]
fn another_seed_gives_other_records() {
    assert_ne!(written(100, 1, 0).0, written(100, 2, 0).0);
}

#[test]
fn no_record_is_bad_at_zero_and_every_record_at_a_million() {
    assert!(written(5_000, 9, 0).1.iter().all(|made| *made == Made::Good));
    assert!(written(5_000, 9, 1_000_000).1.iter().all(|made| *made != Made::Good));
}

#[test]
fn every_kind_of_bad_record_is_about_as_frequent() {
    let (_, made) = written(150_000, 3, 100_000);
    for kind in Bad::ALL {
        let count = made.iter().filter(|made| **made == Made::Bad(kind)).count();
        assert!((800..1_200).contains(&count), "{kind:?}: {count} of about 1,000");
    }
}

#[test]
fn transaction_ids_ascend_and_accounts_differ() {
    let (bytes, _) = written(50_000, 4, 0);
    let mut accounts = HashSet::new();
    for (i, line) in lines(&bytes).into_iter().enumerate() {
        let cells = cells(line);
        assert_eq!(cells[0], format!("T{:011}", i + 1).as_bytes());
        assert!(accounts.insert(cells[1].to_vec()));
    }
}

#[test]
fn a_good_record_keeps_every_rule() {
    let shape = regex::Regex::new(concat!(
        r"^T[0-9]{11}\|[1-9][0-9]{11}\|[0-9a-f]{32}\|",
        r"2026-11-23T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\+01:00|\+00:00|-05:00|\+09:00)\|2026-11-2[3-6]\|",
        r"(0|[1-9][0-9]{0,6})\.[0-9]{2}\|(USD|EUR|GBP|CHF|JPY)\|[^|]{1,40}\|[1-9][0-9]{0,3}\|[A-Z]{2}\|",
        r"[A-Z0-9]{3,6}\|(true|false)$"
    ))
    .unwrap();
    let (bytes, _) = written(50_000, 5, 0);
    for line in lines(&bytes) {
        let line = std::str::from_utf8(line).unwrap();
        assert!(shape.is_match(line), "{line}");
        let amount: f64 = line.split('|').nth(5).unwrap().parse().unwrap();
        assert!(amount > 0.0 && amount <= 1_000_000.0, "{line}");
    }
}

#[test]
fn a_bad_record_differs_from_its_good_self_where_it_says() {
    let (bad_bytes, made) = written(20_000, 6, 1_000_000);
    let (good_bytes, _) = written(20_000, 6, 0);
    for ((bad, good), made) in lines(&bad_bytes).into_iter().zip(lines(&good_bytes)).zip(made) {
        let Made::Bad(kind) = made else { panic!("a good record") };
        let (bad, good) = (cells(bad), cells(good));
        let different: Vec<usize> = (0..12).filter(|&i| bad.get(i) != good.get(i)).collect();
        let place = match kind.rule().split('.').next().unwrap() {
            "transaction_id" => vec![0],
            "account_number" => vec![1],
            "posted_at" => vec![3],
            "value_date" => vec![4],
            "amount" => vec![5],
            "currency" => vec![6],
            "merchant_name" => vec![7],
            "merchant_category" => vec![8],
            "record" if bad.len() == 11 => vec![11],
            _ => vec![],
        };
        assert_eq!(different, place, "{kind:?}");
        assert_eq!(bad.len() == 12, kind.rule() != "record.fieldCount", "{kind:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_is_expected_is_what_is_written(records in 0_u64..3_000, seed: u64, bad_ppm in 0_u32..=1_000_000) {
        let (bytes, made) = written(records, seed, bad_ppm);
        let mut by_rule = BTreeMap::new();
        for made in &made {
            if let Made::Bad(kind) = made {
                *by_rule.entry(kind.rule()).or_insert(0_u64) += 1;
            }
        }
        let bad = by_rule.values().sum();
        let expected = CardTransactions::new(records, seed, bad_ppm).expected();
        prop_assert_eq!(expected, Expected { records, good: records - bad, bad, by_rule });
        prop_assert_eq!(bytes.iter().filter(|&&b| b == b'\n').count() as u64, records);
    }

    #[test]
    fn a_record_depends_on_its_number_alone(records in 1_u64..200, seed: u64) {
        let short = written(records, seed, 50_000).0;
        let long = written(records + 50, seed, 50_000).0;
        prop_assert!(long.starts_with(&short));
    }
}
