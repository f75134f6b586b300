"""Calibration by scikit-learn, conformal prediction by MAPIE, the rest by NumPy in closed form, for reliability.rs."""

import json
import pathlib
import sys
import warnings

import mapie
import numpy as np
import scipy.optimize as so
import scipy.special as sp
import sklearn
from mapie.classification import SplitConformalClassifier
from mapie.conformity_scores.sets.aps import APSConformityScore
from mapie.conformity_scores.sets.raps import RAPSConformityScore
from mapie.regression import ConformalizedQuantileRegressor, SplitConformalRegressor
from mapie.regression import CrossConformalRegressor
from mapie.utils import _compute_classification_quantile
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.calibration import _SigmoidCalibration
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import LeaveOneOut

warnings.filterwarnings("ignore")
seed = int(sys.argv[sys.argv.index("--seed") + 1]) if "--seed" in sys.argv else 0
rng = np.random.default_rng(seed)


def calibration():
    n = 80
    z = np.round(3 * rng.standard_normal(n), 2)
    y = (rng.random(n) < sp.expit(0.5 * z - 0.3)).astype(int)
    new = np.round(np.linspace(-7, 7, 9) + 0.01, 3)
    platt = _SigmoidCalibration().fit(z, y)
    isotonic = IsotonicRegression(out_of_bounds="clip").fit(z, y)

    def loss(w):
        a, b, c = w
        logit = a * -np.logaddexp(0, -z) + b * np.logaddexp(0, z) + c
        return np.sum(np.logaddexp(0, logit) - y * logit)

    beta = so.minimize(loss, [1, 1, 0], method="BFGS", options={"gtol": 1e-10}).x
    multi = np.round(2 * rng.standard_normal((60, 4)), 2)
    target = np.array([rng.choice(4, p=sp.softmax(0.6 * row)) for row in multi])
    nll = lambda t: -np.mean(sp.log_softmax(multi / t, axis=1)[np.arange(60), target])
    temperature = so.minimize_scalar(nll, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-10}).x
    return {
        "z": z.tolist(),
        "y": y.tolist(),
        "new": new.tolist(),
        "platt": platt.predict(new).tolist(),
        "isotonic": isotonic.predict(new).tolist(),
        "beta": beta.tolist(),
        "multi": multi.tolist(),
        "target": target.tolist(),
        "temperature": float(temperature),
    }


class Fixed(RegressorMixin, BaseEstimator):
    """Predicts one of its features."""

    def __init__(self, column=0):
        self.column = column

    def fit(self, x, y):
        self.n_features_in_ = np.asarray(x).shape[1]
        return self

    def predict(self, x):
        return np.asarray(x)[:, self.column]


class Given(ClassifierMixin, BaseEstimator):
    """Probabilities are its features."""

    def fit(self, x, y):
        self.classes_ = np.arange(np.asarray(x).shape[1])
        self.n_features_in_ = np.asarray(x).shape[1]
        return self

    def predict_proba(self, x):
        return np.asarray(x)

    def predict(self, x):
        return np.asarray(x).argmax(1)


def conformal():
    n, m = 41, 12
    x = np.round(rng.standard_normal((n, 3)), 3)
    y = np.round(x[:, 0] + 0.5 * rng.standard_normal(n), 3)
    x[:, 1], x[:, 2] = x[:, 0] - 0.4, x[:, 0] + 0.5
    new = np.round(rng.standard_normal((m, 3)), 3)
    new[:, 1], new[:, 2] = new[:, 0] - 0.4, new[:, 0] + 0.5
    split = SplitConformalRegressor(Fixed(0).fit(x, y), confidence_level=0.85, prefit=True).conformalize(x, y)
    _, split = split.predict_interval(new)
    models = [Fixed(1).fit(x, y), Fixed(2).fit(x, y), Fixed(0).fit(x, y)]
    cqr = ConformalizedQuantileRegressor(models, confidence_level=0.85, prefit=True).conformalize(x, y)
    _, cqr = cqr.predict_interval(new, symmetric_correction=True)

    a = np.round(rng.standard_normal((n, 2)), 3)
    b = np.round(a @ [1.0, -0.5] + 0.3 * rng.standard_normal(n), 3)
    c = np.round(rng.standard_normal((m, 2)), 3)
    jack = CrossConformalRegressor(LinearRegression(), confidence_level=0.85, cv=LeaveOneOut(), method="plus")
    _, jack = jack.fit_conformalize(a, b).predict_interval(c)
    residuals, predictions = np.zeros(n), np.zeros((m, n))
    for i in range(n):
        keep = np.arange(n) != i
        model = LinearRegression().fit(a[keep], b[keep])
        residuals[i] = abs(b[i] - model.predict(a[i : i + 1])[0])
        predictions[:, i] = model.predict(c)

    k = 4
    p = np.round(sp.softmax(1.5 * rng.standard_normal((50, k)), axis=1), 4)
    p[:, -1] = 1 - p[:, :-1].sum(1)
    t = np.array([rng.choice(k, p=row / row.sum()) for row in np.clip(p, 0, 1)])
    q = np.round(sp.softmax(1.5 * rng.standard_normal((15, k)), axis=1), 4)
    q[:, -1] = 1 - q[:, :-1].sum(1)
    lac = SplitConformalClassifier(Given().fit(p, t), confidence_level=0.8, prefit=True, conformity_score="lac")
    _, lac = lac.conformalize(p, t).predict_set(q)
    aps = SplitConformalClassifier(Given().fit(p, t), confidence_level=0.8, prefit=True, conformity_score="aps", random_state=7)
    _, aps = aps.conformalize(p, t).predict_set(q, conformity_score_params={"include_last_label": True})
    return {
        "x": x[:, 0].tolist(),
        "y": y.tolist(),
        "new": new[:, 0].tolist(),
        "split": split[:, :, 0].tolist(),
        "cqr": cqr[:, :, 0].tolist(),
        "residuals": residuals.tolist(),
        "predictions": predictions.tolist(),
        "jackknife": jack[:, :, 0].tolist(),
        "p": np.round(p, 9).tolist(),
        "t": t.tolist(),
        "q": np.round(q, 9).tolist(),
        "lac": lac[:, :, 0].astype(int).tolist(),
        "aps": aps[:, :, 0].astype(int).tolist(),
        "draws": np.random.RandomState(7).uniform(size=50).tolist(),
    }


def raps():
    """Regularized sets at a given lambda and k, which MAPIE would look for on further rows."""
    rng = np.random.default_rng(seed + 1)
    k, n = 6, 40
    p, q = (sp.softmax(rng.standard_normal((rows, k)), axis=1) for rows in (n, 15))
    t = np.array([rng.choice(k, p=row) for row in p])
    t[:k] = np.arange(k)
    draws = np.random.RandomState(7).uniform(size=n)
    cases = []
    for penalty, free, alpha in [(0.01, 2, 0.2), (0.2, 1, 0.2), (0.5, 3, 0.1), (0.1, 0, 0.3)]:
        score = RAPSConformityScore()
        score.classes, score.random_state = np.arange(k), 7
        score.lambda_star, score.k_star = penalty, np.array([free])
        plain = APSConformityScore.get_conformity_scores(score, t, p, y_enc=t)
        scores = score._regularize_conformity_score(score.k_star, penalty, plain, score.cutoff)
        score.quantiles_ = _compute_classification_quantile(scores, np.array([alpha]))
        sets = score.get_prediction_sets(q[:, :, None], scores, np.array([alpha]), "prefit", include_last_label=True)
        cases.append({
            "lambda": penalty,
            "k_reg": free,
            "alpha": alpha,
            "threshold": float(score.quantiles_[0]),
            "sets": sets[:, :, 0].astype(int).tolist(),
        })
    return {"p": p.tolist(), "t": t.tolist(), "q": q.tolist(), "draws": draws.tolist(), "cases": cases}


def closed():
    n, d, k = 30, 3, 3
    x = np.round(rng.standard_normal((n, d)), 3)
    y = rng.integers(0, k, n)
    new = np.round(2 * rng.standard_normal((6, d)), 3)
    one, other = np.c_[x, np.ones(n)], np.c_[new, np.ones(6)]
    regression = np.linalg.inv(one.T @ one / 0.49 + 0.3 * np.eye(d + 1))
    logits = np.round(rng.standard_normal((n, k)), 3)
    p = sp.softmax(logits, axis=1)
    h = 0.3 * np.eye(k * (d + 1))
    for row, pi in zip(one, p):
        h += np.kron(np.diag(pi) - np.outer(pi, pi), np.outer(row, row))
    cov = np.linalg.inv(h)
    size = d + 1
    variance = [[float(r @ cov[c * size : (c + 1) * size, c * size : (c + 1) * size] @ r) for c in range(k)] for r in other]
    means = np.stack([x[y == c].mean(0) for c in range(k)])
    off = x - means[y]
    shared = off.T @ off / n
    shared += 1e-6 * np.trace(shared) / d * np.eye(d)
    inverse = np.linalg.inv(shared)
    mahalanobis = [min(float((r - m) @ inverse @ (r - m)) for m in means) for r in new]
    unit = lambda v: v / np.linalg.norm(v, axis=1, keepdims=True)
    distance = np.sort(np.linalg.norm(unit(new)[:, None] - unit(x)[None], axis=2), axis=1)
    return {
        "x": x.tolist(),
        "y": y.tolist(),
        "new": new.tolist(),
        "logits": logits.tolist(),
        "regression": [float(r @ regression @ r) for r in other],
        "classification": variance,
        "mahalanobis": mahalanobis,
        "neighbours": distance[:, 4].tolist(),
        "energy": (-2 * sp.logsumexp(logits / 2, axis=1)).tolist(),
        "softmax": (1 - p.max(1)).tolist(),
    }


out = {
    "mapie": mapie.__version__,
    "scikit-learn": sklearn.__version__,
    "numpy": np.__version__,
    "seed": seed,
    "calibration": calibration(),
    "conformal": conformal(),
    "raps": raps(),
    "closed": closed(),
}
path = pathlib.Path(__file__).with_name("reliability.json")
path.write_text(json.dumps(out) + "\n")
print(path, path.stat().st_size)
