//! What linear algebra refuses, and its edges.

use demotic::autograd::MatrixNorm;
use demotic::{DType, ErrorKind, Result, Tensor, tensor};

fn said<T>(result: Result<T>) -> (ErrorKind, String) {
    let e = result.err().expect("an error");
    (e.kind(), e.message())
}

#[test]
fn matrices_that_an_operation_does_not_exist_for() {
    let singular = tensor![[1.0, 2.0], [2.0, 4.0]];
    let e = singular.solve(&tensor![1.0, 1.0]).unwrap_err();
    let line = line!() - 1;
    assert_eq!(
        e.to_string(),
        format!(
            "solve: the matrix is singular\n  at {}:{line}\n  help: lstsq and pinv also take matrices that are singular",
            file!()
        )
    );
    assert_eq!(e.kind(), ErrorKind::Numeric);
    let batch = Tensor::stack(&[&Tensor::eye(2).unwrap(), &singular], 0).unwrap();
    assert_eq!(said(batch.inv()).1, "inv: matrix 1 of [2, 2, 2] is singular");
    assert_eq!(said(tensor![[1.0, 2.0], [2.0, 1.0]].cholesky()).1, "cholesky: the matrix is not positive definite");
    assert_eq!(
        said(tensor![[1.0, 2.0], [0.0, 0.0]].solve_triangular(&tensor![1.0, 1.0], true)).1,
        "solve_triangular: the matrix is singular: there is a zero on its diagonal"
    );
    let nan = tensor![[1.0, f64::NAN], [0.0, 1.0]];
    for (op, result) in [
        ("solve", said(nan.solve(&tensor![1.0, 1.0]))),
        ("inv", said(nan.inv())),
        ("det", said(nan.det())),
        ("slogdet", said(nan.slogdet())),
        ("cholesky", said(nan.cholesky())),
        ("qr", said(nan.qr())),
        ("eigh", said(nan.eigh())),
        ("svd", said(nan.svd())),
        ("pinv", said(nan.pinv())),
        ("lstsq", said(nan.lstsq(&tensor![[1.0], [1.0]]))),
        ("matrix_norm", said(nan.matrix_norm(MatrixNorm::Two))),
        ("matrix_exp", said(nan.matrix_exp())),
    ] {
        assert_eq!(result, (ErrorKind::Numeric, format!("{op}: the matrix has NaN or infinite values")));
    }
    // There is no gradient of the logarithm of 0.
    let x = singular.tracked().unwrap();
    let (sign, log) = x.slogdet().unwrap();
    assert_eq!((sign.item().unwrap(), log.item().unwrap()), (0.0, f64::NEG_INFINITY));
    assert_eq!(said(log.backward()).0, ErrorKind::Numeric);
    // But one of the determinant: the cofactors.
    let grads = x.det().unwrap().backward().unwrap();
    let cofactors: Vec<f64> = grads.wrt(&x).unwrap().to_f64_vec().iter().map(|x| x.round()).collect();
    assert_eq!(cofactors, [4.0, -2.0, -2.0, 1.0]);
    assert_eq!(Tensor::zeros([3, 3]).unwrap().det().unwrap().item().unwrap(), 0.0);
}

#[test]
fn shapes_and_types_that_do_not_fit() {
    let (wide, vector) = (tensor![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], tensor![1.0, 2.0]);
    assert_eq!(said(wide.inv()), (ErrorKind::Shape, "inv: shape [2, 3], expected a square matrix".into()));
    assert_eq!(
        said(vector.svd()),
        (ErrorKind::Shape, "svd: shape [2], expected a matrix or a batch of matrices".into())
    );
    assert_eq!(
        said(Tensor::eye(2).unwrap().solve(&tensor![1.0, 2.0, 3.0])),
        (ErrorKind::Shape, "solve: shape [3], expected a matrix or a batch of matrices".into())
    );
    assert_eq!(
        said(Tensor::eye(2).unwrap().solve(&wide.t())).1,
        "solve: a matrix of [2, 2] and a right side of [3, 2] do not fit"
    );
    assert_eq!(said(wide.lstsq(&wide.t())).1, "lstsq: a matrix of [2, 3] and a right side of [3, 2] do not fit");
    let integers = Tensor::eye(2).unwrap().to_dtype(DType::I64);
    assert_eq!(said(integers.det()).0, ErrorKind::DType);
    assert_eq!(said(Tensor::eye(2).unwrap().solve(&vector.to_dtype(DType::F64))).0, ErrorKind::DType);
    assert_eq!(
        said(Tensor::zeros([2, 0]).unwrap().matrix_norm(MatrixNorm::Two)).1,
        "matrix_norm: shape [2, 0] has no elements in a matrix"
    );
}

#[test]
fn matrices_of_nothing() {
    let empty = |shape: &[usize]| Tensor::zeros(shape).unwrap().tracked().unwrap();
    assert_eq!(empty(&[0, 0]).det().unwrap().item().unwrap(), 1.0);
    assert_eq!(empty(&[2, 0, 0]).slogdet().unwrap().0.to_f64_vec(), [1.0, 1.0]);
    assert_eq!(empty(&[0, 0]).inv().unwrap().shape(), [0, 0]);
    assert_eq!(empty(&[0, 0]).matrix_exp().unwrap().shape(), [0, 0]);
    assert_eq!(empty(&[0, 0]).cholesky().unwrap().shape(), [0, 0]);
    assert_eq!(empty(&[0, 3, 3]).eigh().unwrap().1.shape(), [0, 3, 3]);
    assert_eq!(empty(&[3, 0]).svd().unwrap().0.shape(), [3, 0]);
    assert_eq!(empty(&[3, 0]).qr().unwrap().1.shape(), [0, 0]);
    assert_eq!(empty(&[3, 0]).pinv().unwrap().shape(), [0, 3]);
    assert_eq!(empty(&[0, 0]).solve(&Tensor::zeros([0, 2]).unwrap()).unwrap().shape(), [0, 2]);
    assert_eq!(Tensor::eye(3).unwrap().solve(&Tensor::zeros([3, 0]).unwrap()).unwrap().shape(), [3, 0]);
    assert_eq!(
        Tensor::eye(3).unwrap().solve_triangular(&Tensor::zeros([3, 0]).unwrap(), true).unwrap().shape(),
        [3, 0]
    );
}

/// Factors of larger matrices multiply to the matrix, in `F32` and `F64`.
#[test]
fn factors_multiply_to_the_matrix() -> Result<()> {
    let mut rng = demotic::Rng::seed(1);
    for (rows, columns) in [(60, 60), (90, 40), (40, 90)] {
        for (dtype, tolerance) in [(DType::F64, 1e-11), (DType::F32, 1e-3)] {
            let x = Tensor::normal([rows, columns], 0.0, 1.0, &mut rng)?.to_dtype(dtype);
            let near = |product: Tensor, x: &Tensor| -> Result<()> {
                let error = product.sub(x)?.abs().max()?.item()?;
                assert!(error < tolerance, "{rows} × {columns} of {dtype}: {error}");
                Ok(())
            };
            let (u, s, vt) = x.svd()?;
            near(u.mul(&s.unsqueeze(0)?)?.matmul(&vt)?, &x)?;
            let (q, r) = x.qr()?;
            near(q.matmul(&r)?, &x)?;
            let p = x.pinv()?;
            near(x.matmul(&p)?.matmul(&x)?, &x)?;
            let square = x.matmul(&x.t())?.add(&Tensor::eye(rows)?.to_dtype(dtype))?;
            let (values, vectors) = square.eigh()?;
            near(vectors.mul(&values.unsqueeze(0)?)?.matmul(&vectors.t())?, &square)?;
            let l = square.cholesky()?;
            near(l.matmul(&l.t())?, &square)?;
            near(square.matmul(&square.solve(&x)?)?, &x)?;
        }
    }
    Ok(())
}
