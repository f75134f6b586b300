//! The command line.

use std::f64::consts::PI;
use std::path::PathBuf;

use demotic::Result;

use crate::arguments::Arguments;

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
    pub fn from_args(args: impl Iterator<Item = String>) -> Result<Option<Self>> {
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
        let mut arguments = Arguments::new("pinn", USAGE, args);
        while let Some(option) = arguments.option() {
            match option.as_str() {
                "--viscosity" => options.viscosity = arguments.number()?,
                "--layers" => options.layers = arguments.number()?,
                "--width" => options.width = arguments.number()?,
                "--steps" => options.steps = arguments.number()?,
                "--rounds" => options.rounds = arguments.number()?,
                "--lr" => options.lr = arguments.number()?,
                "--seed" => options.seed = arguments.number()?,
                "--out" => options.out = arguments.value()?.into(),
                "--quick" => {
                    (options.viscosity, options.steps, options.rounds, options.quick) = (0.1 / PI, 400, 30, true);
                }
                "--json" => options.json = true,
                "--check" => options.check = true,
                "--help" | "-h" => return Ok(None),
                _ => return Err(arguments.unknown()),
            }
        }
        // A thinner shock than that fits between no two numbers of the pictures.
        if !(1e-3..=10.0).contains(&options.viscosity) {
            return Err(arguments.wrong("--viscosity is from 0.001 to 10"));
        }
        let small = |n: usize, most: usize| (1..=most).contains(&n);
        if !small(options.layers, 100) || !small(options.width, 10_000) {
            return Err(arguments.wrong("--layers is from 1 to 100, --width from 1 to 10000"));
        }
        Ok(Some(options))
    }

    /// The relative error that `--check` allows.
    pub fn wanted(&self) -> f64 {
        if self.quick { 0.02 } else { 0.01 }
    }
}
