"""What pandas, scikit-learn and exact fractions make of tables: `python tests/golden/make_tables.py`.

Writes the JSON files in `tests/golden/tables`. Needs pandas, scikit-learn, numpy and torch; the versions are in the files.
"""

import io
import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

OUT = Path(__file__).parent / "tables"
VERSIONS = {"pandas": pd.__version__, "scikit-learn": sklearn.__version__, "numpy": np.__version__}


def write(name, **parts):
    OUT.mkdir(exist_ok=True)
    text = json.dumps({"versions": VERSIONS, **parts}, ensure_ascii=False, indent=0, allow_nan=False)
    (OUT / name).write_text(text + "\n", encoding="utf-8")


def exact_sqrt(x):
    """The square root of a fraction, correctly rounded but for the last bit."""
    shift = 2 * max(0, 200 - (x.numerator.bit_length() - x.denominator.bit_length()))
    return float(Fraction(math.isqrt((x.numerator << shift) // x.denominator), 1 << (shift // 2))) if x else 0.0


def moments():
    """Means and deviations by exact fractions, and what scikit-learn scales to."""
    rng = np.random.default_rng(5)
    up = float(np.nextafter(14.62, 15))
    columns = {
        "constant": [14.62] * 100,
        "last digit": [14.62] * 999 + [up],
        "tenths": [0.1] * 50 + [0.1 + 3e-17] * 50,
        "near": [14.62] * 999 + [14.62 + 1e-11],
        "distinct": [14.62] * 999 + [14.62 + 1e-6],
        "far": list(1e9 + rng.normal(0, 1, 200)),
        "farther": list(1e12 + rng.uniform(0, 1, 300)),
        "large": list(1e200 * rng.normal(0, 1, 50)),
        "small": list(1e-200 * rng.normal(0, 1, 50)),
        "normal": list(rng.normal(3, 2, 100)),
        "skewed": list(np.exp(rng.normal(0, 3, 100))),
    }
    seconds = 1_700_000_000 + np.arange(200) * 3
    integers = {
        "nanoseconds": [int(x) for x in seconds * 10**9 + rng.integers(0, 10**9, 200)],
        "close nanoseconds": [1_700_000_000_000_000_000 + int(x) for x in rng.integers(0, 500, 200)],
        "unsigned": [2**64 - 1 - int(x) for x in rng.integers(0, 10**6, 100)],
        "ids": [2**53 + i for i in range(20)],
        "small": [int(x) for x in rng.integers(-50, 50, 100)],
        "milliseconds": [1_700_000_000_000] * 999 + [1_700_000_000_001],
    }
    cases = []
    for name, values in [*columns.items(), *((n + " (integers)", v) for n, v in integers.items())]:
        exact = [Fraction(x) for x in values]
        n = len(exact)
        mean = sum(exact) / n
        squares = sum((x - mean) ** 2 for x in exact)
        population = exact_sqrt(squares / n)
        whole = isinstance(values[0], int)
        # scikit-learn's bound, in exact arithmetic; whole numbers have no rounding errors.
        eps = Fraction(2) ** -52
        noise = squares / n <= n * eps * squares / n + (n * mean * eps) ** 2
        constant = squares == 0 or (noise and not whole)
        if not whole and name not in ("large", "small"):
            x = np.array(values)[:, None]
            scaler = StandardScaler().fit(x)
            assert (scaler.scale_[0] == 1.0) == constant, name
            if name in ("normal", "skewed"):
                ours = [float((v - mean) / Fraction(population)) for v in exact]
                assert np.allclose(scaler.transform(x)[:, 0], ours, rtol=1e-6), name
        scale = Fraction(1) if constant else Fraction(population)
        cases.append({
            "name": name,
            "values": [str(x) if whole else repr(float(x)) for x in values],
            "mean": repr(float(mean)),
            "std": repr(exact_sqrt(squares / (n - 1))),
            "scaled": [float(np.float32(float((x - mean) / scale))) for x in exact],
            "minmax": [
                float(np.float32(float((x - min(exact)) / (max(exact) - min(exact) or 1)))) for x in exact
            ] if not constant else None,
        })
    write("moments.json", cases=cases)


def scalers():
    """Every option of StandardScaler and MinMaxScaler, and back."""
    rng = np.random.default_rng(6)
    train = np.column_stack([rng.normal(5, 3, 40), rng.uniform(-1, 9, 40), np.full(40, 2.5), rng.integers(0, 5, 40)])
    test = np.column_stack([rng.normal(5, 9, 20), rng.uniform(-9, 19, 20), np.full(20, 4.0), rng.integers(-5, 9, 20)])
    cases = []
    for name, scaler in [
        ("standard", StandardScaler()),
        ("center", StandardScaler(with_std=False)),
        ("deviation", StandardScaler(with_mean=False)),
        ("minmax", MinMaxScaler()),
        ("range -1 1", MinMaxScaler(feature_range=(-1, 1))),
        ("range 2 7 clip", MinMaxScaler(feature_range=(2, 7), clip=True)),
        ("range 0 1 clip", MinMaxScaler(clip=True)),
    ]:
        scaled = scaler.fit(train).transform(test)
        cases.append({"name": name, "scaled": scaled.tolist(), "back": scaler.inverse_transform(scaled).tolist()})
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit([["b"], ["a"], ["c"]])
    soft = [[0.2, 0.9, 0.1], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.4, 0.3, 0.2]]
    back = [row[0] for row in encoder.inverse_transform(soft)]
    write("scalers.json", train=train.tolist(), test=test.tolist(), cases=cases, soft=soft, categories=back)


def dates():
    """Dates and times in many formats, with their parts."""
    rng = np.random.default_rng(7)
    stamps = pd.to_datetime(rng.integers(-62_135_596_800, 253_402_300_799, 150), unit="s").tolist()
    stamps += pd.to_datetime(rng.integers(0, 2_000_000_000, 150), unit="s").tolist()
    stamps += [pd.Timestamp(x) for x in [
        "1970-01-01", "1969-12-31 23:59:59", "2000-02-29 12:00", "1900-02-28", "2100-03-01", "2024-12-31 23:59:59",
        "0001-01-01", "9999-12-31 23:59:59", "2024-02-29",
    ]]
    formats = ["iso", "%Y-%m-%d %H:%M:%S", "%d.%m.%Y", "%d.%m.%Y %H:%M", "%m/%d/%Y", "%m/%d/%Y %I:%M %p", "%d %b %Y",
               "%B %d, %Y", "%a, %d %B %Y %H:%M:%S", "%Y%m%d", "%d/%m/%y", "%Y-%m-%dT%H:%M:%S%z"]
    cases = []
    for i, stamp in enumerate(stamps):
        for format in (formats[i % len(formats)], formats[(5 * i + 1) % len(formats)]):
            if format == "iso":
                text = stamp.isoformat(sep=" " if i % 2 else "T")
                read = pd.to_datetime([text], format="ISO8601", utc=True)[0]
            else:
                if "%y" in format and not 1970 <= stamp.year <= 2068:
                    continue
                python = stamp.to_pydatetime()
                if "%z" in format:
                    if not 2 < stamp.year < 9998:
                        continue
                    python = stamp.tz_localize(f"{'+' if i % 2 else '-'}{i % 12:02}:{i * 15 % 60:02}").to_pydatetime()
                # Python leaves out the leading zeros of early years.
                text = python.strftime(format.replace("%Y", f"{stamp.year:04}"))
                if i % 3 == 0 and "%y" not in format and stamp.year >= 1000:
                    text = text.replace("/0", "/").replace(".0", ".")
                read = pd.to_datetime([text], format=format, utc=True)[0]
            seconds = read.as_unit("s").asm8.astype("int64").item()
            parts = [read.year, read.quarter, read.month, read.day, read.day_of_year, read.day_of_week, read.hour,
                     read.minute, read.second]
            cycles = [f(2 * math.pi * (read.month - 1) / 12) for f in (math.sin, math.cos)]
            cycles += [f(2 * math.pi * read.day_of_week / 7) for f in (math.sin, math.cos)]
            cycles += [f(2 * math.pi * (read.day - 1) / read.days_in_month) for f in (math.sin, math.cos)]
            cases.append({"text": text, "format": format, "seconds": seconds, "parts": parts, "cycles": cycles})
    fractions = []
    for text in ["2024-01-01 10:20:30.5", "2024-01-01T10:20:30.000250", "1960-05-06 00:00:00.125", "2024-01-01 10:20"]:
        stamp = pd.Timestamp(text)
        fractions.append({"text": text, "seconds": stamp.timestamp()})
    write("dates.json", cases=cases, fractions=fractions)


def files():
    """CSV texts and what pandas reads: a list of values for each column, None where one is missing."""
    texts = {
        "plain": ("a,b\n1,x\n2.5,y\n,z\n", {}),
        "quotes": ('a,b\n1,"x ""y"" z"\n2,"a,b"\n3,"two\nlines"\n', {}),
        "quote inside": ('a,b\n3,5" disk\n4,a"b"c', {}),
        "quoted last field": ('a,b\n3,"4\n5"', {}),
        "behind a quote": ('a,b\n1,"x"y\n2,"x""y"z\n', {}),
        "returns": ("a,b\r\n1,x\r\n2,y\r\n", {}),
        "old returns": ("a,b\r1,x\r2,y\r", {}),
        "mark": ("\ufeffa,b\n1,x\n", {}),
        "mark and quotes": ('\ufeff"a","b"\n1,x\n', {}),
        "blank lines": ("\n\na,b\n\n1,x\n\n\n2,y\n\n", {}),
        "space before quotes": ('a, "b"\n1, "x, y"\n2, "z"\n', {"skipinitialspace": True}),
        "missing": ("a,b\nNA,x\nNaN,\n3,null\n", {}),
        "semicolons": ("a;b\n1,5;x\n1.234,25;y\n", {"sep": ";", "decimal": ",", "thousands": "."}),
        "thousands": ('a,b\n"1,234,567",x\n12,y\n', {"thousands": ","}),
        "ids": ("a,b\n9007199254740993,x\n9007199254740992,y\n", {}),
        "unsigned ids": ("a,b\n18446744073709551615,x\n1,y\n", {}),
        "exponents": ("a,b\n1e300,x\n-1.5E-300,y\n+7,z\n.5,w\n5.,v\n", {}),
        "texts as asked": ("a,b\n007,x\n1.0,y\n", {"dtype": {"a": str}}),
        "mixed": ("a,b\n1,x\n?,y\n2,z\n", {}),
        "own mark": ("a,b\n1,x\n?,y\n2,z\n", {"na_values": ["?"]}),
    }
    cases = []
    for name, (text, options) in texts.items():
        frame = pd.read_csv(io.BytesIO(text.encode("utf-8")), **options)
        columns = []
        for column in frame:
            number = pd.api.types.is_numeric_dtype(frame[column])
            values = [None if pd.isna(x) else (str(x) if number else x) for x in frame[column].tolist()]
            columns.append({"name": column, "number": bool(number), "values": values})
        cases.append({"name": name, "text": text, "columns": columns})
    write("files.json", cases=cases)


def padded():
    """torch.nn.utils.rnn.pad_sequence, on both sides."""
    import torch

    torch.manual_seed(8)
    sequences = [torch.randn(n, 2, 3).double() for n in (3, 1, 5, 0, 4)]
    cases = []
    for side in ("right", "left"):
        for value in (0.0, -1.5):
            out = torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True, padding_value=value, padding_side=side)
            cases.append({"side": side, "value": value, "shape": list(out.shape), "values": out.flatten().tolist()})
    write("padded.json", sequences=[s.flatten().tolist() for s in sequences], cases=cases)


moments()
padded()
scalers()
dates()
files()
