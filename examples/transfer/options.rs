//! The command line.

use std::path::PathBuf;

use demotic::Result;

use crate::arguments::Arguments;

pub const USAGE: &str = "\
transfer: a network that has learnt the digits 0 to 4 learns 5 to 9 from a few pictures

  --pictures N    how many pictures of each new digit it may learn from (default: 10)
  --draws N       how often such pictures are drawn anew, each time for all ways to learn (default: 5)
  --epochs N      how often the first digits are seen (default: 40)
  --batch-norm    a network with batch norms, which needs few steps for such pictures, with or without what it has learnt
  --seed N        the seed of everything that is random (default: 1)
  --out DIR       where the models go (default: out/transfer)
  --quick         fewer epochs and draws
  --json          end with one JSON object that holds all results
  --check         fail unless what was learnt before saves steps";

pub struct Options {
    pub pictures: usize,
    pub draws: usize,
    pub epochs: usize,
    pub batch_norm: bool,
    pub seed: u64,
    pub out: PathBuf,
    pub json: bool,
    pub check: bool,
}

impl Options {
    /// `None` if only the usage was asked for.
    pub fn from_args(args: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut options = Self {
            pictures: 10,
            draws: 5,
            epochs: 40,
            batch_norm: false,
            seed: 1,
            out: PathBuf::from("out/transfer"),
            json: false,
            check: false,
        };
        let mut arguments = Arguments::new("transfer", USAGE, args);
        while let Some(option) = arguments.option() {
            match option.as_str() {
                "--pictures" => options.pictures = arguments.number()?,
                "--draws" => options.draws = arguments.number()?,
                "--epochs" => options.epochs = arguments.number()?,
                "--batch-norm" => options.batch_norm = true,
                "--seed" => options.seed = arguments.number()?,
                "--out" => options.out = arguments.value()?.into(),
                "--quick" => (options.draws, options.epochs) = (3, 20),
                "--json" => options.json = true,
                "--check" => options.check = true,
                "--help" | "-h" => return Ok(None),
                _ => return Err(arguments.unknown()),
            }
        }
        // Some pictures of each digit have to be left to test with.
        if !(2..=100).contains(&options.pictures) {
            return Err(arguments.wrong("--pictures is a number from 2 to 100"));
        }
        if options.draws == 0 || options.epochs == 0 {
            return Err(arguments.wrong("--draws and --epochs are at least 1"));
        }
        Ok(Some(options))
    }
}
