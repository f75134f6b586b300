//! Fifty steps of every optimizer on a small network, and gradient clipping, against PyTorch.

use crate::golden::{Case, Failures, Family, RUNS};
use demotic::layers::{Layer, Linear, Mode, ModuleExt, Param, Sequential, Tanh};
use demotic::losses::mse;
use demotic::optimizers::{AdaGrad, Adam, AdamW, Group, Optimizer, RmsProp, Sgd, Stepper, UpdateRule, clip};
use demotic::{DType, Result, Tensor, sequential};

#[test]
fn optimizers() -> Result<()> {
    let family = Family::load("optimizers");
    let mut failures = Failures::default();
    for case in &family.cases {
        for (dtype, suffix) in RUNS {
            match case.op.as_str() {
                "clip_norm" | "clip_value" => check_clip(&family, case, dtype, suffix, &mut failures)?,
                _ => check_training(&family, case, (dtype, suffix), &mut *optimizer(case), &mut failures)?,
            }
        }
    }
    failures.finish(family.cases.len());
    Ok(())
}

/// Trains the family's small network with an optimizer, and compares the loss of each step and the parameters of some.
pub(super) fn check_training(
    family: &Family,
    case: &Case,
    (dtype, suffix): (DType, &str),
    opt: &mut dyn Optimizer,
    failures: &mut Failures,
) -> Result<()> {
    let problem = |name: &str| family.stored(&format!("problem.{name}")).tensor(dtype);
    let linear = |i: usize| -> Result<Linear> {
        let param = |name| Param::new(problem(&format!("{i}.{name}")));
        Ok(Linear { weight: param("weight")?.into(), bias: Some(param("bias")?) })
    };
    let mut model: Sequential = sequential![linear(0)?, Tanh, linear(2)?];
    let (x, y) = (problem("x"), problem("y"));
    let kept: Vec<usize> = serde_json::from_value(case.more["steps"].clone()).unwrap();
    let want = |name: &str| family.stored(&format!("{}.{name}.{suffix}", case.id));

    for step in 1..=*kept.last().unwrap() {
        let loss = mse(&model.forward(&x, &mut Mode::eval())?, &y)?;
        if let Some(what) = want("losses").row(step - 1).mismatch(&loss, case.floor("losses"), false) {
            failures.add(&case.id, format!("{suffix} step {step}, loss, {what}"));
        }
        opt.step(&mut model, &loss.backward()?)?;
        let Some(row) = kept.iter().position(|kept| *kept == step) else { continue };
        for (name, value) in model.named_parameters() {
            let name = format!("param.{name}");
            if let Some(what) = want(&name).row(row).mismatch(&value, case.floor(&name), false) {
                failures.add(&case.id, format!("{suffix} after step {step}, {name}, {what}"));
            }
        }
    }
    Ok(())
}

pub(super) fn optimizer(case: &Case) -> Box<dyn Optimizer> {
    let lr = case.attr("lr");
    let momentum = case.attr_or("momentum", 0.0);
    match case.op.as_str() {
        "SGD" => {
            let opt = Sgd::new(lr).momentum(momentum).dampening(case.attr_or("dampening", 0.0));
            common(case, opt.nesterov(case.attr_or("nesterov", false)))
        }
        "Adam" => {
            let (beta1, beta2) = case.attr_or("betas", (0.9, 0.999));
            let opt = Adam::new(lr).betas(beta1, beta2).eps(case.attr_or("eps", 1e-8));
            common(case, opt.amsgrad(case.attr_or("amsgrad", false)))
        }
        "AdamW" => {
            let (beta1, beta2) = case.attr_or("betas", (0.9, 0.999));
            let opt = AdamW::new(lr).betas(beta1, beta2).eps(case.attr_or("eps", 1e-8));
            common(case, opt.amsgrad(case.attr_or("amsgrad", false)))
        }
        "RMSprop" => {
            let opt = RmsProp::new(lr).alpha(case.attr_or("alpha", 0.99)).eps(case.attr_or("eps", 1e-8));
            common(case, opt.momentum(momentum).centered(case.attr_or("centered", false)))
        }
        "Adagrad" => {
            let opt = AdaGrad::new(lr).lr_decay(case.attr_or("lr_decay", 0.0)).eps(case.attr_or("eps", 1e-10));
            common(case, opt.initial_accumulator_value(case.attr_or("initial_accumulator_value", 0.0)))
        }
        op => panic!("{}: no optimizer {op}", case.id),
    }
}

/// The options that all optimizers share. The weight decay is left alone where PyTorch's default was used.
fn common<R: UpdateRule + 'static>(case: &Case, mut opt: Stepper<R>) -> Box<dyn Optimizer> {
    if let Some(weight_decay) = case.attr("weight_decay") {
        opt = opt.weight_decay(weight_decay);
    }
    if let Some(own) = case.attrs.get("weights") {
        let mut group = Group::new("*.weight");
        for (name, value) in own.as_object().unwrap() {
            group = match name.as_str() {
                "betas" => group.betas(value[0].as_f64().unwrap(), value[1].as_f64().unwrap()),
                "eps" => group.eps(value.as_f64().unwrap()),
                _ => group.weight_decay(value.as_f64().unwrap()),
            };
        }
        opt = opt.group(group);
    }
    if let Some(max_norm) = case.attr("clip_norm") {
        opt = opt.clip_norm(max_norm);
    }
    if let Some(limit) = case.attr("clip_value") {
        opt = opt.clip_value(limit);
    }
    Box::new(opt.maximize(case.attr_or("maximize", false)))
}

fn check_clip(family: &Family, case: &Case, dtype: DType, suffix: &str, failures: &mut Failures) -> Result<()> {
    // The gradient of Σ x·g with respect to x is g.
    let mut leaves = Vec::new();
    let mut loss = Tensor::scalar(0.0).to_dtype(dtype);
    while let Some(grad) = family.find(&format!("{}.in.{}", case.id, leaves.len())) {
        let grad = grad.tensor(dtype);
        let leaf = grad.zeros_like().tracked()?;
        loss = loss.add(&leaf.mul(&grad)?.sum())?;
        leaves.push(leaf);
    }
    assert!(!leaves.is_empty());
    let mut grads = loss.backward()?;
    if case.op == "clip_value" {
        clip::by_value(&mut grads, case.attr("value"))?;
    } else {
        let norm = clip::by_p_norm(&mut grads, case.attr("max_norm"), case.text_number("norm_type"))?;
        let norm = Tensor::from_vec(vec![norm], [])?.to_dtype(dtype);
        let want = family.stored(&format!("{}.norm.{suffix}", case.id));
        if let Some(what) = want.mismatch(&norm, case.floor("norm"), false) {
            failures.add(&case.id, format!("{suffix} norm, {what}"));
        }
    }
    for (i, leaf) in leaves.iter().enumerate() {
        let name = format!("grad.{i}");
        let want = family.stored(&format!("{}.{name}.{suffix}", case.id));
        if let Some(what) = want.mismatch(grads.wrt(leaf)?, case.floor(&name), false) {
            failures.add(&case.id, format!("{suffix} {name}, {what}"));
        }
    }
    Ok(())
}
