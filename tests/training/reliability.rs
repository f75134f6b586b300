//! What models do not know: coverage on simulated data, attacks on models whose worst case is known, what is refused.

use demotic::fairness::Groups;
use demotic::prelude::*;
use demotic::reliability::{
    Attack, Calibration, Calibrator, ConformalSets, Corruption, Laplace, Mahalanobis, NearestNeighbours, Norm, Outputs,
    QuantileConformal, Smoothing, SplitConformal, Spread, Swag, adversarial_step, coverage, energy, jackknife_plus,
    max_softmax, mc_dropout, reliability_intervals,
};

fn normal(n: usize, rng: &mut Rng) -> Vec<f64> {
    (0..n).map(|_| rng.normal()).collect()
}

fn vector(values: Vec<f64>) -> Tensor {
    let n = values.len();
    Tensor::from_vec(values, [n]).unwrap()
}

/// Of many calibration parts, the mean coverage is `⌈(1 − α)(n + 1)⌉ / (n + 1)`, exactly.
#[test]
fn intervals_hold_the_truth_as_often_as_they_say() -> Result<()> {
    let mut rng = Rng::seed(0);
    let (n, alpha, rounds) = (39, 0.1, 400);
    let (mut split, mut quantile, mut sets, mut least) = (0.0, 0.0, 0.0, 0.0);
    let mut exact = [0.0; 3];
    for _ in 0..rounds {
        let (y, new) = (normal(n, &mut rng), normal(50, &mut rng));
        let zeros = vector(vec![0.0; n]);
        let width = SplitConformal::fit(&zeros, &vector(y.clone()), alpha)?.width();
        split += new.iter().filter(|y| y.abs() <= width).count() as f64 / 50.0;
        let bands = Tensor::stack(&[&zeros.add_scalar(-0.5), &zeros.add_scalar(0.5)], 1)?;
        let shift = QuantileConformal::fit(&bands, &vector(y), alpha)?.shift();
        quantile += new.iter().filter(|y| y.abs() <= 0.5 + shift).count() as f64 / 50.0;
        // Classes drawn by their own probabilities.
        let mut drawn = |n: usize| {
            let logits = Tensor::from_vec(normal(3 * n, &mut rng), [n, 3]).unwrap();
            let p = logits.softmax(1).unwrap();
            let y: Vec<i64> = p
                .to_f64_vec()
                .chunks(3)
                .map(|p| {
                    let u = rng.uniform();
                    i64::from(u > p[0]) + i64::from(u > p[0] + p[1])
                })
                .collect();
            (p, Tensor::from_vec(y, [n]).unwrap())
        };
        let ((p, y), (q, t)) = (drawn(n), drawn(50));
        let t = t.to_vec::<i64>()?;
        let [draws, other] = [n, 50].map(|n| Tensor::uniform([n], 0.0, 1.0, &mut rng));
        let (draws, other) = (draws?, other?);
        let held = |found: Vec<Vec<usize>>| -> f64 {
            found.iter().zip(&t).filter(|(set, t)| set.contains(&(**t as usize))).count() as f64 / 50.0
        };
        sets += held(ConformalSets::adaptive(&p, &y, alpha, None)?.sets(&q)?);
        least += held(ConformalSets::least_ambiguous(&p, &y, alpha)?.sets(&q)?);
        for (sum, (lambda, k_reg)) in exact.iter_mut().zip([(0.0, 0), (0.1, 1), (2.0, 2)]) {
            let fitted = ConformalSets::regularized(&p, &y, alpha, lambda, k_reg, Some(&draws))?;
            *sum += held(fitted.randomized_sets(&q, &other)?);
        }
    }
    let mean = |sum: f64| sum / f64::from(rounds);
    // Four deviations of the mean: of a beta distribution of parts, and of fifty rows each.
    let far = 4.0 * (0.0023f64 + 0.0018).sqrt() / f64::from(rounds).sqrt();
    assert!((mean(split) - 0.9).abs() < far && (mean(quantile) - 0.9).abs() < far, "{split} {quantile}");
    // The class that passes the threshold belongs to the set, so it holds the truth more often.
    assert!(mean(sets) > 0.9 - far && (mean(least) - 0.9).abs() < far, "{sets} {least}");
    // Where chance decides about it, neither more nor less.
    assert!(exact.iter().all(|sum| (mean(*sum) - 0.9).abs() < far), "{exact:?}");
    Ok(())
}

#[test]
fn coverage_is_counted_by_group() -> Result<()> {
    let groups = Groups::named(["a", "a", "a", "b"])?;
    let found = coverage(&[true, true, false, true], &groups)?;
    assert_eq!((found.all.value, found.groups[0].1.value, found.groups[1].1.value), (0.75, 2.0 / 3.0, 1.0));
    assert!(found.groups[1].1.low < 0.3);
    assert_eq!(coverage(&[true], &groups).unwrap_err().message(), "coverage: 1 rows, 4 groups of rows");
    Ok(())
}

/// Logits that are three times too large: their temperature is 3, and the calibrated ones are right as often as they say.
#[test]
fn calibration_mends_what_is_too_sure() -> Result<()> {
    let mut rng = Rng::seed(1);
    let z = normal(4000, &mut rng);
    let y: Vec<i64> = z.iter().map(|z| i64::from(rng.uniform() < 1.0 / (1.0 + (-z).exp()))).collect();
    let (sure, y) = (vector(z.iter().map(|z| 3.0 * z).collect()), Tensor::from_vec(y, [4000])?);
    let before = metrics::expected_calibration_error(&sure.sigmoid(), &y, 10)?;
    for kind in [Calibration::Temperature, Calibration::Platt, Calibration::Isotonic, Calibration::Beta] {
        let fitted = Calibrator::fit(kind, &sure, &y)?;
        let after = metrics::expected_calibration_error(&fitted.probabilities(&sure)?, &y, 10)?;
        assert!(before > 0.1 && after < 0.03, "{kind:?}: {before} {after}");
        if kind == Calibration::Temperature {
            assert!((fitted.parameters()[0] - 3.0).abs() < 0.25, "{fitted:?}");
        }
    }
    let curve = metrics::reliability_curve(&sure.div_scalar(3.0).sigmoid(), &y, 10)?;
    let inside = reliability_intervals(&curve, 0.95)?;
    let held =
        curve.bins.iter().zip(&inside).filter(|(bin, [low, high])| (low..=high).contains(&&bin.predicted)).count();
    assert!(held + 2 >= curve.bins.len(), "{held} of {}", curve.bins.len());
    Ok(())
}

/// Of logits that fall where the class is more likely, nothing is kept but how frequent it is; of two slopes of which one falls, the other.
#[test]
fn beta_calibration_never_falls() -> Result<()> {
    let y = Tensor::from_nested([0i64, 1, 1])?;
    let fitted = Calibrator::fit(Calibration::Beta, &tensor![4.149, -9.504, -5.439], &y)?;
    let [a, b, c] = fitted.parameters() else { panic!() };
    assert!(*a == 0.0 && *b == 0.0 && (c - 2f64.ln()).abs() < 1e-12, "{fitted:?}");
    let mut rng = Rng::seed(3);
    for _ in 0..20 {
        let z = normal(12, &mut rng);
        let y: Vec<i64> = z.iter().map(|z| i64::from(rng.uniform() < 0.5 + 0.1 * z.clamp(-3.0, 3.0))).collect();
        let (z, y) = (vector(z), Tensor::from_vec(y, [12])?);
        let Ok(fitted) = Calibrator::fit(Calibration::Beta, &z, &y) else { continue };
        let [a, b, c] = fitted.parameters() else { panic!() };
        assert!(*a >= 0.0 && *b >= 0.0);
        // No neighbour that rises as well is likelier.
        let loss = |a: f64, b: f64, c: f64| -> Result<f64> {
            let logits = z.log_sigmoid().mul_scalar(a).sub(&z.neg().log_sigmoid().mul_scalar(b))?.add_scalar(c);
            losses::bce_with_logits(&logits, &y.to_dtype(DType::F64))?.item()
        };
        let best = loss(*a, *b, *c)?;
        for [da, db, dc] in [
            [1e-3, 0.0, 0.0],
            [0.0, 1e-3, 0.0],
            [0.0, 0.0, 1e-3],
            [0.0, 0.0, -1e-3],
            [-1e-3, 0.0, 0.0],
            [0.0, -1e-3, 0.0],
        ] {
            if a + da >= 0.0 && b + db >= 0.0 {
                assert!(loss(a + da, b + db, c + dc)? >= best - 1e-9, "{fitted:?}");
            }
        }
    }
    Ok(())
}

/// What no attack on a linear model can pass, the gradient reaches.
#[test]
fn attacks_on_linear_models_reach_the_bound() -> Result<()> {
    let mut rng = Rng::seed(2);
    let model = Linear::new(6, 1, &mut rng)?;
    let w = model.weight.value()?;
    let x = Tensor::normal([20, 6], 0.0, 1.0, &mut rng)?;
    let before = model.predict(&x)?;
    let y = before.gt_scalar(0.0).to_dtype(DType::I64).reshape([20])?;
    for (norm, most) in [(Norm::Max, w.abs().sum().item()?), (Norm::L2, w.norm(2.0).item()?)] {
        let attack = Attack::new(0.3, norm)?;
        let all = [
            attack.fgsm(&model, &x, &y)?,
            attack.pgd(&model, &x, &y, 20, &mut rng)?,
            attack.black_box(&model, &x, &y, 300, &mut rng)?,
        ];
        for (i, changed) in all.iter().enumerate() {
            let change = changed.sub(&x)?;
            let size =
                if norm == Norm::Max { change.abs().amax(&[1], false)? } else { change.norm_dims(2.0, &[1], false)? };
            assert!(size.max()?.item()? <= 0.3 + 1e-5);
            let moved = model.predict(changed)?.sub(&before)?.abs().to_f64_vec();
            let least = [0.999, 0.93, 0.6][i];
            assert!(
                moved.iter().all(|m| *m <= 0.3 * most + 1e-4 && *m >= least * 0.3 * most),
                "{norm:?} {i}: {moved:?}"
            );
        }
    }
    let kept = Attack::new(5.0, Norm::Max)?.range(-1.0, 1.0)?.fgsm(&model, &x, &y)?;
    assert!(kept.abs().max()?.item()? <= 1.0);
    assert!(Attack::new(10.0, Norm::Max)?.accuracy(&model, &x, &y, 5, &mut rng)? < 0.05);
    Ok(())
}

#[test]
fn training_against_attacks_makes_them_harder() -> Result<()> {
    let mut rng = Rng::seed(3);
    // One feature that is robust, and four that are right but small.
    let n = 400;
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for i in 0..n {
        let class = f64::from(i % 2);
        let side = 2.0 * class - 1.0;
        x.push(side * if rng.bernoulli(0.9) { 1.5 } else { -1.5 });
        x.extend((0..8).map(|_| 0.15 * side + 0.1 * rng.normal()));
        y.push(class);
    }
    let (x, y) = (Tensor::from_vec(x, [400, 9])?.to_dtype(DType::F32), Tensor::from_vec(y, [400])?);
    let attack = Attack::new(0.3, Norm::Max)?;
    let (mut plain, mut hard) = (Linear::new(9, 1, &mut rng)?, Linear::new(9, 1, &mut rng)?);
    let (mut first, mut second) = (Adam::new(0.05), Adam::new(0.05));
    let none = Attack::new(0.0, Norm::Max)?;
    for _ in 0..120 {
        adversarial_step(&none, &mut plain, &mut first, (&x, &y), 1, &mut rng)?;
        adversarial_step(&attack, &mut hard, &mut second, (&x, &y), 3, &mut rng)?;
    }
    let robust = |model: &Linear, rng: &mut Rng| attack.accuracy(model, &x, &y, 10, rng);
    let (before, after) = (robust(&plain, &mut rng)?, robust(&hard, &mut rng)?);
    assert!(before < 0.7 && after > 0.8, "{before} {after}");
    Ok(())
}

/// Of a linear classifier, the certificate must not pass the distance to the border, and comes near it.
#[test]
fn certificates_do_not_promise_too_much() -> Result<()> {
    let mut rng = Rng::seed(4);
    let model = Linear { weight: Weight::new(tensor![[3.0, 4.0], [-3.0, -4.0]])?, bias: None };
    for distance in [0.1, 0.3, 0.6, -0.5] {
        let x = Tensor::from_vec(vec![0.6 * distance as f32, 0.8 * distance as f32], [2])?;
        let found = Smoothing::new(0.4)?.samples(50, 2000)?.certify(&model, &x, &mut rng)?;
        if let Some(class) = found.class {
            assert_eq!(class, usize::from(distance < 0.0));
        }
        assert!(
            found.radius <= f64::abs(distance) && found.radius >= f64::abs(distance) - 0.12,
            "{distance}: {found:?}"
        );
    }
    let border = Smoothing::new(0.4)?.certify(&model, &tensor![0.0, 0.0], &mut rng)?;
    assert_eq!((border.class, border.radius), (None, 0.0));
    Ok(())
}

#[test]
fn models_that_could_be_differ_where_nothing_was_learnt() -> Result<()> {
    let mut rng = Rng::seed(5);
    let x = Tensor::uniform([100, 1], -1.0, 1.0, &mut rng)?;
    let y = x.add(&Tensor::normal([100, 1], 0.0, 0.1, &mut rng)?)?;
    let ask = tensor![[0.0], [6.0]];
    let mut models: Vec<Box<dyn Layer>> = Vec::new();
    for _ in 0..5 {
        let mut model = sequential![Linear::new(1, 16, &mut rng)?, Tanh, Linear::new(16, 1, &mut rng)?];
        let mut opt = Adam::new(0.02);
        for _ in 0..100 {
            let loss = losses::mse(&model.forward(&x, &mut Mode::train(&mut rng))?, &y)?;
            opt.step(&mut model, &loss.backward()?)?;
        }
        models.push(Box::new(model));
    }
    let spread = Spread::of_models(&models, &ask, Outputs::Numbers)?;
    let [near, far] = spread.deviation.to_f64_vec()[..] else { panic!("{spread:?}") };
    assert!(far > 3.0 * near && spread.samples == 5, "{near} {far}");
    assert!(spread.entropy().is_err());

    let dropped = sequential![Linear::new(1, 64, &mut rng)?, Dropout::new(0.5)?, Linear::new(64, 1, &mut rng)?];
    let found = mc_dropout(&dropped, &ask, 200, Outputs::Numbers, &mut rng)?;
    let direct = dropped.predict(&ask)?.to_f64_vec();
    let [near, far] = found.deviation.to_f64_vec()[..] else { panic!("{found:?}") };
    assert!(far > near && (found.mean.to_f64_vec()[1] - direct[1]).abs() < 5.0 * far / 200f64.sqrt());
    let plain = Linear::new(1, 1, &mut rng)?;
    let e = mc_dropout(&plain, &ask, 5, Outputs::Numbers, &mut rng).unwrap_err();
    assert_eq!(e.message(), "mc_dropout: every sample is the same: there is nothing random in the model");
    let normed = sequential![Linear::new(1, 4, &mut rng)?, BatchNorm1d::new(4)?, Dropout::new(0.5)?];
    let e = mc_dropout(&normed, &ask, 5, Outputs::Numbers, &mut rng).unwrap_err();
    assert_eq!(
        e.message(),
        "mc_dropout: the model has running statistics, `1.running_mean`, which would follow these rows"
    );
    Ok(())
}

/// Draws have the mean and the variance of what was collected.
#[test]
fn swag_draws_what_it_collected() -> Result<()> {
    let mut rng = Rng::seed(6);
    let mut model = Linear::new(2, 1, &mut rng)?.without_bias();
    let mut swag = Swag::new(30)?;
    let e = swag.sample(&mut model.clone(), &mut rng).unwrap_err();
    assert_eq!(e.message(), "Swag: weights were collected 0 times, expected two at least");
    for _ in 0..400 {
        let w = [1.0 + 0.1 * rng.normal(), -2.0 + 0.3 * rng.normal()];
        model.weight.set(&Tensor::from_vec(w.map(|w| w as f32).to_vec(), [1, 2])?)?;
        swag.collect(&model)?;
    }
    let mut draws = [Vec::new(), Vec::new()];
    for _ in 0..2000 {
        swag.sample(&mut model, &mut rng)?;
        let w = model.weight.value()?.to_f64_vec();
        draws.iter_mut().zip(w).for_each(|(all, w)| all.push(w));
    }
    for (all, (mean, std)) in draws.into_iter().zip([(1.0, 0.1), (-2.0, 0.3)]) {
        let all = vector(all);
        let (found, spread) = (all.mean().item()?, all.std(1.0).item()?);
        assert!((found - mean).abs() < 0.3 * std && (spread / std - 1.0).abs() < 0.2, "{found} {spread}");
    }
    let e = swag.collect(&Linear::new(3, 1, &mut rng)?).unwrap_err();
    assert_eq!(e.message(), "Swag: the model has other parameters than those that were collected");
    Ok(())
}

#[test]
fn strange_inputs_have_larger_scores() -> Result<()> {
    let mut rng = Rng::seed(7);
    let mut cloud = |n: usize, at: f64| {
        Tensor::from_vec((0..n * 4).map(|i| at * f64::from(i as u8 % 2) + rng.normal()).collect::<Vec<_>>(), [n, 4])
    };
    let (first, second, usual, strange) = (cloud(200, 0.0)?, cloud(200, 4.0)?, cloud(100, 4.0)?, cloud(100, -5.0)?);
    let seen = Tensor::cat(&[&first, &second], 0)?;
    let y = vector((0..400).map(|i| f64::from(u8::from(i >= 200))).collect());
    let auc = |score: &dyn Fn(&Tensor) -> Result<Vec<f64>>| -> Result<f64> {
        let all = [score(&usual)?, score(&strange)?].concat();
        metrics::roc_auc(&vector(all), &vector((0..200).map(|i| f64::from(u8::from(i >= 100))).collect()))
    };
    let (mahalanobis, nearest) = (Mahalanobis::fit(&seen, &y)?, NearestNeighbours::fit(&seen, 5, false)?);
    assert!(auc(&|x| mahalanobis.scores(x))? > 0.99 && auc(&|x| nearest.scores(x))? > 0.99);
    // A linear model is sure of what lies beyond its classes: neither probabilities nor energy help there.
    let model = demotic::fairness::logistic_learner(&seen, &y, &y.ones_like(), 1.0)?;
    assert!(auc(&|x| max_softmax(&model.predict(x)?))? < 0.5);
    assert!((energy(&tensor![[0.0, 0.0]], 1.0)?[0] + 2f64.ln()).abs() < 1e-12);
    Ok(())
}

#[test]
fn damage_is_what_it_is_called() -> Result<()> {
    let mut rng = Rng::seed(8);
    let x = Tensor::normal([300, 4], 2.0, 1.0, &mut rng)?;
    let mut of = |kind: Corruption, severity| kind.apply(&x, severity, &mut rng).unwrap();
    for kind in Corruption::ALL {
        assert!(of(kind, 0.0).allclose(&x, 0.0, 1e-6, false)?, "{}", kind.name());
    }
    let noise = of(Corruption::Noise, 0.5).sub(&x)?.std(1.0).item()? / x.std(1.0).item()?;
    assert!((noise - 0.5).abs() < 0.05, "{noise}");
    let zeros = of(Corruption::Erase, 0.3).eq_scalar(0.0).to_dtype(DType::F32).mean().item()?;
    assert!((zeros - 0.3).abs() < 0.05, "{zeros}");
    assert!((of(Corruption::Shift, 2.0).mean().item()? - x.mean().item()? - 2.0 * x.std(0.0).item()?).abs() < 1e-3);
    assert!(of(Corruption::Contrast, 1.0).var_dims(&[1], 0.0, false)?.max()?.item()? < 1e-9);
    let (mut before, mut after) = (x.to_f64_vec(), of(Corruption::Shuffle, 1.0).to_f64_vec());
    assert!(before != after);
    before.sort_by(f64::total_cmp);
    after.sort_by(f64::total_cmp);
    assert_eq!(before, after);
    Ok(())
}

/// Logits of two classes may stand in one dimension or in a column, and what comes out has a row for each of them.
#[test]
fn probabilities_of_a_laplace_have_a_row_for_each_logit() -> Result<()> {
    let (x, z) = (tensor![[1.0, 0.5], [-1.0, 2.0], [0.0, -1.0]].to_dtype(DType::F64), vector(vec![2.0, -1.0, 0.5]));
    let fitted = Laplace::classification(&x, &z, 0.5)?;
    let p = fitted.probabilities(&x, &z)?;
    let variance = fitted.variance(&x)?.to_f64_vec();
    let by_hand = |(z, v): (f64, f64)| 1.0 / (1.0 + (-z / (1.0 + std::f64::consts::PI / 8.0 * v).sqrt()).exp());
    let expected: Vec<f64> = z.to_f64_vec().into_iter().zip(variance).map(by_hand).collect();
    assert_eq!(p.shape(), [3, 1]);
    assert!(p.to_f64_vec().iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{p}");
    let e = fitted.probabilities(&x, &vector(vec![2.0, -1.0])).unwrap_err().message();
    assert_eq!(e, "Laplace: logits of shape [2], expected [3, 1]");
    let far = Tensor::full_dtype([3, 2], 1e300, DType::F64)?;
    let e = fitted.variance(&far).unwrap_err().message();
    assert_eq!(e, "Laplace: the variance of row 0 is beyond the range of numbers");
    Ok(())
}

/// The largest numbers there are: surer than any other, and no NaN.
#[test]
fn the_largest_logits_are_calibrated_too() -> Result<()> {
    let z = vector(vec![f64::MAX, f64::MAX, f64::MIN, f64::MIN, 1.0]);
    let both = Tensor::stack(&[&z.neg(), &z], 1)?;
    let y = Tensor::from_nested([1i64, 0, 0, 1, 1])?;
    for kind in [Calibration::Platt, Calibration::Beta, Calibration::Isotonic, Calibration::Temperature] {
        for logits in [&z, &both] {
            let p = Calibrator::fit(kind, logits, &y)?.probabilities(logits)?;
            assert!(p.to_f64_vec().iter().all(|p| (0.0..=1.0).contains(p)), "{kind:?}: {p}");
        }
    }
    Ok(())
}

#[test]
fn what_makes_no_sense_is_refused() -> Result<()> {
    let mut rng = Rng::seed(9);
    let message = |e: Error| e.message();
    let (x, y) = (tensor![1.0, 2.0], tensor![1.0, f32::NAN]);
    assert_eq!(
        message(SplitConformal::fit(&x, &x, 1.0).unwrap_err()),
        "SplitConformal: alpha is 1, expected a number between 0 and 1"
    );
    assert_eq!(message(SplitConformal::fit(&x, &y, 0.1).unwrap_err()), "SplitConformal: NaN in row 1 of the targets");
    assert_eq!(SplitConformal::fit(&x, &x, 0.1)?.width(), f64::INFINITY);
    assert_eq!(
        message(jackknife_plus(&tensor![[1.0]], &x, 0.1).unwrap_err()),
        "jackknife_plus: predictions of shape [1, 1] for 2 residuals, expected [m, 2]"
    );
    let logits = tensor![[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]];
    let labels = Tensor::from_nested([2i64, 0])?;
    assert_eq!(
        message(Calibrator::fit(Calibration::Platt, &logits, &labels).unwrap_err()),
        "Calibrator: logits of 3 classes for a calibration of two"
    );
    let same = Tensor::from_nested([1i64, 1])?;
    assert_eq!(
        message(Calibrator::fit(Calibration::Temperature, &logits, &same).unwrap_err()),
        "Calibrator: only one class occurs, so there is nothing to calibrate"
    );
    assert_eq!(
        message(ConformalSets::least_ambiguous(&logits, &labels, 0.1).unwrap_err()),
        "ConformalSets: row 0 of the probabilities adds up to 6.0000 in 3 classes"
    );
    let p = logits.softmax(1)?;
    assert_eq!(
        message(ConformalSets::adaptive(&p, &tensor![0, 3], 0.1, None).unwrap_err()),
        "ConformalSets: the target of row 1 is 3, expected a class from 0 to 2"
    );
    assert_eq!(
        message(ConformalSets::regularized(&p, &labels, 0.1, -1.0, 0, None).unwrap_err()),
        "ConformalSets: lambda is -1, expected a number from 0 on"
    );
    let fitted = ConformalSets::adaptive(&p, &labels, 0.1, None)?;
    assert_eq!(
        message(fitted.randomized_sets(&p, &tensor![0.5, 1.5]).unwrap_err()),
        "ConformalSets: the draw of row 1 is 1.5, expected a number from 0 to 1"
    );
    assert_eq!(
        message(fitted.sets(&logits).unwrap_err()),
        "ConformalSets: row 0 of the probabilities adds up to 6.0000 in 3 classes"
    );
    assert_eq!(
        message(Attack::new(-1.0, Norm::Max).unwrap_err()),
        "Attack: a size of -1, expected a number that is not negative"
    );
    assert_eq!(
        message(Smoothing::new(0.0).unwrap_err()),
        "Smoothing: noise of a deviation of 0, expected a positive number"
    );
    assert_eq!(message(Swag::new(1).unwrap_err()), "Swag: a rank of 1, expected 2 to 10000");
    assert_eq!(
        message(Laplace::regression(&x, 1.0, 0.0).unwrap_err()),
        "Laplace: a prior precision of 0, expected a positive number"
    );
    assert_eq!(
        message(NearestNeighbours::fit(&x, 3, false).unwrap_err()),
        "NearestNeighbours: k is 3 for 2 rows, expected 1 to 2"
    );
    let erased = Corruption::Erase.apply(&x, 1.5, &mut rng);
    assert_eq!(message(erased.unwrap_err()), "Corruption: erased with a severity of 1.5, expected 0 to 1");
    let model = sequential![Linear::new(2, 4, &mut rng)?, Dropout::new(0.5)?, Linear::new(4, 2, &mut rng)?];
    let endless = tensor![[0.0, 1.0], [2.0, f32::INFINITY]];
    let uncertain = mc_dropout(&model, &endless, 3, Outputs::Logits, &mut rng);
    assert_eq!(message(uncertain.unwrap_err()), "mc_dropout: inf in row 1, column 1 of the input");
    let attack = Attack::new(0.1, Norm::L2)?;
    assert_eq!(
        message(attack.fgsm(&model, &endless, &labels).unwrap_err()),
        "Attack: inf in row 1, column 1 of the input"
    );
    let one = Linear::new(2, 1, &mut rng)?;
    assert_eq!(
        message(attack.black_box(&one, &tensor![[0.0, 1.0]], &tensor![2], 3, &mut rng).unwrap_err()),
        "Attack: the target of row 0 is 2, expected a class from 0 to 1"
    );
    assert_eq!(
        message(Smoothing::new(0.1)?.certify(&model, &endless.select(0, 1)?, &mut rng).unwrap_err()),
        "Smoothing: inf in row 1 of the example"
    );
    assert_eq!(
        message(Corruption::Noise.apply(&endless, 0.1, &mut rng).unwrap_err()),
        "Corruption: inf in row 1, column 1 of the input"
    );
    // Where squares and exponentials are beyond the range of numbers, lengths and energies are not.
    let far = Tensor::from_vec(vec![1e200, 0.0, 0.0, 1e200], [2, 2])?;
    let found = NearestNeighbours::fit(&far, 2, false)?.scores(&far)?;
    assert!((found[0] / 2f64.sqrt() / 1e200 - 1.0).abs() < 1e-12, "{found:?}");
    assert_eq!(energy(&far, 1e-200)?, [-1e200, -1e200]);
    // Logits that are always right, or huge, or all the same.
    for values in [[1e30, -1e30], [0.0, 0.0], [-700.0, 700.0]] {
        let z = Tensor::from_nested(values)?;
        for kind in [Calibration::Temperature, Calibration::Platt, Calibration::Isotonic, Calibration::Beta] {
            let y = Tensor::from_nested([1i64, 0])?;
            if let Ok(fitted) = Calibrator::fit(kind, &z, &y) {
                assert!(
                    fitted.probabilities(&z)?.to_f64_vec().iter().all(|p| (0.0..=1.0).contains(p)),
                    "{kind:?} {values:?}"
                );
            }
        }
    }
    Ok(())
}
