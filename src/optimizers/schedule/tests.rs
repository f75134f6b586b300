mod others;

use super::*;
use crate::error::ErrorKind;
use crate::layers::Param;
use crate::optimizers::{Optimizer, Sgd};
use crate::tensor;
use crate::tensor::Tensor;

fn trace(schedule: &mut dyn Schedule, start: f64, losses: &[f64]) -> Vec<f64> {
    let mut rate = start;
    losses
        .iter()
        .map(|loss| {
            rate = schedule.next_rate(rate, *loss).unwrap();
            rate
        })
        .collect()
}

#[test]
fn curves_have_their_closed_forms() {
    let constant = Curve::constant(0.3).warm_up(3);
    let rates: Vec<f64> = (0..6).map(|t| constant.at(t).unwrap()).collect();
    assert_eq!(rates, [0.3 / 3.0, 0.3 * (2.0 / 3.0), 0.3, 0.3, 0.3, 0.3]);

    let steps = Curve::steps(1.0, 2, 0.5).floor(0.2);
    let rates: Vec<f64> = (0..7).map(|t| steps.at(t).unwrap()).collect();
    assert_eq!(rates, [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.2]);

    let cosine = Curve::cosine(1.0, 4).floor(0.2);
    for (t, want) in [(0, 1.0), (1, 0.6 + 0.4 * 0.5f64.sqrt()), (2, 0.6), (3, 0.6 - 0.4 * 0.5f64.sqrt()), (4, 0.2)] {
        assert!((cosine.at(t).unwrap() - want).abs() < 1e-15, "{t}");
    }
    assert_eq!(cosine.at(u64::MAX).unwrap(), 0.2);
}

#[test]
fn a_curve_counts_steps_and_can_be_resumed() {
    let curve = Curve::cosine(1.0, 10).warm_up(2);
    let mut opt = Sgd::new(123.0);
    let mut schedule = curve.clone();
    schedule.start(&mut opt).unwrap();
    for t in 0..15 {
        assert_eq!(opt.learning_rate(), curve.at(t).unwrap());
        schedule.step(&mut opt, f64::NAN).unwrap();
        let mut resumed = curve.clone();
        resumed.load_state(&schedule.state()).unwrap();
        assert_eq!(resumed, schedule);
    }
}

#[test]
fn plateau_counts_patience_cooldown_and_bounds() {
    let flat = [1.0; 8];
    assert_eq!(
        trace(&mut ReduceOnPlateau::new().patience(1).factor(0.5), 1.0, &flat),
        [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]
    );
    assert_eq!(
        trace(&mut ReduceOnPlateau::new().patience(0).factor(0.5).cooldown(2), 1.0, &flat),
        [1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]
    );
    assert_eq!(
        trace(&mut ReduceOnPlateau::new().patience(0).factor(0.5).min_rate(0.3), 1.0, &flat[..4]),
        [1.0, 0.5, 0.3, 0.3]
    );
    assert_eq!(trace(&mut ReduceOnPlateau::new().patience(0).factor(0.5).min_rate(2.0), 1.0, &flat[..3]), [1.0; 3]);
    assert_eq!(
        trace(&mut ReduceOnPlateau::new().patience(0).factor(0.5).eps(0.3), 1.0, &flat[..4]),
        [1.0, 0.5, 0.5, 0.5]
    );
}

#[test]
fn plateau_thresholds_and_directions() {
    let quick = || ReduceOnPlateau::new().patience(0).factor(0.5);
    assert_eq!(trace(&mut quick().threshold(0.1), 1.0, &[1.0, 0.91, 0.89]), [1.0, 0.5, 0.5]);
    assert_eq!(trace(&mut quick().absolute_threshold(0.1), 1.0, &[10.0, 9.91, 9.89]), [1.0, 0.5, 0.5]);
    assert_eq!(trace(&mut quick().maximize().threshold(0.1), 1.0, &[1.0, 1.09, 1.11]), [1.0, 0.5, 0.5]);
    assert_eq!(trace(&mut quick().maximize().absolute_threshold(0.1), 1.0, &[-1.0, -0.91, -0.89]), [1.0, 0.5, 0.5]);
    assert_eq!(trace(&mut quick(), 1.0, &[f64::NAN, f64::INFINITY, 1.0, f64::NAN]), [0.5, 0.25, 0.25, 0.125]);
}

#[test]
fn plateau_goes_on_from_a_saved_state() {
    let losses = [3.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0];
    let new = || ReduceOnPlateau::new().patience(1).cooldown(1).factor(0.5);
    let whole = trace(&mut new(), 1.0, &losses);
    for at in 0..losses.len() {
        let mut first = new();
        let mut rates = trace(&mut first, 1.0, &losses[..at]);
        let mut second = new();
        second.load_state(&first.state()).unwrap();
        assert_eq!(first, second);
        rates.extend(trace(&mut second, rates.last().copied().unwrap_or(1.0), &losses[at..]));
        assert_eq!(rates, whole);
    }
    let e = new().load_state(&Curve::constant(1.0).state()).unwrap_err();
    assert_eq!(e.message(), "ReduceOnPlateau: the state is of the schedule `Curve`");
}

#[test]
fn the_adaptive_rate_follows_its_table() {
    let mut schedule = AdaptiveRate::new(0.01, 1.1).thresholds(0.01, 0.1).increase(1.5).decrease(0.8).backoff(0.25);
    let losses = [1.0, 0.5, 0.48, 0.4799, 0.6, f64::NAN, 0.3, 0.3, 0.0, 0.0, -1.0];
    let mut rate = 1.0;
    let mut factors = Vec::new();
    for loss in losses {
        let next = schedule.next_rate(rate, loss).unwrap();
        factors.push(next / rate);
        rate = next;
    }
    let want = [1.0, 1.1, 1.0, 0.8, 0.25, 0.25, 1.5, 0.8, 1.5, 0.8, 1.5];
    for (got, want) in factors.iter().zip(want) {
        assert!((got - want).abs() < 1e-12, "{factors:?}");
    }
    // Never below the lower bound.
    assert_eq!(trace(&mut schedule, 0.02, &[f64::INFINITY, f64::NAN])[1], 0.01);
    assert_eq!(AdaptiveRate::new(0.1, 1.0).first_rate(5.0).unwrap(), 1.0);
    let mut resumed = AdaptiveRate::new(0.01, 1.1).thresholds(0.01, 0.1).increase(1.5).decrease(0.8).backoff(0.25);
    resumed.load_state(&schedule.state()).unwrap();
    assert_eq!(resumed, schedule);
}

/// Losses of gradient descent on `Σ cᵢ xᵢ² / 2` from ones, with the rate that `next` decides on.
fn descend(curvatures: [f64; 3], start: f64, steps: usize, mut next: impl FnMut(f64, f64) -> f64) -> Vec<f64> {
    let c = Tensor::from_slice(&curvatures, [3]).unwrap();
    let mut x = Param::new(Tensor::from_slice(&[1.0f64; 3], [3]).unwrap()).unwrap();
    let mut opt = Sgd::new(start).check_finite(false);
    let mut losses = Vec::new();
    for _ in 0..steps {
        let loss = x.square().mul(&c).unwrap().sum() * 0.5;
        losses.push(loss.item().unwrap());
        opt.step(&mut x, &loss.backward().unwrap()).unwrap();
        opt.set_learning_rate(next(opt.learning_rate(), losses[losses.len() - 1]));
    }
    losses
}

#[test]
fn the_adaptive_rate_converges_where_a_fixed_one_and_the_literal_rule_diverge() {
    for (curvatures, start) in [([1.0, 2.0, 5.0], 1.0), ([1.0, 10.0, 100.0], 0.5), ([0.1, 10.0, 1000.0], 1e-6)] {
        let mut rule = AdaptiveRate::new(1e-9, 10.0);
        let adaptive = descend(curvatures, start, 3000, |rate, loss| rule.next_rate(rate, loss).unwrap());
        let (first, last) = (adaptive[0], adaptive[adaptive.len() - 1]);
        assert!(last < 1e-3 * first, "{first} to {last} on {curvatures:?}");
        assert!(adaptive.iter().all(|loss| loss.is_finite()));

        // "A small change of the loss lowers the rate, a large one raises it", whatever its direction.
        let mut previous = f64::NAN;
        let literal = descend(curvatures, start, 3000, |rate, loss| {
            let change = ((previous - loss) / previous).abs();
            previous = loss;
            rate * if change > 1e-4 {
                1.05
            } else if change < 1e-5 {
                0.9
            } else {
                1.0
            }
        });
        assert!(!literal[literal.len() - 1].is_finite(), "the literal rule diverges");
    }
    let fixed = descend([1.0, 10.0, 100.0], 0.5, 1000, |rate, _| rate);
    assert!(!fixed[999].is_finite(), "a fixed rate diverges");
}

#[test]
fn impossible_options_are_reported_on_use() {
    let check =
        |e: crate::Error, message: &str| assert_eq!((e.message().as_str(), e.kind()), (message, ErrorKind::Argument));
    let below_one = "expected at least 0 and less than 1";
    let finite = "expected a finite number that is not negative";
    let plateau = |mut s: ReduceOnPlateau| s.next_rate(0.1, 1.0).unwrap_err();
    check(plateau(ReduceOnPlateau::new().factor(1.0)), &format!("ReduceOnPlateau: the factor is 1, {below_one}"));
    check(plateau(ReduceOnPlateau::new().threshold(-1.0)), &format!("ReduceOnPlateau: the threshold is -1, {finite}"));
    check(
        plateau(ReduceOnPlateau::new().absolute_threshold(f64::NAN)),
        &format!("ReduceOnPlateau: the threshold is NaN, {finite}"),
    );
    check(plateau(ReduceOnPlateau::new().min_rate(-1.0)), &format!("ReduceOnPlateau: min_rate is -1, {finite}"));
    check(plateau(ReduceOnPlateau::new().eps(-1.0)), &format!("ReduceOnPlateau: eps is -1, {finite}"));

    let adaptive = |mut s: AdaptiveRate| s.next_rate(0.1, 1.0).unwrap_err();
    let new = || AdaptiveRate::new(0.1, 1.0);
    check(
        adaptive(AdaptiveRate::new(0.0, 1.0)),
        "AdaptiveRate: the lower bound is 0, expected a finite number above 0",
    );
    check(adaptive(AdaptiveRate::new(2.0, 1.0)), "AdaptiveRate: the lower bound is above the upper one");
    check(adaptive(new().thresholds(0.2, 0.1)), "AdaptiveRate: the small threshold is above the large one");
    check(adaptive(new().increase(0.9)), "AdaptiveRate: increase is below 1");
    check(adaptive(new().decrease(1.1)), "AdaptiveRate: decrease is above 1");
    check(adaptive(new().backoff(1.0)), &format!("AdaptiveRate: backoff is 1, {below_one}"));
    check(adaptive(new().backoff(0.0)), "AdaptiveRate: backoff is 0, expected a finite number above 0");
    check(
        new().backoff(f64::NAN).first_rate(0.1).unwrap_err(),
        "AdaptiveRate: backoff is NaN, expected a finite number above 0",
    );

    let curve = |c: Curve| c.at(0).unwrap_err();
    check(curve(Curve::constant(-1.0)), &format!("Curve: the rate is -1, {finite}"));
    check(curve(Curve::cosine(0.1, 0)), "Curve: the number of steps is 0, expected at least 1");
    check(curve(Curve::steps(0.1, 0, 0.5)), "Curve: the number of steps is 0, expected at least 1");
    check(curve(Curve::steps(0.1, 1, 1.5)), "Curve: the factor is 1.5, expected at least 0 and at most 1");
    check(curve(Curve::cosine(0.1, 5).floor(0.2)), "Curve: the floor 0.2 is above the rate 0.1");
    check(
        curve(Curve::cosine(0.1, 5).cycles(0.0)),
        "Curve: the number of cycles is 0, expected a finite number above 0",
    );
    check(curve(Curve::linear(0.1, 5).cycles(1.5)), "Curve: 1.5 cycles of a curve that is no cosine");
    check(curve(Curve::cosine_restarts(0.1, 0, 2)), "Curve: the number of steps is 0, expected at least 1");
    check(curve(Curve::cosine_restarts(0.1, 2, 0)), "Curve: the number of cycles is 0, expected at least 1");
    let bounds = "expected at least 0 and at most 1";
    check(curve(Curve::linear_factors(0.1, 1.5, 1.0, 4)), &format!("Curve: the start factor is 1.5, {bounds}"));
    check(curve(Curve::linear_factors(0.1, 0.5, -1.0, 4)), &format!("Curve: the end factor is -1, {bounds}"));
    check(curve(Curve::linear_factors(0.1, 0.5, 1.0, 0)), "Curve: the number of steps is 0, expected at least 1");
}

#[test]
fn schedules_work_as_trait_objects_with_any_optimizer() {
    let mut schedules: Vec<Box<dyn Schedule>> =
        vec![Box::new(ReduceOnPlateau::new()), Box::new(AdaptiveRate::new(1e-4, 0.1)), Box::new(Curve::constant(0.1))];
    for schedule in &mut schedules {
        let mut x = Param::new(tensor![1.0]).unwrap();
        let mut opt: Box<dyn Optimizer> = Box::new(Sgd::new(0.1));
        schedule.start(&mut opt).unwrap();
        for _ in 0..100 {
            let loss = x.square().sum();
            opt.step(&mut x, &loss.backward().unwrap()).unwrap();
            schedule.step(&mut opt, loss.item().unwrap()).unwrap();
        }
        assert!(x.item().unwrap().abs() < 1e-3);
        let json = serde_json::to_string(&schedule.state()).unwrap();
        assert_eq!(serde_json::from_str::<ScheduleState>(&json).unwrap(), schedule.state());
    }
}
