use super::*;
use crate::{DType, tensor};

const INF: f64 = f64::INFINITY;

#[test]
fn nothing_has_the_norm_of_an_empty_sum() {
    let nothing = Tensor::zeros([2, 0]).unwrap();
    for (p, expected) in [(0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (3.5, 0.0), (INF, 0.0), (-INF, INF), (-1.0, INF)] {
        assert_eq!(nothing.norm(p).item().unwrap(), expected, "p = {p}");
        assert_eq!(nothing.norm_dims(p, &[1], false).unwrap().to_f64_vec(), [expected; 2], "p = {p}");
    }
}

#[test]
fn zeros_have_gradient_zero() {
    let x = Tensor::zeros([3]).unwrap().to_dtype(DType::F64).tracked().unwrap();
    for p in [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, INF, -INF] {
        let grads = x.norm(p).backward().unwrap();
        assert_eq!(grads.wrt(&x).unwrap().to_f64_vec(), [0.0; 3], "p = {p}");
    }
}

/// As in PyTorch for 1 < p < 2 and p > 2; for other norms it gives 0 · ∞ there.
#[test]
fn zeros_under_a_root_have_gradient_zero() {
    let x = Tensor::zeros([2, 3]).unwrap().to_dtype(DType::F64).tracked().unwrap();
    for p in [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, INF] {
        for root in [Tensor::sqrt, |y: &Tensor| y.powf(0.25), Tensor::log, Tensor::reciprocal] {
            let grads = root(&x.norm_dims(p, &[1], false).unwrap()).sum().backward().unwrap();
            assert_eq!(grads.wrt(&x).unwrap().to_f64_vec(), [0.0; 6], "p = {p}");
        }
    }
}

#[test]
fn a_zero_among_others_has_gradient_zero() {
    let x = tensor![0.0, 2.0].tracked().unwrap();
    for p in [0.5, 1.0, 1.5, 2.0, 3.0] {
        let grads = x.norm(p).backward().unwrap();
        assert_eq!(grads.wrt(&x).unwrap().to_f64_vec(), [0.0, 1.0], "p = {p}");
    }
}

#[test]
fn not_a_number_goes_through() {
    let x = tensor![1.0, f32::NAN, 2.0];
    for p in [0.5, 1.0, 2.0, 3.0, INF, -INF] {
        assert!(x.norm(p).item().unwrap().is_nan(), "p = {p}");
    }
    assert!(tensor![1.0, 2.0].norm(f64::NAN).item().unwrap().is_nan());
    assert_eq!(x.norm(0.0).item().unwrap(), 3.0);
}

#[test]
fn other_types_are_computed_in_single_precision() {
    let x = Tensor::from_nested([3i64, -4]).unwrap();
    assert_eq!((x.norm(2.0).dtype(), x.norm(2.0).item().unwrap()), (DType::F32, 5.0));
    let half = Tensor::full_dtype([4], 300.0, DType::F16).unwrap().norm(2.0);
    assert_eq!((half.dtype(), half.item().unwrap()), (DType::F16, 600.0));
}

#[test]
fn dimensions_are_checked() {
    let e = tensor![1.0].norm_dims(2.0, &[-2], false).unwrap_err();
    assert_eq!(e.message(), "norm: dimension -2 is out of range for 1 dimension (-1 ..= 0)");
}
