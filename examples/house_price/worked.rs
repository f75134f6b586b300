//! Part 1: three houses, two weights, and a training that explodes.

use demotic::layers::Param;
use demotic::optimizers::{Optimizer, Sgd};
use demotic::prelude::*;
use serde_json::{Value, json};

/// Area in m², age in years, price in 10,000 yuan. (The type, small, medium or large, is not used by the model.)
pub const HOUSES: [[f64; 3]; 3] = [[100.0, 5.0, 200.0], [120.0, 3.0, 250.0], [150.0, 10.0, 350.0]];
pub const FIRST_WEIGHTS: [f64; 2] = [0.1, 0.2];
const RATE: f64 = 0.1;
const STEPS: usize = 5;

/// Features `[3, 2]` and prices `[3, 1]`.
pub fn table() -> Result<(Tensor, Tensor)> {
    Ok((Tensor::from_nested(HOUSES.map(|[area, age, _]| [area, age]))?, Tensor::from_nested(HOUSES.map(|h| [h[2]]))?))
}

pub fn run() -> Result<Value> {
    println!("━━ 1. Three houses that everyone gets wrong at first ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━\n");
    println!("Three houses, and what was paid for them:\n");
    for [area, age, price] in HOUSES {
        println!("  {area:>3} m², {age:>2} years old: {price} × 10,000 yuan");
    }
    println!(
        "\nThe model: price ≈ w₁ · area + w₂ · age, from the weights 0.1 and 0.2. Gradient descent on the squared error, one"
    );
    println!(
        "house at a time, at the learning rate 0.1 that so many tutorials begin with. Prices are in 10,000 yuan:\n"
    );
    println!("step  house          true price  predicted price  squared error            w₁           w₂");

    let (x, y) = table()?;
    let mut w = Param::new(Tensor::from_vec(FIRST_WEIGHTS.to_vec(), [1, 2])?)?;
    let mut opt = Sgd::new(RATE);
    let (mut losses, mut predictions, mut first_step) = (Vec::new(), Vec::new(), Vec::new());
    for step in 0..STEPS {
        let row = step % HOUSES.len();
        let prediction = x.narrow(0, row, 1)?.linear(&w, None)?;
        let loss = losses::mse(&prediction, &y.narrow(0, row, 1)?)?;
        opt.step(&mut w, &loss.backward()?)?;

        let (p, l) = (prediction.item()?, loss.item()?);
        let weights = w.to_vec::<f64>()?;
        println!(
            "{:>4}  {:>3} m², {:>2} y  {:>10}  {:>15}  {:>13}  {:>12} {:>12}",
            step + 1,
            HOUSES[row][0],
            HOUSES[row][1],
            HOUSES[row][2],
            short(p),
            short(l),
            short(weights[0]),
            short(weights[1])
        );
        losses.push(l);
        predictions.push(p);
        if step == 0 {
            first_step = weights;
        }
    }

    let [largest, smallest] = curvatures(&x)?;
    let limit = 2.0 / largest;
    println!(
        "\nThe error grows some ten-million-fold with each step. What is commonly said to that, and what is true:\n"
    );
    println!(
        "  · \"It is caught in a local minimum.\" There is none: the error is a quadratic function of the weights, a bowl"
    );
    println!("    with a single lowest point. A minimum is where training stops; this one runs away.");
    println!(
        "  · \"More steps will help.\" Each step multiplies the distance from the lowest point by 1 − rate · curvature. The"
    );
    println!(
        "    largest curvature over the three houses is {largest:.2}, so above a rate of 2 / {largest:.2} = {limit:.3e} every"
    );
    println!("    step leads farther away. The rate 0.1 is {:.0} times that limit.", RATE / limit);
    println!(
        "  · \"Then take a small rate.\" It converges, and it crawls: the smallest curvature is {smallest:.3}, which is {:.0} times",
        largest / smallest
    );
    println!("    less, because areas are hundreds and ages are ones. No single rate suits both directions.");

    Ok(json!({
        "losses": losses,
        "predictions": predictions,
        "weights_after_step_1": first_step,
        "largest_curvature": largest,
        "rate_limit": limit,
        "rate_over_limit": RATE / limit,
        "condition_number": largest / smallest,
    }))
}

/// As one would write it, and with a power of ten from a million on.
fn short(x: f64) -> String {
    if x.abs() < 1e6 { format!("{x:.1}") } else { format!("{x:.3e}") }
}

/// The eigenvalues of the Hessian of the mean squared error, `2/n · xᵀx`, a symmetric 2×2 matrix: largest, smallest.
pub fn curvatures(x: &Tensor) -> Result<[f64; 2]> {
    let hessian = x.t().matmul(x)? * (2.0 / x.size(0)? as f64);
    let h = hessian.to_f64_vec();
    let (mean, half) = (0.5 * (h[0] + h[3]), 0.5 * (h[0] - h[3]));
    let radius = half.hypot(h[1]);
    Ok([mean + radius, mean - radius])
}
