//! The command line.

use std::path::PathBuf;

use demotic::text::Sampler;
use demotic::{Error, Result};

pub const USAGE: &str = "\
text_generation: three sentences learnt by heart, then a GPT that learns to tell stories, or on a text of yours

  --corpus FILE        train on this text instead of small stories, which a grammar writes
  --model NAME         gpt (default), lstm, gru or rnn
  --tokenizer NAME     char (default), word or bpe (default for the stories)
  --vocabulary N       the most tokens that bpe makes (default: 1024, for the stories 3072)
  --layers N           blocks or recurrent layers (default: 4, for the stories 2; of recurrent models 1)
  --heads N            attention heads (default: 4)
  --width N            the size of hidden vectors (default: 128)
  --context N          tokens that a training example has (default: 64, for the stories 256)
  --batch N            examples in a step (default: 12, for the stories 6)
  --steps N            steps of training (default: 800, for the stories 1100)
  --lr RATE            the highest learning rate (default: 0.001, for the stories 0.004)
  --seed N             the seed of everything that is random (default: 1)
  --resume FILE        go on from a checkpoint of a run with the same options
  --load DIR           train nothing: continue --prompt with the model that a run left in its --out
  --out DIR            where model, checkpoints and pictures go (default: out/text_generation)
  --prompt TEXT        what to continue
  --temperature T      0 always takes the likeliest token (default: 0.8, for the stories 0.4)
  --top-k N            choose among the N likeliest tokens only
  --top-p P            choose among the likeliest tokens that have the probability P together
  --tokens N           how many tokens to generate (default: 200); stories end by themselves
  --note               train nothing: say where the three sentences come from
  --quick              fewer steps
  --json               end with one JSON object that holds all results
  --check              fail unless the results are what they should be";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Gpt,
    Lstm,
    Gru,
    Rnn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokens {
    Char,
    Word,
    Bpe,
}

pub struct Options {
    pub corpus: Option<PathBuf>,
    pub kind: Kind,
    pub tokens: Tokens,
    pub vocabulary: usize,
    pub layers: Option<usize>,
    pub heads: usize,
    pub width: usize,
    pub context: usize,
    pub batch: usize,
    pub steps: u64,
    pub lr: f64,
    pub seed: u64,
    pub resume: Option<PathBuf>,
    pub load: Option<PathBuf>,
    pub out: PathBuf,
    pub prompt: Option<String>,
    pub temperature: f64,
    pub top_k: Option<usize>,
    pub top_p: Option<f64>,
    pub new_tokens: usize,
    pub note: bool,
    pub quick: bool,
    pub json: bool,
    pub check: bool,
}

impl Options {
    /// `None` if only the usage was asked for.
    pub fn from_args(args: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut options = Self {
            corpus: None,
            kind: Kind::Gpt,
            tokens: Tokens::Char,
            vocabulary: 1024,
            layers: None,
            heads: 4,
            width: 128,
            context: 64,
            batch: 12,
            steps: 800,
            lr: 1e-3,
            seed: 1,
            resume: None,
            load: None,
            out: PathBuf::from("out/text_generation"),
            prompt: None,
            temperature: 0.8,
            top_k: None,
            top_p: None,
            new_tokens: 200,
            note: false,
            quick: false,
            json: false,
            check: false,
        };
        let mut args: Vec<String> = args.collect();
        if !args.iter().any(|arg| arg == "--corpus") {
            options.for_stories();
        }
        let mut args = args.drain(..);
        let mut steps = None;
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| wrong(&format!("{arg} takes a value")));
            match arg.as_str() {
                "--corpus" => options.corpus = Some(value()?.into()),
                "--model" => {
                    let kinds = [("gpt", Kind::Gpt), ("lstm", Kind::Lstm), ("gru", Kind::Gru), ("rnn", Kind::Rnn)];
                    options.kind = choice(&arg, &value()?, &kinds)?;
                }
                "--tokenizer" => {
                    let kinds = [("char", Tokens::Char), ("word", Tokens::Word), ("bpe", Tokens::Bpe)];
                    options.tokens = choice(&arg, &value()?, &kinds)?;
                }
                "--vocabulary" => options.vocabulary = number(&arg, &value()?)?,
                "--layers" => options.layers = Some(number(&arg, &value()?)?),
                "--heads" => options.heads = number(&arg, &value()?)?,
                "--width" => options.width = number(&arg, &value()?)?,
                "--context" => options.context = number(&arg, &value()?)?,
                "--batch" => options.batch = number(&arg, &value()?)?,
                "--steps" => steps = Some(number(&arg, &value()?)?),
                "--lr" => options.lr = number(&arg, &value()?)?,
                "--seed" => options.seed = number(&arg, &value()?)?,
                "--resume" => options.resume = Some(value()?.into()),
                "--load" => options.load = Some(value()?.into()),
                "--out" => options.out = value()?.into(),
                "--prompt" => options.prompt = Some(value()?),
                "--temperature" => options.temperature = number(&arg, &value()?)?,
                "--top-k" => options.top_k = Some(number(&arg, &value()?)?),
                "--top-p" => options.top_p = Some(number(&arg, &value()?)?),
                "--tokens" => options.new_tokens = number(&arg, &value()?)?,
                "--note" => options.note = true,
                "--quick" => options.quick = true,
                "--json" => options.json = true,
                "--check" => options.check = true,
                "--help" | "-h" => return Ok(None),
                other => return Err(wrong(&format!("there is no option {other}{}", similar(other)))),
            }
        }
        options.steps = steps.unwrap_or(if options.quick { 400 } else { options.steps });
        options.sampler()?;
        Ok(Some(options))
    }

    /// The sizes with which half a minute on two cores makes the best stories: half of the layers and twice the text, since
    /// the language is small; a token for nearly every word, and contexts in which a whole story fits.
    fn for_stories(&mut self) {
        self.tokens = Tokens::Bpe;
        self.vocabulary = 3072;
        self.context = 256;
        self.batch = 6;
        self.steps = 1100;
        self.lr = 4e-3;
        self.temperature = 0.4;
        self.new_tokens = 300;
    }

    /// How tokens are chosen.
    pub fn sampler(&self) -> Result<Sampler> {
        let mut sampler = Sampler::new().temperature(self.temperature)?;
        if let Some(k) = self.top_k {
            sampler = sampler.top_k(k)?;
        }
        if let Some(p) = self.top_p {
            sampler = sampler.top_p(p)?;
        }
        Ok(sampler)
    }
}

fn wrong(problem: &str) -> Error {
    Error::argument("text_generation", problem).with_help("--help lists all options")
}

/// A hint at the option that may be meant.
fn similar(wrong: &str) -> String {
    let known = USAGE.split_whitespace().filter(|word| word.starts_with("--")).chain(["--help"]);
    let close = known.map(|option| (distance(option, wrong), option)).min();
    close.filter(|(steps, _)| *steps <= 2).map_or(String::new(), |(_, option)| format!("; is {option} meant?"))
}

/// How many letters have to be put in, taken out or replaced to make one word of another (Levenshtein, 1965).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

fn number<T: std::str::FromStr>(option: &str, text: &str) -> Result<T> {
    text.parse().map_err(|_| wrong(&format!("{option} takes a number, not `{text}`")))
}

fn choice<T: Copy>(option: &str, text: &str, kinds: &[(&str, T)]) -> Result<T> {
    match kinds.iter().find(|(name, _)| *name == text) {
        Some((_, kind)) => Ok(*kind),
        None => {
            let names: Vec<_> = kinds.iter().map(|(name, _)| *name).collect();
            Err(wrong(&format!("{option} is one of {}, not `{text}`", names.join(", "))))
        }
    }
}
