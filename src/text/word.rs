//! One token for each word, as in Keras.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::decode_stream::TokenDecoder;
use super::saved::{self, Stored};
use super::tokenizer::Tokenizer;
use super::unicode::is_unspaced;
use crate::error::{Error, Result};

/// Keras' default: the punctuation of ASCII without the apostrophe, tab and line feed.
const FILTERS: &str = "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n";

/// One token for each word, the more frequent the lower its id: the semantics of Keras' `Tokenizer`.
///
/// Id 0 is reserved for padding. Words are lowercased and split at spaces, after
/// [filtered characters](Self::filters) were replaced by spaces. A word that is not in the vocabulary is left out, unless
/// there is an [`oov_token`](Self::oov_token).
///
/// **Chinese and Japanese** text has no spaces, and Keras would make one token of a sentence. Here each of its characters
/// is a word, and there are no spaces around it when sequences become texts; [`segment_cjk(false)`](Self::segment_cjk) turns
/// that off.
///
/// ```
/// use demotic::text::WordTokenizer;
///
/// let mut tokenizer = WordTokenizer::new().num_words(4).oov_token("<oov>");
/// tokenizer.fit_on_texts(["The cat sat.", "The cat, the hat!"])?;
/// assert_eq!(tokenizer.word_index("the"), Some(2)); // after <oov>
/// let sequences = tokenizer.texts_to_sequences(["the hat sat on the cat"])?;
/// assert_eq!(sequences, [[2, 1, 1, 1, 2, 3]]); // only ids below 4
/// assert_eq!(tokenizer.sequences_to_texts(&sequences)?, ["the <oov> <oov> <oov> the cat"]);
///
/// let mut tokenizer = WordTokenizer::new();
/// tokenizer.fit_on_texts(["人工智能将改变我们的生活。"])?;
/// assert_eq!(tokenizer.texts_to_sequences(["改变生活。"])?[0].len(), 5);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct WordTokenizer {
    options: Options,
    /// In the order of their first appearance.
    counts: Vec<WordCount>,
    places: HashMap<String, usize>,
    document_count: u64,
    /// Words by id, the first of which is 1. `None` for an out-of-vocabulary token that is a word as well: the word's id
    /// counts.
    words: Vec<Option<String>>,
    index: HashMap<String, i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Options {
    num_words: Option<usize>,
    filters: String,
    lower: bool,
    split: String,
    char_level: bool,
    oov_token: Option<String>,
    segment_cjk: bool,
}

/// How often a word occurred.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WordCount {
    /// The word.
    pub word: String,
    /// How often it occurred in all texts.
    pub count: u64,
    /// In how many texts it occurred.
    pub documents: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Saved {
    #[serde(flatten)]
    options: Options,
    document_count: u64,
    words: Vec<WordCount>,
}

impl Default for WordTokenizer {
    fn default() -> Self {
        let options = Options {
            num_words: None,
            filters: FILTERS.to_string(),
            lower: true,
            split: " ".to_string(),
            char_level: false,
            oov_token: None,
            segment_cjk: true,
        };
        Self {
            options,
            counts: Vec::new(),
            places: HashMap::new(),
            document_count: 0,
            words: Vec::new(),
            index: HashMap::new(),
        }
    }
}

impl WordTokenizer {
    /// A tokenizer without words. Choose its options, then [fit](Self::fit_on_texts) it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Uses only ids below this number, those of the most frequent words: `num_words - 1` words, since 0 is not one. By
    /// default, and with 0, all words are used.
    #[must_use]
    pub fn num_words(mut self, num_words: usize) -> Self {
        self.options.num_words = Some(num_words).filter(|n| *n > 0);
        self
    }

    /// The characters that are replaced by [`split`](Self::split): by default
    /// ``!"#$%&()*+,-./:;<=>?@[\]^_`{|}~``, tab and line feed.
    #[must_use]
    pub fn filters(mut self, characters: &str) -> Self {
        self.options.filters = characters.to_string();
        self
    }

    /// Whether texts are lower-cased, as they are by default.
    #[must_use]
    pub fn lower(mut self, lower: bool) -> Self {
        self.options.lower = lower;
        self
    }

    /// What stands between words, a space by default.
    #[must_use]
    pub fn split(mut self, split: &str) -> Self {
        self.options.split = split.to_string();
        self
    }

    /// Whether every character is a word. Nothing is filtered then.
    #[must_use]
    pub fn char_level(mut self, char_level: bool) -> Self {
        self.options.char_level = char_level;
        self
    }

    /// A token that stands for every word that is not in the vocabulary. It gets the id 1.
    #[must_use]
    pub fn oov_token(mut self, token: &str) -> Self {
        self.options.oov_token = Some(token.to_string());
        self
    }

    /// Whether each Chinese or Japanese character is a word of its own, as by default. Turn it off for exactly what Keras
    /// does.
    #[must_use]
    pub fn segment_cjk(mut self, segment: bool) -> Self {
        self.options.segment_cjk = segment;
        self
    }

    /// Counts the words of texts, and numbers all words by their frequency; words of equal frequency in the order of their
    /// first appearance. Counts add up when it is called again.
    ///
    /// # Errors
    /// If [`split`](Self::split) is the empty text.
    #[track_caller]
    pub fn fit_on_texts<T: AsRef<str>>(&mut self, texts: impl IntoIterator<Item = T>) -> Result<()> {
        self.options.check("fit_on_texts")?;
        for text in texts {
            self.document_count += 1;
            let mut seen = HashSet::new();
            for word in self.options.words(text.as_ref()) {
                let at = match self.places.get(&word) {
                    Some(at) => *at,
                    None => {
                        let at = self.counts.len();
                        self.places.insert(word.clone(), at);
                        self.counts.push(WordCount { word, count: 0, documents: 0 });
                        at
                    }
                };
                self.counts[at].count += 1;
                self.counts[at].documents += u64::from(seen.insert(at));
            }
        }
        self.number();
        Ok(())
    }

    /// Gives the words their ids.
    fn number(&mut self) {
        let mut by_frequency: Vec<&WordCount> = self.counts.iter().collect();
        crate::order::sort_by(&mut by_frequency, |a, b| b.count.cmp(&a.count));
        let words = by_frequency.into_iter().map(|word| &word.word);
        let words: Vec<String> = self.options.oov_token.iter().chain(words).cloned().collect();
        self.index = words.iter().cloned().zip(1..).collect();
        self.words =
            words.into_iter().zip(1..).map(|(word, id)| (self.index.get(&word) == Some(&id)).then_some(word)).collect();
    }

    /// The ids of the words of each text.
    ///
    /// # Errors
    /// If the tokenizer was not fitted.
    #[track_caller]
    pub fn texts_to_sequences<T: AsRef<str>>(&self, texts: impl IntoIterator<Item = T>) -> Result<Vec<Vec<i64>>> {
        self.check_fitted("texts_to_sequences")?;
        Ok(texts.into_iter().map(|text| self.sequence(text.as_ref())).collect())
    }

    fn sequence(&self, text: &str) -> Vec<i64> {
        let oov = self.oov_id();
        let words = self.options.words(text);
        words.filter_map(|word| self.index.get(&word).copied().filter(|id| self.is_used(*id)).or(oov)).collect()
    }

    /// The text of each sequence: its words with spaces between them. Ids without a word are left out, or shown as the
    /// [`oov_token`](Self::oov_token).
    ///
    /// # Errors
    /// If the tokenizer was not fitted.
    #[track_caller]
    pub fn sequences_to_texts<S: AsRef<[i64]>>(&self, sequences: &[S]) -> Result<Vec<String>> {
        self.check_fitted("sequences_to_texts")?;
        Ok(sequences.iter().map(|ids| self.join(ids.as_ref())).collect())
    }

    fn join(&self, ids: &[i64]) -> String {
        let words = ids.iter().filter_map(|id| self.word(*id).or(self.options.oov_token.as_deref()));
        let mut text = String::new();
        for word in words {
            self.options.append(text.chars().next_back(), &mut text, word);
        }
        text
    }

    /// The id of a word, whether or not [`num_words`](Self::num_words) leaves it out.
    #[must_use]
    pub fn word_index(&self, word: &str) -> Option<i64> {
        self.index.get(word).copied()
    }

    /// All words, in the order of their first appearance, with how often they occurred.
    #[must_use]
    pub fn word_counts(&self) -> &[WordCount] {
        &self.counts
    }

    /// How many texts it was fitted on.
    #[must_use]
    pub fn document_count(&self) -> u64 {
        self.document_count
    }

    fn oov_id(&self) -> Option<i64> {
        self.options.oov_token.as_ref().and_then(|token| self.index.get(token)).copied()
    }

    fn is_used(&self, id: i64) -> bool {
        self.options.num_words.is_none_or(|n| id < i64::try_from(n).unwrap_or(i64::MAX))
    }

    /// The word of an id that is in use.
    fn word(&self, id: i64) -> Option<&str> {
        let at = usize::try_from(id).ok()?.checked_sub(1)?;
        self.words.get(at)?.as_deref().filter(|_| self.is_used(id))
    }

    #[track_caller]
    fn check_fitted(&self, op: &'static str) -> Result<()> {
        match self.document_count {
            0 => Err(Error::state(op, "the tokenizer has no words yet").with_help("call fit_on_texts first")),
            _ => Ok(()),
        }
    }
}

impl Options {
    #[track_caller]
    fn check(&self, op: &str) -> Result<()> {
        match self.split.is_empty() {
            true => {
                Err(Error::argument(op, "`split` is the empty text").with_help("char_level divides into characters"))
            }
            false => Ok(()),
        }
    }

    fn words(&self, text: &str) -> std::vec::IntoIter<String> {
        let text = if self.lower { text.to_lowercase() } else { text.to_string() };
        if self.char_level {
            return text.chars().map(String::from).collect::<Vec<_>>().into_iter();
        }
        let mut divided = String::with_capacity(text.len());
        for c in text.chars() {
            if self.filters.contains(c) || (self.segment_cjk && c == '\u{3000}') {
                divided.push_str(&self.split);
            } else if self.segment_cjk && is_unspaced(c) {
                divided.extend([self.split.as_str(), c.encode_utf8(&mut [0; 4]), self.split.as_str()]);
            } else {
                divided.push(c);
            }
        }
        let words = divided.split(self.split.as_str()).filter(|word| !word.is_empty());
        words.map(String::from).collect::<Vec<_>>().into_iter()
    }

    /// Appends a word to a text with this last character.
    fn append(&self, last: Option<char>, text: &mut String, word: &str) {
        let unspaced = |c: Option<char>| self.segment_cjk && !self.char_level && c.is_some_and(is_unspaced);
        if last.is_some() && !unspaced(last) && !unspaced(word.chars().next()) {
            text.push(' ');
        }
        text.push_str(word);
    }
}

/// The ids are those of [`texts_to_sequences`](WordTokenizer::texts_to_sequences); 0 stands for nothing in
/// [`decode`](Tokenizer::decode).
impl Tokenizer for WordTokenizer {
    #[track_caller]
    fn encode(&self, text: &str) -> Result<Vec<i64>> {
        self.check_fitted("encode")?;
        Ok(self.sequence(text))
    }

    #[track_caller]
    fn decode(&self, ids: &[i64]) -> Result<String> {
        self.check_fitted("decode")?;
        let mut text = String::new();
        for id in ids {
            if let Some(word) = self.shown("decode", *id)? {
                self.options.append(text.chars().next_back(), &mut text, word);
            }
        }
        Ok(text)
    }

    fn token_decoder(&self) -> Option<Box<dyn TokenDecoder + '_>> {
        Some(Box::new(WordDecoder { tokenizer: self, last: None }))
    }

    /// The number of words and 1, at most [`num_words`](WordTokenizer::num_words).
    fn vocab_size(&self) -> usize {
        (self.words.len() + 1).min(self.options.num_words.unwrap_or(usize::MAX))
    }

    fn token(&self, id: i64) -> Option<String> {
        self.word(id).map(String::from)
    }

    fn id(&self, token: &str) -> Option<i64> {
        self.word_index(token).filter(|id| self.is_used(*id))
    }

    fn special_tokens(&self) -> Vec<(String, i64)> {
        self.options.oov_token.iter().filter_map(|token| Some((token.clone(), self.oov_id()?))).collect()
    }

    fn pad_id(&self) -> Option<i64> {
        Some(0)
    }

    #[track_caller]
    fn to_json(&self) -> Result<String> {
        saved::to_json(self)
    }
}

/// In the middle of a text: whether there is a space before a word depends on what stands before it.
#[derive(Debug)]
struct WordDecoder<'a> {
    tokenizer: &'a WordTokenizer,
    last: Option<char>,
}

impl TokenDecoder for WordDecoder<'_> {
    #[track_caller]
    fn push(&mut self, id: i64, text: &mut String) -> Result<()> {
        self.tokenizer.check_fitted("push")?;
        if let Some(word) = self.tokenizer.shown("push", id)? {
            let start = text.len();
            self.tokenizer.options.append(self.last, text, word);
            self.last = text[start..].chars().next_back().or(self.last);
        }
        Ok(())
    }

    fn finish(&mut self, _text: &mut String) {
        self.last = None;
    }
}

impl WordTokenizer {
    /// The word of an id of the vocabulary, of which some have none.
    #[track_caller]
    fn shown(&self, op: &'static str, id: i64) -> Result<Option<&str>> {
        if usize::try_from(id).is_ok_and(|id| id < self.vocab_size()) {
            return Ok(self.word(id));
        }
        Err(Error::index(op, format!("the id {id}, the vocabulary has {} entries", self.vocab_size())))
    }
}

impl Stored for WordTokenizer {
    const KIND: &'static str = "word";
    type Saved = Saved;

    fn to_saved(&self) -> Saved {
        Saved { options: self.options.clone(), document_count: self.document_count, words: self.counts.clone() }
    }

    #[track_caller]
    fn from_saved(op: &str, saved: Saved) -> Result<Self> {
        saved.options.check(op)?;
        let mut places = HashMap::with_capacity(saved.words.len());
        for (at, WordCount { word, count, documents }) in saved.words.iter().enumerate() {
            if *documents == 0 || documents > count || *documents > saved.document_count {
                let message =
                    format!("the word `{word}` occurs {count} times, in {documents} of {} texts", saved.document_count);
                return Err(Error::format(op, message));
            }
            if places.insert(word.clone(), at).is_some() {
                return Err(Error::format(op, format!("the word `{word}` is there twice")));
            }
        }
        let mut tokenizer = Self {
            options: saved.options,
            counts: saved.words,
            places,
            document_count: saved.document_count,
            words: Vec::new(),
            index: HashMap::new(),
        };
        if tokenizer.document_count > 0 {
            tokenizer.number();
        }
        Ok(tokenizer)
    }
}

saved::save_and_load!(WordTokenizer);
