//! Functions of two elements and their slopes, comparisons, choices, sums in place.

use super::{operand, run, strides_to};
use crate::error::{Error, Result, bug};
use crate::tensor::create::{check_shape, reserve, stale};
use crate::tensor::dtype::literals;
use crate::tensor::kernels::block::Block;
use crate::tensor::kernels::map::{self, Job};
use crate::tensor::kernels::ops::{self, Comparison};
use crate::tensor::kernels::{Data, Operand, Read};
use crate::tensor::layout::{Dims, broadcast};
use crate::tensor::storage::with_word;
use crate::tensor::{DType, Tensor};

pub(crate) use crate::tensor::kernels::ops::{BinaryOp, CompareOp, LogicOp};

/// A function of two tensors, whose types must be equal and whose shapes must broadcast. 16-bit types are computed in `F32`
/// and rounded back. Functions of real numbers make `F32` of integers; the others leave integers what they are (they wrap
/// around), and take truth values for `I64` numbers.
#[track_caller]
pub(crate) fn binary(name: &'static str, op: BinaryOp, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    Ok(Pair::new(name, a, b)?.run(op))
}

/// The same for a tensor and one number, given as a tensor without dimensions: of the same type, or `I64` for integers.
pub(crate) fn binary_with_number(op: BinaryOp, x: &Tensor, c: &Tensor) -> Tensor {
    Pair::with_number(x, c).run(op)
}

/// The same for two tensors that are known to have one shape and type.
pub(crate) fn binary_of_like(op: BinaryOp, a: &Tensor, b: &Tensor) -> Tensor {
    let (shape, strides) = (a.layout().shape(), [a, b].map(|x| x.layout().strides()));
    Pair { a, b, shape, strides }.run(op)
}

/// Whether two tensors can be the operands of [`binary`].
#[track_caller]
pub(crate) fn check(name: &'static str, a: &Tensor, b: &Tensor) -> Result<()> {
    Pair::new(name, a, b).map(drop)
}

/// A comparison of two tensors, whose types must be equal and whose shapes must broadcast.
#[track_caller]
pub(crate) fn compare(name: &'static str, op: CompareOp, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    Ok(Pair::new(name, a, b)?.compare(op.row()))
}

const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

/// A comparison with one number. It is rounded to the type of a floating-point tensor; integers are compared with it as it is.
pub(crate) fn compare_with_number(op: CompareOp, x: &Tensor, c: f64) -> Tensor {
    // An integer type that the number is not in gives way to `F64`. There, 2⁶³ is what the largest integers are rounded to, which are all
    // smaller.
    let beyond = x.dtype() == DType::I64 && c >= TWO_TO_63;
    let c = if beyond { f64::INFINITY } else { c };
    let number = Tensor::number(x.dtype(), c);
    let exact = x.dtype().is_float() || number.as_f64() == c;
    let (x, number) = if exact { (x.clone(), number) } else { (x.cast(DType::F64), Tensor::number(DType::F64, c)) };
    Pair::with_number(&x, &number).compare(op.row())
}

/// What two tensors of truth values make, whose shapes must broadcast.
#[track_caller]
pub(crate) fn logic(name: &'static str, op: LogicOp, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    a.expect_dtype(name, "the left operand", DType::Bool)?;
    b.expect_dtype(name, "the right operand", DType::Bool)?;
    Ok(Pair::new(name, a, b)?.of_bytes(op.row()))
}

/// `a` where the condition holds, else `b`; all three broadcast.
#[track_caller]
pub(crate) fn choose(name: &'static str, condition: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    condition.expect_dtype(name, "the condition", DType::Bool)?;
    b.expect_dtype(name, "the second choice", a.dtype())?;
    let fit = || {
        let shape = broadcast(condition.shape(), &broadcast(a.shape(), b.shape())?)?;
        Some((shape, [strides_to(condition, &shape)?, strides_to(a, &shape)?, strides_to(b, &shape)?]))
    };
    let Some((shape, [of_condition, of_a, of_b])) = fit() else {
        let (c, a, b) = (condition.shape(), a.shape(), b.shape());
        return Err(Error::shape(name, format!("shapes {c:?} (condition), {a:?} and {b:?} do not broadcast"))
            .with_help("counted from the last, dimensions must be equal, or 1 or absent"));
    };
    let mut out = stale(name, &shape, a.dtype())?;
    let mask = Mask(condition.data());
    with_word!(a.dtype(), W => {
        let condition = Operand { data: Data::Other(&mask, 0), strides: &of_condition };
        let a = Operand { data: Data::Own(a.words::<W>()), strides: &of_a };
        let b = Operand { data: Data::Own(b.words::<W>()), strides: &of_b };
        let job = Job { block: ops::choose::<W>(), args: [0.0; 2], cost: 1 };
        job.run(&shape, &[condition, a, b], out.words_mut());
    });
    Ok(out)
}

/// A condition as words of any size.
struct Mask<'a>(&'a [bool]);

impl<W: From<bool> + Send + Sync> Read<W> for Mask<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn read(&self, start: usize, stride: usize, out: &mut [W]) {
        match stride {
            0 => out.fill_with(|| W::from(self.0[start])),
            1 => out.iter_mut().zip(&self.0[start..]).for_each(|(out, x)| *out = W::from(*x)),
            _ => out.iter_mut().zip(self.0[start..].iter().step_by(stride)).for_each(|(out, x)| *out = W::from(*x)),
        }
    }
}

/// The slope of a function of two numbers that has a formula for it, of three tensors that the row names: the gradient of the
/// result, to whose shape the others broadcast, and what the function was of. The result has the type of the gradient.
pub(crate) fn slope(op: BinaryOp, x: [&Tensor; 3]) -> Result<Tensor> {
    let Some(row) = op.slope() else { return Err(bug!("backward", "the slope of {op:?}")) };
    let (shape, dtype) = (x[0].layout().shape(), x[0].dtype());
    let strides = x.map(|x| strides_to(x, &shape).ok_or(x));
    let [Ok(a), Ok(b), Ok(c)] = &strides else {
        return Err(bug!("backward", "operands that do not broadcast to {:?}", &*shape));
    };
    Ok(run(row, op.args(), &shape, x, [a, b, c], dtype.compute(), dtype))
}

/// `sum += factor · term` for tensors of one shape and type, in place if nobody else can see the sum.
pub(crate) fn accumulate(sum: &mut Tensor, term: &Tensor, factor: f64) -> Result<()> {
    if sum.shape() != term.shape() || sum.dtype() != term.dtype() {
        return Err(bug!(
            "accumulate",
            "{} {:?} added to {} {:?}",
            term.dtype(),
            term.shape(),
            sum.dtype(),
            sum.shape()
        ));
    }
    let (row, args, term) = (&ops::ACCUMULATE, [factor, 0.0], term.packed());
    match sum.dtype() {
        DType::F32 => map::into(Job { block: &row.f32, args, cost: 1 }, term.data(), sum.data_mut()),
        DType::F64 => map::into(Job { block: &row.f64, args, cost: 1 }, term.data(), sum.data_mut()),
        _ => *sum = binary("accumulate", BinaryOp::AddScaled { factor }, sum, &term)?,
    }
    Ok(())
}

/// Two operands that were checked to fit, and the shape of the result.
struct Pair<'a> {
    a: &'a Tensor,
    b: &'a Tensor,
    shape: Dims,
    strides: [Dims; 2],
}

impl<'a> Pair<'a> {
    /// Checks that the types are equal and that the shapes broadcast.
    #[track_caller]
    fn new(name: &'static str, a: &'a Tensor, b: &'a Tensor) -> Result<Self> {
        if a.dtype() != b.dtype() {
            let (a, b) = (a.dtype(), b.dtype());
            return Err(Error::dtype(name, format!("operands of types {a} and {b}")).with_help(format!(
                "types are never converted silently: use to_dtype(DType::{a:?}) on the second{}",
                literals(a, b)
            )));
        }
        let fit = || {
            let shape = broadcast(a.shape(), b.shape())?;
            Some((shape, [strides_to(a, &shape)?, strides_to(b, &shape)?]))
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
            // The widest type that a result can have.
            let widest = match a.dtype() {
                DType::Bool => DType::I64,
                DType::I8 | DType::U8 | DType::F16 | DType::BF16 => DType::F32,
                wide => wide,
            };
            reserve(name, &shape, widest)?;
        }
        Ok(Self { a, b, shape, strides })
    }

    fn with_number(x: &'a Tensor, c: &'a Tensor) -> Self {
        let (shape, strides) = (x.layout().shape(), x.layout().strides());
        Self { a: x, b: c, shape, strides: [strides, Dims::filled(0, shape.len())] }
    }

    fn run(&self, op: BinaryOp) -> Tensor {
        let row = op.value();
        let (computed, result) = match self.a.dtype() {
            dtype if dtype.is_float() => (dtype.compute(), dtype),
            DType::Bool if row.i64.is_some() => (DType::I64, DType::I64),
            dtype if row.i64.is_some() => (DType::I64, dtype),
            _ => (DType::F32, DType::F32),
        };
        run(row, op.args(), &self.shape, [self.a, self.b], self.strides.each_ref().map(|s| &**s), computed, result)
    }

    fn compare(&self, row: &Comparison) -> Tensor {
        match self.a.dtype() {
            DType::U8 | DType::Bool => self.of_bytes(&row.u8),
            DType::F64 => self.compare_in::<f64>(&row.f64),
            dtype if dtype.is_float() => self.compare_in::<f32>(&row.f32),
            _ => self.compare_in::<i64>(&row.i64),
        }
    }

    fn compare_in<T: crate::tensor::Element>(&self, block: &Block<T, bool, 2>) -> Tensor
    where
        Tensor: Read<T>,
    {
        let [of_a, of_b] = &self.strides;
        let x = [operand(self.a, of_a), operand(self.b, of_b)];
        Tensor::build::<bool>(&self.shape, |out| Job { block, args: [0.0; 2], cost: 1 }.run(&self.shape, &x, out))
    }

    /// A loop over the bytes of `U8` and `Bool`.
    fn of_bytes(&self, block: &Block<u8, bool, 2>) -> Tensor {
        let [of_a, of_b] = &self.strides;
        let x = [(self.a, of_a), (self.b, of_b)].map(|(x, strides)| Operand { data: Data::Own(x.words()), strides });
        Tensor::build::<bool>(&self.shape, |out| Job { block, args: [0.0; 2], cost: 1 }.run(&self.shape, &x, out))
    }
}
