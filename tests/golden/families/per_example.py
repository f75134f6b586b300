"""Gradients of each example of a batch, by torch.func: vmap of grad."""

import numpy as np
import torch
from torch.func import grad, vmap
from torch.nn import functional as F

from recorder import ints, normal


def classifier(p, x, y):
    h = torch.tanh(F.linear(x, p["w1"], p["b1"]))
    return F.cross_entropy(F.linear(h, p["w2"], p["b2"]).unsqueeze(0), y.unsqueeze(0))


def sequence(p, x, y):
    h = F.gelu(F.linear(F.embedding(x, p["table"]), p["w1"], p["b1"]))
    return F.cross_entropy(F.linear(h, p["w2"]), y)


def tied(p, x, y):
    h = torch.tanh(F.embedding(x, p["table"]) * p["scale"] + p["shift"])
    return F.cross_entropy(F.linear(h, p["table"]), y)


def broadcast(p, x, y):
    h = F.layer_norm(x, (3,)) * p["scale"] + p["shift"]
    return ((torch.sigmoid(h * p["gate"]) - y) ** 2).mean()


CASES = {
    "classifier": (
        classifier,
        {"w1": normal(5, 3), "b1": normal(5), "w2": normal(4, 5), "b2": normal(4)},
        (normal(6, 3), ints(0, 4, 6)),
    ),
    "sequence": (
        sequence,
        {"table": normal(7, 3), "w1": normal(6, 3), "b1": normal(6), "w2": normal(5, 6)},
        (ints(0, 7, 4, 3), ints(0, 5, 4, 3)),
    ),
    # More steps than a table has rows, and the table used twice.
    "tied": (
        tied,
        {"table": normal(5, 3), "scale": normal(3), "shift": normal(1)},
        (ints(0, 5, 3, 9), ints(0, 5, 3, 9)),
    ),
    "broadcast": (
        broadcast,
        {"scale": normal(3), "shift": normal(2, 1), "gate": normal()},
        (normal(5, 2, 3), normal(5, 2, 3)),
    ),
}


def cases(f):
    f.sums = True
    for name, (loss, params, data) in CASES.items():
        rng = f.rng(name)
        p = {key: draw(rng) for key, draw in params.items()}
        x, y = (draw(rng) for draw in data)

        def run(arrays, dtype):
            cast = lambda a: torch.tensor(a, dtype=dtype if a.dtype == np.float32 else None)
            tensors = {key: cast(a) for key, a in zip(p, arrays)}
            tx, ty = (cast(a) for a in arrays[len(p) :])
            grads = vmap(grad(loss), in_dims=(None, 0, 0))(tensors, tx, ty)
            squares = {f"norm.{key}": (g**2).reshape(len(g), -1).sum(1) for key, g in grads.items()}
            found = {f"grad.{key}": g for key, g in grads.items()} | squares
            found["losses"] = vmap(loss, in_dims=(None, 0, 0))(tensors, tx, ty)
            return {key: t.detach().numpy() for key, t in found.items()}

        case = {"id": f"per_example/{name}", "op": name, "attrs": {"params": list(p)}}
        named = {f"param.{key}": a for key, a in p.items()} | {"x": x, "y": y}
        f.record(case, named, f.runs(case["id"], run, list(named.values())))
