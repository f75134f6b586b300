//! Terms of the loss that grow with the parameters.

use serde::{Deserialize, Serialize};

use super::selection::Selection;
use crate::autograd::ops::penalty::{Penalty as Kind, powers};
use crate::config::configurable;
use crate::error::{Error, Result};
use crate::layers::{Module, Slot, Visitor};
use crate::optimizers::options::not_negative;
use crate::tensor::Tensor;

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
/// The gradient is `strength · sign(w)`, 0 at 0. An example is at [`ElasticNet`], which is both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "One", into = "One")]
pub struct L1(ElasticNet);

/// The ridge (Hoerl and Kennard, 1970), `strength · Σ w²`: keeps parameters small. An example is at [`ElasticNet`].
///
/// The gradient is `2 · strength · w`, so with [`Sgd`](crate::optimizers::Sgd) it is the same as a weight decay of
/// `2 · strength`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "One", into = "One")]
pub struct L2(ElasticNet);

/// The elastic net (Zou and Hastie, 2005), `l1 · Σ |w| + l2 · Σ w²`.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::regularizers::{ElasticNet, L1, L2, Penalty};
///
/// let mut model = Linear::new(2, 1, &mut Rng::seed(0))?.without_bias();
/// model.weight.set(&tensor![[-3.0, 1.0]])?;
/// let penalties: [&dyn Penalty; 3] = [&L1::new(0.5), &L2::new(0.5), &ElasticNet::new(0.5, 0.5)];
/// let of = penalties.map(|penalty| penalty.penalty(&model).and_then(|term| term.item()).unwrap());
/// assert_eq!(of, [2.0, 5.0, 7.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ElasticNet {
    l1: f64,
    l2: f64,
    selection: Selection,
}

configurable!(ElasticNet { l1, l2, selection as "on" } = Self::new(0.0, 0.0), checked);

/// A penalty of one strength, as files have it.
struct One {
    strength: f64,
    selection: Selection,
}

configurable!(One { strength: required, selection as "on" } = Self { strength: 0.0, selection: Selection::default() }, check);

impl One {
    #[track_caller]
    fn check(&self) -> Result<()> {
        not_negative("penalty", "the strength", self.strength)
    }
}

impl From<One> for L1 {
    fn from(one: One) -> Self {
        Self(ElasticNet { l1: one.strength, l2: 0.0, selection: one.selection })
    }
}

impl From<One> for L2 {
    fn from(one: One) -> Self {
        Self(ElasticNet { l1: 0.0, l2: one.strength, selection: one.selection })
    }
}

impl From<L1> for One {
    fn from(L1(net): L1) -> Self {
        Self { strength: net.l1, selection: net.selection }
    }
}

impl From<L2> for One {
    fn from(L2(net): L2) -> Self {
        Self { strength: net.l2, selection: net.selection }
    }
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

    /// The same term for tensors that are not parameters, activations of a layer for example. They have one type.
    ///
    /// # Errors
    /// As for [`penalty`](Penalty::penalty).
    #[track_caller]
    pub fn of(&self, tensors: &[&Tensor]) -> Result<Tensor> {
        self.0.over(Kind::L1, tensors)
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

    /// The same term for tensors that are not parameters, activations of a layer for example. They have one type.
    ///
    /// # Errors
    /// As for [`penalty`](Penalty::penalty).
    #[track_caller]
    pub fn of(&self, tensors: &[&Tensor]) -> Result<Tensor> {
        self.0.over(Kind::L2, tensors)
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

    /// The same term for tensors that are not parameters, activations of a layer for example. They have one type.
    ///
    /// # Errors
    /// As for [`penalty`](Penalty::penalty).
    ///
    /// ```
    /// use demotic::{regularizers::ElasticNet, tensor};
    ///
    /// let activations = tensor![[1.0, -2.0], [0.0, 0.5]].relu();
    /// assert_eq!(ElasticNet::new(0.5, 1.0).of(&[&activations])?.item()?, 0.5 * 1.5 + 1.25);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn of(&self, tensors: &[&Tensor]) -> Result<Tensor> {
        self.over(Kind::ElasticNet, tensors)
    }

    #[track_caller]
    fn compute(&self, kind: Kind, model: &dyn Module) -> Result<Tensor> {
        let op = kind.name();
        self.check(op)?;
        let chosen = chosen(&self.selection, model);
        let Some(first) = chosen.first() else { return Err(self.selection.is_empty(op, model)) };
        if let Some(other) = chosen.iter().find(|x| x.dtype() != first.dtype()) {
            let message = format!("parameters of types {} and {} in one penalty", first.dtype(), other.dtype());
            return Err(Error::dtype(op, message).with_help("make one penalty for each type, with on()"));
        }
        powers(kind, self.l1, self.l2, &chosen.iter().collect::<Vec<_>>())
    }

    #[track_caller]
    fn over(&self, kind: Kind, tensors: &[&Tensor]) -> Result<Tensor> {
        let op = kind.name();
        self.check(op)?;
        let Some((first, others)) = tensors.split_first() else {
            return Err(Error::argument(op, "no tensors to add up"));
        };
        first.expect_any_float(op, "the first tensor")?;
        for other in others {
            other.expect_dtype(op, "every tensor", first.dtype())?;
        }
        powers(kind, self.l1, self.l2, tensors)
    }

    #[track_caller]
    fn checked(&self) -> Result<()> {
        self.check("elastic_net")
    }

    #[track_caller]
    fn check(&self, op: &'static str) -> Result<()> {
        not_negative(op, "the strength", self.l1)?;
        not_negative(op, "the strength", self.l2)
    }
}

/// The parameters of a model that are meant.
pub(super) fn chosen(selection: &Selection, model: &dyn Module) -> Vec<Tensor> {
    let mut chosen = Vec::new();
    let mut on_slot = |path: &str, slot: Slot<'_>| {
        if let Slot::Param(param) = slot
            && selection.includes(path)
        {
            chosen.push(param.value().clone());
        }
    };
    model.visit(&mut Visitor::new(&mut on_slot));
    chosen
}

impl Penalty for L1 {
    #[track_caller]
    fn penalty(&self, model: &dyn Module) -> Result<Tensor> {
        self.0.compute(Kind::L1, model)
    }
}

impl Penalty for L2 {
    #[track_caller]
    fn penalty(&self, model: &dyn Module) -> Result<Tensor> {
        self.0.compute(Kind::L2, model)
    }
}

impl Penalty for ElasticNet {
    #[track_caller]
    fn penalty(&self, model: &dyn Module) -> Result<Tensor> {
        self.compute(Kind::ElasticNet, model)
    }
}
