//! Summary statistics.

use super::column::{Column, Dates, Written};
use super::table::Table;
use super::wide::{Moments, quantile, sorted};

impl Table {
    /// Statistics of every column, one row for each: its `type`, how many values there are (`count`) and are `missing`;
    /// for numbers `mean`, `std` (with n − 1, as pandas computes it), `min`, the quartiles `25%`, `50%`, `75%` (linearly
    /// interpolated) and `max`; for texts how many different ones there are (`unique`), and the most frequent (`top`; the
    /// first by order if several are). Those of dates are seconds since the beginning of 1970 and shown as dates, but for `std`, which is a
    /// number of seconds.
    ///
    /// ```
    /// use demotic::data::{Column, Table};
    ///
    /// let table = Table::from_columns([("area", Column::from([100.0, 120.0, 150.0]))])?;
    /// let statistics = table.describe();
    /// assert_eq!(statistics.column("50%")?.numbers(), Some(&[120.0][..]));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    pub fn describe(&self) -> Table {
        let statistics: Vec<Statistics> = self.columns().map(|(_, column)| Statistics::of(column)).collect();
        let numbers = |get: fn(&Statistics) -> f64| Column::from(statistics.iter().map(get).collect::<Vec<f64>>());
        let dates: Vec<bool> = self.columns().map(|(_, column)| column.has_dates()).collect();
        let times = |get: fn(&Statistics) -> f64| {
            numbers(get).with_written(Written { dates: Dates::Rows(dates.clone()), ..Written::default() })
        };
        let columns = [
            ("column", self.column_names().map(Some).collect()),
            ("type", self.columns().map(|(_, column)| Some(column.kind().name())).collect()),
            ("count", numbers(|s| s.count)),
            ("missing", numbers(|s| s.missing)),
            ("mean", times(|s| s.mean)),
            ("std", numbers(|s| s.std)),
            ("min", times(|s| s.quartiles[0])),
            ("25%", times(|s| s.quartiles[1])),
            ("50%", times(|s| s.quartiles[2])),
            ("75%", times(|s| s.quartiles[3])),
            ("max", times(|s| s.quartiles[4])),
            ("unique", numbers(|s| s.unique)),
            ("top", statistics.iter().map(|s| s.top.as_deref()).collect()),
        ];
        Self::from_checked(columns.map(|(name, column)| (name.to_string(), column)).into(), self.num_columns())
    }
}

/// NaN for what the kind of column does not have.
struct Statistics {
    count: f64,
    missing: f64,
    mean: f64,
    std: f64,
    quartiles: [f64; 5],
    unique: f64,
    top: Option<String>,
}

impl Statistics {
    fn of(column: &Column) -> Self {
        let missing = column.num_missing();
        let count = column.len() - missing;
        let mut all = Self {
            count: count as f64,
            missing: missing as f64,
            mean: f64::NAN,
            std: f64::NAN,
            quartiles: [f64::NAN; 5],
            unique: f64::NAN,
            top: None,
        };
        if let Some(present) = column.present() {
            let present = sorted(present);
            let moments = Moments::of(&present);
            all.mean = moments.mean().to_f64();
            if count > 1 {
                all.std = moments.deviation(1.0);
            }
            all.quartiles = [0.0, 0.25, 0.5, 0.75, 1.0].map(|q| quantile(&present, q).to_f64());
        } else {
            let (names, codes) = column.factorize();
            let mut counts = vec![0usize; names.len()];
            codes.iter().flatten().for_each(|code| counts[*code] += 1);
            all.unique = names.len() as f64;
            // The first of several equal maxima.
            let top = (0..counts.len()).rev().max_by_key(|i| counts[*i]);
            all.top = top.map(|i| names[i].clone());
        }
        all
    }
}
