//! Fitting and encoding at once, so that no row sees its own target.

use super::encoder::Supervision;
use super::feature::Feature;
use super::{Preprocessor, PreprocessorBuilder, fill_column};
use crate::data::dataset::TensorDataset;
use crate::data::split::KFold;
use crate::data::table::Table;
use crate::error::Result;

impl PreprocessorBuilder {
    /// Learns from the training part, and transforms it. Where categories become means of the target ([`Encoding::Target`]), those of a
    /// row are computed from the other folds: no row's features have its own target in them. For classes the folds are stratified. All
    /// else is as with [`fit`](Self::fit) and [`transform`](Preprocessor::transform), and so are other tables.
    ///
    /// [`Encoding::Target`]: super::Encoding::Target
    ///
    /// ```
    /// use demotic::data::{Column, Encoding, KFold, Preprocessor, Smoothing, Table};
    /// use demotic::Rng;
    ///
    /// let train = Table::from_columns([
    ///     ("street", Column::from(["a", "a", "b", "b", "c", "c"])),
    ///     ("price", Column::from([10.0, 12.0, 20.0, 22.0, 30.0, 32.0])),
    /// ])?;
    /// let rules = Preprocessor::regression("price").encode_of("street", Encoding::Target(Smoothing::Auto));
    /// let folds = KFold::new(3).shuffle(&mut Rng::seed(0));
    /// let (prep, data) = rules.fit_transform(&train, &folds)?;
    /// assert_eq!((prep.feature_names(), data.x().shape()), (vec!["street".to_string()], &[6, 1][..]));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for those, and if the rows cannot be divided into so many folds.
    #[track_caller]
    #[doc(alias = "cross_fitting")]
    pub fn fit_transform(&self, train: &Table, folds: &KFold) -> Result<(Preprocessor, TensorDataset)> {
        let op = "fit_transform";
        let mut preprocessor = self.fit_for(op, train)?;
        preprocessor.notes.retain(|note| !note.contains("fit_transform"));
        let data = preprocessor.transform(train)?;
        let needs_folds = |feature: &Feature| matches!(feature, Feature::Encoded { codes, .. } if codes.needs_folds());
        let (Some(target), true) = (&preprocessor.target, preprocessor.features.iter().any(needs_folds)) else {
            return Ok((preprocessor, data));
        };
        let supervision = target.supervision(op, train)?;
        let folds: Vec<_> = match &supervision {
            Supervision::Classes(labels, _) => folds.split_stratified(labels)?.collect(),
            _ => folds.split(train.num_rows())?.collect(),
        };
        let (mut x, width, mut at) = (data.x().clone(), preprocessor.num_features(), 0);
        for feature in &preprocessor.features {
            if let Feature::Encoded { categories, codes } = feature {
                let slots = categories.slots(op, train.find(op, feature.column())?)?;
                for i in 0..codes.width() {
                    let y = supervision.numbers(i);
                    if let Some(values) = codes.out_of_fold(op, i, &slots, categories.len(), &y, &folds) {
                        let cells = x.as_mut_slice::<f32>()?.get_mut(at + i..).unwrap_or_default();
                        fill_column(cells, width, values?.into_iter());
                    }
                }
            }
            at += feature.width();
        }
        let data = TensorDataset::new(x, data.y().clone())?;
        Ok((preprocessor, data))
    }
}
