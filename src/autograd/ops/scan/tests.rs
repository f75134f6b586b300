use super::*;
use crate::autograd::{self, gradcheck, gradgradcheck};
use crate::tensor;

#[test]
fn products_with_zeros_have_gradients_of_both_orders() {
    let rows =
        [tensor![[2.0, 3.0, -1.5]], tensor![[2.0, 0.0, 3.0]], tensor![[0.0, 2.0, 0.0]], tensor![[0.0, 0.0, 0.0]]];
    for x in rows {
        for f in [|x: &[Tensor]| x[0].cumprod(1), |x: &[Tensor]| x[0].prod_dims(&[1], false)] {
            gradcheck(f, std::slice::from_ref(&x)).unwrap();
            gradgradcheck(f, std::slice::from_ref(&x)).unwrap();
        }
    }
}

#[test]
fn products_that_leave_the_range_come_back() {
    let of = |x: &[f64]| Tensor::from_slice(x, [x.len()]).unwrap();
    let far = of(&[1e200, 1e200, 3e-200, 1e-200, 2.0]);
    assert_eq!(far.prod().item().unwrap(), 6.0);
    let running = far.cumprod(0).unwrap().to_f64_vec();
    let wanted = [1e200, f64::INFINITY, 3e200, 3.0, 6.0];
    assert!(running.iter().zip(wanted).all(|(a, b)| *a == b || (a / b - 1.0).abs() < 1e-15), "{running:?}");
    // Down into subnormal numbers and up again; in columns; 0 stays 0.
    let columns = Tensor::from_nested([[1e-200, 2.0], [1e-115, 0.0], [1e300, 1e300], [3e-10, 1e300]]).unwrap();
    let running = columns.cumprod(0).unwrap().to_f64_vec();
    assert!((running[4] / 1e-15 - 1.0).abs() < 1e-14 && (running[6] / 3e-25 - 1.0).abs() < 1e-14, "{running:?}");
    assert_eq!([running[1], running[3], running[5], running[7]], [2.0, 0.0, 0.0, 0.0]);
    let single = tensor![1e38, 1e38, 1e38, 1e-38, 1e-38, 1e-38].cumprod(0).unwrap().to_f64_vec();
    assert!((single[5] - 1.0).abs() < 1e-6 && single[2].is_infinite(), "{single:?}");
    // Gradients, of which the parts before and behind an element are out of range.
    let far = far.tracked().unwrap();
    let grads = far.prod().backward().unwrap().wrt(&far).unwrap().to_f64_vec();
    let wanted = [6e-200, 6e-200, 2e200, 6e200, 3.0];
    assert!(grads.iter().zip(wanted).all(|(a, b)| (a / b - 1.0).abs() < 1e-14), "{grads:?}");
    let zeros = of(&[1e200, 1e200, 1e200, 1e200, 1e200, 1e200, 1e200, 0.0]).tracked().unwrap();
    let grads = zeros.prod().backward().unwrap().wrt(&zeros).unwrap().to_f64_vec();
    assert_eq!(grads, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, f64::INFINITY]);
    let zero = of(&[1e200, 0.0, 1e200, 1e-200]).tracked().unwrap();
    let grads = zero.prod().backward().unwrap().wrt(&zero).unwrap().to_f64_vec();
    assert!(grads[0] == 0.0 && (grads[1] / 1e200 - 1.0).abs() < 1e-14 && grads[2..] == [0.0, 0.0], "{grads:?}");
}

/// Powers of two, of which every product and sum is exact.
#[test]
fn gradients_of_running_products_come_back_into_the_range() {
    let gradient = |x: &[i32], g: &[f64]| {
        let x: Vec<f64> = x.iter().map(|n| if *n == i32::MIN { 0.0 } else { 2.0_f64.powi(*n) }).collect();
        let x = Tensor::from_slice(&x, [x.len()]).unwrap().tracked().unwrap();
        let g = Tensor::from_slice(g, [g.len()]).unwrap();
        [false, true].map(|graph| {
            let options = autograd::GradOptions::new().create_graph(graph).grad_outputs(vec![g.clone()]);
            autograd::grad(&[&x.cumprod(0).unwrap()], &[&x], options).unwrap()[0].to_f64_vec()
        })
    };
    let two = |n: i32| 2.0_f64.powi(n);
    // x1 x2 and x0 x2 are in the range, x0 x1 is not; of the running products, the second one is not asked for.
    for got in gradient(&[900, 900, -1000], &[0.0, 0.0, 1.0]) {
        assert_eq!(got, [two(-100), two(-100), f64::INFINITY]);
    }
    for got in gradient(&[-900, -900, 1000, 900], &[1.0, 0.0, 3.0, 2.0]) {
        assert_eq!(
            got,
            [1.0 + 3.0 * two(100) + 2.0 * two(1000), 3.0 * two(100) + 2.0 * two(1000), 2.0 * two(-900), two(-799)]
        );
    }
    // A 0 hides what is behind it from what is before it, whatever sizes those have.
    let zero = i32::MIN;
    for got in gradient(&[10, zero, 1000, 1000, -1000, -990], &[3.0, 5.0, 0.0, 0.0, 0.0, 7.0]) {
        assert_eq!(got, [3.0, 5.0 * two(10) + 7.0 * two(20), 0.0, 0.0, 0.0, 0.0]);
    }
    for got in gradient(&[-1000, zero, 1000, zero, 1000], &[1.0; 5]) {
        assert_eq!(got, [1.0, two(-1000) + 1.0, 0.0, 0.0, 0.0]);
    }
    // More numbers than there are binary digits, in `f32`.
    let long = Tensor::full([4000], 1e30).unwrap();
    let x = Tensor::cat(&[&long, &long.reciprocal()], 0).unwrap().tracked().unwrap();
    let last = x.cumprod(0).unwrap().narrow(0, 7999, 1).unwrap();
    let grads = last.sum().backward().unwrap();
    let shares = grads.wrt(&x).unwrap().mul(&x.detach()).unwrap().to_f64_vec();
    assert!(shares.iter().all(|y| (y - 1.0).abs() < 1e-3), "{:?}", &shares[3990..4010]);
}

#[test]
fn the_recurrences_are_each_others_gradient() {
    let (a, b) = (tensor![[0.5, -2.0, 3.0], [1.0, 0.0, 4.0]], tensor![[1.0, 2.0, -1.0], [0.5, 3.0, 2.0]]);
    for recurrence in [recurrence_up, recurrence_down] {
        for axis in [0, 1] {
            let f = move |x: &[Tensor]| Ok(recurrence(&x[0], &x[1], axis));
            gradcheck(f, &[a.clone(), b.clone()]).unwrap();
            gradgradcheck(f, &[a.clone(), b.clone()]).unwrap();
        }
    }
    let up = recurrence_up(&a, &b, 1);
    assert_eq!(up.to_vec::<f32>().unwrap(), [1.0, 0.0, -1.0, 0.5, 3.0, 14.0]);
    let down = recurrence_down(&a, &b, 1);
    assert_eq!(down.to_vec::<f32>().unwrap(), [3.0, -1.0, -1.0, 0.5, 11.0, 2.0]);
}

#[test]
fn nothing_has_the_product_one() {
    let nothing = Tensor::zeros([2, 0]).unwrap().tracked().unwrap();
    assert_eq!(nothing.prod().item().unwrap(), 1.0);
    assert_eq!(nothing.prod_dims(&[1], false).unwrap().to_vec::<f32>().unwrap(), [1.0, 1.0]);
    assert_eq!(nothing.prod().backward().unwrap().wrt(&nothing).unwrap().shape(), [2, 0]);
    for dim in [0, 1] {
        assert_eq!(nothing.cumsum(dim).unwrap().shape(), [2, 0]);
        let products = nothing.cumprod(dim).unwrap();
        assert_eq!(products.sum().backward().unwrap().wrt(&nothing).unwrap().shape(), [2, 0]);
    }
}

#[test]
fn integers_stay_integers_and_halves_are_computed_in_single_precision() {
    let x = Tensor::from_nested([200u8, 100, 3]).unwrap();
    assert_eq!(x.cumsum(0).unwrap().to_vec::<i64>().unwrap(), [200, 300, 303]);
    assert_eq!(x.cumprod(0).unwrap().to_vec::<i64>().unwrap(), [200, 20_000, 60_000]);
    assert_eq!(x.prod().to_vec::<i64>().unwrap(), [60_000]);
    let x = Tensor::from_nested([true, true, false]).unwrap();
    assert_eq!(x.cumsum(0).unwrap().to_vec::<i64>().unwrap(), [1, 2, 2]);
    assert_eq!(x.prod().to_vec::<i64>().unwrap(), [0]);
    let x = Tensor::from_nested([i64::MAX, 2]).unwrap();
    assert_eq!(x.prod().to_vec::<i64>().unwrap(), [-2]);
    let ones = Tensor::full_dtype([3000], 1.0, DType::BF16).unwrap().cumsum(0).unwrap();
    assert_eq!((ones.dtype(), ones.to_f64_vec()[2999]), (DType::BF16, 3008.0));
}

#[test]
fn dimensions_are_checked() {
    let e = tensor![1.0].cumsum(1).unwrap_err();
    assert_eq!(e.message(), "cumsum: dimension 1 is out of range for 1 dimension (-1 ..= 0)");
    let e = Tensor::scalar(1.0).cumprod(0).unwrap_err();
    assert_eq!(e.message(), "cumprod: dimension 0 of a scalar, which has none");
    let e = tensor![1.0].prod_dims(&[0, 0], true).unwrap_err();
    assert_eq!(e.message(), "prod: dimension 0 is named twice");
}
