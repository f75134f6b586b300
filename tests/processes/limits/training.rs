//! Losses, optimizers, schedules and regularizers with every option, used once.

use demotic::data::{
    Column, Dataset, Impute, NextTokens, Padding, Preprocessor, PreprocessorBuilder, Scaling, Table, TensorDataset,
    Unseen,
};
use demotic::io::CheckpointFolder;
use demotic::layers::{Layer, Linear, Mode, Module};
use demotic::losses::{self, CrossEntropy, Huber, Loss};
use demotic::optimizers::schedule::{AdaptiveRate, Curve, ReduceOnPlateau, Schedule};
use demotic::optimizers::{AdaGrad, Adam, AdamW, Group, Optimizer, RmsProp, Sgd, clip};
use demotic::regularizers::{AugmentedLagrangian, Constraint, ElasticNet, L1, L2, MaxNorm, Penalty};
use demotic::text::TokenStream;
use demotic::train::{
    Callback, Callbacks, Context, EarlyStopping, Evaluation, Objective, Progress, StepReport, Trainer, metrics,
};
use demotic::{DType, Rng, Tensor, tensor};

use super::child::{Cases, limited};
use super::{NUMBERS, OFFSETS, SIZES};

const STEPS: [u64; 6] = [0, 1, 3, 1 << 40, u64::MAX / 2, u64::MAX];

fn model() -> Linear {
    Linear::new(3, 2, &mut Rng::seed(0)).unwrap()
}

fn stepped(cases: &mut Cases, name: String, mut optimizer: impl Optimizer) {
    cases.run(name, || {
        let mut model = model();
        for _ in 0..2 {
            let grads = model_output(&model)?.square().mean().backward()?;
            optimizer.step(&mut model, &grads)?;
        }
        Ok::<_, demotic::Error>(())
    });
}

fn model_output(model: &Linear) -> demotic::Result<Tensor> {
    use demotic::layers::Layer;
    model.forward(&Tensor::ones([2, 3])?, &mut demotic::layers::Mode::eval())
}

#[test]
fn options_of_optimizers() {
    limited("training::options_of_optimizers", |cases| {
        for a in NUMBERS {
            for b in NUMBERS {
                let name = |what: &str| format!("{what} {a}, {b}");
                stepped(cases, name("Sgd"), Sgd::new(a).momentum(b).dampening(a).weight_decay(b));
                stepped(cases, name("Sgd limits"), Sgd::new(0.1).clip_norm(a).clip_value(b));
                stepped(cases, name("Adam"), Adam::new(a).eps(b));
                stepped(cases, name("betas"), Adam::new(0.1).betas(a, b));
                stepped(cases, name("AdamW"), AdamW::new(a).weight_decay(b));
                stepped(cases, name("RmsProp"), RmsProp::new(a).alpha(b).momentum(a));
                stepped(cases, name("RmsProp eps"), RmsProp::new(0.1).eps(b));
                stepped(cases, name("AdaGrad"), AdaGrad::new(a).lr_decay(b).eps(a));
                stepped(cases, name("AdaGrad start"), AdaGrad::new(0.1).initial_accumulator_value(b));
                let group = Group::new("*").learning_rate_scale(a).weight_decay(b);
                stepped(cases, name("Group"), Sgd::new(0.1).group(group));
                cases.run(name("clip"), || {
                    let mut grads = model_output(&model())?.square().mean().backward()?;
                    let _ = clip::by_value(&mut grads, a);
                    let _ = clip::by_norm(&mut grads, b);
                    clip::by_p_norm(&mut grads, a, b)
                });
            }
        }
    });
}

#[test]
fn options_of_schedules() {
    limited("training::options_of_schedules", |cases| {
        for a in NUMBERS {
            for n in STEPS {
                let curves = |b: f64| {
                    [Curve::constant(a), Curve::steps(a, n, b), Curve::cosine(a, n), Curve::linear(a, n)]
                        .into_iter()
                        .chain([Curve::inverse_sqrt(a, n), Curve::cosine(a, n).warm_up(n).floor(b)])
                        .chain([Curve::linear(a, n).warm_up_from_zero(n / 2)])
                };
                for b in NUMBERS {
                    cases.run(format!("curves {a}, {b}, {n}"), || {
                        curves(b).for_each(|curve| STEPS.iter().for_each(|step| drop(curve.at(*step))));
                    });
                }
                cases.run(format!("plateau {a}, {n}"), || {
                    let schedules = [
                        ReduceOnPlateau::new().factor(a).patience(n).cooldown(n),
                        ReduceOnPlateau::new().threshold(a).min_rate(a),
                        ReduceOnPlateau::new().absolute_threshold(a).eps(a),
                    ];
                    for mut schedule in schedules {
                        let mut optimizer = Sgd::new(0.1);
                        (0..4).for_each(|_| drop(schedule.step(&mut optimizer, a)));
                    }
                });
            }
            for b in NUMBERS {
                cases.run(format!("adaptive {a}, {b}"), || {
                    for mut schedule in [
                        AdaptiveRate::new(a, b),
                        AdaptiveRate::new(1e-4, 1.0).thresholds(a, b),
                        AdaptiveRate::new(1e-4, 1.0).increase(a).decrease(b).backoff(a),
                    ] {
                        let mut optimizer = Sgd::new(0.1);
                        (0..4).for_each(|_| drop(schedule.step(&mut optimizer, b)));
                    }
                });
                cases.run(format!("early stopping {a}, {b}"), || {
                    for patience in [0, 1, usize::MAX] {
                        let mut stopping = EarlyStopping::new(patience).min_delta(a);
                        (0..3).for_each(|_| {
                            let _ = stopping.update(b);
                        });
                    }
                });
            }
        }
    });
}

#[test]
fn options_of_losses_and_regularizers() {
    limited("training::options_of_losses_and_regularizers", |cases| {
        let (x, y) = (tensor![[1.0, -2.0, 0.5]], tensor![[0.0, 3.0, 0.5]]);
        let class = Tensor::from_nested([1i64]).unwrap();
        for a in NUMBERS {
            cases.run(format!("huber {a}"), || (losses::huber(&x, &y, a), Huber::new(a).map(|loss| loss.loss(&x, &y))));
            cases.run(format!("label_smoothing {a}"), || CrossEntropy::new().label_smoothing(a)?.loss(&x, &class));
            cases.run(format!("class weights {a}"), || {
                CrossEntropy::new().weight(&tensor![1.0, 1.0, 1.0].mul_scalar(a)).loss(&x, &class)
            });
            let model = model();
            for b in NUMBERS {
                cases.run(format!("penalties {a}, {b}"), || {
                    let all: [Box<dyn Penalty>; 3] =
                        [Box::new(L1::new(a)), Box::new(L2::new(b)), Box::new(ElasticNet::new(a, b))];
                    all.map(|penalty| penalty.penalty(&model as &dyn Module))
                });
                cases.run(format!("lagrangian {a}, {b}"), || {
                    let mut method = AugmentedLagrangian::new().penalty(a).growth(b).max_penalty(a).tolerance(b);
                    let value = tensor![0.5].tracked()?;
                    let _ = method.loss(&value.sum(), &[&value], &[&value]);
                    let _ = method.update(&[&value], &[]);
                    method.update(&[&value], &[])
                });
            }
            for dim in OFFSETS {
                cases.run(format!("MaxNorm {a} along {dim}"), || {
                    let mut model = model.clone();
                    MaxNorm::new(a).dim(dim).apply(&mut model)
                });
            }
        }
        for index in [0, -1, i64::MIN, i64::MAX] {
            cases.run(format!("ignore_index {index}"), || CrossEntropy::new().ignore_index(index).loss(&x, &class));
            cases.run(format!("class {index}"), || losses::cross_entropy(&x, &Tensor::from_nested([index])?));
        }
    });
}

/// Batches without examples or without classes, whose other size is huge.
#[test]
fn losses_of_nothing() {
    limited("training::losses_of_nothing", |cases| {
        for shape in [[0, 1 << 40], [1 << 40, 0], [0, 3], [3, 0], [0, 0]] {
            let x = Tensor::zeros(shape).unwrap().tracked().unwrap();
            let classes = Tensor::zeros([shape[0].min(3)]).unwrap().to_dtype(DType::I64);
            let losses: [(&str, Box<dyn Loss>); 8] = [
                ("mse", Box::new(losses::mse)),
                ("mae", Box::new(losses::mae)),
                ("huber", Box::new(Huber::new(1.0).unwrap())),
                ("bce", Box::new(losses::bce)),
                ("bce_with_logits", Box::new(losses::bce_with_logits)),
                ("cross_entropy", Box::new(losses::cross_entropy)),
                ("smooth", Box::new(CrossEntropy::new().label_smoothing(0.1).unwrap())),
                ("each", Box::new(CrossEntropy::new().reduction(losses::Reduction::None))),
            ];
            for (name, loss) in losses {
                for (what, target) in [("floats", x.detach()), ("classes", classes.clone())] {
                    cases.run(format!("{name} of {shape:?} and {what}"), || loss.loss(&x, &target)?.sum().backward());
                }
            }
        }
    });
}

/// Ends a run that would go on for ever, after its second step or epoch.
struct Enough;

impl Callback for Enough {
    fn batch_end(&mut self, run: &mut Context<'_>, _: &StepReport) -> demotic::Result<()> {
        if run.steps() > 1 {
            run.stop();
        }
        Ok(())
    }
}

fn data() -> TensorDataset {
    TensorDataset::new(Tensor::ones([5, 3]).unwrap(), Tensor::ones([5, 2]).unwrap()).unwrap()
}

#[test]
fn options_of_trainers() {
    limited("training::options_of_trainers", |cases| {
        let data = data();
        let trainer = || Trainer::new(losses::mse, Sgd::new(0.01)).callback(Enough).epochs(2);
        let run = |trainer: Trainer| {
            let mut model = model();
            let mut trainer = trainer;
            trainer.fit(&mut model, &data, &mut Rng::seed(0))?;
            trainer.evaluate(&model, &data)
        };
        for n in SIZES {
            cases.run(format!("epochs {n}"), || run(trainer().epochs(n)));
            cases.run(format!("batch_size {n}"), || run(trainer().batch_size(n)));
            cases.run(format!("batch_size {n}, drop_last"), || run(trainer().batch_size(n).drop_last()));
            cases.run(format!("accumulate {n}"), || run(trainer().batch_size(1).accumulate(n)));
            cases.run(format!("patience {n}"), || {
                run(trainer().early_stopping(EarlyStopping::new(n)).validation(&data))
            });
            for steps in STEPS {
                cases.run(format!("max_steps {steps}, epochs {n}"), || {
                    run(trainer().max_steps(steps).epochs(n).progress())
                });
            }
            cases.run(format!("predict {n}"), || trainer().batch_size(n).predict(&model(), &data));
        }
        for steps in STEPS {
            cases.run(format!("evaluate_every {steps}"), || {
                run(trainer().evaluate_every(steps).validation(&data).metric("rmse", metrics::rmse).batch_size(1))
            });
            cases.run(format!("every {steps}"), || {
                run(trainer().every(steps, |_, _: &Linear| Ok(std::ops::ControlFlow::Continue(()))))
            });
            cases.run(format!("checkpoint_every {steps}"), || {
                let folder = tempfile::tempdir().unwrap();
                let checkpoints = CheckpointFolder::new(folder.path()).keep(steps as usize);
                run(trainer().checkpoints(checkpoints).checkpoint_every(steps).batch_size(1))?;
                run(trainer().resume(folder.path()).batch_size(1))
            });
        }
        for a in NUMBERS {
            cases.run(format!("rates {a}"), || run(Trainer::new(losses::mse, Sgd::new(a)).epochs(2).batch_size(1)));
            cases.run(format!("schedule {a}"), || {
                let _ = run(trainer().step_schedule(Curve::linear(a, 3)).batch_size(1));
                run(trainer().schedule(ReduceOnPlateau::new().factor(a)).batch_size(1))
            });
            cases.run(format!("min_delta {a}"), || run(trainer().early_stopping(EarlyStopping::new(1).min_delta(a))));
            cases.run(format!("penalty {a}"), || run(trainer().penalty(L2::new(a)).constraint(MaxNorm::new(a))));
            cases.run(format!("counts of {a}"), || {
                let task = move |model: &Linear, (x, y): &(Tensor, Tensor), mode: &mut Mode<'_>| {
                    Ok(Objective::new(losses::mse(&model.forward(x, mode)?, y)?, a))
                };
                Trainer::with_task(task, Sgd::new(0.1)).batch_size(2).accumulate(2).fit(
                    &mut model(),
                    &data,
                    &mut Rng::seed(0),
                )
            });
            cases.run(format!("losses of {a}"), || {
                let mut run = Callbacks::new().epochs(1).with(EarlyStopping::new(1)).with(Progress::new());
                let (mut model, mut optimizer) = (model(), Sgd::new(0.1));
                run.fit_begin(&mut model, &mut optimizer)?;
                run.epoch_begin(&mut model, &mut optimizer)?;
                run.step(&mut model, &mut optimizer, a, usize::MAX)?;
                run.step(&mut model, &mut optimizer, a, usize::MAX)?;
                run.epoch_end(&mut model, &mut optimizer, &Rng::seed(0), Some(Evaluation::new(a)))?;
                run.fit_end(&mut model, &mut optimizer).map(|history| history.to_string())
            });
        }
    });
}

/// Data without elements whose other size is huge, and data of which there are more than there is memory for their numbers.
#[test]
fn trainers_of_huge_data() {
    limited("training::trainers_of_huge_data", |cases| {
        for n in [1usize << 32, 1 << 40] {
            for size in [1, 1000, 1 << 40, usize::MAX] {
                let nothing =
                    TensorDataset::new(Tensor::zeros([n, 0]).unwrap(), Tensor::zeros([n, 0]).unwrap()).unwrap();
                cases.run(format!("{n} rows of nothing by {size}"), || {
                    let mut rng = Rng::seed(0);
                    let _ = nothing.batches(size).shuffle(&mut rng).next().map(|batch| batch.map(drop));
                    let _ = nothing.batches(size).shuffle(&mut rng).drop_last().nth(3).map(|batch| batch.map(drop));
                    let _ = nothing.split(0.5, &mut rng);
                    Trainer::new(losses::mse, Sgd::new(0.1)).batch_size(size).callback(Enough).fit(
                        &mut model(),
                        &nothing,
                        &mut rng,
                    )
                });
                cases.run(format!("{n} random windows by {size}"), || {
                    let mut rng = Rng::seed(0);
                    let windows = NextTokens::new(TokenStream::from_ids((0..50).collect())?, 4)?.random(n, &mut rng)?;
                    let _ = windows.batches(size.min(100)).nth(n / 7).map(|batch| batch.map(drop));
                    let _ = windows.batches(size.min(100)).shuffle(&mut rng).next().map(|batch| batch.map(drop));
                    windows.batches(size).next().transpose()
                });
            }
        }
        for samples in SIZES {
            cases.run(format!("{samples} random windows"), || {
                let mut rng = Rng::seed(0);
                let windows =
                    NextTokens::new(TokenStream::from_ids((0..50).collect())?, 4)?.random(samples, &mut rng)?;
                windows.batch(&[samples.wrapping_sub(1), samples], &mut rng)
            });
        }
    });
}

#[test]
fn options_of_preprocessing() {
    limited("training::options_of_preprocessing", |cases| {
        let table = |number: f64| {
            Table::from_columns([
                ("a", Column::from([1.0, number, 3.0, -2.0])),
                ("b", Column::from(["x", "y", "x", "z"])),
                ("c", Column::from([0.5, 0.5, 0.5, 0.5])),
                ("y", Column::from([1.0, 2.0, number, 4.0])),
            ])
        };
        for a in NUMBERS {
            for b in NUMBERS {
                for clip in [false, true] {
                    cases.run(format!("range {a} to {b}, {clip}"), || {
                        let scaling = Scaling::Range { low: a, high: b, clip };
                        let prep = Preprocessor::regression("y")
                            .scaling(scaling)
                            .target_scaling(scaling)
                            .fit(&table(0.25)?)?;
                        prep.inverse_target(prep.transform(&table(b)?)?.y())
                    });
                }
                cases.run(format!("impute {a} in {b}"), || {
                    let rules =
                        Preprocessor::unsupervised().impute(Impute::Constant(a)).impute_of("c", Impute::Constant(b));
                    let prep = rules.missing_indicators(true).fit(&table(f64::NAN)?)?;
                    prep.transform_features(&table(b)?)
                });
            }
            for scaling in [Scaling::Standard, Scaling::Center, Scaling::Deviation, Scaling::MinMax, Scaling::None] {
                cases.run(format!("{scaling:?} of {a}"), || {
                    let prep = Preprocessor::unsupervised().scaling(scaling).impute(Impute::Mean).fit(&table(a)?)?;
                    prep.transform_features(&table(a)?)
                });
            }
            cases.run(format!("classes of {a}"), || {
                let prep =
                    Preprocessor::classification("y").categorical(&["a"]).unseen(Unseen::Error).fit(&table(a)?)?;
                prep.transform(&table(1.0)?)
            });
            cases.run(format!("padding with {a}"), || {
                Padding::new().value(a).pad(&[Tensor::ones([2, 3])?, Tensor::ones([1, 3])?])
            });
        }
        for n in SIZES {
            cases.run(format!("max_categories {n}"), || {
                Preprocessor::regression("y").max_categories(n).drop_first(true).fit(&table(0.25)?)
            });
            cases.run(format!("padding to {n}"), || Padding::new().width(n).left().pad(&[Tensor::ones([2, 3])?]));
            cases.run(format!("rules by JSON {n}"), || {
                let rules: PreprocessorBuilder = serde_json::from_str(&format!("{{\"max_categories\": {n}}}")).unwrap();
                rules.fit(&table(0.25)?)
            });
        }
    });
}
