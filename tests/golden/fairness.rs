//! Fairness is measured and mended as Fairlearn does: `tests/golden/make_fairness.py` made the numbers.

use demotic::fairness::{
    ExponentiatedGradient, Fairness, Groups, Parity, Rate, ThresholdOptimizer, logistic_learner, reweighing,
};
use demotic::prelude::*;
use serde_json::Value;

fn data() -> Value {
    serde_json::from_str(include_str!("../golden/fairness.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn tensor(value: &Value) -> Tensor {
    let numbers = numbers(value);
    let n = numbers.len();
    Tensor::from_vec(numbers, [n]).unwrap()
}

fn groups(value: &Value) -> Groups {
    Groups::named(numbers(value).into_iter().map(|code| code.to_string())).unwrap()
}

#[track_caller]
fn close(got: f64, want: f64, what: &str) {
    assert!((got - want).abs() <= 1e-9, "{what}: {got}, expected {want}");
}

#[test]
fn measures_are_those_of_fairlearn() {
    let mut count = 0;
    for case in data()["cases"].as_array().unwrap() {
        let found = Fairness::measure(&tensor(&case["score"]), &tensor(&case["y"]), &groups(&case["group"])).unwrap();
        let want = &case["measures"];
        for rate in Rate::ALL {
            let Some(by_group) = want["by_group"].get(rate.name()) else { continue };
            for (group, want) in found.groups().iter().zip(numbers(by_group)) {
                let rate = group.rate(rate).unwrap();
                close(rate.value, want, &group.name);
                assert!(rate.low <= rate.value && rate.value <= rate.high);
                count += 1;
            }
            let overall = found.overall().rate(rate).unwrap().value;
            close(overall, want["overall"][rate.name()].as_f64().unwrap(), rate.name());
        }
        for (name, value) in [
            ("demographic_parity_difference", found.demographic_parity_difference()),
            ("demographic_parity_ratio", found.demographic_parity_ratio()),
            ("equalized_odds_difference", found.equalized_odds_difference()),
            ("equalized_odds_ratio", found.equalized_odds_ratio()),
            ("equal_opportunity_difference", found.equal_opportunity_difference()),
            ("equal_opportunity_ratio", found.equal_opportunity_ratio()),
        ] {
            close(value.unwrap(), want[name].as_f64().unwrap(), name);
        }
    }
    assert_eq!(count, 7 * 9);
}

#[test]
fn thresholds_are_those_of_fairlearn() {
    for case in data()["cases"].as_array().unwrap() {
        let (score, y, groups) = (tensor(&case["score"]), tensor(&case["y"]), groups(&case["group"]));
        for (name, parity) in [
            ("demographic_parity", Parity::Demographic),
            ("true_positive_rate_parity", Parity::EqualOpportunity),
            ("false_positive_rate_parity", Parity::FalsePositive),
            ("equalized_odds", Parity::EqualizedOdds),
        ] {
            let fitted = ThresholdOptimizer::new(parity).fit(&score, &y, &groups).unwrap();
            let p = fitted.probabilities(&score, &groups).unwrap().to_f64_vec();
            for (i, (got, want)) in p.iter().zip(numbers(&case["thresholds"][name])).enumerate() {
                close(*got, want, &format!("{name}, row {i}"));
            }
        }
    }
}

#[test]
fn mixtures_are_those_of_fairlearn() {
    for case in data()["mixtures"].as_array().unwrap() {
        let rows: Vec<f64> = case["x"].as_array().unwrap().iter().flat_map(numbers).collect();
        let (y, groups) = (tensor(&case["y"]), groups(&case["group"]));
        let x = Tensor::from_vec(rows, [y.numel(), 3]).unwrap();
        for (name, parity) in [
            ("demographic", Parity::Demographic),
            ("equal_opportunity", Parity::EqualOpportunity),
            ("equalized_odds", Parity::EqualizedOdds),
        ] {
            let mut learner = |x: &Tensor, y: &Tensor, w: &Tensor| logistic_learner(x, y, w, 1.0);
            let fit = ExponentiatedGradient::new(parity).slack(0.02).rounds(12).fit(&x, &y, &groups, &mut learner);
            let fit = fit.unwrap();
            let want = &case["found"][name];
            assert!(
                (fit.gap - want["gap"].as_f64().unwrap()).abs() < 1e-6,
                "{name}: {fit:?}, expected {}",
                want["gap"]
            );
            let p = fit.probabilities(&x).unwrap().to_f64_vec();
            for (i, (got, want)) in p.iter().zip(numbers(&want["p"])).enumerate() {
                close(*got, want, &format!("{name}, row {i}"));
            }
        }
    }
}

/// With the weights, the outcome is as frequent in each group as in all.
#[test]
fn reweighing_makes_outcomes_independent_of_groups() {
    for case in data()["cases"].as_array().unwrap() {
        let (y, groups) = (tensor(&case["y"]), groups(&case["group"]));
        let weights = reweighing(&y, &groups).unwrap().to_f64_vec();
        let y = y.to_f64_vec();
        let rate = |rows: &dyn Fn(usize) -> bool| {
            let rows: Vec<usize> = (0..y.len()).filter(|row| rows(*row)).collect();
            rows.iter().map(|row| weights[*row] * y[*row]).sum::<f64>()
                / rows.iter().map(|row| weights[*row]).sum::<f64>()
        };
        let all = rate(&|_| true);
        for group in 0..groups.names().len() {
            assert!((rate(&|row| groups.codes()[row] == group) - all).abs() < 1e-6);
        }
        assert!((all - y.iter().sum::<f64>() / y.len() as f64).abs() < 1e-6);
    }
}
