//! What Keras has and PyTorch has not: losses, layers, penalties, constraints, schedules, the spread of initial values and of noise.

use crate::golden::{Case, Failures, Family};
use crate::{losses, more_losses};
use demotic::layers::*;
use demotic::losses::Loss;
use demotic::optimizers::schedule::Curve;
use demotic::regularizers::{Constraint, ElasticNet, MaxNorm, NonNegative, Penalty, UnitNorm};
use demotic::{Result, Rng, Tensor};

#[test]
fn losses_layers_penalties_and_constraints() {
    crate::golden::check("keras", &|case, x| compute(case, x));
}

fn compute(case: &Case, x: &mut [Tensor]) -> Result<Vec<Tensor>> {
    if case.op.contains('.') {
        // A schedule or a spread, which the other tests compare.
        return Ok(Vec::new());
    }
    Ok(vec![match (case.op.as_str(), x) {
        ("huber", x) => losses::loss(case, &[])?.loss(&x[0], &x[1])?,
        // Classes in place of one-hot rows.
        ("focal", x) => more_losses::compute(case, &[x[0].clone(), x[1].argmax_dim(1, false)?])?,
        ("time_distributed", [x, weight, bias]) => {
            let (w, b) = (Param::new(weight.clone())?, Param::new(bias.clone())?);
            (*weight, *bias) = (w.value().clone(), b.value().clone());
            match case.id.ends_with("dense") {
                true => {
                    let inner = sequential(Linear { weight: w.into(), bias: Some(b) }, true);
                    TimeDistributed::new(inner).forward(x, &mut Mode::eval())?
                }
                false => {
                    let shape = w.value().shape().to_vec();
                    let mut conv = Conv2d::new(shape[1], shape[0], [shape[2], shape[3]], &mut Rng::seed(0))?;
                    (conv.weight, conv.bias) = (w.into(), Some(b));
                    TimeDistributed::new(sequential(conv, false)).forward(x, &mut Mode::eval())?
                }
            }
        }
        ("separable", [x, depthwise, pointwise, bias]) => {
            let (shape, outputs) = (depthwise.shape().to_vec(), pointwise.shape()[0]);
            let mut layer = DepthwiseSeparable::new(shape[0], outputs, [shape[2], shape[3]], &mut Rng::seed(0))?;
            layer = layer.stride(case.attr::<usize>("stride"));
            if case.attr::<String>("padding") == "same" {
                layer = layer.padding(shape[2] / 2);
            }
            let parameters = [&*depthwise, &*pointwise, &*bias].map(|x| Param::new(x.clone()));
            let [d, p, b] = parameters;
            let (d, p, b) = (d?, p?, b?);
            (*depthwise, *pointwise, *bias) = (d.value().clone(), p.value().clone(), b.value().clone());
            (layer.depthwise.weight, layer.depthwise.bias) = (d.into(), None);
            (layer.pointwise.weight, layer.pointwise.bias) = (p.into(), Some(b));
            layer.forward(x, &mut Mode::eval())?
        }
        ("conv_lstm", [films, weight, bias]) => {
            let hidden = bias.numel() / 4;
            let channels = weight.shape()[1] - hidden;
            let mut cell = ConvLstmCell::new(channels, hidden, weight.shape()[2..].to_vec(), &mut Rng::seed(0))?;
            let (w, b) = (Param::new(weight.clone())?, Param::new(bias.clone())?);
            (*weight, *bias) = (w.value().clone(), b.value().clone());
            (cell.conv.weight, cell.conv.bias) = (w.into(), Some(b));
            cell.run(films, None, &mut Mode::eval())?.0
        }
        ("l1_l2", [w]) => {
            let penalty = ElasticNet::new(case.attr("l1"), case.attr("l2"));
            let param = Param::new(w.clone())?;
            *w = param.value().clone();
            penalty.penalty(&param)?
        }
        ("unit_norm", [w]) => constrained(w, &UnitNorm::new())?,
        ("max_norm", [w]) => constrained(w, &MaxNorm::new(case.attr("most")))?,
        ("non_negative", [w]) => constrained(w, &NonNegative::new())?,
        (_, x) => more_losses::compute(case, x)?,
    }])
}

fn sequential(layer: impl Layer + Clone + 'static, tanh: bool) -> Sequential {
    let layers = Sequential::new().with(layer);
    if tanh { layers.with(Tanh) } else { layers }
}

fn constrained(w: &Tensor, constraint: &dyn Constraint) -> Result<Tensor> {
    let mut param = Param::new(w.clone())?;
    constraint.apply(&mut param)?;
    Ok(param.value().detach())
}

#[test]
fn schedules() -> Result<()> {
    let family = Family::load("keras");
    let mut failures = Failures::default();
    let cases: Vec<&Case> = family.cases.iter().filter(|case| case.op.starts_with("schedule.")).collect();
    assert!(cases.len() > 10);
    for case in &cases {
        let curve = schedule(case);
        for (step, want) in family.stored(&format!("{}.lr", case.id)).to_f64_vec().into_iter().enumerate() {
            let got = curve.at(step as u64)?;
            // Keras computes rates of 0.1 in single precision.
            if (got - want).abs() > 1e-7 {
                failures.add(&case.id, format!("rate at step {step}: got {got:e}, expected {want:e}"));
            }
        }
    }
    failures.finish(cases.len());
    Ok(())
}

/// Keras' `alpha` is a part of the rate, its `end_learning_rate` a rate.
fn schedule(case: &Case) -> Curve {
    let rate = 0.1;
    let steps = || case.attr::<u64>("steps");
    let floor = case.attr_or("floor", 0.0);
    match case.op.trim_start_matches("schedule.") {
        "cosine_restarts" => {
            Curve::cosine_warm_restarts(rate, case.attr::<u64>("first"), case.attr::<u64>("factor")).floor(rate * floor)
        }
        "polynomial" => Curve::polynomial(rate, steps(), case.attr("power")).floor(floor),
        "exponential" if case.attr("stairs") => Curve::steps(rate, steps(), case.attr("factor")),
        "exponential" => Curve::exponential(rate, case.attr("factor")),
        "inverse_time" => {
            let (steps, factor) = (steps() as f64, case.attr::<f64>("factor"));
            Curve::function(rate, move |step| 1.0 / (1.0 + factor * step as f64 / steps))
        }
        "milestones" => Curve::milestones(rate, case.attr::<Vec<u64>>("at"), case.attr("factor")),
        _ => Curve::cosine(rate, steps()).floor(rate * floor).warm_up_from_zero(case.attr::<u64>("warm_up")),
    }
}

/// The mean, the deviation and the largest magnitude of as many numbers.
#[test]
fn spreads_of_initial_values_and_noise() -> Result<()> {
    let family = Family::load("keras");
    let mut failures = Failures::default();
    let cases: Vec<&Case> = family.cases.iter().filter(|case| case.op.starts_with("spread.")).collect();
    assert!(cases.len() > 8);
    for case in &cases {
        let [mean, deviation, largest] = family.stored(&format!("{}.numbers", case.id)).to_f64_vec()[..] else {
            panic!("{}: no three numbers", case.id)
        };
        let drawn = spread(case.op.trim_start_matches("spread."))?;
        let n = drawn.numel() as f64;
        // Five standard errors of the difference of two samples; the largest of so many is within a tenth, at a bound within 1/500.
        let limits = [5.0 * deviation * (2.0 / n).sqrt(), 5.0 * deviation / n.sqrt()];
        let at_bound = case.op.ends_with("uniform") || !case.op.contains("out_normal") && !case.op.contains("noise");
        let far = largest * if at_bound { 2e-3 } else { 0.2 };
        let found = [drawn.mean().item()?, drawn.std(0.0).item()?, drawn.abs().max()?.item()?];
        for ((found, want), limit) in found.into_iter().zip([mean, deviation, largest]).zip([limits[0], limits[1], far])
        {
            if (found - want).abs() > limit {
                failures.add(&case.id, format!("got {found:e}, expected {want:e} ± {limit:e}"));
            }
        }
    }
    failures.finish(cases.len());
    Ok(())
}

/// A weight of 500 units with 300 inputs, or noise.
fn spread(name: &str) -> Result<Tensor> {
    let mut rng = Rng::seed(1);
    let scaling = |scale, fan, distribution| Init::VarianceScaling { scale, fan, distribution };
    let init = match name {
        "lecun_normal" => Init::lecun_normal(),
        "lecun_uniform" => Init::lecun_uniform(),
        // Keras' are truncated.
        "he_normal" => scaling(2.0, Fan::In, Distribution::TruncatedNormal),
        "he_uniform" => Init::kaiming_uniform(),
        "glorot_normal" => scaling(1.0, Fan::Average, Distribution::TruncatedNormal),
        "glorot_uniform" => Init::xavier_uniform(),
        "scaling_out_normal" => scaling(2.0, Fan::Out, Distribution::Normal),
        "scaling_average_uniform" => scaling(0.5, Fan::Average, Distribution::Uniform),
        "scaling_in_truncated" => scaling(1.5, Fan::In, Distribution::TruncatedNormal),
        "gaussian_noise" => {
            return GaussianNoise::new(0.4)?.forward(&Tensor::zeros([300, 500])?, &mut Mode::train(&mut rng));
        }
        _ => panic!("no spread of {name}"),
    };
    init.tensor(&[500, 300], &mut rng)
}
