//! How good the model is, and why: the report.

use std::path::Path;

use demotic::data::Table;
use demotic::layers::Summary;
use demotic::prelude::*;
use demotic::train::explain::{partial_dependence, permutation_importance};
use demotic::train::{History, Report, plot};
use demotic::tune::Study;
use serde_json::{Value, json};

use crate::model::Settings;
use crate::rows::probabilities;

/// What is said of a model that is none.
const NOTHING: &str =
    "the model is no better than none: the other columns do not tell what is asked for, or there are too few rows";

/// What the page says besides what is measured here.
pub struct Page<'a> {
    pub title: String,
    pub notes: &'a [String],
    pub warnings: &'a [String],
    pub history: &'a History,
    pub summary: &'a Summary,
    pub study: Option<&'a Study>,
    pub settings: &'a Settings,
    pub seed: u64,
    pub times: [(&'a str, f64); 2],
}

/// Measures the model on the test part, writes the report and its pictures, and gives the scores.
pub fn report(
    pipeline: &Pipeline,
    train: &Table,
    test: &Table,
    page: &Page<'_>,
    out: &Path,
    rng: &mut Rng,
) -> Result<Value> {
    let prep = pipeline.preprocessor();
    let target = prep.target_name().unwrap_or_default();
    let truth = prep.transform(test)?;
    let mut report = Report::new(&page.title).about(format!(
        "A neural network that was trained on {} rows and tested on {} others.",
        train.num_rows(),
        test.num_rows()
    ));
    report = page.warnings.iter().fold(report, |report, warning| report.warning(warning));
    report = report.data(train, Some(target));
    report = page.notes.iter().fold(report, |report, note| report.text(note));
    report = report.model(page.summary).history(page.history);

    // A score for which more is better, to see what is lost without a column.
    let scores;
    let (measure, importance, dependence);
    let columns: Vec<String> = columns(pipeline, test)?;
    let repeats = if test.num_rows() > 2000 { 5 } else { 15 };
    match prep.classes() {
        Some(classes) => {
            let found = probabilities(pipeline, test)?;
            let (accuracy, log_loss) = (metrics::accuracy(&found, truth.y())?, metrics::log_loss(&found, truth.y())?);
            scores = json!({ "accuracy": accuracy, "log_loss": log_loss });
            let codes = truth.y().to_dtype(DType::F64).to_f64_vec();
            let count = |class: usize| codes.iter().filter(|code| **code == class as f64).count();
            let most = (0..classes.len()).map(count).max().unwrap_or(0) as f64 / codes.len() as f64;
            println!("On the test part: accuracy {accuracy:.4}, log loss {log_loss:.4}.");
            println!("Without a model, by always saying the most frequent class: accuracy {most:.4}.");
            if accuracy <= most {
                report = report.warning(NOTHING);
                println!("warning: {NOTHING}");
            }
            report = report.classification(&found, truth.y(), classes, Some(test))?;
            measure = "accuracy";
            let score = |table: &Table| metrics::accuracy(&probabilities(pipeline, table)?, truth.y());
            importance = permutation_importance(test, &columns, repeats, rng, score)?;
            let class = classes.len() - 1;
            let what = format!("probability of {}", classes[class]);
            dependence = most_important(&importance)
                .map(|column| {
                    partial_dependence(test, column, 25, &what, |table| {
                        Ok(pipeline
                            .classify(table)?
                            .iter()
                            .filter_map(|one| one.probabilities().nth(class))
                            .map(|(_, p)| p)
                            .collect())
                    })
                })
                .collect::<Result<Vec<_>>>()?;
        }
        None => {
            let found = pipeline.predict(test)?;
            let found = Tensor::from_vec(found, [test.num_rows(), 1])?;
            let actual = prep.inverse_target(&truth.y().to_dtype(DType::F64))?;
            let (rmse, mae) = (metrics::rmse(&found, &actual)?, metrics::mae(&found, &actual)?);
            let r2 = metrics::r2(&found, &actual)?;
            scores = json!({ "rmse": rmse, "mae": mae, "r2": r2 });
            let mean = actual.mean_dims(&[0], true)?.broadcast_to(actual.shape())?;
            println!("On the test part: MAE {mae:.4}, RMSE {rmse:.4}, R² {r2:.4}.");
            println!(
                "Without a model, by always saying the mean: MAE {:.4}, RMSE {:.4}.",
                metrics::mae(&mean, &actual)?,
                metrics::rmse(&mean, &actual)?
            );
            if r2 <= 0.0 {
                report = report.warning(NOTHING);
                println!("warning: {NOTHING}");
            }
            report = report.regression(&found, &actual, Some(test))?;
            measure = "R²";
            let score = |table: &Table| {
                metrics::r2(&Tensor::from_vec(pipeline.predict(table)?, [test.num_rows(), 1])?, &actual)
            };
            importance = permutation_importance(test, &columns, repeats, rng, score)?;
            dependence = most_important(&importance)
                .map(|column| partial_dependence(test, column, 25, target, |table| pipeline.predict(table)))
                .collect::<Result<Vec<_>>>()?;
        }
    }
    report = report.importance(&importance, measure).dependence(&dependence);
    if let Some(study) = page.study {
        report = report
            .section("Settings that were tried")
            .text("The value is the loss on rows that were left out, the mean of three folds: the smaller, the better.")
            .preformatted(study)
            .picture(study.parallel_coordinates(), "");
    }
    report = page.settings.named().into_iter().fold(report, |report, (name, value)| report.setting(name, value));
    report = page.times.iter().fold(report.seed(page.seed), |report, (name, seconds)| report.timing(name, *seconds));
    report.save(out.join("report.html"))?;
    page.history.chart().save(out.join("loss.svg"))?;
    plot::importance(&importance, measure).save(out.join("importance.svg"))?;
    Ok(scores)
}

/// The columns that the model sees, as they are in the table.
fn columns(pipeline: &Pipeline, test: &Table) -> Result<Vec<String>> {
    let seen = |name: &&str| {
        // Without it, rows cannot be turned into features.
        test.drop(&[*name]).is_ok_and(|rest| pipeline.preprocessor().transform_features(&rest).is_err())
    };
    Ok(test.column_names().filter(seen).map(str::to_string).collect())
}

fn most_important(importance: &[demotic::train::explain::Importance]) -> impl Iterator<Item = &str> {
    let mut order: Vec<_> = importance.iter().collect();
    order.sort_by(|a, b| b.mean.total_cmp(&a.mean));
    order.into_iter().take(4).map(|one| one.column.as_str())
}
