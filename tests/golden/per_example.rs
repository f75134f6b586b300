//! Gradients of each example of a batch, against `torch.func`.

use crate::golden::{Case, Failures, Family, RUNS};
use demotic::losses::{CrossEntropy, Loss, Mse, Reduction};
use demotic::{DType, Result, Tensor};

/// The loss of each example; `p` are the parameters in the order of the case.
fn losses(case: &Case, p: &[Tensor], x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let cross_entropy = |logits: &Tensor, y: &Tensor| CrossEntropy::new().reduction(Reduction::None).loss(logits, y);
    // Of the steps of all sequences at once, then apart again.
    let of_steps = |logits: &Tensor| -> Result<Tensor> {
        let (examples, steps) = (y.shape()[0], y.shape()[1]);
        let target = y.unsqueeze(2)?;
        let likelihood = logits.log_softmax(-1)?.gather(2, &target)?;
        likelihood.neg().reshape([examples, steps])?.mean_dims(&[1], false)
    };
    match (case.op.as_str(), p) {
        ("classifier", [w1, b1, w2, b2]) => cross_entropy(&x.linear(w1, Some(b1))?.tanh().linear(w2, Some(b2))?, y),
        ("sequence", [table, w1, b1, w2]) => {
            of_steps(&x.embedding(table, None)?.linear(w1, Some(b1))?.gelu().linear(w2, None)?)
        }
        ("tied", [table, scale, shift]) => {
            of_steps(&x.embedding(table, None)?.mul(scale)?.add(shift)?.tanh().linear(table, None)?)
        }
        ("broadcast", [scale, shift, gate]) => {
            let h = x.layer_norm(&[3], None, None, 1e-5)?.mul(scale)?.add(shift)?;
            let loss = Mse::new().reduction(Reduction::None).loss(&h.mul(gate)?.sigmoid(), y)?;
            loss.mean_dims(&[1, 2], false)
        }
        (op, _) => panic!("{}: no losses {op}", case.id),
    }
}

#[test]
fn per_example() -> Result<()> {
    let family = Family::load("per_example");
    let mut failures = Failures::default();
    for case in &family.cases {
        for (dtype, suffix) in RUNS {
            let stored = |name: &str| family.stored(&format!("{}.{name}", case.id));
            let names: Vec<String> = case.attr("params");
            let params = names.iter().map(|name| stored(&format!("param.{name}")).tensor(dtype).tracked());
            let params = params.collect::<Result<Vec<_>>>()?;
            let losses = losses(case, &params, &stored("x").tensor(dtype), &stored("y").tensor(dtype))?;
            let (grads, norms) = (losses.backward_per_example()?, losses.squared_norms_per_example()?);
            let mut compare = |name: &str, got: &Tensor| {
                let want = stored(&format!("{name}.{suffix}"));
                if let Some(what) = want.mismatch(got, case.floor(name), false) {
                    failures.add(&case.id, format!("{suffix} {name}, {what}"));
                }
            };
            compare("losses", &losses);
            let mut total = Tensor::zeros([losses.numel()])?.to_dtype(DType::F64);
            for (name, param) in names.iter().zip(&params) {
                compare(&format!("grad.{name}"), grads.wrt(param)?);
                compare(&format!("norm.{name}"), norms.wrt(param)?);
                total = total.add(&norms.wrt(param)?.to_dtype(DType::F64))?;
            }
            assert_eq!(norms.total()?.to_f64_vec(), total.to_f64_vec());
        }
    }
    failures.finish(family.cases.len());
    Ok(())
}
