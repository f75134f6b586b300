//! Label errors are those of cleanlab, drift that of SciPy and scikit-learn: `tests/golden/make_quality.py` made the numbers.

use demotic::data::quality::{Drift, label_errors};
use demotic::data::{Column, Table};
use demotic::prelude::*;
use serde_json::Value;

fn data() -> Value {
    serde_json::from_str(include_str!("../golden/quality.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        value => vec![value.as_f64().unwrap()],
    }
}

#[track_caller]
fn close(got: &[f64], want: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= tolerance * want.abs().max(1e-3), "{what}: {got}, expected {want}");
    }
}

#[test]
fn label_errors_are_those_of_cleanlab() {
    for case in data()["labels"].as_array().unwrap() {
        let y = numbers(&case["y"]);
        let (n, k) = (y.len(), numbers(&case["thresholds"]).len());
        let p = Tensor::from_vec(numbers(&case["p"]), [n, k]).unwrap();
        let found = label_errors(&p, &Tensor::from_vec(y, [n]).unwrap()).unwrap();
        close(&found.thresholds, &numbers(&case["thresholds"]), 1e-12, "thresholds");
        let joint: Vec<f64> = found.joint.iter().flatten().map(|count| *count as f64).collect();
        assert_eq!(joint, numbers(&case["joint"]));
        let mut rows = found.rows.clone();
        rows.sort_unstable();
        assert_eq!(rows.iter().map(|row| *row as f64).collect::<Vec<_>>(), numbers(&case["issues"]));
        assert!(!rows.is_empty() && found.rows.is_sorted_by_key(|row| (found.self_confidence[*row] * 1e9) as i64));
        close(&found.self_confidence, &numbers(&case["self_confidence"]), 1e-12, "self confidence");
        close(&found.normalized_margin, &numbers(&case["normalized_margin"]), 1e-12, "normalized margin");
    }
}

#[test]
fn drift_is_that_of_scipy_and_scikit_learn() {
    for case in data()["drift"].as_array().unwrap() {
        let table = |i: usize| {
            let texts = case["texts"][i].as_array().unwrap().iter().map(|text| text.as_str());
            let texts: Column = texts.collect();
            Table::from_columns([("x", Column::from(numbers(&case["numbers"][i]))), ("name", texts)]).unwrap()
        };
        let found = Drift::between(&table(0), &table(1), 0).unwrap();
        for (i, name) in ["ks", "chi"].iter().enumerate() {
            close(&[found.columns[i].statistic, found.columns[i].p_value], &numbers(&case[*name]), 1e-9, name);
            close(&[found.columns[i].stability], &numbers(&case["psi"])[i..=i], 1e-9, "stability index");
        }
        close(&[found.discrepancy], &numbers(&case["mmd"]), 1e-9, "discrepancy");
        close(&[found.told_apart, found.told_apart_p_value], &numbers(&case["auc"]), 1e-9, "told apart");
    }
}
