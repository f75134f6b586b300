"""Further activations, products of two inputs, bags of embeddings, layers of layers, initial values that are not drawn, and penalties:
outputs and all gradients."""

import numpy as np
import torch
import torch.nn.functional as F

from recorder import apart, int_values, ints, normal, uniform, values

INF, NAN = float("inf"), float("nan")


def matrix(*rows):
    return lambda rng: np.array(rows, dtype=np.int64)


def cases(f):
    f.sums = True
    plain = normal(3, 6, scale=2.0)
    wide = values(-80.0, -12.5, -3.0, -1.0, -1e-3, 1e-3, 1.0, 3.0, 12.5, 80.0)
    kinks = values(-2.0, -1.0, -0.5, -0.25, -0.0, 0.0, 0.25, 0.5, 1.0, 2.0)
    infinite = values(INF, -INF, NAN)

    def activation(op, run, limits=True, **attrs):
        suffix = "".join(f"_{v:.3g}" for v in attrs.values())
        draws = {"plain": plain, "wide": wide, "kinks": kinks}
        if limits:
            draws["infinite"] = infinite
        for label, draw in draws.items():
            f.case(op, label + suffix, run, [draw], **attrs)

    for threshold, value in ((0.5, -7.0), (-1.0, 0.0), (0.0, 20.0)):
        activation("threshold", F.threshold, threshold=threshold, value=value)
    for lambd in (0.5, 0.0, 1.0):
        activation("hardshrink", F.hardshrink, lambd=lambd)
        activation("softshrink", F.softshrink, lambd=lambd)
    activation("tanhshrink", F.tanhshrink, limits=False)
    for alpha in (1.0, 0.5, 2.0):
        activation("celu", F.celu, alpha=alpha)
    for lower, upper in ((0.125, 1 / 3), (0.2, 0.2)):
        activation("rrelu", F.rrelu, lower=lower, upper=upper)
    for dim in (0, 1, -1):
        f.case("softmin", f"dim{dim}", F.softmin, [normal(4, 6, 2)], dim=dim)

    def gated(act):
        def run(x, dim):
            a, b = x.chunk(2, dim)
            return a * act(b)

        return run

    for op, act in (("swiglu", F.silu), ("geglu", F.gelu), ("reglu", F.relu)):
        for dim in (0, 1, -1):
            f.case(op, f"dim{dim}", gated(act), [normal(4, 6, 2)], dim=dim)

    def maxout(x, pieces, dim):
        return x.unflatten(dim, (-1, pieces)).amax(dim + 1 if dim >= 0 else dim)

    for dim, pieces in ((0, 2), (1, 3), (-1, 4), (1, 1)):
        f.case("maxout", f"dim{dim}_pieces{pieces}", maxout, [apart(4, 6, 4)], dim=dim, pieces=pieces)

    for label, shape, slopes in (("one", (3, 4), 1), ("vector", (5,), 1), ("channels", (3, 4), 4), ("pictures", (2, 3, 2, 2), 3)):
        f.case("prelu", label, lambda x, w: F.prelu(x, w), [normal(*shape), uniform(-0.3, 0.5, slopes)])
    f.case("prelu", "kinks", lambda x, w: F.prelu(x, w), [kinks, uniform(0.1, 0.5, 1)])

    def bilinear(a, b, w, *bias):
        return F.bilinear(a, b, w, bias[0] if bias else None)

    for label, before in (("matrix", (5,)), ("vector", ()), ("cube", (2, 3)), ("empty", (0,))):
        inputs = [normal(*before, 3), normal(*before, 4), normal(2, 3, 4)]
        f.case("bilinear", label, bilinear, inputs)
        f.case("bilinear", f"{label}_bias", bilinear, [*inputs, normal(2)])

    # Bags
    def bag(ids, table, *weights, mode, padding, offsets=None, last=False):
        return F.embedding_bag(
            ids,
            table,
            offsets=None if offsets is None else torch.tensor(offsets),
            mode=mode,
            per_sample_weights=weights[0] if weights else None,
            padding_idx=padding,
            include_last_offset=last,
        )

    rows, line = matrix([1, 2, 0], [4, 4, 2], [0, 0, 0]), int_values(1, 2, 4, 5, 4, 3, 2, 9)
    table = normal(10, 3)
    for mode in ("sum", "mean", "max"):
        for padding in (None, 0):
            name = "" if padding is None else "_padding"
            f.case("embedding_bag", f"{mode}_rows{name}", bag, [rows, table], mode=mode, padding=padding)
            f.case("embedding_bag", f"{mode}_offsets{name}", bag, [line, table], mode=mode, padding=padding, offsets=[0, 4])
        f.case("embedding_bag", f"{mode}_empty", bag, [line, table], mode=mode, padding=4, offsets=[0, 3, 3, 7])
        f.case("embedding_bag", f"{mode}_last", bag, [line, table], mode=mode, padding=None, offsets=[0, 4, 4, 8], last=True)
    f.case("embedding_bag", "weights_rows", bag, [rows, table, normal(3, 3)], mode="sum", padding=None)
    f.case("embedding_bag", "weights_padding", bag, [rows, table, normal(3, 3)], mode="sum", padding=0)
    f.case("embedding_bag", "weights_offsets", bag, [line, table, normal(8)], mode="sum", padding=None, offsets=[0, 4])

    # Layers of layers; the parameters of both dense layers are inputs.
    def parallel(x, w1, b1, w2, b2, join):
        a, b = torch.tanh(F.linear(x, w1, b1)), F.linear(x, w2, b2)
        return {
            "concat": lambda: torch.cat([a, b], -1),
            "sum": lambda: a + b,
            "mean": lambda: (a + b) / 2,
            "product": lambda: a * b,
            "max": lambda: torch.maximum(a, b),
        }[join]()

    for join in ("concat", "sum", "mean", "product", "max"):
        weights = [normal(3, 4), normal(3), normal(3, 4), normal(3)]
        f.case("parallel", join, parallel, [normal(5, 4), *weights], join=join)

    def time_distributed(x, w, b):
        return torch.stack([F.linear(step.flatten(1), w, b) for step in x.unbind(1)], 1)

    f.case("time_distributed", "pictures", time_distributed, [normal(2, 3, 2, 2), normal(5, 4), normal(5)])

    def drop_connect(x, w, b, p, train):
        return F.linear(x, w * 0 if train and p == 1 else w, b)

    for p, train in ((0.0, True), (1.0, True), (0.5, False)):
        f.case("drop_connect", f"p{p}_train{train}", drop_connect, [normal(5, 4), normal(3, 4), normal(3)], p=p, train=train)

    def conv_lstm(films, w, b, *state):
        n, time, _, height, width = films.shape
        hidden = len(b) // 4
        h, c = state if state else (torch.zeros(n, hidden, height, width, dtype=films.dtype),) * 2
        seen = []
        for t in range(time):
            i, f, g, o = F.conv2d(torch.cat([films[:, t], h], 1), w, b, padding="same").chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            seen.append(h)
        return torch.stack(seen, 1), c

    for label, kernel in (("square", (3, 3)), ("even", (2, 2)), ("line", (1, 3))):
        weights = [normal(8, 5, *kernel, scale=0.5), normal(8)]
        f.case("conv_lstm", label, conv_lstm, [normal(2, 3, 3, 4, 5), *weights])
        state = [normal(2, 2, 4, 5), normal(2, 2, 4, 5)]
        f.case("conv_lstm", f"{label}_state", conv_lstm, [normal(2, 2, 3, 4, 5), *weights, *state])

    # Initial values
    def initial(op, label, fill, *shape, **attrs):
        f.case(op, label, lambda _, **__: fill(torch.empty(*shape)).to(torch.int64), [int_values(*shape)], **attrs)

    for label, shape, groups in (
        ("line", (4, 3, 5), 1),
        ("plane", (3, 4, 3, 3), 1),
        ("groups", (6, 2, 3, 3), 3),
        ("even", (2, 2, 4, 2), 1),
        ("space", (2, 2, 3, 3, 3), 2),
    ):
        initial("dirac", label, lambda t, groups=groups: torch.nn.init.dirac_(t, groups), *shape, groups=groups)
    for shape in ((3, 3), (2, 4), (4, 2)):
        initial("identity", f"{shape[0]}_{shape[1]}", torch.nn.init.eye_, *shape)

    # Penalties
    def orthogonality(w, strength):
        w = w.flatten(1)
        w = w if w.shape[0] <= w.shape[1] else w.T
        return strength * ((w @ w.T - torch.eye(w.shape[0], dtype=w.dtype)) ** 2).sum()

    for label, shape in (("wide", (3, 5)), ("tall", (5, 3)), ("kernel", (4, 2, 3, 3))):
        f.case("orthogonality", label, orthogonality, [normal(*shape, scale=0.5)], strength=0.7)

    def activity(x, w, b, l1, l2):
        a = torch.relu(F.linear(x, w, b))
        return (l1 * a.abs().sum() + l2 * (a**2).sum()) / len(x)

    f.case("activity", "relu", activity, [normal(5, 4), normal(3, 4), normal(3)], l1=0.3, l2=0.2)

    def unit_norm(w, dim):
        return F.normalize(w, dim=[d for d in range(w.ndim) if d != dim % w.ndim])

    for label, dim, shape in (("rows", 0, (3, 5)), ("columns", -1, (3, 5)), ("kernel", 0, (4, 2, 3))):
        f.case("unit_norm", label, unit_norm, [normal(*shape)], fixed=(0,), dim=dim)
