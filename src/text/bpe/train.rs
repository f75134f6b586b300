//! Learning merges from texts.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::words::words;
use super::{BpeTokenizer, bytes};
use crate::error::{Error, Result};
use crate::text::vocabulary::{Piece, Vocabulary};

/// What [`BpeTokenizer::train`] learns. By default 32,000 tokens, of pairs that occur twice or more.
///
/// ```
/// use demotic::text::{BpeOptions, BpeTokenizer, Tokenizer};
///
/// let options = BpeOptions::new().vocab_size(259).special_tokens(&["<|endoftext|>"]);
/// let tokenizer = BpeTokenizer::train(["low low lower lowest"], &options)?;
/// assert_eq!(tokenizer.vocab_size(), 259);
/// assert_eq!(tokenizer.token(0).as_deref(), Some("<|endoftext|>"));
/// assert_eq!(tokenizer.token(258).as_deref(), Some("low"));
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BpeOptions {
    vocab_size: usize,
    min_frequency: u64,
    special_tokens: Vec<String>,
}

impl Default for BpeOptions {
    fn default() -> Self {
        Self { vocab_size: 32_000, min_frequency: 2, special_tokens: Vec::new() }
    }
}

impl BpeOptions {
    /// The default options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many tokens there are to be: the special ones, 256 for the bytes, and one for each merge. There are fewer if the
    /// texts do not have so many frequent pairs.
    #[must_use]
    pub fn vocab_size(mut self, tokens: usize) -> Self {
        self.vocab_size = tokens;
        self
    }

    /// How often a pair must occur to be merged.
    #[must_use]
    pub fn min_frequency(mut self, times: u64) -> Self {
        self.min_frequency = times;
        self
    }

    /// Tokens that are never split, and get the first ids. Where they occur in the texts, they are left out.
    #[must_use]
    pub fn special_tokens<T: AsRef<str>>(mut self, tokens: &[T]) -> Self {
        self.special_tokens = tokens.iter().map(|token| token.as_ref().to_string()).collect();
        self
    }
}

type Pair = (u32, u32);

#[track_caller]
pub(super) fn train<T: AsRef<str>>(texts: impl IntoIterator<Item = T>, options: &BpeOptions) -> Result<BpeTokenizer> {
    let mut vocabulary = Vocabulary::default();
    vocabulary.add_special("train", &options.special_tokens)?;
    let counts = count_words(texts, &vocabulary);

    let mut alphabet: Vec<char> = (0..=255).map(bytes::character).collect();
    crate::order::sort_by(&mut alphabet, Ord::cmp);
    let mut tokens: Vec<String> = vocabulary.tokens().to_vec();
    tokens.extend(alphabet.into_iter().map(String::from).filter(|token| vocabulary.id(token).is_none()));
    if options.vocab_size < tokens.len() {
        let message = format!(
            "a vocabulary of {}, the special tokens and the bytes alone are {}",
            options.vocab_size,
            tokens.len()
        );
        return Err(Error::argument("train", message));
    }
    let mut ids: HashMap<String, u32> = (0..).zip(&tokens).map(|(id, token)| (token.clone(), id)).collect();

    let byte_ids: Vec<u32> = (0..=255).map(|byte| ids[bytes::character(byte).to_string().as_str()]).collect();
    let tokens_of = |word: &str| word.bytes().map(|byte| byte_ids[usize::from(byte)]).collect();
    let mut corpus = Corpus::new(counts.iter().map(|(word, count)| (tokens_of(word), *count)).collect());

    let mut merges = Vec::new();
    while tokens.len() < options.vocab_size {
        let Some(pair) = corpus.most_frequent(options.min_frequency) else { break };
        let token = format!("{}{}", tokens[pair.0 as usize], tokens[pair.1 as usize]);
        // Several pairs may spell the same token.
        let merged = *ids.entry(token).or_insert_with_key(|token| {
            tokens.push(token.clone());
            tokens.len() as u32 - 1
        });
        corpus.merge(pair, merged);
        merges.push(pair);
    }
    let mut vocabulary = Vocabulary::new("train", tokens)?;
    vocabulary.add_special("train", &options.special_tokens)?;
    BpeTokenizer::new("train", vocabulary, merges)
}

/// How often each word occurs.
fn count_words<T: AsRef<str>>(texts: impl IntoIterator<Item = T>, special: &Vocabulary) -> HashMap<String, u64> {
    let mut counts: HashMap<String, u64> = HashMap::new();
    for text in texts {
        for piece in special.pieces(text.as_ref()) {
            let Piece::Text(_, stretch) = piece else { continue };
            for word in words(stretch) {
                match counts.get_mut(word) {
                    Some(count) => *count += 1,
                    None => _ = counts.insert(word.to_string(), 1),
                }
            }
        }
    }
    counts
}

/// Words as they are divided into tokens so far, and the neighbours in them. The most frequent pair comes from a heap whose
/// entries may be out of date: when one comes up, it is put back with its present count.
///
/// Of pairs that are equally frequent, the one with the lower first id comes first, then the one with the lower second id.
/// Nothing depends on the order of the words.
#[derive(Default)]
struct Corpus {
    words: Vec<(Vec<u32>, u64)>,
    counts: HashMap<Pair, u64>,
    /// The words that may have the pair.
    places: HashMap<Pair, Vec<u32>>,
    heap: BinaryHeap<(u64, Reverse<Pair>)>,
}

impl Corpus {
    fn new(words: Vec<(Vec<u32>, u64)>) -> Self {
        let mut corpus = Self::default();
        for (at, (word, count)) in (0..).zip(&words) {
            word.windows(2).for_each(|pair| corpus.gain((pair[0], pair[1]), at, *count));
        }
        corpus.heap = corpus.counts.iter().map(|(pair, count)| (*count, Reverse(*pair))).collect();
        corpus.words = words;
        corpus
    }

    fn gain(&mut self, pair: Pair, word: u32, count: u64) {
        *self.counts.entry(pair).or_default() += count;
        let places = self.places.entry(pair).or_default();
        if places.last() != Some(&word) {
            places.push(word);
        }
    }

    fn lose(&mut self, pair: Pair, count: u64) {
        if let Some(total) = self.counts.get_mut(&pair) {
            *total = total.saturating_sub(count);
        }
    }

    fn most_frequent(&mut self, min_frequency: u64) -> Option<Pair> {
        while let Some((count, Reverse(pair))) = self.heap.pop() {
            let present = self.counts.get(&pair).copied().unwrap_or(0);
            if present == count {
                return (count >= min_frequency.max(1)).then_some(pair);
            }
            if present > 0 {
                self.heap.push((present, Reverse(pair)));
            }
        }
        None
    }

    fn merge(&mut self, pair: Pair, merged: u32) {
        let mut new = Vec::new();
        for at in self.places.remove(&pair).unwrap_or_default() {
            let (word, count) = std::mem::take(&mut self.words[at as usize]);
            let mut tokens: Vec<u32> = Vec::with_capacity(word.len());
            let mut i = 0;
            while i < word.len() {
                if word[i] != pair.0 || word.get(i + 1) != Some(&pair.1) {
                    tokens.push(word[i]);
                    i += 1;
                    continue;
                }
                if let Some(before) = tokens.last() {
                    self.lose((*before, pair.0), count);
                    self.gain((*before, merged), at, count);
                    new.push((*before, merged));
                }
                if let Some(after) = word.get(i + 2) {
                    self.lose((pair.1, *after), count);
                    self.gain((merged, *after), at, count);
                    new.push((merged, *after));
                }
                tokens.push(merged);
                i += 2;
            }
            self.words[at as usize] = (tokens, count);
        }
        self.counts.remove(&pair);
        crate::order::sort_by(&mut new, Ord::cmp);
        new.dedup();
        for pair in new {
            if let Some(count) = self.counts.get(&pair) {
                self.heap.push((*count, Reverse(pair)));
            }
        }
    }
}
