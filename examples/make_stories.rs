//! Writes the small stories that `text_generation` learns from, or judges stories: `cargo run --example make_stories`.
//!
//! The stories are of our own making and come from a seeded grammar: the same options write the same bytes. See
//! `examples/stories`.

#[allow(dead_code, unused_imports, reason = "prompts are judged by another example")]
mod stories;

use std::collections::HashSet;
use std::io::Write as _;

use demotic::{Error, Result};
use stories::{Language, Quality};

const USAGE: &str = "\
make_stories: writes small stories, or judges them

  --language NAME   english, chinese or both (default: both)
  --bytes N         how much to write in each language (default: 1000000)
  --seed N          other stories for each number (default: 1)
  --out FILE        where to (default: standard output)
  --judge FILE      write nothing: judge the stories of a file, each a title, a line break, the story, an empty line;
                    what is not in the corpus that the other options describe is new";

struct Options {
    languages: Vec<Language>,
    bytes: usize,
    seed: u64,
    out: Option<String>,
    judge: Option<String>,
}

fn options(mut args: impl Iterator<Item = String>) -> Result<Option<Options>> {
    let mut options = Options { languages: Language::ALL.to_vec(), bytes: 1_000_000, seed: 1, out: None, judge: None };
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| wrong(format!("{arg} takes a value")));
        match arg.as_str() {
            "--language" => {
                options.languages = match value()?.as_str() {
                    "english" => vec![Language::English],
                    "chinese" => vec![Language::Chinese],
                    "both" => Language::ALL.to_vec(),
                    other => return Err(wrong(format!("--language is english, chinese or both, not `{other}`"))),
                }
            }
            "--bytes" => options.bytes = number(&arg, &value()?)?,
            "--seed" => options.seed = number(&arg, &value()?)?,
            "--out" => options.out = Some(value()?),
            "--judge" => options.judge = Some(value()?),
            "--help" | "-h" => return Ok(None),
            other => return Err(wrong(format!("there is no option {other}"))),
        }
    }
    Ok(Some(options))
}

fn number<T: std::str::FromStr>(option: &str, text: &str) -> Result<T> {
    text.parse().map_err(|_| wrong(format!("{option} takes a whole number, not `{text}`")))
}

fn wrong(problem: String) -> Error {
    Error::argument("make_stories", problem).with_help(format!("\n{USAGE}"))
}

fn main() -> Result<()> {
    let Some(options) = options(std::env::args().skip(1))? else {
        println!("{USAGE}");
        return Ok(());
    };
    let text = stories::corpus(&options.languages, options.bytes, options.seed)?;
    match (&options.judge, &options.out) {
        (Some(path), _) => {
            let judged = std::fs::read_to_string(path).map_err(|e| Error::io("make_stories", path.as_ref(), e))?;
            let corpus: HashSet<&str> = stories::sentences(&text).into_iter().collect();
            for language in &options.languages {
                println!("{}:\n{}", language.name(), judge(&judged, *language, &corpus)?);
            }
        }
        (None, Some(path)) => {
            std::fs::write(path, &text).map_err(|e| Error::io("make_stories", path.as_ref(), e))?;
            println!("{} bytes of stories written to {path}", text.len());
        }
        // A reader who has seen enough, such as `head`, is no reason to fail.
        (None, None) => drop(std::io::stdout().write_all(text.as_bytes())),
    }
    Ok(())
}

/// The quality of the stories of one language.
fn judge(text: &str, language: Language, corpus: &HashSet<&str>) -> Result<Quality> {
    let grammar = language.grammar()?;
    let mut quality = Quality::default();
    // A text is of the language of its first letter.
    let is_chinese = |text: &str| text.chars().find(|c| c.is_alphabetic()).is_some_and(|c| !c.is_ascii());
    let stories = text.split("\n\n").filter(|story| !story.trim().is_empty());
    for story in stories.filter(|story| is_chinese(story) == (language == Language::Chinese)) {
        let (title, body) = story.trim().split_once('\n').unwrap_or((story, ""));
        quality += Quality::of(title, body, &grammar, corpus);
    }
    Ok(quality)
}
