use std::panic::Location;

use super::*;
use crate::error::{Error, ErrorKind};
use crate::layers::{Layer, Linear, Mode, ModuleExt, Param, Visitor, VisitorMut};
use crate::rng::Rng;
use crate::tensor;
use crate::tensor::{DType, Tensor};

#[derive(Clone)]
struct Net {
    encoder: Dense,
    head: Dense,
}

#[derive(Clone)]
struct Dense {
    weight: Param,
    bias: Param,
}

crate::module!(Net { encoder, head });
crate::module!(Dense { weight, bias });

fn f64s(values: &[f64]) -> Tensor {
    Tensor::from_slice(values, [values.len()]).unwrap()
}

fn param(values: &[f64]) -> Param {
    Param::new(f64s(values)).unwrap()
}

fn net() -> Net {
    let dense = |w: &[f64], b: f64| Dense { weight: param(w), bias: param(&[b]) };
    Net { encoder: dense(&[1.0, -2.0], 0.5), head: dense(&[3.0, 0.25], -1.0) }
}

/// Gradients `3 p²` for every parameter.
fn cubes(net: &Net) -> Gradients {
    let params = net.named_parameters();
    let mut loss = f64s(&[0.0]).sum();
    for (_, p) in params.iter().filter(|(_, p)| p.is_tracked()) {
        loss = (loss + p.square().mul(p).unwrap().sum()).unwrap();
    }
    loss.backward().unwrap()
}

fn values(model: &impl Module) -> Vec<f64> {
    model.named_parameters().iter().flat_map(|(_, p)| p.to_f64_vec()).collect()
}

/// A parameter of two values after steps with the given gradients.
fn run<R: UpdateRule>(mut opt: Stepper<R>, grads: &[[f64; 2]]) -> Vec<f64> {
    let mut p = param(&[1.0, -2.0]);
    for g in grads {
        let loss = p.mul(&f64s(g)).unwrap().sum();
        opt.step(&mut p, &loss.backward().unwrap()).unwrap();
    }
    p.to_vec().unwrap()
}

/// The same, from a formula for one value: it changes the value with a gradient and four numbers that it remembers.
fn formula(grads: &[[f64; 2]], rule: impl Fn(i32, &mut f64, f64, &mut [f64; 4])) -> Vec<f64> {
    let each = |i: usize| {
        let (mut p, mut memory) = ([1.0, -2.0][i], [0.0; 4]);
        (1..).zip(grads).for_each(|(t, g)| rule(t, &mut p, g[i], &mut memory));
        p
    };
    vec![each(0), each(1)]
}

#[track_caller]
fn assert_close(got: &[f64], want: &[f64]) {
    assert_eq!(got.len(), want.len());
    for (g, w) in got.iter().zip(want) {
        assert!((g - w).abs() <= 1e-13 * w.abs().max(1.0), "{got:?} instead of {want:?}");
    }
}

const GRADS: [[f64; 2]; 4] = [[0.5, -1.5], [-0.25, -2.0], [4.0, 0.0], [0.125, 1e-3]];

#[test]
fn sgd_follows_its_formula() {
    assert_close(&run(Sgd::new(0.1), &GRADS), &formula(&GRADS, |_, p, g, _| *p -= 0.1 * g));
    let decay = |t, p: &mut f64, g: f64, v: &mut [f64; 4], dampening: f64, nesterov: bool| {
        let g = g + 0.01 * *p;
        v[0] = if t == 1 { g } else { 0.9 * v[0] + (1.0 - dampening) * g };
        *p -= 0.1 * if nesterov { g + 0.9 * v[0] } else { v[0] };
    };
    let opt = || Sgd::new(0.1).momentum(0.9).weight_decay(0.01);
    assert_close(&run(opt(), &GRADS), &formula(&GRADS, |t, p, g, v| decay(t, p, g, v, 0.0, false)));
    assert_close(&run(opt().dampening(0.3), &GRADS), &formula(&GRADS, |t, p, g, v| decay(t, p, g, v, 0.3, false)));
    assert_close(&run(opt().nesterov(true), &GRADS), &formula(&GRADS, |t, p, g, v| decay(t, p, g, v, 0.0, true)));
}

#[test]
fn adam_and_adamw_follow_their_formula() {
    for (decoupled, amsgrad) in [(false, false), (false, true), (true, false), (true, true)] {
        let want = formula(&GRADS, |t, p, g, [m, v, largest, _]| {
            let g = if decoupled { g } else { g + 0.05 * *p };
            if decoupled {
                *p *= 1.0 - 0.01 * 0.05;
            }
            *m = 0.8 * *m + 0.2 * g;
            *v = 0.95 * *v + 0.05 * g * g;
            *largest = largest.max(*v);
            let (m_hat, used) = (*m / (1.0 - 0.8f64.powi(t)), if amsgrad { *largest } else { *v });
            *p -= 0.01 * m_hat / ((used / (1.0 - 0.95f64.powi(t))).sqrt() + 1e-4);
        });
        let got = if decoupled {
            run(AdamW::new(0.01).betas(0.8, 0.95).eps(1e-4).weight_decay(0.05).amsgrad(amsgrad), &GRADS)
        } else {
            run(Adam::new(0.01).betas(0.8, 0.95).eps(1e-4).weight_decay(0.05).amsgrad(amsgrad), &GRADS)
        };
        assert_close(&got, &want);
    }
    // The defaults, with a first step of the learning rate against the sign of the gradient.
    assert_close(&run(Adam::new(0.01).eps(1e-300), &GRADS[..1]), &[1.0 - 0.01, -2.0 + 0.01]);
    assert_close(&run(AdamW::new(0.01).eps(1e-300), &GRADS[..1]), &[0.9999 - 0.01, -1.9998 + 0.01]);
}

#[test]
fn rmsprop_follows_its_formula() {
    for (centered, momentum) in [(false, 0.0), (false, 0.5), (true, 0.0), (true, 0.5)] {
        let want = formula(&GRADS, |_, p, g, [s, mean, v, _]| {
            let g = g + 0.01 * *p;
            *s = 0.9 * *s + 0.1 * g * g;
            *mean = 0.9 * *mean + 0.1 * g;
            let spread = if centered { *s - *mean * *mean } else { *s };
            *v = momentum * *v + g / (spread.sqrt() + 1e-4);
            *p -= 0.02 * *v;
        });
        let opt = RmsProp::new(0.02).alpha(0.9).eps(1e-4).weight_decay(0.01).momentum(momentum).centered(centered);
        assert_close(&run(opt, &GRADS), &want);
    }
}

#[test]
fn adagrad_follows_its_formula() {
    let want = formula(&GRADS, |t, p, g, [s, ..]| {
        let g = g + 0.02 * *p;
        *s = if t == 1 { 0.5 } else { *s } + g * g;
        *p -= 0.1 / (1.0 + f64::from(t - 1) * 0.05) * g / (s.sqrt() + 1e-6);
    });
    let opt = AdaGrad::new(0.1).lr_decay(0.05).initial_accumulator_value(0.5).eps(1e-6).weight_decay(0.02);
    assert_close(&run(opt, &GRADS), &want);
}

#[test]
fn both_types_train_side_by_side() {
    let mut model = vec![Param::new(tensor![2.0]).unwrap(), param(&[2.0])];
    let loss = (model[0].square().sum().to_dtype(DType::F64) + model[1].square().sum()).unwrap();
    Adam::new(0.5).step(&mut model, &loss.backward().unwrap()).unwrap();
    assert_eq!((model[0].dtype(), model[1].dtype()), (DType::F32, DType::F64));
    assert_close(&values(&model).iter().map(|x| (x * 1e6).round()).collect::<Vec<_>>(), &[1.5e6, 1.5e6]);
}

#[test]
fn parameters_are_changed_in_place() {
    let mut model = net();
    let mut opt = AdamW::new(0.1);
    let place = |model: &Net| model.head.weight.as_slice::<f64>().unwrap().as_ptr();
    let before = place(&model);
    for _ in 0..3 {
        let grads = cubes(&model);
        opt.step(&mut model, &grads).unwrap();
    }
    assert_eq!(place(&model), before);
}

#[test]
fn strided_gradients() {
    let start = Tensor::from_slice(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3]).unwrap();
    let c = Tensor::from_slice(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [3, 2]).unwrap();
    let mut p = Param::new(start).unwrap();
    let grads = p.t().mul(&c).unwrap().sum().backward().unwrap();
    Sgd::new(1.0).step(&mut p, &grads).unwrap();
    assert_eq!(p.to_vec::<f64>().unwrap(), [0.0, -1.0, -2.0, 2.0, 1.0, 0.0]);
    let grads = p.sum().backward().unwrap();
    Sgd::new(1.0).clip_norm(0.1).step(&mut p, &grads).unwrap();
    assert!(p.to_vec::<f64>().unwrap()[0] < -0.04);
}

#[test]
fn groups_set_rate_and_decay_and_the_last_one_wins() {
    let mut model = net();
    let mut opt = Sgd::new(0.1)
        .weight_decay(0.5)
        .group(Group::new("encoder.*").learning_rate_scale(0.1).weight_decay(0.25))
        .no_decay("*.bias");
    let grads = cubes(&model);
    opt.step(&mut model, &grads).unwrap();
    let expected = |p: f64, lr: f64, decay: f64| p - lr * (3.0 * p * p + decay * p);
    let want = [
        expected(1.0, 0.01, 0.25),
        expected(-2.0, 0.01, 0.25),
        expected(0.5, 0.01, 0.0),
        expected(3.0, 0.1, 0.5),
        expected(0.25, 0.1, 0.5),
        expected(-1.0, 0.1, 0.0),
    ];
    assert_close(&values(&model), &want);

    // A group that is added later counts from the next step on, and a new rate counts for all groups.
    let mut opt = opt.group(Group::new("*").weight_decay(0.0));
    opt.set_learning_rate(1.0);
    let grads = cubes(&model);
    opt.step(&mut model, &grads).unwrap();
    let want: Vec<f64> = want.iter().zip([0.1, 0.1, 0.1, 1.0, 1.0, 1.0]).map(|(p, lr)| p - lr * 3.0 * p * p).collect();
    assert_close(&values(&model), &want);
}

#[test]
fn a_parameter_that_was_frozen_for_a_while_goes_on_where_it_was() {
    let (mut model, mut whole) = (net(), net());
    let (mut opt, mut other) = (Adam::new(0.1), Adam::new(0.1));
    let step = |opt: &mut Adam, net: &mut Net| {
        let grads = cubes(net);
        opt.step(net, &grads).unwrap();
    };
    step(&mut opt, &mut model);
    model.freeze("head.*").unwrap();
    let before = values(&model.head);
    step(&mut opt, &mut model);
    assert_eq!(values(&model.head), before);
    model.unfreeze("head.*").unwrap();
    step(&mut opt, &mut model);
    assert_eq!(opt.state().parameters["head.weight"].steps, 2);
    assert_eq!(opt.state().parameters["encoder.weight"].steps, 3);

    // Two steps of the head, and three of the encoder, as if the other part had not been there.
    (0..2).for_each(|_| step(&mut other, &mut whole));
    assert_eq!(values(&model.head), values(&whole.head));
    step(&mut other, &mut whole);
    assert_eq!(values(&model.encoder), values(&whole.encoder));
}

#[test]
fn a_clone_of_the_model_is_trained_without_the_original() {
    let mut model = net();
    let mut opt = Sgd::new(0.01).momentum(0.9);
    let grads = cubes(&model);
    opt.step(&mut model, &grads).unwrap();
    let mut copy = model.clone();
    let before = values(&model);
    let grads = cubes(&copy);
    opt.clone().step(&mut copy, &grads).unwrap();
    assert_eq!(values(&model), before);
    let grads = cubes(&model);
    opt.step(&mut model, &grads).unwrap();
    assert_eq!(values(&model), values(&copy));
}

/// Every optimizer, in its most demanding form.
fn all() -> Vec<Box<dyn Optimizer>> {
    vec![
        Box::new(Sgd::new(0.01).momentum(0.9).nesterov(true)),
        Box::new(Sgd::new(0.01)),
        Box::new(Adam::new(0.01).amsgrad(true)),
        Box::new(AdamW::new(0.01).no_decay("*.bias")),
        Box::new(RmsProp::new(0.01).momentum(0.5).centered(true)),
        Box::new(AdaGrad::new(0.01).lr_decay(0.1).initial_accumulator_value(0.1)),
    ]
}

#[test]
fn a_restored_state_goes_on_bit_for_bit() {
    for (mut opt, mut resumed) in all().into_iter().zip(all()) {
        let mut model = net();
        let train = |opt: &mut dyn Optimizer, model: &mut Net| {
            for _ in 0..5 {
                let grads = cubes(model);
                opt.step(model, &grads).unwrap();
            }
        };
        train(&mut opt, &mut model);
        opt.set_learning_rate(0.003);
        let mut copy = model.clone();
        let bytes = bincode::serde::encode_to_vec(opt.state(), bincode::config::standard()).unwrap();
        let (state, _) = bincode::serde::decode_from_slice(&bytes, bincode::config::standard()).unwrap();
        resumed.load_state(state).unwrap();
        assert_eq!(resumed.learning_rate(), 0.003);
        train(&mut opt, &mut model);
        train(&mut resumed, &mut copy);
        assert_eq!(values(&model), values(&copy));
        // Readable as JSON, too.
        let text = serde_json::to_string(&resumed.state()).unwrap();
        assert!(text.contains(r#""head.weight":{"steps":10"#), "{text}");
    }
}

#[test]
fn maximize_climbs() {
    let mut p = param(&[1.0]);
    let grads = p.sum().backward().unwrap();
    Sgd::new(0.5).maximize(true).step(&mut p, &grads).unwrap();
    assert_eq!(p.item().unwrap(), 1.5);
}

#[test]
fn clipping_inside_the_step() {
    let step = |mut opt: Sgd| {
        let mut model = vec![param(&[0.0, 0.0]), param(&[0.0])];
        let loss = (model[0].mul(&f64s(&[3.0, -0.5])).unwrap().sum() + model[1].mul_scalar(4.0).sum()).unwrap();
        let grads = loss.backward().unwrap();
        opt.step(&mut model, &grads).unwrap();
        // The gradients themselves stay as they were.
        assert_eq!(grads.wrt(&model[0]).unwrap().to_f64_vec(), [3.0, -0.5]);
        values(&model)
    };
    assert_eq!(step(Sgd::new(1.0).clip_value(1.0)), [-1.0, 0.5, -1.0]);
    let norm = (9.0f64 + 0.25 + 16.0).sqrt();
    let by = 2.0 / (norm + 1e-6);
    assert_close(&step(Sgd::new(1.0).clip_norm(2.0)), &[-3.0 * by, 0.5 * by, -4.0 * by]);
    assert_eq!(step(Sgd::new(1.0).clip_norm(100.0)), [-3.0, 0.5, -4.0]);
}

#[test]
fn clipping_gradients() {
    let (a, b) = (f64s(&[3.0, -0.5]).tracked().unwrap(), tensor![4.0].tracked().unwrap());
    let grads = || {
        let a = a.mul(&f64s(&[3.0, -0.5])).unwrap().sum();
        (a + b.mul_scalar(4.0).sum().to_dtype(DType::F64)).unwrap().backward().unwrap()
    };
    let of = |g: &Gradients| [g.wrt(&a).unwrap().to_f64_vec(), g.wrt(&b).unwrap().to_f64_vec()].concat();

    let mut g = grads();
    clip::by_value(&mut g, 2.0).unwrap();
    assert_eq!(of(&g), [2.0, -0.5, 2.0]);

    assert_close(&[clip::norm(&grads(), 1.0).unwrap()], &[7.5]);
    assert_close(&[clip::norm(&grads(), 2.0).unwrap()], &[25.25f64.sqrt()]);
    assert_close(&[clip::norm(&grads(), 3.0).unwrap()], &[(27.0f64 + 0.125 + 64.0).cbrt()]);
    assert_eq!(clip::norm(&grads(), f64::INFINITY).unwrap(), 4.0);
    assert_eq!(clip::norm(&Gradients::default(), 2.0).unwrap(), 0.0);

    let mut g = grads();
    assert_close(&[clip::by_norm(&mut g, 1.0).unwrap()], &[25.25f64.sqrt()]);
    assert!((clip::norm(&g, 2.0).unwrap() - 1.0).abs() < 1e-6);
    let mut g = grads();
    assert_eq!(clip::by_p_norm(&mut g, 2.0, f64::INFINITY).unwrap(), 4.0);
    assert!((clip::norm(&g, f64::INFINITY).unwrap() - 2.0).abs() < 2e-6);
    let mut g = grads();
    clip::by_norm(&mut g, 100.0).unwrap();
    assert_eq!(of(&g), [3.0, -0.5, 4.0]);
}

#[test]
fn a_norm_with_something_that_is_not_a_number_is_none() {
    let nan = f64::NAN;
    for grads in [[nan, 1.0], [1.0, nan], [nan, f64::INFINITY], [f64::INFINITY, nan]] {
        for p in [1.0, 2.0, 3.0, f64::INFINITY] {
            assert!(clip::norm(&with_gradients(&grads).1, p).unwrap().is_nan(), "{grads:?}, p = {p}");
            let [a, b] = grads.map(|c| (f64s(&[0.0]).tracked().unwrap(), c));
            let of = |(x, c): &(Tensor, f64)| x.mul_scalar(*c).sum();
            let both = of(&a).add(&of(&b)).unwrap().backward().unwrap();
            assert!(clip::norm(&both, p).unwrap().is_nan(), "{grads:?} apart, p = {p}");
        }
    }
}

#[test]
fn norms_of_huge_gradients_do_not_overflow() {
    let x = tensor![0.0, 0.0].tracked().unwrap();
    let mut grads = x.mul(&tensor![3e30, -4e30]).unwrap().sum().backward().unwrap();
    let norm = clip::by_norm(&mut grads, 1.0).unwrap();
    assert!((norm / 5e30 - 1.0).abs() < 1e-6, "{norm}");
    assert!((clip::norm(&grads, 2.0).unwrap() - 1.0).abs() < 1e-6);
    // In both types and at both ends, also of the norm of several tensors together.
    for scale in [1e-200, 1e-30, 1e30, 1e200] {
        for dtype in [DType::F64, DType::F32] {
            if dtype == DType::F32 && !(1e-37..1e37).contains(&scale) {
                continue;
            }
            let [a, b] = [f64s(&[0.0, 0.0]), f64s(&[0.0])].map(|x| x.to_dtype(dtype).tracked().unwrap());
            let of = |x: &Tensor, c: &[f64]| x.mul(&f64s(c).to_dtype(dtype)).unwrap().sum();
            let loss = of(&a, &[2.0 * scale, -3.0 * scale]).add(&of(&b, &[6.0 * scale])).unwrap();
            let mut grads = loss.backward().unwrap();
            for (p, expected) in [
                (2.0, 7.0),
                (3.0, 251f64.cbrt()),
                (0.5, (2f64.sqrt() + 3f64.sqrt() + 6f64.sqrt()).powi(2)),
                (f64::INFINITY, 6.0),
            ] {
                let norm = clip::norm(&grads, p).unwrap();
                assert!(
                    (norm / (expected * scale) - 1.0).abs() < 1e-5,
                    "{p}-norm of {dtype} times {scale:e}: {norm:e}"
                );
            }
            if scale > 1.0 {
                clip::by_norm(&mut grads, 7.0).unwrap();
                let shortened = [grads.wrt(&a).unwrap().to_f64_vec(), grads.wrt(&b).unwrap().to_f64_vec()].concat();
                assert!(shortened.iter().zip([2.0, -3.0, 6.0]).all(|(x, y)| (x - y).abs() < 1e-5), "{shortened:?}");
            }
        }
    }
    // Finite gradients are accepted, whatever their sum.
    let mut p = Param::new(tensor![0.0, 0.0]).unwrap();
    let large = 2f32.powi(127);
    let grads = p.mul(&tensor![large, large]).unwrap().sum().backward().unwrap();
    Sgd::new(2f64.powi(-126)).step(&mut p, &grads).unwrap();
    assert_eq!(p.to_vec::<f32>().unwrap(), [-2.0, -2.0]);
}

#[track_caller]
fn assert_error<T>(result: Result<T>, kind: ErrorKind, text: &str) {
    let e = result.err().expect("an error");
    let line = Location::caller().line();
    assert_eq!(e.to_string(), text.replace("HERE", &format!("{}:{line}", file!())));
    assert_eq!(e.kind(), kind);
}

fn with_gradients(grads: &[f64]) -> (Param, Gradients) {
    let p = param(&vec![1.0; grads.len()]);
    let grads = p.mul(&f64s(grads)).unwrap().sum().backward().unwrap();
    (p, grads)
}

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
  help: the parameters are encoder.weight, encoder.bias, head.weight, head.bias");
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

#[test]
fn gradients_by_name() {
    let mut model = net();
    let grads = cubes(&model);
    let named = grads.named(&model);
    let paths: Vec<_> = named.iter().map(|(path, grad)| (path.to_string(), grad.to_f64_vec())).collect();
    let want = [("encoder.weight", vec![3.0, 12.0]), ("encoder.bias", vec![0.75]), ("head.weight", vec![27.0, 0.1875])];
    assert_eq!(paths[..3], want.map(|(path, values)| (path.to_string(), values)));
    assert_eq!((named.len(), named.get("head.bias").unwrap().item().unwrap()), (4, 3.0));
    assert!(named.get("head").is_none());
    assert_eq!(
        format!("{:?}", grads.named(&model.encoder)),
        r#"{"weight": [2] f64, norm 12.3693, "bias": [1] f64, norm 0.7500}"#
    );

    // The same ones, from another process in any order.
    let mut sent: Vec<_> = named.into_iter().map(|(path, grad)| (path, grad.clone())).collect();
    sent.reverse();
    let received = Gradients::from_named(&model, sent.clone()).unwrap();
    assert_eq!(received.flatten().unwrap().to_f64_vec(), grads.flatten().unwrap().to_f64_vec());
    let mut other = model.clone();
    let received = Gradients::from_named(&other, sent.clone()).unwrap();
    Adam::new(0.1).step(&mut other, &received).unwrap();
    Adam::new(0.1).step(&mut model, &grads).unwrap();
    assert_eq!(values(&model), values(&other));

    let from = |path: &str, grad: Tensor| Gradients::from_named(&other, [(path, grad)]).unwrap_err();
    let e = from("head.wieght", f64s(&[1.0]));
    assert_eq!(
        (e.message(), e.kind()),
        ("from_named: the model has no parameter `head.wieght`".into(), ErrorKind::Parameter)
    );
    assert_eq!(e.help(), Some("its parameters are encoder.bias, encoder.weight, head.bias, head.weight"));
    let e = from("head.bias", f64s(&[1.0, 2.0]));
    assert_eq!(e.message(), "from_named: a f64 gradient of shape [2] for `head.bias`, [1] of f64");
    let e = from("head.bias", tensor![1.0]);
    assert_eq!(e.message(), "from_named: a f32 gradient of shape [1] for `head.bias`, [1] of f64");
    let e = Gradients::from_named(&other, [("head.bias", f64s(&[1.0])), ("head.bias", f64s(&[1.0]))]).unwrap_err();
    assert_eq!(e.message(), "from_named: two gradients for `head.bias`");
    other.freeze("head.bias").unwrap();
    let e = Gradients::from_named(&other, [("head.bias", f64s(&[1.0]))]).unwrap_err();
    assert_eq!(e.message(), "from_named: the parameter `head.bias` is frozen");
    assert_eq!(Gradients::default().named(&other).len(), 0);
}

/// A rule whose state has shapes and types of its own, that looks at all gradients before each step, and remembers something
/// of all parameters together. It fails on demand: at the beginning or at some parameter.
struct Own {
    fail: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

impl UpdateRule for Own {
    fn name(&self) -> &'static str {
        "Own"
    }
    fn init(&self, param: &Param) -> Result<Vec<(&'static str, Tensor)>> {
        // Not in the order of the alphabet, to be told apart by names.
        let mut state = vec![("sum", Tensor::scalar(0.0)), ("count", Tensor::from_nested([0i64])?)];
        if param.numel() > 1 {
            state.push(("all", param.zeros_like().unsqueeze(0)?));
        }
        Ok(state)
    }
    fn shared(&self) -> Result<Vec<(&'static str, Tensor)>> {
        Ok(vec![("norms", Tensor::zeros([2])?)])
    }
    fn begin(&self, step: &StepInfo<'_>, grads: &StepGradients<'_>, shared: &mut [Tensor]) -> Result<()> {
        let mut largest: f64 = 0.0;
        grads.for_each(|_, _, grad| {
            largest = largest.max(grad.abs().max()?.item()?);
            Ok(())
        })?;
        shared[0] =
            shared[0].mul_scalar(0.5).add(&tensor![1.0, step.number as f64].mul_scalar(grads.norm() + largest))?;
        self.countdown("begin")
    }
    fn update(&self, step: &StepInfo<'_>, param: &mut Param, grad: &Tensor, state: &mut [Tensor]) -> Result<()> {
        let scale = step.shared[0].sum().item()?;
        state[0] = state[0].add_scalar(grad.sum().item()?);
        state[1] = state[1].add(&Tensor::from_nested([1i64])?)?;
        let count = state[1].to_vec::<i64>()?[0];
        assert_eq!(count as u64, step.number, "{}", step.path);
        if let Some(all) = state.get_mut(2) {
            *all = all.add(&grad.unsqueeze(0)?)?;
        }
        let by = step.learning_rate * state[0].item()? / (1.0 + scale);
        let new = param.detach().sub(&grad.mul_scalar(by))?;
        param.set(&new)?;
        self.countdown(step.path)
    }
}

impl Own {
    fn stepper() -> (Stepper<Own>, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
        let fail = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(usize::MAX));
        (Stepper::with_rule(Own { fail: fail.clone() }, 0.1).no_decay("*.bias"), fail)
    }

    fn countdown(&self, place: &str) -> Result<()> {
        match self.fail.fetch_sub(1, std::sync::atomic::Ordering::Relaxed) {
            0 => Err(Error::numeric("Own", format!("at {place}"))),
            _ => Ok(()),
        }
    }
}

#[test]
fn rules_choose_their_own_state_and_change_nothing_if_they_fail() {
    use std::sync::atomic::Ordering;
    let (mut opt, _) = Own::stepper();
    let mut model = net();
    let mut trace = Vec::new();
    for _ in 0..4 {
        let grads = cubes(&model);
        opt.step(&mut model, &grads).unwrap();
        trace.push((values(&model), format!("{:?}", opt.state())));
    }
    let state = opt.state();
    assert_eq!((state.steps, state.shared["norms"].shape()), (4, &[2][..]));
    let tensors = &state.parameters["head.weight"].tensors;
    assert_eq!(tensors.keys().collect::<Vec<_>>(), ["all", "count", "sum"]);
    assert_eq!((tensors["all"].shape(), tensors["count"].dtype()), (&[1, 2][..], DType::I64));
    assert_eq!(state.parameters["head.bias"].tensors.len(), 2);

    // Fails once at each place of each step: at the beginning, and at each of four parameters.
    for at in 0..20 {
        let (mut opt, fail) = Own::stepper();
        let mut model = net();
        fail.store(at, Ordering::Relaxed);
        let mut failures = 0;
        for (values_after, state_after) in &trace {
            let grads = cubes(&model);
            let before = (values(&model), format!("{:?}", opt.state()));
            if let Err(e) = opt.step(&mut model, &grads) {
                let place = ["begin", "encoder.weight", "encoder.bias", "head.weight", "head.bias"][at % 5];
                assert_eq!(e.message(), format!("Own: at {place}"));
                assert_eq!((values(&model), format!("{:?}", opt.state())), before, "at {at}");
                fail.store(usize::MAX, Ordering::Relaxed);
                failures += 1;
                opt.step(&mut model, &grads).unwrap();
            }
            assert_eq!((&values(&model), &format!("{:?}", opt.state())), (values_after, state_after), "at {at}");
        }
        assert_eq!(failures, 1);
    }

    // Saved in the middle, also by way of a file, and resumed.
    let folder = tempfile::tempdir().unwrap();
    let (mut opt, _) = Own::stepper();
    let mut model = net();
    for _ in 0..2 {
        let grads = cubes(&model);
        opt.step(&mut model, &grads).unwrap();
    }
    let path = folder.path().join("own.ckpt");
    crate::io::Checkpoint::new().model(&model).optimizer(&opt).save(&path).unwrap();
    let saved = crate::io::Checkpoint::load(&path).unwrap();
    let (mut opt, _) = Own::stepper();
    let mut model = net();
    saved.restore_model(&mut model).unwrap();
    saved.restore_optimizer(&mut opt).unwrap();
    for (values_after, state_after) in &trace[2..] {
        let grads = cubes(&model);
        opt.step(&mut model, &grads).unwrap();
        assert_eq!((&values(&model), &format!("{:?}", opt.state())), (values_after, state_after));
    }

    // States that are not the rule's.
    let refused = |change: &dyn Fn(&mut OptimizerState)| {
        let mut state = state.clone();
        change(&mut state);
        let (mut opt, _) = Own::stepper();
        let mut model = net();
        let grads = cubes(&model);
        let e = opt.load_state(state).and_then(|()| opt.step(&mut model, &grads)).unwrap_err();
        assert_eq!((e.kind(), values(&model)), (ErrorKind::State, values(&net())));
        e.message()
    };
    let misfit = "Own: the optimizer's state does not fit the shape and type of `head.weight`";
    let of = |state: &mut OptimizerState, change: fn(&mut std::collections::BTreeMap<String, Tensor>)| {
        change(&mut state.parameters.get_mut("head.weight").unwrap().tensors);
    };
    assert_eq!(refused(&|state| of(state, |tensors| drop(tensors.remove("all")))), misfit);
    assert_eq!(refused(&|state| of(state, |tensors| drop(tensors.insert("more".into(), tensor![1.0])))), misfit);
    assert_eq!(refused(&|state| of(state, |tensors| drop(tensors.insert("count".into(), tensor![1.0])))), misfit);
    assert_eq!(refused(&|state| of(state, |tensors| drop(tensors.insert("sum".into(), tensor![1.0])))), misfit);
    assert_eq!(
        refused(&|state| state.shared.clear()),
        "Own: the rule shares `norms`, [2] of f32; saved was nothing of that name"
    );
    assert_eq!(
        refused(&|state| drop(state.shared.insert("norms".into(), tensor![1.0]))),
        "Own: the rule shares `norms`, [2] of f32; saved was [1] of f32"
    );
    assert_eq!(
        refused(&|state| drop(state.shared.insert("more".into(), tensor![1.0]))),
        "Own: the state has `more`, which is none of the rule's"
    );
}

#[test]
fn each_name_of_a_state_stands_for_one_tensor() {
    struct Named([&'static str; 2], [&'static str; 2]);
    impl UpdateRule for Named {
        fn name(&self) -> &'static str {
            "Named"
        }
        fn init(&self, param: &Param) -> Result<Vec<(&'static str, Tensor)>> {
            Ok(self.0.map(|name| (name, param.zeros_like())).to_vec())
        }
        fn shared(&self) -> Result<Vec<(&'static str, Tensor)>> {
            Ok(self.1.map(|name| (name, Tensor::scalar(0.0))).to_vec())
        }
        fn update(&self, _: &StepInfo<'_>, _: &mut Param, _: &Tensor, _: &mut [Tensor]) -> Result<()> {
            Ok(())
        }
    }
    let (mut p, grads) = with_gradients(&[1.0]);
    let mut message = |rule| Stepper::with_rule(rule, 0.1).step(&mut p, &grads).unwrap_err().message();
    assert_eq!(message(Named(["a", "a"], ["b", "c"])), "Named: init makes two tensors called `a`");
    assert_eq!(message(Named(["a", "b"], ["c", "c"])), "Named: shared makes two tensors called `c`");
    assert_eq!(
        message(Named(["a", "master"], ["b", "c"])),
        "Named: init makes a tensor called `master`, the name of the F32 values of 16-bit parameters"
    );
    Stepper::with_rule(Named(["a", "b"], ["a", "b"]), 0.1).step(&mut p, &grads).unwrap();
}

#[test]
fn names_of_states_are_those_that_a_rule_promised() {
    struct Fickle;
    impl UpdateRule for Fickle {
        fn name(&self) -> &'static str {
            "Fickle"
        }
        fn state_names(&self) -> Option<&'static [&'static str]> {
            Some(&["a", "b"])
        }
        fn init(&self, param: &Param) -> Result<Vec<(&'static str, Tensor)>> {
            Ok(vec![("b", param.zeros_like()), ("a", param.zeros_like())])
        }
        fn update(&self, _: &StepInfo<'_>, _: &mut Param, _: &Tensor, _: &mut [Tensor]) -> Result<()> {
            Ok(())
        }
    }
    let (mut p, grads) = with_gradients(&[1.0]);
    let e = Stepper::with_rule(Fickle, 0.1).step(&mut p, &grads).unwrap_err();
    assert_eq!(e.message(), r#"Fickle: init makes the tensors ["b", "a"], but state_names says ["a", "b"]"#);
}

/// A parameter of 16 bits goes the way of one of 32, rounded: also after it was saved, and after something else changed it.
#[test]
fn parameters_of_16_bits_have_master_weights() {
    let all: [fn() -> Box<dyn Optimizer>; 3] = [
        || Box::new(Sgd::new(0.01).momentum(0.9).weight_decay(0.1)),
        || Box::new(AdamW::new(0.001).clip_norm(1.0)),
        || Box::new(RmsProp::new(0.001).momentum(0.5).centered(true)),
    ];
    for (new, dtype) in all.iter().flat_map(|new| [(new, DType::BF16), (new, DType::F16)]) {
        let mut wide = Param::new(tensor![1.0, -0.75]).unwrap();
        let mut half = Param::new(tensor![1.0, -0.75]).unwrap();
        let values = half.value().to_dtype(dtype);
        half.put_back(values);
        let (mut opt, mut opt_of_wide) = (new(), new());
        let rounded = |x: &Tensor| x.detach().to_dtype(dtype).to_f64_vec();
        let step = |opt: &mut Box<dyn Optimizer>, p: &mut Param, i: usize| {
            let grad = tensor![0.01 * (i as f64).cos(), 0.02];
            let grads = Gradients::from_named(p, [("", grad)]).unwrap();
            opt.step(p, &grads).unwrap();
        };
        let master = |opt: &dyn Optimizer| opt.state().parameters[""].tensors["master"].clone();
        for i in 0..30 {
            step(&mut opt, &mut half, i);
            step(&mut opt_of_wide, &mut wide, i);
            assert_eq!((half.dtype(), half.to_f64_vec()), (dtype, rounded(&wide)));
            assert_eq!(master(&opt).to_f64_vec(), wide.to_f64_vec());
            if i == 12 {
                let state = opt.state();
                opt = new();
                opt.load_state(state).unwrap();
            }
        }
        // Steps that 16 bits do not see are not lost.
        assert!(half.is_trainable() && rounded(&wide) != wide.to_f64_vec());
        // One of the values is set, the other one keeps its digits.
        let (own, changed) = (wide.to_f64_vec(), Tensor::from_slice(&[2.0f32, 0.0], [2]).unwrap());
        let changed = Tensor::from_nested([true, false]).unwrap().where_(&changed.to_dtype(dtype), &half.detach());
        half.set(&changed.unwrap()).unwrap();
        wide.set(&Tensor::from_slice(&[2.0f32, own[1] as f32], [2]).unwrap()).unwrap();
        step(&mut opt, &mut half, 30);
        step(&mut opt_of_wide, &mut wide, 30);
        assert_eq!(master(&opt).to_f64_vec(), wide.to_f64_vec());
        assert_eq!(half.to_f64_vec(), rounded(&wide));
        // A state without them is none of this parameter.
        let mut state = opt.state();
        state.parameters.get_mut("").unwrap().tensors.remove("master");
        opt.load_state(state).unwrap();
        let grads = Gradients::from_named(&half, [("", tensor![1.0, 1.0])]).unwrap();
        assert_eq!(opt.step(&mut half, &grads).unwrap_err().kind(), ErrorKind::State);
    }
}
