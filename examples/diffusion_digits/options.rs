//! The command line.

use std::path::PathBuf;

use demotic::Result;

use crate::arguments::Arguments;

pub const USAGE: &str = "\
diffusion_digits: a network that takes noise out of pictures draws handwritten digits

  --epochs N      how often all digits are seen (default: 40)
  --batch N       digits in a step (default: 64)
  --lr RATE       the learning rate (default: 0.004)
  --width N       the channels of the network at full size, a multiple of 8 (default: 16)
  --steps N       how many steps lead from digits to noise (default: 200)
  --draw-steps N  in how many steps noise becomes digits (default: 20)
  --guidance X    how far digits are pushed to what they should be; 1 is not at all (default: 2)
  --decay X       how much the averages of the weights keep in each step (default: 0.99)
  --seed N        the seed of everything that is random (default: 1)
  --out DIR       where the model and the pictures go (default: out/diffusion_digits)
  --quick         fewer epochs, and fewer steps for drawing
  --json          end with one JSON object that holds all results
  --check         fail unless enough of what is drawn is recognised, and all digits are among it";

pub struct Options {
    pub epochs: usize,
    pub batch: usize,
    pub lr: f64,
    pub width: usize,
    pub steps: usize,
    pub draw_steps: usize,
    pub guidance: f64,
    pub decay: f64,
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
            epochs: 40,
            batch: 64,
            lr: 4e-3,
            width: 16,
            steps: 200,
            draw_steps: 20,
            guidance: 2.0,
            decay: 0.99,
            seed: 1,
            out: PathBuf::from("out/diffusion_digits"),
            quick: false,
            json: false,
            check: false,
        };
        let mut arguments = Arguments::new("diffusion_digits", USAGE, args);
        while let Some(option) = arguments.option() {
            match option.as_str() {
                "--epochs" => options.epochs = arguments.number()?,
                "--batch" => options.batch = arguments.number()?,
                "--lr" => options.lr = arguments.number()?,
                "--width" => options.width = arguments.number()?,
                "--steps" => options.steps = arguments.number()?,
                "--draw-steps" => options.draw_steps = arguments.number()?,
                "--guidance" => options.guidance = arguments.number()?,
                "--decay" => options.decay = arguments.number()?,
                "--seed" => options.seed = arguments.number()?,
                "--out" => options.out = arguments.value()?.into(),
                "--quick" => {
                    options = Self { quick: true, epochs: 12, decay: 0.95, draw_steps: 10, ..options };
                }
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
