//! Definitions in files → their texts, within bounds.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use fabric::feed::{self, TemplateText, Templates};
#[cfg(feature = "server")]
use fabric::report::figures;

use crate::exit::Refused;

/// Of a definition at most, as the parser has it; a byte more is enough to know that it is too long.
const MAX_BYTES: u64 = 1 << 20;

/// A file's text, and its name as the user gave it.
pub struct Document {
    pub name: String,
    pub text: String,
}

/// Reads definitions; every file that cannot be read is told at once.
#[cfg(feature = "server")]
pub fn read(files: &[PathBuf]) -> anyhow::Result<Vec<Document>> {
    let (mut documents, mut told) = (Vec::new(), Vec::new());
    for path in files {
        match read_one(path) {
            Ok(document) => documents.push(document),
            Err(Refused(reason)) => told.push(reason),
        }
    }
    if told.is_empty() {
        return Ok(documents);
    }
    let count = figures::counted(told.len() as u64, "error", "errors");
    Err(Refused(format!("{}\n{count}; nothing was applied", told.join("\n"))).into())
}

pub fn read_one(path: &Path) -> Result<Document, Refused> {
    let name = path.display().to_string();
    match text(path) {
        Ok(text) => Ok(Document { name, text }),
        Err(error) => Err(Refused(format!("{name}  cannot be read: {error}"))),
    }
}

/// Of a file that is too long no more than shows that it is.
fn text(path: &Path) -> std::io::Result<String> {
    let mut text = Vec::new();
    fs::File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(std::io::Error::other(format!("it has more than {MAX_BYTES} bytes, too many for a definition")));
    }
    String::from_utf8(text).map_err(|_| std::io::Error::other("it is not UTF-8"))
}

/// The templates in files, and in the `.yaml` and `.yml` files of folders.
pub fn templates(paths: &[PathBuf]) -> anyhow::Result<Templates> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(in_folder(path)?);
        } else {
            files.push(path.clone());
        }
    }
    let mut found: BTreeMap<String, TemplateText> = BTreeMap::new();
    for path in &files {
        let Document { name: file, text } = read_one(path)?;
        let Some(name) = feed::template_name(&text) else { continue };
        if let Some(other) = found.get(&name) {
            return Err(Refused(format!("template {name} is in {} and in {file}", other.source_name)).into());
        }
        found.insert(name, TemplateText { source_name: file, version: 0, text });
    }
    Ok(found)
}

fn in_folder(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let unreadable = |error| Refused(format!("{} cannot be read: {error}", folder.display()));
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
