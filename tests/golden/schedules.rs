//! Learning rate schedules against PyTorch's traces.

use crate::golden::{Case, Failures, Family};
use demotic::Result;
use demotic::optimizers::schedule::{Curve, ReduceOnPlateau, Schedule};

#[test]
fn schedules() -> Result<()> {
    let family = Family::load("schedules");
    let mut failures = Failures::default();
    for case in &family.cases {
        let want = family.stored(&format!("{}.lr", case.id)).to_f64_vec();
        let got = match case.op.as_str() {
            "ReduceLROnPlateau" => {
                let sequence: String = case.attr("sequence");
                let losses = family.stored(&format!("sequence.{sequence}")).to_f64_vec();
                trace_of(plateau(case), case.attr("lr"), &losses)?
            }
            _ => curve(case, want.len() as u64)?,
        };
        assert_eq!(got.len(), want.len(), "{}", case.id);
        for (i, (got, want)) in got.iter().zip(&want).enumerate() {
            if (got - want).abs() > 1e-12 * want.abs() {
                failures.add(&case.id, format!("rate {i}: got {got:e}, expected {want:e}"));
            }
        }
    }
    failures.finish(family.cases.len());
    Ok(())
}

/// The rates after each loss.
fn trace_of(mut schedule: impl Schedule, mut rate: f64, losses: &[f64]) -> Result<Vec<f64>> {
    let mut next = |loss: &f64| {
        rate = schedule.next_rate(rate, *loss)?;
        Ok(rate)
    };
    losses.iter().map(&mut next).collect()
}

fn plateau(case: &Case) -> ReduceOnPlateau {
    let schedule = ReduceOnPlateau::new()
        .factor(case.attr("factor"))
        .patience(case.attr::<u64>("patience"))
        .cooldown(case.attr::<u64>("cooldown"))
        .min_rate(case.attr("min_lr"))
        .eps(case.attr("eps"));
    let schedule = if case.attr::<String>("mode") == "max" { schedule.maximize() } else { schedule };
    match case.attr::<String>("threshold_mode").as_str() {
        "abs" => schedule.absolute_threshold(case.attr("threshold")),
        _ => schedule.threshold(case.attr("threshold")),
    }
}

/// The rates of steps 0 to `count - 1`.
fn curve(case: &Case, count: u64) -> Result<Vec<f64>> {
    let rate = case.attr("lr");
    let curve = match case.op.as_str() {
        "StepLR" => Curve::steps(rate, case.attr::<u64>("step_size"), case.attr("gamma")),
        "CosineAnnealingLR" => Curve::cosine(rate, case.attr::<u64>("T_max")).floor(case.attr_or("eta_min", 0.0)),
        "LinearLR" => {
            let (from, to) = (case.attr("start_factor"), case.attr_or("end_factor", 1.0));
            Curve::linear_factors(rate, from, to, case.attr::<u64>("total_iters"))
        }
        op if op.ends_with("_with_warmup") || op == "get_inverse_sqrt_schedule" => {
            let warm_up: u64 = case.attr("num_warmup_steps");
            let rest = case.attr_or("num_training_steps", warm_up) - warm_up;
            let curve = match op {
                "get_cosine_schedule_with_warmup" => Curve::cosine(rate, rest).cycles(case.attr_or("num_cycles", 0.5)),
                "get_cosine_with_hard_restarts_schedule_with_warmup" => {
                    Curve::cosine_restarts(rate, rest, case.attr_or::<u64>("num_cycles", 1))
                }
                "get_linear_schedule_with_warmup" => Curve::linear(rate, rest),
                "get_inverse_sqrt_schedule" => Curve::inverse_sqrt(rate, case.attr_or::<u64>("timescale", warm_up)),
                _ => Curve::constant(rate),
            };
            curve.warm_up_from_zero(warm_up)
        }
        op => panic!("{}: no schedule {op}", case.id),
    };
    let rates: Result<Vec<f64>> = (0..count).map(|step| curve.at(step)).collect();
    if case.id == "LinearLR/warm_up" {
        // A warm-up that begins with a tenth is one of ten steps.
        let same = Curve::constant(rate).warm_up(case.attr::<u64>("total_iters") + 1);
        for (step, rate) in rates.as_ref().into_iter().flatten().enumerate() {
            assert!((same.at(step as u64)? - rate).abs() < 1e-15, "step {step}");
        }
    }
    rates
}
