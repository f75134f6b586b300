use super::*;
use crate::Rng;
use crate::tensor;

#[test]
fn recovers_the_plane_it_was_made_from() {
    let x = Tensor::normal([50, 3], 2.0, 1.0, &mut Rng::seed(3)).unwrap().to_dtype(DType::F64);
    let w = Tensor::from_nested([[1.5], [-2.0], [0.25]]).unwrap();
    let y = (x.matmul(&w).unwrap() + 7.0).to_dtype(DType::F64);
    let model = LinearRegression::fit(&x, &y).unwrap();
    for (got, want) in model.weight().unwrap().to_f64_vec().iter().zip([1.5, -2.0, 0.25]) {
        assert!((got - want).abs() < 1e-12);
    }
    assert!((model.bias().unwrap().item().unwrap() - 7.0).abs() < 1e-12);
}

#[test]
fn dependent_and_constant_columns_do_no_harm() {
    let x = tensor![[1.0, 0.0, 5.0, 2.0], [0.0, 1.0, 5.0, 0.0], [1.0, 0.0, 5.0, 2.0], [0.0, 1.0, 5.0, 0.0]];
    let y = tensor![[1.0], [3.0], [2.0], [4.0]];
    let p = LinearRegression::fit(&x, &y).unwrap().predict(&x).unwrap().to_f64_vec();
    for (got, want) in p.iter().zip([1.5, 3.5, 1.5, 3.5]) {
        assert!((got - want).abs() < 1e-6, "{p:?}");
    }
}

/// One centred feature: the slope is Σxy / (Σx² + λ).
#[test]
fn ridge_shrinks_by_the_closed_form() {
    let x = tensor![[-1.0], [0.0], [1.0]];
    let y = tensor![[1.0], [3.0], [5.0]];
    let model = LinearRegression::fit_ridge(&x, &y, 2.0).unwrap();
    assert!((model.weight().unwrap().item().unwrap() - 4.0 / (2.0 + 2.0)).abs() < 1e-6);
    assert!((model.bias().unwrap().item().unwrap() - 3.0).abs() < 1e-6);
}

#[test]
fn fewer_rows_than_features() {
    let x = tensor![[1.0, 2.0, 3.0], [4.0, 5.0, 7.0]];
    let y = tensor![[1.0], [2.0]];
    let p = LinearRegression::fit(&x, &y).unwrap().predict(&x).unwrap().to_f64_vec();
    assert!((p[0] - 1.0).abs() < 1e-6 && (p[1] - 2.0).abs() < 1e-6, "{p:?}");
}

#[test]
fn mistakes() {
    let (x, y) = (tensor![[1.0], [2.0]], tensor![1.0, 2.0]);
    let e = LinearRegression::fit(&x, &y).unwrap_err();
    let message = "LinearRegression::fit: features [2, 1] and targets [2], expected [n, features] and [n, outputs]";
    assert_eq!(e.message(), message);
    assert!(LinearRegression::fit(&x, &tensor![[1.0], [f64::NAN]]).is_err());
    assert!(LinearRegression::fit_ridge(&x, &tensor![[1.0], [2.0]], -1.0).is_err());
}

#[test]
fn equations_that_no_memory_holds_are_refused() {
    let (x, y) = (Tensor::zeros([2, 1 << 22]).unwrap(), Tensor::zeros([2, 1]).unwrap());
    let e = LinearRegression::fit_ridge(&x, &y, 1.0).unwrap_err();
    assert_eq!(
        e.message(),
        "LinearRegression::fit: a tensor of shape [4194306, 4194304] and type f64 does not fit into memory"
    );
}
