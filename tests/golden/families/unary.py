"""One tensor in, one out, element by element."""

import torch

from recorder import away, bools, ints, normal, uniform, values

INF, NAN = float("inf"), float("nan")
LARGEST = 3.0e38
SPECIAL = values(0.0, -0.0, INF, -INF, NAN)


def cases(f):
    def unary(op, run=None, **inputs):
        for label, draw in inputs.items():
            f.case(op, label, run or getattr(torch, op), [draw], signed_zero=label in ("special", "zero"))

    wide = values(-80.0, -60.5, -20.25, -1.0, -1e-3, -1e-6, 0.0, 1e-6, 1e-3, 1.0, 20.25, 60.5, 80.0)
    near_zero = values(-1e-2, -1e-4, -1e-6, -1e-8, -1e-20, 0.0, 1e-20, 1e-8, 1e-6, 1e-4, 1e-2)
    positive = uniform(0.05, 4.0, 3, 5)
    scales = values(1e-30, 1e-10, 1e-3, 0.5, 0.999999, 1.0, 1.000001, 2.0, 1e3, 1e10, 1e30)
    plain = normal(3, 5)
    # No trigonometric zero nor pole is closer than 0.05: there f32 has no correct digits to compare.
    angles = values(-30.3, -7.1, -3.9, -2.5, -1.2, -0.4, -1e-3, 1e-3, 0.3, 0.9, 1.3, 2.2, 4.1, 9.9, 25.7, 100.4)
    inside = values(-0.99, -0.75, -0.5, -0.1, -1e-4, 0.0, 1e-4, 0.1, 0.3, 0.6, 0.95)

    unary("neg", plain=plain, special=SPECIAL)
    unary("abs", plain=plain, special=SPECIAL)
    unary("sign", plain=plain, special=values(0.0, -0.0, INF, -INF))
    unary("square", plain=plain, scales=values(-1e18, -1e3, -1e-15, 0.0, 1e-10, 1e15), special=SPECIAL)
    unary("exp", plain=plain, wide=wide, over=values(88.0, 90.0, 200.0, -87.0, -120.0), special=SPECIAL)
    unary("exp2", plain=plain, wide=values(-120.0, -50.5, -1.0, 0.0, 0.5, 3.0, 64.25, 120.0), special=SPECIAL)
    unary("expm1", plain=plain, near_zero=near_zero, wide=wide, special=SPECIAL)
    unary("log", positive=positive, scales=scales, special=values(0.0, -0.0, -1.0, INF, NAN))
    unary("log2", positive=positive, scales=scales, special=values(0.0, -1.0, INF, NAN))
    unary("log10", positive=positive, scales=scales, special=values(0.0, -1.0, INF, NAN))
    unary(
        "log1p",
        plain=uniform(-0.9, 4.0, 3, 5),
        near_zero=near_zero,
        scales=scales,
        special=values(0.0, -0.0, -1.0, -2.0, INF, NAN),
    )
    unary("sqrt", positive=positive, scales=scales, special=values(0.0, -0.0, -1.0, INF, NAN))
    unary("rsqrt", positive=positive, scales=scales, special=values(0.0, -1.0, INF, NAN))
    unary("reciprocal", plain=away(0.05, 0.0, 4.0, 3, 5), scales=values(-1e15, -1e-15, 1e-10, 1e10), special=SPECIAL)

    unary("sin", angles=angles, special=SPECIAL)
    unary("cos", angles=angles, special=SPECIAL)
    unary("tan", angles=angles, special=SPECIAL)
    unary("asin", inside=inside, special=values(0.0, -0.0, 1.0, -1.0, 1.5, NAN))
    unary("acos", inside=inside, special=values(1.0, -1.0, 1.5, NAN))
    unary("atan", plain=plain, wide=wide, scales=values(-LARGEST, -1e10, 1e-10, 1e10), special=SPECIAL)
    unary("sinh", plain=plain, wide=wide, special=SPECIAL)
    unary("cosh", plain=plain, wide=wide, special=SPECIAL)
    unary("tanh", plain=plain, near_zero=near_zero, wide=values(-30.0, -12.0, -5.0, 5.0, 12.0, 30.0), special=SPECIAL)
    unary("asinh", plain=plain, near_zero=near_zero, wide=values(-1e10, -1e3, -10.0, 10.0, 1e3, 1e10), special=SPECIAL)
    unary("acosh", above=uniform(1.05, 6.0, 3, 5), wide=values(1.5, 1e3, 1e10), special=values(1.0, 0.5, INF, NAN))
    unary("atanh", inside=inside, near_zero=near_zero, special=values(0.0, -0.0, 1.0, -1.0, 1.5, NAN))
    unary(
        "erf",
        plain=plain,
        near_zero=near_zero,
        wide=values(-9.0, -4.0, -3.0, -2.0, 2.0, 3.0, 4.0, 9.0),
        special=SPECIAL,
    )
    unary("erfc", plain=plain, wide=values(-9.0, -3.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.5, 9.0), special=SPECIAL)

    halves = values(-2.5, -1.5, -1.2, -0.5, -0.3, 0.3, 0.5, 1.2, 1.5, 2.5, 3.5, 1e6 + 0.5, 8388609.0)
    for op in ("floor", "ceil", "round", "trunc"):
        unary(op, plain=normal(3, 5, scale=3.0), halves=halves, special=SPECIAL)

    edges = values(-2.0, -1.0, -0.5, -0.0, 0.0, 0.5, 0.75, 1.5, INF, -INF, NAN)
    for lo, hi in ((-1.0, 0.75), (-1.0, None), (None, 0.75), (0.5, -0.5)):
        label = f"{lo}..{hi}"
        f.case("clamp", label, torch.clamp, [edges], min=lo, max=hi)

    for p in (2.0, 3.0, -1.0, -2.0, 0.5, -0.5, 2.5, 1.0 / 3.0, 0.0, 1.0):
        f.case("pow_scalar", f"{p:.3g}", lambda x, p: x.pow(p), [positive], p=p)
    for p in (2.0, 3.0, -1.0, -3.0, 0.0, 1.0):
        f.case("pow_scalar", f"neg_base_{p:.0f}", lambda x, p: x.pow(p), [away(0.1, 0.0, 3.0, 3, 5)], p=p)
    for p in (0.0, 0.5, 1.0, 2.0, 3.0):
        f.case("pow_scalar", f"at_zero_{p}", lambda x, p: x.pow(p), [values(0.0)], p=p)
    f.case("pow_scalar", "nan", lambda x, p: x.pow(p), [values(-1.0, -0.5, INF, NAN)], p=0.5)

    for c in (0.1, -2.5):
        f.case("add_scalar", f"{c}", lambda x, c: x + c, [plain], c=c)
        f.case("sub_scalar", f"{c}", lambda x, c: x - c, [plain], c=c)
        f.case("rsub_scalar", f"{c}", lambda x, c: c - x, [plain], c=c)
        f.case("mul_scalar", f"{c}", lambda x, c: x * c, [plain], c=c)
        f.case("div_scalar", f"{c}", lambda x, c: x / c, [plain], c=c)
        f.case("rdiv_scalar", f"{c}", lambda x, c: c / x, [away(0.1, 0.0, 2.0, 3, 5)], c=c)

    for op in ("isnan", "isinf", "isfinite"):
        unary(op, special=values(0.0, -0.0, INF, -INF, NAN, 1.0, LARGEST))
    f.case("logical_not", "bool", torch.logical_not, [bools(3, 4)])
    f.case("neg", "i64", torch.neg, [ints(-9, 9, 3, 4)])
    f.case("abs", "i64", torch.abs, [ints(-9, 9, 3, 4)])
