//! Rules of one's own: their state, failures half way, master weights.

use super::*;

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
