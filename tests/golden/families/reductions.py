"""Reductions over sets of dimensions, scans, and orderings."""

import torch

from recorder import apart, away, bools, ints, normal, uniform, values

INF, NAN = float("inf"), float("nan")
# All dimensions, one from either end, several (adjacent or not, unsorted).
DIM_SETS = ([], [0], [1], [-1], [0, 1], [0, 2], [-1, 0], [0, 1, 2])


def label_of(dims, keepdim):
    return ("all" if not dims else "dims" + "_".join(map(str, dims))) + ("_keep" if keepdim else "")


def cases(f):
    def over_dims(op, run, draw, **attrs):
        """`dims` is empty for the form without dimensions."""
        suffix = "".join(f"_{k}{v}" for k, v in attrs.items())
        for dims in DIM_SETS:
            for keepdim in (False, True):
                if dims or not keepdim:
                    f.case(op, label_of(dims, keepdim) + suffix, run, [draw], dims=dims, keepdim=keepdim, **attrs)

    def plain(name):
        def run(x, dims, keepdim, **attrs):
            return getattr(torch, name)(x, dim=dims or tuple(range(x.dim())), keepdim=keepdim, **attrs)

        return run

    def one_by_one(name):
        """For what PyTorch reduces over one dimension at a time."""

        def run(x, dims, keepdim):
            if not dims:
                return getattr(torch, name)(x)
            for d in sorted((d % x.dim() for d in dims), reverse=True):
                x = getattr(torch, name)(x, dim=d, keepdim=keepdim)
            return x

        return run

    # Sums of positive terms: every digit of the reference is meaningful.
    positive, mixed = uniform(0.1, 2.0, 2, 3, 4), normal(2, 3, 4)
    over_dims("sum", plain("sum"), positive)
    over_dims("mean", plain("mean"), positive)
    for correction in (0, 1):
        over_dims("var", plain("var"), apart(2, 3, 4), correction=correction)
        over_dims("std", plain("std"), apart(2, 3, 4), correction=correction)
    over_dims("logsumexp", plain("logsumexp"), mixed)
    over_dims("amax", plain("amax"), mixed)
    over_dims("amin", plain("amin"), mixed)
    over_dims("prod", one_by_one("prod"), away(0.5, 0.0, 1.0, 2, 3, 4))
    over_dims("any", one_by_one("any"), bools(2, 3, 4))
    over_dims("all", one_by_one("all"), lambda rng: bools(2, 3, 4)(rng) | bools(2, 3, 4)(rng))
    for p in (1.0, 2.0, 3.0, 0.5, INF, -INF, 0.0):
        for dims in ([], [1], [-1, 0]):
            for keepdim in (False, True):
                if dims or not keepdim:
                    f.case(
                        "norm",
                        label_of(dims, keepdim) + f"_p{p}",
                        lambda x, dims, keepdim, p: torch.linalg.vector_norm(x, float(p), dims or None, keepdim),
                        [away(0.1, 0.0, 2.0, 2, 3, 4)],
                        dims=dims,
                        keepdim=keepdim,
                        p=str(p),
                    )

    def renorm(label, shape, p, dim, max_norm, x=None):
        run = lambda x, p, dim, max_norm: torch.renorm(x, float(p), dim, max_norm)
        f.case("renorm", label, run, [x or away(0.1, 0.0, 2.0, *shape)], p=p, dim=dim, max_norm=max_norm)

    for p in ("0.5", "1", "1.5", "2", "3", "inf"):
        # Half of the rows are longer than that.
        renorm(f"rows_p{p}", (4, 3), p, 0, {"0.5": 9.0, "1": 3.5}.get(p, 2.0))
    renorm("middle", (2, 3, 4), "2", 1, 2.5)
    renorm("last", (2, 3, 4), "1", -1, 5.0)
    renorm("long", (3, 100), "2", 0, 11.0)
    renorm("short", (3, 4), "2", 0, 100.0)
    renorm("to_nothing", (3, 4), "2", 0, 0.0)
    renorm("zeros", (2, 2), "2", 0, 1.0, values(0.0, 0.0, 3.0, 4.0, shape=(2, 2)))
    renorm("ties", (2, 3), "inf", 0, 1.0, values(2.0, -2.0, 1.0, 0.5, 0.5, 0.25, shape=(2, 3)))
    renorm("empty", (3, 0), "2", 0, 1.0)

    f.case(
        "count_nonzero",
        "all",
        lambda x, dims, keepdim: torch.count_nonzero(x),
        [ints(-1, 2, 3, 4)],
        dims=[],
        keepdim=False,
    )
    f.case(
        "count_nonzero",
        "dims",
        lambda x, dims, keepdim: torch.count_nonzero(x, dims),
        [ints(-1, 2, 3, 4, 2)],
        dims=[0, -1],
        keepdim=False,
    )
    f.case("sum", "scalar", lambda x, dims, keepdim: x.sum(), [normal()], dims=[], keepdim=False)
    f.case("sum", "empty", lambda x, dims, keepdim: x.sum(dims), [normal(0, 3)], dims=[0], keepdim=False)
    f.case("prod", "empty", lambda x, dims, keepdim: x.prod(0), [normal(0, 3)], dims=[0], keepdim=False)
    f.case("mean", "empty", lambda x, dims, keepdim: x.mean(0), [normal(0, 3)], dims=[0], keepdim=False)
    f.case("logsumexp", "empty", lambda x, dims, keepdim: x.logsumexp(0), [normal(0, 3)], dims=[0], keepdim=False)
    f.case("sum", "long", lambda x, dims, keepdim: x.sum(dims), [uniform(0.0, 1.0, 3, 1000)], dims=[1], keepdim=False)
    f.case("sum", "i64", lambda x, dims, keepdim: x.sum(dims), [ints(-9, 9, 3, 4)], dims=[1], keepdim=False)
    f.case("prod", "i64", lambda x, dims, keepdim: x.prod(1), [ints(-9, 9, 3, 4)], dims=[1], keepdim=False)
    f.case("amax", "i64", lambda x, dims, keepdim: x.amax(dims), [ints(-9, 9, 3, 4)], dims=[1], keepdim=False)
    f.case(
        "sum",
        "nan",
        lambda x, dims, keepdim: x.sum(dims),
        [values(1.0, NAN, 2.0, INF, -INF, 1.0, shape=(3, 2))],
        dims=[1],
        keepdim=False,
    )

    # At ties the gradient of amax and amin is shared equally.
    ties = values(1.0, 3.0, 3.0, 2.0, 2.0, 2.0, -1.0, -1.0, 0.0, shape=(3, 3))
    zeros = values(2.0, 0.0, 3.0, 0.0, 0.0, 4.0, 1.5, 2.5, -2.0, shape=(3, 3))
    nan = values(1.0, NAN, 3.0, 4.0, 5.0, INF, shape=(2, 3))
    for op in ("amax", "amin"):
        for dims in ([], [0], [1]):
            f.case(op, label_of(dims, False) + "_ties", plain(op), [ties], dims=dims, keepdim=False)
            f.case(op, label_of(dims, False) + "_nan", plain(op), [nan], fixed=(0,), dims=dims, keepdim=False)
    for dims in ([], [0], [1]):
        f.case("prod", label_of(dims, False) + "_zeros", one_by_one("prod"), [zeros], dims=dims, keepdim=False)
    # Beyond what exp can hold. The gradient exp(x - out) has as many digits as out has after the point: few at 1000.
    f.case(
        "logsumexp",
        "large",
        plain("logsumexp"),
        [values(1000.0, 1001.0, -1000.0, -1001.0, shape=(2, 2))],
        fixed=(0,),
        dims=[1],
        keepdim=False,
    )
    f.case(
        "logsumexp",
        "over",
        plain("logsumexp"),
        [values(92.0, 93.0, -96.0, -95.5, shape=(2, 2))],
        dims=[1],
        keepdim=False,
    )
    f.case(
        "logsumexp",
        "minus_infinity",
        plain("logsumexp"),
        [values(-INF, 0.5, 1.0, -INF, shape=(2, 2))],
        dims=[1],
        keepdim=False,
    )
    f.case("var", "constant", plain("var"), [values(2.0, 2.0, 2.0)], dims=[0], keepdim=False, correction=1)
    f.case("std", "constant", plain("std"), [values(2.0, 2.0, 2.0)], dims=[0], keepdim=False, correction=1)
    f.case("var", "shifted", plain("var"), [uniform(100.0, 101.0, 2, 50)], dims=[1], keepdim=False, correction=1)
    f.case(
        "norm",
        "zero_p2",
        lambda x, dims, keepdim, p: torch.linalg.vector_norm(x, 2.0, dims),
        [values(0.0, 0.0, shape=(1, 2))],
        dims=[1],
        keepdim=False,
        p="2.0",
    )
    f.case(
        "norm",
        "zero_p1",
        lambda x, dims, keepdim, p: torch.linalg.vector_norm(x, 1.0, dims),
        [values(0.0, 0.0, shape=(1, 2))],
        dims=[1],
        keepdim=False,
        p="1.0",
    )
    f.case(
        "norm",
        "ties_inf",
        lambda x, dims, keepdim, p: torch.linalg.vector_norm(x, INF, dims),
        [values(1.0, -2.0, 2.0, shape=(1, 3))],
        dims=[1],
        keepdim=False,
        p="inf",
    )

    # One dimension, with the place of the extreme: the gradient goes to that one place.
    for op in ("max", "min"):
        for dim in (0, 1, -1):
            for keepdim in (False, True):
                f.case(
                    f"{op}_dim",
                    f"dim{dim}" + ("_keep" if keepdim else ""),
                    lambda x, dim, keepdim, op=op: getattr(torch, op)(x, dim=dim, keepdim=keepdim),
                    [mixed],
                    dim=dim,
                    keepdim=keepdim,
                )
    for op in ("argmax", "argmin"):
        for dim in (None, 0, 1, -1):
            for keepdim in (False, True):
                if dim is not None or not keepdim:
                    f.case(
                        op,
                        f"dim{dim}" + ("_keep" if keepdim else ""),
                        getattr(torch, op),
                        [mixed],
                        dim=dim,
                        keepdim=keepdim,
                    )
        f.case(op, "nan", getattr(torch, op), [nan], dim=1, keepdim=False)

    for op in ("cumsum", "cumprod"):
        draw = away(0.5, 0.0, 1.0, 2, 3, 4) if op == "cumprod" else positive
        for dim in (0, 1, 2, -1):
            f.case(op, f"dim{dim}", getattr(torch, op), [draw], dim=dim)
        f.case(op, "empty", getattr(torch, op), [normal(2, 0)], dim=1)
    for dim in (0, 1):
        f.case("cumprod", f"zeros_dim{dim}", torch.cumprod, [zeros], dim=dim)

    several = values(3.0, 1.0, 3.0, 2.0, 1.0, 3.0, 0.0, -1.0, shape=(2, 4))
    with_nan = values(3.0, NAN, -INF, 2.0, INF, NAN, 0.0, -1.0, shape=(2, 4))
    for descending in (False, True):
        for dim in (0, 1, -1):
            for op in ("sort", "argsort"):
                f.case(
                    op,
                    f"dim{dim}_{descending}",
                    lambda x, dim, descending, op=op: getattr(torch, op)(
                        x, dim=dim, descending=descending, stable=True
                    ),
                    [mixed],
                    dim=dim,
                    descending=descending,
                )
        f.case(
            "sort",
            f"ties_{descending}",
            lambda x, dim, descending: torch.sort(x, dim=dim, descending=descending, stable=True),
            [several],
            dim=1,
            descending=descending,
        )
        f.case(
            "sort",
            f"nan_{descending}",
            lambda x, dim, descending: torch.sort(x, dim=dim, descending=descending, stable=True),
            [with_nan],
            fixed=(0,),
            dim=1,
            descending=descending,
        )
    for largest in (True, False):
        for k, dim in ((1, 0), (2, 1), (3, -1)):
            f.case(
                "topk",
                f"k{k}_dim{dim}_{largest}",
                lambda x, k, dim, largest: torch.topk(x, k, dim=dim, largest=largest, sorted=True),
                [mixed],
                k=k,
                dim=dim,
                largest=largest,
            )
