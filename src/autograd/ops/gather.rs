//! Elements by number: index tensors and masks.
//!
//! Indices are of type `I64` and count from 0; [`Tensor::index`] also takes negative ones. Where several source
//! elements go to one place, they do so in the order of the source, whatever the number of threads.

use super::arithmetic::multiple;
use super::record;
use super::slice::cut;
use crate::error::{Error, Result};
use crate::tensor::create::{check_shape, check_view, stale};
use crate::tensor::exec::index::{self as exec, Adding, out_of_range, true_places, zeros};
use crate::tensor::index::{Cut, whole};
use crate::tensor::layout::{Dims, broadcast, dim_index};
use crate::tensor::{DType, MAX_DIMS, Tensor};

/// # Picking and placing by index
///
/// ```
/// use demotic::{Tensor, tensor};
///
/// let x = tensor![[1.0, 2.0], [3.0, 4.0]];
/// let index = Tensor::from_nested([0i64, 0])?;
/// assert_eq!(x.index_add(0, &index, &tensor![[10.0, 10.0], [20.0, 20.0]])?.to_f64_vec(), [31.0, 32.0, 3.0, 4.0]);
/// let index = Tensor::from_nested([[1i64], [0]])?;
/// assert_eq!(x.take_along_dim(&index, 1)?.to_f64_vec(), [2.0, 3.0]);
/// assert_eq!(x.scatter(1, &index, &tensor![[0.0], [9.0]])?.to_f64_vec(), [1.0, 0.0, 9.0, 4.0]);
/// assert_eq!(x.scatter_add(1, &index, &tensor![[7.0], [9.0]])?.to_f64_vec(), [1.0, 9.0, 12.0, 4.0]);
/// assert_eq!(x.masked_select(&x.gt_scalar(2.0))?.to_f64_vec(), [3.0, 4.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// The places along dimension `dim` that the vector `index` lists. Gradient: each row of `g` added to the place
    /// that it came from.
    ///
    /// # Errors
    /// If `dim` or an index is out of range, or `index` is not a vector of type `I64`.
    ///
    /// ```
    /// use demotic::{Tensor, tensor};
    ///
    /// let embedding = tensor![[0.0, 0.1], [1.0, 1.1], [2.0, 2.1]];
    /// let tokens = Tensor::from_nested([2i64, 0, 2])?;
    /// let rows = embedding.index_select(0, &tokens)?;
    /// assert_eq!(rows.to_vec::<f32>()?, [2.0, 2.1, 0.0, 0.1, 2.0, 2.1]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "take")]
    #[track_caller]
    pub fn index_select(&self, dim: isize, index: &Tensor) -> Result<Tensor> {
        let _timer = crate::profile::op("index_select");
        let rows = Rows::new("index_select", self, dim, index)?;
        let mut out = stale("index_select", &rows.picked, self.dtype())?;
        exec::take_rows(self, [rows.n, rows.inner], &rows.index, &mut out);
        Ok(record("index_select", out, &[self], |tape| {
            let shape = self.layout().shape();
            let keeps_examples = rows.dim > 0;
            tape.edge(self, move |g| Ok(rows.sum(g, &shape)));
            tape.keeps_examples(self, keeps_examples);
        }))
    }

    /// This tensor with the places of `source` along dimension `dim` added to those that the vector `index` lists. A
    /// place that it lists more than once gets all of them.
    ///
    /// Gradients: `g`, and the listed places of `g`.
    ///
    /// # Errors
    /// If `dim` or an index is out of range, `index` is not a vector of type `I64`, or the source has another type or
    /// shape.
    #[track_caller]
    pub fn index_add(&self, dim: isize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        let _timer = crate::profile::op("index_add");
        check_numbers("index_add", self, source)?;
        let rows = Rows::new("index_add", self, dim, index)?;
        if source.shape() != &*rows.picked {
            let message = format!("a source of shape {:?}, expected {:?}", source.shape(), rows.picked);
            return Err(Error::shape("index_add", message));
        }
        let out = rows.add(self.detach(), source);
        Ok(record("index_add", out, &[self, source], |tape| {
            tape.edge(self, |g| Ok(g.clone()));
            tape.keeps_examples(self, rows.dim > 0);
            let index = rows.index.clone();
            tape.edge(source, move |g| g.index_select(dim, &index));
            tape.keeps_examples(source, rows.dim > 0);
        }))
    }

    /// The same with `alpha` times the source: PyTorch's `index_add` with `alpha`. Gradients: `g`, and `alpha` times the listed
    /// places of `g`.
    ///
    /// # Errors
    /// As for [`index_add`](Self::index_add), or if `alpha` is no whole number for integers.
    ///
    /// ```
    /// use demotic::{Tensor, tensor};
    ///
    /// let index = Tensor::from_nested([1i64, 1])?;
    /// let y = tensor![1.0, 2.0].index_add_alpha(0, &index, &tensor![10.0, 20.0], 0.5)?;
    /// assert_eq!(y.to_vec::<f32>()?, [1.0, 17.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn index_add_alpha(&self, dim: isize, index: &Tensor, source: &Tensor, alpha: f64) -> Result<Tensor> {
        check_numbers("index_add_alpha", self, source)?;
        self.index_add(dim, index, &multiple("index_add_alpha", source, alpha)?)
    }

    /// The elements at the given places along dimension `dim`: `out[i, j, k] = x[i, index[i, j, k], k]` for `dim` 1.
    /// The index may be smaller than the tensor in the other dimensions.
    ///
    /// Gradient: `g` added to the places that its elements came from.
    ///
    /// # Errors
    /// If `dim` or an index is out of range, or `index` is not of type `I64` or has a wrong shape.
    ///
    /// ```
    /// use demotic::{Tensor, tensor};
    ///
    /// let x = tensor![[0.1, 0.9], [0.7, 0.3]];
    /// let labels = Tensor::from_nested([[1i64], [0]])?;
    /// assert_eq!(x.gather(-1, &labels)?.to_vec::<f32>()?, [0.9, 0.7]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn gather(&self, dim: isize, index: &Tensor) -> Result<Tensor> {
        let _timer = crate::profile::op("gather");
        let places = Places::new("gather", self, dim, index)?;
        let mut out = stale("gather", index.shape(), self.dtype())?;
        exec::gather(self, places.dim, &places.index, &mut out);
        Ok(record("gather", out, &[self], |tape| {
            let shape = self.layout().shape();
            let keeps_examples = places.dim > 0;
            tape.edge(self, move |g| Ok(places.sum(g, &shape)));
            tape.keeps_examples(self, keeps_examples);
        }))
    }

    /// The same with the other dimensions of tensor and index broadcast to each other: the companion of `argsort` and
    /// `argmax` with `keepdim`.
    ///
    /// # Errors
    /// As for [`gather`](Self::gather), or if the shapes do not broadcast.
    #[track_caller]
    pub fn take_along_dim(&self, index: &Tensor, dim: isize) -> Result<Tensor> {
        let at = dim_index("take_along_dim", dim, self.rank())?;
        let (mut own, mut wanted) = (self.layout().shape(), index.layout().shape());
        let sizes = (own[at], wanted.get(at).copied().unwrap_or(1));
        let same_rank = own.len() == wanted.len();
        if same_rank {
            (own[at], wanted[at]) = (1, 1);
        }
        let Some(mut shape) = broadcast(&own, &wanted).filter(|_| same_rank) else {
            let (a, b) = (self.shape(), index.shape());
            return Err(Error::shape("take_along_dim", format!("an index of shape {b:?} for {a:?}"))
                .with_help("they must have as many dimensions, and broadcast in all but the one that is indexed"));
        };
        shape[at] = sizes.0;
        let x = self.broadcast_to(&*shape)?;
        shape[at] = sizes.1;
        x.gather(dim, &index.broadcast_to(&*shape)?)
    }

    /// This tensor with elements of `source` put at the given places along dimension `dim`:
    /// `out[i, index[i, j, k], k] = source[i, j, k]` for `dim` 1. If several go to one place, the last one stays. The
    /// index may be smaller than tensor and source.
    ///
    /// Gradients: `g` with zeros where something was put; for the source, `g` where its elements stayed.
    ///
    /// # Errors
    /// If `dim` or an index is out of range, `index` is not of type `I64`, or a type or shape does not fit.
    #[track_caller]
    pub fn scatter(&self, dim: isize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        let _timer = crate::profile::op("scatter");
        source.expect_dtype("scatter", "the source", self.dtype())?;
        let places = Places::new("scatter", self, dim, index)?;
        let source = places.part_of("scatter", source)?;
        let mut out = self.packed();
        exec::scatter(&mut out, places.dim, &places.index, &source);
        Ok(record("scatter", out, &[self, &source], |tape| {
            let own = places.clone();
            tape.edge(self, move |g| {
                let zeros = Tensor::scalar(0.0).to_dtype(g.dtype());
                g.scatter(dim, &own.index, &zeros.expanded(&own.index.layout().shape())?)
            });
            let shape = self.layout().shape();
            tape.edge(&source, move |g| g.gather(dim, &places.index)?.mul(&places.stayed(&shape, g.dtype())?));
        }))
    }

    /// This tensor with elements of `source` added at the given places along dimension `dim`:
    /// `out[i, index[i, j, k], k] += source[i, j, k]` for `dim` 1. The index may be smaller than tensor and source.
    ///
    /// Gradients: `g`, and the elements of `g` at the given places.
    ///
    /// # Errors
    /// If `dim` or an index is out of range, `index` is not of type `I64`, or a type or shape does not fit.
    #[track_caller]
    pub fn scatter_add(&self, dim: isize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        let _timer = crate::profile::op("scatter_add");
        check_numbers("scatter_add", self, source)?;
        let places = Places::new("scatter_add", self, dim, index)?;
        let source = places.part_of("scatter_add", source)?;
        let out = places.add(self.detach(), &source);
        Ok(record("scatter_add", out, &[self, &source], |tape| {
            tape.edge(self, |g| Ok(g.clone()));
            tape.edge(&source, move |g| g.gather(dim, &places.index));
        }))
    }

    /// The elements where `mask` is true, as a vector in row-major order. Tensor and mask broadcast to each other.
    /// Gradient: zero where the mask is false.
    ///
    /// # Errors
    /// If the mask is not of type `Bool` or the shapes do not broadcast.
    #[track_caller]
    pub fn masked_select(&self, mask: &Tensor) -> Result<Tensor> {
        mask.expect_dtype("masked_select", "the mask", DType::Bool)?;
        let Some(shape) = broadcast(self.shape(), mask.shape()) else {
            let message = format!("shapes {:?} and {:?} do not broadcast", self.shape(), mask.shape());
            return Err(Error::shape("masked_select", message));
        };
        check_shape("masked_select", &shape, self.dtype())?;
        if *shape != *self.shape() && *shape != *mask.shape() {
            check_view("masked_select", self.shape(), &shape)?;
        }
        let (x, mask) = (self.expanded(&shape)?, mask.expanded(&shape)?);
        x.reshape(-1)?.index_select(0, &true_places(&mask))
    }

    /// A vector of zeros for each number, with a one at the place that it says: `[..]` becomes `[.., classes]`, of type
    /// `I64`. There is no gradient.
    ///
    /// # Errors
    /// If the numbers are not of type `I64` or not below `classes`, or the result is too large.
    ///
    /// ```
    /// use demotic::Tensor;
    ///
    /// let labels = Tensor::from_nested([1i64, 0])?;
    /// assert_eq!(labels.one_hot(3)?.to_vec::<i64>()?, [0, 1, 0, 1, 0, 0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn one_hot(&self, classes: usize) -> Result<Tensor> {
        let _timer = crate::profile::op("one_hot");
        let labels = indices("one_hot", "the index", self)?;
        if let Some((i, label)) = out_of_range(&labels, classes) {
            let message = format!("label {label} (element {i}) for {classes} classes");
            return Err(Error::index("one_hot", message).with_help("labels count from 0"));
        }
        if self.rank() == MAX_DIMS {
            let message = format!("{:?} has as many dimensions as a tensor can have", self.shape());
            return Err(Error::shape("one_hot", message));
        }
        let mut shape = self.layout().shape();
        shape.push(classes);
        let mut out = stale("one_hot", &shape, DType::I64)?;
        exec::one_hot(&labels, classes, &mut out);
        Ok(out)
    }
}

/// Indices in row-major order. Those of type `I32` are taken as well.
#[track_caller]
pub(super) fn indices(name: &'static str, what: &str, index: &Tensor) -> Result<Tensor> {
    if index.dtype() == DType::I32 {
        return Ok(index.cast(DType::I64));
    }
    index.expect_dtype(name, what, DType::I64)?;
    Ok(index.packed())
}

/// The indices in row-major order, all of them in range.
#[track_caller]
fn checked(name: &'static str, x: &Tensor, dim: usize, index: &Tensor) -> Result<Tensor> {
    let index = indices(name, "the index", index)?;
    let size = x.shape()[dim];
    let Some((at, wrong)) = out_of_range(&index, size) else { return Ok(index) };
    let message =
        format!("index {wrong} (element {at}) is out of range for dimension {dim} of {:?} (size {size})", x.shape());
    let error = Error::index(name, message);
    Err(if wrong < 0 { error.with_help("only x.index(..) takes negative indices") } else { error })
}

#[track_caller]
pub(super) fn check_numbers(name: &'static str, x: &Tensor, source: &Tensor) -> Result<()> {
    source.expect_dtype(name, "the source", x.dtype())?;
    if x.dtype() == DType::Bool {
        return Err(Error::dtype(name, "truth values cannot be added").with_help("convert with to_dtype(DType::I64)"));
    }
    Ok(())
}

/// A vector of indices along one dimension of a tensor that is seen as `[outer, n, inner]`.
#[derive(Clone)]
pub(super) struct Rows {
    pub(super) index: Tensor,
    pub(super) n: usize,
    pub(super) inner: usize,
    /// The shape of the places that the index lists.
    pub(super) picked: Dims,
    pub(super) dim: usize,
}

impl Rows {
    #[track_caller]
    pub(super) fn new(name: &'static str, x: &Tensor, dim: isize, index: &Tensor) -> Result<Self> {
        let at = dim_index(name, dim, x.rank())?;
        if index.rank() != 1 {
            let message = format!("the index has shape {:?}, expected a vector", index.shape());
            return Err(Error::shape(name, message).with_help("x.index(&index) takes an index of any shape"));
        }
        let index = checked(name, x, at, index)?;
        let mut picked = x.layout().shape();
        picked[at] = index.numel();
        check_shape(name, &picked, x.dtype())?;
        Ok(Self { index, n: x.shape()[at], inner: x.shape()[at + 1..].iter().product(), picked, dim: at })
    }

    /// `base` with the source's rows added. Not recorded.
    fn add(&self, mut base: Tensor, source: &Tensor) -> Tensor {
        self.add_to(&mut base, source);
        base
    }

    /// The same in place.
    pub(super) fn add_to(&self, base: &mut Tensor, source: &Tensor) {
        exec::add(base, source, Adding::Rows { n: self.n, inner: self.inner, index: &self.index });
    }

    /// Zeros with the source's rows added: the gradient of taking them.
    pub(super) fn sum(&self, source: &Tensor, shape: &[usize]) -> Tensor {
        let out = self.add(zeros(shape, source.dtype()), source);
        record("index_sum", out, &[source], |tape| {
            let (index, dim) = (self.index.clone(), self.dim as isize);
            tape.edge(source, move |g| g.index_select(dim, &index));
        })
    }
}

/// An index for each element, along one dimension.
#[derive(Clone)]
struct Places {
    index: Tensor,
    dim: usize,
}

impl Places {
    #[track_caller]
    fn new(name: &'static str, x: &Tensor, dim: isize, index: &Tensor) -> Result<Self> {
        let at = dim_index(name, dim, x.rank())?;
        let smaller = |d: usize| d == at || index.shape()[d] <= x.shape()[d];
        if index.rank() != x.rank() || !(0..x.rank()).all(smaller) {
            let message = format!("an index of shape {:?} for {:?} along dimension {dim}", index.shape(), x.shape());
            return Err(Error::shape(name, message)
                .with_help("it must have as many dimensions, none larger except the one that is indexed"));
        }
        Ok(Self { index: checked(name, x, at, index)?, dim: at })
    }

    /// The part of `source` that there are indices for.
    #[track_caller]
    fn part_of(&self, name: &'static str, source: &Tensor) -> Result<Tensor> {
        let shape = self.index.shape();
        if source.rank() != shape.len() || source.shape().iter().zip(shape).any(|(n, wanted)| n < wanted) {
            let message = format!("a source of shape {:?} for an index of {shape:?}", source.shape());
            return Err(Error::shape(name, message).with_help("there must be an element for each index"));
        }
        if source.shape() == shape {
            return Ok(source.clone());
        }
        let mut cuts = whole(source.shape());
        shape.iter().zip(&mut cuts).for_each(|(n, cut)| *cut = Cut::whole(*n));
        Ok(cut("narrow", source, cuts))
    }

    /// `base` with the source's elements added. Not recorded.
    fn add(&self, mut base: Tensor, source: &Tensor) -> Tensor {
        exec::add(&mut base, source, Adding::Places { dim: self.dim, index: &self.index });
        base
    }

    /// Zeros with the source's elements added: the gradient of gathering them.
    fn sum(&self, source: &Tensor, shape: &[usize]) -> Tensor {
        let out = self.add(zeros(shape, source.dtype()), source);
        record("scatter_sum", out, &[source], |tape| {
            let (index, dim) = (self.index.clone(), self.dim as isize);
            tape.edge(source, move |g| g.gather(dim, &index));
        })
    }

    /// One for each element that is the last to go to its place in a tensor of `shape`, zero for the others.
    fn stayed(&self, shape: &[usize], dtype: DType) -> Result<Tensor> {
        let numbers = exec::numbered(Tensor::stale(DType::I64, self.index.shape()), &mut |i| i as i64);
        let mut last = zeros(shape, DType::I64);
        exec::scatter(&mut last, self.dim, &self.index, &numbers);
        let mut found = Tensor::stale(DType::I64, self.index.shape());
        exec::gather(&last, self.dim, &self.index, &mut found);
        Ok(found.eq(&numbers)?.cast(dtype))
    }
}
