//! Models of tables of numbers.

mod linear_regression;
mod mlp;

pub use linear_regression::{LinearRegression, LinearRegressionConfig};
pub use mlp::{Mlp, MlpConfig};
