//! Running sums and products along a dimension, products over any set of dimensions, and the linear recurrence that is
//! the gradient of both products.

use super::record;
use crate::error::Result;
use crate::tensor::exec::reduce::{Over, RecurrenceOp, ReduceOp, ScanOp, recurrence, reduce, scan};
use crate::tensor::layout::{Dims, dim_index};
use crate::tensor::{DType, Tensor};

/// # Products and running sums
///
/// ```
/// use demotic::tensor;
///
/// let x = tensor![[1.0, 2.0], [3.0, 4.0]];
/// assert_eq!((x.cumprod(1)?.to_f64_vec(), x.prod_dims(&[0], false)?.to_f64_vec()), (vec![1.0, 2.0, 3.0, 12.0], vec![3.0, 8.0]));
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// Running sums along a dimension: `y[i] = x[0] + … + x[i]`; integers and truth values give an `I64`.
    /// Gradient: the running sums of `g` from the other end.
    ///
    /// # Errors
    /// If the dimension is out of range.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// assert_eq!(tensor![1.0, 2.0, 3.0].cumsum(0)?.to_vec::<f32>()?, [1.0, 3.0, 6.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn cumsum(&self, dim: isize) -> Result<Tensor> {
        let _timer = crate::profile::op("cumsum");
        let axis = dim_index("cumsum", dim, self.rank())?;
        let out = scan(ScanOp::Sum, self, axis);
        Ok(record("cumsum", out, &[self], |tape| {
            tape.edge(self, move |g| g.flip(&[dim])?.cumsum(dim)?.flip(&[dim]));
        }))
    }

    /// Running products along a dimension: `y[i] = x[0] · … · x[i]`; integers and truth values give an `I64`.
    /// Gradient: `y[i-1] · (g[i] + x[i+1] (g[i+1] + x[i+2] (…)))`, exact with zeros too.
    ///
    /// # Errors
    /// If the dimension is out of range.
    #[track_caller]
    pub fn cumprod(&self, dim: isize) -> Result<Tensor> {
        let _timer = crate::profile::op("cumprod");
        let axis = dim_index("cumprod", dim, self.rank())?;
        let out = scan(ScanOp::Product, self, axis);
        Ok(record("cumprod", out, &[self], |tape| {
            let x = self.for_gradient();
            tape.edge(self, move |g| Ok(running_products_vjp(&wide(&x), &wide(g), axis)?.to_dtype(x.dtype())));
        }))
    }

    /// The product of all elements, 1 of none; integers and truth values give an `I64`.
    /// Gradient: `g` times the product of the other elements, exact with zeros too.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// assert_eq!(tensor![2.0, 3.0, 4.0].prod().item()?, 24.0);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    pub fn prod(&self) -> Tensor {
        prod(self, &Over::all(self))
    }

    /// The [product](Self::prod) over some dimensions (none stands for all). With `keepdim` they remain with size 1.
    ///
    /// # Errors
    /// If a dimension is out of range or named twice.
    #[track_caller]
    pub fn prod_dims(&self, dims: &[isize], keepdim: bool) -> Result<Tensor> {
        Ok(prod(self, &Over::dims("prod", self, dims, keepdim)?))
    }
}

fn prod(x: &Tensor, r: &Over) -> Tensor {
    record("prod", reduce(ReduceOp::Product, x, r), &[x], |tape| {
        let (input, r) = (x.for_gradient(), *r);
        tape.edge(x, move |g| others(&input, &r)?.mul(&g.reshape(&*r.kept)?));
    })
}

/// Products of a few numbers may leave the range of `F32`, and others bring them back.
fn wide(x: &Tensor) -> Tensor {
    x.to_dtype(if x.dtype() == DType::F32 { DType::F64 } else { x.dtype() })
}

/// For each element, the product of the other ones that it is multiplied with: of all before it and all behind it.
fn others(x: &Tensor, r: &Over) -> Result<Tensor> {
    let (reduced, rest): (Vec<usize>, Vec<usize>) = (0..x.rank()).partition(|i| r.reduced[*i]);
    let order: Vec<isize> = rest.iter().chain(&reduced).map(|i| *i as isize).collect();
    let moved = x.permute(&order)?;
    let mut rows = Dims::collect(rest.iter().map(|i| x.shape()[*i]));
    let axis = rows.len();
    rows.push(r.count(x));
    let rows = wide(&moved.reshape(&*rows)?);
    let (rows, scales) = match powers(&rows, axis, 0.0)? {
        Some(powers) => {
            let own = steps(&powers, axis)?;
            let others = powers.narrow(-1, rows.shape()[axis] - 1, 1)?.sub(&own)?;
            (times_power(&rows, &own.neg())?, Some(others))
        }
        None => (rows, None),
    };

    let before = delayed(&rows.cumprod(-1)?, axis, 1.0)?;
    // The recurrence multiplies what is behind an element if it starts from 1 at the last one and adds nothing else.
    let len = rows.shape()[axis];
    let last = Tensor::arange(len)?.eq_scalar(len as f64 - 1.0).to_dtype(rows.dtype());
    let behind = recurrence_down(&rows, &last.expanded(&rows.layout().shape())?, axis);

    let mut back = vec![0; order.len()];
    order.iter().enumerate().for_each(|(i, axis)| back[*axis as usize] = i as isize);
    let products = before.mul(&behind)?;
    let products = scales.map_or(Ok(products.clone()), |others| times_power(&products, &others))?;
    products.to_dtype(x.dtype()).reshape(moved.shape())?.permute(&back)
}

/// The gradient of running products: what is before an element, times the sum of what came in there and behind, each with the
/// numbers up to it. Where products may leave the range, all of it is counted in powers of two: those of the running products, and
/// for each sum the largest of its parts.
fn running_products_vjp(x: &Tensor, g: &Tensor, axis: usize) -> Result<Tensor> {
    let dim = axis as isize;
    let sizes = digits(g)?;
    let Some(powers) = powers(x, axis, largest(&sizes)?)? else {
        let before = delayed(&x.cumprod(dim)?, axis, 1.0)?;
        return before.mul(&recurrence_down(x, g, axis));
    };
    let own = steps(&powers, axis)?;
    // Nothing reaches over a 0: behind each, parts are counted from so far below that they are not the largest of those before it.
    let segment = x.detach().eq_scalar(0.0).to_dtype(DType::F64).cumsum(dim)?.clamp(None, Some(2.0)).mul_scalar(FAR);
    let parts = powers.add(&sizes.round())?.sub(&segment)?.masked_fill(&g.detach().eq_scalar(0.0), -4.0 * FAR)?;
    let largest = parts.flip(&[dim])?.cummax(dim)?.0.flip(&[dim])?.add(&segment)?;
    let descents = steps(&largest, axis)?.clamp(None, Some(0.0));
    let before = delayed(&times_power(x, &own.neg())?.cumprod(dim)?, axis, 1.0)?;
    let sums = recurrence_down(&times_power(x, &descents.sub(&own)?)?, &times_power(g, &powers.sub(&largest)?)?, axis);
    times_power(&before.mul(&sums)?, &largest.sub(&own)?)
}

/// More than running products have binary digits.
const FAR: f64 = (1u64 << 40) as f64;

/// The logarithm to base 2 of the size of each number, 0 where it has none.
fn digits(x: &Tensor) -> Result<Tensor> {
    let digits = x.detach().abs().log2();
    digits.is_finite().where_(&digits, &digits.zeros_like())
}

fn largest(x: &Tensor) -> Result<f64> {
    if x.is_empty() { Ok(0.0) } else { x.abs().max()?.item() }
}

/// Where products of some of the numbers along a dimension, times another one with up to so many binary digits, may leave the range: the
/// power of two near each running product. What is 0, infinite or no number is left out.
fn powers(x: &Tensor, axis: usize, more: f64) -> Result<Option<Tensor>> {
    let powers = digits(x)?;
    // Mostly, none of them are so large or so small.
    if largest(&powers)? * (x.shape()[axis] as f64) + more < 1000.0 {
        return Ok(None);
    }
    let dim = axis as isize;
    if largest(&powers.abs().sum_dims(&[dim], false)?)? + more < 1000.0 {
        return Ok(None);
    }
    Ok(Some(powers.cumsum(dim)?.round()))
}

/// `y[i] = x[i] - x[i-1]` along a dimension, beginning with `x[0]`.
fn steps(x: &Tensor, axis: usize) -> Result<Tensor> {
    x.sub(&delayed(x, axis, 0.0)?)
}

/// `x · 2ⁿ`, in two steps, each of which stays in the range if the result does. What is 0 or infinite stays it.
fn times_power(x: &Tensor, n: &Tensor) -> Result<Tensor> {
    let n = n.clamp(Some(-2148.0), Some(2046.0));
    let half = n.mul_scalar(0.5).floor();
    x.mul(&half.exp2())?.mul(&n.sub(&half)?.exp2())
}

/// `y[i] = x[i-1]` along a dimension, with `first` in front.
fn delayed(x: &Tensor, axis: usize, first: f64) -> Result<Tensor> {
    let Some(len) = x.shape()[axis].checked_sub(1) else { return Ok(x.clone()) };
    let dim = axis as isize;
    Tensor::cat(&[&x.narrow(dim, 0, 1)?.full_like(first), &x.narrow(dim, 0, len)?], dim)
}

/// The linear recurrence `s[i] = b[i] + a[i] · s[i-1]` along a dimension.
///
/// It and [`recurrence_down`] are each other's gradient for `b`. The gradient for `a` is the product of what came up,
/// delayed by one step, and what came down.
fn recurrence_up(a: &Tensor, b: &Tensor, axis: usize) -> Tensor {
    let out = recurrence(RecurrenceOp::Up, a, b, axis);
    record("recurrence_up", out, &[a, b], |tape| {
        let factors = a.clone();
        tape.edge_with_output(a, move |g, s| delayed(s, axis, 0.0)?.mul(&recurrence_down(&factors, g, axis)));
        let factors = a.clone();
        tape.edge(b, move |g| Ok(recurrence_down(&factors, g, axis)));
    })
}

/// The linear recurrence `s[i] = b[i] + a[i+1] · s[i+1]` along a dimension.
fn recurrence_down(a: &Tensor, b: &Tensor, axis: usize) -> Tensor {
    let out = recurrence(RecurrenceOp::Down, a, b, axis);
    record("recurrence_down", out, &[a, b], |tape| {
        let factors = a.clone();
        tape.edge_with_output(a, move |g, s| delayed(&recurrence_up(&factors, g, axis), axis, 0.0)?.mul(s));
        let factors = a.clone();
        tape.edge(b, move |g| Ok(recurrence_up(&factors, g, axis)));
    })
}

#[cfg(test)]
mod tests;
