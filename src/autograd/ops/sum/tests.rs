use super::*;
use crate::{DType, tensor};

#[test]
fn nothing_has_a_sum_but_no_mean() {
    let nothing = Tensor::zeros([2, 0]).unwrap();
    assert_eq!(nothing.sum().item().unwrap(), 0.0);
    assert!(nothing.mean().item().unwrap().is_nan());
    assert_eq!(nothing.logsumexp().item().unwrap(), f64::NEG_INFINITY);
    assert_eq!(nothing.sum_dims(&[1], true).unwrap().to_vec::<f32>().unwrap(), [0.0, 0.0]);
    assert!(nothing.mean_dims(&[1], false).unwrap().to_f64_vec().iter().all(|x| x.is_nan()));
    assert_eq!(nothing.mean_dims(&[0], false).unwrap().shape(), [0]);
    let x = Tensor::zeros([0, 3]).unwrap().tracked().unwrap();
    assert_eq!(x.mean().backward().unwrap().wrt(&x).unwrap().shape(), [0, 3]);
}

#[test]
fn integers_keep_their_sum_and_get_a_real_mean() {
    let x = Tensor::from_nested([[i64::MAX, 1], [2, 4]]).unwrap();
    assert_eq!(x.sum_dims(&[1], false).unwrap().to_vec::<i64>().unwrap(), [i64::MIN, 6]);
    assert_eq!(Tensor::from_nested([200u8, 100]).unwrap().sum().to_vec::<i64>().unwrap(), [300]);
    assert_eq!(Tensor::from_nested([true, true, false]).unwrap().sum().to_vec::<i64>().unwrap(), [2]);
    let mean = Tensor::from_nested([1u8, 2]).unwrap().mean();
    assert_eq!((mean.dtype(), mean.item().unwrap()), (DType::F32, 1.5));
}

#[test]
fn halves_are_added_in_single_precision() {
    let x = Tensor::full_dtype([3000], 1.0, DType::BF16).unwrap();
    let sum = x.sum();
    assert_eq!((sum.dtype(), sum.item().unwrap()), (DType::BF16, 3008.0));
    assert_eq!(x.mean().item().unwrap(), 1.0);
}

#[test]
fn logsumexp_at_the_edges() {
    let inf = f64::INFINITY;
    let x = Tensor::from_nested([[-inf, -inf], [-inf, 2.0], [inf, 0.0]]).unwrap().tracked().unwrap();
    let y = x.logsumexp_dims(&[-1], false).unwrap();
    assert_eq!(y.to_vec::<f64>().unwrap(), [-inf, 2.0, inf]);
    let grads = y.sum().backward().unwrap();
    let grads = grads.wrt(&x).unwrap().to_f64_vec();
    // As in PyTorch, that of ∞ itself is NaN, and that of what is beside it 0.
    assert_eq!((&grads[..4], grads[4].is_nan(), grads[5]), (&[0.0, 0.0, 0.0, 1.0][..], true, 0.0));
}

#[test]
fn dimensions_are_checked() {
    let x = tensor![[1.0, 2.0]];
    let e = x.sum_dims(&[0, -2], false).unwrap_err();
    assert_eq!(e.message(), "sum: dimension -2 is named twice");
    let e = x.mean_dims(&[2], false).unwrap_err();
    assert_eq!(e.message(), "mean: dimension 2 is out of range for 2 dimensions (-2 ..= 1)");
    let e = Tensor::scalar(1.0).logsumexp_dims(&[0], false).unwrap_err();
    assert_eq!(e.message(), "logsumexp: dimension 0 of a scalar, which has none");
}
