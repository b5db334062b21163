//! Bytes that anyone may have written: an answer each, never a panic, never more work than there are bytes.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn of_everything() -> (Feed, String) {
    let feed = feed(&[
        "name: s, type: string",
        "name: i, type: integer",
        "name: d, type: \"decimal(12,2)\"",
        "name: k, pointer: /m/k, type: integer",
        "name: c, pointer: /r/value, type: string",
        "name: b, type: boolean",
    ]);
    let schema = record(&json!([
        field("s", json!(["null", "string"])),
        field("nulls", json!({ "type": "array", "items": "null" })),
        field("i", json!("int")),
        field("l", json!({ "type": "array", "items": { "type": "array", "items": "long" } })),
        field("d", json!({ "type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2 })),
        field("e", json!({ "type": "enum", "name": "E", "symbols": ["A"] })),
        field("m", json!({ "type": "map", "values": "int" })),
        field(
            "r",
            json!({ "type": "record", "name": "List", "fields": [
            { "name": "value", "type": "string" }, { "name": "next", "type": ["null", "List"] },
        ] })
        ),
        field("b", json!("boolean")),
    ]));
    (feed, schema)
}

/// A datum of [`of_everything`], field by field.
fn parts() -> Vec<Vec<u8>> {
    let bytes: [&[u8]; 9] = [
        &[0x02, 0x04, b'h', b'i'],
        &[0x06, 0x00],
        &[0x0e],
        &[0x02, 0x02, 0x02, 0x00, 0x00],
        &[0x04, 0x04, 0xe2],
        &[0x00],
        &[0x02, 0x02, b'k', 0x10, 0x00],
        &[0x02, b'v', 0x00],
        &[0x01],
    ];
    bytes.iter().map(|part| part.to_vec()).collect()
}

fn refused(place: usize, bytes: &[u8]) -> String {
    let (feed, schema) = of_everything();
    let reading = Reading::new(&schema, &feed).unwrap();
    let mut parts = parts();
    assert!(read(&reading, &parts.concat(), 6).is_ok());
    parts[place] = bytes.to_vec();
    read(&reading, &parts.concat(), 6).unwrap_err().to_string()
}

/// A count or a length, as Avro has it.
fn long(value: i64) -> Vec<u8> {
    written("\"long\"", apache_avro::types::Value::Long(value))
}

#[test]
fn each_lie_is_told() {
    assert_eq!(refused(0, &[0x02, 0x01]), "a length is -1 (byte 2)");
    assert_eq!(refused(0, &[0x04]), "branch 2 of a union that has 2 (byte 1)");
    assert_eq!(refused(0, &[&[0x02][..], &long(i64::MAX)].concat()), "it ends in the middle of a value (byte 11)");
    assert_eq!(refused(0, &[0xff; 12]), "a number has more than 64 bits (byte 0)");
    assert_eq!(refused(2, &long(1 << 31)), "an int has more than 32 bits (byte 11)");
    assert_eq!(refused(3, &long(i64::MAX)), "it ends in the middle of a value (byte 25)");
    assert_eq!(refused(3, &[0x01, 0x01]), "a length is -1 (byte 9)");
    assert_eq!(refused(4, &[0x7f]), "a length is -64 (byte 13)");
    assert_eq!(refused(8, &[0x02]), "a boolean is 0x02, neither 0 nor 1 (byte 25)");
    assert_eq!(refused(8, &[0x01, 0x00]), "1 bytes follow the record (byte 25)");
    assert_eq!(refused(8, &[]), "it ends in the middle of a value (byte 24)");
}

#[test]
fn items_without_bytes_cost_no_work_however_many_are_stated() {
    let (feed, schema) = of_everything();
    let reading = Reading::new(&schema, &feed).unwrap();
    let mut parts = parts();
    parts[1] = [long(i64::MAX), vec![0x00]].concat();
    // One step for each of them would never come to an end.
    assert!(read(&reading, &parts.concat(), 6).is_ok());
}

#[test]
fn values_that_hold_themselves_end_at_a_depth() {
    let said = refused(7, &[vec![0x00, 0x02], [0x00, 0x02].repeat(100_000), vec![0x00, 0x00]].concat());
    assert!(said.starts_with("its values are nested more than 200 deep"), "{said}");
    // A record that must hold itself has no values at all.
    let endless =
        r#"{"type":"record","name":"R","fields":[{"name":"x","type":["null","string"]},{"name":"r","type":"R"}]}"#;
    let reading = Reading::new(endless, &super::feed(&["name: x, type: string"])).unwrap();
    assert!(read(&reading, &[0; 4_000], 1).is_err());
}

proptest! {
    #[test]
    fn random_bytes_are_a_record_or_are_none(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let (feed, schema) = of_everything();
        let reading = Reading::new(&schema, &feed).unwrap();
        let _ = read(&reading, &bytes, 6);
    }

    #[test]
    fn a_datum_with_a_byte_changed_or_cut_off_is_a_record_or_is_none(
        at: prop::sample::Index, byte: u8, cut in any::<bool>(),
    ) {
        let (feed, schema) = of_everything();
        let reading = Reading::new(&schema, &feed).unwrap();
        let mut datum = parts().concat();
        let at = at.index(datum.len());
        if cut {
            datum.truncate(at);
            prop_assert!(read(&reading, &datum, 6).is_err());
        } else {
            datum[at] = byte;
            let _ = read(&reading, &datum, 6);
        }
    }
}
