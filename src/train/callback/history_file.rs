//! The history of a run in a file that grows with it.

use std::path::PathBuf;

use super::{Callback, Context};
use crate::error::Result;
use crate::io::{Appended, write_atomically};
use crate::train::history::{Epoch, Form};

/// Writes what is measured into a file as it comes: a line for each epoch, or for each measurement of a run that is [measured by
/// steps](crate::train::Trainer::evaluate_every). An earlier file is replaced when the run begins; one that is resumed has all lines from the
/// beginning, as if it had not been interrupted.
///
/// [`History::write_csv`](crate::train::History::write_csv) and
/// [`write_json_lines`](crate::train::History::write_json_lines) write the same at the end.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::HistoryFile;
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("history.csv");
/// let mut rng = Rng::seed(0);
/// let x = Tensor::normal([64, 2], 0.0, 1.0, &mut rng)?;
/// let data = TensorDataset::new(x.clone(), x.sum_dims(&[1], true)?)?;
/// Trainer::new(losses::mse, Sgd::new(0.1))
///     .epochs(3)
///     .metric("rmse", metrics::rmse)
///     .callback(HistoryFile::csv(&path))
///     .fit(&mut Linear::new(2, 1, &mut rng)?, &data, &mut rng)?;
/// let table = Table::read_csv(&path)?;
/// assert_eq!(table.column("step")?.numbers(), Some(&[2.0, 4.0, 6.0][..]));
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug)]
pub struct HistoryFile {
    path: PathBuf,
    form: Form,
    file: Option<Appended>,
}

impl HistoryFile {
    /// A table with the columns `epoch`, `step`, `train_loss`, `validation_loss` (empty where there are no validation data), the metrics,
    /// `learning_rate` and `seconds`.
    #[must_use]
    pub fn csv(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), form: Form::Csv, file: None }
    }

    /// An object in each line, as `serde` makes it of an [`Epoch`]. JSON has no NaN: what is none is `null`.
    #[must_use]
    pub fn json_lines(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), form: Form::JsonLines, file: None }
    }
}

impl Callback for HistoryFile {
    fn fit_begin(&mut self, run: &mut Context<'_>) -> Result<()> {
        let text = run.history().written(self.form, run.run.plan.evaluates_steps)?;
        let made = self.path.parent().map_or(Ok(()), std::fs::create_dir_all);
        let begun = match made {
            Ok(()) => write_atomically(&self.path, |file| file.write_all(text.as_bytes())),
            Err(e) => Err(crate::error::Error::io("HistoryFile", &self.path, e)),
        };
        run.here(begun)?;
        self.file = Some(run.here(Appended::open("HistoryFile", &self.path))?);
        Ok(())
    }

    fn validation(&mut self, run: &mut Context<'_>, record: &Epoch) -> Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let line = self.form.line(record)?;
        let head = if file.is_empty() { self.form.head(record) } else { String::new() };
        run.here(file.append((head + &line).as_bytes()))
    }

    fn fit_end(&mut self, _: &mut Context<'_>) -> Result<()> {
        self.file = None;
        Ok(())
    }
}
