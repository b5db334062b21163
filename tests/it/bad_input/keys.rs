//! Records that share a key: exactly one loads, and each reject names it.

use super::bench::Bench;

const KEYED: &str = "feed: keyed
layout: { format: delimited }
fields:
  - { name: id, type: integer, required: true }
  - { name: text, type: string }
primaryKey: [id]
uniqueKeys: [[text]]
target: { table: keyed }
";

#[tokio::test]
async fn of_records_with_one_key_the_lowest_loads_and_each_reject_names_it() {
    let bench = Bench::new(&[KEYED]).await;
    let file = bench.installation.write("keys.csv", "id,text\n1,a\n1,b\n2,a\n1,a\n3,c\n3,c\n4,b\n5,\n6,\n");
    let load = bench.ingest(0, &["ingest", "keyed", &file, "--wait", "--json"]).await;
    // Record 7 has the text of record 2, which did not load. A missing value is equal to none.
    assert_eq!(bench.rows("keyed", load.job).await, ["1|1|a", "5|3|c", "7|4|b", "8|5", "9|6"]);
    let named =
        |record: i64, key: &str| format!("has the same {key} as record {record} of job {}, which loaded", load.job);
    let rejects: Vec<_> = load
        .rejects
        .iter()
        .map(|reject| (reject.record, reject.told().4, reject.messages.first().unwrap().clone()))
        .collect();
    assert_eq!(
        rejects,
        [
            (2, "primaryKey".to_owned(), named(1, "id")),
            (3, "uniqueKey(text)".to_owned(), named(1, "text")),
            (4, "primaryKey".to_owned(), named(1, "id")),
            (6, "primaryKey".to_owned(), named(5, "id")),
        ]
    );
    assert_eq!(load.rejects[1].source, b"2,a\n");
    assert_eq!((load.rejects[1].line, load.rejects[1].byte), (4, 16));
    assert_eq!(load.report["rejectsByRule"]["primaryKey"], 3);

    // A later file's record names the job whose record has its key.
    let file = bench.installation.write("later.csv", "id,text\n3,new\n9,z\n");
    let later = bench.ingest(0, &["ingest", "keyed", &file, "--wait", "--json"]).await;
    assert_eq!(bench.rows("keyed", later.job).await, ["2|9|z"]);
    assert_eq!(later.rejects[0].messages.first().unwrap(), &named(5, "id"));
}
