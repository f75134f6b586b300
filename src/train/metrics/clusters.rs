//! Whether groups of points are apart from each other.

use super::examples::{place, whole_numbers};
use super::mean;
use crate::error::{Error, Result};
use crate::order;
use crate::parallel;
use crate::tensor::Tensor;

/// The silhouette of each point (Rousseeuw, 1987): `(b − a) / max(a, b)` with the mean distance `a` to the other points of its
/// own group and `b` to those of the nearest other group. 1 is well inside, 0 on a border, negative in the wrong group; a point
/// alone in its group has 0.
///
/// Points are `[n, features]`, labels `[n]` whole numbers. Distances are Euclidean; time is that of `n²` distances.
///
/// # Errors
/// If shapes do not fit, a number is not finite, or there are fewer than two groups, or as many as points.
#[track_caller]
pub fn silhouette_samples(points: &Tensor, labels: &Tensor) -> Result<Vec<f64>> {
    samples("silhouette_samples", points, labels)
}

/// The mean [silhouette](silhouette_samples) of all points: how far groups are apart in relation to their own size.
///
/// # Errors
/// As for [`silhouette_samples`].
///
/// ```
/// use demotic::prelude::*;
///
/// let points = tensor![[0.0, 0.0], [0.0, 1.0], [9.0, 0.0], [9.0, 1.0]];
/// assert!(metrics::silhouette(&points, &Tensor::from_nested([0i64, 0, 1, 1])?)? > 0.8);
/// assert!(metrics::silhouette(&points, &Tensor::from_nested([0i64, 1, 0, 1])?)? < 0.0);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn silhouette(points: &Tensor, labels: &Tensor) -> Result<f64> {
    Ok(mean(samples("silhouette", points, labels)?.iter().copied(), None))
}

#[track_caller]
fn samples(name: &'static str, points: &Tensor, labels: &Tensor) -> Result<Vec<f64>> {
    let &[n, features] = points.shape() else {
        let message = format!("points of shape {:?}, expected [n, features]", points.shape());
        return Err(Error::shape(name, message));
    };
    if labels.shape() != [n] {
        let message = format!("labels of shape {:?} for {n} points, expected [{n}]", labels.shape());
        return Err(Error::shape(name, message));
    }
    let values = points.to_f64_vec();
    if let Some(i) = values.iter().position(|x| !x.is_finite()) {
        let message = format!("the points contain {} at {}", values[i], place(points.shape(), i));
        return Err(Error::numeric(name, message));
    }
    let labels = whole_numbers(name, "label", labels)?;
    let mut groups = labels.clone();
    order::sort_by_key(&mut groups, |label| order::whole_key(*label));
    groups.dedup();
    if groups.len() < 2 || groups.len() >= n {
        let s = if groups.len() == 1 { "" } else { "s" };
        let message = format!("{} group{s} of {n} points, so that it is not defined", groups.len());
        return Err(Error::argument(name, message).with_help("it needs at least two groups, and fewer than points"));
    }
    let mut group = Vec::with_capacity(n);
    let mut sizes = vec![0usize; groups.len()];
    for label in &labels {
        // Every label is among the groups.
        let at = groups.binary_search(label).unwrap_or(0);
        group.push(at);
        sizes[at] += 1;
    }
    let mut out = vec![0.0; n];
    parallel::for_blocks(&mut out, 64, |start, block| {
        let mut sums = vec![0.0; sizes.len()];
        for (i, out) in block.iter_mut().enumerate() {
            let (i, own) = (start + i, group[start + i]);
            sums.fill(0.0);
            let here = &values[i * features..][..features];
            for (j, there) in group.iter().enumerate() {
                let mut square = 0.0;
                for (a, b) in here.iter().zip(&values[j * features..][..features]) {
                    square += (a - b) * (a - b);
                }
                sums[*there] += square.sqrt();
            }
            if sizes[own] > 1 {
                let inside = sums[own] / (sizes[own] - 1) as f64;
                let mut outside = f64::INFINITY;
                for (k, sum) in sums.iter().enumerate() {
                    if k != own {
                        outside = outside.min(sum / sizes[k] as f64);
                    }
                }
                let larger = inside.max(outside);
                *out = if larger > 0.0 { (outside - inside) / larger } else { 0.0 };
            }
        }
    });
    Ok(out)
}
