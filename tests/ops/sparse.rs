//! Products with matrices most of whose numbers are zero.

use demotic::prelude::*;
use demotic::tensor::SparseTensor;

fn weight(rows: usize, columns: usize, kept: f64, rng: &mut Rng) -> Result<Tensor> {
    let w = Tensor::normal([rows, columns], 0.0, 1.0, rng)?;
    w.mul(&Tensor::bernoulli([rows, columns], kept, rng)?.to_dtype(DType::F32))
}

#[test]
fn products_are_those_of_the_matrix() -> Result<()> {
    let mut rng = Rng::seed(0);
    for (outputs, features, kept) in
        [(1, 1, 1.0), (3, 5, 0.0), (7, 130, 0.1), (65, 64, 0.2), (33, 257, 0.6), (0, 4, 0.5)]
    {
        let w = weight(outputs, features, kept, &mut rng)?;
        let sparse = SparseTensor::from_dense(&w)?;
        assert_eq!(sparse.to_dense()?.to_vec::<f32>()?, w.to_vec::<f32>()?);
        assert_eq!(sparse.count(), w.to_vec::<f32>()?.iter().filter(|x| **x != 0.0).count());
        let bias = Tensor::normal([outputs], 0.0, 1.0, &mut rng)?;
        for rows in [0, 1, 2, 3, 4, 7, 8, 9, 16, 17, 33, 64, 65, 130] {
            let x = Tensor::normal([rows, features], 0.0, 1.0, &mut rng)?;
            let (got, want) = (sparse.linear(&x, Some(&bias))?, x.linear(&w, Some(&bias))?);
            assert_eq!(got.shape(), [rows, outputs]);
            for (got, want) in got.to_vec::<f32>()?.into_iter().zip(want.to_vec::<f32>()?) {
                assert!((got - want).abs() < 1e-4, "{outputs} × {features}, {rows} rows: {got} for {want}");
            }
            // A row is the same, whichever others there are, but for its size of blocks: the same bits for any number of threads.
            let one = demotic::parallel::with_threads(1, || sparse.linear(&x, Some(&bias)))??;
            assert_eq!(one.to_vec::<f32>()?, got_vec(&sparse, &x, &bias)?);
        }
    }
    Ok(())
}

fn got_vec(w: &SparseTensor, x: &Tensor, bias: &Tensor) -> Result<Vec<f32>> {
    demotic::parallel::with_threads(3, || w.linear(x, Some(bias)))??.to_vec::<f32>()
}

#[test]
fn other_types_and_shapes() -> Result<()> {
    let mut rng = Rng::seed(1);
    let w = weight(6, 10, 0.3, &mut rng)?;
    let sparse = SparseTensor::from_dense(&w)?;
    let x = Tensor::normal([2, 3, 10], 0.0, 1.0, &mut rng)?.to_dtype(DType::F64);
    let (got, want) = (sparse.linear(&x, None)?, x.linear(&w.to_dtype(DType::F64), None)?);
    assert_eq!((got.dtype(), got.shape()), (DType::F64, &[2, 3, 6][..]));
    assert_eq!(got.to_f64_vec(), want.to_f64_vec());
    let half = sparse.linear(&x.to_dtype(DType::BF16), None)?;
    assert_eq!(half.dtype(), DType::BF16);
    let turned = Tensor::normal([10, 4], 0.0, 1.0, &mut rng)?;
    assert_eq!(sparse.linear(&turned.t(), None)?.shape(), [4, 6]);
    assert_eq!(sparse.linear(&Tensor::ones([10])?, None)?.shape(), [6]);
    Ok(())
}

#[test]
fn parts_that_do_not_fit() -> Result<()> {
    let list = |x: &[i32]| Tensor::from_slice(x, [x.len()]);
    let (values, columns) = (tensor![1.0, 2.0], list(&[0, 3])?);
    let fine = SparseTensor::from_parts([2, 4], &list(&[0, 1, 2])?, &columns, &values)?;
    assert_eq!(fine.to_dense()?.to_vec::<f32>()?, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0]);
    for (shape, offsets, columns, what) in [
        ([2, 4], vec![0, 2], vec![0, 3], "one more than rows"),
        ([2, 4], vec![1, 1, 2], vec![0, 3], "offsets go from 0"),
        ([2, 4], vec![0, 1, 3], vec![0, 3], "offsets go from 0"),
        ([2, 4], vec![0, -1, 2], vec![0, 3], "a row ends before it begins"),
        ([usize::MAX, 4], vec![0, 1, 2], vec![0, 3], "one more than rows"),
        ([3, 4], vec![0, 2, 1, 2], vec![0, 3], "a row ends before it begins"),
        ([2, 3], vec![0, 1, 2], vec![0, 3], "a column that it does not have"),
        ([2, 4], vec![0, 1, 2], vec![-1, 3], "a column that it does not have"),
        ([2, 4], vec![0, 1, 2], vec![0], "a column for each value"),
    ] {
        let e = SparseTensor::from_parts(shape, &list(&offsets)?, &list(&columns)?, &values).unwrap_err().to_string();
        assert!(e.contains(what), "{e}");
    }
    let e = SparseTensor::from_parts([2, 4], &tensor![0.0, 1.0, 2.0], &columns, &values).unwrap_err().to_string();
    assert!(e.contains("I32"), "{e}");
    let e = fine.linear(&Tensor::ones([2, 5])?, None).unwrap_err().to_string();
    assert!(e.contains('4') && e.contains('5'), "{e}");
    let e = fine.linear(&Tensor::ones([2, 4])?, Some(&tensor![1.0])).unwrap_err().to_string();
    assert!(e.contains("a bias of shape [1] for 2 outputs"), "{e}");
    let e = SparseTensor::from_dense(&Tensor::ones([2, 2, 2])?).unwrap_err().to_string();
    assert!(e.contains("expected a matrix"), "{e}");
    Ok(())
}
