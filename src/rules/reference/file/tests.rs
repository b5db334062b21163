//! What a file of keys gives, and what is said of one that is wrong.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn read(text: impl AsRef<[u8]>, columns: &[&str]) -> Result<SetFile, SetFaults> {
    let columns: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
    SetFile::read("branches.csv", text.as_ref(), &columns)
}

fn keys(file: &SetFile) -> Vec<String> {
    file.keys.iter().map(|key| String::from_utf8(key.to_vec()).unwrap()).collect()
}

fn faults(text: impl AsRef<[u8]>, columns: &[&str]) -> String {
    read(text, columns).unwrap_err().to_string()
}

#[test]
fn keys_come_in_order_whatever_the_order_of_the_file() {
    let file = read("code,name\nZRH,Zurich\nBSL,\"Basel, old\"\r\n\nGVA,Geneva", &["code"]).unwrap();
    assert_eq!(
        (file.columns.clone(), keys(&file)),
        (vec!["code".to_owned()], ["BSL", "GVA", "ZRH"].map(str::to_owned).into())
    );
    let set = file.keys.into_set(file.columns);
    assert!(set.keys.contains(b"ZRH") && !set.keys.contains(b"Zurich"));
}

#[test]
fn a_key_of_several_columns_keeps_the_order_that_is_asked_for() {
    let text = "\u{feff}country,code\nCH,1\nDE,1\n";
    assert_eq!(keys(&read(text, &[]).unwrap()), ["CH\u{1f}1", "DE\u{1f}1"]);
    assert_eq!(keys(&read(text, &["code", "country"]).unwrap()), ["1\u{1f}CH", "1\u{1f}DE"]);
    assert_eq!(keys(&read("a,b\n,x\n", &[]).unwrap()), ["\u{1f}x"], "part of a key may be empty");
}

#[test]
fn a_file_without_keys_is_refused() {
    assert!(faults("", &[]).starts_with("branches.csv:1  there is nothing here; expected a line of column names"));
    assert!(faults("code\n", &[]).starts_with("branches.csv:1  there is no key here"));
}

#[test]
fn a_key_that_stands_twice_is_refused_with_both_lines() {
    let found = faults("code\nZRH\nBSL\nZRH\nZRH\n", &[]);
    assert_eq!(
        found,
        "branches.csv:4  the key `ZRH` stands in line 2 already\nbranches.csv:5  the key `ZRH` stands in line 2 already\n"
    );
    assert!(faults("a,b\nx,1\nx,1\n", &[]).contains("branches.csv:3  the key `x, 1` stands in line 2 already"));
    assert_eq!(keys(&read("a,b\nx,1\nx,2\n", &[]).unwrap()).len(), 2);
}

#[test]
fn a_line_of_another_width_is_refused() {
    let found = faults("code,name\nZRH,Zurich\nBSL\nGVA,Geneva,Switzerland\n", &["code"]);
    assert_eq!(
        found,
        "branches.csv:3  has 1 cell; the first line names 2 columns\n\
         branches.csv:4  has 3 cells; the first line names 2 columns\n"
    );
}

#[test]
fn a_key_that_is_not_utf_8_is_refused_with_its_line() {
    let found = faults(b"code\nZRH\nGen\xe8ve\n", &[]);
    assert_eq!(found, "branches.csv:3  the key `Gen\u{fffd}ve` is not UTF-8\n");
    assert!(read(b"code,name\nGVA,Gen\xe8ve\n", &["code"]).is_ok(), "a column that is no key may be anything");
}

#[test]
fn a_key_that_can_never_be_looked_up_is_refused() {
    assert!(faults("code,name\n,x\n", &["code"]).contains("branches.csv:2  the key is empty"));
    assert!(faults("code\na\0b\n", &[]).contains("holds a NUL"));
    assert!(faults("a,b\nx\u{1f}y,z\n", &[]).contains("U+001F"));
    assert!(faults("code\n\"open\n".to_owned() + &"x\n".repeat(600), &[]).contains("Is a quote left open?"));
}

#[test]
fn columns_that_are_not_there_are_told_with_those_that_are() {
    assert_eq!(
        faults("code,name\nZRH,x\n", &["cod"]),
        "branches.csv:1  there is no column `cod`; there are code, name\n"
    );
    assert!(faults("code,name\nZRH,x\n", &["code", "code"]).contains("asked for twice"));
    assert!(faults("code,code\nZRH,x\n", &[]).contains("there are two columns `code`"));
    assert!(faults("code,\nZRH,x\n", &[]).contains("column 2 has no name"));
}

#[test]
fn many_faults_are_counted_and_the_first_are_told() {
    let found = read("code\n".to_owned() + &"a,b\n".repeat(1_000), &[]).unwrap_err();
    assert_eq!((found.count, found.faults.len()), (1_000, TOLD));
    assert!(found.to_string().ends_with("… 980 more\n"));
}

#[test]
fn the_same_keys_in_another_order_have_the_same_hash_and_other_columns_another() {
    let hash = |text, columns: &[&str]| {
        let file = read(text, columns).unwrap();
        file.keys.sha256(&file.columns)
    };
    assert_eq!(hash("a\n1\n2\n", &[]), hash("a,b\n2,x\n1,y\n", &["a"]));
    assert_ne!(hash("a\n1\n2\n", &[]), hash("b\n1\n2\n", &[]));
    assert_ne!(hash("a\n1\n2\n", &[]), hash("a\n12\n", &[]));
}

proptest! {
    #[test]
    fn a_union_holds_the_keys_of_both(
        ours in prop::collection::btree_set("[ab]{1,4}", 0..20), theirs in prop::collection::btree_set("[ab]{1,4}", 0..20),
    ) {
        let sorted = |keys: &BTreeSet<String>| {
            let mut sorted = SortedKeys::default();
            keys.iter().for_each(|key| sorted.add(key.as_bytes()).unwrap());
            sorted
        };
        let (both, common) = sorted(&ours).union(&sorted(&theirs)).unwrap();
        let expected: Vec<&[u8]> = ours.union(&theirs).map(|key| key.as_bytes()).collect();
        prop_assert_eq!(both.iter().collect::<Vec<_>>(), expected);
        prop_assert_eq!(common, ours.intersection(&theirs).count());
    }
}
