"""Writes metrics.json: what scikit-learn says of random and of hostile predictions. See README.md.

    pip install scikit-learn==1.9.1 numpy==2.4.6
    python tests/golden/make_metrics.py
"""

import json
import math
import pathlib
import sys
import warnings

import numpy as np
import sklearn
from sklearn import metrics as m

warnings.simplefilter("ignore")
SEED = int(sys.argv[sys.argv.index("--seed") + 1]) if "--seed" in sys.argv else 0
AVERAGES = ["macro", "weighted", "micro"]
ZERO = {"0": 0.0, "1": 1.0, "nan": np.nan}


def plain(x):
    """Numbers as JSON has them: NaN as null."""
    if isinstance(x, dict):
        return {key: plain(value) for key, value in x.items()}
    if isinstance(x, (list, tuple, np.ndarray)):
        return [plain(value) for value in x]
    if isinstance(x, (float, np.floating)):
        return None if math.isnan(x) else float(x)
    if isinstance(x, np.integer):
        return int(x)
    return x


def classes_case(name, y, p, weights=None, labels=None, zero="0"):
    y, p = np.asarray(y), np.asarray(p)
    options = {"sample_weight": weights, "labels": labels, "zero_division": ZERO[zero]}
    out = {
        "accuracy": m.accuracy_score(y, p, sample_weight=weights),
        "balanced_accuracy": m.balanced_accuracy_score(y, p, sample_weight=weights),
        "matthews_correlation": m.matthews_corrcoef(y, p, sample_weight=weights),
        "cohen_kappa": m.cohen_kappa_score(y, p, sample_weight=weights),
        "per_class": [list(row) for row in zip(*m.precision_recall_fscore_support(y, p, **options))],
        "report": m.classification_report(y, p, **options),
    }
    averages = list(AVERAGES)
    occurring = set(y) | set(p)
    if labels is None and len(occurring) <= 2 and (len(occurring) < 2 or 1 in occurring) and occurring <= {-1, 0, 1, 2}:
        averages.append("binary")
    for average in averages:
        o = dict(options, average=average)
        if average == "binary":
            o.pop("labels")
        out[average] = {
            "precision": m.precision_score(y, p, **o),
            "recall": m.recall_score(y, p, **o),
            "f1": m.f1_score(y, p, **o),
            "f0.5": m.fbeta_score(y, p, beta=0.5, **o),
            "f3": m.fbeta_score(y, p, beta=3.0, **o),
            "f0": m.fbeta_score(y, p, beta=0.0, **o),
            "finf": m.fbeta_score(y, p, beta=np.inf, **o),
        }
        if zero != "nan":
            out[average]["jaccard"] = m.jaccard_score(y, p, **o)
    if labels is None or set(labels) & set(y):
        for normalize in [None, "true", "pred", "all"]:
            matrix = m.confusion_matrix(y, p, labels=labels, sample_weight=weights, normalize=normalize)
            out[f"confusion {normalize}"] = matrix.astype(float)
    return {"name": name, "y": y, "p": p, "weights": weights, "labels": labels, "zero": zero, "out": out}


def scores_case(name, y, scores, weights=None):
    """Single scores of class 1; also as probabilities, if they are."""
    y, scores = np.asarray(y), np.asarray(scores, dtype=float)
    out = {
        "roc_auc": m.roc_auc_score(y, scores, sample_weight=weights),
        "average_precision": m.average_precision_score(y, scores, sample_weight=weights),
    }
    if scores.min() >= 0 and scores.max() <= 1:
        out["log_loss"] = m.log_loss(y, scores, sample_weight=weights, labels=[0, 1])
        out["brier_score"] = m.brier_score_loss(y, scores, sample_weight=weights)
    return {"name": name, "y": y, "scores": scores, "weights": weights, "out": out}


def rows_case(name, y, rows, weights=None):
    """Probabilities of several classes, all of which occur. No two of a row are the same."""
    y, rows = np.asarray(y), np.asarray(rows)
    classes = list(range(rows.shape[1]))
    one_hot = np.eye(len(classes))[y]
    out = {"log_loss": m.log_loss(y, rows, sample_weight=weights, labels=classes)}
    out["brier_score"] = m.brier_score_loss(y, rows, sample_weight=weights, labels=classes, scale_by_half=False)
    for average in AVERAGES:
        if len(classes) > 2:
            auc = m.roc_auc_score(y, rows, multi_class="ovr", average=average, sample_weight=weights, labels=classes)
        else:
            auc = m.roc_auc_score(one_hot, rows, average=average, sample_weight=weights)
        out[f"roc_auc {average}"] = auc
        out[f"average_precision {average}"] = m.average_precision_score(
            one_hot, rows, average=average, sample_weight=weights
        )
    for k in range(1, len(classes) + 2):
        if len(classes) > 2:
            out[f"top {k}"] = m.top_k_accuracy_score(y, rows, k=k, sample_weight=weights, labels=classes)
    return {"name": name, "y": y, "rows": rows, "weights": weights, "out": out}


def numbers_case(name, y, p, weights=None):
    y, p = np.asarray(y, dtype=float), np.asarray(p, dtype=float)
    w = {"sample_weight": weights}
    out = {
        "mse": m.mean_squared_error(y, p, **w),
        "mae": m.mean_absolute_error(y, p, **w),
        "mape": m.mean_absolute_percentage_error(y, p, **w),
        "r2": m.r2_score(y, p, **w),
        "explained_variance": m.explained_variance_score(y, p, **w),
        "pinball": m.mean_pinball_loss(y, p, alpha=0.3, **w),
    }
    if y.ndim == 1:
        out["rmse"] = m.root_mean_squared_error(y, p, **w)
        out["max_error"] = m.max_error(y, p)
    if weights is None:
        out["median_absolute_error"] = m.median_absolute_error(y, p)
    if min(y.min(), p.min()) > -1:
        out["msle"] = m.mean_squared_log_error(y, p, **w)
    return {"name": name, "y": y, "p": p, "weights": weights, "out": out}


def all_cases():
    rng = np.random.default_rng(SEED)
    weigh = lambda n: rng.choice([0.0, 0.25, 1.0, 2.5, 7.0], n) + (np.arange(n) == 0)
    classes, scores, rows, numbers = [], [], [], []

    for i in range(40):
        n, k = int(rng.integers(2, 60)), int(rng.integers(2, 7))
        y = rng.integers(0, k, n)
        p = np.where(rng.random(n) < rng.random(), y, rng.integers(0, k, n))
        weights = weigh(n) if i % 3 == 0 else None
        labels = [None, None, list(range(k + 1)), [int(y[0])], list(range(k))[::-1]][i % 5]
        classes.append(classes_case(f"random {i}", y, p, weights, labels, "0" if i < 24 else ["1", "nan"][i % 2]))
    for zero in ZERO:
        classes += [
            classes_case(f"one class {zero}", [1, 1, 1], [1, 1, 1], zero=zero),
            classes_case(f"never right {zero}", [0, 0, 0], [1, 1, 1], zero=zero),
            classes_case(f"never predicted {zero}", [0, 1, 2, 2], [0, 0, 0, 0], zero=zero),
            classes_case(f"one example {zero}", [2], [2], zero=zero),
            classes_case(f"all negative {zero}", [0, 0, 0], [0, 0, 0], zero=zero),
            classes_case(f"plus and minus {zero}", [-1, 1, 1, -1, 1], [-1, 1, -1, -1, 1], zero=zero),
            classes_case(f"negative labels {zero}", [-7, -1, 3, -7], [-7, 3, 3, -1], zero=zero),
            classes_case(f"a label that never occurs {zero}", [0, 1, 1], [1, 1, 0], labels=[1, 0, 9], zero=zero),
            classes_case(f"weights of zero {zero}", [0, 1, 2], [0, 2, 1], weights=[1.0, 0.0, 0.0], zero=zero),
        ]
    classes.append(classes_case("large labels", [1 << 40, 5, 5, 1 << 40], [5, 5, 1 << 40, 1 << 40]))
    classes.append(classes_case("rare", [0] * 99 + [1], [0] * 100))

    for i in range(24):
        n = int(rng.integers(2, 80))
        y = rng.integers(0, 2, n)
        y[0], y[1] = 0, 1
        s = rng.random(n) * 0.7 + 0.3 * y * rng.random()
        if i % 3 == 1:
            s = np.round(s, 1)
        if i % 4 == 3:
            s = (s - 0.5) * 20
        scores.append(scores_case(f"random {i}", y, s, weigh(n) + 0.1 if i % 2 else None))
    scores += [
        scores_case("all equal", [0, 1, 0, 1, 1], [0.5] * 5),
        scores_case("perfect", [0, 0, 1, 1], [0.0, 0.1, 0.9, 1.0]),
        scores_case("inverted", [1, 1, 0, 0], [0.0, 0.1, 0.9, 1.0]),
        scores_case("certain and wrong", [1, 0], [0.0, 1.0]),
        scores_case("zeros of both signs", [1, 0, 1, 0], [0.0, -0.0, -0.0, 0.0]),
        scores_case("huge", [1, 0, 1, 0], [1e300, -1e300, 1e-300, 1e299]),
        scores_case("next to each other", [1, 0, 1], [0.1, np.nextafter(0.1, 1), np.nextafter(0.1, 0)]),
    ]

    for i in range(16):
        k = int(rng.integers(2, 6))
        n = k + int(rng.integers(1, 40))
        y = np.concatenate([np.arange(k), rng.integers(0, k, n - k)])
        logits = rng.normal(0, 2, (n, k)) + np.eye(k)[y] * rng.random() * 3
        p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        rows.append(rows_case(f"random {i}", y, p, weigh(n) + 0.1 if i % 2 else None))
    certain = np.array([[1.0, 0.0, 0.0], [0.0, 0.7, 0.3], [0.25, 0.75, 0.0], [0.2, 0.3, 0.5]])
    rows.append(rows_case("certain", [0, 1, 2, 2], certain))

    for i in range(20):
        n = int(rng.integers(2, 50))
        y = rng.normal(0, 1, n) * 10.0 ** rng.integers(-3, 6)
        p = y + rng.normal(0, 1, n) * np.abs(y).max() * rng.random()
        numbers.append(numbers_case(f"random {i}", y, p, weigh(n) if i % 2 else None))
    for i in range(8):
        n, k = int(rng.integers(2, 20)), int(rng.integers(2, 5))
        y = rng.normal(0, 1, (n, k)) * 10.0 ** np.arange(k)
        p = y + rng.normal(0, 0.5, (n, k))
        numbers.append(numbers_case(f"outputs {i}", np.abs(y), np.abs(p), weigh(n) if i % 2 else None))
    numbers += [
        numbers_case("constant and met", [2.0, 2.0, 2.0], [2.0, 2.0, 2.0]),
        numbers_case("constant and missed", [2.0, 2.0, 2.0], [2.0, 1.0, 2.0]),
        numbers_case("constant offset", [1.0, 2.0, 4.0], [2.0, 3.0, 5.0]),
        numbers_case("one constant output", [[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]], [[1.0, 5.0], [2.0, 4.0], [4.0, 5.0]]),
        numbers_case("zeros among targets", [0.0, 1.0, 0.0], [0.0, 2.0, 1e-3]),
        numbers_case("large", [1e150, -2e150, 5e149], [1.1e150, -1.9e150, 4e149]),
        numbers_case("tiny", [1e-150, -2e-150, 5e-149], [1.1e-150, -1.9e-150, 4e-149]),
        numbers_case("far from zero", [1e9, 1e9 + 1, 1e9 + 2], [1e9, 1e9 + 1.5, 1e9 + 2]),
    ]
    return {"classes": classes, "scores": scores, "rows": rows, "numbers": numbers}


if __name__ == "__main__":
    data = {"scikit-learn": sklearn.__version__, "numpy": np.__version__, "seed": SEED, **all_cases()}
    path = pathlib.Path(__file__).with_name("metrics.json")
    groups = ",\n".join(
        f"{json.dumps(key)}: " + ("[\n" + ",\n".join(json.dumps(plain(case)) for case in value) + "\n]" if isinstance(value, list) else json.dumps(value))
        for key, value in data.items()
    )
    path.write_text("{\n" + groups + "\n}\n")
    print(path.name, {key: len(value) for key, value in data.items() if isinstance(value, list)}, path.stat().st_size)
