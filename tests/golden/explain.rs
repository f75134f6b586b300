//! Explanations are those of Captum, SHAP and scikit-learn: `tests/golden/make_explain.py` made the numbers.

use std::collections::BTreeMap;

use demotic::explain::*;
use demotic::layers::Activation;
use demotic::prelude::*;
use serde_json::Value;

fn file() -> Value {
    serde_json::from_str(include_str!("explain.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn tensor(value: &Value, shape: &[usize]) -> Tensor {
    Tensor::from_vec(numbers(value), shape).unwrap()
}

#[track_caller]
fn check(what: &str, got: &[f64], want: &Value) {
    let want = numbers(want);
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (got, want)) in got.iter().zip(&want).enumerate() {
        assert!((got - want).abs() <= 1e-5 * want.abs().max(1.0), "{what}, {i}: {got}, expected {want}");
    }
}

fn classes(case: &Value) -> Vec<usize> {
    case["target"].as_array().unwrap().iter().map(|x| x.as_u64().unwrap() as usize).collect()
}

/// Fills a model with weights, whose names there begin with those of the layers in the order given.
fn fill(mut model: Sequential, names: &[(&str, &str)], weights: &Value) -> Sequential {
    model.to_dtype(DType::F64).unwrap();
    let mut given = BTreeMap::new();
    for (name, value) in weights.as_object().unwrap() {
        let (layer, leaf) = name.split_once('.').unwrap();
        let place = names.iter().find(|(theirs, _)| *theirs == layer).unwrap().1;
        given.insert(format!("{place}.{leaf}"), value);
    }
    let mut tensors = BTreeMap::new();
    model.visit(&mut demotic::layers::Visitor::new(&mut |path, slot| {
        let shape = match slot {
            demotic::layers::Slot::Param(param) => param.shape().to_vec(),
            demotic::layers::Slot::Buffer(buffer) if path.ends_with("tracked") => {
                tensors.insert(path.to_string(), buffer.get());
                return;
            }
            demotic::layers::Slot::Buffer(buffer) => buffer.get().shape().to_vec(),
        };
        tensors.insert(path.to_string(), tensor(given[path], &shape));
    }));
    model.load_state_dict(&tensors).unwrap();
    model
}

fn dense(activation: impl Into<Activation> + Copy, weights: &Value) -> Sequential {
    let mut rng = Rng::seed(0);
    let mut linear = |a, b| Linear::new(a, b, &mut rng).unwrap();
    let act = activation.into();
    let model = sequential![linear(4, 6), act, linear(6, 5), act, linear(5, 3)];
    fill(model, &[("fc1", "0"), ("fc2", "2"), ("fc3", "4")], weights)
}

fn picture(weights: &Value) -> Sequential {
    let mut rng = Rng::seed(0);
    let model = sequential![
        Conv2d::new(2, 3, 3, &mut rng).unwrap().padding(1),
        BatchNorm2d::new(3).unwrap(),
        Relu,
        MaxPool2d::new(2),
        Conv2d::new(3, 4, 2, &mut rng).unwrap(),
        Relu,
        AvgPool2d::new(2).stride(1),
        Flatten::new(),
        Linear::new(16, 3, &mut rng).unwrap()
    ];
    fill(model, &[("conv1", "0"), ("norm", "1"), ("conv2", "4"), ("fc", "8")], weights)
}

fn check_gradients(model: &Sequential, case: &Value, shape: &[usize], backgrounds: usize) -> Result<()> {
    let with = |n: usize| [&[n], &shape[1..]].concat();
    let (x, base) = (tensor(&case["x"], shape), tensor(&case["base"], &with(1)));
    let background = tensor(&case["background"], &with(backgrounds));
    let classes = classes(case);
    let of = Explained::layer(model).target(Target::Classes(&classes)).rows_at_once(7);
    check("saliency", &saliency(&of, &x)?.to_f64_vec(), &case["saliency"]);
    check("gradient × input", &gradient_x_input(&of, &x)?.to_f64_vec(), &case["gradient_x_input"]);
    check("guided", &guided_backprop(&of, &x)?.to_f64_vec(), &case["guided"]);
    let rules = [
        ("gausslegendre", PathRule::GaussLegendre),
        ("riemann_left", PathRule::Left),
        ("riemann_right", PathRule::Right),
        ("riemann_middle", PathRule::Middle),
    ];
    for (name, rule) in rules {
        let found = IntegratedGradients::new().steps(20).rule(rule).baseline(&base).attribute(&of, &x)?;
        check(name, &found.values.to_f64_vec(), &case[format!("ig_{name}")]);
        assert!(found.gaps().iter().all(|gap| gap.abs() < 0.5), "{name}: {:?}", found.gaps());
    }
    let found = deep_lift(&of, &x, Some(&base))?;
    check("DeepLIFT", &found.values.to_f64_vec(), &case["deep_lift"]);
    assert!(found.gaps().iter().all(|gap| gap.abs() < 1e-9), "{:?}", found.gaps());
    let found = deep_shap(&of, &x, &background)?;
    check("deep SHAP", &found.values.to_f64_vec(), &case["deep_shap"]);
    assert!(found.gaps().iter().all(|gap| gap.abs() < 1e-9), "{:?}", found.gaps());
    let rules = [
        ("epsilon", RelevanceRule::Epsilon(0.01)),
        ("gamma", RelevanceRule::Gamma(0.25)),
        ("zplus", RelevanceRule::ZPlus),
    ];
    for (name, rule) in rules {
        let found = Relevance::new(rule).attribute(&of, &x)?;
        check(name, &found.values.to_f64_vec(), &case[format!("lrp_{name}")]);
    }
    Ok(())
}

#[test]
fn gradients_of_a_dense_network() -> Result<()> {
    let case = &file()["relu"];
    check_gradients(&dense(Relu, &case["weights"]), case, &[3, 4], 5)?;
    let case = &file()["tanh"];
    let model = dense(Tanh, &case["weights"]);
    let (x, base, classes) = (tensor(&case["x"], &[3, 4]), tensor(&case["base"], &[1, 4]), classes(case));
    let of = Explained::layer(&model).target(Target::Classes(&classes));
    check("DeepLIFT", &deep_lift(&of, &x, Some(&base))?.values.to_f64_vec(), &case["deep_lift"]);
    check("ε", &Relevance::default().attribute(&of, &x)?.values.to_f64_vec(), &case["lrp_epsilon"]);
    Ok(())
}

#[test]
fn gradients_of_a_network_for_pictures() -> Result<()> {
    let case = &file()["picture"];
    let model = picture(&case["weights"]);
    check_gradients(&model, case, &[2, 2, 8, 8], 3)?;
    let (x, classes) = (tensor(&case["x"], &[2, 2, 8, 8]), classes(case));
    let of = Explained::layer(&model).target(Target::Classes(&classes));
    for (path, name) in [("2", "act1"), ("5", "act2")] {
        let cam = GradCam::new(path);
        check(name, &cam.attribute(&of, &x)?.to_f64_vec(), &case[format!("cam_{name}_large")]);
        let coarse = cam.as_the_layer_is();
        check(name, &coarse.attribute(&of, &x)?.to_f64_vec(), &case[format!("cam_{name}")]);
        check(name, &coarse.plus_plus().attribute(&of, &x)?.to_f64_vec(), &case[format!("cam_plus_{name}")]);
    }
    Ok(())
}

/// The mean output of class 1 over a background, and differences from a baseline.
#[test]
fn parts_that_are_taken_away() -> Result<()> {
    let file = file();
    for (name, activation) in [("relu", Activation::from(Relu)), ("tanh", Tanh.into())] {
        let case = &file[name];
        let model = dense(activation, &case["weights"]);
        let (x, base) = (tensor(&case["x"], &[3, 4]), tensor(&case["base"], &[1, 4]));
        let background = tensor(&case["background"], &[5, 4]);
        let of = Explained::layer(&model).target(Target::Class(1)).rows_at_once(9);
        let mut rng = Rng::seed(0);
        let found = KernelShap::new(&background).attribute(&of, &x, &mut rng)?;
        check("kernel SHAP", &found.values.to_f64_vec(), &case["kernel_shap"]);
        assert_eq!(rng, Rng::seed(0), "nothing is drawn where all can be asked");
        let found = exact_shapley(&of, &x, &background, None)?;
        check("Shapley", &found.values.to_f64_vec(), &case["exact_shap"]);
        assert!(found.gaps().iter().all(|gap| gap.abs() < 1e-9));
        let found = exact_shapley(&of, &x, &base, None)?;
        check("Shapley of a baseline", &found.values.to_f64_vec(), &case["shapley_baseline"]);
        let lime = Lime::new().baseline(&base).samples(16).alpha(0.1).attribute(&of, &x, &mut rng)?;
        let (values, mut all) = (lime.values.to_f64_vec(), Vec::new());
        for i in 0..3 {
            all.extend(&values[4 * i..4 * i + 4]);
            all.extend([lime.intercept[i], lime.fit[i]]);
        }
        check("LIME", &all, &case["lime"]);
    }
    let case = &file["picture"];
    let model = picture(&case["weights"]);
    let (x, base) = (tensor(&case["x"], &[2, 2, 8, 8]), tensor(&case["base"], &[1, 2, 8, 8]));
    let classes = classes(case);
    let of = Explained::layer(&model).target(Target::Classes(&classes));
    let found = Occlusion::new(&[2, 3, 2]).stride(&[2, 2, 1]).baseline(&base).attribute(&of, &x)?;
    check("occlusion", &found.to_f64_vec(), &case["occlusion"]);
    Ok(())
}

/// Where there are too many coalitions to ask about all, values come close to the exact ones.
#[test]
fn samples_come_close() -> Result<()> {
    let mut rng = Rng::seed(3);
    let model = sequential![Linear::new(12, 24, &mut rng)?, Tanh, Linear::new(24, 1, &mut rng)?];
    let (x, background) = (Tensor::normal([2, 12], 0.0, 2.0, &mut rng)?, Tensor::normal([4, 12], 0.0, 1.0, &mut rng)?);
    let of = Explained::layer(&model);
    let exact = exact_shapley(&of, &x, &background, None)?.values;
    let reach = exact.abs().max()?.item()?;
    for (samples, most) in [(600, 0.1), (3000, 0.05)] {
        let found = KernelShap::new(&background).samples(samples).attribute(&of, &x, &mut rng)?;
        let off = found.values.sub(&exact)?.abs().max()?.item()?;
        assert!(off < most * reach, "{samples} samples: {off} of {reach}");
        assert!(found.gaps().iter().all(|gap| gap.abs() < 1e-4));
    }
    let found = gradient_shap(&of, &x, &background, 20_000, &mut rng)?;
    assert!(found.gaps().iter().all(|gap| gap.abs() < 0.05 * reach), "{:?}", found.gaps());
    // A linear model has one answer.
    let line = Linear::new(12, 1, &mut rng)?;
    let of = Explained::layer(&line);
    let distance = x.sub(&background.mean_dims(&[0], true)?)?;
    let want = line.weight.value()?.detach().mul(&distance)?;
    let exact = exact_shapley(&of, &x, &background, None)?.values;
    let kernel = KernelShap::new(&background).samples(200).attribute(&of, &x, &mut rng)?.values;
    let deep = deep_shap(&of, &x, &background)?.values;
    for (name, found) in [("exact", exact), ("kernel", kernel), ("deep", deep)] {
        assert!(found.allclose(&want, 1e-4, 1e-5, false)?, "{name}: {found}, expected {want}");
    }
    Ok(())
}

#[test]
fn curves_of_columns() -> Result<()> {
    use demotic::data::{Column, Table};
    let case = &file()["tables"];
    let data = numbers(&case["data"]);
    let table = |data: &[f64]| {
        let column = |i: usize| Column::from(data.iter().skip(i).step_by(3).copied().collect::<Vec<_>>());
        Table::from_columns([("a", column(0)), ("b", column(1)), ("c", column(2))])
    };
    let all = table(&data)?;
    let predict = |table: &Table| {
        let of = |name| table.column(name).unwrap().numbers().unwrap().to_vec();
        let (a, b, c) = (of("a"), of("b"), of("c"));
        Ok((0..a.len()).map(|i| a[i].sin() * b[i] + c[i].powi(2) + 0.5 * a[i]).collect::<Vec<f64>>())
    };
    let found = ice(&all, "a", 7, "y", predict)?;
    check("values", &found.at, &case["grid"]);
    check("curves", &found.curves[..5].concat(), &case["individual"]);
    assert!(found.centred().curves.iter().all(|curve| curve[0] == 0.0));
    let dependence = |table: &Table, points, case: &Value| -> Result<()> {
        let Effect::Numbers(means) = partial_dependence(table, "a", points, "y", predict)?.effect else { panic!() };
        check("values", &means.iter().map(|(x, _)| *x).collect::<Vec<_>>(), &case["grid"]);
        check("means", &means.iter().map(|(_, y)| *y).collect::<Vec<_>>(), &case["average"]);
        Ok(())
    };
    dependence(&all, 7, case)?;
    for case in case["few"].as_array().unwrap() {
        dependence(&table(&numbers(&case["data"]))?, case["points"].as_u64().unwrap() as usize, case)?;
    }
    let found = ale(&all, "a", 8, "y", predict)?;
    check("ends", &found.effect.iter().map(|(x, _)| *x).collect::<Vec<_>>(), &case["ale_at"]);
    check("effects", &found.effect.iter().map(|(_, y)| *y).collect::<Vec<_>>(), &case["ale"]);
    let rows: Vec<u64> =
        case["ale_size"].as_array().unwrap().iter().skip(1).map(|x| x.as_f64().unwrap() as u64).collect();
    assert_eq!(found.rows.iter().map(|n| *n as u64).collect::<Vec<_>>(), rows);
    Ok(())
}

#[test]
fn measures_of_explanations() -> Result<()> {
    let file = file();
    for (name, activation) in [("relu", Activation::from(Relu)), ("tanh", Tanh.into())] {
        let case = &file[name];
        let model = dense(activation, &case["weights"]);
        let (x, noise, classes) = (tensor(&case["x"], &[3, 4]), tensor(&case["noise"], &[6, 3, 4]), classes(case));
        let of = Explained::layer(&model).target(Target::Classes(&classes));
        let values = tensor(&case[if name == "relu" { "saliency" } else { "deep_lift" }], &[3, 4]);
        check("infidelity", &infidelity(&of, &x, &values, &noise)?, &case["infidelity"]);
        let found = sensitivity(&x, &noise, |x| gradient_x_input(&of, x))?;
        check("sensitivity", &found, &case["sensitivity"]);
    }
    Ok(())
}

#[test]
fn examples_and_representations() -> Result<()> {
    let file = file();
    let case = &file["influence"];
    let models: Vec<Sequential> =
        case["checkpoints"].as_array().unwrap().iter().map(|weights| dense(Relu, weights)).collect();
    let labels = |value: &Value| {
        let labels: Vec<i64> = value.as_array().unwrap().iter().map(|x| x.as_i64().unwrap()).collect();
        let n = labels.len();
        Tensor::from_vec(labels, [n]).unwrap()
    };
    let loss = losses::CrossEntropy::new().reduction(Reduction::None);
    let each = |y: &Tensor, target: &Tensor| loss.loss(y, target);
    let rates = numbers(&case["rates"]);
    let checkpoints: Vec<(&dyn Layer, f64)> = models.iter().map(|m| m as &dyn Layer).zip(rates).collect();
    let (x, z) = (tensor(&case["x"], &[6, 4]), tensor(&case["z"], &[2, 4]));
    let found = tracin(&checkpoints, (&x, &labels(&case["y"])), (&z, &labels(&case["w"])), &each)?;
    check("TracIn", &found.to_f64_vec(), &case["scores"]);

    let case = &file["probe"];
    let (x, labels) = (tensor(&case["x"], &[60, 3]), labels(&case["labels"]));
    let probe = LinearProbe::fit(&x, &labels, 0.5)?;
    let found = probe.predict(&x.narrow(0, 0, 6)?)?.softmax(-1)?;
    check("probabilities", &found.to_f64_vec(), &case["probabilities"]);
    assert!((probe.accuracy(&x, &labels)? - case["score"].as_f64().unwrap()).abs() < 1e-12);

    let case = &file["rollout"];
    let all = tensor(&case["layers"], &[3, 2, 4, 4]);
    let layers: Vec<Tensor> = (0..3).map(|i| all.select(0, i).unwrap()).collect();
    for (name, heads) in [("mean", Heads::Mean), ("max", Heads::Max), ("min", Heads::Min)] {
        check(name, &attention_rollout(&layers, heads)?.to_f64_vec(), &case[name]);
    }
    Ok(())
}
