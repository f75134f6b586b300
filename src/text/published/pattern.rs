//! The patterns by which published tokenizers divide texts.
//!
//! They stand in files as regular expressions: alternatives, of which the first that matches counts. Those that tokenizers
//! use are few, so there is a function for each, which looks at no more of a text than it matches; an expression that has
//! another is refused.

use super::check::cut;
use super::parts::{self, Read, Refusal};
use crate::text::bpe::first_word;
use crate::text::unicode::{is_letter, is_number, is_word_character};

/// What is looked for in a text.
#[derive(Debug, Clone)]
pub(super) enum Pattern {
    Literal(String),
    Alternatives(Vec<Alternative>),
}

#[derive(Debug, Clone)]
pub(super) enum Alternative {
    Literal(String),
    Scan(Scan),
}

/// The length of the match at the beginning of a text, 0 if there is none.
type Scan = fn(&str) -> usize;

/// GPT-2's expression. It matches at every place of every text.
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// What alternatives look like, with what they match.
const KNOWN: [(&str, Scan); 22] = [
    (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)", contraction),
    (r"\p{L}+", letters),
    (r"[\p{L}]+", letters),
    (r" ?\p{L}+", |text| after_space(text, letters)),
    (r"[^\r\n\p{L}\p{N}]?\p{L}+", letters_after_one),
    (r"\p{N}", number),
    (r"[\p{N}]", number),
    (r"\p{N}+", numbers),
    (r" ?\p{N}+", |text| after_space(text, numbers)),
    (r"\p{N}{1,3}", three_numbers),
    (r"[^\s\p{L}\p{N}]+", others),
    (r" ?[^\s\p{L}\p{N}]+", |text| after_space(text, others)),
    (r" ?[^\s\p{L}\p{N}]+[\r\n]*", |text| others_and(text, is_line_end)),
    (r" ?[^\s\p{L}\p{N}]+[\r\n/]*", |text| others_and(text, |c| is_line_end(c) || c == '/')),
    (r"\s*[\r\n]+", lines),
    (r"\s*[\r\n]", lines),
    (r"\s+(?!\S)", spaces_before_one),
    (r"\s+", spaces),
    (r"\w+", |text| run(text, is_word_character)),
    (r"[^\w\s]+", |text| run(text, |c| !is_word_character(c) && !c.is_whitespace())),
    (r" {2,}", |text| Some(run(text, |c| c == ' ')).filter(|length| *length >= 2).unwrap_or(0)),
    (r" +", |text| run(text, |c| c == ' ')),
];

impl Pattern {
    pub(super) fn words() -> Self {
        Self::Alternatives(vec![Alternative::Scan(first_word)])
    }

    /// A pattern `{"String": ..}` or `{"Regex": ..}`.
    pub(super) fn read(part: &serde_json::Value) -> Read<Self> {
        let pattern = &part["pattern"];
        if let Some(text) = pattern["String"].as_str() {
            return match text {
                "" => Refusal::malformed(format!("{}: the pattern is the empty text", parts::kind(part)?)),
                text => Ok(Self::Literal(text.to_string())),
            };
        }
        match pattern["Regex"].as_str() {
            Some(GPT2) => Ok(Self::words()),
            Some(expression) => Self::alternatives(expression),
            None => {
                Refusal::malformed(format!("{}: `pattern` is neither a text nor an expression", parts::kind(part)?))
            }
        }
    }

    pub(super) fn alternatives(expression: &str) -> Read<Self> {
        let mut alternatives = Vec::new();
        for alternative in divided(expression) {
            let known = KNOWN.iter().find(|(known, _)| *known == alternative);
            alternatives.push(match (known, literal(alternative)) {
                (Some((_, scan)), _) => Alternative::Scan(*scan),
                (None, Some(literal)) => Alternative::Literal(literal),
                (None, None) => {
                    let whole =
                        if alternative == expression { String::new() } else { format!(" of `{}`", cut(expression)) };
                    return Err(Refusal::Unknown(format!(
                        "the expression `{}`{whole} is not one of those in use",
                        cut(alternative)
                    )));
                }
            });
        }
        Ok(Self::Alternatives(alternatives))
    }

    /// Where the first match at or behind a byte begins and ends. No match is empty.
    pub(super) fn find(&self, text: &str, from: usize) -> Option<(usize, usize)> {
        match self {
            Self::Literal(literal) => {
                let at = from + text[from..].find(literal.as_str())?;
                Some((at, at + literal.len()))
            }
            Self::Alternatives(alternatives) => {
                let mut at = from;
                loop {
                    let rest = &text[at..];
                    let c = rest.chars().next()?;
                    for alternative in alternatives {
                        let length = match alternative {
                            Alternative::Literal(literal) if rest.starts_with(literal.as_str()) => literal.len(),
                            Alternative::Literal(_) => 0,
                            Alternative::Scan(scan) => scan(rest),
                        };
                        if length > 0 {
                            return Some((at, at + length));
                        }
                    }
                    at += c.len_utf8();
                }
            }
        }
    }

    /// The text with each match replaced.
    pub(super) fn replace(&self, text: &str, content: &str) -> String {
        let (mut out, mut from) = (String::with_capacity(text.len()), 0);
        while let Some((start, end)) = self.find(text, from) {
            out.push_str(&text[from..start]);
            out.push_str(content);
            from = end;
        }
        out.push_str(&text[from..]);
        out
    }
}

/// The text that an expression stands for, if it matches no other: marks of punctuation may be behind a `\`.
fn literal(expression: &str) -> Option<String> {
    let is_literal = |c: &char| c.is_alphanumeric() || "' _\u{2581}\n-<>".contains(*c);
    let (mut text, mut characters) = (String::new(), expression.chars());
    while let Some(c) = characters.next() {
        text.push(match c {
            '\\' => characters.next().filter(char::is_ascii_punctuation)?,
            c => Some(c).filter(is_literal)?,
        });
    }
    Some(text).filter(|text| !text.is_empty())
}

/// The alternatives of an expression, divided by the `|` that are in no brackets.
fn divided(expression: &str) -> Vec<&str> {
    let (mut found, mut start, mut escaped, mut depth, mut class) = (Vec::new(), 0, false, 0usize, false);
    for (at, c) in expression.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => class = true,
            ']' => class = false,
            '(' if !class => depth += 1,
            ')' if !class => depth = depth.saturating_sub(1),
            '|' if !class && depth == 0 => {
                found.push(&expression[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(&expression[start..]);
    found
}

fn is_line_end(c: char) -> bool {
    matches!(c, '\r' | '\n')
}

fn is_other(c: char) -> bool {
    !is_letter(c) && !is_number(c) && !c.is_whitespace()
}

/// The length of the characters of a kind at the beginning.
fn run(text: &str, is_one: impl Fn(char) -> bool) -> usize {
    text.find(|c| !is_one(c)).unwrap_or(text.len())
}

/// The length of a match behind a space that may be there, which belongs to it.
fn after_space(text: &str, scan: Scan) -> usize {
    match text.strip_prefix(' ') {
        Some(rest) => Some(scan(rest)).filter(|length| *length > 0).map_or(0, |length| length + 1),
        None => scan(text),
    }
}

fn letters(text: &str) -> usize {
    run(text, is_letter)
}

/// Letters, before which one character may stand that is no letter, no number and no end of a line.
fn letters_after_one(text: &str) -> usize {
    let Some(c) = text.chars().next() else { return 0 };
    if is_letter(c) {
        return letters(text);
    }
    if is_number(c) || is_line_end(c) {
        return 0;
    }
    let skipped = c.len_utf8();
    Some(letters(&text[skipped..])).filter(|length| *length > 0).map_or(0, |length| skipped + length)
}

fn number(text: &str) -> usize {
    text.chars().next().filter(|c| is_number(*c)).map_or(0, char::len_utf8)
}

fn numbers(text: &str) -> usize {
    run(text, is_number)
}

fn three_numbers(text: &str) -> usize {
    text.chars().take(3).take_while(|c| is_number(*c)).map(char::len_utf8).sum()
}

fn others(text: &str) -> usize {
    run(text, is_other)
}

/// A space that may be there, characters that are no letters, numbers or white space, and what may follow them.
fn others_and(text: &str, is_end: fn(char) -> bool) -> usize {
    match after_space(text, others) {
        0 => 0,
        length => length + run(&text[length..], is_end),
    }
}

fn spaces(text: &str) -> usize {
    run(text, char::is_whitespace)
}

/// White space up to the last end of a line in it.
fn lines(text: &str) -> usize {
    text[..spaces(text)].rfind(is_line_end).map_or(0, |at| at + 1)
}

/// White space, of which the last character is left to what stands behind it.
fn spaces_before_one(text: &str) -> usize {
    let whole = spaces(text);
    if whole == text.len() { whole } else { text[..whole].char_indices().next_back().map_or(0, |(at, _)| at) }
}

/// English contractions in letters of any case. `ſ` is another `s`.
fn contraction(text: &str) -> usize {
    let Some(rest) = text.strip_prefix('\'') else { return 0 };
    let mut characters = rest.chars().map(|c| if c == '\u{17F}' { 's' } else { c.to_ascii_lowercase() });
    match (characters.next(), characters.next()) {
        (Some('s'), _) => 1 + rest.chars().next().map_or(0, char::len_utf8),
        (Some('t' | 'm' | 'd'), _) => 2,
        (Some('r' | 'v'), Some('e')) | (Some('l'), Some('l')) => 3,
        _ => 0,
    }
}
