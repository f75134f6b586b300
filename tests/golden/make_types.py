"""Writes `types.safetensors`: what PyTorch computes with narrow element types.

    python make_types.py      # needs PyTorch, NumPy and safetensors; see README.md

Tensors are called `TYPE.a` and `TYPE.b` (operands) and `TYPE.OPERATION` (results).
"""

import pathlib

import torch
from safetensors.torch import save_file

FLOATS = {"bf16": torch.bfloat16, "f16": torch.float16}
INTEGERS = {"i8": torch.int8, "u8": torch.uint8, "i32": torch.int32}

UNARY = ["neg", "abs", "sqrt", "exp", "log", "tanh", "sigmoid", "sin", "erf", "relu", "gelu", "silu", "square"]
BINARY = ["add", "sub", "mul", "div", "maximum", "minimum"]
WHOLE = ["add", "sub", "mul", "floor_divide", "remainder", "maximum", "minimum", "eq", "lt", "ge"]


def main():
    torch.manual_seed(2026)
    out = {}
    for name, dtype in FLOATS.items():
        a = (torch.randn(13, 17) * 2).to(dtype)
        b = (torch.rand(17) * 3 + 0.25).to(dtype)
        out[f"{name}.a"], out[f"{name}.b"] = a, b
        for op in UNARY:
            x = a.abs() + 0.125 if op in ("sqrt", "log") else a
            function = getattr(torch, op, None) or getattr(torch.nn.functional, op)
            out[f"{name}.{op}"] = function(x)
        for op in BINARY:
            out[f"{name}.{op}"] = getattr(torch, op)(a, b)
        # The gradient of a product that is cast back and forth, for parameters of 32 bits.
        w = a.float().requires_grad_()
        (w.to(dtype) * b).float().square().sum().backward()
        out[f"{name}.gradient"] = w.grad
    for name, dtype in INTEGERS.items():
        limits = torch.iinfo(dtype)
        a = torch.randint(limits.min, limits.max, (11, 9), dtype=torch.int64).to(dtype)
        a[0, 0], a[0, 1] = limits.min, limits.max
        b = torch.randint(1, 12, (9,), dtype=torch.int64).to(dtype)
        out[f"{name}.a"], out[f"{name}.b"] = a, b
        for op in WHOLE:
            out[f"{name}.{op}"] = getattr(torch, op)(a, b)
        out[f"{name}.sum"] = a.sum()
        out[f"{name}.cumsum"] = a.cumsum(1)
        out[f"{name}.amax"] = a.amax(1)
        out[f"{name}.argsort"] = a.argsort(stable=True, dim=1)
        out[f"{name}.to_f32"] = a.float()
    folder = pathlib.Path(__file__).resolve().parent
    save_file({k: v.contiguous() for k, v in out.items()}, folder / "types.safetensors")
    print(f"{len(out)} tensors")


if __name__ == "__main__":
    main()
