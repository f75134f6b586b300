//! Optimizers and schedules with hyper-parameters that were drawn at random, against PyTorch.

use crate::golden::{Failures, Family, RUNS};
use crate::optimizers::{check_training, optimizer};
use crate::{curves, optimizer_rules};
use demotic::Result;

#[test]
fn random_rules() -> Result<()> {
    let family = Family::load("random_rules");
    let mut failures = Failures::default();
    for case in &family.cases {
        if let Some(rates) = family.find(&format!("{}.lr", case.id)) {
            let curve = curves::curve(&case.op, &case.attrs, case.attr("lr"));
            let momenta = family.find(&format!("{}.momentum", case.id)).map(|found| found.to_f64_vec());
            for (step, want) in rates.to_f64_vec().into_iter().enumerate() {
                let mut compare = |what: &str, got: f64, want: f64| {
                    if (got - want).abs() > 1e-12 * want.abs() + 1e-16 {
                        failures.add(&case.id, format!("{what} at step {step}: got {got:e}, expected {want:e}"));
                    }
                };
                compare("rate", curve.at(step as u64)?, want);
                let momentum = curve.momentum_at(step as u64)?;
                assert_eq!(momentum.is_some(), momenta.is_some(), "{}", case.id);
                if let (Some(got), Some(want)) = (momentum, &momenta) {
                    compare("momentum", got, want[step]);
                }
            }
            continue;
        }
        for (dtype, suffix) in RUNS {
            let trained = match case.op.as_str() {
                "SGD" | "Adam" | "AdamW" | "RMSprop" | "Adagrad" => {
                    check_training(&family, case, (dtype, suffix), &mut *optimizer(case), &mut failures)
                }
                _ => optimizer_rules::train(&family, case, dtype, suffix, &mut failures),
            };
            if let Err(e) = trained {
                failures.add(&case.id, format!("{suffix} {e}"));
            }
        }
    }
    failures.finish(family.cases.len());
    Ok(())
}
