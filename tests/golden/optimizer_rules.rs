//! Sixty steps of the optimizers that are neither the classical ones nor wrappers, against PyTorch, `transformers` and `optax`.

use crate::golden::{Case, Failures, Family, RUNS};
use crate::optimizers::check_training;
use demotic::autograd::Gradients;
use demotic::layers::Param;
use demotic::optimizers::{
    Adadelta, Adafactor, Adamax, AdjustLr, Asgd, Lamb, Lars, Lion, Muon, NAdam, Optimizer, RAdam, Rprop, Stepper,
    UpdateRule,
};
use demotic::{DType, Result};

#[test]
fn optimizer_rules() -> Result<()> {
    let family = Family::load("optimizer_rules");
    let mut failures = Failures::default();
    for case in &family.cases {
        for (dtype, suffix) in RUNS {
            match case.op.as_str() {
                "follow" => follow(&family, case, dtype, suffix, &mut failures)?,
                _ => train(&family, case, dtype, suffix, &mut failures)?,
            }
        }
    }
    failures.finish(family.cases.len());
    Ok(())
}

#[test]
fn optax() -> Result<()> {
    let family = Family::load("optax");
    let mut failures = Failures::default();
    for case in &family.cases {
        for (dtype, suffix) in RUNS {
            train(&family, case, dtype, suffix, &mut failures)?;
        }
    }
    failures.finish(family.cases.len());
    Ok(())
}

pub(super) fn train(family: &Family, case: &Case, dtype: DType, suffix: &str, failures: &mut Failures) -> Result<()> {
    let mut opt = optimizer(case);
    check_training(family, case, (dtype, suffix), &mut *opt, failures)?;
    let want = |name: &str| family.stored(&format!("{}.{name}.{suffix}", case.id));
    if case.attrs.get("t0").is_some() {
        for (name, saved) in opt.state().parameters {
            let name = format!("ax.{name}");
            if let Some(what) = want(&name).mismatch(&saved.tensors["ax"], case.floor(&name), false) {
                failures.add(&case.id, format!("{suffix} {name}, {what}"));
            }
        }
    }
    Ok(())
}

fn optimizer(case: &Case) -> Box<dyn Optimizer> {
    let lr = case.attr_or("learning_rate", case.attr_or("lr", f64::NAN));
    let matrices_only = case.attr_or("matrices", false);
    let betas = |default| case.attr_or("betas", default);
    match case.op.as_str() {
        "ASGD" => {
            let opt = Asgd::new(lr).lambd(case.attr_or("lambd", 1e-4)).alpha(case.attr_or("alpha", 0.75));
            common(case, opt.t0(case.attr_or("t0", 1e6)))
        }
        "Adadelta" => common(case, Adadelta::new(lr).rho(case.attr_or("rho", 0.9)).eps(case.attr_or("eps", 1e-6))),
        "Adamax" => {
            let (beta1, beta2) = betas((0.9, 0.999));
            common(case, Adamax::new(lr).betas(beta1, beta2).eps(case.attr_or("eps", 1e-8)))
        }
        "NAdam" => {
            let (beta1, beta2) = betas((0.9, 0.999));
            let opt = NAdam::new(lr).betas(beta1, beta2).eps(case.attr_or("eps", 1e-8));
            let opt = opt.momentum_decay(case.attr_or("momentum_decay", 4e-3));
            common(case, opt.decoupled_weight_decay(case.attr_or("decoupled_weight_decay", false)))
        }
        "RAdam" => {
            let (beta1, beta2) = betas((0.9, 0.999));
            let opt = RAdam::new(lr).betas(beta1, beta2).eps(case.attr_or("eps", 1e-8));
            common(case, opt.decoupled_weight_decay(case.attr_or("decoupled_weight_decay", false)))
        }
        "Rprop" => {
            let (minus, plus) = case.attr_or("etas", (0.5, 1.2));
            let (min, max) = case.attr_or("step_sizes", (1e-6, 50.0));
            common(case, Rprop::new(lr).etas(minus, plus).step_sizes(min, max))
        }
        "Adafactor" => {
            let opt = Adafactor::new(lr)
                .beta2_decay(case.attr_or("beta2_decay", -0.8))
                .clip_threshold(case.attr_or("d", 1.0))
                .momentum(case.attr_or("beta1", 0.0))
                .scale_parameter(case.attr_or("scale_parameter", true))
                .relative_step(case.attr_or("relative_step", true));
            match case.attr("eps") {
                Some((squares, size)) => common(case, opt.eps(squares, size)),
                None => common(case, opt),
            }
        }
        "Muon" => {
            let opt = Muon::new(lr)
                .momentum(case.attr_or("momentum", 0.95))
                .nesterov(case.attr_or("nesterov", true))
                .ns_steps(case.attr_or("ns_steps", 5))
                .eps(case.attr_or("eps", 1e-7))
                .adjust_lr(match case.attr_or("adjust_lr_fn", String::new()).as_str() {
                    "" => AdjustLr::Original,
                    "match_rms_adamw" => AdjustLr::MatchRmsAdamW,
                    "spectral_unclamped" => AdjustLr::SpectralUnclamped,
                    other => panic!("{}: {other}", case.id),
                })
                .adamw(1e-3);
            match case.attr("ns_coefficients") {
                Some(coefficients) => common(case, opt.ns_coefficients(coefficients)),
                None => common(case, opt),
            }
        }
        "lamb" => {
            let opt = Lamb::new(lr).betas(case.attr_or("b1", 0.9), case.attr_or("b2", 0.999));
            let opt = opt.eps(case.attr_or("eps", 1e-6));
            common(case, if matrices_only { opt.decay_matrices_only() } else { opt })
        }
        "lars" => {
            let opt = Lars::new(lr)
                .momentum(case.attr_or("momentum", 0.9))
                .nesterov(case.attr_or("nesterov", false))
                .trust_coefficient(case.attr_or("trust_coefficient", 1e-3))
                .eps(case.attr_or("eps", 0.0));
            common(case, opt.trust_matrices_only(matrices_only))
        }
        "lion" => {
            let opt = Lion::new(lr).betas(case.attr_or("b1", 0.9), case.attr_or("b2", 0.99));
            // The default of optax.
            common(case, opt.weight_decay(1e-3))
        }
        op => panic!("{}: no optimizer {op}", case.id),
    }
}

/// The options that all optimizers share. The weight decay is left alone where the default was used.
fn common<R: UpdateRule + 'static>(case: &Case, mut opt: Stepper<R>) -> Box<dyn Optimizer> {
    if let Some(weight_decay) = case.attr("weight_decay") {
        opt = opt.weight_decay(weight_decay);
    }
    Box::new(opt.maximize(case.attr_or("maximize", false)))
}

/// Steps with given gradients of a parameter with three dimensions.
fn follow(family: &Family, case: &Case, dtype: DType, suffix: &str, failures: &mut Failures) -> Result<()> {
    let stored = |name: &str| family.stored(&format!("{}.{name}", case.id));
    let mut p = Param::new(stored("start").tensor(dtype))?;
    let grads = stored("grads");
    let mut opt = Adafactor::new(case.attr("lr"));
    for step in 0..12 {
        let grads = Gradients::from_named(&p, [("", grads.row(step).tensor(dtype))])?;
        opt.step(&mut p, &grads)?;
    }
    if let Some(what) = stored(&format!("param.{suffix}")).mismatch(&p, case.floor("param"), false) {
        failures.add(&case.id, format!("{suffix} {what}"));
    }
    Ok(())
}
