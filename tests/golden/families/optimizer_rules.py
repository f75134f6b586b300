"""Sixty steps of the optimizers that are neither the classical ones nor wrappers, on one small network.

All are PyTorch's. Its Muon rounds to bfloat16 in the middle of a step, which is left out here, so that f32 and f64 differ by their
rounding alone. Adafactor with momentum, without the scale of the parameter, or without the falling rate is that of `transformers`.
"""

import contextlib

import numpy as np
import torch
import transformers.optimization

from recorder import NETWORK, normal, problem

STEPS = 60
KEPT = (1, 2, 7, 60)
SETTINGS = {
    "ASGD": [
        {"lr": 0.1},
        {"lr": 0.3, "lambd": 0.05, "alpha": 0.5, "t0": 5.0},
        {"lr": 0.1, "weight_decay": 0.02, "t0": 0.0},
    ],
    "Adadelta": [
        {"lr": 1.0},
        {"lr": 0.5, "rho": 0.95, "eps": 1e-4},
        {"lr": 1.0, "weight_decay": 0.05, "eps": 1e-3},
    ],
    "Adamax": [
        {"lr": 2e-3},
        {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-4},
        {"lr": 0.01, "weight_decay": 0.05},
    ],
    "NAdam": [
        {"lr": 2e-3},
        {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-4, "momentum_decay": 0.1},
        {"lr": 0.01, "weight_decay": 0.05},
        {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True, "momentum_decay": 0.0},
    ],
    "RAdam": [
        {"lr": 0.01},
        {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-4},
        {"lr": 0.01, "weight_decay": 0.05},
        {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True, "betas": (0.9, 0.7)},
    ],
    # Short steps: long ones jump over the minimum, and then the signs of small differences decide.
    "Rprop": [
        {"lr": 1e-3},
        {"lr": 1e-3, "etas": (0.3, 1.1), "step_sizes": (1e-5, 0.01)},
    ],
    "Adafactor": [
        {"lr": 0.01},
        {"lr": 0.005, "weight_decay": 0.1, "beta2_decay": -0.6},
        {"lr": 0.004, "eps": (1e-4, 0.5), "d": 1.25},
        {"lr": 0.01, "beta1": 0.9},
        {"lr": 0.005, "scale_parameter": False},
        {"lr": 0.005, "scale_parameter": False, "relative_step": False, "d": 2.0, "beta1": 0.5},
    ],
    # Weights by Muon, biases by AdamW.
    "Muon": [
        {"lr": 0.02},
        {"lr": 0.05, "weight_decay": 0.0, "momentum": 0.8, "nesterov": False},
        {"lr": 0.01, "adjust_lr_fn": "match_rms_adamw", "ns_steps": 3, "ns_coefficients": (1.875, -1.25, 0.375)},
        {"lr": 0.02, "adjust_lr_fn": "spectral_unclamped", "weight_decay": 0.3, "eps": 0.5},
    ],
}
MAXIMIZED = [
    ("ASGD", {"lr": 0.01}),
    ("Adadelta", {"lr": 0.1}),
    ("Adamax", {"lr": 1e-3}),
    ("NAdam", {"lr": 1e-3}),
    ("RAdam", {"lr": 1e-3}),
    ("Rprop", {"lr": 1e-4, "step_sizes": (1e-6, 1e-3)}),
    ("Adafactor", {"lr": 1e-3}),
]


@contextlib.contextmanager
def without_bfloat16():
    """Muon computes in the type of the parameters."""
    to = torch.Tensor.to
    exact = lambda x, *args, dtype=None, **options: x.clone() if dtype == torch.bfloat16 else to(x, *args, dtype=dtype, **options)
    torch.Tensor.to = lambda x, *args, **options: exact(x, *args, **options) if "dtype" in options else to(x, *args, **options)
    try:
        yield
    finally:
        torch.Tensor.to = to


class HuggingFace:
    """Adafactor of `transformers`, whose rate with `relative_step` is that of PyTorch: the given one, or less."""

    def __init__(self, params, lr, d=1.0, beta1=None, scale_parameter=True, relative_step=True):
        self.relative, self.lr, self.number = relative_step, lr, 0
        self.inner = transformers.optimization.Adafactor(
            params, lr=lr, clip_threshold=d, beta1=beta1, scale_parameter=scale_parameter, relative_step=False
        )

    def zero_grad(self):
        self.inner.zero_grad()

    def step(self):
        self.number += 1
        for group in self.inner.param_groups:
            group["lr"] = min(self.lr, self.number**-0.5) if self.relative else self.lr
        self.inner.step()


class Both:
    """Two optimizers at once."""

    def __init__(self, *both):
        self.both = both

    def zero_grad(self):
        for opt in self.both:
            opt.zero_grad()

    def step(self):
        for opt in self.both:
            opt.step()


def make(name, params, settings):
    """The optimizer for weights and biases in turn."""
    if name == "Muon":
        decay = settings.get("weight_decay", 0.1)
        others = torch.optim.AdamW(params[1::2], lr=1e-3, betas=(0.9, 0.95), weight_decay=decay, foreach=False)
        return Both(torch.optim.Muon(params[::2], **settings), others)
    if {"beta1", "scale_parameter", "relative_step"} & settings.keys():
        return HuggingFace(params, **settings)
    return getattr(torch.optim, name)(params, foreach=False, **settings)


def train(arrays, dtype, name, settings, kept_after=KEPT):
    """The parameters after some of the steps, and all losses: mean squared errors of `NETWORK`."""
    tx, ty, *p = (torch.tensor(a, dtype=dtype) for a in arrays)
    p = [t.requires_grad_() for t in p]
    opt = make(name, p, settings)
    kept, losses = {name: [] for name in NETWORK}, []
    for step in range(1, STEPS + 1):
        hidden = torch.tanh(torch.nn.functional.linear(tx, p[0], p[1]))
        loss = torch.nn.functional.mse_loss(torch.nn.functional.linear(hidden, p[2], p[3]), ty)
        opt.zero_grad()
        loss.backward()
        with without_bfloat16():
            # Of this type are the numbers of the state that belong to no element.
            torch.set_default_dtype(torch.float64)
            opt.step()
            torch.set_default_dtype(torch.float32)
        losses.append(loss.item())
        if step in kept_after:
            for name, t in zip(NETWORK, p):
                kept[name].append(t.detach().numpy().copy())
    found = {f"param.{name}": np.stack(history) for name, history in kept.items()}
    if "t0" in settings:
        found |= {f"ax.{name}": opt.state[t]["ax"].numpy().copy() for name, t in zip(NETWORK, p)}
    return found | {"losses": np.array(losses, dtype=found["param.0.bias"].dtype)}


def cases(f):
    f.sums = True
    # Shared by every case.
    x, y, start = problem(f)

    def case(name, settings):
        label = "_".join(f"{k}{v}".replace(" ", "") for k, v in settings.items())
        case = {"id": f"{name}/{label}", "op": name, "steps": KEPT, "attrs": settings}
        run = lambda arrays, dtype: train(arrays, dtype, name, settings)
        f.record(case, runs=f.runs(case["id"], run, [x, y, *start.values()]))

    for name, all_settings in SETTINGS.items():
        for settings in all_settings:
            case(name, settings)
    for name, settings in MAXIMIZED:
        case(name, {**settings, "maximize": True})

    # Given gradients for a parameter of more dimensions, of which the last two are those of matrices.
    def follow(arrays, dtype):
        start, *grads = (torch.tensor(a, dtype=dtype) for a in arrays)
        p = start.requires_grad_()
        opt = torch.optim.Adafactor([p], lr=0.05, foreach=False)
        for g in grads:
            p.grad = g
            opt.step()
        return {"param": p.detach().numpy().copy()}

    case_id = "follow/Adafactor"
    rng = f.rng(case_id)
    arrays = [normal(2, 3, 4)(rng) for _ in range(13)]
    f.record(
        {"id": case_id, "op": "follow", "attrs": {"lr": 0.05}},
        {"start": arrays[0], "grads": np.stack(arrays[1:])},
        f.runs(case_id, follow, arrays),
    )
