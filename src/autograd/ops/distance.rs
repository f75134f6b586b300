//! Distances, similarities, and products of whole tensors.

use std::panic::Location;

use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tensor::layout::dim_index;

/// # Distances and products of tensors
///
/// ```
/// use demotic::tensor;
///
/// let (a, b) = (tensor![[1.0, 2.0], [3.0, 4.0]], tensor![[1.0, 2.0], [0.0, 0.0]]);
/// assert_eq!(a.pairwise_distance(&b, 2.0, 0.0, false)?.to_f64_vec(), [0.0, 5.0]);
/// assert_eq!(a.tensordot_dims(&a, &[0, 1], &[0, 1])?.item()?, 30.0);
/// let (variance, mean) = a.var_mean(&[1], 0.0, false)?;
/// assert_eq!((variance.to_f64_vec(), mean.to_f64_vec()), (vec![0.25; 2], vec![1.5, 3.5]));
/// assert_eq!(a.std_mean(&[1], 0.0, false)?.0.to_f64_vec(), [0.5; 2]);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// The `p`-norms of the differences of all pairs of rows: of `[.., n, features]` and `[.., m, features]` the distances
    /// `[.., n, m]`. The differences of all pairs are computed, and take memory.
    ///
    /// # Errors
    /// If the element types or the features differ, or `p` is negative.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let d = tensor![[0.0, 0.0], [3.0, 0.0]].cdist(&tensor![[0.0, 4.0]], 2.0)?;
    /// assert_eq!(d.to_vec::<f32>()?, [4.0, 5.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn cdist(&self, other: &Tensor, p: f64) -> Result<Tensor> {
        let features = |x: &Tensor| x.shape().last().copied().filter(|_| x.rank() > 1);
        if features(self).is_none() || features(self) != features(other) {
            let message =
                format!("{:?} and {:?}, expected [.., n, features] and [.., m, features]", self.shape(), other.shape());
            return Err(Error::shape("cdist", message));
        }
        expect_order("cdist", p)?;
        self.unsqueeze(-2)?.sub(&other.unsqueeze(-3)?)?.norm_dims(p, &[-1], false)
    }

    /// The `p`-norm of `a − b + eps` over the last dimension, of shapes that broadcast. PyTorch's defaults are `2.0, 1e-6, false`.
    ///
    /// # Errors
    /// If the element types differ, the shapes do not broadcast, or `p` is negative.
    #[track_caller]
    pub fn pairwise_distance(&self, other: &Tensor, p: f64, eps: f64, keepdim: bool) -> Result<Tensor> {
        expect_order("pairwise_distance", p)?;
        self.sub(other)?.add_scalar(eps).norm_dims(p, &[-1], keepdim)
    }

    /// The cosine of the angle between vectors along a dimension, of shapes that broadcast: `a · b / (|a| |b|)`, where lengths
    /// count as `eps` at least. PyTorch's default is `1e-8`.
    ///
    /// # Errors
    /// If the element types differ or are not floating, the shapes do not broadcast, or `dim` is out of range.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let cosine = tensor![1.0, 0.0].cosine_similarity(&tensor![3.0, 4.0], 0, 1e-8)?;
    /// assert_eq!(cosine.item()?, f64::from(0.6f32));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn cosine_similarity(&self, other: &Tensor, dim: isize, eps: f64) -> Result<Tensor> {
        self.expect_any_float("cosine_similarity", "the first operand")?;
        let rank = self.rank().max(other.rank());
        let at = dim_index("cosine_similarity", dim, rank)? as isize;
        // Counted from the end, it is the same dimension of both.
        let dim = at - rank as isize;
        let (a, b) = (self.of_rank(rank)?, other.of_rank(rank)?);
        let along = |x: &Tensor| x.div(&x.norm_dims(2.0, &[dim], true)?.clamp_min(eps));
        along(&a)?.mul(&along(&b)?)?.sum_dims(&[dim], false)
    }

    /// With ones before the sizes, so that there are `rank` of them.
    #[track_caller]
    fn of_rank(&self, rank: usize) -> Result<Tensor> {
        let missing = rank.saturating_sub(self.rank());
        let shape: Vec<usize> = std::iter::repeat_n(1, missing).chain(self.shape().iter().copied()).collect();
        self.reshape(shape.as_slice())
    }

    /// The cross product of vectors of three numbers along a dimension; the others broadcast. Of tensors of different rank, the dimension is
    /// counted from the end.
    ///
    /// # Errors
    /// If the element types differ, the dimension does not have size 3 in both, or the shapes do not broadcast; if it is counted from the
    /// beginning of tensors of different rank.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let z = tensor![1.0, 0.0, 0.0].cross(&tensor![0.0, 1.0, 0.0], 0)?;
    /// assert_eq!(z.to_vec::<f32>()?, [0.0, 0.0, 1.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn cross(&self, other: &Tensor, dim: isize) -> Result<Tensor> {
        if self.size(dim)? != 3 || other.size(dim)? != 3 {
            let message = format!("{:?} and {:?}, expected size 3 along dimension {dim}", self.shape(), other.shape());
            return Err(Error::shape("cross", message));
        }
        if dim >= 0 && self.rank() != other.rank() {
            let message = format!("{:?} and {:?} have different dimensions {dim}", self.shape(), other.shape());
            return Err(
                Error::shape("cross", message).with_help("count the dimension from the end: -1 is the last one")
            );
        }
        let next = |x: &Tensor, n: isize| x.roll(&[-n], &[dim]);
        next(self, 1)?.mul(&next(other, 2)?)?.sub(&next(self, 2)?.mul(&next(other, 1)?)?)
    }

    /// The Kronecker product: each element of the first times the whole second one, in its place.
    ///
    /// # Errors
    /// If the element types differ, or the result is too large.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let y = tensor![[1.0, 10.0]].kron(&tensor![[1.0, 2.0]])?;
    /// assert_eq!(y.to_vec::<f32>()?, [1.0, 2.0, 10.0, 20.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn kron(&self, other: &Tensor) -> Result<Tensor> {
        let rank = self.rank().max(other.rank());
        if rank * 2 > crate::tensor::MAX_DIMS {
            let message =
                format!("{:?} and {:?} have more dimensions than a product can have", self.shape(), other.shape());
            return Err(Error::shape("kron", message));
        }
        let (a, b) = (self.of_rank(rank)?, other.of_rank(rank)?);
        let (mut of_a, mut of_b, mut shape) = (Vec::new(), Vec::new(), Vec::new());
        for (n, m) in a.shape().iter().zip(b.shape()) {
            of_a.extend([*n, 1]);
            of_b.extend([1, *m]);
            shape.push(n.saturating_mul(*m));
        }
        a.reshape(of_a.as_slice())?.mul(&b.reshape(of_b.as_slice())?)?.reshape(shape.as_slice())
    }

    /// The sum of products over the last `n` dimensions of the first and the first `n` of the second.
    ///
    /// # Errors
    /// If the element types differ, or the sizes of these dimensions.
    ///
    /// ```
    /// use demotic::Tensor;
    ///
    /// let y = Tensor::ones([2, 3, 4])?.tensordot(&Tensor::ones([3, 4, 5])?, 2)?;
    /// assert_eq!((y.shape(), y.to_vec::<f32>()?[0]), (&[2, 5][..], 12.0));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn tensordot(&self, other: &Tensor, n: usize) -> Result<Tensor> {
        if n > self.rank() || n > other.rank() {
            let message = format!("{n} dimensions of {:?} and {:?}", self.shape(), other.shape());
            return Err(Error::argument("tensordot", message));
        }
        let of_self: Vec<isize> = (self.rank() - n..self.rank()).map(|i| i as isize).collect();
        let of_other: Vec<isize> = (0..n as isize).collect();
        self.tensordot_dims(other, &of_self, &of_other)
    }

    /// The same over the dimensions that are named, in pairs.
    ///
    /// # Errors
    /// If the element types differ, the numbers of dimensions, or their sizes, or one is named twice.
    #[track_caller]
    pub fn tensordot_dims(&self, other: &Tensor, of_self: &[isize], of_other: &[isize]) -> Result<Tensor> {
        let name = "tensordot";
        // The dimensions that stay, those that are summed over, and all others' sizes.
        let caller = Location::caller();
        let parts = |x: &Tensor, dims: &[isize]| -> Result<(Vec<isize>, Vec<isize>)> {
            let summed =
                dims.iter().map(|dim| Ok(dim_index(name, *dim, x.rank())? as isize)).collect::<Result<Vec<_>>>()?;
            if let Some(twice) = summed.iter().enumerate().find(|(i, dim)| summed[..*i].contains(dim)) {
                return Err(Error::argument(name, format!("dimension {} is named twice", dims[twice.0])).at(caller));
            }
            let stay = (0..x.rank() as isize).filter(|dim| !summed.contains(dim)).collect();
            Ok((stay, summed))
        };
        let ((rows, a), (columns, b)) = (parts(self, of_self)?, parts(other, of_other)?);
        let sizes = |x: &Tensor, dims: &[isize]| dims.iter().map(|dim| x.shape()[*dim as usize]).collect::<Vec<_>>();
        let (summed, summed_of_other) = (sizes(self, &a), sizes(other, &b));
        if summed != summed_of_other {
            let message =
                format!("sizes {summed:?} of {:?} and {summed_of_other:?} of {:?}", self.shape(), other.shape());
            return Err(Error::shape(name, message));
        }
        let (height, width) = (sizes(self, &rows), sizes(other, &columns));
        let count: usize = summed.iter().product();
        let left = self.permute(&[rows, a].concat())?.reshape([height.iter().product(), count])?;
        let right = other.permute(&[b, columns].concat())?.reshape([count, width.iter().product()])?;
        left.matmul(&right)?.reshape([height, width].concat().as_slice())
    }

    /// Standard deviation and mean over dimensions; see [`std_dims`](Self::std_dims).
    ///
    /// # Errors
    /// If a dimension is out of range or named twice.
    #[track_caller]
    pub fn std_mean(&self, dims: &[isize], correction: f64, keepdim: bool) -> Result<(Tensor, Tensor)> {
        Ok((self.std_dims(dims, correction, keepdim)?, self.mean_dims(dims, keepdim)?))
    }

    /// Variance and mean over dimensions; see [`var_dims`](Self::var_dims).
    ///
    /// # Errors
    /// If a dimension is out of range or named twice.
    #[track_caller]
    pub fn var_mean(&self, dims: &[isize], correction: f64, keepdim: bool) -> Result<(Tensor, Tensor)> {
        Ok((self.var_dims(dims, correction, keepdim)?, self.mean_dims(dims, keepdim)?))
    }
}

#[track_caller]
fn expect_order(name: &'static str, p: f64) -> Result<()> {
    match p >= 0.0 {
        true => Ok(()),
        false => Err(Error::argument(name, format!("p is {p}, expected a number from 0 on"))),
    }
}
