//! Optimizers that compute the loss themselves, that surround another one, or that have a state of their own shapes.

use crate::golden::{Case, Failures, Family, RUNS};
use demotic::layers::{Layer, Linear, Mode, ModuleExt, Param, Sequential, Tanh};
use demotic::losses::mse;
use demotic::optimizers::{
    Adam, Averaged, ClosureOptimizer, Lbfgs, Lookahead, Optimizer, Sam, Sgd, StepInfo, Stepper, UpdateRule,
};
use demotic::{DType, Result, Tensor, sequential};

/// PyTorch's Adafactor, as somebody who uses this crate would add it.
struct Adafactor {
    beta2_decay: f64,
    eps: (f64, f64),
    d: f64,
}

fn lerp(old: &Tensor, new: &Tensor, weight: f64) -> Result<Tensor> {
    old.add_alpha(&new.sub(old)?, weight)
}

impl UpdateRule for Adafactor {
    fn name(&self) -> &'static str {
        "Adafactor"
    }

    fn init(&self, p: &Param) -> Result<Vec<(&'static str, Tensor)>> {
        let &[rows, columns] = p.shape() else { return Ok(vec![("variance", p.zeros_like())]) };
        let zeros = |shape| Ok(Tensor::zeros(shape)?.to_dtype(p.dtype()));
        Ok(vec![("row_var", zeros([rows, 1])?), ("col_var", zeros([1, columns])?)])
    }

    fn update(&self, step: &StepInfo<'_>, p: &mut Param, g: &Tensor, state: &mut [Tensor]) -> Result<()> {
        let (t, square) = (step.number as f64, g.square());
        let weight = t.powf(self.beta2_decay);
        let variance = match state {
            [rows, columns] => {
                *rows = lerp(rows, &square.mean_dims(&[1], true)?, weight)?;
                *columns = lerp(columns, &square.mean_dims(&[0], true)?, weight)?;
                rows.mul(columns)?.div(&rows.mean().clamp_min(self.eps.0))?
            }
            all => {
                all[0] = lerp(&all[0], &square, weight)?;
                all[0].clone()
            }
        };
        let update = g.mul(&variance.clamp_min(self.eps.0.powi(2)).rsqrt())?;
        let size = |x: &Tensor| x.square().mean().sqrt().item();
        let rate = size(&p.detach())?.max(self.eps.1) * step.learning_rate.min(t.powf(-0.5));
        let new = p.detach().add_alpha(&update, -rate / (size(&update)? / self.d).max(1.0))?;
        p.set(&new)
    }
}

/// The optimizer of a case: one of three kinds.
enum Any {
    Plain(Box<dyn Optimizer>),
    Closure(Box<dyn ClosureOptimizer>),
    Averaged(Averaged<Box<dyn Optimizer>>),
}

fn inner(case: &Case) -> Box<dyn Optimizer> {
    match case.attr::<String>("inner").as_str() {
        "SGD" => Box::new(Sgd::new(case.attr("lr")).momentum(case.attr_or("momentum", 0.0))),
        "Adam" => Box::new(Adam::new(case.attr("lr"))),
        other => panic!("{}: no optimizer {other}", case.id),
    }
}

fn optimizer(case: &Case, dtype: DType) -> Any {
    match case.op.as_str() {
        "LBFGS" => {
            let mut opt = Lbfgs::new(case.attr("lr")).max_iter(case.attr("max_iter"));
            if let Some(n) = case.attr("max_eval") {
                opt = opt.max_eval(n);
            }
            if let Some(n) = case.attr("history_size") {
                opt = opt.history_size(n);
            }
            if let Some(tolerance) = case.attr("tolerance_change") {
                opt = opt.tolerance_change(tolerance);
            }
            if let Some(tolerance) = case.attr("tolerance_grad") {
                opt = opt.tolerance_grad(tolerance);
            }
            let searches = case.attr::<Option<String>>("line_search_fn").is_some();
            Any::Closure(Box::new(if searches { opt.strong_wolfe() } else { opt }))
        }
        "SAM" => {
            Any::Closure(Box::new(Sam::new(inner(case), case.attr("rho")).adaptive(case.attr_or("adaptive", false))))
        }
        "Averaged" => {
            let opt = match case.attr("decay") {
                Some(decay) => Averaged::ema(inner(case), decay),
                None => Averaged::mean(inner(case)),
            };
            Any::Averaged(opt.start(case.attr::<u64>("start")).every(case.attr::<u64>("every")))
        }
        "Lookahead" => Any::Plain(Box::new(Lookahead::new(inner(case), case.attr::<u64>("k"), case.attr("alpha")))),
        "Adafactor" => {
            let eps = if dtype == DType::F32 { f64::from(f32::EPSILON) } else { f64::EPSILON };
            let eps: (f64, f64) = case.attr_or("eps", (eps, 1e-3));
            let rule = Adafactor { beta2_decay: case.attr_or("beta2_decay", -0.8), eps, d: case.attr_or("d", 1.0) };
            Any::Plain(Box::new(Stepper::with_rule(rule, case.attr_or("lr", 0.01))))
        }
        op => panic!("{}: no optimizer {op}", case.id),
    }
}

#[test]
fn more_optimizers() -> Result<()> {
    let family = Family::load("more_optimizers");
    let mut failures = Failures::default();
    for case in &family.cases {
        for (dtype, suffix) in RUNS {
            check(&family, case, dtype, suffix, &mut failures)?;
        }
    }
    failures.finish(family.cases.len());
    Ok(())
}

fn check(family: &Family, case: &Case, dtype: DType, suffix: &str, failures: &mut Failures) -> Result<()> {
    let problem = |name: &str| family.stored(&format!("problem.{name}")).tensor(dtype);
    let linear = |i: usize| -> Result<Linear> {
        let param = |name| Param::new(problem(&format!("{i}.{name}")));
        Ok(Linear { weight: param("weight")?.into(), bias: Some(param("bias")?) })
    };
    let mut model: Sequential = sequential![linear(0)?, Tanh, linear(2)?];
    let mut opt = optimizer(case, dtype);
    let (x, y) = (problem("x"), problem("y"));
    let kept: Vec<usize> = serde_json::from_value(case.more["steps"].clone()).unwrap();
    let want = |name: &str| family.stored(&format!("{}.{name}.{suffix}", case.id));
    let loss = |model: &Sequential| mse(&model.forward(&x, &mut Mode::eval())?, &y);

    for step in 1..=*kept.last().unwrap() {
        let plain = |opt: &mut dyn Optimizer, model: &mut Sequential| {
            let loss = loss(model)?;
            opt.step(model, &loss.backward()?)?;
            loss.item()
        };
        let value = match &mut opt {
            Any::Plain(opt) => plain(opt, &mut model)?,
            Any::Averaged(opt) => plain(opt, &mut model)?,
            Any::Closure(opt) => opt.step_with(&mut model, loss)?,
        };
        let value = Tensor::from_vec(vec![value], [])?.to_dtype(dtype);
        if let Some(what) = want("losses").row(step - 1).mismatch(&value, case.floor("losses"), false) {
            failures.add(&case.id, format!("{suffix} step {step}, loss, {what}"));
        }
        let Some(row) = kept.iter().position(|kept| *kept == step) else { continue };
        // What an average is about shows when it is in the model.
        if let Any::Averaged(opt) = &mut opt {
            opt.swap(&mut model)?;
        }
        for (name, value) in model.named_parameters() {
            let name = format!("param.{name}");
            if let Some(what) = want(&name).row(row).mismatch(&value, case.floor(&name), false) {
                failures.add(&case.id, format!("{suffix} after step {step}, {name}, {what}"));
            }
        }
        if let Any::Averaged(opt) = &mut opt {
            opt.swap(&mut model)?;
        }
    }
    Ok(())
}
