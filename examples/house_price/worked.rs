//! Part 1: the article's worked example, computed.

use demotic::layers::Param;
use demotic::optimizers::{Optimizer, Sgd};
use demotic::prelude::*;
use serde_json::{Value, json};

/// Area in m², age in years, price in 10,000 yuan. (The type, small, medium or large, is not used by the model.)
pub const HOUSES: [[f64; 3]; 3] = [[100.0, 5.0, 200.0], [120.0, 3.0, 250.0], [150.0, 10.0, 350.0]];
pub const FIRST_WEIGHTS: [f64; 2] = [0.1, 0.2];
const RATE: f64 = 0.1;
const STEPS: usize = 5;

/// What the article prints for its first, second and fifth step: prediction and loss.
const CLAIMS: [Option<[f64; 2]>; STEPS] =
    [Some([15.0, 1825.0]), Some([-407_960.2, 102_560_400.4]), None, None, Some([-744_576_277.4, 26_442_523_104.4])];

/// Features `[3, 2]` and prices `[3, 1]`.
pub fn table() -> Result<(Tensor, Tensor)> {
    Ok((Tensor::from_nested(HOUSES.map(|[area, age, _]| [area, age]))?, Tensor::from_nested(HOUSES.map(|h| [h[2]]))?))
}

pub fn run() -> Result<Value> {
    println!("\n━━ 1. The worked example ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━");
    println!("price ≈ w₁ · area + w₂ · age, no bias; one house at a time; w ← w − 0.1 · ∂(price error)²/∂w\n");
    println!("step  house            prediction            loss   the article says             w₁           w₂");

    let (x, y) = table()?;
    let mut w = Param::new(Tensor::from_vec(FIRST_WEIGHTS.to_vec(), [1, 2])?)?;
    let mut opt = Sgd::new(RATE);
    let (mut losses, mut predictions, mut first_step) = (Vec::new(), Vec::new(), Vec::new());
    for (step, claim) in CLAIMS.iter().enumerate() {
        let row = step % HOUSES.len();
        let prediction = x.narrow(0, row, 1)?.linear(&w, None)?;
        let loss = losses::mse(&prediction, &y.narrow(0, row, 1)?)?;
        opt.step(&mut w, &loss.backward()?)?;

        let (p, l) = (prediction.item()?, loss.item()?);
        let weights = w.to_vec::<f64>()?;
        let claim = claim.map_or_else(|| "(left out)".into(), |[p, l]| format!("{p:.1}; {l:.4e}"));
        println!(
            "{:>4}  {:>3} m², {:>2} y  {p:>15.6e} {l:>15.6e}   {claim:<24} {:>11.4e} {:>12.4e}",
            step + 1,
            HOUSES[row][0],
            HOUSES[row][1],
            weights[0],
            weights[1]
        );
        losses.push(l);
        predictions.push(p);
        if step == 0 {
            first_step = weights;
        }
    }

    println!(
        "\nThe article goes wrong at once: 0.1·100 + 0.2·5 is 11, not 15; (200 − 15)² is 34,225, not 1825; and the"
    );
    println!(
        "gradient is 2(ŷ − y)x = −37,800, negative, so that the first step raises the weights to 3780.1 and 189.2."
    );
    println!("It explains the useless result by a local minimum. There is none:");

    let [largest, smallest] = curvatures(&x)?;
    let limit = 2.0 / largest;
    println!("\n  · The loss is a quadratic function of the weights, hence convex: every minimum is the global one.");
    println!(
        "  · Its largest curvature over the three houses is {largest:.2}. Full-batch gradient descent multiplies the"
    );
    println!(
        "    error in that direction by 1 − rate · curvature in each step, and diverges above 2 / {largest:.2} = {limit:.3e}."
    );
    println!("  · The rate 0.1 is {:.0} times that limit.", RATE / limit);
    println!(
        "  · The smallest curvature is {smallest:.3}: a condition number of {:.0}. Areas are hundreds, ages are",
        largest / smallest
    );
    println!("    ones, and no single rate suits both directions.");

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

/// The eigenvalues of the Hessian of the mean squared error, `2/n · xᵀx`, a symmetric 2×2 matrix: largest, smallest.
pub fn curvatures(x: &Tensor) -> Result<[f64; 2]> {
    let hessian = x.t().matmul(x)? * (2.0 / x.size(0)? as f64);
    let h = hessian.to_f64_vec();
    let (mean, half) = (0.5 * (h[0] + h[3]), 0.5 * (h[0] - h[3]));
    let radius = half.hypot(h[1]);
    Ok([mean + radius, mean - radius])
}
