//! Weights in other forms: sparse ones, products of two.

use demotic::compress::{OneShotPruning, Pruning, Rank, densify, factorize, factorize_calibrated, sparsify};
use demotic::io::safetensors;
use demotic::layers::{Conv2d, Embedding, Flatten, QuantizeExt, Weight};
use demotic::models::{Gpt, GptConfig, Llama, LlamaConfig};
use demotic::prelude::*;
use demotic::tensor::Scheme;

fn gpt(rng: &mut Rng) -> Result<Gpt> {
    Gpt::new(GptConfig::new(23, 12).layers(2).heads(2).hidden_size(16), rng)
}

fn far(a: &Tensor, b: &Tensor) -> Result<f64> {
    a.sub(b)?.abs().max()?.item()
}

#[test]
fn sparse_models_are_saved_and_opened() -> Result<()> {
    let mut rng = Rng::seed(0);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    // Inputs first, tied embeddings, and a text of one token, which is multiplied another way.
    let mut model = gpt(&mut rng)?;
    Pruning::magnitude(0.8).apply(&mut model)?;
    let ids = Tensor::randint(0, 23, [3, 12], &mut rng)?;
    let (before, one) = (model.predict(&ids)?, model.predict(&ids.narrow(0, 0, 1)?.narrow(1, 0, 1)?)?);
    let start = model.clone();
    let changes = sparsify(&mut model, &["*"], 0.75)?;
    assert_eq!(changes.count(), 10);
    assert!(changes.bytes() * 2 < changes.bytes_before());
    assert!(far(&model.predict(&ids)?, &before)? < 1e-6);
    model.save(&path)?;
    let again = Gpt::open(&path)?;
    assert_eq!(again.predict(&ids)?.to_vec::<f32>()?, model.predict(&ids)?.to_vec::<f32>()?);
    assert!(far(&again.predict(&ids.narrow(0, 0, 1)?.narrow(1, 0, 1)?)?, &one)? < 1e-6);
    assert_eq!(again.num_parameters(), model.num_parameters());
    assert!(again.named_parameters().iter().all(|(path, _)| !path.ends_with("c_fc.weight")));
    // Made dense again, it is the model that it was, in the same layout.
    let mut dense = again.clone();
    assert_eq!(densify(&mut dense, &["*"])?, 10);
    for ((name, a), (_, b)) in dense.named_parameters().into_iter().zip(start.named_parameters()) {
        assert_eq!(a.to_vec::<f32>()?, b.to_vec::<f32>()?, "{name}");
    }

    let mut model = sequential![
        Conv2d::new(1, 4, 3, &mut rng)?,
        Relu,
        Flatten::new(),
        Linear::new(4 * 36, 40, &mut rng)?,
        Relu,
        Linear::new(40, 3, &mut rng)?
    ];
    Pruning::magnitude(0.9).on("0").on("3").apply(&mut model)?;
    let x = Tensor::normal([20, 1, 8, 8], 0.0, 1.0, &mut rng)?;
    let before = model.predict(&x)?;
    let changes = sparsify(&mut model, &["*"], 0.5)?;
    assert!(changes.weights[2].left_because.as_ref().unwrap().contains("0.0 % zeros"), "{changes}");
    model.save(&path)?;
    let again = Sequential::open(&path)?;
    assert!(far(&again.predict(&x)?, &before)? < 1e-5);
    // Gradients go through to what is before it, and to biases.
    let loss = again.forward(&x, &mut Mode::train(&mut rng))?.square().sum();
    assert_eq!(loss.backward()?.len(), 4);
    Ok(())
}

/// Square weights, whose layout no shape tells.
#[test]
fn numbers_again_are_in_the_layout_that_they_had() -> Result<()> {
    let mut rng = Rng::seed(7);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let ids = Tensor::randint(0, 23, [3, 12], &mut rng)?;
    let mut model = gpt(&mut rng)?;
    model.quantize("*.attn.c_proj", Scheme::Int8)?;
    model.save(&path)?;
    for mut model in [model, Gpt::open(&path)?] {
        let before = model.predict(&ids)?;
        model.dequantize("*")?;
        assert!(far(&model.predict(&ids)?, &before)? < 1e-3);
        model.save(&path)?;
        assert!(far(&Gpt::open(&path)?.predict(&ids)?, &model.predict(&ids)?)? < 1e-6);
    }
    Ok(())
}

#[test]
fn parts_of_sparse_weights() -> Result<()> {
    let mut rng = Rng::seed(1);
    let mut layer = demotic::layers::MultiHeadAttention::new(16, 2, &mut rng)?;
    Pruning::magnitude(0.7).apply(&mut layer)?;
    let x = Tensor::normal([2, 5, 16], 0.0, 1.0, &mut rng)?;
    let before = layer.attend(&x, &x, &x, &Default::default(), &mut Mode::eval())?;
    sparsify(&mut layer, &["*"], 0.6)?;
    for _ in 0..2 {
        assert!(far(&layer.attend(&x, &x, &x, &Default::default(), &mut Mode::eval())?, &before)? < 1e-6);
    }
    let mut table = Embedding::new(9, 4, &mut rng)?;
    Pruning::magnitude(0.5).apply(&mut table)?;
    let ids = Tensor::from_nested([[3i64, 3], [0, 8]])?;
    let before = table.predict(&ids)?.to_vec::<f32>()?;
    sparsify(&mut table, &["*"], 0.5)?;
    assert_eq!(table.predict(&ids)?.to_vec::<f32>()?, before);
    assert_eq!(table.predict(&Tensor::zeros([0, 2])?.to_dtype(DType::I64))?.shape(), [0, 2, 4]);
    let e = table.predict(&Tensor::from_nested([[9i64]])?).unwrap_err().to_string();
    assert!(e.contains("id 9 of the ids [1, 1] is not in the table of 9 rows"), "{e}");
    Ok(())
}

#[test]
fn products_of_two_are_saved_opened_and_trained() -> Result<()> {
    let mut rng = Rng::seed(2);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let mut model = gpt(&mut rng)?;
    let ids = Tensor::randint(0, 23, [3, 12], &mut rng)?;
    let changes = factorize(&mut model, &["*.mlp.*", "*.wte"], Rank::Fixed(5))?;
    assert_eq!((changes.count(), changes.weights[0].form.as_str()), (5, "rank 5"));
    assert!(changes.bytes() < changes.bytes_before());
    let got = model.predict(&ids)?;
    model.save(&path)?;
    let mut again = Gpt::open(&path)?;
    assert_eq!(again.predict(&ids)?.to_vec::<f32>()?, got.to_vec::<f32>()?);
    let loss = losses::token_cross_entropy(&again.forward(&ids, &mut Mode::eval())?, &ids)?;
    Sgd::new(0.1).step(&mut again, &loss.backward()?)?;
    assert!(again.named_parameters().iter().any(|(name, _)| name == "transformer.h.0.mlp.c_fc.weight.left"));
    let dense = again.predict(&ids)?;
    densify(&mut again, &["*"])?;
    assert!(far(&again.predict(&ids)?, &dense)? < 1e-5);
    again.save(&path)?;
    assert!(far(&Gpt::open(&path)?.predict(&ids)?, &dense)? < 1e-5);

    // All of the energy is the weight itself, and of no use; what a product keeps is what the report says.
    let mut llama = Llama::new(LlamaConfig::new(23, 12).layers(1).heads(2).hidden_size(16).tied(), &mut rng)?;
    let before = llama.clone();
    let changes = factorize(&mut llama, &["*.mlp.*"], Rank::Energy(0.6))?;
    for change in &changes.weights {
        let weight = |model: &Llama| {
            let mut found = None;
            model.for_each("*", |path, weight: &Weight| {
                if path == change.path {
                    found = Some(weight.value().unwrap().detach());
                }
            });
            found.unwrap()
        };
        let (old, new) = (weight(&before), weight(&llama));
        let size = |x: &Tensor| x.to_f64_vec().iter().map(|x| x * x).sum::<f64>().sqrt();
        assert!((size(&old.sub(&new)?) / size(&old) - change.error).abs() < 1e-5);
        assert!(change.error <= 0.4f64.sqrt() && change.error > 0.5, "{changes}");
    }
    let unchanged = factorize(&mut llama.clone(), &["*.o_proj"], Rank::Energy(1.0))?;
    assert!(unchanged.weights[0].left_because.as_ref().unwrap().contains("would not be smaller"));
    Ok(())
}

#[test]
fn inputs_make_a_better_product() -> Result<()> {
    let mut rng = Rng::seed(3);
    let model = sequential![Linear::new(24, 30, &mut rng)?.without_bias()];
    // Inputs that lie mostly in few directions.
    let x = Tensor::normal([200, 6], 0.0, 1.0, &mut rng)?.matmul(&Tensor::normal([6, 24], 0.0, 1.0, &mut rng)?)?;
    let x = x.add(&Tensor::normal([200, 24], 0.0, 0.1, &mut rng)?)?;
    let want = model.predict(&x)?;
    let error = |model: &Sequential| -> Result<f64> {
        let size = |x: &Tensor| x.to_f64_vec().iter().map(|x| x * x).sum::<f64>().sqrt();
        Ok(size(&model.predict(&x)?.sub(&want)?) / size(&want))
    };
    let (mut plain, mut seen) = (model.clone(), model.clone());
    factorize(&mut plain, &["*"], Rank::Fixed(6))?;
    let changes = factorize_calibrated(&mut seen, &["*"], Rank::Fixed(6), |model| model.predict(&x).map(drop))?;
    assert!(error(&seen)? * 3.0 < error(&plain)?, "{} and {}", error(&seen)?, error(&plain)?);
    assert!((error(&seen)? - changes.weights[0].error).abs() < 1e-3);
    Ok(())
}

#[test]
fn one_shot_pruning_keeps_outputs_better_than_size_alone() -> Result<()> {
    let mut rng = Rng::seed(4);
    let model = sequential![Linear::new(32, 24, &mut rng)?, Relu, Linear::new(24, 8, &mut rng)?];
    let x = Tensor::normal([300, 8], 0.0, 1.0, &mut rng)?.matmul(&Tensor::normal([8, 32], 0.0, 1.0, &mut rng)?)?;
    let want = model.predict(&x)?;
    let run = |model: &Sequential| model.predict(&x).map(drop);
    let error = |pruned: &Sequential| -> Result<f64> { pruned.predict(&x)?.sub(&want)?.square().mean().item() };
    let mut by_size = model.clone();
    Pruning::magnitude(0.5).per_row().apply(&mut by_size)?;
    let mut errors = vec![error(&by_size)?];
    for pruning in
        [OneShotPruning::wanda(0.5), OneShotPruning::sparse_gpt(0.5), OneShotPruning::sparse_gpt(0.5).sequential()]
    {
        let mut pruned = model.clone();
        let masks = pruning.apply(&mut pruned, run)?;
        assert_eq!((masks.weights().len(), masks.sparsity()), (2, 0.5));
        errors.push(error(&pruned)?);
    }
    assert!(errors[1] < errors[0] && errors[2] * 2.0 < errors[1], "{errors:?}");
    Ok(())
}

#[test]
fn what_makes_no_sense() -> Result<()> {
    let mut rng = Rng::seed(5);
    let mut model = sequential![Linear::new(6, 10, &mut rng)?, Relu, Linear::new(10, 3, &mut rng)?];
    let start = model.clone();
    let x = Tensor::ones([2, 6])?;
    let check = |e: Error, what: &str| assert!(e.to_string().contains(what), "{e}");
    check(sparsify(&mut model, &["*"], 0.5).unwrap_err(), "sparsify: no weight has 50 % zeros, the most are 0.0 %");
    check(sparsify(&mut model, &["head"], 0.5).unwrap_err(), "sparsify: no weight matches `head`");
    check(sparsify(&mut model, &[], 0.5).unwrap_err(), "sparsify: no patterns, expected at least one");
    check(sparsify(&mut model, &["*"], f64::NAN).unwrap_err(), "a share of zeros of NaN, expected 0 to 1");
    check(densify(&mut model, &["*"]).unwrap_err(), "densify: no weight that matches `*` is kept so");
    check(factorize(&mut model, &["0"], Rank::Fixed(7)).unwrap_err(), "factorize: a rank of 7 for a weight of 10 × 6");
    check(factorize(&mut model, &["0"], Rank::Fixed(7)).unwrap_err(), "the rank of its smaller side, here 6");
    check(factorize(&mut model, &["0"], Rank::Fixed(0)).unwrap_err(), "a rank of 0, expected at least 1");
    check(factorize(&mut model, &["0"], Rank::Energy(1.5)).unwrap_err(), "an energy of 1.5");
    let run = |model: &Sequential| model.predict(&x).map(drop);
    let e = OneShotPruning::wanda(0.5).n_of_m(2, 4).apply(&mut model, run).unwrap_err();
    check(e, "rows of 6 numbers, which groups of 4 do not divide");
    check(OneShotPruning::wanda(1.0).apply(&mut model, run).unwrap_err(), "a share of 1, expected at least 0 and less");
    check(OneShotPruning::wanda(0.5).on("8").apply(&mut model, run).unwrap_err(), "no weight matches `8`");
    check(OneShotPruning::wanda(0.5).apply(&mut model, |_| Ok(())).unwrap_err(), "no weight was multiplied by");
    let e = OneShotPruning::sparse_gpt(0.5).apply(&mut model, |_| Err(Error::argument("run", "stopped"))).unwrap_err();
    check(e, "stopped");
    let nan = Tensor::full([2, 6], f64::NAN)?;
    let e = OneShotPruning::sparse_gpt(0.5).apply(&mut model, |model| model.predict(&nan).map(drop)).unwrap_err();
    check(e, "is not finite");
    for ((_, a), (_, b)) in model.named_parameters().into_iter().zip(start.named_parameters()) {
        assert_eq!(a.to_vec::<f32>()?, b.to_vec::<f32>()?);
    }
    // What is kept in another form is no parameter to change.
    Pruning::magnitude(0.9).on("0").apply(&mut model)?;
    sparsify(&mut model, &["0"], 0.8)?;
    let mut set = Ok(());
    model.for_each_mut("0", |_, layer: &mut Linear| {
        set = layer.weight.set(&Tensor::ones([10, 6])?);
        Ok(())
    })?;
    check(set.unwrap_err(), "set: the weight is sparse, and not a parameter that could be changed");
    Ok(())
}

#[test]
fn hostile_files() -> Result<()> {
    let mut rng = Rng::seed(6);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let mut model = sequential![Linear::new(8, 16, &mut rng)?];
    Pruning::magnitude(0.75).apply(&mut model)?;
    sparsify(&mut model, &["*"], 0.5)?;
    model.save(&path)?;
    let tensors = safetensors::load_tensors(&path)?;
    let metadata = safetensors::Reader::open(&path)?.metadata().clone();
    let forms = metadata.get("demotic.weights").unwrap().to_string();
    assert_eq!(forms, r#"{"0.weight":{"sparse":{"shape":[16,8],"count":32}}}"#);
    let write = |change: &dyn Fn(&mut std::collections::BTreeMap<String, Tensor>), forms: &str| -> Result<String> {
        let mut tensors = tensors.clone();
        change(&mut tensors);
        let mut all = metadata.clone();
        all.insert("demotic.weights", forms);
        safetensors::save_tensors(&tensors, &all, &path)?;
        Ok(Sequential::open(&path).map(drop).unwrap_err().to_string())
    };
    let columns = |x: i32| {
        move |all: &mut std::collections::BTreeMap<String, Tensor>| {
            all.insert("0.weight.columns".into(), Tensor::from_vec(vec![x; 32], [32]).unwrap());
        }
    };
    let e = write(&columns(8), &forms)?;
    assert!(e.contains("a column that it does not have"), "{e}");
    let e = write(&columns(-1), &forms)?;
    assert!(e.contains("a column that it does not have"), "{e}");
    let e = write(&|_| (), &forms.replace("32", "4000000000"))?;
    assert!(e.contains("the weight `0.weight` has no `columns` of shape [4000000000]"), "{e}");
    let e = write(&|_| (), &forms.replace("16", "18446744073709551615"))?;
    assert!(e.contains("has no `offsets` of shape"), "{e}");
    let e = write(&|_| (), &forms.replace("[16,8]", "[16,9]"))?;
    assert!(e.contains("0.weight"), "{e}");
    let e = write(&|_| (), "{}")?;
    assert!(e.contains("the configuration is that of 128 parameters, the file has 97"), "{e}");
    let e = write(&|_| (), &forms.replace("sparse", "dense"))?;
    assert!(e.contains("dense"), "{e}");
    Ok(())
}
