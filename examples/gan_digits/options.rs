//! The command line.

use std::path::PathBuf;

use demotic::Result;

use crate::arguments::Arguments;

pub const USAGE: &str = "\
gan_digits: two networks that learn against each other draw handwritten digits

  --epochs N        how often all digits are seen (default: 120)
  --batch N         digits in a step (default: 64)
  --lr RATE         the learning rate (default: 0.002)
  --critic-steps N  steps of the critic for each of the generator (default: 2)
  --latent N        how many numbers a digit is made of, besides which one it is (default: 8)
  --width N         the channels of both networks (default: 32)
  --extra-layers N  further convolutions in both networks (default: 2)
  --penalty X       how much the slope of the critic counts (default: 10)
  --decay X         how much the averages of the weights keep in each step (default: 0.99)
  --seed N          the seed of everything that is random (default: 1)
  --out DIR         where the model and the pictures go (default: out/gan_digits)
  --quick           fewer epochs
  --json            end with one JSON object that holds all results
  --check           fail unless enough of what is drawn is recognised, and all digits are among it";

pub struct Options {
    pub epochs: usize,
    pub batch: usize,
    pub lr: f64,
    pub critic_steps: u64,
    pub latent: usize,
    pub width: usize,
    pub extra_layers: usize,
    pub penalty: f64,
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
            epochs: 120,
            batch: 64,
            lr: 2e-3,
            critic_steps: 2,
            latent: 8,
            width: 32,
            extra_layers: 2,
            penalty: 10.0,
            decay: 0.99,
            seed: 1,
            out: PathBuf::from("out/gan_digits"),
            quick: false,
            json: false,
            check: false,
        };
        let mut arguments = Arguments::new("gan_digits", USAGE, args);
        while let Some(option) = arguments.option() {
            match option.as_str() {
                "--epochs" => options.epochs = arguments.number()?,
                "--batch" => options.batch = arguments.number()?,
                "--lr" => options.lr = arguments.number()?,
                "--critic-steps" => options.critic_steps = arguments.number()?,
                "--latent" => options.latent = arguments.number()?,
                "--width" => options.width = arguments.number()?,
                "--extra-layers" => options.extra_layers = arguments.number()?,
                "--penalty" => options.penalty = arguments.number()?,
                "--decay" => options.decay = arguments.number()?,
                "--seed" => options.seed = arguments.number()?,
                "--out" => options.out = arguments.value()?.into(),
                "--quick" => (options.quick, options.epochs) = (true, 30),
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
