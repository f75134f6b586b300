//! Running sums and products along a dimension, products over any set of dimensions, and the linear recurrence that is
//! the gradient of both products.

use super::record;
use crate::error::Result;
use crate::tensor::exec::reduce::{Over, RecurrenceOp, ReduceOp, ScanOp, recurrence, reduce, scan};
use crate::tensor::layout::{Dims, dim_index};
use crate::tensor::{DType, Tensor};

/// # Products and running sums
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
mod tests {
    use super::*;
    use crate::autograd::{self, gradcheck, gradgradcheck};
    use crate::tensor;

    #[test]
    fn products_with_zeros_have_gradients_of_both_orders() {
        let rows =
            [tensor![[2.0, 3.0, -1.5]], tensor![[2.0, 0.0, 3.0]], tensor![[0.0, 2.0, 0.0]], tensor![[0.0, 0.0, 0.0]]];
        for x in rows {
            for f in [|x: &[Tensor]| x[0].cumprod(1), |x: &[Tensor]| x[0].prod_dims(&[1], false)] {
                gradcheck(f, std::slice::from_ref(&x)).unwrap();
                gradgradcheck(f, std::slice::from_ref(&x)).unwrap();
            }
        }
    }

    #[test]
    fn products_that_leave_the_range_come_back() {
        let of = |x: &[f64]| Tensor::from_slice(x, [x.len()]).unwrap();
        let far = of(&[1e200, 1e200, 3e-200, 1e-200, 2.0]);
        assert_eq!(far.prod().item().unwrap(), 6.0);
        let running = far.cumprod(0).unwrap().to_f64_vec();
        let wanted = [1e200, f64::INFINITY, 3e200, 3.0, 6.0];
        assert!(running.iter().zip(wanted).all(|(a, b)| *a == b || (a / b - 1.0).abs() < 1e-15), "{running:?}");
        // Down into subnormal numbers and up again; in columns; 0 stays 0.
        let columns = Tensor::from_nested([[1e-200, 2.0], [1e-115, 0.0], [1e300, 1e300], [3e-10, 1e300]]).unwrap();
        let running = columns.cumprod(0).unwrap().to_f64_vec();
        assert!((running[4] / 1e-15 - 1.0).abs() < 1e-14 && (running[6] / 3e-25 - 1.0).abs() < 1e-14, "{running:?}");
        assert_eq!([running[1], running[3], running[5], running[7]], [2.0, 0.0, 0.0, 0.0]);
        let single = tensor![1e38, 1e38, 1e38, 1e-38, 1e-38, 1e-38].cumprod(0).unwrap().to_f64_vec();
        assert!((single[5] - 1.0).abs() < 1e-6 && single[2].is_infinite(), "{single:?}");
        // Gradients, of which the parts before and behind an element are out of range.
        let far = far.tracked().unwrap();
        let grads = far.prod().backward().unwrap().wrt(&far).unwrap().to_f64_vec();
        let wanted = [6e-200, 6e-200, 2e200, 6e200, 3.0];
        assert!(grads.iter().zip(wanted).all(|(a, b)| (a / b - 1.0).abs() < 1e-14), "{grads:?}");
        let zeros = of(&[1e200, 1e200, 1e200, 1e200, 1e200, 1e200, 1e200, 0.0]).tracked().unwrap();
        let grads = zeros.prod().backward().unwrap().wrt(&zeros).unwrap().to_f64_vec();
        assert_eq!(grads, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, f64::INFINITY]);
        let zero = of(&[1e200, 0.0, 1e200, 1e-200]).tracked().unwrap();
        let grads = zero.prod().backward().unwrap().wrt(&zero).unwrap().to_f64_vec();
        assert!(grads[0] == 0.0 && (grads[1] / 1e200 - 1.0).abs() < 1e-14 && grads[2..] == [0.0, 0.0], "{grads:?}");
    }

    /// Powers of two, of which every product and sum is exact.
    #[test]
    fn gradients_of_running_products_come_back_into_the_range() {
        let gradient = |x: &[i32], g: &[f64]| {
            let x: Vec<f64> = x.iter().map(|n| if *n == i32::MIN { 0.0 } else { 2.0_f64.powi(*n) }).collect();
            let x = Tensor::from_slice(&x, [x.len()]).unwrap().tracked().unwrap();
            let g = Tensor::from_slice(g, [g.len()]).unwrap();
            [false, true].map(|graph| {
                let options = autograd::GradOptions::new().create_graph(graph).grad_outputs(vec![g.clone()]);
                autograd::grad(&[&x.cumprod(0).unwrap()], &[&x], options).unwrap()[0].to_f64_vec()
            })
        };
        let two = |n: i32| 2.0_f64.powi(n);
        // x1 x2 and x0 x2 are in the range, x0 x1 is not; of the running products, the second one is not asked for.
        for got in gradient(&[900, 900, -1000], &[0.0, 0.0, 1.0]) {
            assert_eq!(got, [two(-100), two(-100), f64::INFINITY]);
        }
        for got in gradient(&[-900, -900, 1000, 900], &[1.0, 0.0, 3.0, 2.0]) {
            assert_eq!(
                got,
                [1.0 + 3.0 * two(100) + 2.0 * two(1000), 3.0 * two(100) + 2.0 * two(1000), 2.0 * two(-900), two(-799)]
            );
        }
        // A 0 hides what is behind it from what is before it, whatever sizes those have.
        let zero = i32::MIN;
        for got in gradient(&[10, zero, 1000, 1000, -1000, -990], &[3.0, 5.0, 0.0, 0.0, 0.0, 7.0]) {
            assert_eq!(got, [3.0, 5.0 * two(10) + 7.0 * two(20), 0.0, 0.0, 0.0, 0.0]);
        }
        for got in gradient(&[-1000, zero, 1000, zero, 1000], &[1.0; 5]) {
            assert_eq!(got, [1.0, two(-1000) + 1.0, 0.0, 0.0, 0.0]);
        }
        // More numbers than there are binary digits, in `f32`.
        let long = Tensor::full([4000], 1e30).unwrap();
        let x = Tensor::cat(&[&long, &long.reciprocal()], 0).unwrap().tracked().unwrap();
        let last = x.cumprod(0).unwrap().narrow(0, 7999, 1).unwrap();
        let grads = last.sum().backward().unwrap();
        let shares = grads.wrt(&x).unwrap().mul(&x.detach()).unwrap().to_f64_vec();
        assert!(shares.iter().all(|y| (y - 1.0).abs() < 1e-3), "{:?}", &shares[3990..4010]);
    }

    #[test]
    fn the_recurrences_are_each_others_gradient() {
        let (a, b) = (tensor![[0.5, -2.0, 3.0], [1.0, 0.0, 4.0]], tensor![[1.0, 2.0, -1.0], [0.5, 3.0, 2.0]]);
        for recurrence in [recurrence_up, recurrence_down] {
            for axis in [0, 1] {
                let f = move |x: &[Tensor]| Ok(recurrence(&x[0], &x[1], axis));
                gradcheck(f, &[a.clone(), b.clone()]).unwrap();
                gradgradcheck(f, &[a.clone(), b.clone()]).unwrap();
            }
        }
        let up = recurrence_up(&a, &b, 1);
        assert_eq!(up.to_vec::<f32>().unwrap(), [1.0, 0.0, -1.0, 0.5, 3.0, 14.0]);
        let down = recurrence_down(&a, &b, 1);
        assert_eq!(down.to_vec::<f32>().unwrap(), [3.0, -1.0, -1.0, 0.5, 11.0, 2.0]);
    }

    #[test]
    fn nothing_has_the_product_one() {
        let nothing = Tensor::zeros([2, 0]).unwrap().tracked().unwrap();
        assert_eq!(nothing.prod().item().unwrap(), 1.0);
        assert_eq!(nothing.prod_dims(&[1], false).unwrap().to_vec::<f32>().unwrap(), [1.0, 1.0]);
        assert_eq!(nothing.prod().backward().unwrap().wrt(&nothing).unwrap().shape(), [2, 0]);
        for dim in [0, 1] {
            assert_eq!(nothing.cumsum(dim).unwrap().shape(), [2, 0]);
            let products = nothing.cumprod(dim).unwrap();
            assert_eq!(products.sum().backward().unwrap().wrt(&nothing).unwrap().shape(), [2, 0]);
        }
    }

    #[test]
    fn integers_stay_integers_and_halves_are_computed_in_single_precision() {
        let x = Tensor::from_nested([200u8, 100, 3]).unwrap();
        assert_eq!(x.cumsum(0).unwrap().to_vec::<i64>().unwrap(), [200, 300, 303]);
        assert_eq!(x.cumprod(0).unwrap().to_vec::<i64>().unwrap(), [200, 20_000, 60_000]);
        assert_eq!(x.prod().to_vec::<i64>().unwrap(), [60_000]);
        let x = Tensor::from_nested([true, true, false]).unwrap();
        assert_eq!(x.cumsum(0).unwrap().to_vec::<i64>().unwrap(), [1, 2, 2]);
        assert_eq!(x.prod().to_vec::<i64>().unwrap(), [0]);
        let x = Tensor::from_nested([i64::MAX, 2]).unwrap();
        assert_eq!(x.prod().to_vec::<i64>().unwrap(), [-2]);
        let ones = Tensor::full_dtype([3000], 1.0, DType::BF16).unwrap().cumsum(0).unwrap();
        assert_eq!((ones.dtype(), ones.to_f64_vec()[2999]), (DType::BF16, 3008.0));
    }

    #[test]
    fn dimensions_are_checked() {
        let e = tensor![1.0].cumsum(1).unwrap_err();
        assert_eq!(e.message(), "cumsum: dimension 1 is out of range for 1 dimension (-1 ..= 0)");
        let e = Tensor::scalar(1.0).cumprod(0).unwrap_err();
        assert_eq!(e.message(), "cumprod: dimension 0 of a scalar, which has none");
        let e = tensor![1.0].prod_dims(&[0, 0], true).unwrap_err();
        assert_eq!(e.message(), "prod: dimension 0 is named twice");
    }
}
