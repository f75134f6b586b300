"""What NumPy, pandas, pyarrow and scikit-learn write, and what they make of splits and series: `python tests/golden/make_files.py`.

Writes the folder `tests/golden/files`. Needs numpy, pandas, pyarrow and scikit-learn; the versions are in `expected.json`.
"""

import datetime
import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import sklearn
from pyarrow import feather, parquet
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold, TimeSeriesSplit

OUT = Path(__file__).parent / "files"
EXPECTED = {"versions": {"numpy": np.__version__, "pandas": pd.__version__, "pyarrow": pa.__version__,
                         "scikit-learn": sklearn.__version__}}


def arrays():
    """One array for each type, order of bytes and elements, and version of the format."""
    rng = np.random.default_rng(11)
    cases = {}

    def case(name, array, version=None):
        with open(OUT / f"{name}.npy", "wb") as file:
            np.lib.format.write_array(file, array, version=version)
        values = array.astype(np.float64) if array.dtype.kind == "f" else array.astype(np.int64)
        cases[name] = {"shape": list(array.shape), "values": values.ravel(order="C").tolist()}

    for dtype in ["<f4", "<f8", "<f2", "<i8", "<i4", "<i2", "|i1", "|u1", "<u2", "<u4", "<u8", "|b1"]:
        base = rng.integers(0, 2, (2, 3)) if dtype == "|b1" else rng.integers(0, 120, (2, 3))
        sign = -1 if dtype[1] in "fi" else 1
        array = (base * sign + (0.25 if dtype[1] == "f" else 0)).astype(dtype)
        name = dtype[1:]
        case(name, array)
        if np.dtype(dtype).itemsize > 1:
            case(f"{name}_big", array.astype(dtype.replace("<", ">")))
    cube = rng.integers(-9, 9, (2, 3, 4)).astype("<f8")
    case("fortran", np.asfortranarray(cube))
    case("fortran_big", np.asfortranarray(cube.astype(">f4")))
    case("version_2", cube, (2, 0))
    case("version_3", cube, (3, 0))
    case("scalar", np.array(2.5))
    case("empty", np.zeros((0, 3), "<f4"))
    case("row", np.arange(5, dtype="<i8"))
    np.save(OUT / "objects.npy", np.array([1, "a"], object))
    np.save(OUT / "records.npy", np.zeros(2, [("a", "<f4"), ("b", "<i4")]))
    np.save(OUT / "texts.npy", np.array(["a", "bc"]))
    np.save(OUT / "complex.npy", np.zeros(2, complex))
    np.savez(OUT / "stored.npz", x=cube, y=np.arange(4))
    np.savez_compressed(OUT / "deflated.npz", x=np.zeros((50, 40), "<f4"), y=np.arange(400) // 7)
    EXPECTED["arrays"] = cases


def tables():
    frame = pd.DataFrame({
        "area": [120.0, None, 95.5],
        "kind": ["flat", "house \"A\"\n", None],
        "id": [9007199254740993, 2, 3],
        "sold": [True, False, True],
    })
    frame.to_json(OUT / "table.jsonl", orient="records", lines=True, double_precision=15)


def columnar():
    """One table with every type of column that a table can have, packed in every way; and those that it cannot."""
    day = datetime.date
    time = lambda *parts: datetime.datetime(*parts)
    columns = {
        "i8": pa.array([-7, None, 100], pa.int8()),
        "i64": pa.array([9007199254740993, -1, None], pa.int64()),
        "u32": pa.array([4294967295, 0, None], pa.uint32()),
        "u64": pa.array([18446744073709551615, None, 3], pa.uint64()),
        "f16": pa.array(np.array([0.5, -2.0, 100.0], np.float16)),
        "f32": pa.array([1.5, None, -2.25], pa.float32()),
        "f64": pa.array([0.1, 1e300, None], pa.float64()),
        "truth": pa.array([True, None, False]),
        "text": pa.array(["a", "ä\n", None]),
        "category": pa.array(["x", None, "y"]).dictionary_encode(),
        "day": pa.array([day(1969, 12, 31), None, day(2024, 2, 29)]),
        "ms": pa.array([time(2001, 2, 3, 4, 5, 6, 789000), None, time(1960, 1, 1)], pa.timestamp("ms")),
        "us": pa.array([time(2001, 2, 3, 4, 5, 6, 789123), None, time(1960, 1, 1)], pa.timestamp("us")),
        "clock": pa.array([datetime.time(1, 2, 3, 500000), None, datetime.time(0)], pa.time64("us")),
        "decimal": pa.array([Decimal("12.34"), None, Decimal("-0.05")], pa.decimal128(20, 2)),
        "needed": pa.array([1, 2, 3], pa.int32()),
    }
    fields = [pa.field(n, a.type, nullable=n != "needed") for n, a in columns.items()]
    table = pa.Table.from_arrays(list(columns.values()), schema=pa.schema(fields))
    for compression in ["none", "snappy", "gzip", "lz4", "zstd"]:
        name = OUT / f"{compression}.parquet"
        parquet.write_table(table, name, compression=compression, store_schema=False, row_group_size=2)
    for compression in ["uncompressed", "lz4", "zstd"]:
        feather.write_feather(table, OUT / f"{compression}.feather", compression=compression, chunksize=2)
    nested = pa.table({"a": [1], "b": [[1, 2]], "c": [{"d": 1}]})
    parquet.write_table(nested, OUT / "nested.parquet", store_schema=False)
    feather.write_feather(pa.table({"b": [[1, 2]]}), OUT / "nested.feather")
    feather.write_feather(pa.table({"b": [b"\xff\x00"]}), OUT / "bytes.feather")

    epoch = time(1970, 1, 1)
    def value(x):
        if isinstance(x, datetime.datetime):
            return (x - epoch) / datetime.timedelta(seconds=1)
        if isinstance(x, day):
            return (x - day(1970, 1, 1)).days * 86400
        if isinstance(x, datetime.time):
            return x.hour * 3600 + x.minute * 60 + x.second + x.microsecond / 1e6
        if isinstance(x, bool):
            return "true" if x else "false"
        return float(x) if isinstance(x, Decimal) else x
    EXPECTED["columns"] = {n: [value(x) for x in table[n].to_pylist()] for n in columns}


def splits():
    rng = np.random.default_rng(3)
    pairs = lambda folds: [[train.tolist(), test.tolist()] for train, test in folds]
    time = []
    for n, k, options in [
        (12, 5, {}), (13, 3, {"gap": 2}), (20, 4, {"max_train_size": 5}), (20, 3, {"test_size": 2, "gap": 1}),
        (30, 3, {"test_size": 5, "gap": 4, "max_train_size": 6}),
    ]:
        folds = TimeSeriesSplit(n_splits=k, **options).split(np.zeros(n))
        time.append({"n": n, "k": k, "options": options, "folds": pairs(folds)})
    groups, stratified = [], []
    for seed in range(4):
        count = 7 + 2 * seed
        # Sizes that differ, because the order of groups of equal size is not NumPy's to say.
        ids = np.concatenate([np.full(size + 1, g) for g, size in enumerate(rng.permutation(count))])
        ids = rng.permutation(ids)
        k = 2 + seed
        groups.append({"k": k, "groups": ids.tolist(), "folds": pairs(GroupKFold(k).split(ids, groups=ids))})
        labels = rng.integers(0, 3, len(ids))
        folds = StratifiedGroupKFold(k).split(ids, labels, ids)
        stratified.append({"k": k, "groups": ids.tolist(), "labels": labels.tolist(), "folds": pairs(folds)})
    EXPECTED["time"], EXPECTED["groups"], EXPECTED["stratified"] = time, groups, stratified


def series():
    rng = np.random.default_rng(7)
    values = (1000 + rng.normal(size=30)).round(3)
    values[[4, 17]] = np.nan
    shop = np.where(rng.integers(0, 2, 30) == 0, "a", "b")
    frame = pd.DataFrame({"x": values, "shop": shop})
    nulls = lambda s: [None if np.isnan(v) else float(v) for v in s]
    whole = {}
    for window in [1, 3, 8]:
        roll = frame.x.rolling(window)
        for name in ["mean", "std", "min", "max"]:
            whole[f"x_{name}_{window}"] = nulls(getattr(roll, name)())
    whole["x_lag_1"], whole["x_lag_7"] = nulls(frame.x.shift(1)), nulls(frame.x.shift(7))
    whole["x_diff_2"] = nulls(frame.x.diff(2))
    by = frame.groupby("shop").x
    grouped = {
        "x_lag_2": nulls(by.shift(2)),
        "x_diff_1": nulls(by.diff(1)),
        "x_mean_3": nulls(by.rolling(3).mean().droplevel(0).sort_index()),
        "x_max_4_before": nulls(by.transform(lambda s: s.rolling(4).max().shift(1))),
    }
    EXPECTED["series"] = {"x": nulls(values), "shop": shop.tolist(), "whole": whole, "grouped": grouped}


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    arrays()
    tables()
    columnar()
    splits()
    series()
    (OUT / "expected.json").write_text(json.dumps(EXPECTED, allow_nan=False) + "\n", encoding="utf-8")
