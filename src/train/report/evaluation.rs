//! The sections on how good a model is.

use super::{Report, sized};
use crate::data::Table;
use crate::error::{Error, Here, Result, short};
use crate::html::table;
use crate::tensor::{DType, Tensor};
use crate::train::history::Number;
use crate::train::metrics::{self, Average, Bootstrap, Classification, Interval};
use crate::train::plot;

/// What the area below the ROC curve says.
const APART: &str = "how well the classes are told apart: 1 is perfect, 0.5 is guessing";
/// Mistakes that are shown, and columns of the rows of them.
const MISTAKES: usize = 10;

/// A metric with its name, and what it says to those who do not know it.
type Measure = (&'static str, fn(&Tensor, &Tensor) -> Result<f64>, &'static str);

/// A metric with its interval, or why it has none.
type Found = (Measure, Result<Interval>);

/// A number in the target's unit; as in the history, but with two decimals where there are two digits before them.
fn brief(x: f64) -> String {
    if (10.0..1e7).contains(&x.abs()) { format!("{x:.2}") } else { Number(x).to_string() }
}

/// Metrics with their intervals.
#[track_caller]
fn measured(measures: &[Measure], prediction: &Tensor, target: &Tensor) -> Vec<Found> {
    // Enough for two digits of the ends; fewer where there are many examples, and the interval is narrow.
    let rows = target.shape().first().copied().unwrap_or(0);
    let resamples = (4_000_000 / rows.max(1)).clamp(200, 1000);
    let bootstrap = Bootstrap::new().resamples(resamples);
    measures.iter().map(|one| (*one, bootstrap.interval(prediction, target, one.1))).collect()
}

impl Report {
    /// The first two metrics at the top, all of them as a table.
    fn measures(self, found: &[Found], what: &str, without: &str) -> Self {
        let range = |interval: &Interval| format!("{} to {}", brief(interval.low), brief(interval.high));
        let mut page = self;
        let mut rows = Vec::new();
        for (i, ((name, _, says), interval)) in found.iter().enumerate() {
            let cells = match interval {
                Ok(interval) => {
                    if i < 3 {
                        page = page.fact(*name, brief(interval.value), format!("95 %: {}", range(interval)));
                    }
                    vec![(*name).to_string(), brief(interval.value), range(interval), (*says).to_string()]
                }
                Err(e) => vec![
                    (*name).to_string(),
                    "–".into(),
                    format!("not defined here: {}", e.message()),
                    (*says).to_string(),
                ],
            };
            rows.push(cells);
        }
        let head = ["metric", "value", "95 % interval", "what it says"].map(String::from);
        let text = format!(
            "On {what}. The intervals are from drawing these examples anew, with replacement (bootstrap): they say how much the values \
             depend on which examples happen to be in the test part."
        );
        let rows = table(&head, &rows, &[false, true]);
        page.text(text).block(format!("<div class=\"scroll\">{rows}</div>")).text(without)
    }

    /// A section on predicted numbers: metrics with intervals, predicted against actual, residuals, and the worst mistakes, with their `rows`
    /// if these are given. Predictions and targets are `[n]` or `[n, 1]`, in the target's own units.
    ///
    /// # Errors
    /// If there are no examples, not as many predictions as targets and rows, or numbers that are not finite.
    #[track_caller]
    pub fn regression(self, prediction: &Tensor, target: &Tensor, rows: Option<&Table>) -> Result<Self> {
        let n = target.numel();
        let (prediction, target) = (numbers(prediction, "prediction", n)?, numbers(target, "target", n)?);
        check_rows(rows, n)?;
        let measures: [Measure; 5] = [
            ("RMSE", metrics::rmse, "how far off, in the unit of the target; large errors count more"),
            ("MAE", metrics::mae, "how far off on average, in the unit of the target"),
            ("R²", metrics::r2, "1 is perfect; 0 is as good as always saying the mean"),
            ("median absolute error", metrics::median_absolute_error, "half of the predictions are closer than this"),
            ("largest error", metrics::max_error, "how far off the worst prediction is"),
        ];
        let found = measured(&measures, &prediction, &target);
        let mean = target.mean_dims(&[0], true)?.broadcast_to([n])?;
        let without = format!(
            "Without a model, by always saying the mean of these examples, the RMSE would be {} and the MAE {}.",
            brief(metrics::rmse(&mean, &target)?),
            brief(metrics::mae(&mean, &target)?)
        );
        let mut page = self.section("Evaluation").measures(&found, &examples(n), &without);
        page = page.picture(plot::predicted(&prediction, &target)?, "On the line, what is predicted is what is.");
        page =
            page.picture(sized(plot::residuals(&prediction, &target)?), "Of a good model, a cloud without a pattern.");
        page = page.picture(sized(plot::residual_histogram(&prediction, &target)?), "");
        let (p, y) = (prediction.to_f64_vec(), target.to_f64_vec());
        let mut order: Vec<usize> = (0..n).collect();
        crate::order::sort_by(&mut order, |a, b| (p[*b] - y[*b]).abs().total_cmp(&(p[*a] - y[*a]).abs()));
        order.truncate(MISTAKES);
        let of = |value: &dyn Fn(usize) -> f64| order.iter().map(|i| brief(value(*i))).collect::<Vec<_>>();
        let columns =
            [("actual", of(&|i| y[i])), ("predicted", of(&|i| p[i])), ("actual − predicted", of(&|i| y[i] - p[i]))];
        Ok(page.section("Worst mistakes").mistakes(&order, &columns, rows))
    }

    /// A section on predicted classes: metrics with intervals, scores of each class, the confusion matrix, ROC, precision and recall,
    /// calibration, the lift where there are two classes, and the worst mistakes, with their `rows` if these are given.
    ///
    /// Probabilities are `[n, classes]`, or of the second of two classes `[n]` or `[n, 1]`; targets are class numbers, of two classes also
    /// zeros and ones of a float type.
    ///
    /// # Errors
    /// If they are no probabilities, or their numbers differ from those of targets, names and rows.
    #[track_caller]
    pub fn classification<S: AsRef<str>>(
        self,
        probabilities: &Tensor,
        target: &Tensor,
        names: &[S],
        rows: Option<&Table>,
    ) -> Result<Self> {
        let names = names.iter().map(|name| name.as_ref().to_string()).collect();
        self.classes(probabilities, target, names, rows).here()
    }

    #[track_caller]
    fn classes(
        self,
        probabilities: &Tensor,
        target: &Tensor,
        names: Vec<String>,
        rows: Option<&Table>,
    ) -> Result<Self> {
        let n = target.numel();
        let is_two = |target: &Tensor| target.to_f64_vec().iter().all(|y| *y == 0.0 || *y == 1.0);
        let (probabilities, target) = match *probabilities.shape() {
            [_, columns] if columns > 1 => (probabilities.to_dtype(DType::F64), target.clone()),
            _ => {
                let of_second = numbers(probabilities, "prediction", n)?;
                // As `Preprocessor::binary` gives them, for losses of one logit.
                let numbered = target.dtype().is_float() && is_two(target);
                let target = if numbered { target.reshape([n])?.to_dtype(DType::I64) } else { target.clone() };
                (Tensor::stack(&[&of_second.rsub_scalar(1.0), &of_second], 1)?, target)
            }
        };
        let target = &target;
        let &[_, columns] = probabilities.shape() else {
            let shape = probabilities.shape();
            return Err(Error::shape("Report", format!("probabilities of shape {shape:?}, expected [n, classes]")));
        };
        if names.len() != columns {
            return Err(Error::shape("Report", format!("{} names for {columns} classes", names.len())));
        }
        check_rows(rows, n)?;
        // Says what is wrong with probabilities and targets.
        metrics::log_loss(&probabilities, target)?;
        let two = columns == 2;
        let roc: Measure = match two {
            true => ("ROC AUC", metrics::roc_auc, APART),
            false => (
                "ROC AUC, one against the rest",
                |p, y| Classification::new().roc_auc_one_vs_rest(p, y, Average::Macro),
                APART,
            ),
        };
        let measures: [Measure; 6] = [
            ("accuracy", metrics::accuracy, "the share of right predictions"),
            roc,
            (
                "log loss",
                metrics::log_loss,
                "how good the probabilities are: 0 is perfect; being sure and wrong costs most",
            ),
            (
                "balanced accuracy",
                metrics::balanced_accuracy,
                "the share of right predictions, each class counting the same",
            ),
            (
                "F1, mean of the classes",
                |p, y| Classification::new().f1(p, y, Average::Macro),
                "few false alarms and few left out, both in one number: 1 is perfect",
            ),
            (
                "calibration error",
                |p, y| metrics::expected_calibration_error(p, y, 10),
                "how far the probabilities are from how often they are right",
            ),
        ];
        let found = measured(&measures, &probabilities, target);
        let mut counts = vec![0usize; columns];
        for class in target.to_dtype(DType::I64).to_vec::<i64>()? {
            if let Some(count) = usize::try_from(class).ok().and_then(|class| counts.get_mut(class)) {
                *count += 1;
            }
        }
        let often = (0..columns).fold(0, |best, class| if counts[class] > counts[best] { class } else { best });
        let share = 100.0 * counts[often] as f64 / counts.iter().sum::<usize>().max(1) as f64;
        let without =
            format!("Without a model, by always saying {}, {share:.1} % would be right.", short(&names[often]));
        let mut page = self.section("Evaluation").measures(&found, &examples(n), &without);
        let named = Classification::new().labels(0..columns as i64).names(names.clone());
        page = page.preformatted(&named.report(&probabilities, target)?);
        if columns <= 200 {
            let matrix = plot::confusion(&named.confusion_matrix(&probabilities, target)?);
            page = page.picture(matrix, "Each row is an actual class; on the diagonal, predictions are right.");
        }
        // Of a single class, there is no curve.
        let curves = [
            plot::roc(&probabilities, target, &names),
            plot::precision_recall(&probabilities, target, &names),
            plot::calibration(&probabilities, target),
        ];
        for curve in curves {
            page = match curve {
                Ok(curve) => page.picture(curve, ""),
                Err(e) => page.text(e.message()),
            };
        }
        if two && let Ok(lift) = plot::lift(&probabilities, target, &names) {
            page = page.picture(sized(lift), "");
        }

        let p = probabilities.to_f64_vec();
        let actual = target.to_dtype(DType::I64).to_vec::<i64>()?;
        let row = |i: usize| &p[i * columns..(i + 1) * columns];
        let best =
            |i: usize| (0..columns).fold(0, |best, class| if row(i)[class] > row(i)[best] { class } else { best });
        let wrong = |i: &usize| actual[*i] >= 0 && best(*i) as i64 != actual[*i];
        let mut order: Vec<usize> = (0..n).filter(wrong).collect();
        let all = order.len();
        crate::order::sort_by(&mut order, |a, b| row(*b)[best(*b)].total_cmp(&row(*a)[best(*a)]));
        order.truncate(MISTAKES);
        let name = |class: usize| names.get(class).cloned().unwrap_or_default();
        let columns = [
            ("actual", order.iter().map(|i| name(actual[*i] as usize)).collect()),
            ("predicted", order.iter().map(|i| name(best(*i))).collect()),
            ("with a probability of", order.iter().map(|i| format!("{:.3}", row(*i)[best(*i)])).collect()),
        ];
        let page = page.section("Worst mistakes");
        Ok(match all {
            0 => page.text("Every example of the test part is predicted right."),
            _ => page
                .text(format!("{all} of {n} are predicted wrong. Those of which the model was surest:"))
                .mistakes(&order, &columns, rows),
        })
    }

    /// A table of some examples, counted from 0, with what their rows hold.
    fn mistakes(self, of: &[usize], columns: &[(&str, Vec<String>)], rows: Option<&Table>) -> Self {
        let mut right = vec![true];
        right.extend(columns.iter().map(|(_, texts)| texts.iter().all(|text| text.parse::<f64>().is_ok())));
        let mut head = vec!["row".to_string()];
        head.extend(columns.iter().map(|(name, _)| (*name).to_string()));
        let mut cells: Vec<Vec<String>> = of
            .iter()
            .enumerate()
            .map(|(i, row)| {
                [row.to_string()].into_iter().chain(columns.iter().map(|(_, texts)| texts[i].clone())).collect()
            })
            .collect();
        if let Some(shown) = rows.and_then(|rows| rows.rows(of).ok()) {
            let (text, numbers) = shown.preview(2 * MISTAKES);
            right.extend(numbers.into_iter().skip(1));
            head.extend(text[0][1..].iter().cloned());
            cells.iter_mut().zip(&text[1..]).for_each(|(line, more)| line.extend(more[1..].iter().cloned()));
        }
        self.block(format!("<div class=\"scroll\">{}</div>", table(&head, &cells, &right)))
    }
}

fn examples(n: usize) -> String {
    if n == 1 { "one example of the test part".into() } else { format!("the {n} examples of the test part") }
}

/// As many finite numbers as examples.
#[track_caller]
fn numbers(x: &Tensor, what: &str, n: usize) -> Result<Tensor> {
    if x.numel() != n || n == 0 {
        let message = format!("a {what} of shape {:?} for {n} examples, expected a number for each", x.shape());
        return Err(Error::shape("Report", message));
    }
    let flat = x.to_dtype(DType::F64).reshape([n])?;
    match flat.to_f64_vec().iter().position(|x| !x.is_finite()) {
        Some(i) => Err(Error::numeric("Report", format!("the {what} of example {i} is not finite"))),
        None => Ok(flat),
    }
}

#[track_caller]
fn check_rows(rows: Option<&Table>, n: usize) -> Result<()> {
    match rows {
        Some(rows) if rows.num_rows() != n => {
            Err(Error::shape("Report", format!("a table of {} rows for {n} examples", rows.num_rows())))
        }
        _ => Ok(()),
    }
}
