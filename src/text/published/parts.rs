//! Reading the parts of a `tokenizer.json`.

use serde_json::Value;

use super::check::cut;
use crate::error::Error;

/// Why a part of a file is not read.
#[derive(Debug)]
pub(in crate::text) enum Refusal {
    /// It is something that this crate does not have.
    Unknown(String),
    /// It is not what the format says.
    Malformed(String),
}

pub(in crate::text) type Read<T> = Result<T, Refusal>;

impl Refusal {
    /// A component that there is not.
    pub(super) fn unknown(kind: &str) -> Self {
        Self::Unknown(format!("there is no `{}` here", cut(kind)))
    }

    pub(super) fn malformed<T>(message: impl Into<String>) -> Read<T> {
        Err(Self::Malformed(message.into()))
    }

    /// The error about a part of the file.
    #[track_caller]
    pub(in crate::text) fn into_error(self, op: &str, part: &str) -> Error {
        match self {
            Self::Unknown(message) => {
                let e = Error::format(op, format!("{part}: {message}"));
                e.with_help("HuggingFaceTokenizer has it: enable the feature `tokenizers`")
            }
            Self::Malformed(message) => Error::format(op, format!("{part}: {message}")),
        }
    }
}

/// A value as messages show it.
fn shown(value: &Value) -> String {
    cut(&value.to_string())
}

fn wrong<T>(part: &Value, name: &str, expected: &str) -> Read<T> {
    let kind = part["type"].as_str().map(|kind| format!("{}: ", cut(kind))).unwrap_or_default();
    match &part[name] {
        Value::Null => Refusal::malformed(format!("{kind}`{name}` is missing, expected {expected}")),
        value => Refusal::malformed(format!("{kind}`{name}` is {}, expected {expected}", shown(value))),
    }
}

/// The name of a component.
pub(super) fn kind(part: &Value) -> Read<&str> {
    match part["type"].as_str() {
        Some(kind) => Ok(kind),
        None => wrong(part, "type", "the name of a component"),
    }
}

pub(super) fn text<'a>(part: &'a Value, name: &str) -> Read<&'a str> {
    part[name].as_str().map_or_else(|| wrong(part, name, "a text"), Ok)
}

/// A text that may be missing; the empty text counts as missing.
pub(super) fn optional_text<'a>(part: &'a Value, name: &str) -> Read<Option<&'a str>> {
    if part[name].is_null() { Ok(None) } else { Ok(Some(text(part, name)?).filter(|text| !text.is_empty())) }
}

pub(super) fn flag(part: &Value, name: &str, default: bool) -> Read<bool> {
    match &part[name] {
        Value::Null => Ok(default),
        Value::Bool(flag) => Ok(*flag),
        _ => wrong(part, name, "true or false"),
    }
}

pub(super) fn number(part: &Value, name: &str) -> Read<usize> {
    let number = part[name].as_u64().and_then(|number| usize::try_from(number).ok());
    number.map_or_else(|| wrong(part, name, "a whole number"), Ok)
}

pub(super) fn character(part: &Value, name: &str) -> Read<char> {
    let mut characters = part[name].as_str().unwrap_or_default().chars();
    match (characters.next(), characters.next()) {
        (Some(c), None) => Ok(c),
        _ => wrong(part, name, "one character"),
    }
}

pub(super) fn list<'a>(part: &'a Value, name: &str) -> Read<&'a [Value]> {
    part[name].as_array().map_or_else(|| wrong(part, name, "a list"), |list| Ok(list.as_slice()))
}

/// When a mark of a space is put before a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// At the beginning of the whole text only.
    First,
    Never,
    /// Before every piece between added tokens.
    Always,
}

/// SentencePiece's way to write spaces.
#[derive(Debug, Clone)]
pub(super) struct Metaspace {
    pub(super) replacement: char,
    pub(super) scheme: Scheme,
    pub(super) split: bool,
}

/// A pre-tokenizer or decoder `Metaspace`, of this or of an earlier version of the format.
pub(super) fn metaspace(part: &Value) -> Read<Metaspace> {
    let scheme = match part["prepend_scheme"].as_str() {
        Some("first") => Scheme::First,
        Some("never") => Scheme::Never,
        Some("always") => Scheme::Always,
        None if part["prepend_scheme"].is_null() => Scheme::Always,
        _ => return wrong(part, "prepend_scheme", "`first`, `never` or `always`"),
    };
    // What earlier versions wrote instead.
    let scheme = match (flag(part, "add_prefix_space", true)?, part["prepend_scheme"].is_null()) {
        (true, _) => scheme,
        (false, true) => Scheme::Never,
        (false, false) if scheme == Scheme::Never => scheme,
        (false, false) => return Refusal::malformed("Metaspace: `add_prefix_space` contradicts `prepend_scheme`"),
    };
    Ok(Metaspace { replacement: character(part, "replacement")?, scheme, split: flag(part, "split", true)? })
}
