//! Several ranks come to the bits of one.

use std::ops::ControlFlow;
use std::time::Duration;

use demotic::data::{NextTokens, WeightedSampler};
use demotic::distributed::{
    Compression, DataParallel, Group, OneProcess, Shard, Sharded, Sharding, Shards, ThreadGroup, synchronize_batch_norm,
};
use demotic::io::{Checkpoint, CheckpointFolder};
use demotic::models::{Gpt, GptConfig, Mlp, RecurrentCell, RecurrentLm, RecurrentLmConfig};
use demotic::optimizers::{
    AdaGrad, Adadelta, Adafactor, Adamax, Asgd, Lamb, Lars, Lion, Muon, NAdam, RAdam, RmsProp, Rprop,
};
use demotic::parallel::with_threads;
use demotic::prelude::*;
use demotic::regularizers::L2;
use demotic::text::TokenStream;
use demotic::train::{Ended, History, StopHandle};
use demotic::{ErrorKind, optimizers};

/// Everything that a run comes to: the bits of all parameters and buffers, the history without times, the generator.
type Outcome = (Vec<Vec<u64>>, String, u64);

fn bits(model: &dyn Module) -> Vec<Vec<u64>> {
    let mut all = Vec::new();
    let mut on_slot = |_: &str, slot: demotic::layers::Slot<'_>| {
        let value = match slot {
            demotic::layers::Slot::Param(param) => param.value().detach(),
            demotic::layers::Slot::Buffer(buffer) => buffer.get(),
        };
        all.push(value.to_f64_vec().into_iter().map(f64::to_bits).collect());
    };
    model.visit(&mut demotic::layers::Visitor::new(&mut on_slot));
    all
}

fn outcome(model: &dyn Module, mut history: History, rng: &mut Rng) -> Outcome {
    history.epochs.iter_mut().chain(&mut history.evaluations).for_each(|record| record.seconds = 0.0);
    (bits(model), format!("{history:?}"), rng.next_u64())
}

/// Trains on one rank with one thread, and on 2, 3 and 4 ranks with one thread or three each: the same bits everywhere.
fn the_same_on_all(train: impl Fn(&dyn Group) -> Result<Outcome> + Sync) -> Result<Outcome> {
    let alone = with_threads(1, || train(&*OneProcess::new().handle()))??;
    for (ranks, threads) in [(1, 3), (2, 1), (2, 6), (3, 1), (4, 1)] {
        let outcomes = with_threads(threads, || ThreadGroup::run(ranks, &train))??;
        for (rank, outcome) in outcomes.iter().enumerate() {
            assert!(outcome.0 == alone.0, "other parameters on rank {rank} of {ranks}, {threads} threads");
            assert_eq!((&outcome.1, outcome.2), (&alone.1, alone.2), "rank {rank} of {ranks}, {threads} threads");
        }
    }
    Ok(alone)
}

fn table() -> Result<(TensorDataset, TensorDataset)> {
    let mut rng = Rng::seed(1);
    // Neither the batches of an epoch nor the examples of a batch come out even.
    let x = Tensor::normal([77, 5], 0.0, 1.0, &mut rng)?;
    let y = (x.sum_dims(&[1], true)? + Tensor::normal([77, 1], 0.0, 1.0, &mut rng)?)?;
    TensorDataset::new(x, y)?.split(0.8, &mut rng)
}

/// A trainer whose steps have four micro-batches.
fn trainer<'d>(validation: &'d TensorDataset, optimizer: impl Optimizer + 'static) -> Trainer<'d> {
    Trainer::new(losses::mse, optimizer)
        .epochs(3)
        .batch_size(4)
        .accumulate(4)
        .validation(validation)
        .metric("rmse", metrics::rmse)
        .metric("r2", metrics::r2)
}

#[test]
fn a_perceptron_with_dropout() -> Result<()> {
    let (train, validation) = table()?;
    the_same_on_all(|group| {
        // Each rank begins with weights of its own, of which those of rank 0 count.
        let mut model = Mlp::new(&[5, 16, 1], &mut Rng::seed(group.rank() as u64))?.activation(Gelu).dropout(0.2)?;
        let mut rng = Rng::seed(3);
        let history = trainer(&validation, AdamW::new(0.02).clip_norm(1.0))
            .penalty(L2::new(1e-3))
            .evaluate_every(2)
            .early_stopping(EarlyStopping::new(2))
            .distributed(DataParallel::new(group).bucket_bytes(64))
            .fit(&mut model, &train, &mut rng)?;
        Ok(outcome(&model, history, &mut rng))
    })?;
    Ok(())
}

/// Rows that come with other noise each time.
struct Noisy(TensorDataset);

impl Dataset for Noisy {
    type Batch = (Tensor, Tensor);
    fn len(&self) -> usize {
        self.0.len()
    }
    fn batch(&self, indices: &[usize], rng: &mut Rng) -> Result<(Tensor, Tensor)> {
        let (x, y) = self.0.batch(indices, rng)?;
        Ok((x.add(&Tensor::normal(x.shape(), 0.0, 0.1, rng)?)?, y))
    }
}

/// Where nothing is random in the layers, a trainer without ranks comes to the same, whatever is random in the data, though batches are of different sizes.
#[test]
fn a_trainer_that_accumulates_comes_to_the_same() -> Result<()> {
    let train = table()?.0;
    let validation = table()?.1;
    let same = |train: &dyn Dataset<Batch = (Tensor, Tensor)>, more: &(dyn Fn(Trainer<'_>) -> Trainer<'_> + Sync)| {
        let run = |group: Option<&dyn Group>| {
            let (mut model, mut rng) = (Mlp::new(&[5, 16, 1], &mut Rng::seed(0))?, Rng::seed(3));
            let mut trainer = more(trainer(&validation, AdamW::new(0.02).clip_norm(1.0)));
            if let Some(group) = group {
                trainer = trainer.distributed(DataParallel::new(group));
            }
            let history = trainer.fit(&mut model, train, &mut rng)?;
            Ok(outcome(&model, history, &mut rng))
        };
        assert_eq!(the_same_on_all(|group| run(Some(group)))?, run(None)?);
        Ok::<_, Error>(())
    };
    same(&train, &|trainer| trainer.penalty(L2::new(1e-3)))?;
    same(&Noisy(train.clone()), &|trainer| trainer.prefetch(2).drop_last())?;
    let weights = (0..train.len()).map(|i| 1.0 + (i % 3) as f64).collect::<Vec<_>>();
    same(&train, &|trainer| trainer.sampler(WeightedSampler::new(weights.clone()).unwrap()))
}

/// Whatever is random in the layers is the same on one rank and on many; and in a loop by hand that gives each batch the generator of its number.
#[test]
fn what_is_random_in_layers_belongs_to_the_batch() -> Result<()> {
    let train = table()?.0;
    let model = || -> Result<Sequential> {
        let rng = &mut Rng::seed(0);
        Ok(sequential![
            GaussianNoise::new(0.1)?,
            DropConnect::new(Linear::new(5, 16, rng)?, 0.2)?,
            Gelu,
            Dropout::new(0.2)?,
            AlphaDropout::new(0.1)?,
            BatchNorm1d::new(16)?,
            Linear::new(16, 1, rng)?
        ])
    };
    let ranks = the_same_on_all(|group| {
        let (mut model, mut rng) = (model()?, Rng::seed(3));
        let trainer = Trainer::new(losses::mse, Adam::new(0.02)).epochs(2).batch_size(4).accumulate(4);
        let history = trainer.distributed(DataParallel::new(group)).fit(&mut model, &train, &mut rng)?;
        Ok(outcome(&model, history, &mut rng))
    })?;
    let (mut model, mut opt, mut rng) = (model()?, Adam::new(0.02), Rng::seed(3));
    let mut parallel = DataParallel::new(&OneProcess::new());
    for _epoch in 0..2 {
        let mut order = rng.split();
        let batches: Vec<_> = train.batches(4).shuffle(&mut order).collect::<Result<_>>()?;
        for (number, batches) in batches.chunks(4).enumerate() {
            let mut step = parallel.step(&model, batches.len())?;
            for (i, (x, y)) in batches.iter().enumerate() {
                let mut own = rng.fork((number * 4 + i) as u64);
                let loss = losses::mse(&model.forward(x, &mut Mode::train(&mut own))?, y)?;
                step.backward(&loss, y.numel() as f64)?;
            }
            step.apply(&mut opt, &mut model)?;
        }
    }
    assert_eq!(bits(&model), ranks.0);
    Ok(())
}

/// Where a step has one batch, running statistics are those of a trainer without ranks; of several, weights are.
#[test]
fn one_rank_counts_as_a_trainer_without_ranks() -> Result<()> {
    let (train, validation) = table()?;
    let run = |parallel: Option<DataParallel>, accumulate: usize| {
        let rng = &mut Rng::seed(0);
        let mut model = sequential![Linear::new(5, 8, rng)?, BatchNorm1d::new(8)?, Relu, Linear::new(8, 1, rng)?];
        let mut trainer = Trainer::new(losses::mse, Adam::new(0.02)).epochs(2).batch_size(8).drop_last();
        trainer = trainer.accumulate(accumulate).validation(&validation);
        if let Some(parallel) = parallel {
            trainer = trainer.distributed(parallel);
        }
        let mut rng = Rng::seed(3);
        let history = trainer.fit(&mut model, &train, &mut rng)?;
        Ok::<_, Error>((outcome(&model, history, &mut rng), model))
    };
    let one = || Some(DataParallel::new(&OneProcess::new()));
    assert_eq!(run(one(), 1)?.0, run(None, 1)?.0);
    let (ranks, alone) = (run(one(), 2)?.1, run(None, 2)?.1);
    let values = |model: &Sequential| -> Vec<Vec<u64>> {
        let parameters = model.named_parameters();
        parameters.iter().map(|(_, value)| value.to_f64_vec().into_iter().map(f64::to_bits).collect()).collect()
    };
    assert_eq!(values(&ranks), values(&alone));
    assert_ne!(bits(&ranks), bits(&alone));
    Ok(())
}

#[test]
fn a_network_of_convolutions_with_batch_norm() -> Result<()> {
    let mut rng = Rng::seed(1);
    let (x, y) = (Tensor::normal([40, 3, 8, 8], 0.0, 1.0, &mut rng)?, (0..40).map(|i| i % 3).collect::<Vec<i64>>());
    let train = TensorDataset::new(x, Tensor::from_vec(y, [40])?)?;
    let (_, buffers, _) = {
        let outcome = the_same_on_all(|group| {
            let mut rng = Rng::seed(2);
            let mut model = sequential![
                Conv2d::new(3, 8, 3, &mut rng)?,
                BatchNorm2d::new(8)?,
                Relu,
                MaxPool2d::new(2),
                Dropout::new(0.1)?,
                Flatten::new(),
                Linear::new(72, 3, &mut rng)?
            ];
            let history = Trainer::new(losses::cross_entropy, Sgd::new(0.05).momentum(0.9))
                .epochs(2)
                .batch_size(4)
                .accumulate(4)
                .prefetch(2)
                .metric("accuracy", metrics::accuracy)
                .distributed(DataParallel::new(group))
                .fit(&mut model, &train, &mut rng)?;
            Ok(outcome(&model, history, &mut rng))
        })?;
        (outcome.1, outcome.0, outcome.2)
    };
    // Ten batches in each of two epochs were counted, on whatever rank.
    assert!(buffers.iter().any(|values| values == &[20.0_f64.to_bits()]), "no count of batches");
    Ok(())
}

fn text() -> Result<NextTokens> {
    let tokens: Vec<u32> = (0..700u32).map(|i| i * i % 11).collect();
    NextTokens::new(TokenStream::from_ids(tokens)?, 12)
}

#[test]
fn an_lstm_and_a_gpt_with_dropout() -> Result<()> {
    let train = text()?;
    the_same_on_all(|group| {
        let config = RecurrentLmConfig::new(11).cell(RecurrentCell::Lstm).embedding_size(8).hidden_size(12);
        let mut model = RecurrentLm::new(config.layers(2).dropout(0.2), &mut Rng::seed(4))?;
        let mut rng = Rng::seed(5);
        let history = Trainer::new(losses::token_cross_entropy, RmsProp::new(0.01))
            .max_steps(5)
            .batch_size(3)
            .accumulate(4)
            .distributed(DataParallel::new(group).bucket_bytes(1000))
            .fit(&mut model, &train, &mut rng)?;
        Ok(outcome(&model, history, &mut rng))
    })?;
    the_same_on_all(|group| {
        let config = GptConfig::new(11, 12).layers(2).heads(2).hidden_size(16).dropout(0.2);
        let mut model = Gpt::new(config, &mut Rng::seed(4))?;
        let mut rng = Rng::seed(5);
        let history = Trainer::new(losses::token_cross_entropy, AdamW::new(0.01).decay_matrices_only().clip_norm(1.0))
            .max_steps(5)
            .batch_size(3)
            .accumulate(4)
            .distributed(DataParallel::new(group).bucket_bytes(3000))
            .fit(&mut model, &train, &mut rng)?;
        Ok(outcome(&model, history, &mut rng))
    })?;
    Ok(())
}

/// Batches in which nothing counts, wherever they fall.
#[test]
fn batches_without_targets_are_passed_over() -> Result<()> {
    let x = Tensor::normal([24, 2], 0.0, 1.0, &mut Rng::seed(0))?;
    let classes: Vec<i64> = (0..24).map(|i| if i % 3 == 0 { 1 } else { -100 }).collect();
    let train = TensorDataset::new(x, Tensor::from_vec(classes, [24])?)?;
    the_same_on_all(|group| {
        let (mut model, mut rng) = (Linear::new(2, 3, &mut Rng::seed(1))?, Rng::seed(2));
        let history = Trainer::new(losses::CrossEntropy::new().ignore_index(-100), Adam::new(0.1))
            .epochs(2)
            .batch_size(1)
            .accumulate(4)
            .distributed(DataParallel::new(group))
            .fit(&mut model, &train, &mut rng)?;
        Ok(outcome(&model, history, &mut rng))
    })?;
    Ok(())
}

/// By hand, with a part of the model that some micro-batches do not use, and losses that count differently.
fn by_hand(
    group: &dyn Group,
    sharding: Sharding,
    optimizer: &mut dyn Optimizer,
    dtype: DType,
) -> Result<Vec<Vec<u64>>> {
    let mut rng = Rng::seed(0);
    let x = Tensor::normal([24, 4], 0.0, 1.0, &mut rng)?.to_dtype(dtype);
    let mut model =
        sequential![Linear::new(4, 6, &mut rng)?, Tanh, Linear::new(6, 4, &mut rng)?, Linear::new(4, 4, &mut rng)?];
    if dtype != DType::F32 {
        model.to_dtype(dtype)?;
    }
    let mut parallel = DataParallel::new(group).bucket_bytes(100).sharding(sharding);
    parallel.synchronize(&mut model)?;
    for at in 0..6 {
        let mut step = parallel.step(&model, 6)?;
        for i in step.own() {
            let rows = x.narrow(0, i * 4, 1 + (i + at) % 4)?;
            if (i + at) % 5 == 4 {
                step.skip()?;
                continue;
            }
            let mut out = rows.clone();
            for (number, layer) in model.iter().enumerate() {
                if number < 3 || i % 2 == 0 {
                    out = layer.forward(&out, &mut Mode::eval())?;
                }
            }
            step.backward(&out.square().mean(), rows.shape()[0] as f64)?;
        }
        step.apply(optimizer, &mut model)?;
    }
    Ok(bits(&model))
}

/// Divided states and gradients change no bit, for every optimizer.
#[test]
fn what_is_divided_comes_to_the_same() -> Result<()> {
    type Make = fn() -> Box<dyn Optimizer>;
    let all: [(&str, Make); 19] = [
        ("Sgd", || Box::new(Sgd::new(0.1).momentum(0.9).nesterov(true))),
        ("Adam", || Box::new(Adam::new(0.05).clip_norm(0.1))),
        ("AdamW", || Box::new(AdamW::new(0.05).decay_matrices_only().clip_value(0.1))),
        ("RmsProp", || Box::new(RmsProp::new(0.01))),
        ("AdaGrad", || Box::new(AdaGrad::new(0.1))),
        ("Adadelta", || Box::new(Adadelta::new(1.0))),
        ("NAdam", || Box::new(NAdam::new(0.05))),
        ("RAdam", || Box::new(RAdam::new(0.05))),
        ("Adamax", || Box::new(Adamax::new(0.05))),
        ("Lion", || Box::new(Lion::new(0.01))),
        ("Adafactor", || Box::new(Adafactor::new(0.01))),
        ("Muon", || Box::new(Muon::new(0.02).adamw(1e-3))),
        ("Lamb", || Box::new(Lamb::new(0.05).clip_norm(0.5))),
        ("Lars", || Box::new(Lars::new(0.1))),
        ("Asgd", || Box::new(Asgd::new(0.01))),
        ("Rprop", || Box::new(Rprop::new(0.01))),
        ("Averaged", || Box::new(optimizers::Averaged::ema(Adam::new(0.05), 0.9))),
        ("Lookahead", || Box::new(optimizers::Lookahead::new(Adam::new(0.05), 2, 0.5))),
        ("Shared", || Box::new(optimizers::Shared::new(Adam::new(0.05).clip_norm(0.1)))),
    ];
    for (name, make) in all {
        let whole = by_hand(&*OneProcess::new().handle(), Sharding::None, &mut make(), DType::F32)?;
        for (ranks, sharding) in [(1, Sharding::Gradients), (2, Sharding::Optimizer), (3, Sharding::Gradients)] {
            let divided = ThreadGroup::run(ranks, |group| by_hand(group, sharding, &mut make(), DType::F32))?;
            assert!(divided.iter().all(|own| *own == whole), "{name} on {ranks} ranks, {sharding:?}");
        }
    }
    // Parameters of 16 bits with their values in `F32`.
    let adam = || AdamW::new(0.05).clip_norm(0.1);
    let whole = by_hand(&*OneProcess::new().handle(), Sharding::None, &mut adam(), DType::BF16)?;
    let divided = ThreadGroup::run(2, |group| by_hand(group, Sharding::Gradients, &mut adam(), DType::BF16))?;
    assert!(divided.iter().all(|own| *own == whole));
    Ok(())
}

/// Of a divided state each rank has its part, and all parts make up the whole.
#[test]
fn states_are_divided() -> Result<()> {
    let states = ThreadGroup::run(3, |group| {
        let mut adam = Adam::new(0.05);
        by_hand(group, Sharding::Gradients, &mut adam, DType::F32)?;
        Ok(adam.state())
    })?;
    let mut whole = Adam::new(0.05);
    by_hand(&*OneProcess::new().handle(), Sharding::None, &mut whole, DType::F32)?;
    let whole = whole.state();
    let mut paths: Vec<_> = states.iter().flat_map(|state| state.parameters.keys().cloned()).collect();
    paths.sort();
    assert_eq!(paths, whole.parameters.keys().cloned().collect::<Vec<_>>());
    for state in &states {
        assert!(!state.parameters.is_empty() && state.parameters.len() < paths.len());
        for (path, own) in &state.parameters {
            let exp_avg = |state: &optimizers::ParameterState| state.tensors["exp_avg"].to_vec::<f32>();
            assert_eq!(exp_avg(own)?, exp_avg(&whole.parameters[path])?);
        }
    }
    Ok(())
}

/// Compressed gradients lose nothing in the long run: what was left out comes later.
#[test]
fn compressed_gradients_learn() -> Result<()> {
    let (train, validation) = table()?;
    let loss = |compression: Option<Compression>| -> Result<f64> {
        let losses = ThreadGroup::run(2, |group| {
            let mut model = Mlp::new(&[5, 16, 1], &mut Rng::seed(0))?;
            let mut parallel = DataParallel::new(group);
            if let Some(compression) = compression {
                parallel = parallel.compression(compression);
            }
            let trainer = trainer(&validation, Adam::new(0.02)).epochs(12).distributed(parallel);
            let mut trainer = trainer;
            let history = trainer.fit(&mut model, &train, &mut Rng::seed(3))?;
            Ok((history.last().unwrap().train_loss, bits(&model)))
        })?;
        assert_eq!(losses[0], losses[1]);
        Ok(losses[0].0)
    };
    let exact = loss(None)?;
    for compression in [Compression::Bf16, Compression::F16, Compression::TopK(0.25)] {
        let compressed = loss(Some(compression))?;
        assert!(
            (compressed - exact).abs() < 0.15 * exact && compressed != exact,
            "{compression:?} {compressed} {exact}"
        );
    }
    let e = loss(Some(Compression::TopK(0.0))).unwrap_err();
    assert_eq!(e.message(), "Compression::TopK: a share of 0, expected more than 0 and at most 1");
    Ok(())
}

/// What each rank got to hear.
fn told(ranks: usize, f: impl Fn(&dyn Group) -> Result<()> + Sync) -> Vec<String> {
    let told = ThreadGroup::run_with(ranks, Duration::from_secs(20), |group| {
        let done = f(group);
        if let Err(e) = &done {
            group.fail(&e.message());
        }
        Ok(done.map_or_else(|e| e.message(), |()| "done".to_string()))
    });
    told.unwrap()
}

#[test]
fn ranks_that_differ_get_errors_that_say_in_what() {
    let fit = |group: &dyn Group, inputs: usize, epochs: usize, rows: usize, learning_rate: f64, changed: bool| {
        let mut rng = Rng::seed(1);
        let mut x = Tensor::normal([rows, inputs], 0.0, 1.0, &mut rng)?;
        if changed {
            x = x + 1.0;
        }
        let train = TensorDataset::new(x, Tensor::ones([rows, 1])?)?;
        let mut model = Linear::new(inputs, 1, &mut rng)?;
        Trainer::new(losses::mse, Adam::new(learning_rate))
            .epochs(epochs)
            .accumulate(2)
            .distributed(DataParallel::new(group))
            .fit(&mut model, &train, &mut Rng::seed(2))
            .map(drop)
    };
    let other = |group: &dyn Group, a: usize, b: usize| if group.rank() == 1 { b } else { a };
    let cases: [(&str, Vec<String>); 5] = [
        ("options with epochs: Some(4)", told(2, |g| fit(g, 2, other(g, 3, 4), 8, 0.1, false))),
        ("a number of examples of", told(2, |g| fit(g, 2, 3, other(g, 8, 9), 0.1, false))),
        ("data with numbers such as", told(2, |g| fit(g, 2, 3, 8, 0.1, g.rank() == 1))),
        ("the optimizer", told(2, |g| fit(g, 2, 3, 8, 0.1 / other(g, 1, 2) as f64, false))),
        ("data with", told(2, |g| fit(g, other(g, 2, 3), 3, 8, 0.1, false))),
    ];
    for (what, told) in cases {
        assert!(told[0].starts_with("fit: rank 1 has ") && told[0].contains(what), "{what}: {}", told[0]);
        assert_eq!(told[0], told[1]);
    }
    // A model that the data do not tell from the other.
    let told = told(2, |group| {
        let mut rng = Rng::seed(0);
        let mut model = sequential![Linear::new(2, other(group, 3, 4), &mut rng)?];
        DataParallel::new(group).synchronize(&mut model)
    });
    let message = "synchronize: rank 1 has the parameter `0.weight` of f32 [4, 2], rank 0 has the parameter `0.weight` of f32 [3, 2]";
    assert!(
        told.iter().all(|told| told.replace("[2, 4]", "[4, 2]").replace("[2, 3]", "[3, 2]") == message),
        "{told:?}"
    );
}

#[test]
fn too_many_ranks_are_refused_on_all() -> Result<()> {
    let fit = |group: &dyn Group, accumulate, rows| {
        let train = TensorDataset::new(Tensor::ones([rows, 1])?, Tensor::ones([rows, 1])?)?;
        Trainer::new(losses::mse, Adam::new(0.1))
            .accumulate(accumulate)
            .distributed(DataParallel::new(group))
            .fit(&mut Linear::new(1, 1, &mut Rng::seed(0))?, &train, &mut Rng::seed(2))
            .map(drop)
    };
    let message = "fit: steps of 1 batches for 3 ranks, each of which needs one";
    assert_eq!(told(3, |group| fit(group, 1, 8)), [message; 3]);
    assert_eq!(told(3, |group| fit(group, 3, 2)), ["fit: 2 examples for 3 ranks"; 3]);
    Ok(())
}

/// An error on one rank is one on all, at once.
#[test]
fn an_error_on_one_rank_is_an_error_on_all() -> Result<()> {
    let begun = std::time::Instant::now();
    let told = told(3, |group| {
        let mut x = Tensor::normal([24, 2], 0.0, 1.0, &mut Rng::seed(1))?.to_vec::<f32>()?;
        if group.rank() == 2 {
            x[44] = f32::NAN;
        }
        let train = TensorDataset::new(Tensor::from_vec(x, [24, 2])?, Tensor::ones([24, 1])?)?;
        Trainer::new(losses::mse, Adam::new(0.1))
            .batch_size(2)
            .accumulate(3)
            .distributed(DataParallel::new(group))
            .fit(&mut Linear::new(2, 1, &mut Rng::seed(0))?, &train, &mut Rng::seed(2))
            .map(drop)
    });
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(told.iter().any(|told| told.contains("NaN")), "{told:?}");
    assert!(told[0].contains("rank 2 has given up") || told[0].contains("rank 2 has data"), "{told:?}");
    Ok(())
}

/// One rank wants to stop, and all do, after the same step.
#[test]
fn all_ranks_agree_to_stop() -> Result<()> {
    let (train, validation) = table()?;
    let by_handle = ThreadGroup::run(3, |group| {
        let (stop, is_last) = (StopHandle::new(), group.rank() == 2);
        let button = stop.clone();
        let history = trainer(&validation, Adam::new(0.01))
            .stop_handle(stop)
            .every(3, move |_, _: &Linear| {
                if is_last {
                    button.stop();
                }
                Ok(ControlFlow::Continue(()))
            })
            .distributed(DataParallel::new(group))
            .fit(&mut Linear::new(5, 1, &mut Rng::seed(0))?, &train, &mut Rng::seed(2))?;
        Ok((history.ended, history.steps))
    })?;
    assert_eq!(by_handle, [(Ended::Interrupted, 3); 3]);
    let by_callback = ThreadGroup::run(3, |group| {
        let is_first = group.rank() == 0;
        let history = trainer(&validation, Adam::new(0.01))
            .every(2, move |_, _: &Linear| {
                Ok(if is_first { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })
            .distributed(DataParallel::new(group))
            .fit(&mut Linear::new(5, 1, &mut Rng::seed(0))?, &train, &mut Rng::seed(2))?;
        Ok((history.ended, history.steps))
    })?;
    assert_eq!(by_callback, [(Ended::StoppedEarly, 2); 3]);
    Ok(())
}

#[test]
fn steps_that_are_used_wrongly_say_so() -> Result<()> {
    let group = OneProcess::new().handle();
    let model = Linear::new(2, 1, &mut Rng::seed(0))?;
    let mut parallel = DataParallel::new(&*group);
    assert_eq!(parallel.step(&model, 0).unwrap_err().message(), "step: a step of 0 micro-batches, expected at least 1");
    let loss = || model.forward(&Tensor::ones([1, 2])?, &mut Mode::eval()).map(|y| y.sum());
    let mut step = parallel.step(&model, 1)?;
    let e = step.backward(&loss()?, f64::NAN).unwrap_err();
    assert!(e.kind() == ErrorKind::Numeric && e.message().ends_with(" with a weight of NaN"), "{e}");
    step.backward(&loss()?, 1.0)?;
    let e = step.backward(&loss()?, 1.0).unwrap_err();
    assert_eq!(e.message(), "backward: rank 0 of 1 has no more of the 1 micro-batches");
    assert!(e.location().file().ends_with("distributed.rs"));
    let mut step = parallel.step(&model, 3)?;
    step.backward(&loss()?, 1.0)?;
    assert_eq!(step.finish().unwrap_err().message(), "finish: 1 of 3 micro-batches of this rank were worked on");
    Ok(())
}

/// A run that is saved on some ranks goes on, on others, to the same bits.
#[test]
fn checkpoints_of_several_ranks_go_on_with_any_number() -> Result<()> {
    let (train, validation) = table()?;
    let run = |ranks: usize, sharding: Sharding, steps: u64, folder: Option<&CheckpointFolder>, resume: bool| {
        ThreadGroup::run(ranks, |group| {
            let mut model = Mlp::new(&[5, 16, 1], &mut Rng::seed(0))?.activation(Gelu).dropout(0.2)?;
            let mut rng = Rng::seed(3);
            let optimizer = optimizers::Averaged::ema(AdamW::new(0.02).clip_norm(1.0), 0.9);
            let mut trainer = trainer(&validation, optimizer)
                .max_steps(steps)
                .distributed(DataParallel::new(group).sharding(sharding));
            if let Some(folder) = folder {
                trainer = trainer.checkpoints(folder.clone()).checkpoint_every(2);
                if resume {
                    trainer = trainer.resume(folder.path());
                }
            }
            let history = trainer.fit(&mut model, &train, &mut rng)?;
            Ok(outcome(&model, history, &mut rng))
        })
    };
    let whole = run(1, Sharding::None, 10, None, false)?.remove(0);
    let temporary = tempfile::tempdir().unwrap();
    let names = |folder: &CheckpointFolder| {
        let mut names: Vec<String> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().rsplit_once('-').unwrap().0.to_string())
            .collect();
        names.sort();
        names
    };
    for (i, sharding) in [Sharding::None, Sharding::Optimizer, Sharding::Gradients].into_iter().enumerate() {
        let folder = CheckpointFolder::new(temporary.path().join(i.to_string())).keep(1);
        run(3, sharding, 5, Some(&folder), false)?;
        // Of the last one alone, each rank's part.
        assert_eq!(names(&folder), ["step", "step-000000005.part-1-of-3", "step-000000005.part-2-of-3"]);
        run(2, Sharding::Optimizer, 8, Some(&folder), true)?;
        assert_eq!(run(4, sharding, 10, Some(&folder), true)?[3], whole, "{sharding:?}");
        assert_eq!(run(1, sharding, 10, Some(&folder), true)?[0].0, whole.0);
    }
    Ok(())
}

#[test]
fn parts_that_are_missing_or_of_another_checkpoint_are_named() -> Result<()> {
    let temporary = tempfile::tempdir().unwrap();
    let folder = CheckpointFolder::new(temporary.path());
    let save = |step: u64| {
        ThreadGroup::run(3, |group| {
            let model = Mlp::new(&[2, 3, 1], &mut Rng::seed(step))?;
            let parallel = DataParallel::new(group);
            parallel.save(&folder, step, &Checkpoint::new().model(&model).counter("step", step), &model)
        })
    };
    let path = save(1)?.remove(0);
    save(2)?;
    let mut model = Mlp::new(&[2, 3, 1], &mut Rng::seed(9))?;
    let whole = Checkpoint::load(&path)?;
    whole.restore_model(&mut model)?;
    assert_eq!(bits(&model), bits(&Mlp::new(&[2, 3, 1], &mut Rng::seed(1))?));
    // Saved as it is, it is a file of its own.
    let alone = temporary.path().join("alone.ckpt");
    whole.save(&alone)?;
    Checkpoint::load(&alone)?.restore_model(&mut model)?;
    let part = |step: u64, rank: usize| {
        let start = format!("step-{step:09}.part-{rank}-of-3-");
        let files = std::fs::read_dir(temporary.path()).unwrap().map(|entry| entry.unwrap().path());
        files.into_iter().find(|path| path.file_name().unwrap().to_string_lossy().starts_with(&start)).unwrap()
    };
    let (first, second) = (part(1, 1), part(1, 2));
    let original = std::fs::read(&first).unwrap();
    std::fs::copy(&second, &first).unwrap();
    let e = Checkpoint::load(&path).unwrap_err();
    assert!(e.message().contains(": part 2 of 3, step-000000001.part-1-of-3-"), "{e}");
    assert!(e.message().contains(" bytes with the checksum "), "{e}");
    assert_eq!(e.help(), Some("it belongs to another checkpoint"));
    std::fs::copy(part(2, 1), &first).unwrap();
    assert_eq!(Checkpoint::load(&path).unwrap_err().kind(), ErrorKind::Format);
    let mut damaged = original.clone();
    damaged[40] ^= 1;
    std::fs::write(&first, &damaged).unwrap();
    assert!(Checkpoint::load(&path).is_err());
    std::fs::write(&first, &original).unwrap();
    std::fs::remove_file(&second).unwrap();
    let e = Checkpoint::load(&path).unwrap_err();
    assert!(e.message().contains(": part 3 of 3, step-000000001.part-2-of-3-"), "{e}");
    assert!(e.message().ends_with(", is missing"), "{e}");
    Ok(())
}

/// Batch norm over the ranks' batches is that of one batch with all of them.
#[test]
fn synchronized_batch_norm_is_that_of_the_whole_batch() -> Result<()> {
    let mut rng = Rng::seed(0);
    let x = Tensor::normal([12, 3, 4, 4], 1.0, 2.0, &mut rng)?;
    let y = Tensor::normal([12, 5], 0.0, 1.0, &mut rng)?;
    let model = || -> Result<Sequential> {
        let mut rng = Rng::seed(1);
        let (conv, head) = (Conv2d::new(3, 4, 3, &mut rng)?, Linear::new(16, 5, &mut rng)?);
        Ok(sequential![conv, BatchNorm2d::new(4)?, Relu, Flatten::new(), head, BatchNorm1d::new(5)?])
    };
    let train = |model: &mut Sequential, parallel: &mut DataParallel, batches: usize| -> Result<()> {
        let mut opt = Sgd::new(0.1);
        for _ in 0..3 {
            let mut step = parallel.step(model, batches)?;
            for i in step.own() {
                let rows = 12 / batches;
                let (x, y) = (x.narrow(0, i * rows, rows)?, y.narrow(0, i * rows, rows)?);
                let loss = losses::mse(&model.forward(&x, &mut Mode::train(&mut Rng::seed(0)))?, &y)?;
                step.backward(&loss, rows as f64)?;
            }
            step.apply(&mut opt, model)?;
        }
        Ok(())
    };
    let mut whole = model()?;
    train(&mut whole, &mut DataParallel::new(&*OneProcess::new().handle()), 1)?;
    let parts = ThreadGroup::run(3, |group| {
        let mut model = model()?;
        assert_eq!(synchronize_batch_norm(&mut model, group), 2);
        train(&mut model, &mut DataParallel::new(group), 3)?;
        Ok(model)
    })?;
    assert!(bits(&parts[0]) == bits(&parts[2]));
    // All but how many batches were counted, which each rank does by itself.
    for (a, b) in bits(&whole).iter().zip(bits(&parts[1])).filter(|(a, _)| a.len() > 1) {
        for (a, b) in a.iter().zip(b) {
            let (a, b) = (f64::from_bits(*a), f64::from_bits(b));
            assert!((a - b).abs() < 1e-5 * (1.0 + a.abs()), "{a} {b}");
        }
    }
    Ok(())
}

fn shards(lengths: &[(&'static str, usize)], streams: usize) -> Result<Shards<(Tensor, Tensor)>> {
    let mut list = Vec::new();
    let mut first = std::collections::BTreeMap::new();
    let mut total = 0;
    for (path, rows) in lengths {
        let start: &mut usize = first.entry(*path).or_insert(0);
        list.push(Shard::new(*path, *start..*start + rows));
        *start += rows;
        total += rows;
    }
    assert!(total < 10_000);
    let numbers: Vec<(String, usize)> = first.into_iter().map(|(path, rows)| (path.to_string(), rows)).collect();
    Shards::new(list, streams, move |path| {
        // Other numbers in each file.
        let at = numbers.iter().position(|(name, _)| path.ends_with(name)).unwrap();
        let x =
            (Tensor::arange(numbers[at].1)?.to_dtype(DType::F32) + 10_000.0 * at as f64).reshape([numbers[at].1, 1])?;
        Ok(Box::new(TensorDataset::new(x.clone(), x * 1e-4)?))
    })
}

#[test]
fn shards_give_every_row_once_whatever_the_number_of_ranks() -> Result<()> {
    let lengths = [("a", 31), ("a", 20), ("b", 40), ("c", 7), ("d", 18), ("d", 30), ("e", 9)];
    let data = shards(&lengths, 4)?;
    let batches = |seed: u64| -> Result<Vec<Vec<i64>>> {
        let mut all = Vec::new();
        for batch in data.batches(8).shuffle(&mut Rng::seed(seed)) {
            all.push(batch?.0.flatten(0, -1)?.to_dtype(DType::I64).to_vec::<i64>()?);
        }
        Ok(all)
    };
    let (first, other) = (batches(1)?, batches(2)?);
    assert_eq!(first, batches(1)?);
    assert_ne!(first, other);
    for all in [&first, &other] {
        // As many batches for each stream, none of more than eight rows or of two files.
        assert!(all.len() % 4 == 0 && all.iter().all(|batch| (1..=8).contains(&batch.len())));
        assert!(all.iter().all(|batch| batch.iter().all(|row| row / 10_000 == batch[0] / 10_000)));
        let mut rows: Vec<i64> = all.iter().flatten().copied().collect();
        rows.sort_unstable();
        let files = [51, 40, 7, 48, 9];
        let expected = files.iter().zip(0..).flat_map(|(rows, file)| (0..*rows).map(move |row| file * 10_000 + row));
        assert_eq!(rows, expected.collect::<Vec<i64>>());
    }
    // What a rank reads is what it was told.
    for ranks in [2, 4] {
        for rank in 0..ranks {
            let names: Vec<_> = data.of_rank(rank, ranks).map(|shard| shard.path.display().to_string()).collect();
            for (i, batch) in first.iter().enumerate().filter(|(i, _)| i % 4 % ranks == rank) {
                let file = ["a", "b", "c", "d", "e"][(batch[0] / 10_000) as usize];
                assert!(names.iter().any(|name| name == file), "batch {i} of rank {rank} of {ranks}");
            }
        }
    }
    the_same_on_all(|group| {
        let data = shards(&lengths, 4)?;
        let (mut model, mut rng) = (Linear::new(1, 1, &mut Rng::seed(0))?, Rng::seed(7));
        let history = Trainer::new(losses::mse, Adam::new(1e-3))
            .epochs(2)
            .batch_size(8)
            .accumulate(4)
            .distributed(DataParallel::new(group))
            .fit(&mut model, &data, &mut rng)?;
        Ok(outcome(&model, history, &mut rng))
    })?;
    Ok(())
}

#[test]
fn shards_that_are_missing_doubled_or_too_short_are_named() -> Result<()> {
    let open = |_: &std::path::Path| -> Result<Box<dyn Dataset<Batch = (Tensor, Tensor)>>> {
        let x = Tensor::zeros([8, 1])?;
        Ok(Box::new(TensorDataset::new(x.clone(), x)?))
    };
    let of = |shards: &[(&str, std::ops::Range<usize>)], streams: usize| {
        let list = shards.iter().map(|(path, rows)| Shard::new(*path, rows.clone())).collect();
        Shards::new(list, streams, open).map(|data| data.len()).map_err(|e| e.message())
    };
    assert_eq!(of(&[("a", 0..8), ("b", 0..8)], 2), Ok(16));
    let cases = [
        (of(&[("a", 0..8)], 2), "Shards::new: 1 shards for 2 streams, each of which needs one"),
        (of(&[("a", 0..8)], 0), "Shards::new: 1 shards for 0 streams, each of which needs one"),
        (of(&[("a", 0..5), ("a", 3..8)], 1), "Shards::new: a: the rows 3 to 5 are in two shards"),
        (of(&[("a", 0..8), ("a", 0..8)], 1), "Shards::new: a: the rows 0 to 8 are in two shards"),
        (of(&[("a", 0..3), ("a", 5..8)], 1), "Shards::new: a: the rows 3 to 5 are in no shard"),
        (of(&[("a", 2..2)], 1), "Shards::new: a: a shard of no rows"),
    ];
    for (got, expected) in cases {
        assert_eq!(got, Err(expected.to_string()));
    }
    // A file of other length, on the one rank that opens it.
    let told = told(2, |group| {
        let data = Shards::new(vec![Shard::new("a", 0..8), Shard::new("b", 0..9)], 2, open)?;
        let mut trainer = Trainer::new(losses::mse, Adam::new(0.1)).batch_size(4).accumulate(2);
        trainer = trainer.distributed(DataParallel::new(group));
        trainer.fit(&mut Linear::new(1, 1, &mut Rng::seed(0))?, &data, &mut Rng::seed(1)).map(drop)
    });
    assert!(told.iter().all(|told| told.contains("Shards: b: 8 rows, its shards have 9")), "{told:?}");
    // A batch of two shards, and a stream with fewer rows than steps.
    let data = Shards::new(vec![Shard::new("a", 0..8), Shard::new("b", 0..8)], 1, open)?;
    let e = data.batch(&[7, 8], &mut Rng::seed(0)).unwrap_err();
    assert_eq!(e.message(), "Shards: row 8 in a batch of a, whose rows are others");
    let data = Shards::new(vec![Shard::new("a", 0..8), Shard::new("b", 0..2)], 2, open)?;
    let e = data.batches(1).shuffle(&mut Rng::seed(0)).next().unwrap().unwrap_err();
    assert_eq!(e.message(), "Shards: stream 1 has 2 rows for 8 steps");
    Ok(())
}

fn blocks(rng: &mut Rng, group: &dyn Group, width: usize, count: usize) -> Result<Sequential> {
    let mut model = sequential![Linear::new(5, width, rng)?];
    for _ in 0..count {
        let inside = sequential![LayerNorm::new(width)?, Linear::new(width, width, rng)?, Gelu, Dropout::new(0.1)?];
        model.push(Residual::new(Sharded::new(inside, group)));
    }
    Ok(model.with(Linear::new(width, 1, rng)?))
}

/// Parameters that are gathered layer by layer: the same bits, also through checkpoints, and on another number of ranks.
#[test]
fn divided_parameters_come_to_the_same() -> Result<()> {
    let mut rng = Rng::seed(1);
    let x = Tensor::normal([64, 5], 0.0, 1.0, &mut rng)?;
    let train = TensorDataset::new(x.clone(), x.sum_dims(&[1], true)?)?;
    // Batches of validation that no number of ranks divides.
    let validation = TensorDataset::new(x.narrow(0, 0, 13)?, x.narrow(0, 0, 13)?.sum_dims(&[1], true)?)?;
    let run = |ranks: usize, sharding: Sharding, steps: u64, folder: Option<&CheckpointFolder>| {
        ThreadGroup::run(ranks, |group| {
            let mut model = blocks(&mut Rng::seed(2), group, 8, 3)?;
            let mut rng = Rng::seed(3);
            let parallel = DataParallel::new(group).sharding(sharding).bucket_bytes(300);
            let mut trainer =
                trainer(&validation, AdamW::new(0.02).clip_norm(0.5)).max_steps(steps).distributed(parallel);
            if let Some(folder) = folder {
                trainer = trainer.checkpoints(folder.clone()).checkpoint_every(2);
                if folder.latest()?.is_some() {
                    trainer = trainer.resume(folder.path());
                }
            }
            let history = trainer.fit(&mut model, &train, &mut rng)?;
            Ok(outcome(&model, history, &mut rng))
        })
    };
    let whole = run(1, Sharding::None, 9, None)?.remove(0);
    for ranks in [1, 2, 4] {
        let divided = run(ranks, Sharding::Parameters, 9, None)?;
        assert!(divided.iter().all(|own| *own == whole), "{ranks} ranks");
    }
    let temporary = tempfile::tempdir().unwrap();
    let folder = CheckpointFolder::new(temporary.path());
    run(4, Sharding::Parameters, 4, Some(&folder))?;
    run(1, Sharding::None, 6, Some(&folder))?;
    assert!(run(2, Sharding::Parameters, 9, Some(&folder))?[1] == whole);
    // What would see parts of parameters only is refused, and so are ranks without a batch.
    let refused = |penalty: bool, accumulate: usize, average: bool| {
        let e = ThreadGroup::run(2, |group| {
            let mut model = blocks(&mut Rng::seed(2), group, 8, 1)?;
            let adam = optimizers::Lookahead::new(Adam::new(0.1), 5, 0.5);
            let mut trainer = if average { trainer(&validation, adam) } else { trainer(&validation, Adam::new(0.1)) };
            if penalty {
                trainer = trainer.penalty(L2::new(0.1));
            }
            let parallel = DataParallel::new(group).sharding(Sharding::Parameters);
            trainer.accumulate(accumulate).distributed(parallel).fit(&mut model, &train, &mut Rng::seed(0)).map(drop)
        });
        e.unwrap_err().message()
    };
    assert_eq!(refused(true, 4, false), "fit: a penalty on parameters that are divided among ranks");
    assert_eq!(refused(false, 4, true), "step: averages of parameters that are divided among ranks");
    let message = "step: 3 micro-batches for 2 ranks that gather parameters together";
    assert_eq!(refused(false, 3, false), message);
    Ok(())
}
