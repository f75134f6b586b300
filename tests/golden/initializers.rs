//! Initialisers against the statistics of PyTorch's: the numbers themselves cannot agree.

use crate::golden::{Case, Failures, Family};
use demotic::layers::{Distribution, Fan, Gain, Init, Linear};
use demotic::{Result, Rng, Tensor};

#[test]
fn initializers() -> Result<()> {
    let family = Family::load("initializers");
    let mut failures = Failures::default();
    for case in &family.cases {
        let more = |name: &str| case.more[name].as_f64().unwrap();
        if case.op == "gain" {
            let (got, want) = (gain(case, "param").value(), more("gain"));
            if (got - want).abs() > 1e-12 * want {
                failures.add(&case.id, format!("got {got}, expected {want}"));
            }
            continue;
        }
        let sample = sample(case)?.to_f64_vec();
        let n = sample.len() as f64;
        let mean = sample.iter().sum::<f64>() / n;
        let std = (sample.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
        let min = sample.iter().copied().fold(f64::INFINITY, f64::min);
        let max = sample.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        // Two samples of n numbers with standard deviation σ: their means differ by less than 5σ√(2/n), and their
        // standard deviations by less than 5σ√(1/n), in all but one of a million runs. The seeds are fixed.
        let sigma = more("std");
        // An element is known to seven digits.
        let rounding = 1e-6 * more("max").abs().max(more("min").abs());
        let mut bounds = vec![
            ("mean", mean, 5.0 * sigma * (2.0 / n).sqrt() + rounding),
            ("std", std, 5.0 * sigma * (1.0 / n).sqrt() + rounding),
        ];
        // Where the distribution ends at a bound, large samples come close to it: within 1/1000 of its width but for
        // a chance of e⁻¹²⁰.
        if is_bounded(case) && n > 1e5 {
            let width = more("max") - more("min");
            bounds.extend([("min", min, 2e-3 * width + rounding), ("max", max, 2e-3 * width + rounding)]);
        }
        for (name, got, tolerance) in bounds {
            let want = more(name);
            if (got - want).abs() > tolerance {
                failures.add(&case.id, format!("{name}: got {got}, expected {want} ± {tolerance}"));
            }
        }
    }
    failures.finish(family.cases.len());
    Ok(())
}

fn gain(case: &Case, slope: &str) -> Gain {
    match case.attr::<String>("nonlinearity").as_str() {
        "linear" | "sigmoid" => Gain::Linear,
        "tanh" => Gain::Tanh,
        "relu" => Gain::Relu,
        // PyTorch's default slope.
        "leaky_relu" => Gain::LeakyRelu(case.attr::<Option<f64>>(slope).unwrap_or(0.01)),
        "selu" => Gain::Selu,
        other => panic!("{}: no gain for {other}", case.id),
    }
}

fn is_bounded(case: &Case) -> bool {
    case.op.ends_with("uniform") || ["constant", "truncated_normal", "linear_default"].contains(&case.op.as_str())
}

fn sample(case: &Case) -> Result<Tensor> {
    let mut rng = Rng::seed(1);
    let kaiming = || {
        let fan = if case.attr::<String>("mode") == "fan_in" { Fan::In } else { Fan::Out };
        (gain(case, "a").value(), fan)
    };
    let init = match case.op.as_str() {
        "constant" => Init::Constant(case.attr("val")),
        "uniform" => Init::Uniform { low: case.attr("a"), high: case.attr("b") },
        "normal" => Init::Normal { mean: case.attr("mean"), std: case.attr("std") },
        "truncated_normal" => {
            let (mean, std) = (case.attr("mean"), case.attr("std"));
            Init::TruncatedNormal { mean, std, low: case.attr("a"), high: case.attr("b") }
        }
        "xavier_uniform" => Init::XavierUniform { gain: case.attr("gain") },
        "xavier_normal" => Init::XavierNormal { gain: case.attr("gain") },
        "kaiming_uniform" => {
            let (gain, fan) = kaiming();
            Init::KaimingUniform { gain, fan }
        }
        "kaiming_normal" => {
            let (gain, fan) = kaiming();
            Init::KaimingNormal { gain, fan }
        }
        "variance_scaling" => {
            let fan = match case.attr::<String>("fan").as_str() {
                "in" => Fan::In,
                "out" => Fan::Out,
                _ => Fan::Average,
            };
            let distribution = match case.attr::<String>("distribution").as_str() {
                "truncated_normal" => Distribution::TruncatedNormal,
                "normal" => Distribution::Normal,
                _ => Distribution::Uniform,
            };
            Init::VarianceScaling { scale: case.attr("scale"), fan, distribution }
        }
        "lecun_normal" => Init::lecun_normal(),
        "lecun_uniform" => Init::lecun_uniform(),
        "linear_default" => {
            let layer = Linear::new(case.attr("in_features"), case.attr("out_features"), &mut rng)?;
            let parameter = case.attr::<String>("parameter");
            return Ok(if parameter == "weight" {
                layer.weight.value()?.detach()
            } else {
                layer.bias.unwrap().detach()
            });
        }
        op => panic!("{}: no initialiser {op}", case.id),
    };
    let shape: Vec<usize> = serde_json::from_value(case.more["shape"].clone()).unwrap();
    init.tensor(&shape, &mut rng)
}
