//! Measures of how good predictions are, for people to read. Unlike a loss, a metric needs no gradient.

use crate::error::{Error, Result};
use crate::losses;
use crate::tensor::{DType, Tensor};

/// Two tensors of the same shape as numbers.
#[track_caller]
fn pairs(name: &'static str, prediction: &Tensor, target: &Tensor) -> Result<Vec<(f64, f64)>> {
    if prediction.shape() != target.shape() {
        let message = format!("the prediction has shape {:?}, the target {:?}", prediction.shape(), target.shape());
        return Err(Error::shape(name, message));
    }
    if prediction.is_empty() {
        return Err(Error::shape(name, "there are no examples"));
    }
    Ok(prediction.to_f64_vec().into_iter().zip(target.to_f64_vec()).collect())
}

fn mean(values: impl Iterator<Item = f64>, n: usize) -> f64 {
    values.sum::<f64>() / n as f64
}

/// The mean squared error.
///
/// # Errors
/// If the shapes differ, or there are no examples. This holds for all metrics of numbers.
#[track_caller]
pub fn mse(prediction: &Tensor, target: &Tensor) -> Result<f64> {
    let pairs = pairs("mse", prediction, target)?;
    Ok(mean(pairs.iter().map(|(p, y)| (p - y).powi(2)), pairs.len()))
}

/// The root of the mean squared error: the typical size of an error, in the unit of the target.
///
/// # Errors
/// If the shapes differ, or there are no examples.
#[track_caller]
pub fn rmse(prediction: &Tensor, target: &Tensor) -> Result<f64> {
    Ok(mse(prediction, target)?.sqrt())
}

/// The mean absolute error, in the unit of the target.
///
/// # Errors
/// If the shapes differ, or there are no examples.
#[track_caller]
pub fn mae(prediction: &Tensor, target: &Tensor) -> Result<f64> {
    let pairs = pairs("mae", prediction, target)?;
    Ok(mean(pairs.iter().map(|(p, y)| (p - y).abs()), pairs.len()))
}

/// The share of the target's variance that the prediction explains (R²): 1 is perfect, 0 no better than the mean,
/// negative worse. A constant target gives 1 if it is met exactly and 0 otherwise, as in scikit-learn.
///
/// # Errors
/// If the shapes differ, or there are no examples.
#[doc(alias = "r2_score")]
#[track_caller]
pub fn r2(prediction: &Tensor, target: &Tensor) -> Result<f64> {
    let pairs = pairs("r2", prediction, target)?;
    let center = mean(pairs.iter().map(|(_, y)| *y), pairs.len());
    let total: f64 = pairs.iter().map(|(_, y)| (y - center).powi(2)).sum();
    let residual: f64 = pairs.iter().map(|(p, y)| (p - y).powi(2)).sum();
    Ok(match (total == 0.0, residual == 0.0) {
        (false, _) => 1.0 - residual / total,
        (true, exact) => f64::from(u8::from(exact)),
    })
}

/// The class that a row of scores or probabilities speaks for: the largest, or, for a single column, whether it is
/// above `threshold`. Class numbers stay what they are.
#[track_caller]
fn classes(name: &'static str, prediction: &Tensor, threshold: f64) -> Result<Vec<i64>> {
    if prediction.dtype() == DType::I64 {
        return prediction.to_vec::<i64>();
    }
    let Some((&columns, _)) = prediction.shape().split_last().filter(|_| prediction.rank() >= 2) else {
        let message = format!("the prediction has shape {:?}, expected [n, classes]", prediction.shape());
        return Err(Error::shape(name, message));
    };
    if columns == 0 {
        return Err(Error::shape(name, "there are no classes"));
    }
    let scores = prediction.to_f64_vec();
    Ok(scores
        .chunks(columns)
        .map(|row| match row {
            [score] => i64::from(*score > threshold),
            row => {
                let best = row.iter().enumerate().fold(0, |best, (i, x)| if *x > row[best] { i } else { best });
                best as i64
            }
        })
        .collect())
}

#[track_caller]
fn class_pairs(name: &'static str, prediction: &Tensor, target: &Tensor) -> Result<Vec<(i64, i64)>> {
    let predicted = classes(name, prediction, 0.0)?;
    let actual: Vec<i64> = target.to_f64_vec().into_iter().map(|y| y as i64).collect();
    if predicted.len() != actual.len() {
        let message = format!("{} predictions for {} targets", predicted.len(), actual.len());
        return Err(Error::shape(name, message));
    }
    if actual.is_empty() {
        return Err(Error::shape(name, "there are no examples"));
    }
    Ok(predicted.into_iter().zip(actual).collect())
}

/// The share of examples whose class is predicted correctly.
///
/// The prediction holds logits or probabilities `[n, classes]`, a single logit for each example `[n, 1]` (positive
/// means class 1), or class numbers (`I64`). The target holds class numbers.
///
/// # Errors
/// If the numbers of examples differ, or there are none. This holds for all metrics of classes.
///
/// ```
/// use demotic::prelude::*;
///
/// let logits = tensor![[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]];
/// let target = Tensor::from_nested([0i64, 1, 1])?;
/// assert!((metrics::accuracy(&logits, &target)? - 2.0 / 3.0).abs() < 1e-12);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn accuracy(prediction: &Tensor, target: &Tensor) -> Result<f64> {
    let pairs = class_pairs("accuracy", prediction, target)?;
    Ok(mean(pairs.iter().map(|(p, y)| f64::from(u8::from(p == y))), pairs.len()))
}

/// How often each class (row) was predicted as each class (column).
///
/// # Errors
/// If a class number is negative or not below `num_classes`, or the numbers of examples differ.
#[track_caller]
pub fn confusion_matrix(prediction: &Tensor, target: &Tensor, num_classes: usize) -> Result<Vec<Vec<usize>>> {
    let pairs = class_pairs("confusion_matrix", prediction, target)?;
    let mut counts = vec![vec![0; num_classes]; num_classes];
    for (p, y) in pairs {
        let cell = usize::try_from(y).ok().and_then(|y| counts.get_mut(y));
        match usize::try_from(p).ok().and_then(|p| cell?.get_mut(p)) {
            Some(count) => *count += 1,
            None => {
                let message = format!("class {y} predicted as {p}, expected numbers below {num_classes}");
                return Err(Error::index("confusion_matrix", message));
            }
        }
    }
    Ok(counts)
}

/// The harmonic mean of precision and recall of each class, averaged over the classes that occur (macro F1). A class
/// that is never predicted and never right counts as 0.
///
/// # Errors
/// If the numbers of examples differ, or there are none.
#[track_caller]
pub fn f1(prediction: &Tensor, target: &Tensor) -> Result<f64> {
    let pairs = class_pairs("f1", prediction, target)?;
    let mut names: Vec<i64> = pairs.iter().flat_map(|(p, y)| [*p, *y]).collect();
    names.sort_unstable();
    names.dedup();
    let score = |class: i64| {
        let count = |f: &dyn Fn(&(i64, i64)) -> bool| pairs.iter().filter(|pair| f(pair)).count() as f64;
        let hits = count(&|(p, y)| *p == class && *y == class);
        2.0 * hits / (count(&|(p, _)| *p == class) + count(&|(_, y)| *y == class))
    };
    Ok(mean(names.iter().map(|class| score(*class)), names.len()))
}

/// The perplexity of a language model: the exponential of the mean cross-entropy of the next tokens. As good a guess as
/// picking one of so many tokens at random; 1 is perfect.
///
/// The logits have shape `[.., classes]`, the targets (`I64`) the same without the last dimension. Targets of −100 do not count.
///
/// # Errors
/// If the shapes or types do not fit, a target is out of range, or there are none.
///
/// ```
/// use demotic::prelude::*;
///
/// // As likely as not, among four.
/// let logits = Tensor::zeros([2, 3, 4])?;
/// let targets = Tensor::from_nested([[0i64, 1, 2], [3, 0, -100]])?;
/// assert!((metrics::perplexity(&logits, &targets)? - 4.0).abs() < 1e-6);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn perplexity(logits: &Tensor, targets: &Tensor) -> Result<f64> {
    let Some((&classes, rest)) = logits.shape().split_last().filter(|(_, rest)| *rest == targets.shape()) else {
        let (logits, targets) = (logits.shape(), targets.shape());
        let message =
            format!("logits of shape {logits:?} and targets of shape {targets:?}, expected [.., classes] and [..]");
        return Err(Error::shape("perplexity", message));
    };
    let rows: usize = rest.iter().product();
    let _unrecorded = crate::autograd::pause_recording();
    let loss = losses::cross_entropy(&logits.reshape([rows, classes])?, &targets.reshape([rows])?)?;
    Ok(loss.item()?.exp())
}

/// A cross-entropy per token, which is in nats, in bits.
#[must_use]
pub fn bits_per_token(loss: f64) -> f64 {
    loss / std::f64::consts::LN_2
}

/// The bits that a language model needs for each character of a text, from its mean cross-entropy per token. Unlike the
/// perplexity, it compares models with different tokenizers. With the number of bytes instead, it is the bits per byte.
///
/// # Errors
/// If there are no characters.
///
/// ```
/// use demotic::train::metrics;
///
/// // 250 tokens of 2 bits, for 1000 characters.
/// let loss = 2.0 * std::f64::consts::LN_2;
/// assert_eq!(metrics::bits_per_character(loss, 250, 1000)?, 0.5);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn bits_per_character(loss: f64, tokens: usize, characters: usize) -> Result<f64> {
    if characters == 0 {
        return Err(Error::argument("bits_per_character", "the text has no characters"));
    }
    Ok(bits_per_token(loss) * tokens as f64 / characters as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor;

    /// Expected values from scikit-learn 1.7 (`r2_score`, `f1_score(average="macro")`, `confusion_matrix`).
    #[test]
    fn same_as_scikit_learn() {
        let (p, y) = (tensor![2.5, 0.0, 2.0, 8.0], tensor![3.0, -0.5, 2.0, 7.0]);
        assert!((r2(&p, &y).unwrap() - 0.948_608_137_044_967_9).abs() < 1e-15);
        assert_eq!(mse(&p, &y).unwrap(), 0.375);
        assert_eq!(mae(&p, &y).unwrap(), 0.5);
        let y = Tensor::from_nested([0i64, 1, 2, 0, 1, 2]).unwrap();
        let p = Tensor::from_nested([0i64, 2, 1, 0, 0, 1]).unwrap();
        assert!((f1(&p, &y).unwrap() - 0.266_666_666_666_666_66).abs() < 1e-15);
        assert_eq!(confusion_matrix(&p, &y, 3).unwrap(), [[2, 0, 0], [1, 0, 1], [0, 2, 0]]);
    }

    #[test]
    fn constant_targets() {
        let y = tensor![2.0, 2.0];
        assert_eq!(r2(&y, &y).unwrap(), 1.0);
        assert_eq!(r2(&tensor![1.0, 2.0], &y).unwrap(), 0.0);
    }

    /// Expected value from PyTorch: `F.cross_entropy(logits, targets).exp()`.
    #[test]
    fn perplexity_is_the_exponential_of_the_loss() {
        let logits = tensor![[[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]], [[0.25, 0.25, 0.25], [9.0, 9.0, 9.0]]];
        let targets = Tensor::from_nested([[1i64, 0], [2, -100]]).unwrap();
        assert!((perplexity(&logits, &targets).unwrap() - 4.678_394_484_378_122).abs() < 1e-5);
        let e = perplexity(&logits, &Tensor::from_nested([1i64, 0]).unwrap()).unwrap_err();
        let message = "perplexity: logits of shape [2, 2, 3] and targets of shape [2], expected [.., classes] and [..]";
        assert_eq!(e.message(), message);
        assert!(perplexity(&tensor![1.0], &targets).is_err());
        assert!(
            perplexity(&Tensor::zeros([0, 3]).unwrap(), &Tensor::full_dtype([0], 0.0, DType::I64).unwrap()).is_err()
        );
        assert_eq!(
            bits_per_character(1.0, 3, 0).unwrap_err().message(),
            "bits_per_character: the text has no characters"
        );
    }

    #[test]
    fn mistakes() {
        let e = rmse(&tensor![[1.0], [2.0]], &tensor![1.0, 2.0]).unwrap_err();
        assert_eq!(e.message(), "mse: the prediction has shape [2, 1], the target [2]");
        assert!(accuracy(&Tensor::zeros([0, 3]).unwrap(), &Tensor::zeros([0]).unwrap()).is_err());
        assert!(accuracy(&Tensor::zeros([2, 0]).unwrap(), &Tensor::zeros([2]).unwrap()).is_err());
        assert!(confusion_matrix(&tensor![[0.0, 1.0]], &tensor![5.0], 2).is_err());
    }
}
