//! The command line.

use std::path::PathBuf;

use demotic::Result;

use crate::arguments::Arguments;

pub const USAGE: &str = "\
compress: models become a tenth of their size, by pruning, distillation and numbers of eight bits

  --epochs N   how often the network for digits sees them (default: 20)
  --steps N    steps of the model of letters (default: 1500)
  --seed N     the seed of everything that is random (default: 1)
  --out DIR    where the small models go (default: out/compress)
  --quick      fewer epochs and steps
  --json       end with one JSON object that holds all results
  --check      fail unless each has a tenth of the bytes and loses at most half a point of accuracy; with --quick, after which it
               has hardly learnt anything yet, the model of letters may lose ten";

pub struct Options {
    pub epochs: usize,
    pub steps: usize,
    pub seed: u64,
    pub out: PathBuf,
    pub quick: bool,
    pub json: bool,
    pub check: bool,
}

impl Options {
    /// `None` if only the usage was asked for.
    pub fn from_args(args: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut options = Self {
            epochs: 20,
            steps: 1500,
            seed: 1,
            out: PathBuf::from("out/compress"),
            quick: false,
            json: false,
            check: false,
        };
        let mut arguments = Arguments::new("compress", USAGE, args);
        while let Some(option) = arguments.option() {
            match option.as_str() {
                "--epochs" => options.epochs = arguments.number()?,
                "--steps" => options.steps = arguments.number()?,
                "--seed" => options.seed = arguments.number()?,
                "--out" => options.out = arguments.value()?.into(),
                "--quick" => (options.epochs, options.steps, options.quick) = (6, 300, true),
                "--json" => options.json = true,
                "--check" => options.check = true,
                "--help" | "-h" => return Ok(None),
                _ => return Err(arguments.unknown()),
            }
        }
        if options.epochs == 0 || options.steps < 10 {
            return Err(arguments.wrong("--epochs is at least 1, --steps at least 10"));
        }
        Ok(Some(options))
    }
}
