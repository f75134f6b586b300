//! The exact solution (Cole, 1951; Hopf, 1950): Burgers' equation is the heat equation in disguise, and that has an integral for a solution.

use std::f64::consts::PI;

use demotic::autograd::no_grad;
use demotic::{Error, Result, Tensor};

use crate::equation::Wave;

/// Where the network is compared with it.
pub const TIMES: [f64; 5] = [0.2, 0.4, 0.6, 0.8, 1.0];
pub const PLACES: usize = 401;

/// `u(t, x) = -E[sin(pi y) w(y)] / E[w(y)]` with `w(y) = exp(-cos(pi y) / (2 pi viscosity))`, over normal `y` with mean `x` and variance
/// `2 viscosity t`. The integrals are sums over equal steps, which for such functions have all digits.
pub fn solution(t: f64, x: f64, viscosity: f64) -> f64 {
    if t <= 0.0 {
        return -(PI * x).sin();
    }
    const STEPS: i32 = 4000;
    let spread = (4.0 * viscosity * t).sqrt();
    // Far enough for what is likely and for what weighs much.
    let reach = 8.0 + (1.0 / (PI * viscosity)).sqrt();
    let places = || (-STEPS..=STEPS).map(|k| f64::from(k) / f64::from(STEPS) * reach);
    let exponent = |z: f64| -z * z - (PI * (x - spread * z)).cos() / (2.0 * PI * viscosity);
    let largest = places().map(exponent).fold(f64::NEG_INFINITY, f64::max);
    let (mut above, mut below) = (0.0, 0.0);
    for z in places() {
        let weight = (exponent(z) - largest).exp();
        above += weight * (PI * (x - spread * z)).sin();
        below += weight;
    }
    -above / below
}

pub struct Deviation {
    /// The root of the squared error as a share of that of the solution.
    pub relative: f64,
    pub largest: f64,
}

/// The network's solution at a time, with its places.
pub fn solved(wave: &Wave, t: f64) -> Result<Vec<(f64, f64)>> {
    let x = Tensor::linspace(-1.0, 1.0, PLACES)?.unsqueeze(1)?;
    let u = no_grad(|| wave.at(&x.full_like(t), &x))?;
    Ok(x.to_f64_vec().into_iter().zip(u.to_f64_vec()).collect())
}

pub fn error(wave: &Wave, viscosity: f64) -> Result<Deviation> {
    let (mut squares, mut size, mut largest) = (0.0, 0.0, 0.0f64);
    for t in TIMES {
        for (x, u) in solved(wave, t)? {
            let exact = solution(t, x, viscosity);
            squares += (u - exact).powi(2);
            size += exact * exact;
            largest = largest.max((u - exact).abs());
        }
    }
    Ok(Deviation { relative: (squares / size).sqrt(), largest })
}

/// The steepest slope for a viscosity of 0.01 / pi is known: -152.00516, at t = 1.6037 / pi (Basdevant et al., 1986).
pub fn check_known_slope() -> Result<()> {
    let (t, h) = (1.6037 / PI, 1e-5);
    let slope = (solution(t, h, 0.01 / PI) - solution(t, -h, 0.01 / PI)) / (2.0 * h);
    if (slope + 152.00516).abs() < 0.01 {
        return Ok(());
    }
    Err(Error::numeric("check", format!("the exact solution falls by {slope} at its steepest, expected -152.005")))
}
