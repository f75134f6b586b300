//! Rows of a table, by its columns.

use super::groups::Groups;
use super::shapley::KernelShap;
use super::subject::Explained;
use crate::data::Table;
use crate::error::{Error, Result, meant, short};
use crate::pipeline::Pipeline;
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};

/// What each column of a table adds to the predictions for some rows.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ColumnAttribution {
    /// The columns that are features.
    pub columns: Vec<String>,
    /// What each of them adds, for each row.
    pub values: Vec<Vec<f64>>,
    /// The predictions: numbers in their own units, or the probability of the class.
    pub outputs: Vec<f64>,
    /// What is predicted on average for the background.
    pub base: f64,
}

impl ColumnAttribution {
    /// The mean magnitude of what each column adds, the largest first.
    #[must_use]
    pub fn summary(&self) -> Vec<(String, f64)> {
        let mean = |i: usize| self.values.iter().map(|row| row[i].abs()).sum::<f64>() / self.values.len().max(1) as f64;
        let mut means: Vec<_> = self.columns.iter().enumerate().map(|(i, name)| (name.clone(), mean(i))).collect();
        crate::order::sort_by(&mut means, |a, b| b.1.total_cmp(&a.1));
        means
    }
}

/// The Shapley values of the columns of a table for the predictions of a pipeline, by [`KernelShap`]: columns that the preprocessing spreads
/// over several features are taken away as a whole, and have one value. `background` is some dozens of rows of the training part. Of a
/// classifier, `class` is the one whose probability is explained.
///
/// ```
/// use demotic::data::{Column, Preprocessor, Table};
/// use demotic::explain::shap_rows;
/// use demotic::models::LinearRegression;
/// use demotic::prelude::*;
///
/// let flats = Table::from_columns([
///     ("area", Column::from([50.0, 80.0, 110.0, 90.0])),
///     ("district", Column::from(["north", "south", "north", "south"])),
///     ("price", Column::from([100.0, 190.0, 220.0, 210.0])),
/// ])?;
/// let prep = Preprocessor::fit(&flats, "price")?;
/// let data = prep.transform(&flats)?;
/// let prices = Pipeline::new(prep, LinearRegression::fit(data.x(), data.y())?)?;
/// let found = shap_rows(&prices, &flats, &flats, None, &mut Rng::seed(0))?;
/// assert_eq!(found.columns, ["area", "district"]);
/// // 2 for each square metre beyond the mean of 82.5.
/// assert!((found.values[0][0] + 65.0).abs() < 0.01, "{:?}", found.values);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// If the class does not exist, or none is named and there are classes; if a table has no rows or cannot be transformed; or the model's
/// outputs are not finite.
#[track_caller]
pub fn shap_rows(
    pipeline: &Pipeline,
    rows: &Table,
    background: &Table,
    class: Option<&str>,
    rng: &mut Rng,
) -> Result<ColumnAttribution> {
    let op = "shap_rows";
    let prep = pipeline.preprocessor();
    if prep.labels().is_some() {
        return Err(Error::state(op, "the target is labels, expected a number or a class"));
    }
    let names = prep.classes().unwrap_or_default();
    let class = match (class, names.is_empty()) {
        (None, true) => None,
        (Some(class), false) => match names.iter().position(|name| name == class) {
            Some(class) => Some(class),
            None => {
                let e = Error::argument(op, format!("class `{}` does not exist", short(class)));
                return Err(e.with_help(meant(class, "classes", names)));
            }
        },
        (None, false) => {
            let e = Error::argument(op, "the target is a class, and none is named");
            return Err(e.with_help(format!("Some(\"{}\") is one", short(&names[0]))));
        }
        (Some(class), true) => {
            return Err(Error::argument(op, format!("class `{}` of a target that is a number", short(class))));
        }
    };
    let predict = |x: &Tensor| -> Result<Tensor> {
        let y = pipeline.run(op, x)?.to_dtype(DType::F64);
        let Some(class) = class else { return prep.inverse_target(&y)?.to_dtype(DType::F64).reshape([x.shape()[0]]) };
        match y.shape() {
            [_, width] if *width > 1 => y.softmax(-1)?.select(1, class as isize),
            _ => {
                let positive = y.sigmoid().reshape([x.shape()[0]])?;
                Ok(if class == 0 { positive.rsub_scalar(1.0) } else { positive })
            }
        }
    };
    let (x, others) = (prep.transform_features(rows)?, prep.transform_features(background)?);
    let groups = Groups::columns(prep);
    let found = KernelShap::new(&others).groups(&groups).attribute(&Explained::function(&predict), &x, rng)?;
    let values = found.values.to_f64_vec().chunks(groups.len().max(1)).map(<[f64]>::to_vec).collect();
    let base = found.base.first().copied().unwrap_or(f64::NAN);
    Ok(ColumnAttribution { columns: groups.names().to_vec(), values, outputs: found.outputs, base })
}
