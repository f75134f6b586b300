//! Parts of an input, covered in turn.

use super::groups::Groups;
use super::subject::{Attribution, Explained, baseline_of, found, one_baseline, tensor};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Occlusion (Zeiler and Fergus, *Visualizing and understanding convolutional networks*, 2013): a window moves over the input, and what
/// the output loses when it is covered is what the covered elements get, on average over the windows that an element lies in. The values
/// are those of Captum's `Occlusion`.
///
/// ```
/// use demotic::explain::{Explained, Occlusion};
/// use demotic::prelude::*;
///
/// let f = |x: &Tensor| x.flatten(1, -1)?.sum_dims(&[1], false);
/// let picture = Tensor::ones([1, 1, 4, 4])?;
/// let found = Occlusion::new(&[1, 2, 2]).stride(&[1, 2, 2]).attribute(&Explained::function(&f), &picture)?;
/// assert_eq!(found.to_vec::<f32>()?, [4.0; 16]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Occlusion {
    window: Vec<usize>,
    stride: Option<Vec<usize>>,
    baseline: Option<Tensor>,
}

impl Occlusion {
    /// A window of this size, one number for each dimension of an example: `[channels, 8, 8]` for pictures, `[3]` for tokens.
    #[must_use]
    pub fn new(window: &[usize]) -> Self {
        Self { window: window.to_vec(), stride: None, baseline: None }
    }

    /// How far the window moves in each dimension: 1, if nothing is said. At the ends it covers what is left.
    #[must_use]
    pub fn stride(self, stride: &[usize]) -> Self {
        Self { stride: Some(stride.to_vec()), ..self }
    }

    /// What covers: zeros, if nothing is said.
    #[must_use]
    pub fn baseline(self, baseline: &Tensor) -> Self {
        Self { baseline: Some(baseline.clone()), ..self }
    }

    /// What the output loses by each element, `[n, ..]`.
    ///
    /// # Errors
    /// If window or stride have zeros, another number of dimensions, or a window is larger than the input; if the baseline has another
    /// shape, something is not finite, or the target does not exist.
    #[track_caller]
    pub fn attribute(&self, of: &Explained<'_>, x: &Tensor) -> Result<Tensor> {
        let op = "Occlusion";
        let scorer = of.scorer(op, x)?;
        let shape = &x.shape()[1..];
        let stride = self.stride.clone().unwrap_or_else(|| vec![1; shape.len()]);
        let window = &self.window;
        let bad = window.len() != shape.len()
            || stride.len() != shape.len()
            || window.iter().zip(shape).any(|(window, size)| *window == 0 || window > size)
            || stride.iter().zip(window).any(|(stride, window)| *stride == 0 || stride > window);
        if bad {
            let message = format!("a window of {window:?}, moved by {stride:?}, for examples of shape {shape:?}");
            return Err(Error::argument(op, message).with_help(
                "both have a number from 1 on for each dimension; a window is no larger than the input, and moves no farther than it covers",
            ));
        }
        let base = baseline_of(op, x, self.baseline.as_ref())?;
        let counts: Vec<usize> = (0..shape.len()).map(|d| 1 + (shape[d] - window[d]).div_ceil(stride[d])).collect();
        let (n, size, windows) = (scorer.examples, shape.iter().product::<usize>(), counts.iter().product::<usize>());
        let who: Vec<usize> = (0..n).collect();
        let whole = scorer.values(&x.detach(), &who)?;
        let (mut sums, mut times) = (vec![0.0; n * size], vec![0.0; size]);
        let at_once = (scorer.limit(x) / n).max(1);
        let flat = [x.detach().reshape([1, n, size])?, base.reshape([1, n, size])?];
        for start in (0..windows).step_by(at_once) {
            let numbers: Vec<usize> = (start..windows.min(start + at_once)).collect();
            let covered: Vec<Vec<bool>> = numbers.iter().map(|w| mask(*w, shape, window, &stride, &counts)).collect();
            let k = numbers.len();
            let masks = Tensor::from_vec(covered.concat(), [k, 1, size])?;
            let rows = masks.where_(&flat[1], &flat[0])?.reshape([&[k * n], shape].concat())?;
            let outputs = scorer.values(&rows, &(0..k * n).map(|i| i % n).collect::<Vec<_>>())?;
            for (mask, outputs) in covered.iter().zip(outputs.chunks(n)) {
                for (e, _) in mask.iter().enumerate().filter(|(_, covered)| **covered) {
                    times[e] += 1.0;
                    (0..n).for_each(|i| sums[i * size + e] += whole[i] - outputs[i]);
                }
            }
        }
        (0..n * size).for_each(|i| sums[i] /= times[i % size]);
        found(op, tensor(sums, x.shape(), x)?)
    }
}

/// Which elements the window with this number covers.
fn mask(number: usize, shape: &[usize], window: &[usize], stride: &[usize], counts: &[usize]) -> Vec<bool> {
    let (mut from, mut rest) = (vec![0; shape.len()], number);
    for d in (0..shape.len()).rev() {
        from[d] = rest % counts[d] * stride[d];
        rest /= counts[d];
    }
    let size: usize = shape.iter().product();
    let inside = |mut i: usize| {
        (0..shape.len()).rev().all(|d| {
            let at = i % shape[d];
            i /= shape[d];
            (from[d]..from[d] + window[d]).contains(&at)
        })
    };
    (0..size).map(inside).collect()
}

/// What the output loses when each group of elements is replaced by that of a baseline (zeros, if there is none), one group at a time:
/// Captum's `FeatureAblation`. With [`Groups::columns`] it is about the columns of a table, with [`Groups::patches`] about patches.
///
/// ```
/// use demotic::explain::{Explained, Groups, ablation};
/// use demotic::prelude::*;
///
/// let f = |x: &Tensor| x.select(1, 0)?.mul(&x.select(1, 1)?);
/// let found = ablation(&Explained::function(&f), &tensor![[2.0, 3.0]], None, None)?;
/// assert_eq!(found.values.to_vec::<f32>()?, [6.0, 6.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// As for [`exact_shapley`](super::exact_shapley), whatever the number of groups.
#[track_caller]
pub fn ablation(
    of: &Explained<'_>,
    x: &Tensor,
    baseline: Option<&Tensor>,
    groups: Option<&Groups>,
) -> Result<Attribution> {
    let op = "ablation";
    of.scorer(op, x)?;
    let base = one_baseline(op, x, baseline)?;
    let game = super::coalitions::Game::new(op, of, x, &base, groups)?;
    let (p, n) = (game.players(), game.examples());
    super::coalitions::check_players(op, p, 100_000, "Groups joins elements")?;
    let (mut values, mut outputs, mut empty) = (Vec::with_capacity(n * p), Vec::new(), Vec::new());
    for i in 0..n {
        let ends = game.values(i, &[vec![false; p], vec![true; p]])?;
        for start in (0..p).step_by(256) {
            let without = |player: usize| (0..p).map(|other| other != player).collect();
            let asked: Vec<_> = (start..p.min(start + 256)).map(without).collect();
            values.extend(game.values(i, &asked)?.iter().map(|output| ends[1] - output));
        }
        empty.push(ends[0]);
        outputs.push(ends[1]);
    }
    Ok(Attribution { values: found(op, tensor(values, &[n, p], x)?)?, outputs, base: empty })
}
