//! How far what two models make of the same examples is from being alike, whatever the numbers of their units.

use std::panic::Location;

use crate::error::{Error, Result};
use crate::losses::{Loss, SmoothL1};
use crate::tensor::Tensor;

/// One row for each example.
#[track_caller]
fn flat(op: &'static str, what: &str, x: &Tensor) -> Result<Tensor> {
    match x.shape() {
        [n, rest @ ..] if *n > 0 && !rest.is_empty() => x.reshape([*n as isize, -1]),
        shape => Err(Error::shape(op, format!("{what} of shape {shape:?}, expected [examples, ..]"))),
    }
}

#[track_caller]
fn both(op: &'static str, student: &Tensor, teacher: &Tensor) -> Result<[Tensor; 2]> {
    let (s, t) = (flat(op, "the student's", student)?, flat(op, "the teacher's", &teacher.detach())?);
    if s.shape()[0] != t.shape()[0] {
        let message =
            format!("{:?} of the student and {:?} of the teacher: other numbers of examples", s.shape(), t.shape());
        return Err(Error::shape(op, message));
    }
    Ok([s, t])
}

/// The distances between all pairs of examples, in units of their mean over pairs of different ones.
#[track_caller]
fn distances(x: &Tensor) -> Result<Tensor> {
    let square = x.square().sum_dims(&[1], true)?;
    let squared = square.add(&square.t())?.sub(&(x.matmul(&x.t())? * 2.0))?;
    // Not below zero by rounding, and with a slope where two examples are the same.
    let all = squared.clamp_min(1e-12).sqrt();
    let others = Tensor::eye(x.shape()[0])?.to_dtype(x.dtype()).neg().add_scalar(1.0);
    let all = all.mul(&others)?;
    let mean = all.sum().div(&others.sum())?;
    all.div(&mean.clamp_min(1e-12))
}

/// How much the distances between examples differ, each in units of their mean: relational knowledge distillation by distances (Park et
/// al., *Relational knowledge distillation*, 2019). The mean over all pairs of the smooth absolute difference.
///
/// Both are `[examples, ..]`, of any numbers of features. Gradients go to the student alone.
///
/// # Errors
/// If there are no examples, or other numbers of them.
///
/// ```
/// use demotic::compress::relation_distances;
/// use demotic::tensor;
///
/// // The same triangle, larger and with one more coordinate.
/// let teacher = tensor![[0.0, 0.0, 1.0], [6.0, 0.0, 1.0], [0.0, 8.0, 1.0]];
/// let loss = relation_distances(&tensor![[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]], &teacher)?;
/// assert!(loss.item()? < 1e-10);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn relation_distances(student: &Tensor, teacher: &Tensor) -> Result<Tensor> {
    let [s, t] = both("relation_distances", student, teacher)?;
    SmoothL1::new().loss(&distances(&s)?, &distances(&t)?)
}

/// The cosines of the angles at each example between the directions to all pairs of others, `[n, n, n]`.
#[track_caller]
fn angles(x: &Tensor) -> Result<Tensor> {
    let towards = x.unsqueeze(0)?.sub(&x.unsqueeze(1)?)?;
    let length = towards.square().sum_dims(&[2], true)?.clamp_min(1e-24).sqrt();
    let unit = towards.div(&length)?;
    unit.matmul(&unit.transpose(1, 2)?)
}

/// How much the angles between examples differ: relational knowledge distillation by angles (Park et al., 2019). The mean over all
/// triples of the smooth absolute difference of cosines. It takes memory for all triples of a batch.
///
/// Both are `[examples, ..]`, of any numbers of features. Gradients go to the student alone.
///
/// # Errors
/// If there are no examples, or other numbers of them.
#[track_caller]
pub fn relation_angles(student: &Tensor, teacher: &Tensor) -> Result<Tensor> {
    let [s, t] = both("relation_angles", student, teacher)?;
    SmoothL1::new().loss(&angles(&s)?, &angles(&t)?)
}

/// How much the similarities of examples differ: the mean squared difference of the products of all pairs of examples, each row of them
/// of length 1 (Tung and Mori, *Similarity-preserving knowledge distillation*, 2019).
///
/// Both are `[examples, ..]`, of any numbers of features. Gradients go to the student alone.
///
/// # Errors
/// If there are no examples, or other numbers of them.
#[track_caller]
pub fn similarity_preserving(student: &Tensor, teacher: &Tensor) -> Result<Tensor> {
    let similar = |x: &Tensor| unit_rows(&x.matmul(&x.t())?);
    let [s, t] = both("similarity_preserving", student, teacher)?;
    Ok(similar(&s)?.sub(&similar(&t)?)?.square().mean())
}

#[track_caller]
fn unit_rows(x: &Tensor) -> Result<Tensor> {
    x.div(&x.square().sum_dims(&[1], true)?.clamp_min(1e-24).sqrt())
}

/// How much the places differ at which two convolutional networks are active: the mean squared difference of the means over channels of
/// the squared activations, each map of length 1 (Zagoruyko and Komodakis, *Paying more attention to attention*, 2017).
///
/// Both are `[examples, channels, height, width]` with the same height and width, and any numbers of channels. Gradients go to the
/// student alone.
///
/// # Errors
/// If they are not of this form, or differ in anything but channels.
#[track_caller]
pub fn attention_transfer(student: &Tensor, teacher: &Tensor) -> Result<Tensor> {
    let caller = Location::caller();
    let map = |x: &Tensor| match x.rank() {
        4 => unit_rows(&x.square().mean_dims(&[1], false)?.flatten(1, -1)?),
        _ => {
            let message =
                format!("an activation of shape {:?}, expected [examples, channels, height, width]", x.shape());
            Err(Error::shape("attention_transfer", message).at(caller))
        }
    };
    Ok(map(student)?.sub(&map(&teacher.detach())?)?.square().mean())
}
