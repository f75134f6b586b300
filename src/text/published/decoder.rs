//! The decoders of `tokenizer.json`, one token at a time.
//!
//! The reference decodes a list of tokens as a whole. Here each of its decoders takes tokens as they come and gives on what
//! no later token can change, so that text can be shown while it is generated. [`decode`](crate::text::Tokenizer::decode)
//! goes through the same code.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::{Read, Refusal, parts};
use crate::text::decode_stream::{Utf8, fallback_byte};

/// Tokens on their way through a decoder. A token is the text up to its end, which may come in parts.
#[derive(Debug, Clone, PartialEq)]
enum Event {
    Text(String),
    End,
}

/// One of the decoders with what it remembers.
#[derive(Debug, Clone)]
enum Stage {
    /// What is done where there is no decoder: spaces between tokens.
    Join {
        first: bool,
    },
    Bpe {
        suffix: String,
        token: String,
        held: Option<(String, String)>,
    },
    ByteLevel {
        token: String,
        bytes: Utf8,
    },
    WordPiece {
        prefix: String,
        cleans: bool,
        token: String,
        first: bool,
    },
    Metaspace {
        replacement: char,
        prepends: bool,
        first: bool,
    },
    Ctc {
        pad: String,
        delimiter: String,
        cleans: bool,
        token: String,
        previous: Option<String>,
    },
    /// A text by another.
    Replace {
        pattern: String,
        content: String,
        held: String,
    },
    /// Whatever an expression matches, which is known when the token is complete.
    ReplaceRegex {
        rewrite: Arc<dyn Rewrite>,
        token: String,
    },
    Fuse,
    Strip {
        content: char,
        start: usize,
        stop: usize,
        left: usize,
        begun: bool,
        held: usize,
    },
    ByteFallback {
        token: String,
        ordinary: bool,
        bytes: Vec<u8>,
    },
}

/// A pattern that is longer is looked for when the token is complete: it is no pattern of a tokenizer, and looking for parts
/// of it again and again would take long.
const LONGEST_PATTERN: usize = 256;

/// What an expression of a decoder makes of a token.
pub(in crate::text) trait Rewrite: fmt::Debug + Send + Sync {
    fn rewrite(&self, token: &str) -> String;
}

/// Makes a [`Rewrite`] of a decoder `Replace` with an expression.
pub(in crate::text) type Compile<'a> = &'a dyn Fn(&Value) -> Read<Arc<dyn Rewrite>>;

/// The stages of a tokenizer's decoder.
#[derive(Debug, Clone)]
pub(in crate::text) struct Stages(Vec<Stage>);

impl Stages {
    /// The stages of a decoder in a `tokenizer.json`.
    pub(in crate::text) fn new(decoder: &Value, compile: Compile) -> Read<Self> {
        let mut stages = Vec::new();
        match decoder {
            Value::Null => stages.push(Stage::Join { first: true }),
            decoder => append(decoder, compile, &mut stages)?,
        }
        Ok(Self(stages))
    }

    /// A token, or with `None` the end of all.
    pub(in crate::text) fn run(&mut self, token: Option<String>, text: &mut String) {
        let last = token.is_none();
        let mut events = token.map_or_else(Vec::new, |token| vec![Event::Text(token), Event::End]);
        for stage in &mut self.0 {
            if events.is_empty() && !last {
                return;
            }
            events = stage.run(events, last);
        }
        for event in events {
            if let Event::Text(part) = event {
                text.push_str(&part);
            }
        }
    }
}

impl Stages {
    /// The bytes that a token adds to a text behind others; `None` if that depends on those.
    pub(in crate::text) fn bytes(&self, token: &str) -> Option<Vec<u8>> {
        let mut token = token.to_string();
        for stage in &self.0 {
            token = match stage {
                Stage::ByteLevel { .. } => {
                    return Some(
                        crate::text::bpe::written_bytes(&token).map_or_else(|| token.into_bytes(), Into::into),
                    );
                }
                Stage::Join { .. } => format!(" {token}"),
                Stage::Metaspace { replacement, .. } => token.replace(*replacement, " "),
                Stage::Replace { pattern, content, .. } => token.replace(pattern.as_str(), content),
                Stage::ByteFallback { .. } => match fallback_byte(&token) {
                    Some(byte) => return Some(vec![byte]),
                    None => token,
                },
                Stage::WordPiece { prefix, cleans: false, .. } => match token.strip_prefix(prefix.as_str()) {
                    Some(rest) => rest.to_string(),
                    None => format!(" {token}"),
                },
                // What is taken away at the beginning of all.
                Stage::Strip { stop: 0, .. } | Stage::Fuse => token,
                _ => return None,
            };
        }
        Some(token.into_bytes())
    }
}

/// Appends the stages of a decoder.
fn append(decoder: &Value, compile: Compile, stages: &mut Vec<Stage>) -> Read<()> {
    let token = String::new();
    stages.push(match parts::kind(decoder)? {
        "Sequence" => {
            return parts::list(decoder, "decoders")?.iter().try_for_each(|decoder| append(decoder, compile, stages));
        }
        "BPEDecoder" => Stage::Bpe { suffix: parts::text(decoder, "suffix")?.into(), token, held: None },
        "ByteLevel" => Stage::ByteLevel { token, bytes: Utf8::default() },
        "WordPiece" => {
            let (prefix, cleans) = (parts::text(decoder, "prefix")?.into(), parts::flag(decoder, "cleanup", true)?);
            Stage::WordPiece { prefix, cleans, token, first: true }
        }
        "Metaspace" => {
            let space = parts::metaspace(decoder)?;
            Stage::Metaspace {
                replacement: space.replacement,
                prepends: space.scheme != parts::Scheme::Never,
                first: true,
            }
        }
        "CTC" => Stage::Ctc {
            pad: parts::text(decoder, "pad_token")?.into(),
            delimiter: parts::text(decoder, "word_delimiter_token")?.into(),
            cleans: parts::flag(decoder, "cleanup", true)?,
            token,
            previous: None,
        },
        "Replace" => match decoder["pattern"]["String"].as_str() {
            Some(pattern) if (1..=LONGEST_PATTERN).contains(&pattern.len()) => Stage::Replace {
                pattern: pattern.into(),
                content: parts::text(decoder, "content")?.into(),
                held: String::new(),
            },
            _ => Stage::ReplaceRegex { rewrite: compile(decoder)?, token },
        },
        "Fuse" => Stage::Fuse,
        "Strip" => {
            let (start, stop) = (parts::number(decoder, "start")?, parts::number(decoder, "stop")?);
            let content = parts::character(decoder, "content")?;
            Stage::Strip { content, start, stop, left: start, begun: false, held: 0 }
        }
        "ByteFallback" => Stage::ByteFallback { token, ordinary: false, bytes: Vec::new() },
        other => return Err(Refusal::unknown(other)),
    });
    Ok(())
}

/// How the reference mends text that was put together of words: English writes no spaces there.
fn cleanup(text: &str) -> String {
    const PAIRS: [(&str, &str); 11] = [
        (" .", "."),
        (" ?", "?"),
        (" !", "!"),
        (" ,", ","),
        (" ' ", "'"),
        (" n't", "n't"),
        (" 'm", "'m"),
        (" do not", " don't"),
        (" 's", "'s"),
        (" 've", "'ve"),
        (" 're", "'re"),
    ];
    PAIRS.iter().fold(text.to_string(), |text, (from, to)| text.replace(from, to))
}

impl Stage {
    /// Takes events and returns those that are certain with them; with `last`, all that was held back, and is then at the
    /// beginning of another text.
    fn run(&mut self, events: Vec<Event>, last: bool) -> Vec<Event> {
        let mut out = Vec::with_capacity(events.len());
        for event in events {
            match event {
                Event::Text(part) => self.text(part, &mut out),
                Event::End => self.end(&mut out),
            }
        }
        if last {
            self.finish(&mut out);
        }
        out
    }

    /// A part of a token.
    fn text(&mut self, part: String, out: &mut Vec<Event>) {
        match self {
            Self::Join { first } => {
                let space = if *first { "" } else { " " };
                // Without a decoder there is nothing before this that could give a token in parts.
                out.push(Event::Text(format!("{space}{part}")));
            }
            Self::Bpe { token, held, .. } => {
                release(held, out);
                token.push_str(&part);
            }
            Self::ByteLevel { token, .. }
            | Self::WordPiece { token, .. }
            | Self::Ctc { token, .. }
            | Self::ReplaceRegex { token, .. } => token.push_str(&part),
            Self::Metaspace { replacement, prepends, first } => {
                let shown = |c: char| match c == *replacement {
                    true => (!*first || !*prepends).then_some(' '),
                    false => Some(c),
                };
                out.push(Event::Text(part.chars().filter_map(shown).collect()));
            }
            Self::Replace { pattern, content, held } => {
                held.push_str(&part);
                let mut text = String::new();
                let mut from = 0;
                while let Some(at) = held[from..].find(pattern.as_str()) {
                    text.push_str(&held[from..from + at]);
                    text.push_str(content);
                    from += at + pattern.len();
                }
                let open = from + beginning(&held[from..], pattern);
                text.push_str(&held[from..open]);
                held.drain(..open);
                out.push(Event::Text(text));
            }
            Self::Fuse => out.push(Event::Text(part)),
            Self::Strip { content, stop, left, begun, held, .. } => {
                let mut text = String::new();
                for c in part.chars() {
                    if !*begun && c == *content && *left > 0 {
                        *left -= 1;
                        continue;
                    }
                    *begun = true;
                    if c != *content {
                        text.extend(std::iter::repeat_n(*content, std::mem::take(held)));
                        text.push(c);
                    } else if *held < *stop {
                        *held += 1;
                    } else {
                        text.push(c);
                    }
                }
                out.push(Event::Text(text));
            }
            Self::ByteFallback { token, ordinary, bytes } => {
                if *ordinary {
                    return out.push(Event::Text(part));
                }
                token.push_str(&part);
                if token.len() > BYTE_TOKEN || !token.bytes().zip("<0x".bytes()).all(|(a, b)| a == b) {
                    *ordinary = true;
                    end_bytes(bytes, out);
                    out.push(Event::Text(std::mem::take(token)));
                }
            }
        }
    }

    /// The end of a token.
    fn end(&mut self, out: &mut Vec<Event>) {
        match self {
            Self::Join { first } => *first = false,
            Self::Bpe { suffix, token, held } => {
                release(held, out);
                // What stands for the suffix depends on whether another token follows.
                let (before_others, at_end) = (token.replace(suffix.as_str(), " "), token.replace(suffix.as_str(), ""));
                token.clear();
                let pairs = before_others.chars().zip(at_end.chars());
                let certain = pairs.take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
                out.push(Event::Text(at_end[..certain].to_string()));
                *held = Some((before_others[certain..].to_string(), at_end[certain..].to_string()));
                return;
            }
            Self::ByteLevel { token, bytes } => {
                let mut text = String::new();
                let token = std::mem::take(token);
                match crate::text::bpe::written_bytes(&token) {
                    Some(found) => bytes.push(&found, &mut text),
                    None => bytes.push(token.as_bytes(), &mut text),
                }
                out.push(Event::Text(text));
                return;
            }
            Self::WordPiece { prefix, cleans, token, first } => {
                let token = std::mem::take(token);
                let text = match token.strip_prefix(prefix.as_str()) {
                    _ if *first => token,
                    Some(rest) => rest.to_string(),
                    None => format!(" {token}"),
                };
                *first = false;
                out.push(Event::Text(if *cleans { cleanup(&text) } else { text }));
            }
            Self::Metaspace { first, .. } => *first = false,
            Self::Ctc { pad, delimiter, cleans, token, previous } => {
                let token = std::mem::take(token);
                if previous.as_deref() == Some(token.as_str()) {
                    return;
                }
                let mut text = token.replace(pad.as_str(), "");
                if *cleans {
                    text = cleanup(&text).replace(delimiter.as_str(), " ");
                }
                *previous = Some(token);
                if text.is_empty() {
                    return;
                }
                out.push(Event::Text(text));
            }
            Self::Replace { held, .. } => out.push(Event::Text(std::mem::take(held))),
            Self::ReplaceRegex { rewrite, token } => {
                out.push(Event::Text(rewrite.rewrite(&std::mem::take(token))));
            }
            Self::Fuse => return,
            Self::Strip { start, left, begun, held, .. } => (*left, *begun, *held) = (*start, false, 0),
            Self::ByteFallback { token, ordinary, bytes } => {
                let token = std::mem::take(token);
                if !std::mem::take(ordinary) {
                    if let Some(byte) = fallback_byte(&token) {
                        return bytes.push(byte);
                    }
                    end_bytes(bytes, out);
                    out.push(Event::Text(token));
                }
            }
        }
        out.push(Event::End);
    }

    /// The end of all tokens.
    fn finish(&mut self, out: &mut Vec<Event>) {
        match self {
            Self::Join { first } | Self::WordPiece { first, .. } | Self::Metaspace { first, .. } => *first = true,
            Self::Bpe { held, .. } => {
                if let Some((_, at_end)) = held.take() {
                    out.extend([Event::Text(at_end), Event::End]);
                }
            }
            Self::ByteLevel { bytes, .. } => {
                let mut text = String::new();
                bytes.finish(&mut text);
                out.extend([Event::Text(text), Event::End]);
            }
            Self::Ctc { previous, .. } => *previous = None,
            Self::Fuse => out.push(Event::End),
            Self::ByteFallback { bytes, .. } => end_bytes(bytes, out),
            Self::Replace { .. } | Self::ReplaceRegex { .. } | Self::Strip { .. } => {}
        }
    }
}

/// The length of `<0x0A>`.
const BYTE_TOKEN: usize = 6;

/// The end of a run of bytes: a text if all of it is UTF-8, and otherwise a mark for each byte.
fn end_bytes(bytes: &mut Vec<u8>, out: &mut Vec<Event>) {
    if bytes.is_empty() {
        return;
    }
    match String::from_utf8(std::mem::take(bytes)) {
        Ok(text) => out.extend([Event::Text(text), Event::End]),
        Err(e) => {
            for _ in e.as_bytes() {
                out.extend([Event::Text(char::REPLACEMENT_CHARACTER.into()), Event::End]);
            }
        }
    }
}

/// The end of a token that was not the last one.
fn release(held: &mut Option<(String, String)>, out: &mut Vec<Event>) {
    if let Some((before_others, _)) = held.take() {
        out.extend([Event::Text(before_others), Event::End]);
    }
}

/// Where the longest beginning of a pattern is that ends a text in which the pattern does not occur.
fn beginning(text: &str, pattern: &str) -> usize {
    let first = text.len().saturating_sub(pattern.len() - 1);
    (first..text.len())
        .find(|at| text.is_char_boundary(*at) && pattern.as_bytes().starts_with(&text.as_bytes()[*at..]))
        .unwrap_or(text.len())
}
