//! Parts of a tensor: along one dimension, by an index over all of them, and putting parts in.

use super::gather::true_places;
use super::record;
use super::shape::reshape;
use crate::error::{Error, Result, bug};
use crate::tensor::create::stale;
use crate::tensor::dtype::{with_element, with_float};
use crate::tensor::index::{Cut, Cuts, Index, Indices, IntoPlaces, whole};
use crate::tensor::kernels::index::{self as kernel, Place, place};
use crate::tensor::layout::{Dims, Layout, dim_index, plural};
use crate::tensor::{DType, MAX_DIMS, Tensor};

impl Tensor {
    /// A view of `len` places along dimension `dim` from `start` on. Gradient: zero elsewhere.
    ///
    /// # Errors
    /// If `dim` is out of range or the places reach beyond its end.
    #[track_caller]
    pub fn narrow(&self, dim: isize, start: usize, len: usize) -> Result<Tensor> {
        let at = dim_index("narrow", dim, self.rank())?;
        let size = self.shape()[at];
        if start.checked_add(len).is_none_or(|end| end > size) {
            let message = format!(
                "{len} place{} from {start} on, but dimension {dim} of {:?} has size {size}",
                plural(len),
                self.shape()
            );
            return Err(Error::index("narrow", message));
        }
        let mut cuts = whole(self.shape());
        cuts[at] = Cut::new(start, 1, len);
        Ok(cut("narrow", self, cuts))
    }

    /// A view of a range of places along dimension `dim`: `x.slice(0, 1..3)`, or with a step `x.slice(0, Step(.., 2))`.
    ///
    /// Ranges follow Python: negative bounds count from the end, and bounds beyond the ends are moved there.
    /// Gradient: zero elsewhere.
    ///
    /// # Errors
    /// If `dim` is out of range or the step is 0.
    ///
    /// ```
    /// use demotic::{Tensor, tensor::index::Step};
    ///
    /// let x = Tensor::arange(7)?;
    /// assert_eq!(x.slice(0, -3..)?.to_vec::<i64>()?, [4, 5, 6]);
    /// assert_eq!(x.slice(0, Step(1..6, 2))?.to_vec::<i64>()?, [1, 3, 5]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn slice(&self, dim: isize, places: impl IntoPlaces) -> Result<Tensor> {
        let at = dim_index("slice", dim, self.rank())?;
        let places = places.into_places();
        if places.step == 0 {
            return Err(Error::argument("slice", "a step of 0"));
        }
        let mut cuts = whole(self.shape());
        cuts[at] = places.cut(self.shape()[at]);
        Ok(cut("slice", self, cuts))
    }

    /// A view of one place along dimension `dim`, without the dimension. A negative `index` counts from the end.
    /// Gradient: zero elsewhere.
    ///
    /// # Errors
    /// If `dim` or `index` is out of range.
    #[track_caller]
    pub fn select(&self, dim: isize, index: isize) -> Result<Tensor> {
        let at = dim_index("select", dim, self.rank())?;
        let mut cuts = whole(self.shape());
        cuts[at] = Cut::new(position("select", self, at, index)?, 1, 1);
        let mut shape = self.layout().shape;
        shape.remove(at);
        reshape("select", &cut("narrow", self, cuts), shape)
    }

    /// The part of the tensor that an index chooses, with one item for each dimension: numbers, ranges, masks and index
    /// tensors, as the page of [`tensor::index`](crate::tensor::index) lists them. A view, unless a tensor is among the
    /// items.
    ///
    /// Gradient: zero elsewhere; places that an index tensor names more than once add up.
    ///
    /// # Errors
    /// If there are more items than dimensions, an index is out of range, or a mask has the wrong shape.
    ///
    /// ```
    /// use demotic::{Tensor, tensor, tensor::index::{Ellipsis, NewAxis, Step}};
    ///
    /// let x = Tensor::arange(24)?.reshape([2, 3, 4])?;
    /// assert_eq!(x.index((1, .., -1))?.to_vec::<i64>()?, [15, 19, 23]);
    /// assert_eq!(x.index((Ellipsis, Step(.., 2)))?.shape(), [2, 3, 2]);
    /// assert_eq!(x.index((0, NewAxis, 1..))?.shape(), [1, 2, 4]);
    ///
    /// let rows = Tensor::from_nested([2i64, 0])?;
    /// assert_eq!(x.index((.., &rows, 0))?.to_vec::<i64>()?, [8, 0, 20, 12]);
    ///
    /// let y = tensor![3.0, -1.0, 2.0];
    /// assert_eq!(y.index(&y.gt_scalar(0.0))?.to_vec::<f32>()?, [3.0, 2.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn index<'a>(&self, indices: impl Indices<'a>) -> Result<Tensor> {
        let plan = Plan::new("index", self, &indices.into_items())?;
        let part = cut("index", self, plan.cuts);
        let part = match plan.choice {
            Some(choice) => choose(&part, &choice)?,
            None => part,
        };
        if *part.shape() == *plan.shape { Ok(part) } else { reshape("reshape", &part, plan.shape) }
    }

    /// This tensor with the part that an index chooses replaced by `values`, which broadcast to it; see
    /// [`index`](Self::index). Where an index tensor names a place more than once, the last value counts.
    ///
    /// Gradients: `g` outside of the part, and the part of `g`.
    ///
    /// # Errors
    /// As for [`index`](Self::index); if the types differ, or `values` does not broadcast to the part.
    ///
    /// ```
    /// use demotic::{Tensor, tensor};
    ///
    /// let x = Tensor::zeros([2, 3])?;
    /// let y = x.index_put((.., 1..), &tensor![[1.0], [2.0]])?;
    /// assert_eq!(y.to_vec::<f32>()?, [0.0, 1.0, 1.0, 0.0, 2.0, 2.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "slice_scatter")]
    #[doc(alias = "select_scatter")]
    #[track_caller]
    pub fn index_put<'a>(&self, indices: impl Indices<'a>, values: &Tensor) -> Result<Tensor> {
        let _timer = crate::profile::op("index_put");
        let plan = Plan::new("index_put", self, &indices.into_items())?;
        values.expect_dtype("index_put", "the values", self.dtype())?;
        if crate::tensor::layout::broadcast(values.shape(), &plan.shape).as_deref() != Some(&*plan.shape) {
            let message = format!("values of shape {:?} for a part of shape {:?}", values.shape(), plan.shape);
            return Err(Error::shape("index_put", message));
        }
        let values = values.expanded(&plan.shape)?;
        let Some(choice) = &plan.choice else {
            let values = reshape("reshape", &values, Layout::cut_shape(&plan.cuts, self.rank()))?;
            return Ok(put(self, plan.cuts, &values));
        };
        // The same index into the elements' numbers says where each value goes.
        let numbers = Tensor::arange(self.numel())?.reshape(self.shape())?;
        let numbers = choose(&cut("index", &numbers, plan.cuts), choice)?.reshape(-1)?;
        self.reshape(-1)?.scatter(0, &numbers, &values.reshape(-1)?)?.reshape(self.shape())
    }
}

/// A negative index counts from the end.
#[track_caller]
fn position(name: &'static str, x: &Tensor, dim: usize, index: isize) -> Result<usize> {
    let size = x.shape()[dim];
    let place = if index < 0 { size.checked_sub(index.unsigned_abs()) } else { Some(index as usize) };
    match place.filter(|place| *place < size) {
        Some(place) => Ok(place),
        None => {
            let message = format!("index {index} is out of range for dimension {dim} of {:?} (size {size})", x.shape());
            Err(Error::index(name, message))
        }
    }
}

/// An index as a cut along each dimension, and what is left to do after it.
struct Plan {
    cuts: Cuts,
    /// A dimension of the cut, and the places along it that a tensor among the items chooses.
    choice: Option<Choice>,
    /// The shape of the result.
    shape: Dims,
}

/// Dimensions that are chosen from by a mask or by an index tensor.
struct Choice {
    from: usize,
    count: usize,
    places: Tensor,
}

impl Plan {
    #[track_caller]
    fn new(name: &'static str, x: &Tensor, items: &[Index<'_>]) -> Result<Self> {
        let mut named = 0;
        for item in items {
            named += match item {
                Index::At(_) | Index::Range(_) => 1,
                Index::Tensor(mask) if mask.dtype() == DType::Bool => mask.rank(),
                Index::Tensor(_) => 1,
                Index::NewAxis | Index::Ellipsis => 0,
            };
        }
        if named > x.rank() {
            let message =
                format!("{named} indices for {:?}, which has {} dimension{}", x.shape(), x.rank(), plural(x.rank()));
            return Err(Error::index(name, message));
        }
        let (mut cuts, mut choice, mut ellipsis) = (whole(x.shape()), None, false);
        let (mut shape, mut dim) = (Vec::new(), 0);
        for item in items {
            match item {
                Index::At(index) => {
                    cuts[dim] = Cut::new(position(name, x, dim, *index)?, 1, 1);
                    dim += 1;
                }
                Index::Range(places) => {
                    if places.step == 0 {
                        return Err(Error::argument(name, "a step of 0"));
                    }
                    cuts[dim] = places.cut(x.shape()[dim]);
                    shape.push(cuts[dim].len);
                    dim += 1;
                }
                Index::NewAxis => shape.push(1),
                Index::Ellipsis => {
                    if ellipsis {
                        return Err(Error::index(name, "more than one Ellipsis"));
                    }
                    ellipsis = true;
                    let rest = x.rank() - named;
                    shape.extend(&x.shape()[dim..dim + rest]);
                    dim += rest;
                }
                Index::Tensor(index) => {
                    if choice.is_some() {
                        return Err(Error::index(name, "more than one index tensor")
                            .with_help("index step by step, or see gather and take_along_dim"));
                    }
                    let made = Choice::new(name, x, dim, index)?;
                    match index.dtype() {
                        DType::Bool => shape.push(made.places.numel()),
                        _ => shape.extend(index.shape()),
                    }
                    dim += made.count;
                    choice = Some(made);
                }
            }
        }
        shape.extend(&x.shape()[dim..]);
        let Some(shape) = Dims::from_slice(&shape) else {
            let message = format!("{} dimensions, at most {MAX_DIMS} are supported", shape.len());
            return Err(Error::shape(name, message));
        };
        Ok(Self { cuts, choice, shape })
    }
}

impl Choice {
    #[track_caller]
    fn new(name: &'static str, x: &Tensor, dim: usize, index: &Tensor) -> Result<Self> {
        match index.dtype() {
            DType::I64 => {
                let mut places = index.packed().reshape(-1)?;
                for place in places.data_mut::<i64>() {
                    let index = isize::try_from(*place).unwrap_or(isize::MAX);
                    *place = position(name, x, dim, index)? as i64;
                }
                Ok(Self { from: dim, count: 1, places })
            }
            DType::Bool => {
                let covered = &x.shape()[dim..dim + index.rank()];
                if index.shape() != covered {
                    let message = format!("a mask of shape {:?} for dimensions of sizes {covered:?}", index.shape());
                    return Err(Error::shape(name, message));
                }
                Ok(Self { from: dim, count: index.rank(), places: true_places(index) })
            }
            dtype => Err(Error::dtype(name, format!("an index tensor of type {dtype}, expected i64 or bool"))
                .with_help("convert numbers with to_dtype(DType::I64); comparisons give masks")),
        }
    }
}

/// `x` with the chosen places along one dimension in place of the dimensions that they are chosen from.
#[track_caller]
fn choose(x: &Tensor, choice: &Choice) -> Result<Tensor> {
    let (from, to) = (choice.from, choice.from + choice.count);
    let merged = x.shape()[from..to].iter().product();
    let sizes = x.shape()[..from].iter().copied().chain([merged]).chain(x.shape()[to..].iter().copied());
    // A mask without dimensions chooses all or nothing, along a new dimension.
    let flat = if choice.count == 0 { x.unsqueeze(from as isize)? } else { x.clone() };
    let flat = if choice.count > 1 { reshape("reshape", &flat, Dims::collect(sizes))? } else { flat };
    flat.index_select(from as isize, &choice.places)
}

/// The view of some places along each dimension.
pub(super) fn cut(name: &'static str, x: &Tensor, cuts: Cuts) -> Tensor {
    record(name, x.with_layout(x.layout().cut(&cuts)), &[x], |tape| {
        let shape = x.layout().shape;
        tape.sparse_edge(
            x,
            move |g| embed("embed", g, shape, cuts, 0.0),
            move |g, sum| {
                let layout = Layout::new(shape).cut(&cuts);
                let part = g.packed();
                with_float!(g.dtype(), T => {
                    kernel::add_at_place(part.data::<T>(), at(&layout), sum.data_mut());
                    Ok(())
                }, else Err(bug!(name, "a gradient of type {}", g.dtype())))
            },
        );
    })
}

/// The opposite: a tensor of `shape` with the elements of `x` in these places, and `background` everywhere else.
#[track_caller]
pub(super) fn embed(name: &'static str, x: &Tensor, shape: Dims, cuts: Cuts, background: f64) -> Result<Tensor> {
    let _timer = crate::profile::op(name);
    let source = x.packed();
    let mut out = stale(name, &shape, x.dtype())?;
    let layout = Layout::new(shape).cut(&cuts);
    with_element!(x.dtype(), T => {
        let value = <T as crate::tensor::Element>::from_f64(background);
        place(source.data::<T>(), at(&layout), Some(value), out.data_mut());
    });
    Ok(record(name, out, &[x], |tape| tape.edge(x, move |g| Ok(cut("narrow", g, cuts)))))
}

/// `x` with `values` in these places.
fn put(x: &Tensor, cuts: Cuts, values: &Tensor) -> Tensor {
    let mut out = x.packed();
    let source = values.packed();
    let layout = Layout::new(x.layout().shape).cut(&cuts);
    with_element!(x.dtype(), T => place(source.data::<T>(), at(&layout), None, out.data_mut()));
    record("index_put", out, &[x, values], |tape| {
        tape.edge(x, move |g| {
            let zeros = Tensor::scalar(0.0).to_dtype(g.dtype());
            Ok(put(g, cuts, &zeros.expanded(&Layout::cut_shape(&cuts, g.rank()))?))
        });
        tape.edge(values, move |g| Ok(cut("narrow", g, cuts)));
    })
}

fn at(layout: &Layout) -> Place<'_> {
    Place { shape: &layout.shape, strides: &layout.strides, offset: layout.offset }
}
