use super::*;
use crate::{DType, tensor};

#[test]
fn with_nothing_to_divide_by_there_is_no_variance() {
    let one = tensor![5.0].tracked().unwrap();
    assert!(one.var(1.0).item().unwrap().is_nan());
    assert!(one.std(1.0).item().unwrap().is_nan());
    assert!(one.var(1.0).backward().unwrap().wrt(&one).unwrap().item().unwrap().is_nan());
    assert_eq!(one.var(0.0).item().unwrap(), 0.0);
    assert!(Tensor::zeros([0]).unwrap().var(0.0).item().unwrap().is_nan());
    assert_eq!(tensor![1.0, 3.0].var(7.0).item().unwrap(), f64::INFINITY);
}

#[test]
fn corrections_may_be_fractions() {
    let x = tensor![1.0, 2.0, 3.0];
    assert_eq!(x.var(1.5).item().unwrap(), f64::from(2.0f32 / 1.5));
    assert_eq!(x.var(-1.0).item().unwrap(), 0.5);
}

#[test]
fn a_constant_has_gradient_zero() {
    let x = tensor![[2.0, 2.0], [1.0, 3.0]].tracked().unwrap();
    let grads = x.std_dims(&[1], 0.0, false).unwrap().sum().backward().unwrap();
    assert_eq!(grads.wrt(&x).unwrap().to_vec::<f32>().unwrap(), [0.0, 0.0, -0.5, 0.5]);
    let root = x.std_dims(&[1], 0.0, false).unwrap().sqrt();
    assert_eq!(root.sum().backward().unwrap().wrt(&x).unwrap().to_vec::<f32>().unwrap(), [0.0, 0.0, -0.25, 0.25]);
}

#[test]
fn other_types_are_computed_in_single_precision() {
    let x = Tensor::from_nested([1i64, 2, 3, 6]).unwrap();
    assert_eq!((x.var(0.0).dtype(), x.var(0.0).item().unwrap()), (DType::F32, 3.5));
    let half = x.to_dtype(DType::F16).std(1.0);
    assert_eq!((half.dtype(), half.item().unwrap()), (DType::F16, half::f16::from_f64((14f64 / 3.0).sqrt()).to_f64()));
}

#[test]
fn dimensions_are_checked() {
    let e = tensor![1.0].var_dims(&[1], 1.0, false).unwrap_err();
    assert_eq!(e.message(), "var: dimension 1 is out of range for 1 dimension (-1 ..= 0)");
    let e = tensor![1.0].std_dims(&[0, 0], 1.0, false).unwrap_err();
    assert_eq!(e.message(), "std: dimension 0 is named twice");
}
