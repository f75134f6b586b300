"""Fifty steps of each optimizer on one small network, and gradient clipping."""

import numpy as np
import torch

from recorder import normal

STEPS = 50
KEPT = (1, 2, 10, 50)
SETTINGS = {
    "SGD": [
        {"lr": 0.1},
        {"lr": 0.05, "momentum": 0.9},
        {"lr": 0.05, "momentum": 0.9, "dampening": 0.3},
        {"lr": 0.05, "momentum": 0.9, "nesterov": True},
        {"lr": 0.1, "weight_decay": 0.01},
        {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.02},
        {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.02},
    ],
    "Adam": [
        {"lr": 0.01},
        {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-4},
        {"lr": 0.01, "weight_decay": 0.05},
        {"lr": 0.05, "amsgrad": True},
        {"lr": 0.02, "betas": (0.5, 0.9), "eps": 1e-6, "weight_decay": 0.01, "amsgrad": True},
    ],
    "AdamW": [
        {"lr": 0.01},
        {"lr": 0.01, "weight_decay": 0.0},
        {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.3},
        {"lr": 0.05, "amsgrad": True},
    ],
    # Steps of larger rates jump over the minimum without end: fifty of them are chaotic.
    "RMSprop": [
        {"lr": 0.002},
        {"lr": 0.001, "alpha": 0.9, "eps": 1e-4},
        {"lr": 0.002, "momentum": 0.9},
        {"lr": 0.005, "centered": True},
        {"lr": 0.002, "alpha": 0.95, "momentum": 0.5, "centered": True, "weight_decay": 0.01},
    ],
    "Adagrad": [
        {"lr": 0.05},
        {"lr": 0.1, "lr_decay": 0.05},
        {"lr": 0.05, "weight_decay": 0.02},
        {"lr": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-4, "lr_decay": 0.01},
    ],
}


def cases(f):
    f.sums = True
    rng = f.rng("problem")
    # Linear(3, 4), tanh, Linear(4, 2); mean squared error on eight rows. Shared by every case.
    shapes = {"0.weight": (4, 3), "0.bias": (4,), "2.weight": (2, 4), "2.bias": (2,)}
    start = {name: normal(*shape, scale=0.6)(rng) for name, shape in shapes.items()}
    x, y = normal(8, 3)(rng), normal(8, 2)(rng)
    for name, array in {"x": x, "y": y, **start}.items():
        f.put(f"problem.{name}", array)

    def train(arrays, dtype, optimizer, settings, clip):
        tx, ty, *p = (torch.tensor(a, dtype=dtype) for a in arrays)
        p = [t.requires_grad_() for t in p]
        groups = dict(settings)
        own = groups.pop("weights", None)
        # The weights in a group of their own, the biases in another.
        parts = p if own is None else [{"params": p[::2], **own}, {"params": p[1::2]}]
        opt = getattr(torch.optim, optimizer)(parts, foreach=False, **groups)
        kept, losses = {name: [] for name in shapes}, []
        for step in range(1, STEPS + 1):
            hidden = torch.tanh(torch.nn.functional.linear(tx, p[0], p[1]))
            loss = torch.nn.functional.mse_loss(torch.nn.functional.linear(hidden, p[2], p[3]), ty)
            opt.zero_grad()
            loss.backward()
            if "clip_norm" in clip:
                torch.nn.utils.clip_grad_norm_(p, clip["clip_norm"])
            if "clip_value" in clip:
                torch.nn.utils.clip_grad_value_(p, clip["clip_value"])
            opt.step()
            losses.append(loss.item())
            if step in KEPT:
                for name, t in zip(shapes, p):
                    kept[name].append(t.detach().numpy().copy())
        arrays = {f"param.{name}": np.stack(history) for name, history in kept.items()}
        return arrays | {"losses": np.array(losses, dtype=arrays["param.0.bias"].dtype)}

    def case(optimizer, settings, clip={}):
        label = "_".join(f"{k}{v}".replace(" ", "") for k, v in {**settings, **clip}.items())
        case = {"id": f"{optimizer}/{label}", "op": optimizer, "steps": KEPT, "attrs": {**settings, **clip}}
        run = lambda arrays, dtype: train(arrays, dtype, optimizer, settings, clip)
        f.record(case, runs=f.runs(case["id"], run, [x, y, *start.values()]))

    for optimizer, all_settings in SETTINGS.items():
        for settings in all_settings:
            case(optimizer, settings)
    for optimizer, settings, own in (
        ("Adam", {"lr": 0.01}, {"betas": (0.5, 0.9), "eps": 1e-3}),
        ("AdamW", {"lr": 0.02, "betas": (0.8, 0.95)}, {"betas": (0.9, 0.99), "weight_decay": 0.1}),
        ("RMSprop", {"lr": 0.002}, {"eps": 1e-2}),
        ("Adagrad", {"lr": 0.05}, {"eps": 0.1}),
    ):
        case(optimizer, {**settings, "weights": own})
    case("SGD", {"lr": 0.2}, {"clip_norm": 0.1})
    case("SGD", {"lr": 0.2}, {"clip_value": 0.02})
    case("Adam", {"lr": 0.01}, {"clip_norm": 0.3})

    grads = [normal(3, 4)(rng), normal(5)(rng), normal()(rng)]

    def clipped(op, label, attrs, clip):
        def run(arrays, dtype):
            p = [torch.zeros(g.shape, dtype=dtype, requires_grad=True) for g in arrays]
            for t, g in zip(p, arrays):
                t.grad = torch.from_numpy(np.array(g)).to(dtype)
            norm = clip(p)
            found = {f"grad.{i}": t.grad.numpy() for i, t in enumerate(p)}
            return found if norm is None else found | {"norm": norm.numpy()}

        case = {"id": f"{op}/{label}", "op": op, "attrs": attrs}
        f.record(case, {f"in.{i}": g for i, g in enumerate(grads)}, f.runs(case["id"], run, grads))

    for max_norm, norm_type in ((1.0, 2.0), (0.01, 2.0), (1000.0, 2.0), (0.5, 1.0), (0.5, float("inf"))):
        clipped(
            "clip_norm",
            f"{max_norm}_p{norm_type}",
            {"max_norm": max_norm, "norm_type": str(norm_type)},
            lambda p: torch.nn.utils.clip_grad_norm_(p, max_norm, norm_type),
        )
    for limit in (0.5, 1000.0):
        clipped("clip_value", f"{limit}", {"value": limit}, lambda p: torch.nn.utils.clip_grad_value_(p, limit))
