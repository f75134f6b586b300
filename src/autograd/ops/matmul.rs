//! Matrix products.

use super::record;
use crate::autograd::function::{Function, Saved, apply};
use crate::autograd::node::is_recorded;
use crate::autograd::per_example::no_rule;
use crate::autograd::{ExampleSink, Sink};
use crate::error::{Error, Result};
use crate::tensor::dtype::literals;
use crate::tensor::layout::{Dims, broadcast};
use crate::tensor::{Tensor, exec};

/// # Matrix products
///
/// ```
/// use demotic::tensor;
///
/// let (a, b) = (tensor![1.0, 2.0], tensor![3.0, 4.0]);
/// assert_eq!((a.dot(&b)?.item()?, a.outer(&b)?.to_f64_vec()), (11.0, vec![3.0, 4.0, 6.0, 8.0]));
/// assert_eq!(a.linear(&tensor![[3.0, 4.0], [0.0, 1.0]], Some(&tensor![0.5, 0.0]))?.to_f64_vec(), [11.5, 2.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// The matrix product of the last two dimensions; leading ones broadcast as batches.
    ///
    /// `[.., m, k] × [.., k, n]` gives `[.., m, n]`. A vector on the left counts as a row, one on the right as a column,
    /// and the dimension is dropped from the result; two vectors give their inner product, a scalar.
    ///
    /// Gradients: `g · bᵀ` and `aᵀ · g`. 16-bit types are multiplied and added in `F32`, and the sums rounded back.
    ///
    /// # Errors
    /// If the inner sizes differ, the batches do not broadcast, an operand is a scalar, or the types differ.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let a = tensor![[1.0, 2.0], [3.0, 4.0]];
    /// let x = tensor![1.0, -1.0];
    /// assert_eq!(a.matmul(&x)?.to_vec::<f32>()?, [-1.0, -1.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "mm")]
    #[doc(alias = "bmm")]
    #[doc(alias = "mv")]
    #[track_caller]
    pub fn matmul(&self, other: &Tensor) -> Result<Tensor> {
        let _timer = crate::profile::op("matmul");
        check_matmul(self, other)?;
        let row = if self.rank() == 1 { Some(self.unsqueeze(0)?) } else { None };
        let column = if other.rank() == 1 { Some(other.unsqueeze(1)?) } else { None };
        let mut out = product(row.as_ref().unwrap_or(self), column.as_ref().unwrap_or(other))?;
        if row.is_some() {
            out = out.squeeze(-2)?;
        }
        if column.is_some() {
            out = out.squeeze(-1)?;
        }
        Ok(out)
    }

    /// The inner product of two vectors, a scalar. Gradients: `g · b` and `g · a`.
    ///
    /// # Errors
    /// If the operands are not two vectors of one length, or the types differ.
    #[doc(alias = "inner")]
    #[doc(alias = "vdot")]
    #[track_caller]
    pub fn dot(&self, other: &Tensor) -> Result<Tensor> {
        if self.rank() != 1 || self.shape() != other.shape() {
            let message = format!("{:?} · {:?}, expected two vectors of one length", self.shape(), other.shape());
            return Err(Error::shape("dot", message));
        }
        self.matmul(other)
    }

    /// All products of the elements of two vectors: `[m]` and `[n]` give `[m, n]`. Gradients: `g · b` and `gᵀ · a`.
    ///
    /// # Errors
    /// If the operands are not vectors, the types differ, or the result is too large.
    #[doc(alias = "ger")]
    #[track_caller]
    pub fn outer(&self, other: &Tensor) -> Result<Tensor> {
        if self.rank() != 1 || other.rank() != 1 {
            let message = format!("{:?} and {:?}, expected two vectors", self.shape(), other.shape());
            return Err(Error::shape("outer", message));
        }
        self.unsqueeze(1)?.mul(&other.unsqueeze(0)?)
    }

    /// `x · wᵀ + b`, the linear layer as one operation: `[.., in] × [out, in] + [out]` gives `[.., out]`.
    ///
    /// Gradients: `g · w`, `gᵀ · x` and the sum of `g` over all rows.
    ///
    /// # Errors
    /// If the sizes do not fit or the types differ.
    #[track_caller]
    pub fn linear(&self, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        match bias {
            Some(bias) => apply(Linear, &[self, weight, bias]),
            None => apply(Linear, &[self, weight]),
        }
    }
}

/// Products are computed in `F32` and `F64`; 16-bit operands are converted on the way.
#[track_caller]
pub(super) fn expect_fractions(x: &Tensor, op: &'static str, what: &str) -> Result<()> {
    if x.dtype().is_float() { Ok(()) } else { x.expect_float(op, what) }
}

#[track_caller]
fn check_types(name: &'static str, a: &Tensor, b: &Tensor) -> Result<()> {
    expect_fractions(a, name, "the left operand")?;
    b.expect_dtype(name, "the right operand", a.dtype())
}

#[track_caller]
fn check_matmul(a: &Tensor, b: &Tensor) -> Result<()> {
    check_types("matmul", a, b)?;
    let shapes = || format!("{:?} × {:?}", a.shape(), b.shape());
    if a.rank() == 0 || b.rank() == 0 {
        return Err(Error::shape("matmul", format!("{}: a scalar is not a matrix", shapes()))
            .with_help("multiply by a scalar with `*`"));
    }
    let inner = (a.shape()[a.rank() - 1], b.shape()[b.rank().saturating_sub(2)]);
    if inner.0 != inner.1 {
        let e = Error::shape("matmul", format!("inner sizes differ, {} ({} ≠ {})", shapes(), inner.0, inner.1));
        let transposed = b.rank() >= 2 && b.shape()[b.rank() - 1] == inner.0;
        let turned = a.rank() >= 2 && a.shape()[a.rank() - 2] == inner.1;
        return Err(if transposed {
            e.with_help("the second operand fits transposed: b.t()")
        } else if turned {
            e.with_help("the first operand fits transposed: a.t()")
        } else {
            e
        });
    }
    Ok(())
}

/// The product of operands with at least two dimensions, whose inner sizes agree.
#[track_caller]
fn product(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let batch_of = |x: &Tensor| Dims::collect(x.shape()[..x.rank() - 2].iter().copied());
    let (batch_a, batch_b) = (batch_of(a), batch_of(b));
    let Some(batch) = broadcast(&batch_a, &batch_b) else {
        let message = format!("the batches of {:?} × {:?} do not broadcast", a.shape(), b.shape());
        return Err(Error::shape("matmul", message));
    };
    let out = exec::gemm::matmul(a, b, &batch)?;
    Ok(record("matmul", out, &[a, b], |tape| {
        let (x, y) = (a.clone(), b.clone());
        // Rows depend on rows, and matrices of a batch on their own.
        let rank = a.rank().max(b.rank());
        tape.edge(a, move |g| g.matmul(&y.for_gradient().t()));
        tape.keeps_examples(a, a.rank() == rank);
        // A matrix that a whole batch was multiplied by: one product over all rows instead of one per batch, summed.
        let shared = y_is_shared(a, b);
        tape.edge(b, move |g| match (x.for_gradient(), shared) {
            (x, true) => rows(&x)?.t().matmul(&rows(g)?),
            (x, false) => x.t().matmul(g),
        });
        tape.keeps_examples(b, b.rank() == rank && rank > 2);
    }))
}

fn y_is_shared(a: &Tensor, b: &Tensor) -> bool {
    b.rank() == 2 && a.rank() > 2
}

/// `aᵀ · b`, summed over all rows of both.
fn over_rows(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    // With views for the recorded gradient, where there is one.
    if is_recorded(&[a, b]) { rows(a)?.t().matmul(&rows(b)?) } else { exec::gemm::over_rows(a, b) }
}

/// All leading dimensions as one.
fn rows(x: &Tensor) -> Result<Tensor> {
    if x.rank() == 2 {
        return Ok(x.clone());
    }
    let columns = x.shape()[x.rank() - 1];
    let rows: usize = x.shape()[..x.rank() - 1].iter().product();
    x.reshape([rows, columns])
}

/// `x · wᵀ + b` in one pass over the result.
struct Linear;

/// What somebody whose input does not have the features of a layer probably did.
fn advice(input: &[usize], outputs: usize, features: usize) -> String {
    let flat = |from: usize| input[from..].iter().product::<usize>() == features;
    match input {
        [.., given] if *given == outputs => {
            format!("are the sizes swapped? Linear::new({outputs}, {features}, ..) takes {outputs} features")
        }
        [_, ..] if input.len() > 2 && flat(1) => {
            "flatten the examples first: flatten(1, -1), or a Flatten layer".into()
        }
        [_, ..] if input.len() > 1 && flat(0) => {
            "flatten the example first: flatten(0, -1); before layers that take batches, make it one: unsqueeze(0)"
                .into()
        }
        [.., given] => format!("make it of the size of what comes in: Linear::new({given}, {outputs}, ..)"),
        [] => "give a single number the shape [1, 1]".into(),
    }
}

/// Adds a bias, if there is one, to the outputs of a dense layer whose weights are no tensor.
#[track_caller]
pub(super) fn with_bias(y: Tensor, outputs: usize, bias: Option<&Tensor>) -> Result<Tensor> {
    match bias {
        Some(bias) if bias.shape() != [outputs] => {
            let message = format!("a bias of shape {:?} for {outputs} outputs", bias.shape());
            Err(Error::shape("linear", message))
        }
        Some(bias) => y.add(bias),
        None => Ok(y),
    }
}

/// Checks that `x` is what a dense layer of these sizes takes.
#[track_caller]
pub(super) fn expect_features(x: &Tensor, outputs: usize, features: usize) -> Result<()> {
    let Some(&given) = x.shape().last() else {
        let message =
            format!("input {:?} and weight {:?}, expected [.., in] and [out, in]", x.shape(), [outputs, features]);
        return Err(Error::shape("linear", message).with_help("give a single number the shape [1, 1]"));
    };
    if given != features {
        let message = format!("the input {:?} has {given} features, the layer takes {features}", x.shape());
        return Err(Error::shape("linear", message).with_help(advice(x.shape(), outputs, features)));
    }
    Ok(())
}

impl Function for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    #[track_caller]
    fn forward(&mut self, inputs: &[&Tensor]) -> Result<Tensor> {
        let (x, weight, bias) = (inputs[0], inputs[1], inputs.get(2));
        expect_fractions(x, "linear", "the input")?;
        if weight.dtype() != x.dtype() {
            let (given, own) = (x.dtype(), weight.dtype());
            return Err(Error::dtype("linear", format!("an input of {given} for a weight of {own}"))
                .with_help(format!("convert the input with to_dtype(DType::{own:?}){}", literals(own, given))));
        }
        let &[outputs, features] = weight.shape() else {
            let message =
                format!("input {:?} and weight {:?}, expected [.., in] and [out, in]", x.shape(), weight.shape());
            return Err(Error::shape("linear", message));
        };
        expect_features(x, outputs, features)?;
        if let Some(bias) = bias {
            bias.expect_dtype("linear", "the bias", x.dtype())?;
            if bias.shape() != [outputs] {
                let message = format!("a bias of shape {:?} for {outputs} outputs", bias.shape());
                return Err(Error::shape("linear", message));
            }
        }
        exec::gemm::linear(x, weight, bias.copied())
    }

    fn backward(&self, saved: &Saved<'_>, grad: &Tensor, sink: &mut Sink<'_, '_>) -> Result<()> {
        let (x, weight) = (&saved.inputs()[0], &saved.inputs()[1]);
        if sink.wants(0) {
            sink.give(0, grad.matmul(weight)?)?;
        }
        if sink.wants(1) {
            // A weight that is kept transposed gets a gradient that is contiguous where the weight is.
            let is_transposed = !weight.is_contiguous() && weight.t().is_contiguous();
            sink.give(1, if is_transposed { over_rows(x, grad)?.t() } else { over_rows(grad, x)? })?;
        }
        if sink.wants(2) {
            sink.give(2, rows(grad)?.sum_dims(&[0], false)?)?;
        }
        Ok(())
    }

    fn backward_per_example(&self, saved: &Saved<'_>, grad: &Tensor, sink: &mut ExampleSink<'_, '_>) -> Result<()> {
        let (x, weight) = (&saved.inputs()[0], &saved.inputs()[1]);
        if grad.rank() < 2 {
            return Err(no_rule(self.name()));
        }
        if sink.wants(0) {
            sink.give_apart(0, grad.matmul(weight)?)?;
        }
        if sink.wants(1) {
            sink.give_products(1, grad, x)?;
        }
        if sink.wants(2) {
            let (rows, outputs) = (grad.shape()[0], weight.shape()[0]);
            let steps = grad.numel() / (rows * outputs).max(1);
            sink.give_each(2, grad.reshape([rows, steps, outputs])?.sum_dims(&[1], false)?)?;
        }
        Ok(())
    }
}
