//! What is done with a text before it is divided into words.

use std::borrow::Cow;

use serde_json::Value;

use super::charsmap::Charsmap;
use super::parts::{self, Read, Refusal};
use super::pattern::Pattern;
use crate::text::unicode::{NormalForm, is_control, is_ideograph, is_mark, without_accents};

#[derive(Debug, Clone, Default)]
pub(super) struct Normalizer(Vec<Step>);

#[derive(Debug, Clone)]
enum Step {
    Bert(Bert),
    Form(NormalForm),
    Lowercase,
    StripAccents,
    Strip { left: bool, right: bool },
    Replace { pattern: Pattern, content: String },
    Prepend(String),
    Precompiled(Charsmap),
}

#[derive(Debug, Clone)]
struct Bert {
    clean: bool,
    ideographs: bool,
    strip: bool,
    lowercase: bool,
}

impl Normalizer {
    pub(super) fn read(part: &Value) -> Read<Self> {
        let mut steps = Vec::new();
        if !part.is_null() {
            append(part, &mut steps)?;
        }
        Ok(Self(steps))
    }

    pub(super) fn apply<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.0.iter().fold(Cow::Borrowed(text), |text, step| match step.apply(&text) {
            Some(changed) => Cow::Owned(changed),
            None => text,
        })
    }
}

fn append(part: &Value, steps: &mut Vec<Step>) -> Read<()> {
    steps.push(match parts::kind(part)? {
        "Sequence" => return parts::list(part, "normalizers")?.iter().try_for_each(|part| append(part, steps)),
        "BertNormalizer" => {
            let lowercase = parts::flag(part, "lowercase", true)?;
            Step::Bert(Bert {
                clean: parts::flag(part, "clean_text", true)?,
                ideographs: parts::flag(part, "handle_chinese_chars", true)?,
                strip: parts::flag(part, "strip_accents", lowercase)?,
                lowercase,
            })
        }
        kind @ ("NFC" | "NFD" | "NFKC" | "NFKD") => {
            Step::Form(NormalForm { compatibility: kind.contains('K'), composed: kind.ends_with('C') })
        }
        "Lowercase" => Step::Lowercase,
        "StripAccents" => Step::StripAccents,
        "Strip" => Step::Strip {
            left: parts::flag(part, "strip_left", false)?,
            right: parts::flag(part, "strip_right", false)?,
        },
        "Replace" => {
            Step::Replace { pattern: Pattern::read(part)?, content: parts::text(part, "content")?.to_string() }
        }
        "Prepend" => Step::Prepend(parts::text(part, "prepend")?.to_string()),
        "Precompiled" => match Charsmap::read(parts::text(part, "precompiled_charsmap")?) {
            Ok(table) => Step::Precompiled(table),
            Err(message) => return Refusal::malformed(format!("Precompiled: {message}")),
        },
        other => return Err(Refusal::unknown(other)),
    });
    Ok(())
}

impl Step {
    /// The text that becomes of another, if it changes.
    fn apply(&self, text: &str) -> Option<String> {
        Some(match self {
            Self::Bert(bert) => bert.apply(text),
            Self::Form(form) => return form.apply(text),
            Self::StripAccents => text.chars().filter(|c| !is_mark(*c)).collect(),
            Self::Lowercase => text.chars().flat_map(char::to_lowercase).collect(),
            Self::Strip { left, right } => {
                let text = if *left { text.trim_start() } else { text };
                if *right { text.trim_end() } else { text }.to_string()
            }
            Self::Replace { pattern, content } => pattern.replace(text, content),
            Self::Prepend(_) if text.is_empty() => return None,
            Self::Prepend(prefix) => format!("{prefix}{text}"),
            Self::Precompiled(table) => table.apply(text),
        })
    }
}

impl Bert {
    fn apply(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            let c = match c {
                c if self.clean && (is_control(c) || c == char::REPLACEMENT_CHARACTER) => continue,
                c if self.clean && c.is_whitespace() => ' ',
                c => c,
            };
            let apart = self.ideographs && is_ideograph(c);
            if apart {
                out.push(' ');
            }
            let mut keep = |c: char| match self.lowercase {
                true => out.extend(c.to_lowercase()),
                false => out.push(c),
            };
            if self.strip {
                without_accents(c, keep);
            } else {
                keep(c);
            }
            if apart {
                out.push(' ');
            }
        }
        out
    }
}
