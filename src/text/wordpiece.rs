//! BERT's tokenizer.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::saved::{self, BYTE_ORDER_MARK, Stored, in_file, read_text};
use super::tokenizer::{BatchOptions, TokenBatch, Tokenizer, batch, fit_pair, room, truncate};
use super::unicode::{is_control, is_ideograph, is_punctuation, without_accents};
use super::vocabulary::{self, Piece, SavedVocabulary, Vocabulary};
use crate::error::{Error, Result};
use crate::files;
use crate::tensor::Tensor;

const UNKNOWN: &str = "[UNK]";
const BEGIN: &str = "[CLS]";
const END: &str = "[SEP]";
const SPECIAL: [&str; 5] = ["[PAD]", UNKNOWN, BEGIN, END, "[MASK]"];
/// What begins a token that continues a word.
const CONTINUES: &str = "##";

/// WordPiece as in BERT (Devlin et al., 2018): a word is the longest token of the vocabulary that begins it, then the longest
/// that goes on, and so forth; a word that cannot be composed is `[UNK]`.
///
/// Before that, controls are dropped, ideographs and punctuation become words of their own, and, unless the tokenizer is
/// [cased](Self::cased), accents are taken off and letters lower-cased. What was lost by that does not come back in
/// [`decode`](Tokenizer::decode). [`encode`](Tokenizer::encode) puts `[CLS]` before and `[SEP]` behind the text.
///
/// ```
/// use demotic::text::{Tokenizer, WordPieceTokenizer};
///
/// let vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "un", "##want", "##ed", "run", "##ning", ","];
/// let tokenizer = WordPieceTokenizer::new(vocabulary)?;
/// let ids = tokenizer.encode("UNwantéd, running dogs")?;
/// assert_eq!(ids, [2, 4, 5, 6, 9, 7, 8, 1, 3]);
/// assert_eq!(tokenizer.decode_without_special(&ids)?, "unwanted, running");
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct WordPieceTokenizer {
    vocabulary: Vocabulary,
    unknown: u32,
    /// The bytes of the longest token.
    longest: usize,
    options: Options,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Options {
    lowercase: bool,
    strip_accents: Option<bool>,
    separate_ideographs: bool,
    /// Whether `[CLS]` and `[SEP]` stand around texts.
    surround: bool,
    max_word_length: usize,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Saved {
    #[serde(flatten)]
    vocabulary: SavedVocabulary,
    #[serde(flatten)]
    options: Options,
}

/// Two texts as one sequence; see [`WordPieceTokenizer::encode_pair`] and
/// [`PublishedTokenizer::encode_pair`](super::PublishedTokenizer::encode_pair).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PairEncoding {
    /// The ids of both with their special tokens, such as `[CLS] first [SEP] second [SEP]`.
    pub ids: Vec<i64>,
    /// 0 for the first text with its special tokens, 1 for the second.
    pub type_ids: Vec<i64>,
}

impl WordPieceTokenizer {
    /// A tokenizer with the tokens in the order of their ids. Those of `[PAD]`, `[UNK]`, `[CLS]`, `[SEP]` and `[MASK]` that
    /// are there become special tokens.
    ///
    /// # Errors
    /// If a token is there twice, or `[UNK]` is missing.
    #[track_caller]
    pub fn new<T: Into<String>>(tokens: impl IntoIterator<Item = T>) -> Result<Self> {
        Self::from_tokens("new", tokens.into_iter().map(Into::into))
    }

    /// Reads BERT's `vocab.txt`, with one token on each line, in the order of their ids. White space is a part of a token.
    ///
    /// # Errors
    /// If the file cannot be read or is not UTF-8, and as for [`new`](Self::new).
    #[track_caller]
    pub fn from_vocab(path: impl AsRef<Path>) -> Result<Self> {
        let (op, path) = ("from_vocab", path.as_ref());
        let text = read_text(op, path)?;
        in_file(op, path, Self::from_tokens(op, lines(&text).map(String::from)))
    }

    #[track_caller]
    fn from_tokens(op: &str, tokens: impl Iterator<Item = String>) -> Result<Self> {
        let mut vocabulary = Vocabulary::new(op, tokens)?;
        let special: Vec<&str> = SPECIAL.into_iter().filter(|token| vocabulary.id(token).is_some()).collect();
        vocabulary.add_special(op, &special)?;
        let options = Options {
            lowercase: true,
            strip_accents: None,
            separate_ideographs: true,
            surround: true,
            max_word_length: 100,
        };
        Self::with(op, vocabulary, options)
    }

    #[track_caller]
    fn with(op: &str, vocabulary: Vocabulary, options: Options) -> Result<Self> {
        match vocabulary.id(UNKNOWN) {
            Some(unknown) => {
                let longest = vocabulary.tokens().iter().map(String::len).max().unwrap_or(0);
                Ok(Self { vocabulary, unknown, longest, options })
            }
            None => {
                Err(Error::format(op, format!("the vocabulary has no `{UNKNOWN}`, for words that it cannot compose")))
            }
        }
    }

    /// Writes BERT's `vocab.txt`.
    ///
    /// # Errors
    /// If the file cannot be written, or a token has a line break in it, which the format has no way to write.
    #[track_caller]
    pub fn save_vocab(&self, path: impl AsRef<Path>) -> Result<()> {
        let tokens = self.vocabulary.tokens();
        let mut text = String::new();
        if tokens.first().is_some_and(|token| token.starts_with(BYTE_ORDER_MARK)) {
            // The first one is not read.
            text.push(BYTE_ORDER_MARK);
        }
        let start = text.len();
        tokens.iter().for_each(|token| text.extend([token, "\n"]));
        let read = lines(&text[start..]);
        if let Some((token, _)) = tokens.iter().zip(read).find(|(token, line)| token != line) {
            let message = format!("the token `{}` cannot be written into a line", token.escape_debug());
            return Err(Error::format("save_vocab", message));
        }
        files::replace("save_vocab", path.as_ref(), |out| out.write_all(text.as_bytes()))
    }

    /// Keeps capital letters and accents, as the cased models of BERT need it.
    #[must_use]
    pub fn cased(mut self) -> Self {
        self.options.lowercase = false;
        self
    }

    /// Whether accents are taken off. By default they are if letters are lower-cased.
    #[must_use]
    pub fn strip_accents(mut self, strip: bool) -> Self {
        self.options.strip_accents = Some(strip);
        self
    }

    /// Leaves ideographs within the words around them.
    #[must_use]
    #[doc(alias = "tokenize_chinese_chars")]
    pub fn without_separate_ideographs(mut self) -> Self {
        self.options.separate_ideographs = false;
        self
    }

    /// Puts no `[CLS]` and `[SEP]` around texts.
    #[must_use]
    #[doc(alias = "add_special_tokens")]
    pub fn without_special_tokens(mut self) -> Self {
        self.options.surround = false;
        self
    }

    /// Words with more characters are `[UNK]`; 100 by default.
    #[must_use]
    #[doc(alias = "max_input_chars_per_word")]
    pub fn max_word_length(mut self, characters: usize) -> Self {
        self.options.max_word_length = characters;
        self
    }

    /// Two texts as one sequence, `[CLS] first [SEP] second [SEP]`, for tasks on pairs such as question and answer. Beyond
    /// `max_length`, tokens are taken from the end of the longer text.
    ///
    /// # Errors
    /// If the vocabulary lacks `[CLS]` or `[SEP]`, or `max_length` leaves no room for them.
    #[track_caller]
    pub fn encode_pair(&self, first: &str, second: &str, max_length: Option<usize>) -> Result<PairEncoding> {
        let op = "encode_pair";
        let (mut first, mut second) = (self.plain(first), self.plain(second));
        let ends = if self.options.surround { Some(self.ends(op)?) } else { None };
        if let Some(max_length) = max_length {
            fit_pair(&mut first, &mut second, room(op, max_length, if ends.is_some() { 3 } else { 0 })?);
        }
        if let Some((begin, end)) = ends {
            first.insert(0, begin);
            first.push(end);
            second.push(end);
        }
        let type_ids = [vec![0; first.len()], vec![1; second.len()]].concat();
        first.extend(second);
        Ok(PairEncoding { ids: first, type_ids })
    }

    /// Several pairs as tensors: the batch of their ids, and the types, 0 where a row was padded.
    ///
    /// # Errors
    /// As for [`encode_pair`](Self::encode_pair) and [`encode_batch`](Self::encode_batch).
    #[track_caller]
    pub fn encode_pair_batch<A: AsRef<str>, B: AsRef<str>>(
        &self,
        pairs: &[(A, B)],
        options: &BatchOptions,
    ) -> Result<(TokenBatch, Tensor)> {
        let op = "encode_pair_batch";
        let (mut ids, mut types) = (Vec::with_capacity(pairs.len()), Vec::with_capacity(pairs.len()));
        for (first, second) in pairs {
            let pair = self.encode_pair(first.as_ref(), second.as_ref(), options.longest())?;
            ids.push(pair.ids);
            types.push(pair.type_ids);
        }
        let types = batch(op, &types, &options.clone().pad_id(0), None)?.ids;
        Ok((batch(op, &ids, options, self.pad_id())?, types))
    }

    /// The ids of `[CLS]` and `[SEP]`.
    #[track_caller]
    fn ends(&self, op: &'static str) -> Result<(i64, i64)> {
        match (self.id(BEGIN), self.id(END)) {
            (Some(begin), Some(end)) => Ok((begin, end)),
            (begin, _) => {
                let missing = if begin.is_none() { BEGIN } else { END };
                let message = format!("the vocabulary has no `{missing}`, to put around the text");
                Err(Error::state(op, message).with_help("without_special_tokens() puts nothing around texts"))
            }
        }
    }

    /// The ids of a text alone.
    fn plain(&self, text: &str) -> Vec<i64> {
        let mut ids = Vec::new();
        for piece in self.vocabulary.pieces(text) {
            match piece {
                Piece::Special(id) => ids.push(i64::from(id)),
                Piece::Text(_, stretch) => {
                    self.options.words(stretch).iter().for_each(|word| self.append_word(word, &mut ids));
                }
            }
        }
        ids
    }

    fn append_word(&self, word: &str, ids: &mut Vec<i64>) {
        let start = ids.len();
        if word.chars().count() > self.options.max_word_length {
            return ids.push(i64::from(self.unknown));
        }
        let mut from = 0;
        while from < word.len() {
            let mut candidate = String::from(if from == 0 { "" } else { CONTINUES });
            let prefix = candidate.len();
            for c in word[from..].chars() {
                if candidate.len() + c.len_utf8() > self.longest {
                    break;
                }
                candidate.push(c);
            }
            let id = loop {
                if candidate.len() <= prefix {
                    ids.truncate(start);
                    return ids.push(i64::from(self.unknown));
                }
                match self.vocabulary.id(&candidate) {
                    Some(id) => break id,
                    None => _ = candidate.pop(),
                }
            };
            ids.push(i64::from(id));
            from += candidate.len() - prefix;
        }
    }

    /// What a token adds to a text.
    fn shown(&self, token: &str, first: bool) -> String {
        let text = match token.strip_prefix(CONTINUES) {
            _ if first => token.to_string(),
            Some(rest) => rest.to_string(),
            None => format!(" {token}"),
        };
        // No spaces before marks that English writes without.
        match text.as_str() {
            " ." | " ?" | " !" | " ," | " n't" | " 'm" | " 's" | " 've" | " 're" => text[1..].to_string(),
            _ => text,
        }
    }
}

/// The lines of a text, as they are: white space may be a token. Where most lines end in carriage return and line feed, all
/// may.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let returns = text.matches("\r\n").count();
    let strips = returns > text.matches('\n').count() - returns;
    let ended = text.strip_suffix('\n').unwrap_or(text);
    let lines = ended.split('\n').filter(move |_| !text.is_empty());
    lines.map(move |line| line.strip_suffix('\r').filter(|_| strips).unwrap_or(line))
}

impl Options {
    /// The words of a text, cleaned.
    fn words(&self, text: &str) -> Vec<String> {
        let strip = self.strip_accents.unwrap_or(self.lowercase);
        let mut words = Words::default();
        for c in text.chars() {
            if is_control(c) || c == char::REPLACEMENT_CHARACTER {
                // Dropped: the word goes on behind it.
            } else if c.is_whitespace() {
                words.end();
            } else {
                let apart = self.separate_ideographs && is_ideograph(c);
                if apart {
                    words.end();
                }
                let mut keep = |c: char| match self.lowercase {
                    true => c.to_lowercase().for_each(|c| words.push(c)),
                    false => words.push(c),
                };
                if strip {
                    without_accents(c, keep)
                } else {
                    keep(c)
                }
                if apart {
                    words.end();
                }
            }
        }
        words.end();
        words.done
    }
}

/// Words as they arise, character by character.
#[derive(Default)]
struct Words {
    done: Vec<String>,
    current: String,
}

impl Words {
    fn push(&mut self, c: char) {
        if is_punctuation(c) {
            self.end();
            self.done.push(c.into());
        } else {
            self.current.push(c);
        }
    }

    fn end(&mut self) {
        if !self.current.is_empty() {
            self.done.push(std::mem::take(&mut self.current));
        }
    }
}

impl Tokenizer for WordPieceTokenizer {
    #[track_caller]
    fn encode(&self, text: &str) -> Result<Vec<i64>> {
        self.encode_at_most(text, usize::MAX, false)
    }

    #[track_caller]
    fn encode_without_special(&self, text: &str) -> Result<Vec<i64>> {
        Ok(self.plain(text))
    }

    #[track_caller]
    fn encode_at_most(&self, text: &str, max_length: usize, keep_end: bool) -> Result<Vec<i64>> {
        let mut ids = self.plain(text);
        if !self.options.surround {
            truncate(&mut ids, max_length, keep_end);
            return Ok(ids);
        }
        let (begin, end) = self.ends("encode")?;
        truncate(&mut ids, room("encode", max_length, 2)?, keep_end);
        ids.insert(0, begin);
        ids.push(end);
        Ok(ids)
    }

    /// Words with spaces between them, but none before `.`, `,`, `?`, `!` and the contractions of English.
    #[track_caller]
    fn decode(&self, ids: &[i64]) -> Result<String> {
        let mut text = String::new();
        for (at, id) in ids.iter().enumerate() {
            let index = self.vocabulary.index("decode", *id)?;
            text.push_str(&self.shown(&self.vocabulary.tokens()[index], at == 0));
        }
        Ok(text)
    }

    vocabulary::answers!();

    #[track_caller]
    fn token_bytes(&self, id: i64, first: bool) -> Result<Option<Vec<u8>>> {
        let index = self.vocabulary.index("push", id)?;
        Ok(Some(self.shown(&self.vocabulary.tokens()[index], first).into_bytes()))
    }
}

impl Stored for WordPieceTokenizer {
    const KIND: &'static str = "wordpiece";
    type Saved = Saved;

    fn to_saved(&self) -> Saved {
        Saved { vocabulary: self.vocabulary.to_saved(), options: self.options.clone() }
    }

    #[track_caller]
    fn from_saved(op: &str, saved: Saved) -> Result<Self> {
        Self::with(op, Vocabulary::from_saved(op, saved.vocabulary)?, saved.options)
    }
}

saved::save_and_load!(WordPieceTokenizer);
