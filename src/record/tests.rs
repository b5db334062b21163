//! Claims about reading records: agreement with the plain reference, and with the `csv` crate where text is well formed.

use std::convert::Infallible;

use proptest::prelude::*;

use super::*;
use crate::chunk::reference::{self, Expected, files, layouts, limits};
use crate::chunk::{Chunk, Cutter, Limits};
use crate::feed::{Delimited, Feed, FeedName, Field, FieldType, Layout, OnEmpty, Severity, Target, TargetMode};

const CSV: Delimited = Delimited { delimiter: b',', quote: Some(b'"'), header: false, missing_values: Vec::new() };

fn cut(layout: &Delimited, limits: Limits, file: &[u8]) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut collect = |chunk| {
        chunks.push(chunk);
        Ok::<_, Infallible>(())
    };
    let mut cutter = Cutter::new(&Layout::Delimited(layout.clone()), limits);
    cutter.push(file, &mut collect).unwrap();
    cutter.finish(&mut collect).unwrap();
    chunks
}

/// All records of `chunks`; with `width`, records of another width have their fault in place of their cells.
fn read(layout: &Delimited, width: usize, chunks: &[Chunk]) -> Vec<Expected> {
    let mut records = Vec::new();
    for chunk in chunks {
        let mut reader = Reader::new(layout, width, chunk);
        while let Some((record, fault)) = reader.next_record() {
            let cells = (0..record.len()).map(|column| record.cell(column).to_vec()).collect();
            records.push(Expected { at: record.at, raw: record.raw.to_vec(), fault, cells });
        }
    }
    records
}

/// What a reader of `width` cells has to say of `record`.
fn of_width(mut record: Expected, width: usize) -> Expected {
    let found = record.cells.len();
    if record.fault.is_none() && found != width {
        record.fault = Some(RecordFault::FieldCount { expected: width, found });
        record.cells.truncate(width + 1);
    }
    record
}

fn cells_of(file: &[u8]) -> Vec<Vec<Vec<u8>>> {
    read(&CSV, 2, &cut(&CSV, Limits::DEFAULT, file)).into_iter().map(|record| record.cells).collect()
}

#[test]
fn line_ends_are_no_part_of_a_cell_but_a_lone_cr_is() {
    let cells = cells_of(b"a,b\r\n\"a\",\"b\r\"\r\na\r,\r\r\n,\n\"a\",b\r");
    let expected: [[&[u8]; 2]; 5] = [[b"a", b"b"], [b"a", b"b\r"], [b"a\r", b"\r"], [b"", b""], [b"a", b"b\r"]];
    assert_eq!(cells, expected);
}

#[test]
fn escapes_and_text_after_a_quote_are_unquoted() {
    let cells = cells_of(b"\"a\"\"b\"\"\",5\"\n\"a\"b \"c\",\"\"\n\"\"\"\",\"x\"\"\"y\n");
    let expected: [[&[u8]; 2]; 3] = [[b"a\"b\"", b"5\""], [b"ab \"c\"", b""], [b"\"", b"x\"y"]];
    assert_eq!(cells, expected);
}

#[test]
fn a_record_with_many_cells_is_counted_and_not_kept() {
    let chunks = cut(&CSV, Limits::DEFAULT, &[b','; 1000]);
    let mut reader = Reader::new(&CSV, 2, &chunks[0]);
    let (record, fault) = reader.next_record().unwrap();
    assert_eq!((record.len(), fault), (3, Some(RecordFault::FieldCount { expected: 2, found: 1001 })));
}

#[test]
fn a_chunk_that_lies_is_read_without_panic() {
    let honest = cut(&CSV, Limits::DEFAULT, b"a,b\n").remove(0);
    let open = Chunk { payload: b"a\nb,\"c\n".to_vec().into(), ..honest.clone() };
    let faults: Vec<_> = read(&CSV, 1, &[open]).into_iter().map(|record| record.fault).collect();
    assert_eq!(faults, [None, Some(RecordFault::UnclosedQuote)]);
    let none = Chunk { records: 0, ending: crate::chunk::Ending::UnclosedQuote, ..honest };
    assert_eq!(read(&CSV, 2, &[none]).len(), 1);
}

fn feed(names: &[&str], header: bool) -> Feed {
    let field = |name: &&str| Field {
        name: (*name).to_owned(),
        description: None,
        pii: false,
        kind: FieldType::String,
        pointer: None,
        required: false,
        constraints: Vec::new(),
        severity: Severity::Error,
    };
    Feed {
        name: FeedName::new("f").unwrap(),
        owner: None,
        description: None,
        layout: Layout::Delimited(Delimited { header, ..CSV }),
        stream: None,
        fields: names.iter().map(field).collect(),
        primary_key: Vec::new(),
        unique_keys: Vec::new(),
        rules: Vec::new(),
        on_empty: OnEmpty::Ok,
        approval: None,
        thresholds: Vec::new(),
        target: Target { schema: "s".to_owned(), table: "t".to_owned(), mode: TargetMode::Append },
    }
}

#[test]
fn columns_are_found_by_name_in_any_order() {
    let columns = Columns::bind(&feed(&["a", "b"], true), b"x,\"b\",a,x\r\n").unwrap();
    assert_eq!(columns, Columns { width: 4, of_field: vec![2, 1], unknown: vec!["x".into(), "x".into()] });
    let by_order = Columns::bind(&feed(&["a", "b"], false), b"").unwrap();
    assert_eq!(by_order, Columns { width: 2, of_field: vec![0, 1], unknown: vec![] });
}

#[test]
fn a_header_that_does_not_fit_is_refused() {
    let feed = feed(&["a", "b", "c"], true);
    let fault = |header: &[u8]| Columns::bind(&feed, header).unwrap_err();
    assert_eq!(fault(b""), HeaderFault::Absent);
    assert_eq!(fault(b"b,A\n"), HeaderFault::Missing(vec!["a".into(), "c".into()]));
    assert_eq!(fault(b"a,b,c,a\n"), HeaderFault::Twice("a".into()));
    assert!(matches!(fault(b"a,b,c,\xff\n"), HeaderFault::Unreadable(_)));
    assert!(matches!(fault(b"a,b,c,\"d\n"), HeaderFault::Unreadable(_)));
    assert!(matches!(fault(&b"a,b,c,".repeat(20_000)), HeaderFault::Unreadable(_)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn chunks_give_the_records_of_the_file(
        layout in layouts(), limits in limits(), file in files(), width in 1usize..5,
    ) {
        let expected: Vec<_> =
            reference::read(&layout, limits, &file).records.into_iter().map(|record| of_width(record, width)).collect();
        prop_assert_eq!(read(&layout, width, &cut(&layout, limits, &file)), expected);
    }

    #[test]
    fn well_formed_csv_reads_as_the_csv_crate_reads_it(
        rows in proptest::collection::vec(proptest::collection::vec("[a\",\r\n |]{0,6}", 3), 1..20),
        chunk_bytes in 2usize..100,
    ) {
        let mut writer = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let file = writer.into_inner().unwrap();
        let chunks = cut(&CSV, Limits { chunk_bytes, record_bytes: 1000 }, &file);
        let ours: Vec<Vec<Vec<u8>>> = read(&CSV, 3, &chunks).into_iter().map(|record| record.cells).collect();
        let theirs: Vec<Vec<Vec<u8>>> = csv::ReaderBuilder::new().has_headers(false).from_reader(&file[..])
            .byte_records().map(|row| row.unwrap().iter().map(<[u8]>::to_vec).collect()).collect();
        prop_assert_eq!(ours, theirs);
    }
}
