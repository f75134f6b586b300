//! `docs/mistakes.md`: its programs are those of `cases.rs`, and what it says that the library says is what the library says.
//!
//! `DEMOTIC_MISTAKES=write cargo test -p demotic-tests --test repository mistakes` writes programs and messages into the page.

mod cases;

use std::fs;
use std::path::Path;

use cases::CASES;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/mistakes.md");
const SOURCE: &str = include_str!("cases.rs");
const FILE: &str = "tests/repository/mistakes/cases.rs";

/// The lines of a case's function, as they stand in a `main`, and the line of the file before them.
fn program(number: usize) -> (String, usize) {
    let head = format!("fn case_{number:02}() -> Result<()> {{");
    let lines: Vec<&str> = SOURCE.lines().collect();
    let start = lines.iter().position(|line| *line == head).unwrap_or_else(|| panic!("no {head}"));
    let body: Vec<&str> = lines[start + 1..].iter().take_while(|line| **line != "}").copied().collect();
    let (last, body) = body.split_last().unwrap();
    assert_eq!(*last, "    Ok(())", "{head}");
    (body.iter().map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line))).collect(), start + 1)
}

/// What the library says, with the lines of the program in place of those of the file.
fn message(number: usize) -> String {
    let error = CASES[number - 1]().expect_err("a mistake").to_string();
    let (program, before) = program(number);
    let error = error.replace(&format!("{}/", std::env::temp_dir().display()), "");
    let Some((front, back)) = error.split_once(&format!("at {FILE}:")) else {
        assert!(!error.contains(" at src/"), "{error}");
        return error;
    };
    let digits = back.chars().take_while(char::is_ascii_digit).count();
    let line = back[..digits].parse::<usize>().unwrap() - before;
    assert!((1..=program.lines().count()).contains(&line), "{error}");
    format!("{front}at line {line}{}", &back[digits..])
}

/// The parts of the page: what stands before the first heading with a number, and the sections.
fn sections(page: &str) -> (String, Vec<String>) {
    let mut parts = vec![String::new()];
    for line in page.lines() {
        if line.starts_with("## ") && line[3..].starts_with(|c: char| c.is_ascii_digit()) {
            parts.push(String::new());
        }
        let part = parts.last_mut().unwrap();
        part.push_str(line);
        part.push('\n');
    }
    let first = parts.remove(0);
    (first, parts)
}

/// A section with another program or output in its first block of that kind.
fn replaced(section: &str, kind: &str, block: &str) -> String {
    let open = format!("```{kind}\n");
    let (front, rest) = section.split_once(&open).unwrap_or_else(|| panic!("no {open} in {section}"));
    let (_, back) = rest.split_once("```").unwrap();
    format!("{front}{open}{block}```{back}")
}

#[test]
fn the_page_of_mistakes_says_what_the_library_says() {
    let page = fs::read_to_string(PAGE).unwrap();
    let (mut made, sections) = sections(&page);
    assert_eq!(sections.len(), CASES.len());
    for (i, section) in sections.iter().enumerate() {
        let number = i + 1;
        assert!(section.starts_with(&format!("## {number}. ")), "{section}");
        let section = replaced(section, "rust", &program(number).0);
        made += &replaced(&section, "text", &format!("{}\n", message(number)));
    }
    if std::env::var_os("DEMOTIC_MISTAKES").is_some_and(|value| value == "write") {
        fs::write(PAGE, &made).unwrap();
        return;
    }
    let wrong = page.lines().zip(made.lines()).find(|(found, wanted)| found != wanted);
    assert!(page == made, "docs/mistakes.md is not what is said: {wrong:?}");
}

#[test]
fn the_page_is_found() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for file in ["README.md", "README.zh.md"] {
        assert!(fs::read_to_string(root.join(file)).unwrap().contains("(docs/mistakes.md)"), "{file}");
    }
    for folder in ["docs/tutorials", "docs/zh"] {
        let read = |file: &str| fs::read_to_string(root.join(folder).join(file)).unwrap();
        assert!(read("mistakes.md").contains("{{#include ../mistakes.md:page}}"), "{folder}");
        assert!(
            read("SUMMARY.md").contains("(mistakes.md)") && read("README.md").contains("(mistakes.md)"),
            "{folder}"
        );
    }
}
