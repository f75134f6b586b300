use super::super::scan::{cumprod, cumsum};
use super::*;

#[test]
fn running_sums_and_products() {
    for &shape in MATRICES {
        let [outer, len, inner] = shape;
        let x = numbers::<f32>(shape.iter().product(), 2);
        let (mut sums, mut products) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        let (mut sum, mut product) = (vec![0.0_f64; x.len()], vec![0.0_f64; x.len()]);
        for o in 0..outer {
            for j in 0..inner {
                let (mut s, mut p) = (0.0, 1.0);
                for i in 0..len {
                    let k = at(shape, o, i, j);
                    s += f64::from(x[k]);
                    p *= f64::from(x[k]);
                    (sum[k], product[k]) = (s, p);
                }
            }
        }
        on_each_level(|level| {
            cumsum(&x, outer, len, inner, &mut sums);
            cumprod(&x, outer, len, inner, &mut products);
            assert_close(&sums, &sum, 1e-7, ("sum", shape, level));
            // Products overflow to infinity where f64 does not.
            let single: Vec<f64> = product.iter().map(|&p| f64::from(p as f32)).collect();
            assert_close(&products, &single, 1e-7, ("product", shape, level));
        });
        let wide: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
        let mut wide_sums = vec![0.0; x.len()];
        cumsum(&wide, outer, len, inner, &mut wide_sums);
        assert_eq!(wide_sums, sum, "{shape:?}");
    }
}

#[test]
fn integers_wrap() {
    let mut out = [0; 3];
    cumsum(&[i64::MAX, 1, 1], 1, 3, 1, &mut out);
    assert_eq!(out, [i64::MAX, i64::MIN, i64::MIN + 1]);
    cumprod(&[3, i64::MIN, 2], 1, 3, 1, &mut out);
    assert_eq!(out, [3, i64::MIN, 0]);
}

#[test]
fn nan_stays_from_its_place_on() {
    let mut out = [0.0; 4];
    cumsum(&[1.0, f32::NAN, 1.0, f32::INFINITY], 1, 4, 1, &mut out);
    assert!(out[0] == 1.0 && out[1..].iter().all(|x| x.is_nan()));
    cumsum(&[1.0, f32::NAN, f32::INFINITY, 1.0], 1, 2, 2, &mut out);
    assert!(out[0] == 1.0 && out[1].is_nan() && out[2] == f32::INFINITY && out[3].is_nan());
}

#[test]
fn large_scans_do_not_depend_on_the_number_of_threads() {
    for [outer, len, inner] in [[300, 301, 1], [3, 200, 300]] {
        let [outer, len, inner] = if cfg!(miri) { [2, 2, 2] } else { [outer, len, inner] };
        let x = numbers::<f32>(outer * len * inner, 1);
        assert_same_on_two_threads(|| {
            let mut out = vec![0.0; x.len()];
            cumsum(&x, outer, len, inner, &mut out);
            out
        });
    }
}
