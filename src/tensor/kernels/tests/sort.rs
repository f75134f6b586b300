use super::super::sort::{SortKey, sort};
use super::*;

fn sorted<T: SortKey>(descending: bool, x: &[T], cols: usize) -> (Vec<T>, Vec<i64>) {
    let (mut values, mut indices) = (vec![T::default(); x.len()], vec![-1; x.len()]);
    sort(cols, descending, x, cols, &mut values, &mut indices);
    (values, indices)
}

#[test]
fn nan_is_the_largest_and_equal_elements_keep_their_order() {
    let x = [2.0_f32, f32::NAN, -0.0, f32::NEG_INFINITY, 0.0, 2.0, f32::INFINITY, -f32::NAN, -1.5];
    let (values, indices) = sorted(false, &x, 9);
    assert_eq!(indices, [3, 8, 2, 4, 0, 5, 6, 1, 7]);
    assert_eq!(values[..7], [f32::NEG_INFINITY, -1.5, 0.0, 0.0, 2.0, 2.0, f32::INFINITY]);
    assert_eq!(values[2].to_bits(), (-0.0_f32).to_bits());
    let (values, indices) = sorted(true, &x, 9);
    assert_eq!(indices, [1, 7, 6, 0, 5, 2, 4, 8, 3]);
    assert!(values[0].is_nan() && values[1].is_nan());
    let wide = x.map(f64::from);
    assert_eq!(sorted(false, &wide, 9).1, [3, 8, 2, 4, 0, 5, 6, 1, 7]);
}

#[test]
fn other_types() {
    assert_eq!(sorted(false, &[3, -1, i64::MAX, i64::MIN, 3], 5).1, [3, 1, 0, 4, 2]);
    assert_eq!(sorted(true, &[3, -1, i64::MAX, i64::MIN, 3], 5).0, [i64::MAX, 3, 3, -1, i64::MIN]);
    assert_eq!(sorted(false, &[3_u8, 200, 0], 3).0, [0, 3, 200]);
    assert_eq!(sorted(true, &[false, true, false, true], 4).1, [1, 3, 0, 2]);
}

#[test]
fn rows_of_every_length_agree_with_a_stable_sort() {
    for cols in lengths() {
        let x: Vec<f64> = numbers::<f64>(3 * cols, 6).iter().map(|x| (x * 5.0).round()).collect();
        for descending in [false, true] {
            let (values, indices) = sorted(descending, &x, cols);
            for row in 0..3 {
                let part = row * cols..(row + 1) * cols;
                let mut order: Vec<usize> = (0..cols).collect();
                let x = &x[part.clone()];
                // The total order tells zeros apart, which are equal here.
                let key = |i: usize| x[i] + 0.0;
                order.sort_by(|&i, &j| {
                    let by_value = if descending { key(j).total_cmp(&key(i)) } else { key(i).total_cmp(&key(j)) };
                    by_value.then(i.cmp(&j))
                });
                assert!(indices[part.clone()].iter().zip(&order).all(|(&i, &j)| i as usize == j));
                assert!(values[part].iter().zip(&order).all(|(&value, &j)| value == x[j]));
            }
        }
    }
}

#[test]
fn the_top_are_the_first_of_the_sorted() {
    let (rows, cols) = (4, 50);
    let x: Vec<f32> = special_numbers::<f32>(rows * cols, 8).iter().map(|x| (x * 2.0).round()).collect();
    for largest in [true, false] {
        let (values, indices) = sorted(largest, &x, cols);
        for k in [0, 1, 2, 7, 49, 50] {
            let (mut top, mut places) = (vec![0.0; rows * k], vec![-1; rows * k]);
            sort(k, largest, &x, cols, &mut top, &mut places);
            for row in 0..rows {
                assert_same(&top[row * k..][..k], &values[row * cols..][..k], (k, row));
                assert_eq!(places[row * k..][..k], indices[row * cols..][..k]);
            }
        }
    }
}

#[test]
fn large_sorts_do_not_depend_on_the_number_of_threads() {
    let n = if cfg!(miri) { 10 } else { 60_000 };
    let x = numbers::<f32>(n, 1);
    assert_same_on_two_threads(|| sorted(false, &x, 10));
}
