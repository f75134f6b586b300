//! Weights that can be exchanged, modules that can be walked through and changed, and buffers that outlive a second run.

use std::collections::BTreeMap;

use demotic::layers::{Adapter, LoraOptions, Slot, SlotMut, Visitor, VisitorMut, checkpointed, share};
use demotic::models::{Gpt, GptConfig, Mlp, TransformerClassifier, TransformerClassifierConfig};
use demotic::prelude::*;
use demotic::{Error, autograd};

fn names(model: &impl Module) -> Vec<String> {
    model.named_parameters().into_iter().map(|(name, _)| name).collect()
}

/// An adapter from outside of the crate: low rank, with a dropout of its own kind on what goes in.
mod outside {
    use demotic::layers::{Adapter, Weight};
    use demotic::prelude::*;

    #[derive(Clone)]
    pub struct LowRank {
        down: Param,
        up: Param,
    }

    module!(LowRank { down, up });

    impl LowRank {
        pub fn new(weight: &Weight, rank: usize, rng: &mut Rng) -> Result<Self> {
            let (rows, columns) = (weight.shape()[0], weight.shape()[1]);
            let down = Param::new(Init::xavier_normal().tensor(&[rank, columns], rng)?)?;
            Ok(Self { down, up: Param::new(Tensor::zeros([rows, rank])?)? })
        }
    }

    impl Adapter for LowRank {
        fn value(&self, weight: &Tensor) -> Result<Tensor> {
            weight.add(&self.up.matmul(&self.down)?)
        }

        fn linear(&self, base: &Weight, x: &Tensor, bias: Option<&Tensor>, mode: &mut Mode) -> Result<Tensor> {
            base.linear(x, bias, mode)?.add(&x.linear(&self.down, None)?.linear(&self.up, None)?)
        }
    }
}

#[test]
fn an_adapter_from_outside_trains_a_model_that_does_not_know_it() -> Result<()> {
    let mut rng = Rng::seed(0);
    let mut model = Mlp::new(&[3, 16, 16, 1], &mut rng)?;
    model.freeze("*")?;
    let before = model.clone();
    let adapted = model.for_each_mut("layers.*", |_, layer: &mut Linear| {
        let adapter = outside::LowRank::new(&layer.weight, 2, &mut Rng::seed(1))?;
        layer.weight.adapt(adapter)
    })?;
    assert_eq!(adapted, 3);
    assert_eq!(names(&model)[..4], ["layers.0.weight", "layers.0.weight.down", "layers.0.weight.up", "layers.0.bias"]);
    let x = Tensor::normal([64, 3], 0.0, 1.0, &mut rng)?;
    let y = x.sum_dims(&[1], true)?.sin();
    let loss = |model: &Mlp| losses::mse(&model.forward(&x, &mut Mode::eval())?, &y);
    let first = loss(&model)?.item()?;
    assert_eq!(first, loss(&before)?.item()?);
    let mut opt = Adam::new(0.02);
    for _step in 0..200 {
        let grads = loss(&model)?.backward()?;
        opt.step(&mut model, &grads)?;
    }
    assert!(loss(&model)?.item()? < 0.2 * first, "{} of {first}", loss(&model)?.item()?);
    // The model itself is as it was, until the adapters become part of it.
    let trained = model.predict(&x)?;
    assert_eq!(model.num_trainable_parameters(), 2 * (3 + 16 + 16 + 16 + 16 + 1));
    model.merge_lora("*")?;
    assert_eq!(names(&model), names(&before));
    for (a, b) in model.predict(&x)?.to_f64_vec().iter().zip(trained.to_f64_vec()) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
    assert_eq!(before.num_trainable_parameters(), 0);
    Ok(())
}

/// A layer whose adapter has these values, and `x`.
fn by_hand() -> Result<(Linear, Tensor)> {
    let weight = Weight::new(tensor![[1.0, 2.0], [3.0, 4.0]])?;
    let mut layer = Linear { weight, bias: None };
    let mut lora = Lora::new(&layer.weight, 1, 3.0, &mut Rng::seed(0))?;
    lora.lora_a.set(&tensor![[1.0, -1.0]])?;
    lora.lora_b.set(&tensor![[2.0], [0.5]])?;
    layer.weight.adapt(lora)?;
    layer.weight.set_trainable(false);
    Ok((layer, tensor![[1.0, 2.0]]))
}

#[test]
fn lora_by_hand() -> Result<()> {
    let (mut layer, x) = by_hand()?;
    // x Wᵀ = [5, 11]; x Aᵀ = -1; 3 · -1 · Bᵀ = [-6, -1.5].
    let y = layer.forward(&x, &mut Mode::eval())?;
    assert_eq!(y.to_vec::<f32>()?, [-1.0, 9.5]);
    assert_eq!(layer.weight.value()?.to_vec::<f32>()?, [7.0, -4.0, 4.5, 2.5]);
    assert_eq!(format!("{:?}", layer.weight), "Param([2, 2] f32, frozen) with Lora");
    let grads = y.sum().backward()?;
    let found = |name: &str| {
        let all = layer.named_parameters();
        let (_, value) = all.iter().find(|(path, _)| path == name).unwrap();
        grads.get(value).map(|grad| grad.to_vec::<f32>().unwrap())
    };
    assert_eq!(found("weight"), None);
    assert_eq!(found("weight.lora_a").unwrap(), [7.5, 15.0]); // 3 · (2 + 0.5) · x
    assert_eq!(found("weight.lora_b").unwrap(), [-3.0, -3.0]); // 3 · x Aᵀ

    let adapter = layer.weight.merge()?.unwrap();
    assert_eq!(names(&layer), ["weight"]);
    assert_eq!(layer.weight.value()?.to_vec::<f32>()?, [7.0, -4.0, 4.5, 2.5]);
    assert!(layer.weight.merge()?.is_none());
    layer.weight.unmerge(adapter)?;
    assert_eq!(names(&layer), ["weight", "weight.lora_a", "weight.lora_b"]);
    assert_eq!(layer.weight.param().unwrap().to_vec::<f32>()?, [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(layer.predict(&x)?.to_vec::<f32>()?, [-1.0, 9.5]);
    assert!(layer.weight.take_adapter().is_some() && layer.weight.take_adapter().is_none());
    assert_eq!(layer.predict(&x)?.to_vec::<f32>()?, [5.0, 11.0]);
    Ok(())
}

/// Gives all adapters numbers that are not zero.
fn randomize(model: &mut dyn Module) {
    let mut rng = Rng::seed(7);
    let mut on_slot = |path: &str, slot: SlotMut<'_>| {
        if let SlotMut::Param(param) = slot
            && path.contains("lora")
        {
            param.set(&Tensor::normal(param.shape(), 0.0, 0.3, &mut rng).unwrap()).unwrap();
        }
    };
    model.visit_mut(&mut VisitorMut::new(&mut on_slot));
}

/// In every layer that has a weight, the shortcut is the same as the weight that is added up.
#[test]
fn shortcuts_of_adapters_compute_what_their_weights_do() -> Result<()> {
    let mut rng = Rng::seed(0);
    let ids = Tensor::from_nested([[1i64, 4, 2, 0], [3, 3, 1, 2]])?;
    let mut model = Gpt::new(GptConfig::new(6, 8).hidden_size(8).layers(2).heads(2), &mut rng)?;
    let plain = model.predict(&ids)?;
    // Both embeddings, and four projections in each of two blocks; the first also serves as the last layer.
    assert_eq!(model.add_lora("*", 2, 4.0, &mut rng)?, 10);
    assert_eq!(model.predict(&ids)?.to_vec::<f32>()?, plain.to_vec::<f32>()?);
    randomize(&mut model);
    let adapted = model.predict(&ids)?;
    assert!(adapted.sub(&plain)?.abs().max()?.item()? > 1e-3);
    let mut merged = model.clone();
    assert_eq!(merged.merge_lora("*")?, 10);
    assert!(merged.predict(&ids)?.sub(&adapted)?.abs().max()?.item()? < 1e-5);
    let mut removed = model.clone();
    assert_eq!(removed.remove_lora("*.attn.*")?, 4);
    assert_eq!(removed.remove_lora("*")?, 6);
    assert_eq!(removed.predict(&ids)?.to_vec::<f32>()?, plain.to_vec::<f32>()?);
    Ok(())
}

#[test]
fn adapters_are_saved_beside_the_weights() -> Result<()> {
    let mut rng = Rng::seed(0);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("adapted.safetensors");
    let (layer, x) = by_hand()?;
    layer.save(&file)?;
    let mut other = Linear::new(2, 2, &mut rng)?.without_bias();
    let e = other.load(&file).unwrap_err();
    assert!(e.message().contains("2 unexpected (weight.lora_a, weight.lora_b)"), "{e}");
    // The file says by how much the adapter counts.
    let lora = Lora::new(&other.weight, 1, 1.0, &mut rng)?;
    other.weight.adapt(lora)?;
    other.load(&file)?;
    assert_eq!(loras(&other), [("weight".to_string(), LoraOptions::new(1, 3.0))]);
    assert_eq!(other.predict(&x)?.to_vec::<f32>()?, [-1.0, 9.5]);
    // The table of a model counts them where they are.
    assert_eq!(other.summary([1, 2])?.rows()[0].parameters, 8);
    Ok(())
}

/// The adapters of a model, by the path of their weight.
fn loras(model: &impl Module) -> Vec<(String, LoraOptions)> {
    let mut found = Vec::new();
    model.for_each("*", |path, lora: &Lora| found.push((path.to_string(), lora.options().clone())));
    found
}

/// A model is opened with its adapters, in both layouts of weights, in attention, and in an embedding.
#[test]
fn a_model_is_opened_with_its_adapters() -> Result<()> {
    let mut rng = Rng::seed(0);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("adapted.safetensors");
    let ids = Tensor::from_nested([[1i64, 4, 2, 0], [3, 3, 1, 2]])?;
    let mut gpt = Gpt::new(GptConfig::new(6, 8).hidden_size(8).layers(2).heads(2), &mut rng)?;
    gpt.add_lora_with("*.attn.*", &LoraOptions::new(2, 5.0).dropout(0.25), &mut rng)?;
    gpt.add_lora("*.wte", 1, 3.0, &mut rng)?;
    randomize(&mut gpt);
    gpt.save(&file)?;
    let again = Gpt::open(&file)?;
    assert_eq!(loras(&again), loras(&gpt));
    assert_eq!((loras(&gpt).len(), loras(&gpt)[1].1.dropout), (5, 0.25));
    assert_eq!(again.predict(&ids)?.to_vec::<f32>()?, gpt.predict(&ids)?.to_vec::<f32>()?);
    // The adapted weights are frozen, as when the adapters were added.
    assert_eq!(again.num_trainable_parameters(), gpt.num_trainable_parameters());
    let (_, metadata) = Gpt::open_with_metadata(&file)?;
    assert_eq!(metadata.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["format"]);

    let config = TransformerClassifierConfig::new(6, 3, 8).hidden_size(8).layers(1).heads(2);
    let mut classifier = TransformerClassifier::new(config, &mut rng)?;
    assert_eq!(classifier.add_lora("*.self_attn.in_proj_weight", 2, 4.0, &mut rng)?, 1);
    randomize(&mut classifier);
    classifier.save(&file)?;
    let again = TransformerClassifier::open(&file)?;
    assert_eq!(again.predict(&ids)?.to_vec::<f32>()?, classifier.predict(&ids)?.to_vec::<f32>()?);
    let mut merged = again.clone();
    merged.merge_lora("*")?;
    assert!(merged.predict(&ids)?.sub(&again.predict(&ids)?)?.abs().max()?.item()? < 1e-5);
    merged.save(&file)?;
    assert!(loras(&TransformerClassifier::open(&file)?).is_empty());
    Ok(())
}

/// Files whose metadata were changed are errors, whatever they claim.
#[test]
fn adapters_that_a_file_only_claims_to_have() -> Result<()> {
    use demotic::io::safetensors::{Reader, save_tensors};
    let mut rng = Rng::seed(0);
    let dir = tempfile::tempdir().unwrap();
    let (file, changed) = (dir.path().join("a.safetensors"), dir.path().join("b.safetensors"));
    let mut model = Mlp::new(&[2, 2], &mut rng)?;
    model.add_lora("*", 1, 2.0, &mut rng)?;
    model.save(&file)?;
    let tensors = model.state_dict();
    let with = |claim: &str| -> Result<Mlp> {
        let mut metadata = Reader::open(&file)?.metadata().clone();
        metadata.insert("demotic.lora", claim);
        save_tensors(tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)), &metadata, &changed)?;
        Mlp::open(&changed)
    };
    let says = |claim: &str, expected: &str| {
        let e = with(claim).unwrap_err();
        assert_eq!(e.message(), format!("open: {}: {expected}", changed.display()));
    };
    assert!(with(r#"{"layers.0.weight": {"rank": 1, "alpha": 2.0}}"#).is_ok());
    let rank = "the adapter of `layers.0.weight` has a rank of 1000000000000, and no `lora_a` with as many rows";
    says(r#"{"layers.0.weight": {"rank": 1000000000000, "alpha": 2.0}}"#, rank);
    let rank = "the adapter of `x` has a rank of 1, and no `lora_a` with as many rows";
    says(r#"{"x": {"rank": 1, "alpha": 2.0}}"#, rank);
    for claim in
        ["[]", "", "7", r#"{"layers.0.weight": {"rank": 0, "alpha": 2.0}}"#, r#"{"layers.0.weight": {"rank": 1}}"#]
    {
        let e = with(claim).unwrap_err();
        assert!(e.message().contains("the model's description is damaged: "), "{claim}: {e}");
    }
    Ok(())
}

#[test]
fn adapters_drop_their_inputs_in_training_only() -> Result<()> {
    let mut layer = Linear::new(6, 3, &mut Rng::seed(0))?;
    let x = Tensor::normal([4, 6], 0.0, 1.0, &mut Rng::seed(1))?;
    let base = layer.predict(&x)?;
    let lora = Lora::with(&layer.weight, &LoraOptions::new(2, 6.0).dropout(0.5), &mut Rng::seed(2))?;
    assert_eq!(format!("{lora:?}"), "Lora(rank 2, scale 3, dropout 0.5)");
    layer.weight.adapt(lora)?;
    randomize(&mut layer);
    let named = layer.named_parameters();
    let lora = |name: &str| named.iter().find(|(path, _)| path == name).unwrap().1.clone();
    let (a, b) = (lora("weight.lora_a"), lora("weight.lora_b"));
    let expected =
        |x: &Tensor| -> Result<Vec<f32>> { base.add(&(x.linear(&a, None)?.linear(&b, None)? * 3.0))?.to_vec() };
    assert_eq!(layer.predict(&x)?.to_vec::<f32>()?, expected(&x)?);
    let trained = layer.forward(&x, &mut Mode::train(&mut Rng::seed(3)))?;
    assert_eq!(trained.to_vec::<f32>()?, expected(&x.dropout(0.5, &mut Rng::seed(3))?)?);
    let mut fresh = Linear::new(6, 3, &mut Rng::seed(0))?;
    let e = fresh.add_lora_with("*", &LoraOptions::new(1, 1.0).dropout(1.0), &mut Rng::seed(0)).unwrap_err();
    assert_eq!(e.message(), "lora: dropout is 1, expected at least 0 and less than 1");
    Ok(())
}

#[test]
fn adapters_that_do_not_fit() -> Result<()> {
    let mut rng = Rng::seed(0);
    let mut model = sequential![Linear::new(4, 3, &mut rng)?, Relu, Linear::new(3, 2, &mut rng)?];
    let says = |result: Result<usize>, message: &str, help: &str| {
        let e = result.unwrap_err();
        assert_eq!((e.message().as_str(), e.help()), (message, Some(help).filter(|help| !help.is_empty())));
        assert!(e.to_string().contains(file!()), "{e}");
    };
    let argument = "lora: rank 0 and alpha 1, expected at least 1 and a finite number";
    says(model.add_lora("*", 0, 1.0, &mut rng), argument, "");
    let argument = "lora: rank 2 and alpha NaN, expected at least 1 and a finite number";
    says(model.add_lora("*", 2, f64::NAN, &mut rng), argument, "");
    let weights = "the weights are 0.weight, 2.weight";
    says(model.add_lora("5", 1, 1.0, &mut rng), "add_lora: no weight matches `5`", weights);
    says(model.merge_lora("*"), "merge_lora: no adapter matches `*`", weights);
    assert_eq!(model.add_lora("2", 1, 1.0, &mut rng)?, 1);
    let before = names(&model);
    says(model.add_lora("*", 1, 1.0, &mut rng), "add_lora: `2.weight` has an adapter already", "merge it first");
    assert_eq!(names(&model), before);

    let mut layer = Linear::new(4, 3, &mut rng)?;
    let wrong = outside::LowRank::new(&Linear::new(5, 3, &mut rng)?.weight, 1, &mut rng)?;
    assert!(layer.weight.adapt(wrong).is_err());
    #[derive(Clone)]
    struct Row;
    module!(Row {});
    impl Adapter for Row {
        fn value(&self, weight: &Tensor) -> Result<Tensor> {
            weight.select(0, 0)
        }
    }
    let e = layer.weight.adapt(Row).unwrap_err();
    assert_eq!(e.message(), "adapt: Row makes [4] of f32 of a weight [3, 4] of f32");
    let lora = Lora::new(&layer.weight, 1, 1.0, &mut rng)?;
    layer.weight.adapt(lora.clone())?;
    let e = layer.weight.adapt(lora).unwrap_err();
    assert_eq!(e.message(), "adapt: the weight has an adapter already, a Lora");
    let e = layer.weight.unmerge(Box::new(outside::LowRank::new(&layer.weight, 1, &mut rng)?)).unwrap_err();
    assert_eq!(e.message(), "unmerge: what LowRank does to a weight cannot be undone");

    // One that undoes something else than it does.
    #[derive(Clone)]
    struct Careless;
    module!(Careless {});
    impl Adapter for Careless {
        fn value(&self, weight: &Tensor) -> Result<Tensor> {
            Ok(weight.clone())
        }
        fn undo(&self, value: &Tensor) -> Result<Tensor> {
            value.select(0, 0)
        }
    }
    let mut layer = Linear::new(4, 3, &mut rng)?;
    let e = layer.weight.unmerge(Box::new(Careless)).unwrap_err();
    assert_eq!(e.message(), "set: [4] of f32 for a value of shape [3, 4] of f32");
    assert!(layer.weight.adapter().is_none());
    Ok(())
}

/// The weight of a convolution is no matrix: the linear layer before it gets no adapter then, and is not frozen.
#[test]
fn all_weights_get_adapters_or_none_does() -> Result<()> {
    let mut rng = Rng::seed(0);
    let mut model = sequential![Linear::new(4, 3, &mut rng)?, Conv1d::new(2, 2, 1, &mut rng)?];
    let (before, trained) = (names(&model), model.num_trainable_parameters());
    let e = model.add_lora("*", 1, 1.0, &mut rng).unwrap_err();
    assert_eq!((e.kind(), e.layer()), (ErrorKind::Shape, Some("1.weight")));
    assert!(e.message().ends_with("a weight of shape [2, 2, 1], expected a matrix"), "{e}");
    assert!(e.to_string().contains(file!()), "{e}");
    assert_eq!((names(&model), model.num_trainable_parameters()), (before, trained));
    Ok(())
}

/// Every layer into a residual one, in which it is a layer in a box again.
#[test]
fn wrapping_what_was_wrapped_comes_to_an_end() -> Result<()> {
    let mut model = sequential![Relu, Tanh];
    let wrap = |_: &str, place: &mut Box<dyn Layer>| {
        let inner = std::mem::replace(place, Box::new(Relu));
        *place = Box::new(Residual::new(inner));
        Ok(())
    };
    let e = model.clone().for_each_mut("*", wrap).unwrap_err();
    assert_eq!(e.message(), "for_each_mut: modules that are nested in each other more than 256 levels deep");
    assert!(e.to_string().contains(file!()), "{e}");
    assert_eq!(model.for_each_mut("1", wrap)?, 1);
    assert_eq!(model.modules()[2..], [("1".into(), "Residual"), ("1.inner".into(), "Tanh")]);
    Ok(())
}

struct Attention<P: Clone> {
    query: P,
    feed: Vec<Feed>,
    experts: BTreeMap<String, Linear>,
    pair: (Linear, Option<Box<dyn Layer>>),
}

enum Feed {
    Dense(Box<Linear>),
    Deep(Box<Mlp>),
}

module!(Attention<P: Clone> { query as "self", feed, experts, pair });
module!(
    enum Feed {
        Dense(Box<Linear>),
        Deep(Box<Mlp>),
    }
);

#[test]
fn all_kinds_of_modules_can_be_walked_through() -> Result<()> {
    let mut rng = Rng::seed(0);
    let mut linear = || Linear::new(2, 2, &mut rng).unwrap().without_bias();
    let experts = [("b", linear()), ("a", linear())].map(|(key, layer)| (key.to_string(), layer)).into();
    let pair = (linear(), Some(Box::new(sequential![linear(), Relu]) as Box<dyn Layer>));
    let deep = Feed::Deep(Box::new(Mlp::new(&[2, 2], &mut Rng::seed(0))?));
    let mut model = Attention { query: linear(), feed: vec![Feed::Dense(Box::new(linear())), deep], experts, pair };
    assert_eq!(
        names(&model),
        [
            "self.weight",
            "feed.0.weight",
            "feed.1.layers.0.weight",
            "feed.1.layers.0.bias",
            "experts.a.weight",
            "experts.b.weight",
            "pair.0.weight",
            "pair.1.0.weight",
        ]
    );
    let modules = model.modules();
    let modules: Vec<String> = modules.iter().map(|(path, kind)| format!("{path} {kind}")).collect();
    assert_eq!(
        modules,
        [
            " Attention",
            "self Linear",
            "feed Vec",
            "feed.0 Linear",
            "feed.1 Mlp",
            "feed.1.layers Vec",
            "feed.1.layers.0 Linear",
            "feed.1.activation Relu",
            "experts BTreeMap",
            "experts.a Linear",
            "experts.b Linear",
            "pair tuple",
            "pair.0 Linear",
            "pair.1 Sequential",
            "pair.1.0 Linear",
            "pair.1.1 Relu",
        ]
    );
    let mut seen = Vec::new();
    model.for_each("*1*", |path, layer: &Linear| seen.push((path.to_string(), layer.in_features())));
    assert_eq!(seen, [("feed.1.layers.0".to_string(), 2), ("pair.1.0".to_string(), 2)]);
    // A place for layers gets another layer, a variant another value.
    assert_eq!(
        model.for_each_mut("pair.*", |_, layer: &mut Box<dyn Layer>| {
            *layer = Box::new(Tanh);
            Ok(())
        })?,
        1
    );
    assert!(model.modules().iter().any(|(path, kind)| path == "pair.1" && *kind == "Tanh"));
    let e = model.for_each_mut("nowhere", |_, _: &mut Mlp| Ok(())).unwrap_err();
    assert_eq!(e.message(), "for_each_mut: no Mlp matches `nowhere`");
    assert_eq!(e.help(), Some("every Mlp of the model: feed.1"));
    let e = model.for_each_mut("*", |_, _: &mut Dropout| Ok(())).unwrap_err();
    assert_eq!(e.help(), Some("the model has no Dropout"));
    let mut calls = 0;
    let e = model.for_each_mut("*", |path, _: &mut Linear| {
        calls += 1;
        Err(Error::state("test", path))
    });
    assert_eq!((e.unwrap_err().message().as_str(), calls), ("test: self", 1));
    Ok(())
}

#[test]
fn layers_of_a_sequential_come_and_go() -> Result<()> {
    let mut rng = Rng::seed(0);
    let mut model = sequential![Linear::new(2, 3, &mut rng)?, Relu];
    let x = Tensor::ones([1, 2])?;
    model.insert(2, Linear::new(3, 1, &mut rng)?)?;
    assert_eq!(model.predict(&x)?.shape(), [1, 1]);
    assert_eq!(model.replace(1, Tanh)?.kind(), "Relu");
    assert_eq!(model.remove(2)?.kind(), "Linear");
    let Some(first) = model.get_mut(0).and_then(|layer| layer.downcast_mut::<Linear>()) else { panic!("no Linear") };
    first.bias = None;
    assert_eq!(names(&model), ["0.weight"]);
    assert!(model.get(1).is_some_and(|layer| layer.downcast_ref::<Tanh>().is_some()));
    assert!(model.get(2).is_none() && model.get_mut(usize::MAX).is_none());
    assert_eq!(model.insert(3, Relu).unwrap_err().message(), "insert: layer 3 of 2");
    assert_eq!(model.replace(2, Relu).unwrap_err().message(), "replace: layer 2 of 2");
    let e = model.remove(usize::MAX).unwrap_err();
    assert_eq!(e.message(), format!("remove: layer {} of 2", usize::MAX));
    Ok(())
}

#[test]
fn models_change_their_type_and_back() -> Result<()> {
    let mut rng = Rng::seed(0);
    let mut model = sequential![Linear::new(4, 3, &mut rng)?, LayerNorm::new(3)?, Stats::new(3)?];
    model.freeze("0.bias")?;
    let x = Tensor::normal([5, 4], 0.0, 1.0, &mut rng)?;
    let before = model.predict(&x)?;
    model.to_dtype(DType::F64)?;
    assert_eq!(model.num_trainable_parameters() + 3, model.num_parameters());
    let wide = model.predict(&x.to_dtype(DType::F64))?;
    assert_eq!(wide.dtype(), DType::F64);
    model.to_dtype(DType::F32)?;
    assert_eq!(model.predict(&x)?.to_vec::<f32>()?, before.to_vec::<f32>()?);
    let e = model.to_dtype(DType::I64).unwrap_err();
    assert_eq!(e.message(), "to_dtype: parameters of type i64, which has no gradients");
    assert!(model.named_parameters().iter().all(|(_, value)| value.dtype() == DType::F32));
    Ok(())
}

/// Divides by the standard deviation of the batch in training, by that of all batches in evaluation, as batch norm does.
#[derive(Clone)]
struct Stats {
    mean_square: Buffer,
    batches: Buffer,
    /// Whether it counts what it has seen before, as a layer does that knows nothing of second runs.
    careless: bool,
}

module!(Stats { mean_square, batches }, plain { careless });

impl Stats {
    fn new(features: usize) -> Result<Self> {
        let batches = Buffer::new(Tensor::from_nested([0i64])?);
        Ok(Self { mean_square: Buffer::new(Tensor::ones([features])?), batches, careless: false })
    }
}

impl Layer for Stats {
    fn forward(&self, x: &Tensor, mode: &mut Mode) -> Result<Tensor> {
        if !mode.is_training() {
            return x.div(&self.mean_square.get().sqrt());
        }
        let square = x.square().mean_dims(&[0], false)?;
        if self.careless || !mode.is_recomputing() {
            let old = &self.mean_square.get() * 0.9;
            self.mean_square.set(&old.add(&(square.detach() * 0.1))?)?;
            self.batches.set(&(&self.batches.get() + 1))?;
        }
        x.div(&square.sqrt())
    }
}

#[test]
fn running_statistics_survive_checkpointing_and_count_once() -> Result<()> {
    let mut rng = Rng::seed(0);
    let x = Tensor::normal([16, 3], 0.0, 2.0, &mut rng)?;
    for careless in [false, true] {
        let block = sequential![Linear::new(3, 3, &mut rng)?, Stats { careless, ..Stats::new(3)? }, Dropout::new(0.2)?];
        let plain = block.clone();
        let state = |block: &Sequential| {
            let mut all = Vec::new();
            block.visit(&mut Visitor::new(&mut |_, slot| {
                if let Slot::Buffer(buffer) = slot {
                    all.push(buffer.get().to_f64_vec());
                }
            }));
            all
        };
        for step in 1..4 {
            let saved = checkpointed(&block, &x, &mut Mode::train(&mut Rng::seed(step)))?.square().sum().backward()?;
            let whole = plain.forward(&x, &mut Mode::train(&mut Rng::seed(step).split()))?.square().sum().backward()?;
            assert_eq!(state(&block), state(&plain), "step {step}");
            assert_eq!(state(&block)[1], [step as f64]);
            for ((_, a), (_, b)) in block.named_parameters().iter().zip(plain.named_parameters()) {
                assert_eq!(saved.wrt(a)?.to_vec::<f32>()?, whole.wrt(&b)?.to_vec::<f32>()?);
            }
        }
        assert_eq!(block.predict(&x)?.to_vec::<f32>()?, plain.predict(&x)?.to_vec::<f32>()?);
    }
    Ok(())
}

#[test]
fn shared_buffers_are_one() -> Result<()> {
    let buffer = Buffer::new(tensor![1.0]);
    let (shared, copy) = (buffer.shared(), buffer.clone());
    shared.set(&tensor![2.0])?;
    assert_eq!([&buffer, &shared, &copy].map(|b| b.get().item().unwrap()), [2.0, 2.0, 1.0]);
    let layer = Stats::new(1)?;
    let second = share(&layer);
    let f = move |x: &Tensor| second.forward(x, &mut Mode::train(&mut Rng::seed(0)));
    f(&tensor![[3.0]])?;
    assert_eq!(layer.batches.get().to_vec::<i64>()?, [1]);
    assert!(!autograd::no_grad(|| layer.mean_square.get()).is_tracked());
    Ok(())
}

#[test]
fn constraints_hold_after_every_visit() -> Result<()> {
    #[derive(Clone)]
    struct Gain {
        value: Param,
    }
    module!(Gain { value }, constrain keep_positive);
    impl Gain {
        fn keep_positive(&mut self) {
            let positive = self.value.detach().clamp(Some(0.0), Some(10.0));
            self.value.set(&positive).unwrap();
        }
    }
    impl Layer for Gain {
        fn forward(&self, x: &Tensor, _: &mut Mode) -> Result<Tensor> {
            x.mul(&self.value)
        }
    }
    let gain = Gain { value: Param::new(tensor![0.5])? };
    // The model itself, and in a list, a box and an option.
    let mut models: Vec<Box<dyn Layer>> = vec![Box::new(gain.clone()), Box::new(sequential![Residual::new(gain)])];
    for model in &mut models {
        let grads = model.forward(&tensor![1.0], &mut Mode::eval())?.sum().backward()?;
        Sgd::new(1.0).step(model, &grads)?;
        assert_eq!(model.named_parameters()[0].1.item()?, 0.0);
        let state = model.state_dict();
        let state: Vec<_> = state.iter().map(|(name, value)| (name.clone(), value + 20.0)).collect();
        model.load_state_dict(&state.into_iter().collect())?;
        assert_eq!(model.named_parameters()[0].1.item()?, 10.0);
    }
    Ok(())
}
