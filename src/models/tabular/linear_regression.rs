//! Linear regression by least squares.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::layers::{Architecture, Count, Layer, LayerExt, Linear, Mode, Param, Weight};
use crate::rng::Rng;
use crate::tensor::create::reserve;
use crate::tensor::{DType, Tensor};

/// Columns whose remaining length falls below this share of their original one depend on the others.
const DEPENDENT: f64 = 1e-10;

/// A linear model, `y = x · Wᵀ + b`, whose weights are those with the smallest squared error on the data.
///
/// A baseline to compare other models with: it needs no learning rate and no epochs. The solution is found by a QR
/// decomposition with column pivoting, in `F64`. Features that depend linearly on others, such as one column for
/// each of all categories, get the weight 0, which changes no prediction.
///
/// ```
/// use demotic::models::LinearRegression;
/// use demotic::prelude::*;
///
/// let x = tensor![[1.0], [2.0], [3.0]];
/// let y = tensor![[5.0], [7.0], [9.0]];
/// let model = LinearRegression::fit(&x, &y)?;
/// assert!((model.predict(&tensor![[10.0]])?.item()? - 23.0).abs() < 1e-4);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct LinearRegression {
    linear: Linear,
}

crate::module!(LinearRegression { linear });

/// The sizes of a [`LinearRegression`], as its file holds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LinearRegressionConfig {
    /// The number of input features.
    pub features: usize,
    /// The number of outputs.
    pub outputs: usize,
}

impl Architecture for LinearRegression {
    const KIND: &'static str = "LinearRegression";
    type Config = LinearRegressionConfig;

    fn config(&self) -> Result<LinearRegressionConfig> {
        Ok(LinearRegressionConfig { features: self.linear.in_features(), outputs: self.linear.out_features() })
    }

    #[track_caller]
    fn from_config(config: LinearRegressionConfig, rng: &mut Rng) -> Result<Self> {
        Ok(Self { linear: Linear::new(config.features, config.outputs, rng)? })
    }

    fn min_parameters(config: &LinearRegressionConfig) -> usize {
        ((Count::new(config.features) + 1) * config.outputs).get()
    }
}

impl LinearRegression {
    /// The least-squares fit of targets `[n, outputs]` by features `[n, features]`, with an intercept.
    ///
    /// # Errors
    /// If the shapes do not fit, there are no examples, a value is not finite, or there is no memory for the equations.
    #[track_caller]
    pub fn fit(x: &Tensor, y: &Tensor) -> Result<Self> {
        Self::fit_ridge(x, y, 0.0)
    }

    /// The same with a penalty of `lambda` times the sum of the squared weights, without the intercept (ridge
    /// regression; Hoerl and Kennard, 1970).
    ///
    /// # Errors
    /// As for [`fit`](Self::fit), and if `lambda` is negative or not finite.
    #[track_caller]
    pub fn fit_ridge(x: &Tensor, y: &Tensor, lambda: f64) -> Result<Self> {
        let name = "LinearRegression::fit";
        let (&[rows, features], &[targets, outputs]) = (x.shape(), y.shape()) else {
            let message = format!(
                "features {:?} and targets {:?}, expected [n, features] and [n, outputs]",
                x.shape(),
                y.shape()
            );
            return Err(Error::shape(name, message));
        };
        if rows != targets || rows == 0 || features == 0 || outputs == 0 {
            let message = format!("features {:?} and targets {:?}", x.shape(), y.shape());
            return Err(Error::shape(name, message)
                .with_help("both need the same number of rows, and at least one of everything"));
        }
        if !(lambda >= 0.0 && lambda.is_finite()) {
            return Err(Error::argument(
                name,
                format!("lambda is {lambda}, expected a finite number that is not negative"),
            ));
        }
        // A penalty adds a row for each feature.
        let all_rows = if lambda > 0.0 { rows.saturating_add(features) } else { rows };
        reserve(name, &[all_rows, features], DType::F64)?;
        let (x_values, y_values) = (x.to_f64_vec(), y.to_f64_vec());
        for (what, values, columns) in [("features", &x_values, features), ("targets", &y_values, outputs)] {
            if let Some(i) = values.iter().position(|v| !v.is_finite()) {
                let (row, column) = (i / columns, i % columns);
                let message = format!("the {what} are {} in row {row}, column {column} (counted from 0)", values[i]);
                return Err(Error::numeric(name, message)
                    .with_help("leave out such rows or fill the gaps; Preprocessor fills those of a table"));
            }
        }
        // Centred data have no intercept, which keeps the penalty away from it.
        let (x_means, mut x_columns) = centred_columns(&x_values, features);
        let (y_means, mut y_columns) = centred_columns(&y_values, outputs);
        if lambda > 0.0 {
            // √λ · w = 0 as further rows.
            for (j, column) in x_columns.iter_mut().enumerate() {
                column.extend((0..features).map(|i| if i == j { lambda.sqrt() } else { 0.0 }));
            }
            y_columns.iter_mut().for_each(|column| column.resize(rows + features, 0.0));
        }
        let weights = least_squares(x_columns, &mut y_columns);
        let biases: Vec<f64> = weights
            .iter()
            .zip(&y_means)
            .map(|(w, y_mean)| y_mean - w.iter().zip(&x_means).map(|(w, m)| w * m).sum::<f64>())
            .collect();
        let dtype = if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
        let weight = Tensor::from_vec(weights.concat(), [outputs, features])?.to_dtype(dtype);
        let bias = Tensor::from_vec(biases, [outputs])?.to_dtype(dtype);
        Ok(Self { linear: Linear { weight: Weight::new(weight)?, bias: Some(Param::new(bias)?) } })
    }

    /// The weights, `[outputs, features]`.
    ///
    /// # Errors
    /// Those of an adapter, if one was added; see [`Weight::value`].
    #[track_caller]
    pub fn weight(&self) -> Result<Tensor> {
        self.linear.weight.value()
    }

    /// The intercepts, `[outputs]`.
    #[must_use]
    pub fn bias(&self) -> Option<&Tensor> {
        self.linear.bias.as_deref()
    }
}

impl Layer for LinearRegression {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        self.linear.at("linear", x, mode)
    }
}

/// The columns of a row-major matrix without their means, and the means.
fn centred_columns(values: &[f64], columns: usize) -> (Vec<f64>, Vec<Vec<f64>>) {
    let rows = (values.len() / columns) as f64;
    let column = |j: usize| values.iter().skip(j).step_by(columns).copied();
    let means: Vec<f64> = (0..columns).map(|j| column(j).sum::<f64>() / rows).collect();
    let centred = (0..columns).map(|j| column(j).map(|v| v - means[j]).collect()).collect();
    (means, centred)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `a += c · b`
fn add_scaled(a: &mut [f64], c: f64, b: &[f64]) {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += c * b);
}

/// For each column `y` the `w` with the smallest `‖Σ wⱼ xⱼ − y‖`, by Householder reflections with column pivoting
/// (Golub and Van Loan, *Matrix Computations*, 5.4).
fn least_squares(mut x: Vec<Vec<f64>>, y: &mut [Vec<f64>]) -> Vec<Vec<f64>> {
    let (features, rows) = (x.len(), x[0].len());
    let original: Vec<f64> = x.iter().map(|column| dot(column, column)).collect();
    let mut order: Vec<usize> = (0..features).collect();
    let mut diagonal = Vec::new();
    for k in 0..features.min(rows) {
        // Next comes the column with most of its length left.
        let left = |j: usize| dot(&x[order[j]][k..], &x[order[j]][k..]) / original[order[j]].max(f64::MIN_POSITIVE);
        let best = (k..features).fold(k, |best, j| if left(j) > left(best) { j } else { best });
        if left(best) < DEPENDENT * DEPENDENT {
            break;
        }
        order.swap(k, best);
        // The reflection that leaves only the first of the remaining entries.
        let mut v = x[order[k]][k..].to_vec();
        let norm = dot(&v, &v).sqrt();
        let alpha = if v[0] > 0.0 { -norm } else { norm };
        v[0] -= alpha;
        let scale = 2.0 / dot(&v, &v);
        let reflect = |column: &mut [f64]| {
            let c = -scale * dot(&v, column);
            add_scaled(column, c, &v);
        };
        order[k..].iter().for_each(|j| reflect(&mut x[*j][k..]));
        y.iter_mut().for_each(|column| reflect(&mut column[k..]));
        diagonal.push(alpha);
    }
    y.iter()
        .map(|y| {
            let mut w = vec![0.0; features];
            for k in (0..diagonal.len()).rev() {
                let known: f64 = (k + 1..diagonal.len()).map(|j| x[order[j]][k] * w[order[j]]).sum();
                w[order[k]] = (y[k] - known) / diagonal[k];
            }
            w
        })
        .collect()
}

#[cfg(test)]
mod tests;
