//! Curves, calibration, several labels, orders, groups, texts, intervals and comparisons are those of scikit-learn, SciPy,
//! statsmodels, sacreBLEU, rouge-score and NLTK: `tests/golden/make_more_metrics.py` made the numbers.

use demotic::prelude::*;
use demotic::train::metrics::{
    self, Average, Bins, Bleu, BleuTokens, Chrf, ClassScores, Classification, ErrorRate, KappaWeights, McNemarTest,
    MultiLabel, Regression, Rouge, RougeKind, Smoothing, bootstrap_interval,
};
use serde_json::Value;

fn data() -> Value {
    serde_json::from_str(include_str!("../golden/more_metrics.json")).unwrap()
}

fn cases(group: &str) -> Vec<Value> {
    let cases = data()[group].as_array().unwrap().clone();
    assert!(cases.len() >= 3, "{group}");
    cases
}

fn flat(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(flat).collect(),
        value => vec![value.as_f64().unwrap()],
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
    tensor(value).to_dtype(DType::I64)
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

#[track_caller]
fn close(got: f64, want: &Value, what: &str) {
    let want = want.as_f64().unwrap();
    assert!((got - want).abs() <= 1e-12 * want.abs().max(1.0), "{what}: {got}, expected {want}");
}

#[track_caller]
fn all_close(got: &[f64], want: &Value, what: &str) {
    let want = want.as_array().unwrap();
    assert_eq!(got.len(), want.len(), "{what}: {got:?}, expected {want:?}");
    got.iter().zip(want).for_each(|(got, want)| close(*got, want, what));
}

fn weighted(case: &Value) -> Classification {
    match &case["w"] {
        Value::Null => Classification::new(),
        weights => Classification::new().sample_weights(&tensor(weights)),
    }
}

#[test]
fn points_of_curves() {
    for case in &cases("curves") {
        let (y, s, o) = (classes(&case["y"]), tensor(&case["s"]), weighted(case));
        let roc = o.roc_curve(&s, &y).unwrap();
        all_close(&roc.false_positive_rate, &case["fpr"], "false positive rate");
        all_close(&roc.true_positive_rate, &case["tpr"], "true positive rate");
        all_close(&roc.thresholds[1..], &case["roc_at"], "thresholds");
        assert_eq!(roc.thresholds[0], f64::INFINITY);
        assert!((roc.area() - o.roc_auc(&s, &y).unwrap()).abs() < 1e-12);
        let fewer = roc.simplified();
        assert!((fewer.area() - roc.area()).abs() < 1e-12);
        if case["w"].is_null() {
            all_close(&fewer.false_positive_rate, &case["fewer"], "simplified");
        }
        let curve = o.precision_recall_curve(&s, &y).unwrap();
        all_close(&curve.precision, &case["precision"], "precision");
        all_close(&curve.recall, &case["recall"], "recall");
        all_close(&curve.thresholds, &case["pr_at"], "thresholds");
        close(curve.area(), &case["pr_area"], "area");
        let lift = o.lift_curve(&s, &y).unwrap();
        all_close(&lift.share, &case["share"], "share");
        all_close(&lift.gain, &case["gain"], "gain");
        for i in 0..lift.lift.len() {
            assert!((lift.lift[i] * lift.share[i] - lift.gain[i]).abs() < 1e-12);
        }
    }
}

#[test]
fn calibration() {
    for case in &cases("calibration") {
        let (y, p) = (classes(&case["y"]), tensor(&case["p"]));
        let n = case["bins"].as_u64().unwrap() as usize;
        let both = Tensor::stack(&[&p.rsub_scalar(1.0), &p], -1).unwrap();
        for (key, bins) in [("uniform", Bins::Uniform), ("quantile", Bins::Quantile)] {
            let want = &case["out"][key];
            for p in [&p, &both] {
                let curve = Classification::new().reliability_curve(p, &y, n, bins).unwrap();
                let list = |f: fn(&metrics::ReliabilityBin) -> f64| curve.bins.iter().map(f).collect::<Vec<_>>();
                all_close(&list(|bin| bin.observed), &want["observed"], key);
                all_close(&list(|bin| bin.predicted), &want["predicted"], key);
                all_close(&list(|bin| bin.weight), &want["counts"], key);
                let o = Classification::new();
                close(o.expected_calibration_error(p, &y, n, bins).unwrap(), &want["ece"], key);
                close(o.maximum_calibration_error(p, &y, n, bins).unwrap(), &want["mce"], key);
            }
        }
    }
}

#[test]
fn several_labels() {
    for case in &cases("multi_label") {
        let (y, s, out) = (tensor(&case["y"]), tensor(&case["s"]), &case["out"]);
        let mut o = MultiLabel::new().threshold(0.5).zero_division(case["zero"].as_f64().unwrap());
        if !case["w"].is_null() {
            o = o.sample_weights(&tensor(&case["w"]));
        }
        close(o.accuracy(&s, &y).unwrap(), &out["accuracy"], "accuracy");
        close(o.hamming_loss(&s, &y).unwrap(), &out["hamming_loss"], "hamming loss");
        let each = o.per_label(&s, &y.to_dtype(DType::I64)).unwrap();
        for (ClassScores { precision, recall, f1, support, .. }, want) in
            each.iter().zip(out["per_label"].as_array().unwrap())
        {
            all_close(&[*precision, *recall, *f1, *support], want, "per label");
        }
        for (key, average) in [
            ("macro", Average::Macro),
            ("weighted", Average::Weighted),
            ("micro", Average::Micro),
            ("samples", Average::Samples),
        ] {
            let want = &out[key];
            close(o.precision(&s, &y, average).unwrap(), &want["precision"], key);
            close(o.recall(&s, &y, average).unwrap(), &want["recall"], key);
            close(o.f1(&s, &y, average).unwrap(), &want["f1"], key);
            close(o.f_beta(&s, &y, 2.0, average).unwrap(), &want["f2"], key);
            close(o.jaccard(&s, &y, average).unwrap(), &want["jaccard"], key);
            if average != Average::Samples {
                close(o.roc_auc(&s, &y, average).unwrap(), &want["roc_auc"], key);
                close(o.average_precision(&s, &y, average).unwrap(), &want["average_precision"], key);
            }
        }
        if let Some(report) = out.get("report") {
            assert_eq!(o.report(&s, &y).unwrap().to_string(), report.as_str().unwrap().trim_end_matches('\n'));
        }
    }
}

#[test]
fn one_against_one() {
    for case in &cases("one_vs_one") {
        let (y, p) = (classes(&case["y"]), tensor(&case["p"]));
        for (key, average) in [("macro", Average::Macro), ("weighted", Average::Weighted)] {
            close(Classification::new().roc_auc_one_vs_one(&p, &y, average).unwrap(), &case["out"][key], key);
        }
    }
}

#[test]
fn kappa_of_classes_with_an_order() {
    for case in &cases("kappa") {
        let (y, p, mut o) = (classes(&case["y"]), classes(&case["p"]), weighted(case));
        if let Some(labels) = case["labels"].as_array() {
            o = o.labels(labels.iter().map(|label| label.as_i64().unwrap()));
        }
        for (key, weights) in [("linear", KappaWeights::Linear), ("quadratic", KappaWeights::Quadratic)] {
            match o.cohen_kappa_weighted(&p, &y, weights) {
                Ok(kappa) => close(kappa, &case["out"][key], key),
                // scikit-learn says NaN there.
                Err(e) => assert!(case["out"][key].is_null(), "{key}: {e}"),
            }
        }
    }
}

#[test]
fn weighted_medians() {
    for case in &cases("medians") {
        let o = Regression::new().sample_weights(&tensor(&case["w"]));
        close(o.median_absolute_error(&tensor(&case["p"]), &tensor(&case["y"])).unwrap(), &case["out"], "median");
    }
}

#[test]
fn orders_of_documents() {
    for case in &cases("orders") {
        let (relevance, scores) = (tensor(&case["r"]), tensor(&case["s"]));
        let weights = (!case["w"].is_null()).then(|| tensor(&case["w"]));
        for (key, k) in [("1", Some(1)), ("2", Some(2)), ("5", Some(5)), ("None", None)] {
            let got = metrics::weighted_ndcg(&scores, &relevance, k, weights.as_ref()).unwrap();
            close(got, &case["out"][key], key);
        }
        close(metrics::mean_reciprocal_rank(&scores, &relevance).unwrap(), &case["mrr"], "reciprocal rank");
    }
}

#[test]
fn groups_of_points() {
    for case in &cases("groups") {
        let (x, labels) = (tensor(&case["x"]), classes(&case["labels"]));
        close(metrics::silhouette(&x, &labels).unwrap(), &case["out"], "silhouette");
        all_close(&metrics::silhouette_samples(&x, &labels).unwrap(), &case["each"], "of each point");
    }
}

#[test]
fn bleu_of_sacrebleu() {
    let data = &data()["texts"];
    let texts = strings(&data["texts"]);
    let references: Vec<Vec<&str>> = data["references"].as_array().unwrap().iter().map(strings).collect();
    for case in data["bleu"].as_array().unwrap() {
        let tokens = match case["tokens"].as_str().unwrap() {
            "none" => BleuTokens::None,
            "13a" => BleuTokens::Wmt13a,
            "char" => BleuTokens::Characters,
            _ => BleuTokens::Chinese,
        };
        let smoothing = match case["smoothing"].as_str().unwrap() {
            "exp" => Smoothing::Exponential,
            "floor" => Smoothing::Floor(0.1),
            "add-k" => Smoothing::AddK(1.0),
            _ => Smoothing::None,
        };
        let mut bleu = Bleu::new().tokens(tokens).smoothing(smoothing);
        if case["lowercase"] == true {
            bleu = bleu.lowercase();
        }
        let what = format!("{tokens:?} {smoothing:?}");
        let (mut first, mut second) = (bleu.clone(), bleu.clone());
        for (i, (text, references)) in texts.iter().zip(&references).enumerate() {
            (if i % 2 == 0 { &mut first } else { &mut second }).update(text, references).unwrap();
            let mut single = bleu.clone().effective_order();
            single.update(text, references).unwrap();
            let what = format!("{what}, {text:?}");
            close(single.value().unwrap().score, &case["sentences"][i], &what);
        }
        first.merge(&second).unwrap();
        let (got, want) = (first.value().unwrap(), &case["corpus"]);
        close(got.score, &want["score"], &what);
        all_close(&got.precisions, &want["precisions"], &what);
        close(got.brevity_penalty, &want["bp"], &what);
        assert_eq!(
            (Some(got.length as u64), Some(got.reference_length as u64)),
            (want["length"].as_u64(), want["reference_length"].as_u64())
        );
    }
    let mut pairs = Bleu::new().max_order(2);
    texts.iter().zip(&references).for_each(|(text, references)| pairs.update(text, &references[..1]).unwrap());
    close(pairs.value().unwrap().score, &data["order 2"], "order 2");
}

#[test]
fn chrf_of_sacrebleu() {
    let data = &data()["texts"];
    let references: Vec<Vec<&str>> = data["references"].as_array().unwrap().iter().map(strings).collect();
    for case in data["chrf"].as_array().unwrap() {
        let mut chrf = Chrf::new().word_order(case["words"].as_u64().unwrap() as usize);
        if case["lowercase"] == true {
            chrf = chrf.lowercase();
        }
        if case["whitespace"] == true {
            chrf = chrf.whitespace();
        }
        let (mut all, mut rest) = (chrf.clone(), chrf.clone());
        for (i, (text, references)) in strings(&data["texts"]).iter().zip(&references).enumerate() {
            (if i < 5 { &mut all } else { &mut rest }).update(text, references).unwrap();
            let mut single = chrf.clone();
            single.update(text, references).unwrap();
            close(single.value().unwrap(), &case["sentences"][i], text);
        }
        all.merge(&rest).unwrap();
        close(all.value().unwrap(), &case["corpus"], "corpus");
    }
}

#[test]
fn rouge_and_edits() {
    let data = &data()["texts"];
    let texts = strings(&data["texts"]);
    let references: Vec<Vec<&str>> = data["references"].as_array().unwrap().iter().map(strings).collect();
    for (key, kind) in [("rouge1", RougeKind::N(1)), ("rouge2", RougeKind::N(2)), ("rougeL", RougeKind::L)] {
        let (mut all, mut sums) = (Rouge::new(kind), [0.0; 3]);
        for (i, (text, references)) in texts.iter().zip(&references).enumerate() {
            let mut single = Rouge::new(kind);
            single.update(text, references).unwrap();
            let got = single.value().unwrap();
            all_close(&[got.precision, got.recall, got.f1], &data["rouge"][i][key], text);
            [got.precision, got.recall, got.f1].iter().zip(&mut sums).for_each(|(x, sum)| *sum += x);
            all.merge(&single).unwrap();
        }
        let got = all.value().unwrap();
        assert_eq!([got.precision, got.recall, got.f1], sums.map(|sum| sum / texts.len() as f64));
    }
    let first: Vec<&str> = references.iter().map(|references| references[0]).collect();
    let mut rate = ErrorRate::words();
    for (i, (text, reference)) in texts.iter().zip(&first).enumerate() {
        assert_eq!(Some(metrics::edit_distance(text, reference) as u64), data["edits"][i].as_u64(), "{text}");
        let mut single = ErrorRate::words();
        single.update(text, reference);
        rate.merge(&single).unwrap();
    }
    close(rate.value().unwrap(), &data["wer"], "words");
    close(metrics::word_error_rate(&texts, &first).unwrap(), &data["wer"], "words");
    close(metrics::character_error_rate(&texts, &first).unwrap(), &data["cer"], "characters");
}

#[test]
fn intervals_of_scipy() {
    for case in &cases("intervals") {
        let value = case["value"].as_f64().unwrap();
        let (resampled, jackknife) = (flat(&case["resampled"]), flat(&case["jackknife"]));
        for (key, jackknife) in [("percentile", None), ("BCa", Some(&jackknife[..]))] {
            let (low, high) =
                bootstrap_interval(value, &resampled, jackknife, case["level"].as_f64().unwrap()).unwrap();
            all_close(&[low, high], &case["out"][key], key);
        }
    }
}

#[test]
fn comparisons_of_models() {
    let data = &data()["comparisons"];
    for case in data["mcnemar"].as_array().unwrap() {
        let (y, a, b) = (classes(&case["y"]), classes(&case["a"]), classes(&case["b"]));
        for (key, test) in [
            ("exact", McNemarTest::Exact),
            ("corrected", McNemarTest::Corrected),
            ("uncorrected", McNemarTest::Uncorrected),
        ] {
            let got = metrics::mcnemar(&a, &b, &y, test).unwrap();
            all_close(&[got.statistic, got.p_value], &case["out"][key], key);
        }
    }
    for case in data["permutations"].as_array().unwrap() {
        let [y, a, b] = ["y", "a", "b"].map(|key| tensor(&case[key]));
        let got = metrics::permutation_test(&a, &b, &y, metrics::mae, 1 << 10, &mut Rng::seed(0)).unwrap();
        close(got.difference, &case["difference"], "difference");
        close(got.p_value, &case["p_value"], "p");
        assert_eq!(got.permutations, 1 << y.numel());
        // Drawn, it is near.
        let drawn = metrics::permutation_test(&a, &b, &y, metrics::mae, 60, &mut Rng::seed(1)).unwrap();
        assert!((drawn.p_value - got.p_value).abs() < 0.2, "{} and {}", drawn.p_value, got.p_value);
    }
}
