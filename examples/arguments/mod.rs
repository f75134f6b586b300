//! The command lines of the examples.

use std::str::FromStr;

use demotic::train::metrics::edit_distance;
use demotic::{Error, Result};

/// The words of a command line, of which options and their values are taken one after the other.
pub struct Arguments<I> {
    example: &'static str,
    usage: &'static str,
    words: I,
    option: String,
}

impl<I: Iterator<Item = String>> Arguments<I> {
    pub fn new(example: &'static str, usage: &'static str, words: I) -> Self {
        Self { example, usage, words, option: String::new() }
    }

    /// The next option.
    pub fn option(&mut self) -> Option<String> {
        self.option = self.words.next()?;
        Some(self.option.clone())
    }

    /// The value of this option.
    pub fn value(&mut self) -> Result<String> {
        match self.words.next() {
            Some(value) => Ok(value),
            None => Err(self.wrong(&format!("{} takes a value", self.option))),
        }
    }

    /// The value of this option, a number.
    pub fn number<T: FromStr>(&mut self) -> Result<T> {
        let text = self.value()?;
        text.parse().map_err(|_| self.wrong(&format!("{} takes a number, not `{text}`", self.option)))
    }

    /// There is no such option.
    pub fn unknown(&self) -> Error {
        let option = self.option.as_str();
        if !option.starts_with('-') {
            return self
                .wrong(&format!("`{option}` stands alone: options begin with --, and their values follow them"));
        }
        let options = self.usage.split(|c: char| c.is_whitespace() || c == ',').filter(|word| word.starts_with("--"));
        let meant =
            options.min_by_key(|known| edit_distance(known, option)).filter(|known| edit_distance(known, option) < 3);
        let meant = meant.map(|known| format!(", did you mean {known}?")).unwrap_or_default();
        self.wrong(&format!("there is no option {option}{meant}"))
    }

    /// An error of the command line. The usage would push it off the screen.
    pub fn wrong(&self, problem: &str) -> Error {
        Error::argument(self.example, problem).with_help("--help lists the options")
    }
}
