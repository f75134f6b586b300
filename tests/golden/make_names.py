"""Writes `src/models/vision/names.txt`: what the published networks of torchvision are made of, and the lite EfficientNets, which are built
here as their authors describe them (`EfficientNet-lite`, 2020): the blocks of EfficientNet without squeeze-and-excitation, by the same factors,
but for the first and last convolutions and the depths of the first and last stages.

    python tests/golden/make_names.py        # needs torchvision; see README.md

A line has the name of a network, the number of its parameters as torchvision states it, and a checksum of the names and shapes in its
state: FNV-1a with 64 bits of lines such as `fc.bias [1000]`, in the order of their bytes.
"""

import pathlib

import math

import torch
from torchvision import models
from torchvision.models._utils import _make_divisible

from families.zoo import Lite

NETWORKS = [
    *(f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn")),
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnext50_32x4d", "wide_resnet50_2"),
    *("densenet121", "densenet161", "densenet169", "densenet201"),
    *("mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large"),
    *(f"efficientnet_b{size}" for size in range(5)),
    *("convnext_tiny", "convnext_small", "convnext_base", "convnext_large"),
]

# Factors of width and depth.
LITE = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2), "lite3": (1.2, 1.4), "lite4": (1.4, 1.8)}


def lite(width, depth):
    """The stages of torchvision's EfficientNet-B0, with these factors."""
    blocks, _ = models.efficientnet._efficientnet_conf("efficientnet_b0", width_mult=1.0, depth_mult=1.0)
    ends = [blocks[0], blocks[-1]]
    stages = [
        (
            int(block.expand_ratio),
            block.kernel,
            block.stride,
            _make_divisible(block.out_channels * width, 8),
            block.num_layers if block in ends else math.ceil(block.num_layers * depth),
        )
        for block in blocks
    ]
    return Lite(stages, 1000)


def checksum(lines):
    value = 0xCBF29CE484222325
    for byte in "".join(f"{line}\n" for line in lines).encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def main():
    rows = []
    for name in NETWORKS:
        with torch.device("meta"):
            state = models.get_model(name).state_dict()
        (stated,) = {weights.meta["num_params"] for weights in models.get_model_weights(name)}
        lines = sorted(f"{key} {list(value.shape)}" for key, value in state.items())
        rows.append(f"{name} {stated} {checksum(lines):016x}\n")
    for name, factors in LITE.items():
        with torch.device("meta"):
            net = lite(*factors)
        lines = sorted(f"{key} {list(value.shape)}" for key, value in net.state_dict().items())
        count = sum(value.numel() for value in net.parameters())
        rows.append(f"efficientnet_{name} {count} {checksum(lines):016x}\n")
    path = pathlib.Path(__file__).resolve().parents[2] / "src/models/vision/names.txt"
    path.write_text("".join(rows))


if __name__ == "__main__":
    main()
