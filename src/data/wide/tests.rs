use super::*;

fn wide(numbers: &[f64]) -> Vec<Wide> {
    numbers.iter().map(|x| Wide::from(*x)).collect()
}

#[test]
fn sums_lose_nothing() {
    let total = |numbers: &[f64]| wide(numbers).into_iter().fold(Wide::default(), Wide::plus).to_f64();
    assert_eq!(total(&[1e16, 1.0, -1e16]), 1.0);
    assert_eq!(total(&[1e30, 1.0, 1e14, -1e30, -1e14]), 1.0);
    // A tenth is 0.1000000000000000055511151231257827 as an f64: ten of them are 1.0000000000000000555.
    assert_eq!(total(&[0.1; 10]), 1.0);
    assert_eq!(total(&[f64::MAX, f64::MAX]), f64::INFINITY);
}

#[test]
fn integers_beyond_53_bits_stay_apart() {
    for x in [i128::from(i64::MAX), i128::from(u64::MAX), i128::from(i64::MIN), (1 << 53) + 1, 0, -7] {
        let (a, b) = (Wide::from(x), Wide::from(x + 1));
        assert_eq!(b.minus(a).to_f64(), 1.0, "{x}");
        assert!(a < b, "{x}");
    }
    let _ = (Wide::from(i128::MAX), Wide::from(i128::MIN));
}

#[test]
fn moments_hold_at_both_ends_of_the_range() {
    // The deviation of 1 and 2 is 1/2 with n, √½ with n − 1.
    for unit in [1.0, 1e-300, 1e-320, 1e300, 8e307] {
        let moments = Moments::of(&wide(&[unit, 2.0 * unit]));
        assert!((moments.mean().to_f64() / unit - 1.5).abs() < 1e-3, "{unit:e}");
        assert!((moments.deviation(0.0) / unit - 0.5).abs() < 1e-3, "{unit:e}");
    }
    assert!(Moments::of(&[]).mean().high.is_nan());
    assert_eq!(Moments::of(&wide(&[0.0, 0.0])).deviation(0.0), 0.0);
    assert_eq!(Moments::of(&wide(&[f64::INFINITY, 1.0])).mean().high, f64::INFINITY);
}
