"""Writes more_metrics.json: curves, calibration, several labels, orders, groups, texts, intervals and comparisons. See README.md.

    pip install scikit-learn==1.9.1 scipy==1.17.1 statsmodels==0.15.0 sacrebleu==2.6.0 rouge-score==0.1.2 nltk==3.10.4
    python tests/golden/make_more_metrics.py
"""

import json
import math
import pathlib
import sys
import warnings

import nltk
import numpy as np
import sacrebleu
import scipy
import sklearn
from rouge_score import rouge_scorer
from scipy import stats
from sklearn import metrics as m
from sklearn.calibration import calibration_curve
from statsmodels.stats.contingency_tables import mcnemar

warnings.simplefilter("ignore")
SEED = int(sys.argv[sys.argv.index("--seed") + 1]) if "--seed" in sys.argv else 0


def plain(x):
    """Numbers as JSON has them: NaN and infinities as null, nine digits of inputs are kept elsewhere."""
    if isinstance(x, dict):
        return {key: plain(value) for key, value in x.items()}
    if isinstance(x, (list, tuple, np.ndarray)):
        return [plain(value) for value in x]
    if isinstance(x, (float, np.floating)):
        return float(x) if math.isfinite(x) else None
    if isinstance(x, np.integer):
        return int(x)
    return x


def weigh(rng, n):
    return rng.choice([0.0, 0.25, 1.0, 2.5], n) + (np.arange(n) < 2)


def curves(rng):
    cases = []
    for i in range(8):
        n = int(rng.integers(6, 30))
        y = rng.integers(0, 2, n)
        y[0], y[1] = 0, 1
        s = np.round(rng.random(n) * 0.7 + 0.3 * y * rng.random(), 1 if i % 2 else 4)
        w = weigh(rng, n) if i % 3 == 2 else None
        fpr, tpr, at = m.roc_curve(y, s, sample_weight=w, drop_intermediate=False)
        fewer = m.roc_curve(y, s, sample_weight=w, drop_intermediate=True)
        precision, recall, pr_at = m.precision_recall_curve(y, s, sample_weight=w)
        # By their definition: of the examples with the highest scores, equal ones together.
        v = np.ones(n) if w is None else w
        levels = sorted(set(s[v > 0]), reverse=True)
        share = [v[s >= level].sum() / v.sum() for level in levels]
        gain = [(v * y)[s >= level].sum() / (v * y).sum() for level in levels]
        cases.append(
            {
                "y": y, "s": s, "w": w,
                "fpr": fpr, "tpr": tpr, "roc_at": at[1:], "fewer": fewer[0],
                "precision": precision, "recall": recall, "pr_at": pr_at, "pr_area": m.auc(recall, precision),
                "share": share, "gain": gain,
            }
        )
    return cases


def calibration(rng):
    cases = []
    for i in range(8):
        n, bins = int(rng.integers(8, 60)), int(rng.integers(2, 12))
        p = np.round(rng.random(n), 2)
        if i % 4 == 3:
            p[:3] = [0.0, 1.0, 0.5]
        y = (rng.random(n) < p**1.5).astype(int)
        y[0], y[1] = 0, 1
        out = {}
        for strategy in ["uniform", "quantile"]:
            true, predicted = calibration_curve(y, p, n_bins=bins, strategy=strategy)
            edges = np.linspace(0, 1, bins + 1) if strategy == "uniform" else np.percentile(p, np.linspace(0, 1, bins + 1) * 100)
            ids = np.searchsorted(edges[1:-1], p)
            counts = np.bincount(ids, minlength=bins)
            counts = counts[counts > 0]
            gaps = np.abs(true - predicted)
            out[strategy] = {
                "observed": true, "predicted": predicted, "counts": counts.astype(float),
                "ece": (gaps * counts).sum() / n, "mce": gaps.max(),
            }
        cases.append({"y": y, "p": p, "bins": bins, "out": out})
    return cases


def multi_label(rng):
    cases = []
    for i in range(8):
        n, k = int(rng.integers(3, 25)), int(rng.integers(2, 6))
        y = (rng.random((n, k)) < 0.4).astype(int)
        y[0], y[1] = 0, 1
        s = np.round(0.6 * rng.random((n, k)) + 0.35 * y, 2)
        p = (s > 0.5).astype(int)
        w = weigh(rng, n) if i % 2 else None
        zero = [0.0, 1.0][i % 4 == 2]
        o = {"sample_weight": w, "zero_division": zero}
        out = {
            "accuracy": m.accuracy_score(y, p, sample_weight=w),
            "hamming_loss": m.hamming_loss(y, p, sample_weight=w),
            "per_label": [list(row) for row in zip(*m.precision_recall_fscore_support(y, p, **o))],
        }
        for average in ["macro", "weighted", "micro", "samples"]:
            a = dict(o, average=average)
            out[average] = {
                "precision": m.precision_score(y, p, **a),
                "recall": m.recall_score(y, p, **a),
                "f1": m.f1_score(y, p, **a),
                "f2": m.fbeta_score(y, p, beta=2.0, **a),
                "jaccard": m.jaccard_score(y, p, **a),
            }
            if average != "samples":
                out[average]["roc_auc"] = m.roc_auc_score(y, s, average=average, sample_weight=w)
                out[average]["average_precision"] = m.average_precision_score(y, s, average=average, sample_weight=w)
        if w is None:
            out["report"] = m.classification_report(y, p, zero_division=zero)
        cases.append({"y": y, "s": s, "w": w, "zero": zero, "out": out})
    return cases


def one_vs_one(rng):
    cases = []
    for _ in range(5):
        k = int(rng.integers(3, 6))
        n = k + int(rng.integers(4, 25))
        y = np.concatenate([np.arange(k), rng.integers(0, k, n - k)])
        logits = rng.normal(0, 1.5, (n, k)) + np.eye(k)[y]
        p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        out = {a: m.roc_auc_score(y, p, multi_class="ovo", average=a) for a in ["macro", "weighted"]}
        cases.append({"y": y, "p": p, "out": out})
    return cases


def kappa(rng):
    cases = []
    for i in range(10):
        n, k = int(rng.integers(3, 40)), int(rng.integers(2, 6))
        y = rng.integers(0, k, n)
        y[:2] = [0, 1]
        p = np.clip(y + rng.integers(-1, 2, n), 0, k - 1)
        w = weigh(rng, n) if i % 3 == 1 else None
        labels = [None, list(range(k))[::-1], [1, 0]][i % 3 if k > 2 else 0]
        out = {x: m.cohen_kappa_score(y, p, weights=x, labels=labels, sample_weight=w) for x in ["linear", "quadratic"]}
        cases.append({"y": y, "p": p, "w": w, "labels": labels, "out": out})
    return cases


def medians(rng):
    cases = []
    for i in range(8):
        n = int(rng.integers(1, 20))
        y, p = np.round(rng.normal(0, 3, n), 2), np.round(rng.normal(0, 3, n), 2)
        w = weigh(rng, n) if i % 2 else np.ones(n)
        cases.append({"y": y, "p": p, "w": w, "out": m.median_absolute_error(y, p, sample_weight=w)})
    return cases


def orders(rng):
    cases = []
    for i in range(10):
        queries, documents = int(rng.integers(1, 5)), int(rng.integers(2, 9))
        relevance = rng.integers(0, 4, (queries, documents)).astype(float)
        relevance[0, 0] = 2.0
        if i % 4 == 1 and queries > 1:
            relevance[1] = 0.0
        s = np.round(rng.random((queries, documents)), 1 if i % 2 else 4)
        w = rng.random(queries) + 0.1 if i % 3 == 0 else None
        out = {str(k): m.ndcg_score(relevance, s, k=k, sample_weight=w) for k in [1, 2, 5, None]}
        # Each query by itself; a stable order from the highest score down.
        ranks = []
        for r, scores in zip(relevance, s):
            order = np.argsort(-scores, kind="stable")
            found = np.flatnonzero(r[order] > 0)
            ranks.append(1 / (found[0] + 1) if len(found) else 0.0)
        cases.append({"r": relevance, "s": s, "w": w, "out": out, "mrr": np.mean(ranks)})
    return cases


def groups(rng):
    cases = []
    for i in range(5):
        n, d, k = int(rng.integers(6, 25)), int(rng.integers(1, 4)), int(rng.integers(2, 5))
        labels = rng.integers(0, k, n)
        labels[:2] = [0, 1]
        if i == 3:
            labels[2:] = 0
        x = np.round(rng.normal(0, 1, (n, d)) + 2.0 * labels[:, None], 3)
        cases.append({"x": x, "labels": labels, "out": m.silhouette_score(x, labels), "each": m.silhouette_samples(x, labels)})
    return cases


TEXTS = [
    ("The quick brown fox jumps over the lazy dog.", ["The fast brown fox jumped over the lazy dog.", "A quick fox leaps over a dog that is lazy."]),
    ("It costs $3.50, or 1,000.25 in all; (see page 7-9)!", ["It costs $ 3.50 or 1,000.25 altogether (see pages 7-9)."]),
    ("well-known state-of-the-art e-mail", ["a well-known, state-of-the-art e-mail"]),
    ("He said &quot;no&quot; &amp; left.", ['He said "no" & left.']),
    ("don't stop 'here' now", ["don't stop here, now..."]),
    ("a", ["a b"]),
    ("totally different words", ["nothing in common here"]),
    ("repeat repeat repeat repeat repeat", ["repeat once repeat twice"]),
    ("  spaces   and\ttabs\nand lines  ", ["spaces and tabs and lines"]),
    ("Ends in a hyphen-\nated word <skipped> here", ["Ends in a hyphenated word here"]),
    ("v1.0,beta 2..3 ,5. x/y a_b {c} [d]", ["v1.0, beta 2.3, 5 x/y a_b {c} [d]"]),
    ("ÄÖÜ straße naïve café", ["äöü strasse naive café"]),
    ("", ["an empty text"]),
    ("UPPER lower MiXeD", ["upper LOWER mixed"]),
    ("(hi) \"there\" friend!", ["(hi) there, friend !"]),
]
CHINESE = [
    ("今天天气很好。", ["今天的天气真好。", "今日天气很好！"]),
    ("深度学习库用Rust写成，速度快3.5倍。", ["这个深度学习库是用 Rust 编写的，快了3.5倍。"]),
    ("“你好”，世界", ["你好，世界"]),
]


def bleu_numbers(score):
    return {"score": score.score, "precisions": score.precisions, "bp": score.bp, "length": score.sys_len, "reference_length": score.ref_len}


def texts():
    everything = TEXTS + CHINESE
    out = {"texts": [t for t, _ in everything], "references": [r for _, r in everything]}
    out["bleu"] = []
    for tokens in ["none", "13a", "char", "zh"]:
        for smoothing, value in [("exp", None), ("floor", 0.1), ("add-k", 1), ("none", None)]:
            for lowercase in [False, True]:
                if lowercase and smoothing != "exp":
                    continue
                case = {"tokens": tokens, "smoothing": smoothing, "lowercase": lowercase}
                o = {"tokenize": tokens, "smooth_method": smoothing, "smooth_value": value, "lowercase": lowercase}
                # Texts with fewer references than others: sacreBLEU leaves None out.
                most = max(len(r) for _, r in everything)
                streams = [[r[i] if i < len(r) else None for _, r in everything] for i in range(most)]
                corpus = sacrebleu.BLEU(**o).corpus_score(out["texts"], streams)
                case["corpus"] = bleu_numbers(corpus)
                single = sacrebleu.BLEU(effective_order=True, **o)
                case["sentences"] = [single.sentence_score(t, r).score for t, r in everything]
                out["bleu"].append(case)
    out["order 2"] = sacrebleu.BLEU(max_ngram_order=2).corpus_score(out["texts"], [[r[0] for _, r in everything]]).score
    out["chrf"] = []
    for words in [0, 2]:
        for lowercase, whitespace in [(False, False), (True, True)]:
            chrf = sacrebleu.CHRF(word_order=words, lowercase=lowercase, whitespace=whitespace)
            most = max(len(r) for _, r in everything)
            streams = [[r[i] if i < len(r) else None for _, r in everything] for i in range(most)]
            out["chrf"].append(
                {
                    "words": words, "lowercase": lowercase, "whitespace": whitespace,
                    "corpus": chrf.corpus_score(out["texts"], streams).score,
                    "sentences": [chrf.sentence_score(t, r).score for t, r in everything],
                }
            )
    scorer = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"])
    out["rouge"] = []
    for text, references in everything:
        scores = scorer.score_multi(references, text)
        out["rouge"].append({key: [s.precision, s.recall, s.fmeasure] for key, s in scores.items()})
    first = [r[0] for _, r in everything]
    characters = [nltk.edit_distance(t, r) for t, r in zip(out["texts"], first)]
    words = [nltk.edit_distance(t.split(), r.split()) for t, r in zip(out["texts"], first)]
    out["edits"] = characters
    out["cer"] = sum(characters) / sum(len(r) for r in first)
    out["wer"] = sum(words) / sum(len(r.split()) for r in first)
    return out


def intervals(rng):
    cases = []
    for i in range(4):
        n = int(rng.integers(8, 20))
        x = np.round(rng.gamma(2.0, 1.0, n), 3)
        # A mean of squares: skewed, so that acceleration and bias count.
        statistic = lambda v, axis=-1: np.mean(np.square(v), axis=axis)
        resampled = None
        out = {}
        for method in ["percentile", "BCa"]:
            # The same drawings for both methods.
            result = stats.bootstrap(
                (x,), statistic, n_resamples=200, confidence_level=[0.9, 0.95][i % 2], method=method, rng=np.random.default_rng(i)
            )
            resampled = result.bootstrap_distribution
            out[method] = [result.confidence_interval.low, result.confidence_interval.high]
        jackknife = [statistic(np.delete(x, j)) for j in range(n)]
        cases.append({"value": statistic(x), "level": [0.9, 0.95][i % 2], "resampled": resampled, "jackknife": jackknife, "out": out})
    return cases


def comparisons(rng):
    cases = []
    for i in range(8):
        n = int(rng.integers(8, 60))
        y = rng.integers(0, 3, n)
        a = np.where(rng.random(n) < 0.7, y, rng.integers(0, 3, n))
        b = np.where(rng.random(n) < [0.9, 0.7][i % 2], y, rng.integers(0, 3, n))
        right = [a == y, b == y]
        table = [[sum((right[0] == u) & (right[1] == v)) for v in [True, False]] for u in [True, False]]
        out = {}
        for name, options in [
            ("exact", {"exact": True}),
            ("corrected", {"exact": False, "correction": True}),
            ("uncorrected", {"exact": False, "correction": False}),
        ]:
            # No correction takes |b − c| below 0, as it does in statsmodels where they are equal.
            result = mcnemar(table, **options)
            out[name] = [result.statistic, result.pvalue]
        if table[0][1] == table[1][0]:
            continue
        cases.append({"y": y, "a": a, "b": b, "out": out})
    permutations = []
    for _ in range(3):
        n = int(rng.integers(6, 10))
        y = np.round(rng.normal(0, 1, n), 2)
        a, b = np.round(y + rng.normal(0, 1, n), 2), np.round(y + rng.normal(0, 0.4, n), 2)
        # Exchanging the predictions of an example exchanges its errors.
        difference = lambda u, v, axis=-1: np.mean(v, axis=axis) - np.mean(u, axis=axis)
        result = stats.permutation_test(
            (np.abs(a - y), np.abs(b - y)), difference, permutation_type="samples", n_resamples=np.inf, vectorized=True
        )
        permutations.append({"y": y, "a": a, "b": b, "difference": result.statistic, "p_value": result.pvalue})
    return {"mcnemar": cases, "permutations": permutations}


def main():
    out = {
        "versions": {"scikit-learn": sklearn.__version__, "scipy": scipy.__version__, "sacrebleu": sacrebleu.__version__, "seed": SEED},
        "texts": texts(),
    }
    for i, make in enumerate(
        [curves, calibration, multi_label, one_vs_one, kappa, medians, orders, groups, intervals, comparisons]
    ):
        out[make.__name__] = make(np.random.default_rng([SEED, i]))
    path = pathlib.Path(__file__).parent / "more_metrics.json"
    path.write_text(json.dumps(plain(out), ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n")


main()
