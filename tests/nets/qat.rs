//! Training for weights of a few bits: what is learnt, what is left of it, and errors.

use demotic::compress::qat::{FakeQuantize, Levels, QatExt, QatOptions, Ranges};
use demotic::layers::Weight;
use demotic::models::{Gpt, GptConfig, Mlp};
use demotic::prelude::*;
use demotic::tensor::Scheme;

fn normal(shape: &[usize], seed: u64) -> Tensor {
    Tensor::normal(shape, 0.0, 1.0, &mut Rng::seed(seed)).unwrap()
}

/// With few bits, a model that learns while it is rounded is better than one that is rounded afterwards.
#[test]
fn what_is_rounded_in_training_loses_less() -> Result<()> {
    let x = normal(&[128, 32], 1);
    let y = x.narrow(1, 0, 4)?.square().sum_dims(&[1], true)?.tanh();
    let loss = |model: &Mlp, mode: &mut Mode| losses::mse(&model.forward(&x, mode)?, &y);
    let train = |model: &mut Mlp, rate: f64, steps: usize, rng: &mut Rng| -> Result<()> {
        let mut opt = Adam::new(rate);
        for _ in 0..steps {
            let grads = loss(model, &mut Mode::train(rng))?.backward()?;
            opt.step(model, &grads)?;
        }
        Ok(())
    };
    let mut rng = Rng::seed(0);
    let mut model = Mlp::new(&[32, 64, 1], &mut rng)?;
    train(&mut model, 3e-3, 150, &mut rng)?;
    let mut after = model.clone();
    after.quantize("*", Scheme::Q4_0)?;
    let rounded = loss(&after, &mut Mode::eval())?.item()?;
    for learn_scales in [false, true] {
        let mut aware = model.clone();
        assert_eq!(aware.prepare_qat(&QatOptions::new(Scheme::Q4_0).learn_scales(learn_scales))?, 2);
        let at_first = loss(&aware, &mut Mode::eval())?.item()?;
        // Scales are small numbers, and want small steps.
        train(&mut aware, if learn_scales { 3e-4 } else { 3e-3 }, 80, &mut rng)?;
        let aware_loss = loss(&aware, &mut Mode::eval())?.item()?;
        let most = if learn_scales { at_first } else { 0.7 * rounded };
        assert!(
            aware_loss < most,
            "{learn_scales}: {aware_loss}, {at_first} at first, {rounded} when rounded afterwards"
        );
        let report = aware.convert_qat()?;
        assert_eq!(report.weights[0].method, if learn_scales { "learnt" } else { "trained" });
        assert_eq!(loss(&aware, &mut Mode::eval())?.item()?, aware_loss);
    }
    Ok(())
}

/// In every scheme, with few inputs and with many, of every kind of layer: the same bits before and after.
#[test]
fn what_is_converted_computes_the_same() -> Result<()> {
    let mut rng = Rng::seed(0);
    for scheme in [Scheme::Q4_0, Scheme::Q4_1, Scheme::Q5_0, Scheme::Q5_1, Scheme::Q8_0, Scheme::Int8] {
        for learn_scales in [false, true] {
            if learn_scales && matches!(scheme, Scheme::Q4_1 | Scheme::Q5_1) {
                continue;
            }
            let options = QatOptions::new(scheme).learn_scales(learn_scales).except(&["*.wpe"]);
            let mut gpt = Gpt::new(GptConfig::new(40, 24).layers(1).hidden_size(32).heads(2).dropout(0.0), &mut rng)?;
            gpt.prepare_qat(&options)?;
            let ids = Tensor::randint(0, 40, [2, 20], &mut rng)?;
            let loss = losses::token_cross_entropy(&gpt.forward(&ids, &mut Mode::train(&mut rng))?, &ids)?;
            let mut opt = AdamW::new(1e-2);
            opt.step(&mut gpt, &loss.backward()?)?;
            let few = ids.narrow(1, 0, 3)?;
            let before = [gpt.predict(&ids)?, gpt.predict(&few)?];
            let report = gpt.convert_qat()?;
            assert_eq!(report.weights.len(), 5, "{report}");
            for (ids, before) in [&ids, &few].into_iter().zip(&before) {
                assert_eq!(gpt.predict(ids)?.to_vec::<f32>()?, before.to_vec::<f32>()?, "{scheme} {learn_scales}");
            }
        }
    }
    for scheme in [Scheme::Q8_0, Scheme::Int8] {
        let mut model = sequential![
            Conv2d::new(2, 32, 4, &mut rng)?.padding(1),
            FakeQuantize::new(Levels::UINT8, Ranges::MovingAverage(0.01))?,
            ConvTranspose2d::new(32, 8, [2, 4], &mut rng)?
        ];
        let x = normal(&[2, 2, 7, 6], 2);
        model.prepare_qat(&QatOptions::new(scheme))?;
        let mut opt = Adam::new(1e-3);
        let y = model.forward(&x, &mut Mode::train(&mut rng))?.square().mean();
        opt.step(&mut model, &y.backward()?)?;
        let before = model.predict(&x)?.to_vec::<f32>()?;
        model.convert_qat()?;
        assert_eq!(model.predict(&x)?.to_vec::<f32>()?, before, "{scheme}");
    }
    Ok(())
}

#[test]
fn what_cannot_be_trained_so_says_why() -> Result<()> {
    let mut rng = Rng::seed(0);
    let mut model = sequential![Linear::new(64, 40, &mut rng)?, Relu, Linear::new(40, 2, &mut rng)?];
    let message = |model: &mut Sequential, options: QatOptions| model.prepare_qat(&options).unwrap_err().message();
    let q4 = || QatOptions::new(Scheme::Q4_0);
    assert_eq!(message(&mut model, q4().only(&["3"])), "prepare_qat: no weight matches `3`");
    assert_eq!(
        message(&mut model, q4()),
        "quantize: rows of 40 numbers are not made of blocks of 32, as Q4_0 has them"
    );
    let options = QatOptions::new(Scheme::Q4_1).learn_scales(true).only(&["0"]);
    assert_eq!(message(&mut model, options), "prepare_qat: scales of Q4_1, which has an offset, are not learnt");
    let options = QatOptions::new(Scheme::Q4K).only(&["0"]);
    assert_eq!(message(&mut model, options), "quantize: numbers in Q4_K can be read, but not made");
    assert_eq!(model.convert_qat().unwrap_err().message(), "convert_qat: no weight of the model is rounded");
    model.prepare_qat(&q4().only(&["0"]))?;
    assert_eq!(message(&mut model, q4().only(&["0"])), "prepare_qat: the weight has an adapter, a RoundedWeight");
    let ruin =
        |value: f64| move |_: &str, weight: &mut Weight| weight.set(&Tensor::full(weight.shape().to_vec(), value)?);
    model.for_each_mut("0.*", ruin(f64::NAN))?;
    let e = model.predict(&normal(&[1, 64], 1)).unwrap_err();
    assert_eq!(e.message(), "quantize: a number is not finite, or too large for the 16-bit scales of Q4_0");
    let e = model.convert_qat().unwrap_err();
    assert!(e.to_string().contains("in layer `0.weight`"), "{e}");
    model.for_each_mut("0.*", ruin(0.0))?;
    assert!(model.predict(&normal(&[1, 64], 1))?.to_vec::<f32>()?.iter().all(|y| y.is_finite()));
    model.convert_qat()?;
    assert_eq!(message(&mut model, q4().only(&["0"])), "prepare_qat: the weight is quantised already");

    let bad = |levels, ranges| FakeQuantize::new(levels, ranges).unwrap_err().message();
    let levels = Levels { low: 3, high: 3, symmetric: false };
    assert_eq!(bad(levels, Ranges::MinMax), "FakeQuantize::new: levels from 3 to 3 are not some on both sides of zero");
    assert_eq!(
        bad(Levels::INT8, Ranges::MovingAverage(0.0)),
        "FakeQuantize::new: averages with a weight of 0, expected above 0 and at most 1"
    );
    let e = FakeQuantize::learned(Levels::INT8, -1.0).unwrap_err();
    assert_eq!(e.message(), "FakeQuantize::learned: a scale of -1, expected above 0");
    let layer = FakeQuantize::per_channel(Levels::INT8, Ranges::MinMax, 1, 5)?;
    let e = layer.predict(&normal(&[2, 5], 1)).unwrap_err();
    assert_eq!(e.message(), "fake_quantize: no input has been seen from which the scale would follow");
    let mut train = |x: &Tensor| layer.forward(x, &mut Mode::train(&mut rng));
    assert_eq!(
        train(&normal(&[2, 4], 1)).unwrap_err().message(),
        "fake_quantize: the input [2, 4] has no 5 channels in dimension 1"
    );
    assert_eq!(
        train(&Tensor::full([2, 5], f64::INFINITY)?).unwrap_err().message(),
        "fake_quantize: an input is not finite, so it has no range"
    );
    // Nothing but zeros has a scale too.
    assert_eq!(train(&Tensor::zeros([2, 5])?)?.to_vec::<f32>()?, [0.0; 10]);
    assert_eq!(train(&Tensor::zeros([0, 5])?)?.shape(), [0, 5]);
    let e = tensor![1.0].straight_through(&tensor![1.0, 2.0]).unwrap_err();
    assert_eq!(e.message(), "straight_through: [2] of f32 in the place of [1] of f32");
    Ok(())
}
