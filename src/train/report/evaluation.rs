//! The sections on how good a model is.

use super::{Report, sized};
use crate::data::Table;
use crate::error::{Error, Here, Result};
use crate::html::table;
use crate::tensor::{DType, Tensor};
use crate::train::history::Number;
use crate::train::metrics::{self, Average, Bootstrap, Classification, Interval};
use crate::train::plot;

/// Mistakes that are shown, and columns of the rows of them.
const MISTAKES: usize = 10;

type Measure = fn(&Tensor, &Tensor) -> Result<f64>;

/// Metrics with their intervals, or why they have none.
#[track_caller]
fn measured(
    measures: &[(&'static str, Measure)],
    prediction: &Tensor,
    target: &Tensor,
) -> Vec<(&'static str, Result<Interval>)> {
    // Enough for two digits of the ends; fewer where there are many examples, and the interval is narrow.
    let rows = target.shape().first().copied().unwrap_or(0);
    let resamples = (4_000_000 / rows.max(1)).clamp(200, 1000);
    let bootstrap = Bootstrap::new().resamples(resamples);
    measures.iter().map(|(name, measure)| (*name, bootstrap.interval(prediction, target, measure))).collect()
}

impl Report {
    /// The first two metrics at the top, all of them as a table.
    fn measures(self, found: &[(&'static str, Result<Interval>)], what: &str) -> Self {
        let range = |interval: &Interval| format!("{} to {}", Number(interval.low), Number(interval.high));
        let mut page = self;
        let mut rows = Vec::new();
        for (i, (name, interval)) in found.iter().enumerate() {
            let cells = match interval {
                Ok(interval) => {
                    if i < 3 {
                        page = page.fact(*name, Number(interval.value), format!("95 %: {}", range(interval)));
                    }
                    vec![(*name).to_string(), Number(interval.value).to_string(), range(interval)]
                }
                Err(e) => vec![(*name).to_string(), "–".into(), format!("not defined here: {}", e.message())],
            };
            rows.push(cells);
        }
        let head = ["metric", "value", "95 % interval"].map(String::from);
        let text = format!(
            "On {what}. The intervals are from drawing these examples anew, with replacement (bootstrap): they say how much the values \
             depend on which examples happen to be in the test part."
        );
        page.text(text).block(format!("<div class=\"scroll\">{}</div>", table(&head, &rows, &[false, true, false])))
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
        let measures: [(&str, Measure); 5] = [
            ("RMSE", metrics::rmse),
            ("MAE", metrics::mae),
            ("R²", metrics::r2),
            ("median absolute error", metrics::median_absolute_error),
            ("largest error", metrics::max_error),
        ];
        let found = measured(&measures, &prediction, &target);
        let mut page = self.section("Evaluation").measures(&found, &examples(n));
        page = page.picture(plot::predicted(&prediction, &target)?, "On the line, what is predicted is what is.");
        page =
            page.picture(sized(plot::residuals(&prediction, &target)?), "Of a good model, a cloud without a pattern.");
        page = page.picture(sized(plot::residual_histogram(&prediction, &target)?), "");
        let (p, y) = (prediction.to_f64_vec(), target.to_f64_vec());
        let mut order: Vec<usize> = (0..n).collect();
        crate::order::sort_by(&mut order, |a, b| (p[*b] - y[*b]).abs().total_cmp(&(p[*a] - y[*a]).abs()));
        order.truncate(MISTAKES);
        let of = |value: &dyn Fn(usize) -> f64| order.iter().map(|i| Number(value(*i)).to_string()).collect::<Vec<_>>();
        let columns =
            [("actual", of(&|i| y[i])), ("predicted", of(&|i| p[i])), ("actual − predicted", of(&|i| y[i] - p[i]))];
        Ok(page.section("Worst mistakes").mistakes(&order, &columns, rows))
    }

    /// A section on predicted classes: metrics with intervals, scores of each class, the confusion matrix, ROC, precision and recall,
    /// calibration, the lift where there are two classes, and the worst mistakes, with their `rows` if these are given.
    ///
    /// Probabilities are `[n, classes]`, or of the second of two classes `[n]` or `[n, 1]`; targets are class numbers.
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
        let probabilities = match *probabilities.shape() {
            [_, columns] if columns > 1 => probabilities.to_dtype(DType::F64),
            _ => {
                let of_second = numbers(probabilities, "prediction", n)?;
                Tensor::stack(&[&of_second.rsub_scalar(1.0), &of_second], 1)?
            }
        };
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
        let roc: Measure =
            if two { metrics::roc_auc } else { |p, y| Classification::new().roc_auc_one_vs_rest(p, y, Average::Macro) };
        let measures: [(&str, Measure); 6] = [
            ("accuracy", metrics::accuracy),
            (if two { "ROC AUC" } else { "ROC AUC, one against the rest" }, roc),
            ("log loss", metrics::log_loss),
            ("balanced accuracy", metrics::balanced_accuracy),
            ("F1, mean of the classes", |p, y| Classification::new().f1(p, y, Average::Macro)),
            ("calibration error", |p, y| metrics::expected_calibration_error(p, y, 10)),
        ];
        let found = measured(&measures, &probabilities, target);
        let mut page = self.section("Evaluation").measures(&found, &examples(n));
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
            let (text, _) = shown.preview(2 * MISTAKES);
            head.extend(text[0][1..].iter().cloned());
            cells.iter_mut().zip(&text[1..]).for_each(|(line, more)| line.extend(more[1..].iter().cloned()));
        }
        self.block(format!("<div class=\"scroll\">{}</div>", table(&head, &cells, &[true])))
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
