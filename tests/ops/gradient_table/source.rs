//! Finds the names of all differentiable operations in the source files.
//!
//! An operation is recorded by a function that takes its name first: `record` itself, or one that passes a name on to
//! such a function. Fused operations say it in `fn name(&self) -> &'static str`.

use std::collections::BTreeSet;
use std::path::Path;

/// Where operations live.
const PLACES: [&str; 4] = ["src/autograd/ops", "src/autograd/checkpoint.rs", "src/layers", "src/losses"];

/// The names of all operations that are recorded in the source files.
pub(super) fn recorded_operations() -> BTreeSet<String> {
    let mut files = Vec::new();
    for place in PLACES {
        read(&Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(place), &mut files);
    }
    assert!(!files.is_empty(), "no source files in {PLACES:?}");

    let mut names: BTreeSet<String> = files.iter().flat_map(|source| function_names(source)).collect();
    let mut recorders = BTreeSet::from(["record".to_owned()]);
    loop {
        let calls: Vec<Call> = files.iter().flat_map(|source| calls(source, &recorders)).collect();
        let known = recorders.len();
        for call in calls {
            match call {
                Call::Literal(name) => drop(names.insert(name)),
                Call::PassedOn(by) => drop(recorders.insert(by)),
            }
        }
        if recorders.len() == known {
            return names;
        }
    }
}

/// A Rust file, or all of those below a folder, without comments and unit tests.
fn read(place: &Path, files: &mut Vec<String>) {
    // What is not compiled has no rows.
    let features = [("ops/linalg", cfg!(feature = "linalg")), ("ops/fft", cfg!(feature = "fft"))];
    if features.iter().any(|(folder, is_there)| place.ends_with(folder) && !is_there) {
        return;
    }
    if let Ok(entries) = std::fs::read_dir(place) {
        entries.for_each(|entry| read(&entry.unwrap().path(), files));
    } else if place.extension().is_some_and(|e| e == "rs") {
        let text = std::fs::read_to_string(place).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        files.push(without_type_arguments(&lines.join("\n")));
    }
}

/// `f::<T>(x)` as `f(x)`.
fn without_type_arguments(source: &str) -> String {
    let mut parts = source.split("::<");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut depth = 1;
        let end = part.find(|c| {
            depth += i32::from(c == '<') - i32::from(c == '>');
            depth == 0
        });
        out.push_str(end.map_or(part, |end| &part[end + 1..]));
    }
    out
}

enum Call {
    /// A call with this name.
    Literal(String),
    /// A call with a name that this function was given.
    PassedOn(String),
}

/// The calls of functions that record.
fn calls(source: &str, recorders: &BTreeSet<String>) -> Vec<Call> {
    let mut calls = Vec::new();
    for recorder in recorders {
        for (at, _) in source.match_indices(&format!("{recorder}(")) {
            let before = source[..at].trim_end();
            let is_other_name = source[..at].ends_with(|c: char| is_in_names(c) || c == '.');
            let is_other_function = ["profile::", "map::"].iter().any(|module| source[..at].ends_with(module));
            if is_other_name || is_other_function || before.ends_with("fn") {
                continue;
            }
            let argument = source[at + recorder.len() + 1..].trim_start();
            if let Some(name) = literal(argument) {
                calls.push(Call::Literal(name));
            } else if argument.trim_start_matches(is_in_names).starts_with(',') {
                calls.extend(enclosing_function(before).map(Call::PassedOn));
            }
        }
    }
    calls
}

/// The string that `text` starts with.
fn literal(text: &str) -> Option<String> {
    Some(text.strip_prefix('"')?.split('"').next()?.to_owned())
}

/// The function that is being defined last in `text`.
fn enclosing_function(text: &str) -> Option<String> {
    let (_, rest) = text.rsplit_once("fn ")?;
    Some(rest.chars().take_while(|c| is_in_names(*c)).collect())
}

fn is_in_names(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What the functions called `name` can answer.
fn function_names(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (_, rest) in source.match_indices("fn name(&self) -> &'static str").map(|(at, s)| source.split_at(at + s.len()))
    {
        let body = rest.split('}').next().unwrap_or_default();
        let strings: Vec<String> = body.split('"').skip(1).step_by(2).map(str::to_owned).collect();
        // A function may answer what another `fn name` does, which is found for itself.
        let delegates = body.contains(".name()");
        assert!(delegates || !strings.is_empty(), "the name of an operation must be written out in `fn name`: {body}");
        names.extend(strings);
    }
    names
}
