//! Margins around tensors.

use super::slice::{cut, embed};
use crate::error::{Error, Result};
use crate::tensor::create::{check_shape, stale};
use crate::tensor::exec::index::numbered;
use crate::tensor::index::{Cut, whole};
use crate::tensor::{DType, MAX_DIMS, Tensor};

/// # Padding
///
/// ```
/// use demotic::tensor;
///
/// let x = tensor![1.0, 2.0, 3.0];
/// assert_eq!(x.pad_reflect(&[(2, 1)])?.to_f64_vec(), [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]);
/// assert_eq!(x.pad_replicate(&[(2, 1)])?.to_f64_vec(), [1.0, 1.0, 1.0, 2.0, 3.0, 3.0]);
/// assert_eq!(x.pad_circular(&[(2, 1)])?.to_f64_vec(), [2.0, 3.0, 1.0, 2.0, 3.0, 1.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// Adds `value` around the tensor: for each dimension, from the first to the last, how many places before and how
    /// many after. Fewer pairs are for the last dimensions. Negative numbers take places away.
    ///
    /// (PyTorch's `F.pad` takes the same numbers as one flat list, from the last dimension to the first.)
    ///
    /// Gradient: without the margins.
    ///
    /// # Errors
    /// If there are more pairs than dimensions, more is taken away than there is, or the result is too large.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let x = tensor![[1.0, 2.0]];
    /// assert_eq!(x.pad(&[(0, 1), (1, 0)], 9.0)?.to_vec::<f32>()?, [9.0, 1.0, 2.0, 9.0, 9.0, 9.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn pad(&self, pairs: &[(isize, isize)], value: f64) -> Result<Tensor> {
        let (inside, margins) = self.without_negative_margins("pad", pairs)?;
        let (mut shape, mut cuts) = (inside.layout().shape(), whole(inside.shape()));
        if margins.iter().all(|margin| *margin == (0, 0)) {
            return Ok(inside);
        }
        for (d, (before, after)) in margins.into_iter().enumerate().take(shape.len()) {
            cuts[d] = Cut::new(before, 1, shape[d]);
            shape[d] = shape[d].saturating_add(before).saturating_add(after);
        }
        embed("pad", &inside, shape, cuts, value)
    }

    /// Continues the tensor beyond its ends as if mirrored there, without repeating the outermost places:
    /// `3 2 [1 2 3] 2 1`. The pairs are those of [`pad`](Self::pad). Gradient: summed over the repetitions.
    ///
    /// # Errors
    /// As for [`pad`](Self::pad), or if a margin is not smaller than the dimension.
    #[track_caller]
    pub fn pad_reflect(&self, pairs: &[(isize, isize)]) -> Result<Tensor> {
        self.pad_by("pad_reflect", pairs, |size| size - 1, |i, size| if i < 0 { -i } else { 2 * (size - 1) - i })
    }

    /// Repeats the outermost places: `1 1 [1 2 3] 3 3`. The pairs are those of [`pad`](Self::pad).
    /// Gradient: summed over the repetitions.
    ///
    /// # Errors
    /// As for [`pad`](Self::pad), or if there is nothing to repeat.
    #[track_caller]
    pub fn pad_replicate(&self, pairs: &[(isize, isize)]) -> Result<Tensor> {
        self.pad_by("pad_replicate", pairs, |_| isize::MAX, |i, size| if i < 0 { 0 } else { size - 1 })
    }

    /// Continues the tensor beyond its ends with what is at the other end: `2 3 [1 2 3] 1 2`. The pairs are those of
    /// [`pad`](Self::pad). Gradient: summed over the repetitions.
    ///
    /// # Errors
    /// As for [`pad`](Self::pad), or if a margin is larger than the dimension.
    #[track_caller]
    pub fn pad_circular(&self, pairs: &[(isize, isize)]) -> Result<Tensor> {
        self.pad_by("pad_circular", pairs, |size| size, |i, size| if i < 0 { i + size } else { i - size })
    }

    /// Pads with the tensor's own places: `source(i, size)` is what stands at place `i < 0` or `i ≥ size`. A dimension
    /// of `size` allows margins of up to `limit(size)`.
    #[track_caller]
    fn pad_by(
        &self,
        name: &'static str,
        pairs: &[(isize, isize)],
        limit: fn(isize) -> isize,
        source: fn(isize, isize) -> isize,
    ) -> Result<Tensor> {
        let (mut out, margins) = self.without_negative_margins(name, pairs)?;
        let mut shape = out.layout().shape();
        for (d, (before, after)) in margins.into_iter().enumerate().take(shape.len()) {
            let margin = before.max(after);
            if margin > 0 && (shape[d] == 0 || margin > limit(shape[d] as isize) as usize) {
                let message = format!("a margin of {margin} for dimension {d} of {:?}", out.shape());
                return Err(Error::argument(name, message));
            }
            shape[d] = shape[d].saturating_add(before).saturating_add(after);
        }
        let shape = check_shape(name, &shape, self.dtype())?;
        if shape.contains(&0) {
            // There is nothing to continue, but the tables below would be as long as the margins.
            let cuts = whole(out.shape());
            return embed("embed", &out, shape, cuts, 0.0);
        }
        for (d, (before, after)) in margins.into_iter().enumerate().take(shape.len()) {
            if (before, after) == (0, 0) {
                continue;
            }
            let size = out.shape()[d] as isize;
            let table = numbered(stale(name, &[shape[d]], DType::I64)?, &mut |k| {
                let i = k as isize - before as isize;
                (if (0..size).contains(&i) { i } else { source(i, size) }) as i64
            });
            out = out.index_select(d as isize, &table)?;
        }
        Ok(out)
    }

    /// The margins of each dimension, and the tensor without those that are negative.
    #[track_caller]
    fn without_negative_margins(
        &self,
        name: &'static str,
        pairs: &[(isize, isize)],
    ) -> Result<(Tensor, [(usize, usize); MAX_DIMS])> {
        let Some(unpadded) = self.rank().checked_sub(pairs.len()) else {
            let message = format!("{} pairs for {:?}, which has {} dimensions", pairs.len(), self.shape(), self.rank());
            return Err(Error::argument(name, message));
        };
        let (mut margins, mut cuts) = ([(0, 0); MAX_DIMS], whole(self.shape()));
        for (d, &(before, after)) in pairs.iter().enumerate().map(|(i, pair)| (i + unpadded, pair)) {
            let size = self.shape()[d];
            let taken = |n: isize| if n < 0 { n.unsigned_abs() } else { 0 };
            let Some(len) = size.checked_sub(taken(before)).and_then(|n| n.checked_sub(taken(after))) else {
                let message = format!("({before}, {after}) takes more than dimension {d} of {:?} has", self.shape());
                return Err(Error::argument(name, message));
            };
            cuts[d] = Cut::new(taken(before), 1, len);
            margins[d] = (before.max(0) as usize, after.max(0) as usize);
        }
        let inside = if cuts == whole(self.shape()) { self.clone() } else { cut("narrow", self, cuts) };
        Ok((inside, margins))
    }
}
