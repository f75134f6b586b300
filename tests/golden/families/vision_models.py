"""Models of images with given weights: logits in training and in evaluation, and all gradients."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call
from torchvision.models.convnext import LayerNorm2d
from torchvision.ops import Conv2dNormActivation, SqueezeExcitation

from recorder import spread


class LeNet(nn.Module):
    def __init__(self, channels, size, classes, classic):
        super().__init__()
        self.classic = classic
        self.conv1 = nn.Conv2d(channels, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        h, w = ((n // 2 - 4) // 2 for n in size)
        self.fc1 = nn.Linear(16 * h * w, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)

    def forward(self, x):
        unit, pool = (torch.tanh, F.avg_pool2d) if self.classic else (F.relu, F.max_pool2d)
        x = pool(unit(self.conv1(x)), 2)
        x = pool(unit(self.conv2(x)), 2)
        return self.fc3(unit(self.fc2(unit(self.fc1(x.flatten(1))))))


class Block(nn.Module):
    def __init__(self, inputs, outputs, kernel, norm):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=not norm)
        self.norm = nn.BatchNorm2d(outputs) if norm else nn.Identity()

    def forward(self, x):
        return F.relu(self.norm(self.conv(x)))


class ConvNet(nn.Module):
    def __init__(self, inputs, classes, channels, depth, kernel, norm):
        super().__init__()
        self.stages = nn.ModuleList()
        for outputs in channels:
            stage = nn.ModuleList()
            for _ in range(depth):
                stage.append(Block(inputs, outputs, kernel, norm))
                inputs = outputs
            self.stages.append(stage)
        self.head = nn.Linear(inputs, classes)

    def forward(self, x):
        for i, stage in enumerate(self.stages):
            if i > 0:
                x = F.max_pool2d(x, 2)
            for block in stage:
                x = block(x)
        return self.head(x.mean((2, 3)))


def cases(f):
    f.sums = True
    f.lean = 128

    def model(op, label, make, x, scale=0.3, fixed=(), **attrs):
        names = [name for name, _ in make().named_parameters()]

        def run(x, *weights, **_):
            module = make().to(x.dtype)
            call = lambda: functional_call(module, dict(zip(names, weights)), (x,))
            trained = call()
            module.eval()
            return [trained, call()]

        shapes = [tuple(p.shape) for p in make().parameters()]
        draws = [spread(*x)] + [spread(*s, scale=scale if len(s) > 1 else 0.5) for s in shapes]
        f.case(op, label, run, draws, fixed=fixed, parameters=names, **attrs)

    class Separable(nn.Module):
        def __init__(self):
            super().__init__()
            self.depthwise = nn.Conv2d(4, 4, 3, stride=2, padding=1, groups=4)
            self.pointwise = nn.Conv2d(4, 5, 1)

        def forward(self, x):
            return self.pointwise(self.depthwise(x))

    model("SqueezeExcitation", "default", lambda: SqueezeExcitation(6, 2), (2, 6, 3, 4))
    part = lambda: Conv2dNormActivation(3, 4, 3, stride=2, activation_layer=nn.Hardswish)
    model("ConvNormActivation", "hardswish", part, (2, 3, 6, 5))
    model("ConvNormActivation", "plain", lambda: Conv2dNormActivation(3, 4, 1, activation_layer=None), (2, 3, 3, 2))
    model("LayerNorm2d", "default", lambda: LayerNorm2d(5, eps=1e-3), (2, 5, 3, 4))
    model("DepthwiseSeparable", "default", Separable, (2, 4, 5, 6))
    for classic in (False, True):
        make = lambda classic=classic: LeNet(2, (12, 13), 3, classic)
        label = "classic" if classic else "default"
        # The gradients of all weights once are enough.
        fixed = range(1, 11) if classic else ()
        images = dict(channels=2, size=[12, 13], classes=3)
        model("LeNet", label, make, (2, 2, 12, 13), scale=0.15, fixed=fixed, classic=classic, **images)
    for label, attrs in {
        "default": dict(channels=[3, 5], depth=2, kernel=3, norm=True),
        "plain": dict(channels=[3, 4, 5], depth=1, kernel=5, norm=False),
    }.items():
        make = lambda attrs=attrs: ConvNet(2, 4, *attrs.values())
        model("ConvNet", label, make, (3, 2, 8, 9), classes=4, in_channels=2, **attrs)
