//! Weights of a few bits a number: products, gradients, models with them, files, errors.

use demotic::autograd::PaddingMode;
use demotic::layers::{QuantizeOptions, Weight};
use demotic::models::{Generate, GenerateOptions, Gpt, GptConfig, Mlp};
use demotic::prelude::*;
use demotic::tensor::{Calibration, GptqOptions, QTensor, Scheme};
use demotic::text::Sampler;
use demotic::{autograd, parallel};

const MADE: [Scheme; 6] = [Scheme::Q4_0, Scheme::Q4_1, Scheme::Q5_0, Scheme::Q5_1, Scheme::Q8_0, Scheme::Int8];

fn normal(shape: &[usize], seed: u64) -> Tensor {
    Tensor::normal(shape, 0.0, 1.0, &mut Rng::seed(seed)).unwrap()
}

/// The size of the difference, as a share of that of the whole.
fn off(near: &Tensor, exact: &Tensor) -> Result<f64> {
    Ok((near.sub(exact)?.square().sum().item()? / exact.square().sum().item()?).sqrt())
}

#[test]
fn products_are_near_those_of_the_numbers_for_any_number_of_rows() -> Result<()> {
    for scheme in MADE {
        let weight = QTensor::quantize(&normal(&[70, 160], 1), scheme)?;
        let dense = weight.dequantize()?;
        for rows in [1, 2, 7, 8, 9, 40] {
            let x = normal(&[rows, 160], 2);
            let (ours, exact) = (weight.linear(&x, None)?, x.linear(&dense, None)?);
            // Up to eight rows are rounded to eight bits, and any number of them where there are no blocks.
            let most = if rows <= 8 || scheme == Scheme::Int8 { 2e-2 } else { 1e-6 };
            assert!(off(&ours, &exact)? < most, "{scheme}, {rows} rows: {}", off(&ours, &exact)?);
            assert_eq!(ours.shape(), exact.shape());
            let one = parallel::with_threads(1, || weight.linear(&x, None))??;
            let four = parallel::with_threads(4, || weight.linear(&x, None))??;
            assert_eq!(one.to_vec::<f32>()?, four.to_vec::<f32>()?);
            assert_eq!(one.to_vec::<f32>()?, ours.to_vec::<f32>()?);
        }
        let bias = normal(&[70], 3);
        let x = normal(&[2, 3, 160], 4);
        let with_bias = weight.linear(&x, Some(&bias))?;
        assert_eq!(with_bias.shape(), [2, 3, 70]);
        assert_eq!(with_bias.to_vec::<f32>()?, weight.linear(&x, None)?.add(&bias)?.to_vec::<f32>()?);
        assert_eq!(weight.linear(&x.narrow(1, 0, 0)?, None)?.shape(), [2, 0, 70]);
        let half = weight.linear(&x.to_dtype(DType::BF16), None)?;
        assert_eq!(half.dtype(), DType::BF16);
        assert!(off(&half.to_dtype(DType::F32), &x.linear(&dense, None)?)? < 2e-2);
    }
    Ok(())
}

#[test]
fn rows_are_looked_up() -> Result<()> {
    let table = QTensor::quantize(&normal(&[10, 64], 1), Scheme::Q4_0)?;
    let ids = Tensor::from_nested([[3i64, 9], [0, 3]])?;
    for table in [&table, &QTensor::quantize(&normal(&[10, 7], 1), Scheme::Int8)?] {
        let rows = table.embedding(&ids)?;
        assert_eq!(rows.to_vec::<f32>()?, ids.embedding(&table.dequantize()?, None)?.to_vec::<f32>()?);
    }
    let e = table.embedding(&Tensor::from_vec(vec![10i64], [1])?).unwrap_err();
    assert_eq!(e.message(), "embedding: id 10 of the ids [1] is not in the table of 10 rows");
    Ok(())
}

#[test]
fn gradients_go_through_to_what_is_before() -> Result<()> {
    let weight = QTensor::quantize(&normal(&[5, 96], 1), Scheme::Q8_0)?;
    let x = normal(&[20, 96], 2).tracked()?;
    let ours = weight.linear(&x, None)?.square().sum().backward()?.wrt(&x)?.clone();
    let exact = x.linear(&weight.dequantize()?, None)?.square().sum().backward()?.wrt(&x)?.clone();
    assert!(off(&ours, &exact)? < 1e-6);
    // Of second order, too.
    let loss = weight.linear(&x, None)?.square().sum();
    let options = autograd::GradOptions::new().create_graph(true);
    let first = autograd::grad(&[&loss], &[&x], options)?.remove(0);
    assert!(first.square().sum().backward()?.wrt(&x)?.to_vec::<f32>()?.iter().any(|g| *g != 0.0));
    Ok(())
}

/// A model of words that is quantised says nearly the same, is smaller, and is what it was in a file.
#[test]
fn a_model_is_quantised_saved_and_opened() -> Result<()> {
    let mut rng = Rng::seed(0);
    let mut gpt = Gpt::new(GptConfig::new(65, 32).layers(2).hidden_size(64).heads(4), &mut rng)?;
    let ids = Tensor::randint(0, 65, [2, 20], &mut rng)?;
    let (exact, parameters) = (gpt.predict(&ids)?, gpt.num_parameters());
    let report = gpt.quantize("*.h.*", Scheme::Q8_0)?;
    assert_eq!(report.weights.len(), 8);
    assert_eq!(report.weights[0].path, "transformer.h.0.attn.c_attn.weight");
    assert_eq!(report.weights[0].shape, [192, 64]);
    assert!(report.weights.iter().all(|weight| weight.error > 1e-3 && weight.error < 1e-2), "{report}");
    assert!(report.bytes() * 32 == report.bytes_before() / 4 * 34, "{report}");
    assert_eq!(report.to_string().lines().count(), 10);
    assert_eq!(gpt.num_parameters(), parameters);
    assert!(off(&gpt.predict(&ids)?, &exact)? < 0.02);

    // The table of tokens is the output layer as well.
    gpt.quantize("*.wte", Scheme::Q8_0)?;
    let near = gpt.predict(&ids)?;
    assert!(off(&near, &exact)? < 0.05);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.safetensors");
    gpt.save(&path)?;
    let again = Gpt::open(&path)?;
    assert_eq!(again.predict(&ids)?.to_vec::<f32>()?, near.to_vec::<f32>()?);
    assert!(std::fs::metadata(&path).unwrap().len() < parameters as u64 * 2);
    let copy = gpt.clone();
    assert_eq!(copy.predict(&ids)?.to_vec::<f32>()?, near.to_vec::<f32>()?);

    // One token at a time, and all at once.
    let options = GenerateOptions::new().sampler(Sampler::greedy()).max_new_tokens(8);
    assert_eq!(
        again.generate(&[1, 2, 3], &options, &mut rng)?.tokens,
        gpt.generate(&[1, 2, 3], &options, &mut rng)?.tokens
    );

    assert_eq!(gpt.dequantize("*")?, 9);
    assert!(off(&gpt.predict(&ids)?, &near)? < 0.02);
    assert_eq!(gpt.num_trainable_parameters(), parameters);
    Ok(())
}

/// Low-rank adapters learn beside weights that are quantised, and go into a file with them.
#[test]
fn adapters_learn_beside_quantised_weights() -> Result<()> {
    let mut rng = Rng::seed(1);
    let mut model = Mlp::new(&[32, 64, 1], &mut rng)?;
    let x = normal(&[64, 32], 2);
    let y = x.narrow(1, 0, 3)?.sum_dims(&[1], true)?;
    model.quantize("*", Scheme::Q4_0)?;
    model.freeze("*")?;
    assert_eq!(model.add_lora("*", 4, 8.0, &mut rng)?, 2);
    let loss = |model: &Mlp| losses::mse(&model.forward(&x, &mut Mode::eval())?, &y);
    let before = loss(&model)?.item()?;
    let blocks = model.state_dict()["layers.0.weight"].to_vec::<u8>()?;
    let mut opt = Adam::new(1e-2);
    for _ in 0..150 {
        let grads = loss(&model)?.backward()?;
        opt.step(&mut model, &grads)?;
    }
    let after = loss(&model)?.item()?;
    assert!(after < before / 10.0, "{before} → {after}");
    assert_eq!(model.state_dict()["layers.0.weight"].to_vec::<u8>()?, blocks);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("adapted.safetensors");
    model.save(&path)?;
    let again = Mlp::open(&path)?;
    assert_eq!(again.predict(&x)?.to_vec::<f32>()?, model.predict(&x)?.to_vec::<f32>()?);
    Ok(())
}

#[test]
fn what_cannot_be_quantised_says_why() -> Result<()> {
    let message = |x: &Tensor, scheme| QTensor::quantize(x, scheme).unwrap_err().message();
    assert_eq!(
        message(&normal(&[2, 33], 0), Scheme::Q4_0),
        "quantize: rows of 33 numbers are not made of blocks of 32, as Q4_0 has them"
    );
    assert_eq!(message(&normal(&[2, 256], 0), Scheme::Q4K), "quantize: numbers in Q4_K can be read, but not made");
    assert_eq!(
        message(&normal(&[32], 0).to_dtype(DType::F64), Scheme::Q8_0),
        "quantize: the tensor must be f32, not f64"
    );
    assert_eq!(
        message(&Tensor::scalar(1.0), Scheme::Q8_0),
        "quantize: a tensor without dimensions has no blocks of Q8_0"
    );
    for bad in [f32::NAN, f32::INFINITY, 1e30_f32] {
        assert_eq!(
            message(&Tensor::full([32], bad.into())?, Scheme::Q8_0),
            "quantize: a number is not finite, or too large for the 16-bit scales of Q8_0"
        );
    }

    let mut rng = Rng::seed(0);
    let mut model = sequential![Linear::new(64, 40, &mut rng)?, Relu, Linear::new(40, 2, &mut rng)?];
    let before = format!("{model:?}");
    let e = model.quantize("*", Scheme::Q8_0).unwrap_err();
    assert_eq!(e.message(), "quantize: rows of 40 numbers are not made of blocks of 32, as Q8_0 has them");
    assert!(e.to_string().contains("in layer `2.weight`"), "{e}");
    assert_eq!(format!("{model:?}"), before);
    let e = model.quantize("3.*", Scheme::Q8_0).unwrap_err();
    assert_eq!(e.message(), "quantize: no weight matches `3.*`");
    model.quantize("0", Scheme::Q8_0)?;
    let shown = |_: &str, weight: &mut Weight| {
        assert_eq!(format!("{weight:?}"), "Quantized([40, 64] Q8_0)");
        let e = weight.set(&Tensor::zeros([40, 64])?).unwrap_err();
        assert_eq!(e.message(), "set: the weight is quantised, and not a parameter that could be changed");
        Ok(())
    };
    assert_eq!(model.for_each_mut("0.*", shown)?, 1);
    let e = model.predict(&Tensor::zeros([1, 63])?).unwrap_err();
    assert_eq!(e.message(), "linear: the input [1, 63] has 63 features, the layer takes 64");
    assert_eq!(model.dequantize("2").unwrap_err().message(), "dequantize: no quantised weight matches `2`");

    let blocks = Tensor::zeros([2, 18])?.to_dtype(DType::U8);
    assert_eq!(QTensor::from_blocks(Scheme::Q4_0, [2, 32], &blocks)?.dequantize()?.to_vec::<f32>()?, [0.0; 64]);
    let e = QTensor::from_blocks(Scheme::Q4_0, [2, 64], &blocks).unwrap_err();
    assert_eq!(e.message(), "from_blocks: blocks of shape [2, 18] for [2, 64] in Q4_0, expected [2, 36]");
    let weight = Weight::from(&QTensor::from_blocks(Scheme::Q4_0, [2, 32], &blocks)?);
    assert_eq!((weight.shape(), weight.dtype(), weight.param().is_none()), (&[2, 32][..], DType::F32, true));
    Ok(())
}

/// Convolutions in whole numbers and in blocks: near the exact ones in every form, with gradients, saved and opened.
#[test]
fn convolutions_are_quantised_saved_and_opened() -> Result<()> {
    let mut rng = Rng::seed(0);
    let model = sequential![
        Conv2d::new(4, 8, 4, &mut rng)?.padding(1),
        Relu,
        Conv2d::new(8, 8, 3, &mut rng)?.same().padding_mode(PaddingMode::Reflect).groups(4, &mut rng)?,
        Conv2d::new(8, 8, [2, 4], &mut rng)?.stride(2),
        Relu,
        ConvTranspose2d::new(8, 2, 2, &mut rng)?.stride(2)
    ];
    let x = normal(&[3, 4, 9, 10], 1).tracked()?;
    let (exact, parameters) = (model.predict(&x)?, model.num_parameters());
    let slope = |model: &Sequential| -> Result<Tensor> {
        // Of one layer: behind others, rounding decides on which side of zero a ReLU is.
        let x = normal(&[3, 8, 8, 9], 4).tracked()?;
        let y = model.get(2).unwrap().forward(&x, &mut Mode::eval())?.mul(&normal(&[3, 8, 8, 9], 5))?;
        Ok(y.sum().backward()?.wrt(&x)?.clone())
    };
    let exact_slope = slope(&model)?;
    for (scheme, weights, most) in [(Scheme::Q8_0, 2, 0.02), (Scheme::Int8, 4, 0.04)] {
        let mut small = model.clone();
        let options = QuantizeOptions::new(scheme).skip_misfits(true);
        let report = small.quantize_calibrated(&options, |model| model.predict(&x).map(drop))?;
        assert_eq!((report.weights.len(), report.skipped.len()), (weights, 4 - weights), "{report}");
        assert!(report.weights.iter().all(|weight| weight.error < 0.01), "{report}");
        let of_outputs = report.weights.iter().filter(|weight| weight.output_error.is_some_and(|e| e < 0.02)).count();
        // Transposed ones are not met.
        assert_eq!(of_outputs, weights - usize::from(scheme == Scheme::Int8), "{report}");
        assert_eq!(small.num_parameters(), parameters);
        let near = small.predict(&x)?;
        assert!(off(&near, &exact)? < most, "{scheme}: {}", off(&near, &exact)?);
        assert!(off(&slope(&small)?, &exact_slope)? < 0.01);

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("small.safetensors");
        small.save(&path)?;
        let again = Sequential::open(&path)?;
        assert_eq!(again.predict(&x)?.to_vec::<f32>()?, near.to_vec::<f32>()?);
        assert_eq!(small.dequantize("*")?, weights);
        assert!(off(&small.predict(&x)?, &near)? < most);
    }
    // Of one dimension and of three.
    let mut model = sequential![Conv1d::new(3, 5, 3, &mut rng)?.padding(2).dilation(2)];
    let x = normal(&[2, 3, 11], 2);
    let exact = model.predict(&x)?;
    model.quantize("*", Scheme::Int8)?;
    assert!(off(&model.predict(&x)?, &exact)? < 0.02);
    let mut model = sequential![Conv3d::new(2, 3, 2, &mut rng)?.stride([1, 2, 1])];
    let x = normal(&[2, 2, 4, 5, 6], 3);
    let exact = model.predict(&x)?;
    model.quantize("*", Scheme::Int8)?;
    assert!(off(&model.predict(&x)?, &exact)? < 0.02);
    assert_eq!(model.predict(&x.narrow(0, 0, 0)?)?.shape(), [0, 3, 3, 2, 5]);
    Ok(())
}

fn gptq() -> QuantizeOptions {
    QuantizeOptions::new(Scheme::Q4_0).calibration(Calibration::Gptq(GptqOptions::new()))
}

/// Whatever has weights, calibrated part by part, with weights that are looked up, shared, and with the inputs first.
#[test]
fn models_of_words_are_calibrated() -> Result<()> {
    let mut rng = Rng::seed(0);
    let mut gpt = Gpt::new(GptConfig::new(40, 32).layers(1).hidden_size(32).heads(2), &mut rng)?;
    let ids = Tensor::randint(0, 40, [4, 20], &mut rng)?;
    let exact = gpt.predict(&ids)?;
    let mut by_method = Vec::new();
    for calibration in [Calibration::Absmax, Calibration::Percentile(99.0), Calibration::Mse, gptq().calibration] {
        let (mut small, mut runs) = (gpt.clone(), 0);
        let options = gptq().calibration(calibration).except(&["*.wpe"]).max_bytes(20_000);
        let report = small.quantize_calibrated(&options, |model| {
            runs += 1;
            model.predict(&ids).map(drop)
        })?;
        assert_eq!(report.weights.len(), 5);
        assert!(runs > 1, "the products of five weights fit into 20,000 bytes");
        assert!(report.weights.iter().all(|one| one.method == calibration.name() && one.output_error.is_some()));
        assert!(small.modules().iter().all(|(_, kind)| *kind != "Observer"));
        by_method.push(off(&small.predict(&ids)?, &exact)?);
    }
    assert!(by_method[3] < 0.9 * by_method[0] && by_method[2] < by_method[0], "{by_method:?}");
    // Nothing was met, so there is nothing to make up for.
    let report = gpt.quantize_calibrated(&gptq().only(&["*.c_attn"]), |_| Ok(()))?;
    assert!(report.weights.iter().all(|one| one.method == "mse" && one.output_error.is_none()));
    // Once more, what is quantised already.
    let again = gpt.quantize_calibrated(&gptq().only(&["*.c_attn"]), |model| model.predict(&ids).map(drop))?;
    assert!(again.weights.iter().all(|one| one.method == "gptq" && one.bytes == one.bytes_before && one.error < 0.1));
    Ok(())
}

#[test]
fn calibrating_says_what_is_wrong_and_changes_nothing() -> Result<()> {
    let mut rng = Rng::seed(0);
    let mut model = sequential![Linear::new(64, 96, &mut rng)?, Relu, Linear::new(96, 2, &mut rng)?];
    let before = model.predict(&normal(&[1, 64], 1))?.to_vec::<f32>()?;
    let e = model.quantize_with(&gptq()).unwrap_err();
    assert_eq!(e.message(), "quantize: GPTQ without inputs to calibrate with");
    let with = |options| gptq().calibration(Calibration::Gptq(options));
    for (options, message) in [
        (gptq().calibration(Calibration::Percentile(50.0)), "a percentile of 50, expected above 50 and at most 100"),
        (
            gptq().calibration(Calibration::Percentile(f64::NAN)),
            "a percentile of NaN, expected above 50 and at most 100",
        ),
        (with(GptqOptions::new().damping(0.0)), "a damping of 0, expected above 0"),
        (with(GptqOptions::new().group_size(48)), "groups of 48 are not made of blocks of 32, as Q4_0 has them"),
        (with(GptqOptions::new().group_size(0)), "groups of 0 are not made of blocks of 32, as Q4_0 has them"),
        (gptq().only(&["1", "3"]), "no weight matches `1`, `3`"),
        (gptq().except(&["*"]), "no weight matches `*`"),
    ] {
        let e = model.quantize_calibrated(&options, |_| Ok(())).unwrap_err();
        assert_eq!(e.message(), format!("quantize: {message}"));
    }
    let options = QuantizeOptions::new(Scheme::Int8).calibration(with(GptqOptions::new().group_size(32)).calibration);
    let e = model.quantize_calibrated(&options, |_| Ok(())).unwrap_err();
    assert_eq!(e.message(), "quantize: groups of 32, but INT8 has one scale for each row");
    // An error in the middle, after the first weight has been quantised.
    let mut runs = 0;
    let e = model.quantize_calibrated(&gptq().max_bytes(1), |model| {
        runs += 1;
        model.predict(&normal(&[4, if runs == 1 { 64 } else { 63 }], 1)).map(drop)
    });
    assert_eq!(e.unwrap_err().message(), "linear: the input [4, 63] has 63 features, the layer takes 64");
    let e = model.quantize_calibrated(&gptq(), |model| model.predict(&Tensor::full([4, 64], f64::NAN)?).map(drop));
    let e = e.unwrap_err();
    assert_eq!(e.message(), "quantize: an input that was seen while calibrating is not finite");
    assert!(e.to_string().contains("in layer `0.weight`"), "{e}");
    assert_eq!(model.predict(&normal(&[1, 64], 1))?.to_vec::<f32>()?, before);
    assert!(model.modules().iter().all(|(_, kind)| *kind != "Observer"));

    // Inputs of zeros connect nothing: rounded to the nearest.
    let mut rounded = model.clone();
    rounded.quantize("*", Scheme::Q4_0)?;
    model.quantize_calibrated(&gptq(), |model| model.predict(&Tensor::zeros([4, 64])?).map(drop))?;
    let first = |model: &Sequential| model.state_dict()["0.weight"].to_vec::<u8>();
    assert!(first(&model)?.iter().zip(first(&rounded)?).filter(|(a, b)| **a != *b).count() < 20);

    // Rows of zeros, of one number, and of those that are none.
    let mut x = Tensor::zeros([3, 64])?;
    for scheme in MADE {
        for calibration in [Calibration::Absmax, Calibration::Percentile(90.0), Calibration::Mse, gptq().calibration] {
            let products = Tensor::eye(64)?.to_dtype(DType::F64);
            let make = |x: &Tensor| QTensor::quantize_with(x, scheme, &calibration, Some(&products));
            assert_eq!(make(&x)?.dequantize()?.to_vec::<f32>()?, [0.0; 192], "{scheme} {calibration:?}");
            for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                let e = make(&x.index_put((1isize, 5isize), &Tensor::scalar(bad))?).unwrap_err();
                assert!(e.message().starts_with("quantize: a number is not finite, or too large for the"), "{e}");
            }
        }
        assert_eq!(QTensor::quantize(&x, scheme)?.linear(&x, None)?.to_vec::<f32>()?, [0.0; 9]);
        let y = QTensor::quantize(&x, scheme)?.linear(&Tensor::full([1, 64], f64::NAN)?, None)?;
        assert!(y.to_vec::<f32>()?.iter().all(|y| y.is_nan()), "{scheme}");
    }
    x = normal(&[2, 64], 1);
    let e = QTensor::quantize_with(&x, Scheme::Q8_0, &gptq().calibration, None).unwrap_err();
    assert_eq!(e.message(), "quantize: a tensor of shape [2, 64] and no products of its inputs");
    let products = Tensor::eye(32)?.to_dtype(DType::F64);
    let e = QTensor::quantize_with(&x, Scheme::Q8_0, &gptq().calibration, Some(&products)).unwrap_err();
    assert_eq!(e.message(), "quantize: products of shape [32, 32] for 64 inputs");
    let e = QTensor::quantize(&Tensor::zeros([2, 0])?, Scheme::Int8).unwrap_err();
    assert_eq!(e.message(), "quantize: rows without numbers have no scale, as INT8 has them");
    let e = QTensor::quantize(&x, Scheme::Int8)?.conv2d(&x, [3, 3], None, &ConvOptions::new()).unwrap_err();
    assert_eq!(e.message(), "conv2d: a weight of shape [2, 64] for a kernel of [3, 3]");
    let e = QTensor::quantize(&x, Scheme::Int8)?.conv2d(&x, [4, 4], None, &ConvOptions::new()).unwrap_err();
    assert_eq!(e.message(), "conv2d: an input of shape [2, 64], expected [batch, channels, height, width]");
    Ok(())
}
