//! Pictures of how good predictions are.

use super::Picture;
use super::axis::number;
use super::bars::Bars;
use super::chart::Chart;
use super::heatmap::Heatmap;
use crate::error::{Error, Here, Result};
use crate::explain::{Effect, PartialDependence};
use crate::tensor::Tensor;
use crate::train::metrics::{self, ConfusionMatrix};

/// Pairs of a prediction and what it should have been.
#[track_caller]
fn pairs(name: &'static str, prediction: &Tensor, target: &Tensor) -> Result<Vec<(f64, f64)>> {
    if prediction.numel() != target.numel() {
        let (a, b) = (prediction.shape(), target.shape());
        let message = format!("the prediction has shape {a:?}, the target {b:?}, expected one number for each");
        return Err(Error::shape(name, message));
    }
    Ok(prediction.to_f64_vec().into_iter().zip(target.to_f64_vec()).collect())
}

/// Predicted numbers against actual ones: a perfect model has all points on the line.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::plot::predicted;
///
/// let chart = predicted(&tensor![[1.1], [1.9]], &tensor![[1.0], [2.0]])?.labels("price (yuan)", "predicted price (yuan)");
/// assert!(chart.to_svg()?.contains("price (yuan)"));
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// If there are not as many predictions as targets.
#[track_caller]
pub fn predicted(prediction: &Tensor, target: &Tensor) -> Result<Chart> {
    let points = pairs("predicted", prediction, target)?.into_iter().map(|(p, y)| (y, p));
    let chart = Chart::new("Predicted against actual").labels("actual", "predicted");
    Ok(chart.points("examples", points).diagonal().square())
}

/// What is left to explain, actual − predicted, by what was predicted: of a good model, a cloud around zero without a pattern.
///
/// # Errors
/// As for [`predicted`].
#[track_caller]
pub fn residuals(prediction: &Tensor, target: &Tensor) -> Result<Chart> {
    let points = pairs("residuals", prediction, target)?.into_iter().map(|(p, y)| (p, y - p));
    let chart = Chart::new("Residuals").labels("predicted", "actual − predicted");
    Ok(chart.points("examples", points).horizontal(0.0, ""))
}

/// How often residuals of each size occur, in 30 bars.
///
/// # Errors
/// As for [`predicted`].
#[track_caller]
pub fn residual_histogram(prediction: &Tensor, target: &Tensor) -> Result<Chart> {
    let values = pairs("residual_histogram", prediction, target)?.into_iter().map(|(p, y)| y - p);
    let chart = Chart::new("Residuals").labels("actual − predicted", "examples");
    Ok(chart.histogram("examples", values, 30).vertical(0.0, ""))
}

/// Points, and what is said of them in a word.
type Curve = (Vec<(f64, f64)>, String);

/// The most curves that anyone tells apart.
const CURVES: usize = 7;

/// Scores and targets of each class that occurs against the others, the most frequent first; of two, or of single scores, those of the
/// second alone.
#[track_caller]
fn one_against_rest(name: &'static str, scores: &Tensor, target: &Tensor) -> Result<Vec<(usize, Tensor, Tensor)>> {
    let (columns, rest) = match scores.shape().split_last() {
        Some((columns, rest)) if scores.rank() > 1 => (*columns, rest.to_vec()),
        _ => (1, vec![]),
    };
    if columns <= 2 {
        return Ok(vec![(1, scores.clone(), target.clone())]);
    }
    scores.expect_float(name, "the scores")?;
    let values = scores.to_f64_vec();
    metrics::check_rows(name, "the scores", &values, columns, "logits become probabilities with softmax(-1)")?;
    let actual = metrics::actual(name, target, scores, &rest, columns, false)?;
    // As everywhere, -100 stands for what does not count.
    let rows: Vec<usize> = (0..actual.len()).filter(|row| actual[*row] != -100).collect();
    let count = |class: usize| rows.iter().filter(|row| actual[**row] == class as i64).count();
    let mut classes: Vec<(usize, usize)> = (0..columns).map(|class| (class, count(class))).collect();
    classes.retain(|(_, n)| (1..rows.len()).contains(n));
    crate::order::sort_by(&mut classes, |a, b| b.1.cmp(&a.1));
    classes.truncate(CURVES);
    if classes.is_empty() {
        return Err(Error::argument(name, "all examples are of one class, so that it is not defined"));
    }
    let mut found = Vec::with_capacity(classes.len());
    for (class, _) in classes {
        let of: Vec<f64> = rows.iter().map(|row| values[row * columns + class]).collect();
        let is: Vec<i64> = rows.iter().map(|row| i64::from(actual[*row] == class as i64)).collect();
        found.push((class, Tensor::from_vec(of, [rows.len()])?, Tensor::from_vec(is, [rows.len()])?));
    }
    Ok(found)
}

/// Curves of one class against the others, each with a number in its name.
#[track_caller]
fn curves(
    name: &'static str,
    chart: Chart,
    (scores, target, names): (&Tensor, &Tensor, &[String]),
    of: fn(&Tensor, &Tensor) -> Result<Curve>,
) -> Result<Chart> {
    let classes = one_against_rest(name, scores, target)?;
    let columns = if scores.rank() > 1 { scores.shape()[scores.rank() - 1] } else { 1 };
    let n = classes.len();
    let mut chart = chart;
    for (class, scores, target) in classes {
        let class = names.get(class).cloned().unwrap_or_else(|| format!("class {class}"));
        let (points, measure) = of(&scores, &target).here()?;
        match n {
            1 => chart = chart.xy_line(&class, points).note(format!("{class}: {measure}")),
            _ => chart = chart.xy_line(format!("{class} ({measure})"), points),
        }
    }
    if columns > 2 && n < columns {
        chart = chart.note(format!("the {n} most frequent of {columns} classes"));
    }
    Ok(chart)
}

fn owned<S: AsRef<str>>(names: &[S]) -> Vec<String> {
    names.iter().map(|name| name.as_ref().to_string()).collect()
}

/// ROC curves with the areas below them ([`roc_curve`](metrics::roc_curve())): of two classes, that of the second; of several, each
/// against the others, for which scores must be probabilities. Names of classes may be left out (`&[] as &[&str]`).
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::plot::roc;
///
/// let chart = roc(&tensor![0.1, 0.4, 0.35, 0.8], &Tensor::from_nested([0i64, 0, 1, 1])?, &["ham", "spam"])?;
/// assert!(chart.to_svg()?.contains("spam: area 0.75"));
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// As for [`roc_curve`](metrics::roc_curve()), or if scores of several classes are no probabilities.
#[track_caller]
pub fn roc<S: AsRef<str>>(scores: &Tensor, target: &Tensor, names: &[S]) -> Result<Chart> {
    let chart = Chart::new("ROC").labels("false positive rate", "true positive rate").diagonal().square();
    let chart = chart.x_limits(0.0, 1.0).y_limits(0.0, 1.0);
    curves("roc", chart, (scores, target, &owned(names)), |scores, target| {
        let curve = metrics::roc_curve(scores, target)?;
        Ok((curve.simplified().points(), format!("area {}", number(curve.area()))))
    })
    .here()
}

/// Curves of precision and recall ([`precision_recall_curve`](metrics::precision_recall_curve())), with the
/// [average precision](metrics::average_precision()), and the share of positive examples, which is what chance reaches; classes as for
/// [`roc`].
///
/// # Errors
/// As for [`roc`].
#[track_caller]
pub fn precision_recall<S: AsRef<str>>(scores: &Tensor, target: &Tensor, names: &[S]) -> Result<Chart> {
    let chart = Chart::new("Precision and recall").labels("recall", "precision").square();
    let chart = chart.x_limits(0.0, 1.0).y_limits(0.0, 1.0);
    curves("precision_recall", chart, (scores, target, &owned(names)), |scores, target| {
        let curve = metrics::precision_recall_curve(scores, target)?;
        // At the lowest threshold, everything is called positive.
        let chance = curve.precision.first().copied().unwrap_or(f64::NAN);
        let average = metrics::average_precision(scores, target)?;
        Ok((curve.points(), format!("average {average:.3}, by chance {chance:.2}")))
    })
    .here()
}

/// How many times as many positive examples are among the first, by their scores, as among all ([`lift_curve`](metrics::lift_curve()));
/// classes as for [`roc`].
///
/// # Errors
/// As for [`roc`].
#[track_caller]
pub fn lift<S: AsRef<str>>(scores: &Tensor, target: &Tensor, names: &[S]) -> Result<Chart> {
    let chart =
        Chart::new("Lift").labels("share of the examples, highest scores first", "times as many as in any order");
    curves(
        "lift",
        chart.x_limits(0.0, 1.0).horizontal(1.0, "any order"),
        (scores, target, &owned(names)),
        |scores, target| {
            let curve = metrics::lift_curve(scores, target)?;
            let points: Vec<(f64, f64)> = curve.share.into_iter().zip(curve.lift).collect();
            let tenth = points.iter().find(|(share, _)| *share >= 0.1).map_or(1.0, |(_, lift)| *lift);
            Ok((points, format!("first tenth {}", number(tenth))))
        },
    )
    .here()
}

/// Predicted probabilities and what came of them ([`reliability_curve`](metrics::reliability_curve()), in ten bins): a calibrated model is
/// on the line, one that is too sure of itself below it.
///
/// # Errors
/// As for [`reliability_curve`](metrics::reliability_curve()).
#[track_caller]
pub fn calibration(probabilities: &Tensor, target: &Tensor) -> Result<Chart> {
    let curve = metrics::reliability_curve(probabilities, target, 10)?;
    let several = probabilities.rank() > 1 && probabilities.shape().last().is_some_and(|columns| *columns > 2);
    let [x, y] = match several {
        true => ["probability of the predicted class", "share of right predictions"],
        false => ["predicted probability", "share that it is true of"],
    };
    let sizes: Vec<String> = curve.bins.iter().map(|bin| number(bin.weight)).collect();
    let chart = Chart::new("Calibration").labels(x, y).x_limits(0.0, 1.0).y_limits(0.0, 1.0).diagonal().square();
    Ok(chart.xy_line("examples", curve.points()).note(format!("examples of each point: {}", sizes.join(", "))))
}

/// A confusion matrix, with the number of examples in each cell and its share of the actual class, which is also how dark it is.
#[must_use]
pub fn confusion(matrix: &ConfusionMatrix) -> Heatmap {
    let n = matrix.num_classes();
    let (mut shares, mut texts) = (Vec::with_capacity(n * n), Vec::with_capacity(n * n));
    for row in matrix.rows() {
        let whole = row.iter().sum::<usize>().max(1) as f64;
        for count in row {
            let share = *count as f64 / whole;
            shares.push(share);
            texts.push(if *count == 0 { "0".into() } else { format!("{count}\n{:.0} %", 100.0 * share) });
        }
    }
    let names: Vec<String> = (0..n).map(|class| matrix.name(class)).collect();
    Heatmap::of("Confusion matrix".into(), [n, n], shares)
        .written(texts)
        .rows(names.clone())
        .columns(names)
        .labels("predicted class", "actual class")
        .range(0.0, 1.0)
        .measure("share of row")
}

/// What a model predicts on average when one column has each of some values and all else is as it is.
#[must_use]
pub fn partial_dependence(of: &PartialDependence) -> Picture {
    let title = format!("Partial dependence on {}", of.column);
    match &of.effect {
        Effect::Numbers(points) => {
            let chart = Chart::new(title).labels(&of.column, &of.prediction).size(640.0, 420.0);
            chart.xy_line(&of.column, points.iter().copied()).into()
        }
        Effect::Categories(means) => {
            let bars = Bars::new(title).label(&of.prediction).width(640.0);
            means.iter().fold(bars, |bars, (name, mean)| bars.bar(name, *mean)).into()
        }
    }
}

/// Points in the plane, those of each label with a colour and a mark of their own; at most seven labels, the most frequent ones, and one
/// for all others. Without labels (`&[] as &[&str]`), all are alike.
///
/// # Errors
/// If the points are not `[n, 2]`, or there are not as many labels.
#[track_caller]
pub fn embedding<S: AsRef<str>>(title: &str, points: &Tensor, labels: &[S]) -> Result<Chart> {
    embedded(title, points, owned(labels)).here()
}

#[track_caller]
fn embedded(title: &str, points: &Tensor, labels: Vec<String>) -> Result<Chart> {
    let &[n, 2] = points.shape() else {
        return Err(Error::shape("embedding", format!("points of shape {:?}, expected [n, 2]", points.shape())));
    };
    if !labels.is_empty() && labels.len() != n {
        return Err(Error::shape("embedding", format!("{} labels for {n} points", labels.len())));
    }
    let values = points.to_f64_vec();
    let point = |i: usize| (values[2 * i], values[2 * i + 1]);
    let chart = Chart::new(title).labels("first direction", "second direction");
    if labels.is_empty() {
        return Ok(chart.points("", (0..n).map(point)));
    }
    let mut counts: Vec<(String, usize)> = Vec::new();
    let mut place = std::collections::HashMap::new();
    for label in &labels {
        let at = *place.entry(label.as_str()).or_insert(counts.len());
        if at == counts.len() {
            counts.push((label.clone(), 0));
        }
        counts[at].1 += 1;
    }
    const OWN: usize = 7;
    // In the order of their names, if each has a mark of its own.
    let mut others = Vec::new();
    if counts.len() > OWN {
        crate::order::sort_by(&mut counts, |a, b| b.1.cmp(&a.1));
        others = counts.split_off(OWN - 1);
    }
    crate::order::sort_by(&mut counts, |a, b| a.0.cmp(&b.0));
    let mut chart = chart;
    for (name, _) in &counts {
        chart = chart.points(name, (0..n).filter(|i| labels[*i] == *name).map(point));
    }
    if !others.is_empty() {
        let rest = (0..n).filter(|i| counts.iter().all(|(name, _)| labels[*i] != *name));
        chart = chart.points(format!("{} others", others.len()), rest.map(point));
    }
    Ok(chart)
}
