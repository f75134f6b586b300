//! Bounds that parameters are brought back to after each step.

use super::selection::Selection;
use crate::autograd::ops::renorm::row_norms;
use crate::config::configurable;
use crate::error::{Error, Here, Result};
use crate::layers::{Module, Param, SlotMut, VisitorMut};
use crate::optimizers::options::not_negative;
use crate::tensor::Tensor;
use crate::tensor::exec::unary::{self as exec, UnaryOp};
use crate::tensor::layout::dim_index;

/// A condition on parameters.
pub trait Constraint: Send + Sync {
    /// Changes parameters that break the condition so that they just meet it. Frozen ones stay as they are.
    ///
    /// # Errors
    /// If an option makes no sense, or no parameter is meant.
    #[track_caller]
    fn apply(&self, model: &mut dyn Module) -> Result<()>;
}

/// Limits the Euclidean norm of each row: each unit's incoming weights (Srebro et al., 2005).
///
/// Rows that are too long are scaled back, the others stay exactly as they are. A row is everything with the same index in
/// one dimension: the first, unless [`dim`](Self::dim) says otherwise. In the weights of dense and convolutional
/// layers, that is the output. In a bias, every value is a row.
///
/// ```
/// use demotic::layers::Param;
/// use demotic::regularizers::{Constraint, MaxNorm};
/// use demotic::tensor;
///
/// let mut weight = Param::new(tensor![[3.0, 4.0], [0.3, 0.4]])?;
/// MaxNorm::new(1.0).apply(&mut weight)?;
/// assert_eq!(weight.to_vec::<f32>()?, [0.6, 0.8, 0.3, 0.4]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[doc(alias = "renorm")]
#[derive(Debug, Clone, PartialEq)]
pub struct MaxNorm {
    max_norm: f64,
    dim: isize,
    selection: Selection,
}

configurable!(MaxNorm { max_norm: required, dim, selection as "on" } = Self::new(0.0), check);

impl MaxNorm {
    /// The limit for the rows of all parameters, not negative.
    #[must_use]
    pub fn new(max_norm: f64) -> Self {
        Self { max_norm, dim: 0, selection: Selection::default() }
    }

    /// Only for parameters whose path matches `pattern`, in which `*` stands for any text: `*.weight`. Several patterns
    /// add up.
    #[must_use]
    pub fn on(mut self, pattern: impl Into<String>) -> Self {
        self.selection.add(pattern.into());
        self
    }

    /// The dimension that numbers the rows; negative ones count from the end. Default 0.
    #[must_use]
    pub fn dim(mut self, dim: isize) -> Self {
        self.dim = dim;
        self
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        not_negative("MaxNorm", "the largest norm", self.max_norm)
    }

    #[track_caller]
    fn limit(&self, param: &mut Param) -> Result<()> {
        let norms = checked_norms("MaxNorm", self.dim, param)?;
        param.shorten_rows(dim_index("MaxNorm", self.dim, param.rank())?, &norms, self.max_norm);
        Ok(())
    }
}

/// The Euclidean norms of the rows along `dim`, all of them finite.
#[track_caller]
fn checked_norms(op: &'static str, dim: isize, param: &Param) -> Result<Tensor> {
    let norms = row_norms(param, 2.0, dim_index(op, dim, param.rank())?);
    match norms.to_f64_vec().into_iter().enumerate().find(|(_, norm)| !norm.is_finite()) {
        Some((row, norm)) => Err(Error::numeric(op, format!("the norm of row {row} is {norm}"))),
        None => Ok(norms),
    }
}

impl Constraint for MaxNorm {
    #[track_caller]
    fn apply(&self, model: &mut dyn Module) -> Result<()> {
        self.check()?;
        for_each("MaxNorm", &self.selection, model, |param| self.limit(param))
    }
}

/// Gives each row a Euclidean norm of 1, `w / ‖w‖`: each unit's incoming weights have a direction, and no size.
///
/// A row is everything with the same index in one dimension: the first, unless [`dim`](Self::dim) says otherwise. Rows of
/// zeros, which have no direction, stay as they are.
///
/// ```
/// use demotic::layers::Param;
/// use demotic::regularizers::{Constraint, UnitNorm};
/// use demotic::tensor;
///
/// let mut weight = Param::new(tensor![[3.0, 4.0], [0.0, 0.0]])?;
/// UnitNorm::new().apply(&mut weight)?;
/// assert_eq!(weight.to_vec::<f32>()?, [0.6, 0.8, 0.0, 0.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UnitNorm {
    dim: isize,
    selection: Selection,
}

configurable!(UnitNorm { dim, selection as "on" });

impl UnitNorm {
    /// The constraint for the rows of all parameters.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only for parameters whose path matches `pattern`, as [`MaxNorm::on`].
    #[must_use]
    pub fn on(mut self, pattern: impl Into<String>) -> Self {
        self.selection.add(pattern.into());
        self
    }

    /// The dimension that numbers the rows; negative ones count from the end. Default 0.
    #[must_use]
    pub fn dim(mut self, dim: isize) -> Self {
        self.dim = dim;
        self
    }
}

impl Constraint for UnitNorm {
    #[track_caller]
    fn apply(&self, model: &mut dyn Module) -> Result<()> {
        for_each("UnitNorm", &self.selection, model, |param| {
            let norms = checked_norms("UnitNorm", self.dim, param)?;
            let norms = norms.masked_fill(&norms.eq_scalar(0.0), 1.0)?;
            let unit = param.detach().div(&norms.to_dtype(param.dtype()))?;
            param.set(&unit)
        })
    }
}

/// Sets negative values to zero: Keras' `NonNeg`.
///
/// ```
/// use demotic::layers::Param;
/// use demotic::regularizers::{Constraint, NonNegative};
/// use demotic::tensor;
///
/// let mut weight = Param::new(tensor![-0.5, 2.0])?;
/// NonNegative::new().apply(&mut weight)?;
/// assert_eq!(weight.to_vec::<f32>()?, [0.0, 2.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NonNegative {
    selection: Selection,
}

configurable!(NonNegative { selection as "on" });

impl NonNegative {
    /// The constraint for all parameters.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only for parameters whose path matches `pattern`, as [`MaxNorm::on`].
    #[must_use]
    pub fn on(mut self, pattern: impl Into<String>) -> Self {
        self.selection.add(pattern.into());
        self
    }
}

impl Constraint for NonNegative {
    #[track_caller]
    fn apply(&self, model: &mut dyn Module) -> Result<()> {
        for_each("NonNegative", &self.selection, model, |param| {
            exec::unary_in_place(UnaryOp::Clamp { lo: 0.0, hi: f64::INFINITY }, param.value_mut());
            Ok(())
        })
    }
}

/// Calls `f` for the chosen parameters that are not frozen, until it fails.
#[track_caller]
fn for_each(
    op: &'static str,
    selection: &Selection,
    model: &mut dyn Module,
    f: impl Fn(&mut Param) -> Result<()>,
) -> Result<()> {
    let (mut found, mut result) = (false, Ok(()));
    let mut on_slot = |path: &str, slot: SlotMut<'_>| {
        if let SlotMut::Param(param) = slot
            && selection.includes(path)
        {
            found = true;
            if result.is_ok() && param.is_trainable() {
                result = f(param).in_layer(path);
            }
        }
    };
    VisitorMut::new(&mut on_slot).module(model.as_module_mut());
    if found { result } else { Err(selection.is_empty(op, model)) }
}
