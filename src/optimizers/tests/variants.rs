//! The rules beside the classical ones: options, states, 16-bit parameters, and what they refuse.

use super::*;

/// Each of them, in its most demanding form.
fn variants() -> Vec<Box<dyn Optimizer>> {
    vec![
        Box::new(Asgd::new(0.01).lambd(0.1).t0(2.0)),
        Box::new(Adadelta::new(0.5).weight_decay(0.1)),
        Box::new(Adamax::new(0.01).weight_decay(0.1)),
        Box::new(NAdam::new(0.01).decoupled_weight_decay(true).weight_decay(0.1)),
        Box::new(RAdam::new(0.01).betas(0.9, 0.9)),
        Box::new(Rprop::new(0.01)),
        Box::new(Lion::new(0.01).weight_decay(0.1)),
        Box::new(Lamb::new(0.01).weight_decay(0.1).no_decay("bias")),
        Box::new(Lars::new(0.1).nesterov(true).weight_decay(0.1)),
        Box::new(Adafactor::new(0.01).momentum(0.9).weight_decay(0.1)),
        Box::new(Adafactor::new(0.01)),
        Box::new(Muon::new(0.01).adamw(0.001).group(Group::new("bias").learning_rate_scale(0.5))),
        Box::new(Muon::new(0.01).adamw(0.001).adamw_for("w*")),
    ]
}

#[derive(Clone)]
struct Plane {
    weight: Param,
    bias: Param,
}

crate::module!(Plane { weight, bias });

fn plane(dtype: DType) -> Plane {
    let of = |x: Tensor| Param::new(x.to_dtype(dtype)).unwrap();
    Plane { weight: of(tensor![[1.0, -0.5, 0.25], [0.75, 2.0, -1.5]]), bias: of(tensor![0.5, -1.0]) }
}

fn step(opt: &mut dyn Optimizer, model: &mut Plane, number: usize, dtype: DType) {
    let angle = |i: usize| 0.1 * ((number * 7 + i) as f64).cos();
    let of = |n: usize, shape: &[usize]| Tensor::from_vec((0..n).map(angle).collect(), shape).unwrap().to_dtype(dtype);
    let grads = Gradients::from_named(&*model, [("weight", of(6, &[2, 3])), ("bias", of(2, &[2]))]).unwrap();
    opt.step(model, &grads).unwrap();
}

#[test]
fn states_are_resumed_bit_for_bit() {
    for dtype in [DType::F32, DType::F64, DType::BF16] {
        let wide = if dtype == DType::BF16 { DType::F32 } else { dtype };
        for (mut opt, mut resumed) in variants().into_iter().zip(variants()) {
            let mut model = plane(dtype);
            (0..7).for_each(|i| step(&mut opt, &mut model, i, wide));
            let mut copy = model.clone();
            let bytes = bincode::serde::encode_to_vec(opt.state(), bincode::config::standard()).unwrap();
            let (state, _) = bincode::serde::decode_from_slice(&bytes, bincode::config::standard()).unwrap();
            resumed.load_state(state).unwrap();
            (7..14).for_each(|i| step(&mut opt, &mut model, i, wide));
            (7..14).for_each(|i| step(&mut resumed, &mut copy, i, wide));
            let name = opt.state().optimizer;
            assert_eq!(values(&model), values(&copy), "{name}");
            assert_eq!(format!("{:?}", opt.state()), format!("{:?}", resumed.state()), "{name}");
            assert!(values(&model).iter().zip(values(&plane(dtype))).any(|(a, b)| *a != b), "{name}");
        }
    }
}

#[test]
fn parameters_of_16_bits_go_the_way_of_those_of_32() {
    for dtype in [DType::BF16, DType::F16] {
        for (mut opt, mut other) in variants().into_iter().zip(variants()) {
            let (mut half, mut wide) = (plane(dtype), plane(DType::F32));
            (0..20).for_each(|i| step(&mut opt, &mut half, i, DType::F32));
            (0..20).for_each(|i| step(&mut other, &mut wide, i, DType::F32));
            let state = opt.state();
            for (path, p) in wide.named_parameters() {
                assert_eq!(
                    state.parameters[&path].tensors["master"].to_f64_vec(),
                    p.to_f64_vec(),
                    "{}",
                    state.optimizer
                );
            }
            let rounded: Vec<f64> =
                wide.named_parameters().iter().flat_map(|(_, p)| p.detach().to_dtype(dtype).to_f64_vec()).collect();
            assert_eq!(values(&half), rounded, "{}", state.optimizer);
        }
    }
}

/// Gradients of second order do not drag their graph into the parameters.
#[test]
fn recorded_gradients_leave_no_graph_behind() {
    for mut opt in variants() {
        let mut model = plane(DType::F64);
        for _ in 0..2 {
            let loss = model.weight.square().sum().add(&model.bias.square().sum()).unwrap();
            let options = crate::autograd::GradOptions::new().create_graph(true);
            let of = crate::autograd::grad(&[&loss], &[model.weight.value(), model.bias.value()], options).unwrap();
            let mut grads = loss.backward_retain().unwrap();
            grads.set(&model.weight, of[0].clone()).unwrap();
            grads.set(&model.bias, of[1].clone()).unwrap();
            opt.step(&mut model, &grads).unwrap();
            let state = opt.state();
            let tracked = state.parameters.values().flat_map(|p| p.tensors.values()).any(Tensor::is_tracked);
            assert!(!tracked, "{}", state.optimizer);
        }
    }
}

#[test]
fn empty_parameters_are_no_obstacle() {
    for mut opt in variants() {
        let empty = |shape: &[usize]| Param::new(Tensor::zeros(shape).unwrap()).unwrap();
        let mut model = Plane { weight: empty(&[0, 3]), bias: empty(&[0]) };
        let loss = model.weight.sum().add(&model.bias.sum()).unwrap();
        let grads = loss.backward().unwrap();
        opt.step(&mut model, &grads).unwrap();
        opt.step(&mut model, &grads).unwrap();
        assert_eq!(values(&model), [0.0; 0]);
    }
}

#[test]
fn memory_is_what_the_page_says() {
    let numbers = |mut opt: Box<dyn Optimizer>| {
        let mut model = plane(DType::F32);
        step(&mut opt, &mut model, 0, DType::F32);
        opt.state().parameters["weight"].tensors.values().map(Tensor::numel).sum::<usize>()
    };
    assert_eq!(numbers(Box::new(Adafactor::new(0.01))), 2 + 3);
    assert_eq!(numbers(Box::new(Lion::new(0.01))), 6);
    assert_eq!(numbers(Box::new(Muon::new(0.01).adamw(0.001))), 6);
}

/// Singular values near 1, whatever those of the gradient are.
#[test]
fn steps_of_muon_are_nearly_orthogonal() {
    for shape in [[2usize, 5], [5, 2], [4, 4]] {
        let mut rng = Rng::seed(3);
        let zeros = Tensor::zeros(shape).unwrap().to_dtype(DType::F64);
        let mut p = Param::new(zeros).unwrap();
        let grad = Tensor::normal(shape, 0.0, 1.0, &mut rng).unwrap().to_dtype(DType::F64);
        let grads = Gradients::from_named(&p, [("", grad)]).unwrap();
        Muon::new(1.0).ns_steps(30).ns_coefficients([1.875, -1.25, 0.375]).step(&mut p, &grads).unwrap();
        let scale = (shape[0] as f64 / shape[1] as f64).max(1.0);
        let gram = if shape[0] <= shape[1] { p.matmul(&p.t()) } else { p.t().matmul(&p) };
        let gram = gram.unwrap().mul_scalar(scale.recip());
        let eye = Tensor::eye(shape[0].min(shape[1])).unwrap().to_dtype(DType::F64);
        assert!(gram.sub(&eye).unwrap().abs().max().unwrap().item().unwrap() < 1e-6, "{shape:?}: {gram}");
    }
}

#[test]
fn muon_refuses_what_is_no_matrix() {
    let mut model = plane(DType::F32);
    let loss = model.weight.sum().add(&model.bias.sum()).unwrap();
    let grads = loss.backward().unwrap();
    let mut opt = Muon::new(0.02);
    #[rustfmt::skip]
    assert_error(opt.step(&mut model, &grads), ErrorKind::Parameter, "\
Muon: `bias` has shape [2], and is no matrix
  at HERE
  help: adamw(1e-3) trains by AdamW, with that rate, what is no matrix");
    assert_eq!(values(&model), values(&plane(DType::F32)));
    // The state of one kind is none of the other.
    let mut opt = Muon::new(0.02).adamw(1e-3);
    opt.step(&mut model, &grads).unwrap();
    let mut other = Muon::new(0.02).adamw(1e-3).adamw_for("weight");
    let e = other.load_state(opt.state()).and_then(|()| other.step(&mut model, &grads)).unwrap_err();
    assert_eq!(e.message(), "Muon: the optimizer's state does not fit the shape and type of `weight`");
}

#[test]
fn impossible_options_of_variants() {
    let (mut p, grads) = with_gradients(&[1.0]);
    let mut check = |mut opt: Box<dyn Optimizer>, message: &str| {
        let e = opt.step(&mut p, &grads).unwrap_err();
        assert_eq!((e.message().as_str(), e.kind()), (message, ErrorKind::Argument));
        assert_eq!(p.item().unwrap(), 1.0);
    };
    let finite = "expected a finite number that is not negative";
    let below_one = "expected at least 0 and less than 1";
    let above = "expected a finite number above 0";
    check(Box::new(Asgd::new(0.1).lambd(-1.0)), &format!("Asgd: lambd is -1, {finite}"));
    check(Box::new(Asgd::new(0.1).alpha(f64::NAN)), &format!("Asgd: alpha is NaN, {finite}"));
    check(Box::new(Asgd::new(0.1).t0(f64::INFINITY)), &format!("Asgd: t0 is inf, {finite}"));
    check(Box::new(Adadelta::new(0.1).rho(1.5)), "Adadelta: rho is 1.5, expected at least 0 and at most 1");
    check(Box::new(Adadelta::new(0.1).eps(0.0)), &format!("Adadelta: eps is 0, {above}"));
    check(Box::new(Adamax::new(0.1).betas(1.0, 0.9)), &format!("Adamax: beta1 is 1, {below_one}"));
    check(Box::new(Adamax::new(0.1).betas(0.9, 1.0)), &format!("Adamax: beta2 is 1, {below_one}"));
    check(Box::new(Adamax::new(0.1).eps(-1.0)), &format!("Adamax: eps is -1, {above}"));
    check(Box::new(NAdam::new(0.1).betas(1.0, 0.9)), &format!("NAdam: beta1 is 1, {below_one}"));
    check(Box::new(NAdam::new(0.1).betas(0.9, 1.0)), &format!("NAdam: beta2 is 1, {below_one}"));
    check(Box::new(NAdam::new(0.1).eps(0.0)), &format!("NAdam: eps is 0, {above}"));
    check(Box::new(NAdam::new(0.1).momentum_decay(-1.0)), &format!("NAdam: momentum_decay is -1, {finite}"));
    check(Box::new(RAdam::new(0.1).betas(-0.1, 0.9)), &format!("RAdam: beta1 is -0.1, {below_one}"));
    check(Box::new(RAdam::new(0.1).betas(0.9, f64::NAN)), &format!("RAdam: beta2 is NaN, {below_one}"));
    check(Box::new(RAdam::new(0.1).eps(0.0)), &format!("RAdam: eps is 0, {above}"));
    check(Box::new(Lion::new(0.1).betas(1.0, 0.9)), &format!("Lion: beta1 is 1, {below_one}"));
    check(Box::new(Lion::new(0.1).betas(0.9, 2.0)), &format!("Lion: beta2 is 2, {below_one}"));
    check(Box::new(Rprop::new(0.1).etas(1.0, 1.2)), "Rprop: eta_minus is 1, expected above 0 and less than 1");
    check(Box::new(Rprop::new(0.1).etas(0.5, 1.0)), "Rprop: eta_plus is 1, expected a finite number above 1");
    check(Box::new(Rprop::new(0.1).step_sizes(0.0, 1.0)), &format!("Rprop: the shortest step is 0, {above}"));
    check(Box::new(Rprop::new(0.1).step_sizes(2.0, 1.0)), "Rprop: the shortest step 2 is above the longest one 1");
    check(Box::new(Lamb::new(0.1).betas(1.0, 0.9)), &format!("Lamb: beta1 is 1, {below_one}"));
    check(Box::new(Lamb::new(0.1).eps(0.0)), &format!("Lamb: eps is 0, {above}"));
    check(Box::new(Lars::new(0.1).momentum(1.0)), &format!("Lars: momentum is 1, {below_one}"));
    check(Box::new(Lars::new(0.1).trust_coefficient(0.0)), &format!("Lars: trust_coefficient is 0, {above}"));
    check(Box::new(Lars::new(0.1).eps(-1.0)), &format!("Lars: eps is -1, {finite}"));
    check(Box::new(Lars::new(0.1).momentum(0.0).nesterov(true)), "Lars: nesterov without momentum");
    check(
        Box::new(Adafactor::new(0.1).beta2_decay(0.5)),
        "Adafactor: beta2_decay is 0.5, expected a finite number that is not above 0",
    );
    check(Box::new(Adafactor::new(0.1).eps(0.0, 1.0)), &format!("Adafactor: the eps of squares is 0, {above}"));
    check(Box::new(Adafactor::new(0.1).eps(1.0, -1.0)), &format!("Adafactor: the eps of sizes is -1, {finite}"));
    check(Box::new(Adafactor::new(0.1).clip_threshold(0.0)), &format!("Adafactor: clip_threshold is 0, {above}"));
    check(Box::new(Adafactor::new(0.1).momentum(1.0)), &format!("Adafactor: momentum is 1, {below_one}"));
    check(Box::new(Muon::new(0.1).momentum(1.0)), &format!("Muon: momentum is 1, {below_one}"));
    check(Box::new(Muon::new(0.1).eps(0.0)), &format!("Muon: eps is 0, {above}"));
    check(Box::new(Muon::new(0.1).ns_steps(100)), "Muon: ns_steps is 100, expected less than 100");
    check(
        Box::new(Muon::new(0.1).ns_coefficients([1.0, f64::NAN, 1.0])),
        "Muon: a coefficient is NaN, expected finite numbers",
    );
    check(Box::new(Muon::new(0.1).adamw_for("head.*")), "Muon: adamw_for(\"head.*\") without adamw");
    check(
        Box::new(Muon::new(0.0).adamw(0.1)),
        &format!("Muon: the learning rate of AdamW, as a multiple of the other one, is inf, {finite}"),
    );
    check(
        Box::new(Muon::new(0.1).adamw(0.1).adamw_betas(1.0, 0.9)),
        &format!("Muon: beta1 of AdamW is 1, {below_one}"),
    );
    let group = |name: &str| format!("{name}: the group `*` has betas, which this optimizer does not");
    check(Box::new(Adadelta::new(0.1).group(Group::new("*").betas(0.9, 0.9))), &group("Adadelta"));
    check(Box::new(Adafactor::new(0.1).group(Group::new("*").betas(0.9, 0.9))), &group("Adafactor"));
}
