//! Linear algebra against PyTorch.

use crate::golden::Case;
use demotic::autograd::MatrixNorm;
use demotic::{Result, Tensor};

#[test]
fn linalg() {
    crate::golden::check("linalg", &|case, x| compute(case, x));
}

pub(crate) fn compute(case: &Case, x: &[Tensor]) -> Result<Vec<Tensor>> {
    Ok(vec![match case.op.as_str() {
        "cholesky" => x[0].cholesky()?,
        "inv" => x[0].inv()?,
        "det" => x[0].det()?,
        "slogdet" if case.id.ends_with("negative") => x[0].neg().slogdet()?.1,
        "slogdet" => x[0].slogdet()?.1,
        "sign" if case.id.ends_with("negative") => x[0].neg().slogdet()?.0,
        "sign" => x[0].slogdet()?.0,
        "matrix_exp" => x[0].matrix_exp()?,
        "solve" => x[0].solve(&x[1])?,
        "solve_triangular" => x[0].solve_triangular(&x[1], case.attr("upper"))?,
        "pinv" => x[0].pinv()?,
        "lstsq" => x[0].lstsq(&x[1])?,
        "matrix_norm" => x[0].matrix_norm(match case.attr::<String>("order").as_str() {
            "fro" => MatrixNorm::Frobenius,
            "nuc" => MatrixNorm::Nuclear,
            "1" => MatrixNorm::One,
            "-1" => MatrixNorm::MinusOne,
            "2" => MatrixNorm::Two,
            "-2" => MatrixNorm::MinusTwo,
            "inf" => MatrixNorm::Inf,
            "-inf" => MatrixNorm::MinusInf,
            order => panic!("{}: no norm {order}", case.id),
        })?,
        "eigh" => {
            let (values, vectors) = x[0].eigh()?;
            return Ok(vec![values, vectors.abs()]);
        }
        "svd" => {
            let (u, s, vt) = x[0].svd()?;
            return Ok(vec![u.abs(), s, vt.abs()]);
        }
        "qr" => {
            let (q, r) = x[0].qr()?;
            return Ok(vec![q, r]);
        }
        op => panic!("{}: no op {op}", case.id),
    }])
}
