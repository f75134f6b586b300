"""Layer norm and RMS norm, as functions and as layers, with every option."""

import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from recorder import normal


def cases(f):
    f.sums = True
    def layer_norm(label, shape, normalized, weight=True, bias=True, x=None, **attrs):
        def run(x, *rest, normalized_shape, weight, bias, eps=1e-5):
            rest = list(rest)
            w = rest.pop(0) if weight else None
            return F.layer_norm(x, normalized_shape, w, rest.pop(0) if bias else None, eps)

        draws = [x or normal(*shape)] + [normal(*normalized)] * (weight + bias)
        f.case("layer_norm", label, run, draws, normalized_shape=normalized, weight=weight, bias=bias, **attrs)

    def rms_norm(label, shape, normalized, weight=True, x=None, **attrs):
        def run(x, *w, normalized_shape, weight, eps=None):
            return F.rms_norm(x, normalized_shape, w[0] if w else None, eps)

        draws = [x or normal(*shape)] + [normal(*normalized)] * weight
        f.case("rms_norm", label, run, draws, normalized_shape=normalized, weight=weight, **attrs)

    layer_norm("batch", (5, 8), [8])
    layer_norm("vector", (6,), [6])
    layer_norm("sequence", (2, 3, 37), [37])
    layer_norm("two_dimensions", (3, 4, 5), [4, 5])
    layer_norm("everything", (3, 4), [3, 4])
    layer_norm("no_bias", (5, 8), [8], bias=False)
    layer_norm("no_weight", (5, 8), [8], weight=False)
    layer_norm("no_affine", (5, 8), [8], weight=False, bias=False)
    layer_norm("eps", (5, 8), [8], eps=0.5)
    layer_norm("wide", (3, 130), [130])
    layer_norm("many_rows", (70, 8), [8])
    layer_norm("empty", (0, 4), [4])
    layer_norm("shifted", (4, 16), [16], x=normal(4, 16, shift=4.0))
    layer_norm("small", (4, 16), [16], x=normal(4, 16, scale=1e-3))

    rms_norm("batch", (5, 8), [8])
    rms_norm("vector", (6,), [6])
    rms_norm("sequence", (2, 3, 37), [37])
    rms_norm("two_dimensions", (3, 4, 5), [4, 5])
    rms_norm("no_weight", (5, 8), [8], weight=False)
    rms_norm("eps", (5, 8), [8], eps=1e-2)
    rms_norm("wide", (3, 130), [130])
    rms_norm("many_rows", (70, 8), [8])
    rms_norm("empty", (0, 4), [4])
    rms_norm("shifted", (4, 16), [16], x=normal(4, 16, shift=4.0))

    def layer(op, label, module, x, **attrs):
        """Inputs: x, then the parameters in the order in which the module names them."""
        shapes = {name: tuple(p.shape) for name, p in module.named_parameters()}

        def run(x, *weights, parameters, **_):
            return functional_call(module, dict(zip(parameters, weights)), (x,))

        f.case(op, label, run, [x] + [normal(*s) for s in shapes.values()], parameters=list(shapes), **attrs)

    x = normal(2, 3, 6)
    layer("LayerNorm", "default", nn.LayerNorm(6), x, shape=[6])
    layer("LayerNorm", "two_dimensions", nn.LayerNorm([3, 6]), x, shape=[3, 6])
    layer("LayerNorm", "no_bias", nn.LayerNorm(6, bias=False), x, shape=[6], bias=False)
    layer("LayerNorm", "no_affine", nn.LayerNorm(6, elementwise_affine=False), x, shape=[6], affine=False)
    layer("LayerNorm", "eps", nn.LayerNorm(6, eps=0.1), x, shape=[6], eps=0.1)
    layer("RMSNorm", "default", nn.RMSNorm(6), x, shape=[6])
    layer("RMSNorm", "two_dimensions", nn.RMSNorm([3, 6]), x, shape=[3, 6])
    layer("RMSNorm", "no_affine", nn.RMSNorm(6, elementwise_affine=False), x, shape=[6], affine=False)
    layer("RMSNorm", "eps", nn.RMSNorm(6, eps=0.1), x, shape=[6], eps=0.1)
