//! Batches whose rows can be taken apart and put together.

use crate::error::{Here, Result};
use crate::tensor::Tensor;

/// A batch with a sample in each row, of which rows can be taken, and several of which can be joined: tensors, by their first
/// dimension, and tuples of them. [`Dataset::concat`](crate::data::Dataset::concat) and [`cached`](crate::data::Dataset::cached)
/// need it; implement it for batches of another kind.
pub trait BatchRows: Sized + Send {
    /// These rows, in this order.
    ///
    /// # Errors
    /// If one does not exist.
    #[track_caller]
    fn take_rows(&self, rows: &[usize]) -> Result<Self>;

    /// The rows of all parts, of which there is at least one.
    ///
    /// # Errors
    /// If they do not fit each other.
    #[track_caller]
    fn join(parts: Vec<Self>) -> Result<Self>;
}

impl BatchRows for Tensor {
    fn take_rows(&self, rows: &[usize]) -> Result<Self> {
        let index = Self::from_vec(rows.iter().map(|row| *row as i64).collect(), [rows.len()])?;
        self.index_select(0, &index).here()
    }

    fn join(mut parts: Vec<Self>) -> Result<Self> {
        match (parts.len(), parts.pop()) {
            (1, Some(only)) => Ok(only),
            (_, last) => {
                parts.extend(last);
                Self::cat(&parts.iter().collect::<Vec<_>>(), 0).here()
            }
        }
    }
}

impl<A: BatchRows, B: BatchRows> BatchRows for (A, B) {
    fn take_rows(&self, rows: &[usize]) -> Result<Self> {
        Ok((self.0.take_rows(rows)?, self.1.take_rows(rows)?))
    }

    fn join(parts: Vec<Self>) -> Result<Self> {
        let (a, b) = parts.into_iter().unzip();
        Ok((A::join(a)?, B::join(b)?))
    }
}

impl<A: BatchRows, B: BatchRows, C: BatchRows> BatchRows for (A, B, C) {
    fn take_rows(&self, rows: &[usize]) -> Result<Self> {
        Ok((self.0.take_rows(rows)?, self.1.take_rows(rows)?, self.2.take_rows(rows)?))
    }

    fn join(parts: Vec<Self>) -> Result<Self> {
        let (mut first, mut c) = (Vec::new(), Vec::new());
        for part in parts {
            first.push((part.0, part.1));
            c.push(part.2);
        }
        let (a, b) = <(A, B)>::join(first)?;
        Ok((a, b, C::join(c)?))
    }
}
