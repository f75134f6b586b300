//! The pages of the documentation: links lead somewhere, both languages show the same programs, pictures are the same in all
//! forms.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The files in a folder and below it whose names end so, in order.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn pages() -> Vec<PathBuf> {
    let mut pages = files(&root().join("docs"), ".md");
    pages.extend(["README.md", "README.zh.md", "CONTRIBUTING.md"].map(|name| root().join(name)));
    pages
}

/// The lines outside of programs and outputs.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut code = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// A line without what stands in backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// Where a page's links lead: `[text](target)`, and `[label]: target` at the beginning of a line.
fn targets(text: &str) -> Vec<String> {
    let mut targets = Vec::new();
    for line in prose(text) {
        if line.starts_with('[')
            && let Some((_, target)) = line.split_once("]: ")
        {
            targets.push(target.trim().to_string());
        }
        let line = without_code(line);
        let mut rest = line.as_str();
        while let Some((_, behind)) = rest.split_once("](") {
            let (target, behind) = behind.split_once(')').unwrap_or((behind, ""));
            targets.push(target.to_string());
            rest = behind;
        }
    }
    targets
}

#[test]
fn links_are_found_in_every_form() {
    let text = "[a](b.md) and [`c`](d.md#e), ![f](g.svg)\n```text\n[no](no.md)\n```\n`[no](no.md)`\n[h]: i.md\n";
    assert_eq!(targets(text), ["b.md", "d.md#e", "g.svg", "i.md"]);
}

#[test]
fn no_link_to_a_file_is_dead() {
    let mut dead = Vec::new();
    let mut seen = 0;
    for page in pages() {
        for target in targets(&read(&page)) {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            seen += 1;
            if !page.with_file_name(file).exists() {
                dead.push(format!("{}: {target}", page.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(dead.is_empty(), "dead links:\n{}", dead.join("\n"));
    assert!(seen > 50, "only {seen} links were found");
}

/// `[text][label]` without a definition is shown with its brackets.
#[test]
fn no_label_is_without_its_target() {
    for page in pages() {
        let text = read(&page);
        let defined: BTreeSet<&str> =
            prose(&text).filter_map(|line| line.strip_prefix('[')?.split_once("]: ").map(|(label, _)| label)).collect();
        let mut used = BTreeSet::new();
        for line in prose(&text) {
            let line = without_code(line);
            for behind in line.split("][").skip(1) {
                used.insert(behind.split(']').next().unwrap_or_default().to_string());
            }
        }
        let used: BTreeSet<&str> = used.iter().map(String::as_str).collect();
        assert_eq!(used, defined, "{}", page.display());
    }
}

/// The pages of a book, by the names of their files.
fn book(folder: &str) -> Vec<(String, String)> {
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    files(&root().join("docs").join(folder), ".md").iter().map(|path| (name(path), read(path))).collect()
}

#[test]
fn every_page_is_in_the_index_the_book_and_the_reference() {
    let modules = read(&root().join("src/tutorials.rs"));
    for folder in ["tutorials", "zh"] {
        let pages = book(folder);
        let text = |name: &str| &pages.iter().find(|(page, _)| page == name).unwrap().1;
        for (name, _) in pages.iter().filter(|(name, _)| name.starts_with(|c: char| c.is_ascii_digit())) {
            assert!(text("README.md").contains(&format!("({name})")), "{folder}/README.md lacks {name}");
            assert!(text("SUMMARY.md").contains(&format!("({name})")), "{folder}/SUMMARY.md lacks {name}");
            assert!(modules.contains(&format!("\"{folder}/{name}\"")), "src/tutorials.rs lacks {folder}/{name}");
        }
    }
}

/// The programs of a page and what they print, without comments, which are written in the page's language.
fn programs(text: &str) -> Vec<String> {
    let code = |line: &str| line.split("//").next().unwrap_or_default().trim_end().to_string();
    let blocks = text.split("```").skip(1).step_by(2);
    blocks.map(|block| block.lines().map(code).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")).collect()
}

#[test]
fn both_languages_show_the_same_programs_with_the_same_outputs() {
    for ((name, english), (chinese_name, chinese)) in book("tutorials").into_iter().zip(book("zh")) {
        assert_eq!(name, chinese_name);
        let (english, chinese) = (programs(&english), programs(&chinese));
        assert_eq!(english.len(), chinese.len(), "{name}");
        for (a, b) in english.iter().zip(&chinese) {
            assert_eq!(a, b, "{name}");
        }
    }
}

/// Whoever copies a program gets all of it: nothing is hidden from the reader, and `main` is there.
#[test]
fn programs_are_complete() {
    for folder in ["tutorials", "zh"] {
        for (name, text) in book(folder) {
            for block in text.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("rust\n")) {
                assert!(block.contains("fn main()"), "{folder}/{name}: a program without main:\n{block}");
                let hidden = block.lines().find(|line| line.trim_start().starts_with("# "));
                assert_eq!(hidden, None, "{folder}/{name}");
            }
        }
    }
}

/// A line break within a paragraph becomes a space, which Chinese does not have.
#[test]
fn chinese_paragraphs_are_single_lines() {
    let mut pages = files(&root().join("docs/zh"), ".md");
    pages.push(root().join("README.zh.md"));
    for page in pages {
        let text = read(&page);
        let mut before = "";
        let mut code = false;
        for line in text.lines() {
            code ^= line.trim_start().starts_with("```");
            let begins =
                line.starts_with(|c: char| "#|>-*![<`\\".contains(c) || c.is_ascii_digit()) && !line.starts_with("**");
            let wide =
                |c: Option<char>| c.is_some_and(|c| matches!(c, '\u{3000}'..='\u{9fff}' | '\u{ff00}'..='\u{ffef}'));
            let continued = !code && !begins && !before.is_empty() && !line.trim().is_empty();
            let stray = continued && (wide(before.trim_end().chars().last()) || wide(line.trim_start().chars().next()));
            assert!(!stray, "{}: a line break before `{line}`", page.display());
            before = if line.trim_start().starts_with("```") || line.starts_with('|') { "" } else { line };
        }
    }
}

/// Pages of rustdoc show pictures as data URIs, the repository and the books show the files.
#[test]
fn pictures_are_the_same_as_files_and_as_uris() {
    let pictures = files(&root().join("docs/tutorials/images"), ".svg");
    assert!(pictures.len() >= 7);
    for picture in pictures {
        let uri = read(&picture.with_extension("uri"));
        let digits = uri.strip_prefix("data:image/svg+xml;base64,").expect("a data URI");
        assert!(decoded(digits) == fs::read(&picture).unwrap(), "{} differs from its .uri", picture.display());
        let name = picture.file_stem().unwrap().to_string_lossy().into_owned();
        for folder in ["tutorials", "zh"] {
            let shown = book(folder).iter().any(|(_, text)| text.contains(&format!("][{name}]")));
            assert!(shown, "docs/{folder} does not show {name}");
        }
    }
}

fn decoded(base64: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => panic!("`{}` in base64", char::from(c)),
    };
    let mut bytes = Vec::new();
    for four in base64.trim_end_matches('=').as_bytes().chunks(4) {
        let bits = four.iter().fold(0, |bits, c| bits << 6 | u32::from(digit(*c))) << (6 * (4 - four.len()));
        bytes.extend(&bits.to_be_bytes()[1..four.len()]);
    }
    bytes
}

/// Pages of both languages are run at the same time, and a file that is called the same would be that of the other one.
#[test]
fn files_that_programs_of_pages_write_are_called_after_the_process() {
    for folder in ["docs/tutorials", "docs/zh"] {
        for page in fs::read_dir(root().join(folder)).unwrap() {
            let page = page.unwrap().path();
            let Ok(text) = fs::read_to_string(&page) else { continue };
            for line in text.lines().filter(|line| line.contains("temp_dir()")) {
                assert!(line.contains("process::id()"), "{}: {line}", page.display());
            }
        }
    }
}
