"""Residual networks of torchvision, with the same blocks and fewer channels.

Inputs: the pictures, the running statistics (means, then variances) in the order in which the module names them, then the
parameters in its order. Output: the logits.
"""

import torch
from torch import nn
from torch.func import functional_call
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from recorder import Spread, spread


class Narrow(ResNet):
    """A ResNet whose first stage has `width` channels."""

    def __init__(self, block, layers, width, **options):
        self.__dict__["first"] = width
        super().__init__(block, layers, **options)
        self.fc = nn.Linear(8 * width * block.expansion, self.fc.out_features)

    def __setattr__(self, name, value):
        if name == "inplanes" and "inplanes" not in self.__dict__:
            value = self.first
        super().__setattr__(name, value)

    def _make_layer(self, block, planes, *args, **options):
        return super()._make_layer(block, planes * self.first // 64, *args, **options)


def cases(f):
    f.sums = True
    f.lean = 16

    def net(label, block, layers, width, train=False, groups=1, size=(2, 3, 32, 32), classes=5):
        make = lambda: Narrow(block, layers, width, num_classes=classes, groups=groups).train(train)
        module = make()
        parameters = {name: tuple(p.shape) for name, p in module.named_parameters()}
        means = {name: tuple(b.shape) for name, b in module.named_buffers() if name.endswith("running_mean")}
        variances = {name: tuple(b.shape) for name, b in module.named_buffers() if name.endswith("running_var")}
        names = list(means) + list(variances) + list(parameters)

        def run(x, *tensors, **_):
            # Batch norm writes into its buffers.
            tensors = [t if i >= 2 * len(means) else t.clone() for i, t in enumerate(tensors)]
            return functional_call(make().to(x.dtype), dict(zip(names, tensors)), (x,))

        def weight(name, shape):
            if len(shape) == 4:
                return spread(*shape, scale=(2.0 / (shape[0] * shape[2] * shape[3])) ** 0.5)
            return Spread(0.5, 1.5, *shape) if name.endswith("weight") else spread(*shape, scale=0.2)

        draws = [spread(*size)]
        draws += [spread(*s, scale=0.2) for s in means.values()] + [Spread(0.5, 1.5, *s) for s in variances.values()]
        draws += [spread(*s, scale=0.2) if name == "fc.weight" else weight(name, s) for name, s in parameters.items()]
        f.case(
            "ResNet",
            label,
            run,
            draws,
            fixed=range(1, 1 + 2 * len(means)),
            bottleneck=block is Bottleneck,
            blocks=layers,
            width=width,
            train=train,
            groups=groups,
            classes=classes,
            statistics=len(means),
            parameters=list(parameters),
        )

    net("basic", BasicBlock, [2, 1, 1, 1], 3)
    net("basic_trained", BasicBlock, [1, 1, 1, 1], 3, train=True, size=(3, 3, 40, 33))
    net("bottleneck", Bottleneck, [1, 1, 1, 1], 2)
    net("groups", Bottleneck, [1, 1, 1, 1], 2, groups=2)
