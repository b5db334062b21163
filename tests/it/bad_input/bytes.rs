//! Records that no table can hold: a reject each, and the file goes on.

use super::bench::{Bench, NOTES};
use crate::installation::Installation;

#[tokio::test]
async fn nul_bytes_broken_utf8_and_a_wrong_number_of_cells_are_rejects() {
    let bench = Bench::new(&[NOTES]).await;
    let file = b"id,text\n1,good\n2,a\0b\n3,\xff\xfe\n4\n5,x,y\n6,z\xc3\n\0\n8,last\n";
    let load = bench.load(0, "notes", "bytes.csv", file).await;
    assert_eq!(bench.rows("notes", load.job).await, ["1|1|good", "8|8|last"]);
    let rejects: Vec<_> = load.rejects.iter().map(|reject| reject.told()).collect();
    assert_eq!(
        rejects,
        [
            (2, 3, 15, &b"2,a\0b\n"[..], "text.nul".to_owned()),
            (3, 4, 21, b"3,\xff\xfe\n", "text.encoding".to_owned()),
            (4, 5, 26, b"4\n", "record.fieldCount".to_owned()),
            (5, 6, 28, b"5,x,y\n", "record.fieldCount".to_owned()),
            (6, 7, 34, b"6,z\xc3\n", "text.encoding".to_owned()),
            (7, 8, 39, b"\0\n", "record.fieldCount".to_owned()),
        ]
    );
    assert_eq!(load.report["rejectsByRule"]["record.fieldCount"], 3);
    let few = load.rejects[2].messages.first().unwrap();
    assert_eq!(few, "has 1 cell, the header has 2");
}

#[tokio::test]
async fn a_record_over_the_limit_is_a_reject_with_its_first_bytes_and_the_file_goes_on() {
    let mut installation = Installation::new().await;
    installation.set("FABRIC_INGEST_RECORD_BYTES", "1KiB");
    let bench = Bench::over(installation, &[NOTES]);
    // With its line end exactly at the limit, one byte over it, and far over it at the end of the file.
    let (fits, over, far) = ("a".repeat(1021), "b".repeat(1022), "c".repeat(100_000));
    let load = bench.load(0, "notes", "long.csv", format!("id,text\n1,{fits}\n2,{over}\n3,short\n4,{far}")).await;
    assert_eq!(bench.rows("notes", load.job).await, [format!("1|1|{fits}"), "3|3|short".to_owned()]);
    assert_eq!(load.report["rejectsByRule"]["record.tooLong"], 2);
    let [over, far] = &load.rejects[..] else { panic!("{} rejects", load.rejects.len()) };
    assert_eq!((over.record, over.line, over.byte, over.length), (2, 3, 1032, 1025));
    assert_eq!((far.record, far.line, far.byte, far.length), (4, 5, 2065, 100_002));
    assert_eq!(over.source.len(), 1024);
    assert_eq!(far.source.len(), 1024);
    assert_eq!(far.messages.first().unwrap(), "is 100,002 bytes long, longer than a record may be");
}
