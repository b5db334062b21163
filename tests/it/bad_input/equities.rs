//! The equities, real data with newlines inside quotes: every row is what the `csv` crate reads in the file.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde_json::{Map, Value};

use super::bench::{Bench, Load};

const FEED: &str = include_str!("../../../examples/equities.yaml");

async fn load(file: &Path) -> (Bench, Load, Vec<u8>) {
    let mut bytes = Vec::new();
    MultiGzDecoder::new(std::fs::File::open(file).unwrap()).read_to_end(&mut bytes).unwrap();
    let bench = Bench::new(&[FEED]).await;
    let load = bench.load_file(0, "equities", file.to_str().unwrap(), &bytes).await;
    (bench, load, bytes)
}

/// Every record of the file is its row, or a reject. Answers how many records hold a newline.
async fn hold_rows_against(bench: &Bench, load: &Load, bytes: &[u8]) -> usize {
    let rejected: BTreeSet<i64> = load.rejects.iter().map(|reject| reject.record).collect();
    let rows: Vec<(i64, Value)> = sqlx::query_as(
        "select _record_no, to_jsonb(e) - '_job_id' - '_record_no' from equities e where _job_id = $1 order by 1",
    )
    .bind(load.job)
    .fetch_all(&bench.installation.database.pool)
    .await
    .unwrap();
    let mut reader = csv::Reader::from_reader(bytes);
    let names = reader.headers().unwrap().clone();
    let records = reader.records().map(Result::unwrap);
    let mut rows = rows.into_iter();
    let mut with_newlines = 0;
    for (number, record) in (1..).zip(records) {
        with_newlines += usize::from(record.iter().any(|cell| cell.contains('\n')));
        if !rejected.contains(&number) {
            let cells = names.iter().zip(&record).map(|(name, cell)| (name.to_owned(), value(name, cell)));
            assert_eq!(rows.next(), Some((number, Value::Object(cells.collect::<Map<_, _>>()))));
        }
    }
    assert_eq!(rows.next(), None);
    with_newlines
}

fn value(name: &str, cell: &str) -> Value {
    match (name, cell) {
        (_, "") => Value::Null,
        ("delisted", "True" | "False") => Value::Bool(cell == "True"),
        _ => Value::String(cell.to_owned()),
    }
}

#[tokio::test]
async fn the_excerpt_loads_and_its_newlines_are_unchanged() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/equities-excerpt.csv.gz");
    let (bench, load, bytes) = load(&file).await;
    assert_eq!(load.report["records"], 3_466);
    assert_eq!(hold_rows_against(&bench, &load, &bytes).await, 10);
}

/// `shared/data` beside the repository.
fn whole_file() -> Option<PathBuf> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside = repository.ancestors().skip(1).map(|folder| folder.join("shared/data/equities/equities_all.csv.gz"));
    beside.into_iter().find(|file| file.exists())
}

#[tokio::test]
async fn the_whole_file_loads_where_it_is_there() {
    let Some(file) = whole_file() else {
        // Past the capture of the test harness: a run without it says so.
        let told = "not loaded: shared/data/equities/equities_all.csv.gz is not beside this repository";
        writeln!(std::io::stderr(), "{told}").unwrap();
        return;
    };
    let (bench, load, bytes) = load(&file).await;
    assert_eq!(load.report["records"], 69_152);
    assert_eq!(hold_rows_against(&bench, &load, &bytes).await, 10);
}
