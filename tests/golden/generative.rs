//! Models that make new examples, against PyTorch and `diffusers`: results, losses and gradients; and what diffusion adds to examples and
//! takes out of them.

use demotic::layers::*;
use demotic::losses::gradient_penalty;
use demotic::models::{
    Autoencoder, CoderConfig, Dcgan, DcganConfig, Denoiser, DiffusionSampling, DiffusionUnet, DiffusionUnetConfig,
    GaussianDiffusion, NoiseSchedule, Prediction, Vae, VaeConfig,
};
use demotic::{Result, Rng, Tensor};
use serde_json::Value;

use crate::golden::Case;

#[test]
fn generative() {
    crate::golden::check("generative", &|case, inputs| {
        let mut rng = Rng::seed(0);
        match case.op.as_str() {
            "Autoencoder" => {
                let config = coder(case);
                let mut model = Autoencoder::new(config.clone(), &mut rng)?;
                assert_eq!(model.num_parameters(), config.num_parameters());
                let x = filled(&mut model, case, 1, inputs)?;
                let code = model.encode(&x[0], &mut Mode::eval())?;
                let decoded = model.forward(&x[0], &mut Mode::eval())?;
                Ok(vec![code, decoded])
            }
            "Vae" => {
                let coder = coder(case).activation(Tanh);
                let config = match case.attr("std") {
                    Some(std) => VaeConfig::gaussian(coder, std),
                    None => VaeConfig::bernoulli(coder),
                };
                let mut model = Vae::new(config.clone(), &mut rng)?;
                assert_eq!(model.num_parameters(), config.num_parameters());
                let x = filled(&mut model, case, 1, inputs)?;
                let elbo = model.elbo(&x[0], 0.7, &mut Mode::eval())?;
                let decoded = model.forward(&x[0], &mut Mode::eval())?;
                Ok(vec![elbo.loss, elbo.reconstruction, elbo.divergence, decoded])
            }
            "DcganGenerator" => trained_and_used(dcgan(case)?.generator, case, inputs),
            "DcganDiscriminator" => trained_and_used(dcgan(case)?.discriminator, case, inputs),
            "critic" => {
                let mut critic = dcgan(case)?.discriminator;
                let x = filled(&mut critic, case, 3, inputs)?;
                let judge = |x: &Tensor| critic.forward(x, &mut Mode::train(&mut Rng::seed(0)));
                let distance = judge(&x[1])?.mean().sub(&judge(&x[0])?.mean())?;
                Ok(vec![distance.add(&gradient_penalty(&judge, &x[2])?.mul_scalar(10.0))?])
            }
            "DiffusionUnet" => {
                let mut config = DiffusionUnetConfig::new(case.attr("image_channels"));
                config = config.channels(&case.attr::<Vec<usize>>("channels")).layers(case.attr("layers"));
                config = config.attention(&case.attr::<Vec<bool>>("attention")).head_size(case.attr("head"));
                config = config.groups(case.attr("groups"));
                if let Some(classes) = case.attr("known") {
                    config = config.classes(classes);
                }
                let mut model = DiffusionUnet::new(config.clone(), &mut rng)?;
                assert_eq!(model.num_parameters(), config.num_parameters());
                let x = filled(&mut model, case, 3, inputs)?;
                let classes = config.classes.map(|_| &x[2]);
                Ok(vec![model.denoise(&x[0], &x[1], classes, &mut Mode::eval())?])
            }
            "schedule" => {
                let process = process(case)?;
                let (betas, left) = (process.betas(), process.alphas_cumprod());
                let at: Vec<usize> = inputs[1].to_vec::<i64>()?.into_iter().map(|i| i as usize).collect();
                let both = at.iter().map(|i| betas[*i]).chain(at.iter().map(|i| left[*i])).collect();
                Ok(vec![Tensor::from_vec(both, [2, at.len()])?.to_dtype(inputs[0].dtype())])
            }
            "add_noise" => {
                let (process, [x, noise, steps]) = (process(case)?, [&inputs[0], &inputs[1], &inputs[2]]);
                Ok(vec![process.add_noise(x, noise, steps)?, process.target(x, noise, steps)?])
            }
            "step_back" => {
                let mut options = DiffusionSampling::ancestral().eta(case.attr("eta"));
                options = match case.attr("clip") {
                    Some(limit) => options.clip(limit),
                    None => options.unclipped(),
                };
                let steps = [case.attr("step"), case.attr("previous")];
                Ok(vec![process(case)?.step_back(&inputs[0], &inputs[1], steps, &options, Some(&inputs[2]))?])
            }
            other => panic!("no such case: {other}"),
        }
    });
}

fn coder(case: &Case) -> CoderConfig {
    let config = CoderConfig::new(case.attr::<Vec<usize>>("input"), case.attr("latent"));
    config.channels(&case.attr::<Vec<usize>>("channels")).hidden(&case.attr::<Vec<usize>>("hidden"))
}

fn dcgan(case: &Case) -> Result<Dcgan> {
    let mut config = DcganConfig::new(case.attr("channels"), case.attr("size")).width(case.attr("width"));
    config = config.latent(case.attr("latent")).extra_layers(case.attr("extra"));
    if case.op == "critic" {
        config = config.critic();
    }
    let model = Dcgan::new(config.clone(), &mut Rng::seed(0))?;
    assert_eq!(model.num_parameters(), config.num_parameters());
    Ok(model)
}

fn process(case: &Case) -> Result<GaussianDiffusion> {
    let schedule = match case.attr::<Value>("schedule") {
        Value::Array(ends) => {
            NoiseSchedule::Linear { start: ends[0].as_f64().unwrap(), end: ends[1].as_f64().unwrap() }
        }
        _ => NoiseSchedule::cosine(),
    };
    let process = GaussianDiffusion::new(case.attr("steps"), schedule)?;
    let is_velocity = case.attr_or("prediction", String::new()) == "v_prediction";
    Ok(if is_velocity { process.prediction(Prediction::Velocity) } else { process })
}

/// Gives a model the weights behind the first inputs, which become its parameters, and returns the first ones.
fn filled<M: Module>(model: &mut M, case: &Case, count: usize, inputs: &mut [Tensor]) -> Result<Vec<Tensor>> {
    let (x, weights) = inputs.split_at_mut(count);
    let (mut given, mut seen) = (weights.iter(), Vec::new());
    let mut on_slot = |name: &str, slot: SlotMut<'_>| match slot {
        SlotMut::Param(param) => {
            seen.push(name.to_owned());
            *param = Param::new(given.next().unwrap().clone()).unwrap();
        }
        SlotMut::Buffer(buffer) if buffer.get().dtype().is_float() => {
            *buffer = Buffer::new(buffer.get().to_dtype(x[0].dtype()))
        }
        SlotMut::Buffer(_) => {}
    };
    model.visit_mut(&mut VisitorMut::new(&mut on_slot));
    assert_eq!(seen, case.attr::<Vec<String>>("parameters"), "the parameters have other names");
    for (weight, (_, parameter)) in weights.iter_mut().zip(model.named_parameters()) {
        *weight = parameter;
    }
    Ok(x.to_vec())
}

fn trained_and_used<M: Layer>(mut model: M, case: &Case, inputs: &mut [Tensor]) -> Result<Vec<Tensor>> {
    let x = filled(&mut model, case, 1, inputs)?;
    let trained = model.forward(&x[0], &mut Mode::train(&mut Rng::seed(0)))?;
    Ok(vec![trained, model.forward(&x[0], &mut Mode::eval())?])
}
