//! Gradients of single examples through every operation: those of one example after the other, or an error with a name, never a guess.

use demotic::{DType, Error, ErrorKind, Result, Tensor};

use super::row::{Function, Row, spread};

/// What the pass that keeps examples apart makes of an operation.
pub(super) enum Outcome {
    /// The gradients of each example, which are right.
    Kept,
    /// The operation that it names in its refusal.
    Refused(String),
    /// There are no examples, or they do not share the parameter: each has a row of it.
    Nothing,
}

/// How the parameters, which the examples share, get into the operation.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    /// One input is the parameter itself, the others are data.
    Itself(usize),
    /// Every input is data times a parameter with one dimension less.
    Times,
}

impl Row {
    /// Tries all ways. What is wrong is an error.
    pub(super) fn per_example(&self) -> Result<Vec<Outcome>, String> {
        let ways = (0..self.inputs().len()).map(Way::Itself).chain([Way::Times]);
        ways.map(|way| {
            outcome(self.function(), self.inputs(), way)
                .map_err(|message| format!("{} ({way:?}): {message}", self.names().next().unwrap_or_default()))
        })
        .collect()
    }
}

fn leaves(inputs: &[Tensor], way: Way) -> Result<Vec<Tensor>> {
    match way {
        Way::Itself(i) => Ok(vec![inputs[i].tracked()?]),
        Way::Times => inputs.iter().map(|x| spread(x.shape().get(1..).unwrap_or(&[]), 0.9, 1.1).tracked()).collect(),
    }
}

/// A vector of losses, one for each element of the first dimension of the result.
fn losses(f: &Function, inputs: &[Tensor], leaves: &[Tensor], way: Way) -> Result<Tensor> {
    let inputs: Vec<Tensor> = match way {
        Way::Itself(i) => {
            inputs.iter().enumerate().map(|(k, x)| if k == i { leaves[0].clone() } else { x.clone() }).collect()
        }
        Way::Times => inputs.iter().zip(leaves).map(|(x, leaf)| x.mul(leaf)).collect::<Result<_>>()?,
    };
    let y = f(&inputs)?;
    let weighted = y.mul(&spread(y.shape(), 0.5, 1.5))?;
    match y.rank() {
        0 => weighted.reshape([1]),
        1 => Ok(weighted),
        _ => weighted.flatten(1, -1)?.sum_dims(&[1], false),
    }
}

fn outcome(f: &Function, inputs: &[Tensor], way: Way) -> Result<Outcome, String> {
    let said = |e: Error| e.to_string();
    let leaves = leaves(inputs, way).map_err(said)?;
    let all = losses(f, inputs, &leaves, way).map_err(said)?;
    if !all.is_tracked() || all.is_empty() {
        return if all.backward_per_example().is_err() {
            Ok(Outcome::Nothing)
        } else {
            Err("gradients of nothing".into())
        };
    }
    let (grads, norms) = match (all.backward_per_example(), all.squared_norms_per_example()) {
        (Ok(grads), Ok(norms)) => (grads, norms),
        (Err(e), Err(other)) if e.kind() == ErrorKind::Gradient && other.op() == e.op() => {
            let is_said = e.message().starts_with(&format!("{}: the gradients of single examples: ", e.op()));
            if is_said && e.message().ends_with("so they do not share it") {
                return Ok(Outcome::Nothing);
            }
            return if is_said && e.help().is_some() { Ok(Outcome::Refused(e.op().to_string())) } else { Err(said(e)) };
        }
        (grads, norms) => return Err(format!("{:?} and {:?}", grads.err(), norms.err())),
    };
    let examples = all.numel();
    for i in 0..examples {
        // The graph of its own, which the ordinary pass takes apart.
        let one =
            losses(f, inputs, &leaves, way).and_then(|all| all.select(0, i as isize)?.backward()).map_err(said)?;
        for (k, leaf) in leaves.iter().enumerate() {
            let zeros = leaf.zeros_like();
            let expected = one.get(leaf).unwrap_or(&zeros).to_f64_vec();
            let (found, norm) = match (grads.wrt(leaf), norms.wrt(leaf)) {
                (Ok(found), Ok(norm)) => {
                    let found = found.select(0, i as isize).map_err(said)?.to_f64_vec();
                    (found, norm.to_dtype(DType::F64).to_f64_vec()[i])
                }
                (Err(_), Err(_)) => (vec![0.0; leaf.numel()], 0.0),
                _ => return Err(format!("only one of gradients and norms of input {k} is there")),
            };
            let squares: f64 = expected.iter().map(|x| x * x).sum();
            let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b.abs().max(1.0);
            if found.len() != expected.len() || found.iter().zip(&expected).any(|(a, b)| !near(*a, *b)) {
                return Err(format!("example {i}, input {k}: {found:?}, one by one {expected:?}"));
            }
            if !near(norm, squares) {
                return Err(format!("example {i}, input {k}: a squared norm of {norm}, one by one {squares}"));
            }
        }
    }
    Ok(Outcome::Kept)
}
