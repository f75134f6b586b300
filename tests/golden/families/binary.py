"""Two or three tensors, with broadcasting."""

import torch

from recorder import away, bools, ints, normal, uniform, values

INF, NAN = float("inf"), float("nan")
SHAPES = {
    "same": ((3, 4), (3, 4)),
    "row": ((3, 4), (4,)),
    "column": ((3, 4), (3, 1)),
    "outer": ((3, 1), (1, 4)),
    "scalar": ((2, 3), ()),
    "middle": ((2, 1, 3), (4, 1)),
    "four": ((2, 1, 3, 1), (1, 2, 1, 4)),
    "empty": ((0, 3), (1, 3)),
}


def cases(f):
    def each_shape(op, run, left, right):
        for label, (a, b) in SHAPES.items():
            f.case(op, label, run, [left(*a), right(*b)])

    def some(*shape):
        return normal(*shape)

    def nonzero(*shape):
        return away(0.2, 0.0, 2.0, *shape)

    def positive(*shape):
        return uniform(0.1, 3.0, *shape)

    for op, right in (("add", some), ("sub", some), ("mul", some), ("div", nonzero)):
        each_shape(op, getattr(torch, op), some, right)
    each_shape("pow", torch.pow, positive, some)
    each_shape("minimum", torch.minimum, some, some)
    each_shape("maximum", torch.maximum, some, some)
    each_shape("atan2", torch.atan2, nonzero, nonzero)

    left = values(0.0, -0.0, 0.0, 1.0, -1.0, INF, INF, NAN, 1.0, -0.0)
    right = values(0.0, 0.0, -1.0, 0.0, 0.0, INF, -INF, 1.0, NAN, -1.0)
    for op in ("add", "sub", "mul", "div"):
        f.case(op, "special", getattr(torch, op), [left, right], signed_zero=True)
    for op in ("minimum", "maximum"):
        f.case(op, "special", getattr(torch, op), [left, right])
        f.case(op, "ties", getattr(torch, op), [values(1.0, 2.0, -3.0, 0.0), values(1.0, 1.0, -3.0, -0.0)])
    f.case("atan2", "axes", torch.atan2, [values(0.0, 0.0, 1.0, -1.0), values(1.0, -1.0, 0.0, 0.0)])
    f.case(
        "pow",
        "signs",
        torch.pow,
        [values(-2.0, -2.0, -1.5, 0.0, 0.0, 2.0, 5.0), values(3.0, 2.0, -1.0, 2.0, 1.0, 0.0, 1.0)],
        fixed=(1,),
    )
    f.case("pow", "zero_base", torch.pow, [values(0.0, 0.0, 0.0, 1.0), values(0.0, 1.0, 2.5, 2.5)])
    f.case(
        "remainder",
        "signs",
        torch.remainder,
        [values(5.5, -5.5, 5.5, -5.5, 0.25, -0.25), values(2.0, 2.0, -2.0, -2.0, 3.0, 3.0)],
    )
    f.case("remainder", "row", torch.remainder, [normal(3, 4, scale=5.0), values(0.7, -1.3, 2.1, 3.0)])

    floats = [values(1.0, 2.0, -1.0, 0.0, NAN, INF, -INF, 3.0), values(1.0, 1.0, 1.0, -0.0, NAN, INF, INF, NAN)]
    for op in ("eq", "ne", "lt", "le", "gt", "ge"):
        f.case(op, "float", getattr(torch, op), floats)
        f.case(op, "int", getattr(torch, op), [ints(-2, 3, 3, 4), ints(-2, 3, 4)])
        f.case(f"{op}_scalar", "float", lambda x, c, op=op: getattr(torch, op)(x, c), [floats[0]], c=1.0)
    for op in ("logical_and", "logical_or", "logical_xor"):
        f.case(op, "bool", getattr(torch, op), [bools(3, 4), bools(4)])
    for op in ("add", "sub", "mul", "minimum", "maximum"):
        f.case(op, "i64", getattr(torch, op), [ints(-9, 9, 3, 4), ints(-9, 9, 4)])

    f.case("where", "same", torch.where, [bools(3, 4), normal(3, 4), normal(3, 4)])
    f.case("where", "broadcast", torch.where, [bools(4), normal(2, 1, 4), normal(3, 1)])
    f.case("where", "scalars", torch.where, [bools(3, 4), normal(), normal()])
    f.case(
        "where", "nan_not_taken", torch.where, [lambda rng: bools(2)(rng) & False, values(NAN, INF), values(1.0, 2.0)]
    )
    for label, mask in (("same", bools(3, 4)), ("row", bools(4)), ("column", bools(3, 1))):
        f.case("masked_fill", label, lambda x, m, value: x.masked_fill(m, value), [normal(3, 4), mask], value=-1.5)
    f.case("masked_fill", "minus_infinity", lambda x, m: x.masked_fill(m, -INF), [normal(3, 4), bools(3, 4)])
