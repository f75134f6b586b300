//! Where a file that does not exist was looked for, and what there is instead.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::near;

/// Names that are shown at the most.
const SHOWN: usize = 4;
/// Entries of a folder that are looked at.
const LOOKED_AT: usize = 10_000;

/// The help for a path at which there is nothing: the folder in which it was looked for, as an absolute path, and similar
/// names in it, or some of its files.
pub(super) fn whereabouts(path: &Path) -> Option<String> {
    if path.exists() {
        return None;
    }
    let folder = match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => return None,
    };
    let folder = absolute(folder)?;
    if folder.is_dir() {
        return Some(format!("looked for in {}, which {}", folder.display(), neighbours(&folder, path.file_name()?)));
    }
    // The part of the path that does exist, and the first name that does not.
    let existing = folder.ancestors().find(|ancestor| ancestor.exists())?;
    let there = existing.display();
    if !existing.is_dir() {
        return Some(format!("{there} is a file, not a folder"));
    }
    let missing = folder.strip_prefix(existing).ok()?.iter().next()?;
    Some(format!("there is no folder {}; {there} {}", existing.join(missing).display(), neighbours(existing, missing)))
}

/// The path from the root, without its links resolved, as the user knows it.
fn absolute(folder: &Path) -> Option<PathBuf> {
    // `a/./b` and `.` at the end say nothing to people.
    std::path::absolute(folder).ok().map(|path| path.components().collect())
}

/// ``has `a.csv`, `b.csv` ``, with the most similar names first.
fn neighbours(folder: &Path, wanted: &OsStr) -> String {
    let Ok(entries) = fs::read_dir(folder) else { return "cannot be read".to_string() };
    let wanted = wanted.to_string_lossy();
    let (mut similar, mut same_kind, mut others) = (Vec::new(), Vec::new(), Vec::new());
    let mut count = 0usize;
    for entry in entries.take(LOOKED_AT).flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') && !wanted.starts_with('.') {
            continue;
        }
        count += 1;
        let extension = |name: &str| Path::new(name).extension().map(OsStr::to_os_string);
        match distance(&name, &wanted) {
            Some(distance) => similar.push((distance, name)),
            None if extension(&name).is_some() && extension(&name) == extension(&wanted) => same_kind.push(name),
            None if others.len() < LOOKED_AT => others.push(name),
            None => {}
        }
    }
    if count == 0 {
        return "is empty".to_string();
    }
    crate::order::sort_by(&mut similar, Ord::cmp);
    crate::order::sort_by(&mut same_kind, Ord::cmp);
    crate::order::sort_by(&mut others, Ord::cmp);
    if !similar.is_empty() {
        let names: Vec<String> =
            similar.into_iter().take(SHOWN).map(|(_, name)| format!("`{}`", name.escape_debug())).collect();
        return format!("has {}", names.join(", "));
    }
    let names: Vec<String> =
        same_kind.into_iter().chain(others).take(SHOWN).map(|name| format!("`{}`", name.escape_debug())).collect();
    let more = if count > names.len() { format!(" and {} more", count - names.len()) } else { String::new() };
    format!("has {}{more}", names.join(", "))
}

/// How far a name is from the one that was wanted, if it may have been meant: a slip of the fingers, other capitals, another
/// or no ending, or a longer name that holds the other.
fn distance(name: &str, wanted: &str) -> Option<usize> {
    let stem = |name: &str| name.split('.').find(|part| !part.is_empty()).unwrap_or_default().to_lowercase();
    let [name, wanted] = [stem(name), stem(wanted)];
    let slip = near(&name, &wanted);
    // Short names are in everything.
    let part =
        (wanted.len().min(name.len()) > 2 && (name.contains(&wanted) || wanted.contains(&name))).then_some(usize::MAX);
    slip.or(part)
}
