"""Networks for pictures with fewer channels and blocks: those of torchvision, and what it does not have, written in PyTorch: the lite
EfficientNet of torchvision's parts, and a U-Net.

Inputs: the pictures, the running statistics (means, then variances) in the order in which the module names them, then the
parameters in its order. Outputs: the logits in training, then in evaluation with the statistics that this pass has moved. Nothing is
drawn in training: no dropout, no stochastic depth.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call
from torchvision.models import convnext, densenet, efficientnet, mobilenetv2, mobilenetv3, vgg
from torchvision.ops.misc import Conv2dNormActivation, SqueezeExcitation

from recorder import Spread, spread


class Hardsigmoid(nn.Module):
    """The gradient of PyTorch's has a constant of single precision."""

    def forward(self, x):
        return F.relu6(x + 3) / 6


class Inverted(nn.Module):
    """A block without squeeze-and-excitation, its units those of the lite networks."""

    def __init__(self, expansion, kernel, stride, inputs, outputs):
        super().__init__()
        part = partial(Conv2dNormActivation, activation_layer=nn.ReLU6)
        inner = inputs * expansion
        layers = [] if expansion == 1 else [part(inputs, inner, kernel_size=1)]
        layers.append(part(inner, inner, kernel_size=kernel, stride=stride, groups=inner))
        layers.append(Conv2dNormActivation(inner, outputs, kernel_size=1, activation_layer=None))
        self.block = nn.Sequential(*layers)
        self.beside = stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.block(x) if self.beside else self.block(x)


class Lite(nn.Module):
    def __init__(self, stages, classes):
        super().__init__()
        part = partial(Conv2dNormActivation, activation_layer=nn.ReLU6)
        inputs, layers = 32, [part(3, 32, kernel_size=3, stride=2)]
        for expansion, kernel, stride, outputs, count in stages:
            stage = []
            for i in range(count):
                stage.append(Inverted(expansion, kernel, 1 if i else stride, inputs, outputs))
                inputs = outputs
            layers.append(nn.Sequential(*stage))
        layers.append(part(inputs, 1280, kernel_size=1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(0.0), nn.Linear(1280, classes))

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


class Block(nn.Module):
    def __init__(self, inputs, outputs, norm):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=not norm)
        self.norm = nn.BatchNorm2d(outputs) if norm else nn.Identity()

    def forward(self, x):
        return F.relu(self.norm(self.conv(x)))


def level(inputs, outputs, depth, norm):
    return nn.ModuleList(Block(outputs if i else inputs, outputs, norm) for i in range(depth))


class Up(nn.Module):
    def __init__(self, below, here, depth, norm, transposed):
        super().__init__()
        self.rise = nn.ConvTranspose2d(below, here, 2, stride=2) if transposed else nn.Conv2d(below, here, 1)
        self.blocks = level(2 * here, here, depth, norm)
        self.transposed = transposed

    def forward(self, x, beside):
        if not self.transposed:
            x = F.interpolate(x, scale_factor=2, mode="bilinear")
        x = torch.cat([beside, self.rise(x)], 1)
        for block in self.blocks:
            x = block(x)
        return x


class UNet(nn.Module):
    def __init__(self, channels, depth, norm, transposed, classes):
        super().__init__()
        self.down = nn.ModuleList(level(a, b, depth, norm) for a, b in zip([2] + channels, channels))
        pairs = list(zip(channels[1:], channels))[::-1]
        self.up = nn.ModuleList(Up(below, here, depth, norm, transposed) for below, here in pairs)
        self.head = nn.Conv2d(channels[0], classes, 1)

    def forward(self, x):
        seen = []
        for i, blocks in enumerate(self.down):
            x = F.max_pool2d(x, 2) if i else x
            for block in blocks:
                x = block(x)
            seen.append(x)
        for up, beside in zip(self.up, seen[-2::-1]):
            x = up(x, beside)
        return self.head(x)


def cases(f):
    f.sums = True
    f.lean = 16
    f.piece = 1024

    def net(op, label, make, size, **attrs):
        module = make()
        parameters = {name: tuple(p.shape) for name, p in module.named_parameters()}
        means = {name: tuple(b.shape) for name, b in module.named_buffers() if name.endswith("running_mean")}
        variances = {name: tuple(b.shape) for name, b in module.named_buffers() if name.endswith("running_var")}
        names = list(means) + list(variances) + list(parameters)

        def run(x, *tensors, **_):
            # Batch norm writes into its buffers.
            tensors = [t if i >= 2 * len(means) else t.clone() for i, t in enumerate(tensors)]
            module, given = make().to(x.dtype).train(), dict(zip(names, tensors))
            trained = functional_call(module, given, (x,))
            return [trained, functional_call(module.eval(), given, (x,))]

        def weight(name, shape):
            if len(shape) > 1 and not name.endswith("layer_scale"):
                fan = torch.Size(shape[1:]).numel()
                return spread(*shape, scale=(1.5 / fan) ** 0.5)
            return Spread(0.5, 1.5, *shape) if name.endswith(("weight", "layer_scale")) else spread(*shape, scale=0.2)

        draws = [spread(*size)]
        draws += [spread(*s, scale=0.2) for s in means.values()] + [Spread(0.5, 1.5, *s) for s in variances.values()]
        draws += [weight(name, s) for name, s in parameters.items()]
        fixed = range(1, 1 + 2 * len(means))
        f.case(op, label, run, draws, fixed=fixed, statistics=len(means), parameters=list(parameters), **attrs)

    for norm in (False, True):
        stages = [[4], [5, 6], [8]]

        def make(stages=stages, norm=norm):
            layers = vgg.make_layers([c for stage in stages for c in [*stage, "M"]], norm)
            net = vgg.VGG(layers, 5)
            net.avgpool = nn.AdaptiveAvgPool2d(2)
            dense = [nn.Linear(32, 12), nn.ReLU(), nn.Dropout(0.0), nn.Linear(12, 12), nn.ReLU(), nn.Dropout(0.0)]
            net.classifier = nn.Sequential(*dense, nn.Linear(12, 5))
            return net

        label = "norm" if norm else "plain"
        net("Vgg", label, make, (3, 3, 27, 24), stages=stages, norm=norm, places=2, hidden=12, classes=5)

    sizes = dict(growth=3, blocks=[2, 3, 1, 2], width=6, bottleneck=2)
    make = lambda: densenet.DenseNet(*sizes.values(), num_classes=5)
    net("DenseNet", "narrow", make, (2, 3, 64, 57), classes=5, **sizes)

    stages = [[1, 3, 1, 16, 1], [6, 3, 2, 24, 2], [4, 3, 2, 32, 2]]
    torch_stages = [[t, c, n, s] for t, _, s, c, n in stages]
    make = lambda: mobilenetv2.MobileNetV2(5, 0.5, torch_stages, dropout=0.0)
    net("MobileNetV2", "narrow", make, (2, 3, 40, 33), classes=5, width=0.5, stages=stages)

    blocks = [
        (3, 16, 16, True, False, 2),
        (3, 40, 24, False, False, 1),
        (5, 48, 24, False, True, 2),
        (5, 56, 24, True, True, 1),
    ]
    Block = mobilenetv3.InvertedResidualConfig
    inputs = [16] + [b[2] for b in blocks]
    setting = [
        Block(i, k, e, c, se, "HS" if hs else "RE", s, 1, 0.5) for i, (k, e, c, se, hs, s) in zip(inputs, blocks)
    ]
    squeeze = partial(SqueezeExcitation, scale_activation=Hardsigmoid)
    block = partial(mobilenetv3.InvertedResidual, se_layer=squeeze)
    make = lambda: mobilenetv3.MobileNetV3(setting, Block.adjust_channels(40, 0.5), 5, block, dropout=0.0)
    keys = ["kernel", "expanded", "channels", "squeeze", "hardswish", "stride"]
    rows = [dict(zip(keys, row)) for row in blocks]
    net("MobileNetV3", "narrow", make, (2, 3, 40, 33), classes=5, width=0.5, blocks=rows, hidden=40)

    stages = [[1, 3, 1, 16, 1], [6, 3, 2, 24, 2], [4, 5, 2, 40, 1]]
    MBConv = partial(efficientnet.MBConvConfig, width_mult=0.5, depth_mult=1.4)
    inputs = [32] + [s[3] for s in stages]
    setting = [MBConv(e, k, s, i, c, n) for i, (e, k, s, c, n) in zip(inputs, stages)]
    make = lambda: efficientnet.EfficientNet(setting, 0.0, 0.0, 5)
    net("EfficientNet", "narrow", make, (2, 3, 40, 33), classes=5, width=0.5, depth=1.4, stages=stages, lite=False)

    # What the factors make of the stages: the depths of the first and the last stay.
    scaled = [[1, 3, 1, 8, 1], [3, 3, 2, 16, 3], [2, 5, 2, 24, 1]]
    stages = [[1, 3, 1, 16, 1], [3, 3, 2, 24, 2], [2, 5, 2, 40, 1]]
    net(
        "EfficientNet", "lite", lambda: Lite(scaled, 5), (2, 3, 40, 33),
        classes=5, width=0.5, depth=1.4, stages=stages, lite=True,
    )

    channels, blocks = [6, 8, 10], [1, 2, 1]
    pairs = zip(channels, channels[1:] + [None], blocks)
    setting = [convnext.CNBlockConfig(*row) for row in pairs]
    make = lambda: convnext.ConvNeXt(setting, 0.0, 0.7, 5)
    net("ConvNext", "narrow", make, (2, 3, 37, 32), classes=5, channels=channels, blocks=blocks)

    for label, attrs in {
        "transposed": dict(channels=[4, 5, 6], depth=2, norm=True, transposed=True, classes=3),
        "interpolated": dict(channels=[4, 6], depth=1, norm=False, transposed=False, classes=2),
    }.items():
        net("UNet", label, lambda attrs=attrs: UNet(*attrs.values()), (2, 2, 12, 8), **attrs)
