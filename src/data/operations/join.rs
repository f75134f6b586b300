//! Two tables side by side.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::rows::mixed;
use crate::data::column::Column;
use crate::data::table::Table;
use crate::error::{Error, Result};
use crate::tensor::create::check_list;

/// Which rows a [join](Table::join) keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum JoinKind {
    /// Those that have a partner.
    Inner,
    /// All of the left table, those without a partner with missing values.
    Left,
    /// All of the right table, in its order.
    Right,
    /// All of both: first those of the left table, then those of the right one that have no partner.
    Outer,
}

impl Table {
    /// The rows of this table beside those of another that have the same values in the columns `on`. A row with several partners
    /// becomes several rows; a missing value is equal to nothing. Columns of the right table whose name the left one has as well
    /// get `_right` behind it.
    ///
    /// ```
    /// use demotic::data::{Column, JoinKind, Table};
    ///
    /// let houses = Table::from_columns([("street", Column::from(["a", "b", "c"])), ("area", Column::from([90.0, 60.0, 75.0]))])?;
    /// let streets = Table::from_columns([("street", Column::from(["a", "c"])), ("noise", Column::from([3.0, 5.0]))])?;
    /// let both = houses.join(&streets, &["street"], JoinKind::Left)?;
    /// assert_eq!(both.column_names().collect::<Vec<_>>(), ["street", "area", "noise"]);
    /// assert_eq!(both.column("noise")?.num_missing(), 1);
    /// assert_eq!(houses.join(&streets, &["street"], JoinKind::Inner)?.num_rows(), 2);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If a column of `on` is absent from one of the tables or of another kind in it, none is named, so many rows do not fit into memory,
    /// or two columns would have one name.
    #[track_caller]
    #[doc(alias = "merge")]
    pub fn join<N: AsRef<str>>(&self, right: &Self, on: &[N], kind: JoinKind) -> Result<Self> {
        let on: Vec<&str> = on.iter().map(AsRef::as_ref).collect();
        self.joined(right, &on, kind)
    }

    #[track_caller]
    fn joined(&self, right: &Self, on: &[&str], kind: JoinKind) -> Result<Self> {
        let op = "join";
        if on.is_empty() {
            let e = Error::argument(op, "no columns are named by which rows belong together");
            return Err(e.with_help("left.join(&right, &[\"id\"], JoinKind::Left)"));
        }
        let rows = self.num_rows();
        let mut keys = Vec::with_capacity(on.len());
        let mut codes = Vec::with_capacity(on.len());
        for name in on {
            let Some(key) = Column::joined(&[self.find(op, name)?, right.find(op, name)?]) else {
                return Err(mixed(op, name));
            };
            codes.push(key.factorize().1);
            keys.push(key);
        }
        // Rows of the left table come first, those of the right one behind them.
        let key = |row: usize| codes.iter().map(|codes| codes[row]).collect::<Option<Vec<usize>>>();
        let pairs = pairs(rows, right.num_rows(), &key, kind)?;
        check_list(op, "rows", pairs.len(), 8 * (2 + self.num_columns() + right.num_columns()))?;

        let left_rows: Vec<Option<usize>> = pairs.iter().map(|(left, _)| *left).collect();
        let right_rows: Vec<Option<usize>> = pairs.iter().map(|(_, right)| *right).collect();
        let either: Vec<Option<usize>> =
            pairs.iter().map(|(left, right)| left.or(right.map(|row| rows + row))).collect();
        let mut columns = Vec::with_capacity(self.num_columns() + right.num_columns());
        for (name, column) in self.columns() {
            let column = match on.iter().position(|own| *own == name) {
                Some(i) => keys[i].picked(&either),
                None => column.picked(&left_rows),
            };
            columns.push((name.to_string(), column));
        }
        for (name, column) in right.columns().filter(|(name, _)| !on.contains(name)) {
            let name = if self.has(name) { format!("{name}_right") } else { name.to_string() };
            columns.push((name, column.picked(&right_rows)));
        }
        Self::named(op, columns)
    }
}

/// Which rows stand beside each other.
#[track_caller]
fn pairs(
    left: usize,
    right: usize,
    key: &dyn Fn(usize) -> Option<Vec<usize>>,
    kind: JoinKind,
) -> Result<Vec<(Option<usize>, Option<usize>)>> {
    // Of the side whose order the result does not have.
    let by_left = kind != JoinKind::Right;
    let (outer, inner) = if by_left { (0..left, left..left + right) } else { (left..left + right, 0..left) };
    let mut partners: HashMap<Vec<usize>, Vec<usize>> = HashMap::new();
    for row in inner.clone() {
        if let Some(key) = key(row) {
            partners.entry(key).or_default().push(row);
        }
    }
    let found = |row: usize| key(row).and_then(|key| partners.get(&key)).map_or(&[][..], Vec::as_slice);
    // Two columns of equal values would make more rows than any memory holds.
    let total = outer.clone().fold(0usize, |total, row| total.saturating_add(found(row).len().max(1)));
    check_list("join", "rows", total.saturating_add(right), 64)?;
    let mut pairs = Vec::new();
    let mut has_partner = vec![false; left + right];
    for row in outer {
        for partner in found(row) {
            has_partner[*partner] = true;
            pairs.push((row, Some(*partner)));
        }
        if kind != JoinKind::Inner && found(row).is_empty() {
            pairs.push((row, None));
        }
    }
    let side = |row: usize| if row < left { (Some(row), None) } else { (None, Some(row - left)) };
    let mut pairs: Vec<_> = pairs
        .into_iter()
        .map(|(row, partner)| {
            let (own, other) = (side(row), partner.map_or((None, None), side));
            (own.0.or(other.0), own.1.or(other.1))
        })
        .collect();
    if kind == JoinKind::Outer {
        pairs.extend(inner.filter(|row| !has_partner[*row]).map(side));
    }
    Ok(pairs)
}
