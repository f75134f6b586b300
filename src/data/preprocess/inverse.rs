//! Tensors back into tables: features, predictions, classes.

use super::Preprocessor;
use super::target::Target;
use crate::data::table::Table;
use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

impl Preprocessor {
    /// The target's columns, as they were: numbers in their own units of `[n, 1]` or `[n]` scaled ones; names of `[n]` class numbers in
    /// `I64`; of `[n, 1]` or `[n]` zeros and ones, or probabilities, the names of two classes; of `[n, labels]` the labels that are
    /// above a half.
    ///
    /// ```
    /// use demotic::data::{Column, Preprocessor, Table};
    ///
    /// let train = Table::from_columns([
    ///     ("petals", Column::from([3.0, 5.0, 3.0])),
    ///     ("species", Column::from(["lily", "rose", "lily"])),
    /// ])?;
    /// let prep = Preprocessor::fit(&train, "species")?;
    /// let again = prep.inverse(prep.transform(&train)?.y())?;
    /// assert_eq!(again.column("species")?, train.column("species")?);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is no target, or the tensor has another shape or type, or a number that no class has.
    #[track_caller]
    #[doc(alias = "inverse_transform")]
    pub fn inverse(&self, y: &Tensor) -> Result<Table> {
        let op = "inverse";
        let fits = |widths: &[usize]| match y.shape() {
            [_] => widths.contains(&1),
            [_, width] => widths.contains(width),
            _ => false,
        };
        let columns = match &self.target {
            None => return Err(Error::state(op, "this preprocessor was fitted without a target")),
            Some(Target::Number { column, .. }) => {
                if !fits(&[1]) {
                    return Err(misshapen(y, "[n, 1] or [n]"));
                }
                let numbers = self.inverse_target(&y.to_dtype(DType::F64))?.to_f64_vec();
                vec![(column.clone(), numbers.into())]
            }
            Some(Target::Class(classes)) => {
                if y.rank() != 1 {
                    let e = misshapen(y, "[n] class numbers");
                    return Err(e.with_help("logits.argmax(-1) gives the number of the likeliest class"));
                }
                self.class_names(y)?;
                let numbers: Vec<usize> = y.to_vec::<i64>()?.iter().map(|y| *y as usize).collect();
                vec![classes.column_of(&numbers)]
            }
            Some(Target::Binary(classes)) => {
                if !fits(&[1]) {
                    return Err(misshapen(y, "[n, 1] or [n]"));
                }
                let numbers: Vec<usize> = y.to_f64_vec().iter().map(|y| usize::from(*y > 0.5)).collect();
                vec![classes.column_of(&numbers)]
            }
            Some(Target::Labels(labels)) => {
                let width = labels.labels.len();
                if !matches!(y.shape(), [_, own] if *own == width) {
                    return Err(misshapen(y, &format!("[n, {width}]")));
                }
                labels.columns_of(&y.to_f64_vec())
            }
        };
        Table::named(op, columns)
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

    /// Predictions of the model in the target's own units, of any shape. Gradients flow through it, unless the target was scaled by
    /// quantiles or powers.
    ///
    /// # Errors
    /// If the target is not a number, or the tensor is not `F32` or `F64`.
    #[track_caller]
    #[doc(alias = "inverse_transform")]
    pub fn inverse_target(&self, predictions: &Tensor) -> Result<Tensor> {
        predictions.expect_float("inverse_target", "predictions")?;
        match &self.target {
            Some(Target::Number { scaler, .. }) => scaler.inverse(predictions),
            Some(Target::Class(_) | Target::Binary(_)) => {
                let e = Error::state("inverse_target", "the target is a class, not a number");
                Err(e.with_help("class_names() turns class numbers into names"))
            }
            Some(Target::Labels(_)) => {
                let e = Error::state("inverse_target", "the target is labels, not a number");
                Err(e.with_help("inverse() gives their columns"))
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
}

#[track_caller]
fn misshapen(y: &Tensor, expected: &str) -> Error {
    Error::shape("inverse", format!("the target has shape {:?}, expected {expected}", y.shape()))
}
