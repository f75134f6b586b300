//! Tables into tensors: what is learnt from the training part, and applied to every part.

mod builder;
mod feature;
mod known;
mod looks;
mod scaler;
mod target;

use serde::{Deserialize, Serialize};

use super::dataset::TensorDataset;
use super::table::Table;
use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

pub use builder::PreprocessorBuilder;
use feature::Feature;
use target::Target;

/// How numbers are brought to a common size. `x` becomes `(x − center) / scale`; a column of equal values becomes zeros.
///
/// Fractions that differ by rounding errors alone count as equal, by the bounds of scikit-learn, so that noise is not
/// blown up: a variance of up to `n·ε·variance + (n·ε·mean)²`, a range of up to `10·ε` of the largest number (where
/// scikit-learn takes `10·ε` for numbers of any size). Whole numbers have no rounding errors. Means and deviations are
/// computed with twice the digits of an `f64`, and integers keep all of theirs: times in nanoseconds too.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Scaling {
    /// Mean 0 and standard deviation 1 over the training part (dividing by n, as scikit-learn's `StandardScaler`).
    Standard,
    /// Mean 0 with the spread as it is (`StandardScaler(with_std=False)`).
    #[doc(alias = "with_std")]
    Center,
    /// Standard deviation 1 with zero where it was, which keeps sparse features sparse
    /// (`StandardScaler(with_mean=False)`).
    #[doc(alias = "with_mean")]
    Deviation,
    /// The smallest number of the training part becomes 0, the largest 1 (`MinMaxScaler`).
    MinMax,
    /// The smallest number of the training part becomes `low`, the largest `high`; with `clip`, numbers beyond them stay at
    /// these bounds (`MinMaxScaler(feature_range, clip)`). A column of equal values becomes `low`.
    #[doc(alias = "feature_range")]
    #[doc(alias = "clip")]
    Range {
        /// What the smallest number becomes.
        low: f64,
        /// What the largest number becomes.
        high: f64,
        /// Whether smaller and larger numbers of other tables stay within.
        clip: bool,
    },
    /// As they are.
    None,
}

/// What takes the place of a missing number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Impute {
    /// The median of the column's values in the training part.
    Median,
    /// Their mean.
    Mean,
    /// This number, in the column's own units.
    Constant(f64),
    /// Nothing: a missing number is an error.
    Error,
}

/// What becomes of a category that did not occur in the training part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Unseen {
    /// None of the known ones: zeros in all the column's features.
    Zeros,
    /// An error.
    Error,
}

/// Turns tables into tensors, in a way that was fitted to the training part and is saved with the model.
///
/// - **Numbers** are standardised; missing ones become the median of the training part.
/// - **Texts** are categories, each with a feature of its own that is 1 or 0 (one-hot). Missing texts are one more
///   category, if there are any in the training part.
/// - **The target** is standardised if it is a number (regression), and becomes a class number if it is a text
///   (classification). Predictions are turned back with [`inverse_target`](Self::inverse_target) or
///   [`class_names`](Self::class_names).
///
/// Every rule can be changed: [`regression`](Self::regression) and [`classification`](Self::classification) start
/// with options. It serialises with `serde`, and to JSON for the metadata of a model's file:
///
/// ```
/// use demotic::data::{Column, Dataset, Preprocessor, Table};
///
/// let train = Table::from_columns([
///     ("area", Column::from([100.0, 120.0, 140.0])),
///     ("kind", Column::from(["flat", "house", "flat"])),
///     ("price", Column::from([200.0, 250.0, 300.0])),
/// ])?;
/// let prep = Preprocessor::fit(&train, "price")?;
/// assert_eq!(prep.feature_names(), ["area", "kind=flat", "kind=house"]);
///
/// let data = prep.transform(&train)?;
/// assert_eq!(data.x().shape(), [3, 3]);
/// let prices = prep.inverse_target(data.y())?;
/// assert_eq!(prices.to_vec::<f32>()?, [200.0, 250.0, 300.0]);
///
/// assert_eq!(Preprocessor::from_json(&prep.to_json()?)?, prep);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[doc(alias = "ColumnTransformer")]
#[doc(alias = "StandardScaler")]
#[doc(alias = "OneHotEncoder")]
pub struct Preprocessor {
    features: Vec<Feature>,
    target: Option<Target>,
    /// What was noticed while fitting.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

impl Preprocessor {
    /// Learns from the training part, with the default rules. All columns but the target are features; the
    /// target's kind decides between regression (numbers) and classification (texts).
    ///
    /// # Errors
    /// If there is no such column or no other, there are no rows, a column has no values at all, an infinite one or
    /// too many categories, or the target has missing values or, for classification, only one class.
    #[track_caller]
    pub fn fit(train: &Table, target: &str) -> Result<Self> {
        PreprocessorBuilder::with_any_target(target).fit(train)
    }

    /// Options for predicting a number.
    pub fn regression(target: &str) -> PreprocessorBuilder {
        PreprocessorBuilder::with_number(target)
    }

    /// Options for predicting a class. The target may be texts or numbers.
    pub fn classification(target: &str) -> PreprocessorBuilder {
        PreprocessorBuilder::with_class(target)
    }

    /// Options for tables without a target: all columns are features.
    pub fn unsupervised() -> PreprocessorBuilder {
        PreprocessorBuilder::without_target()
    }

    /// What was noticed while fitting that is probably not meant: columns of whole numbers that differ in each row, as the numbers of
    /// customers or orders do. They are features like others, of which a model learns nothing but the rows that it has seen.
    ///
    /// ```
    /// use demotic::data::{Column, Preprocessor, Table};
    ///
    /// let ids: Vec<f64> = (1001..1031).map(f64::from).collect();
    /// let area: Vec<f64> = (0..30).map(|i| 50.0 + f64::from(i % 7)).collect();
    /// let price: Vec<f64> = area.iter().map(|x| 2.0 * x).collect();
    /// let table = Table::from_columns([
    ///     ("customer", Column::from(ids)),
    ///     ("area", Column::from(area)),
    ///     ("price", Column::from(price)),
    /// ])?;
    /// let prep = Preprocessor::fit(&table, "price")?;
    /// assert_eq!(
    ///     prep.notes(),
    ///     ["`customer` has another whole number in each row, as numbers of rows have: ignore(&[\"customer\"]) leaves it out"]
    /// );
    /// assert!(Preprocessor::regression("price").ignore(&["customer"]).fit(&table)?.notes().is_empty());
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The features and targets of a table: `x` is `[n, features]` in `F32`; `y` is `[n, 1]` in `F32` for regression,
    /// `[n]` class numbers in `I64` for classification. Columns that were not there when fitting are ignored.
    ///
    /// # Errors
    /// If there is no target; as for [`transform_features`](Self::transform_features); or if the target has missing
    /// values or classes that the training part did not have.
    #[track_caller]
    pub fn transform(&self, table: &Table) -> Result<TensorDataset> {
        let Some(target) = &self.target else {
            let e = Error::state("transform", "this preprocessor was fitted without a target");
            return Err(e.with_help("transform_features() gives the features alone"));
        };
        let x = self.encode("transform", table)?;
        let y = target.encode("transform", table)?;
        TensorDataset::new(x, y)
    }

    /// The features of a table alone, `[n, features]` in `F32`. It needs no target column: use it to predict.
    ///
    /// # Errors
    /// If a column is absent or of another kind than when fitting, a number is infinite or beyond the range of `F32`,
    /// or there is something that the rules forbid.
    #[track_caller]
    pub fn transform_features(&self, table: &Table) -> Result<Tensor> {
        self.encode("transform_features", table)
    }

    #[track_caller]
    fn encode(&self, op: &'static str, table: &Table) -> Result<Tensor> {
        let width = self.num_features();
        let mut x = Tensor::full_dtype([table.num_rows(), width], 0.0, DType::F32)?;
        let columns = table.by_name();
        let mut at = 0;
        for feature in &self.features {
            let Some(column) = columns.get(feature.column()) else {
                return Err(table.no_column(op, feature.column()));
            };
            let cells = x.as_mut_slice::<f32>()?.get_mut(at..).unwrap_or_default();
            feature.encode(op, column, width, cells)?;
            at += feature.width();
        }
        Ok(x)
    }

    /// The table that has these features: numbers in their own units, categories by their names. A category is the one
    /// with the largest feature, so that soft ones, such as an autoencoder's, will do; no value if none is above zero.
    /// What was filled in stays, unless a feature marks it as missing.
    ///
    /// ```
    /// use demotic::data::{Column, Preprocessor, Table};
    ///
    /// let table = Table::from_columns([
    ///     ("area", Column::from([100.0, 120.0, 140.0])),
    ///     ("kind", Column::from(["flat", "house", "flat"])),
    /// ])?;
    /// let prep = Preprocessor::unsupervised().fit(&table)?;
    /// let x = prep.transform_features(&table)?;
    /// let again = prep.inverse_features(&x)?;
    /// assert_eq!(again.column("kind")?, table.column("kind")?);
    /// assert!((again.column("area")?.numbers().unwrap()[0] - 100.0).abs() < 1e-4);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the tensor is not `[n, features]` of type `F32` or `F64`.
    #[track_caller]
    #[doc(alias = "inverse_transform")]
    pub fn inverse_features(&self, x: &Tensor) -> Result<Table> {
        let op = "inverse_features";
        x.expect_float(op, "the features")?;
        let width = self.num_features();
        let &[rows, columns] = x.shape() else {
            let message = format!("the features have shape {:?}, expected [n, {width}]", x.shape());
            return Err(Error::shape(op, message));
        };
        if columns != width {
            return Err(Error::shape(op, format!("{columns} features in {:?}, there are {width}", x.shape())));
        }
        if width == 0 {
            crate::tensor::create::check_list(op, "rows", rows, 64)?;
        }
        let cells = x.to_f64_vec();
        let mut at = 0;
        let mut table = Vec::with_capacity(self.features.len());
        for feature in &self.features {
            table
                .push((feature.column().to_string(), feature.decode(width, cells.get(at..).unwrap_or_default(), rows)));
            at += feature.width();
        }
        Ok(Table::from_checked(table, rows))
    }

    /// Predictions of the model in the target's own units, of any shape.
    ///
    /// # Errors
    /// If the target is not a number, or the tensor is not `F32` or `F64`.
    #[track_caller]
    #[doc(alias = "inverse_transform")]
    pub fn inverse_target(&self, predictions: &Tensor) -> Result<Tensor> {
        predictions.expect_float("inverse_target", "predictions")?;
        match &self.target {
            Some(Target::Number { scaler, .. }) => {
                let (scale, center) = scaler.inverse();
                Ok(predictions * scale + center)
            }
            Some(Target::Class { .. }) => {
                let e = Error::state("inverse_target", "the target is a class, not a number");
                Err(e.with_help("class_names() turns class numbers into names"))
            }
            None => Err(Error::state("inverse_target", "this preprocessor was fitted without a target")),
        }
    }

    /// The names of the classes with these numbers, for example of `logits.argmax(-1)`, in row-major order.
    ///
    /// # Errors
    /// If the target is not a class, the tensor is not `I64`, or there is no class with such a number.
    #[track_caller]
    pub fn class_names(&self, classes: &Tensor) -> Result<Vec<&str>> {
        let Some(names) = self.classes() else {
            let e = Error::state("class_names", "the target is not a class");
            return Err(e.with_help("use Preprocessor::classification(target)"));
        };
        classes.expect_dtype("class_names", "classes", DType::I64)?;
        let name = |class: &i64| usize::try_from(*class).ok().and_then(|class| names.get(class)).map(String::as_str);
        let numbers = classes.to_vec::<i64>()?;
        match numbers.iter().find(|class| name(class).is_none()) {
            Some(class) => {
                Err(Error::index("class_names", format!("class {class}, there are {} classes", names.len())))
            }
            None => Ok(numbers.iter().filter_map(name).collect()),
        }
    }

    /// The number of features: the width of `x`.
    #[must_use]
    pub fn num_features(&self) -> usize {
        self.features.iter().map(Feature::width).sum()
    }

    /// The names of the features, in order: the column's for a number, `column=category` for a category,
    /// `column=(missing)` for what marks a missing value.
    #[must_use]
    #[doc(alias = "get_feature_names_out")]
    pub fn feature_names(&self) -> Vec<String> {
        self.features.iter().flat_map(Feature::names).collect()
    }

    /// The name of the target column.
    #[must_use]
    pub fn target_name(&self) -> Option<&str> {
        self.target.as_ref().map(Target::column)
    }

    /// The names of the classes in the order of their numbers; `None` if the target is not a class.
    #[must_use]
    pub fn classes(&self) -> Option<&[String]> {
        match &self.target {
            Some(Target::Class { classes, .. }) => Some(classes),
            _ => None,
        }
    }

    /// The preprocessor as JSON.
    ///
    /// # Errors
    /// If a number in it is not finite, which fitting rules out.
    #[track_caller]
    pub fn to_json(&self) -> Result<String> {
        match serde_json::to_string(self) {
            Ok(json) => Ok(json),
            Err(e) => Err(Error::format("to_json", e.to_string()).with_source(e)),
        }
    }

    /// The preprocessor that [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    /// If the text is something else.
    #[track_caller]
    pub fn from_json(json: &str) -> Result<Self> {
        match serde_json::from_str(json) {
            Ok(preprocessor) => Ok(preprocessor),
            Err(e) => Err(Error::format("from_json", format!("not a preprocessor: {e}")).with_source(e)),
        }
    }
}

/// Writes one number into each row of a column of `x`, from the top.
fn fill_column(cells: &mut [f32], width: usize, values: impl Iterator<Item = f32>) {
    cells.iter_mut().step_by(width.max(1)).zip(values).for_each(|(cell, value)| *cell = value);
}
