//! fabric's own schemas: what is released stays readable, and what changes gets a version.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;

fn tree(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(path)
}

/// Schemas of a directory by their names.
fn schemas(dir: &Path) -> BTreeMap<String, Schema> {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "avsc"));
    let read = files.map(|path| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let schema = Schema::parse_str(&std::fs::read_to_string(&path).unwrap());
        (name, schema.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    });
    read.collect()
}

/// Directories of `schemas/released`, each a version of the program.
fn released() -> Vec<(String, BTreeMap<String, Schema>)> {
    let versions = std::fs::read_dir(tree("released")).unwrap().map(|entry| entry.unwrap().path());
    versions.map(|dir| (dir.file_name().unwrap().to_string_lossy().into_owned(), schemas(&dir))).collect()
}

/// The example of a schema, as a value of it.
fn example(name: &str, schema: &Schema) -> Value {
    let text = std::fs::read_to_string(tree(&format!("examples/{name}.json")));
    let text = text.unwrap_or_else(|error| panic!("schemas/examples/{name}.json: {error}; each schema has an example"));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    Value::try_from(json).unwrap().resolve(schema).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Why a set of schemas is not the released one of the same version.
fn changed(current: &BTreeMap<String, Schema>, released: &BTreeMap<String, Schema>) -> Option<String> {
    let json = |schema: &Schema| serde_json::to_value(schema).unwrap();
    let gone = released.keys().find(|name| !current.contains_key(*name)).map(|name| format!("{name} is gone"));
    gone.or_else(|| {
        current.iter().find_map(|(name, schema)| match released.get(name) {
            None => Some(format!("{name} is new")),
            Some(old) => (json(old) != json(schema)).then(|| format!("{name} is not as it was")),
        })
    })
}

fn compatible(one: &Schema, other: &Schema) -> Result<(), String> {
    match SchemaCompatibility::mutual_read(one, other) {
        Ok(Compatibility::Full) => Ok(()),
        Ok(Compatibility::Partial) => Err("some of their values cannot be read".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn a_schema_does_not_change_without_a_version_of_its_own() {
    let version = env!("CARGO_PKG_VERSION");
    let (current, released) = (schemas(&tree("")), schemas(&tree(&format!("released/{version}"))));
    let said = changed(&current, &released);
    assert!(
        said.is_none(),
        "{}: schemas/ is not schemas/released/{version}. If {version} is out, give Cargo.toml the next version; then copy \
         schemas/*.avsc to schemas/released/ under the version that Cargo.toml has",
        said.unwrap_or_default()
    );
    // The comparison sees what people write for each other, too.
    let mut other = current.clone();
    let mut event = serde_json::to_value(&current["job-event"]).unwrap();
    event["doc"] = "another word".into();
    other.insert("job-event".to_owned(), Schema::parse(&event).unwrap());
    assert_eq!(changed(&other, &released).as_deref(), Some("job-event is not as it was"));
}

#[test]
fn every_release_reads_what_every_other_writes() {
    let current = schemas(&tree(""));
    for (version, released) in released() {
        for (name, old) in &released {
            let now = current.get(name).unwrap_or_else(|| panic!("{name} of {version} is gone: readers of it are not"));
            let said = compatible(old, now);
            assert!(said.is_ok(), "{name} of {version} and of now: {}", said.unwrap_err());
            for (writer, reader) in [(old, now), (now, old)] {
                let datum = GenericDatumWriter::builder(writer).build().unwrap();
                let datum = datum.write_value_to_vec(example(name, writer)).unwrap();
                let read = GenericDatumReader::builder(writer).reader_schema(reader).build().unwrap();
                assert_eq!(read.read_value(&mut &datum[..]).unwrap(), example(name, reader), "{name} of {version}");
            }
        }
    }
}

#[test]
fn a_change_that_a_reader_cannot_follow_is_seen() {
    let old = &schemas(&tree("released/0.1.0"))["config-event"];
    let with = |field: serde_json::Value| {
        let mut json = serde_json::to_value(old).unwrap();
        json["fields"].as_array_mut().unwrap().push(field);
        Schema::parse(&json).unwrap()
    };
    let required = with(serde_json::json!({ "name": "more", "type": "string" }));
    assert!(compatible(old, &required).is_err());
    let optional = with(serde_json::json!({ "name": "more", "type": ["null", "string"], "default": null }));
    assert_eq!(compatible(old, &optional), Ok(()));
}
