"""Fairness as Fairlearn measures and mends it, for fairness.rs: python tests/golden/make_fairness.py"""

import json
import pathlib
import sys

import fairlearn
import numpy as np
import sklearn
from fairlearn import metrics as fm
from fairlearn.postprocessing import ThresholdOptimizer
from fairlearn.reductions import (
    DemographicParity,
    EqualizedOdds,
    ExponentiatedGradient,
    TruePositiveRateParity,
)
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, precision_score

seed = int(sys.argv[sys.argv.index("--seed") + 1]) if "--seed" in sys.argv else 0
rng = np.random.default_rng(seed)


class Scores(ClassifierMixin, BaseEstimator):
    """A model whose only feature is its score."""

    def fit(self, x, y):
        self.classes_ = np.array([0, 1])
        return self

    def predict_proba(self, x):
        s = np.asarray(x)[:, 0]
        return np.stack([1 - s, s], 1)

    def predict(self, x):
        return (np.asarray(x)[:, 0] > 0.5).astype(int)


def draw(n, groups, digits):
    group = rng.integers(0, groups, n)
    y = (rng.random(n) < 0.3 + 0.1 * group).astype(int)
    score = np.clip(0.45 + 0.25 * (y - 0.5) + 0.06 * group + 0.18 * rng.standard_normal(n), 0, 1)
    return np.round(score, digits), y, group


def measures(score, y, group):
    p = (score > 0.5).astype(int)
    of = {"y_true": y, "y_pred": p, "sensitive_features": group}
    frame = fm.MetricFrame(
        metrics={
            "selection rate": fm.selection_rate,
            "true positive rate": fm.true_positive_rate,
            "false positive rate": fm.false_positive_rate,
            "true negative rate": fm.true_negative_rate,
            "false negative rate": fm.false_negative_rate,
            "accuracy": accuracy_score,
            "precision": precision_score,
        },
        **of,
    )
    return {
        "by_group": {name: frame.by_group[name].tolist() for name in frame.by_group},
        "overall": {name: float(frame.overall[name]) for name in frame.by_group},
        "demographic_parity_difference": fm.demographic_parity_difference(**of),
        "demographic_parity_ratio": fm.demographic_parity_ratio(**of),
        "equalized_odds_difference": fm.equalized_odds_difference(**of),
        "equalized_odds_ratio": fm.equalized_odds_ratio(**of),
        "equal_opportunity_difference": fm.equal_opportunity_difference(**of),
        "equal_opportunity_ratio": fm.equal_opportunity_ratio(**of),
    }


def thresholds(score, y, group):
    found = {}
    names = ["demographic_parity", "true_positive_rate_parity", "false_positive_rate_parity", "equalized_odds"]
    for constraint in names:
        model = Scores().fit(None, None)
        fitted = ThresholdOptimizer(
            estimator=model, constraints=constraint, prefit=True, predict_method="predict_proba"
        ).fit(score[:, None], y, sensitive_features=group)
        p = fitted._pmf_predict(score[:, None], sensitive_features=group)[:, 1]
        found[constraint] = np.round(p, 9).tolist()
    return found


def mixtures(n, groups):
    group = rng.integers(0, groups, n)
    x = np.round(rng.standard_normal((n, 3)) + 0.5 * (group[:, None] - 0.5), 3)
    y = (x @ [1.0, -0.6, 0.3] + 0.4 * group + rng.standard_normal(n) > 0.2).astype(int)
    found = {}
    kinds = {"demographic": DemographicParity, "equal_opportunity": TruePositiveRateParity, "equalized_odds": EqualizedOdds}
    for name, kind in kinds.items():
        model = LogisticRegression(C=1.0, tol=1e-12, max_iter=1000, solver="newton-cholesky")
        fitted = ExponentiatedGradient(model, kind(difference_bound=0.02), max_iter=12, run_linprog_step=False)
        fitted.fit(x, y, sensitive_features=group)
        found[name] = {"p": np.round(fitted._pmf_predict(x)[:, 1], 9).tolist(), "gap": float(fitted.best_gap_)}
    return {"x": x.tolist(), "y": y.tolist(), "group": group.tolist(), "found": found}


cases = []
for n, groups, digits in [(60, 2, 2), (80, 3, 3), (50, 4, 1)]:
    score, y, group = draw(n, groups, digits)
    cases.append(
        {
            "score": score.tolist(),
            "y": y.tolist(),
            "group": group.tolist(),
            "measures": measures(score, y, group),
            "thresholds": thresholds(score, y, group),
        }
    )
out = {
    "fairlearn": fairlearn.__version__,
    "scikit-learn": sklearn.__version__,
    "seed": seed,
    "cases": cases,
    "mixtures": [mixtures(60, 2), mixtures(70, 3)],
}
path = pathlib.Path(__file__).with_name("fairness.json")
path.write_text(json.dumps(out) + "\n")
print(path, path.stat().st_size)
