"""Writes tests/golden/quantize.safetensors, with which tests/golden/quantize.rs compares: weights of a few bits with scales that are chosen
by GPTQ, by percentiles and by the least squared error, and products of whole numbers, all by formulas in NumPy; PyTorch checks them
where it has the same.

    pip install numpy==2.4.6 torch==2.15.0 safetensors==0.7.0
    python tests/golden/make_quantize.py
"""

import pathlib

import numpy as np
import torch
from safetensors.numpy import save_file

FILE = pathlib.Path(__file__).resolve().parent / "quantize.safetensors"
F = np.float32
# The least and the largest multiple, and whether something is added.
LEVELS = {
    "Q4_0": (-8, 7, False), "Q5_0": (-16, 15, False), "Q4_1": (0, 15, True), "Q5_1": (0, 31, True),
    "Q8_0": (-127, 127, False), "INT8": (-127, 127, False),
}


def kept(scheme, x):
    return F(x) if scheme == "INT8" else F(np.float16(F(x)))


def by_largest(scheme, x):
    """Scale and least value of a block, as `ggml` chooses them."""
    low, high, offset = LEVELS[scheme]
    x = x.astype(F)
    if offset:
        return kept(scheme, (x.max() - x.min()) / F(high)), kept(scheme, x.min())
    largest = x[np.abs(x).argmax()]
    scale = largest / F(low) if low + high < 0 else np.abs(largest) / F(high)
    return kept(scheme, scale), F(0)


def nearest(scheme, x, scale, least):
    low, high, _ = LEVELS[scheme]
    if scale == 0:
        return np.full_like(np.asarray(x, np.float64), max(low, 0))
    return np.clip(np.rint((np.asarray(x, np.float64) - np.float64(least)) / np.float64(scale)), low, high)


def block(scheme, row):
    return len(row) if scheme == "INT8" else 32


def numbers(q, scale, least):
    return F(scale) * q.astype(F) + F(least)


def rounded(scheme, weight, fit=by_largest):
    out = np.empty_like(weight, F)
    for i, row in enumerate(weight):
        for at in range(0, len(row), block(scheme, row)):
            part = slice(at, at + block(scheme, row))
            scale, least = fit(scheme, row[part])
            out[i, part] = numbers(nearest(scheme, row[part], scale, least), scale, least)
    return out


def by_error(scheme, x):
    """The best of 41 scales, and of both signs where these differ; and the squared error."""
    low, high, offset = LEVELS[scheme]
    x = x.astype(F)
    tried = [by_largest(scheme, x)]
    largest = np.abs(x).max()
    for i in range(41):
        share = F(1.2) - F(0.7) * F(i) / F(40)
        if offset:
            middle, half = (x.min() + x.max()) / F(2), (x.max() - x.min()) / F(2) * share
            tried.append((kept(scheme, F(2) * half / F(high)), kept(scheme, middle - half)))
            continue
        tried.append((kept(scheme, largest * share / F(-low)), F(0)))
        if low + high < 0:
            tried.append((kept(scheme, largest * share / F(low)), F(0)))
    error = lambda fit: float(((np.float64(fit[0]) * nearest(scheme, x, *fit) + np.float64(fit[1]) - x) ** 2).sum())
    return min(tried, key=error)


def gptq(scheme, weight, products, damping=0.01, act_order=False, group=None):
    """Column by column, each error to all columns behind: the algorithm of the paper without its blocks."""
    n = weight.shape[1]
    size = n if scheme == "INT8" else 32
    group = group or size
    order = np.argsort(-np.diag(products), kind="stable") if act_order else np.arange(n)
    h = products[np.ix_(order, order)].astype(np.float64)
    h[np.diag_indices(n)] += damping * np.diag(h).mean()
    upper = np.linalg.cholesky(np.linalg.inv(h)).T
    w = weight.astype(np.float64)[:, order]
    fits, out = {}, np.empty_like(weight, F)

    def fit_group(row, at, x):
        for b in range(at // size, -(-min(at + group, n) // size)):
            fits[row, b] = by_largest(scheme, x)

    if act_order:
        for i, row in enumerate(weight):
            for at in range(0, n, group):
                fit_group(i, at, row[at:at + group])
    for j in range(n):
        errors = np.empty(len(w))
        for i in range(len(w)):
            if not act_order and j % group == 0:
                fit_group(i, j, w[i, j:j + group])
            scale, least = fits[i, order[j] // size]
            q = nearest(scheme, w[i, j], scale, least)
            out[i, order[j]] = numbers(q, scale, least)
            errors[i] = (w[i, j] - (np.float64(scale) * q + np.float64(least))) / upper[j, j]
        w[:, j + 1:] -= np.outer(errors, upper[j, j + 1:])
    return out


def whole(x):
    """Rows as whole numbers, and their scales."""
    scale = np.abs(x).max(axis=1) / F(127)
    return np.clip(np.rint(x / scale[:, None]), -127, 127).astype(np.int8), scale.astype(F)


def main():
    rng = np.random.default_rng(7)
    draw = lambda *shape: rng.standard_normal(shape).astype(F)
    out = {}

    weight = draw(24, 160)
    weight[3] *= 20
    weight[4, ::7] *= 15
    # Inputs that go together: few causes, and a little of their own.
    inputs = draw(80, 24) @ draw(24, 160) + F(0.3) * draw(80, 160)
    inputs[:, 10] *= 8
    products = inputs.astype(np.float64).T @ inputs.astype(np.float64)
    out |= {"weight": weight, "inputs": inputs}
    size = lambda x: float(np.sqrt(((x @ products) * x).sum()))
    exact = weight.astype(np.float64)
    errors = []
    for name, scheme, options in [
        ("q4_0", "Q4_0", {}), ("q4_1", "Q4_1", {}), ("q8_0", "Q8_0", {}), ("int8", "INT8", {}),
        ("ordered", "Q4_0", {"act_order": True}), ("int8_ordered", "INT8", {"act_order": True}),
        ("groups", "Q4_0", {"group": 64, "damping": 0.05}),
    ]:
        made = gptq(scheme, weight, products, **options)
        out[f"gptq.{name}"] = made if name in ("q4_0", "int8") else made[:10]
        errors.append((size(made - exact) / size(exact), size(rounded(scheme, weight) - exact) / size(exact)))
        print(f"{name:13} {errors[-1][0]:.5f} by GPTQ, {errors[-1][1]:.5f} rounded")
    out["gptq.errors"] = np.array(errors)

    for scheme in ("Q4_0", "INT8"):
        limit = np.percentile(np.abs(weight).astype(np.float64), 97.5, axis=1, keepdims=True).astype(F)
        out[f"percentile.{scheme}"] = rounded(scheme, np.clip(weight, -limit, limit))[:6]
    squares = [((rounded(s, weight, by_error).astype(np.float64) - weight) ** 2).sum() for s in LEVELS]
    plain = [((rounded(s, weight).astype(np.float64) - weight) ** 2).sum() for s in LEVELS]
    out["mse"] = np.array([squares, plain])

    x = draw(5, 160)
    (qx, sx), (qw, sw) = whole(x), whole(weight)
    theirs = torch.quantize_per_channel(torch.tensor(weight), torch.tensor(sw), torch.zeros(24), 0, torch.qint8)
    assert (theirs.int_repr().numpy() == qw).all()
    sums = qx.astype(np.int32) @ qw.astype(np.int32).T
    out |= {"linear.x": x, "linear.weight": qw, "linear.y": sums.astype(F) * (sx[:, None] * sw[None])}

    for name, groups, options in [("conv", 1, {"stride": 2, "padding": 1}), ("grouped", 2, {"dilation": 2, "padding": (2, 1)})]:
        x, w = draw(2, 4, 9, 7), draw(6, 4 // groups, 3, 3)
        (qx, sx), (qw, sw) = whole(x.reshape(2, -1)), whole(w.reshape(6, -1))
        sums = torch.nn.functional.conv2d(
            torch.tensor(qx.reshape(x.shape), dtype=torch.float64), torch.tensor(qw.reshape(w.shape), dtype=torch.float64),
            groups=groups, **options).numpy()
        y = sums.astype(F) * (sx[:, None, None, None] * sw[None, :, None, None])
        out |= {f"{name}.x": x, f"{name}.weight": w, f"{name}.y": y}

    save_file({name: np.ascontiguousarray(x) for name, x in out.items()}, FILE)
    print(FILE.stat().st_size, "bytes")


main()
