//! Tables into tensors: what is learnt from the training part, and applied to every part.

mod builder;
mod categories;
mod encoder;
mod feature;
mod fit;
mod folds;
mod inverse;
mod known;
mod labels;
mod looks;
mod rules;
mod scaler;
mod target;
mod warp;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::dataset::TensorDataset;
use super::table::Table;
use crate::error::{Error, Result, near, short};
use crate::tensor::{DType, Tensor};

pub use builder::PreprocessorBuilder;
use feature::Feature;
pub use rules::{Encoding, Impute, MissingCategory, Outliers, Scaling, Smoothing, Unseen};
use target::Target;

/// Turns tables into tensors, in a way that was fitted to the training part and is saved with the model.
///
/// - **Numbers** are standardised; missing ones become the median of the training part.
/// - **Texts** are categories, each with a feature of its own that is 1 or 0 (one-hot). Missing texts are one more
///   category, if there are any in the training part.
/// - **The target** is standardised if it is a number (regression), and becomes a class number if it is a text
///   (classification). Predictions are turned back with [`inverse`](Self::inverse), or with
///   [`inverse_target`](Self::inverse_target) and [`class_names`](Self::class_names) as tensors and names.
///
/// Every rule can be changed, for all columns or for one: [`regression`](Self::regression),
/// [`classification`](Self::classification), [`binary`](Self::binary), [`multi_label`](Self::multi_label) and
/// [`label_lists`](Self::label_lists) start with options. It serialises with `serde`, and to JSON for the metadata of a model's file:
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
    /// The columns that were left out; not known of a preprocessor from before they were kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ignored: Option<Vec<String>>,
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

    /// Options for predicting which of two classes: the target is `[n, 1]` zeros and ones, for
    /// [`bce_with_logits`](crate::losses::bce_with_logits) and models with one output. The positive class is the second by order
    /// (numbers by size, texts by their characters), or [one that is named](PreprocessorBuilder::positive).
    ///
    /// ```
    /// use demotic::data::{Column, Preprocessor, Table};
    ///
    /// let train = Table::from_columns([
    ///     ("age", Column::from([23.0, 51.0, 38.0])),
    ///     ("bought", Column::from(["no", "yes", "yes"])),
    /// ])?;
    /// let prep = Preprocessor::binary("bought").fit(&train)?;
    /// let data = prep.transform(&train)?;
    /// assert_eq!((data.y().shape(), data.y().to_vec::<f32>()?), (&[3, 1][..], vec![0.0, 1.0, 1.0]));
    /// assert_eq!(prep.inverse(data.y())?.column("bought")?, train.column("bought")?);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    pub fn binary(target: &str) -> PreprocessorBuilder {
        PreprocessorBuilder::with_binary(target)
    }

    /// Options for predicting labels of which any number may hold, each of them a column of zeros and ones. The target is
    /// `[n, labels]` of these.
    #[doc(alias = "MultiLabelBinarizer")]
    pub fn multi_label<N: AsRef<str>>(targets: &[N]) -> PreprocessorBuilder {
        PreprocessorBuilder::with_labels(targets.iter().map(|name| name.as_ref().to_string()).collect())
    }

    /// The same of one column with lists of labels, `red;round;large`. No value is a list without any.
    ///
    /// ```
    /// use demotic::data::{Column, Preprocessor, Table};
    ///
    /// let train = Table::from_columns([
    ///     ("price", Column::from([1.0, 2.0, 3.0])),
    ///     ("tags", Column::from(vec![Some("red; round"), Some("large;red"), None])),
    /// ])?;
    /// let prep = Preprocessor::label_lists("tags", ";").fit(&train)?;
    /// assert_eq!(prep.labels(), Some(&["large", "red", "round"].map(String::from)[..]));
    /// let data = prep.transform(&train)?;
    /// assert_eq!(data.y().to_vec::<f32>()?, [0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    /// let back = prep.inverse(data.y())?;
    /// assert_eq!(back.column("tags")?.texts().unwrap().next(), Some(Some("red;round")));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    pub fn label_lists(target: &str, separator: &str) -> PreprocessorBuilder {
        PreprocessorBuilder::with_label_lists(target, separator)
    }

    /// Options for tables without a target: all columns are features.
    pub fn unsupervised() -> PreprocessorBuilder {
        PreprocessorBuilder::without_target()
    }

    /// What was noticed while fitting that is probably not meant: columns of whole numbers that differ in each row, as the numbers of
    /// customers or orders do. They are features like others, of which a model learns nothing but the rows that it has seen. Also a target
    /// that is the same number in every row, texts of a column that differ in case or white space alone, what numbers of a file
    /// [lost](super::CsvReport::notes), and categories that [`Encoding::Target`] encodes by the target of their own rows.
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

    /// A line on each column that has categories which did not occur when fitting, so that the answers to their rows are told with care:
    /// by [`Unseen::Zeros`], the default, they are none of the known ones. Columns that are absent are passed over.
    ///
    /// ```
    /// use demotic::data::{Column, Preprocessor, Table};
    ///
    /// let flats = |kind: &str| Table::from_columns([("kind", Column::from(["flat", "house", kind])), ("price", [200.0, 250.0, 300.0].into())]);
    /// let prep = Preprocessor::fit(&flats("flat")?, "price")?;
    /// assert_eq!(prep.unseen(&flats("Flat")?), ["`kind` has `Flat`, which did not occur when fitting: did you mean `flat`?"]);
    /// assert!(prep.unseen(&flats("house")?).is_empty());
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    pub fn unseen(&self, table: &Table) -> Vec<String> {
        const SHOWN: usize = 5;
        let columns = table.by_name();
        let line = |feature: &Feature| {
            let (categories, name) = (feature.categories()?, feature.column());
            let unseen = categories.unseen(columns.get(name)?);
            let mut shown: Vec<String> = unseen.iter().take(SHOWN).map(|text| format!("`{}`", short(text))).collect();
            if unseen.len() > SHOWN {
                shown.push(format!("{} more", unseen.len() - SHOWN));
            }
            let known = || categories.categories.iter().chain(&categories.rare);
            let meant = known().filter_map(|own| Some((near(own, unseen.first()?)?, own))).min();
            let help = match meant {
                Some((_, own)) => format!("did you mean `{}`?", short(own)),
                None => format!("known are {}", feature::list(&categories.categories)),
            };
            let list = shown.join(", ");
            (!unseen.is_empty())
                .then(|| format!("`{}` has {list}, which did not occur when fitting: {help}", short(name)))
        };
        self.features.iter().filter_map(line).collect()
    }

    /// The features and targets of a table: `x` is `[n, features]` in `F32`; `y` is `[n, 1]` in `F32` for regression and for two
    /// classes, `[n]` class numbers in `I64` for classification, `[n, labels]` in `F32` for labels. Columns that were not there when
    /// fitting are ignored; [`check_columns`](Self::check_columns) names them.
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

    /// The number of features: the width of `x`.
    #[must_use]
    pub fn num_features(&self) -> usize {
        self.features.iter().map(Feature::width).sum()
    }

    /// The names of the features, in order: the column's for a number and for a category that is encoded as one; `column=category` for a
    /// category, `column=(rare)` for those that share a feature; `column:class` and `column#place` for an encoding by the target and by
    /// hashes; `column=(missing)` for what marks a missing value.
    #[must_use]
    #[doc(alias = "get_feature_names_out")]
    pub fn feature_names(&self) -> Vec<String> {
        self.features.iter().flat_map(Feature::names).collect()
    }

    /// The columns in their order, and how many features each is.
    pub(crate) fn features_of_columns(&self) -> impl Iterator<Item = (&str, usize)> {
        self.features.iter().map(|feature| (feature.column(), feature.width()))
    }

    /// The name of the target column; `None` if there is no target, or more than one column.
    #[must_use]
    pub fn target_name(&self) -> Option<&str> {
        match self.target_names().as_slice() {
            [only] => Some(*only),
            _ => None,
        }
    }

    /// The names of the target columns.
    #[must_use]
    pub fn target_names(&self) -> Vec<&str> {
        self.target.as_ref().map(Target::columns).unwrap_or_default()
    }

    /// The names of the classes in the order of their numbers, of two classes the negative one first; `None` if the target is not a
    /// class.
    #[must_use]
    pub fn classes(&self) -> Option<&[String]> {
        match &self.target {
            Some(Target::Class(classes) | Target::Binary(classes)) => Some(&classes.classes),
            _ => None,
        }
    }

    /// The names of the labels in the order of the target's columns; `None` if the target is something else.
    #[must_use]
    pub fn labels(&self) -> Option<&[String]> {
        match &self.target {
            Some(Target::Labels(labels)) => Some(&labels.labels),
            _ => None,
        }
    }

    /// Whether a table has the columns that were features when fitting, of the same kinds, and no others but the target and those that
    /// were [ignored](PreprocessorBuilder::ignore). A preprocessor from a file of an earlier version does not know which were ignored,
    /// and allows any others.
    ///
    /// # Errors
    /// The first column that is absent, of another kind, or was not there.
    #[track_caller]
    pub fn check_columns(&self, table: &Table) -> Result<()> {
        self.check_columns_of("check_columns", table)
    }

    #[track_caller]
    pub(crate) fn check_columns_of(&self, op: &'static str, table: &Table) -> Result<()> {
        let columns = table.by_name();
        for feature in &self.features {
            let Some(column) = columns.get(feature.column()) else {
                return Err(table.no_column(op, feature.column()));
            };
            feature.check_kind(op, column)?;
        }
        let features: Vec<&str> = self.features.iter().map(Feature::column).collect();
        self.check_surplus(op, table, &features)
    }

    /// Whether a row has the columns of training and no others, by the names that they have in a file: `source` tells of which one there a
    /// column is a part.
    #[track_caller]
    pub(crate) fn check_row(
        &self,
        op: &'static str,
        row: &Table,
        source: &dyn Fn(&str) -> Option<String>,
    ) -> Result<()> {
        let mut names: Vec<String> = Vec::new();
        for feature in self.features.iter().map(Feature::column) {
            // The part itself may be there, too.
            let name = source(feature).filter(|_| !row.has(feature)).unwrap_or_else(|| feature.to_string());
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        match names.iter().find(|name| !row.has(name)) {
            // A name that is nearly that of an absent column is the one that is wrong.
            Some(absent) => {
                if row.column_names().any(|own| near(absent, own).is_some()) {
                    self.check_surplus(op, row, &names)?;
                }
                Err(row.no_column(op, absent))
            }
            None => self.check_surplus(op, row, &names),
        }
    }

    /// Whether a table has no other columns than features of these names, the target, and those that were ignored.
    #[track_caller]
    fn check_surplus(&self, op: &'static str, table: &Table, features: &[&str]) -> Result<()> {
        const SHOWN: usize = 20;
        let Some(ignored) = &self.ignored else { return Ok(()) };
        let known: HashSet<&str> =
            features.iter().copied().chain(self.target_names()).chain(ignored.iter().map(String::as_str)).collect();
        let Some(name) = table.column_names().find(|name| !known.contains(name)) else { return Ok(()) };
        let absent = features.iter().filter(|feature| !table.has(feature));
        let meant =
            absent.filter_map(|feature| Some((near(feature, name)?, feature))).min_by_key(|(distance, _)| *distance);
        let meant = meant.map(|(_, feature)| format!("did you mean `{}`? ", short(feature))).unwrap_or_default();
        let mut columns: Vec<_> = features.iter().take(SHOWN).map(|name| short(name)).collect();
        if features.len() > SHOWN {
            columns.push("…".into());
        }
        let e = Error::argument(op, format!("column `{}` was not there when fitting", short(name)));
        Err(e.with_help(format!("{meant}the features are {}", columns.join(", "))))
    }

    /// Whether the training part had this column, and may do without it: as a target, or because it was left out.
    pub(crate) fn is_optional(&self, name: &str) -> bool {
        self.target_names().contains(&name) || self.ignored.iter().flatten().any(|own| own == name)
    }

    /// The columns that hold names, even if they look like numbers.
    pub(crate) fn text_columns(&self) -> HashSet<&str> {
        self.features.iter().filter(|feature| feature.is_text()).map(Feature::column).collect()
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
