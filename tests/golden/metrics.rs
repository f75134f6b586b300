//! Metrics are those of scikit-learn: `tests/golden/make_metrics.py` made the numbers.

use demotic::prelude::*;
use demotic::train::metrics::{Average, ClassScores, Classification, Normalize, Regression};
use serde_json::Value;

fn cases(group: &str) -> Vec<Value> {
    let data: Value = serde_json::from_str(include_str!("../golden/metrics.json")).unwrap();
    data[group].as_array().unwrap().clone()
}

/// NaN is null in the file.
fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn flat(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(flat).collect(),
        value => vec![number(value)],
    }
}

fn tensor(value: &Value) -> Tensor {
    let mut shape = Vec::new();
    let mut inner = value;
    while let Value::Array(values) = inner {
        shape.push(values.len());
        inner = &values[0];
    }
    Tensor::from_vec(flat(value), &shape[..]).unwrap()
}

fn classes(value: &Value) -> Tensor {
    let classes: Vec<i64> = value.as_array().unwrap().iter().map(|class| class.as_i64().unwrap()).collect();
    let n = classes.len();
    Tensor::from_vec(classes, [n]).unwrap()
}

#[track_caller]
fn close(got: f64, want: &Value, what: &str) {
    let want = number(want);
    let same = (got.is_nan() && want.is_nan()) || (got - want).abs() <= 1e-12 * want.abs().max(1e-3);
    assert!(same, "{what}: {got}, expected {want}");
}

/// Where scikit-learn says NaN, there is an error that names why.
#[track_caller]
fn same(got: Result<f64>, want: &Value, what: &str) {
    match got {
        Ok(got) => close(got, want, what),
        Err(e) => assert!(want.is_null() && e.message().contains("not defined"), "{what}: {e}"),
    }
}

fn options(case: &Value) -> Classification {
    let mut options = Classification::new();
    if !case["weights"].is_null() {
        options = options.sample_weights(&tensor(&case["weights"]));
    }
    if let Some(labels) = case.get("labels").and_then(Value::as_array) {
        options = options.labels(labels.iter().map(|label| label.as_i64().unwrap()));
    }
    match case.get("zero").and_then(Value::as_str) {
        Some("1") => options.zero_division(1.0),
        Some("nan") => options.zero_division(f64::NAN),
        _ => options,
    }
}

const AVERAGES: [(&str, Average); 4] = [
    ("macro", Average::Macro),
    ("weighted", Average::Weighted),
    ("micro", Average::Micro),
    ("binary", Average::Binary),
];

#[test]
fn classes_predicted() {
    let cases = cases("classes");
    assert!(cases.len() > 60);
    for case in &cases {
        let (y, p, o, out) = (classes(&case["y"]), classes(&case["p"]), options(case), &case["out"]);
        let name = |what: &str| format!("{} {what}", case["name"]);
        close(o.accuracy(&p, &y).unwrap(), &out["accuracy"], &name("accuracy"));
        close(o.balanced_accuracy(&p, &y).unwrap(), &out["balanced_accuracy"], &name("balanced"));
        close(o.matthews_correlation(&p, &y).unwrap(), &out["matthews_correlation"], &name("mcc"));
        same(o.cohen_kappa(&p, &y), &out["cohen_kappa"], &name("kappa"));

        let each = o.per_class(&p, &y).unwrap();
        let wanted = out["per_class"].as_array().unwrap();
        assert_eq!(each.len(), wanted.len(), "{}", case["name"]);
        for (ClassScores { precision, recall, f1, support, .. }, want) in each.iter().zip(wanted) {
            for (got, want) in [precision, recall, f1, support].into_iter().zip(want.as_array().unwrap()) {
                close(*got, want, &name("per class"));
            }
        }
        for (key, average) in AVERAGES {
            let Some(want) = out.get(key) else { continue };
            let name = |what: &str| name(&format!("{key} {what}"));
            same(o.precision(&p, &y, average), &want["precision"], &name("precision"));
            same(o.recall(&p, &y, average), &want["recall"], &name("recall"));
            same(o.f1(&p, &y, average), &want["f1"], &name("f1"));
            for (beta, key) in [(0.5, "f0.5"), (3.0, "f3"), (0.0, "f0"), (f64::INFINITY, "finf")] {
                same(o.f_beta(&p, &y, beta, average), &want[key], &name(key));
            }
            if let Some(want) = want.get("jaccard") {
                close(o.jaccard(&p, &y, average).unwrap(), want, &name("jaccard"));
            }
        }
        for (key, normalize) in [
            ("confusion None", None),
            ("confusion true", Some(Normalize::Actual)),
            ("confusion pred", Some(Normalize::Predicted)),
            ("confusion all", Some(Normalize::All)),
        ] {
            let Some(want) = out.get(key) else { continue };
            let mut matrix = o.confusion_matrix(&p, &y).unwrap();
            if let Some(normalize) = normalize {
                matrix = matrix.normalize(normalize);
            }
            let (got, want) = (matrix.values(), want.as_array().unwrap());
            assert_eq!(got.len(), want.len(), "{}", name(key));
            for (got, want) in got.iter().zip(want) {
                got.iter().zip(want.as_array().unwrap()).for_each(|(got, want)| close(*got, want, &name(key)));
            }
        }
        let report = o.report(&p, &y).unwrap();
        close(report.macro_average.f1, &out["macro"]["f1"], &name("report"));
        close(report.weighted_average.recall, &out["weighted"]["recall"], &name("report"));
        let want = out["report"].as_str().unwrap().trim_end_matches('\n').replace("nan", "NaN");
        // Where nothing is right, scikit-learn prints numbers of examples as 3.0.
        if case["weights"].is_null() && !want.ends_with(".0") {
            assert_eq!(report.to_string(), want, "{}", case["name"]);
        }
    }
}

/// The same classes as logits, as one-hot targets and as floats.
#[test]
fn classes_in_other_clothes() {
    for case in &cases("classes") {
        let (y, p) = (classes(&case["y"]), classes(&case["p"]));
        let numbers = |x: &Tensor| x.to_vec::<i64>().unwrap();
        let largest = numbers(&y).into_iter().chain(numbers(&p)).max().unwrap();
        if numbers(&y).into_iter().chain(numbers(&p)).any(|class| !(0..100).contains(&class)) {
            continue;
        }
        let o = options(case);
        let want = &case["out"]["accuracy"];
        let k = (largest + 1).max(2) as usize;
        let logits = p.one_hot(k).unwrap().to_dtype(DType::F32).mul_scalar(3.0).add_scalar(-1.0);
        let one_hot = y.one_hot(k).unwrap();
        for target in [y.clone(), y.to_dtype(DType::U8), one_hot.clone(), one_hot.to_dtype(DType::F32)] {
            close(o.accuracy(&logits, &target).unwrap(), want, "logits");
        }
        // Numbers of classes are whole.
        assert!(o.accuracy(&logits, &y.to_dtype(DType::F32)).is_err());
        for x in [logits.to_dtype(DType::F16), logits.to_dtype(DType::BF16), logits.to_dtype(DType::F64)] {
            close(o.accuracy(&x, &y).unwrap(), want, "other types");
        }
        close(o.accuracy(&p, &y.unsqueeze(-1).unwrap()).unwrap(), want, "a column");
        if k == 2 {
            let single = p.to_dtype(DType::F32).add_scalar(-0.5).unsqueeze(-1).unwrap();
            close(o.accuracy(&single, &y).unwrap(), want, "single logits");
            let probability = p.to_dtype(DType::F32).mul_scalar(0.4).add_scalar(0.3);
            close(o.clone().threshold(0.5).accuracy(&probability, &y).unwrap(), want, "single probabilities");
        }
    }
}

#[test]
fn scores() {
    for case in &cases("scores") {
        let (y, s, o, out) = (classes(&case["y"]), tensor(&case["scores"]), options(case), &case["out"]);
        let name = |what: &str| format!("{} {what}", case["name"]);
        for s in [s.clone(), s.unsqueeze(-1).unwrap()] {
            close(o.roc_auc(&s, &y).unwrap(), &out["roc_auc"], &name("auc"));
            close(o.average_precision(&s, &y).unwrap(), &out["average_precision"], &name("ap"));
            if out.get("log_loss").is_some() {
                close(o.log_loss(&s, &y).unwrap(), &out["log_loss"], &name("log loss"));
                close(o.brier_score(&s, &y).unwrap(), &out["brier_score"], &name("brier"));
            }
        }
        // Where 1 − p is rounded, scores that differ become equal.
        if out.get("log_loss").is_some() && case["name"] != "next to each other" {
            // Both columns, and with the other class as the positive one.
            let both = Tensor::stack(&[&s.rsub_scalar(1.0), &s], -1).unwrap();
            close(o.roc_auc(&both, &y).unwrap(), &out["roc_auc"], &name("auc of columns"));
            close(o.clone().positive_label(0).roc_auc(&both, &y).unwrap(), &out["roc_auc"], &name("auc of class 0"));
            close(o.log_loss(&both, &y).unwrap(), &out["log_loss"], &name("log loss of columns"));
        }
        let logits = Tensor::stack(&[&s.mul_scalar(0.0), &s], -1).unwrap();
        close(o.roc_auc(&logits, &y).unwrap(), &out["roc_auc"], &name("auc of logits"));
    }
}

#[test]
fn probabilities_of_several_classes() {
    for case in &cases("rows") {
        let (y, p, o, out) = (classes(&case["y"]), tensor(&case["rows"]), options(case), &case["out"]);
        let name = |what: &str| format!("{} {what}", case["name"]);
        close(o.log_loss(&p, &y).unwrap(), &out["log_loss"], &name("log loss"));
        close(o.brier_score(&p, &y).unwrap(), &out["brier_score"], &name("brier"));
        for (key, average) in &AVERAGES[..3] {
            let (auc, ap) = (format!("roc_auc {key}"), format!("average_precision {key}"));
            close(o.roc_auc_one_vs_rest(&p, &y, *average).unwrap(), &out[&auc], &name(&auc));
            close(o.average_precision_one_vs_rest(&p, &y, *average).unwrap(), &out[&ap], &name(&ap));
        }
        for k in 1..8 {
            if let Some(want) = out.get(format!("top {k}")) {
                close(o.top_k_accuracy(&p, &y, k).unwrap(), want, &name("top k"));
            }
        }
    }
}

#[test]
fn numbers() {
    for case in &cases("numbers") {
        let (y, p, out) = (tensor(&case["y"]), tensor(&case["p"]), &case["out"]);
        let mut o = Regression::new();
        if !case["weights"].is_null() {
            o = o.sample_weights(&tensor(&case["weights"]));
        }
        type Metric<'a> = Box<dyn Fn(&Tensor, &Tensor) -> Result<f64> + 'a>;
        let metrics: [(&str, Metric<'_>); 10] = [
            ("mse", Box::new(|p, y| o.mse(p, y))),
            ("mae", Box::new(|p, y| o.mae(p, y))),
            ("mape", Box::new(|p, y| o.mape(p, y))),
            ("r2", Box::new(|p, y| o.r2(p, y))),
            ("explained_variance", Box::new(|p, y| o.explained_variance(p, y))),
            ("pinball", Box::new(|p, y| o.pinball(p, y, 0.3))),
            ("rmse", Box::new(|p, y| o.rmse(p, y))),
            ("msle", Box::new(|p, y| o.msle(p, y))),
            ("max_error", Box::new(metrics::max_error)),
            ("median_absolute_error", Box::new(metrics::median_absolute_error)),
        ];
        for (key, metric) in metrics {
            if let Some(want) = out.get(key) {
                // Relative to the number itself, unless it is a difference of 1 and something near.
                let (got, floor) =
                    (metric(&p, &y).unwrap(), if key == "r2" || key.starts_with("expl") { 1.0 } else { 0.0 });
                let want = number(want);
                let same = (got - want).abs() <= 1e-12 * want.abs().max(floor);
                assert!(same, "{} {key}: {got}, expected {want}", case["name"]);
            }
        }
    }
}
