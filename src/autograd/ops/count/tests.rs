use super::*;
use crate::{DType, tensor};

fn answer(x: &Tensor) -> bool {
    x.to_vec::<bool>().unwrap()[0]
}

#[test]
fn of_nothing_none_is_true_and_all_are() {
    let nothing = Tensor::zeros([0, 2]).unwrap();
    assert!(!answer(&nothing.any()) && answer(&nothing.all()));
    assert_eq!(nothing.any_dims(&[0], false).unwrap().to_vec::<bool>().unwrap(), [false, false]);
    assert_eq!(nothing.all_dims(&[0], true).unwrap().to_vec::<bool>().unwrap(), [true, true]);
    assert_eq!(nothing.count_nonzero().to_vec::<i64>().unwrap(), [0]);
    assert_eq!(nothing.count_nonzero_dims(&[0], false).unwrap().to_vec::<i64>().unwrap(), [0, 0]);
}

#[test]
fn in_every_type_only_zero_is_false() {
    let x = tensor![[0.0, -0.0, f32::NAN], [0.0, 0.0, 0.0], [1e-30, -1.0, f32::INFINITY]];
    for dtype in [DType::F32, DType::F64, DType::BF16] {
        let x = x.to_dtype(dtype);
        assert_eq!(x.any_dims(&[1], false).unwrap().to_vec::<bool>().unwrap(), [true, false, true]);
        assert_eq!(x.all_dims(&[1], false).unwrap().to_vec::<bool>().unwrap(), [false, false, true]);
        assert_eq!(x.count_nonzero_dims(&[-1], false).unwrap().to_vec::<i64>().unwrap(), [1, 0, 3]);
    }
    let x = Tensor::from_nested([[0i64, 256], [0, 0]]).unwrap();
    assert!(answer(&x.any()) && !answer(&x.all()));
    assert_eq!(x.count_nonzero_dims(&[0], false).unwrap().to_vec::<i64>().unwrap(), [0, 1]);
    assert_eq!(x.t().count_nonzero_dims(&[0], false).unwrap().to_vec::<i64>().unwrap(), [1, 0]);
}

#[test]
fn dimensions_are_checked() {
    let x = tensor![1.0];
    let message = |op: &str| format!("{op}: dimension 1 is out of range for 1 dimension (-1 ..= 0)");
    assert_eq!(x.any_dims(&[1], false).unwrap_err().message(), message("any"));
    assert_eq!(x.all_dims(&[1], false).unwrap_err().message(), message("all"));
    assert_eq!(x.count_nonzero_dims(&[1], false).unwrap_err().message(), message("count_nonzero"));
}
