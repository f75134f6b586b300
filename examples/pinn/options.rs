//! The command line.

use std::f64::consts::PI;
use std::path::PathBuf;

use demotic::{Error, Result};

pub const USAGE: &str = "\
pinn: a network solves Burgers' equation, through gradients of gradients

  --viscosity N  the viscosity; the smaller it is, the steeper the wave becomes (default: 0.02 / pi = 0.00637)
  --layers N     hidden layers (default: 4)
  --width N      their size (default: 24)
  --steps N      steps of Adam (default: 1500)
  --rounds N     rounds of ten iterations of L-BFGS (default: 150)
  --lr RATE      the learning rate of Adam (default: 0.005)
  --seed N       the seed of everything that is random (default: 1)
  --out DIR      where the network and the pictures go (default: out/pinn)
  --quick        a viscosity of 0.1 / pi, and fewer steps
  --json         end with one JSON object that holds all results
  --check        fail unless the solution is off by at most 1 % (with --quick 2 %)";

pub struct Options {
    pub viscosity: f64,
    pub layers: usize,
    pub width: usize,
    pub steps: usize,
    pub rounds: usize,
    pub lr: f64,
    pub seed: u64,
    pub out: PathBuf,
    pub json: bool,
    pub check: bool,
    quick: bool,
}

impl Options {
    /// `None` if only the usage was asked for.
    pub fn from_args(mut args: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut options = Self {
            viscosity: 0.02 / PI,
            layers: 4,
            width: 24,
            steps: 1500,
            rounds: 150,
            lr: 5e-3,
            seed: 1,
            out: PathBuf::from("out/pinn"),
            json: false,
            check: false,
            quick: false,
        };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| wrong(&format!("{arg} takes a value")));
            match arg.as_str() {
                "--viscosity" => options.viscosity = number(&arg, &value()?)?,
                "--layers" => options.layers = number(&arg, &value()?)?,
                "--width" => options.width = number(&arg, &value()?)?,
                "--steps" => options.steps = number(&arg, &value()?)?,
                "--rounds" => options.rounds = number(&arg, &value()?)?,
                "--lr" => options.lr = number(&arg, &value()?)?,
                "--seed" => options.seed = number(&arg, &value()?)?,
                "--out" => options.out = value()?.into(),
                "--quick" => {
                    (options.viscosity, options.steps, options.rounds, options.quick) = (0.1 / PI, 400, 30, true);
                }
                "--json" => options.json = true,
                "--check" => options.check = true,
                "--help" | "-h" => return Ok(None),
                other => return Err(wrong(&format!("there is no option {other}"))),
            }
        }
        // A thinner shock than that fits between no two numbers of the pictures.
        if !(1e-3..=10.0).contains(&options.viscosity) {
            return Err(wrong("--viscosity is from 0.001 to 10"));
        }
        let small = |n: usize, most: usize| (1..=most).contains(&n);
        if !small(options.layers, 100) || !small(options.width, 10_000) {
            return Err(wrong("--layers is from 1 to 100, --width from 1 to 10000"));
        }
        Ok(Some(options))
    }

    /// The relative error that `--check` allows.
    pub fn wanted(&self) -> f64 {
        if self.quick { 0.02 } else { 0.01 }
    }
}

fn wrong(problem: &str) -> Error {
    Error::argument("pinn", problem).with_help(format!("\n{USAGE}"))
}

fn number<T: std::str::FromStr>(option: &str, text: &str) -> Result<T> {
    text.parse().map_err(|_| wrong(&format!("{option} takes a number, not `{text}`")))
}
