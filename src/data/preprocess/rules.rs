//! The choices there are: how numbers are scaled, what takes the place of missing values, how categories become numbers.

use serde::{Deserialize, Serialize};

/// How numbers are brought to a common size. `x` becomes `(x − center) / scale`; a column of equal values becomes zeros.
///
/// Fractions that differ by rounding errors alone count as equal, by the bounds of scikit-learn, so that noise is not
/// blown up: a variance of up to `n·ε·variance + (n·ε·mean)²`, a range of up to `10·ε` of the largest number (where
/// scikit-learn takes `10·ε` for numbers of any size). Whole numbers have no rounding errors. Means and deviations are
/// computed with twice the digits of an `f64`, and integers keep all of theirs: times in nanoseconds too. What bends numbers
/// (logarithms, powers, quantiles) computes in `f64`.
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
    /// The number with the largest amount becomes 1 or −1, zero stays (`MaxAbsScaler`).
    #[doc(alias = "MaxAbsScaler")]
    MaxAbs,
    /// The median becomes 0, and the distance of the quartiles 1: a few numbers far away change neither (`RobustScaler`).
    #[doc(alias = "RobustScaler")]
    Robust,
    /// The share of the training part that is smaller, from 0 to 1 (`QuantileTransformer`), by a thousand quantiles of all rows, or as
    /// many as there are rows. Whatever the numbers were like, they are spread evenly then; a single one becomes 0.
    #[doc(alias = "QuantileTransformer")]
    QuantileUniform,
    /// The same, and then the number below which this share of a normal distribution lies: from −5.2 to 5.2
    /// (`QuantileTransformer(output_distribution="normal")`).
    QuantileNormal,
    /// The power that makes the numbers as normal as it can (Yeo & Johnson 2000, by maximum likelihood), then mean 0 and standard
    /// deviation 1 (`PowerTransformer`).
    #[doc(alias = "PowerTransformer")]
    YeoJohnson,
    /// The same by Box & Cox (1964), for positive numbers (`PowerTransformer(method="box-cox")`).
    BoxCox,
    /// The natural logarithm, then mean 0 and standard deviation 1: for positive numbers of very different sizes, such as prices.
    #[doc(alias = "FunctionTransformer")]
    Log,
    /// The natural logarithm of 1 + x, then mean 0 and standard deviation 1: for counts, of which some are 0.
    #[doc(alias = "log1p")]
    Log1p,
    /// As they are.
    None,
}

/// What takes the place of a missing number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[doc(alias = "SimpleImputer")]
pub enum Impute {
    /// The median of the column's values in the training part.
    Median,
    /// Their mean.
    Mean,
    /// The most frequent of them; of several the smallest.
    #[doc(alias = "mode")]
    MostFrequent,
    /// This number, in the column's own units.
    Constant(f64),
    /// Nothing: a missing number is an error.
    Error,
}

/// What becomes of a missing category.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum MissingCategory {
    /// A category of its own, if any are missing in the training part; it is an [unseen](Unseen) one otherwise.
    #[default]
    Own,
    /// The most frequent category of the training part; of several the first.
    MostFrequent,
    /// This one, which may be a new one: `unknown`.
    Constant(String),
    /// Nothing: a missing category is an error.
    Error,
}

/// What becomes of a category that did not occur in the training part. [`Preprocessor::unseen`](super::Preprocessor::unseen) tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Unseen {
    /// By default none of the known ones: zeros in all the column's features ([`Encoding::OneHot`]), the code −1 ([`Encoding::Ordinal`]), the share
    /// 0 ([`Encoding::Frequency`]), the mean of all rows ([`Encoding::Target`]).
    Zeros,
    /// One of the rare ones, which share a feature; zeros if there are none
    /// ([`limit_categories`](super::PreprocessorBuilder::limit_categories)).
    #[doc(alias = "infrequent_if_exist")]
    Rare,
    /// An error.
    Error,
}

/// How categories become numbers.
///
/// Whatever gives one number for a category is scaled afterwards as numbers are. `k` is how many categories there are.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Encoding {
    /// `k` features, of which that of the category is 1 (`OneHotEncoder`).
    #[default]
    OneHot,
    /// 0 to `k − 1` in the order of the categories, or in [one that is given](super::PreprocessorBuilder::ordinal)
    /// (`OrdinalEncoder`). A missing value is `k`.
    #[doc(alias = "OrdinalEncoder")]
    #[doc(alias = "label_encoding")]
    Ordinal,
    /// The mean of the target in the rows of the category (Micci-Barreca 2001, as scikit-learn's `TargetEncoder`), mixed with that of
    /// all rows where there are few. With more than two classes, or several labels, a feature for each of them.
    ///
    /// A category with a single row would give its target away. So [`fit_transform`](super::PreprocessorBuilder::fit_transform) computes the
    /// means that a row is given from other rows.
    #[doc(alias = "TargetEncoder")]
    #[doc(alias = "mean_encoding")]
    Target(Smoothing),
    /// The share of rows that have the category.
    #[doc(alias = "CountEncoder")]
    Frequency,
    /// So many features, whatever categories there are: a hash of the name says which of them is 1 or −1 (Weinberger et al. 2009, with
    /// the hash of scikit-learn's `FeatureHasher`). Several categories may share one, and new ones are nothing special. A missing value is
    /// zeros.
    #[doc(alias = "FeatureHasher")]
    Hashing {
        /// How many features.
        features: usize,
    },
}

/// How far the mean of a category is drawn towards the mean of all rows.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub enum Smoothing {
    /// By how much the target varies within the category and altogether (empirical Bayes): `λ·mean + (1 − λ)·mean of all` with
    /// `λ = n·v / (n·v + s)` of `n` rows, the variance `v` of all rows and `s` of the category.
    #[default]
    Auto,
    /// As if so many rows with the mean of all belonged to the category.
    Rows(f64),
}

/// Up to where numbers may lie before they count as outliers. Those beyond become the bound: they are clipped, after missing
/// numbers are filled in and before scaling.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[doc(alias = "winsorize")]
pub enum Outliers {
    /// Anywhere.
    #[default]
    Keep,
    /// So many times the distance of the quartiles below the first and above the third; 1.5 is usual (Tukey 1977).
    Iqr(f64),
    /// Between these quantiles of the training part, such as 0.01 and 0.99.
    Quantiles {
        /// The share of rows below the lower bound.
        low: f64,
        /// The share of rows below the upper bound.
        high: f64,
    },
    /// So many standard deviations from the mean; 3 is usual.
    Sigmas(f64),
}
