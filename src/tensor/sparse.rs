//! Matrices most of whose numbers are zero.

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, OnceLock};

use super::exec::sparse as exec;
use super::kernels::sparse::Lanes;
use super::{DType, Tensor};
use crate::error::{Error, Result};

/// A matrix that keeps only the numbers that are not zero, row by row, and where they are (compressed sparse rows): a pruned weight. It
/// is a value to multiply by; nothing else is computed with it. Each number takes eight bytes, so that it is smaller than a [`Tensor`]
/// if less than half of them are kept; the first product with up to four rows makes a second copy, of which those that follow are faster.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::tensor::SparseTensor;
///
/// let weight = tensor![[0.0, 2.0, 0.0], [0.0, 0.0, 0.0]];
/// let sparse = SparseTensor::from_dense(&weight)?;
/// assert_eq!((sparse.count(), sparse.shape()), (1, &[2, 3][..]));
/// assert_eq!(sparse.linear(&tensor![[1.0, 3.0, 1.0]], None)?.to_vec::<f32>()?, [6.0, 0.0]);
/// assert_eq!(sparse.to_dense()?.to_vec::<f32>()?, weight.to_vec::<f32>()?);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone)]
pub struct SparseTensor {
    shape: [usize; 2],
    /// `I32`, one more than there are rows: never falling, from 0 to the number of values.
    offsets: Tensor,
    /// `I32`, of each value, less than there are columns.
    columns: Tensor,
    /// `F32`.
    values: Tensor,
    /// The same once more as products with single rows take it, made for the first of them.
    lanes: Arc<OnceLock<Lanes>>,
}

impl SparseTensor {
    /// The numbers of a matrix of type `F32` that are not zero.
    ///
    /// # Errors
    /// If it is no matrix, of another type, or has 2³¹ numbers or columns.
    #[track_caller]
    pub fn from_dense(x: &Tensor) -> Result<Self> {
        x.expect_dtype("from_dense", "the matrix", DType::F32)?;
        let &[rows, wide] = x.shape() else {
            return Err(Error::shape("from_dense", format!("a tensor of shape {:?}, expected a matrix", x.shape())));
        };
        let x = x.detach().contiguous();
        let data = x.data::<f32>();
        let count = data.iter().filter(|x| **x != 0.0).count();
        if count.max(wide) > i32::MAX as usize {
            return Err(Error::shape("from_dense", format!("a matrix of shape {:?} has too many numbers", x.shape())));
        }
        let (mut offsets, mut columns, mut values) = (vec![0], Vec::new(), Vec::new());
        for row in 0..rows {
            for (column, value) in (0..).zip(&data[row * wide..][..wide]).filter(|(_, value)| **value != 0.0) {
                columns.push(column);
                values.push(*value);
            }
            offsets.push(values.len() as i32);
        }
        let list = |list: Vec<i32>| Tensor::from_vec(list.clone(), [list.len()]);
        let (offsets, columns) = (list(offsets)?, list(columns)?);
        let values = Tensor::from_vec(values, [count])?;
        Ok(Self { shape: [rows, wide], offsets, columns, values, lanes: Arc::default() })
    }

    /// A matrix of these parts: where the numbers of each row begin and, at the end, how many there are (`I32`, one more than rows), in
    /// which columns they are (`I32`), and the numbers (`F32`).
    ///
    /// # Errors
    /// If they are of other types or lengths, rows end before they begin, or there are no such columns.
    #[track_caller]
    pub fn from_parts(shape: [usize; 2], offsets: &Tensor, columns: &Tensor, values: &Tensor) -> Result<Self> {
        let caller = Location::caller();
        let wrong = |what: &str| {
            Err(Error::shape("from_parts", format!("parts of a sparse matrix {shape:?}: {what}")).at(caller))
        };
        offsets.expect_dtype("from_parts", "the offsets", DType::I32)?;
        columns.expect_dtype("from_parts", "the columns", DType::I32)?;
        values.expect_dtype("from_parts", "the values", DType::F32)?;
        let [offsets, columns, values] = [offsets, columns, values].map(|x| x.detach().contiguous());
        let count = values.numel();
        if offsets.rank() != 1 || columns.rank() != 1 || values.rank() != 1 || columns.numel() != count {
            return wrong("expected lists, and a column for each value");
        }
        let bounds = offsets.data::<i32>();
        if bounds.len().checked_sub(1) != Some(shape[0]) || bounds[0] != 0 || bounds[shape[0]] as usize != count {
            return wrong("offsets go from 0 to the number of values, and are one more than rows");
        }
        if bounds.windows(2).any(|pair| pair[0] > pair[1]) {
            return wrong("a row ends before it begins");
        }
        let (least, most) = columns.data::<i32>().iter().fold((0, -1), |(a, b), x| (a.min(*x), b.max(*x)));
        if least < 0 || most >= 0 && most as usize >= shape[1] {
            return wrong("a column that it does not have");
        }
        Ok(Self { shape, offsets, columns, values, lanes: Arc::default() })
    }

    /// The matrix with its zeros.
    ///
    /// # Errors
    /// If it does not fit into memory.
    #[track_caller]
    pub fn to_dense(&self) -> Result<Tensor> {
        let mut out = Tensor::zeros(self.shape)?;
        let data = out.data_mut::<f32>();
        let (offsets, columns, values) = self.slices();
        for (row, bounds) in offsets.windows(2).enumerate() {
            for i in bounds[0] as usize..bounds[1] as usize {
                data[row * self.shape[1] + columns[i] as usize] = values[i];
            }
        }
        Ok(out)
    }

    /// Some of its rows: from row `first` on, `count` of them.
    ///
    /// # Errors
    /// If there are no such rows.
    #[track_caller]
    pub fn narrow(&self, first: usize, count: usize) -> Result<Self> {
        let [rows, wide] = self.shape;
        if first.checked_add(count).is_none_or(|end| end > rows) {
            return Err(Error::index("narrow", format!("rows {first} to {first} + {count} of a matrix with {rows}")));
        }
        let offsets = &self.slices().0[first..=first + count];
        let (begin, end) = (offsets[0], offsets[count]);
        let offsets = Tensor::from_vec(offsets.iter().map(|at| at - begin).collect(), [count + 1])?;
        let part = |x: &Tensor| x.narrow(0, begin as usize, (end - begin) as usize);
        let (columns, values) = (part(&self.columns)?, part(&self.values)?);
        Ok(Self { shape: [count, wide], offsets, columns, values, lanes: Arc::default() })
    }

    /// The numbers of rows and columns.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How many numbers are kept.
    #[must_use]
    pub fn count(&self) -> usize {
        self.values.numel()
    }

    /// The share of zeros.
    #[must_use]
    pub fn sparsity(&self) -> f64 {
        let [rows, columns] = self.shape.map(|size| size as f64);
        1.0 - self.count() as f64 / (rows * columns).max(1.0)
    }

    /// How many bytes they take, with where they are.
    #[must_use]
    pub fn size_in_bytes(&self) -> usize {
        4 * (self.offsets.numel() + 2 * self.values.numel())
    }

    pub(crate) fn sizes(&self) -> [usize; 2] {
        self.shape
    }

    pub(crate) fn lanes(&self) -> &Lanes {
        self.lanes.get_or_init(|| exec::lanes(self))
    }

    /// Where the numbers of each row begin, in which columns they are, and the numbers: see [`from_parts`](Self::from_parts).
    #[must_use]
    pub fn parts(&self) -> [&Tensor; 3] {
        [&self.offsets, &self.columns, &self.values]
    }

    pub(crate) fn slices(&self) -> (&[i32], &[i32], &[f32]) {
        (self.offsets.data(), self.columns.data(), self.values.data())
    }
}

impl fmt::Debug for SparseTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SparseTensor({:?}, {} numbers)", self.shape, self.count())
    }
}
