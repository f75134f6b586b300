//! The command line.

use std::path::PathBuf;

use demotic::{Error, Result};

pub const USAGE: &str = "\
house_price: three houses that everyone gets wrong at first, what helps, and a real model

  --data FILE.csv    a table of your own, and only the model of it
  --target COLUMN    the column to predict (default: price)
  --epochs N         the most epochs to train for (default: 300)
  --seed N           the seed of everything that is random (default: 1)
  --out DIR          where pictures and the model go (default: out/house_price)
  --note             train nothing: say where the three houses come from
  --quick            fewer epochs and folds
  --json             end with one JSON object that holds all results
  --check            fail unless the results are what they should be";

pub struct Options {
    pub data: Option<PathBuf>,
    pub target: String,
    pub epochs: usize,
    pub seed: u64,
    pub out: PathBuf,
    pub note: bool,
    pub quick: bool,
    pub json: bool,
    pub check: bool,
}

impl Options {
    /// `None` if only the usage was asked for.
    pub fn from_args(mut args: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut options = Self {
            data: None,
            target: "price".into(),
            epochs: 300,
            seed: 1,
            out: PathBuf::from("out/house_price"),
            note: false,
            quick: false,
            json: false,
            check: false,
        };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| wrong(&format!("{arg} takes a value")));
            match arg.as_str() {
                "--data" => options.data = Some(value()?.into()),
                "--target" => options.target = value()?,
                "--epochs" => options.epochs = number(&arg, &value()?)? as usize,
                "--seed" => options.seed = number(&arg, &value()?)?,
                "--out" => options.out = value()?.into(),
                "--note" => options.note = true,
                "--quick" => options.quick = true,
                "--json" => options.json = true,
                "--check" => options.check = true,
                "--help" | "-h" => return Ok(None),
                other => return Err(wrong(&format!("there is no option {other}"))),
            }
        }
        if options.quick {
            options.epochs = options.epochs.min(120);
        }
        Ok(Some(options))
    }
}

fn wrong(problem: &str) -> Error {
    Error::argument("house_price", problem).with_help(format!("\n{USAGE}"))
}

fn number(option: &str, text: &str) -> Result<u64> {
    text.parse().map_err(|_| wrong(&format!("{option} takes a whole number, not `{text}`")))
}
