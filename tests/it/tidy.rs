//! House rules, as a test: where code may reach, how long a file may grow, what never stands in it.

use std::path::{Path, PathBuf};

/// Values in, values out: no client library, no clock, no async, no files.
const PURE: [&str; 8] = ["feed", "chunk", "record", "rules", "copy", "ledger", "report", "generate"];
const IMPURE: [&str; 24] = [
    "rdkafka::",
    "sqlx::",
    "tokio::",
    "fred::",
    "reqwest::",
    "axum::",
    "crate::kafka",
    "crate::postgres",
    "crate::settings",
    "crate::telemetry",
    "crate::ingest",
    "crate::validate",
    "crate::load",
    "crate::steward",
    "crate::config",
    "crate::jobs",
    "crate::source",
    "crate::topics",
    "crate::faults",
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "async fn",
    "std::fs",
];
const LONGEST_FILE: usize = 450;
const VAGUE_NAMES: [&str; 5] = ["utils", "common", "helpers", "misc", "manager"];

struct File {
    path: PathBuf,
    text: String,
}

impl File {
    /// Everything before the tests at the file's end; nothing where the file is all tests.
    fn code(&self) -> &str {
        if self.path.starts_with("tests") || self.is_tests() {
            return "";
        }
        self.text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default()
    }

    /// A file that its folder declares for tests alone.
    fn is_tests(&self) -> bool {
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        let declared = ["", "pub(crate) "].map(|seen| format!("#[cfg(test)]\n{seen}mod {stem};"));
        let folder = root().join(&self.path);
        let siblings = std::fs::read_dir(folder.parent().expect("a file stands in a folder")).unwrap();
        let declares = |path: PathBuf| {
            std::fs::read_to_string(path).is_ok_and(|text| declared.iter().any(|line| text.contains(line)))
        };
        let in_tests = self.path.components().any(|part| part.as_os_str() == "tests");
        in_tests || stem == "tests" || siblings.flatten().any(|sibling| declares(sibling.path()))
    }

    /// Lines of code that are no comments, with their numbers.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.code().lines().enumerate();
        lines.map(|(index, line)| (index + 1, line)).filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &str) -> Vec<File> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push(File { path: path.strip_prefix(root()).unwrap().to_owned(), text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Fails with every offence at once.
fn none(offences: Vec<String>) {
    assert!(offences.is_empty(), "\n{}\n", offences.join("\n"));
}

/// Places in `files` where a line holds one of `words`.
fn holding(files: &[File], words: &[&str]) -> Vec<String> {
    let mut offences = Vec::new();
    for file in files {
        for (number, line) in file.lines() {
            for word in words.iter().filter(|word| line.contains(**word)) {
                offences.push(format!("{}:{number}  {word}", file.path.display()));
            }
        }
    }
    offences
}

#[test]
fn pure_modules_reach_for_no_server_no_clock_and_no_file() {
    let all = files("src");
    let pure = |file: &File| {
        let module = file.path.components().nth(1).and_then(|part| Path::new(part.as_os_str()).file_stem());
        module.is_some_and(|module| PURE.iter().any(|pure| module == *pure))
    };
    none(holding(&all.into_iter().filter(pure).collect::<Vec<_>>(), &IMPURE));
}

#[test]
fn code_never_unwraps_and_never_panics() {
    none(holding(&files("src"), &[".unwrap()", "panic!(", "todo!(", "unimplemented!("]));
}

#[test]
fn nothing_is_ignored_allowed_or_left_for_later() {
    // In two parts, so that this file does not offend against itself.
    let words = [["#[", "ignore"].concat(), ["#[", "allow("].concat(), ["TO", "DO"].concat(), ["FIX", "ME"].concat()];
    let mut offences = Vec::new();
    for file in files("src").into_iter().chain(files("tests")) {
        for (index, line) in file.text.lines().enumerate() {
            for word in words.iter().filter(|word| line.contains(word.as_str())) {
                offences.push(format!("{}:{}  {word}", file.path.display(), index + 1));
            }
        }
    }
    none(offences);
}

#[test]
fn files_are_small_rooms_that_say_what_they_are() {
    let mut offences = Vec::new();
    for file in files("src").into_iter().chain(files("tests")) {
        let path = file.path.display();
        let lines = if file.path.starts_with("tests") { file.text.lines() } else { file.code().lines() }.count();
        if lines > LONGEST_FILE {
            offences.push(format!("{path}  {lines} lines"));
        }
        // The name of `tests.rs` says it.
        if !file.text.starts_with("//! ") && !file.path.ends_with("tests.rs") {
            offences.push(format!("{path}  does not begin with what it is"));
        }
        let name = file.path.file_stem().unwrap_or_default();
        if VAGUE_NAMES.iter().any(|vague| name == *vague) {
            offences.push(format!("{path}  a name that says nothing"));
        }
    }
    none(offences);
}

#[test]
fn the_map_of_the_code_names_every_module() {
    let lib = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let modules = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let Ok(map) = std::fs::read_to_string(root().join("ARCHITECTURE.md")) else {
        return;
    };
    none(modules.filter(|module| !map.contains(*module)).map(|module| format!("{module} is not on the map")).collect());
}

/// Outside `src/faults`, as one text.
fn code_that_faults_are_in() -> String {
    let all = files("src").into_iter().filter(|file| !file.path.starts_with("src/faults"));
    all.map(|file| file.code().to_owned()).collect()
}

#[test]
fn each_failpoint_stands_at_one_place_and_is_on_the_list() {
    let code = code_that_faults_are_in();
    let listed: Vec<&str> = fabric::faults::POINTS.iter().map(|point| point.name).collect();
    let places = |name: &&&str| code.matches(&format!("(\"{name}\"")).count();
    let astray = listed.iter().filter(|name| places(name) != 1).map(|name| format!("{name}  {}", places(&name)));
    let called = ["point", "step", "statement", "answer", "kafka"].map(|call| format!("faults::{call}(\""));
    let names =
        called.iter().flat_map(|call| code.split(call.as_str()).skip(1)).filter_map(|rest| rest.split('"').next());
    none(astray.chain(names.filter(|name| !listed.contains(name)).map(|name| format!("{name}  not listed"))).collect());
}

#[test]
fn each_defect_is_somewhere() {
    let code = code_that_faults_are_in();
    let absent = |defect: &&fabric::faults::Defect| !code.contains(&format!("Defect::{defect:?})"));
    none(fabric::faults::DEFECTS.iter().filter(absent).map(|defect| format!("{defect:?}")).collect());
}

#[test]
fn no_release_has_failpoints_or_defects() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let features = manifest.split("\n[features]\n").nth(1).and_then(|rest| rest.split("\n[").next()).unwrap();
    let bringing = features.lines().filter(|line| line.contains("faults\"") || line.contains("dep:fail"));
    let bringing: Vec<&str> = bringing.filter(|line| !line.starts_with("faults = ")).collect();
    assert!(bringing.is_empty(), "{bringing:?} brings them");
    let built = ["dev", "perf", ".ci"].iter().flat_map(|folder| scripts(&root().join(folder)));
    let releases = built.filter(|(_, line)| line.contains("--release") && line.contains("faults"));
    none(releases.map(|(path, line)| format!("{}  {line}", path.display())).collect());
}

/// Lines of all files that are text, below a folder.
fn scripts(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            lines.extend(scripts(&path));
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            lines.extend(text.lines().map(|line| (path.clone(), line.to_owned())));
        }
    }
    lines
}
