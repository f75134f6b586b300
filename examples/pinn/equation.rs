//! The equation, and the network that is to solve it.

use std::f64::consts::PI;

use demotic::autograd::{GradOptions, grad};
use demotic::prelude::*;

/// `u(t, x) = -sin(pi x) + t (1 - x^2) N(t, x)`, where `N` is a network: what holds at the beginning and at both ends holds for all of its weights.
#[derive(Clone)]
pub struct Wave {
    network: Sequential,
}

module!(Wave { network });

impl Wave {
    pub fn new(layers: usize, width: usize, rng: &mut Rng) -> Result<Self> {
        let dense = |inputs, outputs, rng: &mut Rng| -> Result<Linear> {
            let mut layer = Linear::new(inputs, outputs, rng)?;
            layer.weight = Param::new(Init::xavier_normal().tensor(&[outputs, inputs], rng)?)?.into();
            Ok(layer)
        };
        let mut network = sequential![dense(2, width, rng)?, Tanh];
        for _ in 1..layers {
            network.push(dense(width, width, rng)?);
            network.push(Tanh);
        }
        network.push(dense(width, 1, rng)?);
        Ok(Self { network })
    }

    /// The solution at places `[n, 1]`.
    pub fn at(&self, t: &Tensor, x: &Tensor) -> Result<Tensor> {
        let n = self.network.forward(&Tensor::cat(&[t, x], 1)?, &mut Mode::eval())?;
        let inside = t.mul(&x.square().rsub_scalar(1.0))?;
        inside.mul(&n)? - x.mul_scalar(PI).sin()
    }

    /// By how much the equation is missed: `u_t + u u_x - viscosity u_xx`. The derivatives are gradients, and have gradients themselves.
    pub fn residual(&self, t: &Tensor, x: &Tensor, viscosity: f64) -> Result<Tensor> {
        let (t, x) = (t.tracked()?, x.tracked()?);
        let u = self.at(&t, &x)?;
        // Each place has a solution of its own, so the gradient of the sum is the derivative at each.
        let graph = || GradOptions::new().create_graph(true);
        let first = grad(&[&u.sum()], &[&t, &x], graph())?;
        let (u_t, u_x) = (&first[0], &first[1]);
        let second = grad(&[&u_x.sum()], &[&x], graph())?;
        u_t + &u * u_x - &second[0] * viscosity
    }
}

/// Random times and places, `[n, 1]` each.
pub fn drawn(n: usize, rng: &mut Rng) -> Result<[Tensor; 2]> {
    Ok([Tensor::uniform([n, 1], 0.0, 1.0, rng)?, Tensor::uniform([n, 1], -1.0, 1.0, rng)?])
}
