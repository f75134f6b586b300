//! Accountants and gradients of single examples are Opacus's, the Gaussian mechanism is mpmath's, attacks are scikit-learn's and SciPy's:
//! `tests/golden/make_privacy.py` made the numbers.

use demotic::layers::{AttentionHeads, InstanceNorm1d, SlotMut, VisitorMut};
use demotic::losses::{CrossEntropy, Loss, Reduction};
use demotic::prelude::*;
use demotic::privacy::{
    Accountant, Accounting, Lira, MembershipAudit, estimated_exposure, gaussian_delta, gaussian_epsilon,
    gaussian_noise, noise_for, scaled_confidence,
};
use serde_json::Value;

fn data() -> Value {
    serde_json::from_str(include_str!("../golden/privacy.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn shape(value: &Value) -> Vec<usize> {
    numbers(value).into_iter().map(|x| x as usize).collect()
}

fn matrix(value: &Value) -> Tensor {
    let rows: Vec<Vec<f64>> = value.as_array().unwrap().iter().map(numbers).collect();
    Tensor::from_vec(rows.concat(), [rows.len(), rows[0].len()]).unwrap()
}

#[test]
fn epsilons_of_accountants() -> Result<()> {
    let data = data();
    for case in data["accountants"].as_array().unwrap() {
        let mut spent = Accountant::rdp();
        for step in case["history"].as_array().unwrap() {
            let [noise, rate, steps] = numbers(step)[..] else { panic!("{step}") };
            spent.add(noise, rate, steps as u64)?;
        }
        let (delta, rdp) = (case["delta"].as_f64().unwrap(), case["rdp"].as_f64().unwrap());
        let found = spent.epsilon(delta)?;
        assert!((found - rdp).abs() < 1e-8 * rdp.max(1.0), "{case}: {found}");
        let found = spent.bounds(delta, 0.01)?;
        for (found, want) in found.into_iter().zip(numbers(&case["prv"])) {
            assert!((found - want).abs() < 2e-3, "{case}: {found}");
        }
        assert_eq!(spent.counted_by(Accounting::Prv).epsilon(delta)?, found[2]);
    }
    // A coarse mesh, at the ends of what there is; bounds below 0 say nothing more than 0.
    for case in data["ends"].as_array().unwrap() {
        let mut spent = Accountant::prv();
        for step in case["history"].as_array().unwrap() {
            let [noise, rate, steps] = numbers(step)[..] else { panic!("{step}") };
            spent.add(noise, rate, steps as u64)?;
        }
        let found = spent.bounds(case["delta"].as_f64().unwrap(), 0.1)?;
        for (found, want) in found.into_iter().zip(numbers(&case["prv"])) {
            assert!((found - want.max(0.0)).abs() < 1e-4 * want.max(1.0), "{case}: {found}");
        }
    }
    for case in data["noises"].as_array().unwrap() {
        let of = |key: &str| case[key].as_f64().unwrap();
        let found = noise_for(Accounting::Rdp, of("epsilon"), of("delta"), of("rate"), of("steps") as u64)?;
        assert!((found / of("noise") - 1.0).abs() < 2e-3, "{case}: {found}");
    }
    Ok(())
}

#[test]
fn gaussian_mechanism() -> Result<()> {
    for case in data()["gaussian"].as_array().unwrap() {
        let [noise, epsilon, delta] = numbers(case)[..] else { panic!("{case}") };
        let found = gaussian_delta(noise, epsilon)?;
        assert!((found - delta).abs() <= 1e-9 * delta, "{case}: {found}");
        if epsilon > 0.0 && delta > 1e-12 {
            assert!((gaussian_epsilon(noise, delta)? / epsilon - 1.0).abs() < 1e-6, "{case}");
            assert!((gaussian_noise(epsilon, delta)? / noise - 1.0).abs() < 1e-6, "{case}");
        }
    }
    Ok(())
}

/// A table, then a mean of tanh over the words, then a head.
#[derive(Clone)]
struct Words {
    table: Embedding,
    head: Linear,
}
module!(Words { table, head });

impl Layer for Words {
    fn forward(&self, x: &Tensor, mode: &mut Mode) -> Result<Tensor> {
        self.head.at("head", &self.table.at("table", x, mode)?.tanh().mean_dims(&[1], false)?, mode)
    }
}

/// A sequence through a layer, and the last step of it, or the mean of all, through a head.
#[derive(Clone)]
struct Read<L> {
    rnn: L,
    head: Linear,
    last: bool,
}

impl<L: Layer + Clone> Module for Read<L> {
    fn visit(&self, visitor: &mut demotic::layers::Visitor<'_>) {
        visitor.field("rnn", &self.rnn);
        visitor.field("head", &self.head);
    }
    fn visit_mut(&mut self, visitor: &mut demotic::layers::VisitorMut<'_>) {
        visitor.field("rnn", &mut self.rnn);
        visitor.field("head", &mut self.head);
    }
}

impl<L: Layer + Clone> Layer for Read<L> {
    fn forward(&self, x: &Tensor, mode: &mut Mode) -> Result<Tensor> {
        let y = self.rnn.forward(x, mode)?;
        let y = if self.last { y.select(1, -1)? } else { y.mean_dims(&[1], false)? };
        self.head.forward(&y, mode)
    }
}

fn network(name: &str) -> Result<Box<dyn Layer>> {
    let rng = &mut Rng::seed(0);
    let both = Recurrent::new(3, 2).layers(2).bidirectional();
    Ok(match name {
        "mlp" => Box::new(sequential![Linear::new(5, 7, rng)?, Tanh, Linear::new(7, 3, rng)?]),
        "cnn" => Box::new(sequential![
            Conv2d::new(2, 4, 3, rng)?.padding(1),
            Relu,
            Conv2d::with_options(4, 6, [3, 3], demotic::ConvOptions::new().stride(2).groups(2), rng)?,
            Flatten::new(),
            Linear::new(24, 3, rng)?
        ]),
        "conv1d" => Box::new(sequential![
            Conv1d::new(3, 4, 3, rng)?.dilation(2),
            Tanh,
            Flatten::new(),
            Linear::new(20, 3, rng)?
        ]),
        "group_norm" => Box::new(sequential![
            Conv2d::new(1, 4, 2, rng)?,
            GroupNorm::new(2, 4)?,
            Flatten::new(),
            Linear::new(36, 3, rng)?
        ]),
        "layer_norm" => Box::new(sequential![Linear::new(4, 6, rng)?, LayerNorm::new(6)?, Linear::new(6, 3, rng)?]),
        "instance_norm" => {
            Box::new(sequential![InstanceNorm1d::new(3)?.with_affine()?, Flatten::new(), Linear::new(15, 3, rng)?])
        }
        "embedding" => Box::new(Words { table: Embedding::new(8, 4, rng)?, head: Linear::new(4, 3, rng)? }),
        "lstm" => Box::new(Read { rnn: Lstm::new(3, 4, rng)?, head: Linear::new(4, 3, rng)?, last: true }),
        "gru" => Box::new(Read { rnn: Gru::new(3, 4, rng)?, head: Linear::new(4, 3, rng)?, last: true }),
        "lstm_both_ways" => Box::new(Read { rnn: Lstm::with(both, rng)?, head: Linear::new(4, 3, rng)?, last: false }),
        "attention" => Box::new(Read {
            rnn: SelfAttention::new(6, AttentionHeads::new(2, 3)?, rng)?,
            head: Linear::new(6, 3, rng)?,
            last: false,
        }),
        other => panic!("no network {other}"),
    })
}

#[test]
fn gradients_of_single_examples() -> Result<()> {
    for case in data()["gradients"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        for dtype in [DType::F32, DType::F64] {
            let mut model = network(name)?;
            model.to_dtype(dtype)?;
            let mut given = case["parameters"].as_object().unwrap().clone();
            let mut on_slot = |path: &str, slot: SlotMut<'_>| {
                if let SlotMut::Param(param) = slot {
                    let value = given.remove(path).unwrap_or_else(|| panic!("{name}: {path}"));
                    let value = Tensor::from_vec(numbers(&value["values"]), &shape(&value["shape"])[..]).unwrap();
                    param.set(&value.to_dtype(dtype)).unwrap();
                }
            };
            model.visit_mut(&mut VisitorMut::new(&mut on_slot));
            assert!(given.is_empty(), "{name}: {:?}", given.keys());
            let x = Tensor::from_vec(numbers(&case["x"]), &shape(&case["shape"])[..])?;
            let x = x.to_dtype(if name == "embedding" { DType::I64 } else { dtype });
            let y = Tensor::from_vec(numbers(&case["y"]), [x.shape()[0]])?.to_dtype(DType::I64);
            let logits = model.forward(&x, &mut Mode::train(&mut Rng::seed(1)))?;
            let losses = CrossEntropy::new().reduction(Reduction::None).loss(&logits, &y)?;
            let (grads, norms) = (losses.backward_per_example()?, losses.squared_norms_per_example()?);
            let near = |what: &str, got: &Tensor, want: &Value| {
                for (got, want) in got.to_f64_vec().into_iter().zip(numbers(want)) {
                    assert!(
                        (got - want).abs() <= 1e-5 * want.abs().max(0.1),
                        "{name} {dtype} {what}: {got} for {want}"
                    );
                }
            };
            near("losses", &losses, &case["losses"]);
            for (path, param) in model.named_parameters() {
                let want = &case["parameters"][&path];
                near(&format!("norms of {path}"), &norms.wrt(&param)?.sqrt(), &want["norms"]);
                let grads = grads.wrt(&param)?.flatten(1, -1)?;
                near(&format!("gradients of {path}"), &grads.narrow(1, 0, grads.shape()[1].min(4))?, &want["first"]);
            }
        }
    }
    Ok(())
}

#[test]
fn audits() -> Result<()> {
    let data = &data()["audits"];
    let column = |key: &str| {
        let values = numbers(&data[key]);
        let n = values.len();
        Tensor::from_vec(values, [n])
    };
    let near = |what: &str, got: f64, want: &Value| {
        let want = want.as_f64().unwrap();
        assert!((got - want).abs() < 1e-9 * want.abs().max(1.0), "{what}: {got} for {want}");
    };
    let found = MembershipAudit::of_scores(&column("members")?, &column("others")?)?;
    near("auc", found.auc(), &data["auc"]);
    near("advantage", found.advantage(), &data["advantage"]);
    for (limit, want) in data["tpr"].as_object().unwrap() {
        near(limit, found.tpr(limit.parse().unwrap()), want);
    }
    let inside: Vec<Vec<bool>> = serde_json::from_value(data["inside"].clone()).unwrap();
    let inside = Tensor::from_vec::<bool>(inside.concat(), [inside.len(), inside[0].len()])?;
    let shadows = Lira::new(&matrix(&data["shadows"]), &inside)?;
    let target = column("target")?;
    for (name, scores) in [
        ("online", shadows.online(&target)?),
        ("offline", shadows.offline(&target)?),
        ("online_fixed", shadows.clone().fixed_deviation().online(&target)?),
    ] {
        for (got, want) in scores.to_f64_vec().into_iter().zip(data[name].as_array().unwrap()) {
            near(name, got, want);
        }
    }
    let confidence = scaled_confidence(&matrix(&data["logits"]), &column("y")?.to_dtype(DType::I64))?;
    for (got, want) in confidence.to_f64_vec().into_iter().zip(data["confidence"].as_array().unwrap()) {
        near("confidence", got, want);
    }
    for (canary, want) in numbers(&data["canaries"]).into_iter().zip(numbers(&data["exposure"])) {
        let found = estimated_exposure(canary, &column("reference")?)?;
        assert!((found - want).abs() < 1e-5 * want, "a canary of {canary}: {found} for {want}");
    }
    Ok(())
}
