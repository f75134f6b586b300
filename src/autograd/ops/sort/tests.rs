use super::*;
use crate::{DType, tensor};

#[test]
fn nothing_is_sorted() {
    let nothing = Tensor::zeros([2, 0]).unwrap();
    for dim in [0, 1] {
        let (values, indices) = nothing.sort(dim, false).unwrap();
        assert_eq!((values.shape(), indices.shape()), (&[2, 0][..], &[2, 0][..]));
    }
    let (values, indices) = tensor![[1.0, 2.0]].topk(0, 1, true).unwrap();
    assert_eq!((values.shape(), indices.shape()), (&[1, 0][..], &[1, 0][..]));
}

#[test]
fn every_type_is_sorted_exactly() {
    let x = Tensor::from_nested([i64::MAX, i64::MIN, i64::MAX - 1]).unwrap();
    assert_eq!(x.sort(0, false).unwrap().0.to_vec::<i64>().unwrap(), [i64::MIN, i64::MAX - 1, i64::MAX]);
    let x = Tensor::from_nested([true, false, true]).unwrap();
    let (values, indices) = x.sort(0, true).unwrap();
    assert_eq!(values.to_vec::<bool>().unwrap(), [true, true, false]);
    assert_eq!(indices.to_vec::<i64>().unwrap(), [0, 2, 1]);
    let x = tensor![1.5, -2.0, 0.25].to_dtype(DType::F16);
    let (values, _) = x.sort(0, false).unwrap();
    assert_eq!((values.dtype(), values.to_f64_vec()), (DType::F16, vec![-2.0, 0.25, 1.5]));
    let x = Tensor::from_nested([7u8, 255, 0]).unwrap();
    assert_eq!(x.topk(2, 0, false).unwrap().0.to_vec::<u8>().unwrap(), [0, 7]);
}

#[test]
fn views_are_sorted_along_any_dimension() {
    let x = tensor![[3.0, 1.0], [1.0, 2.0], [2.0, 0.0]];
    let (values, indices) = x.t().sort(1, true).unwrap();
    assert_eq!(values.to_vec::<f32>().unwrap(), [3.0, 2.0, 1.0, 2.0, 1.0, 0.0]);
    assert_eq!(indices.to_vec::<i64>().unwrap(), [0, 2, 1, 1, 0, 2]);
    let (values, indices) = x.topk(1, 0, false).unwrap();
    assert_eq!(values.to_vec::<f32>().unwrap(), [1.0, 0.0]);
    assert_eq!(indices.to_vec::<i64>().unwrap(), [1, 2]);
}

#[test]
fn gradients_go_back_to_their_places() {
    let x = tensor![[3.0, 1.0, 2.0]].tracked().unwrap();
    let weights = tensor![[1.0, 10.0, 100.0]];
    let (values, _) = x.sort(1, false).unwrap();
    let grads = values.mul(&weights).unwrap().sum().backward().unwrap();
    assert_eq!(grads.wrt(&x).unwrap().to_vec::<f32>().unwrap(), [100.0, 1.0, 10.0]);
    assert!(!x.argsort(1, false).unwrap().is_tracked());
}

#[test]
fn options_are_checked() {
    let x = tensor![[1.0, 2.0]];
    let e = x.topk(3, -1, true).unwrap_err();
    assert_eq!(e.message(), "topk: k is 3, but dimension -1 of [1, 2] has size 2");
    let e = x.sort(2, true).unwrap_err();
    assert_eq!(e.message(), "sort: dimension 2 is out of range for 2 dimensions (-2 ..= 1)");
    let e = Tensor::scalar(1.0).argsort(0, true).unwrap_err();
    assert_eq!(e.message(), "argsort: dimension 0 of a scalar, which has none");
}
