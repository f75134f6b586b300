//! Learning rates that depend on the step alone, against PyTorch's traces: as functions of the step, through an optimizer, and
//! resumed at every step.

use crate::golden::{Case, Failures, Family};
use demotic::Result;
use demotic::autograd::Gradients;
use demotic::layers::Param;
use demotic::optimizers::schedule::{Curve, Cyclic, Multiplicative, OneCycle, Schedule};
use demotic::optimizers::{Group, Optimizer, Sgd};
use serde_json::Value;

#[test]
fn curves() -> Result<()> {
    let family = Family::load("curves");
    let mut failures = Failures::default();
    for case in &family.cases {
        let stored = |name: &str| family.find(&format!("{}.{name}", case.id)).map(|found| found.to_f64_vec());
        if case.op == "MultiplicativeLR" {
            multiplicative(case, &stored("lr").unwrap(), &mut failures)?;
            continue;
        }
        let curve = curve(&case.op, &case.attrs, case.attr("lr"));
        let (want, momentum, group) = (stored("lr").unwrap(), stored("momentum"), stored("group"));
        assert_eq!(want.len(), 61);
        let mut check = |what: &str, step: usize, got: f64, want: f64| {
            if (got - want).abs() > 1e-12 * want.abs() + 1e-16 {
                failures.add(&case.id, format!("{what} at step {step}: got {got:e}, expected {want:e}"));
            }
        };
        let mut opt = Sgd::new(123.0).momentum(0.5).group(Group::new("group*"));
        let mut running = curve.clone();
        running.start(&mut opt)?;
        for (step, want) in want.iter().enumerate() {
            check("rate", step, curve.at(step as u64)?, *want);
            check("rate of the optimizer", step, opt.learning_rate(), *want);
            if let Some(momentum) = &momentum {
                check("momentum", step, curve.momentum_at(step as u64)?.unwrap(), momentum[step]);
                let set = opt.state().shared["scheduled.momentum"].item()?;
                check("momentum of the optimizer", step, set, momentum[step]);
            } else {
                assert_eq!(curve.momentum_at(step as u64)?, None);
            }
            if let Some(group) = &group {
                // A step of gradient 1 in the group, without the memory of steps before.
                let mut plain = Sgd::new(0.0).group(Group::new("group*"));
                curve_at(&curve, step).start(&mut plain)?;
                let mut model = Two { own: Param::new(scalar(0.0))?, group: Param::new(scalar(0.0))? };
                let grads = Gradients::from_named(&model, [("own", scalar(1.0)), ("group", scalar(1.0))])?;
                plain.step(&mut model, &grads)?;
                check("rate of the others", step, -model.own.item()?, *want);
                check("rate of the group", step, -model.group.item()?, group[step]);
            }
            // Resumed here, it is the same schedule.
            let mut resumed = curve.clone();
            resumed.load_state(&running.state())?;
            assert_eq!(resumed, running);
            running = resumed;
            running.step(&mut opt, f64::NAN)?;
        }
    }
    failures.finish(family.cases.len());
    Ok(())
}

/// A rate that depends on the one before: through an optimizer, resumed at every step.
fn multiplicative(case: &Case, want: &[f64], failures: &mut Failures) -> Result<()> {
    let make = || match case.attr::<String>("lr_lambda").as_str() {
        "0.95" => Multiplicative::new(|_| 0.95),
        "0.5 if t % 7 == 0 else 1.02" => Multiplicative::new(|t| if t % 7 == 0 { 0.5 } else { 1.02 }),
        other => panic!("{other}"),
    };
    let (mut opt, mut running) = (Sgd::new(case.attr("lr")), make());
    running.start(&mut opt)?;
    for (step, want) in want.iter().enumerate() {
        let got = opt.learning_rate();
        if (got - want).abs() > 1e-12 * want.abs() {
            failures.add(&case.id, format!("rate at step {step}: got {got:e}, expected {want:e}"));
        }
        let mut resumed = make();
        resumed.load_state(&running.state())?;
        running = resumed;
        running.step(&mut opt, f64::NAN)?;
    }
    Ok(())
}

struct Two {
    own: Param,
    group: Param,
}

demotic::module!(Two { own, group });

fn scalar(value: f64) -> demotic::Tensor {
    demotic::Tensor::scalar(0.0).full_like(value).to_dtype(demotic::DType::F64)
}

/// The curve as it is at a step.
fn curve_at(curve: &Curve, step: usize) -> Curve {
    let mut curve = curve.clone();
    let mut state = curve.state();
    state.values.insert("step".into(), step as f64);
    curve.load_state(&state).unwrap();
    curve
}

pub(super) fn curve(op: &str, attrs: &Value, rate: f64) -> Curve {
    let number = |name: &str| attrs[name].as_f64();
    let float = |name: &str| number(name).unwrap_or_else(|| panic!("{op}: no {name}"));
    let count = |name: &str| attrs[name].as_u64().unwrap_or_else(|| panic!("{op}: no {name}"));
    let text = |name: &str| attrs[name].as_str().unwrap_or_default();
    // It is on unless told otherwise, with PyTorch's defaults.
    let momentum = |base: f64, max: f64| {
        let bounds = (number("base_momentum").unwrap_or(base), number("max_momentum").unwrap_or(max));
        attrs["cycle_momentum"].as_bool().unwrap_or(true).then_some(bounds)
    };
    match op {
        "StepLR" => Curve::steps(rate, count("step_size"), float("gamma")),
        "MultiStepLR" => {
            let milestones: Vec<u64> = serde_json::from_value(attrs["milestones"].clone()).unwrap();
            Curve::milestones(rate, milestones, float("gamma"))
        }
        "ExponentialLR" => Curve::exponential(rate, float("gamma")),
        "ConstantLR" => Curve::constant_factor(rate, float("factor"), count("total_iters")),
        "LinearLR" => Curve::linear_factors(rate, float("start_factor"), float("end_factor"), count("total_iters")),
        "PolynomialLR" => Curve::polynomial(rate, count("total_iters"), float("power")),
        "CosineAnnealingLR" => Curve::cosine(rate, count("T_max")).floor(number("eta_min").unwrap_or(0.0)),
        "CosineAnnealingWarmRestarts" => {
            let factor = attrs["T_mult"].as_u64().unwrap_or(1);
            Curve::cosine_warm_restarts(rate, count("T_0"), factor).floor(number("eta_min").unwrap_or(0.0))
        }
        "OneCycleLR" => {
            let mut options = OneCycle::new(float("max_lr"), count("total_steps"))
                .pct_start(number("pct_start").unwrap_or(0.3))
                .div_factor(number("div_factor").unwrap_or(25.0))
                .final_div_factor(number("final_div_factor").unwrap_or(1e4));
            if text("anneal_strategy") == "linear" {
                options = options.linear();
            }
            if attrs["three_phase"] == true {
                options = options.three_phase();
            }
            Curve::one_cycle(match momentum(0.85, 0.95) {
                Some((base, max)) => options.cycle_momentum(base, max),
                None => options,
            })
        }
        "CyclicLR" => {
            let up = count("step_size_up");
            let options = Cyclic::new(float("base_lr"), float("max_lr"));
            let options = options.step_sizes(up, attrs["step_size_down"].as_u64().unwrap_or(up));
            let options = match text("mode") {
                "triangular2" => options.triangular2(),
                "exp_range" => options.exp_range(float("gamma")),
                _ => options,
            };
            Curve::cyclic(match momentum(0.8, 0.9) {
                Some((base, max)) => options.cycle_momentum(base, max),
                None => options,
            })
        }
        "LambdaLR" => match text("lr_lambda") {
            "0.95 ** t" => Curve::function(rate, |t| 0.95f64.powf(t as f64)),
            "1 / (1 + t)" => Curve::function(rate, |t| 1.0 / (1.0 + t as f64)),
            "(t + 1) / 5 if t < 5 else 1.0" => {
                Curve::function(rate, |t| if t < 5 { (t + 1) as f64 / 5.0 } else { 1.0 })
            }
            other => panic!("{other}"),
        },
        "get_polynomial_decay_schedule_with_warmup" => {
            let warm_up = count("num_warmup_steps");
            let rest = count("num_training_steps") - warm_up;
            Curve::polynomial(rate, rest, float("power")).floor(float("lr_end")).warm_up_from_zero(warm_up)
        }
        "SequentialLR" | "ChainedScheduler" => {
            let parts = attrs["parts"].as_array().unwrap();
            let part = |i: usize, rate: f64| curve(parts[i]["op"].as_str().unwrap(), &parts[i]["attrs"], rate);
            (1..parts.len()).fold(part(0, rate), |so_far, i| match op {
                "SequentialLR" => so_far.then(attrs["milestones"][i - 1].as_u64().unwrap(), part(i, rate)),
                _ => so_far.times(part(i, 1.0)),
            })
        }
        "groups" => {
            let late = Curve::constant(0.0).then(10, Curve::constant(0.1));
            Curve::exponential(rate, 0.95).group("group*", late)
        }
        op => panic!("no schedule {op}"),
    }
}
