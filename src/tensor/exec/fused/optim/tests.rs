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
    fails(&mut half, None, &grad.to_dtype(DType::F16), &grad, "[2] of f16 for a parameter of shape [2] and type f16");
    let mut index = grad.to_dtype(DType::I64);
    fails(&mut index, None, &grad, &grad, "for a parameter of shape [2] and type i64");
    assert_eq!((single.to_f64_vec(), half.to_f64_vec()), (vec![1.0; 2], vec![1.0; 2]));
}
