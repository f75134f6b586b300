"""Convolutions and transposed convolutions in one to three dimensions, as functions and as layers, with every option.

Inputs: x, the weight, and the bias if there is one; for layers x, then the parameters in the order in which the module names
them. The inputs of `*_second` are x, the weight and a tensor like the output, whose product with the output is differentiated
by x and by the weight: the outputs are these gradients, so that the gradients of the case are of second order.
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from recorder import spread


def cases(f):
    f.sums = True
    f.lean = 256

    def function(dims, transposed, x, w, label, bias=True, scale=1.0, **options):
        name = f"conv_transpose{dims}d" if transposed else f"conv{dims}d"
        outputs = w[1] * options.get("groups", 1) if transposed else w[0]
        draws = [spread(*x), spread(*w, scale=scale)] + [spread(outputs)] * bias

        def run(x, w, *b, **options):
            return getattr(F, name)(x, w, b[0] if b else None, **options)

        f.case(name, label, run, draws, **options)

    def conv(dims, label, x, w, **options):
        function(dims, False, x, w, label, **options)

    def transposed(dims, label, x, w, **options):
        function(dims, True, x, w, label, **options)

    conv(1, "plain", (2, 3, 9), (4, 3, 3))
    conv(1, "single", (3, 9), (4, 3, 3))
    conv(1, "strided", (2, 3, 10), (4, 3, 3), stride=2, padding=1)
    conv(1, "same_odd", (2, 2, 7), (3, 2, 3), padding="same")
    conv(1, "same_even", (2, 2, 7), (3, 2, 4), padding="same")
    conv(1, "same_dilated", (2, 2, 9), (3, 2, 4), padding="same", dilation=3)
    conv(1, "valid", (2, 2, 7), (3, 2, 4), padding="valid")
    conv(1, "dilated_groups", (2, 4, 12), (6, 2, 3), dilation=2, groups=2, padding=2)
    conv(1, "depthwise", (2, 5, 9), (5, 1, 3), padding=1, groups=5)
    conv(1, "stride_beyond_kernel", (2, 3, 11), (4, 3, 2), stride=4)
    conv(1, "padding_beyond_kernel", (2, 3, 4), (4, 3, 2), padding=4)
    conv(1, "one_place", (2, 3, 7), (4, 3, 1), bias=False)

    conv(2, "plain", (2, 3, 7, 6), (4, 3, 3, 3))
    conv(2, "single", (3, 7, 6), (4, 3, 3, 3))
    conv(2, "no_bias", (2, 3, 5, 5), (4, 3, 3, 3), bias=False)
    conv(2, "padded", (2, 3, 5, 6), (4, 3, 3, 3), padding=1)
    conv(2, "oblong", (2, 3, 8, 9), (4, 3, 2, 5), stride=[1, 2], padding=[0, 2], dilation=[2, 1])
    conv(2, "strided", (1, 3, 9, 9), (4, 3, 3, 3), stride=2, padding=1)
    conv(2, "stride_leaves_rest", (1, 2, 8, 8), (3, 2, 3, 3), stride=3)
    conv(2, "seven", (1, 3, 14, 14), (4, 3, 7, 7), stride=2, padding=3)
    conv(2, "same_odd", (1, 2, 5, 6), (3, 2, 3, 5), padding="same")
    conv(2, "same_even", (1, 2, 5, 6), (3, 2, 2, 4), padding="same")
    conv(2, "same_dilated", (1, 2, 7, 6), (3, 2, 3, 2), padding="same", dilation=[2, 3])
    conv(2, "pointwise", (2, 5, 4, 3), (6, 5, 1, 1))
    conv(2, "pointwise_strided", (2, 4, 5, 6), (6, 4, 1, 1), stride=2, bias=False)
    conv(2, "pointwise_padded", (1, 3, 4, 4), (4, 3, 1, 1), padding=1)
    conv(2, "dilated_groups", (2, 4, 9, 8), (6, 2, 3, 3), dilation=2, groups=2, padding=2)
    conv(2, "strided_groups", (2, 6, 9, 8), (9, 2, 3, 3), stride=2, groups=3, padding=1)
    conv(2, "depthwise", (2, 5, 6, 7), (5, 1, 3, 3), padding=1, groups=5)
    conv(2, "depthwise_strided", (2, 5, 9, 8), (5, 1, 3, 3), padding=1, stride=2, groups=5)
    conv(2, "depthwise_dilated", (1, 3, 9, 8), (3, 1, 3, 2), padding=2, dilation=[2, 3], groups=3, bias=False)
    conv(2, "depthwise_multiplied", (2, 3, 6, 7), (6, 1, 3, 3), padding=1, groups=3)
    conv(2, "stride_beyond_kernel", (1, 3, 9, 11), (4, 3, 2, 2), stride=[3, 4])
    conv(2, "padding_beyond_kernel", (1, 2, 3, 4), (3, 2, 2, 2), padding=[3, 2])
    conv(2, "padding_and_stride_beyond", (1, 2, 5, 5), (3, 2, 2, 2), padding=3, stride=4)
    conv(2, "whole", (2, 3, 4, 5), (6, 3, 4, 5))
    conv(2, "one_pixel", (3, 4, 1, 1), (5, 4, 3, 3), padding=1)
    conv(2, "empty_batch", (0, 3, 5, 5), (4, 3, 3, 3), padding=1)
    conv(2, "one_channel", (2, 1, 9, 9), (4, 1, 3, 3))
    conv(2, "many_channels", (1, 40, 6, 7), (36, 40, 3, 3), padding=1, scale=0.1)
    conv(2, "many_channels_strided", (2, 20, 9, 9), (18, 20, 3, 3), padding=1, stride=2, scale=0.1)
    conv(2, "many_pixels", (3, 2, 17, 19), (5, 2, 3, 3), padding=1)
    conv(1, "depthwise_wide", (2, 17, 4), (17, 1, 3), padding=1, groups=17)
    conv(2, "depthwise_wide", (1, 18, 3, 4), (18, 1, 3, 2), padding=1, groups=18)
    conv(2, "depthwise_wide_strided", (1, 16, 5, 4), (16, 1, 2, 2), padding=2, stride=[2, 3], dilation=[1, 2], groups=16)
    conv(2, "many_groups", (1, 32, 5, 6), (64, 16, 3, 3), padding=1, groups=2, scale=0.1)

    conv(3, "plain", (2, 2, 4, 5, 6), (3, 2, 2, 3, 3))
    conv(3, "single", (2, 3, 5, 4), (3, 2, 2, 3, 3))
    conv(3, "padded", (1, 2, 3, 4, 5), (3, 2, 3, 3, 3), padding=1, stride=[1, 2, 2])
    conv(3, "same", (1, 2, 3, 4, 5), (3, 2, 2, 3, 3), padding="same")
    conv(3, "dilated_groups", (1, 4, 5, 5, 5), (4, 2, 2, 2, 2), dilation=[1, 2, 3], padding=[0, 1, 2], groups=2)
    conv(3, "depthwise", (1, 3, 4, 4, 5), (3, 1, 3, 3, 3), padding=1, groups=3)

    transposed(1, "plain", (2, 3, 5), (3, 4, 3))
    transposed(1, "single", (3, 5), (3, 4, 3))
    transposed(1, "strided", (2, 3, 5), (3, 4, 3), stride=2, padding=1, output_padding=1)
    transposed(1, "dilated_groups", (2, 4, 5), (4, 3, 3), stride=2, dilation=3, groups=2, padding=2)
    transposed(1, "stride_beyond_kernel", (2, 3, 4), (3, 4, 2), stride=4)
    transposed(1, "padding_beyond_kernel", (1, 2, 8), (2, 3, 2), padding=3)
    transposed(1, "output_padding_below_dilation", (1, 2, 4), (2, 3, 3), dilation=3, output_padding=2)
    transposed(2, "plain", (2, 3, 4, 3), (3, 4, 3, 3))
    transposed(2, "single", (3, 4, 3), (3, 4, 3, 3))
    transposed(2, "doubled", (2, 4, 4, 3), (4, 3, 4, 4), stride=2, padding=1)
    transposed(2, "no_bias", (1, 3, 4, 3), (3, 4, 2, 2), stride=2, bias=False)
    transposed(2, "oblong", (1, 3, 4, 3), (3, 4, 2, 5), stride=[1, 3], padding=[0, 2], dilation=[2, 1], output_padding=[1, 2])
    transposed(2, "dilated_groups", (1, 4, 4, 3), (4, 3, 3, 3), stride=2, dilation=2, groups=2, padding=1)
    transposed(2, "depthwise", (1, 4, 4, 3), (4, 1, 3, 3), stride=2, groups=4, padding=1, output_padding=1)
    transposed(2, "depthwise_wide", (1, 17, 2, 2), (17, 1, 3, 2), stride=2, groups=17, padding=1, output_padding=1)
    transposed(2, "pointwise", (1, 4, 3, 3), (4, 5, 1, 1))
    transposed(2, "from_one_pixel", (2, 5, 1, 1), (5, 3, 4, 4))
    transposed(2, "empty_batch", (0, 3, 4, 3), (3, 4, 3, 3), stride=2)
    transposed(2, "many_channels", (1, 36, 5, 6), (36, 40, 3, 3), padding=1, scale=0.1)
    transposed(2, "many_channels_strided", (1, 36, 4, 5), (36, 20, 4, 4), padding=1, stride=2, scale=0.1)
    transposed(3, "plain", (1, 2, 2, 3, 4), (2, 3, 2, 3, 3))
    transposed(3, "single", (2, 2, 3, 3), (2, 3, 2, 3, 3))
    transposed(3, "strided", (1, 2, 2, 3, 2), (2, 3, 2, 3, 3), stride=[1, 2, 2], padding=[0, 1, 1], output_padding=[0, 1, 0])
    transposed(3, "groups", (1, 4, 2, 3, 2), (4, 2, 2, 2, 2), groups=2, stride=2)

    def second(name, label, x, w, up, **options):
        """The gradients of the product with a tensor like the output, as outputs."""

        def run(x, w, up, **options):
            y = getattr(F, name)(x, w, None, **options)
            return torch.autograd.grad((y * up).sum(), [x, w], create_graph=True)

        f.case(f"{name}_second", label, run, [spread(*x), spread(*w), spread(*up)], **options)

    second("conv1d", "strided", (2, 3, 8), (4, 3, 3), (2, 4, 4), stride=2, padding=1)
    second("conv2d", "padded", (1, 3, 5, 4), (4, 3, 3, 3), (1, 4, 5, 4), padding=1)
    second("conv2d", "strided_groups", (2, 4, 6, 5), (6, 2, 3, 3), (2, 6, 3, 3), padding=1, stride=2, groups=2)
    second("conv2d", "depthwise_wide", (1, 16, 2, 3), (16, 1, 2, 2), (1, 16, 3, 4), padding=1, groups=16)
    second("conv2d", "depthwise", (1, 3, 5, 4), (3, 1, 3, 3), (1, 3, 5, 4), padding=1, groups=3)
    second("conv_transpose2d", "doubled", (1, 3, 3, 2), (3, 4, 4, 4), (1, 4, 6, 4), stride=2, padding=1)
    second("conv3d", "plain", (1, 2, 3, 4, 3), (3, 2, 2, 2, 2), (1, 3, 2, 3, 2))

    def layer(label, kind, x, channels, outputs, kernel, **options):
        """Inputs: x, then the parameters in the order in which the module names them."""
        module = getattr(nn, kind)(channels, outputs, kernel, **options)
        shapes = {name: tuple(p.shape) for name, p in module.named_parameters()}

        def run(x, *weights, parameters, **_):
            return functional_call(module, dict(zip(parameters, weights)), (x,))

        draws = [spread(*x)] + [spread(*s) for s in shapes.values()]
        attrs = dict(channels=channels, outputs_=outputs, kernel=kernel, parameters=list(shapes), **options)
        f.case(kind, label, run, draws, **attrs)

    layer("default", "Conv1d", (2, 3, 7), 3, 4, 3)
    layer("reflect", "Conv1d", (2, 3, 7), 3, 4, 3, padding=2, padding_mode="reflect")
    layer("default", "Conv2d", (2, 3, 5, 6), 3, 4, 3)
    layer("everything", "Conv2d", (2, 4, 7, 6), 4, 6, [3, 2], stride=[2, 1], padding=[1, 2], dilation=[1, 2], groups=2)
    layer("no_bias", "Conv2d", (1, 3, 5, 6), 3, 4, 3, bias=False)
    layer("same", "Conv2d", (1, 3, 5, 6), 3, 4, [3, 4], padding="same")
    layer("reflect", "Conv2d", (1, 3, 5, 6), 3, 4, 3, padding=1, padding_mode="reflect")
    layer("replicate", "Conv2d", (1, 3, 5, 6), 3, 4, 3, padding=[2, 1], padding_mode="replicate", stride=2)
    layer("circular", "Conv2d", (1, 3, 5, 6), 3, 4, 3, padding=2, padding_mode="circular")
    layer("circular_same", "Conv2d", (1, 2, 5, 6), 2, 3, [3, 4], padding="same", padding_mode="circular")
    layer("reflect_single", "Conv2d", (3, 5, 6), 3, 4, 3, padding=1, padding_mode="reflect")
    layer("default", "Conv3d", (1, 2, 3, 4, 4), 2, 3, [2, 3, 3])
    layer("replicate", "Conv3d", (1, 2, 3, 4, 4), 2, 3, 3, padding=1, padding_mode="replicate")
    layer("default", "ConvTranspose1d", (2, 3, 5), 3, 4, 3)
    layer("default", "ConvTranspose2d", (2, 3, 4, 3), 3, 4, 3)
    layer("everything", "ConvTranspose2d", (1, 4, 4, 3), 4, 6, [3, 2], stride=[2, 3], padding=[1, 0], dilation=[1, 2], groups=2, output_padding=[1, 2])
    layer("no_bias", "ConvTranspose2d", (1, 3, 4, 3), 3, 4, 3, bias=False)
    layer("default", "ConvTranspose3d", (1, 2, 2, 3, 2), 2, 3, 2, stride=2)
