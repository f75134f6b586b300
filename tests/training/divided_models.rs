//! What copies of a model divide among them, in grids of ranks and in language models: the same bits, and less of everything.

use demotic::data::NextTokens;
use demotic::distributed::{
    DataParallel, Grid, Group, OneProcess, Pipeline, Sharding, TensorParallel, ThreadGroup, shard_blocks,
};
use demotic::io::CheckpointFolder;
use demotic::models::{Generate, GenerateOptions, Gpt, GptConfig, LanguageModel, Llama, LlamaConfig};
use demotic::optimizers::{self, Lamb, OptimizerState};
use demotic::prelude::*;
use demotic::text::{Sampler, TokenStream};

const ALL: [Sharding; 4] = [Sharding::None, Sharding::Optimizer, Sharding::Gradients, Sharding::Parameters];

type Bits = Vec<(String, Vec<u32>)>;

fn bits(model: &impl Module) -> Bits {
    let bits = |value: &Tensor| value.to_vec::<f32>().unwrap().iter().map(|x| x.to_bits()).collect();
    model.state_dict().iter().map(|(name, value)| (name.clone(), bits(value))).collect()
}

/// Models that recompute their blocks, as those do whose blocks are divided.
fn models() -> Result<[LanguageModel; 3]> {
    let gpt = GptConfig::new(21, 12).layers(3).heads(2).hidden_size(16).intermediate_size(22).dropout(0.2);
    let llama = LlamaConfig::new(21, 12).layers(3).heads(4).kv_heads(2).hidden_size(16).intermediate_size(22);
    let llama = llama.dropout(0.1).sliding_window(4).with_checkpointing();
    Ok([
        Gpt::new(gpt.clone().with_checkpointing(), &mut Rng::seed(0))?.into(),
        Gpt::new(gpt.untied().with_checkpointing(), &mut Rng::seed(0))?.into(),
        Llama::new(llama, &mut Rng::seed(0))?.into(),
    ])
}

fn batches(n: usize) -> Vec<(Tensor, Tensor)> {
    let ids: Vec<i64> = (0..n * 14).map(|i| (i * i * 5 + i * 3) as i64 % 21).collect();
    let all = Tensor::from_vec(ids, [n, 2, 7]).unwrap();
    let batch = |i| {
        let text = all.select(0, i).unwrap();
        (text.narrow(1, 0, 6).unwrap(), text.narrow(1, 1, 6).unwrap())
    };
    (0..n as isize).map(batch).collect()
}

fn numbers(state: &OptimizerState) -> usize {
    state.parameters.values().flat_map(|state| state.tensors.values()).map(Tensor::numel).sum()
}

/// What a rank of a grid comes to: losses and norms, the whole model, and how many numbers of state and of gradients it has kept.
type Outcome = (Vec<f64>, Bits, [usize; 2]);

fn on_a_grid(
    model: &LanguageModel,
    sizes: [usize; 3],
    sharding: Sharding,
    make: &(dyn Fn() -> Box<dyn Optimizer> + Sync),
) -> Result<Vec<Outcome>> {
    let all = batches(6);
    let n = all.len() / sizes[0];
    ThreadGroup::run(sizes.iter().product(), |group| {
        let grid = Grid::new(group, sizes)?;
        let mut stage = Pipeline::new(&grid).sharding(sharding).split(model)?;
        let (mut opt, mut rng, mut seen, mut kept) = (make(), Rng::seed(5), Vec::new(), 0);
        let own = &all[grid.data().rank() * n..][..n];
        for _ in 0..3 {
            let (loss, mut grads) = stage.gradients(own, Some(&mut rng))?;
            seen.extend([loss, stage.clip_grad_norm(&mut grads, 0.5)?]);
            stage.step(&mut opt, &grads)?;
            kept = grads.iter().map(Tensor::numel).sum();
        }
        let state = numbers(&opt.state());
        Ok((seen, bits(&stage.join()?), [state, kept]))
    })
}

#[test]
fn copies_of_stages_and_parts_divide_what_they_keep() -> Result<()> {
    for (i, model) in models()?.iter().enumerate() {
        for sizes in [[2, 2, 1], [2, 1, 2], [3, 1, 1], [2, 2, 2], [1, 2, 1]] {
            if i > 0 && sizes[0] == 3 || i == 1 && sizes[2] == 2 {
                continue;
            }
            let whole = on_a_grid(model, sizes, Sharding::None, &|| Box::new(AdamW::new(0.01)))?;
            for sharding in &ALL[1..] {
                let divided = on_a_grid(model, sizes, *sharding, &|| Box::new(AdamW::new(0.01)))?;
                let mut most = [0, 0];
                for (whole, own) in whole.iter().zip(&divided) {
                    assert!(own.0 == whole.0, "{sharding:?} of {sizes:?}: {:?} {:?}", own.0, whole.0);
                    assert!(own.1 == whole.1, "{sharding:?} of {sizes:?}");
                    // Each rank has about its share of the whole.
                    let share = |which: usize| own.2[which] as f64 / whole.2[which] as f64;
                    most = [most[0].max((share(0) * 1000.0) as usize), most[1].max((share(1) * 1000.0) as usize)];
                }
                let [state, gradients] = most;
                let is_even = |share: usize| sizes[0] == 1 || share < 1000 / sizes[0] + 120;
                assert!(is_even(state), "{sharding:?} of {sizes:?}: {state} ‰ of the state on one rank");
                let is_divided = *sharding >= Sharding::Gradients;
                assert!(is_even(gradients) || !is_divided, "{sharding:?} of {sizes:?}: {gradients} ‰ of the gradients");
                assert!(is_divided || gradients == 1000);
            }
        }
    }
    Ok(())
}

/// Optimizers that clip by themselves, look at whole tensors, or keep values of their own.
#[test]
fn any_optimizer_of_a_grid_can_be_divided() -> Result<()> {
    type Make = fn() -> Box<dyn Optimizer>;
    let model = &models()?[0];
    let makers: [Make; 3] = [
        || Box::new(AdamW::new(0.01).clip_norm(0.1).decay_matrices_only()),
        || Box::new(Lamb::new(0.02)),
        || Box::new(optimizers::Averaged::ema(Adam::new(0.01), 0.9)),
    ];
    for make in makers {
        let whole = on_a_grid(model, [2, 2, 1], Sharding::None, &make)?;
        for sharding in [Sharding::Optimizer, Sharding::Gradients] {
            let divided = on_a_grid(model, [2, 2, 1], sharding, &make)?;
            assert!(
                divided.iter().zip(&whole).all(|(a, b)| (&a.0, &a.1) == (&b.0, &b.1)),
                "{}",
                make().state().optimizer
            );
        }
    }
    let e = on_a_grid(model, [2, 2, 1], Sharding::Parameters, &|| {
        Box::new(optimizers::Averaged::ema(Adam::new(0.01), 0.9))
    });
    assert_eq!(e.unwrap_err().message(), "step: averages of parameters that are divided among ranks");
    // Options that differ.
    let e = ThreadGroup::run(2, |group| {
        let sharding = ALL[group.rank()];
        Pipeline::new(&Grid::new(group, [2, 1, 1])?).sharding(sharding).split(model).map(drop)
    });
    let message = "pipeline: rank 1 has a division into stages of None, Sharding::Optimizer, rank 0 has a division into stages of None, Sharding::None";
    assert_eq!(e.unwrap_err().message(), message);
    Ok(())
}

/// Parts of layers without stages: copies are those of any data parallel training, with a `Trainer` or without.
#[test]
fn copies_of_parts_in_a_trainer() -> Result<()> {
    let data = text()?;
    let LanguageModel::Gpt(gpt) = &models()?[0] else { unreachable!() };
    let run = |sharding: Sharding| {
        ThreadGroup::run(4, |group| {
            let grid = Grid::new(group, [2, 1, 2])?;
            let parallel = TensorParallel::new(grid.tensor());
            let mut part = parallel.split(gpt)?;
            if sharding == Sharding::Parameters {
                shard_blocks(&mut part, grid.data())?;
            }
            let mut trainer = Trainer::new(losses::token_cross_entropy, AdamW::new(0.01))
                .max_steps(4)
                .batch_size(2)
                .accumulate(4)
                .distributed(DataParallel::new(grid.data()).sharding(sharding));
            let history = trainer.fit(&mut part, &data, &mut Rng::seed(2))?;
            Ok((history.last().map(|last| last.train_loss), bits(&parallel.join(&part)?)))
        })
    };
    let whole = run(Sharding::None)?;
    for sharding in &ALL[1..] {
        assert!(run(*sharding)? == whole, "{sharding:?}");
    }
    Ok(())
}

fn text() -> Result<NextTokens> {
    let tokens: Vec<u32> = (0..400u32).map(|i| i * i % 21).collect();
    NextTokens::new(TokenStream::from_ids(tokens)?, 12)
}

/// Blocks of language models, without layers of the program's own: in the `Trainer`, through checkpoints and with samples in between.
#[test]
fn blocks_of_language_models() -> Result<()> {
    let data = text()?;
    let options = GenerateOptions::new().sampler(Sampler::greedy()).max_new_tokens(4);
    for model in models()? {
        let run =
            |group: &dyn Group, sharding: Sharding, steps: u64, is_sharded: bool, folder: Option<&CheckpointFolder>| {
                let mut model = model.clone();
                if is_sharded {
                    assert_eq!(shard_blocks(&mut model, group)?, 3);
                }
                let samples = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
                let (written, options) = (samples.clone(), options.clone());
                let mut trainer = Trainer::new(losses::token_cross_entropy, AdamW::new(0.01).clip_norm(0.5))
                    .max_steps(steps)
                    .batch_size(2)
                    .accumulate(4)
                    .validation(&data)
                    .every(2, move |_, model: &LanguageModel| {
                        // All ranks write, of parameters that no rank has.
                        let text = model.generate(&[3, 1, 4], &options, &mut Rng::seed(1))?.tokens;
                        written.lock().unwrap().push(text);
                        Ok(std::ops::ControlFlow::Continue(()))
                    })
                    .distributed(DataParallel::new(group).sharding(sharding).bucket_bytes(500));
                if let Some(folder) = folder {
                    trainer = trainer.checkpoints(folder.clone()).checkpoint_every(2);
                    if folder.latest()?.is_some() {
                        trainer = trainer.resume(folder.path());
                    }
                }
                let history = trainer.fit(&mut model, &data, &mut Rng::seed(2))?;
                let samples = samples.lock().unwrap().clone();
                Ok((history.last().map(|last| (last.train_loss, last.validation_loss)), samples, bits(&model)))
            };
        let whole = run(&*OneProcess::new().handle(), Sharding::None, 4, false, None)?;
        for (ranks, sharding) in
            [(1, Sharding::None), (1, Sharding::Parameters), (2, Sharding::Parameters), (4, Sharding::Parameters)]
        {
            let divided = ThreadGroup::run(ranks, |group| run(group, sharding, 4, true, None))?;
            assert!(divided.iter().all(|own| *own == whole), "{sharding:?} on {ranks} ranks");
        }
        let temporary = tempfile::tempdir().unwrap();
        let folder = CheckpointFolder::new(temporary.path());
        ThreadGroup::run(4, |group| run(group, Sharding::Parameters, 2, true, Some(&folder)))?;
        let resumed = ThreadGroup::run(2, |group| run(group, Sharding::Parameters, 4, true, Some(&folder)))?;
        assert!(resumed.iter().all(|own| own.2 == whole.2));
    }
    let e = shard_blocks(&mut Linear::new(2, 2, &mut Rng::seed(0))?, &OneProcess::new()).unwrap_err();
    assert_eq!(e.message(), "shard_blocks: the model has no block of a Gpt or a Llama");
    Ok(())
}
