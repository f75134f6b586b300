//! The decoders of `tokenizer.json`, one token at a time.
//!
//! The `tokenizers` crate decodes a list of tokens as a whole. Here each of its decoders takes tokens as they come and gives
//! on what no later token can change, so that text can be shown while it is generated. [`decode`](super::Tokenizer::decode)
//! goes through the same code.

use std::sync::Arc;

use tokenizers::Decoder;
use tokenizers::decoders::DecoderWrapper;
use tokenizers::decoders::ctc::CTC;
use tokenizers::decoders::wordpiece::cleanup;
use tokenizers::normalizers::Replace;
use tokenizers::pre_tokenizers::metaspace::PrependScheme;

use super::{HuggingFaceTokenizer, contained};
use crate::error::{Error, Result};
use crate::text::decode_stream::{TokenDecoder, Utf8, fallback_byte};

/// Tokens on their way through a decoder. A token is the text up to its end, which may come in parts.
#[derive(Debug, Clone, PartialEq)]
enum Event {
    Text(String),
    End,
}

/// One of the crate's decoders with what it remembers.
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
        ctc: CTC,
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
        replace: Arc<Replace>,
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

/// The stages of a tokenizer's decoder.
#[derive(Debug, Clone)]
pub(super) struct Stages(Vec<Stage>);

impl Stages {
    #[track_caller]
    pub(super) fn new(op: &str, decoder: Option<&DecoderWrapper>) -> Result<Self> {
        let mut stages = Vec::new();
        match decoder {
            Some(decoder) => append(op, decoder, &mut stages)?,
            None => stages.push(Stage::Join { first: true }),
        }
        Ok(Self(stages))
    }

    /// A token, or with `None` the end of all.
    fn run(&mut self, token: Option<String>, text: &mut String) {
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

/// Appends the stages of a decoder.
#[track_caller]
fn append(op: &str, decoder: &DecoderWrapper, stages: &mut Vec<Stage>) -> Result<()> {
    let token = String::new();
    stages.push(match decoder {
        DecoderWrapper::Sequence(sequence) => {
            return sequence.get_decoders().iter().try_for_each(|decoder| append(op, decoder, stages));
        }
        DecoderWrapper::BPE(bpe) => Stage::Bpe { suffix: bpe.suffix.clone(), token, held: None },
        DecoderWrapper::ByteLevel(_) => Stage::ByteLevel { token, bytes: Utf8::default() },
        DecoderWrapper::WordPiece(pieces) => {
            Stage::WordPiece { prefix: pieces.prefix.clone(), cleans: pieces.cleanup, token, first: true }
        }
        DecoderWrapper::Metaspace(space) => {
            let prepends = space.get_prepend_scheme() != PrependScheme::Never;
            Stage::Metaspace { replacement: space.get_replacement(), prepends, first: true }
        }
        DecoderWrapper::CTC(ctc) => Stage::Ctc { ctc: ctc.clone(), token, previous: None },
        DecoderWrapper::Replace(replace) => match literal(op, replace)? {
            Some(pattern) if (1..=LONGEST_PATTERN).contains(&pattern.len()) => {
                Stage::Replace { pattern, content: replace.content.clone(), held: String::new() }
            }
            _ => Stage::ReplaceRegex { replace: Arc::new(replace.clone()), token },
        },
        DecoderWrapper::Fuse(_) => Stage::Fuse,
        DecoderWrapper::Strip(strip) => Stage::Strip {
            content: strip.content,
            start: strip.start,
            stop: strip.stop,
            left: strip.start,
            begun: false,
            held: 0,
        },
        DecoderWrapper::ByteFallback(_) => Stage::ByteFallback { token, ordinary: false, bytes: Vec::new() },
    });
    Ok(())
}

/// The text that a decoder looks for, if it is no expression.
#[track_caller]
fn literal(op: &str, replace: &Replace) -> Result<Option<String>> {
    match serde_json::to_value(replace) {
        Ok(value) => Ok(value["pattern"]["String"].as_str().map(String::from)),
        Err(e) => Err(Error::format(op, format!("decoder: {e}")).with_source(e)),
    }
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
            Self::Ctc { ctc, token, previous } => {
                let token = std::mem::take(token);
                if previous.as_deref() == Some(token.as_str()) {
                    return;
                }
                let mut text = token.replace(&ctc.pad_token, "");
                if ctc.cleanup {
                    text = cleanup(&text).replace(&ctc.word_delimiter_token, " ");
                }
                *previous = Some(token);
                if text.is_empty() {
                    return;
                }
                out.push(Event::Text(text));
            }
            Self::Replace { held, .. } => out.push(Event::Text(std::mem::take(held))),
            Self::ReplaceRegex { replace, token } => {
                let token = std::mem::take(token);
                let parts = replace.decode_chain(vec![token.clone()]);
                out.push(Event::Text(parts.map_or(token, |parts| parts.concat())));
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

/// A tokenizer's decoder in the middle of a text.
#[derive(Debug)]
pub(super) struct HuggingFaceDecoder<'a> {
    tokenizer: &'a HuggingFaceTokenizer,
    stages: Stages,
}

impl<'a> HuggingFaceDecoder<'a> {
    pub(super) fn new(tokenizer: &'a HuggingFaceTokenizer) -> Self {
        Self { tokenizer, stages: tokenizer.stages.clone() }
    }

    /// Takes a token for the operation `op`.
    #[track_caller]
    pub(super) fn take(&mut self, op: &'static str, id: i64, text: &mut String) -> Result<()> {
        let token = self.tokenizer.decoded_token(op, id)?;
        contained(op, "decoder", || self.stages.run(Some(token), text))
    }

    /// Appends what was held back.
    #[track_caller]
    pub(super) fn end(&mut self, op: &'static str, text: &mut String) -> Result<()> {
        contained(op, "decoder", || self.stages.run(None, text))
    }
}

impl TokenDecoder for HuggingFaceDecoder<'_> {
    #[track_caller]
    fn push(&mut self, id: i64, text: &mut String) -> Result<()> {
        self.take("push", id, text)
    }

    fn finish(&mut self, text: &mut String) {
        // Only an expression of the file can fail, in a way that `decode` reports; there is then no text to return.
        let _ = self.end("finish", text);
    }
}
