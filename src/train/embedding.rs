//! Points with many coordinates in the plane, so that people see which are alike.

use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};

/// The directions that are found together with those that are asked for, so that these are found sooner.
const SPARE: usize = 8;
/// The most rounds of the iteration; few are needed, but for directions in which points scatter equally.
const ROUNDS: usize = 300;

/// The points along the directions in which they scatter most (principal components): `[n, d]` become `[n, dimensions]` of type `F64`,
/// about their mean. The largest coordinate of each direction is positive, as in scikit-learn's `PCA`.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::embedding::pca;
///
/// let points = tensor![[1.0, 1.1, 0.0], [2.0, 1.9, 0.1], [3.0, 3.0, 0.0], [4.0, 4.1, 0.1]];
/// let flat = pca(&points, 2)?;
/// assert_eq!(flat.shape(), [4, 2]);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// The directions come from an iteration on blocks of them (Halko, Martinsson and Tropp, 2011) that goes on until they stand still.
///
/// # Errors
/// If the points are not `[n, d]` with n ≥ 2, are not finite, or have fewer coordinates than dimensions are asked for, or none.
#[track_caller]
pub fn pca(points: &Tensor, dimensions: usize) -> Result<Tensor> {
    let (x, [n, d]) = checked("pca", points)?;
    if !(1..=d.min(n)).contains(&dimensions) {
        let message =
            format!("{dimensions} dimensions of points of shape {:?}, expected 1 to {}", points.shape(), d.min(n));
        return Err(Error::argument("pca", message));
    }
    let x = x.sub(&x.mean_dims(&[0], true)?)?;
    // Of size 1: what follows squares squares.
    let largest = x.abs().max()?.item()?;
    let scale = if largest > 0.0 { largest } else { 1.0 };
    let x = x.div_scalar(scale);
    let width = (dimensions + SPARE).min(d);
    // Always the same start: the result depends on nothing but the points.
    let mut basis = orthonormal(Tensor::normal([d, width], 0.0, 1.0, &mut Rng::seed(0))?.to_f64_vec(), d, width);
    let mut before: Vec<f64> = Vec::new();
    let mut directions = basis.clone();
    for _ in 0..ROUNDS {
        // Along each direction of the basis, how all points lie, and what that makes of the coordinates.
        let along = x.matmul(&Tensor::from_vec(basis.clone(), [d, width])?)?;
        let square = along.t().matmul(&along)?.to_f64_vec();
        let (values, rotation) = eigen(square, width);
        directions = product(&basis, &rotation, d, width);
        let still = |(new, old): (&f64, &f64)| (new - old).abs() <= 1e-14 * values[0].abs();
        if before.len() == width && values.iter().zip(&before).take(dimensions).all(still) {
            break;
        }
        before = values;
        let turned = Tensor::from_vec(directions.clone(), [d, width])?;
        basis = orthonormal(x.t().matmul(&x.matmul(&turned)?)?.to_f64_vec(), d, width);
    }
    let mut chosen = Vec::with_capacity(d * dimensions);
    let column = |j: usize| directions.iter().skip(j).step_by(width).copied();
    let sign = |j: usize| column(j).fold(0.0, |most: f64, x| if x.abs() > most.abs() { x } else { most }).signum();
    let signs: Vec<f64> = (0..dimensions).map(sign).collect();
    directions.chunks(width).for_each(|row| chosen.extend(row.iter().zip(&signs).map(|(x, sign)| x * sign)));
    Ok(x.matmul(&Tensor::from_vec(chosen, [d, dimensions])?)?.mul_scalar(scale))
}

/// The points in the plane such that those that are alike lie side by side (t-SNE, van der Maaten and Hinton, 2008; feature `tsne`):
/// `[n, d]` become `[n, 2]` of type `F64`. Groups show what is alike, but neither the distances between groups nor their sizes mean
/// anything. `perplexity` is about how many neighbours count, 30 for most data; there must be at least three times as many others.
///
/// It begins with the [principal components](pca), makes 1,000 steps with forces by a tree (van der Maaten, 2014), and gives the same points
/// whenever it is given the same. Of more than some 50 coordinates, take the principal components first.
///
/// # Errors
/// If the points are not `[n, d]`, not finite, all the same, or too few for the perplexity, which must be at least 1.
#[cfg(feature = "tsne")]
#[track_caller]
pub fn tsne(points: &Tensor, perplexity: f64) -> Result<Tensor> {
    let (x, [n, d]) = checked("tsne", points)?;
    if !(1.0..=(n - 1) as f64 / 3.0).contains(&perplexity) {
        let message = format!("a perplexity of {perplexity} for {n} points, expected 1 to {:.4}", (n - 1) as f64 / 3.0);
        return Err(Error::argument("tsne", message).with_help("it is about how many neighbours of each point count"));
    }
    let first = pca(&x, d.min(2))?;
    let spread = first.narrow(1, 0, 1)?.square().mean().sqrt().item()?;
    if spread == 0.0 {
        return Err(Error::argument("tsne", "all points are the same"));
    }
    // So small that the first steps can put everything in order.
    let mut start = first.mul_scalar(1e-4 / spread);
    if d == 1 {
        let noise = Tensor::normal([n, 1], 0.0, 1e-5, &mut Rng::seed(0))?.to_dtype(DType::F64);
        start = Tensor::cat(&[&start, &noise], 1)?;
    }
    // Of a size in which squares have room.
    let values = x.sub(&x.mean_dims(&[0], true)?)?.div_scalar(spread).to_f64_vec();
    let rows: Vec<&[f64]> = values.chunks(d).collect();
    let distance = |a: &&[f64], b: &&[f64]| a.iter().zip(b.iter()).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    // On one thread: it adds up in whatever order threads finish.
    let plane = crate::parallel::with_threads(1, || {
        let mut fit: bhtsne::tSNE<'_, f64, &[f64]> = bhtsne::tSNE::new(&rows);
        fit.perplexity(perplexity).epochs(1000).initial_embedding(start.to_f64_vec()).barnes_hut(0.5, distance);
        fit.embedding()
    })?;
    if plane.iter().any(|x| !x.is_finite()) {
        return Err(Error::numeric("tsne", "the points have left the range of numbers"));
    }
    Tensor::from_vec(plane, [n, 2])
}

/// The points in double precision.
#[track_caller]
fn checked(op: &'static str, points: &Tensor) -> Result<(Tensor, [usize; 2])> {
    let (n, d) = match *points.shape() {
        [n, d] if n >= 2 && d >= 1 => (n, d),
        ref shape => {
            let message = format!("points of shape {shape:?}, expected [n, d] with at least two points");
            return Err(Error::shape(op, message));
        }
    };
    let x = points.detach().to_dtype(DType::F64);
    // Squares of larger numbers have no room in an F64.
    match x.to_f64_vec().iter().position(|x| x.is_nan() || x.abs() > 1e120) {
        Some(i) => {
            Err(Error::numeric(op, format!("coordinate {} of point {} is not finite, or beyond 1e120", i % d, i / d)))
        }
        None => Ok((x, [n, d])),
    }
}

/// Columns made orthogonal to each other, and of length 1, one after the other and twice, so that rounding leaves nothing. Columns that
/// are nothing but others become zeros.
fn orthonormal(mut a: Vec<f64>, rows: usize, columns: usize) -> Vec<f64> {
    for j in 0..columns {
        let whole: f64 = (0..rows).map(|i| a[i * columns + j].powi(2)).sum::<f64>().sqrt();
        for _ in 0..2 {
            for k in 0..j {
                let along: f64 = (0..rows).map(|i| a[i * columns + j] * a[i * columns + k]).sum();
                (0..rows).for_each(|i| a[i * columns + j] -= along * a[i * columns + k]);
            }
        }
        let length: f64 = (0..rows).map(|i| a[i * columns + j].powi(2)).sum::<f64>().sqrt();
        let scale = if length > 1e-13 * whole { 1.0 / length } else { 0.0 };
        (0..rows).for_each(|i| a[i * columns + j] *= scale);
    }
    a
}

/// `a [rows, n] · b [n, n]`.
fn product(a: &[f64], b: &[f64], rows: usize, n: usize) -> Vec<f64> {
    let cell = |i: usize, j: usize| (0..n).map(|k| a[i * n + k] * b[k * n + j]).sum();
    (0..rows * n).map(|at| cell(at / n, at % n)).collect()
}

/// The eigenvalues of a symmetric matrix, the largest first, and its eigenvectors in columns, by rotations that make one pair of cells zero
/// after the other (Jacobi, 1846).
fn eigen(mut a: Vec<f64>, n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut vectors = vec![0.0; n * n];
    (0..n).for_each(|i| vectors[i * n + i] = 1.0);
    for _sweep in 0..60 {
        let off: f64 = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i * n + j].powi(2)).sum();
        let diagonal: f64 = (0..n).map(|i| a[i * n + i].powi(2)).sum();
        if off <= 1e-32 * diagonal {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                let between = a[p * n + q];
                if between == 0.0 {
                    continue;
                }
                let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * between);
                let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let (c, s) = (1.0 / t.hypot(1.0), t / t.hypot(1.0));
                let turn = |m: &mut [f64], i: usize, j: usize| {
                    let (x, y) = (m[i], m[j]);
                    (m[i], m[j]) = (c * x - s * y, s * x + c * y);
                };
                (0..n).for_each(|k| turn(&mut a, k * n + p, k * n + q));
                (0..n).for_each(|k| turn(&mut a, p * n + k, q * n + k));
                (0..n).for_each(|k| turn(&mut vectors, k * n + p, k * n + q));
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    crate::order::sort_by(&mut order, |i, j| a[j * n + j].total_cmp(&a[i * n + i]));
    let values = order.iter().map(|i| a[i * n + i]).collect();
    let sorted = (0..n * n).map(|at| vectors[at / n * n + order[at % n]]).collect();
    (values, sorted)
}

#[cfg(all(test, feature = "tsne"))]
mod tests;
