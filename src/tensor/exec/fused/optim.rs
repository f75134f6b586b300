//! The loops of optimizers.

use crate::error::{Result, bug};
use crate::tensor::kernels::optim::{self as kernel, Slices};
use crate::tensor::{DType, Element, Tensor};

use kernel::STATES;
pub(crate) use kernel::{AdaGrad, Adadelta, Adam, Adamax, Asgd, Lion, Moments, RmsProp, Rprop, Rule, Sgd};

/// A parameter that is to be changed in place.
#[derive(Debug)]
pub(crate) struct Parameter<'a> {
    /// Its values.
    pub(crate) value: &'a mut Tensor,
    /// Of values in 16 bits, what they are in `F32`. The rule changes these, and the values are what they round to. Without
    /// master weights, steps that are smaller than the rounding of a value do not move it.
    pub(crate) master: Option<&'a mut Tensor>,
}

impl<'a> Parameter<'a> {
    /// A parameter without master weights.
    pub(crate) fn new(value: &'a mut Tensor) -> Self {
        Self { value, master: None }
    }
}

/// Changes a parameter by a rule, given its gradient and what the rule remembers of it, both of the parameter's shape and of
/// the type of its gradients: `F32` for values in 16 bits. What the state is, and which of it a rule can do without, is said
/// at [`Slices`]. Whether everything fits is the caller's business: what does not is an internal error, and changes nothing.
pub(crate) fn update(
    rule: &Rule,
    parameter: Parameter<'_>,
    grad: &Tensor,
    state: [Option<&mut Tensor>; STATES],
) -> Result<()> {
    let Parameter { value, master } = parameter;
    let (shape, dtype) = (value.layout().shape(), value.dtype());
    let computed = dtype.gradient().filter(|computed| master.is_none() || *computed != dtype);
    let fits = |x: &Tensor| Some(x.dtype()) == computed && *x.shape() == *shape;
    let others = state.iter().flatten().map(|x| &**x).chain(master.as_deref()).chain([grad]);
    if let Some(wrong) = others.into_iter().find(|x| !fits(x)) {
        let (other, of) = (wrong.shape(), wrong.dtype());
        return Err(bug!("update", "{other:?} of {of} for a parameter of shape {:?} and type {dtype}", &*shape));
    }
    let grad = grad.packed();
    let wide = (&grad, state);
    match dtype {
        DType::F32 => kernel::update::<f32>(rule, slices(value.data_mut(), wide)),
        DType::F64 => kernel::update::<f64>(rule, slices(value.data_mut(), wide)),
        DType::F16 => {
            let master = master.map(Tensor::data_mut).unwrap_or_default();
            kernel::update_rounded::<half::f16>(rule, value.data_mut(), slices(master, wide));
        }
        DType::BF16 => {
            let master = master.map(Tensor::data_mut).unwrap_or_default();
            kernel::update_rounded::<half::bf16>(rule, value.data_mut(), slices(master, wide));
        }
        other => return Err(bug!("update", "a parameter of type {other}")),
    }
    Ok(())
}

fn slices<'a, T: Element>(
    p: &'a mut [T],
    (grad, state): (&'a Tensor, [Option<&'a mut Tensor>; STATES]),
) -> Slices<'a, T> {
    Slices { p, g: grad.data(), state: state.map(|state| state.map(Tensor::data_mut).unwrap_or_default()) }
}

#[cfg(test)]
mod tests;
