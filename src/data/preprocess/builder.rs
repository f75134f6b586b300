//! The rules of preprocessing, before they are fitted.

use serde::{Deserialize, Serialize};

use super::{Encoding, Impute, MissingCategory, Outliers, Scaling, Unseen};

/// Rules for a [`Preprocessor`](super::Preprocessor); [`fit`](Self::fit) learns the rest from the training part.
///
/// ```
/// use demotic::data::{Column, Impute, Preprocessor, Scaling, Table};
///
/// let train = Table::from_columns([
///     ("id", Column::from([1.0, 2.0, 3.0])),
///     ("area", Column::from([100.0, f64::NAN, 140.0])),
///     ("rooms", Column::from([3.0, 4.0, 3.0])),
///     ("price", Column::from([200.0, 250.0, 300.0])),
/// ])?;
/// let prep = Preprocessor::regression("price")
///     .ignore(&["id"])
///     .categorical(&["rooms"])
///     .scaling(Scaling::MinMax)
///     .impute(Impute::Mean)
///     .missing_indicators(true)
///     .fit(&train)?;
/// assert_eq!(prep.feature_names(), ["area", "area=(missing)", "rooms=3", "rooms=4"]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
#[must_use = "rules do nothing until they are fitted"]
pub struct PreprocessorBuilder {
    pub(super) target: Option<(String, Option<Task>)>,
    /// The positive one of two classes.
    pub(super) positive: Option<String>,
    /// The columns of labels; of a list of them, what stands between its labels.
    pub(super) labels: Vec<String>,
    pub(super) separator: Option<String>,
    pub(super) ignore: Vec<String>,
    pub(super) categorical: Vec<String>,
    pub(super) scaling: Scaling,
    pub(super) scaling_of: Vec<(String, Scaling)>,
    pub(super) impute: Impute,
    pub(super) impute_of: Vec<(String, Impute)>,
    pub(super) missing_indicators: bool,
    pub(super) missing_indicator_of: Vec<(String, bool)>,
    pub(super) outliers: Outliers,
    pub(super) outliers_of: Vec<(String, Outliers)>,
    pub(super) encode: Encoding,
    pub(super) encode_of: Vec<(String, Encoding)>,
    pub(super) order_of: Vec<(String, Vec<String>)>,
    pub(super) missing_category: MissingCategory,
    pub(super) missing_category_of: Vec<(String, MissingCategory)>,
    pub(super) unseen: Unseen,
    pub(super) unseen_of: Vec<(String, Unseen)>,
    pub(super) drop_first: bool,
    pub(super) max_categories: usize,
    pub(super) limit_categories: Option<usize>,
    pub(super) limit_categories_of: Vec<(String, usize)>,
    pub(super) min_frequency: usize,
    pub(super) target_scaling: Scaling,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) enum Task {
    Regression,
    Classification,
    Binary,
    Labels,
    LabelLists,
}

/// The default rules, with no target.
impl Default for PreprocessorBuilder {
    fn default() -> Self {
        Self::new(None)
    }
}

impl PreprocessorBuilder {
    fn new(target: Option<(&str, Option<Task>)>) -> Self {
        Self {
            target: target.map(|(name, task)| (name.to_string(), task)),
            positive: None,
            labels: Vec::new(),
            separator: None,
            ignore: Vec::new(),
            categorical: Vec::new(),
            scaling: Scaling::Standard,
            scaling_of: Vec::new(),
            impute: Impute::Median,
            impute_of: Vec::new(),
            missing_indicators: false,
            missing_indicator_of: Vec::new(),
            outliers: Outliers::Keep,
            outliers_of: Vec::new(),
            encode: Encoding::OneHot,
            encode_of: Vec::new(),
            order_of: Vec::new(),
            missing_category: MissingCategory::Own,
            missing_category_of: Vec::new(),
            unseen: Unseen::Zeros,
            unseen_of: Vec::new(),
            drop_first: false,
            max_categories: 256,
            limit_categories: None,
            limit_categories_of: Vec::new(),
            min_frequency: 0,
            target_scaling: Scaling::Standard,
        }
    }

    pub(super) fn without_target() -> Self {
        Self::new(None)
    }

    pub(super) fn with_any_target(name: &str) -> Self {
        Self::new(Some((name, None)))
    }

    pub(super) fn with_number(name: &str) -> Self {
        Self::new(Some((name, Some(Task::Regression))))
    }

    pub(super) fn with_class(name: &str) -> Self {
        Self::new(Some((name, Some(Task::Classification))))
    }

    pub(super) fn with_binary(name: &str) -> Self {
        Self::new(Some((name, Some(Task::Binary))))
    }

    pub(super) fn with_labels(names: Vec<String>) -> Self {
        let first = names.first().cloned().unwrap_or_default();
        Self { labels: names, ..Self::new(Some((&first, Some(Task::Labels)))) }
    }

    pub(super) fn with_label_lists(name: &str, separator: &str) -> Self {
        Self { separator: Some(separator.to_string()), ..Self::new(Some((name, Some(Task::LabelLists)))) }
    }

    /// Which of two classes is the positive one, whose target is 1: the second by order without this.
    #[doc(alias = "pos_label")]
    pub fn positive(mut self, class: impl Into<String>) -> Self {
        self.positive = Some(class.into());
        self
    }

    /// Columns that are not features, such as row numbers.
    pub fn ignore<N: AsRef<str>>(mut self, columns: &[N]) -> Self {
        self.ignore.extend(columns.iter().map(|name| name.as_ref().to_string()));
        self
    }

    /// Columns of numbers that stand for categories, such as the number of a district; and of texts that are categories
    /// although they look like numbers, dates or numbers with a unit, which are an error otherwise if there are many.
    pub fn categorical<N: AsRef<str>>(mut self, columns: &[N]) -> Self {
        self.categorical.extend(columns.iter().map(|name| name.as_ref().to_string()));
        self
    }

    /// How numbers are scaled, [`Scaling::Standard`] by default.
    pub fn scaling(mut self, scaling: Scaling) -> Self {
        self.scaling = scaling;
        self
    }

    /// How the numbers of one column are scaled, or those that [`encode_of`](Self::encode_of) makes of its categories.
    pub fn scaling_of(mut self, column: &str, scaling: Scaling) -> Self {
        self.scaling_of.push((column.to_string(), scaling));
        self
    }

    /// What takes the place of missing numbers, [`Impute::Median`] by default. Scaling is fitted to the numbers that
    /// are present.
    pub fn impute(mut self, impute: Impute) -> Self {
        self.impute = impute;
        self
    }

    /// What takes the place of missing numbers in one column.
    pub fn impute_of(mut self, column: &str, impute: Impute) -> Self {
        self.impute_of.push((column.to_string(), impute));
        self
    }

    /// Whether each column of which some values are missing in the training part, and are replaced by others, gets one feature more: 1 where
    /// the value is missing, 0 where it is not. Off by default.
    #[doc(alias = "MissingIndicator")]
    pub fn missing_indicators(mut self, on: bool) -> Self {
        self.missing_indicators = on;
        self
    }

    /// The same for one column.
    pub fn missing_indicator_of(mut self, column: &str, on: bool) -> Self {
        self.missing_indicator_of.push((column.to_string(), on));
        self
    }

    /// Beyond which bounds numbers are clipped, [`Outliers::Keep`] by default. The bounds are learnt from the training part.
    ///
    /// ```
    /// use demotic::data::{Column, Outliers, Preprocessor, Scaling, Table};
    ///
    /// let train = Table::from_columns([("area", Column::from([80.0, 90.0, 100.0, 110.0, 9999.0]))])?;
    /// let rules = Preprocessor::unsupervised().scaling(Scaling::None).clip_outliers(Outliers::Iqr(1.5));
    /// let x = rules.fit(&train)?.transform_features(&train)?;
    /// assert_eq!(x.to_vec::<f32>()?, [80.0, 90.0, 100.0, 110.0, 140.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "winsorize")]
    pub fn clip_outliers(mut self, outliers: Outliers) -> Self {
        self.outliers = outliers;
        self
    }

    /// The same for one column.
    pub fn clip_outliers_of(mut self, column: &str, outliers: Outliers) -> Self {
        self.outliers_of.push((column.to_string(), outliers));
        self
    }

    /// How categories become numbers, [`Encoding::OneHot`] by default.
    ///
    /// ```
    /// use demotic::data::{Column, Encoding, Preprocessor, Scaling, Table};
    ///
    /// let train = Table::from_columns([("kind", Column::from(["flat", "house", "flat", "castle"]))])?;
    /// let rules = Preprocessor::unsupervised().encode(Encoding::Frequency).scaling(Scaling::None);
    /// let x = rules.fit(&train)?.transform_features(&train)?;
    /// assert_eq!(x.to_vec::<f32>()?, [0.5, 0.25, 0.5, 0.25]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    pub fn encode(mut self, encoding: Encoding) -> Self {
        self.encode = encoding;
        self
    }

    /// How those of one column do. A column of numbers holds categories then.
    pub fn encode_of(mut self, column: &str, encoding: Encoding) -> Self {
        self.encode_of.push((column.to_string(), encoding));
        self
    }

    /// A column whose categories have an order: they become 0, 1, 2 … ([`Encoding::Ordinal`]), and then are scaled.
    ///
    /// ```
    /// use demotic::data::{Column, Preprocessor, Scaling, Table};
    ///
    /// let train = Table::from_columns([("size", Column::from(["S", "L", "M"]))])?;
    /// let rules = Preprocessor::unsupervised().ordinal("size", &["S", "M", "L", "XL"]).scaling(Scaling::None);
    /// assert_eq!(rules.fit(&train)?.transform_features(&train)?.to_vec::<f32>()?, [0.0, 2.0, 1.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    pub fn ordinal<N: AsRef<str>>(mut self, column: &str, order: &[N]) -> Self {
        self.order_of.push((column.to_string(), order.iter().map(|name| name.as_ref().to_string()).collect()));
        self.encode_of(column, Encoding::Ordinal)
    }

    /// What becomes of missing categories, [`MissingCategory::Own`] by default.
    pub fn missing_category(mut self, missing: MissingCategory) -> Self {
        self.missing_category = missing;
        self
    }

    /// What becomes of those of one column.
    pub fn missing_category_of(mut self, column: &str, missing: MissingCategory) -> Self {
        self.missing_category_of.push((column.to_string(), missing));
        self
    }

    /// What becomes of categories that the training part does not have, [`Unseen::Zeros`] by default.
    pub fn unseen(mut self, unseen: Unseen) -> Self {
        self.unseen = unseen;
        self
    }

    /// What becomes of those of one column.
    pub fn unseen_of(mut self, column: &str, unseen: Unseen) -> Self {
        self.unseen_of.push((column.to_string(), unseen));
        self
    }

    /// Whether the first category of each column gets no feature of its own. The features of a column then no longer add
    /// up to 1, which a linear model without a penalty needs. Off by default. An unseen category looks like the first.
    pub fn drop_first(mut self, on: bool) -> Self {
        self.drop_first = on;
        self
    }

    /// The largest number of categories in a column, or of classes, 256 by default. It catches columns that are not
    /// categories at all: names, dates, numbers with a stray text among them.
    pub fn max_categories(mut self, n: usize) -> Self {
        self.max_categories = n;
        self
    }

    /// The largest number of features for the categories of a column: if there are more categories, the rarest of them share the last
    /// feature (`OneHotEncoder(max_categories)`). Of equally rare ones, those that come first by order share it. Nothing is too
    /// much for [`max_categories`](Self::max_categories) then. This is for [`Encoding::OneHot`].
    ///
    /// ```
    /// use demotic::data::{Column, Preprocessor, Table};
    ///
    /// let train = Table::from_columns([("kind", Column::from(["flat", "house", "flat", "castle", "house"]))])?;
    /// let prep = Preprocessor::unsupervised().limit_categories(2).fit(&train)?;
    /// assert_eq!(prep.feature_names(), ["kind=house", "kind=(rare)"]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "infrequent")]
    pub fn limit_categories(mut self, n: usize) -> Self {
        self.limit_categories = Some(n);
        self
    }

    /// The same for one column.
    pub fn limit_categories_of(mut self, column: &str, n: usize) -> Self {
        self.limit_categories_of.push((column.to_string(), n));
        self
    }

    /// Categories of fewer rows than this share a feature (`OneHotEncoder(min_frequency)`). This is for [`Encoding::OneHot`].
    pub fn min_frequency(mut self, rows: usize) -> Self {
        self.min_frequency = rows;
        self
    }

    /// How the target of a regression is scaled, [`Scaling::Standard`] by default: the losses that training
    /// shows are then in standard deviations, and [`Preprocessor::inverse_target`](super::Preprocessor::inverse_target) brings predictions back. For prices and other
    /// numbers of very different sizes, [`Scaling::Log`] makes errors relative.
    pub fn target_scaling(mut self, scaling: Scaling) -> Self {
        self.target_scaling = scaling;
        self
    }
}
