"""Models of sequences with given weights, written in PyTorch: a convolutional classifier of texts, and a temporal convolutional network. Results
in training, without dropout, and in evaluation, and all gradients.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from recorder import ints, spread


class TextCnn(nn.Module):
    """Each sequence by itself, without its padding."""

    def __init__(self, vocab, classes, size, kernels, filters):
        super().__init__()
        self.kernels = kernels
        self.embedding = nn.Embedding(vocab, size)
        self.convs = nn.ModuleList(nn.Conv1d(size, filters, kernel) for kernel in kernels)
        self.head = nn.Linear(filters * len(kernels), classes)

    def forward(self, ids):
        rows = []
        for row in ids:
            x = self.embedding(row[row != 0][None]).transpose(1, 2)
            pad = lambda k: F.pad(x, (0, max(0, k - x.shape[2])))
            found = [F.relu(conv(pad(k))).amax(2) for conv, k in zip(self.convs, self.kernels)]
            rows.append(self.head(torch.cat(found, 1)))
        return torch.cat(rows)


class Causal(nn.Module):
    def __init__(self, inputs, outputs, kernel, dilation):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel))
        self.g = nn.Parameter(torch.empty(outputs, 1, 1))
        self.bias = nn.Parameter(torch.empty(outputs))
        self.dilation = dilation

    def forward(self, x):
        weight = torch._weight_norm(self.weight, self.g, 0)
        return F.conv1d(F.pad(x, ((weight.shape[2] - 1) * self.dilation, 0)), weight, self.bias, dilation=self.dilation)


class Block(nn.Module):
    def __init__(self, inputs, outputs, kernel, dilation):
        super().__init__()
        self.conv1 = Causal(inputs, outputs, kernel, dilation)
        self.conv2 = Causal(outputs, outputs, kernel, dilation)
        self.downsample = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x):
        y = F.relu(self.conv2(F.relu(self.conv1(x))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class Tcn(nn.Module):
    def __init__(self, vocab, inputs, outputs, channels, kernel):
        super().__init__()
        self.embedding = nn.Embedding(vocab, inputs) if vocab else None
        self.blocks = nn.ModuleList()
        for i, count in enumerate(channels):
            self.blocks.append(Block(inputs, count, kernel, 2**i))
            inputs = count
        self.head = nn.Linear(inputs, outputs)

    def forward(self, x):
        x = (self.embedding(x) if self.embedding else x).transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        return self.head(x.transpose(1, 2))


def sentences(rng):
    """Padded behind, before, and not at all; one shorter than the filters."""
    ids = rng.integers(1, 9, (5, 7), dtype=np.int64)
    ids[1, 4:] = 0
    ids[2, :3] = 0
    ids[3, 1:] = 0
    ids[4, 2:] = 0
    return ids


def cases(f):
    f.sums = True
    f.lean = 128

    def model(op, label, make, x, **attrs):
        names = [name for name, _ in make().named_parameters()]

        def run(x, *weights, **_):
            dtype = next(w.dtype for w in weights)
            module = make().to(dtype)
            call = lambda: functional_call(module, dict(zip(names, weights)), (x,))
            trained = call()
            module.eval()
            return [trained, call()]

        shapes = [tuple(p.shape) for p in make().parameters()]
        draws = [x] + [spread(*s, scale=0.5) for s in shapes]
        # The lengths of weights belong to these.
        ours = [name.replace(".g", ".weight.g") for name in names]
        f.case(op, label, run, draws, parameters=ours, **attrs)

    for label, attrs in {
        "default": dict(vocab=9, classes=3, embedding=4, kernels=[2, 3, 4], filters=3),
        "long": dict(vocab=9, classes=2, embedding=3, kernels=[1, 9], filters=4),
    }.items():
        model("TextCnn", label, lambda attrs=attrs: TextCnn(*attrs.values()), sentences, **attrs)
    for label, attrs in {
        "default": dict(vocab=None, features=2, outputs=3, channels=[4, 4, 3], kernel=3),
        "far": dict(vocab=None, features=3, outputs=1, channels=[3] * 6, kernel=2),
        "tokens": dict(vocab=6, features=4, outputs=6, channels=[4, 5], kernel=2),
    }.items():
        x = ints(0, 6, 2, 9) if attrs["vocab"] else spread(2, 11, attrs["features"])
        model("Tcn", label, lambda attrs=attrs: Tcn(*attrs.values()), x, **attrs)
