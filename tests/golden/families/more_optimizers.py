"""Optimizers that evaluate a closure, that surround another one, or that have a factored state, on one small network.

LBFGS, Adafactor and the averages are PyTorch's. It has no SAM and no Lookahead: the formulas of the papers, around its optimizers.
"""

import numpy as np
import torch
from torch.optim.swa_utils import get_ema_avg_fn, get_swa_avg_fn

from recorder import NETWORK, problem


def loss_of(p, x, y):
    hidden = torch.tanh(torch.nn.functional.linear(x, p[0], p[1]))
    return torch.nn.functional.mse_loss(torch.nn.functional.linear(hidden, p[2], p[3]), y)


def inner(p, settings):
    settings = dict(settings)
    return getattr(torch.optim, settings.pop("inner"))(p, foreach=False, **settings)


def lbfgs(p, closure, settings):
    opt = torch.optim.LBFGS(p, **settings)
    return lambda: (opt.step(closure).item(), p)


def adafactor(p, closure, settings):
    opt = torch.optim.Adafactor(p, foreach=False, **settings)
    return lambda: (opt.step(closure).item(), p)


def sam(p, closure, settings):
    settings = dict(settings)
    rho, adaptive = settings.pop("rho"), settings.pop("adaptive", False)
    opt = inner(p, settings)

    def step():
        loss = closure().item()
        with torch.no_grad():
            norm = torch.linalg.vector_norm(
                torch.stack([torch.linalg.vector_norm((t.abs() if adaptive else 1.0) * t.grad) for t in p])
            )
            before = [t.clone() for t in p]
            for t in p:
                t.add_((t * t if adaptive else 1.0) * t.grad, alpha=rho / (float(norm) + 1e-12))
        closure()
        with torch.no_grad():
            for t, b in zip(p, before):
                t.copy_(b)
        opt.step()
        return loss, p

    return step


def averaged(p, closure, settings):
    settings = dict(settings)
    decay, start, every = (settings.pop(name) for name in ("decay", "start", "every"))
    opt = inner(p, settings)
    average = get_swa_avg_fn() if decay is None else get_ema_avg_fn(decay)
    kept, count, steps = [t.detach().clone() for t in p], 0, 0

    def step():
        nonlocal kept, count, steps
        loss = opt.step(closure).item()
        steps += 1
        if steps > start and (steps - start - 1) % every == 0:
            with torch.no_grad():
                kept = [t.clone() if count == 0 else average(k, t, torch.tensor(count)) for k, t in zip(kept, p)]
            count += 1
        return loss, kept

    return step


def lookahead(p, closure, settings):
    settings = dict(settings)
    k, alpha = settings.pop("k"), settings.pop("alpha")
    opt = inner(p, settings)
    slow, steps = [t.detach().clone() for t in p], 0

    def step():
        nonlocal steps
        loss = opt.step(closure).item()
        steps += 1
        if steps % k == 0:
            with torch.no_grad():
                for s, t in zip(slow, p):
                    s.add_(t - s, alpha=alpha)
                    t.copy_(s)
        return loss, p

    return step


KINDS = {"LBFGS": lbfgs, "Adafactor": adafactor, "SAM": sam, "Averaged": averaged, "Lookahead": lookahead}
WOLFE = {"line_search_fn": "strong_wolfe"}
SETTINGS = [
    ("LBFGS", (1, 2, 3), {"lr": 1.0, "max_iter": 4}),
    ("LBFGS", (1, 2, 3), {"lr": 0.5, "max_iter": 3, "history_size": 2}),
    ("LBFGS", (1, 2), {"lr": 1.0, "max_iter": 3, **WOLFE}),
    ("LBFGS", (1, 2), {"lr": 30.0, "max_iter": 5, "history_size": 3, **WOLFE}),
    ("LBFGS", (1, 2), {"lr": 0.05, "max_iter": 3, **WOLFE}),
    ("LBFGS", (1, 2), {"lr": 1.0, "max_iter": 6, "max_eval": 3, **WOLFE}),
    ("LBFGS", (1,), {"lr": 1.0, "max_iter": 20, "tolerance_change": 0.02, **WOLFE}),
    ("LBFGS", (1,), {"lr": 1.0, "max_iter": 20, "tolerance_grad": 0.05, **WOLFE}),
    ("Adafactor", (1, 2, 10, 30), {}),
    ("Adafactor", (1, 2, 10), {"lr": 0.05, "beta2_decay": -0.5, "d": 2.0, "eps": (1e-5, 1e-2)}),
    ("SAM", (1, 2, 10, 30), {"inner": "SGD", "lr": 0.1, "momentum": 0.9, "rho": 0.05}),
    ("SAM", (1, 2, 10, 30), {"inner": "Adam", "lr": 0.01, "rho": 0.2}),
    ("SAM", (1, 2, 10, 30), {"inner": "SGD", "lr": 0.1, "rho": 1.0, "adaptive": True}),
    ("Averaged", (1, 2, 10, 30), {"inner": "SGD", "lr": 0.1, "decay": 0.9, "start": 0, "every": 1}),
    ("Averaged", (5, 6, 30), {"inner": "Adam", "lr": 0.01, "decay": 0.99, "start": 4, "every": 3}),
    ("Averaged", (1, 2, 10, 30), {"inner": "SGD", "lr": 0.1, "decay": None, "start": 0, "every": 1}),
    ("Averaged", (11, 15, 30), {"inner": "SGD", "lr": 0.1, "momentum": 0.5, "decay": None, "start": 10, "every": 5}),
    ("Lookahead", (4, 5, 6, 30), {"inner": "SGD", "lr": 0.1, "momentum": 0.9, "k": 5, "alpha": 0.5}),
    ("Lookahead", (1, 2, 30), {"inner": "Adam", "lr": 0.05, "k": 2, "alpha": 0.8}),
]


def cases(f):
    f.sums = True
    # Shared by every case.
    x, y, start = problem(f)

    def run(arrays, dtype, kind, kept_after, settings):
        tx, ty, *p = (torch.tensor(a, dtype=dtype) for a in arrays)
        p = [t.requires_grad_() for t in p]

        def closure():
            for t in p:
                t.grad = None
            loss = loss_of(p, tx, ty)
            loss.backward()
            return loss

        step = KINDS[kind](p, closure, settings)
        kept, losses = {name: [] for name in NETWORK}, []
        for number in range(1, kept_after[-1] + 1):
            loss, values = step()
            losses.append(loss)
            if number in kept_after:
                for name, t in zip(NETWORK, values):
                    kept[name].append(t.detach().numpy().copy())
        arrays = {f"param.{name}": np.stack(history) for name, history in kept.items()}
        return arrays | {"losses": np.array(losses, dtype=arrays["param.0.bias"].dtype)}

    for kind, steps, settings in SETTINGS:
        label = "_".join(f"{k}{v}".replace(" ", "") for k, v in settings.items()) or "default"
        case = {"id": f"{kind}/{label}", "op": kind, "steps": steps, "attrs": settings}
        train = lambda arrays, dtype: run(arrays, dtype, kind, steps, settings)
        f.record(case, runs=f.runs(case["id"], train, [x, y, *start.values()]))
