//! Predictions and targets of classes as pairs of numbers, checked.

use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

/// The examples that count.
pub(in super::super) struct Pairs {
    pub(super) predicted: Vec<i64>,
    pub(super) actual: Vec<i64>,
    pub(super) weights: Option<Vec<f64>>,
}

impl Pairs {
    /// Predicted class, actual class and weight of each example.
    pub(in super::super) fn iter(&self) -> impl Iterator<Item = (i64, i64, f64)> + '_ {
        let weight = |i: usize| self.weights.as_ref().map_or(1.0, |weights| weights[i]);
        self.predicted.iter().zip(&self.actual).enumerate().map(move |(i, (p, y))| (*p, *y, weight(i)))
    }
}

/// What examples there are, and which of them count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) threshold: Option<f64>,
    pub(super) ignore_index: i64,
    pub(super) weights: Option<&'a Tensor>,
}

/// Whether two shapes are the same but for a last dimension of 1: `[n]` and `[n, 1]`.
pub(super) fn fits(a: &[usize], b: &[usize]) -> bool {
    let bare = |shape: &[usize]| match shape {
        [rest @ .., 1] if !rest.is_empty() => rest.to_vec(),
        shape => shape.to_vec(),
    };
    bare(a) == bare(b)
}

/// The help where names are not as many as classes.
pub(super) const NAMES: &str = "the names stand in the order of the class numbers, one for each class";

/// The place of an element, as an index of a tensor of this shape.
pub(super) fn place(shape: &[usize], mut flat: usize) -> String {
    let mut index = vec![0; shape.len()];
    for (i, size) in index.iter_mut().zip(shape).rev() {
        (*i, flat) = (flat % (*size).max(1), flat / (*size).max(1));
    }
    format!("{index:?}")
}

/// The elements as whole numbers.
#[track_caller]
pub(super) fn whole_numbers(name: &'static str, what: &str, x: &Tensor) -> Result<Vec<i64>> {
    if x.dtype() == DType::I64 {
        return x.to_vec::<i64>();
    }
    let numbers = x.to_f64_vec();
    // Beyond 2⁵³ not every number is one.
    if let Some(i) = numbers.iter().position(|y| y.fract() != 0.0 || y.abs() > 9_007_199_254_740_992.0) {
        let message = format!("{what} {} is {}, expected whole class numbers", place(x.shape(), i), numbers[i]);
        return Err(Error::argument(name, message).with_help(
            "Preprocessor::classification numbers the classes of a column; for predicted numbers use rmse, mae or r2",
        ));
    }
    Ok(numbers.into_iter().map(|y| y as i64).collect())
}

/// The largest of each row.
#[track_caller]
fn largest(name: &'static str, what: &str, x: &Tensor, columns: usize) -> Result<Vec<i64>> {
    let values = x.to_f64_vec();
    if let Some(i) = values.iter().position(|x| x.is_nan()) {
        return Err(Error::numeric(name, format!("{what} contains NaN at {}", place(x.shape(), i))));
    }
    let best =
        |row: &[f64]| row.iter().enumerate().fold(0, |best, (i, x)| if *x > row[best] { i } else { best }) as i64;
    Ok(values.chunks(columns.max(1)).map(best).collect())
}

/// Checks that rows are probabilities, in range and adding up to 1.
#[track_caller]
pub(in crate::train) fn check_rows(
    name: &'static str,
    what: &str,
    values: &[f64],
    columns: usize,
    help: &str,
) -> Result<()> {
    for (row, values) in values.chunks(columns.max(1)).enumerate() {
        let sum: f64 = values.iter().sum();
        if let Some(value) = values.iter().find(|p| !(0.0..=1.0).contains(*p)) {
            let message = format!("row {row} of {what} contains {value}, which is not a probability");
            return Err(Error::argument(name, message).with_help(help));
        }
        if (sum - 1.0).abs() > 1e-2 {
            let message = format!("row {row} of {what} adds up to {sum}, expected probabilities, which add up to 1");
            return Err(Error::argument(name, message).with_help(help));
        }
    }
    Ok(())
}

#[track_caller]
fn shapes(name: &'static str, prediction: &Tensor, target: &Tensor, wanted: &str) -> Error {
    let (prediction, target) = (prediction.shape(), target.shape());
    let message = format!("the prediction has shape {prediction:?}, the target {target:?}, expected {wanted}");
    let error = Error::shape(name, message);
    match target.split_last() {
        Some((_, rows)) if rows == prediction => {
            error.with_help(format!("the prediction comes first: {name}(prediction, target)"))
        }
        _ => error,
    }
}

impl Reading<'_> {
    /// The classes that predictions speak for, and those of the targets, without examples that do not count.
    ///
    /// A row of scores speaks for its largest, the first of equals; a single score for class 1 above the threshold, else 0.
    #[track_caller]
    pub(super) fn pairs(&self, name: &'static str, prediction: &Tensor, target: &Tensor) -> Result<Pairs> {
        let (predicted, actual, shape) = self.classes(name, prediction, target)?;
        self.chosen(name, predicted, actual, &shape)
    }

    /// The same with those that do not count, and the shape of the targets.
    #[track_caller]
    pub(super) fn classes(
        &self,
        name: &'static str,
        prediction: &Tensor,
        target: &Tensor,
    ) -> Result<(Vec<i64>, Vec<i64>, Vec<usize>)> {
        if !prediction.dtype().is_float() {
            if !fits(prediction.shape(), target.shape()) {
                return Err(shapes(name, prediction, target, "one class number for each"));
            }
            let actual = whole_numbers(name, "target", target)?;
            return Ok((whole_numbers(name, "prediction", prediction)?, actual, target.shape().to_vec()));
        }
        let single = prediction.shape().last() == Some(&1) || prediction.rank() < 2;
        if self.threshold.is_some() && (single || prediction.shape() == target.shape()) {
            return self.above_threshold(name, prediction, target);
        }
        let Some((&columns, rest)) = prediction.shape().split_last().filter(|_| prediction.rank() >= 2) else {
            let message = format!("the prediction has shape {:?}, expected [n, classes]", prediction.shape());
            let help = "single scores need a Classification::threshold; class numbers are of an integer type";
            return Err(Error::shape(name, message).with_help(help));
        };
        if let Some(threshold) = self.threshold {
            let message = format!("a threshold of {threshold} for a prediction of shape {:?}", prediction.shape());
            return Err(Error::argument(name, message).with_help("a threshold is for one score for each target"));
        }
        match columns {
            0 => Err(Error::shape(name, "there are no classes")),
            1 => self.above_threshold(name, prediction, target),
            _ => {
                let actual = actual(name, target, prediction, rest, columns, true)?;
                if target.dtype().is_float() && target.shape() != prediction.shape() {
                    let message = format!("class numbers of type {}, expected i64", target.dtype());
                    return Err(Error::dtype(name, message).with_help("convert them with to_dtype(DType::I64)"));
                }
                self.check_known(name, &actual, columns)?;
                Ok((largest(name, "the prediction", prediction, columns)?, actual, rest.to_vec()))
            }
        }
    }

    /// Single scores: `[n, 1]`, or of any shape that the targets have too.
    #[track_caller]
    fn above_threshold(
        &self,
        name: &'static str,
        prediction: &Tensor,
        target: &Tensor,
    ) -> Result<(Vec<i64>, Vec<i64>, Vec<usize>)> {
        let actual = single_targets(name, target, prediction)?;
        let scores = prediction.to_f64_vec();
        if let Some(i) = scores.iter().position(|x| x.is_nan()) {
            let message = format!("the prediction contains NaN at {}", place(prediction.shape(), i));
            return Err(Error::numeric(name, message));
        }
        let threshold = self.threshold.unwrap_or(0.0);
        let predicted = scores.into_iter().map(|score| i64::from(score > threshold)).collect();
        self.check_known(name, &actual, 2)?;
        Ok((predicted, actual, target.shape().to_vec()))
    }

    /// Scores cannot be right about a class that they do not have.
    #[track_caller]
    pub(super) fn check_known(&self, name: &'static str, actual: &[i64], classes: usize) -> Result<()> {
        let known = |y: &i64| *y == self.ignore_index || usize::try_from(*y).is_ok_and(|y| y < classes);
        match actual.iter().position(|y| !known(y)) {
            Some(i) => {
                let last = classes - 1;
                let message =
                    format!("target {i} is class {}, the prediction has {classes} classes (0 ..= {last})", actual[i]);
                Err(Error::index(name, message))
            }
            None => Ok(()),
        }
    }

    /// Leaves out what does not count.
    #[track_caller]
    fn chosen(
        &self,
        name: &'static str,
        mut predicted: Vec<i64>,
        mut actual: Vec<i64>,
        shape: &[usize],
    ) -> Result<Pairs> {
        let counts = self.counting(name, &actual)?;
        let weights = self.example_weights(name, shape, &counts)?;
        keep(&mut predicted, &counts);
        keep(&mut actual, &counts);
        Ok(Pairs { predicted, actual, weights })
    }

    /// Which targets count.
    #[track_caller]
    pub(super) fn counting(&self, name: &'static str, actual: &[i64]) -> Result<Vec<bool>> {
        if actual.is_empty() {
            return Err(Error::shape(name, "there are no examples"));
        }
        let counts: Vec<bool> = actual.iter().map(|y| *y != self.ignore_index).collect();
        if !counts.contains(&true) {
            return Err(Error::argument(name, format!("no target counts: all are {}", self.ignore_index)));
        }
        Ok(counts)
    }

    /// The weights of the examples that count.
    #[track_caller]
    pub(super) fn example_weights(
        &self,
        name: &'static str,
        shape: &[usize],
        counts: &[bool],
    ) -> Result<Option<Vec<f64>>> {
        let Some(weights) = self.weights else { return Ok(None) };
        if !fits(weights.shape(), shape) {
            let message = format!("weights of shape {:?} for targets of shape {shape:?}", weights.shape());
            return Err(Error::shape(name, message));
        }
        let mut weights = weights.to_f64_vec();
        check_weights(name, &weights)?;
        keep(&mut weights, counts);
        if weights.iter().sum::<f64>() == 0.0 {
            return Err(Error::argument(name, "the weights of the examples add up to 0"));
        }
        Ok(Some(weights))
    }
}

/// The class numbers of targets for single scores.
#[track_caller]
pub(super) fn single_targets(name: &'static str, target: &Tensor, scores: &Tensor) -> Result<Vec<i64>> {
    if !fits(scores.shape(), target.shape()) {
        return Err(shapes(name, scores, target, "one target for each score"));
    }
    whole_numbers(name, "target", target)
}

pub(super) fn keep<T: Copy>(values: &mut Vec<T>, counts: &[bool]) {
    let mut counts = counts.iter();
    values.retain(|_| counts.next().is_some_and(|counts| *counts));
}

#[track_caller]
pub(super) fn check_weights(name: &'static str, weights: &[f64]) -> Result<()> {
    match weights.iter().position(|w| !(*w >= 0.0 && w.is_finite())) {
        Some(i) => {
            let message = format!("weight {i} is {}, expected a finite number of at least 0", weights[i]);
            Err(Error::argument(name, message))
        }
        None => Ok(()),
    }
}

/// The classes of targets for scores of `columns` classes: numbers, or rows of the shape of the scores. `soft` says whether
/// such rows may be probabilities other than 0 and 1.
#[track_caller]
pub(in crate::train) fn actual(
    name: &'static str,
    target: &Tensor,
    scores: &Tensor,
    rest: &[usize],
    columns: usize,
    soft: bool,
) -> Result<Vec<i64>> {
    if target.shape() == scores.shape() {
        let values = target.to_f64_vec();
        let help = "give class numbers, or for each example a row of probabilities";
        check_rows(name, "the target", &values, columns, help)?;
        if !soft && values.iter().any(|p| *p != 0.0 && *p != 1.0) {
            return Err(Error::argument(name, "the targets are probabilities, expected class numbers or one-hot rows"));
        }
        return largest(name, "the target", target, columns);
    }
    if !fits(target.shape(), rest) {
        let error = shapes(name, scores, target, &format!("targets of shape {rest:?}"));
        let mut second: Vec<usize> = scores.shape().to_vec();
        second.remove(1);
        let help = "the classes belong into the last dimension: movedim(1, -1)";
        return Err(if target.shape() == second { error.with_help(help) } else { error });
    }
    whole_numbers(name, "target", target)
}
