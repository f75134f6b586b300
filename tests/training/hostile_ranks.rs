//! Ranks that do not do what the others do: an error on every one of them, which says who and what, and nobody waits for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use demotic::distributed::{
    Compression, DataParallel, Grid, Group, Message, OneProcess, Pipeline, Sharding, Tag, ThreadGroup, average,
};
use demotic::io::{Checkpoint, CheckpointFolder};
use demotic::models::{Generate, GenerateOptions, Gpt, GptConfig};
use demotic::optimizers::schedule::Curve;
use demotic::prelude::*;
use demotic::train::PeriodicAverage;

/// Nobody may need so long to notice.
const PATIENCE: Duration = Duration::from_secs(30);

/// What each rank gets to hear, soon.
fn told(ranks: usize, f: impl Fn(&dyn Group) -> Result<()> + Sync) -> Vec<String> {
    let begun = Instant::now();
    let told = ThreadGroup::run_with(ranks, PATIENCE, |group| {
        let done = f(group);
        if let Err(e) = &done {
            group.fail(&e.message());
        }
        Ok(done.map_or_else(|e| e.message(), |()| "done".to_string()))
    });
    assert!(begun.elapsed() < PATIENCE / 2, "somebody waited for the end of time");
    told.unwrap()
}

type Do = fn(&dyn Group) -> Result<()>;

/// Operations of all ranks.
const OPERATIONS: [(&str, Do); 14] = [
    ("all_reduce", |group| group.all_reduce(&Tensor::ones([3])?).map(drop)),
    ("all_reduce of another shape", |group| group.all_reduce(&Tensor::ones([1, 3])?).map(drop)),
    ("all_reduce of another type", |group| group.all_reduce(&Tensor::ones([3])?.to_dtype(DType::F64)).map(drop)),
    ("a large all_reduce", |group| group.all_reduce(&Tensor::ones([5000])?).map(drop)),
    ("a larger all_reduce", |group| group.all_reduce(&Tensor::ones([5001])?).map(drop)),
    ("reduce_scatter", |group| group.reduce_scatter(&Tensor::ones([3])?).map(drop)),
    ("all_gather", |group| group.all_gather(&Tensor::ones([2])?.to_dtype(DType::I64)).map(drop)),
    ("broadcast", |group| group.broadcast(&Tensor::ones([3])?, 0).map(drop)),
    ("broadcast of the last", |group| group.broadcast(&Tensor::ones([3])?, group.size() - 1).map(drop)),
    ("broadcast of nothing", |group| group.broadcast(&Tensor::ones([0])?, 0).map(drop)),
    ("barrier", |group| group.barrier()),
    ("split", |group| group.split(1, 0).map(drop)),
    ("grid", |group| Grid::new(group, [group.size(), 1, 1]).map(drop)),
    ("synchronize", |group| DataParallel::new(group).synchronize(&mut Linear::new(1, 1, &mut Rng::seed(0))?)),
];

/// One rank calls another operation than the others, for every pair of them, and every rank. None of them may go on as if nothing were.
#[test]
fn one_rank_at_another_operation() {
    for ranks in [2, 3, 4] {
        for (a, others) in OPERATIONS {
            for (b, own) in OPERATIONS.into_iter().filter(|(b, _)| *b != a) {
                let odd = (a.len() + b.len()) % ranks;
                let told = told(ranks, |group| {
                    if group.rank() == odd {
                        own(group)?
                    } else {
                        others(group)?
                    };
                    group.barrier()
                });
                for (rank, told) in told.iter().enumerate() {
                    let is_named = told.contains("rank") && told.contains(" is at ");
                    assert!(is_named, "rank {odd} of {ranks} at {b}, the others at {a}: rank {rank} was told {told}");
                }
            }
        }
    }
}

/// Two roots, who would have believed that all went well.
#[test]
fn two_roots() {
    let told = told(2, |group| group.broadcast(&tensor![1.0], group.rank()).map(drop));
    let message = "rank 1 is at broadcast of f32 [1] from rank 1, rank 0 at broadcast of f32 [1] from rank 0";
    let mirrored = "rank 0 is at broadcast of f32 [1] from rank 0, rank 1 at broadcast of f32 [1] from rank 1";
    assert!(told.iter().all(|told| told.contains(message) || told.contains(mirrored)), "{told:?}");
}

/// Messages whose words are right and whose contents are not.
#[test]
fn messages_of_another_size() {
    let forged = |about: &str, tensor: Tensor, f: Do| {
        told(2, |group| match group.rank() {
            0 => f(group),
            _ => {
                let message = Message { about: about.to_string(), tensor: tensor.clone() };
                group.post(0, Tag { group: 0, number: 0 }, message)?;
                group.receive(0, 9).map(drop)
            }
        })
    };
    let sum: Do = |group| group.all_reduce(&Tensor::ones([3])?).map(drop);
    let rows: Do = |group| group.reduce_scatter(&Tensor::ones([3])?).map(drop);
    let large: Do = |group| group.all_reduce(&Tensor::ones([5000])?).map(drop);
    let from: Do = |group| group.broadcast(&Tensor::ones([3])?, 1).map(drop);
    let one = || Tensor::ones([1]).unwrap();
    let cases: [(&str, Tensor, Do, &str); 6] = [
        ("all_reduce of f32 [3]", one(), sum, "f32 [1] in all_reduce of f32 [3], expected f32 [3]"),
        (
            "all_reduce of f32 [3]",
            Tensor::ones([3]).unwrap().to_dtype(DType::F64),
            sum,
            "f64 [3] in all_reduce of f32 [3], expected f32 [3]",
        ),
        ("all_reduce of f32 [5000]", one(), large, "f32 [1] in all_reduce of f32 [5000], expected f32 [2500]"),
        ("reduce_scatter of f32 [3]", one(), rows, "f32 [1] in reduce_scatter of f32 [3], expected f32 [2]"),
        (
            "broadcast of f32 [3] from rank 1",
            one(),
            from,
            "f32 [1] in broadcast of f32 [3] from rank 1, expected f32 [3]",
        ),
        ("barrier", one(), |group| group.barrier(), "f32 [1] in barrier, expected f32 [0]"),
    ];
    for (about, tensor, f, expected) in cases {
        let told = forged(about, tensor, f);
        assert!(told.iter().all(|told| told.contains(&format!("rank 1 has sent {expected}"))), "{about}: {told:?}");
    }
}

#[test]
fn times_of_waiting() {
    for ranks in [1, 2] {
        let e = ThreadGroup::run_with(ranks, Duration::ZERO, |group| group.barrier()).unwrap_err();
        assert_eq!(e.message(), "ThreadGroup: a time-out of 0 s, in which no rank can answer");
    }
    let sums = ThreadGroup::run_with(2, Duration::MAX, |group| group.all_reduce(&tensor![1.0])?.item()).unwrap();
    assert_eq!(sums, [2.0, 2.0]);
    // One that comes too late, and one that has sent something else meanwhile.
    let late = |f: Do| {
        let e = ThreadGroup::run_with(2, Duration::from_millis(100), |group| match group.rank() {
            0 => group.receive(1, 4).map(drop),
            _ => {
                f(group)?;
                std::thread::sleep(Duration::from_millis(600));
                Ok(())
            }
        });
        e.unwrap_err().message()
    };
    assert_eq!(late(|_| Ok(())), "receive: no message from rank 1 within 100ms");
    assert_eq!(
        late(|group| group.send(&tensor![1.0], 0, 5)),
        "receive: no message from rank 1 within 100ms, but one with the tag 5"
    );
    assert_eq!(
        late(|group| group.start_all_gather(&tensor![1.0]).map(drop)),
        "receive: no message from rank 1 within 100ms, but one of all_gather"
    );
}

/// A panic, an error and an end in the middle of an operation, on each of the ranks in turn.
#[test]
fn ranks_that_leave() {
    for odd in 0..3 {
        let seen = std::sync::Mutex::new(Vec::new());
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            ThreadGroup::run_with(3, PATIENCE, |group| {
                assert!(group.rank() != odd, "on purpose {odd}");
                let e = group.all_reduce(&Tensor::ones([5000])?).unwrap_err();
                seen.lock().unwrap().push(e.message());
                Ok(())
            })
        }));
        assert!(panicked.is_err());
        let message = format!("receive: rank {odd} has given up: it has panicked: on purpose {odd}");
        assert_eq!(*seen.lock().unwrap(), [message.clone(), message]);
        let told = told(3, |group| match group.rank() == odd {
            true => Ok(()),
            false => group.barrier(),
        });
        let message = format!("receive: rank {odd} has ended, and has sent no such message before");
        // Who heard of it from the other one quotes that.
        let others = told.iter().enumerate().filter(|(rank, _)| *rank != odd);
        assert!(others.clone().all(|(_, told)| told.ends_with(&message)), "{told:?}");
    }
}

/// Parts of a group, with colours and keys of any size.
#[test]
fn strange_colours() -> Result<()> {
    let orders = ThreadGroup::run(4, |group| {
        let color = [usize::MAX, usize::MAX, 0, usize::MAX][group.rank()];
        let part = group.split(color, [7, 7, 0, usize::MAX >> 1][group.rank()])?;
        let all = part.all_gather(&tensor![group.rank() as f64])?;
        all.iter().map(Tensor::item).collect::<Result<Vec<_>>>()
    })?;
    assert_eq!(orders, [vec![0.0, 1.0, 3.0], vec![0.0, 1.0, 3.0], vec![2.0], vec![0.0, 1.0, 3.0]]);
    // A rank that is not in a part cannot be asked for there.
    let told = ThreadGroup::run(3, |group| {
        let part = group.split(group.rank() / 2, 0)?;
        Ok(part.receive(part.size(), 0).unwrap_err().message())
    })?;
    assert_eq!(told[1], "receive: rank 2 of a group of 2, counted from 0");
    assert_eq!(told[2], "receive: rank 1 of a group of 1, counted from 0");
    Ok(())
}

/// A step by hand, without `synchronize`, with whatever a rank has.
fn step(
    group: &dyn Group,
    model: &mut Sequential,
    options: impl Fn(DataParallel) -> DataParallel,
    micro_batches: usize,
) -> Result<()> {
    let mut parallel = options(DataParallel::new(group));
    let mut opt = Sgd::new(0.1);
    for _ in 0..2 {
        let mut step = parallel.step(model, micro_batches)?;
        for _ in step.own() {
            let mut loss = Tensor::scalar(0.0);
            for (_, value) in model.named_parameters() {
                loss = loss.add(&value.to_dtype(DType::F32).square().sum())?;
            }
            step.backward(&loss, 1.0)?;
        }
        step.apply(&mut opt, model)?;
    }
    Ok(())
}

#[test]
fn steps_of_different_models_and_options() {
    let same = |parallel: DataParallel| parallel;
    let sizes = |group: &dyn Group, a: [usize; 2], b: [usize; 2]| -> Result<Sequential> {
        let [inputs, outputs] = if group.rank() == 1 { b } else { a };
        Ok(sequential![Linear::new(inputs, outputs, &mut Rng::seed(0))?.without_bias()])
    };
    let equal = |group: &dyn Group| sizes(group, [2, 3], [2, 3]);
    // As many numbers in another shape; more of them; another type; another name; one that is frozen; one more layer.
    let cases: [(&str, Vec<String>); 9] = [
        ("`0.weight` of [2, 3]", told(2, |group| step(group, &mut sizes(group, [2, 3], [3, 2])?, same, 2))),
        ("`0.weight` of [4, 3]", told(3, |group| step(group, &mut sizes(group, [3, 2], [3, 4])?, same, 3))),
        (
            "gradients of f64",
            told(2, |group| {
                let mut model = equal(group)?;
                if group.rank() == 1 {
                    model.to_dtype(DType::F64)?;
                }
                step(group, &mut model, same, 2)
            }),
        ),
        (
            "rank 1 has nothing more",
            told(2, |group| {
                let mut model = equal(group)?;
                if group.rank() == 1 {
                    model.freeze("*")?;
                }
                step(group, &mut model, same, 2)
            }),
        ),
        (
            "rank 0 has nothing more",
            told(2, |group| {
                let mut model = equal(group)?;
                if group.rank() == 1 {
                    model.push(Linear::new(3, 3, &mut Rng::seed(0))?);
                }
                step(group, &mut model, same, 2)
            }),
        ),
        (
            "rank 1 has a step with Sharding::Gradients, rank 0 has a step with Sharding::None",
            told(2, |group| {
                let sharding = [Sharding::None, Sharding::Gradients][group.rank()];
                step(group, &mut equal(group)?, |parallel| parallel.sharding(sharding), 2)
            }),
        ),
        (
            "compressed by Some(Bf16)",
            told(2, |group| {
                let rank = group.rank();
                let options = move |parallel: DataParallel| match rank {
                    0 => parallel,
                    _ => parallel.compression(Compression::Bf16),
                };
                step(group, &mut equal(group)?, options, 2)
            }),
        ),
        (
            "a size of buckets of Some(1)",
            told(2, |group| {
                let bytes = group.rank() + 1;
                step(group, &mut equal(group)?, |parallel| parallel.bucket_bytes(bytes), 2)
            }),
        ),
        ("micro-batches from 0 on of 3", told(2, |group| step(group, &mut equal(group)?, same, 2 + group.rank()))),
    ];
    for (what, told) in cases {
        assert!(told.iter().all(|told| told.contains(what) && told.contains("rank 1")), "{what}: {told:?}");
    }
    // A rank whose model changes later than the others' agreement.
    let told = told(2, |group| {
        let mut parallel = DataParallel::new(group);
        let mut model = equal(group)?;
        for at in 0..3 {
            if at == 2 && group.rank() == 1 {
                model.push(Linear::new(3, 3, &mut Rng::seed(0))?);
            }
            let mut step = parallel.step(&model, 2)?;
            step.backward(&model.forward(&Tensor::ones([1, 2])?, &mut Mode::eval())?.sum(), 1.0)?;
            step.finish()?;
        }
        Ok(())
    });
    assert!(told.iter().all(|told| told.contains("is at") && told.contains("the comparison of step")), "{told:?}");
}

#[test]
fn averages_of_different_models() {
    let other = |group: &dyn Group, inputs: [usize; 2]| Linear::new(inputs[group.rank()], 2, &mut Rng::seed(0));
    let told = told(2, |group| average(group, &mut other(group, [2, 3])?));
    assert!(told.iter().all(|told| told.contains("all_reduce of f32 [2, 3]") && told.contains("rank 1")), "{told:?}");
    // Runs of different length.
    let x = Tensor::ones([8, 1]).unwrap();
    let data = TensorDataset::new(x.clone(), x).unwrap();
    let told = self::told(2, |group| {
        Trainer::new(losses::mse, Sgd::new(0.1))
            .max_steps(4 + 2 * group.rank() as u64)
            .batch_size(2)
            .callback(PeriodicAverage::new(group, 2))
            .fit(&mut Linear::new(1, 1, &mut Rng::seed(0))?, &data, &mut Rng::seed(0))
            .map(drop)
    });
    assert!(told.iter().all(|told| told.contains("rank 1 has come to step 6, rank 0 has come to step 4")), "{told:?}");
}

/// Trainers that differ in what has no name: it is what they come to that differs.
#[test]
fn trainers_that_come_to_different_models() -> Result<()> {
    let mut rng = Rng::seed(0);
    let x = Tensor::normal([16, 2], 0.0, 1.0, &mut rng)?;
    let data = TensorDataset::new(x.clone(), x.sum_dims(&[1], true)?)?;
    let fit = |group: &dyn Group, trainer: Trainer<'_>, sharding: Sharding| {
        trainer
            .epochs(3)
            .batch_size(2)
            .accumulate(2)
            .distributed(DataParallel::new(group).sharding(sharding))
            .fit(&mut Linear::new(2, 1, &mut Rng::seed(0))?, &data, &mut Rng::seed(2))
            .map(drop)
    };
    // Another option of the optimizer: after the first step.
    let decay = told(2, |group| {
        let adam = AdamW::new(0.1).weight_decay(0.1 * (1.0 + group.rank() as f64));
        fit(group, Trainer::new(losses::mse, adam), Sharding::None)
    });
    // Another schedule: at the end of the epoch, which has four steps.
    let schedule = told(2, |group| {
        let steps = 4 + group.rank() as u64;
        let trainer = Trainer::new(losses::mse, Adam::new(0.1)).step_schedule(Curve::cosine(0.1, steps));
        fit(group, trainer, Sharding::None)
    });
    for (what, told) in [("a model after step 1", decay), ("a model after step 4", schedule)] {
        assert_eq!(told[0], told[1]);
        assert!(told[0].starts_with("fit: rank 1 has the parameter `weight` with the checksum "), "{what}: {told:?}");
    }
    // Another model by hand.
    let told = self::told(3, |group| {
        let mut model = Linear::new(2, 1, &mut Rng::seed(0))?;
        if group.rank() == 2 {
            model.bias.as_mut().unwrap().set(&tensor![7.0])?;
        }
        DataParallel::new(group).compare(&model)
    });
    assert!(told.iter().all(|other| *other == told[0]), "{told:?}");
    assert!(told[0].starts_with("compare: rank 2 has the parameter `bias` with the checksum "), "{told:?}");
    // Other options of the exchange.
    let told = self::told(2, |group| {
        let sharding = [Sharding::None, Sharding::Optimizer][group.rank()];
        fit(group, Trainer::new(losses::mse, Adam::new(0.1)), sharding)
    });
    assert!(told.iter().all(|told| told.contains("rank 1 has a step with Sharding::Optimizer")), "{told:?}");
    Ok(())
}

#[test]
fn a_rank_without_data() {
    let told = told(3, |group| {
        let rows = if group.rank() == 1 { 0 } else { 6 };
        let data = TensorDataset::new(Tensor::ones([rows, 1])?, Tensor::ones([rows, 1])?)?;
        Trainer::new(losses::mse, Adam::new(0.1))
            .accumulate(3)
            .distributed(DataParallel::new(group))
            .fit(&mut Linear::new(1, 1, &mut Rng::seed(0))?, &data, &mut Rng::seed(2))
            .map(drop)
    });
    assert!(told.iter().all(|told| told.contains("there are no training data")), "{told:?}");
    assert!(told[0].contains("rank 1 has given up") && told[2].contains("rank 1 has given up"), "{told:?}");
}

/// Each rank has a disk of its own: the parts of a checkpoint would never come together.
#[test]
fn checkpoints_on_disks_that_others_do_not_see() {
    let temporary = tempfile::tempdir().unwrap();
    let told = told(2, |group| {
        let folder = CheckpointFolder::new(temporary.path().join(group.rank().to_string()));
        let model = Linear::new(2, 1, &mut Rng::seed(0))?;
        DataParallel::new(group).save(&folder, 3, &Checkpoint::new().model(&model), &model).map(drop)
    });
    for told in &told {
        assert!(told.contains("rank 1 has written ") && told.contains("which rank 0 does not see"), "{told}");
    }
    assert!(std::fs::read_dir(temporary.path().join("0")).map_or(0, Iterator::count) == 0);
    // Nor are those of two steps one checkpoint.
    let told = self::told(2, |group| {
        let folder = CheckpointFolder::new(temporary.path());
        let model = Linear::new(2, 1, &mut Rng::seed(0))?;
        let step = 3 + group.rank() as u64;
        DataParallel::new(group).save(&folder, step, &Checkpoint::new().model(&model), &model).map(drop)
    });
    let message = "save: rank 1 has a checkpoint of step 4, rank 0 has a checkpoint of step 3";
    assert!(told.iter().all(|told| told == message), "{told:?}");
}

/// Stages with other generators, and with other prompts.
#[test]
fn stages_with_other_generators_and_prompts() -> Result<()> {
    let config = GptConfig::new(20, 8).layers(2).heads(2).hidden_size(16).dropout(0.1);
    let gpt = Gpt::new(config, &mut Rng::seed(0))?;
    let ids = Tensor::from_nested([[3i64, 1, 4, 1]])?;
    let batches = [(ids.clone(), ids)];
    let with = |seeds: [Option<u64>; 2]| {
        told(2, |group| {
            let stage = Pipeline::new(&Grid::new(group, [1, 2, 1])?).split(&gpt)?;
            let mut rng = seeds[group.rank()].map(Rng::seed);
            stage.gradients(&batches, rng.as_mut()).map(drop)
        })
    };
    for (seeds, what) in [
        ([Some(1), None], "pipeline: rank 1 has no generator, rank 0 has a generator at "),
        ([None, Some(1)], "pipeline: rank 1 has a generator at "),
        ([Some(1), Some(2)], "pipeline: rank 1 has a generator at "),
    ] {
        let told = with(seeds);
        assert!(told.iter().all(|told| told.contains(what)), "{seeds:?}: {told:?}");
    }
    for sizes in [[1, 2, 1], [1, 1, 2]] {
        let told = told(2, |group| {
            let stage = Pipeline::new(&Grid::new(group, sizes)?).split(&gpt)?;
            let prompt = [[3, 1, 4], [3, 1, 5]][group.rank()];
            stage.generate(&prompt, &GenerateOptions::new().max_new_tokens(2), &mut Rng::seed(0)).map(drop)
        });
        assert!(told.iter().all(|told| told.contains("generate: rank 1 has a prompt of [1, 3]")), "{told:?}");
    }
    Ok(())
}

/// A group of one has nobody to disagree with.
#[test]
fn one_rank_does_all_of_it() -> Result<()> {
    let group = OneProcess::new().handle();
    for (name, operation) in OPERATIONS {
        operation(&*group).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    step(&*group, &mut sequential![Linear::new(2, 3, &mut Rng::seed(0))?], |parallel| parallel, 3)
}
