//! Weights of a few bits a number: products, gradients, models with them, files, errors.

use demotic::layers::Weight;
use demotic::models::{Generate, GenerateOptions, Gpt, GptConfig, Mlp};
use demotic::prelude::*;
use demotic::tensor::{QTensor, Scheme};
use demotic::text::Sampler;
use demotic::{autograd, parallel};

const MADE: [Scheme; 5] = [Scheme::Q4_0, Scheme::Q4_1, Scheme::Q5_0, Scheme::Q5_1, Scheme::Q8_0];

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
            // Up to eight rows are rounded to eight bits.
            let most = if rows <= 8 { 1e-2 } else { 1e-6 };
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
    let rows = table.embedding(&ids)?;
    assert_eq!(rows.to_vec::<f32>()?, ids.embedding(&table.dequantize()?, None)?.to_vec::<f32>()?);
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
