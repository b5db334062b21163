//! Claims about rows and rejects as binary COPY.

use proptest::prelude::*;

use super::*;
use crate::chunk::{JobId, Position, Seq};
use crate::feed::*;
use crate::rules::{Breach, Reject, Value};

fn feed(kinds: &[FieldType]) -> Feed {
    let fields = kinds.iter().enumerate().map(|(n, kind)| Field {
        name: format!("f{n}"),
        description: None,
        pii: false,
        kind: kind.clone(),
        pointer: None,
        required: false,
        constraints: Vec::new(),
        severity: Severity::Error,
    });
    Feed {
        name: FeedName::new("rows").unwrap(),
        description: None,
        owner: None,
        layout: Layout::Delimited(Delimited {
            delimiter: b',',
            quote: None,
            header: false,
            missing_values: vec![String::new()],
        }),
        stream: None,
        fields: fields.collect(),
        primary_key: Vec::new(),
        unique_keys: Vec::new(),
        rules: Vec::new(),
        on_empty: OnEmpty::Ok,
        approval: None,
        thresholds: Vec::new(),
        target: Target { schema: "public".to_owned(), table: "rows".to_owned(), mode: TargetMode::Append },
    }
}

/// Each row's columns, `None` for NULL; checks header and trailer.
fn decode(buffer: &[u8]) -> Vec<Vec<Option<Vec<u8>>>> {
    let mut rest = buffer.strip_prefix(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0").unwrap();
    let mut rows = Vec::new();
    loop {
        let columns = i16::from_be_bytes(take(&mut rest, 2).try_into().unwrap());
        if columns == -1 {
            assert!(rest.is_empty(), "nothing follows the trailer");
            return rows;
        }
        let column = |_| {
            let size = i32::from_be_bytes(take(&mut rest, 4).try_into().unwrap());
            (size != -1).then(|| take(&mut rest, size as usize).to_vec())
        };
        rows.push((0..columns).map(column).collect());
    }
}

fn take<'b>(rest: &mut &'b [u8], size: usize) -> &'b [u8] {
    let (taken, left) = rest.split_at(size);
    *rest = left;
    taken
}

fn every_type() -> Feed {
    feed(&[
        FieldType::String,
        FieldType::Integer,
        FieldType::Decimal { precision: 12, scale: 2 },
        FieldType::Boolean { true_values: vec![], false_values: vec![] },
        FieldType::Date { format: String::new() },
        FieldType::Timestamp { format: String::new(), timezone: None },
        FieldType::String,
    ])
}

#[test]
fn each_type_has_its_binary_form() {
    let encoder = RowEncoder::new(&every_type(), JobId(7));
    let mut buffer = b"left over".to_vec();
    encoder.begin(&mut buffer);
    let values = [
        Value::Text("é"),
        Value::Integer(-2),
        Value::Decimal(-1250),
        Value::Boolean(true),
        Value::Date(10_958),
        Value::Timestamp(946_684_800_000_001),
        Value::Missing,
    ];
    encoder.row(&mut buffer, 41, &values);
    encoder.finish(&mut buffer);
    let expected = [
        Some(7i64.to_be_bytes().to_vec()),
        Some(41i64.to_be_bytes().to_vec()),
        Some("é".as_bytes().to_vec()),
        Some((-2i64).to_be_bytes().to_vec()),
        Some(vec![0, 2, 0, 0, 0x40, 0, 0, 2, 0, 12, 0x13, 0x88]),
        Some(vec![1]),
        Some(1i32.to_be_bytes().to_vec()),
        Some(1i64.to_be_bytes().to_vec()),
        None,
    ];
    assert_eq!(decode(&buffer), [expected]);
}

#[test]
fn a_copy_without_rows_is_header_and_trailer() {
    let encoder = RowEncoder::new(&every_type(), JobId(7));
    let mut buffer = Vec::new();
    encoder.begin(&mut buffer);
    encoder.finish(&mut buffer);
    assert!(decode(&buffer).is_empty());
}

#[test]
fn dates_before_2000_count_below_zero() {
    let encoder = RowEncoder::new(&feed(&[FieldType::Date { format: String::new() }]), JobId(1));
    let mut buffer = Vec::new();
    encoder.begin(&mut buffer);
    encoder.row(&mut buffer, 1, &[Value::Date(0)]);
    encoder.finish(&mut buffer);
    assert_eq!(decode(&buffer)[0][2], Some((-10_957i32).to_be_bytes().to_vec()));
}

#[test]
fn columns_and_their_types_are_those_of_the_rows() {
    let feed = every_type();
    assert_eq!(copy_columns(&feed), ["_job_id", "_record_no", "f0", "f1", "f2", "f3", "f4", "f5", "f6"]);
    let types: Vec<_> = feed.fields.iter().map(|field| postgres_type(&field.kind)).collect();
    assert_eq!(types, ["text", "bigint", "numeric(12,2)", "boolean", "date", "timestamptz", "text"]);
}

fn reject(value: Option<&str>) -> Reject {
    Reject {
        at: Position { record: 3, line: 4, byte: 100 },
        start: 2,
        end: 6,
        length: 4,
        breaches: vec![Breach {
            rule: "amount.type".to_owned(),
            severity: Severity::Error,
            field: Some("amount".to_owned()),
            value: value.map(str::to_owned),
            message: "is not a decimal(12,2)".to_owned(),
        }],
    }
}

fn encoded(keep: KeepSource, rejects: &[Reject]) -> Vec<Vec<Option<Vec<u8>>>> {
    let mut buffer = b"left over".to_vec();
    RejectEncoder::encode(JobId(7), Seq(9), b"0123456789", rejects, keep, &mut buffer);
    decode(&buffer)
}

#[test]
fn a_reject_keeps_where_it_stood_its_source_and_its_reasons() {
    let rows = encoded(KeepSource::Bytes, &[reject(Some("x"))]);
    let [row] = rows.as_slice() else { unreachable!("one reject, one row") };
    assert_eq!(row.len(), REJECT_COLUMNS.len());
    let numbers = [7i64, 3].map(|n| Some(n.to_be_bytes().to_vec()));
    assert_eq!(row[..2], numbers);
    assert_eq!(row[2], Some(9i32.to_be_bytes().to_vec()));
    assert_eq!(row[3..6], [4i64, 100, 4].map(|n| Some(n.to_be_bytes().to_vec())));
    assert_eq!(row[6].as_deref(), Some(b"2345".as_slice()));
    let reasons = row[7].as_deref().unwrap();
    assert_eq!(reasons[0], 1, "the version of jsonb's binary form");
    assert_eq!(
        std::str::from_utf8(&reasons[1..]).unwrap(),
        r#"[{"rule":"amount.type","severity":"error","field":"amount","value":"x","message":"is not a decimal(12,2)"}]"#
    );
}

#[test]
fn past_the_limit_a_reject_keeps_its_range_alone() {
    let rows = encoded(KeepSource::Range, &[reject(None), reject(None)]);
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row[6].is_none() && row[5] == Some(4i64.to_be_bytes().to_vec())));
}

#[test]
fn a_nul_in_a_value_becomes_what_jsonb_can_hold() {
    let rows = encoded(KeepSource::Bytes, &[reject(Some("a\0b"))]);
    let reasons: serde_json::Value = serde_json::from_slice(&rows[0][7].as_deref().unwrap()[1..]).unwrap();
    assert_eq!(reasons[0]["value"], "a\u{fffd}b");
}

proptest! {
    #[test]
    fn every_row_decodes_to_its_columns(texts in prop::collection::vec(prop::option::of(".{0,20}"), 1..6), rows in 0u64..5) {
        let encoder = RowEncoder::new(&feed(&vec![FieldType::String; texts.len()]), JobId(1));
        let mut buffer = Vec::new();
        encoder.begin(&mut buffer);
        let values: Vec<_> = texts.iter().map(|text| text.as_deref().map_or(Value::Missing, Value::Text)).collect();
        for record in 0..rows {
            encoder.row(&mut buffer, record, &values);
        }
        encoder.finish(&mut buffer);
        let decoded = decode(&buffer);
        prop_assert_eq!(decoded.len() as u64, rows);
        let expected: Vec<_> = texts.into_iter().map(|text| text.map(String::into_bytes)).collect();
        for row in decoded {
            prop_assert_eq!(&row[2..], &expected);
        }
    }
}
