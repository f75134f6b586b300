//! The command line.

use std::path::PathBuf;

use demotic::Result;

use crate::arguments::Arguments;

pub const USAGE: &str = "\
digits: a convolutional network that reads handwritten digits

  --data DIR    pictures of yours: a folder with the files of MNIST (train-images-idx3-ubyte and so on, unpacked), or one with a folder
                of PNG and JPEG files for each class (default: the 1,797 digits of examples/data/digits.csv)
  --epochs N    how often all pictures are seen (default: 40)
  --batch N     pictures in a step (default: 64)
  --lr RATE     the learning rate (default: 0.004)
  --seed N      the seed of everything that is random (default: 1)
  --out DIR     where the model and the picture of its mistakes go (default: out/digits)
  --quick       fewer epochs
  --json        end with one JSON object that holds all results
  --check       fail unless 98.5 % of the digits are right";

pub struct Options {
    pub data: Option<PathBuf>,
    pub epochs: usize,
    pub batch: usize,
    pub lr: f64,
    pub seed: u64,
    pub out: PathBuf,
    pub json: bool,
    pub check: bool,
}

impl Options {
    /// `None` if only the usage was asked for.
    pub fn from_args(args: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut options = Self {
            data: None,
            epochs: 40,
            batch: 64,
            lr: 4e-3,
            seed: 1,
            out: PathBuf::from("out/digits"),
            json: false,
            check: false,
        };
        let mut arguments = Arguments::new("digits", USAGE, args);
        while let Some(option) = arguments.option() {
            match option.as_str() {
                "--data" => options.data = Some(arguments.value()?.into()),
                "--epochs" => options.epochs = arguments.number()?,
                "--batch" => options.batch = arguments.number()?,
                "--lr" => options.lr = arguments.number()?,
                "--seed" => options.seed = arguments.number()?,
                "--out" => options.out = arguments.value()?.into(),
                "--quick" => options.epochs = 15,
                "--json" => options.json = true,
                "--check" => options.check = true,
                "--help" | "-h" => return Ok(None),
                _ => return Err(arguments.unknown()),
            }
        }
        if options.epochs == 0 || options.batch == 0 {
            return Err(arguments.wrong("--epochs and --batch are at least 1"));
        }
        Ok(Some(options))
    }
}
