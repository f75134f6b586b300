//! Constraints by regular expressions: an automaton over the bytes of tokens.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::{start, syntax};
use regex_automata::{Anchored, MatchKind};

use super::constraint::TokenConstraint;
use super::schema;
use crate::error::{Error, Here, Result, short};
use crate::text::Tokenizer;

/// The largest automaton, in bytes.
const LARGEST: usize = 1 << 25;
/// What is kept on the way to it may take this part of that: it takes longer than it is large, where states are sets of many places.
const ON_THE_WAY: usize = 4;
/// Of larger ones nobody says that they have no text in common.
const LARGEST_TO_MEET: usize = 1 << 20;
/// The longest expression, in bytes.
const LONGEST: usize = 1 << 18;
/// Pairs of states; of more, nobody says that they have no text in common.
const MOST_PAIRS: usize = 1 << 18;
/// Where nothing leads to a complete text.
const DEAD: u32 = 0;

/// Continuations that are a text of a regular expression, or JSON of a schema: a [`TokenConstraint`] for
/// [`GenerateOptions::constraint`](super::GenerateOptions::constraint).
///
/// The expression (in the syntax of the crate `regex`) has to match the continuation as a whole. It is compiled once, into an automaton over
/// the bytes of tokens, so that tokens may begin and end anywhere, also within a character. Clones share it.
///
/// Available with the feature `constraint`.
///
/// ```
/// use demotic::models::{Constraint, Generate, GenerateOptions, Gpt, GptConfig};
/// use demotic::prelude::*;
/// use demotic::text::{CharTokenizer, Tokenizer};
///
/// let letters = CharTokenizer::fit(["0123456789-: abc"])?;
/// let gpt = Gpt::new(GptConfig::new(letters.vocab_size(), 32).layers(1).hidden_size(16), &mut Rng::seed(0))?;
/// let date = Constraint::regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", &letters)?;
/// let options = GenerateOptions::new().constraint(date);
/// let text = gpt.generate_text(&letters, "a: ", &options, &mut Rng::seed(1))?.text; // an untrained model, but a date
/// assert_eq!((text.len(), &text[4..5], &text[7..8]), (10, "-", "-"));
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone)]
pub struct Constraint(Arc<Compiled>);

struct Compiled {
    pattern: String,
    automaton: Automaton,
    tokens: Tokens,
}

impl Constraint {
    /// Texts that an expression matches as a whole, in tokens of this tokenizer.
    ///
    /// # Errors
    /// If the expression is malformed, matches no text, needs what an automaton cannot do (such as `\b` beside letters of all
    /// scripts), or becomes larger than 32 MiB; or if the tokenizer does not say what bytes its tokens are.
    #[track_caller]
    pub fn regex(pattern: &str, tokenizer: &dyn Tokenizer) -> Result<Self> {
        let automaton = Automaton::new("Constraint::regex", pattern, LARGEST)?;
        let tokens = Tokens::new("Constraint::regex", tokenizer)?;
        Ok(Self(Arc::new(Compiled { pattern: pattern.to_string(), automaton, tokens })))
    }

    /// JSON that is valid by a schema, on one line.
    ///
    /// Everything that is generated is valid; not everything that is valid can be generated. Properties come in the order of the schema, those
    /// that it does not describe only where `additionalProperties` is a schema or `true`, and numbers between bounds have no exponent.
    ///
    /// Of the language of schemas (2020-12, and `definitions` of before):
    /// - `type` (one or a list; left out, the types that the other keywords speak of), `enum`, `const`, `anyOf`, `allOf`, `oneOf` where its
    ///   choices can be seen to exclude each other, `$ref` into the schema
    /// - strings: `minLength`, `maxLength`, `pattern` (no look-around, no references back; with a length if that is clear from the pattern),
    ///   `format` (`date`, `time`, `date-time`, `email`, `uuid`, `ipv4`)
    /// - numbers: `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`, `multipleOf` a whole number (a divisor of 1,000, or at most 4,096
    ///   multiples between the bounds)
    /// - lists: `items`, `prefixItems`, `minItems`, `maxItems`
    /// - objects: `properties`, `required`, `additionalProperties`, `maxProperties` above what is described
    ///
    /// Annotations (`title`, `description` …) are read over.
    ///
    /// # Errors
    /// If it is not JSON, has anything else (the keyword and its place are named), refers to itself or allows anything (see
    /// [`json_schema_to_depth`](Self::json_schema_to_depth)), allows nothing, or as for [`regex`](Self::regex).
    ///
    /// ```
    /// use demotic::models::Constraint;
    /// use demotic::text::BpeTokenizer;
    ///
    /// let schema = r#"{
    ///     "type": "object",
    ///     "properties": { "name": { "type": "string", "pattern": "^[A-Z]" }, "age": { "type": "integer", "minimum": 0 } },
    ///     "required": ["name", "age"]
    /// }"#;
    /// let constraint = Constraint::json_schema(schema, &BpeTokenizer::bytes())?;
    /// assert!(constraint.matches(r#"{"name": "Ada", "age": 36}"#) && !constraint.matches(r#"{"name": "Ada", "age": -1}"#));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn json_schema(schema: &str, tokenizer: &dyn Tokenizer) -> Result<Self> {
        Self::of_schema("Constraint::json_schema", schema, None, tokenizer)
    }

    /// The same of a schema that is recursive: a definition may be inside itself so many times. Where a schema allows anything, that is as deep, but
    /// no more than three lists or objects in each other.
    ///
    /// # Errors
    /// As for [`json_schema`](Self::json_schema); the expression grows with the depth.
    ///
    /// ```
    /// use demotic::models::Constraint;
    /// use demotic::text::BpeTokenizer;
    ///
    /// let tree = r##"{ "type": "array", "items": { "$ref": "#" } }"##;
    /// let constraint = Constraint::json_schema_to_depth(tree, 2, &BpeTokenizer::bytes())?;
    /// assert!(constraint.matches("[[], [[], []]]") && !constraint.matches("[[[[[]]]]]"));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn json_schema_to_depth(schema: &str, depth: usize, tokenizer: &dyn Tokenizer) -> Result<Self> {
        Self::of_schema("Constraint::json_schema_to_depth", schema, Some(depth), tokenizer)
    }

    #[track_caller]
    fn of_schema(op: &'static str, schema: &str, depth: Option<usize>, tokenizer: &dyn Tokenizer) -> Result<Self> {
        let pattern = match schema::expression(schema, depth, &Compiler(op)) {
            Ok(pattern) => pattern,
            Err(message) => return Err(Error::argument(op, message)),
        };
        let (automaton, tokens) = (Automaton::new(op, &pattern, LARGEST)?, Tokens::new(op, tokenizer)?);
        Ok(Self(Arc::new(Compiled { pattern, automaton, tokens })))
    }

    /// Whether a text is one of those that a continuation may be.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.0.automaton.matches(text)
    }
}

/// What expressions of a schema have to do with each other.
struct Compiler(&'static str);

impl schema::Texts for Compiler {
    fn accepts(&self, expression: &str, texts: &[String]) -> Result<Vec<bool>, String> {
        let compiled = Automaton::new(self.0, expression, LARGEST).map_err(|e| e.message())?;
        Ok(texts.iter().map(|text| compiled.matches(text)).collect())
    }

    fn meet(&self, a: &str, b: &str) -> Result<bool, String> {
        let compiled = |expression: &str| Automaton::new(self.0, expression, LARGEST_TO_MEET);
        let (Ok(a), Ok(b)) = (compiled(a), compiled(b)) else { return Ok(true) };
        let (mut open, mut seen) = (vec![(a.start, b.start)], HashSet::from([(a.start, b.start)]));
        while let Some((x, y)) = open.pop() {
            if a.accepts(x) && b.accepts(y) || seen.len() > MOST_PAIRS {
                return Ok(true);
            }
            for byte in 0..=255 {
                let next = (a.next(x, byte), b.next(y, byte));
                if next.0 != DEAD && next.1 != DEAD && seen.insert(next) {
                    open.push(next);
                }
            }
        }
        Ok(false)
    }
}

impl fmt::Debug for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Constraint").field(&short(&self.0.pattern)).finish()
    }
}

impl TokenConstraint for Constraint {
    fn start(&self) -> u64 {
        self.0.automaton.start.into()
    }

    fn forbidden(&self, place: u64, vocab: usize, tokens: &mut Vec<i64>) {
        let allowed = self.0.tokens.allowed(&self.0.automaton, place as u32, vocab);
        tokens.extend((0..).zip(allowed).filter(|(_, allowed)| !allowed).map(|(token, _)| token));
    }

    fn advance(&self, place: u64, token: i64) -> u64 {
        let Compiled { automaton, tokens, .. } = &*self.0;
        let bytes = tokens.bytes_of(token);
        bytes.iter().fold(place as u32, |state, byte| automaton.next(state, *byte)).into()
    }

    fn may_end(&self, place: u64) -> bool {
        self.0.automaton.accepts(place as u32)
    }
}

/// States, from each of which a complete text can be reached, but for the dead one.
struct Automaton {
    start: u32,
    class: [u8; 256],
    classes: usize,
    next: Vec<u32>,
    accepts: Vec<bool>,
}

impl Automaton {
    #[track_caller]
    fn new(op: &'static str, pattern: &str, largest: usize) -> Result<Self> {
        if pattern.len() > LONGEST {
            let message = format!("an expression of {} bytes, expected {LONGEST} at most", pattern.len());
            return Err(Error::argument(op, message));
        }
        let config = dense::Config::new()
            .start_kind(StartKind::Anchored)
            .match_kind(MatchKind::All)
            .accelerate(false)
            .dfa_size_limit(Some(largest))
            .determinize_size_limit(Some(largest / ON_THE_WAY));
        let dfa = dense::Builder::new()
            .configure(config)
            .syntax(syntax::Config::new().nest_limit(100))
            .thompson(thompson::Config::new().nfa_size_limit(Some(largest)))
            .build(pattern);
        let dfa = dfa
            .map_err(|e| {
                let mut cause: &dyn std::error::Error = &e;
                while let Some(deeper) = cause.source() {
                    cause = deeper;
                }
                let cause = cause.to_string();
                let message = format!("{}: {}", short(pattern), cause.lines().last().unwrap_or_default());
                Error::argument(op, message).with_source(e)
            })
            .here()?;
        let first = dfa.start_state(&start::Config::new().anchored(Anchored::Yes));
        let first = first.map_err(|e| Error::argument(op, format!("{}: {e}", short(pattern)))).here()?;

        let of_bytes = dfa.byte_classes();
        let class: [u8; 256] = std::array::from_fn(|byte| of_bytes.get(byte as u8));
        let mut example = Vec::new();
        for byte in 0..=255u8 {
            let class = usize::from(class[usize::from(byte)]);
            if class == example.len() {
                example.push(byte);
            }
        }
        let classes = example.len();
        let (mut numbers, mut states) = (HashMap::from([(first, 1u32)]), vec![first]);
        let (mut next, mut accepts) = (vec![DEAD; classes], vec![false]);
        let mut at = 0;
        while let Some(state) = states.get(at).copied() {
            at += 1;
            accepts.push(dfa.is_match_state(dfa.next_eoi_state(state)));
            for byte in &example {
                let to = dfa.next_state(state, *byte);
                next.push(if dfa.is_dead_state(to) || dfa.is_quit_state(to) {
                    DEAD
                } else {
                    *numbers.entry(to).or_insert_with(|| {
                        states.push(to);
                        states.len() as u32
                    })
                });
            }
        }
        let mut automaton = Self { start: 1, class, classes, next, accepts };
        automaton.drop_what_ends_nowhere();
        if automaton.start == DEAD {
            return Err(Error::argument(op, format!("{}: there is no text that it matches", short(pattern))));
        }
        Ok(automaton)
    }

    /// Makes ways from which no complete text can be reached ways to the dead state.
    fn drop_what_ends_nowhere(&mut self) {
        let mut from: Vec<Vec<u32>> = vec![Vec::new(); self.accepts.len()];
        for (at, to) in self.next.iter().enumerate() {
            from[*to as usize].push((at / self.classes) as u32);
        }
        let mut lives = self.accepts.clone();
        let mut open: Vec<usize> = (0..lives.len()).filter(|state| lives[*state]).collect();
        while let Some(state) = open.pop() {
            for before in &from[state] {
                let before = *before as usize;
                if !lives[before] {
                    lives[before] = true;
                    open.push(before);
                }
            }
        }
        for to in self.next.iter_mut().chain([&mut self.start]) {
            if !lives[*to as usize] {
                *to = DEAD;
            }
        }
    }

    fn next(&self, state: u32, byte: u8) -> u32 {
        self.next[state as usize * self.classes + usize::from(self.class[usize::from(byte)])]
    }

    fn matches(&self, text: &str) -> bool {
        self.accepts(text.bytes().fold(self.start, |state, byte| self.next(state, byte)))
    }

    fn accepts(&self, state: u32) -> bool {
        self.accepts[state as usize]
    }
}

/// The bytes of all tokens that have any.
struct Tokens {
    /// In the order of their bytes, with how many of them are those of the token before.
    sorted: Vec<(Box<[u8]>, i64, usize)>,
    /// The place of each token there.
    places: HashMap<i64, usize>,
}

impl Tokens {
    #[track_caller]
    fn new(op: &'static str, tokenizer: &dyn Tokenizer) -> Result<Self> {
        let special: HashSet<i64> = tokenizer.special_tokens().into_iter().map(|(_, id)| id).collect();
        let mut sorted: Vec<(Box<[u8]>, i64, usize)> = Vec::new();
        for id in (0..tokenizer.vocab_size() as i64).filter(|id| !special.contains(id)) {
            // Vocabularies may have gaps.
            let bytes = tokenizer.token_bytes(id, false).ok().flatten();
            if let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) {
                sorted.push((bytes.into(), id, 0));
            }
        }
        if sorted.is_empty() {
            let e = Error::argument(op, "the tokenizer does not say of which bytes its tokens are");
            return Err(e.with_help("Tokenizer::token_bytes is for that"));
        }
        crate::order::sort_by(&mut sorted, |a, b| a.0.cmp(&b.0));
        for at in 1..sorted.len() {
            let (before, after) = sorted.split_at_mut(at);
            let (Some(before), Some(token)) = (before.last(), after.first_mut()) else { continue };
            token.2 = before.0.iter().zip(&token.0).take_while(|(a, b)| a == b).count();
        }
        let places = sorted.iter().enumerate().map(|(at, (_, id, _))| (*id, at)).collect();
        Ok(Self { sorted, places })
    }

    fn bytes_of(&self, token: i64) -> &[u8] {
        self.places.get(&token).map_or(&[], |at| &self.sorted[*at].0)
    }

    /// Which tokens do not lead to the dead state.
    fn allowed(&self, automaton: &Automaton, state: u32, vocab: usize) -> Vec<bool> {
        let mut allowed = vec![false; vocab];
        // The states after each of the bytes of the latest token, as far as they live.
        let mut states = vec![state];
        let mut reached = 0;
        for (bytes, id, shared) in &self.sorted {
            if *shared > reached {
                // It begins with what has died.
                continue;
            }
            states.truncate(shared + 1);
            reached = *shared;
            for byte in &bytes[*shared..] {
                let next = automaton.next(states[reached], *byte);
                if next == DEAD {
                    break;
                }
                states.push(next);
                reached += 1;
            }
            if reached == bytes.len()
                && let Some(allowed) = usize::try_from(*id).ok().and_then(|id| allowed.get_mut(id))
            {
                *allowed = true;
            }
        }
        allowed
    }
}
