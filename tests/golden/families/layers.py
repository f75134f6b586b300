"""Layers with given weights: the forward result and the gradient of the input and of every parameter."""

import torch
from torch import nn
from torch.func import functional_call

from recorder import normal, values

ACTIVATIONS = {
    "ReLU": [{}],
    "LeakyReLU": [{}, {"negative_slope": 0.2}],
    "ELU": [{}, {"alpha": 0.5}],
    "SELU": [{}],
    "GELU": [{}, {"approximate": "tanh"}],
    "SiLU": [{}],
    "Mish": [{}],
    "Softplus": [{}, {"beta": 2.0, "threshold": 4.0}],
    "Softsign": [{}],
    "Hardtanh": [{}, {"min_val": -0.5, "max_val": 2.0}],
    "Hardswish": [{}],
    "Hardsigmoid": [{}],
    "Sigmoid": [{}],
    "LogSigmoid": [{}],
    "Tanh": [{}],
    "Softmax": [{"dim": 1}, {"dim": -1}],
    "LogSoftmax": [{"dim": 1}, {"dim": 0}],
    "GLU": [{}, {"dim": 0}],
}


class Hardsigmoid(nn.Module):
    """nn.Hardsigmoid, in whose gradient 1/6 is an f32 number, in f64 too."""

    def forward(self, x):
        return torch.clamp(x + 3, 0, 6) / 6


class Residual(nn.Module):
    """x + inner(x)"""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return x + self.inner(x)


def cases(f):
    f.sums = True
    def network(op, label, module, x, **attrs):
        """Inputs: x, then the parameters in the order in which the module names them."""
        shapes = {name: tuple(p.shape) for name, p in module.named_parameters()}

        def run(x, *weights, parameters, **_):
            return functional_call(module, dict(zip(parameters, weights)), (x,))

        draws = [x] + [normal(*s, scale=0.5) for s in shapes.values()]
        f.case(op, label, run, draws, parameters=list(shapes), **attrs)

    for label, shape in (("batch", (5, 4)), ("vector", (4,)), ("sequence", (2, 3, 4)), ("empty", (0, 4))):
        for bias in (True, False):
            network(
                "Linear",
                label + ("" if bias else "_without_bias"),
                nn.Linear(4, 3, bias=bias),
                normal(*shape),
                in_features=4,
                out_features=3,
                bias=bias,
            )

    for name, settings in ACTIVATIONS.items():
        for options in settings:
            label = "_".join(f"{k}_{v}" for k, v in options.items()) or "default"
            module = Hardsigmoid() if name == "Hardsigmoid" else getattr(nn, name)(**options)
            f.case(name, label, lambda x, module=module, **_: module(x), [normal(4, 6, scale=2.0)], **options)

    for start, end in ((1, -1), (0, -1), (2, 3), (-3, -2)):
        module = nn.Flatten(start, end)
        f.case(
            "Flatten",
            f"{start}_{end}",
            lambda x, start, end, module=module: module(x),
            [normal(2, 3, 2, 2)],
            start=start,
            end=end,
        )

    for p in (0.0, 1.0):
        f.case(
            "Dropout",
            f"train_p{p}",
            lambda x, p, train: nn.functional.dropout(x, p, train),
            [normal(3, 4)],
            p=p,
            train=True,
        )
    f.case(
        "Dropout", "predict", lambda x, p, train: nn.functional.dropout(x, p, train), [normal(3, 4)], p=0.5, train=False
    )

    def mlp(*sizes):
        layers = []
        for a, b in zip(sizes, sizes[1:]):
            layers += [nn.Linear(a, b), nn.Tanh()]
        return nn.Sequential(*layers[:-1])

    network("Sequential", "mlp", mlp(3, 5, 4, 2), normal(6, 3))
    network(
        "Sequential",
        "gelu_softmax",
        nn.Sequential(nn.Linear(3, 5), nn.GELU(), nn.Linear(5, 4, bias=False), nn.Softmax(-1)),
        normal(6, 3),
    )
    network("Residual", "mlp", Residual(mlp(4, 6, 4)), normal(5, 4))
    network(
        "Residual",
        "nested",
        Residual(nn.Sequential(nn.Linear(4, 4), Residual(nn.Linear(4, 4)), nn.ReLU())),
        normal(5, 4),
    )
