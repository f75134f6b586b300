"""Pooling with every option, in one to three dimensions, at edges: strides larger than the kernel, as much padding as there may be,
windows that reach beyond the end, images without a batch, batches without images."""

import numpy as np
import torch.nn.functional as F

from recorder import apart, away, normal, uniform

SHAPES = {1: (2, 2, 11), 2: (1, 2, 7, 9), 3: (1, 2, 4, 3, 5)}


def cases(f):
    f.sums = True

    def pool(op, label, run, draw, **attrs):
        f.case(op, label, run, [draw], **attrs)

    def maximum(label, dims, shape=None, **attrs):
        def run(x, dims, kernel, stride=None, padding=0, dilation=1, ceil_mode=False):
            options = dict(stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode)
            return getattr(F, f"max_pool{dims}d")(x, kernel, return_indices=True, **options)

        pool("max_pool", f"{dims}d_{label}", run, apart(*(shape or SHAPES[dims])), dims=dims, **attrs)

    def mean(label, dims, shape=None, **attrs):
        def run(x, dims, kernel, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
            options = dict(stride=stride, padding=padding, ceil_mode=ceil_mode, count_include_pad=count_include_pad)
            if divisor_override:
                options["divisor_override"] = divisor_override
            return getattr(F, f"avg_pool{dims}d")(x, kernel, **options)

        pool("avg_pool", f"{dims}d_{label}", run, normal(*(shape or SHAPES[dims])), dims=dims, **attrs)

    for dims in (1, 2, 3):
        for label, attrs in {
            "default": dict(kernel=[2]),
            "overlapping": dict(kernel=[3], stride=[1], padding=[1]),
            "stride_beyond_kernel": dict(kernel=[2], stride=[3]),
            "ceil": dict(kernel=[3], stride=[2], ceil_mode=True),
            "ceil_padded": dict(kernel=[2], stride=[2], padding=[1], ceil_mode=True),
            "one": dict(kernel=[1]),
        }.items():
            maximum(label, dims, **attrs)
            mean(label, dims, **attrs)
        whole = list(SHAPES[dims][2:])
        maximum("whole", dims, kernel=whole)
        mean("whole", dims, kernel=whole)
        maximum("dilated", dims, kernel=[2], stride=[1], dilation=[2])
        maximum("unbatched", dims, SHAPES[dims][1:], kernel=[2])
        mean("unbatched", dims, SHAPES[dims][1:], kernel=[2])
        maximum("empty", dims, (0,) + SHAPES[dims][1:], kernel=[2])
        mean("empty", dims, (0,) + SHAPES[dims][1:], kernel=[2])
        mean("without_padding", dims, kernel=[3], stride=[2], padding=[1], count_include_pad=False)
        mean("without_padding_ceil", dims, kernel=[3], stride=[2], padding=[1], count_include_pad=False, ceil_mode=True)
        if dims > 1:
            mean("divisor", dims, kernel=[3], stride=[2], padding=[1], divisor_override=5)
    maximum("each", 2, kernel=[3, 2], stride=[1, 3], padding=[1, 0], dilation=[2, 1])
    maximum("wide", 2, (1, 9, 4, 20), kernel=[3], stride=[2], padding=[1])
    maximum("each", 3, kernel=[2, 3, 1], stride=[1, 2, 2], padding=[0, 1, 0])
    mean("each", 2, kernel=[3, 2], stride=[1, 3], padding=[1, 0])
    mean("wide", 2, (1, 9, 4, 20), kernel=[3], stride=[2], padding=[1])
    mean("long", 1, (2, 3, 100), kernel=[70], stride=[10])
    mean("each", 3, kernel=[2, 3, 1], stride=[1, 2, 2], padding=[0, 1, 0])

    def adaptive(label, dims, output, shape=None):
        shape = shape or SHAPES[dims]
        size = lambda output: output[0] if len(output) == 1 else tuple(output)

        def largest(x, dims, output):
            return getattr(F, f"adaptive_max_pool{dims}d")(x, size(output), return_indices=True)

        def means(x, dims, output):
            return getattr(F, f"adaptive_avg_pool{dims}d")(x, size(output))

        pool("adaptive_max_pool", f"{dims}d_{label}", largest, apart(*shape), dims=dims, output=output)
        pool("adaptive_avg_pool", f"{dims}d_{label}", means, normal(*shape), dims=dims, output=output)

    for dims in (1, 2, 3):
        adaptive("one", dims, [1])
        adaptive("few", dims, [3])
        adaptive("more_than_there_are", dims, [8])
        adaptive("unbatched", dims, [2], SHAPES[dims][1:])
        adaptive("empty", dims, [2], (0,) + SHAPES[dims][1:])
    adaptive("each", 2, [2, 5])
    adaptive("kept", 2, [None, 2])
    adaptive("each", 3, [2, 1, 4])

    def norm(label, dims, p, shape=None, draw=None, **attrs):
        def run(x, dims, p, kernel, stride=None, ceil_mode=False):
            kernel, stride = (a and (a[0] if len(a) == 1 else tuple(a)) for a in (kernel, stride))
            return getattr(F, f"lp_pool{dims}d")(x, p, kernel, stride, ceil_mode)

        draw = draw or uniform(0.2, 2.0, *(shape or SHAPES[dims]))
        pool("lp_pool", f"{dims}d_{label}", run, draw, dims=dims, p=p, **attrs)

    for dims in (1, 2, 3):
        norm("two", dims, 2.0, kernel=[2])
        norm("one", dims, 1.0, kernel=[3], stride=[1])
        norm("three", dims, 3.0, kernel=[2], stride=[3])
        norm("half", dims, 0.5, kernel=[2])
        norm("ceil", dims, 2.0, kernel=[3], stride=[2], ceil_mode=True)
    norm("signs", 2, 2.0, draw=away(0.2, 0.0, 2.0, 2, 3, 6, 6), kernel=[2])

    def unpool(label, dims, shape, places, output=None, **attrs):
        """Every place is named once: where one is named twice, PyTorch's gradient is another number's."""

        def run(x, at, dims, kernel, stride=None, padding=0, output=None):
            size = None if output is None else list(output)
            each = lambda a: a if not isinstance(a, list) or len(a) == dims else a * dims
            kernel, stride, padding = map(each, (kernel, stride, padding))
            return getattr(F, f"max_unpool{dims}d")(x, at, kernel, stride, padding, size)

        rows, each = np.prod(shape[: len(shape) - dims], dtype=int), np.prod(shape[len(shape) - dims :])

        def at(rng):
            return np.stack([rng.permutation(places)[:each] for _ in range(rows)]).reshape(shape).astype(np.int64)

        f.case("max_unpool", f"{dims}d_{label}", run, [normal(*shape), at], dims=dims, output=output, **attrs)

    unpool("default", 1, (2, 3, 4), 8, kernel=[2])
    unpool("output", 1, (2, 3, 4), 9, kernel=[2], output=[9])
    unpool("default", 2, (2, 3, 3, 4), 48, kernel=[2])
    unpool("stride", 2, (2, 3, 3, 4), 63, kernel=[3], stride=[2])
    unpool("padding", 2, (2, 3, 3, 4), 35, kernel=[3], stride=[2], padding=[1])
    unpool("unbatched", 2, (3, 3, 4), 48, kernel=[2])
    unpool("default", 3, (1, 2, 2, 3, 2), 96, kernel=[2])
