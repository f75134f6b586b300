//! Language models whose blocks are divided among ranks, against the whole.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use demotic::distributed::{DecoderConfig, Grid, Group, Pipeline, Stage, ThreadGroup};
use demotic::io::{TensorInfo, TensorSource};
use demotic::models::{Generate, GenerateOptions, Gpt, GptConfig, LanguageModel, Llama, LlamaConfig};
use demotic::optimizers::clip;
use demotic::prelude::*;
use demotic::text::Sampler;

const CLOSE: f64 = 1e-6;

type Bits = Vec<(String, Vec<u32>)>;

fn bits(model: &impl Module) -> Bits {
    let bits = |value: &Tensor| value.to_vec::<f32>().unwrap().iter().map(|x| x.to_bits()).collect();
    model.state_dict().iter().map(|(name, value)| (name.clone(), bits(value))).collect()
}

fn assert_close(a: &Bits, b: &Bits) {
    for ((name, a), (other, b)) in a.iter().zip(b) {
        assert_eq!((name, a.len()), (other, b.len()));
        let far = a.iter().zip(b).map(|(a, b)| (f32::from_bits(*a) - f32::from_bits(*b)).abs()).fold(0.0, f32::max);
        assert!(f64::from(far) < CLOSE, "{name}: {far}");
    }
}

fn gpt() -> GptConfig {
    GptConfig::new(21, 12).layers(3).heads(2).hidden_size(16).intermediate_size(22).dropout(0.2)
}

fn llama() -> LlamaConfig {
    let config = LlamaConfig::new(21, 12).layers(3).heads(4).kv_heads(2).hidden_size(16).intermediate_size(22);
    config.dropout(0.1).sliding_window(4)
}

/// Micro-batches for all copies of a model.
fn batches(n: usize) -> Vec<(Tensor, Tensor)> {
    let ids: Vec<i64> = (0..n * 14).map(|i| (i * i * 5 + i * 3) as i64 % 21).collect();
    let all = Tensor::from_vec(ids, [n, 2, 7]).unwrap();
    let batch = |i| {
        let text = all.select(0, i).unwrap();
        (text.narrow(1, 0, 6).unwrap(), text.narrow(1, 1, 6).unwrap())
    };
    (0..n as isize).map(batch).collect()
}

/// Losses, norms and the model of a few steps in one process, which adds up the gradients of all micro-batches.
fn whole(model: &LanguageModel, batches: &[(Tensor, Tensor)]) -> Result<(Vec<f64>, Bits)> {
    let (mut model, mut opt, mut rng) = (model.clone(), Sgd::new(0.1).momentum(0.5), Rng::seed(5));
    let mut seen = Vec::new();
    for _ in 0..2 {
        let (mut sum, mut loss) = (demotic::autograd::Gradients::default(), 0.0);
        for (ids, targets) in batches {
            let mut rng = rng.split();
            let logits = model.forward(ids, &mut Mode::train(&mut rng))?;
            let own = losses::token_cross_entropy(&logits, targets)?;
            loss += own.item()?;
            sum.accumulate(own.backward()?)?;
        }
        sum.scale(1.0 / batches.len() as f64);
        seen.push(loss / batches.len() as f64);
        seen.push(clip::by_norm(&mut sum, 10.0)?);
        opt.step(&mut model, &sum)?;
    }
    Ok((seen, bits(&model)))
}

/// The same on a grid.
fn divided(model: &LanguageModel, batches: &[(Tensor, Tensor)], sizes: [usize; 3]) -> Result<(Vec<f64>, Bits)> {
    let n = batches.len() / sizes[0];
    let runs = ThreadGroup::run(sizes.iter().product(), |group| {
        let grid = Grid::new(group, sizes)?;
        let mut stage = Pipeline::new(&grid).split(model)?;
        assert_eq!(bits(&stage.join()?), bits(model));
        let (mut opt, mut rng, mut seen) = (Sgd::new(0.1).momentum(0.5), Rng::seed(5), Vec::new());
        let own = &batches[grid.data().rank() * n..][..n];
        for _ in 0..2 {
            let (loss, mut grads) = stage.gradients(own, Some(&mut rng))?;
            seen.extend([loss, stage.clip_grad_norm(&mut grads, 10.0)?]);
            opt.step(&mut stage, &grads)?;
        }
        Ok((seen, bits(&stage.join()?)))
    })?;
    assert!(runs.iter().all(|run| run == &runs[0]), "ranks differ");
    Ok(runs[0].clone())
}

#[test]
fn stages_do_what_one_process_does_that_adds_up() -> Result<()> {
    let models: [LanguageModel; 3] = [
        Gpt::new(gpt().untied(), &mut Rng::seed(0))?.into(),
        Llama::new(llama(), &mut Rng::seed(0))?.into(),
        Gpt::new(gpt().with_checkpointing(), &mut Rng::seed(0))?.into(),
    ];
    for (i, model) in models.iter().enumerate() {
        let batches = batches(4);
        let (seen, parameters) = whole(model, &batches)?;
        for sizes in [[1, 1, 1], [1, 2, 1], [1, 3, 1], [1, 2, 2], [2, 2, 1], [2, 1, 2]] {
            let (ours, joined) = divided(model, &batches, sizes)?;
            assert_close(&joined, &parameters);
            assert!(ours.iter().zip(&seen).all(|(a, b)| (a - b).abs() < 1e-5), "{sizes:?} {ours:?} {seen:?}");
            // Without sums of several ranks, bit for bit.
            if i < 2 && sizes[0] * sizes[2] == 1 {
                assert_eq!((&joined, ours[0]), (&parameters, seen[0]), "{sizes:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn all_three_directions() -> Result<()> {
    let model = Llama::new(llama().tied(), &mut Rng::seed(1))?.into();
    let batches = batches(4);
    let (seen, parameters) = whole(&model, &batches)?;
    let (ours, joined) = divided(&model, &batches, [2, 2, 2])?;
    assert_close(&joined, &parameters);
    assert!(ours.iter().zip(&seen).all(|(a, b)| (a - b).abs() < 1e-5), "{ours:?} {seen:?}");
    Ok(())
}

/// Which tensors were read.
struct Counted(BTreeMap<String, Tensor>, RefCell<Vec<String>>);

impl TensorSource for Counted {
    fn infos(&self) -> Vec<TensorInfo> {
        self.0.infos()
    }
    fn read(&self, name: &str) -> Result<Tensor> {
        self.1.borrow_mut().push(name.to_string());
        self.0.read(name)
    }
    fn describe(&self) -> String {
        "the source".into()
    }
}

#[test]
fn a_part_is_made_alone() -> Result<()> {
    let config = llama().tied();
    let model: LanguageModel = Llama::new(config.clone(), &mut Rng::seed(7))?.into();
    let other: LanguageModel = Gpt::new(gpt().untied(), &mut Rng::seed(7))?.into();
    let configs: [DecoderConfig; 2] = [config.into(), gpt().untied().into()];
    for (model, config) in [model, other].iter().zip(configs) {
        ThreadGroup::run(4, |group| {
            let pipeline = Pipeline::new(&Grid::new(group, [1, 2, 2])?);
            let split = pipeline.split(model)?;
            let mut rng = Rng::seed(7);
            assert_eq!(bits(&pipeline.begin(config.clone(), &mut rng)?), bits(&split));
            let source = Counted(model.state_dict(), RefCell::default());
            let opened = pipeline.open(config.clone(), &source)?;
            assert_eq!(bits(&opened), bits(&split));
            assert!(opened.num_parameters() * 3 < model.num_parameters() * 2);
            assert_eq!(source.1.borrow().len(), opened.state_dict().len(), "what others have was read");
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn stages_write_what_the_whole_writes() -> Result<()> {
    let models: [LanguageModel; 2] =
        [Gpt::new(gpt(), &mut Rng::seed(0))?.into(), Llama::new(llama(), &mut Rng::seed(0))?.into()];
    let greedy = GenerateOptions::new().sampler(Sampler::greedy()).max_new_tokens(6);
    let drawn = GenerateOptions::new().max_new_tokens(5);
    let prompts = [vec![3, 1, 4], vec![1, 5]];
    for model in &models {
        let write = |model: &dyn Fn(&GenerateOptions) -> Result<Vec<Vec<i64>>>| -> Result<_> {
            Ok((model(&greedy)?, model(&drawn)?))
        };
        let texts =
            |continuations: Vec<demotic::models::Continuation>| continuations.into_iter().map(|c| c.tokens).collect();
        let expected = write(&|options| Ok(texts(model.generate_batch(&prompts, options, &mut Rng::seed(1))?)))?;
        for sizes in [[1, 2, 1], [1, 1, 2], [1, 3, 2]] {
            let written = ThreadGroup::run(sizes.iter().product(), |group| {
                let stage = Pipeline::new(&Grid::new(group, sizes)?).split(model)?;
                write(&|options| Ok(texts(stage.generate_batch(&prompts, options, &mut Rng::seed(1))?)))
            })?;
            assert!(written.iter().all(|written| *written == expected), "{sizes:?} {written:?} {expected:?}");
        }
    }
    Ok(())
}

#[test]
fn blocks_go_where_the_work_is_even() -> Result<()> {
    ThreadGroup::run(4, |group| {
        let pipeline = Pipeline::new(&Grid::new(group, [1, 4, 1])?);
        // The output layer of GPT-2 costs as much as 5.4 blocks.
        assert_eq!(pipeline.counts(GptConfig::gpt2())?, [4, 4, 3, 1]);
        // And as that of the largest costs as much as 2.6.
        assert_eq!(pipeline.counts(GptConfig::gpt2_xl())?, [13, 13, 12, 10]);
        assert_eq!(pipeline.clone().blocks(&[1, 5, 5, 1]).counts(GptConfig::gpt2())?, [1, 5, 5, 1]);
        Ok(())
    })?;
    Ok(())
}

#[test]
fn what_does_not_fit_is_said() -> Result<()> {
    let error = |ranks: usize, f: &(dyn Fn(&dyn Group) -> Result<()> + Sync)| {
        ThreadGroup::run_with(ranks, Duration::from_secs(20), f).unwrap_err()
    };
    let e = error(4, &|group| Grid::new(group, [2, 1, 3]).map(drop));
    assert_eq!(e.message(), "Grid::new: a grid of 2 × 1 × 3 for 4 ranks");
    let e = error(2, &|group| Grid::new(group, if group.rank() == 0 { [1, 2, 1] } else { [2, 1, 1] }).map(drop));
    assert_eq!(e.message(), "Grid::new: rank 1 has a grid of 2 × 1 × 1, rank 0 has a grid of 1 × 2 × 1");
    let model: LanguageModel = Gpt::new(gpt(), &mut Rng::seed(0))?.into();
    let stage = |group: &dyn Group, sizes| -> Result<Stage> { Pipeline::new(&Grid::new(group, sizes)?).split(&model) };
    let e = error(4, &|group| stage(group, [1, 4, 1]).map(drop));
    assert_eq!(e.message(), "pipeline: 3 blocks for 4 stages, expected at least one for each");
    let e = error(2, &|group| Pipeline::new(&Grid::new(group, [1, 2, 1])?).blocks(&[3, 1]).split(&model).map(drop));
    assert_eq!(e.message(), "pipeline: [3, 1] blocks for 2 stages of a model of 3");
    let e = error(2, &|group| stage(group, [1, 2, 1])?.gradients(&[], None).map(drop));
    assert_eq!(e.message(), "pipeline: no micro-batches, expected at least one");
    let all = batches(3);
    let e = error(2, &|group| stage(group, [1, 2, 1])?.gradients(&all[..1 + group.rank()], None).map(drop));
    assert!(e.message().contains(" micro-batches, rank "), "{e}");
    let e = error(2, &|group| stage(group, [1, 2, 1])?.gradients(&all[group.rank()..][..1], None).map(drop));
    assert!(e.message().ends_with("are of one copy of the model, and have other micro-batches"), "{e}");
    let high = Tensor::from_nested([[1i64, 21]])?;
    let e = error(2, &|group| stage(group, [1, 2, 1])?.gradients(&[(high.clone(), high.clone())], None).map(drop));
    assert_eq!(e.message(), "embedding: id 21 at [0, 1] of the ids [1, 2] is not in the table of 21 rows");
    let e = error(2, &|group| {
        let pipeline = Pipeline::new(&Grid::new(group, [1, 2, 1])?);
        let mut source = model.state_dict();
        source.remove("transformer.h.2.mlp.c_fc.bias");
        pipeline.open(gpt(), &source).map(drop)
    });
    assert!(e.message().ends_with("does not fit the model: 1 missing (transformer.h.2.mlp.c_fc.bias)"), "{e}");
    let e = error(2, &|group| {
        let pipeline = Pipeline::new(&Grid::new(group, [1, 2, 1])?);
        pipeline.begin(if group.rank() == 0 { gpt() } else { gpt().untied() }, &mut Rng::seed(0)).map(drop)
    });
    assert!(e.message().starts_with("pipeline: rank 1 has a model of Gpt(GptConfig { vocab_size: 21,"), "{e}");
    Ok(())
}
