"""Writes the reference numbers of the tests `tests/golden_*.rs`.

    python make_golden.py [--seed N] [FAMILY ...]      # needs PyTorch and NumPy; see README.md

Without a family every one is written. Another seed draws all inputs anew.
"""

import argparse
import importlib
import pathlib
import sys

sys.dont_write_bytecode = True

import torch

from recorder import SEED, Family

FAMILIES = [
    "unary",
    "binary",
    "activations",
    "reductions",
    "matmul",
    "linalg",
    "fft",
    "attention",
    "transformer",
    "self_attention",
    "recurrent",
    "shape_index",
    "tensor_options",
    "more_ops",
    "layers",
    "more_layers",
    "norms",
    "convolution",
    "resnet",
    "zoo",
    "channel_norms",
    "pooling",
    "image_ops",
    "transforms",
    "augment",
    "vision_models",
    "text_models",
    "losses",
    "more_losses",
    "optimizers",
    "more_optimizers",
    "optimizer_rules",
    "per_example",
    "schedules",
    "curves",
    "tokens",
    "gpt",
    "gpt_options",
    "initializers",
    "generation",
    "translation",
    "generative",
    "configurations",
    "random_rules",
]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("families", nargs="*", default=FAMILIES, metavar="FAMILY")
    arguments = parser.parse_args()
    # One thread: a fixed order of summation.
    torch.set_num_threads(1)
    folder = pathlib.Path(__file__).resolve().parent
    total = 0
    for name in arguments.families:
        family = Family(name, arguments.seed)
        importlib.import_module(f"families.{name}").cases(family)
        path = family.write(folder)
        size = path.stat().st_size
        total += size
        floored = sum(1 for c in family.cases if c["floors"])
        print(f"{name:12} {len(family.cases):4} cases, {floored:3} with a floor, {size / 1024:7.1f} KiB")
    print(f"{'':12} {total / 1024:.1f} KiB")


if __name__ == "__main__":
    main()
