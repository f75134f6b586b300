//! Pieces of series, each with what comes behind it.

use std::ops::Range;

use super::features::in_groups;
use crate::data::dataset::{Dataset, gather};
use crate::data::table::Table;
use crate::error::{Error, Here, Result, short};
use crate::rng::Rng;
use crate::tensor::Tensor;
use crate::tensor::create::check_list;

/// Windows of one or several series for forecasting: `input` steps that a model sees, and the `horizon` steps behind them that it is
/// to forecast.
///
/// A batch is `(x, y)`: `x` is `[batch, input, features]`, `y` is `[batch, horizon, targets]`. All features are targets, unless
/// [`targets`](Self::targets) chooses some.
///
/// ```
/// use demotic::data::{Dataset, Windows};
/// use demotic::Tensor;
///
/// let series = Tensor::from_vec((0..8).map(|i| i as f32).collect(), [8, 1])?;
/// let windows = Windows::new(&series, 3, 2)?;
/// assert_eq!(windows.len(), 4);
/// let (x, y) = windows.batches(2).next().unwrap()?;
/// assert_eq!(x.to_vec::<f32>()?, [0., 1., 2., 1., 2., 3.]);
/// assert_eq!(y.to_vec::<f32>()?, [3., 4., 4., 5.]);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// Neighbouring windows overlap, so shuffled windows must not be divided into parts to train and to test on: use
/// [`split`](Self::split), or make windows of parts of the series.
#[derive(Clone)]
#[doc(alias = "timeseries_dataset_from_array")]
pub struct Windows {
    /// All series, one behind the other: `[steps, features]` and `[steps, targets]`.
    x: Tensor,
    y: Tensor,
    names: Vec<String>,
    input: usize,
    horizon: usize,
    stride: usize,
    /// Where windows may begin: the first and the last step of each series, and the number behind its last window.
    runs: Vec<Run>,
}

/// Windows that begin at every `stride`-th step of some.
#[derive(Debug, Clone, PartialEq)]
struct Run {
    starts: Range<usize>,
    end: usize,
}

impl Windows {
    /// Windows of one series, `[time, features]` or `[time]`.
    ///
    /// # Errors
    /// If `input` or `horizon` is 0, or the series is shorter than both together.
    #[track_caller]
    pub fn new(series: &Tensor, input: usize, horizon: usize) -> Result<Self> {
        Self::of_series(std::slice::from_ref(series), input, horizon)
    }

    /// Windows of several series with the same features. No window reaches from one into the next; series that are too short for
    /// one are left out.
    ///
    /// # Errors
    /// If there are no series, their features or types differ, `input` or `horizon` is 0, or all are shorter than both together.
    #[track_caller]
    pub fn of_series(series: &[Tensor], input: usize, horizon: usize) -> Result<Self> {
        let op = "Windows";
        let mut parts = Vec::with_capacity(series.len());
        for (i, one) in series.iter().enumerate() {
            let one = match one.rank() {
                1 => one.unsqueeze(1)?,
                2 => one.clone(),
                _ => {
                    let message = format!("series {i} has shape {:?}, expected [time, features]", one.shape());
                    return Err(Error::shape(op, message));
                }
            };
            if let Some(first) = parts.first().filter(|first: &&Tensor| first.shape()[1] != one.shape()[1]) {
                let (own, wanted) = (one.shape()[1], first.shape()[1]);
                return Err(Error::shape(op, format!("series {i} has {own} features, the first {wanted}")));
            }
            parts.push(one);
        }
        if parts.is_empty() {
            return Err(Error::argument(op, "there are no series"));
        }
        let lengths: Vec<usize> = parts.iter().map(|part| part.shape()[0]).collect();
        let x = Tensor::cat(&parts.iter().collect::<Vec<_>>(), 0)?.detach().packed();
        let names = (0..x.shape()[1]).map(|i| i.to_string()).collect();
        Self { y: x.clone(), x, names, input, horizon, stride: 1, runs: Vec::new() }.with_lengths(&lengths)
    }

    /// Windows of columns of a table, whose rows are in the order of time. Values are `F32`: scale them first, with what a
    /// [`Preprocessor`](crate::data::Preprocessor) makes of the columns, for example.
    ///
    /// # Errors
    /// If a column does not exist, has texts, or a value is missing; and as for [`new`](Self::new).
    #[track_caller]
    pub fn from_table<N: AsRef<str>>(table: &Table, columns: &[N], input: usize, horizon: usize) -> Result<Self> {
        let rows = (0..table.num_rows()).collect();
        Self::of_rows(table, columns, vec![rows], input, horizon)
    }

    /// The same with a series for each value of the column `group`: one for each shop, for example.
    ///
    /// ```
    /// use demotic::data::{Column, Dataset, Table, Windows};
    ///
    /// let table = Table::from_columns([
    ///     ("shop", Column::from(["a", "b", "a", "b", "a", "b"])),
    ///     ("sales", Column::from([1.0, 10.0, 2.0, 20.0, 3.0, 30.0])),
    /// ])?;
    /// let windows = Windows::from_groups(&table, "shop", &["sales"], 2, 1)?;
    /// let (x, y) = windows.batches(2).next().unwrap()?;
    /// assert_eq!(x.to_vec::<f32>()?, [1.0, 2.0, 10.0, 20.0]);
    /// assert_eq!(y.to_vec::<f32>()?, [3.0, 30.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`from_table`](Self::from_table).
    #[track_caller]
    pub fn from_groups<N: AsRef<str>>(
        table: &Table,
        group: &str,
        columns: &[N],
        input: usize,
        horizon: usize,
    ) -> Result<Self> {
        let rows = in_groups(&table.find("Windows", group)?.factorize().1);
        Self::of_rows(table, columns, rows, input, horizon)
    }

    #[track_caller]
    fn of_rows<N: AsRef<str>>(
        table: &Table,
        columns: &[N],
        series: Vec<Vec<usize>>,
        input: usize,
        horizon: usize,
    ) -> Result<Self> {
        let op = "Windows";
        if columns.is_empty() {
            return Err(Error::argument(op, "no columns"));
        }
        let (rows, width) = (table.num_rows(), columns.len());
        let mut x = Tensor::zeros([rows, width])?;
        let cells = x.as_mut_slice::<f32>()?;
        for (at, name) in columns.iter().map(AsRef::as_ref).enumerate() {
            let Some(values) = table.find(op, name)?.numbers() else {
                return Err(Error::dtype(op, format!("column `{}` has texts, expected numbers", short(name))));
            };
            for (place, row) in series.iter().flatten().enumerate() {
                let value = values[*row] as f32;
                if !value.is_finite() {
                    let what = if values[*row].is_nan() { "no value" } else { "a number beyond the range of f32" };
                    let message = format!("column `{}` has {what} in row {row}", short(name));
                    return Err(Error::argument(op, message)
                        .with_help("fill in or drop such rows first: a window must have all of its steps"));
                }
                cells[place * width + at] = value;
            }
        }
        let names = columns.iter().map(|name| name.as_ref().to_string()).collect();
        let lengths: Vec<usize> = series.iter().map(Vec::len).collect();
        Self { y: x.clone(), x, names, input, horizon, stride: 1, runs: Vec::new() }.with_lengths(&lengths)
    }

    /// Finds out where windows begin.
    #[track_caller]
    fn with_lengths(mut self, lengths: &[usize]) -> Result<Self> {
        let op = "Windows";
        let (input, horizon) = (self.input, self.horizon);
        if input == 0 || horizon == 0 {
            let message = format!("{input} steps of input and a horizon of {horizon}, expected at least 1 of each");
            return Err(Error::argument(op, message));
        }
        let needed = input.saturating_add(horizon);
        let mut first = 0;
        for length in lengths {
            if *length >= needed {
                self.runs.push(Run { starts: first..first + length - needed + 1, end: 0 });
            }
            first += length;
        }
        if self.runs.is_empty() {
            let longest = lengths.iter().max().copied().unwrap_or(0);
            let s = if longest == 1 { "" } else { "s" };
            let message =
                format!("a series of {longest} step{s}, {input} of input and a horizon of {horizon} need {needed}");
            return Err(Error::argument(op, message).with_help("use shorter windows or more data"));
        }
        self.number();
        Ok(self)
    }

    /// Numbers the windows.
    fn number(&mut self) {
        let (mut end, stride) = (0, self.stride);
        for run in &mut self.runs {
            end += run.starts.len().div_ceil(stride);
            run.end = end;
        }
    }

    /// Lets a window begin at every `stride`-th step only.
    ///
    /// # Errors
    /// If it is 0.
    #[track_caller]
    pub fn stride(mut self, stride: usize) -> Result<Self> {
        if stride == 0 {
            return Err(Error::argument("Windows", "the stride is 0, expected at least 1"));
        }
        self.stride = stride;
        self.number();
        Ok(self)
    }

    /// Forecasts these features only, in this order: names of columns, or `"0"`, `"1"` … for series without names.
    ///
    /// ```
    /// use demotic::data::{Dataset, Windows};
    /// use demotic::Tensor;
    ///
    /// let series = Tensor::zeros([20, 3])?;
    /// let windows = Windows::new(&series, 7, 2)?.targets(&["2"])?;
    /// let (x, y) = windows.batches(4).next().unwrap()?;
    /// assert_eq!((x.shape(), y.shape()), (&[4, 7, 3][..], &[4, 2, 1][..]));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is none of a name, or none are given.
    #[track_caller]
    pub fn targets<N: AsRef<str>>(mut self, names: &[N]) -> Result<Self> {
        let op = "Windows";
        if names.is_empty() {
            return Err(Error::argument(op, "no targets"));
        }
        let mut columns = Vec::with_capacity(names.len());
        for name in names.iter().map(AsRef::as_ref) {
            let Some(at) = self.names.iter().position(|own| own == name) else {
                let message = format!("the target `{}` is none of the features", short(name));
                let known: Vec<_> = self.names.iter().take(20).map(|name| short(name)).collect();
                return Err(Error::argument(op, message).with_help(format!("the features are {}", known.join(", "))));
            };
            columns.push(at as i64);
        }
        let count = columns.len();
        self.y = self.x.index_select(1, &Tensor::from_vec(columns, [count])?)?.packed();
        Ok(self)
    }

    /// Divides the windows by time: those whose targets are within the first share of `fraction` of each series, and those whose
    /// targets are all behind it. The inputs of the second part may reach back into the first; windows whose targets are on both
    /// sides are in neither.
    ///
    /// ```
    /// use demotic::data::{Dataset, Windows};
    /// use demotic::Tensor;
    ///
    /// let series = Tensor::from_vec((0..10).map(|i| i as f32).collect(), [10, 1])?;
    /// let (train, test) = Windows::new(&series, 2, 2)?.split(0.6)?;
    /// assert_eq!((train.len(), test.len()), (3, 3));
    /// let (_, y) = test.batches(3).next().unwrap()?;
    /// assert_eq!(y.to_vec::<f32>()?, [6., 7., 7., 8., 8., 9.]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the fraction does not lie between 0 and 1, or one of the parts has no windows.
    #[track_caller]
    pub fn split(&self, fraction: f64) -> Result<(Self, Self)> {
        if !(fraction > 0.0 && fraction < 1.0) {
            let message = format!("the fraction is {fraction}, expected a number between 0 and 1");
            return Err(Error::argument("split", message));
        }
        let (mut first, mut second) = (self.clone(), self.clone());
        (first.runs, second.runs) = (Vec::new(), Vec::new());
        for Run { starts, .. } in &self.runs {
            let steps = starts.len() + self.input + self.horizon - 1;
            // The first step of the second part.
            let border = starts.start + (steps as f64 * fraction).round() as usize;
            let end = (border + 1).saturating_sub(self.input + self.horizon).clamp(starts.start, starts.end);
            let begin = border.saturating_sub(self.input).clamp(starts.start, starts.end);
            first.runs.push(Run { starts: starts.start..end, end: 0 });
            second.runs.push(Run { starts: begin..starts.end, end: 0 });
        }
        for (part, which) in [(&mut first, "first"), (&mut second, "second")] {
            part.runs.retain(|run| !run.starts.is_empty());
            part.number();
            if part.runs.is_empty() {
                let message = format!("the {which} part has no window of {} and {} steps", self.input, self.horizon);
                return Err(Error::argument("split", message));
            }
        }
        Ok((first, second))
    }

    /// The names of the features.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The step with which a window begins.
    #[track_caller]
    fn start(&self, window: usize) -> Result<usize> {
        let at = self.runs.partition_point(|run| run.end <= window);
        let Some(run) = self.runs.get(at) else {
            return Err(Error::index("Windows", format!("window {window} of {}, counted from 0", self.len())));
        };
        let before = if at == 0 { 0 } else { self.runs[at - 1].end };
        Ok(run.starts.start + (window - before) * self.stride)
    }
}

impl Dataset for Windows {
    type Batch = (Tensor, Tensor);

    fn len(&self) -> usize {
        self.runs.last().map_or(0, |run| run.end)
    }

    #[track_caller]
    fn batch(&self, indices: &[usize], _: &mut Rng) -> Result<(Tensor, Tensor)> {
        check_list("Windows", "steps", indices.len().saturating_mul(self.input.saturating_add(self.horizon)), 8)?;
        let (mut seen, mut wanted) = (Vec::new(), Vec::new());
        for window in indices {
            let start = self.start(*window)?;
            seen.extend(start..start + self.input);
            wanted.extend(start + self.input..start + self.input + self.horizon);
        }
        let count = indices.len();
        let x = gather(&self.x, &seen)?.reshape([count, self.input, self.x.shape()[1]]).here()?;
        let y = gather(&self.y, &wanted)?.reshape([count, self.horizon, self.y.shape()[1]]).here()?;
        Ok((x, y))
    }
}

impl std::fmt::Debug for Windows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (input, horizon) = (self.input, self.horizon);
        write!(f, "Windows({} of {input} + {horizon} steps, {} features)", self.len(), self.names.len())
    }
}
