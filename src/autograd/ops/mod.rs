//! Every operation on tensors: its checks, its computation and its gradient on one screen, a file for each family.
//!
//! `docs/adding_an_op.md` walks through one. The functions here are what the families share: they check and align
//! the operands, run a kernel on the right element type, and record the gradient.

mod activation;
mod arithmetic;
pub(crate) mod attention;
mod cast;
mod compare;
mod count;
pub(crate) mod cross_entropy;
mod dropout;
mod einsum;
pub(crate) mod embedding;
mod exp_log;
mod extremes;
mod gather;
mod join;
mod layer_norm;
pub(crate) mod likelihood;
mod matmul;
mod max_min;
mod moments;
pub(crate) mod norm;
mod pad;
pub(crate) mod penalty;
mod power;
mod rearrange;
pub(crate) mod recurrent;
pub(crate) mod renorm;
mod rotary;
mod rounding;
mod scan;
mod select;
mod shape;
mod slice;
mod softmax;
mod sort;
mod special;
pub(crate) mod squared_error;
mod sum;
mod triangle;
mod trigonometric;

use super::{record, recording};
use crate::error::{Error, Result};
use crate::tensor::create::{check_shape, reserve};
use crate::tensor::dtype::literals;
use crate::tensor::kernels::map::{self, Binary, Ternary, Unary};
use crate::tensor::layout::{Dims, broadcast, expand_strides};
use crate::tensor::{DType, Tensor};

/// A function of one number that comes in `f32` and in `f64`.
///
/// Kernels without scalars serve as they are; those that hold one are a pair, made by [`scalars!`].
pub(crate) trait FloatOp: Copy + Send + Sync {
    fn single(self) -> impl Unary<f32>;
    fn double(self) -> impl Unary<f64>;
}

impl<O: Unary<f32> + Unary<f64>> FloatOp for O {
    fn single(self) -> impl Unary<f32> {
        self
    }
    fn double(self) -> impl Unary<f64> {
        self
    }
}

impl<S: Unary<f32>, D: Unary<f64>> FloatOp for (S, D) {
    fn single(self) -> impl Unary<f32> {
        self.0
    }
    fn double(self) -> impl Unary<f64> {
        self.1
    }
}

/// A function of two numbers that comes in `f32` and in `f64`; see [`FloatOp`].
pub(crate) trait FloatBinary: Copy + Send + Sync {
    fn single(self) -> impl Binary<f32>;
    fn double(self) -> impl Binary<f64>;
}

impl<O: Binary<f32> + Binary<f64>> FloatBinary for O {
    fn single(self) -> impl Binary<f32> {
        self
    }
    fn double(self) -> impl Binary<f64> {
        self
    }
}

impl<S: Binary<f32>, D: Binary<f64>> FloatBinary for (S, D) {
    fn single(self) -> impl Binary<f32> {
        self.0
    }
    fn double(self) -> impl Binary<f64> {
        self.1
    }
}

/// A kernel that holds scalars, in both precisions: `scalars!(MulScalar(c))`, `scalars!(Clamp { lo, hi })`.
macro_rules! scalars {
    ($op:ident($c:expr)) => {
        ($crate::tensor::kernels::ops::$op($c as f32), $crate::tensor::kernels::ops::$op($c))
    };
    ($op:ident { $($field:ident),* }) => {
        (
            $crate::tensor::kernels::ops::$op { $($field: $field as f32),* },
            $crate::tensor::kernels::ops::$op { $($field),* },
        )
    };
}
pub(crate) use scalars;

/// Applies a kernel to each element. 16-bit types are computed in `F32` and rounded back; integers and truth values
/// become `F32`, as in PyTorch.
pub(crate) fn map(x: &Tensor, op: impl FloatOp) -> Tensor {
    let packed = x.packed();
    match x.dtype() {
        DType::F32 => Tensor::build::<f32>(x.shape(), |out| map::unary(op.single(), packed.data(), out)),
        DType::F64 => Tensor::build::<f64>(x.shape(), |out| map::unary(op.double(), packed.data(), out)),
        DType::F16 | DType::BF16 => map(&x.cast(DType::F32), op).cast(x.dtype()),
        DType::I64 | DType::U8 | DType::Bool => map(&x.cast(DType::F32), op),
    }
}

/// A function of one number, with the gradient `g ↦ vjp(g, x)`.
pub(crate) fn unary(
    name: &'static str,
    x: &Tensor,
    op: impl FloatOp,
    vjp: impl Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync + 'static,
) -> Tensor {
    let _timer = crate::profile::op(name);
    record(name, map(x, op), &[x], |tape| {
        let input = x.clone();
        tape.edge(x, move |g| vjp(g, &input.for_gradient()));
    })
}

/// A function of one number whose gradient does not depend on that number: `g ↦ vjp(g)`. The input is not kept.
pub(crate) fn unary_linear(
    name: &'static str,
    x: &Tensor,
    op: impl FloatOp,
    vjp: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static,
) -> Tensor {
    let _timer = crate::profile::op(name);
    record(name, map(x, op), &[x], |tape| tape.edge(x, vjp))
}

/// A function of one number whose gradient is best computed from its result: `g ↦ vjp(g, y)`. The input is not kept.
pub(crate) fn unary_by_output(
    name: &'static str,
    x: &Tensor,
    op: impl FloatOp,
    vjp: impl Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync + 'static,
) -> Tensor {
    let _timer = crate::profile::op(name);
    record(name, map(x, op), &[x], |tape| tape.edge_with_output(x, vjp))
}

/// A gradient `g ↦ vjp(g, saved)` in two forms: `fused` is faster but cannot be differentiated; `composite` is made of
/// differentiable operations, and serves while gradients are themselves recorded.
pub(crate) fn two_forms(
    fused: impl Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync + 'static,
    composite: impl Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync + 'static,
) -> impl Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync + 'static {
    move |g, saved| if recording::is_enabled() { composite(g, saved) } else { fused(g, saved) }
}

/// The same where the fused form is a kernel of two numbers, to be run in one pass over the gradient and what was saved.
pub(crate) fn fused(
    kernel: impl FloatBinary + 'static,
    composite: impl Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync + 'static,
) -> impl Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync + 'static {
    two_forms(move |g, saved| Ok(Pair::new("backward", g, saved)?.run_float(kernel)), composite)
}

/// A gradient that is computed from three tensors: a kernel, run in one pass over operands that broadcast to the shape of the
/// first, or, while gradients are themselves recorded, a form made of differentiable operations.
pub(crate) fn fused_ternary(
    kernel: impl Ternary<f32, f32, f32, f32> + Ternary<f64, f64, f64, f64>,
    operands: [&Tensor; 3],
    composite: impl FnOnce() -> Result<Tensor>,
) -> Result<Tensor> {
    if recording::is_enabled() {
        return composite();
    }
    let dtype = operands[0].dtype();
    let computed = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
    let [a, b, c] = operands.map(|x| x.cast(computed));
    let shape = a.layout().shape;
    let strides = |x: &Tensor| {
        expand_strides(x.layout(), &shape)
            .ok_or_else(|| Error::shape("backward", format!("{:?} does not broadcast to {:?}", x.shape(), &*shape)))
    };
    let [sa, sb, sc] = [strides(&a)?, strides(&b)?, strides(&c)?];
    let out = if computed == DType::F64 {
        Tensor::build::<f64>(&shape, |out| {
            map::ternary(kernel, &shape, a.strided::<f64>(&sa), b.strided::<f64>(&sb), c.strided::<f64>(&sc), out);
        })
    } else {
        Tensor::build::<f32>(&shape, |out| {
            map::ternary(kernel, &shape, a.strided::<f32>(&sa), b.strided::<f32>(&sb), c.strided::<f32>(&sc), out);
        })
    };
    Ok(out.cast(dtype))
}

/// The widest type that an operation on two tensors of a type computes in: see [`Pair::run_float`] and
/// [`Pair::run_number`].
fn computed_in(dtype: DType) -> DType {
    match dtype {
        DType::Bool => DType::I64,
        DType::U8 | DType::F16 | DType::BF16 => DType::F32,
        wide => wide,
    }
}

/// Two operands that were checked to fit, and the shape of the result.
pub(crate) struct Pair<'a> {
    a: &'a Tensor,
    b: &'a Tensor,
    shape: Dims,
    strides: [Dims; 2],
}

impl<'a> Pair<'a> {
    /// Checks that the types are equal and that the shapes broadcast.
    #[track_caller]
    pub(crate) fn new(name: &'static str, a: &'a Tensor, b: &'a Tensor) -> Result<Self> {
        if a.dtype() != b.dtype() {
            let (a, b) = (a.dtype(), b.dtype());
            return Err(Error::dtype(name, format!("operands of types {a} and {b}")).with_help(format!(
                "types are never converted silently: use to_dtype(DType::{a:?}) on the second{}",
                literals(a, b)
            )));
        }
        let fit = || {
            let shape = broadcast(a.shape(), b.shape())?;
            Some((shape, [expand_strides(a.layout(), &shape)?, expand_strides(b.layout(), &shape)?]))
        };
        let Some((shape, strides)) = fit() else {
            let message = format!("shapes {:?} and {:?} do not broadcast", a.shape(), b.shape());
            let product = matches!((a.shape(), b.shape()), ([.., k], [.., l, _]) if name == "mul" && k == l);
            return Err(Error::shape(name, message).with_help(if product {
                "`*` and mul go element by element; the matrix product is matmul"
            } else {
                "counted from the last, dimensions must be equal, or one of them 1 or absent"
            }));
        };
        if *shape == *a.shape() || *shape == *b.shape() {
            check_shape(name, &shape, a.dtype())?;
        } else {
            reserve(name, &shape, computed_in(a.dtype()))?;
        }
        Ok(Self { a, b, shape, strides })
    }

    /// A tensor and a number of the same type, as a tensor without dimensions.
    pub(crate) fn with_scalar(x: &'a Tensor, c: &'a Tensor) -> Self {
        let (shape, strides) = (x.layout().shape, x.layout().strides);
        Self { a: x, b: c, shape, strides: [strides, Dims::filled(0, shape.len())] }
    }

    pub(crate) fn dtype(&self) -> DType {
        self.a.dtype()
    }

    /// Hands both operands to `f`, converted to another type.
    pub(crate) fn converted(&self, dtype: DType, f: impl FnOnce(Pair<'_>) -> Tensor) -> Tensor {
        let (a, b) = (self.a.cast(dtype), self.b.cast(dtype));
        let strides = [&a, &b].map(|x| expand_strides(x.layout(), &self.shape).unwrap_or(Dims::EMPTY));
        f(Pair { a: &a, b: &b, shape: self.shape, strides })
    }

    /// Runs a kernel on operands of type `T`.
    pub(crate) fn run<T, U, O>(&self, op: O) -> Tensor
    where
        T: crate::tensor::Element,
        U: crate::tensor::Element,
        O: Binary<T, U>,
    {
        let [a, b] = &self.strides;
        Tensor::build::<U>(&self.shape, |out| {
            map::binary(op, &self.shape, self.a.strided::<T>(a), self.b.strided::<T>(b), out);
        })
    }

    /// Runs a kernel for floating-point numbers; 16-bit types are computed in `F32` and rounded back, integers and
    /// truth values become `F32`.
    pub(crate) fn run_float(&self, op: impl FloatBinary) -> Tensor {
        match self.dtype() {
            DType::F32 => self.run::<f32, f32, _>(op.single()),
            DType::F64 => self.run::<f64, f64, _>(op.double()),
            dtype => {
                let out = self.converted(DType::F32, |pair| pair.run::<f32, f32, _>(op.single()));
                if dtype.is_float() { out.cast(dtype) } else { out }
            }
        }
    }

    /// The same, but integers stay integers (arithmetic wraps around). Truth values count as `I64` numbers.
    pub(crate) fn run_number<O>(&self, op: O) -> Tensor
    where
        O: Binary<f32> + Binary<f64> + Binary<i64> + Binary<u8>,
    {
        match self.dtype() {
            DType::I64 => self.run::<i64, i64, O>(op),
            DType::U8 => self.run::<u8, u8, O>(op),
            DType::Bool => self.converted(DType::I64, |pair| pair.run::<i64, i64, O>(op)),
            _ => self.run_float(op),
        }
    }
}
