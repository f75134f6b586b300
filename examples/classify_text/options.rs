//! The command line.

use std::path::PathBuf;

use demotic::Result;

use crate::arguments::Arguments;

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
    pub fn from_args(args: impl Iterator<Item = String>) -> Result<Option<Self>> {
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
        let mut arguments = Arguments::new("classify_text", USAGE, args);
        while let Some(option) = arguments.option() {
            match option.as_str() {
                "--steps" => options.steps = arguments.number()?,
                "--batch" => options.batch = arguments.number()?,
                "--lr" => options.lr = arguments.number()?,
                "--seed" => options.seed = arguments.number()?,
                "--text" => options.text = Some(arguments.value()?),
                "--out" => options.out = arguments.value()?.into(),
                "--quick" => options.steps = 400,
                "--json" => options.json = true,
                "--check" => options.check = true,
                "--help" | "-h" => return Ok(None),
                _ => return Err(arguments.unknown()),
            }
        }
        if options.steps == 0 || options.batch == 0 {
            return Err(arguments.wrong("--steps and --batch are at least 1"));
        }
        Ok(Some(options))
    }
}
