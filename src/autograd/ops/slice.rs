//! Parts of a tensor: along one dimension, by an index over all of them, and putting parts in.

use super::gather::check_numbers;
use super::record;
use super::shape::{permute, reshape};
use crate::error::{Error, Result, bug};
use crate::tensor::argument::Start;
use crate::tensor::create::{reserve, stale};
use crate::tensor::exec::index::{self as exec, Adding, true_places};
use crate::tensor::index::{Cut, Cuts, Index, Indices, IntoPlaces, whole};
use crate::tensor::layout::{Dims, Layout, broadcast, dim_index, plural};
use crate::tensor::{DType, MAX_DIMS, Tensor};

/// # Parts of a tensor
///
/// ```
/// use demotic::tensor;
///
/// let x = tensor![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
/// assert_eq!((x.select(0, 1)?.to_f64_vec(), x.select(1, -1)?.to_f64_vec()), (vec![4.0, 5.0, 6.0], vec![3.0, 6.0]));
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// A view of `len` places along dimension `dim` from `start` on; a negative `start` counts from the end. Gradient: zero
    /// elsewhere.
    ///
    /// # Errors
    /// If `dim` is out of range or the places reach beyond its ends.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let x = tensor![1.0, 2.0, 3.0, 4.0];
    /// assert_eq!(x.narrow(0, 1, 2)?.to_vec::<f32>()?, [2.0, 3.0]);
    /// assert_eq!(x.narrow(0, -3, 2)?.to_vec::<f32>()?, [2.0, 3.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn narrow(&self, dim: isize, start: impl Start, len: usize) -> Result<Tensor> {
        let at = dim_index("narrow", dim, self.rank())?;
        let (size, start) = (self.shape()[at], start.into_start());
        let first = if start < 0 { start + size as i128 } else { start };
        if first < 0 || first + len as i128 > size as i128 {
            let message = format!(
                "{len} place{} from {start} on, but dimension {dim} of {:?} has size {size}",
                plural(len),
                self.shape()
            );
            return Err(Error::index("narrow", message));
        }
        let mut cuts = whole(self.shape());
        cuts[at] = Cut::new(first as usize, 1, len);
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
        let mut shape = self.layout().shape();
        shape.remove(at);
        reshape("select", &cut("narrow", self, cuts), shape)
    }

    /// The part of the tensor that an index chooses, with one item for each dimension: numbers, ranges, masks and index
    /// tensors, as the page of [`tensor::index`](crate::tensor::index) lists them. A view, unless a tensor is among the
    /// items.
    ///
    /// Several tensors broadcast to each other and choose together: `x.index((&i, &j))` has the elements `x[i[k], j[k]]`. A mask
    /// takes part as the list of places where it is true. What they choose stands where the tensors stood if they stood next to
    /// each other, in front of all other dimensions if they did not: PyTorch's rule.
    ///
    /// Gradient: zero elsewhere; places that an index tensor names more than once add up.
    ///
    /// # Errors
    /// If there are more items than dimensions, an index is out of range, a mask has the wrong shape, or index tensors do not
    /// broadcast to each other.
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
    /// let columns = Tensor::from_nested([3i64, 1])?;
    /// assert_eq!(x.index((1, &rows, &columns))?.to_vec::<i64>()?, [23, 13]);
    /// assert_eq!(x.index((1, &rows.unsqueeze(1)?, &columns))?.to_vec::<i64>()?, [23, 21, 15, 13]);
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
        let target = Target::new("index_put", self, &indices.into_items(), values)?;
        match target.places(self)? {
            None => Ok(put(self, target.plan.cuts, &target.values)),
            Some(places) => self.reshape(-1)?.scatter(0, &places, &target.values.reshape(-1)?)?.reshape(self.shape()),
        }
    }

    /// This tensor with `values`, which broadcast to it, added to the part that an index chooses: PyTorch's `index_put` with
    /// `accumulate=True`. A place that index tensors name more than once gets all of its values, in their order.
    ///
    /// Gradients: `g`, and the part of `g`.
    ///
    /// # Errors
    /// As for [`index_put`](Self::index_put), or if the elements are truth values.
    ///
    /// ```
    /// use demotic::{Tensor, tensor};
    ///
    /// let counts = Tensor::zeros([2, 2])?;
    /// let (rows, columns) = (Tensor::from_nested([0i64, 1, 0])?, Tensor::from_nested([1i64, 1, 1])?);
    /// let counts = counts.index_put_accumulate((&rows, &columns), &tensor![1.0, 1.0, 1.0])?;
    /// assert_eq!(counts.to_vec::<f32>()?, [0.0, 2.0, 0.0, 1.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "index_put_")]
    #[doc(alias = "accumulate")]
    #[track_caller]
    pub fn index_put_accumulate<'a>(&self, indices: impl Indices<'a>, values: &Tensor) -> Result<Tensor> {
        let name = "index_put_accumulate";
        let _timer = crate::profile::op(name);
        let target = Target::new(name, self, &indices.into_items(), values)?;
        check_numbers(name, self, values)?;
        match target.places(self)? {
            None => {
                let sum = cut("index", self, target.plan.cuts).add(&target.values)?;
                Ok(put(self, target.plan.cuts, &sum))
            }
            Some(places) => {
                self.reshape(-1)?.scatter_add(0, &places, &target.values.reshape(-1)?)?.reshape(self.shape())
            }
        }
    }
}

/// The part that values are put into, and the values in its shape.
struct Target {
    plan: Plan,
    values: Tensor,
}

impl Target {
    #[track_caller]
    fn new(name: &'static str, x: &Tensor, items: &[Index<'_>], values: &Tensor) -> Result<Self> {
        let plan = Plan::new(name, x, items)?;
        values.expect_dtype(name, "the values", x.dtype())?;
        if broadcast(values.shape(), &plan.shape).as_deref() != Some(&*plan.shape) {
            let message = format!("values of shape {:?} for a part of shape {:?}", values.shape(), plan.shape);
            return Err(Error::shape(name, message));
        }
        let values = values.expanded(&plan.shape)?;
        let values = match plan.choice {
            Some(_) => values,
            None => reshape("reshape", &values, Layout::cut_shape(&plan.cuts, x.rank()))?,
        };
        Ok(Self { plan, values })
    }

    /// Where each value goes, by number of element, if tensors say it.
    #[track_caller]
    fn places(&self, x: &Tensor) -> Result<Option<Tensor>> {
        let Some(choice) = &self.plan.choice else { return Ok(None) };
        // The same index into the elements' numbers.
        let numbers = Tensor::arange(x.numel())?.reshape(x.shape())?;
        choose(&cut("index", &numbers, self.plan.cuts), choice)?.reshape(-1).map(Some)
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
    /// What the tensors among the items choose from the cut.
    choice: Option<Choice>,
    /// The shape of the result.
    shape: Dims,
}

/// A dimension of the result, or several.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// A dimension of the cut.
    Kept(usize),
    /// A new one of size 1.
    New,
    /// What a tensor chooses.
    Chosen,
}

/// Dimensions that a mask or an index tensor chooses from.
struct Chosen {
    from: usize,
    count: usize,
    /// Numbers of places along all of them, taken as one dimension.
    places: Tensor,
}

/// What all tensors of an index choose together: places along a dimension that is made of those that they choose from.
struct Choice {
    /// The order in which the dimensions of the cut follow each other for this.
    order: Dims,
    /// The sizes in this order, with one in place of all that are chosen from.
    merged: Dims,
    /// The position of that one.
    at: usize,
    /// A vector.
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
        let (mut cuts, mut ellipsis, mut dim) = (whole(x.shape()), false, 0);
        let (mut parts, mut chosen) = (Vec::new(), Vec::new());
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
                    parts.push(Part::Kept(dim));
                    dim += 1;
                }
                Index::NewAxis => parts.push(Part::New),
                Index::Ellipsis => {
                    if ellipsis {
                        return Err(Error::index(name, "more than one Ellipsis"));
                    }
                    ellipsis = true;
                    let rest = x.rank() - named;
                    parts.extend((dim..dim + rest).map(Part::Kept));
                    dim += rest;
                }
                // A single number in a tensor is one place, without a dimension.
                Index::Tensor(index) if matches!(index.dtype(), DType::I64 | DType::I32) && index.rank() == 0 => {
                    let index = index.cast(DType::I64);
                    let index =
                        index.as_slice::<i64>()?.first().map_or(0, |i| isize::try_from(*i).unwrap_or(isize::MAX));
                    cuts[dim] = Cut::new(position(name, x, dim, index)?, 1, 1);
                    dim += 1;
                }
                Index::Tensor(index) => {
                    let made = Chosen::new(name, x, dim, index)?;
                    parts.push(Part::Chosen);
                    dim += made.count;
                    chosen.push(made);
                }
            }
        }
        parts.extend((dim..x.rank()).map(Part::Kept));
        let size = |part: &Part| if let Part::Kept(dim) = part { cuts[*dim].len } else { 1 };
        let Some(first) = parts.iter().position(|part| *part == Part::Chosen) else {
            let shape = few_dims(name, parts.iter().map(size).collect())?;
            return Ok(Self { cuts, choice: None, shape });
        };
        let together = parts[first..first + chosen.len()].iter().all(|part| *part == Part::Chosen);
        let before = if together { first } else { 0 };
        parts.retain(|part| *part != Part::Chosen);
        let (choice, index) = Choice::new(name, x, &cuts, &chosen, together)?;
        let sizes = |parts: &[Part]| parts.iter().map(size).collect::<Vec<_>>();
        let shape = few_dims(name, [&sizes(&parts[..before]), &*index, &sizes(&parts[before..])].concat())?;
        Ok(Self { cuts, choice: Some(choice), shape })
    }
}

#[track_caller]
fn few_dims(name: &'static str, shape: Vec<usize>) -> Result<Dims> {
    match Dims::from_slice(&shape) {
        Some(dims) => Ok(dims),
        None => {
            let message = format!("{} dimensions, at most {MAX_DIMS} are supported", shape.len());
            Err(Error::shape(name, message))
        }
    }
}

impl Chosen {
    #[track_caller]
    fn new(name: &'static str, x: &Tensor, dim: usize, index: &Tensor) -> Result<Self> {
        match index.dtype() {
            DType::I64 | DType::I32 => {
                let mut places = index.cast(DType::I64).to_vec::<i64>()?;
                for place in &mut places {
                    let index = isize::try_from(*place).unwrap_or(isize::MAX);
                    *place = position(name, x, dim, index)? as i64;
                }
                let places = Tensor::from_vec(places, index.shape())?;
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

    fn dims(&self) -> std::ops::Range<usize> {
        self.from..self.from + self.count
    }
}

impl Choice {
    /// The choice of all tensors, and the shape to which they broadcast. `together` says that nothing of the result stands
    /// between them.
    #[track_caller]
    fn new(name: &'static str, x: &Tensor, cuts: &Cuts, chosen: &[Chosen], together: bool) -> Result<(Self, Dims)> {
        let before = if together { chosen.first().map_or(0, |c| c.from) } else { 0 };
        let is_chosen = |dim: &usize| chosen.iter().any(|c| c.dims().contains(dim));
        let order = (0..before)
            .chain(chosen.iter().flat_map(Chosen::dims))
            .chain((before..x.rank()).filter(|dim| !is_chosen(dim)));
        let order = Dims::collect(order);
        let count = chosen.iter().map(|c| c.count).sum::<usize>();
        let sizes = |dims: &[usize]| dims.iter().map(|dim| cuts[*dim].len).collect::<Vec<_>>();
        let product = |dims: &[usize]| sizes(dims).iter().product::<usize>();
        let [head, middle, tail] = [&order[..before], &order[before..before + count], &order[before + count..]];
        let merged = few_dims(name, [sizes(head), vec![product(middle)], sizes(tail)].concat())?;

        let mut index = Dims::EMPTY;
        for c in chosen {
            let Some(both) = broadcast(&index, c.places.shape()) else {
                let shapes: Vec<String> = chosen.iter().map(|c| format!("{:?}", c.places.shape())).collect();
                let message =
                    format!("index tensors of shapes {} do not broadcast to each other", shapes.join(" and "));
                return Err(Error::shape(name, message).with_help(
                    "they choose element by element; for all combinations, give one a further dimension: i.unsqueeze(1)",
                ));
            };
            index = both;
        }
        let mut places: Option<Tensor> = None;
        for c in chosen {
            places = Some(match places {
                None => c.places.clone(),
                Some(earlier) => {
                    reserve(name, &index, DType::I64)?;
                    (earlier * product(&Dims::collect(c.dims())) as i64).add(&c.places)?
                }
            });
        }
        let Some(places) = places else { return Err(bug!(name, "a choice without tensors")) };
        Ok((Self { order, merged, at: before, places: places.reshape(-1)? }, index))
    }
}

/// `x` with the chosen places along one dimension in place of the dimensions that they are chosen from.
#[track_caller]
fn choose(x: &Tensor, choice: &Choice) -> Result<Tensor> {
    let in_order = choice.order.iter().enumerate().all(|(i, dim)| i == *dim);
    let x = if in_order { x.clone() } else { permute(x, choice.order) };
    let x = if *x.shape() == *choice.merged { x } else { reshape("reshape", &x, choice.merged)? };
    x.index_select(choice.at as isize, &choice.places)
}

/// The view of some places along each dimension.
pub(super) fn cut(name: &'static str, x: &Tensor, cuts: Cuts) -> Tensor {
    record(name, x.with_layout(x.layout().cut(&cuts)), &[x], |tape| {
        let shape = x.layout().shape();
        tape.sparse_edge(
            x,
            move |g| embed("embed", g, shape, cuts, 0.0),
            move |g, sum| {
                let layout = Layout::new(shape).cut(&cuts);
                exec::add(sum, g, Adding::View(&layout));
                Ok(())
            },
        );
        // Of the same size, a dimension is whole: places are not reversed here.
        tape.moves_examples(x, &|d| shape.get(d).filter(|n| cuts[d] == Cut::whole(**n)).map(|_| d));
    })
}

/// The opposite: a tensor of `shape` with the elements of `x` in these places, and `background` everywhere else.
#[track_caller]
pub(super) fn embed(name: &'static str, x: &Tensor, shape: Dims, cuts: Cuts, background: f64) -> Result<Tensor> {
    let _timer = crate::profile::op(name);
    let mut out = stale(name, &shape, x.dtype())?;
    exec::place(x, &Layout::new(shape).cut(&cuts), Some(background), &mut out);
    Ok(record(name, out, &[x], |tape| {
        tape.edge(x, move |g| Ok(cut("narrow", g, cuts)));
        tape.moves_examples(x, &|d| shape.get(d).filter(|n| cuts[d] == Cut::whole(**n)).map(|_| d));
    }))
}

/// `x` with `values` in these places.
fn put(x: &Tensor, cuts: Cuts, values: &Tensor) -> Tensor {
    let mut out = x.packed();
    exec::place(values, &Layout::new(x.layout().shape()).cut(&cuts), None, &mut out);
    record("index_put", out, &[x, values], |tape| {
        tape.edge(x, move |g| {
            let zeros = Tensor::scalar(0.0).to_dtype(g.dtype());
            Ok(put(g, cuts, &zeros.expanded(&Layout::cut_shape(&cuts, g.rank()))?))
        });
        tape.edge(values, move |g| Ok(cut("narrow", g, cuts)));
    })
}
