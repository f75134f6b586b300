//! Metrics of scores and probabilities of classes, which look at more than the largest.

use super::classification::{Average, Classification};
use super::examples::{actual, check_rows, keep, place, single_targets};
use super::mean;
use crate::error::{Error, Here, Result};
use crate::tensor::{DType, Tensor};

pub(super) const PROBABILITIES: &str = "logits become probabilities with softmax(-1), or sigmoid() for a single one";

/// Scores of the examples that count, in rows of a score for each class.
pub(super) struct Scores {
    pub(super) values: Vec<f64>,
    pub(super) columns: usize,
    pub(super) actual: Vec<i64>,
    pub(super) weights: Option<Vec<f64>>,
}

/// One example of a ranking: its score, whether it is positive, its weight.
pub(super) type Ranked = (f64, bool, f64);

/// A measure of a ranking.
pub(super) type Measure = fn(&'static str, Vec<Ranked>) -> Result<f64>;

impl Classification {
    /// Rows of scores, `[.., classes]`, or single ones (`[n]` or `[n, 1]`) for the positive class.
    #[track_caller]
    pub(super) fn scores(&self, name: &'static str, scores: &Tensor, target: &Tensor) -> Result<Scores> {
        if !scores.dtype().is_float() || scores.rank() == 0 {
            let message =
                format!("scores of shape {:?} and type {}, expected [n, classes]", scores.shape(), scores.dtype());
            return Err(Error::dtype(name, message).with_help("give the outputs of the model, not class numbers"));
        }
        let single = scores.rank() == 1 || scores.shape().last() == Some(&1);
        let (columns, rest) = match scores.shape().split_last() {
            Some((columns, rest)) if !single => (*columns, rest),
            _ => (1, scores.shape()),
        };
        if columns == 0 {
            return Err(Error::shape(name, "there are no classes"));
        }
        let mut values = scores.to_f64_vec();
        if let Some(i) = values.iter().position(|x| x.is_nan()) {
            return Err(Error::numeric(name, format!("the scores contain NaN at {}", place(scores.shape(), i))));
        }
        let reading = self.reading();
        let mut actual = if single {
            single_targets(name, target, scores)?
        } else {
            actual(name, target, scores, rest, columns, false)?
        };
        let counts = reading.counting(name, &actual)?;
        let weights = reading.example_weights(name, rest, &counts)?;
        if !single {
            reading.check_known(name, &actual, columns)?;
        }
        keep(&mut actual, &counts);
        let mut rows = counts.iter().flat_map(|counts| std::iter::repeat_n(*counts, columns));
        values.retain(|_| rows.next() == Some(true));
        Ok(Scores { values, columns, actual, weights })
    }

    /// The ranking of the positive class. Of two columns, the second is it.
    #[track_caller]
    pub(super) fn ranking(&self, name: &'static str, scores: &Tensor, target: &Tensor) -> Result<Vec<Ranked>> {
        let Scores { values, columns, actual, weights } = self.scores(name, scores, target)?;
        if columns > 2 {
            return Err(several(name, columns));
        }
        self.check_two(name, &actual)?;
        // Of logits, the difference; of probabilities, their order is that of the second, which is more exact.
        let probabilities = check_rows(name, "", &values, columns, "").is_ok();
        let first = columns == 2 && self.positive() == 0;
        let score = |row: &[f64]| match row {
            [no, yes] => match (probabilities, first) {
                (false, false) => yes - no,
                (false, true) => no - yes,
                (true, false) => *yes,
                (true, true) => *no,
            },
            [yes] => *yes,
            _ => f64::NAN,
        };
        let ranked = values
            .chunks(columns)
            .zip(&actual)
            .enumerate()
            .map(|(i, (row, y))| (score(row), *y == self.positive(), weights.as_ref().map_or(1.0, |w| w[i])));
        let ranked: Vec<Ranked> = ranked.collect();
        match ranked.iter().any(|(score, ..)| score.is_nan()) {
            true => Err(Error::numeric(name, "a row of scores holds the same infinity twice")),
            false => Ok(ranked),
        }
    }

    /// Two classes at the most, one of which is the positive one.
    #[track_caller]
    fn check_two(&self, name: &'static str, actual: &[i64]) -> Result<()> {
        let mut classes = actual.to_vec();
        crate::order::sort_by_key(&mut classes, |class| crate::order::whole_key(*class));
        classes.dedup();
        match classes[..] {
            [a, b] if a != self.positive() && b != self.positive() => {
                let message = format!("the classes are {a} and {b}, the positive label is {}", self.positive());
                Err(Error::argument(name, message).with_help("set Classification::positive_label"))
            }
            [] | [_] | [_, _] => Ok(()),
            _ => Err(several(name, classes.len())),
        }
    }

    /// The mean over the classes of a measure of one class against the others.
    #[track_caller]
    fn one_vs_rest(&self, name: &'static str, data: [&Tensor; 2], average: Average, measure: Measure) -> Result<f64> {
        let Scores { values, columns, actual, weights } = self.scores(name, data[0], data[1])?;
        if columns < 2 {
            return Err(Error::shape(name, "single scores, expected a score for each class"));
        }
        check_rows(name, "the scores", &values, columns, PROBABILITIES)?;
        let weight = |i: usize| weights.as_ref().map_or(1.0, |w| w[i]);
        let of = |class: usize| -> Vec<Ranked> {
            let rows = values.chunks(columns).zip(&actual).enumerate();
            rows.map(|(i, (row, y))| (row[class], *y == class as i64, weight(i))).collect()
        };
        over_columns(name, columns, &of, average, measure)
    }

    /// As the function [`roc_auc`], with these options.
    ///
    /// # Errors
    /// As for [`roc_auc`].
    #[track_caller]
    pub fn roc_auc(&self, scores: &Tensor, target: &Tensor) -> Result<f64> {
        area_under_roc("roc_auc", self.ranking("roc_auc", scores, target)?)
    }

    /// The areas under the ROC curves of each class against the rest, averaged; for probabilities `[.., classes]`.
    ///
    /// # Errors
    /// As for [`roc_auc`], if rows are no probabilities, or if a class does not occur.
    #[track_caller]
    pub fn roc_auc_one_vs_rest(&self, probabilities: &Tensor, target: &Tensor, average: Average) -> Result<f64> {
        self.one_vs_rest("roc_auc", [probabilities, target], average, area_under_roc)
    }

    /// The areas under the ROC curves of each pair of classes, among the examples of the two, averaged (Hand and Till, 2001); for
    /// probabilities `[.., classes]`. Unlike [one against the rest](Self::roc_auc_one_vs_rest), it does not depend on how rare a
    /// class is. `Average::Macro` counts each pair the same, `Average::Weighted` by its examples. Weights of examples are not
    /// for it, as in scikit-learn.
    ///
    /// # Errors
    /// As for [`roc_auc`], if rows are no probabilities, or if a class does not occur.
    #[track_caller]
    pub fn roc_auc_one_vs_one(&self, probabilities: &Tensor, target: &Tensor, average: Average) -> Result<f64> {
        let name = "roc_auc";
        if self.weights.is_some() {
            return Err(Error::argument(name, "weights of examples, which pairs of classes do not have"));
        }
        if !matches!(average, Average::Macro | Average::Weighted) {
            let message = format!("Average::{average:?} of pairs of classes");
            return Err(Error::argument(name, message).with_help("choose Average::Macro or Weighted"));
        }
        let Scores { values, columns, actual, .. } = self.scores(name, probabilities, target)?;
        if columns < 2 {
            return Err(Error::shape(name, "single scores, expected a score for each class"));
        }
        check_rows(name, "the scores", &values, columns, PROBABILITIES)?;
        let mut counts = vec![0usize; columns];
        for y in &actual {
            counts[*y as usize] += 1;
        }
        if let Some(missing) = counts.iter().position(|count| *count == 0) {
            return Err(Error::argument(name, format!("class {missing} does not occur, so that it is not defined"))
                .with_help("a class needs examples to be told from others"));
        }
        let (mut total, mut weight) = (0.0, 0.0);
        for a in 0..columns {
            for b in a + 1..columns {
                let mut pair = 0.0;
                for (class, other) in [(a, b), (b, a)] {
                    let mut ranked = Vec::with_capacity(counts[a] + counts[b]);
                    for (row, y) in values.chunks(columns).zip(&actual) {
                        if *y == class as i64 || *y == other as i64 {
                            ranked.push((row[class], *y == class as i64, 1.0));
                        }
                    }
                    pair += area_under_roc(name, ranked)? / 2.0;
                }
                let share = if average == Average::Weighted { (counts[a] + counts[b]) as f64 } else { 1.0 };
                total += share * pair;
                weight += share;
            }
        }
        Ok(total / weight)
    }

    /// As the function [`average_precision`], with these options.
    ///
    /// # Errors
    /// As for [`average_precision`].
    #[track_caller]
    pub fn average_precision(&self, scores: &Tensor, target: &Tensor) -> Result<f64> {
        mean_precision("average_precision", self.ranking("average_precision", scores, target)?)
    }

    /// The average precisions of each class against the rest, averaged; for probabilities `[.., classes]`.
    ///
    /// # Errors
    /// As for [`average_precision`], if rows are no probabilities, or if a class does not occur.
    #[track_caller]
    pub fn average_precision_one_vs_rest(
        &self,
        probabilities: &Tensor,
        target: &Tensor,
        average: Average,
    ) -> Result<f64> {
        self.one_vs_rest("average_precision", [probabilities, target], average, mean_precision)
    }

    /// As the function [`top_k_accuracy`], with these options.
    ///
    /// # Errors
    /// As for [`top_k_accuracy`].
    #[track_caller]
    pub fn top_k_accuracy(&self, scores: &Tensor, target: &Tensor, k: usize) -> Result<f64> {
        let name = "top_k_accuracy";
        if k == 0 {
            return Err(Error::argument(name, "k is 0, expected at least 1"));
        }
        let Scores { values, columns, actual, weights } = self.scores(name, scores, target)?;
        if columns < 2 {
            return Err(Error::shape(name, "single scores, expected a score for each class"));
        }
        let hit = |(row, y): (&[f64], &i64)| {
            let class = usize::try_from(*y).unwrap_or(usize::MAX).min(columns - 1);
            let ahead = row.iter().enumerate().filter(|(i, x)| **x > row[class] || (**x == row[class] && *i < class));
            f64::from(u8::from(ahead.count() < k))
        };
        Ok(mean(values.chunks(columns).zip(&actual).map(hit), weights.as_deref()))
    }

    /// As the function [`log_loss`], with these options.
    ///
    /// # Errors
    /// As for [`log_loss`].
    #[track_caller]
    pub fn log_loss(&self, probabilities: &Tensor, target: &Tensor) -> Result<f64> {
        let epsilon = if probabilities.dtype() == DType::F64 { f64::EPSILON } else { f64::from(f32::EPSILON) };
        let Scores { values, columns, actual, weights } = self.probabilities("log_loss", probabilities, target)?;
        let right = |(row, y): (&[f64], &i64)| match row {
            [p] if *y == self.positive() => *p,
            [p] => 1.0 - p,
            row => usize::try_from(*y).ok().and_then(|y| row.get(y)).copied().unwrap_or(0.0),
        };
        let each = values.chunks(columns).zip(&actual).map(right);
        Ok(mean(each.map(|p| -p.clamp(epsilon, 1.0 - epsilon).ln()), weights.as_deref()))
    }

    /// As the function [`brier_score`], with these options.
    ///
    /// # Errors
    /// As for [`brier_score`].
    #[track_caller]
    pub fn brier_score(&self, probabilities: &Tensor, target: &Tensor) -> Result<f64> {
        let name = "brier_score";
        let Scores { values, columns, actual, weights } = self.probabilities(name, probabilities, target)?;
        let score = |(row, y): (&[f64], &i64)| -> f64 {
            match row {
                [p] => (p - f64::from(u8::from(*y == self.positive()))).powi(2),
                row => row.iter().enumerate().map(|(i, p)| (p - f64::from(u8::from(i as i64 == *y))).powi(2)).sum(),
            }
        };
        Ok(mean(values.chunks(columns).zip(&actual).map(score), weights.as_deref()))
    }

    /// Rows of probabilities, or single ones of the positive class.
    #[track_caller]
    pub(super) fn probabilities(&self, name: &'static str, probabilities: &Tensor, target: &Tensor) -> Result<Scores> {
        let scores = self.scores(name, probabilities, target)?;
        if scores.columns > 1 {
            check_rows(name, "the prediction", &scores.values, scores.columns, PROBABILITIES)?;
        } else if let Some(p) = scores.values.iter().find(|p| !(0.0..=1.0).contains(*p)) {
            let message = format!("the prediction contains {p}, which is not a probability");
            return Err(Error::argument(name, message).with_help(PROBABILITIES));
        } else {
            self.check_two(name, &scores.actual)?;
        }
        Ok(scores)
    }
}

#[track_caller]
fn several(name: &'static str, classes: usize) -> Error {
    let error = Error::argument(name, format!("{classes} classes, expected two"));
    match name {
        "roc_auc" | "average_precision" => {
            error.with_help(format!("Classification::{name}_one_vs_rest takes probabilities of several"))
        }
        _ => error.with_help("give a probability for each class"),
    }
}

/// One measure over rankings of columns.
#[track_caller]
pub(super) fn over_columns(
    name: &'static str,
    columns: usize,
    of: &dyn Fn(usize) -> Vec<Ranked>,
    average: Average,
    measure: Measure,
) -> Result<f64> {
    match average {
        Average::Micro => {
            let mut all = Vec::new();
            for column in 0..columns {
                all.append(&mut of(column));
            }
            measure(name, all).here()
        }
        Average::Macro | Average::Weighted => {
            let (mut scores, mut support) = (Vec::new(), Vec::new());
            for column in 0..columns {
                let ranked = of(column);
                let weight = ranked.iter().filter(|(_, positive, _)| *positive).map(|(.., w)| w).sum::<f64>();
                // In a weighted mean a class without examples counts nothing, so that it need not have a score.
                if average == Average::Weighted && weight == 0.0 {
                    continue;
                }
                support.push(weight);
                scores.push(measure(name, ranked).here()?);
            }
            if scores.is_empty() {
                return Err(Error::argument(
                    name,
                    "there is no positive example in any column, so that it is not defined",
                ));
            }
            Ok(mean(scores.iter().copied(), (average == Average::Weighted).then_some(&support[..])))
        }
        Average::Binary | Average::Samples => {
            Err(Error::argument(name, format!("Average::{average:?} of one class against the rest"))
                .with_help("choose Average::Macro, Weighted or Micro"))
        }
    }
}

/// The examples with one score: the score, and the weights of positive and negative ones.
pub(super) struct Group {
    pub(super) score: f64,
    pub(super) weights: [f64; 2],
}

/// Groups from the highest score down, and the weights of all positive and negative examples.
#[track_caller]
pub(super) fn groups(name: &'static str, mut ranked: Vec<Ranked>) -> Result<(Vec<Group>, [f64; 2])> {
    // No NaN are in it, and −0 is 0.
    ranked.iter_mut().for_each(|(score, ..)| *score += 0.0);
    crate::order::sort_by_key(&mut ranked, |(score, ..)| !crate::order::key(*score));
    let mut groups: Vec<Group> = Vec::new();
    let mut totals = [0.0; 2];
    for (score, positive, weight) in ranked {
        match groups.last_mut() {
            Some(group) if group.score == score => group.weights[usize::from(!positive)] += weight,
            _ => {
                let mut weights = [0.0; 2];
                weights[usize::from(!positive)] = weight;
                groups.push(Group { score, weights });
            }
        }
        totals[usize::from(!positive)] += weight;
    }
    let needs_both = !matches!(name, "average_precision" | "precision_recall_curve" | "lift_curve");
    for (total, what) in totals.iter().zip(["no positive", "no negative"]) {
        if *total == 0.0 && (needs_both || what == "no positive") {
            let message = format!("there is {what} example, so that it is not defined");
            return Err(
                Error::argument(name, message).with_help("it needs examples of both classes that weigh something")
            );
        }
    }
    Ok((groups, totals))
}

#[track_caller]
pub(super) fn area_under_roc(name: &'static str, ranked: Vec<Ranked>) -> Result<f64> {
    let (groups, [positive, negative]) = groups(name, ranked)?;
    let (mut found, mut area) = (0.0, 0.0);
    for Group { weights: [yes, no], .. } in groups {
        area += no / negative * (found + yes / 2.0);
        found += yes;
    }
    Ok((area / positive).clamp(0.0, 1.0))
}

#[track_caller]
pub(super) fn mean_precision(name: &'static str, ranked: Vec<Ranked>) -> Result<f64> {
    let (groups, [positive, _]) = groups(name, ranked)?;
    let (mut found, mut seen, mut area) = (0.0, 0.0, 0.0);
    for Group { weights: [yes, no], .. } in groups {
        found += yes;
        seen += yes + no;
        if yes > 0.0 {
            area += yes / positive * (found / seen);
        }
    }
    Ok(area)
}

/// The area under the ROC curve: how likely an example of class 1 has a higher score than one of class 0, equal scores counting
/// half. 1 is perfect, ½ no better than chance, whatever the shares of the classes are.
///
/// Scores are logits or probabilities of class 1, `[n]` or `[n, 1]`, or of both classes, `[n, 2]`. More than two classes:
/// [`Classification::roc_auc_one_vs_rest`].
///
/// # Errors
/// If shapes do not fit, a score is NaN, targets are no class numbers, or not both classes occur.
///
/// ```
/// use demotic::prelude::*;
///
/// let scores = tensor![0.1, 0.4, 0.35, 0.8];
/// let target = Tensor::from_nested([0i64, 0, 1, 1])?;
/// assert_eq!(metrics::roc_auc(&scores, &target)?, 0.75);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn roc_auc(scores: &Tensor, target: &Tensor) -> Result<f64> {
    Classification::new().roc_auc(scores, target)
}

/// The area under the curve of precision over recall, as a sum of steps: `Σ (Rₙ − Rₙ₋₁) Pₙ` over all thresholds. Unlike the
/// ROC curve's, it falls to the share of class 1 for guessing, and tells more where that class is rare.
///
/// Scores are as for [`roc_auc`].
///
/// # Errors
/// As for [`roc_auc`], if class 1 does not occur.
///
/// ```
/// use demotic::prelude::*;
///
/// let scores = tensor![0.1, 0.4, 0.35, 0.8];
/// let target = Tensor::from_nested([0i64, 0, 1, 1])?;
/// assert!((metrics::average_precision(&scores, &target)? - 5.0 / 6.0).abs() < 1e-12);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
#[doc(alias = "pr_auc")]
pub fn average_precision(scores: &Tensor, target: &Tensor) -> Result<f64> {
    Classification::new().average_precision(scores, target)
}

/// The share of examples whose class is among the `k` with the highest scores, `[.., classes]`. Of equal scores, the lower
/// class comes first.
///
/// # Errors
/// If `k` is 0, shapes do not fit, a score is NaN, or a target is no class.
///
/// ```
/// use demotic::prelude::*;
///
/// let scores = tensor![[0.5, 0.2, 0.2], [0.3, 0.4, 0.2]];
/// let target = Tensor::from_nested([1i64, 2])?;
/// assert_eq!(metrics::top_k_accuracy(&scores, &target, 2)?, 0.5);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn top_k_accuracy(scores: &Tensor, target: &Tensor, k: usize) -> Result<f64> {
    Classification::new().top_k_accuracy(scores, target, k)
}

/// The mean of `−log p` of the right class, in nats, for probabilities `[.., classes]`, or `[n]` or `[n, 1]` of class 1.
/// Probabilities are clipped to ε and 1 − ε, with the ε of their type. Of logits, this is
/// [`losses::cross_entropy`](crate::losses::cross_entropy()).
///
/// # Errors
/// If shapes do not fit, rows are no probabilities, or a target is no class.
///
/// ```
/// use demotic::prelude::*;
///
/// let target = Tensor::from_nested([1i64, 0])?;
/// let loss = metrics::log_loss(&tensor![[0.5, 0.5], [0.5, 0.5]], &target)?;
/// assert!((loss - 2f64.ln()).abs() < 1e-12);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn log_loss(probabilities: &Tensor, target: &Tensor) -> Result<f64> {
    Classification::new().log_loss(probabilities, target)
}

/// The mean squared distance of probabilities from what came: `(p − y)²` for a single one of class 1 (`[n]`, `[n, 1]`), and the
/// sum over the classes for `[.., classes]` (Brier, 1950), which for two classes is twice as much.
///
/// # Errors
/// As for [`log_loss`].
///
/// ```
/// use demotic::prelude::*;
///
/// let target = Tensor::from_nested([1i64, 0])?;
/// assert_eq!(metrics::brier_score(&tensor![0.5, 0.0], &target)?, 0.125);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn brier_score(probabilities: &Tensor, target: &Tensor) -> Result<f64> {
    Classification::new().brier_score(probabilities, target)
}
