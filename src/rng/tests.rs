use super::*;

#[test]
fn an_order_that_memory_cannot_hold_is_an_error() {
    let mut rng = Rng::seed(0);
    for n in [usize::MAX, usize::MAX / 16, 1 << 47] {
        let e = rng.permutation(n).unwrap_err();
        assert_eq!(e.message(), format!("permutation: there is no memory for the order of {n} numbers"));
    }
    // Nothing was drawn.
    assert_eq!(rng.permutation(4).unwrap(), Rng::seed(0).permutation(4).unwrap());
    assert!(rng.permutation(0).unwrap().is_empty());
}
