//! Further activations and small layers against PyTorch: outputs, and the gradients of inputs and parameters.

use std::collections::BTreeSet;

use crate::golden::{Case, Family};
use demotic::layers::*;
use demotic::regularizers::{ActivityPenalty, Constraint, Orthogonality, UnitNorm};
use demotic::{DType, Result, Rng, Tensor, sequential};

#[test]
fn more_layers() {
    crate::golden::check("more_layers", &|case, x| match case.op.as_str() {
        "conv_lstm" => conv_lstm(x),
        _ => Ok(vec![compute(case, x)?]),
    });
}

fn compute(case: &Case, x: &mut [Tensor]) -> Result<Tensor> {
    let by_layer = |layer: &dyn Layer| layer.predict(&x[0]);
    // Each activation is computed by the operation; the layer must give the same.
    let both = |y: Tensor, layer: &dyn Layer| -> Result<Tensor> {
        let again = by_layer(layer)?;
        let same = y.to_f64_vec().iter().zip(again.to_f64_vec()).all(|(a, b)| *a == b || a.is_nan() && b.is_nan());
        assert!(same && y.shape() == again.shape(), "{}: the layer gives {again}, not {y}", case.id);
        Ok(y)
    };
    let first = x[0].clone();
    let dim = || case.attr("dim");
    match case.op.as_str() {
        "threshold" => {
            let (threshold, value) = (case.attr("threshold"), case.attr("value"));
            both(first.threshold(threshold, value)?, &Threshold { threshold, value })
        }
        "hardshrink" => {
            let lambda = case.attr("lambd");
            both(first.hardshrink(lambda)?, &Hardshrink { lambda })
        }
        "softshrink" => {
            let lambda = case.attr("lambd");
            both(first.softshrink(lambda)?, &Softshrink { lambda })
        }
        "tanhshrink" => both(first.tanhshrink(), &Tanhshrink),
        "celu" => {
            let alpha = case.attr("alpha");
            both(first.celu(alpha)?, &Celu { alpha })
        }
        "softmin" => both(first.softmin(dim())?, &Softmin { dim: dim() }),
        "swiglu" => both(first.swiglu(dim())?, &Swiglu { dim: dim() }),
        "geglu" => both(first.geglu(dim())?, &Geglu { dim: dim() }),
        "reglu" => both(first.reglu(dim())?, &Reglu { dim: dim() }),
        "maxout" => {
            let pieces = case.attr("pieces");
            both(first.maxout(pieces, dim())?, &Maxout { pieces, dim: dim() })
        }
        "rrelu" => Rrelu::new(case.attr("lower"), case.attr("upper"))?.forward(&first, &mut Mode::eval()),
        "prelu" => {
            let layer = Prelu { weight: Param::new(x[1].clone())? };
            x[1] = layer.weight.value().clone();
            layer.forward(&first, &mut Mode::eval())
        }
        "bilinear" => {
            let bias = x.get(3).map(|bias| Param::new(bias.clone())).transpose()?;
            let layer = Bilinear { weight: Param::new(x[2].clone())?, bias };
            x[2] = layer.weight.value().clone();
            if let Some(bias) = &layer.bias {
                x[3] = bias.value().clone();
            }
            layer.apply(&first, &x[1])
        }
        "embedding_bag" => bag(case, x),
        _ => of_layers(case, x),
    }
}

pub(crate) fn bag(case: &Case, x: &mut [Tensor]) -> Result<Tensor> {
    let mode = match case.attr::<String>("mode").as_str() {
        "sum" => BagMode::Sum,
        "mean" => BagMode::Mean,
        _ => BagMode::Max,
    };
    // The vector of the padding is not cleared, as it is by the layer's constructors: PyTorch's function leaves it out.
    let mut layer = EmbeddingBag::from_pretrained(&x[1], false)?.mode(mode);
    if let Some(index) = case.attr::<Option<usize>>("padding") {
        layer = layer.padding_idx(index)?;
    }
    x[1] = layer.weight.value()?;
    let weights = x.get(2);
    match case.attr::<Option<Vec<usize>>>("offsets") {
        None => layer.bags(&x[0], weights),
        Some(mut offsets) => {
            if case.attr_or("last", false) {
                offsets.pop();
            }
            layer.bags_at(&x[0], &offsets, weights)
        }
    }
}

fn conv_lstm(x: &mut [Tensor]) -> Result<Vec<Tensor>> {
    let [films, weight, bias, state @ ..] = x else { panic!("no inputs") };
    let hidden = bias.numel() / 4;
    let channels = weight.shape()[1] - hidden;
    let mut cell = ConvLstmCell::new(channels, hidden, weight.shape()[2..].to_vec(), &mut Rng::seed(0))?;
    cell.conv.weight = Weight::new(weight.clone())?;
    cell.conv.bias = Some(Param::new(bias.clone())?);
    put(weight, bias, &cell);
    let state = match state {
        [h, c] => Some(RecurrentState { hidden: h.clone(), cell: Some(c.clone()) }),
        _ => None,
    };
    let (seen, last) = cell.run(films, state.as_ref(), &mut Mode::eval())?;
    Ok(vec![seen, last.cell.unwrap()])
}

fn linear(weight: &Tensor, bias: &Tensor) -> Result<Linear> {
    Ok(Linear { weight: Param::new(weight.clone())?.into(), bias: Some(Param::new(bias.clone())?) })
}

/// Leaves the parameters of `layer`, which has those of one dense layer, in the place of the inputs that they were copied from.
fn put(weight: &mut Tensor, bias: &mut Tensor, layer: &dyn Layer) {
    for (place, (_, parameter)) in [weight, bias].into_iter().zip(layer.named_parameters()) {
        *place = parameter;
    }
}

fn of_layers(case: &Case, x: &mut [Tensor]) -> Result<Tensor> {
    let [first, others @ ..] = x else { panic!("{}: no inputs", case.id) };
    match (case.op.as_str(), others) {
        ("parallel", [w1, b1, w2, b2]) => {
            let join = match case.attr::<String>("join").as_str() {
                "concat" => Join::Concat(-1),
                "sum" => Join::Sum,
                "mean" => Join::Mean,
                "product" => Join::Product,
                _ => Join::Max,
            };
            let layer = Parallel::new(join).with(sequential![linear(w1, b1)?, Tanh]).with(linear(w2, b2)?);
            let named = layer.named_parameters();
            let names: Vec<_> = named.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["0.0.weight", "0.0.bias", "1.weight", "1.bias"]);
            for (place, (_, parameter)) in [w1, b1, w2, b2].into_iter().zip(named) {
                *place = parameter;
            }
            layer.forward(first, &mut Mode::eval())
        }
        ("time_distributed", [w, b]) => {
            let layer = TimeDistributed::new(sequential![Flatten::new(), linear(w, b)?]);
            put(w, b, &layer);
            layer.forward(first, &mut Mode::eval())
        }
        ("drop_connect", [w, b]) => {
            let layer = DropConnect::new(linear(w, b)?, case.attr("p"))?;
            put(w, b, &layer);
            let mut rng = Rng::seed(0);
            let mut mode = if case.attr("train") { Mode::train(&mut rng) } else { Mode::eval() };
            layer.forward(first, &mut mode)
        }
        ("activity", [w, b]) => {
            let layer = sequential![linear(w, b)?, Relu];
            put(w, b, &layer);
            let mut penalty = ActivityPenalty::new(case.attr("l1"), case.attr("l2")).on("1");
            layer.forward(first, &mut Mode::eval().with_hooks(&mut penalty))?;
            penalty.take()
        }
        ("orthogonality", []) => Orthogonality::new(case.attr("strength")).of(first),
        ("unit_norm", []) => {
            let mut param = Param::new(first.clone())?;
            UnitNorm::new().dim(case.attr("dim")).apply(&mut param)?;
            Ok(param.detach())
        }
        ("dirac" | "identity", []) => {
            let shape: Vec<usize> = first.to_vec::<i64>()?.into_iter().map(|n| n as usize).collect();
            let groups = case.attr_or("groups", 1);
            let init = if case.op == "dirac" { Init::Dirac { groups } } else { Init::Identity { gain: 1.0 } };
            Ok(init.tensor(&shape, &mut Rng::seed(0))?.to_dtype(DType::I64))
        }
        (op, _) => panic!("{}: no op {op}", case.id),
    }
}

/// Every activation is compared with a reference, as a function or as a layer.
#[test]
fn every_activation_has_golden_values() {
    let cases = ["activations", "layers", "more_layers"].map(|family| Family::load(family).cases);
    let compared: BTreeSet<String> =
        cases.iter().flatten().map(|case| case.op.replace('_', "").to_lowercase()).collect();
    // The list of their names is what a file with another one is refused with.
    let refused = serde_json::from_str::<Activation>("\"nothing\"").unwrap_err().to_string();
    let names: Vec<&str> = refused.split('`').skip(3).step_by(2).collect();
    assert!(names.len() > 28 && names.contains(&"relu") && names.contains(&"maxout"), "only {names:?} found");
    for name in names.into_iter().chain(["prelu", "rrelu"]) {
        assert!(compared.contains(&name.replace('_', "")), "the activation `{name}` is compared with nothing");
    }
}
