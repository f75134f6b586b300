"""Label errors by cleanlab, drift by SciPy, scikit-learn and NumPy, for quality.rs: python tests/golden/make_quality.py"""

import json
import pathlib
import sys

import cleanlab
import numpy as np
import scipy
import scipy.stats as st
import sklearn
from cleanlab.count import compute_confident_joint, get_confident_thresholds
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

seed = int(sys.argv[sys.argv.index("--seed") + 1]) if "--seed" in sys.argv else 0
rng = np.random.default_rng(seed)


def labels(n, k, noise):
    truth = rng.integers(0, k, n)
    logits = 1.2 * rng.standard_normal((n, k))
    logits[np.arange(n), truth] += 2.0
    p = np.exp(logits)
    p = np.round(p / p.sum(1, keepdims=True), 4)
    p[:, -1] = 1 - p[:, :-1].sum(1)
    y = np.where(rng.random(n) < noise, rng.integers(0, k, n), truth)
    issues = find_label_issues(y, p, filter_by="confident_learning", n_jobs=1)
    return {
        "p": np.round(p, 9).tolist(),
        "y": y.tolist(),
        "thresholds": get_confident_thresholds(y, p).tolist(),
        "joint": compute_confident_joint(y, p, calibrate=False).tolist(),
        "issues": np.flatnonzero(issues).tolist(),
        "self_confidence": get_label_quality_scores(y, p, method="self_confidence").tolist(),
        "normalized_margin": get_label_quality_scores(y, p, method="normalized_margin").tolist(),
    }


def psi(counts):
    q = np.maximum(counts / counts.sum(0), 1e-4)
    return float(((q[:, 1] - q[:, 0]) * np.log(q[:, 1] / q[:, 0])).sum())


def drift(n, m, shift):
    a, b = np.round(rng.standard_normal(n), 3), np.round(shift + rng.standard_normal(m), 3)
    names = np.array(["x", "y", "z"])
    s, t = rng.choice(names, n, p=[0.5, 0.3, 0.2]), rng.choice(names, m, p=[0.4, 0.2, 0.4])
    distance = st.ks_2samp(a, b).statistic
    counts = np.array([[(s == c).sum(), (t == c).sum()] for c in names], float)
    chi = st.chi2_contingency(counts, correction=False)
    edges = np.quantile(a, np.arange(1, 10) / 10)
    bins = np.array([np.bincount(np.searchsorted(edges, v, side="left"), minlength=10) for v in (a, b)], float).T
    both = np.concatenate([a, b])
    x = np.column_stack([(both - both.mean()) / both.std()] + [(np.concatenate([s, t]) == c).astype(float) for c in names])
    square = ((x[:, None] - x[None]) ** 2).sum(-1)
    kernel = np.exp(-square / (2 * np.median(square[np.tril_indices(n + m, -1)])))
    aa, bb, ab = kernel[:n, :n], kernel[n:, n:], kernel[:n, n:]
    mmd = (aa.sum() - n) / (n * (n - 1)) + (bb.sum() - m) / (m * (m - 1)) - 2 * ab.mean()
    y = np.repeat([0, 1], [n, m])
    fold = np.concatenate([np.arange(n) % 5, np.arange(m) % 5])
    scores = np.zeros(n + m)
    for i in range(5):
        model = LogisticRegression(C=1.0, tol=1e-12, max_iter=1000, solver="newton-cholesky")
        model.fit(x[fold != i], y[fold != i])
        scores[fold == i] = model.decision_function(x[fold == i])
    p = st.mannwhitneyu(scores[n:], scores[:n], alternative="greater", method="asymptotic", use_continuity=False).pvalue
    return {
        "numbers": [a.tolist(), b.tolist()],
        "texts": [s.tolist(), t.tolist()],
        "ks": [float(distance), float(st.ks_2samp(a, b, method="exact").pvalue)],
        "chi": [float(chi.statistic), float(chi.pvalue)],
        "psi": [psi(bins), psi(counts)],
        "mmd": float(mmd),
        "auc": [float(roc_auc_score(y, scores)), float(p)],
    }


out = {
    "cleanlab": cleanlab.__version__,
    "scipy": scipy.__version__,
    "scikit-learn": sklearn.__version__,
    "seed": seed,
    "labels": [labels(80, 3, 0.2), labels(60, 2, 0.3), labels(60, 5, 0.1)],
    "drift": [drift(60, 80, 0.0), drift(70, 50, 0.8)],
}
path = pathlib.Path(__file__).with_name("quality.json")
path.write_text(json.dumps(out) + "\n")
print(path, path.stat().st_size)
