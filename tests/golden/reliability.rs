//! Calibration is that of scikit-learn, conformal prediction that of MAPIE, the rest what closed forms give: `make_reliability.py` made the numbers.

use demotic::prelude::*;
use demotic::reliability::{
    Calibration, Calibrator, ConformalSets, Laplace, Mahalanobis, NearestNeighbours, QuantileConformal, SplitConformal,
    energy, jackknife_plus, max_softmax,
};
use serde_json::Value;

fn data(part: &str) -> Value {
    let mut all: Value = serde_json::from_str(include_str!("../golden/reliability.json")).unwrap();
    all[part].take()
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        value => vec![value.as_f64().unwrap()],
    }
}

fn tensor(value: &Value) -> Tensor {
    let rows = value.as_array().unwrap();
    let all = numbers(value);
    let width = all.len() / rows.len();
    if rows[0].is_array() { Tensor::from_vec(all, [rows.len(), width]) } else { Tensor::from_vec(all, [rows.len()]) }
        .unwrap()
}

#[track_caller]
fn close(got: &[f64], want: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert!((got - want).abs() <= tolerance * want.abs().max(1.0), "{what} {i}: {got}, expected {want}");
    }
}

#[test]
fn calibrations() -> Result<()> {
    let data = data("calibration");
    let (z, y, new) = (tensor(&data["z"]), tensor(&data["y"]), tensor(&data["new"]));
    for (kind, name, tolerance) in [(Calibration::Platt, "platt", 1e-5), (Calibration::Isotonic, "isotonic", 1e-9)] {
        let p = Calibrator::fit(kind, &z, &y)?.probabilities(&new)?;
        close(&p.to_f64_vec(), &numbers(&data[name]), tolerance, name);
    }
    let beta = Calibrator::fit(Calibration::Beta, &z, &y)?;
    close(beta.parameters(), &numbers(&data["beta"]), 1e-5, "beta");
    let multi = Calibrator::fit(Calibration::Temperature, &tensor(&data["multi"]), &tensor(&data["target"]))?;
    close(multi.parameters(), &numbers(&data["temperature"]), 1e-6, "temperature");
    // Two columns are the same as their difference.
    let two = Tensor::stack(&[&z.zeros_like(), &z], 1)?;
    for kind in [Calibration::Temperature, Calibration::Platt, Calibration::Isotonic, Calibration::Beta] {
        let one = Calibrator::fit(kind, &z, &y)?.probabilities(&z)?.to_f64_vec();
        let both = Calibrator::fit(kind, &two, &y)?.probabilities(&two)?.select(1, 1)?.to_f64_vec();
        close(&both, &one, 1e-9, "two columns");
    }
    Ok(())
}

#[test]
fn conformal_prediction() -> Result<()> {
    let data = data("conformal");
    let (x, y, new) = (tensor(&data["x"]), tensor(&data["y"]), tensor(&data["new"]));
    let split = SplitConformal::fit(&x, &y, 0.15)?.intervals(&new)?;
    close(&split.to_f64_vec(), &numbers(&data["split"]), 1e-9, "split");
    let pair = |x: &Tensor| Tensor::stack(&[&x.add_scalar(-0.4), &x.add_scalar(0.5)], 1);
    let quantiles = QuantileConformal::fit(&pair(&x)?, &y, 0.15)?.intervals(&pair(&new)?)?;
    close(&quantiles.to_f64_vec(), &numbers(&data["cqr"]), 1e-9, "quantiles");
    let jackknife = jackknife_plus(&tensor(&data["predictions"]), &tensor(&data["residuals"]), 0.15)?;
    close(&jackknife.to_f64_vec(), &numbers(&data["jackknife"]), 1e-9, "jackknife+");

    let (p, t, q) = (tensor(&data["p"]), tensor(&data["t"]), tensor(&data["q"]));
    let marks = |sets: &[Vec<usize>]| -> Vec<f64> {
        sets.iter().flat_map(|set| (0..4).map(move |class| f64::from(u8::from(set.contains(&class))))).collect()
    };
    let sets = ConformalSets::least_ambiguous(&p, &t, 0.2)?.sets(&q)?;
    assert_eq!(marks(&sets), numbers(&data["lac"]));
    let sets = ConformalSets::adaptive(&p, &t, 0.2, Some(&tensor(&data["draws"])))?.sets(&q)?;
    assert_eq!(marks(&sets), numbers(&data["aps"]));
    Ok(())
}

#[test]
fn regularized_sets() -> Result<()> {
    let data = data("raps");
    let [p, t, q, draws] = ["p", "t", "q", "draws"].map(|name| tensor(&data[name]));
    for case in data["cases"].as_array().unwrap() {
        let (lambda, k_reg) = (case["lambda"].as_f64().unwrap(), case["k_reg"].as_u64().unwrap() as usize);
        let fitted = ConformalSets::regularized(&p, &t, case["alpha"].as_f64().unwrap(), lambda, k_reg, Some(&draws))?;
        close(&[fitted.threshold()], &numbers(&case["threshold"]), 1e-12, "threshold");
        let sets = fitted.sets(&q)?;
        let marks = sets.iter().flat_map(|set| (0..6).map(|class| f64::from(u8::from(set.contains(&class)))));
        assert_eq!(marks.collect::<Vec<_>>(), numbers(&case["sets"]), "{lambda} {k_reg}");
        // Whatever the draw, a randomized set has this class at most less.
        for u in [0.0, 0.4, 1.0] {
            let fewer = fitted.randomized_sets(&q, &Tensor::full([15], u)?)?;
            assert!(
                fewer
                    .iter()
                    .zip(&sets)
                    .all(|(few, set)| few.len() + 1 >= set.len() && few.iter().all(|i| set.contains(i)))
            );
        }
    }
    Ok(())
}

#[test]
fn closed_forms() -> Result<()> {
    let data = data("closed");
    let (x, y, new, logits) = (tensor(&data["x"]), tensor(&data["y"]), tensor(&data["new"]), tensor(&data["logits"]));
    let regression = Laplace::regression(&x, 0.7, 0.3)?.variance(&new)?;
    close(&regression.to_f64_vec(), &numbers(&data["regression"]), 1e-9, "regression");
    let classification = Laplace::classification(&x, &logits, 0.3)?.variance(&new)?;
    close(&classification.to_f64_vec(), &numbers(&data["classification"]), 1e-9, "classification");
    close(&Mahalanobis::fit(&x, &y)?.scores(&new)?, &numbers(&data["mahalanobis"]), 1e-8, "mahalanobis");
    close(&NearestNeighbours::fit(&x, 5, true)?.scores(&new)?, &numbers(&data["neighbours"]), 1e-9, "neighbours");
    close(&energy(&logits, 2.0)?, &numbers(&data["energy"]), 1e-9, "energy");
    close(&max_softmax(&logits)?, &numbers(&data["softmax"]), 1e-9, "max softmax");
    Ok(())
}
