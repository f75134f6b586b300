//! Values that repeat.

use super::order::first_of_runs;
use crate::error::{Error, Result};
use crate::order::sort_by;
use crate::tensor::Tensor;
use crate::tensor::layout::dim_index;

/// # Values that repeat
impl Tensor {
    /// The different values in ascending order, for each element the number of its value among them (`I64`, of the shape of the
    /// input), and how often each value occurs (`I64`). Each NaN is a value of its own. There is no gradient.
    ///
    /// # Errors
    /// If memory does not suffice.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let (values, inverse, counts) = tensor![3.0, 1.0, 3.0].unique()?;
    /// assert_eq!(values.to_vec::<f32>()?, [1.0, 3.0]);
    /// assert_eq!(inverse.to_vec::<i64>()?, [1, 0, 1]);
    /// assert_eq!(counts.to_vec::<i64>()?, [1, 2]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn unique(&self) -> Result<(Tensor, Tensor, Tensor)> {
        let x = self.detach().reshape(-1)?;
        let (sorted, places) = x.sort(0, false)?;
        let begins = first_of_runs(&sorted, 0)?;
        let values = sorted.masked_select(&begins)?;
        let numbers = begins.cumsum(0)?.sub(&Tensor::integer(1))?;
        let inverse = numbers.scatter(0, &places, &numbers)?.reshape(self.shape())?;
        let counts = numbers.bincount(None, values.numel())?;
        Ok((values, inverse, counts))
    }

    /// The different slices along a dimension in ascending order, as words are in a dictionary; for each slice of the input the number of its
    /// like among them, and how often each occurs (both `I64`). There is no gradient. A slice with NaN is like no other, and
    /// NaN is larger than every number, as in NumPy; PyTorch leaves it open where such slices come.
    ///
    /// # Errors
    /// If `dim` is out of range, or memory does not suffice.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let (rows, inverse, counts) = tensor![[2.0, 1.0], [1.0, 5.0], [2.0, 1.0]].unique_dim(0)?;
    /// assert_eq!(rows.to_vec::<f32>()?, [1.0, 5.0, 2.0, 1.0]);
    /// assert_eq!(inverse.to_vec::<i64>()?, [1, 0, 1]);
    /// assert_eq!(counts.to_vec::<i64>()?, [1, 2]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn unique_dim(&self, dim: isize) -> Result<(Tensor, Tensor, Tensor)> {
        let axis = dim_index("unique_dim", dim, self.rank())?;
        let slices = Slices::new("unique_dim", self, axis)?;
        let mut order: Vec<usize> = (0..slices.count).collect();
        sort_by(&mut order, |a, b| slices.get(*a).cmp(slices.get(*b)));
        let (mut firsts, mut counts, mut inverse) = (Vec::new(), Vec::new(), vec![0i64; slices.count]);
        for (place, slice) in order.iter().enumerate() {
            if place == 0 || slices.get(order[place - 1]) != slices.get(*slice) {
                firsts.push(*slice as i64);
                counts.push(0i64);
            }
            inverse[*slice] = firsts.len() as i64 - 1;
            if let Some(count) = counts.last_mut() {
                *count += 1;
            }
        }
        slices.found(self, axis, firsts, inverse, counts)
    }

    /// The elements, or the slices along a dimension, without those that are like the one before; for each of the input the number of what it
    /// went into, and how many those are (both `I64`). There is no gradient. Without a dimension, elements are taken in row-major
    /// order, and their numbers have the shape of the input.
    ///
    /// # Errors
    /// If the dimension is out of range, or memory does not suffice.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let (values, inverse, counts) = tensor![1.0, 1.0, 2.0, 1.0].unique_consecutive(None)?;
    /// assert_eq!(values.to_vec::<f32>()?, [1.0, 2.0, 1.0]);
    /// assert_eq!(inverse.to_vec::<i64>()?, [0, 0, 1, 2]);
    /// assert_eq!(counts.to_vec::<i64>()?, [2, 1, 1]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn unique_consecutive(&self, dim: Option<isize>) -> Result<(Tensor, Tensor, Tensor)> {
        let Some(dim) = dim else {
            let x = self.detach().reshape(-1)?;
            let begins = first_of_runs(&x, 0)?;
            let values = x.masked_select(&begins)?;
            let numbers = begins.cumsum(0)?.sub(&Tensor::integer(1))?;
            let counts = numbers.bincount(None, values.numel())?;
            return Ok((values, numbers.reshape(self.shape())?, counts));
        };
        let axis = dim_index("unique_consecutive", dim, self.rank())?;
        let slices = Slices::new("unique_consecutive", self, axis)?;
        let (mut firsts, mut counts, mut inverse) = (Vec::new(), Vec::new(), Vec::with_capacity(slices.count));
        for i in 0..slices.count {
            if i == 0 || slices.get(i - 1) != slices.get(i) {
                firsts.push(i as i64);
                counts.push(0i64);
            }
            inverse.push(firsts.len() as i64 - 1);
            if let Some(count) = counts.last_mut() {
                *count += 1;
            }
        }
        slices.found(self, axis, firsts, inverse, counts)
    }
}

/// The slices along a dimension, with the numbers of their values among all values in place of these: whole numbers in the same order.
struct Slices {
    ranks: Vec<i64>,
    count: usize,
    each: usize,
}

impl Slices {
    #[track_caller]
    fn new(op: &'static str, x: &Tensor, axis: usize) -> Result<Self> {
        let count = x.shape()[axis];
        if x.is_empty() && count > 0 {
            // Of no elements, all slices are alike, but there may be more than memory has room to number.
            let message = format!("slices without elements, of {:?} along dimension {axis}", x.shape());
            return Err(Error::shape(op, message));
        }
        let (_, ranks, _) = x.detach().movedim(axis as isize, 0)?.unique()?;
        Ok(Self { ranks: ranks.to_vec::<i64>()?, count, each: x.numel().checked_div(count).unwrap_or(0) })
    }

    fn get(&self, i: usize) -> &[i64] {
        &self.ranks[i * self.each..(i + 1) * self.each]
    }

    #[track_caller]
    fn found(
        &self,
        x: &Tensor,
        axis: usize,
        firsts: Vec<i64>,
        inverse: Vec<i64>,
        counts: Vec<i64>,
    ) -> Result<(Tensor, Tensor, Tensor)> {
        let vector = |items: Vec<i64>| {
            let len = items.len();
            Tensor::from_vec(items, [len])
        };
        Ok((x.detach().index_select(axis as isize, &vector(firsts)?)?, vector(inverse)?, vector(counts)?))
    }
}
