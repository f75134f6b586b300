//! Training data in two parts, of which one is not trained on.

use super::{Core, Examples};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::order;
use crate::rng::Rng;

/// Some of the examples.
pub(super) struct Part<'d, B> {
    pub(super) data: &'d Examples<'d, B>,
    pub(super) rows: Vec<usize>,
}

impl<B: Send> Dataset for Part<'_, B> {
    type Batch = B;

    fn len(&self) -> usize {
        self.rows.len()
    }

    #[track_caller]
    fn batch(&self, indices: &[usize], rng: &mut Rng) -> Result<B> {
        let rows: Option<Vec<usize>> = indices.iter().map(|i| self.rows.get(*i).copied()).collect();
        match rows {
            Some(rows) => self.data.batch(&rows, rng),
            None => Err(Error::index("fit", format!("an example beyond the {} there are", self.rows.len()))),
        }
    }
}

impl Core {
    /// The examples to train on, and those to measure on.
    #[track_caller]
    pub(super) fn parts(&self, examples: usize, fraction: f64, has_validation: bool) -> Result<[Vec<usize>; 2]> {
        self.options.check_numbers()?;
        if has_validation {
            return Err(Error::argument("fit", "validation data, and a validation_split of the training data")
                .with_help("leave one of them out"));
        }
        if examples < 2 {
            return Err(Error::argument(
                "fit",
                format!("{examples} examples, expected at least 2 for a validation_split"),
            ));
        }
        let taken = ((examples as f64 * fraction).round() as usize).clamp(1, examples - 1);
        // The same ones every time, whatever the generator of the run has been used for.
        let mut kept = Rng::seed(0).permutation(examples)?;
        let mut rest = kept.split_off(examples - taken);
        order::sort_by(&mut kept, Ord::cmp);
        order::sort_by(&mut rest, Ord::cmp);
        Ok([kept, rest])
    }
}
