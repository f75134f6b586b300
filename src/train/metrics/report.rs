//! The scores of all classes at a glance.

use std::fmt;

use super::classification::{Average, ClassScores, Classification};
use crate::data::{shorten, text_width};
use crate::error::Result;
use crate::tensor::Tensor;

/// Precision, recall and F1 of each class, and their means. Made by [`classification_report`] and
/// [`Classification::report`]; prints as the table that scikit-learn shows, with two digits or as many as `{:.3}` says.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ClassificationReport {
    /// The scores of each class, in the order of the labels.
    pub classes: Vec<ClassScores>,
    /// The names of the classes: their numbers, unless they have others.
    pub names: Vec<String>,
    /// The share of right predictions. `None` if the labels that were asked for leave out some that occur.
    pub accuracy: Option<f64>,
    /// The scores of all decisions on these classes together.
    pub micro_average: ClassScores,
    /// The means over the classes.
    pub macro_average: ClassScores,
    /// The means over the classes, weighted by their support.
    pub weighted_average: ClassScores,
    /// The means over the examples, if these have [several labels](super::MultiLabel).
    pub samples_average: Option<ClassScores>,
}

impl Classification {
    /// Precision, recall, F1 and support of each class, and their means: a value with fields that prints as a table.
    ///
    /// # Errors
    /// As for [`accuracy`](super::accuracy), or if labels and names do not fit.
    #[track_caller]
    pub fn report(&self, prediction: &Tensor, target: &Tensor) -> Result<ClassificationReport> {
        let name = "classification_report";
        let tally = self.tally(name, &self.pairs(name, prediction, target)?)?;
        let micro_average = self.averaged_scores(&tally, Average::Micro);
        Ok(ClassificationReport {
            classes: self.class_scores(&tally),
            names: self.names.clone().unwrap_or_else(|| tally.labels.iter().map(ToString::to_string).collect()),
            accuracy: tally.complete.then_some(micro_average.f1),
            micro_average,
            macro_average: self.averaged_scores(&tally, Average::Macro),
            weighted_average: self.averaged_scores(&tally, Average::Weighted),
            samples_average: None,
        })
    }
}

/// Precision, recall, F1 and support of each class that occurs, and their means. [`Classification::report`] has options, among
/// them the names of the classes.
///
/// # Errors
/// As for [`accuracy`](super::accuracy).
///
/// ```
/// use demotic::prelude::*;
///
/// let predicted = Tensor::from_nested([0i64, 1, 1, 1])?;
/// let target = Tensor::from_nested([0i64, 0, 1, 1])?;
/// let report = metrics::classification_report(&predicted, &target)?;
/// assert_eq!((report.accuracy, report.classes[0].recall), (Some(0.75), 0.5));
/// let table = report.to_string();
/// assert!(table.contains("           0       1.00      0.50      0.67         2"));
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn classification_report(prediction: &Tensor, target: &Tensor) -> Result<ClassificationReport> {
    Classification::new().report(prediction, target)
}

impl fmt::Display for ClassificationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(2).min(15);
        let names: Vec<String> = self.names.iter().map(|name| shorten(name)).collect();
        let width = names.iter().map(|name| text_width(name)).chain(["weighted avg".len(), digits]).max().unwrap_or(0);
        let support = |n: f64| if n.fract() == 0.0 { format!("{n:.0}") } else { format!("{n:.digits$}") };
        let head = |name: &str| " ".repeat(width.saturating_sub(text_width(name))) + name;
        let row = |name: &str, s: &ClassScores| {
            let (p, r, f1, n) = (s.precision, s.recall, s.f1, support(s.support));
            format!("{}  {p:>9.digits$} {r:>9.digits$} {f1:>9.digits$} {n:>9}\n", head(name))
        };
        writeln!(f, "{}  {:>9} {:>9} {:>9} {:>9}\n", head(""), "precision", "recall", "f1-score", "support")?;
        for (name, scores) in names.iter().zip(&self.classes) {
            f.write_str(&row(name, scores))?;
        }
        writeln!(f)?;
        match self.accuracy {
            Some(accuracy) => {
                let n = support(self.micro_average.support);
                writeln!(f, "{}  {:>9} {:>9} {accuracy:>9.digits$} {n:>9}", head("accuracy"), "", "")?;
            }
            None => f.write_str(&row("micro avg", &self.micro_average))?,
        }
        f.write_str(&row("macro avg", &self.macro_average))?;
        f.write_str(row("weighted avg", &self.weighted_average).trim_end_matches('\n'))?;
        match &self.samples_average {
            Some(scores) => write!(f, "\n{}", row("samples avg", scores).trim_end_matches('\n')),
            None => Ok(()),
        }
    }
}
