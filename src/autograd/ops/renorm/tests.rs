use super::*;
use crate::error::ErrorKind;
use crate::{DType, Rng, tensor};

const INF: f64 = f64::INFINITY;

#[test]
fn what_is_not_too_long_stays_as_it_is() {
    // The second row has a norm of exactly 5.
    let x = tensor![[0.1, 0.2], [3.0, 4.0], [f32::NAN, 9.0]];
    assert_eq!(x.renorm(2.0, 0, 5.0).unwrap().to_string(), x.to_string());
    assert!(x.renorm(2.0, 0, 5.0).unwrap().shares_storage(&x));
    let row = tensor![3.0, -4.0, 0.5];
    assert_eq!(row.renorm(2.0, -1, 2.0).unwrap().to_vec::<f32>().unwrap(), [2.0, -2.0, 0.5]);
}

#[test]
fn endless_rows_become_nothing() {
    let x = tensor![[f32::INFINITY, 1.0], [3e38, 3e38]].renorm(2.0, 0, 1.0).unwrap();
    let x = x.to_vec::<f32>().unwrap();
    assert!(x[0].is_nan() && x[1..] == [0.0; 3], "{x:?}");
}

#[test]
fn other_types_are_computed_in_single_precision() {
    let x = Tensor::from_nested([[3i64, -4]]).unwrap().renorm(1.0, 0, 3.5).unwrap();
    assert_eq!((x.dtype(), x.to_f64_vec()), (DType::F32, vec![1.5, -2.0]));
    // The norm is 600, the squares are more than the type can hold.
    let half = Tensor::full_dtype([1, 4], 300.0, DType::F16).unwrap().renorm(2.0, 0, 300.0).unwrap();
    assert_eq!((half.dtype(), half.to_f64_vec()), (DType::F16, vec![150.0; 4]));
}

#[test]
fn options_are_checked() {
    let x = tensor![[3.0, 4.0]];
    for p in [0.0, -1.0, -INF, f64::NAN] {
        let e = x.renorm(p, 0, 1.0).unwrap_err();
        assert_eq!(e.message(), format!("renorm: p is {p}, expected a number above 0"));
    }
    for max_norm in [-1.0, INF, f64::NAN] {
        let e = x.renorm(2.0, 0, max_norm).unwrap_err();
        assert_eq!(e.message(), format!("renorm: max_norm is {max_norm}, expected a number from 0 on"));
        assert_eq!(e.kind(), ErrorKind::Argument);
    }
    let e = x.renorm(2.0, 2, 1.0).unwrap_err();
    assert_eq!(e.message(), "renorm: dimension 2 is out of range for 2 dimensions (-2 ..= 1)");
    let e = Tensor::scalar(1.0).renorm(2.0, 0, 1.0).unwrap_err();
    assert_eq!(e.message(), "renorm: dimension 0 of a scalar, which has none");
}

/// Rows that come out of it are as long as they may be, and come out of it again as they are.
#[test]
fn limited_rows_are_within_the_limit() {
    let mut rng = Rng::seed(0);
    for dtype in [DType::F32, DType::F64] {
        for p in [0.5, 1.0, 2.0, 3.0, INF] {
            for max_norm in [0.0, 0.1, 1.0, 3.0, 1e3, 1e20] {
                let mut x = Tensor::normal([200, 7], 0.0, max_norm, &mut rng).unwrap().to_dtype(dtype);
                limit_rows(&mut x, p, max_norm);
                let norms = row_norms(&x, p, 0).to_f64_vec();
                // As the type has it.
                let limit = Tensor::full_dtype([], max_norm, dtype).unwrap().item().unwrap();
                assert!(norms.iter().all(|norm| *norm <= limit), "{p}-norms up to {max_norm}: {norms:?}");
                let before = x.clone();
                limit_rows(&mut x, p, max_norm);
                assert!(x.shares_storage(&before));
            }
        }
    }
    // In single precision, any number to this power is 1, and one such norm is endless.
    limit_rows(&mut tensor![[1.0, 2.0]], 1e-300, 1.0);
}
