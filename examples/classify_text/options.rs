//! The command line.

use std::path::PathBuf;

use demotic::{Error, Result};

pub const USAGE: &str = "\
classify_text: whether a review is good or bad, where it is the order of words that says so

  --steps N     steps of training (default: 600)
  --batch N     reviews in a step (default: 64)
  --lr RATE     the learning rate (default: 0.002)
  --seed N      the seed of everything that is random (default: 1)
  --text TEXT   a review of yours, in words of the grammar
  --out DIR     where the trained model goes (default: out/classify_text)
  --quick       fewer steps
  --json        end with one JSON object that holds all results
  --check       fail unless the transformer is right nearly always, and better than a bag of words";

pub struct Options {
    pub steps: usize,
    pub batch: usize,
    pub lr: f64,
    pub seed: u64,
    pub text: Option<String>,
    pub out: PathBuf,
    pub json: bool,
    pub check: bool,
}

impl Options {
    /// `None` if only the usage was asked for.
    pub fn from_args(mut args: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut options = Self {
            steps: 600,
            batch: 64,
            lr: 2e-3,
            seed: 1,
            text: None,
            out: PathBuf::from("out/classify_text"),
            json: false,
            check: false,
        };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| wrong(&format!("{arg} takes a value")));
            match arg.as_str() {
                "--steps" => options.steps = number(&arg, &value()?)?,
                "--batch" => options.batch = number(&arg, &value()?)?,
                "--lr" => options.lr = number(&arg, &value()?)?,
                "--seed" => options.seed = number(&arg, &value()?)?,
                "--text" => options.text = Some(value()?),
                "--out" => options.out = value()?.into(),
                "--quick" => options.steps = 400,
                "--json" => options.json = true,
                "--check" => options.check = true,
                "--help" | "-h" => return Ok(None),
                other => return Err(wrong(&format!("there is no option {other}"))),
            }
        }
        if options.steps == 0 || options.batch == 0 {
            return Err(wrong("--steps and --batch are at least 1"));
        }
        Ok(Some(options))
    }
}

fn wrong(problem: &str) -> Error {
    Error::argument("classify_text", problem).with_help(format!("\n{USAGE}"))
}

fn number<T: std::str::FromStr>(option: &str, text: &str) -> Result<T> {
    text.parse().map_err(|_| wrong(&format!("{option} takes a number, not `{text}`")))
}
