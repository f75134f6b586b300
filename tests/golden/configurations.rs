//! Configurations that were drawn at random, against PyTorch: odd sizes, sizes of 1 and 0, every option, ties, NaN and infinities.

use crate::golden::Case;
use crate::{channel_norms, convolution, fft, image_ops, linalg, losses};
use crate::{matmul, more_layers, more_losses, more_ops, pooling, reductions};
use demotic::{Result, Tensor};

#[test]
fn configurations() {
    crate::golden::check("configurations", &|case, inputs| compute(case, inputs));
}

/// As the test that a case names.
fn compute(case: &Case, x: &mut [Tensor]) -> Result<Vec<Tensor>> {
    match case.attr::<String>("test").as_str() {
        "convolution" => convolution::results(case, x),
        "pooling" => pooling::results(case, x),
        "channel_norms" => channel_norms::results(case, x),
        "image_ops" => image_ops::results(case, x),
        "losses" => Ok(vec![losses::loss(case, &x[2..])?.loss(&x[0], &x[1])?]),
        "more_losses" => Ok(vec![more_losses::compute(case, x)?]),
        "more_layers" => Ok(vec![more_layers::bag(case, x)?]),
        "more_ops" => more_ops::results(case, x),
        "reductions" => reductions::compute(case, x),
        "matmul" => Ok(vec![matmul::compute(case, x)?]),
        "linalg" => linalg::compute(case, x),
        "fft" => fft::compute(case, x),
        test => panic!("{}: no test {test}", case.id),
    }
}
