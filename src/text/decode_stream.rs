//! Text that appears while its tokens are being generated.

use super::tokenizer::Tokenizer;
use crate::error::Result;

/// Decodes token by token: [`push`](Self::push) returns the text that has become complete.
///
/// With byte-level tokens, a character may come in several of them; it is returned with the last one. What is returned,
/// put together, is the text that [`decode`](Tokenizer::decode) gives for all ids at once.
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
    /// Bytes that may be the beginning of a character.
    pending: Vec<u8>,
    first: bool,
    /// For tokenizers whose tokens have no bytes of their own: the latest ids, and how many bytes of their text were
    /// returned.
    window: Vec<i64>,
    returned: usize,
}

/// When a window has no open character, all but these are dropped from it: enough for whatever the beginning of a text
/// does differently.
const CONTEXT: usize = 8;

/// The most marks of replacement at the end of a text that a further token may turn into a character.
const OPEN: usize = 3;

impl<'a> DecodeStream<'a> {
    /// A stream at the beginning of a text.
    #[must_use]
    pub fn new(tokenizer: &'a dyn Tokenizer) -> Self {
        Self { tokenizer, pending: Vec::new(), first: true, window: Vec::new(), returned: 0 }
    }

    /// Appends a token, and returns the text that is complete with it and was not returned before. It may be empty.
    ///
    /// # Errors
    /// If the id is not in the vocabulary. The stream can be used on.
    #[track_caller]
    pub fn push(&mut self, id: i64) -> Result<String> {
        match self.tokenizer.token_bytes(id, self.first)? {
            Some(bytes) => {
                self.first = false;
                self.pending.extend(bytes);
                Ok(complete(&mut self.pending))
            }
            None => self.push_to_window(id),
        }
    }

    /// Ends the text, and returns what was held back: the beginning of a character whose end did not come, as U+FFFD.
    /// The stream is then at the beginning of another text.
    pub fn finish(&mut self) -> String {
        let mut rest = String::from_utf8_lossy(&self.pending).into_owned();
        // All ids of the window were decoded when they came, so they can be decoded now.
        if let Ok(text) = self.tokenizer.decode(&self.window) {
            rest.push_str(text.get(self.returned..).unwrap_or(""));
        }
        *self = Self::new(self.tokenizer);
        rest
    }

    #[track_caller]
    fn push_to_window(&mut self, id: i64) -> Result<String> {
        self.window.push(id);
        let text = match self.tokenizer.decode(&self.window) {
            Ok(text) => text,
            Err(e) => {
                self.window.pop();
                return Err(e);
            }
        };
        let open = text.chars().rev().take(OPEN).take_while(|c| *c == char::REPLACEMENT_CHARACTER).count();
        let end = text.len() - open * char::REPLACEMENT_CHARACTER.len_utf8();
        let new = text.get(self.returned..end).unwrap_or("").to_string();
        self.returned = self.returned.max(end);
        if open == 0 && self.window.len() > 2 * CONTEXT {
            let kept = self.window.split_off(self.window.len() - CONTEXT);
            let text = self.tokenizer.decode(&kept)?;
            if text.is_empty() {
                // What comes next would look like the beginning of the text.
                self.window.extend(kept);
            } else {
                (self.window, self.returned) = (kept, text.len());
            }
        }
        Ok(new)
    }
}

/// Takes the text from the front of `bytes` and leaves only what may be the beginning of a character.
fn complete(bytes: &mut Vec<u8>) -> String {
    let (mut text, mut from) = (String::new(), 0);
    loop {
        match std::str::from_utf8(&bytes[from..]) {
            Ok(rest) => {
                text.push_str(rest);
                bytes.clear();
                return text;
            }
            Err(e) => {
                let valid = from + e.valid_up_to();
                text.push_str(&String::from_utf8_lossy(&bytes[from..valid]));
                let Some(length) = e.error_len() else {
                    bytes.drain(..valid);
                    return text;
                };
                text.push(char::REPLACEMENT_CHARACTER);
                from = valid + length;
            }
        }
    }
}
