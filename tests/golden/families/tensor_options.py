"""Options of operations: several index tensors, accumulation, counts, multiples, rounded quotients, tensors as bounds."""

import numpy as np
import torch

from recorder import bools, int_values, ints, normal, values

INF, NAN = float("inf"), float("nan")
ALL = slice(None)


def cases(f):
    x = normal(2, 3, 4)
    pair = lambda *k: int_values(*k)
    table = lambda *k: lambda rng: np.array(k, dtype=np.int64)
    mask = lambda *k: lambda rng: np.array(k, dtype=bool)
    deep = normal(2, 3, 2, 4)

    # The indices as Python writes them; the tensors among them are the inputs after x.
    chosen = (
        ("[i, j]", x, (pair(1, 0, 1, 1), pair(2, -1, 0, 0)), lambda i, j: (i, j)),
        ("[:, i, j]", x, (pair(0, 2), pair(3, 3)), lambda i, j: (ALL, i, j)),
        ("[i, :, j]", x, (pair(0, 1, 1), pair(3, 1, 1)), lambda i, j: (i, ALL, j)),
        ("[i, j, k]", x, (pair(0, 1, 0), pair(2, 2, -3), pair(1, 1, -4)), lambda i, j, k: (i, j, k)),
        ("[column, row]", x, (table([1], [0]), pair(2, 0, 1)), lambda i, j: (i, j)),
        ("[:, column, row]", x, (table([1], [2]), pair(3, 0, 1)), lambda i, j: (ALL, i, j)),
        ("[row, :, column]", x, (pair(0, 1), table([1], [2], [3])), lambda i, j: (i, ALL, j)),
        ("[i, 1, j]", x, (pair(0, 1), pair(3, 0)), lambda i, j: (i, 1, j)),
        ("[0, :, i]", x, (pair(3, 0),), lambda i: (0, ALL, i)),
        ("[i, None, j]", x, (pair(0, 1), pair(2, 0)), lambda i, j: (i, None, j)),
        ("[..., i, j]", deep, (pair(1, 0, 1), pair(3, 0, 2)), lambda i, j: (..., i, j)),
        ("[i, ..., j]", deep, (pair(1, 0, 1), pair(3, 0, 2)), lambda i, j: (i, ..., j)),
        ("[:, i, 1:, j]", deep, (pair(1, 0, 2), pair(3, 0, 2)), lambda i, j: (ALL, i, slice(1, None), j)),
        ("[:, i, ::2, j]", deep, (table([1, 0], [2, 2]), pair(3, 0)), lambda i, j: (ALL, i, slice(None, None, 2), j)),
        ("[mask, i]", x, (mask([True, False, True], [False, True, False]), pair(3, 0, 1)), lambda m, i: (m, i)),
        ("[i, mask]", x, (table([1], [0]), mask(True, False, True)), lambda i, m: (i, m)),
        ("[i, :, mask]", x, (pair(1, 0), mask(True, False, False, True)), lambda i, m: (i, ALL, m)),
        ("[mask, mask]", x, (mask(True, True), mask(False, True, True)), lambda m, n: (m, n)),
        ("[:, mask]", x, (mask([True, False] * 2, [False, True] * 2, [True] * 4),), lambda m: (ALL, m)),
        ("[i, j] none", x, (lambda rng: np.zeros(0, dtype=np.int64), pair(1)), lambda i, j: (i, j)),
        ("[number, i]", x, (lambda rng: np.array(1), pair(2, 0)), lambda n, i: (n, i)),
        ("[number, :, i]", x, (lambda rng: np.array(1), pair(2, 0)), lambda n, i: (n, ALL, i)),
    )
    for label, source, tensors, index in chosen:
        f.case("index", label, lambda x, *t, index=index: x[index(*t)], [source, *tensors])
        # These tensors are drawn without the generator.
        whole = index(*(torch.from_numpy(np.array(draw(None))) for draw in tensors))
        part = normal(*torch.zeros(source(f.rng("shape")).shape)[whole].shape)
        f.case(
            "index_put_accumulate",
            label,
            lambda x, v, *t, index=index: added(x, index(*t), v),
            [source, part, *tensors],
        )
        if label not in REPEATED:
            f.case("index_put", label, lambda x, v, *t, index=index: put(x, index(*t), v), [source, part, *tensors])
    # Values that broadcast, and places without any tensor.
    f.case(
        "index_put_accumulate",
        "[i, j] scalar",
        lambda x, v, i, j: x.index_put((i, j), v, accumulate=True),
        [x, normal(), pair(1, 1, 1), pair(0, 0, 2)],
    )
    f.case(
        "index_put_accumulate", "[:, 1:]", lambda x, v: added(x, (ALL, slice(1, None)), v), [x, normal(2, 1, 4)]
    )

    for dim, counts in ((0, (2, 0)), (1, (1, 3, 0)), (-1, (0, 1, 2, 1)), (1, (2,)), (2, (0, 0, 0, 0))):
        f.case(
            "repeat_interleave",
            f"dim{dim}_{counts}",
            lambda x, n, dim: x.repeat_interleave(n, dim),
            [x, pair(*counts)],
            dim=dim,
        )

    for alpha in (2.5, -0.5, 0.0):
        for op in ("add", "sub"):
            run = lambda a, b, alpha, op=op: getattr(torch, op)(a, b, alpha=alpha)
            f.case(f"{op}_alpha", f"same_{alpha}", run, [normal(3, 4), normal(3, 4)], alpha=alpha)
            f.case(f"{op}_alpha", f"outer_{alpha}", run, [normal(3, 1), normal(4)], alpha=alpha)
        f.case(
            "index_add_alpha",
            f"{alpha}",
            lambda x, i, s, dim, alpha: x.index_add(dim, i, s, alpha=alpha),
            [x, pair(2, 0, 2), normal(2, 3, 4)],
            dim=1,
            alpha=alpha,
        )
    for op in ("add", "sub"):
        run = lambda a, b, alpha, op=op: getattr(torch, op)(a, b, alpha=alpha)
        f.case(f"{op}_alpha", "i64", run, [ints(-9, 9, 3, 4), ints(-9, 9, 4)], alpha=-3)

    dividends = values(7.0, -7.0, 7.0, -7.0, 1.0, 0.0, -0.0, INF, 3.0, -1e-30, 6.0, 0.25, NAN, -1.0, 1e30, 5.5)
    divisors = values(2.0, 2.0, -2.0, -2.0, 0.0, 0.0, 3.0, 2.0, INF, 1e30, -3.0, 0.5, 1.0, NAN, 7.0, -1.25)
    for mode in ("floor", "trunc"):
        run = lambda a, b, mode: torch.div(a, b, rounding_mode=mode)
        f.case("div_mode", f"{mode}_special", run, [dividends, divisors], signed_zero=True, mode=mode)
        f.case("div_mode", f"{mode}_outer", run, [normal(3, 1, scale=9.0), normal(4)], mode=mode)
        whole = lambda rng: np.array([-3, 2, 7, -1, 5], dtype=np.int64)
        f.case("div_mode", f"{mode}_i64", run, [ints(-20, 20, 4, 5), whole], mode=mode)
    f.case("floor_divide", "outer", torch.floor_divide, [normal(3, 1, scale=9.0), normal(4)], fixed=(0, 1))

    for label, m in (("same", bools(3, 4)), ("row", bools(4)), ("column", bools(3, 1))):
        f.case("masked_fill", label, lambda x, m, v: x.masked_fill(m, v), [normal(3, 4), m, normal()])
    f.case("masked_fill", "nan", lambda x, m, v: x.masked_fill(m, v), [normal(3), mask(True, False, True), values(NAN, shape=())])

    run = lambda x, lo, hi: torch.clamp(x, lo, hi)
    f.case("clamp", "both", run, [normal(3, 4), normal(3, 4, shift=-0.5), normal(3, 4, shift=0.5)])
    f.case("clamp", "broadcast", run, [normal(3, 4), normal(4, shift=-0.5), normal(3, 1, shift=0.5)])
    f.case("clamp", "wider", run, [normal(4), normal(3, 1, shift=-0.5), normal(2, 1, 1, shift=0.5)])
    f.case("clamp", "i64", run, [ints(-9, 9, 3, 4), ints(-5, 0, 4), ints(0, 5, 3, 1)])
    f.case("clamp_min", "row", lambda x, lo: torch.clamp(x, min=lo), [normal(3, 4), normal(4)])
    f.case("clamp_max", "row", lambda x, hi: torch.clamp(x, max=hi), [normal(3, 4), normal(4)])
    # Every order of the three, with equal ones.
    numbers = (-2.0, 0.0, 1.0, 2.0, INF, -INF)
    grid = [(a, b, c) for a in numbers for b in (0.0, 1.0, -INF) for c in (0.0, 1.0, INF)]
    f.case("clamp", "orders", run, [values(*column) for column in zip(*grid)])

    for a, b in (((0, 1), (2, 0)), ((-1, 0), (0, 1)), ((2, 0, 1), (0, 1, 2)), ((1,), (-1,)), ((), ())):
        f.case("movedim", f"{a}_{b}", lambda x, a, b: x.movedim(tuple(a), tuple(b)), [x], a=list(a), b=list(b))
    for dim, start, length in ((1, -2, 2), (-1, -4, 3), (0, -1, 1), (2, -1, 0)):
        f.case(
            "narrow",
            f"{dim}_{start}_{length}",
            lambda x, dim, start, length: x.narrow(dim, start, length),
            [x],
            dim=dim,
            start=start,
            length=length,
        )


# Two values for one place: PyTorch does not say which stays.
REPEATED = ("[i, j]", "[:, i, j]", "[i, :, j]")


def put(x, index, value):
    out = x.clone()
    out[index] = value
    return out


def added(x, index, value):
    """`index_put` with accumulation, of tensors alone; slices go by the numbers of the elements."""
    if all(torch.is_tensor(i) for i in index):
        return x.index_put(index, value, accumulate=True)
    places = torch.arange(x.numel()).reshape(x.shape)[index]
    return x.reshape(-1).index_put((places,), value.expand(places.shape), accumulate=True).reshape(x.shape)

