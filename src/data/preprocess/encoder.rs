//! Numbers in place of categories: orders, shares, means of the target, hashes.

use serde::{Deserialize, Serialize};

use super::categories::Categories;
use super::scaler::Scaler;
use super::{Encoding, Scaling, Smoothing};
use crate::data::column::Column;
use crate::data::wide::Wide;
use crate::error::{Error, Result, short};

/// What the target has to say to categories.
pub(super) enum Supervision {
    Number(Vec<f64>),
    /// The class of each row; the names of all classes.
    Classes(Vec<usize>, Vec<String>),
    /// Zeros and ones, row by row; the names of all labels.
    Labels(Vec<f32>, Vec<String>),
}

impl Supervision {
    /// What is added to the name of a column for each list of numbers that there is: one, one for each class, or one for each label.
    pub(super) fn names(&self) -> Vec<String> {
        match self {
            Self::Number(_) => vec![String::new()],
            // Of two classes one tells the other.
            Self::Classes(_, names) if names.len() == 2 => names[1..].to_vec(),
            Self::Classes(_, names) | Self::Labels(_, names) => names.clone(),
        }
    }

    /// Such a list, a number for each row.
    pub(super) fn numbers(&self, i: usize) -> Vec<f64> {
        match self {
            Self::Number(y) => y.clone(),
            Self::Classes(labels, names) => {
                let class = i + usize::from(names.len() == 2);
                labels.iter().map(|label| f64::from(u8::from(*label == class))).collect()
            }
            Self::Labels(y, names) => y.iter().skip(i).step_by(names.len().max(1)).map(|y| f64::from(*y)).collect(),
        }
    }
}

/// The numbers of each slot of categories.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Codes {
    how: Encoding,
    /// What is added to the name of the column; nothing, if there is one number for a category.
    names: Vec<String>,
    /// For each number: those of all slots.
    values: Vec<Vec<f64>>,
    /// What a category without a slot gets.
    unseen: Vec<f64>,
    scalers: Vec<Scaler>,
}

/// Which slot each row has; `None` for the place behind all slots, where rows without one are.
pub(super) type Slots = Vec<Option<usize>>;

impl Codes {
    #[track_caller]
    pub(super) fn fit(
        op: &'static str,
        categories: &Categories,
        column: &Column,
        how: Encoding,
        scaling: Scaling,
        supervision: Option<&Supervision>,
    ) -> Result<Self> {
        let slots = categories.slots(op, column)?;
        let mut codes = Self { how, names: Vec::new(), values: Vec::new(), unseen: Vec::new(), scalers: Vec::new() };
        match how {
            Encoding::Target(smoothing) => {
                let Some(supervision) = supervision else {
                    let name = short(&categories.column);
                    let message = format!("column `{name}` is to be encoded by the target, and there is none");
                    return Err(Error::argument(op, message));
                };
                check_smoothing(op, smoothing)?;
                let rows: Vec<usize> = (0..slots.len()).collect();
                codes.names = supervision.names();
                for i in 0..codes.names.len() {
                    let (values, mean) = means(&slots, categories.len(), &supervision.numbers(i), &rows, smoothing);
                    codes.values.push(values);
                    codes.unseen.push(mean);
                }
            }
            Encoding::Frequency => {
                let mut counts = vec![0.0; categories.len()];
                slots.iter().flatten().for_each(|slot| counts[*slot] += 1.0);
                codes.values.push(counts.iter().map(|count| count / slots.len() as f64).collect());
                codes.unseen.push(0.0);
            }
            _ => {
                codes.values.push((0..categories.len()).map(|slot| slot as f64).collect());
                codes.unseen.push(-1.0);
            }
        }
        if !codes.values.iter().flatten().chain(&codes.unseen).all(|x| x.is_finite()) {
            let name = short(&categories.column);
            let message = format!(
                "the means of the target that column `{name}` is to be encoded by are beyond the range of numbers"
            );
            return Err(Error::numeric(op, message));
        }
        for i in 0..codes.values.len() {
            let present = slots.iter().map(|slot| codes.value(i, *slot).into()).collect();
            let scaler = Scaler::fit(op, &categories.column, present, how == Encoding::Ordinal, scaling)?;
            codes.scalers.push(scaler);
        }
        Ok(codes)
    }

    pub(super) fn width(&self) -> usize {
        self.values.len()
    }

    pub(super) fn names(&self, column: &str) -> Vec<String> {
        match self.names.as_slice() {
            [] | [_] => vec![column.to_string()],
            names => names.iter().map(|name| format!("{column}:{name}")).collect(),
        }
    }

    fn value(&self, i: usize, slot: Option<usize>) -> f64 {
        let known = slot.and_then(|slot| self.values.get(i)?.get(slot));
        known.or(self.unseen.get(i)).copied().unwrap_or(f64::NAN)
    }

    /// Number `i` of each row, scaled.
    #[track_caller]
    pub(super) fn encode(&self, op: &'static str, i: usize, slots: &Slots) -> Result<Vec<f32>> {
        self.scaled(op, i, slots.iter().map(|slot| self.value(i, *slot)).collect())
    }

    #[track_caller]
    fn scaled(&self, op: &'static str, i: usize, values: Vec<f64>) -> Result<Vec<f32>> {
        let Some(scaler) = self.scalers.get(i) else { return Err(Error::format(op, "an encoding without its scale")) };
        let scaled = scaler.apply(&values.iter().copied().map(Wide::from).collect::<Vec<_>>())?;
        match scaled.iter().position(|x| !x.is_finite()) {
            Some(row) => {
                let (x, trouble) = (values[row], scaler.trouble(values[row]));
                Err(Error::numeric(op, format!("the category in row {row} is encoded as {x:e}, {trouble}")))
            }
            None => Ok(scaled),
        }
    }

    /// Number `i` of each row from the rows of other folds: `folds` has training rows and the rows to encode. `None` if the numbers do
    /// not depend on the target.
    #[track_caller]
    pub(super) fn out_of_fold(
        &self,
        op: &'static str,
        i: usize,
        slots: &Slots,
        count: usize,
        y: &[f64],
        folds: &[crate::data::Fold],
    ) -> Option<Result<Vec<f32>>> {
        let Encoding::Target(smoothing) = self.how else { return None };
        let mut values = vec![0.0; slots.len()];
        for fold in folds {
            let (means, mean) = means(slots, count, y, &fold.train, smoothing);
            for row in &fold.test {
                values[*row] = slots[*row].and_then(|slot| means.get(slot)).copied().unwrap_or(mean);
            }
        }
        Some(self.scaled(op, i, values))
    }

    pub(super) fn needs_folds(&self) -> bool {
        matches!(self.how, Encoding::Target(_))
    }

    /// The slot that has the number nearest to this one, if numbers stand for slots.
    pub(super) fn slot_of(&self, scaled: f64) -> Option<usize> {
        let slot = self.scalers.first()?.invert(scaled).to_f64().round();
        (self.how == Encoding::Ordinal && slot >= 0.0).then_some(slot as usize)
    }
}

#[track_caller]
fn check_smoothing(op: &'static str, smoothing: Smoothing) -> Result<()> {
    match smoothing {
        Smoothing::Rows(rows) if !(rows >= 0.0 && rows.is_finite()) => {
            Err(Error::argument(op, format!("smoothing by {rows} rows, expected a number from 0 on")))
        }
        _ => Ok(()),
    }
}

/// The mean of `y` in each slot, drawn towards that of all `rows`, which is the second result.
fn means(slots: &Slots, count: usize, y: &[f64], rows: &[usize], smoothing: Smoothing) -> (Vec<f64>, f64) {
    let n = rows.len() as f64;
    let mean = rows.iter().map(|row| y[*row]).sum::<f64>() / n;
    let mut counts = vec![0.0; count];
    let mut sums = vec![0.0; count];
    for row in rows {
        if let Some(slot) = slots[*row] {
            counts[slot] += 1.0;
            sums[slot] += y[*row];
        }
    }
    let values = match smoothing {
        Smoothing::Rows(rows) => sums
            .iter()
            .zip(&counts)
            .map(|(sum, count)| if count + rows > 0.0 { (sum + rows * mean) / (count + rows) } else { mean })
            .collect(),
        Smoothing::Auto => {
            let variance = rows.iter().map(|row| (y[*row] - mean) * (y[*row] - mean)).sum::<f64>() / n;
            let mut squares = vec![0.0; count];
            for row in rows {
                if let Some(slot) = slots[*row] {
                    let distance = y[*row] - sums[slot] / counts[slot];
                    squares[slot] += distance * distance;
                }
            }
            let value = |slot: usize| {
                let own = variance * counts[slot];
                let share = own / (own + squares[slot] / counts[slot]);
                // Nothing is known of a slot without rows, nor where nothing varies.
                if share.is_nan() { mean } else { share * sums[slot] / counts[slot] + (1.0 - share) * mean }
            };
            (0..count).map(value).collect()
        }
    };
    (values, mean)
}

/// Which of so many features a text is, and with which sign: as `FeatureHasher` of scikit-learn.
pub(super) fn hashed(text: &str, features: usize) -> (usize, f32) {
    let hash = murmur3(text.as_bytes()).cast_signed();
    // The one number whose amount is none.
    let place = match hash {
        i32::MIN => (i32::MAX as usize - (features - 1)) % features,
        hash => hash.unsigned_abs() as usize % features,
    };
    (place, if hash >= 0 { 1.0 } else { -1.0 })
}

/// MurmurHash3 (Appleby 2011) of 32 bits, with seed 0.
fn murmur3(bytes: &[u8]) -> u32 {
    let mix = |k: u32| k.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let mut hash = 0u32;
    let mut chunks = bytes.chunks_exact(4);
    for chunk in chunks.by_ref() {
        let k = chunk.iter().rev().fold(0, |k, byte| k << 8 | u32::from(*byte));
        hash = (hash ^ mix(k)).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    hash ^= mix(chunks.remainder().iter().rev().fold(0, |k, byte| k << 8 | u32::from(*byte)));
    hash ^= bytes.len() as u32;
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}
