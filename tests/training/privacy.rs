//! Training with differential privacy: limits and noise are what is counted, and what makes no sense is an error.

use demotic::distributed::ThreadGroup;
use demotic::layers::BatchNorm1d;
use demotic::losses::{CrossEntropy, Loss, Reduction};
use demotic::optimizers::OptimizerState;
use demotic::parallel::with_threads;
use demotic::prelude::*;
use demotic::privacy::{
    Accountant, Accounting, Clipping, DpOptimizer, Federated, FederatedRound, Lira, MembershipAudit, PoissonSampler,
    Proximal, SecureSum, estimated_exposure, exposure, gaussian_epsilon, gaussian_noise, noise_for, scaled_confidence,
};

fn data(n: usize) -> Result<(Tensor, Tensor)> {
    let x = Tensor::normal([n, 4], 0.0, 1.0, &mut Rng::seed(1))?;
    let y = x.select(1, 0)?.add(&x.select(1, 1)?)?.gt_scalar(0.0).to_dtype(DType::I64);
    Ok((x, y))
}

fn network() -> Result<Sequential> {
    let mut rng = Rng::seed(2);
    Ok(sequential![Linear::new(4, 6, &mut rng)?, Tanh, Linear::new(6, 2, &mut rng)?])
}

fn losses_of(model: &dyn Layer, x: &Tensor, y: &Tensor) -> Result<Tensor> {
    CrossEntropy::new().reduction(Reduction::None).loss(&model.forward(x, &mut Mode::train(&mut Rng::seed(0)))?, y)
}

fn flat(model: &dyn Layer) -> Vec<f64> {
    model.as_module().named_parameters().iter().flat_map(|(_, value)| value.to_f64_vec()).collect()
}

fn message<T>(found: Result<T>) -> String {
    found.err().unwrap().message().to_string()
}

/// One step without noise is that of the limited gradients of single examples, however they are found and in however many parts.
#[test]
fn gradients_are_limited_one_by_one() -> Result<()> {
    let (x, y) = data(20)?;
    let sampler = PoissonSampler::new(20, 0.5, Rng::seed(3))?;
    let mut wanted = network()?;
    let mut grads = losses_of(&wanted, &x, &y)?.backward_per_example()?.clip_each(0.3)?.sum()?;
    grads.scale(1.0 / 10.0);
    Sgd::new(0.5).step(&mut wanted, &grads)?;
    for part in [20, 7, 1] {
        let mut model = network()?;
        let mut opt = DpOptimizer::new(Sgd::new(0.5), 0.0, 0.3, &sampler, Rng::seed(4))?;
        for (x, y) in x.split(part, 0)?.iter().zip(y.split(part, 0)?) {
            opt.accumulate(&losses_of(&model, x, &y)?)?;
        }
        opt.step_private(&mut model)?;
        for (got, want) in flat(&model).into_iter().zip(flat(&wanted)) {
            assert!((got - want).abs() < 1e-6, "in parts of {part}: {got} for {want}");
        }
    }
    // Each parameter by itself: no example moves one further than its part of the limit.
    let mut model = network()?;
    let mut opt = DpOptimizer::new(Sgd::new(1.0), 0.0, 0.1, &sampler, Rng::seed(4))?.clipping(Clipping::PerLayer)?;
    opt.accumulate(&losses_of(&model, &x.narrow(0, 0, 1)?, &y.narrow(0, 0, 1)?)?)?;
    let before = model.clone();
    opt.step_private(&mut model)?;
    for ((path, now), (_, was)) in model.named_parameters().into_iter().zip(before.named_parameters()) {
        let moved = now.sub(&was)?.square().sum().sqrt().item()? * 10.0;
        assert!((moved - 0.05).abs() < 1e-3, "{path}: {moved}");
    }
    Ok(())
}

/// A batch without examples is noise alone, of the deviation that is counted.
#[test]
fn an_empty_batch_is_noise() -> Result<()> {
    let sampler = PoissonSampler::new(100, 0.2, Rng::seed(3))?;
    let mut model = Linear::new(200, 50, &mut Rng::seed(0))?;
    let before = model.weight.value()?.to_f64_vec();
    let mut opt = DpOptimizer::new(Sgd::new(1.0), 1.5, 0.4, &sampler, Rng::seed(4))?;
    opt.accumulate(&Tensor::zeros([0])?)?;
    opt.step_private(&mut model)?;
    let moved = model.weight.value()?.to_f64_vec().into_iter().zip(before).map(|(a, b)| a - b);
    let (n, squares) = moved.fold((0.0, 0.0), |(n, sum), x| (n + 1.0, sum + x * x));
    // 10,000 numbers: within four deviations.
    let deviation = (squares / n).sqrt() * 20.0 / 0.6;
    assert!((deviation - 1.0).abs() < 4.0 / (2.0 * n).sqrt(), "{deviation}");
    let spent = opt.spent(1e-3)?;
    assert_eq!((spent.steps, opt.accountant().history().len()), (1, 1));
    Ok(())
}

fn trained(steps: u64, opt: &mut DpOptimizer<Adam>, model: &mut Sequential, from: u64) -> Result<()> {
    let (x, y) = data(120)?;
    let sampler = PoissonSampler::new(120, 0.2, Rng::seed(3))?;
    for step in from..from + steps {
        let rows = sampler.batch(step)?;
        opt.accumulate(&losses_of(model, &x.index_select(0, &rows)?, &y.index_select(0, &rows)?)?)?;
        opt.step_private(model)?;
    }
    Ok(())
}

/// The same bits on any number of threads, and after going on from a saved state; for each way of clipping.
#[test]
fn the_same_bits_again() -> Result<()> {
    let sampler = PoissonSampler::new(120, 0.2, Rng::seed(3))?;
    let adaptive = Clipping::Adaptive { quantile: 0.5, rate: 0.2, noise: 2.0 };
    for clipping in [Clipping::Flat, Clipping::PerLayer, adaptive] {
        let new = || DpOptimizer::new(Adam::new(0.05), 1.0, 0.5, &sampler, Rng::seed(5))?.clipping(clipping);
        let whole = |threads| {
            with_threads(threads, || {
                let (mut opt, mut model) = (new()?, network()?);
                trained(20, &mut opt, &mut model, 0)?;
                Ok::<_, Error>((flat(&model), opt.max_norm()))
            })?
        };
        let (weights, limit) = whole(1)?;
        assert_eq!((weights.clone(), limit), whole(2)?, "{clipping:?}");
        assert_eq!(limit != 0.5, clipping == adaptive);
        let (mut first, mut model) = (new()?, network()?);
        trained(8, &mut first, &mut model, 0)?;
        let state: OptimizerState = serde_json::from_str(&serde_json::to_string(&first.state()).unwrap()).unwrap();
        let mut second = new()?;
        second.load_state(state)?;
        trained(12, &mut second, &mut model, 8)?;
        assert_eq!((flat(&model), second.max_norm()), (weights, limit), "{clipping:?}");
        assert_eq!(second.accountant().steps(), 20);
    }
    Ok(())
}

#[test]
fn batch_norm_is_refused_by_name() -> Result<()> {
    let (x, y) = data(8)?;
    let mut rng = Rng::seed(0);
    let model = sequential![Linear::new(4, 4, &mut rng)?, BatchNorm1d::new(4)?, Linear::new(4, 2, &mut rng)?];
    let sampler = PoissonSampler::new(8, 0.5, Rng::seed(3))?;
    let mut opt = DpOptimizer::new(Sgd::new(0.1), 1.0, 1.0, &sampler, Rng::seed(4))?;
    let e = opt.accumulate(&losses_of(&model, &x, &y)?).unwrap_err();
    assert_eq!(e.message(), "batch_norm: the gradients of single examples: this operation has no rule for them");
    assert_eq!(
        e.help(),
        Some(
            "statistics of a batch mix its examples: use GroupNorm, or BatchNorm with statistics that are kept, in Mode::eval()"
        )
    );
    Ok(())
}

#[test]
fn what_makes_no_sense_is_said() -> Result<()> {
    let sampler = PoissonSampler::new(10, 0.5, Rng::seed(0))?;
    let new = |noise: f64, norm: f64| DpOptimizer::new(Sgd::new(0.1), noise, norm, &sampler, Rng::seed(0));
    let mut spent = Accountant::rdp();
    for (found, want) in [
        (
            message(noise_for(Accounting::Rdp, 0.0, 1e-5, 0.1, 10)),
            "noise_for: epsilon is 0, expected a finite number above 0",
        ),
        (
            message(noise_for(Accounting::Prv, f64::NAN, 1e-5, 0.1, 10)),
            "noise_for: epsilon is NaN, expected a finite number above 0",
        ),
        (message(gaussian_noise(-1.0, 1e-5)), "gaussian_noise: epsilon is -1, expected a finite number above 0"),
        (message(gaussian_epsilon(0.0, 1e-5)), "gaussian_epsilon: the noise is 0, expected a finite number above 0"),
        (message(spent.epsilon(0.0)), "epsilon: delta is 0, expected a number between 0 and 1"),
        (message(spent.epsilon(1.0)), "epsilon: delta is 1, expected a number between 0 and 1"),
        (message(spent.add(1.0, 1.5, 1)), "Accountant: the sampling rate is 1.5, expected at least 0 and at most 1"),
        (
            message(spent.add(-1.0, 0.5, 1)),
            "Accountant: the noise is -1, expected a finite number that is not negative",
        ),
        (
            message(PoissonSampler::new(10, 1.5, Rng::seed(0))),
            "PoissonSampler: the sampling rate is 1.5, expected at least 0 and at most 1",
        ),
        (
            message(PoissonSampler::new(0, 0.5, Rng::seed(0))),
            "PoissonSampler: 0 examples at a rate of 0.5: every batch would be empty",
        ),
        (message(new(-0.1, 1.0)), "DpOptimizer: the noise is -0.1, expected a finite number that is not negative"),
        (message(new(f64::NAN, 1.0)), "DpOptimizer: the noise is NaN, expected a finite number that is not negative"),
        (message(new(1.0, 0.0)), "DpOptimizer: max_norm is 0, expected a finite number above 0"),
        (message(new(1.0, f64::NAN)), "DpOptimizer: max_norm is NaN, expected a finite number above 0"),
        (
            message(new(1.0, 1.0)?.clipping(Clipping::Adaptive { quantile: 0.5, rate: 0.2, noise: 0.5 })),
            "DpOptimizer: a count with a noise of 0.5 for gradients with 1, expected more than half",
        ),
        (
            message(noise_for(Accounting::Rdp, 1e-3, 1e-5, 0.5, 1000)),
            "noise_for: no noise up to 1e6 keeps 1000 steps at a rate of 0.5 within an epsilon of 0.001",
        ),
        (message(exposure(1.0, &Tensor::zeros([0])?)), "exposure: the losses of 0 others, expected at least 1"),
        (message(exposure(f64::NAN, &tensor![1.0])), "exposure: a loss is NaN"),
        (
            message(estimated_exposure(1.0, &Tensor::ones([20])?)),
            "estimated_exposure: losses of others with a deviation of 0, and a canary's of 1",
        ),
        (
            message(MembershipAudit::of_losses(&tensor![1.0], &Tensor::zeros([0])?)),
            "MembershipAudit: there are no others to compare",
        ),
        (
            message(MembershipAudit::of_losses(&tensor![1.0, f64::NAN], &tensor![1.0])),
            "MembershipAudit: number 1 of the members is NaN",
        ),
        (message(Lira::halves(3, 5, &mut Rng::seed(0))), "Lira::halves: 3 models, expected an even number of them"),
        (
            message(Lira::new(&Tensor::zeros([2, 2])?, &Tensor::full_dtype([2, 2], 1.0, DType::Bool)?)),
            "Lira: example 0 was in the data of every model",
        ),
        (
            message(scaled_confidence(&Tensor::zeros([3, 1])?, &Tensor::arange(3)?)),
            "scaled_confidence: logits of shape [3, 1] for targets of shape [3]",
        ),
        (message(Federated::new(vec![], Rng::seed(0))), "Federated: there are no clients"),
        (message(Federated::new(vec![2, 0], Rng::seed(0))), "Federated: client 1 has no examples"),
        (
            message(Federated::new(vec![2], Rng::seed(0))?.rate(0.0)),
            "Federated: the sampling rate is 0, expected a finite number above 0",
        ),
        (message(SecureSum::new(1, 2, &mut Rng::seed(0))), "SecureSum: 1 clients, expected at least 2"),
        (
            message(SecureSum::new(2, 1, &mut Rng::seed(0))?.mask(0, &[f64::NAN])),
            "SecureSum: a number of NaN, expected less than 2^39 / 2",
        ),
        (
            message(Proximal::new(&network()?, -1.0)),
            "Proximal: mu is -1, expected a finite number that is not negative",
        ),
    ] {
        assert_eq!(found, want);
    }
    let mut model = network()?;
    let e = new(1.0, 1.0)?.step(&mut model, &demotic::autograd::Gradients::default()).unwrap_err();
    assert_eq!(e.message(), "DpOptimizer: gradients of a whole batch cannot be made private any more");
    let (x, y) = data(4)?;
    let e = new(1.0, 1.0)?.accumulate(&losses_of(&model, &(&x * f64::NAN), &y)?).unwrap_err();
    assert_eq!(e.message(), "accumulate: the norm of the gradient of example 0 is NaN");
    Ok(())
}

/// A δ that would let an example be published is not refused, but said.
#[test]
fn weak_promises_are_said() -> Result<()> {
    let mut spent = Accountant::rdp();
    assert_eq!(spent.epsilon(1e-5)?, 0.0);
    spent.add(1.0, 0.1, 100)?;
    let said = spent.spent(0.01, 100)?;
    assert_eq!(
        said.warnings,
        [
            "delta is 1e-2, not below 1/100: publishing one example of 100 at random, as it is, would keep to that; take less than 1.0e-2"
        ]
    );
    assert!(said.to_string().starts_with("epsilon "), "{said}");
    assert!(said.to_string().contains(" at delta 1e-2, after 100 steps\nwarning: delta is"), "{said}");
    assert!(spent.spent(0.009, 100)?.warnings.is_empty());
    spent.add(0.0, 0.1, 1)?;
    for accounting in [Accounting::Rdp, Accounting::Prv] {
        let said = spent.counted_by(accounting).spent(1e-3, 100)?;
        assert_eq!(
            (said.epsilon, &said.warnings[..]),
            (f64::INFINITY, &["there is no noise, so nothing is promised".to_string()][..])
        );
    }
    // Numbers that are far out give bounds, or errors, and no hanging.
    for noise in [1e-300, 1e-3, 1e300] {
        for rate in [0.0, 1e-300, 0.5, 1.0] {
            let mut spent = Accountant::rdp();
            spent.add(noise, rate, u64::MAX)?;
            assert!(spent.epsilon(1e-5)? >= 0.0, "{noise} {rate}");
            if let Ok(bounds) = spent.bounds(1e-5, 0.1) {
                assert!(bounds[0] <= bounds[2], "{noise} {rate}: {bounds:?}");
            }
        }
    }
    Ok(())
}

/// Several rounds on ranks are those in one process to the last bit, however many ranks there are, and whatever else is asked for.
#[test]
fn clients_on_the_ranks_of_a_group() -> Result<()> {
    let train = |client: usize, model: &mut Sequential, rng: &mut Rng| {
        let x = Tensor::normal([12, 4], client as f64 / 3.0, 1.0, rng)?;
        let y = x.select(1, 0)?.gt_scalar(0.0).to_dtype(DType::I64);
        let mut opt = Sgd::new(0.1 * (client + 1) as f64);
        for _ in 0..2 {
            let grads = losses_of(model, &x, &y)?.mean().backward()?;
            opt.step(model, &grads)?;
        }
        Ok(())
    };
    let of = || Federated::new(vec![1, 2, 3, 4, 5], Rng::seed(7));
    let cases = [
        of()?,
        of()?.secure(),
        of()?.rate(0.6)?.private(1.0, 0.05)?,
        of()?.rate(0.6)?.private(1.0, 0.05)?.secure(),
        // Rounds with nobody, and with one who is alone.
        of()?.rate(0.15)?.private(1.0, 0.05)?.secure(),
        of()?.rate(0.15)?.secure(),
    ];
    for (case, federated) in cases.into_iter().enumerate() {
        let (mut wanted, mut own) = (network()?, federated.clone());
        let rounds = (0..4).map(|_| own.round(&mut wanted, &train)).collect::<Result<Vec<FederatedRound>>>()?;
        for size in [1, 2, 3, 7] {
            let found = ThreadGroup::run(size, |group| {
                let (mut model, mut federated) = (network()?, federated.clone());
                let only_own = |client: usize, model: &mut Sequential, rng: &mut Rng| {
                    assert!(demotic::distributed::part(5, size, group.rank()).contains(&client));
                    train(client, model, rng)
                };
                let rounds = (0..4).map(|_| federated.round_among(group, &mut model, &only_own));
                let rounds = rounds.collect::<Result<Vec<FederatedRound>>>()?;
                Ok((flat(&model), rounds, federated.accountant().clone()))
            })?;
            for (model, found, accountant) in found {
                assert_eq!((model, found), (flat(&wanted), rounds.clone()), "case {case} on {size} ranks");
                assert_eq!(&accountant, own.accountant());
            }
        }
    }
    Ok(())
}

/// The error of one rank is everybody's, and nobody's model has changed.
#[test]
fn ranks_of_clients_that_fail() -> Result<()> {
    let nothing = |_: usize, _: &mut Sequential, _: &mut Rng| Ok(());
    let e = ThreadGroup::run(3, |group| {
        let mut model = network()?;
        let found = Federated::new(vec![1; 6], Rng::seed(1))?.round_among(group, &mut model, &|client, model, rng| {
            if client == 4 { Err(Error::state("read", "the file is empty")) } else { nothing(client, model, rng) }
        });
        assert_eq!(flat(&model), flat(&network()?));
        found
    });
    assert_eq!(message(e), "read: the file is empty");
    // Other clients, and another model.
    let e = ThreadGroup::run(2, |group| {
        let mut federated = Federated::new(vec![1; 40], Rng::seed(group.rank() as u64))?.rate(0.5)?;
        federated.round_among(group, &mut network()?, &nothing)
    });
    let text = message(e);
    assert!(text.starts_with("Federated: ") && text.contains(" numbers of rank "), "{text}");
    let e = ThreadGroup::run(2, |group| {
        let mut model = sequential![Linear::new(4, 2 + group.rank(), &mut Rng::seed(0))?];
        Federated::new(vec![1; 2], Rng::seed(1))?.round_among(group, &mut model, &nothing)
    });
    let text = message(e);
    assert!(
        text == "Federated: 15 numbers of rank 1, expected 10" || text.ends_with("10 numbers of rank 0, expected 15"),
        "{text}"
    );
    Ok(())
}

/// The mean weighted by sizes, the same whether anyone sees the updates, on one thread and on two.
#[test]
fn averages_of_clients() -> Result<()> {
    let start = network()?;
    let run = |federated: Federated, threads: usize| {
        with_threads(threads, || {
            let (mut federated, mut model) = (federated, network()?);
            let round = federated.round(&mut model, &|client, model: &mut Sequential, rng| {
                let (x, y) = data(10)?;
                let mut opt = Sgd::new(0.1 * (client + 1) as f64 + 0.01 * rng.uniform());
                let near = Proximal::new(model, 0.1)?;
                for _ in 0..3 {
                    let loss = losses_of(model, &x, &y)?.mean().add(&near.penalty(model)?)?;
                    opt.step(model, &loss.backward()?)?;
                }
                Ok(())
            })?;
            Ok::<_, Error>((flat(&model), round, federated))
        })?
    };
    let of = || Federated::new(vec![1, 2, 3], Rng::seed(7));
    let (plain, round, _) = run(of()?, 1)?;
    assert_eq!(round.clients, [0, 1, 2]);
    assert_eq!(plain, run(of()?, 2)?.0);
    let secure = run(of()?.secure(), 1)?.0;
    assert!(plain.iter().zip(&secure).all(|(a, b)| (a - b).abs() < 1e-6));
    assert_eq!(secure, run(of()?.secure(), 2)?.0);
    // By hand.
    let mut mean = flat(&start);
    let rng = Rng::seed(7).fork(0);
    let steps: Vec<f64> = (0..3).map(|client| 0.1 * (client + 1) as f64 + 0.01 * rng.fork(client).uniform()).collect();
    let (x, y) = data(10)?;
    let was = mean.clone();
    for (client, step) in steps.into_iter().enumerate() {
        let mut model = network()?;
        let (mut opt, near) = (Sgd::new(step), Proximal::new(&start, 0.1)?);
        for _ in 0..3 {
            let loss = losses_of(&model, &x, &y)?.mean().add(&near.penalty(&model)?)?;
            opt.step(&mut model, &loss.backward()?)?;
        }
        let weight = (client + 1) as f64 / 6.0;
        mean.iter_mut().zip(flat(&model)).zip(&was).for_each(|((mean, x), was)| *mean += weight * (x - was));
    }
    assert!(plain.iter().zip(&mean).all(|(a, b)| (a - b).abs() < 1e-6));

    // No client moves the model by more than its part, and what it spends is counted.
    let (_, round, federated) = run(of()?.private(0.0, 0.01)?, 1)?;
    assert!(round.norms.iter().all(|norm| *norm > 0.01) && round.change <= 0.01 + 1e-9, "{round:?}");
    assert_eq!(federated.accountant().epsilon(1e-3)?, f64::INFINITY);
    let (_, _, federated) = run(of()?.rate(0.5)?.private(2.0, 0.01)?.secure(), 1)?;
    assert!(federated.accountant().epsilon(1e-3)? < 3.0);
    Ok(())
}

/// What one client sends looks like chance.
#[test]
fn masks_hide_what_is_sent() -> Result<()> {
    let sum = SecureSum::new(4, 2000, &mut Rng::seed(1))?;
    let sent: Vec<Vec<u64>> = (0..4).map(|client| sum.mask(client, &vec![1.0; 2000])).collect::<Result<_>>()?;
    let ones: u32 = sent[0].iter().map(|x| x.count_ones()).sum();
    assert!((f64::from(ones) / 128_000.0 - 0.5).abs() < 0.006, "{ones}");
    assert!(sent[0].iter().zip(&sent[1]).all(|(a, b)| a != b));
    let all: Vec<(usize, &[u64])> = sent.iter().enumerate().map(|(i, sent)| (i, &sent[..])).collect();
    assert_eq!(sum.sum(&all)?, vec![4.0; 2000]);
    assert_eq!(sum.sum(&all[1..3])?, vec![2.0; 2000]);
    assert_eq!(message(sum.sum(&[all[0], all[0]])), "SecureSum: client 0 has sent twice");
    assert_eq!(message(sum.sum(&[(9, &sent[0])])), "SecureSum: there is no client 9 of 4");
    assert_eq!(message(sum.mask(0, &[1.0])), "SecureSum: 1 numbers of client 0, expected 2000");
    Ok(())
}

/// Whether an example is below an adaptive limit is told with half of a number for each: a batch without examples says nothing.
#[test]
fn a_limit_stays_where_nobody_moves_it() -> Result<()> {
    let sampler = PoissonSampler::new(20, 0.5, Rng::seed(3))?;
    let clipping = Clipping::Adaptive { quantile: 0.5, rate: 0.2, noise: 1e-9 };
    let limit_after = |examples: usize, max_norm: f64| {
        let mut model = network()?;
        let mut opt = DpOptimizer::new(Sgd::new(0.1), 0.0, max_norm, &sampler, Rng::seed(4))?.clipping(clipping)?;
        if examples > 0 {
            let (x, y) = data(examples)?;
            opt.accumulate(&losses_of(&model, &x, &y)?)?;
        }
        opt.step_private(&mut model)?;
        Ok::<_, Error>(opt.max_norm())
    };
    assert_eq!(limit_after(0, 1.0)?, 1.0);
    // All of ten expected examples above, or below: a share of 0, or 1.
    assert!((limit_after(10, 1e-4)? / 1e-4 - 0.1_f64.exp()).abs() < 1e-9);
    assert!((limit_after(10, 1e4)? / 1e4 - (-0.1_f64).exp()).abs() < 1e-9);
    // One more or fewer moves the exponent by a half of the rate, over ten.
    assert!((limit_after(11, 1e4)? / limit_after(10, 1e4)? - (-0.2_f64 / 20.0).exp()).abs() < 1e-9);
    Ok(())
}

/// Who is alone counts as in company; fewer than two are no sum.
#[test]
fn one_client_is_not_told_from_two() -> Result<()> {
    let mut federated = Federated::new(vec![1], Rng::seed(1))?.private(0.0, 0.5)?.secure();
    let mut model = network()?;
    let round = federated.round(&mut model, &|_, model: &mut Sequential, _| {
        let moved = model.named_parameters()[0].1.detach().add_scalar(3.0);
        model.get_mut(0).and_then(|layer| layer.downcast_mut::<Linear>()).unwrap().weight.set(&moved)
    })?;
    assert!(round.norms[0] > 0.5 && (0.499..=0.5).contains(&round.change), "{round:?}");
    // Rounding has room below the limit, or there is none.
    let mut narrow = Federated::new(vec![1, 1], Rng::seed(1))?.private(0.0, 1e-7)?.secure();
    let text = message(narrow.round(&mut model, &|_, _: &mut Sequential, _| Ok(())));
    assert!(text.starts_with("Federated: a max_norm of 1e-7, which rounding alone may change by"), "{text}");

    let sum = SecureSum::new(3, 1, &mut Rng::seed(0))?;
    let sent = sum.mask(0, &[5.0])?;
    assert_eq!(message(sum.sum(&[(0, &sent)])), "SecureSum: 1 clients have sent, expected at least 2");
    assert_eq!(message(sum.sum(&[])), "SecureSum: 0 clients have sent, expected at least 2");
    let many = message(SecureSum::new(usize::MAX, usize::MAX, &mut Rng::seed(0)));
    assert!(many.ends_with("clients, expected at most 65536"), "{many}");
    Ok(())
}

/// What very many steps of very much noise spend is not lost in rounding: `q² α / 2σ²` a step, where the noise is large.
#[test]
fn small_spendings_add_up() -> Result<()> {
    let (noise, rate, steps) = (1e6, 0.01, 10_u64.pow(18));
    let mut spent = Accountant::rdp();
    spent.add(noise, rate, steps)?;
    let of = |order: f64| {
        let loss = steps as f64 * (rate / noise).powi(2) * order / 2.0;
        loss - (1e-5_f64.ln() + order.ln()) / (order - 1.0) + ((order - 1.0) / order).ln()
    };
    let least = (2..=63).map(|order| of(f64::from(order))).fold(f64::INFINITY, f64::min);
    let found = spent.epsilon(1e-5)?;
    assert!((found / least - 1.0).abs() < 1e-6, "{found} for {least}");
    for noise in [1e-308, 1e-200, 1e-160] {
        let mut spent = Accountant::rdp();
        spent.add(noise, 0.1, 1)?;
        assert_eq!(spent.epsilon(1e-5)?, f64::INFINITY);
    }
    Ok(())
}

/// A loss far below all others says much, not nothing.
#[test]
fn canaries_far_away() -> Result<()> {
    let others = Tensor::normal([1000], 1.0, 0.001, &mut Rng::seed(0))?.to_dtype(DType::F64);
    let mut before = 0.0;
    for canary in [1.0, 0.99, -1.0, -1e3, -1e8, -1e100] {
        let found = estimated_exposure(canary, &others)?;
        assert!(found > before && found.is_finite(), "{canary}: {found} after {before}");
        before = found;
    }
    assert_eq!(estimated_exposure(-1e200, &others)?, f64::INFINITY);
    Ok(())
}

fn each() -> CrossEntropy {
    CrossEntropy::new().reduction(Reduction::None)
}

/// Without noise and limits, and with everybody in every batch, private steps are ordinary ones.
#[test]
fn a_trainer_that_promises_nothing_is_an_ordinary_one() -> Result<()> {
    let (x, y) = data(30)?;
    let train = TensorDataset::new(x, y)?;
    let sampler = PoissonSampler::new(30, 1.0, Rng::seed(3))?;
    let optimizer = DpOptimizer::new(Sgd::new(0.3).momentum(0.5), 0.0, 1e6, &sampler, Rng::seed(4))?;
    let (mut open, mut private) = (network()?, network()?);
    let history = Trainer::new(each(), optimizer)
        .epochs(5)
        .batch_size(30)
        .sampler(sampler)
        .validation(&train)
        .metric("accuracy", metrics::accuracy)
        .fit(&mut private, &train, &mut Rng::seed(5))?;
    let other = Trainer::new(losses::cross_entropy, Sgd::new(0.3).momentum(0.5))
        .epochs(5)
        .batch_size(30)
        .validation(&train)
        .fit(&mut open, &train, &mut Rng::seed(5))?;
    assert!(flat(&open).iter().zip(flat(&private)).all(|(a, b)| (a - b).abs() < 1e-5));
    let (a, b) = (history.last().unwrap(), other.last().unwrap());
    assert!((a.train_loss - b.train_loss).abs() < 1e-5 && history.metric("accuracy").len() == 5);
    assert!((a.validation_loss.unwrap() - b.validation_loss.unwrap()).abs() < 1e-5);
    Ok(())
}

/// A run that was interrupted has spent as much, and has the same bits.
#[test]
fn private_runs_go_on_where_they_ended() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let (x, y) = data(64)?;
    let train = TensorDataset::new(x, y)?;
    let delta = 1e-3;
    let run = |epochs: usize, path: &str, resume: bool| -> Result<(Vec<f64>, Vec<f64>)> {
        let sampler = PoissonSampler::new(64, 0.125, Rng::seed(3))?;
        let clipping = Clipping::Adaptive { quantile: 0.5, rate: 0.2, noise: 2.0 };
        let optimizer = DpOptimizer::new(Adam::new(0.02), 1.1, 1.0, &sampler, Rng::seed(4))?
            .clipping(clipping)?
            .reporting(delta)?;
        let path = folder.path().join(path);
        let mut trainer = Trainer::new(each(), optimizer)
            .epochs(epochs)
            .batch_size(8)
            .sampler(sampler)
            .checkpoints(demotic::io::CheckpointFolder::new(&path))
            .checkpoint_every(5);
        if resume {
            trainer = trainer.resume(path);
        }
        let mut model = network()?;
        let history = trainer.fit(&mut model, &train, &mut Rng::seed(5))?;
        Ok((flat(&model), history.metric("epsilon")))
    };
    let whole = run(4, "whole", false)?;
    run(2, "parts", false)?;
    let parts = run(4, "parts", true)?;
    assert_eq!(whole, parts);
    let mut counted = Accountant::rdp();
    counted.add(1.1, 0.125, 4 * 8)?;
    assert_eq!(whole.1[3], counted.epsilon(delta)?);
    Ok(())
}

#[test]
fn what_private_trainers_cannot_do_is_said() -> Result<()> {
    let (x, y) = data(40)?;
    let train = TensorDataset::new(x, y)?;
    let sampler = |n: usize, rate: f64| PoissonSampler::new(n, rate, Rng::seed(3));
    let optimizer = || DpOptimizer::new(Sgd::new(0.1), 1.0, 1.0, &sampler(40, 0.25).unwrap(), Rng::seed(4)).unwrap();
    let trainer = || Trainer::new(each(), optimizer()).epochs(1).batch_size(10);
    let with = |trainer: Trainer<'_>| -> String {
        trainer
            .sampler(sampler(40, 0.25).unwrap())
            .fit(&mut network().unwrap(), &train, &mut Rng::seed(0))
            .unwrap_err()
            .message()
    };
    let cannot = "fit: the optimizer takes the loss of each example, so that the Trainer cannot ";
    assert_eq!(with(trainer().accumulate(2)), format!("{cannot}accumulate batches"));
    assert_eq!(with(trainer().drop_last()), format!("{cannot}drop the last batch"));
    assert_eq!(with(trainer().penalty(demotic::regularizers::L2::new(0.1))), format!("{cannot}add a penalty"));
    assert_eq!(with(trainer().batch_size(20)), "PoissonSampler: batches of 10 of 40 examples, and not of 20 of 40");
    // 13.2 are expected, which may be rounded either way.
    for size in [13, 14] {
        let optimizer = DpOptimizer::new(Sgd::new(0.1), 1.0, 1.0, &sampler(40, 0.33)?, Rng::seed(4))?;
        let mut trainer = Trainer::new(each(), optimizer).epochs(1).batch_size(size).sampler(sampler(40, 0.33)?);
        trainer.fit(&mut network()?, &train, &mut Rng::seed(0))?;
    }
    let mean = Trainer::new(losses::cross_entropy, optimizer()).epochs(1).batch_size(10);
    let e = with(mean);
    assert!(
        e.starts_with("fit: the optimizer takes the loss of each of ") && e.ends_with("and the loss has shape []"),
        "{e}"
    );
    let counts = "fit: the optimizer counts on 40 examples that are in a batch with a chance of 0.25, and there are ";
    let fit = |trainer: Trainer<'_>| {
        let mut trainer = trainer;
        trainer.fit(&mut network().unwrap(), &train, &mut Rng::seed(0)).unwrap_err().message()
    };
    assert_eq!(fit(trainer()), format!("{counts}40 in batches of one size"));
    assert_eq!(fit(trainer().sampler(sampler(40, 0.5)?)), format!("{counts}40 with a chance of 0.5"));
    assert_eq!(
        fit(trainer().sampler(sampler(40, 0.25)?).validation_split(0.25)),
        format!("{counts}30 with a chance of 0.25")
    );
    let mut rng = Rng::seed(0);
    let mut mixing = sequential![Linear::new(4, 6, &mut rng)?, BatchNorm1d::new(6)?, Linear::new(6, 2, &mut rng)?];
    let e = trainer().sampler(sampler(40, 0.25)?).fit(&mut mixing, &train, &mut rng).unwrap_err();
    assert!(e.message().contains("the gradients of single examples"), "{e}");
    // A batch without examples is a step of noise, which is counted.
    let rare = sampler(40, 0.0125)?;
    let optimizer = DpOptimizer::new(Sgd::new(0.1), 1.0, 1.0, &rare, Rng::seed(4))?.reporting(1e-3)?;
    let history = Trainer::new(each(), optimizer).epochs(1).batch_size(1).sampler(rare).fit(
        &mut network()?,
        &train,
        &mut Rng::seed(0),
    )?;
    let mut counted = Accountant::rdp();
    counted.add(1.0, 0.0125, 80)?;
    assert!(history.steps < 80);
    assert_eq!(history.metric("epsilon"), [counted.epsilon(1e-3)?]);
    Ok(())
}
