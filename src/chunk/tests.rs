//! Claims about cutting: slicing changes nothing, spans cover the file, boundaries are golden.

use std::convert::Infallible;

use proptest::prelude::*;

use super::reference::{self, files, layouts, limits};
use super::*;
use crate::feed::{Delimited, Layout};

const CSV: Delimited = Delimited { delimiter: b',', quote: Some(b'"'), header: false, missing_values: Vec::new() };

/// Cuts `file`, pushed in pieces of the given sizes in turn.
fn cut(layout: &Delimited, limits: Limits, file: &[u8], pieces: &[usize]) -> (Vec<Chunk>, CutTotals, Option<Vec<u8>>) {
    let mut cutter = Cutter::new(&Layout::Delimited(layout.clone()), limits);
    let mut chunks = Vec::new();
    let mut rest = file;
    for size in pieces.iter().cycle() {
        let (piece, after) = rest.split_at(rest.len().min((*size).max(1)));
        cutter.push(piece, collect(&mut chunks)).unwrap();
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    let header = cutter.header().map(<[u8]>::to_vec);
    let totals = cutter.finish(collect(&mut chunks)).unwrap();
    (chunks, totals, header)
}

fn collect(chunks: &mut Vec<Chunk>) -> impl FnMut(Chunk) -> Result<(), Infallible> {
    |chunk| {
        chunks.push(chunk);
        Ok(())
    }
}

fn whole(layout: &Delimited, limits: Limits, file: &[u8]) -> Vec<Chunk> {
    cut(layout, limits, file, &[usize::MAX]).0
}

fn payloads(chunks: &[Chunk]) -> Vec<&[u8]> {
    chunks.iter().map(|chunk| &chunk.payload[..]).collect()
}

fn limits_of(chunk_bytes: usize, record_bytes: usize) -> Limits {
    Limits { chunk_bytes, record_bytes }
}

#[test]
fn an_empty_file_has_no_chunks() {
    let (chunks, totals, header) = cut(&CSV, Limits::DEFAULT, b"", &[1]);
    assert_eq!((chunks, totals, header), (vec![], CutTotals::default(), None));
}

#[test]
fn a_file_with_only_a_header_has_no_chunks() {
    let layout = Delimited { header: true, ..CSV };
    let mut cutter = Cutter::new(&Layout::Delimited(layout), limits_of(4, 8));
    cutter.push(b"\xef\xbb\xbf\na,b\r\n", |_| Err("a chunk")).unwrap();
    let totals = cutter.finish(|_| Err("a chunk")).unwrap();
    assert_eq!(totals, CutTotals { bytes: 9, headers: 1, blanks: 1, ..CutTotals::default() });
}

#[test]
fn a_header_without_a_line_end_is_known_once_the_file_has_ended() {
    let layout = Delimited { header: true, ..CSV };
    let mut cutter = Cutter::new(&Layout::Delimited(layout), Limits::DEFAULT);
    cutter.push(b"a,b", |_| Err("a chunk")).unwrap();
    assert_eq!(cutter.header(), None);
    cutter.finish(|_| Err("a chunk")).unwrap();
    assert_eq!(cutter.header(), Some(&b"a,b"[..]));
}

#[test]
fn a_chunk_ends_at_the_last_record_end_within_its_size() {
    let chunks = whole(&CSV, limits_of(8, 100), b"aaa\nbbb\nccc\nd\nlonger than eight\ne");
    assert_eq!(payloads(&chunks), [&b"aaa\nbbb\n"[..], b"ccc\nd\n", b"longer than eight\n", b"e"]);
    assert_eq!(chunks[2].start, Position { record: 5, line: 5, byte: 14 });
    assert!(chunks.iter().all(|chunk| chunk.ending == Ending::Whole));
}

#[test]
fn line_ends_in_quotes_end_no_record() {
    let chunks = whole(&CSV, limits_of(4, 100), b"\"a\nb\"\"\",\"\r\n\"\nc\n");
    assert_eq!(payloads(&chunks), [&b"\"a\nb\"\"\",\"\r\n\"\n"[..], b"c\n"]);
    assert_eq!(chunks[1].start, Position { record: 2, line: 4, byte: 13 });
}

#[test]
fn a_stray_quote_in_mid_cell_opens_nothing() {
    let chunks = whole(&CSV, limits_of(6, 100), b"5\" a,b\n\"x\" \"y,\nz\n");
    assert_eq!(payloads(&chunks), [&b"5\" a,b\n"[..], b"\"x\" \"y,\n", b"z\n"]);
}

#[test]
fn blank_lines_are_counted_and_stay_in_the_payload() {
    let file = b"\n\r\na\n\n\r\n\rb\r\n\n";
    let chunks = whole(&CSV, Limits::DEFAULT, file);
    assert_eq!(payloads(&chunks), [file]);
    assert_eq!((chunks[0].records, chunks[0].blanks), (2, 5));
}

#[test]
fn an_unclosed_quote_costs_the_line_in_which_it_opened() {
    let chunks = whole(&CSV, limits_of(64, 16), b"a\nb,\"open\nc,c\nd\ne,\"e\ne\"\nf\ng\nh\n");
    assert_eq!(payloads(&chunks)[..3], [&b"a\n"[..], b"b,\"open\n", b"c,c\nd\ne,\"e\ne\"\nf\n"]);
    assert_eq!(chunks[1].ending, Ending::UnclosedQuote);
    assert_eq!(chunks[2].start, Position { record: 3, line: 3, byte: 10 });
}

#[test]
fn a_quote_open_at_the_end_of_the_file_costs_one_line() {
    let chunks = whole(&CSV, Limits::DEFAULT, b"a\n\"b\nc\nd");
    assert_eq!(payloads(&chunks), [&b"a\n"[..], b"\"b\n", b"c\nd"]);
    let endings: Vec<_> = chunks.iter().map(|chunk| chunk.ending).collect();
    assert_eq!(endings, [Ending::Whole, Ending::UnclosedQuote, Ending::Whole]);
    let last = whole(&CSV, Limits::DEFAULT, b"a\nb,\"");
    assert_eq!((&last[1].payload[..], last[1].ending), (&b"b,\""[..], Ending::UnclosedQuote));
}

#[test]
fn an_overlong_record_keeps_its_first_bytes_and_the_file_goes_on() {
    let mut file = b"a\n".to_vec();
    file.extend([b'x'; 300_000]);
    file.extend(b"\n\nb\n");
    let (chunks, totals, _) = cut(&CSV, limits_of(1000, 100_000), &file, &[777]);
    assert_eq!(chunks.len(), 3);
    assert_eq!(chunks[1].payload, [b'x'; OVERLONG_KEPT][..]);
    assert_eq!((chunks[1].ending, chunks[1].span), (Ending::Overlong { length: 300_001 }, 300_001));
    assert_eq!(chunks[2].start, Position { record: 3, line: 3, byte: 300_003 });
    assert_eq!(totals, CutTotals { bytes: 300_006, records: 3, chunks: 3, headers: 0, blanks: 1 });
}

#[test]
fn a_record_of_exactly_the_limit_is_whole() {
    for (file, ending) in [
        (&b"1234567\nb\n"[..], Ending::Whole),
        (b"12345678", Ending::Whole),
        (b"12345678\nb\n", Ending::Overlong { length: 9 }),
        (b"\"2\n45\"\"\"\"\nb\n", Ending::UnclosedQuote),
        (b"123456789", Ending::Overlong { length: 9 }),
    ] {
        assert_eq!(whole(&CSV, limits_of(8, 8), file)[0].ending, ending, "{}", file.escape_ascii());
    }
}

/// Boundaries of a fixed input. Where this fails, the same bytes give other chunks than they used to: then
/// `CUTTER_VERSION` has to change, because a job that resumes would lose or repeat records.
#[test]
fn cutter_version_1_cuts_where_it_always_did() {
    let mut seed = 1u64;
    let mut file = b"\xef\xbb\xbfid,name,note\r\n".to_vec();
    for record in 0..600 {
        // MMIX (Knuth)
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let kind = (seed >> 33) % 100;
        let line = match kind {
            _ if record == 400 => format!("{record},\"opened,{}\n", seed >> 40),
            60..85 if record > 400 => format!("{record},no quote closes it,{}\n", seed >> 40),
            0..60 => format!("{record},plain,{}\n", seed >> 50),
            60..75 => format!("{record},\"quoted, {}\",\"two\r\nlines\"\r\n", seed >> 40),
            75..85 => format!("{record},\"escaped \"\"{}\"\"\",x\n", seed >> 40),
            85..90 => "\n".to_owned(),
            90..95 => "\r\n".to_owned(),
            95..98 if record < 400 => format!("{record},5\" stray,{}\n", "s".repeat((seed >> 54) as usize)),
            _ => format!("{record},{},long\n", "l".repeat((seed >> 51) as usize)),
        };
        file.extend(line.into_bytes());
    }
    let layout = Delimited { header: true, ..CSV };
    let chunks = whole(&layout, limits_of(2048, 4096), &file);
    let lines: Vec<String> = chunks
        .iter()
        .map(|c| {
            let crc = crc32c::crc32c(&c.payload);
            format!(
                "{} record {} line {} byte {} span {} records {} blanks {} {:?} {crc:08x}",
                c.seq, c.start.record, c.start.line, c.start.byte, c.span, c.records, c.blanks, c.ending
            )
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_slicing_of_the_input_changes_no_chunk(
        layout in layouts(), limits in limits(), file in files(), pieces in proptest::collection::vec(1usize..50, 1..6),
    ) {
        let (sliced, totals, header) = cut(&layout, limits, &file, &pieces);
        let expected = cut(&layout, limits, &file, &[usize::MAX]);
        prop_assert_eq!(&sliced, &expected.0);
        prop_assert_eq!(totals, expected.1);
        let by_byte = cut(&layout, limits, &file, &[1]);
        prop_assert_eq!((sliced, totals, header.clone()), (by_byte.0, by_byte.1, header));
    }

    #[test]
    fn chunks_cover_the_file_without_a_gap(layout in layouts(), limits in limits(), file in files()) {
        let (chunks, totals, _) = cut(&layout, limits, &file, &[usize::MAX]);
        let expected = reference::read(&layout, limits, &file);
        let mut position = None;
        for (seq, chunk) in chunks.iter().enumerate() {
            prop_assert_eq!(chunk.seq, Seq(seq as u32));
            prop_assert_eq!(&chunk.context, &expected.header.clone().unwrap_or_default());
            prop_assert!(position.is_none_or(|position| position == chunk.start.byte));
            let start = chunk.start.byte as usize;
            prop_assert_eq!(&chunk.payload[..], &file[start..start + chunk.payload.len()]);
            prop_assert!(chunk.payload.len() <= limits.chunk_bytes.max(limits.record_bytes));
            position = Some(chunk.start.byte + chunk.span);
        }
        let body = chunks.first().map_or(file.len(), |chunk| chunk.start.byte as usize);
        prop_assert!(body == expected.body || chunks.is_empty());
        prop_assert_eq!(chunks.iter().map(|chunk| chunk.span).sum::<u64>(), (file.len() - body) as u64);
        let (bytes, headers) = (file.len() as u64, u64::from(expected.header.is_some()));
        let (records, blanks) = (expected.records.len() as u64, expected.blanks);
        prop_assert_eq!(totals, CutTotals { bytes, records, chunks: chunks.len() as u32, headers, blanks });
    }
}
