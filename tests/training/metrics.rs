//! What metrics say about odd input, and tables that people read.

use demotic::prelude::*;
use demotic::train::metrics::{Average, Classification, Normalize, Regression};
use proptest::prelude::{ProptestConfig, prop, prop_assert, proptest};

fn ids(values: &[i64]) -> Tensor {
    Tensor::from_vec(values.to_vec(), [values.len()]).unwrap()
}

type Metric = (&'static str, fn(&Tensor, &Tensor) -> Result<f64>);

const OF_CLASSES: [Metric; 10] = [
    ("accuracy", metrics::accuracy),
    ("balanced_accuracy", metrics::balanced_accuracy),
    ("precision", |p, y| metrics::precision(p, y, Average::Macro)),
    ("recall", |p, y| metrics::recall(p, y, Average::Weighted)),
    ("f1", metrics::f1),
    ("f_beta", |p, y| metrics::f_beta(p, y, 2.0, Average::Micro)),
    ("jaccard", |p, y| metrics::jaccard(p, y, Average::Macro)),
    ("matthews_correlation", metrics::matthews_correlation),
    ("cohen_kappa", metrics::cohen_kappa),
    ("confusion_matrix", |p, y| Ok(metrics::confusion_matrix(p, y, 3)?.values()[0][0])),
];
const OF_SCORES: [Metric; 5] = [
    ("roc_auc", metrics::roc_auc),
    ("average_precision", metrics::average_precision),
    ("top_k_accuracy", |p, y| metrics::top_k_accuracy(p, y, 2)),
    ("log_loss", metrics::log_loss),
    ("brier_score", metrics::brier_score),
];
const OF_NUMBERS: [Metric; 10] = [
    ("mse", metrics::mse),
    ("rmse", metrics::rmse),
    ("mae", metrics::mae),
    ("r2", metrics::r2),
    ("mape", metrics::mape),
    ("msle", metrics::msle),
    ("explained_variance", metrics::explained_variance),
    ("median_absolute_error", metrics::median_absolute_error),
    ("max_error", metrics::max_error),
    ("pinball", |p, y| metrics::pinball(p, y, 0.5)),
];

#[track_caller]
fn fails(result: Result<f64>, message: &str) {
    assert_eq!(result.unwrap_err().message(), message);
}

/// As the loss does, metrics leave out targets that are ignored.
#[test]
fn ignored_targets_are_left_out() -> Result<()> {
    let mut rng = Rng::seed(0);
    let logits = Tensor::normal([40, 3], 0.0, 1.0, &mut rng)?;
    let kept: Vec<i64> = (0..40).filter(|i| i % 4 != 1).collect();
    for ignored in [-100, 1, 7] {
        let y: Vec<i64> = (0..40).map(|i| if i % 4 == 1 { ignored } else { i % 2 * 2 }).collect();
        let chosen = logits.index_select(0, &ids(&kept))?;
        let rest: Vec<i64> = kept.iter().map(|i| y[*i as usize]).collect();
        let weights: Vec<f64> = (0..40).map(|i| f64::from(i % 5)).collect();
        let few: Vec<f64> = kept.iter().map(|i| weights[*i as usize]).collect();
        let all = Classification::new().ignore_index(ignored);
        for weighted in [false, true] {
            let (mut all, mut only) = (all.clone(), Classification::new());
            if weighted {
                all = all.sample_weights(&Tensor::from_vec(weights.clone(), [40])?);
                only = only.sample_weights(&Tensor::from_vec(few.clone(), [30])?);
            }
            let (y, rest) = (ids(&y), ids(&rest));
            assert_eq!(all.accuracy(&logits, &y)?, only.accuracy(&chosen, &rest)?);
            assert_eq!(all.f1(&logits, &y, Average::Weighted)?, only.f1(&chosen, &rest, Average::Weighted)?);
            assert_eq!(all.confusion_matrix(&logits, &y)?, only.confusion_matrix(&chosen, &rest)?);
            assert_eq!(all.report(&logits, &y)?, only.report(&chosen, &rest)?);
            assert_eq!(all.top_k_accuracy(&logits, &y, 2)?, only.top_k_accuracy(&chosen, &rest, 2)?);
            let (p, q) = (logits.softmax(-1)?, chosen.softmax(-1)?);
            assert_eq!(all.log_loss(&p, &y)?, only.log_loss(&q, &rest)?);
            assert_eq!(all.brier_score(&p, &y)?, only.brier_score(&q, &rest)?);
            let (s, t) = (p.narrow(1, 0, 1)?, q.narrow(1, 0, 1)?);
            assert_eq!(
                all.clone().positive_label(2).roc_auc(&s, &y)?,
                only.clone().positive_label(2).roc_auc(&t, &rest)?
            );
        }
    }
    // The functions without options too, and floats.
    let (p, y) = (ids(&[0, 1, 1]), tensor![0.0, -100.0, 0.0]);
    assert_eq!(metrics::accuracy(&p, &y)?, 0.5);
    assert_eq!(metrics::confusion_matrix(&p, &y, 2)?, [[1, 1], [0, 0]]);
    for (name, metric) in OF_CLASSES {
        fails(metric(&p, &ids(&[-100; 3])), &format!("{name}: no target counts: all are -100"));
    }
    let e = metrics::perplexity(&Tensor::zeros([2, 3])?, &ids(&[-100, -100])).unwrap_err();
    assert_eq!(e.message(), "perplexity: no target counts: all are -100");
    let e = metrics::perplexity(&Tensor::full([2, 3], f64::NAN)?, &ids(&[1, 2])).unwrap_err();
    assert_eq!(e.message(), "perplexity: the logits contain NaN, or only infinities in a row");
    Ok(())
}

#[test]
fn targets_that_are_no_classes() -> Result<()> {
    let logits = Tensor::zeros([3, 2])?;
    let help =
        "Preprocessor::classification numbers the classes of a column; for predicted numbers use rmse, mae or r2";
    for (name, metric) in OF_CLASSES {
        for (bad, shown) in
            [(0.25, "0.25"), (f64::NAN, "NaN"), (f64::INFINITY, "inf"), (1e30, "1000000000000000000000000000000")]
        {
            for y in [Tensor::from_vec(vec![0.0, 1.0, bad], [3])?, Tensor::from_vec(vec![0.0, 1.0, bad], [3, 1])?] {
                let place = if y.rank() == 1 { "[2]" } else { "[2, 0]" };
                for p in [&logits, &ids(&[0, 1, 1])] {
                    let e = metric(p, &y).unwrap_err();
                    assert_eq!(e.message(), format!("{name}: target {place} is {shown}, expected whole class numbers"));
                    assert_eq!(e.help(), Some(help));
                }
            }
        }
        fails(
            metric(&logits, &ids(&[0, 1, 2])),
            &format!("{name}: target 2 is class 2, the prediction has 2 classes (0 ..= 1)"),
        );
        fails(
            metric(&logits, &ids(&[0, -1, 1])),
            &format!("{name}: target 1 is class -1, the prediction has 2 classes (0 ..= 1)"),
        );
        let single = Tensor::zeros([3, 1])?;
        fails(
            metric(&single, &ids(&[0, 2, 1])),
            &format!("{name}: target 1 is class 2, the prediction has 2 classes (0 ..= 1)"),
        );
        let message = format!("{name}: row 1 of the target contains 3, which is not a probability");
        fails(metric(&logits, &tensor![[1.0, 0.0], [3.0, -2.0], [0.0, 1.0]]), &message);
        let message = format!("{name}: row 2 of the target adds up to 0, expected probabilities, which add up to 1");
        fails(metric(&logits, &tensor![[1.0, 0.0], [0.5, 0.5], [0.0, 0.0]]), &message);
        fails(
            metric(&tensor![[0.0, 1.0], [f64::NAN, 1.0]], &ids(&[0, 1])),
            &format!("{name}: the prediction contains NaN at [1, 0]"),
        );
        fails(
            metric(&tensor![[0.0], [f64::NAN]], &ids(&[0, 1])),
            &format!("{name}: the prediction contains NaN at [1, 0]"),
        );
    }
    // Infinite logits are those of tokens that must not come.
    assert_eq!(metrics::accuracy(&tensor![[f64::NEG_INFINITY, 0.0], [0.0, f64::NEG_INFINITY]], &ids(&[1, 0]))?, 1.0);
    Ok(())
}

#[test]
fn shapes_that_do_not_fit() -> Result<()> {
    for (name, metric) in OF_CLASSES {
        let e = metric(&Tensor::zeros([4, 3])?, &ids(&[0, 1])).unwrap_err();
        let message = format!("{name}: the prediction has shape [4, 3], the target [2], expected targets of shape [4]");
        assert_eq!((e.message(), e.kind()), (message, ErrorKind::Shape));
        let e = metric(&Tensor::zeros([4, 3, 5])?, &Tensor::full_dtype([4, 5], 0.0, DType::I64)?).unwrap_err();
        assert_eq!(e.help(), Some("the classes belong into the last dimension: movedim(1, -1)"), "{name}");
        let e = metric(&tensor![0.2, 0.7], &ids(&[0, 1])).unwrap_err();
        assert_eq!(e.message(), format!("{name}: the prediction has shape [2], expected [n, classes]"));
        assert_eq!(
            e.help(),
            Some("single scores need a Classification::threshold; class numbers are of an integer type")
        );
        assert!(metric(&Tensor::scalar(1.0), &ids(&[0])).is_err(), "{name}");
        assert!(metric(&ids(&[0, 1, 1]), &ids(&[0, 1])).is_err(), "{name}");
        fails(metric(&Tensor::zeros([0, 3])?, &ids(&[])), &format!("{name}: there are no examples"));
        fails(metric(&ids(&[]), &ids(&[])), &format!("{name}: there are no examples"));
        fails(metric(&Tensor::zeros([2, 0])?, &ids(&[0, 1])), &format!("{name}: there are no classes"));
    }
    for (name, metric) in OF_SCORES {
        assert!(metric(&Tensor::zeros([4, 3])?, &ids(&[0, 1])).is_err(), "{name}");
        assert!(metric(&Tensor::scalar(0.5), &ids(&[0])).is_err(), "{name}");
        assert!(metric(&ids(&[0, 1]), &ids(&[0, 1])).is_err(), "{name}");
        assert!(metric(&Tensor::zeros([0, 2])?, &ids(&[])).is_err(), "{name}");
        assert!(metric(&Tensor::zeros([2, 0])?, &ids(&[0, 1])).is_err(), "{name}");
        let nan = tensor![[0.5, 0.5], [f64::NAN, 0.5]];
        fails(metric(&nan, &ids(&[0, 1])), &format!("{name}: the scores contain NaN at [1, 0]"));
        assert!(metric(&tensor![[0.5, 0.5], [0.2, 0.8]], &tensor![0.0, 0.4]).is_err(), "{name}");
        assert!(metric(&tensor![[0.5, 0.5], [0.2, 0.8]], &ids(&[0, 2])).is_err(), "{name}");
    }
    for (name, metric) in OF_NUMBERS {
        let e = metric(&tensor![[1.0], [2.0]], &tensor![1.0, 2.0]).unwrap_err();
        assert_eq!(e.message(), format!("{name}: the prediction has shape [2, 1], the target [2]"));
        assert_eq!(e.help(), Some("reshape the target to [2, 1]"));
        fails(metric(&Tensor::zeros([0])?, &Tensor::zeros([0])?), &format!("{name}: there are no examples"));
        for (bad, shown) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
            let (good, bad) = (tensor![[1.0, 2.0], [3.0, 4.0]], tensor![[1.0, 2.0], [bad, 4.0]]);
            fails(metric(&bad, &good), &format!("{name}: the prediction contains {shown} at [1, 0]"));
            fails(metric(&good, &bad), &format!("{name}: the target contains {shown} at [1, 0]"));
        }
        assert_eq!(
            metric(&Tensor::scalar(2.0), &Tensor::scalar(2.0))?,
            if ["r2", "explained_variance"].contains(&name) { 1.0 } else { 0.0 }
        );
    }
    Ok(())
}

#[test]
fn thresholds() -> Result<()> {
    let (p, y) = (tensor![[0.4], [0.6], [0.9]], ids(&[0, 0, 1]));
    // Without one, these are logits, all of them above 0.
    assert!((metrics::accuracy(&p, &y)? - 1.0 / 3.0).abs() < 1e-12);
    let at = |threshold: f64| Classification::new().threshold(threshold);
    assert_eq!(at(0.7).accuracy(&p, &y)?, 1.0);
    assert_eq!(at(0.7).accuracy(&p.reshape([3])?, &y)?, 1.0);
    assert_eq!(at(0.7).accuracy(&p, &y.reshape([3, 1])?.to_dtype(DType::F32))?, 1.0);
    assert_eq!(at(f64::INFINITY).accuracy(&p, &y)?, 2.0 / 3.0);
    // Several labels at once, each a decision of its own.
    let (p, y) = (tensor![[0.9, 0.2, 0.6], [0.1, 0.8, 0.3]], tensor![[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]);
    assert!((at(0.5).accuracy(&p, &y)? - 4.0 / 6.0).abs() < 1e-12);
    let e = at(0.5).accuracy(&p, &ids(&[0, 1])).unwrap_err();
    assert_eq!(e.message(), "accuracy: a threshold of 0.5 for a prediction of shape [2, 3]");
    Ok(())
}

#[test]
fn weights_and_options_that_make_no_sense() -> Result<()> {
    let (p, y) = (ids(&[0, 1, 1]), ids(&[0, 1, 0]));
    let with = |weights: &Tensor| Classification::new().sample_weights(weights).accuracy(&p, &y);
    fails(with(&tensor![1.0, 2.0]), "accuracy: weights of shape [2] for targets of shape [3]");
    fails(with(&tensor![1.0, -1.0, 1.0]), "accuracy: weight 1 is -1, expected a finite number of at least 0");
    fails(with(&tensor![1.0, 1.0, f64::NAN]), "accuracy: weight 2 is NaN, expected a finite number of at least 0");
    fails(with(&tensor![0.0, 0.0, 0.0]), "accuracy: the weights of the examples add up to 0");
    let with = |weights: &Tensor| Regression::new().sample_weights(weights).r2(&tensor![1.0, 2.0], &tensor![1.0, 3.0]);
    fails(with(&tensor![1.0]), "r2: weights of shape [1] for targets of shape [2]");
    fails(with(&tensor![0.0, 0.0]), "r2: the weights of the examples add up to 0");
    let o = Classification::new;
    fails(metrics::f_beta(&p, &y, -1.0, Average::Macro), "f_beta: beta is -1, expected a number of at least 0");
    fails(metrics::f_beta(&p, &y, f64::NAN, Average::Macro), "f_beta: beta is NaN, expected a number of at least 0");
    fails(o().labels([0, 1, 0]).f1(&p, &y, Average::Macro), "f1: the label 0 is given twice");
    fails(o().labels([]).f1(&p, &y, Average::Macro), "f1: there are no labels");
    fails(o().names(["a"]).f1(&p, &y, Average::Macro), "f1: class 1 occurs, there are names for 1 classes");
    fails(o().labels([0, 1]).names(["a"]).f1(&p, &y, Average::Macro), "f1: 1 names for 2 labels");
    let three = ids(&[0, 1, 2]);
    fails(o().f1(&p, &three, Average::Binary), "f1: 3 classes occur, expected two for Average::Binary");
    let e = o().f1(&ids(&[3, 4]), &ids(&[3, 3]), Average::Binary).unwrap_err();
    assert_eq!(e.message(), "f1: the classes are 3 and 4, the positive label is 1");
    assert_eq!(e.help(), Some("set Classification::positive_label"));
    assert_eq!(o().positive_label(3).recall(&ids(&[3, 4]), &ids(&[3, 3]), Average::Binary)?, 0.5);
    assert!(metrics::f_beta(&p, &y, 1e300, Average::Macro)?.is_finite());
    fails(
        metrics::pinball(&tensor![1.0], &tensor![1.0], 1.5),
        "pinball: the quantile is 1.5, expected a number from 0 to 1",
    );
    fails(
        metrics::msle(&tensor![-1.0], &tensor![1.0]),
        "msle: there is no logarithm of 1 + -1, expected numbers above -1",
    );
    Ok(())
}

#[test]
fn one_class_has_no_ranking() -> Result<()> {
    let s = tensor![0.1, 0.7];
    fails(metrics::roc_auc(&s, &ids(&[1, 1])), "roc_auc: there is no negative example, so that it is not defined");
    fails(metrics::roc_auc(&s, &ids(&[0, 0])), "roc_auc: there is no positive example, so that it is not defined");
    fails(
        metrics::average_precision(&s, &ids(&[0, 0])),
        "average_precision: there is no positive example, so that it is not defined",
    );
    assert_eq!(metrics::average_precision(&s, &ids(&[1, 1]))?, 1.0);
    let e = metrics::roc_auc(&Tensor::zeros([3, 3])?, &ids(&[0, 1, 2])).unwrap_err();
    assert_eq!(e.message(), "roc_auc: 3 classes, expected two");
    assert_eq!(e.help(), Some("Classification::roc_auc_one_vs_rest takes probabilities of several"));
    fails(metrics::roc_auc(&tensor![0.1, 0.2, 0.3], &ids(&[0, 1, 2])), "roc_auc: 3 classes, expected two");
    fails(metrics::log_loss(&tensor![0.1, 0.2, 0.3], &ids(&[0, 1, 2])), "log_loss: 3 classes, expected two");
    let e = metrics::log_loss(&tensor![[2.0, -1.0]], &ids(&[0])).unwrap_err();
    assert_eq!(e.message(), "log_loss: row 0 of the prediction contains 2, which is not a probability");
    assert_eq!(e.help(), Some("logits become probabilities with softmax(-1), or sigmoid() for a single one"));
    fails(
        metrics::top_k_accuracy(&Tensor::zeros([2, 3])?, &ids(&[0, 1]), 0),
        "top_k_accuracy: k is 0, expected at least 1",
    );
    assert_eq!(metrics::top_k_accuracy(&Tensor::zeros([2, 3])?, &ids(&[0, 2]), usize::MAX)?, 1.0);
    assert_eq!(metrics::top_k_accuracy(&Tensor::zeros([2, 3])?, &ids(&[0, 2]), 1)?, 0.5);
    // Log-loss in f32 clips at its own ε, and is finite.
    let certain = metrics::log_loss(&tensor![[0.0, 1.0]], &ids(&[0]))?;
    assert!((certain + f64::from(f32::EPSILON).ln()).abs() < 1e-9);
    Ok(())
}

/// Tables sized by an argument.
#[test]
fn tables_that_do_not_fit() -> Result<()> {
    let (p, y) = (ids(&[0, 1]), ids(&[1, 1]));
    for n in [8193, 1 << 20, 1 << 32, 1 << 40, usize::MAX] {
        let e = metrics::confusion_matrix(&p, &y, n).unwrap_err();
        assert_eq!(e.message(), format!("confusion_matrix: {n} classes make a table that is too large"));
        assert_eq!(e.help(), Some("look at the scores of Classification::per_class"));
        let e = Classification::new().labels(0..9000).confusion_matrix(&p, &y).unwrap_err();
        assert_eq!(e.message(), "confusion_matrix: 9000 classes make a table that is too large");
    }
    let e = metrics::confusion_matrix(&p, &y, 0).unwrap_err();
    assert_eq!(e.message(), "confusion_matrix: class 1 predicted as 0, expected numbers below 0");
    assert!(metrics::confusion_matrix(&p, &y, 1).is_err());
    assert_eq!(metrics::confusion_matrix(&p, &y, 3)?, vec![vec![0, 0, 0], vec![1, 1, 0], vec![0, 0, 0]]);
    // As many classes as examples: scores for each, without a table.
    let many: Vec<i64> = (0..20_000).collect();
    assert_eq!(metrics::f1(&ids(&many), &ids(&many))?, 1.0);
    assert!(Classification::new().confusion_matrix(&ids(&many), &ids(&many)).is_err());
    Ok(())
}

#[test]
fn confusion_matrices_are_read() -> Result<()> {
    let (p, y) = (ids(&[0, 0, 1, 2, 2, 0, 1]), ids(&[0, 0, 1, 2, 1, 2, 1]));
    let matrix = metrics::confusion_matrix(&p, &y, 3)?;
    assert_eq!(matrix[1], [0, 2, 1]);
    assert_eq!(matrix.rows().map(|row| row.iter().sum::<usize>()).collect::<Vec<_>>(), [2, 3, 2]);
    assert_eq!(
        matrix.to_string(),
        "actual ↓  0  1  2  ← predicted\n\
         0         2  0  0\n\
         1         0  2  1\n\
         2         1  0  1"
    );
    let named = matrix.with_names(["房屋", "a longer name", "c"])?.normalize(Normalize::Actual);
    assert_eq!(
        format!("{named:.1}"),
        "actual ↓       房屋  a longer name    c  ← predicted\n\
         房屋            1.0            0.0  0.0\n\
         a longer name   0.0            0.7  0.3\n\
         c               0.5            0.0  0.5"
    );
    assert_eq!(named.clone().with_names(["x"]).unwrap_err().message(), "confusion_matrix: 1 names for 3 classes");
    let rows: Vec<Vec<usize>> = named.into();
    assert_eq!(rows, [[2, 0, 0], [0, 2, 1], [1, 0, 1]]);
    // Large ones show their ends, long names are cut.
    let many: Vec<i64> = (0..1000).collect();
    let matrix = Classification::new().confusion_matrix(&ids(&many), &ids(&many))?;
    let text = matrix.to_string();
    assert_eq!(text.lines().count(), 22);
    assert!(text.lines().all(|line| line.chars().count() < 120), "{text}");
    assert!(text.contains("\n…         …") && text.lines().last().unwrap().starts_with("999 "), "{text}");
    let long = metrics::confusion_matrix(&p, &y, 3)?.with_names([&"x".repeat(5_000_000), "b\nc", "c"])?.to_string();
    assert!(long.len() < 500 && long.lines().count() == 4, "{long}");
    Ok(())
}

#[test]
fn reports_are_read() -> Result<()> {
    let (p, y) = (ids(&[0, 0, 1, 1, 0, 1]), ids(&[0, 0, 1, 1, 1, 1]));
    let report = Classification::new().names(["ham", "spam", "other"]).report(&p, &y)?;
    assert_eq!((report.accuracy, report.classes[2].support), (Some(5.0 / 6.0), 0.0));
    // With 0 for a class that never occurs, as scikit-learn prints it.
    assert_eq!(
        report.to_string(),
        [
            "              precision    recall  f1-score   support",
            "",
            "         ham       0.67      1.00      0.80         2",
            "        spam       1.00      0.75      0.86         4",
            "       other       0.00      0.00      0.00         0",
            "",
            "    accuracy                           0.83         6",
            "   macro avg       0.56      0.58      0.55         6",
            "weighted avg       0.89      0.83      0.84         6",
        ]
        .join("\n")
    );
    assert!(format!("{report:.4}").contains("0.6667"));
    let some = Classification::new().labels([1]).report(&p, &y)?;
    assert!(some.accuracy.is_none() && some.to_string().contains("micro avg"));
    Ok(())
}

/// Sums of squares neither overflow nor vanish, and a constant is one even if its mean is rounded.
#[test]
fn numbers_at_the_ends_of_their_range() -> Result<()> {
    let of = |values: &[f64]| Tensor::from_vec(values.to_vec(), [values.len()]);
    for unit in [1e-300, 1e-160, 1.0, 1e160, 1e300] {
        let (p, y) = (of(&[3.0 * unit, unit])?, of(&[2.0 * unit, 3.0 * unit])?);
        assert!((metrics::rmse(&p, &y)? / unit - 2.5f64.sqrt()).abs() < 1e-12, "{unit}");
        assert!((metrics::mae(&p, &y)? / unit - 1.5).abs() < 1e-12, "{unit}");
        assert!((metrics::r2(&p, &y)? - -9.0).abs() < 1e-12, "{unit}");
        assert!((metrics::explained_variance(&p, &y)? - -8.0).abs() < 1e-12, "{unit}");
        assert!((metrics::median_absolute_error(&p, &y)? / unit - 1.5).abs() < 1e-12, "{unit}");
    }
    assert_eq!(metrics::mae(&of(&[1.7e308, 1.7e308])?, &of(&[0.0, 0.0])?)?, 1.7e308);
    for constant in [0.1, 14.62, 1e9 + 0.3, -7.7e-5] {
        let y = Tensor::from_vec(vec![constant; 999], [999])?;
        assert_eq!(metrics::r2(&y, &y)?, 1.0);
        assert_eq!(metrics::r2(&y.add_scalar(1e-3), &y)?, 0.0, "{constant}");
        assert_eq!(metrics::explained_variance(&y.mul_scalar(0.0).add_scalar(constant), &y)?, 1.0, "{constant}");
    }
    Ok(())
}

/// What weighs nothing is as if it were not there: it makes no constant target vary, and spoils no exact prediction.
#[test]
fn examples_of_weight_zero_are_not_there() -> Result<()> {
    let of = |values: &[f64]| Tensor::from_vec(values.to_vec(), [values.len()]);
    type Method = fn(&Regression, &Tensor, &Tensor) -> Result<f64>;
    let all: [(&str, Method); 6] = [
        ("mse", Regression::mse),
        ("rmse", Regression::rmse),
        ("mae", Regression::mae),
        ("r2", Regression::r2),
        ("explained_variance", Regression::explained_variance),
        ("mape", Regression::mape),
    ];
    for (p, y) in
        [([1.0, 2.0, 3.0], [2.0, 2.0, 2.0]), ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]), ([1.0, 2.0, 3.0], [3.0, 2.0, 2.5])]
    {
        for more in [0.0, 5.0, -1e6] {
            let (long_p, long_y) = ([&p[..], &[more + 1.0]].concat(), [&y[..], &[more]].concat());
            let weighted = Regression::new().sample_weights(&of(&[1.0, 1.0, 1.0, 0.0])?);
            for (name, method) in all {
                let want = method(&Regression::new(), &of(&p)?, &of(&y)?)?;
                let got = method(&weighted, &of(&long_p)?, &of(&long_y)?)?;
                assert!((got - want).abs() < 1e-9, "{name} of {p:?} and {y:?} with {more}: {got}, not {want}");
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever the classes are: averages are bounded, micro averages over all classes are the accuracy, and whole weights are
    /// repetitions.
    #[test]
    fn any_classes(
        rows in prop::collection::vec((-3i64..4, -3i64..4, 0usize..4), 1..40),
        zero in prop::sample::select(vec![0.0, 1.0, f64::NAN]),
    ) {
        let column = |f: &dyn Fn(&(i64, i64, usize)) -> i64| ids(&rows.iter().map(f).collect::<Vec<_>>());
        let (p, y) = (column(&|r| r.0), column(&|r| r.1));
        let plain = Classification::new().zero_division(zero);
        let accuracy = plain.accuracy(&p, &y).unwrap();
        let scores = [plain.f1(&p, &y, Average::Micro), plain.recall(&p, &y, Average::Micro), plain.precision(&p, &y, Average::Micro)];
        for micro in scores {
            prop_assert!((micro.unwrap() - accuracy).abs() < 1e-12);
        }
        prop_assert!((plain.recall(&p, &y, Average::Weighted).unwrap() - accuracy).abs() < 1e-12);
        for average in [Average::Macro, Average::Weighted, Average::Micro] {
            for score in [plain.f1(&p, &y, average), plain.jaccard(&p, &y, average), plain.precision(&p, &y, average)] {
                let score = score.unwrap();
                prop_assert!((0.0..=1.0 + 1e-12).contains(&score) || (zero.is_nan() && score.is_nan()));
            }
        }
        if rows.iter().any(|r| r.2 > 0) {
            let weights = Tensor::from_vec(rows.iter().map(|r| r.2 as f64).collect::<Vec<_>>(), [rows.len()]).unwrap();
            let repeated: Vec<_> = rows.iter().flat_map(|r| vec![*r; r.2]).collect();
            let again = |f: &dyn Fn(&(i64, i64, usize)) -> i64| ids(&repeated.iter().map(f).collect::<Vec<_>>());
            let weighted = Classification::new().sample_weights(&weights);
            let (q, z) = (again(&|r| r.0), again(&|r| r.1));
            let both = [weighted.accuracy(&p, &y).unwrap(), metrics::accuracy(&q, &z).unwrap()];
            prop_assert!((both[0] - both[1]).abs() < 1e-12);
            let both = [
                weighted.f1(&p, &y, Average::Weighted).unwrap(),
                Classification::new().f1(&q, &z, Average::Weighted).unwrap(),
            ];
            prop_assert!((both[0] - both[1]).abs() < 1e-12);
        }
        prop_assert!(!plain.report(&p, &y).unwrap().to_string().is_empty());
        prop_assert!(!plain.confusion_matrix(&p, &y).unwrap().to_string().is_empty());
    }
}

/// Examples without weight decide neither whether all targets are the same nor how large they are. The numbers are
/// scikit-learn's for the examples that are left.
#[test]
fn examples_without_weight_might_as_well_not_be_there() -> Result<()> {
    for far in [3.7, 0.0, -1e30, 1e200] {
        let y = Tensor::from_vec(vec![far, 3.7, 3.7], [3])?;
        let weighted = Regression::new().sample_weights(&tensor![0.0, 1.0, 2.0]);
        let off = Tensor::from_vec(vec![1.5, 0.0, 0.0], [3])?;
        assert_eq!(weighted.explained_variance(&off, &y)?, 1.0, "{far}");
        assert_eq!(weighted.r2(&off, &y)?, 0.0, "{far}");
        let exact = Tensor::from_vec(vec![1.5, 3.7, 3.7], [3])?;
        assert_eq!(weighted.r2(&exact, &y)?, 1.0, "{far}");
        let y = Tensor::from_vec(vec![far, 1.0, 3.0], [3])?;
        let p = Tensor::from_vec(vec![2.0, 1.0, 2.0], [3])?;
        let even = Regression::new().sample_weights(&tensor![0.0, 1.0, 1.0]);
        assert_eq!((even.r2(&p, &y)?, even.explained_variance(&p, &y)?), (0.5, 0.75), "{far}");
    }
    Ok(())
}

/// scikit-learn leaves a class without examples out of a weighted mean; in a plain one it has no score.
#[test]
fn classes_without_examples_in_means_over_the_classes() {
    let p = tensor![
        [0.3394406649836252, 0.18808055431198029, 0.049105927587278615, 0.3742669255298373, 0.049105927587278615],
        [0.0711386435012503, 0.0711386435012503, 0.6811112141334316, 0.10681663955471993, 0.06979485930934792]
    ];
    let y = Tensor::from_nested([0i64, 1]).unwrap();
    let options = Classification::new();
    assert_eq!(options.roc_auc_one_vs_rest(&p, &y, Average::Weighted).unwrap(), 0.5);
    let e = options.roc_auc_one_vs_rest(&p, &y, Average::Macro).unwrap_err();
    assert_eq!(e.message(), "roc_auc: there is no positive example, so that it is not defined");
    assert!(e.to_string().contains(file!()), "{e}");
    let e = options.average_precision_one_vs_rest(&tensor![[0.5, 0.5]], &y.narrow(0, 1, 1).unwrap(), Average::Macro);
    assert!(e.unwrap_err().to_string().contains(file!()));
}

/// What is not defined on the data is an error that says why.
#[test]
fn what_is_not_defined_says_why() -> Result<()> {
    use demotic::train::metrics::{
        Bins, Bootstrap, BootstrapMethod, Chrf, ErrorRate, KappaWeights, McNemarTest, MultiLabel, Rouge, RougeKind,
    };
    let (ones, p) = (ids(&[1, 1, 1]), tensor![0.2, 0.9, 0.4]);
    fails(metrics::cohen_kappa(&ones, &ones), "cohen_kappa: only one class occurs, so that it is not defined");
    let weighted = Classification::new().cohen_kappa_weighted(&ones, &ones, KappaWeights::Linear);
    fails(weighted, "cohen_kappa: only one class occurs, so that it is not defined");
    let none = Classification::new().zero_division(f64::NAN).labels([7]).precision(&ones, &ones, Average::Macro);
    fails(none, "precision: every class would be divided by 0, so that it is not defined");
    fails(metrics::roc_auc(&p, &ones), "roc_auc: there is no negative example, so that it is not defined");
    let message = |e: Error| e.message();
    let e = metrics::roc_curve(&p, &ones).map(|_| ()).map_err(message).unwrap_err();
    assert_eq!(e, "roc_curve: there is no negative example, so that it is not defined");
    let zeros = ids(&[0, 0, 0]);
    let e = metrics::precision_recall_curve(&p, &zeros).map(|_| ()).map_err(message).unwrap_err();
    assert_eq!(e, "precision_recall_curve: there is no positive example, so that it is not defined");
    let e = metrics::lift_curve(&p, &zeros).map(|_| ()).map_err(message).unwrap_err();
    assert_eq!(e, "lift_curve: there is no positive example, so that it is not defined");
    let rows = tensor![[0.5, 0.25, 0.25], [0.2, 0.4, 0.4]];
    let one_vs_one = Classification::new().roc_auc_one_vs_one(&rows, &ids(&[0, 1]), Average::Macro);
    fails(one_vs_one, "roc_auc: class 2 does not occur, so that it is not defined");
    let e = Classification::new().roc_auc_one_vs_one(&rows, &ids(&[0, 1]), Average::Micro);
    fails(e, "roc_auc: Average::Micro of pairs of classes");
    fails(
        metrics::expected_calibration_error(&p, &ones, 0),
        "expected_calibration_error: 0 bins, expected 1 to 1048576",
    );
    let e = Classification::new().maximum_calibration_error(&tensor![1.5], &ids(&[1]), 3, Bins::Quantile);
    fails(e, "maximum_calibration_error: the prediction contains 1.5, which is not a probability");

    let lists = tensor![[0.0, 0.0]];
    fails(metrics::ndcg(&lists, &lists, None), "ndcg: no query has a relevant document, so that it is not defined");
    fails(metrics::ndcg(&lists, &lists, Some(0)), "ndcg: k is 0, expected at least 1");
    let e = metrics::ndcg(&tensor![[1.0]], &tensor![[1.0]], None);
    fails(e, "ndcg: one document for each query, expected several, which have an order");
    let e = metrics::mean_reciprocal_rank(&lists, &tensor![[0.0, -1.0]]);
    fails(e, "mean_reciprocal_rank: relevance [0, 1] is -1, expected a finite number of at least 0");
    let points = tensor![[0.0], [1.0], [2.0]];
    fails(metrics::silhouette(&points, &ones), "silhouette: 1 group of 3 points, so that it is not defined");
    fails(
        metrics::silhouette(&points, &ids(&[0, 1, 2])),
        "silhouette: 3 groups of 3 points, so that it is not defined",
    );
    fails(metrics::silhouette(&points, &ids(&[0, 1])), "silhouette: labels of shape [2] for 3 points, expected [3]");

    let labels = MultiLabel::new();
    let two = tensor![[1.0, 0.0]];
    let e = labels.f1(&two, &two, Average::Binary);
    fails(e, "f1: Average::Binary of several labels");
    fails(labels.accuracy(&two, &tensor![[0.0, 2.0]]), "accuracy: target [0, 1] is 2, expected 0 or 1");
    let e = labels.accuracy(&two, &ids(&[1]));
    fails(e, "accuracy: the prediction has shape [1, 2], the target [1], expected both [n, labels]");
    let e = labels.roc_auc(&two, &two, Average::Macro);
    fails(e, "roc_auc: there is no negative example, so that it is not defined");
    let none = two.zeros_like();
    for average in
        [labels.roc_auc(&two, &none, Average::Weighted), labels.average_precision(&two, &none, Average::Weighted)]
    {
        let e = average.unwrap_err().message();
        assert!(e.ends_with(": there is no positive example in any column, so that it is not defined"), "{e}");
    }
    fails(
        metrics::f_beta(&ones, &ones, 1.0, Average::Samples),
        "f_beta: Average::Samples of examples that have one class each",
    );

    fails(metrics::bleu(&[], &[]).map(|s| s.score), "bleu: there are no texts");
    fails(metrics::bleu(&["a"], &[]).map(|s| s.score), "bleu: 1 texts and references for 0");
    fails(metrics::sentence_bleu("a", &[]).map(|s| s.score), "bleu: a text without a reference");
    fails(Chrf::new().value(), "chrf: there are no texts");
    fails(Rouge::new(RougeKind::L).value().map(|s| s.f1), "rouge: there are no texts");
    fails(metrics::rouge("a", "b", RougeKind::N(0)).map(|s| s.f1), "rouge: runs of 0 words, expected 1 to 1024");
    fails(
        metrics::word_error_rate(&["a"], &[""]),
        "word_error_rate: the references are empty, so that it is not defined",
    );
    fails(ErrorRate::characters().value(), "character_error_rate: there are no texts");

    let test = metrics::mcnemar(&ones, &ones, &ones, McNemarTest::Corrected).map(|t| t.p_value);
    fails(test, "mcnemar: both models have the same examples right, so that it is not defined");
    assert_eq!(metrics::mcnemar(&ones, &ones, &ones, McNemarTest::Exact)?.p_value, 1.0);
    let bootstrap = Bootstrap::new().resamples(50);
    let e = bootstrap.interval(&tensor![0.1, 0.9], &ids(&[0, 1]), metrics::roc_auc);
    let e = e.map(|i| i.value).unwrap_err();
    assert!(e.message().starts_with("Bootstrap: the metric is not defined on "), "{e}");
    let bca = bootstrap.clone().method(BootstrapMethod::Bca);
    let e = bca.interval(
        &tensor![0.1, 0.6, 0.3, 0.4, 0.2, 0.9, 0.3, 0.5],
        &ids(&[0, 1, 0, 0, 0, 0, 0, 0]),
        metrics::average_precision,
    );
    let e = e.map(|i| i.value);
    fails(
        e,
        "Bootstrap: without example 1: average_precision: there is no positive example, so that it is not defined",
    );
    let e = Bootstrap::new().level(1.0).interval(&p, &p, metrics::mae).map(|i| i.value);
    fails(e, "Bootstrap: the level is 1, expected a number between 0 and 1");
    let e = Bootstrap::new().interval(&p, &ids(&[1]), metrics::mae).map(|i| i.value);
    fails(e, "Bootstrap: different numbers of examples: [3, 1]");
    Ok(())
}

/// Batches one after the other, and two halves joined, are the whole.
#[test]
fn batches_that_are_joined_are_the_whole() -> Result<()> {
    use demotic::train::running::{
        self, Metric, RunningAccuracy, RunningClasses, RunningExactMatch, RunningF1, RunningMae, RunningNumbers,
        RunningPerplexity, RunningR2, RunningScores,
    };
    let mut rng = Rng::seed(3);
    let n = 60;
    let logits = Tensor::normal([n, 3], 0.0, 1.0, &mut rng)?;
    let mut classes: Vec<i64> = (0..n).map(|_| rng.below(3) as i64).collect();
    classes[7] = -100;
    let y = ids(&classes);
    let probabilities = logits.softmax(-1)?;
    let p = Tensor::normal([n, 2], 3.0, 1.0, &mut rng)?.abs();
    let t = (&p + &Tensor::normal([n, 2], 0.0, 0.3, &mut rng)?)?.abs();
    let weights = Tensor::uniform([n], 0.5, 2.0, &mut rng)?;
    type Whole<'a> = Box<dyn Fn() -> Result<f64> + 'a>;
    let c = Classification::new;
    let rows: Vec<(Box<dyn Metric>, &Tensor, &Tensor, Whole<'_>)> = vec![
        (Box::new(RunningAccuracy::default()), &logits, &y, Box::new(|| metrics::accuracy(&logits, &y))),
        (Box::new(RunningF1::default()), &logits, &y, Box::new(|| metrics::f1(&logits, &y))),
        (Box::new(RunningPerplexity::default()), &logits, &y, Box::new(|| metrics::perplexity(&logits, &y))),
        (Box::new(RunningExactMatch::default()), &logits, &y, Box::new(|| metrics::exact_match(&logits, &y))),
        (
            Box::new(RunningClasses::new(Classification::balanced_accuracy)),
            &logits,
            &y,
            Box::new(|| metrics::balanced_accuracy(&logits, &y)),
        ),
        (
            Box::new(RunningClasses::new(Classification::cohen_kappa)),
            &logits,
            &y,
            Box::new(|| metrics::cohen_kappa(&logits, &y)),
        ),
        (
            Box::new(RunningClasses::new(Classification::matthews_correlation)),
            &logits,
            &y,
            Box::new(|| metrics::matthews_correlation(&logits, &y)),
        ),
        (
            Box::new(RunningClasses::new(|o, p, y| o.jaccard(p, y, Average::Weighted))),
            &logits,
            &y,
            Box::new(|| c().jaccard(&logits, &y, Average::Weighted)),
        ),
        (
            Box::new(RunningScores::new(Classification::log_loss)),
            &probabilities,
            &y,
            Box::new(|| metrics::log_loss(&probabilities, &y)),
        ),
        (
            Box::new(RunningScores::new(Classification::brier_score)),
            &probabilities,
            &y,
            Box::new(|| metrics::brier_score(&probabilities, &y)),
        ),
        (
            Box::new(RunningScores::new(|o, p, y| o.top_k_accuracy(p, y, 2))),
            &logits,
            &y,
            Box::new(|| metrics::top_k_accuracy(&logits, &y, 2)),
        ),
        (
            Box::new(running::at_once(move |p, y| c().roc_auc_one_vs_rest(p, y, Average::Macro))),
            &probabilities,
            &y,
            Box::new(|| c().roc_auc_one_vs_rest(&probabilities, &y, Average::Macro)),
        ),
        (
            Box::new(running::at_once(metrics::median_absolute_error)),
            &p,
            &t,
            Box::new(|| metrics::median_absolute_error(&p, &t)),
        ),
        (Box::new(RunningMae::default()), &p, &t, Box::new(|| metrics::mae(&p, &t))),
        (Box::new(RunningR2::default()), &p, &t, Box::new(|| metrics::r2(&p, &t))),
        (Box::new(RunningNumbers::mse()), &p, &t, Box::new(|| metrics::mse(&p, &t))),
        (Box::new(RunningNumbers::rmse()), &p, &t, Box::new(|| metrics::rmse(&p, &t))),
        (Box::new(RunningNumbers::mae()), &p, &t, Box::new(|| metrics::mae(&p, &t))),
        (Box::new(RunningNumbers::mape()), &p, &t, Box::new(|| metrics::mape(&p, &t))),
        (Box::new(RunningNumbers::msle()), &p, &t, Box::new(|| metrics::msle(&p, &t))),
        (Box::new(RunningNumbers::r2()), &p, &t, Box::new(|| metrics::r2(&p, &t))),
        (Box::new(RunningNumbers::explained_variance()), &p, &t, Box::new(|| metrics::explained_variance(&p, &t))),
        (Box::new(RunningNumbers::max_error()), &p, &t, Box::new(|| metrics::max_error(&p, &t))),
    ];
    for (i, (metric, prediction, target, whole)) in rows.iter().enumerate() {
        let mut parts = [metric.fresh(), metric.fresh(), metric.fresh()];
        assert!(parts[0].value().is_err(), "{i}: a value of nothing");
        for (k, start) in (0..n).step_by(7).enumerate() {
            let end = (start + 7).min(n);
            parts[k % 2].update(&prediction.slice(0, start..end)?, &target.slice(0, start..end)?)?;
        }
        let [mut all, other, nothing] = parts;
        all.merge(&*other)?;
        all.merge(&*nothing)?;
        let (got, want) = (all.value()?, whole()?);
        assert!((got - want).abs() <= 1e-6 * want.abs().max(1.0), "{i}: {got}, expected {want}");
        assert_eq!(
            all.merge(&Closed).unwrap_err().message(),
            "Metric: two metrics of different kinds cannot be joined"
        );
    }
    // With weights.
    let weighted = Classification::new().sample_weights(&weights);
    let mut matrix = RunningClasses::new(|o, p, y| o.f1(p, y, Average::Macro));
    let mut loss = RunningScores::new(Classification::log_loss);
    let mut explained = RunningNumbers::explained_variance();
    let known: Vec<i64> = classes.iter().map(|y| (*y).max(0)).collect();
    let known = ids(&known);
    for start in (0..n).step_by(11) {
        let part = |x: &Tensor| x.slice(0, start..(start + 11).min(n));
        matrix.update_weighted(&part(&logits)?, &part(&known)?, &part(&weights)?)?;
        loss.update_weighted(&part(&probabilities)?, &part(&known)?, &part(&weights)?)?;
        explained.update_weighted(&part(&p)?, &part(&t)?, &part(&weights)?)?;
    }
    let near = |got: f64, want: f64| assert!((got - want).abs() < 1e-6, "{got}, expected {want}");
    near(matrix.value()?, weighted.f1(&logits, &known, Average::Macro)?);
    near(loss.value()?, weighted.log_loss(&probabilities, &known)?);
    near(explained.value()?, Regression::new().sample_weights(&weights).explained_variance(&p, &t)?);
    let (got, want) = (matrix.confusion_matrix()?, weighted.confusion_matrix(&logits, &known)?);
    assert_eq!(got.rows().collect::<Vec<_>>(), want.rows().collect::<Vec<_>>());
    assert_eq!(
        format!("{got:.4}\n{:.4}", matrix.report()?),
        format!("{want:.4}\n{:.4}", weighted.report(&logits, &known)?)
    );
    let e = Closed.update_weighted(&p, &t, &weights).unwrap_err();
    assert_eq!(e.message(), "Metric: this metric has no weights of examples");
    assert_eq!(Closed.merge(&Closed).unwrap_err().message(), "Metric: this metric cannot be joined with another one");
    Ok(())
}

/// A metric that has only what it must.
struct Closed;

impl demotic::train::running::Metric for Closed {
    fn update(&mut self, _: &Tensor, _: &Tensor) -> Result<()> {
        Ok(())
    }

    fn value(&self) -> Result<f64> {
        Ok(0.0)
    }

    fn fresh(&self) -> Box<dyn demotic::train::running::Metric> {
        Box::new(Self)
    }
}

/// Of a mean, the interval is that of the normal distribution, and holds the true value as often as it says.
#[test]
fn intervals_hold_what_they_promise() -> Result<()> {
    use demotic::train::metrics::{Bootstrap, BootstrapMethod};
    let mut rng = Rng::seed(5);
    let mut held = [0; 2];
    for seed in 0..100 {
        let errors = Tensor::normal([40], 0.0, 1.0, &mut rng)?;
        // The mean of the absolute value is √(2 / π).
        let truth = (2.0 / std::f64::consts::PI).sqrt();
        for (held, method) in held.iter_mut().zip([BootstrapMethod::Percentile, BootstrapMethod::Bca]) {
            let bootstrap = Bootstrap::new().resamples(200).level(0.9).seed(seed).method(method);
            let interval = bootstrap.interval(&errors, &errors.mul_scalar(0.0), metrics::mae)?;
            assert_eq!(interval, bootstrap.interval(&errors, &errors.mul_scalar(0.0), metrics::mae)?);
            *held += i32::from(interval.low <= truth && truth <= interval.high);
        }
    }
    assert!(held.iter().all(|held| (80..=97).contains(held)), "{held:?} of 100");
    Ok(())
}
