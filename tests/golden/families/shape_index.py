"""Everything that moves elements without computing with them."""

import numpy as np
import torch
import torch.nn.functional as F

from recorder import bools, int_values, ints, normal


def cases(f):
    x = normal(2, 3, 4)

    def one(op, label, run, draw=x, **attrs):
        f.case(op, label, run, [draw], **attrs)

    for shape in ([6, 4], [-1], [2, -1, 2], [24, 1]):
        one("reshape", str(shape), lambda x, shape: x.reshape(shape), shape=shape)
    one("reshape", "to_scalar", lambda x, shape: x.reshape(shape), normal(1, 1), shape=[])
    for start, end in ((0, -1), (1, 2), (-3, -2)):
        one("flatten", f"{start}_{end}", lambda x, start, end: x.flatten(start, end), start=start, end=end)
    for dims in ([2, 0, 1], [-1, 0, 1], [0, 1, 2]):
        one("permute", str(dims), lambda x, dims: x.permute(dims), dims=dims)
    for a, b in ((0, 1), (-1, 0), (1, -1)):
        one("transpose", f"{a}_{b}", lambda x, a, b: x.transpose(a, b), a=a, b=b)
    for dims in ([0], [-1], [0, 2]):
        one("flip", str(dims), lambda x, dims: x.flip(dims), dims=dims)
    for shifts, dims in (([1], [0]), ([-1], [1]), ([5], [-1]), ([1, -2], [0, 2])):
        one("roll", f"{shifts}_{dims}", lambda x, shifts, dims: x.roll(shifts, dims), shifts=shifts, dims=dims)
    # Pairs (before, after), from the first dimension to the last; PyTorch counts from the last.
    for pads in ([[0, 0], [0, 0], [1, 2]], [[1, 0], [0, 2], [3, 1]], [[0, 0], [-1, 1], [2, -1]]):
        one(
            "pad",
            f"constant_{pads}",
            lambda x, pads, value: F.pad(x, [n for p in reversed(pads) for n in p], value=value),
            pads=pads,
            value=1.5,
        )
    for mode in ("reflect", "replicate", "circular"):
        one(
            "pad_" + mode,
            "last",
            lambda x, pads, mode=mode: F.pad(x, pads[-1], mode=mode),
            pads=[[0, 0], [0, 0], [2, 1]],
        )
        one(
            "pad_" + mode,
            "last_two",
            lambda x, pads, mode=mode: F.pad(x, pads[-1] + pads[-2], mode=mode),
            normal(2, 2, 3, 4),
            pads=[[0, 0], [0, 0], [1, 2], [2, 1]],
        )
    for times in ([1, 2, 1], [2, 1, 3], [2, 1, 1, 2]):
        one("repeat", str(times), lambda x, times: x.repeat(times), times=times)
    for shape in ([2, 3, 4], [5, 3, 4], [2, 5, 3, 4]):
        one("expand", str(shape), lambda x, shape: x.expand(shape), normal(1, 3, 1), shape=shape)
    one("squeeze", "dim", lambda x, dim: x.squeeze(dim), normal(2, 1, 3), dim=1)
    for dim in (0, 1, -1):
        one("unsqueeze", f"dim{dim}", lambda x, dim: x.unsqueeze(dim), dim=dim)
    for dim, start, length in ((0, 1, 1), (1, 0, 2), (-1, 1, 3), (2, 2, 0)):
        one(
            "narrow",
            f"{dim}_{start}_{length}",
            lambda x, dim, start, length: x.narrow(dim, start, length),
            dim=dim,
            start=start,
            length=length,
        )
    for dim, index in ((0, 1), (1, -1), (-1, 2)):
        one("select", f"{dim}_{index}", lambda x, dim, index: x.select(dim, index), dim=dim, index=index)
    # Python's slice along one dimension.
    for dim, start, stop, step in ((0, 0, 7, 2), (0, 1, 7, 3), (1, -3, -1, 1), (1, 4, 1, 1)):
        one(
            "slice",
            f"{dim}_{start}_{stop}_{step}",
            lambda x, dim, start, stop, step: x[(slice(None),) * dim + (slice(start, stop, step),)],
            normal(7, 5),
            dim=dim,
            start=start,
            stop=stop,
            step=step,
        )

    parts = [normal(2, 3), normal(2, 1), normal(2, 4)]
    f.case("cat", "dim1", lambda *x, dim: torch.cat(x, dim), parts, dim=1)
    f.case("cat", "dim-1", lambda *x, dim: torch.cat(x, dim), parts, dim=-1)
    f.case("cat", "dim0", lambda *x, dim: torch.cat(x, dim), [normal(1, 3), normal(0, 3), normal(2, 3)], dim=0)
    for dim in (0, 1, -1):
        f.case("stack", f"dim{dim}", lambda *x, dim: torch.stack(x, dim), [normal(2, 3)] * 3, dim=dim)
    for size, dim in ((2, 0), (3, 1), (2, -1)):
        one("split", f"size{size}_dim{dim}", lambda x, size, dim: x.split(size, dim), normal(5, 7), size=size, dim=dim)
    one("split_sizes", "dim1", lambda x, sizes, dim: x.split(sizes, dim), normal(2, 7), sizes=[1, 4, 2], dim=1)
    for chunks, dim in ((2, 0), (3, 1), (4, -1), (6, 0)):
        one(
            "chunk",
            f"{chunks}_dim{dim}",
            lambda x, chunks, dim: x.chunk(chunks, dim),
            normal(5, 7),
            chunks=chunks,
            dim=dim,
        )

    for dim, shape in ((0, (4, 2, 3)), (1, (2, 5, 4)), (-1, (2, 3, 6)), (1, (1, 2, 3))):
        size = (2, 3, 4)[dim]
        f.case("gather", f"dim{dim}_{shape}", lambda x, i, dim: x.gather(dim, i), [x, ints(0, size, *shape)], dim=dim)
    for dim, shape in ((0, (4, 2, 3)), (1, (2, 5, 4)), (-1, (1, 3, 6))):
        size = (2, 3, 4)[dim]
        f.case(
            "scatter_add",
            f"dim{dim}_{shape}",
            lambda x, i, src, dim: x.scatter_add(dim, i, src),
            [x, ints(0, size, *shape), normal(*shape)],
            dim=dim,
        )
    for dim in (0, 1, -1):
        index = ints(0, (2, 3, 4)[dim], 5)
        shape = [2, 3, 4]
        shape[dim] = 5
        f.case("index_select", f"dim{dim}", lambda x, i, dim: x.index_select(dim, i), [x, index], dim=dim)
        f.case(
            "index_add",
            f"dim{dim}",
            lambda x, i, src, dim: x.index_add(dim, i, src),
            [x, index, normal(*shape)],
            dim=dim,
        )
    f.case("masked_select", "same", torch.masked_select, [normal(3, 4), bools(3, 4)])
    f.case("masked_select", "row", torch.masked_select, [normal(3, 4), bools(4)])
    f.case("masked_select", "none", torch.masked_select, [normal(3), lambda rng: bools(3)(rng) & False])
    for op in ("tril", "triu"):
        for k in (0, 1, -1, -2, 5):
            one(op, f"k{k}", lambda x, diagonal, op=op: getattr(torch, op)(x, diagonal), normal(3, 4), diagonal=k)
        one(op, "batch", lambda x, diagonal, op=op: getattr(torch, op)(x, diagonal), diagonal=1)
    for offset, a, b in ((0, 0, 1), (1, 0, 1), (-1, -2, -1), (0, 2, 0), (1, 1, 2)):
        one("diagonal", f"{offset}_{a}_{b}", lambda x, offset, a, b: x.diagonal(offset, a, b), offset=offset, a=a, b=b)
    f.case("one_hot", "vector", lambda i, classes: F.one_hot(i, classes), [int_values(0, 3, 1, 2, 3)], classes=5)
    f.case("one_hot", "matrix", lambda i, classes: F.one_hot(i, classes), [ints(0, 4, 2, 3)], classes=4)

    one("movedim", "0_2", lambda x, a, b: x.movedim(a, b), a=0, b=2)
    one("movedim", "-1_0", lambda x, a, b: x.movedim(a, b), a=-1, b=0)
    one("unflatten", "dim1", lambda x, dim, sizes: x.unflatten(dim, sizes), normal(2, 6), dim=1, sizes=[3, -1])
    for dim in (0, -1):
        one("repeat_interleave", f"dim{dim}", lambda x, times, dim: x.repeat_interleave(times, dim), times=3, dim=dim)
    for offset, a, b in ((0, 0, 1), (1, -2, -1), (-2, 2, 0)):
        one(
            "diag_embed",
            f"{offset}_{a}_{b}",
            lambda x, offset, a, b: x.diag_embed(offset, a, b),
            normal(2, 3),
            offset=offset,
            a=a,
            b=b,
        )
    for offset in (0, 1, -2):
        one("diag", f"vector_{offset}", lambda x, offset: x.diag(offset), normal(3), offset=offset)
        one("diag", f"matrix_{offset}", lambda x, offset: x.diag(offset), normal(4, 3), offset=offset)
    one("trace", "wide", lambda x: x.trace(), normal(3, 4))
    f.case("take_along_dim", "same", lambda x, i, dim: x.take_along_dim(i, dim), [x, ints(0, 4, 2, 3, 5)], dim=2)
    f.case("take_along_dim", "broadcast", lambda x, i, dim: x.take_along_dim(i, dim), [x, ints(0, 3, 1, 2, 4)], dim=1)
    # No place twice: PyTorch does not say which value stays.
    places = lambda rng: np.stack([rng.permutation(5)[:3] for _ in range(4)], axis=1).astype(np.int64)
    f.case(
        "scatter", "dim0", lambda x, i, src, dim: x.scatter(dim, i, src), [normal(5, 4), places, normal(3, 4)], dim=0
    )

    # The indices as Python writes them; the tensors among them are the inputs after x.
    pair = lambda k: int_values(*k)
    for index, run, draws in (
        ("[1, ..., -1]", lambda x: x[1, ..., -1], [x]),
        ("[:, 1:, ::2]", lambda x: x[:, 1:, ::2], [x]),
        ("[i]", lambda x, i: x[i], [x, pair((1, 0, 1))]),
        ("[:, i]", lambda x, i: x[:, i], [x, pair((2, -3, 2, 1))]),
        ("[0, i, 1:3]", lambda x, i: x[0, i, 1:3], [x, pair((2, 0))]),
        ("[mask]", lambda x, m: x[m], [x, bools(2, 3)]),
    ):
        f.case("index", index, run, draws)
    for index, run, draws in (
        ("[:, 1:]", lambda x, v: put(x, (slice(None), slice(1, None)), v), [x, normal(2, 1, 4)]),
        ("[1, :, 2]", lambda x, v: put(x, (1, slice(None), 2), v), [x, normal(3)]),
        ("[:, i]", lambda x, v, i: put(x, (slice(None), i), v), [x, normal(2, 2, 4), pair((2, 0))]),
    ):
        f.case("index_put", index, run, draws)


def put(x, index, value):
    out = x.clone()
    out[index] = value
    return out
