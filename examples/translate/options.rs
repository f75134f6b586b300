//! The command line.

use std::path::PathBuf;

use demotic::Result;

use crate::arguments::Arguments;

pub const USAGE: &str = "\
translate: dates written in many ways into ISO form, by a sequence-to-sequence model

  --model NAME   transformer (default) or lstm
  --steps N      steps of training (default: 1200)
  --batch N      examples in a step (default: 64)
  --lr RATE      the highest learning rate (default: 0.003)
  --seed N       the seed of everything that is random (default: 1)
  --date TEXT    a date of yours to translate in the end
  --out DIR      where the trained model goes (default: out/translate)
  --quick        fewer steps
  --json         end with one JSON object that holds all results
  --check        fail unless at least 99 % of unseen dates are right";

pub struct Options {
    pub lstm: bool,
    pub steps: u64,
    pub batch: usize,
    pub lr: f64,
    pub seed: u64,
    pub date: Option<String>,
    pub out: PathBuf,
    pub json: bool,
    pub check: bool,
}

impl Options {
    /// `None` if only the usage was asked for.
    pub fn from_args(args: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut options = Self {
            lstm: false,
            steps: 1200,
            batch: 64,
            lr: 3e-3,
            seed: 1,
            date: None,
            out: PathBuf::from("out/translate"),
            json: false,
            check: false,
        };
        let mut arguments = Arguments::new("translate", USAGE, args);
        while let Some(option) = arguments.option() {
            match option.as_str() {
                "--model" => {
                    options.lstm = match arguments.value()?.as_str() {
                        "transformer" => false,
                        "lstm" => true,
                        other => return Err(arguments.wrong(&format!("--model is transformer or lstm, not `{other}`"))),
                    }
                }
                "--steps" => options.steps = arguments.number()?,
                "--batch" => options.batch = arguments.number()?,
                "--lr" => options.lr = arguments.number()?,
                "--seed" => options.seed = arguments.number()?,
                "--date" => options.date = Some(arguments.value()?),
                "--out" => options.out = arguments.value()?.into(),
                "--quick" => options.steps = 800,
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
