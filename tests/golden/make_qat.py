"""Writes tests/golden/qat.safetensors, with which tests/golden/qat.rs compares: rounding in training as `torch.ao` does it, with its
gradients and observers.

    pip install numpy==2.4.6 torch==2.15.0 safetensors==0.7.0
    python tests/golden/make_qat.py
"""

import pathlib

import numpy as np
import torch
from safetensors.numpy import save_file
from torch.ao.quantization import (
    FakeQuantize, MinMaxObserver, MovingAverageMinMaxObserver, PerChannelMinMaxObserver,
)

FILE = pathlib.Path(__file__).resolve().parent / "qat.safetensors"


def main():
    torch.manual_seed(3)
    out = {}
    batches = [torch.randn(6, 5) * s + m for s, m in [(1.0, 0.5), (2.0, 1.0), (0.7, -0.3)]]
    last = torch.randn(6, 5) * 3
    weights = torch.randn(6, 5)
    out |= {"batches": torch.stack(batches).numpy(), "last": last.numpy(), "weights": weights.numpy()}
    affine = dict(quant_min=0, quant_max=255, dtype=torch.quint8, qscheme=torch.per_tensor_affine)
    symmetric = dict(quant_min=-128, quant_max=127, dtype=torch.qint8)
    for name, made in {
        "average": FakeQuantize(MovingAverageMinMaxObserver, averaging_constant=0.1, **affine),
        "minmax": FakeQuantize(MinMaxObserver, qscheme=torch.per_tensor_symmetric, **symmetric),
        "channels": FakeQuantize(PerChannelMinMaxObserver, qscheme=torch.per_channel_symmetric, ch_axis=1, **symmetric),
    }.items():
        ys = [made(x) for x in batches]
        made.disable_observer()
        x = last.clone().requires_grad_()
        y = made(x)
        (y * weights).sum().backward()
        out |= {f"{name}.batches": torch.stack(ys).detach().numpy(), f"{name}.y": y.detach().numpy(), f"{name}.grad": x.grad.numpy()}

    x, scale = last.clone().requires_grad_(), torch.tensor([0.02], requires_grad=True)
    factor = 1.0 / (x.numel() * 127) ** 0.5
    y = torch._fake_quantize_learnable_per_tensor_affine(x, scale, torch.tensor([0.0]), -128, 127, factor)
    (y * weights).sum().backward()
    out |= {"learned.y": y.detach().numpy(), "learned.grad": x.grad.numpy(), "learned.scale": scale.grad.numpy()}

    # A dense layer whose scales are learnt, one for each row, by the same function.
    w, scale = (torch.randn(4, 12) * 0.3).requires_grad_(), torch.rand(4).mul(0.002).add(0.001).requires_grad_()
    y = torch._fake_quantize_learnable_per_channel_affine(w, scale, torch.zeros(4), 0, -127, 127, 1.0 / (12 * 127) ** 0.5)
    g = torch.randn(4, 12)
    (y * g).sum().backward()
    out |= {"rows.w": w.detach().numpy(), "rows.scale": scale.detach().numpy(), "rows.g": g.numpy(), "rows.y": y.detach().numpy(),
            "rows.grad": w.grad.numpy(), "rows.scale_grad": scale.grad.numpy()}
    save_file({name: np.ascontiguousarray(x) for name, x in out.items()}, FILE)
    print(FILE.stat().st_size, "bytes")


main()
