//! The command line.

use std::path::PathBuf;

use demotic::{Error, Result};

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
    pub fn from_args(mut args: impl Iterator<Item = String>) -> Result<Option<Self>> {
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
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| wrong(&format!("{arg} takes a value")));
            match arg.as_str() {
                "--epochs" => options.epochs = number(&arg, &value()?)?,
                "--batch" => options.batch = number(&arg, &value()?)?,
                "--lr" => options.lr = number(&arg, &value()?)?,
                "--critic-steps" => options.critic_steps = number(&arg, &value()?)?,
                "--latent" => options.latent = number(&arg, &value()?)?,
                "--width" => options.width = number(&arg, &value()?)?,
                "--extra-layers" => options.extra_layers = number(&arg, &value()?)?,
                "--penalty" => options.penalty = number(&arg, &value()?)?,
                "--decay" => options.decay = number(&arg, &value()?)?,
                "--seed" => options.seed = number(&arg, &value()?)?,
                "--out" => options.out = value()?.into(),
                "--quick" => (options.quick, options.epochs) = (true, 30),
                "--json" => options.json = true,
                "--check" => options.check = true,
                "--help" | "-h" => return Ok(None),
                other => return Err(wrong(&format!("there is no option {other}"))),
            }
        }
        if options.epochs == 0 || options.batch == 0 {
            return Err(wrong("--epochs and --batch are at least 1"));
        }
        Ok(Some(options))
    }
}

fn wrong(problem: &str) -> Error {
    Error::argument("gan_digits", problem).with_help(format!("\n{USAGE}"))
}

fn number<T: std::str::FromStr>(option: &str, text: &str) -> Result<T> {
    text.parse().map_err(|_| wrong(&format!("{option} takes a number, not `{text}`")))
}
