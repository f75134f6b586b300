use super::*;
use crate::{DType, tensor};

#[test]
fn nothing_has_no_extremes() {
    let nothing = Tensor::zeros([2, 0]).unwrap();
    let message = |op: &str| format!("{op}: nothing to choose from in a tensor of shape [2, 0]");
    assert_eq!(nothing.max().unwrap_err().message(), message("max"));
    assert_eq!(nothing.min().unwrap_err().message(), message("min"));
    assert_eq!(nothing.amax(&[1], true).unwrap_err().message(), message("amax"));
    assert_eq!(nothing.amin(&[], false).unwrap_err().message(), message("amin"));
    assert_eq!(nothing.max_dim(1, false).unwrap_err().message(), message("max_dim"));
    assert_eq!(nothing.min_dim(-1, false).unwrap_err().message(), message("min_dim"));
    assert_eq!(nothing.argmax().unwrap_err().message(), message("argmax"));
    assert_eq!(nothing.argmin_dim(1, false).unwrap_err().message(), message("argmin"));
    let e = nothing.max().unwrap_err();
    assert_eq!(e.help(), Some("test is_empty() first: unlike a sum, an extreme of nothing has no value"));
}

#[test]
fn along_another_dimension_nothing_is_asked_for() {
    let nothing = Tensor::zeros([2, 0]).unwrap();
    assert_eq!(nothing.amax(&[0], false).unwrap().shape(), [0]);
    assert_eq!(nothing.argmin_dim(0, true).unwrap().shape(), [1, 0]);
    let (values, indices) = nothing.max_dim(0, false).unwrap();
    assert_eq!((values.shape(), indices.shape()), (&[0][..], &[0][..]));
}

#[test]
fn every_type_is_compared_exactly() {
    let big = Tensor::from_nested([i64::MAX - 1, i64::MAX, i64::MIN]).unwrap();
    assert_eq!(big.max().unwrap().to_vec::<i64>().unwrap(), [i64::MAX]);
    assert_eq!(big.min().unwrap().to_vec::<i64>().unwrap(), [i64::MIN]);
    assert_eq!(big.argmax().unwrap().to_vec::<i64>().unwrap(), [1]);
    let bytes = Tensor::from_nested([3u8, 255, 0]).unwrap();
    assert_eq!(bytes.max().unwrap().to_vec::<u8>().unwrap(), [255]);
    let bools = Tensor::from_nested([[false, true], [false, false]]).unwrap();
    assert_eq!(bools.amax(&[1], false).unwrap().to_vec::<bool>().unwrap(), [true, false]);
    assert_eq!(bools.min_dim(1, false).unwrap().1.to_vec::<i64>().unwrap(), [0, 0]);
    let half = tensor![1.5, -2.5].to_dtype(DType::BF16);
    assert_eq!((half.min().unwrap().dtype(), half.min().unwrap().item().unwrap()), (DType::BF16, -2.5));
}

#[test]
fn over_all_ties_share_and_along_one_dimension_the_first_takes_all() {
    let x = tensor![[2.0, 1.0], [2.0, 0.0]].tracked().unwrap();
    let grads = x.max().unwrap().backward().unwrap();
    assert_eq!(grads.wrt(&x).unwrap().to_vec::<f32>().unwrap(), [0.5, 0.0, 0.5, 0.0]);
    let grads = x.max_dim(0, false).unwrap().0.sum().backward().unwrap();
    assert_eq!(grads.wrt(&x).unwrap().to_vec::<f32>().unwrap(), [1.0, 1.0, 0.0, 0.0]);
}

#[test]
fn the_first_not_a_number_wins() {
    let x = tensor![1.0, f32::NAN, 3.0, f32::NAN];
    let (value, index) = x.min_dim(0, false).unwrap();
    assert!(value.item().unwrap().is_nan() && x.max().unwrap().item().unwrap().is_nan());
    assert_eq!(index.item().unwrap(), 1.0);
}

#[test]
fn a_scalar_is_its_own_extreme() {
    let x = Tensor::scalar(3.0);
    assert_eq!(x.max().unwrap().item().unwrap(), 3.0);
    assert_eq!(x.argmin().unwrap().item().unwrap(), 0.0);
    assert_eq!(x.max_dim(0, false).unwrap_err().message(), "max_dim: dimension 0 of a scalar, which has none");
}
