//! Who is compared.

use crate::data::{Column, ColumnKind, Table, Value};
use crate::error::{Error, Result, short};
use crate::order;

/// The group that each row of a table belongs to: by one column, or by several at once (intersections, such as older women).
///
/// A missing value is a group of its own, since data may be missing of some people more than of others.
///
/// ```
/// use demotic::data::{Column, Table};
/// use demotic::fairness::Groups;
///
/// let people = Table::from_columns([
///     ("sex", Column::from(["f", "m", "f"])),
///     ("age", Column::from(["old", "young", "young"])),
///     ("hired", Column::from(["no", "yes", "yes"])),
/// ])?;
/// let groups = Groups::of(&people, &["sex", "age"], "hired")?;
/// assert_eq!(groups.names(), ["sex=f, age=old", "sex=f, age=young", "sex=m, age=young"]);
/// assert_eq!(groups.codes(), [0, 2, 1]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    names: Vec<String>,
    codes: Vec<usize>,
}

/// The most groups: with more, hardly any has enough rows to say something about it.
const MOST: usize = 200;
/// Numbers of more different values than this are no groups.
const MOST_NUMBERS: usize = 12;

impl Groups {
    /// The groups of a table's rows by these columns, in order of their values. `target` is the column that is predicted.
    ///
    /// # Errors
    /// If a column does not exist or is named twice, none is named, one of them is the target, one has numbers of more than 12 different
    /// values, or there are more than 200 groups.
    #[track_caller]
    pub fn of<N: AsRef<str>>(table: &Table, columns: &[N], target: &str) -> Result<Self> {
        Self::by(table, &columns.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), target)
    }

    #[track_caller]
    fn by(table: &Table, columns: &[&str], target: &str) -> Result<Self> {
        const OP: &str = "Groups";
        let mut rows: Vec<Vec<String>> = vec![Vec::new(); table.num_rows()];
        for (i, name) in columns.iter().enumerate() {
            let column = table.column(name)?;
            let shown = short(name);
            if *name == target {
                let message = format!("the sensitive column is the target, `{shown}`");
                let help = "every group would have one outcome only: name the column that says who somebody is";
                return Err(Error::argument(OP, message).with_help(help));
            }
            if columns[..i].contains(name) {
                return Err(Error::argument(OP, format!("column `{shown}` is named twice")));
            }
            let (values, codes) = column.factorize();
            if column.kind() == ColumnKind::Number && values.len() > MOST_NUMBERS {
                let message = format!("column `{shown}` has {} different numbers, which are no groups", values.len());
                let help =
                    format!("divide it first: table.with_column(\"{shown}\", fairness::bands(column, &[30.0, 50.0])?)");
                return Err(Error::argument(OP, message).with_help(help));
            }
            for (row, code) in rows.iter_mut().zip(codes) {
                let value = code.map_or("(missing)", |code| values[code].as_str());
                row.push(if columns.len() == 1 { value.to_string() } else { format!("{name}={value}") });
            }
        }
        if columns.is_empty() {
            return Err(
                Error::argument(OP, "no column is named").with_help("name the column that says who somebody is")
            );
        }
        Self::named(rows.into_iter().map(|row| row.join(", ")))
    }

    /// Groups by their names, one for each row.
    ///
    /// # Errors
    /// If there are no rows, or more than 200 groups.
    #[track_caller]
    pub fn named<S: Into<String>>(rows: impl IntoIterator<Item = S>) -> Result<Self> {
        Self::of_names(rows.into_iter().map(Into::into).collect())
    }

    #[track_caller]
    fn of_names(rows: Vec<String>) -> Result<Self> {
        let mut names = rows.clone();
        order::sort_by(&mut names, Ord::cmp);
        names.dedup();
        if names.is_empty() || names.len() > MOST {
            let message = format!("{} groups in {} rows, expected 1 to {MOST}", names.len(), rows.len());
            return Err(Error::argument("Groups", message));
        }
        let codes = rows.iter().filter_map(|row| names.binary_search(row).ok()).collect();
        Ok(Self { names, codes })
    }

    /// The names of the groups, in order.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The group of each row, as a place among the [`names`](Self::names).
    #[must_use]
    pub fn codes(&self) -> &[usize] {
        &self.codes
    }

    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.codes.len()
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// How many rows each group has.
    #[must_use]
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.names.len()];
        self.codes.iter().for_each(|code| counts[*code] += 1);
        counts
    }

    /// The groups of these rows; the names stay, also of groups that have no row among them.
    ///
    /// # Errors
    /// If a row does not exist.
    #[track_caller]
    pub fn rows(&self, rows: &[usize]) -> Result<Self> {
        let mut codes = Vec::with_capacity(rows.len());
        for row in rows {
            let Some(code) = self.codes.get(*row) else {
                return Err(Error::index("Groups", format!("row {row} of {}, counted from 0", self.len())));
            };
            codes.push(*code);
        }
        Ok(Self { names: self.names.clone(), codes })
    }

    /// As many rows as there are.
    #[track_caller]
    pub(super) fn expect(&self, op: &'static str, target: &crate::Tensor) -> Result<Vec<bool>> {
        super::labels(op, target, self.len())
    }
}

/// Numbers as bands between borders, `<30`, `30–50`, `≥50`, so that they can be groups. A border belongs to the band above it.
///
/// ```
/// use demotic::data::Column;
/// use demotic::fairness::bands;
///
/// let age = bands(&Column::from([25.0, 30.0, 64.0]), &[30.0, 50.0])?;
/// assert_eq!(age, Column::from(["<30", "30–50", "≥50"]));
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// If the column holds texts, or the borders are not finite, ascending, and at least one.
#[track_caller]
pub fn bands(column: &Column, borders: &[f64]) -> Result<Column> {
    if column.kind() != ColumnKind::Number {
        return Err(Error::argument("bands", "the column holds texts, which have no bands"));
    }
    if borders.is_empty() || !borders.iter().all(|x| x.is_finite()) || borders.windows(2).any(|two| two[0] >= two[1]) {
        return Err(Error::argument("bands", format!("borders {borders:?}, expected ascending numbers, at least one")));
    }
    let number = |x: f64| Value::Number(x).to_string();
    let band = |value: Value<'_>| {
        let x = value.number()?;
        Some(match borders.partition_point(|border| *border <= x) {
            0 => format!("<{}", number(borders[0])),
            i if i == borders.len() => format!("≥{}", number(borders[i - 1])),
            i => format!("{}–{}", number(borders[i - 1]), number(borders[i])),
        })
    };
    Ok(column.iter().map(band).collect())
}
