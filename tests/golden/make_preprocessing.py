"""What scikit-learn, category_encoders and pandas make of tables: `python tests/golden/make_preprocessing.py`.

Writes `tests/golden/tables/preprocessing.json` and `operations.json`. Needs scikit-learn, category_encoders, pandas and numpy; the
versions are in the files.
"""

import json
import math
import warnings
from pathlib import Path

import category_encoders
import numpy as np
import pandas as pd
import sklearn
from sklearn.feature_extraction import FeatureHasher
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold, PredefinedSplit, StratifiedKFold, StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MultiLabelBinarizer,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

OUT = Path(__file__).parent / "tables"
VERSIONS = {
    "scikit-learn": sklearn.__version__,
    "category_encoders": category_encoders.__version__,
    "pandas": pd.__version__,
    "numpy": np.__version__,
}


def plain(x):
    """Numbers that JSON has; None for what is missing or infinite."""
    if isinstance(x, dict):
        return {key: plain(value) for key, value in x.items()}
    if isinstance(x, (list, tuple, np.ndarray)):
        return [plain(value) for value in x]
    if isinstance(x, (float, np.floating)):
        return float(x) if math.isfinite(x) else None
    if isinstance(x, (int, np.integer)) and not isinstance(x, bool):
        return int(x)
    return None if x is None or x is pd.NA else x


def write(name, **parts):
    text = json.dumps(plain({"versions": VERSIONS, **parts}), ensure_ascii=False, allow_nan=False)
    (OUT / name).write_text(text.replace("}, {", "},\n{") + "\n", encoding="utf-8")


def scalers():
    rng = np.random.default_rng(11)
    columns = {
        "skewed": np.exp(rng.normal(1, 1.2, 40)),
        "normal": rng.normal(5, 3, 40),
        "counts": rng.poisson(1.5, 40).astype(float),
        "negative": -np.exp(rng.normal(0, 0.7, 40)) + 0.3,
        "large": 1e6 + rng.gamma(2, 5e4, 40),
    }
    cases = []
    for name, train in columns.items():
        # Within the training part, beyond both of its ends, and equal to some of its numbers.
        low, high = train.min(), train.max()
        # Whether a number that several rows have counts as one of the quantiles depends on rounding: none for the counts.
        ties = np.sort(train)[:0] if name == "counts" else train[:4]
        test = np.concatenate([rng.uniform(low, high, 8), ties, [low, high, low + 0.9 * (high - low), high * 1.5 + 1]])
        kinds = {
            "robust": RobustScaler(),
            "max abs": MaxAbsScaler(),
            "uniform": QuantileTransformer(n_quantiles=40),
            "normal": QuantileTransformer(n_quantiles=40, output_distribution="normal"),
            "yeo-johnson": PowerTransformer(),
        }
        if low > 0:
            kinds["box-cox"] = PowerTransformer(method="box-cox")
            kinds["log"] = make_pipeline(FunctionTransformer(np.log, np.exp), StandardScaler())
        if low >= 0:
            kinds["log1p"] = make_pipeline(FunctionTransformer(np.log1p, np.expm1), StandardScaler())
        scaled = {}
        for kind, scaler in kinds.items():
            shift, unit = 0.0, 1.0
            if name == "large" and kind in ("box-cox", "yeo-johnson"):
                # Powers of large numbers have no digits left. Those of numbers in another unit have, and differ by a factor; and of
                # positive numbers, Yeo and Johnson's power is that of Box and Cox of 1 + x.
                scaler, shift, unit = PowerTransformer(method="box-cox"), float(kind == "yeo-johnson"), 1e6
            y = scaler.fit((train[:, None] + shift) / unit).transform((test[:, None] + shift) / unit)
            scaled[kind] = {"scaled": y[:, 0], "back": scaler.inverse_transform(y)[:, 0] * unit - shift}
        cases.append({"name": name, "train": train, "test": test, "scaled": scaled})
    return cases


def imputers():
    rng = np.random.default_rng(12)
    x = np.round(rng.normal(3, 2, 30), 1)
    x[[2, 7, 11, 20]] = np.nan
    x[[0, 1, 5]] = 4.5
    x[[3, 4, 6]] = 1.5
    test = np.array([1.0, np.nan, 7.5, np.nan])
    numbers = {}
    for strategy in ["mean", "median", "most_frequent", "constant"]:
        imputer = SimpleImputer(strategy=strategy, fill_value=-7.0 if strategy == "constant" else None, add_indicator=True)
        numbers[strategy] = imputer.fit(x[:, None]).transform(test[:, None])
    texts = np.array(["b", "a", None, "b", "a", "c", None], dtype=object)
    other = np.array([None, "c", "a"], dtype=object)
    filled = {}
    for strategy in ["most_frequent", "constant"]:
        imputer = SimpleImputer(
            missing_values=None, strategy=strategy, fill_value="unknown" if strategy == "constant" else None
        )
        train, new = imputer.fit_transform(texts[:, None]), imputer.transform(other[:, None])
        encoder = OneHotEncoder(sparse_output=False).fit(train)
        filled[strategy] = {"categories": encoder.categories_[0].tolist(), "encoded": encoder.transform(new)}
    return {"train": x, "test": test, "numbers": numbers, "texts": texts.tolist(), "other": other.tolist(), "filled": filled}


def outliers():
    rng = np.random.default_rng(13)
    x = np.concatenate([rng.normal(10, 2, 30), [60.0, -40.0]])
    test = np.array([-100.0, 9.0, 100.0])
    q1, q3 = np.quantile(x, [0.25, 0.75])
    bounds = {
        "iqr 1.5": (q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)),
        "quantiles 0.05 0.9": tuple(np.quantile(x, [0.05, 0.9])),
        "sigmas 2": (x.mean() - 2 * x.std(), x.mean() + 2 * x.std()),
    }
    cases = []
    for name, (low, high) in bounds.items():
        scaler = StandardScaler().fit(np.clip(x, low, high)[:, None])
        clipped = np.clip(test, low, high)
        cases.append({"name": name, "clipped": clipped, "scaled": scaler.transform(clipped[:, None])[:, 0]})
    return {"train": x, "test": test, "cases": cases}


def categories(rng, n, letters, shares, missing):
    drawn = rng.choice(list(letters), n, p=shares).tolist()
    return [None if rng.random() < missing else letter for letter in drawn]


def one_hot():
    rng = np.random.default_rng(14)
    train = categories(rng, 60, "abcdef", [0.4, 0.25, 0.15, 0.1, 0.06, 0.04], 0.0)
    test = ["a", "b", "c", "d", "e", "f", "z"]
    column = lambda values: np.array(values, dtype=object)[:, None]
    cases = []
    for name, options in {
        "plain": {"handle_unknown": "ignore"},
        "drop": {"handle_unknown": "ignore", "drop": "first"},
        "at most 3": {"handle_unknown": "ignore", "max_categories": 3},
        "at most 3, unknown rare": {"handle_unknown": "infrequent_if_exist", "max_categories": 3},
        "at least 8": {"handle_unknown": "infrequent_if_exist", "min_frequency": 8},
        "at least 5, at most 4": {"handle_unknown": "infrequent_if_exist", "min_frequency": 5, "max_categories": 4},
    }.items():
        encoder = OneHotEncoder(sparse_output=False, **options).fit(column(train))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            encoded = encoder.transform(column(test))
        names = [name.replace("x0_infrequent_sklearn", "(rare)").replace("x0_", "") for name in encoder.get_feature_names_out()]
        cases.append({"name": name, "names": names, "encoded": encoded})
    holes = [None if i % 7 == 3 else letter for i, letter in enumerate(train)]
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=6)
    ordinal.fit(column([np.nan if x is None else x for x in holes]))
    codes = ordinal.transform(column(["c", "z", np.nan, "a", "f"]))[:, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        counted = category_encoders.CountEncoder(normalize=True, handle_unknown=0, handle_missing="value")
        counted.fit(pd.DataFrame({"x": holes}))
        shares = counted.transform(pd.DataFrame({"x": ["c", "z", None, "a"]}))["x"].tolist()
    words = ["a", "b", "Zürich", "北京", "", "a longer name of 30 characters", "12", "-0.5"]
    hashed = {n: FeatureHasher(n_features=n, input_type="string").transform([[w] for w in words]).toarray() for n in (1, 7, 32)}
    return {
        "train": train,
        "test": test,
        "cases": cases,
        "holes": holes,
        "ordinal": codes,
        "shares": shares,
        "words": words,
        "hashed": [{"features": n, "encoded": encoded} for n, encoded in hashed.items()],
    }


def dealt(y, k):
    """Rows in the order of their classes, dealt out to the folds in turn."""
    part = np.empty(len(y), dtype=int)
    part[np.argsort(y, kind="stable")] = np.arange(len(y)) % k
    return part


def target():
    rng = np.random.default_rng(15)
    n = 50
    train = categories(rng, n, "abcde", [0.4, 0.3, 0.2, 0.06, 0.04], 0.1)
    effect = {"a": 0.0, "b": 2.0, "c": 4.0, "d": -3.0, "e": 9.0, None: 1.0}
    score = np.array([effect[x] for x in train]) + rng.normal(0, 1.5, n)
    ys = {
        "number": score,
        "binary": (score > 1.5).astype(int),
        "classes": np.digitize(score, [0.5, 2.5]),
    }
    test = ["a", "b", "c", "d", "e", None, "z"]
    column = lambda values: np.array([np.nan if x is None else x for x in values], dtype=object)[:, None]
    cases = []
    for name, y in ys.items():
        for smooth in ("auto", 5.0, 0.0):
            kind = {"number": "continuous", "binary": "binary", "classes": "multiclass"}[name]
            cv = KFold(5) if name == "number" else PredefinedSplit(dealt(y, 5))
            encoder = TargetEncoder(smooth=smooth, target_type=kind, cv=cv)
            encoded = encoder.fit(column(train), y).transform(column(test))
            folds = encoder.fit_transform(column(train), y)
            cases.append({"name": name, "smooth": str(smooth), "encoded": encoded, "out of fold": folds})
    return {"train": train, "test": test, "targets": ys, "cases": cases}


def classes():
    y = [0] * 9 + [1] * 3 + [2] * 1
    lists = [["red", "round"], [], ["large"], ["red"]]
    binarizer = MultiLabelBinarizer().fit(lists)
    return {
        "y": y,
        "weights": compute_class_weight("balanced", classes=np.array([0, 1, 2]), y=np.array(y)),
        "samples": compute_sample_weight("balanced", np.array(y)),
        "lists": [";".join(x) for x in lists],
        "labels": binarizer.classes_.tolist(),
        "marks": binarizer.transform(lists),
    }


def splits():
    rng = np.random.default_rng(16)
    folds = []
    for n, k in [(10, 3), (7, 2), (23, 5)]:
        folds.append({"n": n, "k": k, "tests": [test.tolist() for _, test in KFold(k).split(np.zeros(n))]})
    strata, parts = [], []
    for sizes, k in [((20, 11, 5), 4), ((7, 9), 3), ((30, 30, 3), 3)]:
        y = np.repeat(np.arange(len(sizes)), sizes)
        counts = [np.bincount(y[test], minlength=len(sizes)) for _, test in StratifiedKFold(k).split(y, y)]
        strata.append({"y": y, "k": k, "counts": counts})
        for share in (0.8, 0.7):
            train, _ = next(StratifiedShuffleSplit(1, train_size=round(share * len(y)), random_state=0).split(y, y))
            parts.append({"y": y, "share": share, "counts": np.bincount(y[train], minlength=len(sizes))})
    return {"folds": folds, "strata": strata, "parts": parts}


def frame(table):
    return {name: table[name].tolist() for name in table}


def operations():
    rng = np.random.default_rng(17)
    n = 30
    shops = pd.DataFrame({
        "shop": categories(rng, n, "abc", [0.5, 0.3, 0.2], 0.1),
        "day": rng.integers(1, 4, n).astype(float),
        "price": np.where(rng.random(n) < 0.15, np.nan, np.round(rng.normal(20, 6, n), 2)),
    })
    names = {"count": "count", "nunique": "unique", "sum": "sum", "mean": "mean", "median": "median", "std": "std",
             "min": "min", "max": "max", "first": "first", "last": "last"}
    groups = {}
    for by in (["shop"], ["shop", "day"]):
        grouped = shops.groupby(by, dropna=False)["price"].agg(list(names)).reset_index()
        groups[" ".join(by)] = frame(grouped.rename(columns={old: f"price_{new}" for old, new in names.items()}))
    left = pd.DataFrame({"id": [3.0, 1.0, 2.0, 1.0, 9.0], "x": ["p", "q", "r", "s", "t"], "same": [1.0, 2.0, 3.0, 4.0, 5.0]})
    right = pd.DataFrame({"id": [1.0, 3.0, 3.0, 4.0], "same": [10.0, 20.0, 30.0, 40.0], "y": ["u", "v", "w", "z"]})
    joined = {}
    for how in ("inner", "left", "right"):
        joined[how] = frame(left.merge(right, on="id", how=how, suffixes=("", "_right")))
    # pandas sorts an outer join by its keys; the order of rows is no part of the comparison.
    joined["outer"] = frame(left.merge(right, on="id", how="outer", suffixes=("", "_right")))
    order = shops.sort_values(["shop", "price"], ascending=[True, False], na_position="last", kind="stable")
    counts = shops["shop"].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    return {
        "shops": frame(shops),
        "groups": groups,
        "left": frame(left),
        "right": frame(right),
        "joined": joined,
        "sorted": frame(order),
        "counts": {"shop": counts.index.tolist(), "count": counts.tolist(), "share": (counts / counts.sum()).tolist()},
        "distinct": frame(shops.drop_duplicates(["shop", "day"])),
    }


write(
    "preprocessing.json",
    scalers=scalers(),
    imputers=imputers(),
    outliers=outliers(),
    one_hot=one_hot(),
    target=target(),
    classes=classes(),
    splits=splits(),
)
write("operations.json", **operations())
