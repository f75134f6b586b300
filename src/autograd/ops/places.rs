//! Filling, copying and reducing at numbered places; windows, turns, grids.

use super::gather::Rows;
use super::record;
use crate::error::{Error, Result};
use crate::tensor::argument::ScatterReduction;
use crate::tensor::create::check_shape;
use crate::tensor::exec::index::true_places;
use crate::tensor::layout::{broadcast, dim_index};
use crate::tensor::{DType, Tensor};

/// # At numbered places
///
/// ```
/// use demotic::{Tensor, tensor};
///
/// let x = tensor![[1.0, 2.0], [3.0, 4.0]];
/// assert_eq!(x.index_copy(0, &Tensor::from_nested([1i64])?, &tensor![[8.0, 9.0]])?.to_f64_vec(), [1.0, 2.0, 8.0, 9.0]);
/// assert_eq!(x.masked_scatter(&x.gt_scalar(2.0), &tensor![8.0, 9.0, 0.0])?.to_f64_vec(), [1.0, 2.0, 8.0, 9.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// The same with `value` in the numbered rows along a dimension. Gradient: 0 there.
    ///
    /// # Errors
    /// If `dim` or an index is out of range, or `value` is no value of the type.
    ///
    /// ```
    /// use demotic::{Tensor, tensor};
    ///
    /// let rows = Tensor::from_nested([0i64, 2])?;
    /// assert_eq!(tensor![1.0, 2.0, 3.0].index_fill(0, &rows, 9.0)?.to_vec::<f32>()?, [9.0, 2.0, 9.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn index_fill(&self, dim: isize, index: &Tensor, value: f64) -> Result<Tensor> {
        let rows = Rows::new("index_fill", self, dim, index)?;
        let mut shape = vec![1; self.rank()];
        shape[rows.dim] = rows.n;
        let filled = rows.index.bincount(None, rows.n)?.ne_scalar(0.0).reshape(shape.as_slice())?;
        self.masked_fill(&filled, value)
    }

    /// The same with the rows of `source` in the numbered rows along a dimension; of several for one place, the last stays.
    /// Gradient: of the rows that stay.
    ///
    /// # Errors
    /// If `dim` or an index is out of range, or the source has another type or shape than those rows.
    #[track_caller]
    pub fn index_copy(&self, dim: isize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        let rows = Rows::new("index_copy", self, dim, index)?;
        source.expect_dtype("index_copy", "the source", self.dtype())?;
        if source.shape() != &*rows.picked {
            let message = format!("a source of shape {:?}, expected {:?}", source.shape(), rows.picked);
            return Err(Error::shape("index_copy", message));
        }
        let mut shape = vec![1; self.rank()];
        shape[rows.dim] = rows.index.numel();
        self.scatter(dim, &rows.index.reshape(shape.as_slice())?.broadcast_to(source.shape())?, source)
    }

    /// The same with the elements of `source`, one after the other, where a mask is true. Gradients: to what stays, and to the
    /// elements that were taken.
    ///
    /// # Errors
    /// If the mask is not of type `Bool` or does not broadcast to the shape of the tensor, or there are fewer elements than
    /// places.
    #[track_caller]
    pub fn masked_scatter(&self, mask: &Tensor, source: &Tensor) -> Result<Tensor> {
        let name = "masked_scatter";
        mask.expect_dtype(name, "the mask", DType::Bool)?;
        source.expect_dtype(name, "the source", self.dtype())?;
        if broadcast(mask.shape(), self.shape()).is_none_or(|shape| *shape != *self.shape()) {
            let message = format!("a mask of shape {:?} does not broadcast to {:?}", mask.shape(), self.shape());
            return Err(Error::shape(name, message));
        }
        let places = true_places(&mask.expanded(&self.layout().shape())?);
        let count = places.numel();
        if source.numel() < count {
            let message = format!("{} elements for {count} places", source.numel());
            return Err(Error::shape(name, message));
        }
        let taken = source.reshape(-1)?.narrow(0, 0, count)?;
        self.reshape(-1)?.scatter(0, &places, &taken)?.reshape(self.shape())
    }

    /// What `source` sends to numbered places along a dimension, as [`scatter_add`](Self::scatter_add) does, reduced there; with
    /// the element that is there already, if `include_self`. Places to which nothing is sent stay. Gradients: those of the
    /// reduction; of equal extremes, to each its share. NaN is the largest and the smallest.
    ///
    /// # Errors
    /// As for [`scatter_add`](Self::scatter_add), and if the elements are not floating.
    ///
    /// ```
    /// use demotic::tensor::argument::ScatterReduction;
    /// use demotic::{Tensor, tensor};
    ///
    /// let places = Tensor::from_nested([0i64, 0, 1])?;
    /// let y = tensor![5.0, 5.0].scatter_reduce(0, &places, &tensor![1.0, 7.0, 2.0], ScatterReduction::Amax, true)?;
    /// assert_eq!(y.to_vec::<f32>()?, [7.0, 5.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "index_reduce")]
    #[track_caller]
    pub fn scatter_reduce(
        &self,
        dim: isize,
        index: &Tensor,
        source: &Tensor,
        reduction: ScatterReduction,
        include_self: bool,
    ) -> Result<Tensor> {
        let name = "scatter_reduce";
        self.expect_any_float(name, "the input")?;
        let none = Tensor::number(self.dtype(), 0.0).broadcast_to(index.shape())?;
        let emptied = |x: &Tensor| if include_self { Ok(x.clone()) } else { x.scatter(dim, index, &none) };
        match reduction {
            ScatterReduction::Sum => return emptied(self)?.scatter_add(dim, index, source),
            ScatterReduction::Mean => {
                let sum = emptied(self)?.scatter_add(dim, index, source)?;
                let one = Tensor::number(self.dtype(), 1.0).broadcast_to(index.shape())?;
                let count = emptied(&self.detach().ones_like())?.scatter_add(dim, index, &one)?;
                return sum.div(&count);
            }
            ScatterReduction::Amax | ScatterReduction::Amin | ScatterReduction::Prod => {}
        }
        // This also checks that the index fits.
        self.detach().scatter(dim, index, source)?;
        let mut part = source.clone();
        for (axis, size) in index.shape().iter().enumerate() {
            part = part.narrow(axis as isize, 0, *size)?;
        }
        if reduction == ScatterReduction::Prod {
            let one = Tensor::number(self.dtype(), 1.0);
            let (places, products) = products_of_runs(&part, index, dim)?;
            let sent = self.detach().ones_like().scatter(dim, &places, &products)?;
            let own = match include_self {
                true => self.clone(),
                false => self.scatter(dim, index, &one.broadcast_to(index.shape())?)?,
            };
            return own.mul(&sent);
        }
        let (own, sent) = (self.detach(), part.detach());
        // The last one that is sent to a place stays: the extreme, if they come in order. NaN is the last of all.
        let (ordered, order) = match reduction {
            ScatterReduction::Amin => sent.neg().sort(dim, false).map(|(ordered, order)| (ordered.neg(), order))?,
            _ => sent.sort(dim, false)?,
        };
        let out = own.scatter(dim, &index.gather(dim, &order)?, &ordered)?;
        let out = match (include_self, reduction) {
            (false, _) => out,
            (true, ScatterReduction::Amin) => own.minimum(&out)?,
            (true, _) => own.maximum(&out)?,
        };
        let shares = Shares { own, sent, index: index.clone(), dim, include_self };
        Ok(record("scatter_reduce", out, &[self, &part], |tape| {
            let of_self = shares.clone();
            tape.edge_with_output(self, move |g, y| g.mul(&of_self.of(y, g.dtype())?[0]));
            tape.edge_with_output(&part, move |g, y| g.gather(dim, &shares.index)?.mul(&shares.of(y, g.dtype())?[1]));
        }))
    }
}

/// The numbered places in ascending order along a dimension, and for each of them the product of what is sent there up to itself: the last
/// one of a place has all of it. Distances double, so there are as many rounds as a place has twice as many elements.
#[track_caller]
fn products_of_runs(sent: &Tensor, index: &Tensor, dim: isize) -> Result<(Tensor, Tensor)> {
    let (places, order) = index.sort(dim, false)?;
    let mut products = sent.gather(dim, &order)?;
    let one = Tensor::number(sent.dtype(), 1.0);
    let (size, mut distance) = (places.size(dim)?, 1);
    while distance < size {
        let rest = size - distance;
        let same = places.narrow(dim, distance, rest)?.eq(&places.narrow(dim, 0, rest)?)?;
        if same.any().item()? == 0.0 {
            break;
        }
        let before = same.where_(&products.narrow(dim, 0, rest)?, &one)?;
        let joined = products.narrow(dim, distance, rest)?.mul(&before)?;
        products = Tensor::cat(&[&products.narrow(dim, 0, distance)?, &joined], dim)?;
        distance *= 2;
    }
    Ok((places, products))
}

/// Who wins at each place, and shares its gradient with all who are equal.
#[derive(Clone)]
struct Shares {
    own: Tensor,
    sent: Tensor,
    index: Tensor,
    dim: isize,
    include_self: bool,
}

impl Shares {
    /// The shares of the elements that were there, and of those that were sent, for extremes `y`.
    fn of(&self, y: &Tensor, dtype: DType) -> Result<[Tensor; 2]> {
        // The engine hands on 16-bit results as wider ones.
        let y = y.detach().to_dtype(self.own.dtype());
        let none = Tensor::number(dtype, 0.0).broadcast_to(self.index.shape())?;
        // One NaN is as extreme as the other.
        let same = |a: &Tensor, b: &Tensor| a.eq(b)?.logical_or(&a.is_nan().logical_and(&b.is_nan())?);
        let stays = same(&self.own, &y)?.to_dtype(dtype);
        let stays = if self.include_self { stays } else { stays.scatter(self.dim, &self.index, &none)? };
        let wins = same(&self.sent, &y.gather(self.dim, &self.index)?)?.to_dtype(dtype);
        let count = stays.scatter_add(self.dim, &self.index, &wins)?;
        // Where nothing is sent, there is no count without `include_self`, and the gradient is that of what is there.
        let alone = count.eq_scalar(0.0);
        let count = count.masked_fill(&alone, 1.0)?;
        let there = stays.masked_fill(&alone, if self.include_self { 0.0 } else { 1.0 })?;
        Ok([there.div(&count)?, wins.div(&count.gather(self.dim, &self.index)?)?])
    }
}

/// # Windows, turns, grids
///
/// ```
/// use demotic::{Tensor, tensor};
///
/// assert_eq!(tensor![[1.0, 2.0], [3.0, 4.0]].rot90(1, [0, 1])?.to_f64_vec(), [2.0, 4.0, 1.0, 3.0]);
/// assert_eq!(Tensor::tril_indices(2, 2, 0)?.to_f64_vec(), [0.0, 1.0, 1.0, 0.0, 0.0, 1.0]);
/// assert_eq!(Tensor::triu_indices(2, 2, 1)?.to_f64_vec(), [0.0, 1.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// Windows of `size` elements along a dimension, `step` apart: they take its place, and what is in them is a dimension more,
    /// at the end. Gradient: summed over the windows.
    ///
    /// # Errors
    /// If `dim` is out of range, a window is larger than the dimension, or the step is 0.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let windows = tensor![1.0, 2.0, 3.0, 4.0].windows(0, 2, 1)?;
    /// assert_eq!(windows.shape(), [3, 2]);
    /// assert_eq!(windows.to_vec::<f32>()?, [1.0, 2.0, 2.0, 3.0, 3.0, 4.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "unfold")]
    #[track_caller]
    pub fn windows(&self, dim: isize, size: usize, step: usize) -> Result<Tensor> {
        let axis = dim_index("windows", dim, self.rank())?;
        let len = self.shape()[axis];
        if size > len || step == 0 {
            let message = format!("windows of {size}, {step} apart, for dimension {dim} of {:?}", self.shape());
            return Err(Error::argument("windows", message));
        }
        let count = (len - size) / step + 1;
        let mut shape = self.layout().shape();
        shape[axis] = count.saturating_mul(size);
        check_shape("windows", &shape, self.dtype())?;
        let begins = Tensor::arange(count)?.mul(&Tensor::integer(step as i64))?.unsqueeze(1)?;
        let places = begins.add(&Tensor::arange(size)?)?.reshape(-1)?;
        let taken = self.index_select(axis as isize, &places)?;
        taken.unflatten(axis as isize, [count, size])?.movedim(axis as isize + 1, -1)
    }

    /// Turned by `k` times 90°, from the first of two dimensions towards the second.
    ///
    /// # Errors
    /// If a dimension is out of range, or both are the same.
    #[track_caller]
    pub fn rot90(&self, k: isize, dims: [isize; 2]) -> Result<Tensor> {
        let [a, b] = dims;
        if dim_index("rot90", a, self.rank())? == dim_index("rot90", b, self.rank())? {
            return Err(Error::argument("rot90", format!("dimensions {a} and {b} are the same")));
        }
        match k.rem_euclid(4) {
            0 => Ok(self.clone()),
            1 => self.flip(&[b])?.transpose(a, b),
            2 => self.flip(&[a, b]),
            _ => self.flip(&[a])?.transpose(a, b),
        }
    }

    /// The tensor `times[i]` times along each dimension `i`, counted from the last one; what is not named stays.
    ///
    /// # Errors
    /// If the result is too large.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// assert_eq!(tensor![[1.0], [2.0]].tile(&[2])?.to_vec::<f32>()?, [1.0, 1.0, 2.0, 2.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn tile(&self, times: &[usize]) -> Result<Tensor> {
        let missing = self.rank().saturating_sub(times.len());
        let all: Vec<usize> = std::iter::repeat_n(1, missing).chain(times.iter().copied()).collect();
        self.repeat(&all)
    }

    /// The grid of several vectors: for each of them a tensor with a dimension for every vector, along which it runs, as with
    /// `indexing="ij"`.
    ///
    /// # Errors
    /// If there are no vectors, one is none, or the grid is too large.
    ///
    /// ```
    /// use demotic::{Tensor, tensor};
    ///
    /// let grid = Tensor::meshgrid(&[&tensor![1.0, 2.0], &tensor![3.0, 4.0, 5.0]])?;
    /// assert_eq!(grid[0].to_vec::<f32>()?, [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
    /// assert_eq!(grid[1].to_vec::<f32>()?, [3.0, 4.0, 5.0, 3.0, 4.0, 5.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn meshgrid(vectors: &[&Tensor]) -> Result<Vec<Tensor>> {
        if let Some(other) = vectors.iter().find(|x| x.rank() > 1) {
            return Err(Error::shape("meshgrid", format!("a tensor of shape {:?}, expected vectors", other.shape())));
        }
        let sizes: Vec<usize> = vectors.iter().map(|x| x.numel()).collect();
        let mut grid = Vec::with_capacity(vectors.len().min(crate::tensor::MAX_DIMS));
        for (axis, vector) in vectors.iter().enumerate() {
            let shape = check_shape("meshgrid", &sizes, vector.dtype())?;
            let mut own = vec![1; shape.len()];
            own[axis] = vector.numel();
            grid.push(vector.reshape(own.as_slice())?.broadcast_to(&*shape)?);
        }
        match grid.is_empty() {
            true => Err(Error::argument("meshgrid", "there are no vectors")),
            false => Ok(grid),
        }
    }

    /// The rows and columns of what is on and below a diagonal of a matrix, `[2, count]` of type `I64`; see
    /// [`tril`](Self::tril).
    ///
    /// # Errors
    /// If the matrix does not fit into memory.
    #[track_caller]
    pub fn tril_indices(rows: usize, columns: usize, diagonal: isize) -> Result<Tensor> {
        Ok(Tensor::ones([rows, columns])?.tril(diagonal)?.nonzero()?.t().contiguous())
    }

    /// The rows and columns of what is on and above a diagonal of a matrix, `[2, count]` of type `I64`; see
    /// [`triu`](Self::triu).
    ///
    /// # Errors
    /// If the matrix does not fit into memory.
    #[track_caller]
    pub fn triu_indices(rows: usize, columns: usize, diagonal: isize) -> Result<Tensor> {
        Ok(Tensor::ones([rows, columns])?.triu(diagonal)?.nonzero()?.t().contiguous())
    }
}
