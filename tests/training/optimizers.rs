//! Optimizers around others, and those that compute the loss themselves: what they refuse, and how they go on.

use std::cell::Cell;

use demotic::io::Checkpoint;
use demotic::layers::Param;
use demotic::optimizers::{
    Adafactor, Averaged, ClosureOptimizer, Lbfgs, Lookahead, Muon, OptimizerState, RmsProp, Sam,
};
use demotic::prelude::*;
use demotic::{Error, ErrorKind};

fn net() -> Result<Sequential> {
    let mut rng = Rng::seed(3);
    Ok(sequential![Linear::new(3, 4, &mut rng)?, Tanh, Linear::new(4, 2, &mut rng)?])
}

fn loss(model: &Sequential) -> Result<Tensor> {
    let x = tensor![[1.0, -0.5, 2.0], [0.25, 1.5, -1.0], [-2.0, 0.0, 0.5], [0.75, 0.75, 1.0]];
    let y = tensor![[0.5, -1.0], [1.0, 0.0], [-0.5, 0.25], [0.0, 1.5]];
    losses::mse(&model.forward(&x, &mut Mode::eval())?, &y)
}

fn values(model: &dyn Module) -> Vec<f32> {
    model.named_parameters().iter().flat_map(|(_, p)| p.to_vec::<f32>().unwrap()).collect()
}

/// One step of whatever kind.
trait Steps {
    fn go(&mut self, model: &mut Sequential) -> Result<()>;
    fn save(&self) -> OptimizerState;
    fn load(&mut self, state: OptimizerState) -> Result<()>;
}

struct Plain(Box<dyn Optimizer>);
struct Closure(Box<dyn ClosureOptimizer>);

impl Steps for Plain {
    fn go(&mut self, model: &mut Sequential) -> Result<()> {
        let grads = loss(model)?.backward()?;
        self.0.step(model, &grads)
    }
    fn save(&self) -> OptimizerState {
        self.0.state()
    }
    fn load(&mut self, state: OptimizerState) -> Result<()> {
        self.0.load_state(state)
    }
}

impl Steps for Closure {
    fn go(&mut self, model: &mut Sequential) -> Result<()> {
        self.0.step_with(model, loss).map(|_| ())
    }
    fn save(&self) -> OptimizerState {
        self.0.state()
    }
    fn load(&mut self, state: OptimizerState) -> Result<()> {
        self.0.load_state(state)
    }
}

fn all() -> Vec<Box<dyn Steps>> {
    let plain = |opt: Box<dyn Optimizer>| -> Box<dyn Steps> { Box::new(Plain(opt)) };
    let closure = |opt: Box<dyn ClosureOptimizer>| -> Box<dyn Steps> { Box::new(Closure(opt)) };
    vec![
        plain(Box::new(Averaged::ema(Adam::new(0.05), 0.9))),
        plain(Box::new(Averaged::mean(Sgd::new(0.1).momentum(0.9)).start(1).every(2))),
        plain(Box::new(Averaged::ema(Lookahead::new(Adam::new(0.05), 2, 0.5), 0.8))),
        plain(Box::new(Lookahead::new(Sgd::new(0.1), 3, 0.5))),
        plain(Box::new(Averaged::mean(Averaged::ema(
            Lookahead::new(Lookahead::new(Adam::new(0.05), 2, 0.7), 3, 0.6),
            0.9,
        )))),
        closure(Box::new(Lbfgs::new(1.0).max_iter(3).history_size(4).strong_wolfe())),
        closure(Box::new(Lbfgs::new(0.3).max_iter(2))),
        closure(Box::new(Sam::new(Adam::new(0.05), 0.1))),
        closure(Box::new(Sam::new(Lookahead::new(Sgd::new(0.1), 2, 0.5), 0.5).adaptive(true))),
    ]
}

#[test]
fn a_run_that_was_interrupted_goes_on_bit_for_bit() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.ckpt");
    for (i, (mut opt, mut resumed)) in all().into_iter().zip(all()).enumerate() {
        let mut model = net()?;
        for _ in 0..5 {
            opt.go(&mut model)?;
        }
        Checkpoint::new().model(&model).optimizer_state(opt.save()).save(&path)?;
        let saved = Checkpoint::load(&path)?;
        let mut copy = net()?;
        saved.restore_model(&mut copy)?;
        resumed.load(saved.get_optimizer_state()?.clone())?;
        assert_eq!(format!("{:?}", resumed.save()), format!("{:?}", opt.save()), "optimizer {i}");
        for _ in 0..7 {
            opt.go(&mut model)?;
            resumed.go(&mut copy)?;
        }
        assert_eq!(values(&model), values(&copy), "optimizer {i}");
        assert_eq!(format!("{:?}", resumed.save()), format!("{:?}", opt.save()), "optimizer {i}");
        // It learns.
        assert!(loss(&model)?.item()? < 0.8 * loss(&net()?)?.item()?, "optimizer {i}");
        // Nobody takes the state of another kind.
        for mut other in all() {
            if other.save().optimizer != opt.save().optimizer {
                let before = format!("{:?}", other.save());
                assert_eq!(other.load(opt.save()).unwrap_err().kind(), ErrorKind::State);
                assert_eq!(format!("{:?}", other.save()), before);
            }
        }
    }
    let e = Averaged::ema(Adam::new(0.1), 0.9).load_state(Adam::new(0.1).state()).unwrap_err();
    assert_eq!(e.message(), "Averaged: the state is of the optimizer `Adam`");
    let e = Averaged::ema(Adam::new(0.1), 0.9).load_state(Averaged::ema(Sgd::new(0.1), 0.9).state()).unwrap_err();
    assert_eq!(e.message(), "Adam: the state is of the optimizer `Sgd`");
    let e = Lbfgs::new(1.0).load_state(Adam::new(0.1).state()).unwrap_err();
    assert_eq!(e.message(), "Lbfgs: the state is of the optimizer `Adam`");
    Ok(())
}

/// Whichever evaluation fails, or gives NaN where it must not, nothing has happened.
#[test]
fn a_closure_that_fails_changes_nothing() -> Result<()> {
    let optimizers: [fn() -> Box<dyn ClosureOptimizer>; 4] = [
        || Box::new(Lbfgs::new(1.0).max_iter(4).strong_wolfe()),
        || Box::new(Lbfgs::new(0.5).max_iter(4)),
        || Box::new(Sam::new(Sgd::new(0.1).momentum(0.9), 0.1)),
        || Box::new(Sam::new(Adam::new(0.1), 1.0).adaptive(true)),
    ];
    for new in optimizers {
        for nan in [false, true] {
            let (mut opt, mut model) = (new(), net()?);
            opt.step_with(&mut model, loss)?;
            let (before, state) = (values(&model), format!("{:?}", opt.state()));
            let mut failures = 0;
            for at in 0.. {
                let calls = Cell::new(0);
                let failing = |model: &Sequential| {
                    let call = calls.replace(calls.get() + 1);
                    match (call == at, nan) {
                        (true, false) => Err(Error::numeric("loss", "as expected")),
                        (true, true) => loss(model).map(|loss| loss * f64::NAN),
                        _ => loss(model),
                    }
                };
                let grads = loss(&model)?.backward()?;
                match opt.step_with(&mut model, failing) {
                    Ok(_) if calls.get() <= at => break,
                    // The search along a line takes it for too far, and looks elsewhere.
                    Ok(_) => assert!(nan),
                    Err(e) => {
                        assert_eq!(e.kind(), ErrorKind::Numeric);
                        if !nan {
                            assert_eq!(e.message(), "loss: as expected");
                        }
                        failures += 1;
                        assert_eq!((values(&model), format!("{:?}", opt.state())), (before.clone(), state.clone()));
                        assert!(model.named_parameters().iter().all(|(_, p)| grads.get(p).is_some()));
                        continue;
                    }
                }
                // Begin again where it was.
                model = net()?;
                opt = new();
                opt.step_with(&mut model, loss)?;
            }
            assert!(failures >= if nan { 1 } else { 2 }, "{failures}");
        }
    }
    Ok(())
}

#[test]
fn the_search_comes_back_from_where_there_is_no_loss() -> Result<()> {
    // −log(x) + x has its minimum at 1, and nothing below 0. The first step would go there.
    let mut x = Param::new(Tensor::from_vec(vec![5.0f64], [1])?)?;
    let mut opt = Lbfgs::new(10.0).strong_wolfe();
    let f = |x: &Param| Ok(x.sub(&x.log())?.sum());
    for _ in 0..4 {
        opt.step_with(&mut x, f)?;
    }
    assert!((x.item()? - 1.0).abs() < 1e-6, "{}", x.item()?);
    // Without a search there is no way back.
    let mut x = Param::new(Tensor::from_vec(vec![5.0f64], [1])?)?;
    let e = Lbfgs::new(10.0).step_with(&mut x, f).unwrap_err();
    assert_eq!(e.message(), "Lbfgs: the loss is NaN, or its gradient has NaN or infinite values");
    assert_eq!(e.help(), Some("look for a division by zero, log(0), or NaN in the data. The model is unchanged"));
    assert_eq!(x.item()?, 5.0);
    Ok(())
}

#[test]
fn averages_are_shown_and_put_away_again() -> Result<()> {
    let mut model = net()?;
    let mut opt = Averaged::mean(Sgd::new(0.1)).start(2);
    let e = opt.swap(&mut model).unwrap_err();
    assert_eq!(e.message(), "Averaged: no averages yet, after 0 steps");
    assert_eq!(e.help(), Some("they begin with the first step that counts: see start()"));
    let mut seen = Vec::new();
    for _ in 0..5 {
        let grads = loss(&model)?.backward()?;
        opt.step(&mut model, &grads)?;
        seen.push(values(&model));
    }
    let own = values(&model);
    let mean: Vec<f32> = (0..own.len()).map(|i| seen[2..].iter().map(|v| v[i]).sum::<f32>() / 3.0).collect();
    assert_eq!((opt.count(), opt.is_swapped()), (3, false));
    opt.swap(&mut model)?;
    assert!(opt.is_swapped() && values(&model).iter().zip(&mean).all(|(a, b)| (a - b).abs() < 1e-6));
    let grads = loss(&model)?.backward()?;
    let e = opt.step(&mut model, &grads).unwrap_err();
    assert_eq!(e.message(), "Averaged: the model holds the averages, which are not to be trained");
    assert_eq!(e.help(), Some("swap() gives it its own values back"));
    // Saved and loaded while it holds them.
    let mut other = Averaged::mean(Sgd::new(0.1)).start(2);
    other.load_state(opt.state())?;
    let mut copy = model.clone();
    other.swap(&mut copy)?;
    opt.swap(&mut model)?;
    assert_eq!((values(&model), values(&copy)), (own.clone(), own));
    // Another model, and options that make no sense.
    let mut p = Param::new(tensor![1.0])?;
    let grads = p.sum().backward()?;
    let e = opt.step(&mut p, &grads).unwrap_err();
    assert_eq!(e.message(), "Averaged: there is a state for `0.bias`, which is not in the model");
    let mut check = |mut opt: Box<dyn Optimizer>, message: &str| {
        let e = opt.step(&mut p, &grads).unwrap_err();
        assert_eq!((e.message().as_str(), e.kind()), (message, ErrorKind::Argument));
    };
    let sgd = || Sgd::new(0.1);
    check(Box::new(Averaged::ema(sgd(), 1.0)), "Averaged: the decay is 1, expected at least 0 and less than 1");
    check(Box::new(Averaged::mean(sgd()).every(0)), "Averaged: every is 0, expected at least 1");
    check(Box::new(Lookahead::new(sgd(), 0, 0.5)), "Lookahead: k is 0, expected at least 1");
    check(Box::new(Lookahead::new(sgd(), 5, 1.5)), "Lookahead: alpha is 1.5, expected at least 0 and at most 1");
    Ok(())
}

#[test]
fn what_closure_optimizers_refuse() -> Result<()> {
    let mut model = net()?;
    let mut check = |mut opt: Box<dyn ClosureOptimizer>, message: &str| {
        let before = values(&model);
        let e = opt.step_with(&mut model, loss).unwrap_err();
        assert_eq!((e.message().as_str(), e.kind()), (message, ErrorKind::Argument));
        assert_eq!(values(&model), before);
    };
    let finite = "expected a finite number that is not negative";
    check(Box::new(Lbfgs::new(f64::NAN)), &format!("Lbfgs: the learning rate is NaN, {finite}"));
    check(Box::new(Lbfgs::new(1.0).tolerance_grad(-1.0)), &format!("Lbfgs: tolerance_grad is -1, {finite}"));
    check(Box::new(Lbfgs::new(1.0).tolerance_change(-1.0)), &format!("Lbfgs: tolerance_change is -1, {finite}"));
    check(Box::new(Lbfgs::new(1.0).history_size(0)), "Lbfgs: history_size is 0, expected a finite number above 0");
    check(Box::new(Lbfgs::new(1.0).max_iter(0)), "Lbfgs: max_iter is 0, expected a finite number above 0");
    check(Box::new(Lbfgs::new(1.0).max_eval(0)), "Lbfgs: max_eval is 0, expected a finite number above 0");
    check(Box::new(Sam::new(Sgd::new(0.1), 0.0)), "Sam: rho is 0, expected a finite number above 0");
    check(Box::new(Sam::new(Sgd::new(-0.1), 0.1)), &format!("Sgd: the learning rate is -0.1, {finite}"));

    // Parameters that the loss does not depend on.
    let mut pair = vec![Param::new(tensor![1.0, 2.0])?, Param::new(tensor![3.0])?];
    let of_first = |pair: &Vec<Param>| Ok(pair[0].square().sum());
    for mut opt in
        [Box::new(Lbfgs::new(1.0)) as Box<dyn ClosureOptimizer>, Box::new(Sam::new(Sgd::new(0.1).allow_unused(), 0.1))]
    {
        let e = opt.step_with(&mut pair, of_first).unwrap_err();
        assert!(e.message().ends_with(": the loss does not depend on `1`"), "{e}");
    }
    Lbfgs::new(1.0).allow_unused().step_with(&mut pair, of_first)?;
    Sam::new(Sgd::new(0.1).allow_unused(), 0.1).allow_unused().step_with(&mut pair, of_first)?;
    assert_eq!(pair[1].item()?, 3.0);

    let mut mixed = vec![Param::new(tensor![1.0])?, Param::new(tensor![1.0].to_dtype(DType::F64))?];
    let both = |pair: &Vec<Param>| (pair[0].sum().to_dtype(DType::F64) + pair[1].sum()).map(|x| x.square());
    let e = Lbfgs::new(1.0).step_with(&mut mixed, both).unwrap_err();
    assert_eq!(e.message(), "Lbfgs: parameters of types f32 and f64");
    // The others do not mind.
    Sam::new(Sgd::new(0.1), 0.1).step_with(&mut mixed, both)?;

    // Nothing to train, and parameters without elements.
    assert_eq!(Lbfgs::new(1.0).step_with(&mut Vec::<Param>::new(), |_| Ok(tensor![2.0].tracked()?.sum()))?, 2.0);
    let mut empty = Param::new(Tensor::zeros([0, 3])?)?;
    assert_eq!(Lbfgs::new(1.0).strong_wolfe().step_with(&mut empty, |p| Ok(p.sum()))?, 0.0);
    Sam::new(Sgd::new(0.1), 0.1).step_with(&mut empty, |p| Ok(p.sum()))?;

    // One that was trained on another model; nothing to train; a frozen part.
    let mut opt = Lbfgs::new(1.0);
    opt.step_with(&mut pair.remove(0), |p: &Param| Ok(p.square().sum()))?;
    let e = opt.step_with(&mut net()?, loss).unwrap_err();
    assert_eq!(e.message(), "Lbfgs: the optimizer's state is of 2 parameters, the model has 26");
    let mut frozen = net()?;
    frozen.freeze("2.*")?;
    let before = values(&frozen);
    Lbfgs::new(1.0).strong_wolfe().step_with(&mut frozen, loss)?;
    Sam::new(Sgd::new(0.1), 0.1).step_with(&mut frozen, loss)?;
    let after = values(&frozen);
    assert_eq!(before[16..], after[16..]);
    assert!(before[..16].iter().zip(&after).all(|(a, b)| a != b));
    Ok(())
}

/// What was frozen in the middle of a run stays what it is, whatever averages and slow weights there are of it.
#[test]
fn what_is_frozen_later_keeps_its_value() -> Result<()> {
    let run = |opt: &mut dyn Optimizer, model: &mut Sequential, steps: usize| {
        (0..steps).try_for_each(|_| {
            let grads = loss(model)?.backward()?;
            opt.step(model, &grads)
        })
    };
    let mut model = net()?;
    let mut opt = Averaged::mean(Sgd::new(0.5));
    run(&mut opt, &mut model, 3)?;
    model.freeze("0.*")?;
    let own = values(&model);
    opt.swap(&mut model)?;
    assert_ne!(values(&model), own);
    opt.swap(&mut model)?;
    assert_eq!(values(&model), own);

    let mut model = net()?;
    let mut opt = Lookahead::new(Sgd::new(0.5), 4, 0.5);
    run(&mut opt, &mut model, 2)?;
    model.freeze("0.*")?;
    let frozen = model.state_dict()["0.weight"].to_vec::<f32>()?;
    run(&mut opt, &mut model, 4)?;
    assert_eq!(model.state_dict()["0.weight"].to_vec::<f32>()?, frozen);
    Ok(())
}

/// A state that has counted further than there are numbers.
#[test]
fn counts_of_averages_have_an_end() -> Result<()> {
    let mut model = net()?;
    let mut opt = Averaged::mean(Sgd::new(0.1));
    let grads = loss(&model)?.backward()?;
    opt.step(&mut model, &grads)?;
    let mut state = opt.state();
    let halves = Tensor::full([2], 0.0)?.to_dtype(DType::F64).add_scalar(f64::from(u32::MAX));
    for name in ["averaged.count", "averaged.steps"] {
        state.shared.insert(name.into(), halves.clone());
    }
    opt.load_state(state)?;
    opt.step(&mut model, &grads)?;
    assert_eq!(opt.count(), u64::MAX);
    Ok(())
}

/// The bound of squares that T5 was trained with, whose square is 0 in `F32`, and rows without gradients.
#[test]
fn adafactor_leaves_alone_what_has_no_gradient() -> Result<()> {
    let mut p = Param::new(tensor![[1.0, 2.0], [3.0, 4.0]])?;
    let mut opt = Adafactor::new(0.01).eps(1e-30, 1e-3);
    for _ in 0..2 {
        let grads = p.select(0, 0)?.square().sum().backward()?;
        opt.step(&mut p, &grads)?;
    }
    let values = p.to_vec::<f32>()?;
    assert!(values[0] < 1.0 && values[1] < 2.0, "{values:?}");
    assert_eq!(values[2..], [3.0, 4.0]);
    Ok(())
}

#[test]
fn betas_of_muon_count_wherever_they_are_given() -> Result<()> {
    let end = |mut opt: Muon| {
        let mut model = net()?;
        for _ in 0..3 {
            let grads = loss(&model)?.backward()?;
            opt.step(&mut model, &grads)?;
        }
        Ok::<_, Error>(values(&model))
    };
    let early = end(Muon::new(0.02).adamw_betas(0.5, 0.6).adamw(1e-2))?;
    assert_eq!(early, end(Muon::new(0.02).adamw(1e-2).adamw_betas(0.5, 0.6))?);
    assert_ne!(early, end(Muon::new(0.02).adamw(1e-2))?);
    Ok(())
}

/// What an optimizer remembers depends on options: one that changes it comes too late after the first step, and is not passed over.
#[test]
fn options_that_change_the_state_are_refused_after_a_step() -> Result<()> {
    #[track_caller]
    fn refused<O: Optimizer>(mut opt: O, changed: impl Fn(O) -> O) -> Result<()> {
        let mut model = net()?;
        let grads = loss(&model)?.backward()?;
        opt.step(&mut model, &grads)?;
        let grads = loss(&model)?.backward()?;
        opt.step(&mut model, &grads)?;
        let before = values(&model);
        let grads = loss(&model)?.backward()?;
        let e = changed(opt).step(&mut model, &grads).unwrap_err();
        assert!(e.message().contains(": the optimizer's state does not fit the shape and type of `0."), "{e}");
        assert_eq!(values(&model), before);
        Ok(())
    }
    refused(Sgd::new(0.1), |opt| opt.momentum(0.9))?;
    refused(Sgd::new(0.1).momentum(0.9), |opt| opt.momentum(0.0))?;
    refused(Adam::new(0.1), |opt| opt.amsgrad(true))?;
    refused(RmsProp::new(0.1), |opt| opt.momentum(0.9))?;
    refused(RmsProp::new(0.1), |opt| opt.centered(true))?;
    refused(Adafactor::new(0.1), |opt| opt.momentum(0.9))?;
    refused(Adafactor::new(0.1).momentum(0.9), |opt| opt.momentum(0.0))?;
    refused(Muon::new(0.02).adamw(1e-3), |opt| opt.adamw_for("0.*"))?;
    Ok(())
}
