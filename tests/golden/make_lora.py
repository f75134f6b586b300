"""Writes tests/golden/lora.safetensors, with which tests/golden/lora.rs compares: low-rank adapters as Hugging Face's `peft`
computes, trains and merges them, in double precision.

    pip install torch==2.15.0 transformers==5.24.0 peft==0.21.2
    python tests/golden/make_lora.py
"""

import json
import pathlib

import peft
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from torch import nn
from transformers.pytorch_utils import Conv1D

HERE = pathlib.Path(__file__).resolve().parent
OUT = {}


def adapted(model, rank, alpha, targets, **options):
    """The model with adapters, all of whose numbers are random: `lora_B` would begin with zeros."""
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=targets, **options)
    model = get_peft_model(model, config).double()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "lora_" in name:
                p.copy_(torch.randn_like(p) * 0.5)
    return model


def keep(case, **tensors):
    for name, tensor in tensors.items():
        OUT[f"{case}.{name}"] = tensor.detach().clone().contiguous()


class Wrapped(nn.Module):
    """`peft` looks for layers by their names inside of a model."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, *inputs, **options):
        return self.layer(*inputs, **options)


def one_layer(case, layer, features, **options):
    model = adapted(Wrapped(layer), 3, 6.0, ["layer"], **options)
    target = model.base_model.model.layer
    x = torch.randn(2, 4, features, dtype=torch.double, requires_grad=True)
    y = model(x)
    (y**2).sum().backward()
    a, b = target.lora_A["default"].weight, target.lora_B["default"].weight
    keep(case, weight=target.base_layer.weight, bias=target.base_layer.bias, lora_a=a, lora_b=b, x=x, y=y)
    keep(case, grad_x=x.grad, grad_lora_a=a.grad, grad_lora_b=b.grad)
    model.merge_adapter()
    keep(case, merged=target.base_layer.weight)
    model.unmerge_adapter()
    keep(case, unmerged=target.base_layer.weight)


def attention():
    model = adapted(Wrapped(nn.MultiheadAttention(8, 2, batch_first=True)), 2, 5.0, ["layer"])
    target = model.base_model.model.layer
    base = target.base_layer
    out = base.out_proj
    # This version of `peft` adds the change of `out_proj` twice, so there is none; it is a dense layer like others.
    with torch.no_grad():
        out.lora_B["default"].weight.zero_()
    a, b = target.lora_A["default"].weight, target.lora_B["default"].weight
    x, memory = torch.randn(2, 5, 8).double(), torch.randn(2, 3, 8).double()
    itself, _ = model(x, x, x)
    other, _ = model(x, memory, memory)
    (itself.pow(2).sum() + other.pow(3).sum()).backward()
    keep("attention", in_proj_weight=base.in_proj_weight, in_proj_bias=base.in_proj_bias)
    keep("attention", out_weight=out.base_layer.weight, out_bias=out.base_layer.bias)
    keep("attention", lora_a=a, lora_b=b, x=x, memory=memory, itself=itself, other=other)
    keep("attention", grad_lora_a=a.grad, grad_lora_b=b.grad)
    model.merge_adapter()
    keep("attention", merged=base.in_proj_weight)


def training():
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2))
    model = adapted(model, 2, 4.0, ["0", "2"])
    layers = [model.base_model.model[i] for i in (0, 2)]
    x, y = torch.randn(16, 4).double(), torch.randn(16, 2).double()
    keep("training", x=x, y=y)
    for i, layer in enumerate(layers):
        keep(f"training.{i}", weight=layer.base_layer.weight, bias=layer.base_layer.bias)
        keep(f"training.{i}", lora_a=layer.lora_A["default"].weight, lora_b=layer.lora_B["default"].weight)
    opt = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.01)
    losses = []
    for _ in range(20):
        opt.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        losses.append(loss.item())
        loss.backward()
        opt.step()
    keep("training", losses=torch.tensor(losses, dtype=torch.double))
    for i, layer in enumerate(layers):
        keep(f"training.{i}", last_lora_a=layer.lora_A["default"].weight, last_lora_b=layer.lora_B["default"].weight)


def main():
    torch.manual_seed(0)
    one_layer("dense", nn.Linear(5, 7).double(), 5)
    one_layer("conv1d", Conv1D(7, 5).double(), 5, fan_in_fan_out=True)
    attention()
    training()
    versions = {"torch": torch.__version__, "peft": peft.__version__, "seed": "0"}
    save_file(OUT, HERE / "lora.safetensors", metadata={"versions": json.dumps(versions)})


if __name__ == "__main__":
    main()
