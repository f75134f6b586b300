//! Curves that move more than one number, and what curves refuse.

use super::*;
use crate::autograd::Gradients;
use crate::optimizers::{AdaGrad, Adafactor, Adam, Averaged, Group, Lookahead, OptimizerState};
use crate::tensor::DType;

fn step(opt: &mut dyn Optimizer, model: &mut Vec<Param>, number: usize) {
    let grad = |i: usize| tensor![0.1 * ((number * 3 + i) as f64).cos(), 0.2].to_dtype(DType::F64);
    let grads = Gradients::from_named(&*model, [("0", grad(0)), ("1", grad(1))]).unwrap();
    opt.step(model, &grads).unwrap();
}

fn model() -> Vec<Param> {
    (0..2).map(|_| Param::new(tensor![1.0, -1.0].to_dtype(DType::F64)).unwrap()).collect()
}

fn values(model: &[Param]) -> Vec<f64> {
    model.iter().flat_map(|p| p.to_f64_vec()).collect()
}

/// A run that is saved in the middle goes on with the same bits: rate, momentum and scales of groups are in the states, so the
/// schedule need not start again.
#[test]
fn what_a_schedule_has_set_is_resumed() {
    let optimizers: [fn() -> Box<dyn Optimizer>; 4] = [
        || Box::new(Sgd::new(0.1).momentum(0.9).group(Group::new("1"))),
        || Box::new(Adam::new(0.1).group(Group::new("1").learning_rate_scale(0.5))),
        || Box::new(Averaged::ema(Adam::new(0.1).group(Group::new("1")), 0.9)),
        || Box::new(Lookahead::new(Sgd::new(0.1).momentum(0.9).group(Group::new("1")), 3, 0.5)),
    ];
    let curve = || {
        let cycle = OneCycle::new(0.1, 20).cycle_momentum(0.8, 0.95);
        Curve::one_cycle(cycle).group("1", Curve::linear(1.0, 15))
    };
    for new in optimizers {
        let (mut opt, mut schedule, mut whole) = (new(), curve(), model());
        schedule.start(&mut opt).unwrap();
        let mut states: Vec<(OptimizerState, ScheduleState, Vec<Param>)> = Vec::new();
        for number in 0..20 {
            step(&mut opt, &mut whole, number);
            schedule.step(&mut opt, 0.0).unwrap();
            states.push((opt.state(), schedule.state(), whole.clone()));
        }
        for (at, (state, of_schedule, mut model)) in states.into_iter().enumerate() {
            let (mut opt, mut schedule) = (new(), curve());
            opt.load_state(state).unwrap();
            schedule.load_state(&of_schedule).unwrap();
            for number in at + 1..20 {
                step(&mut opt, &mut model, number);
                schedule.step(&mut opt, 0.0).unwrap();
            }
            assert_eq!(values(&model), values(&whole));
        }
    }
}

#[test]
fn optimizers_without_momentum_or_group_say_so() {
    let cycle = Curve::cyclic(Cyclic::new(0.1, 0.2).cycle_momentum(0.8, 0.9));
    let of = |mut opt: Box<dyn Optimizer>| cycle.start(&mut opt).unwrap_err();
    for (opt, name) in [
        (Box::new(AdaGrad::new(0.1)) as Box<dyn Optimizer>, "AdaGrad"),
        (Box::new(Sgd::new(0.1)), "Sgd"),
        (Box::new(Adafactor::new(0.1)), "Adafactor"),
        (Box::new(Averaged::mean(Sgd::new(0.1))), "Sgd"),
    ] {
        let e = of(opt);
        assert_eq!(e.message(), format!("{name}: a momentum of 0.9 for an optimizer that has none"));
        assert_eq!(e.kind(), ErrorKind::Argument);
    }
    let curve = Curve::constant(0.1).group("encoder.*", Curve::constant(0.5));
    let line = line!() + 1;
    let e = curve.start(&mut Sgd::new(0.1)).unwrap_err();
    assert_eq!(
        e.to_string(),
        format!(
            "Sgd: a scale of 0.5 for the group `encoder.*`, which the optimizer does not have\n  at {}:{line}\n  help: add it \
             to the optimizer: .group(optimizers::Group::new(pattern))",
            file!()
        )
    );
    // States of optimizers with other options.
    let mut opt = Sgd::new(0.1).momentum(0.9).group(Group::new("encoder.*"));
    curve.start(&mut opt).unwrap();
    let e = Sgd::new(0.1).load_state(opt.state()).unwrap_err();
    assert_eq!(e.message(), "Sgd: the state has a learning rate of the group `encoder.*`, which there is not");
    let mut opt = Sgd::new(0.1).momentum(0.9);
    cycle.start(&mut opt).unwrap();
    let e = Sgd::new(0.1).load_state(opt.state()).unwrap_err();
    assert_eq!(e.message(), "Sgd: the state has a momentum, which this optimizer does not");
    // What was set is checked when it is used.
    opt.set_momentum(1.5).unwrap();
    let mut x = Param::new(tensor![1.0]).unwrap();
    let grads = x.sum().backward().unwrap();
    let e = opt.step(&mut x, &grads).unwrap_err();
    assert_eq!(e.message(), "Sgd: momentum is 1.5, expected at least 0 and less than 1");
}

#[test]
fn impossible_curves() {
    let check = |c: Curve, message: &str| {
        let e = c.at(0).unwrap_err();
        assert_eq!((e.message().as_str(), e.kind()), (message, ErrorKind::Argument));
        let mut opt = Sgd::new(0.5).momentum(0.5);
        assert_eq!(c.start(&mut opt).unwrap_err().message(), message);
        assert_eq!(opt.learning_rate(), 0.5);
    };
    let part = "expected at least 0 and at most 1";
    let above = "expected a finite number above 0";
    let finite = "expected a finite number that is not negative";
    let below_one = "expected at least 0 and less than 1";
    check(Curve::milestones(0.1, [1], 1.5), &format!("Curve: the factor is 1.5, {part}"));
    check(Curve::milestones(0.1, [3, 1], 0.5), "Curve: the milestones [3, 1] are not in ascending order");
    check(Curve::exponential(0.1, f64::NAN), &format!("Curve: the factor is NaN, {part}"));
    check(Curve::polynomial(0.1, 0, 1.0), "Curve: the number of steps is 0, expected at least 1");
    check(Curve::polynomial(0.1, 5, 0.0), &format!("Curve: the power is 0, {above}"));
    check(Curve::cosine_warm_restarts(0.1, 0, 1), "Curve: the number of steps is 0, expected at least 1");
    check(Curve::cosine_warm_restarts(0.1, 1, 0), "Curve: the factor of the number of steps is 0, expected at least 1");
    check(Curve::constant_factor(0.1, -1.0, 5), &format!("Curve: the rate is -0.1, {finite}"));
    check(Curve::function(0.1, |_| -1.0), "Curve: the function gave -1 at step 0");
    check(Curve::function(0.1, |_| f64::NAN), "Curve: the function gave NaN at step 0");
    check(Curve::constant(-1.0).then(5, Curve::constant(1.0)), &format!("Curve: the rate is -1, {finite}"));
    check(Curve::constant(1.0).times(Curve::cosine(1.0, 0)), "Curve: the number of steps is 0, expected at least 1");
    let one = |o: OneCycle| Curve::one_cycle(o);
    check(one(OneCycle::new(-1.0, 5)), &format!("Curve: the rate is -1, {finite}"));
    check(one(OneCycle::new(0.1, 0)), "OneCycle: the number of steps is 0, expected at least 1");
    check(one(OneCycle::new(0.1, 5).pct_start(1.1)), &format!("OneCycle: pct_start is 1.1, {part}"));
    check(one(OneCycle::new(0.1, 5).div_factor(0.0)), &format!("OneCycle: div_factor is 0, {above}"));
    check(one(OneCycle::new(0.1, 5).final_div_factor(-1.0)), &format!("OneCycle: final_div_factor is -1, {above}"));
    check(
        one(OneCycle::new(0.1, 5).cycle_momentum(-0.1, 0.9)),
        &format!("OneCycle: the lower momentum is -0.1, {below_one}"),
    );
    check(
        one(OneCycle::new(0.1, 5).cycle_momentum(0.8, 1.0)),
        &format!("OneCycle: the upper momentum is 1, {below_one}"),
    );
    let cyclic = |c: Cyclic| Curve::cyclic(c);
    check(cyclic(Cyclic::new(-0.1, 0.1)), &format!("Cyclic: the lower rate is -0.1, {finite}"));
    check(cyclic(Cyclic::new(0.2, 0.1)), "Cyclic: the lower rate 0.2 is above the upper one 0.1");
    check(cyclic(Cyclic::new(0.1, 0.2).step_sizes(0, 1)), "Cyclic: the number of steps is 0, expected at least 1");
    check(cyclic(Cyclic::new(0.1, 0.2).exp_range(1.5)), &format!("Cyclic: gamma is 1.5, {part}"));
    check(
        cyclic(Cyclic::new(0.1, 0.2).cycle_momentum(0.8, f64::NAN)),
        &format!("Cyclic: the upper momentum is NaN, {below_one}"),
    );
}

#[test]
fn curves_have_a_value_at_the_end_of_all_steps() {
    for curve in [
        Curve::steps(1.0, 1, 0.5),
        Curve::milestones(1.0, [u64::MAX], 0.5),
        Curve::exponential(1.0, 0.5),
        Curve::polynomial(1.0, u64::MAX, 0.5),
        Curve::cosine_warm_restarts(1.0, 1, 1),
        Curve::cosine_warm_restarts(1.0, 1, 2),
        Curve::cosine_warm_restarts(1.0, u64::MAX, u64::MAX),
        Curve::one_cycle(OneCycle::new(1.0, 1).three_phase()),
        Curve::one_cycle(OneCycle::new(1.0, u64::MAX)),
        Curve::cyclic(Cyclic::new(0.0, 1.0).step_sizes(u64::MAX, u64::MAX).triangular2()),
        Curve::cyclic(Cyclic::new(0.0, 1.0).step_sizes(1, 1).exp_range(0.9)),
        Curve::constant(1.0).then(u64::MAX, Curve::constant(1.0)).times(Curve::inverse_sqrt(1.0, 1)),
    ] {
        for step in [0, 1, u64::MAX / 2, u64::MAX] {
            let rate = curve.at(step).unwrap();
            assert!((0.0..=1.0).contains(&rate), "{curve:?} at {step}: {rate}");
            assert!(curve.clone().warm_up(3).at(step).unwrap().is_finite());
        }
    }
}

#[test]
fn factors_of_the_rate_before() {
    let mut schedule = Multiplicative::new(|step| if step == 3 { -1.0 } else { 2.0 });
    assert_eq!(schedule.next_rate(0.5, f64::NAN).unwrap(), 1.0);
    assert_eq!(schedule.next_rate(1.0, f64::NAN).unwrap(), 2.0);
    let e = schedule.next_rate(2.0, f64::NAN).unwrap_err();
    assert_eq!(e.message(), "Multiplicative: the function gave -1 at step 3, for a rate of 2");
    assert!(Multiplicative::new(|_| f64::NAN).next_rate(1.0, 0.0).is_err());
    assert!(Multiplicative::new(|_| 1e300).next_rate(1e300, 0.0).is_err());
    let state = Curve::constant(1.0).state();
    assert_eq!(
        schedule.load_state(&state).unwrap_err().message(),
        "Multiplicative: the state is of the schedule `Curve`"
    );
}
