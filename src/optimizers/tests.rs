mod errors;
mod gradients;
mod rules;
mod variants;

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
    assert_eq!(e.to_string(), text.replace("HERE", &format!("{}:{line}", Location::caller().file())));
    assert_eq!(e.kind(), kind);
}

fn with_gradients(grads: &[f64]) -> (Param, Gradients) {
    let p = param(&vec![1.0; grads.len()]);
    let grads = p.mul(&f64s(grads)).unwrap().sum().backward().unwrap();
    (p, grads)
}
