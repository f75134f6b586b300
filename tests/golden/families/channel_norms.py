"""Norms of channels: batch norm with running statistics, group norm, instance norm, local response norm.

The cases of batch norm and of instance norm with running statistics have as many inputs `x` as there are passes in training; after these
follows one in evaluation with the last input, whose result is the last output. The running statistics after training are outputs
before it. With `frozen`, statistics are frozen after so many of the passes, by `eval()` of the layer.
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from recorder import normal


def cases(f):
    f.sums = True

    def stateful(op, label, make, shape, passes=2, affine=True, draws=None, frozen=None, **attrs):
        def run(*inputs, **_):
            rest = list(inputs)
            module = make().to(inputs[0].dtype)
            if affine:
                bias, weight = rest.pop(), rest.pop()
            outs = []

            def call(x):
                if not affine:
                    return module(x)
                return functional_call(module, {"weight": weight, "bias": bias}, (x,))

            module.train()
            for i, x in enumerate(rest[:passes]):
                module.train(frozen is None or i < frozen)
                outs.append(call(x))
            if module.running_mean is not None:
                outs += [module.running_mean.clone(), module.running_var.clone()]
            module.eval()
            outs.append(call(rest[-1]))
            return outs

        draws = draws or [normal(*shape, shift=0.7, scale=1.5)] * max(passes, 1)
        draws = list(draws) + ([normal(shape[1], shift=1.0, scale=0.4), normal(shape[1])] if affine else [])
        attrs |= {} if frozen is None else {"frozen": frozen}
        f.case(op, label, run, draws, passes=passes, affine=affine, channels=shape[1], **attrs)

    def options(**attrs):
        momentum = attrs.get("momentum", 0.1)
        return dict(
            eps=attrs.get("eps", 1e-5),
            momentum=None if momentum == "cumulative" else momentum,
            affine=attrs.get("affine", True),
            track_running_stats=attrs.get("tracked", True),
        )

    def batch(label, dims, shape, **attrs):
        make = lambda: getattr(nn, f"BatchNorm{dims}d")(shape[1], **options(**attrs))
        stateful(f"BatchNorm{dims}d", label, make, shape, **attrs)

    batch("vectors", 1, (5, 3))
    batch("sequences", 1, (3, 4, 6))
    batch("many_vectors", 1, (20, 21))
    batch("images", 2, (3, 4, 5, 3))
    batch("many_channels", 2, (2, 19, 3, 2))
    batch("large", 2, (2, 2, 5, 7))
    batch("volumes", 3, (2, 3, 3, 2, 4))
    batch("one_place", 2, (4, 3, 1, 1))
    batch("one_image", 2, (1, 3, 4, 4))
    batch("eps", 2, (3, 2, 3, 4), eps=0.5)
    batch("momentum", 2, (3, 2, 3, 4), momentum=0.3)
    batch("momentum_zero", 2, (3, 2, 3, 4), momentum=0.0)
    batch("momentum_one", 2, (3, 2, 3, 4), momentum=1.0)
    batch("cumulative", 2, (3, 2, 3, 4), momentum="cumulative", passes=3)
    batch("no_affine", 2, (3, 2, 3, 4), affine=False)
    batch("untracked", 2, (3, 2, 3, 4), tracked=False)
    batch("nothing", 1, (6, 5), tracked=False, affine=False)
    batch("untrained", 2, (3, 2, 3, 4), passes=0)
    batch("shifted", 2, (3, 2, 6, 6), draws=[normal(3, 2, 6, 6, shift=6.0)] * 2)

    batch("frozen", 1, (3, 4, 6), frozen=1, passes=3)
    batch("frozen", 2, (3, 4, 5, 3), frozen=1, passes=3)
    batch("frozen_without_affine", 2, (3, 4, 5, 3), frozen=1, affine=False)
    batch("frozen", 3, (1, 3, 1, 1, 1), frozen=0)

    def instance(label, dims, shape, **attrs):
        attrs.setdefault("affine", False)
        attrs.setdefault("tracked", False)
        make = lambda: getattr(nn, f"InstanceNorm{dims}d")(shape[1], **options(**attrs))
        stateful(f"InstanceNorm{dims}d", label, make, shape, **attrs)

    instance("default", 1, (2, 3, 7), passes=1)
    instance("default", 2, (2, 3, 4, 5), passes=1)
    instance("affine", 2, (2, 3, 4, 5), passes=1, affine=True)
    instance("tracked", 1, (4, 3, 6), affine=True, tracked=True)
    instance("tracked", 2, (4, 3, 4, 5), tracked=True, momentum=0.4)

    instance("frozen", 2, (4, 3, 4, 5), tracked=True, frozen=1)
    instance("default", 3, (2, 3, 2, 3, 2), passes=1)
    instance("tracked", 3, (2, 3, 2, 3, 2), passes=1, affine=True, tracked=True)
    for dims, shape in ((1, (3, 7)), (2, (3, 4, 5)), (3, (3, 2, 3, 2))):

        def single(x, channels, affine, passes, dims=dims):
            layer = getattr(nn, f"InstanceNorm{dims}d")(channels)
            return [layer(x)] * 2

        f.case(f"InstanceNorm{dims}d", "single", single, [normal(*shape)], channels=3, affine=False, passes=1)

    def recalibrated(*batches):
        model = nn.Sequential(nn.BatchNorm2d(2, affine=False), nn.ReLU(), nn.BatchNorm2d(2, momentum=0.3, affine=False))
        model.to(batches[0].dtype)
        model(batches[1])
        torch.optim.swa_utils.update_bn([x.detach() for x in batches], model)
        assert model[2].momentum == 0.3
        return [statistics for norm in (model[0], model[2]) for statistics in (norm.running_mean, norm.running_var)]

    draws = [normal(n, 2, 3, 2, shift=0.5) for n in (3, 2, 4)]
    f.case("update_bn", "images", recalibrated, draws, fixed=(0, 1, 2))

    def group(label, shape, groups, affine=True, **attrs):
        def run(x, *rest, groups, affine, eps=1e-5):
            weight, bias = rest if affine else (None, None)
            return F.group_norm(x, groups, weight, bias, eps)

        draws = [normal(*shape, shift=0.5)] + ([normal(shape[1]), normal(shape[1])] if affine else [])
        f.case("GroupNorm", label, run, draws, groups=groups, affine=affine, **attrs)

    group("images", (2, 6, 4, 3), 3)
    group("one_group", (2, 6, 4, 3), 1)
    group("each_channel", (2, 6, 4, 3), 6)
    group("vectors", (3, 8), 2)
    group("volumes", (1, 4, 2, 3, 2), 2)
    group("no_affine", (2, 6, 4, 3), 3, affine=False)
    group("eps", (2, 6, 4, 3), 3, eps=0.3)
    group("empty", (0, 6, 4, 3), 3)

    def response(label, shape, **attrs):
        def run(x, size, alpha=1e-4, beta=0.75, k=1.0):
            return F.local_response_norm(x, size, alpha, beta, k)

        f.case("LocalResponseNorm", label, run, [normal(*shape)], **attrs)

    response("sequences", (2, 7, 5), size=5)
    response("images", (2, 7, 3, 4), size=3, alpha=0.9, beta=1.5, k=2.0)
    response("even", (2, 7, 3, 4), size=4, alpha=0.5)
    response("one", (2, 7, 3, 4), size=1, alpha=0.5)
    response("wide", (1, 3, 2, 2), size=9, alpha=2.0)
    response("volumes", (1, 5, 2, 2, 2), size=3, alpha=0.5)
