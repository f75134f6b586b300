"""Values and derivatives over the whole range of f32 and f64, by mpmath, for `tests/range/main.rs`.

    pip install mpmath==1.3.0 numpy==2.4.6
    python tests/range/make_range.py

Inputs are numbers of every size, from the smallest subnormal to the largest number, both signs, zeros, infinities and NaN.
Each result is computed with far more digits than the type has, and rounded to it once. Where a derivative has no value,
what is stored is what PyTorch returns; where it is left open, NaN.

`range.safetensors` has, for both types T: `T.x`, and of functions of one number `T.NAME.y` and `T.NAME.dx`; pairs `T.a` and
`T.b`, with `T.NAME.y`, `.da`, `.db`; rows of four numbers `T.rows`, with `T.NAME.y` and the derivative of the sum of all
results (or of what `weights` makes of a row) `T.NAME.dx`.
"""

import json
import struct
from pathlib import Path

import mpmath as mp
import numpy as np

inf, nan = mp.inf, mp.nan
ONE = mp.mpf(1)
# What stands for infinity where a limit is taken, and what counts as infinite there.
FAR, LARGE = mp.mpf(10) ** 2000, 800

TYPES = {"f32": (np.float32, 24, -149, 128), "f64": (np.float64, 53, -1074, 1024)}


def rounded(v, kind):
    """The nearest number of the type, ties to even."""
    _, digits, low, high = TYPES[kind]
    v = mp.mpf(v)
    if mp.isnan(v) or mp.isinf(v):
        return float(v)
    if v == 0:
        return 0.0
    exponent = mp.frexp(v)[1]
    quantum = max(exponent - digits, low)
    whole = mp.ldexp(abs(v), -quantum)
    n = int(mp.floor(whole))
    rest = whole - n
    if rest > 0.5 or (rest == 0.5 and n % 2 == 1):
        n += 1
    if n.bit_length() + quantum > high:
        return float(mp.sign(v)) * float("inf")
    return float(mp.sign(v)) * float(np.ldexp(np.float64(n), quantum))


# Functions of one number, with their derivatives. mpmath's series do not go far beyond where the limits are reached.
def erf(x):
    return mp.sign(x) if abs(x) > 100 else mp.erf(x)


def erfc(x):
    return 1 - mp.sign(x) if abs(x) > 100 else mp.erfc(x)


def sigmoid(x):
    return 1 / (1 + mp.exp(-x)) if x > 0 else mp.exp(x) / (1 + mp.exp(x))


def dsigmoid(x):
    e = mp.exp(-abs(x))
    return e / (1 + e) ** 2


def cdf(x):
    return erfc(-x / mp.sqrt(2)) / 2


def density(x):
    return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


def log1p(x):
    return mp.log1p(x) if x > -1 else (-inf if x == -1 else nan)


def real(f):
    """NaN where the result is not a real number."""

    def g(x):
        v = f(x)
        return nan if isinstance(v, mp.mpc) else v

    return g


def softplus(x):
    return max(x, mp.mpf(0)) + mp.log1p(mp.exp(-abs(x)))


def tanh_softplus(x):
    e = mp.exp(-abs(x))
    # With u = 1 + eˣ, tanh(log u) = (u² - 1) / (u² + 1).
    return (1 + 2 * e) / (1 + 2 * e + 2 * e * e) if x > 0 else e * (e + 2) / (e * (e + 2) + 2)


def dtanh_softplus(x):
    # sech²(softplus(x)) σ(x) with sech(log u) = 2 / (u + 1/u).
    e = mp.exp(-abs(x))
    sech2 = 4 * (1 + e) ** 2 * e * e / ((1 + e) ** 2 + e * e) ** 2 if x > 0 else 4 * (1 + e) ** 2 / ((1 + e) ** 2 + 1) ** 2
    return sech2 * sigmoid(x)


mp.mp.prec = 400
ALPHA, SCALE = mp.mpf("1.6732632423543772848170429916717"), mp.mpf("1.0507009873554804934193349852946")
CUBIC = mp.mpf("0.044715")


def tanh_argument(x):
    return 2 * mp.sqrt(2 / mp.pi) * (x + CUBIC * x**3)


def power(p):
    q = mp.mpf(p)

    def f(x):
        if x == 0:
            return mp.mpf(0) if q > 0 else inf
        return nan if x < 0 and q != mp.floor(q) else (mp.power(abs(x), q) * (-1 if x < 0 and int(q) % 2 else 1))

    return f


def dpower(p):
    return lambda x: mp.mpf(p) if p == 1 else mp.mpf(p) * power(p - 1)(x)


def at_pole(f, pole, value):
    return lambda x: value if x == pole else f(x)


def step(x):
    return mp.mpf(1 if x > 0 else 0)


UNARY = {
    "square": (lambda x: x * x, lambda x: 2 * x),
    "reciprocal": (at_pole(lambda x: 1 / x, 0, inf), at_pole(lambda x: -1 / x**2, 0, -inf)),
    "rdiv": (at_pole(lambda x: mp.mpf(3) / x, 0, inf), at_pole(lambda x: -3 / x**2, 0, -inf)),
    "sqrt": (real(mp.sqrt), at_pole(real(lambda x: 1 / (2 * mp.sqrt(x))), 0, inf)),
    "rsqrt": (at_pole(real(lambda x: 1 / mp.sqrt(x)), 0, inf), at_pole(real(lambda x: -1 / (2 * x * mp.sqrt(x))), 0, -inf)),
    "powf_3": (power(3), dpower(3)),
    "powf_-2": (power(-2), at_pole(dpower(-2), 0, -inf)),
    "powf_2.5": (power(2.5), dpower(2.5)),
    "powf_0.25": (power(0.25), at_pole(dpower(0.25), 0, inf)),
    "powf_0": (lambda x: ONE, lambda x: mp.mpf(0)),
    "exp": (mp.exp, mp.exp),
    "exp2": (lambda x: mp.power(2, x), lambda x: mp.power(2, x) * mp.log(2)),
    "expm1": (mp.expm1, mp.exp),
    "log": (at_pole(real(mp.log), 0, -inf), at_pole(lambda x: 1 / x, 0, inf)),
    "log2": (at_pole(real(lambda x: mp.log(x) / mp.log(2)), 0, -inf), at_pole(lambda x: 1 / (x * mp.log(2)), 0, inf)),
    "log10": (at_pole(real(lambda x: mp.log(x) / mp.log(10)), 0, -inf), at_pole(lambda x: 1 / (x * mp.log(10)), 0, inf)),
    "log1p": (log1p, at_pole(lambda x: 1 / (1 + x), -1, inf)),
    "sin": (mp.sin, mp.cos),
    "cos": (mp.cos, lambda x: -mp.sin(x)),
    "tan": (mp.tan, lambda x: 1 / mp.cos(x) ** 2),
    "asin": (real(mp.asin), lambda x: inf if abs(x) == 1 else real(lambda x: 1 / mp.sqrt((1 - x) * (1 + x)))(x)),
    "acos": (real(mp.acos), lambda x: -inf if abs(x) == 1 else real(lambda x: -1 / mp.sqrt((1 - x) * (1 + x)))(x)),
    "atan": (mp.atan, lambda x: 1 / (1 + x * x)),
    "sinh": (mp.sinh, mp.cosh),
    "cosh": (mp.cosh, mp.sinh),
    "tanh": (mp.tanh, lambda x: 4 * dsigmoid(2 * x)),
    "asinh": (mp.asinh, lambda x: 1 / mp.sqrt(1 + x * x)),
    "acosh": (lambda x: nan if x < 1 else mp.acosh(x), at_pole(lambda x: nan if x < 1 else 1 / mp.sqrt((x - 1) * (x + 1)), 1, inf)),
    "atanh": (
        lambda x: nan if abs(x) > 1 else (x * inf if abs(x) == 1 else mp.atanh(x)),
        lambda x: inf if abs(x) == 1 else 1 / ((1 - x) * (1 + x)),
    ),
    "erf": (erf, lambda x: 2 / mp.sqrt(mp.pi) * mp.exp(-x * x)),
    "erfc": (erfc, lambda x: -2 / mp.sqrt(mp.pi) * mp.exp(-x * x)),
    "abs": (abs, lambda x: mp.sign(x)),
    "relu": (lambda x: max(x, mp.mpf(0)), step),
    "leaky_relu": (lambda x: x if x > 0 else x / 8, lambda x: ONE if x > 0 else ONE / 8),
    "elu": (lambda x: x if x > 0 else mp.mpf("1.5") * mp.expm1(x), lambda x: ONE if x > 0 else mp.mpf("1.5") * mp.exp(x)),
    "selu": (
        lambda x: SCALE * (x if x > 0 else ALPHA * mp.expm1(x)),
        lambda x: SCALE * (ONE if x > 0 else ALPHA * mp.exp(x)),
    ),
    "gelu": (lambda x: x * cdf(x), lambda x: cdf(x) + x * density(x)),
    "gelu_tanh": (
        lambda x: x * sigmoid(tanh_argument(x)),
        lambda x: sigmoid(tanh_argument(x))
        + x * dsigmoid(tanh_argument(x)) * 2 * mp.sqrt(2 / mp.pi) * (1 + 3 * CUBIC * x * x),
    ),
    "silu": (lambda x: x * sigmoid(x), lambda x: sigmoid(x) + x * dsigmoid(x)),
    "mish": (lambda x: x * tanh_softplus(x), lambda x: tanh_softplus(x) + x * dtanh_softplus(x)),
    "softplus": (softplus, sigmoid),
    "softsign": (lambda x: x / (1 + abs(x)), lambda x: 1 / (1 + abs(x)) ** 2),
    "hardswish": (
        lambda x: x * min(max(x + 3, mp.mpf(0)), mp.mpf(6)) / 6,
        lambda x: mp.mpf(0) if x <= -3 else (ONE if x >= 3 else x / 3 + mp.mpf("0.5")),
    ),
    "hardsigmoid": (lambda x: min(max(x + 3, mp.mpf(0)), mp.mpf(6)) / 6, lambda x: ONE / 6 if -3 < x < 3 else mp.mpf(0)),
    "sigmoid": (sigmoid, dsigmoid),
    "log_sigmoid": (lambda x: -softplus(-x), lambda x: sigmoid(-x)),
    "huber": (lambda x: x * x / 2 if abs(x) <= 1 else abs(x) - mp.mpf("0.5"), lambda x: max(min(x, ONE), -ONE)),
    # With a target of one quarter.
    "bce_with_logits": (lambda x: softplus(-x) / 4 + 3 * softplus(x) / 4, lambda x: sigmoid(x) - ONE / 4),
}
PERIODIC = ("sin", "cos", "tan")


def evaluated(name, x):
    """Value and derivative at `x`; at infinities, the limits."""
    f, df = UNARY[name]
    if mp.isnan(x):
        return (ONE, mp.mpf(0)) if name == "powf_0" else (nan, nan)
    if not mp.isinf(x):
        return f(x), df(x)
    if x < 0 and name in ("powf_2.5", "powf_0.25"):
        # That of C's pow.
        return inf, inf if name == "powf_2.5" else mp.mpf(0)
    if name in PERIODIC:
        return nan, nan

    def limit(g):
        v = g(FAR * mp.sign(x))
        return v if mp.isnan(v) or abs(v) < LARGE else mp.sign(v) * inf

    y = limit(f)
    return y, nan if mp.isnan(y) else limit(df)


# Functions of two numbers, with both derivatives.
def quotient(a, b):
    if mp.isinf(a) or mp.isinf(b) or b == 0:
        return None
    return a / b, 1 / b, -a / b**2


def angle(a, b):
    # At the origin, PyTorch's convention.
    if a == 0 and b == 0:
        return mp.mpf(0), mp.mpf(0), mp.mpf(0)
    square = a * a + b * b
    y = mp.atan2(a, b)
    return (y, mp.mpf(0), mp.mpf(0)) if mp.isinf(square) else (y, b / square, -a / square)


def powers(a, b):
    if mp.isinf(a) or mp.isinf(b):
        return None
    if b == 0:
        # The derivative for the base is 0; at 0⁰, so is the other by PyTorch's convention.
        return ONE, mp.mpf(0), mp.log(a) if a > 0 else (mp.mpf(0) if a == 0 else nan)
    if a == 0:
        return None if b < 0 else (mp.mpf(0), nan if b < 1 else (ONE if b == 1 else mp.mpf(0)), mp.mpf(0))
    if a < 0 or abs(b * mp.log(a)) > 10**6:
        return None
    y = mp.power(a, b)
    return y, b * mp.power(a, b - 1), y * mp.log(a)


def remainder(a, b):
    if mp.isinf(a) or mp.isinf(b) or b == 0:
        return None
    whole = mp.floor(a / b)
    return a - b * whole, ONE, -whole


BINARY = {"remainder": remainder, "div": quotient, "atan2": angle, "pow": powers, "mul": lambda a, b: None if mp.isinf(a) or mp.isinf(b) else (a * b, b, a)}


# Functions of rows of four numbers, with their gradients. None: left open.
def norm(p):
    p = mp.mpf(p)

    def f(x):
        y = mp.power(sum(mp.power(abs(v), p) for v in x if v != 0), 1 / p) if any(x) else mp.mpf(0)
        return y, [mp.mpf(0) if v == 0 else mp.sign(v) * mp.power(abs(v) / y, p - 1) for v in x]

    return f


def moments(x):
    mean = sum(x) / 4
    var = sum((v - mean) ** 2 for v in x) / 3
    return mean, var, mp.sqrt(var)


def var(x):
    mean, y, _ = moments(x)
    return y, [2 * (v - mean) / 3 for v in x]


def std(x):
    mean, _, y = moments(x)
    return y, [mp.mpf(0) if y == 0 else (v - mean) / (3 * y) for v in x]


def prod(x):
    others = [mp.fprod(v for j, v in enumerate(x) if j != i) for i in range(4)]
    return mp.fprod(x), others


def cumprod(x):
    products = [mp.fprod(x[: k + 1]) for k in range(4)]
    others = lambda i: sum(WEIGHTS[k] * mp.fprod(v for j, v in enumerate(x[: k + 1]) if j != i) for k in range(i, 4))
    return products, [others(i) for i in range(4)]


def cross_entropy(x):
    y, p = logsumexp(x)
    return y - x[2], [v - (1 if i == 2 else 0) for i, v in enumerate(p)]


def logsumexp(x):
    m = max(x)
    e = [mp.exp(v - m) for v in x]
    return m + mp.log(sum(e)), [v / sum(e) for v in e]


# What the results of a row are multiplied by before they are added up, to have a gradient.
WEIGHTS = [mp.mpf(v) for v in ("0.5", "-1", "2", "1.5")]


def softmax(x):
    m = max(x)
    e = [mp.exp(v - m) for v in x]
    y = [v / sum(e) for v in e]
    dot = sum(a * b for a, b in zip(y, WEIGHTS))
    return y, [a * (w - dot) for a, w in zip(y, WEIGHTS)]


def log_softmax(x):
    m = max(x)
    e = [mp.exp(v - m) for v in x]
    rest = mp.log(sum(e))
    return [(v - m) - rest for v in x], [w - a / sum(e) * sum(WEIGHTS) for a, w in zip(e, WEIGHTS)]


def normalized(x):
    """x / ‖x‖, as a user writes it."""
    n = mp.sqrt(sum(v * v for v in x))
    if n == 0:
        return None
    y = [v / n for v in x]
    dot = sum(a * w for a, w in zip(y, WEIGHTS))
    return y, [(w - a * dot) / n for a, w in zip(y, WEIGHTS)]


def shares(x):
    """x / Σ x, as a user writes it."""
    total = sum(x)
    if abs(total) <= max(abs(v) for v in x) / 8:
        return None
    y = [v / total for v in x]
    dot = sum(a * w for a, w in zip(y, WEIGHTS))
    return y, [(w - dot) / total for w in WEIGHTS]


def centred(about_mean):
    def f(x):
        mean = sum(x) / 4 if about_mean else mp.mpf(0)
        s = mp.sqrt(sum((v - mean) ** 2 for v in x) / 4)
        if s == 0:
            return None
        y = [(v - mean) / s for v in x]
        along = sum(a * w for a, w in zip(y, WEIGHTS)) / 4
        level = sum(WEIGHTS) / 4 if about_mean else 0
        return y, [(w - level - a * along) / s for a, w in zip(y, WEIGHTS)]

    return f


def renorm(x):
    n = mp.sqrt(sum(v * v for v in x))
    if n <= 1:
        return list(x), WEIGHTS
    whole = n + mp.mpf(1e-7)
    y = [v / whole for v in x]
    along = sum(w * v for w, v in zip(WEIGHTS, x)) / whole
    return y, [(w - v / n * along) / whole for w, v in zip(WEIGHTS, x)]


ROWS = {
    "sum": lambda x: (sum(x), [ONE] * 4),
    "mean": lambda x: (sum(x) / 4, [ONE / 4] * 4),
    "norm_1": norm(1),
    "norm_2": norm(2),
    "norm_3": norm(3),
    "norm_1.5": norm(1.5),
    "norm_0.5": norm(0.5),
    "norm_-1": lambda x: norm(-1)(x) if all(x) else None,
    "norm_inf": lambda x: (max(abs(v) for v in x), None),
    "var": var,
    "std": std,
    "prod": prod,
    "cumprod": cumprod,
    "cross_entropy": cross_entropy,
    "logsumexp": logsumexp,
    "mse": lambda x: (sum(v * v for v in x) / 4, [v / 2 for v in x]),
    "softmax": softmax,
    "log_softmax": log_softmax,
    "normalized": normalized,
    "shares": shares,
    "layer_norm": centred(True),
    "rms_norm": centred(False),
    "renorm": renorm,
}


def numbers(kind):
    dtype, digits, low, high = TYPES[kind]
    step = 7 if kind == "f32" else 41
    x = [m * 2.0**e for e in range(low, high, step) for m in (1.0, 1.3712, 1.99)]
    x += [float(np.finfo(dtype).max), float(np.finfo(dtype).tiny), float(np.finfo(dtype).tiny) * (1 - 2.0 ** (1 - digits))]
    x += [2.0**low, 1 - 2.0**-digits, 1 + 2.0 ** (1 - digits)]
    # Where exponentials and their tails begin and end.
    x += [0.07 * 1.13**i for i in range(80 if kind == "f32" else 95)]
    x += [1.0, 2.0, 3.0, 0.5, 1.5, 6.0, 20.0]
    with np.errstate(over="ignore"):
        x = sorted({float(dtype(v)) for v in x if np.isfinite(dtype(v)) and dtype(v) > 0})
    return [s * v for v in x for s in (1, -1)] + [0.0, -0.0, float("inf"), float("-inf"), float("nan")]


def pairs(kind):
    dtype, digits, low, high = TYPES[kind]
    step = 23 if kind == "f32" else 173
    x = [1.3712 * 2.0**e for e in range(low + 1, high - 1, step)]
    x += [float(np.finfo(dtype).max), float(np.finfo(dtype).tiny), 2.0**low, 1.0, 1e-25, 1e20, 2.5, 3.0]
    x = sorted({float(dtype(v)) for v in x})
    x += [0.0, float("inf"), float("nan")] + [-v for v in x[::3]]
    return [(a, b) for a in x for b in x]


def rows(kind):
    dtype, digits, low, high = TYPES[kind]
    rng = np.random.default_rng(7)
    found = [[1e-30, 2e-30, 1e-30, 1e-30], [3e19, -4e19, 0.0, 1e19], [0.0, 1e-25, 0.0, 0.0], [1e20, 1e20, 1e20, 1e20]]
    found += [[1e8, 1e8, 1e8, 1e8], [1000.0, 1001.0, 999.0, -1000.0], [1e30, 1e30, 1e-30, 1e-30], [0.0, 0.0, 0.0, 0.0]]
    top = float(np.finfo(dtype).max)
    found += [[top, top, top, top], [top, -top, top, -top / 2], [top / 2, top / 4, top / 3, top / 8], [2.0**low] * 4]
    for e in range(low + 3, high - 2, 9 if kind == "f32" else 61):
        found.append(list(rng.uniform(-2, 2, 4) * 2.0**e))
        found.append(list(rng.uniform(0.5, 1.5, 4) * 2.0**e))
    for _ in range(30):
        found.append(list(rng.uniform(-1, 1, 4) * 2.0 ** rng.integers(low + 3, high - 2, 4).astype(float)))
    return np.array(found, dtype=np.float64).astype(dtype)


def write(path, tensors):
    names = {"float32": "F32", "float64": "F64"}
    order = sorted(tensors, key=lambda n: (-tensors[n].dtype.itemsize, n))
    header, offset = {"__metadata__": {"mpmath": mp.__version__, "numpy": np.__version__}}, 0
    for name in order:
        t = tensors[name]
        header[name] = {"dtype": names[t.dtype.name], "shape": list(t.shape), "data_offsets": [offset, offset + t.nbytes]}
        offset += t.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            file.write(tensors[name].tobytes())


def main():
    tensors = {}
    for kind, (dtype, *_) in TYPES.items():
        keep = lambda name, values: tensors.__setitem__(f"{kind}.{name}", np.array(values, dtype=dtype))
        mp.mp.prec = 400
        x = numbers(kind)
        keep("x", x)
        for name in UNARY:
            found = [evaluated(name, mp.mpf(v)) for v in x]
            keep(f"{name}.y", [rounded(y, kind) for y, _ in found])
            keep(f"{name}.dx", [rounded(d, kind) for _, d in found])
        # Sums of the largest and the smallest numbers, and remainders of one by the other, are exact.
        mp.mp.prec = 2400
        ab = pairs(kind)
        keep("a", [a for a, _ in ab])
        keep("b", [b for _, b in ab])
        for name, f in BINARY.items():
            both = [None if np.isnan(a) or np.isnan(b) else f(mp.mpf(a), mp.mpf(b)) for a, b in ab]
            for k, part in enumerate(("y", "da", "db")):
                keep(f"{name}.{part}", [rounded(v[k], kind) if v else np.nan for v in both])
        r = rows(kind)
        keep("rows", r)
        for name, f in ROWS.items():
            found = [f([mp.mpf(float(v)) for v in row]) for row in r]
            wide = next(isinstance(v[0], list) for v in found if v)
            ys = [v[0] if v else ([nan] * 4 if wide else nan) for v in found]
            keep(f"{name}.y", [[rounded(v, kind) for v in y] if wide else rounded(y, kind) for y in ys])
            keep(f"{name}.dx", [[rounded(v, kind) for v in (d[1] if d and d[1] else [nan] * 4)] for d in found])
    write(Path(__file__).parent / "range.safetensors", tensors)


main()
