"""Operations that are put together from others, special functions, what follows from the order of elements, places, distances."""

import numpy as np
import torch

from recorder import apart, away, bools, int_values, ints, normal, uniform, values

INF, NAN = float("inf"), float("nan")


def cases(f):
    pointwise(f)
    special(f)
    order(f)
    places(f)
    distances(f)


def pointwise(f):
    a, b, c = away(0.3, 0.0, 2.0, 2, 3), away(0.3, 0.0, 2.0, 2, 3), away(0.5, 0.0, 2.0, 3)
    f.case("addcmul", "broadcast", lambda x, a, b, value: torch.addcmul(x, a, b, value=value), [a, b, c], value=-0.5)
    f.case("addcdiv", "broadcast", lambda x, a, b, value: torch.addcdiv(x, a, b, value=value), [a, b, c], value=1.5)
    for weight in (-0.5, 0.25, 0.5, 0.75, 1.0):
        f.case("lerp", str(weight), lambda x, y, weight: torch.lerp(x, y, weight), [a, b], weight=weight)
    f.case("lerp_tensor", "both ways", torch.lerp, [a, b, values(0.0, 0.3, 0.5, 0.7, 1.0, 1.5, shape=(2, 3))])
    signs = values(-7.5, 7.5, -7.25, 7.0, 0.5, 6.0, shape=(2, 3))
    f.case("fmod", "signs", torch.fmod, [signs, values(2.0, -2.0, -2.0, 3.5, 2.0, 2.5, shape=(2, 3))])
    f.case("fmod", "broadcast", torch.fmod, [away(0.3, 0.0, 5.0, 2, 3), values(0.75, 1.5, -0.625)])
    f.case("fmod", "i64", torch.fmod, [int_values(7, -7, 7, -7), int_values(3, 3, -3, -3)])
    kinks = [values(NAN, 1.0, NAN, 2.0, -1.0, INF), values(1.0, NAN, NAN, 2.0, 3.0, INF)]
    f.case("fmax", "kinks", torch.fmax, kinks)
    f.case("fmin", "kinks", torch.fmin, kinks)
    f.case("fmax", "broadcast", torch.fmax, [apart(2, 3), normal(3)])
    f.case("fmin", "broadcast", torch.fmin, [apart(2, 3), normal(3)])
    f.case("logit", "plain", torch.logit, [uniform(0.05, 0.95, 2, 3)])
    f.case("logit", "eps", lambda x, eps: torch.logit(x, eps), [values(-0.5, 0.01, 0.3, 0.8, 0.99, 1.5)], eps=0.125)
    f.case("sinc", "zero", torch.sinc, [values(-1.25, -0.5, 0.0, 0.25, 0.75, 2.5)])
    f.case("xlogy", "zeros", torch.xlogy, [values(0.0, 0.0, 2.0, -1.0), values(2.0, 3.0, 0.5, 2.0)])
    f.case("xlogy", "nothing", torch.xlogy, [values(0.0, 0.0, 0.0, 1.0), values(0.0, NAN, INF, 0.0)], fixed=(0, 1))
    f.case("logaddexp", "far", torch.logaddexp, [values(0.0, 100.0, -90.0, 3.0), values(-20.0, 99.0, 90.0, 3.0)])
    ends = [values(INF, -INF, INF, 1.0), values(INF, -INF, -INF, -INF)]
    f.case("logaddexp", "ends", torch.logaddexp, ends, fixed=(0, 1))
    f.case("logaddexp", "broadcast", torch.logaddexp, [normal(2, 3), normal(3)])
    wild = values(NAN, INF, -INF, 1.5)
    f.case("nan_to_num", "given", lambda x, nan, pos, neg: torch.nan_to_num(x, nan, pos, neg), [wild], nan=2.0, pos=7.0, neg=-9.0)
    near = values(1.0, 1.00001, 2.0, 0.0, NAN, INF), values(1.0, 1.0, 2.1, 1e-9, NAN, INF)
    for nan in (False, True):
        f.case("isclose", f"nan_{nan}", lambda a, b, nan: torch.isclose(a, b, 1e-4, 1e-8, nan), near, nan=nan)


def special(f):
    positive = uniform(0.2, 12.0, 8)
    negative = values(-0.25, -1.5, -2.75, -10.4)
    for label, x in (("positive", positive), ("negative", negative)):
        f.case("lgamma", label, torch.lgamma, [x])
        # Of its derivative, PyTorch has eleven digits only; those of zeta are all right.
        f.case("polygamma", f"0_{label}", lambda x, n: torch.polygamma(n, x), [x], n=0, fixed=(0,))
    f.case("polygamma", "1_positive", lambda x, n: torch.special.zeta(torch.tensor(2.0, dtype=x.dtype), x), [positive], n=1, fixed=(0,))
    for n in (2, 3, 5):
        f.case("polygamma", f"{n}_positive", lambda x, n: torch.polygamma(n, x), [uniform(0.5, 12.0, 8)], n=n)
    f.case("polygamma", "0_whole", lambda x, n: torch.polygamma(n, x), [values(-2.0, 0.0, 1.0)], n=0, fixed=(0,))
    f.case("erfinv", "inside", torch.erfinv, [values(-0.999, -0.75, -0.5, -1e-3, 0.0, 1e-12, 0.3, 0.9, 0.9999)])
    f.case("erfinv", "ends", torch.erfinv, [values(-1.0, 1.0, 1.5)], fixed=(0,))


def order(f):
    ties = values(1.0, 3.0, 3.0, 2.0, 5.0, 5.0, 4.0, 5.0, shape=(2, 4))
    for name in ("cummax", "cummin"):
        run = lambda x, dim, name=name: getattr(torch, name)(x, dim)
        f.case(name, "rows", run, [apart(3, 5)], dim=1)
        f.case(name, "columns", run, [apart(4, 3)], dim=0)
        f.case(name, "ties", run, [ties], dim=-1)
        f.case(name, "nan", run, [values(1.0, NAN, 2.0, NAN)], dim=0, fixed=(0,))
        f.case(name, "i64", run, [ints(-5, 5, 3, 4)], dim=1)
    run = lambda x, dim: torch.logcumsumexp(x, dim)
    f.case("logcumsumexp", "rows", run, [normal(3, 5)], dim=1)
    f.case("logcumsumexp", "columns", run, [normal(4, 3, scale=20.0)], dim=0)
    f.case("logcumsumexp", "ends", run, [values(-INF, -INF, 1.0, 500.0, INF)], dim=0, fixed=(0,))
    for n in (0, 1, 2, 9):
        f.case("diff", str(n), lambda x, n, dim: torch.diff(x, n, dim), [normal(3, 4)], n=n, dim=1)
    for keepdim in (False, True):
        f.case("kthvalue", f"keep_{keepdim}", lambda x, k, dim, keepdim: torch.kthvalue(x, k, dim, keepdim), [apart(3, 5)], k=2, dim=1, keepdim=keepdim)
        f.case("median", f"odd_{keepdim}", lambda x, dim, keepdim: torch.median(x, dim, keepdim), [apart(3, 5)], dim=1, keepdim=keepdim)
    f.case("median", "even", lambda x, dim, keepdim: torch.median(x, dim, keepdim), [apart(4, 3)], dim=0, keepdim=False)
    f.case("median", "nan", lambda x, dim, keepdim: torch.median(x, dim, keepdim)[0], [values(1.0, NAN, 2.0, 5.0, 1.0, 2.0, shape=(2, 3))], dim=1, keepdim=False, fixed=(0,))
    f.case("median", "i64", lambda x, dim, keepdim: torch.median(x, dim, keepdim)[0], [ints(-9, 9, 3, 4)], dim=1, keepdim=False)
    for mode in ("linear", "lower", "higher", "nearest", "midpoint"):
        for q in (0.0, 0.25, 0.3, 0.5, 1.0):
            run = lambda x, q, mode: torch.quantile(x, q, 1, interpolation=mode)
            f.case("quantile", f"{mode}_{q}", run, [apart(2, 6)], q=q, mode=mode)
    f.case("mode", "values", lambda x, dim: torch.mode(x, dim)[0], [values(3.0, 1.0, 3.0, 1.0, 2.0, 2.0, 7.0, 2.0, shape=(2, 4))], dim=1, fixed=(0,))
    f.case("mode", "i64", lambda x, dim: torch.mode(x, dim)[0], [ints(0, 3, 5, 4)], dim=0)
    f.case("unique", "numbers", lambda x: torch.unique(x, return_inverse=True, return_counts=True), [values(3.0, 1.0, 3.0, -2.0, 1.0, 1.0, shape=(2, 3))], fixed=(0,))
    f.case("unique", "i64", lambda x: torch.unique(x, return_inverse=True, return_counts=True), [ints(-3, 3, 4, 3)])
    f.case("nonzero", "matrix", torch.nonzero, [ints(-1, 2, 3, 4)])
    f.case("nonzero", "cube", torch.nonzero, [bools(2, 3, 4)])
    sorted_list = values(-1.0, 0.0, 0.0, 2.0, 5.0)
    wanted = values(-2.0, -1.0, 0.0, 1.0, 5.0, 6.0, shape=(2, 3))
    rows = values(1.0, 3.0, 5.0, 7.0, 2.0, 4.0, 6.0, 8.0, shape=(2, 4))
    for right in (False, True):
        run = lambda list, x, right: torch.searchsorted(list, x, right=right)
        f.case("searchsorted", f"vector_{right}", run, [sorted_list, wanted], right=right, fixed=(0, 1))
        f.case("searchsorted", f"rows_{right}", run, [rows, values(5.0, 0.0, 9.0, 4.0, 4.5, 2.0, shape=(2, 3))], right=right, fixed=(0, 1))
        f.case("searchsorted", f"i64_{right}", run, [int_values(1, 4, 4, 9), int_values(0, 4, 10)], right=right)
    f.case("bincount", "plain", lambda x, least: torch.bincount(x, minlength=least), [ints(0, 5, 12)], least=3)
    f.case("bincount", "longer", lambda x, least: torch.bincount(x, minlength=least), [ints(0, 5, 12)], least=9)
    f.case("histc", "given", lambda x, bins, low, high: torch.histc(x, bins, low, high), [values(-1.0, 0.0, 0.4, 1.0, 1.6, 2.0, 2.5)], bins=4, low=0.0, high=2.0, fixed=(0,))
    f.case("histc", "own", lambda x, bins, low, high: torch.histc(x, bins, low, high), [values(1.0, 1.5, 3.0, 5.0)], bins=3, low=0.0, high=0.0, fixed=(0,))


def places(f):
    f.case("index_fill", "rows", lambda x, i, dim, value: x.index_fill(dim, i, value), [normal(3, 4), int_values(2, 0, 2)], dim=0, value=1.5)
    f.case("index_fill", "columns", lambda x, i, dim, value: x.index_fill(dim, i, value), [normal(3, 4), int_values(1)], dim=-1, value=-2.0)
    f.case("index_copy", "rows", lambda x, i, s, dim: x.index_copy(dim, i, s), [normal(3, 4), int_values(2, 0), normal(2, 4)], dim=0)
    f.case("index_copy", "columns", lambda x, i, s, dim: x.index_copy(dim, i, s), [normal(2, 3, 4), int_values(1, 0), normal(2, 2, 4)], dim=1)
    f.case("masked_scatter", "plain", lambda x, m, s: x.masked_scatter(m, s), [normal(2, 3), bools(2, 3), normal(7)])
    f.case("masked_scatter", "broadcast", lambda x, m, s: x.masked_scatter(m, s), [normal(2, 3), bools(3), normal(2, 4)])
    index = lambda rng: np.array([[0, 2, 0], [1, 1, 2]], dtype=np.int64)
    for reduction in ("sum", "mean", "amax", "amin", "prod"):
        for own in (True, False):
            run = lambda x, i, s, dim, reduction, own: torch.scatter_reduce(x, dim, i, s, reduction, include_self=own)
            kind = f"{reduction}_{own}"
            f.case("scatter_reduce", f"rows_{kind}", run, [normal(3, 3), index, normal(2, 3)], dim=0, reduction=reduction, own=own)
            f.case("scatter_reduce", f"columns_{kind}", run, [normal(2, 4), index, normal(2, 3)], dim=1, reduction=reduction, own=own)
    with_nan = [values(1.0, NAN, 0.0, 5.0), int_values(0, 2, 1, 0, 2, 2), values(NAN, 1.0, 2.0, -1.0, NAN, 3.0)]
    for reduction in ("amax", "amin"):
        for own in (True, False):
            run = lambda x, i, s, dim, reduction, own: torch.scatter_reduce(x, dim, i, s, reduction, include_self=own)
            f.case("scatter_reduce", f"nan_{reduction}_{own}", run, with_nan, fixed=(0, 2), dim=0, reduction=reduction, own=own)
    equal = [values(1.0, 2.0, 0.0), int_values(0, 0, 1, 1), values(1.0, 1.0, 2.0, -1.0)]
    f.case("scatter_reduce", "ties", lambda x, i, s, dim, reduction, own: torch.scatter_reduce(x, dim, i, s, reduction, include_self=own), equal, dim=0, reduction="amax", own=True)
    many = lambda rng: np.array([1, 0, 1, 1, 0, 1, 1, 3, 1], dtype=np.int64)
    product = lambda x, i, s, dim, reduction, own: torch.scatter_reduce(x, dim, i, s, reduction, include_self=own)
    f.case("scatter_reduce", "prod_many", product, [apart(4), many, apart(9)], dim=0, reduction="prod", own=True)
    f.case("scatter_reduce", "prod_zeros", product, [values(0.0, 2.0, 3.0), int_values(0, 0, 1, 1, 2, 2), values(3.0, 4.0, 0.0, 5.0, 2.0, -1.0)], dim=0, reduction="prod", own=True)
    rows = lambda rng: np.array([[2, 1, 0], [1, 5, 3], [2, 1, 0], [2, 0, 9], [2, 0, 9], [1, 5, 3]], dtype=np.int64)
    for dim in (0, 1):
        f.case("unique_dim", str(dim), lambda x, dim: torch.unique(x, return_inverse=True, return_counts=True, dim=dim), [rows], dim=dim)
        f.case("unique_consecutive", str(dim), lambda x, dim: torch.unique_consecutive(x, True, True, dim), [rows], dim=dim)
    f.case("unique_consecutive", "all", lambda x, dim: torch.unique_consecutive(x, True, True, dim), [lambda rng: rows(rng) // 2], dim=None)
    f.case("unique_dim", "floats", lambda x, dim: torch.unique(x, return_inverse=True, return_counts=True, dim=dim), [values(0.5, -1.0, 0.5, -1.0, -0.0, 1e30, 0.0, 1e30, shape=(4, 2))], dim=0, fixed=(0,))
    for size, step in ((2, 1), (3, 2), (1, 3), (5, 1)):
        f.case("windows", f"{size}_{step}", lambda x, dim, size, step: x.unfold(dim, size, step), [normal(2, 5, 3)], dim=1, size=size, step=step)
    for k in (-1, 0, 1, 2, 3, 5):
        f.case("rot90", str(k), lambda x, k, dims: torch.rot90(x, k, dims), [normal(2, 3, 2)], k=k, dims=[0, 2])
    f.case("rot90", "turned", lambda x, k, dims: torch.rot90(x, k, dims), [normal(2, 3)], k=1, dims=[1, 0])
    f.case("tile", "fewer", lambda x, times: torch.tile(x, times), [normal(2, 3)], times=[2])
    f.case("tile", "more", lambda x, times: torch.tile(x, times), [normal(2, 3)], times=[2, 1, 3])
    f.case("meshgrid", "three", lambda *x: torch.meshgrid(*x, indexing="ij"), [normal(2), normal(3), normal(1)])
    for rows, columns, diagonal in ((3, 4, 0), (4, 3, -1), (3, 3, 1), (2, 2, 5), (2, 2, -5)):
        for name in ("tril_indices", "triu_indices"):
            run = lambda x, rows, columns, diagonal, name=name: getattr(torch, name)(rows, columns, diagonal)
            f.case(name, f"{rows}_{columns}_{diagonal}", run, [int_values(0)], rows=rows, columns=columns, diagonal=diagonal)


def distances(f):
    for p in ("1", "1.5", "2", "3", "inf"):
        f.case("cdist", p, lambda a, b, p: torch.cdist(a, b, float(p), "donot_use_mm_for_euclid_dist"), [apart(3, 4), normal(2, 4)], p=p)
        f.case("pairwise_distance", p, lambda a, b, p, eps: torch.nn.functional.pairwise_distance(a, b, float(p), eps), [apart(3, 4), normal(3, 4)], p=p, eps=1e-6)
    f.case("cdist", "batch", lambda a, b, p: torch.cdist(a, b, float(p), "donot_use_mm_for_euclid_dist"), [apart(2, 3, 4), normal(2, 2, 4)], p="2")
    f.case("cosine_similarity", "rows", lambda a, b, dim: torch.cosine_similarity(a, b, dim), [apart(3, 4), normal(3, 4)], dim=1)
    f.case("cosine_similarity", "broadcast", lambda a, b, dim: torch.cosine_similarity(a, b, dim), [apart(3, 4), normal(4)], dim=-1)
    f.case("cosine_similarity", "columns", lambda a, b, dim: torch.cosine_similarity(a, b, dim), [apart(3, 4), normal(3, 4)], dim=0)
    f.case("cross", "rows", lambda a, b, dim: torch.linalg.cross(a, b, dim=dim), [normal(2, 3), normal(2, 3)], dim=-1)
    f.case("cross", "broadcast", lambda a, b, dim: torch.linalg.cross(a, b, dim=dim), [normal(3, 2), normal(3, 1)], dim=0)
    f.case("unbind", "rows", lambda x, dim: torch.unbind(x, dim), [normal(3, 2)], dim=0)
    f.case("unbind", "columns", lambda x, dim: torch.unbind(x, dim), [normal(2, 3, 2)], dim=-2)
    f.case("kron", "matrices", torch.kron, [normal(2, 3), normal(2, 2)])
    f.case("kron", "ranks", torch.kron, [normal(3), normal(2, 2)])
    f.case("tensordot", "1", lambda a, b, n: torch.tensordot(a, b, n), [uniform(0.1, 1.0, 2, 3), uniform(0.1, 1.0, 3, 2)], n=1)
    f.case("tensordot", "2", lambda a, b, n: torch.tensordot(a, b, n), [uniform(0.1, 1.0, 2, 3, 2), uniform(0.1, 1.0, 3, 2, 2)], n=2)
    f.case("tensordot", "0", lambda a, b, n: torch.tensordot(a, b, n), [normal(2), normal(3)], n=0)
    f.case("tensordot_dims", "crossed", lambda a, b, of_a, of_b: torch.tensordot(a, b, (of_a, of_b)), [uniform(0.1, 1.0, 2, 3, 4), uniform(0.1, 1.0, 4, 2, 3)], of_a=[0, -1], of_b=[1, 0])
    f.case("std_mean", "rows", lambda x, dims, keepdim: torch.std_mean(x, dims, correction=1, keepdim=keepdim), [uniform(0.1, 2.0, 3, 4)], dims=[1], keepdim=True)
    f.case("var_mean", "all", lambda x, dims, keepdim: torch.var_mean(x, dims, correction=1, keepdim=keepdim), [uniform(0.1, 2.0, 3, 4)], dims=[0, 1], keepdim=False)
