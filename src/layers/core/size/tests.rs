use super::*;

#[test]
fn numbers_of_parameters_do_not_overflow() {
    let largest = Count::new(usize::MAX);
    assert_eq!((largest * usize::MAX * usize::MAX + largest).get(), usize::MAX);
    assert_eq!((Count::new(3) * 4 + 5).get(), 17);
    let message = "test: a model of these sizes does not fit into memory";
    for (parameters, tensors) in [(usize::MAX, 1), (1, usize::MAX), (usize::MAX, usize::MAX), (1 << 40, 1)] {
        let e = check_memory("test", Count::new(parameters), Count::new(tensors)).unwrap_err();
        assert_eq!(e.message(), message);
    }
    assert!(check_memory("test", Count::new(1_000_000), Count::new(100)).is_ok());
}
