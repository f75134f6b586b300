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
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::tensor;

    fn momentum(first: bool) -> Rule {
        Rule::Sgd(Sgd { lr: 0.5, momentum: 0.5, dampening: 0.0, weight_decay: 0.0, nesterov: false, first })
    }

    /// Steps of 2⁻¹⁰ from 1, of which bfloat16 sees eight, but not one.
    #[test]
    fn master_weights_remember_what_16_bits_round_away() {
        let start = tensor![1.0, 1.0];
        let [mut with, mut without] = [(); 2].map(|_| start.to_dtype(DType::BF16));
        let mut master = start.clone();
        let grad = tensor![1.0, -1.0] * 2f64.powi(-9);
        let rule =
            Rule::Sgd(Sgd { lr: 0.5, momentum: 0.0, dampening: 0.0, weight_decay: 0.0, nesterov: false, first: true });
        for _ in 0..8 {
            let parameter = Parameter { value: &mut with, master: Some(&mut master) };
            update(&rule, parameter, &grad, [const { None }; STATES]).unwrap();
            // A step down is seen: numbers below 1 lie twice as close.
            update(&rule, Parameter::new(&mut without), &grad.abs().neg(), [const { None }; STATES]).unwrap();
        }
        let eight = 2f64.powi(-7);
        assert_eq!(master.to_f64_vec(), [1.0 - eight, 1.0 + eight]);
        assert_eq!(with.to_f64_vec(), [1.0 - eight, 1.0 + eight]);
        assert_eq!(without.to_f64_vec(), [1.0, 1.0]);
        assert_eq!(start.to_f64_vec(), [1.0, 1.0]);
    }

    #[test]
    fn what_does_not_fit_is_an_internal_error_and_changes_nothing() {
        let (grad, short) = (tensor![1.0, 1.0], tensor![1.0]);
        let double = grad.to_dtype(DType::F64);
        let mut half = grad.to_dtype(DType::F16);
        let mut single = grad.clone();
        let fails = |value: &mut Tensor, master: Option<Tensor>, grad: &Tensor, velocity: &Tensor, found: &str| {
            let (mut master, mut velocity) = (master, velocity.clone());
            let parameter = Parameter { value, master: master.as_mut() };
            let e = update(&momentum(true), parameter, grad, [Some(&mut velocity), None, None]).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Internal);
            assert!(e.message().contains(found), "{e}");
        };
        fails(&mut single, None, &short, &grad, "[1] of f32 for a parameter of shape [2] and type f32");
        fails(&mut single, None, &grad, &double, "[2] of f64 for a parameter of shape [2] and type f32");
        fails(&mut single, Some(grad.clone()), &grad, &grad, "for a parameter of shape [2] and type f32");
        fails(&mut half, Some(double), &grad, &grad, "[2] of f64 for a parameter of shape [2] and type f16");
        fails(
            &mut half,
            None,
            &grad.to_dtype(DType::F16),
            &grad,
            "[2] of f16 for a parameter of shape [2] and type f16",
        );
        let mut index = grad.to_dtype(DType::I64);
        fails(&mut index, None, &grad, &grad, "for a parameter of shape [2] and type i64");
        assert_eq!((single.to_f64_vec(), half.to_f64_vec()), (vec![1.0; 2], vec![1.0; 2]));
    }
}
