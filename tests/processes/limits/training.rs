//! Losses, optimizers, schedules and regularizers with every option, used once.

use demotic::layers::{Linear, Module};
use demotic::losses::{self, CrossEntropy, Huber, Loss};
use demotic::optimizers::schedule::{AdaptiveRate, Curve, ReduceOnPlateau, Schedule};
use demotic::optimizers::{AdaGrad, Adam, AdamW, Group, Optimizer, RmsProp, Sgd, clip};
use demotic::regularizers::{AugmentedLagrangian, Constraint, ElasticNet, L1, L2, MaxNorm, Penalty};
use demotic::train::EarlyStopping;
use demotic::{DType, Rng, Tensor, tensor};

use super::child::{Cases, limited};
use super::{NUMBERS, OFFSETS};

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
