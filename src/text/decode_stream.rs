//! Text that appears while its tokens are being generated.

use std::collections::HashSet;
use std::fmt;

use super::tokenizer::Tokenizer;
use crate::error::{Here, Result};

/// Decodes token by token: [`push`](Self::push) returns the text that no later token can change.
///
/// With byte-level tokens, a character may come in several of them; it is returned with the last one. Tokenizers with byte
/// fallback, as Llama's, decode a run of single bytes as a whole, so it is returned when it has ended. What is returned, put
/// together, is the text that [`decode`](Tokenizer::decode) gives for all ids at once.
///
/// ```
/// use demotic::text::{BpeTokenizer, Tokenizer};
///
/// let tokenizer = BpeTokenizer::bytes(); // one token for each byte
/// let mut stream = tokenizer.decode_stream();
/// let mut shown = Vec::new();
/// for id in tokenizer.encode("é!")? {
///     shown.push(stream.push(id)?);
/// }
/// assert_eq!(shown, ["", "é", "!"]);
/// assert_eq!(stream.finish(), "");
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug)]
pub struct DecodeStream<'a> {
    tokenizer: &'a dyn Tokenizer,
    decoder: Option<Box<dyn TokenDecoder + 'a>>,
    /// Bytes that may be the beginning of a character.
    pending: Utf8,
    first: bool,
    window: Window,
    /// Ids that are left out.
    skipped: HashSet<i64>,
}

/// The decoder of one text, which takes a token at a time: what a [`DecodeStream`] asks a tokenizer for, if what a token adds
/// to a text depends on more than the token.
///
/// After all tokens and [`finish`](Self::finish), what was appended to `text` must be the text that
/// [`decode`](Tokenizer::decode) gives for all ids.
pub trait TokenDecoder: fmt::Debug + Send + Sync {
    /// Takes the next token, and appends to `text` what no later token can change.
    ///
    /// # Errors
    /// If the id is not in the vocabulary. The decoder can be used on.
    #[track_caller]
    fn push(&mut self, id: i64, text: &mut String) -> Result<()>;

    /// Appends what was held back. The decoder is then at the beginning of another text.
    fn finish(&mut self, text: &mut String);
}

impl<'a> DecodeStream<'a> {
    /// A stream at the beginning of a text.
    #[must_use]
    pub fn new(tokenizer: &'a dyn Tokenizer) -> Self {
        let (pending, window) = (Utf8::default(), Window::default());
        Self { tokenizer, decoder: tokenizer.token_decoder(), pending, first: true, window, skipped: HashSet::new() }
    }

    /// Leaves the special tokens out, as [`decode_without_special`](Tokenizer::decode_without_special) does.
    #[must_use]
    #[doc(alias = "skip_special_tokens")]
    pub fn without_special(mut self) -> Self {
        self.skipped = self.tokenizer.special_tokens().into_iter().map(|(_, id)| id).collect();
        self
    }

    /// Appends a token, and returns the text that is certain with it and was not returned before. It may be empty.
    ///
    /// # Errors
    /// If the id is not in the vocabulary. The stream can be used on.
    #[track_caller]
    pub fn push(&mut self, id: i64) -> Result<String> {
        let mut text = String::new();
        if self.skipped.contains(&id) {
            return Ok(text);
        }
        if let Some(decoder) = &mut self.decoder {
            decoder.push(id, &mut text).here()?;
            return Ok(text);
        }
        match self.tokenizer.token_bytes(id, self.first).here()? {
            Some(bytes) => {
                self.first = false;
                self.pending.push(&bytes, &mut text);
                Ok(text)
            }
            None => self.window.push(self.tokenizer, id),
        }
    }

    /// Ends the text, and returns what was held back: bytes that wait for the end of a character become U+FFFD. The stream
    /// is then at the beginning of another text.
    pub fn finish(&mut self) -> String {
        let mut rest = String::new();
        if let Some(decoder) = &mut self.decoder {
            decoder.finish(&mut rest);
        }
        self.pending.finish(&mut rest);
        rest.push_str(&self.window.finish(self.tokenizer));
        self.first = true;
        rest
    }
}

/// Bytes that become text as soon as their characters are complete.
#[derive(Debug, Clone, Default)]
pub(super) struct Utf8(Vec<u8>);

impl Utf8 {
    /// Appends bytes, and to `text` all that is complete; what is no UTF-8 as [`String::from_utf8_lossy`] does it.
    pub(super) fn push(&mut self, bytes: &[u8], text: &mut String) {
        let Self(pending) = self;
        pending.extend_from_slice(bytes);
        let mut from = 0;
        loop {
            match std::str::from_utf8(&pending[from..]) {
                Ok(rest) => {
                    text.push_str(rest);
                    return pending.clear();
                }
                Err(e) => {
                    let valid = from + e.valid_up_to();
                    text.push_str(&String::from_utf8_lossy(&pending[from..valid]));
                    let Some(length) = e.error_len() else {
                        pending.drain(..valid);
                        return;
                    };
                    text.push(char::REPLACEMENT_CHARACTER);
                    from = valid + length;
                }
            }
        }
    }

    /// Appends the beginning of a character whose end did not come.
    pub(super) fn finish(&mut self, text: &mut String) {
        text.push_str(&String::from_utf8_lossy(&std::mem::take(&mut self.0)));
    }
}

/// For tokenizers of other crates, of which nothing is known but what `decode` gives: the latest ids, and how many bytes of
/// their text were returned.
#[derive(Debug, Default)]
struct Window {
    ids: Vec<i64>,
    returned: usize,
}

/// All but these are dropped from a window: enough for whatever the beginning of a text does differently.
const CONTEXT: usize = 8;

/// The most marks of replacement at the end of a text that a further token may turn into a character.
const OPEN: usize = 3;

impl Window {
    #[track_caller]
    fn push(&mut self, tokenizer: &dyn Tokenizer, id: i64) -> Result<String> {
        if is_byte(tokenizer, id) {
            // The text of a run of bytes is certain when the run has ended.
            tokenizer.decode(&[id]).here()?;
            self.ids.push(id);
            return Ok(String::new());
        }
        self.ids.push(id);
        let text = match tokenizer.decode(&self.ids).here() {
            Ok(text) => text,
            Err(e) => {
                self.ids.pop();
                return Err(e);
            }
        };
        let open = text.chars().rev().take(OPEN).take_while(|c| *c == char::REPLACEMENT_CHARACTER).count();
        let end = text.len() - open * char::REPLACEMENT_CHARACTER.len_utf8();
        let new = text.get(self.returned..end).unwrap_or("").to_string();
        self.returned = self.returned.max(end);
        if self.ids.len() > 2 * CONTEXT {
            self.shorten(tokenizer, &text, new.is_empty())?;
        }
        Ok(new)
    }

    /// Drops ids from the front if what is left decodes to the end of the same text.
    #[track_caller]
    fn shorten(&mut self, tokenizer: &dyn Tokenizer, text: &str, nothing_new: bool) -> Result<()> {
        let mut start = self.ids.len() - CONTEXT;
        while start > 0 && is_byte(tokenizer, self.ids[start]) {
            start -= 1;
        }
        let kept = tokenizer.decode(&self.ids[start..]).here()?;
        let held = text.get(self.returned..).unwrap_or("");
        let begins = kept.len() == held.len() && self.returned > 0;
        if !begins && kept.ends_with(held) {
            self.returned = kept.len() - held.len();
            self.ids.drain(..start);
        } else if nothing_new && self.ids.len() > 8 * CONTEXT {
            // What comes after the rest would look like the beginning of the text, so the rest is not enough. A token that
            // adds nothing need not stay, so that many of them (padding) do not make the window long.
            self.ids.pop();
        }
        Ok(())
    }

    fn finish(&mut self, tokenizer: &dyn Tokenizer) -> String {
        let Self { ids, returned } = std::mem::take(self);
        if ids.is_empty() {
            return String::new();
        }
        // All ids of the window were decoded when they came, so they can be decoded now.
        tokenizer.decode(&ids).ok().and_then(|text| text.get(returned..).map(String::from)).unwrap_or_default()
    }
}

/// Whether a token is written as byte fallback writes single bytes, `<0x0A>`.
fn is_byte(tokenizer: &dyn Tokenizer, id: i64) -> bool {
    tokenizer.token(id).is_some_and(|token| fallback_byte(&token).is_some())
}

/// The byte that a token of byte fallback stands for.
pub(super) fn fallback_byte(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>').filter(|digits| digits.len() == 2)?;
    u8::from_str_radix(digits, 16).ok()
}
