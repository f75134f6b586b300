use super::super::scan::{Direction, Running, recurrent, running};
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
            running(Running::Sum, &x, shape, &mut sums);
            running(Running::Product, &x, shape, &mut products);
            assert_close(&sums, &sum, 1e-7, ("sum", shape, level));
            // Products overflow to infinity where f64 does not.
            let single: Vec<f64> = product.iter().map(|&p| f64::from(p as f32)).collect();
            assert_close(&products, &single, 1e-7, ("product", shape, level));
        });
        let wide: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
        let mut wide_sums = vec![0.0; x.len()];
        running(Running::Sum, &wide, shape, &mut wide_sums);
        assert_eq!(wide_sums, sum, "{shape:?}");
    }
}

#[test]
fn integers_wrap() {
    let mut out = [0; 3];
    running(Running::Sum, &[i64::MAX, 1, 1], [1, 3, 1], &mut out);
    assert_eq!(out, [i64::MAX, i64::MIN, i64::MIN + 1]);
    running(Running::Product, &[3, i64::MIN, 2], [1, 3, 1], &mut out);
    assert_eq!(out, [3, i64::MIN, 0]);
}

#[test]
fn nan_stays_from_its_place_on() {
    let mut out = [0.0; 4];
    running(Running::Sum, &[1.0, f32::NAN, 1.0, f32::INFINITY], [1, 4, 1], &mut out);
    assert!(out[0] == 1.0 && out[1..].iter().all(|x| x.is_nan()));
    running(Running::Sum, &[1.0, f32::NAN, f32::INFINITY, 1.0], [1, 2, 2], &mut out);
    assert!(out[0] == 1.0 && out[1].is_nan() && out[2] == f32::INFINITY && out[3].is_nan());
}

#[test]
fn large_scans_do_not_depend_on_the_number_of_threads() {
    for shape in [[300, 301, 1], [3, 200, 300]] {
        let shape = if cfg!(miri) { [2, 2, 2] } else { shape };
        let x = numbers::<f32>(shape.iter().product(), 1);
        assert_same_on_two_threads(|| {
            let mut out = vec![0.0; x.len()];
            running(Running::Sum, &x, shape, &mut out);
            out
        });
    }
}

/// One column after the other.
fn naive_recurrence(down: bool, a: &[f64], b: &[f64], [outer, len, inner]: [usize; 3]) -> Vec<f64> {
    let mut out = vec![0.0; a.len()];
    for o in 0..outer {
        for j in 0..inner {
            let at = |i: usize| (o * len + i) * inner + j;
            for step in 0..len {
                let i = if down { len - 1 - step } else { step };
                out[at(i)] = b[at(i)];
                if step > 0 {
                    out[at(i)] += if down { a[at(i + 1)] * out[at(i + 1)] } else { a[at(i)] * out[at(i - 1)] };
                }
            }
        }
    }
    out
}

#[test]
fn recurrences_agree_with_one_column_after_the_other() {
    for shape in
        [[0, 3, 2], [2, 0, 3], [1, 1, 1], [3, 5, 1], [1, 67, 1], [2, 4, 3], [1, 3, 255], [2, 3, 257], [70, 40, 40]]
    {
        let n = shape.iter().product::<usize>();
        let value = |i: usize, seed: f64| (i as f64 * seed).sin() * 1.1;
        let (a, b): (Vec<_>, Vec<_>) = (0..n).map(|i| (value(i, 0.7), value(i, 1.3))).unzip();
        let mut out = vec![f64::NAN; n];
        recurrent(Direction::Up, &a, &b, shape, &mut out);
        assert_eq!(out, naive_recurrence(false, &a, &b, shape), "up {shape:?}");
        recurrent(Direction::Down, &a, &b, shape, &mut out);
        assert_eq!(out, naive_recurrence(true, &a, &b, shape), "down {shape:?}");
    }
}

#[test]
fn unused_factors_of_recurrences_do_not_matter() {
    let mut out = [0.0f32; 3];
    recurrent(Direction::Up, &[f32::NAN, 2.0, 3.0], &[1.0, 1.0, 1.0], [1, 3, 1], &mut out);
    assert_eq!(out, [1.0, 3.0, 10.0]);
    recurrent(Direction::Down, &[f32::NAN, 2.0, 3.0], &[1.0, 1.0, 1.0], [1, 3, 1], &mut out);
    assert_eq!(out, [9.0, 4.0, 1.0]);
}
