//! Terms of the loss that grow with the parameters.

use super::selection::Selection;
use crate::autograd::{Function, Saved, SecondOrder, Sink, apply};
use crate::error::{Error, Result, bug};
use crate::layers::{Module, Slot, Visitor};
use crate::optimizers::options::not_negative;
use crate::tensor::exec::reduce::{ReduceOp, total};
use crate::tensor::kernels::Real;
use crate::tensor::kernels::map::{self, Unary};
use crate::tensor::kernels::simd::Isa;
use crate::tensor::{Tensor, dtype::with_float};

/// A term to be added to the loss.
pub trait Penalty: Send + Sync {
    /// The term as a differentiable number, of the type of the parameters.
    ///
    /// # Errors
    /// If an option makes no sense, no parameter is meant, or those that are have different types.
    #[track_caller]
    fn penalty(&self, model: &dyn Module) -> Result<Tensor>;
}

/// The lasso (Tibshirani, 1996), `strength · Σ |w|`: drives parameters that matter little to zero.
///
/// The gradient is `strength · sign(w)`, 0 at 0.
#[derive(Debug, Clone, PartialEq)]
pub struct L1(ElasticNet);

/// The ridge (Hoerl and Kennard, 1970), `strength · Σ w²`: keeps parameters small.
///
/// The gradient is `2 · strength · w`, so with [`Sgd`](crate::optimizers::Sgd) it is the same as a weight decay of
/// `2 · strength`.
#[derive(Debug, Clone, PartialEq)]
pub struct L2(ElasticNet);

/// The elastic net (Zou and Hastie, 2005), `l1 · Σ |w| + l2 · Σ w²`.
#[derive(Debug, Clone, PartialEq)]
pub struct ElasticNet {
    l1: f64,
    l2: f64,
    selection: Selection,
}

impl L1 {
    /// The penalty on all parameters. The strength is at least 0.
    #[must_use]
    pub fn new(strength: f64) -> Self {
        Self(ElasticNet::new(strength, 0.0))
    }

    /// Only on parameters whose path matches `pattern`, as [`ElasticNet::on`].
    #[must_use]
    pub fn on(self, pattern: impl Into<String>) -> Self {
        Self(self.0.on(pattern))
    }
}

impl L2 {
    /// The penalty on all parameters. The strength is at least 0.
    #[must_use]
    pub fn new(strength: f64) -> Self {
        Self(ElasticNet::new(0.0, strength))
    }

    /// Only on parameters whose path matches `pattern`, as [`ElasticNet::on`].
    #[must_use]
    pub fn on(self, pattern: impl Into<String>) -> Self {
        Self(self.0.on(pattern))
    }
}

impl ElasticNet {
    /// The penalty on all parameters. Both strengths are at least 0.
    #[must_use]
    pub fn new(l1: f64, l2: f64) -> Self {
        Self { l1, l2, selection: Selection::default() }
    }

    /// Only on parameters whose path matches `pattern`, in which `*` stands for any text: `*.weight`. Several patterns add
    /// up. Frozen parameters are counted too; they only add a constant.
    #[must_use]
    pub fn on(mut self, pattern: impl Into<String>) -> Self {
        self.selection.add(pattern.into());
        self
    }

    #[track_caller]
    fn compute(&self, op: &'static str, model: &dyn Module) -> Result<Tensor> {
        not_negative(op, "the strength", self.l1)?;
        not_negative(op, "the strength", self.l2)?;
        let mut chosen = Vec::new();
        let mut on_slot = |path: &str, slot: Slot<'_>| {
            if let Slot::Param(param) = slot
                && self.selection.includes(path)
            {
                chosen.push(param.value().clone());
            }
        };
        model.visit(&mut Visitor::new(&mut on_slot));
        let Some(first) = chosen.first() else { return Err(self.selection.is_empty(op, model)) };
        if let Some(other) = chosen.iter().find(|x| x.dtype() != first.dtype()) {
            let message = format!("parameters of types {} and {} in one penalty", first.dtype(), other.dtype());
            return Err(Error::dtype(op, message).with_help("make one penalty for each type, with on()"));
        }
        let inputs: Vec<&Tensor> = chosen.iter().collect();
        apply(Powers { op, l1: self.l1, l2: self.l2 }, &inputs)
    }
}

impl Penalty for L1 {
    #[track_caller]
    fn penalty(&self, model: &dyn Module) -> Result<Tensor> {
        self.0.compute("L1", model)
    }
}

impl Penalty for L2 {
    #[track_caller]
    fn penalty(&self, model: &dyn Module) -> Result<Tensor> {
        self.0.compute("L2", model)
    }
}

impl Penalty for ElasticNet {
    #[track_caller]
    fn penalty(&self, model: &dyn Module) -> Result<Tensor> {
        self.compute("ElasticNet", model)
    }
}

/// `l1 · Σ |x| + l2 · Σ x²` over all inputs: one operation, however many there are.
struct Powers {
    op: &'static str,
    l1: f64,
    l2: f64,
}

impl Function for Powers {
    fn name(&self) -> &'static str {
        self.op
    }

    fn forward(&mut self, inputs: &[&Tensor]) -> Result<Tensor> {
        let mut sum = 0.0;
        for x in inputs {
            if self.l1 != 0.0 {
                sum += self.l1 * total(ReduceOp::Norm(1.0), x);
            }
            if self.l2 != 0.0 {
                sum += self.l2 * total(ReduceOp::SumSquares, x);
            }
        }
        Ok(Tensor::scalar(sum).to_dtype(inputs[0].dtype()))
    }

    fn backward(&self, saved: &Saved<'_>, grad: &Tensor, sink: &mut Sink<'_, '_>) -> Result<()> {
        let g = grad.item()?;
        for (i, x) in saved.inputs().iter().enumerate() {
            if !sink.wants(i) {
                continue;
            }
            let x = x.packed();
            let slope = with_float!(x.dtype(), T => {
                let slope = Slope { l1: (g * self.l1) as T, l2: (2.0 * g * self.l2) as T };
                Tensor::build::<T>(x.shape(), |out| map::unary(slope, x.data(), out))
            }, else return Err(bug!(self.op, "a parameter of type {}", x.dtype())));
            sink.give(i, slope)?;
        }
        Ok(())
    }

    fn second_order(&self) -> SecondOrder {
        SecondOrder::Composite
    }

    fn composite(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let term = |x: &Tensor| x.abs().sum().mul_scalar(self.l1).add(&x.square().sum().mul_scalar(self.l2));
        let (first, others) = inputs.split_at(1);
        others.iter().try_fold(term(&first[0])?, |sum, x| sum.add(&term(x)?))
    }
}

/// `l1 · sign(x) + l2 · x`.
#[derive(Clone, Copy)]
struct Slope<T> {
    l1: T,
    l2: T,
}

impl<T: Real> Unary<T> for Slope<T> {
    #[inline(always)]
    fn apply<I: Isa>(self, x: T) -> T {
        let sign = if x > T::zero() {
            self.l1
        } else if x < T::zero() {
            -self.l1
        } else {
            T::zero()
        };
        sign + self.l2 * x
    }
}
