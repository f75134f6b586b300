use super::*;

#[test]
fn scaling_is_exact_up_to_the_ends() {
    for n in [-2098, -1074, -1022, -1000, -1, 0, 1, 1000, 1023, 1024, 3000] {
        assert_eq!(scaled(1.0, n), (n as f64).exp2(), "{n}");
    }
    assert_eq!(scaled(scaled(1.5, -1030), 1030), 1.5);
    assert_eq!(scaled(f64::MIN_POSITIVE / 4.0, 1024), 1.0);
    for (x, e) in [(1.0, 0), (1.9, 0), (-2.0, 1), (f64::MAX, 1023), (f64::MIN_POSITIVE, -1022), (5e-324, -1022)] {
        assert_eq!(exponent(x), e, "{x}");
    }
}
