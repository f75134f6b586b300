"""What stands between tokens and the layers above them: tables of vectors, positions.

PyTorch has no functions for positions: here they are written in complex numbers, and angles are computed in f64.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from recorder import int_values, ints, normal, uniform


def cases(f):
    f.sums = True
    def embedding(label, ids, rows=5, dim=3, **attrs):
        # PyTorch's second argument is the table; here the ids come first, as in the method.
        f.case("embedding", label, F.embedding, [ids, normal(rows, dim)], **attrs)

    embedding("vector", ints(0, 5, 7))
    embedding("matrix", ints(0, 5, 2, 4))
    embedding("scalar", ints(0, 5))
    embedding("cube", ints(0, 5, 2, 2, 3))
    embedding("empty", ints(0, 5, 0, 3))
    embedding("all_the_same", int_values(3, 3, 3, 3))
    embedding("wide", ints(0, 7, 3, 5), rows=7, dim=20)
    embedding("padding", int_values(1, 0, 4, 0, 2), padding_idx=0)
    embedding("padding_absent", int_values(1, 2, 4), padding_idx=0)
    embedding("all_padding", int_values(2, 2), padding_idx=2)
    embedding("frequency", int_values(1, 0, 4, 0, 1, 1), scale_grad_by_freq=True)
    embedding("frequency_padding", int_values(1, 0, 4, 0, 1, 1), scale_grad_by_freq=True, padding_idx=1)

    def module(norm_type="2", **options):
        return nn.Embedding(6, 4, norm_type=float(norm_type), **options)

    def layer(label, **options):
        def run(ids, weight, **_):
            return functional_call(module(**options), {"weight": weight}, (ids,))

        f.case("Embedding", label, run, [int_values(5, 0, 2, 5, 3, 0), normal(6, 4)], **options)

    layer("default")
    layer("padding", padding_idx=5)
    layer("frequency", scale_grad_by_freq=True)
    layer("both", padding_idx=0, scale_grad_by_freq=True)
    layer("max_norm", max_norm=1.5)
    for p in ("1", "2", "3", "inf"):
        layer(f"max_norm_p{p}", max_norm=1.0, norm_type=p, padding_idx=2)

    def train(ids, weight, targets, steps, lr, momentum, **options):
        """What is looked up, the loss and its gradient at each step; the table when all of it was looked up once more."""
        layer = module(**options).to(weight.dtype)
        layer.weight.data = weight.clone()
        opt = torch.optim.SGD(layer.parameters(), lr=lr, momentum=momentum, foreach=False)
        seen = []
        for _ in range(steps):
            y = layer(ids)
            loss = F.mse_loss(y, targets)
            opt.zero_grad()
            loss.backward()
            seen += [y.clone(), loss, layer.weight.grad.clone()]
            opt.step()
        return [x.detach() for x in [*seen, layer(torch.arange(6))]]

    def training(label, **options):
        draws = [int_values(5, 0, 2, 5, 3, 0, 1, 4), normal(6, 4), normal(8, 4, scale=3.0)]
        f.case("train", label, train, draws, fixed=(1, 2), steps=5, lr=2.0, momentum=0.5, **options)

    for p in ("1", "2", "inf"):
        training(f"max_norm_p{p}", max_norm=1.5, norm_type=p)
    training("max_norm_padding", max_norm=2.5, padding_idx=5)

    def turn(x, cos, sin, interleaved):
        """Pairs as complex numbers, times e^(i angle)."""
        n = cos.shape[-1]
        head, rest = x[..., : 2 * n], x[..., 2 * n :]
        pairs = head.unflatten(-1, (n, 2)) if interleaved else head.unflatten(-1, (2, n)).transpose(-1, -2)
        z = torch.complex(pairs[..., 0], pairs[..., 1]) * torch.complex(cos, sin)
        turned = torch.stack([z.real, z.imag], -1)
        return torch.cat([(turned if interleaved else turned.transpose(-1, -2)).flatten(-2), rest], -1)

    for label, shape, n in (
        ("matrix", (5, 8), 4),
        ("heads", (2, 3, 5, 8), 4),
        ("one_step", (2, 1, 6), 3),
        ("partial", (2, 5, 9), 3),
        ("wide", (2, 3, 66), 33),
        ("nothing", (3, 4), 0),
        ("empty", (2, 0, 4), 2),
    ):
        for interleaved in (False, True):
            draws = [normal(*shape), uniform(-1.0, 1.0, shape[-2], n), uniform(-1.0, 1.0, shape[-2], n)]
            name = label + ("_interleaved" if interleaved else "")
            f.case("rotary", name, turn, draws, fixed=(1, 2), interleaved=interleaved)

    def angles(steps, offset, pairs, dims, base):
        return np.outer(np.arange(offset, offset + steps), float(base) ** (-2.0 * np.arange(pairs) / dims))

    def rotary(x, offset=0, base=10000.0, dims=None, interleaved=False, **_):
        dims = dims or x.shape[-1]
        a = angles(x.shape[-2], offset, dims // 2, dims, base)
        return turn(x, torch.tensor(np.cos(a)).to(x.dtype), torch.tensor(np.sin(a)).to(x.dtype), interleaved)

    def sinusoidal(x, offset=0, **_):
        steps, dim = x.shape[-2:]
        a = angles(steps, offset, (dim + 1) // 2, dim, 10000.0)
        waves = np.stack([np.sin(a), np.cos(a)], -1).reshape(steps, -1)[:, :dim]
        return x + torch.tensor(waves).to(x.dtype)

    def learned(x, weight, offset=0, **_):
        return x + F.embedding(torch.arange(offset, offset + x.shape[-2]), weight)

    x = normal(2, 3, 8)
    f.case("SinusoidalPositions", "default", sinusoidal, [x], max_len=3)
    f.case("SinusoidalPositions", "odd", sinusoidal, [normal(2, 3, 5)], max_len=3)
    f.case("SinusoidalPositions", "offset", sinusoidal, [x], max_len=2000, offset=1990)
    f.case("LearnedPositions", "default", learned, [x, normal(3, 8)], max_len=3)
    f.case("LearnedPositions", "offset", learned, [x, normal(10, 8)], max_len=10, offset=7)
    f.case("RotaryPositions", "default", rotary, [x], max_len=3)
    f.case("RotaryPositions", "interleaved", rotary, [x], max_len=3, interleaved=True)
    f.case("RotaryPositions", "offset", rotary, [normal(2, 2, 3, 8)], max_len=5000, offset=4321)
    f.case("RotaryPositions", "base", rotary, [x], max_len=10, offset=2, base=500000.0)
    f.case("RotaryPositions", "dims", rotary, [x], max_len=3, dims=4)
    f.case("RotaryPositions", "all", rotary, [x], max_len=99, offset=9, base=100.0, dims=6, interleaved=True)
