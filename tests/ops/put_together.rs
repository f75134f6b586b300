//! Operations that are put together from others: what PyTorch has no numbers for, what there is nothing of, and errors.

use demotic::tensor::argument::{Interpolation, ScatterReduction};
use demotic::{DType, Result, Rng, Tensor, tensor};

fn ids<const N: usize>(values: [i64; N]) -> Tensor {
    Tensor::from_nested(values).unwrap()
}

#[test]
fn errors_say_what_was_given() {
    let (x, rows) = (tensor![[1.0, 2.0], [3.0, 4.0]], ids([0, 5]));
    let none = Tensor::zeros([2, 0]).unwrap();
    let errors: Vec<(Result<Tensor>, &str)> = vec![
        (x.isclose(&x, -1.0, 0.0, false), "isclose: rtol is -1 and atol is 0, expected numbers from 0 on"),
        (
            x.kthvalue(3, 1, false).map(|found| found.0),
            "kthvalue: k is 3, expected 1 to 2, the size of dimension 1 of [2, 2]",
        ),
        (none.median(1, false).map(|found| found.0), "median: [2, 0] has no elements along that dimension"),
        (none.mode(1, false).map(|found| found.0), "mode: [2, 0] has no elements along that dimension"),
        (x.quantile(1.5, 0, false, Interpolation::Linear), "quantile: q is 1.5, expected a share from 0 to 1"),
        (none.quantile(0.5, 1, false, Interpolation::Lower), "quantile: [2, 0] has no elements along that dimension"),
        (Tensor::scalar(1.0).searchsorted(&x, false), "searchsorted: the list is a scalar, expected a vector or rows"),
        (x.searchsorted(&tensor![1.0], false), "searchsorted: values [1] for lists [2, 2]"),
        (ids([1, -2]).bincount(None, 0), "bincount: -2 cannot be counted, expected numbers from 0 on"),
        (x.bincount(None, 0), "bincount: [2, 2] of f32, expected a vector of whole numbers"),
        (ids([1]).bincount(Some(&x), 0), "bincount: weights [2, 2] for numbers [1]"),
        (x.histc(0, 0.0, 1.0), "histc: 0 bins from 0 to 1"),
        (
            x.index_fill(0, &rows, 1.0),
            "index_fill: index 5 (element 1) is out of range for dimension 0 of [2, 2] (size 2)",
        ),
        (x.index_copy(0, &ids([1]), &x), "index_copy: a source of shape [2, 2], expected [1, 2]"),
        (x.masked_scatter(&x.gt_scalar(0.0), &tensor![1.0]), "masked_scatter: 1 elements for 4 places"),
        (
            x.masked_scatter(&tensor![1.0, 1.0, 1.0].gt_scalar(0.0), &x),
            "masked_scatter: a mask of shape [3] does not broadcast to [2, 2]",
        ),
        (x.windows(0, 3, 1), "windows: windows of 3, 1 apart, for dimension 0 of [2, 2]"),
        (x.windows(0, 1, 0), "windows: windows of 1, 0 apart, for dimension 0 of [2, 2]"),
        (x.rot90(1, [0, -2]), "rot90: dimensions 0 and -2 are the same"),
        (Tensor::meshgrid(&[]).map(|mut grid| grid.remove(0)), "meshgrid: there are no vectors"),
        (
            Tensor::meshgrid(&[&x]).map(|mut grid| grid.remove(0)),
            "meshgrid: a tensor of shape [2, 2], expected vectors",
        ),
        (x.cdist(&tensor![1.0], 2.0), "cdist: [2, 2] and [1], expected [.., n, features] and [.., m, features]"),
        (x.cdist(&x, -1.0), "cdist: p is -1, expected a number from 0 on"),
        (x.tensordot(&x, 3), "tensordot: 3 dimensions of [2, 2] and [2, 2]"),
        (x.tensordot_dims(&Tensor::zeros([3]).unwrap(), &[0], &[0]), "tensordot: sizes [2] of [2, 2] and [3] of [3]"),
        (x.tensordot_dims(&x, &[0, 0], &[0, 1]), "tensordot: dimension 0 is named twice"),
        (Tensor::randint(3, 3, [2], &mut Rng::seed(0)), "randint: there are no numbers from 3 to below 3"),
        (
            tensor![1.0, -1.0].multinomial(1, true, &mut Rng::seed(0)),
            "multinomial: a weight is -1, expected numbers from 0 on",
        ),
        (
            tensor![0.0, 1.0].multinomial(2, false, &mut Rng::seed(0)),
            "multinomial: 2 draws from 1 elements with weights above 0",
        ),
    ];
    for (result, message) in errors {
        assert_eq!(result.unwrap_err().message(), message);
    }
}

#[test]
fn of_nothing_there_is_nothing() -> Result<()> {
    let none = Tensor::zeros([2, 0])?;
    assert_eq!(none.cummax(1)?.1.shape(), [2, 0]);
    assert_eq!(none.logcumsumexp(1)?.shape(), [2, 0]);
    assert_eq!(none.diff(3, 1)?.shape(), [2, 0]);
    assert_eq!(none.unique()?.0.shape(), [0]);
    assert_eq!(none.nonzero()?.shape(), [0, 2]);
    assert_eq!(ids([]).bincount(None, 2)?.to_vec::<i64>()?, [0, 0]);
    assert_eq!(none.histc(2, 0.0, 1.0)?.to_vec::<f32>()?, [0.0, 0.0]);
    assert_eq!(Tensor::zeros([0])?.searchsorted(&tensor![1.0, 2.0], true)?.to_vec::<i64>()?, [0, 0]);
    assert_eq!(tensor![1.0].searchsorted(&none, false)?.shape(), [2, 0]);
    assert_eq!(Tensor::zeros([0, 3])?.cdist(&Tensor::zeros([2, 3])?, 2.0)?.shape(), [0, 2]);
    assert_eq!(none.kron(&tensor![1.0])?.shape(), [2, 0]);
    assert_eq!(Tensor::scalar(3.0).nonzero()?.shape(), [1, 0]);
    assert!(none.allclose(&none, 0.0, 0.0, false)?);
    Ok(())
}

#[test]
fn drawing_follows_the_weights() -> Result<()> {
    let mut rng = Rng::seed(1);
    let weights = tensor![[1.0, 0.0, 3.0], [0.0, 1e30, 0.0]];
    let drawn = weights.multinomial(4000, true, &mut rng)?;
    let first = drawn.select(0, 0)?.bincount(None, 3)?.to_vec::<i64>()?;
    assert!(first[1] == 0 && (900..1100).contains(&first[0]), "{first:?}");
    assert!(drawn.select(0, 1)?.to_vec::<i64>()?.iter().all(|n| *n == 1));
    // Of two without replacement, the heavier one is first in three of four cases.
    let mut heavier = 0;
    for _ in 0..1000 {
        let two = tensor![1.0, 3.0, 0.0].multinomial(2, false, &mut rng)?.to_vec::<i64>()?;
        assert!(two == [0, 1] || two == [1, 0], "{two:?}");
        heavier += two[0];
    }
    assert!((700..800).contains(&heavier), "{heavier}");
    let dice = Tensor::randint(-2, 3, [5000], &mut rng)?;
    let counts = dice.add(&ids([2]))?.bincount(None, 5)?.to_vec::<i64>()?;
    assert!(counts.len() == 5 && counts.iter().all(|n| (880..1120).contains(n)), "{counts:?}");
    let all = Tensor::randint(i64::MIN, i64::MAX, [3], &mut rng)?;
    assert_eq!(all.dtype(), DType::I64);
    let like = Tensor::zeros([2, 3])?.to_dtype(DType::F64);
    assert_eq!((like.rand_like(&mut rng)?.dtype(), like.randn_like(&mut rng)?.shape()), (DType::F64, &[2, 3][..]));
    Ok(())
}

#[test]
fn numbers_that_are_none_are_the_largest() -> Result<()> {
    let list = tensor![1.0, 2.0, f32::NAN, f32::NAN];
    let wanted = tensor![0.0, 2.0, f32::INFINITY, f32::NAN];
    assert_eq!(list.searchsorted(&wanted, false)?.to_vec::<i64>()?, [0, 1, 2, 2]);
    assert_eq!(list.searchsorted(&wanted, true)?.to_vec::<i64>()?, [0, 2, 2, 4]);
    assert_eq!(wanted.kthvalue(3, 0, false)?.0.item()?, f64::INFINITY);
    assert!(wanted.quantile(0.25, 0, false, Interpolation::Linear)?.item()?.is_nan());
    let largest = tensor![f32::NAN, f32::INFINITY, f32::NEG_INFINITY].nan_to_num(0.0, None, None);
    assert_eq!(largest.to_vec::<f32>()?, [0.0, f32::MAX, f32::MIN]);
    let half = tensor![f32::INFINITY].to_dtype(DType::F16).nan_to_num(0.0, None, None);
    assert_eq!(half.to_f64_vec(), [65_504.0]);
    Ok(())
}

#[test]
fn places_to_which_nothing_is_sent_stay() -> Result<()> {
    let x = tensor![1.0, 2.0, 3.0].tracked()?;
    use ScatterReduction::{Amax, Amin, Mean, Prod, Sum};
    for reduction in [Sum, Mean, Amax, Amin, Prod] {
        let y = x.scatter_reduce(0, &ids([0, 0]), &tensor![5.0, 7.0], reduction, false)?;
        assert_eq!(y.to_vec::<f32>()?[1..], [2.0, 3.0], "{reduction:?}");
        let grads = y.sum().backward()?;
        assert_eq!(grads.wrt(&x)?.to_vec::<f32>()?, [0.0, 1.0, 1.0], "{reduction:?}");
    }
    Ok(())
}

#[test]
fn slices_that_repeat() -> Result<()> {
    // A slice with NaN is like no other; both zeros are the same.
    let x = tensor![[0.0, 1.0], [f32::NAN, 1.0], [-0.0, 1.0], [f32::NAN, 1.0]];
    let (values, inverse, counts) = x.unique_dim(0)?;
    assert_eq!(values.shape(), [3, 2]);
    assert_eq!(inverse.to_vec::<i64>()?, [0, 1, 0, 2]);
    assert_eq!(counts.to_vec::<i64>()?, [2, 1, 1]);
    let (values, _, counts) = x.unique_consecutive(Some(0))?;
    assert_eq!((values.shape(), counts.to_vec::<i64>()?), (&[4, 2][..], vec![1; 4]));
    let flags = Tensor::from_nested([[true, false], [true, false]])?;
    assert_eq!(flags.unique_dim(0)?.0.to_vec::<bool>()?, [true, false]);
    assert_eq!(flags.unique_dim(1)?.1.to_vec::<i64>()?, [1, 0]);
    // No slices at all, and slices of nothing.
    let none = Tensor::zeros([0, 3])?;
    assert_eq!(none.unique_dim(0)?.0.shape(), [0, 3]);
    assert_eq!(none.unique_consecutive(Some(0))?.2.shape(), [0]);
    assert_eq!(none.unique_consecutive(None)?.0.shape(), [0]);
    for wide in [1 << 40, 3] {
        let e = Tensor::zeros([0, wide])?.unique_dim(1).unwrap_err();
        assert_eq!(e.message(), format!("unique_dim: slices without elements, of [0, {wide}] along dimension 1"));
        assert!(Tensor::zeros([0, wide])?.unique_consecutive(Some(1)).is_err());
    }
    // NaN is the largest and like nothing: numpy.unique(x, axis=0).
    let nan = f64::NAN;
    let x = tensor![[2.0, 1.0], [nan, 0.0], [1.0, nan], [nan, 0.0], [1.0, 2.0]];
    let (values, inverse, counts) = x.unique_dim(0)?;
    assert_eq!(values.nan_to_num(9.0, None, None).to_vec::<f32>()?, [1.0, 2.0, 1.0, 9.0, 2.0, 1.0, 9.0, 0.0, 9.0, 0.0]);
    assert_eq!((inverse.to_vec::<i64>()?, counts.to_vec::<i64>()?), (vec![2, 3, 1, 4, 0], vec![1; 5]));
    assert_eq!(tensor![1.0].unique_dim(1).unwrap_err().kind(), demotic::ErrorKind::Index);
    Ok(())
}

#[test]
fn parts_and_cross_products_say_what_does_not_fit() -> Result<()> {
    let (a, b) = (tensor![1.0, 2.0, 3.0], tensor![1.0, 2.0]);
    assert_eq!(a.cross(&b, 0).unwrap_err().message(), "cross: [3] and [2], expected size 3 along dimension 0");
    let rows = tensor![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
    let e = rows.t().cross(&a, 0).unwrap_err();
    assert_eq!(e.message(), "cross: [3, 2] and [3] have different dimensions 0");
    assert_eq!(e.help(), Some("count the dimension from the end: -1 is the last one"));
    assert_eq!(rows.cross(&a, -1)?.to_vec::<f32>()?, [0.0, 0.0, 0.0, 3.0, -6.0, 3.0]);
    assert_eq!(a.unbind(0)?.len(), 3);
    assert!(a.unbind(1).is_err());
    assert!(Tensor::zeros([1 << 40, 0])?.unbind(0).is_err());
    let like = b.to_dtype(DType::F64).randint_like(0, 5, &mut demotic::Rng::seed(0))?;
    assert_eq!((like.dtype(), like.shape()), (DType::F64, &[2][..]));
    Ok(())
}

/// One NaN is as extreme as another, in both directions, and what was replaced has no gradient.
#[test]
fn gradients_of_scattered_extremes_among_nan() -> Result<()> {
    for reduction in [ScatterReduction::Amax, ScatterReduction::Amin] {
        let (x, sent) = (tensor![3.0, f32::NAN].tracked()?, tensor![f32::NAN, 1.0, f32::NAN].tracked()?);
        for own in [true, false] {
            let y = x.scatter_reduce(0, &ids([0, 0, 0]), &sent, reduction, own)?;
            assert!(y.to_vec::<f32>()?.iter().all(|y| y.is_nan()), "{reduction:?} {own}");
            let grads = y.sum().backward()?;
            assert_eq!(grads.wrt(&x)?.to_vec::<f32>()?, [0.0, 1.0], "{reduction:?} {own}");
            assert_eq!(grads.wrt(&sent)?.to_vec::<f32>()?, [0.5, 0.0, 0.5], "{reduction:?} {own}");
        }
    }
    Ok(())
}
