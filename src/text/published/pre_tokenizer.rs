//! How a text is divided into the words that the model divides further.

use serde_json::Value;

use super::parts::{self, Metaspace, Read, Refusal, Scheme};
use super::pattern::Pattern;
use crate::text::unicode::is_punctuation;

#[derive(Debug, Clone, Default)]
pub(super) struct PreTokenizer {
    steps: Vec<Step>,
    /// Whether the model gets characters that stand for bytes.
    pub(super) byte_level: bool,
}

#[derive(Debug, Clone)]
enum Step {
    Split {
        pattern: Pattern,
        behavior: Behavior,
        invert: bool,
    },
    /// By single characters of a kind.
    Characters {
        is_one: fn(char) -> bool,
        behavior: Behavior,
    },
    Delimiter(char),
    Space,
    Metaspace(Metaspace),
}

/// What becomes of the stretches of a text that match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behavior {
    Removed,
    Isolated,
    MergedWithPrevious,
    MergedWithNext,
    /// Stretches that match and follow each other are one, and so are those that do not.
    Contiguous,
}

impl PreTokenizer {
    pub(super) fn read(part: &Value) -> Read<Self> {
        let mut found = Self::default();
        if !part.is_null() {
            found.append(part)?;
        }
        Ok(found)
    }

    fn append(&mut self, part: &Value) -> Read<()> {
        let kind = parts::kind(part)?;
        if kind != "Sequence" && self.byte_level {
            return Err(Refusal::Unknown(format!("`{kind}` behind `ByteLevel` is not done here")));
        }
        let step = match kind {
            "Sequence" => {
                return parts::list(part, "pretokenizers")?.iter().try_for_each(|part| self.append(part));
            }
            "ByteLevel" => {
                self.byte_level = true;
                if parts::flag(part, "add_prefix_space", true)? {
                    self.steps.push(Step::Space);
                }
                if !parts::flag(part, "use_regex", true)? {
                    return Ok(());
                }
                Step::Split { pattern: Pattern::words(), behavior: Behavior::Isolated, invert: false }
            }
            "Split" => Step::Split {
                pattern: Pattern::read(part)?,
                behavior: behavior(part)?,
                invert: parts::flag(part, "invert", false)?,
            },
            "Digits" => {
                let each = parts::flag(part, "individual_digits", false)?;
                let behavior = if each { Behavior::Isolated } else { Behavior::Contiguous };
                Step::Characters { is_one: char::is_numeric, behavior }
            }
            "Punctuation" => {
                let behavior = if part["behavior"].is_null() { Behavior::Isolated } else { behavior(part)? };
                Step::Characters { is_one: is_punctuation, behavior }
            }
            "BertPreTokenizer" => {
                self.steps.push(Step::Characters { is_one: char::is_whitespace, behavior: Behavior::Removed });
                Step::Characters { is_one: is_punctuation, behavior: Behavior::Isolated }
            }
            "Whitespace" => Step::Split {
                pattern: Pattern::alternatives(r"\w+|[^\w\s]+")?,
                behavior: Behavior::Removed,
                invert: true,
            },
            "WhitespaceSplit" => Step::Characters { is_one: char::is_whitespace, behavior: Behavior::Removed },
            "CharDelimiterSplit" => Step::Delimiter(parts::character(part, "delimiter")?),
            "Metaspace" => Step::Metaspace(parts::metaspace(part)?),
            other => return Err(Refusal::unknown(other)),
        };
        self.steps.push(step);
        Ok(())
    }

    /// Calls `emit` with the words of a piece, which stands at the beginning of the text or not. None of them is empty.
    pub(super) fn words(&self, piece: &str, first: bool, emit: &mut dyn FnMut(&str)) {
        run(&self.steps, piece, first, emit);
    }
}

fn behavior(part: &Value) -> Read<Behavior> {
    Ok(match parts::text(part, "behavior")? {
        "Removed" => Behavior::Removed,
        "Isolated" => Behavior::Isolated,
        "MergedWithPrevious" => Behavior::MergedWithPrevious,
        "MergedWithNext" => Behavior::MergedWithNext,
        "Contiguous" => Behavior::Contiguous,
        other => return Err(Refusal::unknown(other)),
    })
}

fn run(steps: &[Step], piece: &str, first: bool, emit: &mut dyn FnMut(&str)) {
    match steps.split_first() {
        _ if piece.is_empty() => {}
        None => emit(piece),
        Some((step, rest)) => step.run(piece, first, &mut |piece, first| run(rest, piece, first, emit)),
    }
}

impl Step {
    fn run(&self, piece: &str, first: bool, emit: &mut dyn FnMut(&str, bool)) {
        match self {
            Self::Split { pattern, behavior, invert } => {
                let mut at = 0;
                let mut pending = None;
                let mut next = || {
                    if let Some(found) = pending.take() {
                        return Some(found);
                    }
                    let from = at;
                    let (start, end) = match pattern.find(piece, from) {
                        Some(found) => found,
                        None if from == piece.len() => return None,
                        None => (piece.len(), piece.len()),
                    };
                    at = end;
                    if start == from {
                        return Some((start, end, !*invert));
                    }
                    pending = (start < end).then_some((start, end, !*invert));
                    Some((from, start, *invert))
                };
                divide(piece, first, *behavior, &mut next, emit);
            }
            Self::Characters { is_one, behavior } => by_characters(piece, first, *behavior, is_one, emit),
            Self::Delimiter(delimiter) => by_characters(piece, first, Behavior::Removed, &|c| c == *delimiter, emit),
            Self::Space if piece.starts_with(' ') => emit(piece, first),
            Self::Space => emit(&format!(" {piece}"), first),
            Self::Metaspace(space) => {
                let mark = space.replacement;
                let mut text = piece.replace(' ', mark.encode_utf8(&mut [0; 4]));
                let prepends = match space.scheme {
                    Scheme::Always => true,
                    Scheme::First => first,
                    Scheme::Never => false,
                };
                if prepends && !text.starts_with(mark) {
                    text.insert(0, mark);
                }
                if space.split {
                    by_characters(&text, first, Behavior::MergedWithNext, &|c| c == mark, emit);
                } else {
                    emit(&text, first);
                }
            }
        }
    }
}

/// Divides at each character of a kind.
fn by_characters(
    piece: &str,
    first: bool,
    behavior: Behavior,
    is_one: &dyn Fn(char) -> bool,
    emit: &mut dyn FnMut(&str, bool),
) {
    let mut at = 0;
    let mut next = || {
        let from = at;
        let c = piece[from..].chars().next()?;
        at += c.len_utf8();
        let matches = is_one(c);
        if !matches {
            at = piece[at..].find(is_one).map_or(piece.len(), |found| at + found);
        }
        Some((from, at, matches))
    };
    divide(piece, first, behavior, &mut next, emit);
}

/// Puts the stretches of a piece, that match or do not, together as the behavior says.
fn divide(
    piece: &str,
    first: bool,
    behavior: Behavior,
    next: &mut dyn FnMut() -> Option<(usize, usize, bool)>,
    emit: &mut dyn FnMut(&str, bool),
) {
    // The stretch that is not given on yet, and whether what was put to it last matches.
    let (mut start, mut end, mut previous) = (0, 0, None::<bool>);
    while let Some((from, to, matches)) = next() {
        let joins = match (behavior, previous) {
            (_, None) | (Behavior::Removed | Behavior::Isolated, _) => false,
            (Behavior::MergedWithPrevious, Some(previous)) => matches && !previous,
            (Behavior::MergedWithNext, Some(previous)) => previous && !matches,
            (Behavior::Contiguous, Some(previous)) => matches == previous,
        };
        let removed = behavior == Behavior::Removed && previous == Some(true);
        if !joins {
            if start < end && !removed {
                emit(&piece[start..end], first && start == 0);
            }
            start = from;
        }
        (end, previous) = (to, Some(matches));
    }
    if start < end && !(behavior == Behavior::Removed && previous == Some(true)) {
        emit(&piece[start..end], first && start == 0);
    }
}
