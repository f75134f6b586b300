//! A differential equation solved by a network that has seen no solution: Burgers' equation, in which a wave steepens into a shock.
//!
//! `cargo run --release --example pinn`, and `-- --help` for the options.

#[path = "../arguments/mod.rs"]
mod arguments;
mod equation;
mod exact;
mod options;
mod picture;

use std::time::Instant;

use demotic::optimizers::schedule::Curve;
use demotic::optimizers::{ClosureOptimizer, Lbfgs};
use demotic::prelude::*;
use equation::Wave;
use options::Options;
use serde_json::json;

/// Points of a step with random ones, and of those in which the equation is solved in the end.
const DRAWN: usize = 512;
const FIXED: usize = 2048;

fn main() -> Result<()> {
    let Some(options) = Options::from_args(std::env::args().skip(1))? else {
        println!("{}", options::USAGE);
        return Ok(());
    };
    std::fs::create_dir_all(&options.out).map_err(|e| Error::io("pinn", &options.out, e))?;
    let start = Instant::now();
    let mut rng = Rng::seed(options.seed);
    let viscosity = options.viscosity;
    println!(
        "Burgers' equation, u_t + u u_x = {viscosity:.5} u_xx, for -1 <= x <= 1 and 0 <= t <= 1,\n\
         with u = -sin(pi x) at t = 0 and u = 0 at both ends. The network sees the equation, and no solution.\n"
    );
    let mut wave = Wave::new(options.layers, options.width, &mut rng)?;
    println!("{} parameters.", wave.num_parameters());

    // Roughly, with other points in each step.
    let mut adam = Adam::new(options.lr);
    let curve = Curve::cosine(options.lr, options.steps as u64).floor(0.02 * options.lr);
    let mut losses = Vec::new();
    for step in 0..options.steps {
        adam.set_learning_rate(curve.at(step as u64)?);
        let [t, x] = equation::drawn(DRAWN, &mut rng)?;
        let loss = wave.residual(&t, &x, viscosity)?.square().mean();
        adam.step(&mut wave, &loss.backward()?)?;
        losses.push(loss.item()?);
        if (step + 1) % (options.steps / 5).max(1) == 0 {
            report("Adam", step + 1, losses[step], &wave, viscosity)?;
        }
    }

    // To the last digits, in points that stay where they are.
    let [t, x] = equation::drawn(FIXED, &mut rng)?;
    let mut lbfgs = Lbfgs::new(1.0).strong_wolfe().max_iter(10).history_size(50);
    for round in 0..options.rounds {
        let loss = lbfgs.step_with(&mut wave, |wave| Ok(wave.residual(&t, &x, viscosity)?.square().mean()))?;
        losses.push(loss);
        if (round + 1) % (options.rounds / 5).max(1) == 0 {
            report("L-BFGS", 10 * (round + 1), loss, &wave, viscosity)?;
        }
    }

    let error = exact::error(&wave, viscosity)?;
    println!(
        "\nAgainst the exact solution at {} places: an error of {:.3} % of its size, {:.4} at the worst place.",
        exact::PLACES * exact::TIMES.len(),
        100.0 * error.relative,
        error.largest
    );
    for path in picture::draw(&options.out, &wave, viscosity, &losses)? {
        println!("{}", path.display());
    }
    wave.save(options.out.join("wave.safetensors"))?;
    let seconds = start.elapsed().as_secs_f64();
    println!("All of it took {seconds:.1} s.");
    if options.json {
        let residual = losses.last().copied().unwrap_or(f64::NAN);
        println!(
            "{}",
            json!({ "relative_error": error.relative, "largest_error": error.largest, "residual": residual, "seconds": seconds })
        );
    }
    if options.check {
        exact::check_known_slope()?;
        if error.relative > options.wanted() {
            let message = format!("an error of {}, expected at most {}", error.relative, options.wanted());
            return Err(Error::numeric("check", message));
        }
    }
    Ok(())
}

fn report(name: &str, step: usize, loss: f64, wave: &Wave, viscosity: f64) -> Result<()> {
    let error = exact::error(wave, viscosity)?.relative;
    println!("{name:>7} {step:5}: the equation is off by {:.1e}, the solution by {:.2} %", loss.sqrt(), 100.0 * error);
    Ok(())
}
