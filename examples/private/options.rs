//! The command line.

use std::path::PathBuf;

use demotic::Result;

use crate::arguments::Arguments;

pub const USAGE: &str = "\
private: digits are learnt with differential privacy, at several epsilons, and attacked

  --epochs N    passes over the data of each private training (default: 30)
  --shadows N   models that the likelihood ratio attack learns from, an even number (default: 16)
  --repeats N   how many models are trained for each epsilon (default: 3)
  --seed N      the seed of everything that is random (default: 1)
  --out DIR     where the pictures go (default: out/private)
  --quick       fewer models
  --json        end with one JSON object that holds all results
  --check       fail unless accuracy rises with epsilon, and attacks find less in a private model than it promises and than in an ordinary one";

pub struct Options {
    pub epochs: u64,
    pub shadows: usize,
    pub repeats: u64,
    pub seed: u64,
    pub out: PathBuf,
    pub json: bool,
    pub check: bool,
}

impl Options {
    /// `None` if only the usage was asked for.
    pub fn from_args(args: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut options = Self {
            epochs: 30,
            shadows: 16,
            repeats: 3,
            seed: 1,
            out: PathBuf::from("out/private"),
            json: false,
            check: false,
        };
        let mut arguments = Arguments::new("private", USAGE, args);
        while let Some(option) = arguments.option() {
            match option.as_str() {
                "--epochs" => options.epochs = arguments.number()?,
                "--shadows" => options.shadows = arguments.number()?,
                "--repeats" => options.repeats = arguments.number()?,
                "--seed" => options.seed = arguments.number()?,
                "--out" => options.out = arguments.value()?.into(),
                "--quick" => (options.shadows, options.repeats) = (8, 1),
                "--json" => options.json = true,
                "--check" => options.check = true,
                "--help" | "-h" => return Ok(None),
                _ => return Err(arguments.unknown()),
            }
        }
        if options.epochs == 0 || options.repeats == 0 || options.shadows < 2 || options.shadows % 2 == 1 {
            return Err(arguments.wrong("--epochs and --repeats are at least 1, --shadows is even and at least 2"));
        }
        Ok(Some(options))
    }
}
