//! What a step refuses, and that nothing has changed then.

use super::*;

#[test]
fn a_parameter_without_gradient_is_named() {
    let mut model = net();
    let mut opt = Adam::new(0.1);
    let grads = model.encoder.weight.sum().backward().unwrap();
    #[rustfmt::skip]
    assert_error(opt.step(&mut model, &grads), ErrorKind::Gradient, "\
Adam: the loss does not depend on `encoder.bias`, `head.weight`, `head.bias`
  at HERE
  help: compute the loss with the model that the optimizer gets, and use all of it; or freeze what is not to be trained; \
or pass over it with .allow_unused()");
    assert_eq!(values(&model), values(&net()), "nothing was changed");

    // Gradients of another model are not this one's.
    let grads = cubes(&model.clone());
    assert!(opt.step(&mut model, &grads).is_err());
    let mut many: Vec<Param> = (0..7).map(|_| param(&[1.0])).collect();
    let e = opt.step(&mut many, &Gradients::default()).unwrap_err();
    assert_eq!(e.message(), "Adam: the loss does not depend on `0`, `1`, `2`, `3`, `4` and 2 more");

    let grads = model.encoder.weight.sum().backward().unwrap();
    Sgd::new(0.1).allow_unused().step(&mut model, &grads).unwrap();
    assert_close(&values(&model), &[0.9, -2.1, 0.5, 3.0, 0.25, -1.0]);
    model.freeze("*.bias").unwrap();
    model.freeze("head.weight").unwrap();
    let grads = model.encoder.weight.sum().backward().unwrap();
    Sgd::new(0.1).step(&mut model, &grads).unwrap();
    assert_close(&values(&model), &[0.8, -2.2, 0.5, 3.0, 0.25, -1.0]);
}

#[test]
fn gradients_that_are_not_finite_leave_the_model_as_it_was() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut model = net();
        let grads = cubes(&model);
        let mut grads = grads.clone();
        grads.set(&model.head.weight, f64s(&[0.0, bad])).unwrap();
        let mut opt = RmsProp::new(0.1);
        #[rustfmt::skip]
        assert_error(opt.step(&mut model, &grads), ErrorKind::Numeric, "\
RmsProp: the gradient of `head.weight` has NaN or infinite values
  at HERE
  help: lower the learning rate, or clip the gradients; look for a division by zero, log(0), or NaN in the data. The model \
is unchanged");
        assert_eq!(values(&model), values(&net()));
        assert!(opt.state().parameters.is_empty());
        opt.check_finite(false).step(&mut model, &grads).unwrap();
        assert!(values(&model)[4].is_nan());
    }
}

#[test]
fn impossible_options_are_reported_by_the_first_step() {
    let (mut p, grads) = with_gradients(&[1.0]);
    let mut check = |mut opt: Box<dyn Optimizer>, message: &str| {
        let e = opt.step(&mut p, &grads).unwrap_err();
        assert_eq!((e.message().as_str(), e.kind()), (message, ErrorKind::Argument));
        assert_eq!(p.item().unwrap(), 1.0);
    };
    let finite = "expected a finite number that is not negative";
    check(Box::new(Adam::new(-0.1)), &format!("Adam: the learning rate is -0.1, {finite}"));
    check(Box::new(Sgd::new(f64::NAN)), &format!("Sgd: the learning rate is NaN, {finite}"));
    check(Box::new(Sgd::new(f64::INFINITY)), &format!("Sgd: the learning rate is inf, {finite}"));
    check(Box::new(AdamW::new(0.1).weight_decay(-1.0)), &format!("AdamW: weight_decay is -1, {finite}"));
    let below_one = "expected at least 0 and less than 1";
    check(Box::new(AdamW::new(0.1).betas(1.0, 0.9)), &format!("AdamW: beta1 is 1, {below_one}"));
    check(Box::new(Adam::new(0.1).betas(0.9, -0.5)), &format!("Adam: beta2 is -0.5, {below_one}"));
    check(Box::new(Adam::new(0.1).eps(0.0)), "Adam: eps is 0, expected a finite number above 0");
    check(Box::new(Sgd::new(0.1).momentum(1.0)), &format!("Sgd: momentum is 1, {below_one}"));
    check(
        Box::new(Sgd::new(0.1).momentum(0.9).dampening(1.5)),
        "Sgd: dampening is 1.5, expected at least 0 and at most 1",
    );
    check(Box::new(Sgd::new(0.1).nesterov(true)), "Sgd: nesterov with momentum 0 and dampening 0");
    check(
        Box::new(Sgd::new(0.1).momentum(0.5).dampening(0.5).nesterov(true)),
        "Sgd: nesterov with momentum 0.5 and dampening 0.5",
    );
    check(Box::new(RmsProp::new(0.1).alpha(1.0)), &format!("RmsProp: alpha is 1, {below_one}"));
    check(Box::new(RmsProp::new(0.1).momentum(-0.1)), &format!("RmsProp: momentum is -0.1, {below_one}"));
    check(Box::new(RmsProp::new(0.1).eps(-1.0)), "RmsProp: eps is -1, expected a finite number above 0");
    check(Box::new(AdaGrad::new(0.1).lr_decay(-1.0)), &format!("AdaGrad: lr_decay is -1, {finite}"));
    check(
        Box::new(AdaGrad::new(0.1).initial_accumulator_value(-1.0)),
        &format!("AdaGrad: initial_accumulator_value is -1, {finite}"),
    );
    check(Box::new(AdaGrad::new(0.1).eps(f64::NAN)), "AdaGrad: eps is NaN, expected a finite number above 0");
    check(Box::new(Sgd::new(0.1).clip_norm(0.0)), "Sgd: clip_norm is 0, expected a finite number above 0");
    check(Box::new(Sgd::new(0.1).clip_value(-1.0)), "Sgd: clip_value is -1, expected a finite number above 0");
    check(
        Box::new(Sgd::new(0.1).group(Group::new("*").learning_rate_scale(-1.0))),
        &format!("Sgd: learning_rate_scale of a group is -1, {finite}"),
    );
    check(
        Box::new(Sgd::new(0.1).group(Group::new("*").weight_decay(f64::NAN))),
        &format!("Sgd: weight_decay of a group is NaN, {finite}"),
    );
    let below_one = "expected at least 0 and less than 1";
    check(
        Box::new(Adam::new(0.1).group(Group::new("*").betas(1.0, 0.9))),
        &format!("Adam: beta1 of a group is 1, {below_one}"),
    );
    check(
        Box::new(AdamW::new(0.1).group(Group::new("*").betas(0.9, f64::NAN))),
        &format!("AdamW: beta2 of a group is NaN, {below_one}"),
    );
    check(
        Box::new(RmsProp::new(0.1).group(Group::new("*").eps(0.0))),
        "RmsProp: eps of a group is 0, expected a finite number above 0",
    );
    check(
        Box::new(Sgd::new(0.1).group(Group::new("*").betas(0.9, 0.9))),
        "Sgd: the group `*` has betas, which this optimizer does not",
    );
    check(
        Box::new(AdaGrad::new(0.1).group(Group::new("*").betas(0.9, 0.9))),
        "AdaGrad: the group `*` has betas, which this optimizer does not",
    );
    check(
        Box::new(Sgd::new(0.1).group(Group::new("*").eps(0.9))),
        "Sgd: the group `*` has eps, which this optimizer does not",
    );
}

#[test]
fn impossible_clips() {
    let (_, mut grads) = with_gradients(&[f64::NAN]);
    assert_eq!(
        clip::by_value(&mut grads, 0.0).unwrap_err().message(),
        "clip::by_value: the limit is 0, expected a finite number above 0"
    );
    assert_eq!(
        clip::by_norm(&mut grads, f64::NAN).unwrap_err().message(),
        "clip::by_norm: max_norm is NaN, expected a finite number above 0"
    );
    assert_eq!(
        clip::by_norm(&mut grads, 1.0).unwrap_err().message(),
        "clip::by_norm: the norm of the gradients is NaN"
    );
    let (_, mut infinite) = with_gradients(&[f64::INFINITY, 1.0]);
    let e = clip::by_p_norm(&mut infinite, 1.0, 1.0).unwrap_err();
    assert_eq!(e.message(), "clip::by_norm: the norm of the gradients is inf");
    for p in [0.0, -1.0, f64::NAN] {
        let e = clip::norm(&grads, p).unwrap_err();
        assert_eq!(e.message(), format!("clip::norm: p is {p}, expected a number above 0"));
    }
}

#[test]
fn a_group_without_members_is_an_error() {
    let mut model = net();
    let grads = cubes(&model);
    let mut opt = Sgd::new(0.1).no_decay("*.bais");
    #[rustfmt::skip]
    assert_error(opt.step(&mut model, &grads), ErrorKind::Parameter, "\
Sgd: no parameter matches the group `*.bais`
  at HERE
  help: did you mean `*.bias`?");
    assert_eq!(values(&model), values(&net()));
    // Frozen parameters are members all the same.
    model.freeze("*.bias").unwrap();
    let grads = cubes(&model);
    Sgd::new(0.1).no_decay("*.bias").step(&mut model, &grads).unwrap();
}

#[test]
fn states_that_do_not_fit_are_refused() {
    let mut model = net();
    let mut opt = Adam::new(0.1);
    let grads = cubes(&model);
    opt.step(&mut model, &grads).unwrap();

    let e = Sgd::new(0.1).load_state(opt.state()).unwrap_err();
    assert_eq!(e.message(), "Sgd: the state is of the optimizer `Adam`");
    let e = Adam::new(0.1).amsgrad(true).load_state(opt.state()).unwrap_err();
    assert_eq!(
        e.message(),
        "Adam: the state of `encoder.bias` does not have just the tensors [\"exp_avg\", \"exp_avg_sq\", \"max_exp_avg_sq\"]"
    );
    let mut extra = opt.state();
    extra.parameters.get_mut("head.bias").unwrap().tensors.insert("more".into(), f64s(&[0.0]));
    assert!(Adam::new(0.1).load_state(extra).is_err());

    // What only the model can tell shows at the next step.
    let (mut p, grads) = with_gradients(&[1.0]);
    let mut other = Adam::new(0.1);
    other.load_state(opt.state()).unwrap();
    let e = other.step(&mut p, &grads).unwrap_err();
    assert_eq!(e.message(), "Adam: there is a state for `encoder.bias`, which is not in the model");
    let mut wrong = opt.state();
    wrong.parameters.get_mut("head.bias").unwrap().tensors.insert("exp_avg".into(), f64s(&[0.0, 0.0]));
    opt.load_state(wrong).unwrap();
    let grads = cubes(&model);
    let e = opt.step(&mut model, &grads).unwrap_err();
    assert_eq!(e.message(), "Adam: the optimizer's state does not fit the shape and type of `head.bias`");
}

#[test]
fn options_do_not_change_under_way() {
    let (mut p, grads) = with_gradients(&[1.0]);
    let mut opt = Adam::new(0.1);
    opt.step(&mut p, &grads).unwrap();
    let e = opt.amsgrad(true).step(&mut p, &grads).unwrap_err();
    assert_eq!(e.message(), "Adam: the optimizer's state does not fit the shape and type of the parameter");
}

#[test]
fn two_parameters_of_one_name_are_noticed() {
    struct Twins(Param, Param);
    impl Module for Twins {
        fn visit(&self, visitor: &mut Visitor<'_>) {
            visitor.field("w", &self.0);
            visitor.field("w", &self.1);
        }
        fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
            visitor.field("w", &mut self.0);
            visitor.field("w", &mut self.1);
        }
    }
    let mut twins = Twins(param(&[1.0]), param(&[1.0]));
    let grads = (twins.0.sum() + twins.1.sum()).unwrap().backward().unwrap();
    let e = Sgd::new(0.1).step(&mut twins, &grads).unwrap_err();
    assert_eq!(e.message(), "Sgd: two parameters are called `w`");
}

#[test]
fn errors_of_a_rule_are_passed_on() {
    struct Broken;
    impl UpdateRule for Broken {
        fn name(&self) -> &'static str {
            "Broken"
        }
        fn update(&self, step: &StepInfo<'_>, _: &mut Param, grad: &Tensor, state: &mut [Tensor]) -> Result<()> {
            assert_eq!((step.number, step.learning_rate, step.weight_decay), (1, 0.5, 0.0));
            assert!(state.is_empty() && grad.is_contiguous());
            Err(Error::numeric("Broken", "as expected"))
        }
    }
    let (mut p, grads) = with_gradients(&[1.0]);
    let e = Stepper::with_rule(Broken, 0.5).step(&mut p, &grads).unwrap_err();
    assert_eq!(e.message(), "Broken: as expected");
}

/// Whatever the parameter at which a rule fails, nothing has happened: no value, no state, no count of steps has changed, and
/// the next step is the one that would have been made.
#[test]
fn a_step_that_fails_changes_nothing() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    /// Momentum by hand, that fails at the call of a given number, after it has changed everything.
    struct Failing {
        calls: AtomicUsize,
        at: usize,
    }
    impl UpdateRule for Failing {
        fn name(&self) -> &'static str {
            "Failing"
        }
        fn init(&self, param: &Param) -> Result<Vec<(&'static str, Tensor)>> {
            Ok(vec![("velocity", param.zeros_like())])
        }
        fn update(&self, step: &StepInfo<'_>, param: &mut Param, grad: &Tensor, state: &mut [Tensor]) -> Result<()> {
            state[0] = state[0].mul_scalar(0.9).add(grad)?;
            let velocity = state[0].to_vec::<f64>()?;
            for (p, v) in param.as_mut_slice::<f64>()?.iter_mut().zip(velocity) {
                *p -= step.learning_rate * step.number as f64 * v;
            }
            match self.calls.fetch_add(1, Ordering::Relaxed) == self.at {
                true => Err(Error::numeric("Failing", "halfway")),
                false => Ok(()),
            }
        }
    }
    let stepper = |at| Stepper::with_rule(Failing { calls: AtomicUsize::new(0), at }, 0.1);
    let values = |net: &Net| net.named_parameters().iter().map(|(_, p)| p.to_vec::<f64>().unwrap()).collect::<Vec<_>>();
    let state = |opt: &Stepper<Failing>| format!("{:?}", opt.state());
    // Four parameters: the first, second and third step, at each of them.
    for at in 0..12 {
        let (mut never, mut want) = (stepper(usize::MAX), net());
        let (mut fails, mut got) = (stepper(at), net());
        let mut failures = 0;
        while never.state().parameters.values().all(|p| p.steps < 4) {
            let grads = cubes(&got);
            let before = (values(&got), state(&fails));
            if let Err(e) = fails.step(&mut got, &grads) {
                assert_eq!(e.message(), "Failing: halfway");
                assert_eq!((values(&got), state(&fails)), before, "at call {at}");
                // The gradients still are those of the model.
                assert!(got.named_parameters().iter().all(|(_, p)| grads.get(p).is_some()));
                failures += 1;
                continue;
            }
            let grads = cubes(&want);
            never.step(&mut want, &grads).unwrap();
            assert_eq!((values(&got), state(&fails)), (values(&want), state(&never)));
        }
        assert_eq!(failures, 1);
    }
    // Errors that are found before anything is done leave nothing behind either: another model is as welcome as before.
    let mut opt = Adam::new(0.1).group(Group::new("encoder.*").learning_rate_scale(0.5));
    let (mut other, grads) = with_gradients(&[f64::NAN]);
    assert!(opt.step(&mut other, &grads).is_err());
    assert!(opt.step(&mut vec![param(&[1.0])], &Gradients::default()).is_err());
    let mut model = net();
    let grads = cubes(&model);
    opt.step(&mut model, &grads).unwrap();
}

#[test]
fn empty_models_and_parameters() {
    let mut none: Vec<Param> = Vec::new();
    Adam::new(0.1).step(&mut none, &Gradients::default()).unwrap();
    let mut empty = Param::new(Tensor::zeros([0, 3]).unwrap()).unwrap();
    let grads = empty.sum().backward().unwrap();
    Adam::new(0.1).clip_norm(1.0).step(&mut empty, &grads).unwrap();
    assert_eq!(empty.shape(), [0, 3]);
}

/// Biases and norms are vectors; a group that names one has the last word.
#[test]
fn decay_of_matrices_only() {
    let run = |opt: AdamW| {
        let mut rng = Rng::seed(1);
        let mut model = crate::sequential![Linear::new(3, 4, &mut rng).unwrap(), Linear::new(4, 2, &mut rng).unwrap()];
        let mut opt = opt.weight_decay(0.5);
        for _ in 0..3 {
            let loss = model.forward(&Tensor::ones([2, 3]).unwrap(), &mut Mode::eval()).unwrap().square().sum();
            opt.step(&mut model, &loss.backward().unwrap()).unwrap();
        }
        model.named_parameters().iter().map(|(_, value)| value.to_vec::<f32>().unwrap()).collect::<Vec<_>>()
    };
    let new = || AdamW::new(0.1);
    assert_eq!(run(new().decay_matrices_only()), run(new().no_decay("*.bias")));
    assert_ne!(run(new().decay_matrices_only()), run(new()));
    let group = || Group::new("1.bias").weight_decay(0.5);
    assert_eq!(run(new().decay_matrices_only().group(group())), run(new().no_decay("0.bias")));
}
