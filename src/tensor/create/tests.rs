use super::*;
use crate::ErrorKind;

#[track_caller]
fn message(result: Result<Tensor>, kind: ErrorKind) -> String {
    let e = result.unwrap_err();
    assert_eq!(e.kind(), kind);
    e.message()
}

fn values(x: Result<Tensor>) -> Vec<f32> {
    x.unwrap().to_vec().unwrap()
}

#[test]
fn impossible_shapes_are_refused_word_for_word() {
    let kind = ErrorKind::Shape;
    assert_eq!(message(Tensor::zeros([1; 9]), kind), "zeros: 9 dimensions, at most 8 are supported");
    let too_many = format!("ones: a tensor of shape [{}] and type f32 does not fit into memory", usize::MAX);
    assert_eq!(message(Tensor::ones(usize::MAX), kind), too_many);
    assert_eq!(
        message(Tensor::full([1 << 32, 1 << 32], 1.0), kind),
        "full: a tensor of shape [4294967296, 4294967296] and type f32 does not fit into memory"
    );
    // The product of the sizes is 0, but that of the others overflows.
    assert!(Tensor::zeros([usize::MAX, usize::MAX, 0]).is_err());
    assert!(Tensor::arange(usize::MAX).is_err());
    assert!(Tensor::linspace(0.0, 1.0, usize::MAX).is_err());
    assert!(Tensor::eye(usize::MAX).is_err());
    assert!(Tensor::arange_step(0.0, 1e300, 1.0).is_err());
    let mut rng = Rng::seed(0);
    assert!(Tensor::permutation(usize::MAX / 2, &mut rng).is_err());
    assert!(Tensor::normal([1 << 40, 1 << 40], 0.0, 1.0, &mut rng).is_err());
}

#[test]
fn shapes_of_every_kind_are_taken() {
    let shapes = [
        Tensor::zeros(()),
        Tensor::zeros(3),
        Tensor::zeros([2, 3]),
        Tensor::zeros(vec![2, 3]),
        Tensor::zeros(&[2, 3][..]),
        Tensor::zeros(vec![0, 3]),
    ]
    .map(|x| x.unwrap().shape().to_vec());
    assert_eq!(shapes, [vec![], vec![3], vec![2, 3], vec![2, 3], vec![2, 3], vec![0, 3]]);
}

#[test]
fn patterns() {
    assert_eq!(values(Tensor::ones(2)), [1.0, 1.0]);
    assert_eq!(values(Tensor::full(2, -0.5)), [-0.5, -0.5]);
    assert_eq!(values(Tensor::eye(2)), [1.0, 0.0, 0.0, 1.0]);
    assert!(values(Tensor::eye(0)).is_empty());
    assert_eq!(Tensor::arange(3).unwrap().to_vec::<i64>().unwrap(), [0, 1, 2]);
    assert_eq!(values(Tensor::arange_step(1.0, 2.0, 0.25)), [1.0, 1.25, 1.5, 1.75]);
    assert_eq!(values(Tensor::arange_step(1.0, -1.0, -0.75)), [1.0, 0.25, -0.5]);
    assert!(values(Tensor::arange_step(1.0, 1.0, 1.0)).is_empty());
    assert_eq!(Tensor::scalar(2.5).item().unwrap(), 2.5);
    let half = Tensor::full_dtype([2], 2.0, DType::F16).unwrap();
    assert_eq!((half.ones_like().dtype(), half.zeros_like().to_f64_vec()), (DType::F16, vec![0.0, 0.0]));
}

/// `numpy.linspace` in single precision.
#[test]
fn linspace_is_symmetric_and_ends_exactly() {
    assert_eq!(values(Tensor::linspace(0.0, 1.0, 4)), [0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0]);
    assert_eq!(values(Tensor::linspace(3.0, -3.0, 3)), [3.0, 0.0, -3.0]);
    assert_eq!(values(Tensor::linspace(2.0, 9.0, 1)), [2.0]);
    assert!(values(Tensor::linspace(2.0, 9.0, 0)).is_empty());
    let x = values(Tensor::linspace(-0.1, 0.1, 101));
    assert!(x.iter().zip(x.iter().rev()).all(|(a, b)| *a == -b) && x[100] == 0.1);
}

#[test]
fn impossible_options_are_refused_word_for_word() {
    let kind = ErrorKind::Argument;
    let mut rng = Rng::seed(0);
    assert_eq!(message(Tensor::arange_step(0.0, 1.0, 0.0), kind), "arange: no way from 0 to 1 in steps of 0");
    assert_eq!(message(Tensor::arange_step(0.0, 1.0, -1.0), kind), "arange: no way from 0 to 1 in steps of -1");
    let nan = Tensor::arange_step(0.0, f64::NAN, 1.0);
    assert_eq!(message(nan, kind), "arange: no way from 0 to NaN in steps of 1");
    assert_eq!(message(Tensor::linspace(0.0, f64::INFINITY, 3), kind), "linspace: no even steps from 0 to inf");
    assert_eq!(message(Tensor::uniform(2, 1.0, 0.0, &mut rng), kind), "uniform: no values between 1 and 0");
    assert!(
        message(Tensor::uniform(2, 0.0, 1e39, &mut rng), kind).starts_with("uniform: no values between 0 and 10000")
    );
    assert_eq!(
        message(Tensor::normal(2, 0.0, -1.0, &mut rng), kind),
        "normal: no normal distribution with mean 0 and std -1"
    );
    assert_eq!(
        message(Tensor::bernoulli(2, 1.5, &mut rng), kind),
        "bernoulli: p is 1.5, expected a probability from 0 to 1"
    );
    assert!(Tensor::bernoulli(2, f64::NAN, &mut rng).is_err());
}

#[test]
fn counts_must_fit_shapes_word_for_word() {
    let kind = ErrorKind::Shape;
    assert_eq!(
        message(Tensor::from_vec(vec![1f32, 2.0, 3.0], [2, 2]), kind),
        "from_vec: 3 elements for shape [2, 2], which has 4"
    );
    assert_eq!(message(Tensor::from_slice(&[1i64], 2), kind), "from_slice: 1 element for shape [2], which has 2");
    assert_eq!(
        message(Tensor::from_nested(vec![vec![1f32, 2.0], vec![3.0]]), kind),
        "from_nested: the rows have different lengths (the first ones give shape [2, 2])"
    );
    // As many numbers as the first row asks for, but unevenly spread.
    assert!(Tensor::from_nested(vec![vec![1f32, 2.0], vec![3.0], vec![4.0, 5.0, 6.0]]).is_err());
    assert_eq!(
        message(Tensor::from_nested([[[[[[[[[1f32]]]]]]]]]), kind),
        "from_nested: 9 dimensions, at most 8 are supported"
    );
}

#[test]
fn nested_values_keep_their_type_and_literals_become_f32() {
    let x = Tensor::from_nested(vec![[1i64, 2], [3, 4]]).unwrap();
    assert_eq!((x.shape(), x.dtype()), (&[2, 2][..], DType::I64));
    assert_eq!(Tensor::from_nested(Vec::<Vec<f64>>::new()).unwrap().shape(), [0, 0]);
    assert_eq!(Tensor::from_nested(7u8).unwrap().rank(), 0);
    let literals = [crate::tensor![1, 2], crate::tensor![1i64, 2], crate::tensor![1.0, 2.0], crate::tensor![1u8, 2,]];
    for x in literals {
        assert_eq!(x.to_vec::<f32>().unwrap(), [1.0, 2.0]);
    }
    assert_eq!(crate::tensor![[[[[[[[1.0]]]]]]]].shape(), [1; 8]);
    assert_eq!(crate::tensor![[0f32; 0]].shape(), [1, 0]);
}

#[test]
fn random_numbers_lie_where_they_should() {
    let mut rng = Rng::seed(1);
    let x = values(Tensor::uniform(10_000, -0.1, 0.1, &mut rng));
    assert!(x.iter().all(|x| (-0.1..0.1).contains(x)));
    assert!(x.iter().any(|x| *x < -0.099) && x.iter().any(|x| *x > 0.099));
    // Between neighbouring numbers there is only the first.
    let one = f64::from(1f32.next_up());
    assert_eq!(values(Tensor::uniform(100, 1.0, one, &mut rng)), [1.0; 100]);
    assert_eq!(values(Tensor::uniform(2, 3.0, 3.0, &mut rng)), [3.0, 3.0]);
    let x = values(Tensor::uniform(100, -3e38, 3e38, &mut rng));
    assert!(x.iter().all(|x| x.is_finite()) && x.iter().any(|x| *x < 0.0) && x.iter().any(|x| *x > 0.0));

    let x = Tensor::normal(40_000, 2.0, 3.0, &mut rng).unwrap();
    // Five standard errors.
    assert!((x.mean().item().unwrap() - 2.0).abs() < 5.0 * 3.0 / 200.0);
    assert!((x.std(1.0).item().unwrap() - 3.0).abs() < 5.0 * 3.0 / (2f64 * 40_000.0).sqrt());
    assert_eq!(values(Tensor::normal(2, 4.0, 0.0, &mut rng)), [4.0, 4.0]);

    let x = values(Tensor::bernoulli(40_000, 0.25, &mut rng));
    let ones = x.iter().filter(|x| **x == 1.0).count() as f64;
    assert!(x.iter().all(|x| *x == 0.0 || *x == 1.0) && (ones / 40_000.0 - 0.25).abs() < 5.0 * 0.433 / 200.0);
    assert_eq!(values(Tensor::bernoulli(2, 1.0, &mut rng)), [1.0, 1.0]);

    let mut order = Tensor::permutation(100, &mut rng).unwrap().to_vec::<i64>().unwrap();
    assert_ne!(order, (0..100).collect::<Vec<_>>());
    order.sort_unstable();
    assert_eq!(order, (0..100).collect::<Vec<_>>());
}

#[test]
fn the_same_seed_gives_the_same_numbers() {
    let draw = || Tensor::normal(10, 0.0, 1.0, &mut Rng::seed(3)).unwrap().to_vec::<f32>().unwrap();
    assert_eq!(draw(), draw());
}
