"""Configurations drawn at random: legal ones, at odd sizes, sizes of 1 and 0, with every option, ties, NaN and infinities.

    COUNT=20 python tests/golden/make_golden.py configurations    # so many of each kind, with all numbers of results

A configuration that PyTorch refuses, or of which its own single and double precision are far apart, is drawn again. Each case names
the test that computes it. Not drawn is what this crate does otherwise, on purpose: dimensions of a scalar, which it has not; an output
padding as large as stride and dilation, which PyTorch takes in three dimensions alone; the most frequent value among NaN, which is larger
than all numbers here; gradients by `x` of `x · 0` where `x` is infinite (0 here, NaN there) and of a variance of infinite numbers; binary
cross-entropies of certain logits, whose last digits PyTorch rounds away, and of probabilities of 0 and 1, whose gradient it limits by a
10⁻¹² of single precision; gradients of products and extremes of numbers that are not finite, which do not depend on the number itself
here, and which PyTorch makes NaN; variances of fewer numbers than the correction, of which PyTorch has gradients of 0; instance norms
with `momentum=None`, whose running statistics PyTorch leaves as they begin; both halves of spectra that are not mirror images.
"""

import os

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from recorder import Spread, exactly, uniform

COUNT = int(os.environ.get("COUNT", 0))
INF, NAN = float("inf"), float("nan")
REDUCTIONS = ("mean", "sum", "none")


class Draw:
    """What is drawn for one configuration."""

    def __init__(self, rng):
        self.rng = rng

    def one(self, *of):
        return of[self.rng.integers(len(of))]

    def some(self, n, *of):
        return [self.one(*of) for _ in range(n)]

    def may(self, p=0.5):
        return bool(self.rng.random() < p)

    def each(self, n, *of):
        """One number for all dimensions, or one for each."""
        return self.some(1 if self.may() else n, *of)

    def shape(self, least, most, *sizes):
        return tuple(self.some(int(self.rng.integers(least, most + 1)), *(sizes or (1, 2, 3, 5))))

    def numbers(self, *shape, wild=0.5):
        """Numbers that are plain, all alike, in ties, or of which some are not finite."""
        if not self.may(wild):
            return plain(*shape)
        few = self.one(
            [1.0],
            [-1.0, 0.0, 2.0],
            [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0],
            [1.0, NAN, 2.0, -1.0],
            [INF, 1.0, -1.0, 0.5],
            [-INF, 1.0, -1.0, 0.5],
            [-INF, INF, NAN, 0.0, -0.0],
            [1e18, -1e18, 1.0, 3.0],
            [1e-30, -1e-30, 0.0],
        )
        array = self.rng.choice(np.array(few, dtype=np.float32), shape).astype(np.float32)
        return exactly(lambda rng: array)

    def images(self, dims, channels, *sizes):
        """The shape of a batch of images, of one, or of none."""
        batch = self.one((), (1,), (2,), (3,), (0,)) if self.may(0.4) else (2,)
        return (*batch, channels, *self.some(dims, *sizes))


def plain(*shape, scale=1.0):
    return Spread(-2 * scale, 2 * scale, *shape)


def numbers_of(array):
    array = np.asarray(array)
    return exactly(lambda rng: array) if array.dtype == np.float32 else lambda rng: array


def is_finite(draw):
    return isinstance(draw, Spread) or bool(np.isfinite(draw(None)).all())


def one_or_each(a):
    return a[0] if len(a) == 1 else tuple(a)


# Convolutions


def convolution(d):
    dims, transposed = d.one(1, 2, 3), d.may(0.4)
    groups = d.one(1, 1, 2, 3)
    inputs, outputs = groups * d.one(1, 2, 3), groups * d.one(1, 2)
    kernel = d.some(dims, 1, 2, 3, 4)
    stride, dilation = d.each(dims, 1, 1, 2, 3, 5), d.each(dims, 1, 1, 2, 3)
    padding = d.each(dims, 0, 1, 2, 3)
    x = plain(*d.images(dims, inputs, 1, 2, 4, 5, 7 if dims > 1 else 19))
    attrs = dict(stride=stride, dilation=dilation, groups=groups, padding=padding)
    if transposed:
        attrs["output_padding"] = d.each(dims, 0, 0, 1, 2)
        every = lambda a: a * (dims if len(a) == 1 else 1)
        if any(o >= max(s, l) for o, s, l in zip(*map(every, (attrs["output_padding"], stride, dilation)))):
            # PyTorch refuses that in two dimensions, and in three as well where oneDNN does not compute.
            raise ValueError("output padding")
        weight = plain(inputs, outputs // groups, *kernel)
    else:
        attrs["padding_mode"] = d.one("zeros", "zeros", "reflect", "replicate", "circular")
        if d.may(0.3):
            attrs["padding"] = d.one("same", "valid")
        weight = plain(outputs, inputs // groups, *kernel)

    def run(x, w, b=None, stride=1, dilation=1, groups=1, padding=0, output_padding=0, padding_mode="zeros"):
        of = lambda a: tuple(a) * (dims if len(a) == 1 else 1) if isinstance(a, list) else a
        options = (of(stride), of(padding), of(dilation))
        if transposed:
            return getattr(F, f"conv_transpose{dims}d")(x, w, b, options[0], options[1], of(output_padding), groups, options[2])
        make = getattr(nn, f"Conv{dims}d")
        return make(inputs, outputs, tuple(kernel), *options, groups, padding_mode=padding_mode)._conv_forward(x, w, b)

    draws = [x, weight] + ([plain(outputs)] if d.may() else [])
    return f"conv{'_transpose' if transposed else ''}{dims}d", run, draws, (), attrs


# Pooling


def pooling(d):
    dims, op = d.one(1, 2, 3), d.one("max_pool", "avg_pool", "lp_pool", "adaptive_max_pool", "adaptive_avg_pool", "max_unpool")
    shape = d.images(dims, d.one(1, 2, 3), 1, 2, 3, 5, 7, 8)
    attrs = dict(dims=dims, kernel=d.each(dims, 1, 2, 3, 4))
    if d.may():
        attrs["stride"] = d.each(dims, 1, 2, 3, 5)
    call = getattr(F, f"{op}{dims}d")
    of = lambda a: None if a is None else one_or_each(a)
    if op == "max_pool":
        attrs |= dict(padding=d.each(dims, 0, 0, 1, 2), dilation=d.each(dims, 1, 1, 2, 3), ceil_mode=d.may())

        def run(x, dims, kernel, padding, dilation, ceil_mode, stride=None):
            return call(x, of(kernel), of(stride), of(padding), of(dilation), ceil_mode, True)

        return op, run, [d.numbers(*shape)], (), attrs
    if op == "avg_pool":
        attrs |= dict(padding=d.each(dims, 0, 0, 1, 2), ceil_mode=d.may(), count_include_pad=d.may())
        if dims > 1 and d.may(0.3):
            attrs["divisor_override"] = d.one(1, 3, 7)

        def run(x, dims, kernel, padding, ceil_mode, count_include_pad, stride=None, divisor_override=None):
            more = (divisor_override,) if dims > 1 else ()
            return call(x, of(kernel), of(stride), of(padding), ceil_mode, count_include_pad, *more)

        return op, run, [d.numbers(*shape, wild=0.2)], (), attrs
    if op == "lp_pool":
        attrs |= dict(p=d.one(1.0, 2.0, 3.0, 0.5), ceil_mode=d.may())
        run = lambda x, dims, kernel, p, ceil_mode, stride=None: call(x, p, of(kernel), of(stride), ceil_mode)
        return op, run, [Spread(0.1, 2.0, *shape)], (), attrs
    if op.startswith("adaptive"):
        sizes = d.each(dims, 1, 2, 3, 5, 9)
        if len(sizes) > 1 and d.may(0.3):
            sizes[0] = None
        indices = (True,) if op == "adaptive_max_pool" else ()
        return op, lambda x, dims, output: call(x, of(output), *indices), [d.numbers(*shape, wild=0.3)], (), dict(dims=dims, output=sizes)
    shape = (*shape[:-dims], *(max(1, n // 2) for n in shape[-dims:]))
    every = lambda a: tuple(a) * (dims if len(a) == 1 else 1)
    stride, padding = every(attrs.get("stride", attrs["kernel"])), every(d.each(dims, 0, 0, 1))
    attrs["padding"] = list(padding)
    size = [(n - 1) * s - 2 * p + k for n, s, p, k in zip(shape[-dims:], stride, padding, every(attrs["kernel"]))]
    places, each = int(np.prod(size)), int(np.prod(shape[-dims:]))
    rows = int(np.prod(shape[:-dims]))
    at = np.array([d.rng.permutation(places)[:each] for _ in range(rows)], dtype=np.int64).reshape(shape)
    run = lambda x, at, dims, kernel, padding, output, stride=None: call(x, at, every(kernel), stride and every(stride), every(padding))
    return op, run, [plain(*shape), numbers_of(at)], (), attrs | dict(output=None)


# Norms of channels


def norms(d):
    kind = d.one("BatchNorm", "InstanceNorm", "GroupNorm", "LocalResponseNorm")
    dims, channels = d.one(1, 2, 3), d.one(1, 2, 3, 6)
    shape = (d.one(1, 2, 3, 5), channels, *d.some(dims, 1, 2, 3, 5))
    if kind == "LocalResponseNorm":
        attrs = dict(size=d.one(1, 2, 3, 5, 8), alpha=d.one(1e-4, 0.5, 2.0), beta=d.one(0.75, 0.5, 1.5), k=d.one(1.0, 2.0, 0.5))
        return kind, lambda x, size, alpha, beta, k: F.local_response_norm(x, size, alpha, beta, k), [plain(*shape)], (), attrs
    if kind == "GroupNorm":
        groups = d.one(*(n for n in (1, 2, 3, 6) if channels % n == 0))
        attrs = dict(groups=groups, eps=d.one(1e-5, 0.3))
        draws = [plain(*shape)] + ([plain(channels), plain(channels)] if d.may() else [])
        return kind, lambda x, w=None, b=None, groups=1, eps=0: F.group_norm(x, groups, w, b, eps), draws, (), attrs
    if kind == "BatchNorm" and dims == 1 and d.may():
        shape = shape[:2]
    momentum = d.one(0.1, 0.5, 1.0, 0.0, *(["cumulative"] if kind == "BatchNorm" else []))
    tracked, affine, eps = d.may(), d.may(), d.one(1e-5, 0.1)
    passes = d.one(1, 2, 3)
    options = dict(eps=eps, momentum=None if momentum == "cumulative" else momentum, affine=affine, track_running_stats=tracked)

    def run(*inputs, passes, affine, **_):
        rest, out = list(inputs), []
        module = getattr(nn, f"{kind}{dims}d")(channels, **options).to(inputs[0].dtype)
        named = {"bias": rest.pop(), "weight": rest.pop()} if affine else {}
        call = lambda x: torch.func.functional_call(module, named, (x,))
        out += [call(x) for x in rest]
        if module.running_mean is not None:
            out += [module.running_mean.clone(), module.running_var.clone()]
        module.eval()
        return [*out, call(rest[-1])]

    draws = [plain(*shape)] * passes + ([plain(channels), plain(channels)] if affine else [])
    attrs = dict(passes=passes, affine=affine, channels=channels, momentum=momentum, tracked=tracked, eps=eps)
    return f"{kind}{dims}d", run, draws, (), attrs


# Images


def interpolation(d):
    dims = d.one(1, 2, 3)
    mode = d.one(*("Nearest", "NearestExact", "Linear", "Area"), *(["Cubic"] * 2 if dims == 2 else []))
    names = dict(Nearest="nearest", NearestExact="nearest-exact", Linear=("linear", "bilinear", "trilinear")[dims - 1], Area="area", Cubic="bicubic")
    attrs = dict(mode=mode, align_corners=mode in ("Linear", "Cubic") and d.may())
    if d.may():
        attrs["size"] = d.each(dims, 1, 2, 3, 5, 8, 11)
    else:
        attrs |= dict(scale=d.each(dims, 0.34, 0.5, 0.77, 1.0, 1.3, 2.0, 2.49, 3.0), recompute=d.may())

    def run(x, mode, align_corners, size=None, scale=None, recompute=False):
        options = dict(mode=names[mode], align_corners=align_corners if mode in ("Linear", "Cubic") else None)
        if scale:
            return F.interpolate(x, scale_factor=one_or_each(scale), recompute_scale_factor=recompute, **options)
        return F.interpolate(x, one_or_each(size), **options)

    shape = (d.one(0, 1, 2), d.one(1, 2, 3), *d.some(dims, 1, 2, 3, 5, 7))
    return "interpolate", run, [d.numbers(*shape, wild=0.1)], (), attrs


def warping(d):
    dims = d.one(2, 2, 3)
    if d.may(0.25):
        size = [d.one(1, 2), d.one(1, 2), *d.some(dims, 1, 2, 3, 5)]
        run = lambda theta, size, align_corners: F.affine_grid(theta, size, align_corners)
        return "affine_grid", run, [plain(size[0], dims, dims + 1)], (), dict(size=size, align_corners=d.may())
    mode = d.one("bilinear", "nearest", *(["bicubic"] * 2 if dims == 2 else []))
    attrs = dict(mode=mode, padding=d.one("zeros", "border", "reflection"), align_corners=d.may())
    batch, places = d.one(1, 2), d.some(dims, 1, 2, 3)
    shape = (batch, d.one(1, 2), *d.some(dims, 1, 2, 3, 5))
    grid = (batch, *places, dims)
    if d.may(0.3):
        at = d.rng.choice(np.array([-1.0, 1.0, 0.0, 0.5, -0.25, 3.0, -7.0], dtype=np.float32), grid).astype(np.float32)
        grid, fixed = numbers_of(at), (1,)
    else:
        reach = d.one(0.9, 1.4, 6.0)
        grid, fixed = Spread(-reach, reach, *grid), ()
    run = lambda x, grid, mode, padding, align_corners: F.grid_sample(x, grid, mode, padding, align_corners)
    return "grid_sample", run, [plain(*shape), grid], fixed, attrs


def folding(d):
    kernel, stride, padding, dilation = (d.each(2, *of) for of in ((1, 2, 3), (1, 2, 3), (0, 1, 2), (1, 2)))
    attrs = dict(kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    size, channels, of = d.some(2, 1, 3, 4, 6, 7), d.one(1, 2), one_or_each
    batch = d.one((), (1,), (2,))
    if d.may():
        run = lambda x, kernel, stride, padding, dilation: F.unfold(x, of(kernel), of(dilation), of(padding), of(stride))
        return "im2col", run, [plain(*batch, channels, *size)], (), attrs
    two = lambda a: a * (2 if len(a) == 1 else 1)
    rows = [(n + 2 * p - dl * (k - 1) - 1) // s + 1 for n, k, s, p, dl in zip(size, *map(two, (kernel, stride, padding, dilation)))]
    if min(rows) < 1:
        raise ValueError("no windows")
    run = lambda x, size, kernel, stride, padding, dilation: F.fold(x, tuple(size), of(kernel), of(dilation), of(padding), of(stride))
    x = plain(*batch, channels * int(np.prod(two(kernel))), int(np.prod(rows)))
    return "col2im", run, [x], (), attrs | dict(size=size)


def margins(d):
    dims, name = d.one(1, 2, 3), d.one("ZeroPad", "ConstantPad", "ReflectionPad", "ReplicationPad", "CircularPad")
    sides = d.some(2 * dims, 0, 0, 1, 2, 3, *([-1] if name in ("ZeroPad", "ConstantPad") else []))
    value = (d.one(2.5, -INF) if d.may() else 0.0,) if name == "ConstantPad" else ()
    module = getattr(nn, f"{name}{dims}d")(tuple(sides), *value)
    attrs = dict(margins=sides) | (dict(value=value[0]) if value and np.isfinite(value[0]) else {})
    if value and not np.isfinite(value[0]):
        raise ValueError("no JSON")
    return f"{name}{dims}d", lambda x, **_: module(x), [plain(*d.images(dims, d.one(1, 2), 1, 2, 3, 5))], (), attrs


# Losses


def ctc(d):
    batch, time, classes, blank = d.one(1, 2, 3), d.one(1, 2, 4, 7, 12), d.one(2, 3, 5), 0
    most = d.one(0, 1, 2, 4)
    blank = int(d.rng.integers(classes))
    labels = [int(d.rng.integers(0, most + 1)) for _ in range(batch)]
    steps = [int(d.rng.integers(1, time + 1)) for _ in range(batch)]
    free = [c for c in range(classes) if c != blank]
    joined = d.may(0.3)
    targets = d.rng.choice(free, (sum(labels),) if joined else (batch, most)).astype(np.int64)
    zero = d.may(0.7)

    def run(x, targets, steps, labels, blank, zero_infinity, reduction, once):
        log_p = torch.log_softmax(x, -1).transpose(0, 1)
        return F.ctc_loss(log_p, targets, torch.tensor(steps), torch.tensor(labels), blank, reduction, zero_infinity)

    attrs = dict(steps=steps, labels=labels, blank=blank, zero_infinity=zero, reduction=d.one(*REDUCTIONS), once=True)
    return "ctc", run, [plain(batch, time, classes, scale=d.one(1.0, 2.0)), numbers_of(targets)], (), attrs


def entropies(d):
    """Losses of `losses.rs`."""
    reduction = d.one(*REDUCTIONS)
    op = d.one("cross_entropy", "cross_entropy", "cross_entropy", "bce", "bce_with_logits", "huber", "mse", "mae")
    batch, classes, places = d.one(1, 2, 4), d.one(1, 2, 3, 5), d.shape(0, 2, 1, 2, 3)
    if op == "cross_entropy":
        x = plain(batch, classes, *places, scale=d.one(1.0, 20.0, 400.0))
        weights = [Spread(0.1, 2.0, classes)] if d.may() else []
        attrs = dict(reduction=reduction, label_smoothing=d.one(0.0, 0.0, 0.1, 0.7, 1.0))
        run = lambda x, t, w=None, **attrs: F.cross_entropy(x, t, w, **attrs)
        if d.may(0.3):
            p = d.rng.uniform(0.0, 1.0, (batch, classes, *places))
            return op, run, [x, numbers_of((p / p.sum(1, keepdims=True)).astype(np.float32)), *weights], (1, 2), attrs
        t = d.rng.integers(0, classes, (batch, *places))
        attrs["ignore_index"] = d.one(-100, 0, classes - 1, 7)
        if d.may():
            t[d.rng.random(t.shape) < 0.4] = attrs["ignore_index"] if attrs["ignore_index"] < classes else 0
        return op, run, [x, numbers_of(t.astype(np.int64)), *weights], (2,), attrs
    shape = d.shape(0, 3, 1, 2, 3)
    if op in ("bce", "bce_with_logits"):
        target = Spread(0.0, 1.0, *shape) if d.may() else numbers_of(d.rng.integers(0, 2, shape).astype(np.float32))
        weights = [Spread(0.1, 2.0, *(shape if d.may() else shape[-1:]))] if d.may() else []
        attrs = dict(reduction=reduction)
        if op == "bce":
            x = Spread(0.001, 0.999, *shape)
            return op, lambda x, t, w=None, **attrs: F.binary_cross_entropy(x, t, w, **attrs), [x, target, *weights], (1, 2), attrs
        positive = [Spread(0.1, 5.0, *shape[-1:])] if d.may() else []
        attrs |= dict(has_weight=bool(weights), has_pos_weight=bool(positive))

        def run(x, t, *w, has_weight, has_pos_weight, reduction):
            w = list(w)
            weight = w.pop(0) if has_weight else None
            return F.binary_cross_entropy_with_logits(x, t, weight, reduction=reduction, pos_weight=w[0] if has_pos_weight else None)

        return op, run, [plain(*shape, scale=d.one(1.0, 7.0)), target, *weights, *positive], (1, 2, 3), attrs
    call = dict(huber=F.huber_loss, mse=F.mse_loss, mae=F.l1_loss)[op]
    attrs = dict(reduction=reduction) | (dict(delta=d.one(0.1, 1.0, 3.0)) if op == "huber" else {})
    return op, call, [d.numbers(*shape, wild=0.3), plain(*shape)], (), attrs


def more_losses(d):
    """Losses of `more_losses.rs`."""
    reduction, shape = d.one(*REDUCTIONS), d.shape(1, 3, 1, 2, 4)
    op = d.one(
        *("smooth_l1", "poisson_nll", "gaussian_nll", "kl_div", "nll", "multi_margin", "multi_label_margin", "soft_margin"),
        *("multi_label_soft_margin", "hinge_embedding", "cosine_embedding", "margin_ranking", "triplet"),
    )
    x, y = plain(*shape, scale=d.one(1.0, 10.0)), plain(*shape)
    signs = numbers_of(d.rng.choice([-1.0, 1.0], shape).astype(np.float32))
    batch, classes = d.one(1, 2, 4), d.one(1, 2, 3, 5)
    weights = [Spread(0.1, 2.0, classes)] if d.may() else []
    margin = d.one(0.0, 0.5, 1.0, 2.0)
    attrs = dict(reduction=reduction)
    if op == "smooth_l1":
        return op, F.smooth_l1_loss, [d.numbers(*shape, wild=0.3), y], (), attrs | dict(beta=d.one(0.0, 0.1, 1.0, 3.0))
    if op == "poisson_nll":
        counts = numbers_of(d.rng.poisson(d.one(0.5, 3.0, 40.0), shape).astype(np.float32))
        logs = d.may()
        draws = [plain(*shape) if logs else Spread(0.01, 6.0, *shape), counts]
        return op, F.poisson_nll_loss, draws, (1,), attrs | dict(log_input=logs, full=d.may(), eps=d.one(1e-8, 0.1))
    if op == "gaussian_nll":
        var = Spread(0.01, 3.0, *d.one(shape, (*shape[:-1], 1), shape[:-1]))
        return op, F.gaussian_nll_loss, [x, y, var], (), attrs | dict(full=d.may(), eps=d.one(1e-6, 0.5))
    if op == "kl_div":
        logs = d.may()

        def run(x, y, reduction, log_target, batch_mean):
            return F.kl_div(x, y, reduction="batchmean" if batch_mean else reduction, log_target=log_target)

        target = Spread(-4.0, 0.0, *shape) if logs else d.one(Spread(0.0, 1.0, *shape), numbers_of(d.rng.choice([0.0, 1.0], shape).astype(np.float32)))
        return op, run, [Spread(-5.0, 0.0, *shape), target], (1,), attrs | dict(log_target=logs, batch_mean=d.may(0.3))
    if op == "nll":
        places = d.shape(0, 2, 1, 2, 3)
        t = d.rng.integers(0, classes, (batch, *places)).astype(np.int64)
        run = lambda x, t, w=None, **attrs: F.nll_loss(x, t, w, **attrs)
        draws = [Spread(-4.0, 0.0, batch, classes, *places), numbers_of(t), *weights]
        return op, run, draws, (2,), attrs | dict(ignore_index=d.one(-100, 0))
    if op == "multi_margin":
        t = numbers_of(d.rng.integers(0, classes, batch).astype(np.int64))
        run = lambda x, t, w=None, p=1, margin=1.0, reduction="mean": F.multi_margin_loss(x, t, p, margin, w, reduction=reduction)
        return op, run, [plain(batch, classes), t, *weights], (2,), attrs | dict(p=d.one(1, 2), margin=margin or 1.0)
    if op == "multi_label_margin":
        t = np.full((batch, classes), -1, dtype=np.int64)
        for row in t:
            n = int(d.rng.integers(0, classes + 1))
            row[:n] = d.rng.permutation(classes)[:n]
        return op, F.multilabel_margin_loss, [plain(batch, classes), numbers_of(t)], (), attrs
    if op == "multi_label_soft_margin":
        t = numbers_of(d.rng.integers(0, 2, (batch, classes)).astype(np.float32))
        run = lambda x, t, w=None, reduction="mean": F.multilabel_soft_margin_loss(x, t, w, reduction=reduction)
        return op, run, [plain(batch, classes, scale=d.one(1.0, 40.0)), t, *weights], (1, 2), attrs
    if op == "soft_margin":
        return op, F.soft_margin_loss, [plain(*shape, scale=d.one(1.0, 60.0)), signs], (1,), attrs
    if op == "hinge_embedding":
        return op, F.hinge_embedding_loss, [d.numbers(*shape, wild=0.2), signs], (1,), attrs | dict(margin=margin)
    if op == "margin_ranking":
        return op, F.margin_ranking_loss, [x, y, signs], (2,), attrs | dict(margin=margin)
    pair = [plain(batch, classes), plain(batch, classes)]
    if op == "cosine_embedding":
        t = numbers_of(d.rng.choice([-1.0, 1.0], batch).astype(np.float32))
        return op, F.cosine_embedding_loss, [*pair, t], (2,), attrs | dict(margin=d.one(0.0, 0.5, -0.5))
    attrs |= dict(margin=margin or 1.0, p=d.one(1.0, 2.0, 3.0), eps=1e-6, swap=d.may())
    return op, F.triplet_margin_loss, [*pair, plain(batch, classes)], (), attrs


def bags(d):
    rows, width, mode = d.one(1, 3, 6), d.one(1, 2, 5), d.one("sum", "mean", "max")
    attrs = dict(mode=mode, padding=d.one(None, 0, rows - 1))

    def run(ids, table, *weights, mode, padding, offsets=None, last=False):
        offsets = None if offsets is None else torch.tensor(offsets)
        more = dict(per_sample_weights=weights[0] if weights else None, padding_idx=padding, include_last_offset=last)
        return F.embedding_bag(ids, table, offsets, mode=mode, **more)

    if d.may():
        shape = (d.one(1, 2, 4), d.one(1, 2, 5))
    else:
        shape = (d.one(1, 4, 9),)
        inner = sorted(int(d.rng.integers(0, shape[0] + 1)) for _ in range(d.one(0, 1, 3)))
        attrs |= dict(offsets=[0, *inner, *([shape[0]] if (last := d.may(0.3)) else [])], last=last)
    ids = numbers_of(d.rng.integers(0, rows, shape).astype(np.int64))
    weights = [plain(*shape)] if mode == "sum" and d.may() else []
    return "embedding_bag", run, [ids, plain(rows, width), *weights], (), attrs


# Order and places


def scattering(d):
    shape = d.shape(1, 3, 1, 2, 3, 4)
    dim = int(d.rng.integers(-len(shape), len(shape)))
    index = tuple(int(d.rng.integers(0 if d.may(0.1) else 1, n + 1)) for n in shape)
    if d.may():
        index = (*index[: dim % len(shape)], d.one(1, 3, 6), *index[dim % len(shape) + 1 :])
    at = numbers_of(d.rng.integers(0, shape[dim], index).astype(np.int64))
    attrs = dict(dim=dim, reduction=d.one("sum", "prod", "mean", "amax", "amin"), own=d.may())
    run = lambda x, i, s, dim, reduction, own: torch.scatter_reduce(x, dim, i, s, reduction, include_self=own)
    wild = 0.0 if attrs["reduction"] == "prod" else 0.3
    draws = [d.numbers(*shape, wild=wild), at, d.numbers(*index, wild=wild)]
    return "scatter_reduce", run, draws, (0, 2) if not all(map(is_finite, draws)) else (), attrs


def running(d):
    """Running sums, products and extremes."""
    op, shape = d.one("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp", "diff"), d.shape(1, 3, 0, 1, 2, 3, 5, 9)
    dim = int(d.rng.integers(-len(shape), len(shape)))
    attrs = dict(dim=dim) | (dict(n=d.one(0, 1, 2, 4)) if op == "diff" else {})
    run = lambda x, dim, n=None: getattr(torch, op)(x, n, dim) if op == "diff" else getattr(torch, op)(x, dim)
    x = d.numbers(*shape, wild=0.6)
    return op, run, [x], (0,) if op == "cumprod" and not is_finite(x) else (), attrs


def ranking(d):
    op, shape = d.one("sort", "argsort", "topk", "kthvalue", "median", "mode", "quantile"), d.shape(1, 3, 1, 2, 3, 5, 8)
    dim = int(d.rng.integers(-len(shape), len(shape)))
    wild = d.numbers(*shape, wild=1.0)
    n = int(np.prod(shape))
    # Where PyTorch says of an arbitrary one of equal elements where it is: no two are alike, and one may be NaN.
    apart = (d.rng.permutation(n).astype(np.float32) - n / 2) / 2
    if op != "mode" and d.may(0.4):
        apart[d.rng.integers(n)] = NAN
    apart = numbers_of(apart.reshape(shape))
    if op in ("sort", "argsort"):
        attrs = dict(dim=dim, descending=d.may())
        run = lambda x, dim, descending: torch.sort(x, dim=dim, descending=descending, stable=True)
        one = lambda x, dim, descending: torch.argsort(x, dim=dim, descending=descending, stable=True)
        return op, run if op == "sort" else one, [wild], (), attrs
    if op == "topk":
        attrs = dict(k=int(d.rng.integers(0, shape[dim] + 1)), dim=dim, largest=d.may())
        return op, lambda x, k, dim, largest: torch.topk(x, k, dim, largest), [apart], (), attrs
    if op == "kthvalue":
        attrs = dict(k=int(d.rng.integers(1, shape[dim] + 1)), dim=dim, keepdim=d.may())
        return op, lambda x, k, dim, keepdim: torch.kthvalue(x, k, dim, keepdim), [apart], (), attrs
    if op == "median":
        return op, lambda x, dim, keepdim: torch.median(x, dim, keepdim), [apart], (), dict(dim=dim, keepdim=d.may())
    if op == "mode":
        return op, lambda x, dim: torch.mode(x, dim)[0], [d.one(numbers_of(np.round(apart(None) / 2)), apart)], (0,), dict(dim=dim)
    shape = (d.one(1, 2, 3), d.one(1, 2, 5, 8))
    run = lambda x, q, mode: torch.quantile(x, q, 1, interpolation=mode)
    attrs = dict(q=d.one(0.0, 0.1, 0.25, 0.5, 0.625, 0.9, 1.0), mode=d.one("linear", "lower", "higher", "nearest", "midpoint"))
    # Its sort is not stable: which of equal elements has the gradient is an arbitrary choice.
    x = d.numbers(*shape, wild=0.5)
    return op, run, [x], () if isinstance(x, Spread) else (0,), attrs


def reducing(d):
    op = d.one("sum", "mean", "var", "std", "logsumexp", "amax", "amin", "prod", "any", "all", "count_nonzero", "norm", "argmax", "max_dim", "min_dim")
    shape = d.shape(1, 4, 0, 1, 2, 3, 5) if d.may(0.3) else d.shape(1, 4, 1, 2, 3, 5)
    rank = len(shape)
    x = d.numbers(*shape, wild=0.5)
    if op in ("argmax", "max_dim", "min_dim"):
        attrs = dict(dim=int(d.rng.integers(-rank, rank)), keepdim=d.may())
        calls = dict(argmax=torch.argmax, max_dim=torch.max, min_dim=torch.min)
        return op, lambda x, dim, keepdim: calls[op](x, dim, keepdim), [x], (), attrs
    dims = sorted(d.rng.permutation(rank)[: int(d.rng.integers(1, rank + 1))].tolist())
    dims = [n - rank if d.may(0.3) else n for n in dims]
    if op == "prod":
        dims = dims[:1]
    attrs = dict(dims=dims, keepdim=d.may())
    call = getattr(torch, op, None)
    if op in ("var", "std"):
        x = plain(*shape)
        correction = d.one(0, 1, 2)
        fixed = (0,) if correction >= int(np.prod([shape[n] for n in dims])) else ()
        run = lambda x, dims, keepdim, correction: call(x, dims, correction=correction, keepdim=keepdim)
        return op, run, [x], fixed, attrs | dict(correction=correction)
    if op == "norm":
        p = d.one("0", "1", "2", "3", "0.5", "inf", "-inf", "-1")
        run = lambda x, dims, keepdim, p: torch.linalg.vector_norm(x, float(p), dims, keepdim)
        return op, run, [x], () if is_finite(x) else (0,), attrs | dict(p=p)
    if op == "count_nonzero":
        return op, lambda x, dims, keepdim: torch.count_nonzero(x, dims), [x], (), attrs | dict(keepdim=False)
    if op == "prod":
        return op, lambda x, dims, keepdim: torch.prod(x, dims[0], keepdim), [x], (), attrs
    return op, lambda x, dims, keepdim: call(x, dims, keepdim), [x], (), attrs


# Products


def products(d):
    """`matmul.rs`."""
    sizes = {c: d.one(1, 2, 3, 4, 0 if d.may(0.1) else 2) for c in "abcde"}
    if d.may(0.3):
        inner, batch = sizes["a"], d.shape(0, 2, 1, 2, 3)
        left = d.one((inner,), (sizes["b"], inner), (*batch, sizes["b"], inner))
        right = d.one((inner,), (inner, sizes["c"]), (*(d.one(1, n) for n in batch), inner, sizes["c"]))
        return "matmul", torch.matmul, [plain(*left), plain(*right)], (), {}
    terms = ["".join(d.some(d.one(1, 2, 3), *"abcd")) for _ in range(d.one(1, 2, 2, 3))]
    letters = sorted(set("".join(terms)))
    out = "".join(c for c in d.rng.permutation(letters) if d.may())
    dots = d.may(0.3)
    batch = d.shape(1, 2, 1, 2)
    equation = ",".join(("..." if dots else "") + term for term in terms) + d.one("->" + ("..." if dots else "") + out, "")
    shapes = [((batch if d.may(0.7) else batch[1:]) if dots else ()) + tuple(sizes[c] for c in term) for term in terms]
    run = lambda *x, equation: torch.einsum(equation, *x)
    return "einsum", run, [plain(*shape) for shape in shapes], (), dict(equation=equation)


def distances(d):
    """`more_ops.rs`."""
    op = d.one("cdist", "pairwise_distance", "cosine_similarity", "kron", "tensordot", "tensordot_dims", "fmod", "fmax", "fmin", "xlogy", "logaddexp")
    if op == "cdist":
        batch, width, p = d.shape(0, 2, 1, 2), d.one(1, 2, 4), d.one("0", "1", "2", "3", "0.5", "inf")
        shapes = [(*batch, d.one(1, 2, 5), width), (*(d.one(1, n) for n in batch), d.one(1, 3), width)]
        run = lambda a, b, p: torch.cdist(a, b, float(p), compute_mode="donot_use_mm_for_euclid_dist")
        return op, run, [plain(*shape) for shape in shapes], (), dict(p=p)
    shape = d.shape(1, 3, 1, 2, 4)
    other = tuple(d.one(1, n) for n in shape)[d.one(0, 0, 1) if len(shape) > 1 else 0 :]
    if op == "pairwise_distance":
        run = lambda a, b, p, eps: F.pairwise_distance(a, b, float(p), eps)
        return op, run, [plain(*shape), plain(*other)], (), dict(p=d.one("1", "2", "3", "inf"), eps=d.one(1e-6, 0.1))
    if op == "cosine_similarity":
        dim = int(d.rng.integers(-len(shape), len(shape)))
        return op, lambda a, b, dim: F.cosine_similarity(a, b, dim), [plain(*shape), plain(*shape)], (), dict(dim=dim)
    if op == "kron":
        return op, torch.kron, [plain(*shape), plain(*d.shape(0, 3, 1, 2, 3))], (), {}
    if op == "tensordot":
        n = d.one(0, 1, 2)
        a, b, c = d.shape(0, 1, 1, 2, 3), tuple(d.some(n, 1, 2, 3)), d.shape(0, 2, 1, 2, 3)
        return op, lambda a, b, n: torch.tensordot(a, b, n), [plain(*a, *b), plain(*b, *c)], (), dict(n=n)
    if op == "tensordot_dims":
        of_a = d.rng.permutation(len(shape))[: d.one(1, len(shape))].tolist()
        order = d.rng.permutation(len(of_a)).tolist()
        b = tuple(shape[of_a[i]] for i in order) + d.shape(0, 1, 2, 3)
        of_b = [order.index(i) for i in range(len(of_a))]
        run = lambda a, b, of_a, of_b: torch.tensordot(a, b, (of_a, of_b))
        return op, run, [plain(*shape), plain(*b)], (), dict(of_a=of_a, of_b=of_b)
    return op, getattr(torch, op), [d.numbers(*shape, wild=0.7), d.numbers(*other, wild=0.7)], (0, 1) if d.may() else (), {}


def linear_algebra(d):
    op = d.one("cholesky", "inv", "det", "slogdet", "sign", "matrix_exp", "solve", "solve_triangular", "pinv", "lstsq", "matrix_norm", "eigh", "svd", "qr")
    batch, n, k = d.shape(0, 2, 1, 2, 0 if d.may(0.1) else 2), d.one(1, 2, 3, 4), d.one(1, 2, 5)
    linalg, eye = torch.linalg, np.eye
    noise = lambda *shape: d.rng.standard_normal(shape)
    given = lambda x: (lambda rng: np.asarray(x, dtype=np.float32))
    firm = given(0.5 * noise(*batch, n, n) + 2 * eye(n))
    tall = d.one((n, n + d.one(1, 3)), (n + d.one(1, 3), n), (n, n))
    wide = given(noise(*batch, *tall) + 2 * eye(*tall))
    if op == "cholesky":
        x = noise(*batch, n, n)
        return op, linalg.cholesky, [given(x @ np.swapaxes(x, -1, -2) + n * eye(n))], (), {}
    if op in ("inv", "det"):
        return op, getattr(linalg, op), [firm], (), {}
    if op in ("slogdet", "sign"):
        return op, lambda x: linalg.slogdet(x)[op == "slogdet"], [firm], (0,) if op == "sign" else (), {}
    if op == "matrix_exp":
        return op, linalg.matrix_exp, [given(d.one(1e-3, 1.0, 3.0) * noise(*batch, n, n))], (), {}
    if op == "solve":
        return op, linalg.solve, [firm, given(noise(*d.one((*batch, n, k), (n,) if not batch else (*batch, n, 1))))], (), {}
    if op == "solve_triangular":
        run = lambda a, b, upper: linalg.solve_triangular(a, b, upper=upper)
        return op, run, [firm, given(noise(*batch, n, k))], (), dict(upper=d.may())
    if op == "pinv":
        return op, linalg.pinv, [wide], (), {}
    if op == "lstsq":
        return op, lambda a, b: linalg.pinv(a) @ b, [wide, given(noise(*batch, tall[0], k))], (), {}
    if op == "matrix_norm":
        orders = {"fro": "fro", "nuc": "nuc", "1": 1, "-1": -1, "2": 2, "-2": -2, "inf": INF, "-inf": -INF}
        return op, lambda x, order: linalg.matrix_norm(x, orders[order]), [wide], (), dict(order=d.one(*orders))
    if op == "eigh":
        x = noise(*batch, n, n) + np.diag(2.0 * np.arange(n))
        return op, lambda x: ((v := linalg.eigh(x))[0], v[1].abs()), [given(x + np.swapaxes(x, -1, -2))], (), {}
    if op == "svd":
        run = lambda x: ((v := linalg.svd(x, full_matrices=False))[0].abs(), v[1], v[2].abs())
        return op, run, [wide], (), {}
    if tall[0] < tall[1]:
        raise ValueError("PyTorch has no gradient")
    return op, lambda x: tuple(linalg.qr(x)), [wide], (), {}


def fourier(d):
    fft, pairs = torch.fft, lambda z: torch.view_as_real(z.resolve_conj())
    complex_ = lambda x: torch.view_as_complex(x.contiguous())
    name = d.one("fft", "ifft", "rfft", "irfft", "hfft", "ihfft", "fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn", "stft", "istft", "back")
    if name in ("stft", "istft", "back"):
        n_fft = d.one(4, 5, 8)
        win = d.one(n_fft, n_fft - 1, 3)
        attrs = dict(n_fft=n_fft, hop_length=d.one(1, 2, 3), win_length=win, center=d.may(0.8), normalized=d.may(), onesided=d.may(0.7))
        window = [Spread(0.3, 1.0, win)] if d.may(0.7) else []
        wave = plain(*d.one((), (1,), (2,)), d.one(9, 16, 21))
        stft = lambda x, w, o: torch.stft(x, window=w, return_complex=True, **o)
        if name == "stft":
            attrs["pad_mode"] = d.one("reflect", "constant", "replicate", "circular")
            return name, lambda x, w=None, **o: pairs(stft(x, w, o)), [wave, *window], (1,), attrs
        attrs["length"] = d.one(None, 9, 12)
        if name == "istft":
            attrs["onesided"] = True
        if name == "back":
            run = lambda x, w=None, length=None, **o: torch.istft(stft(x, w, o), window=w, length=length, **o)
            return name, run, [wave, *window], (1,), attrs
        bins = n_fft // 2 + 1 if attrs["onesided"] else n_fft
        run = lambda x, w=None, **o: torch.istft(complex_(x), window=w, **o)
        return name, run, [plain(*d.one((), (2,)), bins, d.one(3, 6), 2), *window], (1,), attrs
    takes_pairs = name.strip("2n") in ("fft", "ifft", "irfft", "hfft")
    gives_pairs = not name.startswith(("irfft", "hfft"))
    shape = d.shape(1 if name[-1] in "t" else 2, 3, 1, 2, 3, 4, 5, 7)
    rank = len(shape)
    attrs = dict(norm=d.one("backward", "ortho", "forward"))
    if name[-1] not in "2n":
        if d.may():
            attrs["n"] = d.one(1, 2, 3, 4, 6, 9)
        if d.may():
            attrs["dim"] = int(d.rng.integers(-rank, rank))
    else:
        count = 2 if name[-1] == "2" else int(d.rng.integers(1, rank + 1))
        if d.may():
            attrs["dim"] = d.rng.permutation(rank)[:count].tolist()
        if d.may():
            attrs["s"] = d.some(count, 1, 2, 3, 4, 6)
    call = getattr(fft, name)
    run = lambda x, **o: (pairs if gives_pairs else lambda z: z)(call(complex_(x) if takes_pairs else x, **o))
    return name, run, [plain(*shape, *((2,) if takes_pairs else ()))], (), attrs


KINDS = {
    "convolution": (convolution, "convolution", 12),
    "pooling": (pooling, "pooling", 16),
    "norms": (norms, "channel_norms", 10),
    "interpolation": (interpolation, "image_ops", 10),
    "warping": (warping, "image_ops", 12),
    "folding": (folding, "image_ops", 8),
    "margins": (margins, "image_ops", 8),
    "ctc": (ctc, "more_losses", 12),
    "entropies": (entropies, "losses", 16),
    "more_losses": (more_losses, "more_losses", 16),
    "bags": (bags, "more_layers", 10),
    "scattering": (scattering, "more_ops", 12),
    "running": (running, None, 12),
    "ranking": (ranking, None, 12),
    "reducing": (reducing, "reductions", 16),
    "products": (products, "matmul", 12),
    "distances": (distances, "more_ops", 12),
    "linear_algebra": (linear_algebra, "linalg", 12),
    "fourier": (fourier, "fft", 14),
}
IN_REDUCTIONS = ("cumsum", "cumprod", "sort", "argsort", "topk")


def cases(f):
    f.sums = True
    if not COUNT:
        f.lean = 24
    for kind, (draw, test, kept) in KINDS.items():
        made, tries, refused = 0, 0, {}
        while made < (COUNT or kept) and tries < 4000:
            tries += 1
            label = f"{kind}_{tries}"
            before = set(f.tensors)
            try:
                op, run, draws, fixed, attrs = draw(Draw(f.rng(label)))
                of = test or ("reductions" if op in IN_REDUCTIONS else "more_ops")
                f.case(op, label, lambda *x, test, **attrs: run(*x, **attrs), draws, fixed, test=of, **attrs)
                made += 1
            except (RuntimeError, ValueError, IndexError, AssertionError, TypeError, NotImplementedError) as e:
                for name in set(f.tensors) - before:
                    del f.tensors[name]
                key = f"{type(e).__name__}: {str(e).splitlines()[0][:90]}" if str(e) else type(e).__name__
                refused[key] = refused.get(key, 0) + 1
        if COUNT:
            print(f"{kind}: {made} of {tries}")
            for key, count in sorted(refused.items(), key=lambda x: -x[1])[:4]:
                print(f"    {count} {key}")
