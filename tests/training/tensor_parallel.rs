//! Models of which each rank has a part of every layer, against the whole.

use std::collections::BTreeMap;
use std::time::Duration;

use demotic::distributed::{Group, TensorParallel, ThreadGroup};
use demotic::models::{Generate, GenerateOptions, Gpt, GptConfig, Llama, LlamaConfig, RopeConfig};
use demotic::optimizers::clip;
use demotic::parallel::with_threads;
use demotic::prelude::*;
use demotic::text::Sampler;

const CLOSE: f64 = 1e-6;

fn far(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.shape(), b.shape());
    a.sub(b).unwrap().abs().max().unwrap().item().unwrap()
}

fn assert_close(a: &BTreeMap<String, Tensor>, b: &BTreeMap<String, Tensor>) {
    assert!(a.keys().eq(b.keys()), "{:?} {:?}", a.keys(), b.keys());
    for (name, value) in a {
        let difference = far(value, &b[name]);
        assert!(difference < CLOSE, "{name}: {difference}");
    }
}

fn bits(model: &impl Module) -> Vec<(String, Vec<u32>)> {
    let bits = |value: &Tensor| value.to_vec::<f32>().unwrap().iter().map(|x| x.to_bits()).collect();
    model.state_dict().iter().map(|(name, value)| (name.clone(), bits(value))).collect()
}

/// Token ids and those that follow, one of which does not count.
fn text(batch: usize, time: usize, vocab: i64) -> (Tensor, Tensor) {
    let ids: Vec<i64> = (0..batch * (time + 1)).map(|i| (i * i * 7 + i * 3) as i64 % vocab).collect();
    let all = Tensor::from_vec(ids, [batch, time + 1]).unwrap();
    let mut next = all.narrow(1, 1, time).unwrap().to_vec::<i64>().unwrap();
    next[2] = -100;
    (all.narrow(1, 0, time).unwrap(), Tensor::from_vec(next, [batch, time]).unwrap())
}

/// Losses of three steps with dropout, and the model after them.
fn train<M: Layer>(model: &mut M, loss: &dyn Fn(&M, &mut Mode<'_>) -> Result<Tensor>) -> Result<Vec<f64>> {
    let mut rng = Rng::seed(5);
    let mut opt = Sgd::new(0.1).momentum(0.5);
    let mut losses = Vec::new();
    for _ in 0..3 {
        let value = loss(model, &mut Mode::train(&mut rng))?;
        losses.push(value.item()?);
        opt.step(model, &value.backward()?)?;
    }
    Ok(losses)
}

/// A model of each rank does what the whole does: it predicts, learns, generates, is joined and is loaded again.
fn check<M: Layer + Clone + demotic::models::CausalLm>(whole: &M, ranks: usize) -> Result<()> {
    let (ids, targets) = text(2, 6, 21);
    let logits = whole.predict(&ids)?;
    let mut trained = whole.clone();
    let losses =
        train(&mut trained, &|model, mode| losses::token_cross_entropy(&model.forward(&ids, mode)?, &targets))?;
    let options = GenerateOptions::new().sampler(Sampler::greedy()).max_new_tokens(6);
    let written = whole.generate(&[3, 1, 4], &options, &mut Rng::seed(1))?.tokens;
    let parts = ThreadGroup::run(ranks, |group| {
        let parallel = TensorParallel::new(group);
        let mut part = parallel.split(whole)?;
        assert!(ranks == 1 || part.num_parameters() < whole.num_parameters() * 2 / 3);
        assert!(far(&part.predict(&ids)?, &logits) < CLOSE);
        // Without the logits of other ranks, and with them.
        let mode = &mut Mode::eval();
        let apart = parallel.token_loss(&part, &ids, &targets, mode)?;
        let together = losses::token_cross_entropy(&part.forward(&ids, mode)?, &targets)?;
        assert!(far(&apart, &together) < CLOSE);
        assert_eq!(part.generate(&[3, 1, 4], &options, &mut Rng::seed(1))?.tokens, written);
        // A part takes its share of what a file has for the whole.
        let mut other = part.clone();
        for (_, value) in other.named_parameters() {
            assert!(value.is_tracked());
        }
        let mut opt = Sgd::new(1.0);
        let noise = other.forward(&ids, &mut Mode::eval())?.square().sum().backward()?;
        opt.step(&mut other, &noise)?;
        other.load_from(&parallel.source(&other.clone(), &whole.state_dict()))?;
        assert_eq!(bits(&other), bits(&part));
        assert_close(&parallel.join(&part)?.state_dict(), &whole.state_dict());
        // Norms of gradients are those of the whole.
        let mut grads = apart.backward()?;
        let norm = parallel.clip_grad_norm(&part, &mut grads, 0.01)?;
        let same = train(&mut part, &|part, mode| parallel.token_loss(part, &ids, &targets, mode))?;
        let joined = parallel.join(&part)?;
        assert!(same.iter().zip(&losses).all(|(a, b)| (a - b).abs() < CLOSE), "{same:?} {losses:?}");
        assert_close(&joined.state_dict(), &trained.state_dict());
        Ok((norm, same, bits(&joined)))
    })?;
    let mut grads = losses::token_cross_entropy(&whole.forward(&ids, &mut Mode::eval())?, &targets)?.backward()?;
    let norm = clip::by_norm(&mut grads, 0.01)?;
    assert!((parts[0].0 - norm).abs() < 1e-5 * norm);
    assert!(parts.iter().all(|part| part == &parts[0]), "ranks have other bits");
    Ok(())
}

#[test]
fn pairs_of_dense_layers() -> Result<()> {
    let rng = &mut Rng::seed(3);
    let whole = sequential![Linear::new(8, 30, rng)?, Gelu, Linear::new(30, 5, rng)?, Tanh, Linear::new(5, 7, rng)?];
    let (x, y) = (Tensor::normal([4, 8], 0.0, 1.0, rng)?, Tensor::normal([4, 7], 0.0, 1.0, rng)?);
    let mut trained = whole.clone();
    train(&mut trained, &|model, mode| losses::mse(&model.forward(&x, mode)?, &y))?;
    for ranks in 1..=4 {
        let parts = ThreadGroup::run(ranks, |group| {
            let parallel = TensorParallel::new(group).column("0").row("2");
            let mut part = parallel.split(&whole)?;
            let hidden = part.named_parameters()[0].1.shape()[0];
            train(&mut part, &|part, mode| losses::mse(&part.forward(&x, mode)?, &y))?;
            let joined = parallel.join(&part)?;
            assert_close(&joined.state_dict(), &trained.state_dict());
            // Second derivatives go through it as well.
            let x = x.tracked()?;
            let squared = |model: &Sequential| -> Result<Tensor> {
                let y = model.forward(&x, &mut Mode::eval())?.square().sum();
                let options = demotic::autograd::GradOptions::new().create_graph(true);
                let slope = demotic::autograd::grad(&[&y], &[&x], options)?[0].square().sum();
                Ok(slope.backward()?.wrt(&x)?.clone())
            };
            assert!(far(&squared(&part)?, &squared(&joined)?) < 1e-5);
            Ok((hidden, bits(&joined)))
        })?;
        assert_eq!(parts.iter().map(|part| part.0).sum::<usize>(), 30);
        assert!(parts.iter().all(|part| part.1 == parts[0].1));
    }
    Ok(())
}

#[test]
fn gpts() -> Result<()> {
    let config = GptConfig::new(21, 12).layers(2).heads(4).hidden_size(16).intermediate_size(22).dropout(0.2);
    for config in [config.clone(), config.clone().untied(), config.with_checkpointing()] {
        let gpt = Gpt::new(config, &mut Rng::seed(0))?;
        for ranks in [1, 2, 4] {
            check(&gpt, ranks)?;
        }
    }
    Ok(())
}

#[test]
fn llamas() -> Result<()> {
    let config = LlamaConfig::new(21, 12).layers(2).heads(8).kv_heads(4).hidden_size(32).intermediate_size(22);
    let mut other = config.clone().tied().sliding_window(4).attention_dropout(0.3).dropout(0.1);
    (other.qkv_bias, other.output_bias, other.mlp_bias, other.qk_norm, other.post_norms) =
        (true, true, true, true, true);
    (other.attention_softcap, other.logit_softcap, other.embedding_scale) = (Some(5.0), Some(3.0), Some(2.0));
    other.rope = RopeConfig::new(100.0).dims(2);
    for config in [config, other] {
        let llama = Llama::new(config, &mut Rng::seed(0))?;
        for ranks in [1, 2, 4] {
            check(&llama, ranks)?;
        }
    }
    Ok(())
}

/// Large enough for work to be divided among threads.
#[test]
fn the_same_bits_on_any_number_of_threads() -> Result<()> {
    let config = GptConfig::new(301, 32).layers(1).heads(4).hidden_size(96).dropout(0.1);
    let gpt = Gpt::new(config, &mut Rng::seed(0))?;
    let (ids, targets) = text(3, 32, 301);
    let run = |threads: usize| {
        ThreadGroup::run(2, |group| {
            with_threads(threads, || {
                let parallel = TensorParallel::new(group);
                let mut part = parallel.split(&gpt)?;
                let losses = train(&mut part, &|part, mode| parallel.token_loss(part, &ids, &targets, mode))?;
                Ok((losses, bits(&part)))
            })?
        })
    };
    assert_eq!(run(1)?, run(3)?);
    Ok(())
}

#[test]
fn what_cannot_be_divided_is_said() -> Result<()> {
    let gpt = Gpt::new(GptConfig::new(20, 8).layers(1).heads(4).hidden_size(16), &mut Rng::seed(0))?;
    let error = |ranks: usize, f: &(dyn Fn(&dyn Group) -> Result<()> + Sync)| {
        ThreadGroup::run_with(ranks, Duration::from_secs(20), f).unwrap_err()
    };
    let split = |group: &dyn Group| TensorParallel::new(group).split(&gpt).map(drop);
    let e = error(3, &split);
    assert_eq!(e.message(), "tensor_parallel: 4 heads cannot be divided among 3 ranks");
    assert_eq!(e.help(), Some("take a number of ranks that divides both"));
    assert!(e.location().file().ends_with("tensor_parallel.rs"), "{e}");
    let config = LlamaConfig::new(20, 8).layers(1).heads(4).kv_heads(1).hidden_size(16);
    let llama = Llama::new(config, &mut Rng::seed(0))?;
    let e = error(2, &|group| TensorParallel::new(group).split(&llama).map(drop));
    assert_eq!(e.message(), "tensor_parallel: 1 heads of keys and values cannot be divided among 2 ranks");
    let config = GptConfig::new(3, 8).layers(1).heads(4).hidden_size(16);
    let small = Gpt::new(config, &mut Rng::seed(0))?;
    let e = error(4, &|group| TensorParallel::new(group).split(&small).map(drop));
    assert_eq!(e.message(), "tensor_parallel: 3 features cannot be divided among 4 ranks");
    assert_eq!(e.layer(), Some("transformer.wte"));

    let mlp = sequential![Linear::new(4, 8, &mut Rng::seed(0))?, Relu, Linear::new(8, 2, &mut Rng::seed(0))?];
    let e = error(2, &|group| TensorParallel::new(group).split(&mlp).map(drop));
    assert_eq!(e.message(), "tensor_parallel: nothing in the model is divided");
    let e = error(2, &|group| TensorParallel::new(group).column("3").split(&mlp).map(drop));
    assert_eq!(e.message(), "tensor_parallel: no dense layer and no table matches `3`");
    let e = error(2, &|group| {
        let mut mlp = mlp.clone();
        mlp.add_lora("0", 2, 4.0, &mut Rng::seed(0))?;
        TensorParallel::new(group).column("0").row("2").split(&mlp).map(drop)
    });
    assert_eq!(e.message(), "tensor_parallel: the weight has an adapter");
    let words = Embedding::new(9, 4, &mut Rng::seed(0))?;
    let e = error(2, &|group| TensorParallel::new(group).row("*").split(&words).map(drop));
    assert_eq!(e.message(), "tensor_parallel: `` is a table");

    // Other models on other ranks.
    let e = error(2, &|group| {
        let gpt =
            Gpt::new(GptConfig::new(20, 8).layers(1).heads(4).hidden_size(16), &mut Rng::seed(group.rank() as u64))?;
        TensorParallel::new(group).split(&gpt).map(drop)
    });
    assert!(
        e.message().starts_with("tensor_parallel: rank 1 has `transformer.wte.weight` [20, 16] of f32 with the sum "),
        "{e}"
    );

    // Tokens that are not there.
    let ids = Tensor::from_nested([[3i64, 20]])?;
    let e = error(2, &|group| TensorParallel::new(group).split(&gpt)?.predict(&ids).map(drop));
    let whole = gpt.predict(&ids).unwrap_err();
    assert_eq!((e.message(), e.layer(), e.help()), (whole.message(), whole.layer(), whole.help()));
    let targets = Tensor::from_nested([[3i64, 99]])?;
    let e = error(2, &|group| {
        let parallel = TensorParallel::new(group);
        let part = parallel.split(&gpt)?;
        parallel.token_loss(&part, &targets.narrow(1, 0, 1)?.repeat(&[1, 2])?, &targets, &mut Mode::eval()).map(drop)
    });
    assert_eq!(e.message(), "cross_entropy: target 1 is class 99, the logits have 20 classes (0 ..= 19)");
    Ok(())
}
