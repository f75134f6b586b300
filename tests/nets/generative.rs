//! Models that make new examples: noise from seeds, what they say of mistakes, files, and training.

use demotic::data::TensorDataset;
use demotic::layers::{SlotMut, VisitorMut};
use demotic::models::*;
use demotic::optimizers::{Averaged, Shared};
use demotic::prelude::*;
use demotic::train::{Adversarial, Objective};

fn ints(numbers: &[i64]) -> Tensor {
    Tensor::from_vec(numbers.to_vec(), [numbers.len()]).unwrap()
}

fn said<T: std::fmt::Debug>(result: Result<T>) -> String {
    let e = result.unwrap_err();
    format!("{} | {}", e.message(), e.help().unwrap_or("-"))
}

fn tiny_unet() -> DiffusionUnetConfig {
    DiffusionUnetConfig::new(1).channels(&[4, 8]).layers(1).groups(2).head_size(4).classes(3)
}

/// A network whose last convolutions are no zeros, so that its inputs matter.
fn waking<M: Module>(mut model: M, rng: &mut Rng) -> Result<M> {
    let mut on_slot = |_: &str, slot: SlotMut<'_>| {
        if let SlotMut::Param(param) = slot {
            let noise = Tensor::normal(param.shape(), 0.0, 0.2, rng).unwrap();
            param.set(&param.value().detach().add(&noise).unwrap()).unwrap();
        }
    };
    model.visit_mut(&mut VisitorMut::new(&mut on_slot));
    Ok(model)
}

#[test]
fn codes_are_drawn_with_the_noise_of_the_mode() -> Result<()> {
    let mut rng = Rng::seed(3);
    let vae = Vae::new(VaeConfig::bernoulli(CoderConfig::new(6, 2).hidden(&[4])), &mut rng)?;
    let x = Tensor::uniform([5, 6], 0.0, 1.0, &mut rng)?;
    let (mean, log_var) = vae.encode(&x, &mut Mode::eval())?;
    assert_eq!(vae.reparameterize(&mean, &log_var, &mut Mode::eval())?.to_f64_vec(), mean.to_f64_vec());
    let z = vae.reparameterize(&mean, &log_var, &mut Mode::train(&mut Rng::seed(7)))?;
    let noise = Tensor::normal([5, 2], 0.0, 1.0, &mut Rng::seed(7))?;
    assert_eq!(z.to_f64_vec(), (&mean + ((&log_var * 0.5).exp() * noise)?)?.to_f64_vec());
    // The same seed, the same bits, in training as well.
    let loss = |seed| vae.elbo(&x, 1.0, &mut Mode::train(&mut Rng::seed(seed)))?.loss.item();
    assert_eq!(loss(1)?, loss(1)?);
    assert_ne!(loss(1)?, loss(2)?);
    // In closed form.
    let elbo = vae.elbo(&x, 3.0, &mut Mode::eval())?;
    let (mean, log_var) = (mean.to_f64_vec(), log_var.to_f64_vec());
    let of_one = |(m, l): (&f64, &f64)| 0.5 * (m * m + l.exp() - l - 1.0);
    let divergence = mean.iter().zip(&log_var).map(of_one).sum::<f64>() / 5.0;
    assert!((elbo.divergence.item()? - divergence).abs() < 1e-6);
    assert!((elbo.loss.item()? - elbo.reconstruction.item()? - 3.0 * divergence).abs() < 1e-5);
    Ok(())
}

#[test]
fn coders_say_what_does_not_fit() {
    let mut rng = Rng::seed(0);
    let mut autoencoder = |config| said(Autoencoder::new(config, &mut rng));
    assert_eq!(
        autoencoder(CoderConfig::new(4, 0).hidden(&[3])),
        "Autoencoder::new: examples of shape [4] by convolutions with [] channels and dense layers of [3] to 0 numbers | sizes are at \
         least 1, and examples have a shape"
    );
    assert_eq!(
        autoencoder(CoderConfig::new([2, 8], 1).channels(&[3])),
        "Autoencoder::new: convolutions for examples of shape [2, 8] | expected [channels, height, width]; without channels, all layers \
         are dense"
    );
    assert_eq!(
        autoencoder(CoderConfig::new(8, 1).activation(Glu::default())),
        "Autoencoder::new: the activation Glu gives half of the features it takes | the next layer expects as many features as the one \
         before it gives"
    );
    for size in [usize::MAX, usize::MAX / 2, 1 << 50] {
        for config in [
            CoderConfig::new(size, 2),
            CoderConfig::new(2, size),
            CoderConfig::new(2, 2).hidden(&[size, size]),
            CoderConfig::new([size, 8, 8], 2).channels(&[4]),
            CoderConfig::new([1, size, size], 2).channels(&[4]),
            CoderConfig::new([1, 8, 8], 2).channels(&[size]),
        ] {
            let message = autoencoder(config);
            assert_eq!(message, "Autoencoder::new: a model of these sizes does not fit into memory | -");
        }
    }
    let rng = &mut Rng::seed(0);
    let std = |std| said(Vae::new(VaeConfig::gaussian(CoderConfig::new(4, 1), std), rng).map(drop));
    assert_eq!(
        [0.0, -1.0, f64::NAN].map(std)[1],
        "Vae::new: the standard deviation is -1, expected a positive number | -"
    );
    let vae = Vae::new(VaeConfig::bernoulli(CoderConfig::new([1, 6, 5], 2).channels(&[3])), &mut Rng::seed(0)).unwrap();
    let e = vae.elbo(&Tensor::zeros([2, 1, 5, 6]).unwrap(), 1.0, &mut Mode::eval()).unwrap_err();
    assert_eq!(e.message(), "CodeEncoder: the input has shape [2, 1, 5, 6], expected [batch, ..] with [1, 6, 5]");
    assert_eq!(e.layer(), Some("encoder"));
    let x = Tensor::zeros([2, 1, 6, 5]).unwrap();
    assert_eq!(said(vae.elbo(&x, -1.0, &mut Mode::eval())), "elbo: beta is -1, expected a number from 0 on | -");
    let e = vae.decode(&Tensor::zeros([2, 3]).unwrap(), &mut Mode::eval()).unwrap_err();
    assert_eq!(e.layer(), Some("decoder.hidden.0"));
    assert!(vae.elbo(&Tensor::zeros([0, 1, 6, 5]).unwrap(), 1.0, &mut Mode::eval()).is_err());
    assert!(vae.decode(&Tensor::zeros([2usize; 0]).unwrap(), &mut Mode::eval()).is_err());
    assert!(vae.sample(usize::MAX, &mut Rng::seed(0)).is_err());
    assert_eq!(vae.sample(0, &mut Rng::seed(0)).unwrap().shape(), [0, 1, 6, 5]);
}

#[test]
fn dcgan_says_what_does_not_fit() {
    let mut rng = Rng::seed(0);
    let mut dcgan = |config| said(Dcgan::new(config, &mut rng));
    assert_eq!(
        dcgan(DcganConfig::new(1, 8).latent(0)),
        "Dcgan::new: 0 numbers become 1 channels by a width of 64 | at least 1 of each"
    );
    for size in [0, 4, 7, 12, 28] {
        let message = format!(
            "Dcgan::new: pictures of {size} by {size} | expected 8, 16, 32, 64 or another power of two: each convolution halves them, \
             down to 4 by 4"
        );
        assert_eq!(dcgan(DcganConfig::new(1, size)), message);
    }
    for config in [
        DcganConfig::new(usize::MAX, 8),
        DcganConfig::new(1, 1 << 63),
        DcganConfig::new(1, 8).latent(usize::MAX),
        DcganConfig::new(1, 8).width(usize::MAX),
        DcganConfig::new(1, 8).width(1 << 30),
        DcganConfig::new(1, 8).extra_layers(usize::MAX),
    ] {
        assert_eq!(dcgan(config), "Dcgan::new: a model of these sizes does not fit into memory | -");
    }
    let model = Dcgan::new(DcganConfig::new(1, 8).latent(3).width(4), &mut Rng::seed(0)).unwrap();
    let e = model.generate(&Tensor::zeros([2, 4]).unwrap(), &mut Mode::eval()).unwrap_err();
    assert_eq!(e.message(), "DcganGenerator: the noise has shape [2, 4], expected [batch, 3]");
    assert_eq!(e.layer(), Some("generator"));
    let e = model.judge(&Tensor::zeros([2, 1, 16, 16]).unwrap(), &mut Mode::eval()).unwrap_err();
    let message = "DcganDiscriminator: the pictures have shape [2, 1, 16, 16], expected [batch, 1, 8, 8]";
    assert_eq!((e.message().as_str(), e.layer()), (message, Some("discriminator")));
}

/// The weights are those of the paper.
#[test]
fn dcgan_begins_with_small_weights() -> Result<()> {
    let model = Dcgan::new(DcganConfig::new(3, 32).latent(40).width(32), &mut Rng::seed(1))?;
    for (name, weight) in model.named_parameters() {
        let numbers = weight.to_f64_vec();
        let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
        if weight.rank() == 4 {
            let deviation = (numbers.iter().map(|x| x * x).sum::<f64>() / numbers.len() as f64).sqrt();
            assert!(mean.abs() < 0.004 && (deviation - 0.02).abs() < 0.002, "{name}: {mean} {deviation}");
        } else if name.ends_with("weight") {
            assert!((mean - 1.0).abs() < 0.02 && numbers.iter().all(|x| (x - 1.0).abs() < 0.1), "{name}: {mean}");
        } else {
            assert!(numbers.iter().all(|x| *x == 0.0), "{name}");
        }
    }
    Ok(())
}

#[test]
fn diffusion_says_what_does_not_fit() {
    let mut rng = Rng::seed(0);
    let mut unet = |config| said(DiffusionUnet::new(config, &mut rng));
    assert!(
        unet(tiny_unet().layers(0))
            .starts_with("DiffusionUnet::new: a size of 0 in DiffusionUnetConfig { image_channels: 1,")
    );
    assert_eq!(
        unet(tiny_unet().channels(&[3, 6]).groups(3)),
        "DiffusionUnet::new: 3 channels at full size | the waves that tell the step come in pairs"
    );
    assert_eq!(
        unet(tiny_unet().attention(&[true])),
        "DiffusionUnet::new: attention is said for 1 sizes of 2 | expected one of true and false for each"
    );
    assert_eq!(
        unet(tiny_unet().groups(8)),
        "DiffusionUnet::new: 4 channels in 8 groups | the groups of the norms divide all channels"
    );
    assert_eq!(
        unet(tiny_unet().attention(&[false; 2]).head_size(3)),
        "DiffusionUnet::new: 8 channels in heads of 3 | the size of a head divides the channels wherever there is attention, and those of \
         the smallest pictures"
    );
    assert_eq!(
        unet(tiny_unet().channels(&[4; 33])),
        "DiffusionUnet::new: 33 sizes of pictures | each is half as large as the one before"
    );
    let huge = usize::MAX - 7;
    for config in [
        tiny_unet().channels(&[4, huge]),
        tiny_unet().channels(&[huge, 4]),
        tiny_unet().layers(huge),
        tiny_unet().classes(huge),
        DiffusionUnetConfig::new(huge),
    ] {
        assert_eq!(unet(config), "DiffusionUnet::new: a model of these sizes does not fit into memory | -");
    }
    assert!(unet(tiny_unet().dropout(2.0)).contains("expected a probability"));

    let model = DiffusionUnet::new(tiny_unet(), &mut Rng::seed(0)).unwrap();
    let see = |shape: &[usize], steps: &Tensor, classes: Option<&Tensor>| {
        said(model.denoise(&Tensor::zeros(shape).unwrap(), steps, classes, &mut Mode::eval()))
    };
    assert_eq!(
        see(&[2, 1, 3, 4], &ints(&[0, 1]), None),
        "DiffusionUnet: the pictures have shape [2, 1, 3, 4], expected [batch, 1, height, width] | height and width are multiples of 2, to \
         be halved"
    );
    assert_eq!(
        see(&[2, 1, 4, 4], &ints(&[0]), None),
        "DiffusionUnet: steps of i64 [1] for 2 pictures, expected i64 [2] | -"
    );
    assert_eq!(
        see(&[2, 1, 4, 4], &ints(&[0, 0]), Some(&ints(&[1, 3]))),
        "DiffusionUnet: class 3 of picture 1, expected 0 to 2 | -1 stands for no class"
    );
    let mut plain = tiny_unet();
    plain.classes = None;
    let plain = DiffusionUnet::new(plain, &mut Rng::seed(0)).unwrap();
    let x = Tensor::zeros([1, 1, 4, 4]).unwrap();
    assert_eq!(
        said(plain.denoise(&x, &ints(&[0]), Some(&ints(&[0])), &mut Mode::eval())),
        "DiffusionUnet: classes for a network that knows none | DiffusionUnetConfig::classes says how many there are"
    );

    let process = |steps, schedule| said(GaussianDiffusion::new(steps, schedule));
    assert_eq!(process(0, NoiseSchedule::cosine()), "GaussianDiffusion::new: 0 steps, expected 1 to 1000000 | -");
    assert!(GaussianDiffusion::new(usize::MAX, NoiseSchedule::cosine()).is_err());
    assert_eq!(
        process(9, NoiseSchedule::Linear { start: 0.2, end: 0.1 }),
        "GaussianDiffusion::new: variances from 0.2 to 0.1, expected rising ones between 0 and 1 | -"
    );
    assert!(GaussianDiffusion::new(9, NoiseSchedule::Linear { start: f64::NAN, end: 0.1 }).is_err());
    let process = GaussianDiffusion::new(10, NoiseSchedule::linear()).unwrap();
    let x = Tensor::zeros([2, 3]).unwrap();
    assert_eq!(said(process.add_noise(&x, &x, &ints(&[0, 10]))), "add_noise: step 10 of example 1, of 10 steps | -");
    assert_eq!(said(process.add_noise(&x, &x, &ints(&[-1, 0]))), "add_noise: step -1 of example 0, of 10 steps | -");
    assert_eq!(
        said(process.target(&x, &x, &ints(&[0]))),
        "target: steps of i64 [1] for examples of shape [2, 3] | expected one step for each, of type I64"
    );
    let ddim = DiffusionSampling::ddim;
    let back = |steps, options: &DiffusionSampling| said(process.step_back(&x, &x, steps, options, None));
    assert_eq!(
        back([Some(1), Some(1)], &ddim(2)),
        "step_back: from step Some(1) back to Some(1), expected an earlier one | -"
    );
    assert_eq!(back([Some(10), Some(1)], &ddim(2)), "step_back: step 10 of 10 | -");
    assert_eq!(back([Some(3), Some(1)], &ddim(2).eta(0.5)), "step_back: no noise for an eta of 0.5 | -");
    assert_eq!(
        back([Some(3), None], &ddim(11)),
        "DiffusionSampling: 11 steps of 10, expected at least 1 and no more than there are | -"
    );
    assert_eq!(
        back([Some(3), None], &ddim(1).eta(1.5)),
        "DiffusionSampling: eta is 1.5, expected a number from 0 to 1 | -"
    );
    assert_eq!(
        back([Some(3), None], &ddim(1).guidance(f64::INFINITY)),
        "DiffusionSampling: the guidance is inf, expected a finite number | -"
    );
    assert_eq!(
        back([Some(3), None], &ddim(1).clip(0.0)),
        "DiffusionSampling: the limit is 0, expected a positive number | -"
    );
    let e = Diffusion::new(DiffusionConfig::new(tiny_unet()).class_dropout(-0.1), &mut Rng::seed(0)).unwrap_err();
    assert_eq!(e.message(), "Diffusion::new: the dropout of classes is -0.1, expected a probability from 0 to 1");
    let model = Diffusion::new(DiffusionConfig::new(tiny_unet()).steps(10), &mut Rng::seed(0)).unwrap();
    assert!(model.sample([1 << 40, 1, 1 << 20, 4], None, &ddim(2), &mut Rng::seed(0)).is_err());
    assert_eq!(model.sample([0, 1, 4, 4], None, &ddim(2), &mut Rng::seed(0)).unwrap().shape(), [0, 1, 4, 4]);
    assert!(model.loss(&Tensor::zeros([0, 1, 4, 4]).unwrap(), None, &mut Mode::eval()).is_err());
}

/// Whatever the network says: all steps, or a few; the seed decides.
#[test]
fn drawing_follows_the_seed_and_the_class() -> Result<()> {
    let mut rng = Rng::seed(4);
    let config = DiffusionConfig::new(tiny_unet()).steps(12).schedule(NoiseSchedule::cosine());
    let model = waking(Diffusion::new(config, &mut rng)?, &mut rng)?;
    let draw = |classes: Option<&Tensor>, options: &DiffusionSampling, seed| {
        Ok::<_, Error>(model.sample([2, 1, 4, 4], classes, options, &mut Rng::seed(seed))?.to_f64_vec())
    };
    let (a, b, none) = (ints(&[0, 1]), ints(&[2, 1]), ints(&[-1, -1]));
    for options in [DiffusionSampling::ancestral(), DiffusionSampling::ddim(5), DiffusionSampling::ddim(12).eta(1.0)] {
        let made = draw(Some(&a), &options, 1)?;
        assert_eq!(made, draw(Some(&a), &options, 1)?);
        assert_ne!(made, draw(Some(&a), &options, 2)?);
        assert!(made.iter().all(|x| x.abs() <= 1.0), "the last step gives what was clipped");
        // Only the first picture is of another class.
        let other = draw(Some(&b), &options, 1)?;
        assert!(made[..16] != other[..16] && made[16..] == other[16..]);
        assert_eq!(draw(None, &options, 1)?, draw(Some(&none), &options, 1)?);
        assert_eq!(draw(None, &options, 1)?, draw(Some(&a), &options.clone().guidance(0.0), 1)?);
    }
    // Twelve of twelve steps with all their noise are the ancestral ones.
    let all = DiffusionSampling::ddim(12).eta(1.0);
    assert_eq!(draw(Some(&a), &all, 3)?, draw(Some(&a), &DiffusionSampling::ancestral(), 3)?);
    let losses = |mode: &mut Mode<'_>| model.loss(&Tensor::zeros([5, 1, 4, 4])?, Some(&ints(&[0; 5])), mode)?.item();
    assert_eq!(losses(&mut Mode::eval())?, losses(&mut Mode::eval())?);
    assert_eq!(losses(&mut Mode::train(&mut Rng::seed(1)))?, losses(&mut Mode::train(&mut Rng::seed(1)))?);
    assert_ne!(losses(&mut Mode::train(&mut Rng::seed(1)))?, losses(&mut Mode::train(&mut Rng::seed(2)))?);
    Ok(())
}

/// Files hold the architecture; what is opened does the same.
#[test]
fn files_hold_what_models_are_made_of() -> Result<()> {
    let mut rng = Rng::seed(6);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let coder = CoderConfig::new([1, 5, 6], 2).channels(&[3]).hidden(&[4]).activation(LeakyRelu { slope: 0.3 });
    let x = Tensor::uniform([2, 1, 5, 6], 0.0, 1.0, &mut rng)?;
    let autoencoder = Autoencoder::new(coder.clone(), &mut rng)?;
    autoencoder.save(path("autoencoder"))?;
    assert_eq!(
        Autoencoder::open(path("autoencoder"))?.predict(&x)?.to_f64_vec(),
        autoencoder.predict(&x)?.to_f64_vec()
    );
    for config in [VaeConfig::bernoulli(coder.clone()), VaeConfig::gaussian(coder, 0.25)] {
        let vae = Vae::new(config, &mut rng)?;
        vae.save(path("vae"))?;
        let loss = |vae: &Vae| vae.elbo(&x, 1.0, &mut Mode::eval())?.loss.item();
        assert_eq!(loss(&Vae::open(path("vae"))?)?, loss(&vae)?);
    }
    let dcgan = Dcgan::new(DcganConfig::new(1, 16).latent(3).width(2).extra_layers(1).critic(), &mut rng)?;
    dcgan.sample(4, &mut rng)?;
    dcgan.save(path("dcgan"))?;
    let made = |dcgan: &Dcgan| Ok::<_, Error>(dcgan.sample(2, &mut Rng::seed(1))?.to_f64_vec());
    assert_eq!(made(&Dcgan::open(path("dcgan"))?)?, made(&dcgan)?);
    let config = DiffusionConfig::new(tiny_unet()).steps(9).prediction(Prediction::Velocity);
    let diffusion = waking(Diffusion::new(config, &mut rng)?, &mut rng)?;
    diffusion.save(path("diffusion"))?;
    let options = DiffusionSampling::ddim(3);
    let made =
        |model: &Diffusion| Ok::<_, Error>(model.sample([2, 1, 4, 4], None, &options, &mut Rng::seed(1))?.to_f64_vec());
    assert_eq!(made(&Diffusion::open(path("diffusion"))?)?, made(&diffusion)?);
    let e = Vae::open(path("dcgan")).unwrap_err();
    assert!(e.message().contains("Dcgan"), "{e}");
    Ok(())
}

/// A square of 4 by 4 pixels, in one of four places.
fn squares(count: usize) -> Result<Tensor> {
    let mut pixels = vec![-1.0_f32; count * 64];
    for (i, picture) in pixels.chunks_mut(64).enumerate() {
        let (top, left) = (i / 2 % 2 * 4, i % 2 * 4);
        (0..16).for_each(|p| picture[(top + p / 4) * 8 + left + p % 4] = 1.0);
    }
    Tensor::from_vec(pixels, [count, 1, 8, 8])
}

/// Bit for bit, in the middle of the critic's turns.
#[test]
fn adversaries_go_on_where_they_were() -> Result<()> {
    let x = squares(24)?;
    let data = TensorDataset::new(x.clone(), x)?;
    let model = |seed| Dcgan::new(DcganConfig::new(1, 8).latent(3).width(4).critic(), &mut Rng::seed(seed));
    let adam = || Adam::new(2e-3).betas(0.0, 0.9);
    let folder = tempfile::tempdir().unwrap();
    let folder = demotic::io::CheckpointFolder::new(folder.path());
    let trainer = || {
        let task = Adversarial::wgan_gp(adam()).critic_steps(2).critic_rate(0.5);
        Trainer::with_task(task, Shared::new(Averaged::ema(adam(), 0.9))).epochs(3).batch_size(8).checkpoint_every(1)
    };
    let (mut whole, mut rng) = (model(1)?, Rng::seed(2));
    let history = trainer().checkpoints(folder.clone()).fit(&mut whole, &data, &mut rng)?;
    assert_eq!(history.steps, 9);
    let values = |model: &Dcgan| model.named_parameters().iter().map(|(_, p)| p.to_f64_vec()).collect::<Vec<_>>();
    let before = values(&model(1)?);
    assert!(before.iter().zip(&values(&whole)).all(|(a, b)| a != b), "both networks learn");
    for path in folder.list()? {
        let (mut other, mut rng) = (model(5)?, Rng::seed(6));
        trainer().resume(&path).fit(&mut other, &data, &mut rng)?;
        assert_eq!(values(&other), values(&whole), "{}", path.display());
    }
    Ok(())
}

#[test]
fn adversaries_take_turns() -> Result<()> {
    let x = squares(16)?;
    let data = TensorDataset::new(x.clone(), x)?;
    let values = |model: &dyn Module| model.named_parameters().iter().map(|(_, p)| p.to_f64_vec()).collect::<Vec<_>>();
    let mut model = Dcgan::new(DcganConfig::new(1, 8).latent(3).width(4).critic(), &mut Rng::seed(1))?;
    let (generator, critic) = (values(&model.generator), values(&model.discriminator));
    let adam = || Adam::new(1e-3);
    // Two batches: too few for the generator's turn.
    let mut trainer = Trainer::with_task(Adversarial::wgan_gp(adam()).critic_steps(3), adam()).batch_size(8).epochs(1);
    trainer.fit(&mut model, &data, &mut Rng::seed(2))?;
    assert_eq!(values(&model.generator), generator);
    assert_ne!(values(&model.discriminator), critic);
    // The discriminator learns what is real, by the older game as well, if the generator hardly moves.
    let mut model = Dcgan::new(DcganConfig::new(1, 8).latent(3).width(8).critic(), &mut Rng::seed(1))?;
    let game = Adversarial::gan(Adam::new(5e-3).betas(0.5, 0.999));
    let mut trainer = Trainer::with_task(game, Adam::new(1e-6)).batch_size(8).epochs(40);
    let before = trainer.evaluate(&model, &data)?.loss;
    trainer.fit(&mut model, &data, &mut Rng::seed(2))?;
    let after = trainer.evaluate(&model, &data)?.loss;
    assert!(after < 0.5 * before, "{before} {after}");

    let e =
        Trainer::with_task(Adversarial::gan(adam()).critic_steps(0), adam()).fit(&mut model, &data, &mut Rng::seed(2));
    assert_eq!(e.unwrap_err().message(), "Adversarial: the critic makes 0 steps, expected at least 1");
    assert_eq!(
        said(Adversarial::gan(adam()).penalty(1.0)),
        "Adversarial: a penalty on slopes for a game without one | Adversarial::wgan_gp has it"
    );
    assert_eq!(
        said(Adversarial::wgan_gp(adam()).penalty(-1.0)),
        "wasserstein_critic: the penalty is -1, expected a number of at least 0 | -"
    );
    Ok(())
}

/// A handle sees what the Trainer did, and bits are those without it.
#[test]
fn a_shared_optimizer_is_the_same_one() -> Result<()> {
    let x = Tensor::normal([32, 3], 0.0, 1.0, &mut Rng::seed(1))?;
    let data = TensorDataset::new(x.clone(), x.sum_dims(&[1], true)?)?;
    let model = || Linear::new(3, 1, &mut Rng::seed(2));
    let averaged = || Averaged::ema(Adam::new(0.05), 0.9);
    let (mut a, mut b, opt) = (model()?, model()?, Shared::new(averaged()));
    Trainer::new(losses::mse, opt.clone()).epochs(5).fit(&mut a, &data, &mut Rng::seed(3))?;
    Trainer::new(losses::mse, averaged()).epochs(5).fit(&mut b, &data, &mut Rng::seed(3))?;
    assert_eq!(a.weight.value()?.to_f64_vec(), b.weight.value()?.to_f64_vec());
    assert_eq!(opt.with(|opt| opt.count()), 5);
    opt.with(|opt| opt.swap(&mut a))?;
    assert_ne!(a.weight.value()?.to_f64_vec(), b.weight.value()?.to_f64_vec());
    opt.with(|opt| opt.swap(&mut a))?;
    assert_eq!(a.weight.value()?.to_f64_vec(), b.weight.value()?.to_f64_vec());
    // Its state is that of the optimizer in it.
    let mut other = averaged();
    other.load_state(opt.state())?;
    assert_eq!((other.count(), opt.learning_rate()), (5, 0.05));
    Ok(())
}

/// What is far from noise comes out of it.
#[test]
fn diffusion_learns_where_the_examples_are() -> Result<()> {
    let mut rng = Rng::seed(0);
    let unet = DiffusionUnetConfig::new(1).channels(&[8]).layers(1).groups(4).classes(2);
    let config =
        DiffusionConfig::new(unet).steps(40).schedule(NoiseSchedule::cosine()).prediction(Prediction::Velocity);
    let mut model = Diffusion::new(config, &mut rng)?;
    let classes = ints(&(0..64).map(|i| i % 2).collect::<Vec<_>>());
    let levels = classes.to_dtype(DType::F32).reshape([64, 1, 1, 1])? * 1.6 - 0.8;
    let data = TensorDataset::new(levels.broadcast_to([64, 1, 4, 4])?.contiguous(), classes)?;
    let loss = |model: &Diffusion, (x, y): &(Tensor, Tensor), mode: &mut Mode<'_>| {
        Ok(Objective::new(model.loss(x, Some(y), mode)?, x.shape()[0] as f64))
    };
    let mut trainer = Trainer::with_task(loss, Adam::new(0.01)).epochs(30).batch_size(32);
    let before = trainer.evaluate(&model, &data)?.loss;
    trainer.fit(&mut model, &data, &mut rng)?;
    assert!(trainer.evaluate(&model, &data)?.loss < 0.3 * before);
    let made = model.sample([6, 1, 4, 4], Some(&ints(&[0, 0, 0, 1, 1, 1])), &DiffusionSampling::ddim(10), &mut rng)?;
    let means = made.mean_dims(&[1, 2, 3], false)?.to_vec::<f32>()?;
    assert!(means[..3].iter().all(|m| *m < -0.5) && means[3..].iter().all(|m| *m > 0.5), "{means:?}");
    Ok(())
}
