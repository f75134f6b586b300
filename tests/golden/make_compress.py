"""Masks of torch.nn.utils.prune, and the losses of distillation as their papers' programs compute them: writes compress.json.

    pip install torch==2.15.0 numpy==2.4.6
    python tests/golden/make_compress.py
"""

import json
import pathlib

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import prune

rng = np.random.default_rng(20261128)
torch.set_num_threads(1)
out = {"versions": {"torch": torch.__version__.split("+")[0], "numpy": np.__version__}}


def draw(*shape):
    return torch.tensor(np.round(rng.standard_normal(shape), 4), dtype=torch.float64)


def numbers(t):
    return {"shape": list(t.shape), "values": [float(x) for x in t.detach().double().flatten()]}


def layers():
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4))
    for layer in (model[0], model[2]):
        layer.weight.data = draw(*layer.weight.shape).float()
    return model


masks = []
for amount in (0.0, 0.25, 0.35, 0.5, 0.75):
    model = layers()
    given = [numbers(model[0].weight), numbers(model[2].weight)]
    for layer in (model[0], model[2]):
        prune.l1_unstructured(layer, "weight", amount)
    masks.append({"how": "weight", "amount": amount, "weights": given,
                  "masks": [numbers(model[i].weight_mask) for i in (0, 2)]})
    model = layers()
    given = [numbers(model[0].weight), numbers(model[2].weight)]
    prune.global_unstructured([(model[0], "weight"), (model[2], "weight")], prune.L1Unstructured, amount=amount)
    masks.append({"how": "global", "amount": amount, "weights": given,
                  "masks": [numbers(model[i].weight_mask) for i in (0, 2)]})
for amount in (0.2, 0.5):
    for norm in (1, 2, float("inf")):
        model = layers()
        given = [numbers(model[0].weight), numbers(model[2].weight)]
        for layer in (model[0], model[2]):
            prune.ln_structured(layer, "weight", amount, n=norm, dim=0)
        masks.append({"how": "units", "norm": str(norm), "amount": amount, "weights": given,
                      "masks": [numbers(model[i].weight_mask) for i in (0, 2)]})
out["masks"] = masks


def distances(e):
    square = e.pow(2).sum(1)
    d = (square.unsqueeze(1) + square.unsqueeze(0) - 2 * e @ e.t()).clamp(min=1e-12).sqrt().clone()
    d[range(len(e)), range(len(e))] = 0
    return d / d[d > 0].mean()


def angles(e):
    towards = F.normalize(e.unsqueeze(0) - e.unsqueeze(1), p=2, dim=2)
    return torch.bmm(towards, towards.transpose(1, 2)).view(-1)


def similar(e):
    return F.normalize(e @ e.t(), p=2, dim=1)


def activity(x):
    return F.normalize(x.pow(2).mean(1).flatten(1))


def soft(temperature):
    def loss(s, t):
        p, q = F.log_softmax(s / temperature, -1), F.log_softmax(t / temperature, -1)
        p, q = p.flatten(0, -2), q.flatten(0, -2)
        return F.kl_div(p, q, reduction="batchmean", log_target=True) * temperature**2

    return loss


losses = []
for name, f, student, teacher in (
    ("soft_1", soft(1.0), draw(5, 4), draw(5, 4) * 3),
    ("soft_4", soft(4.0), draw(5, 4), draw(5, 4) * 3),
    ("soft_2", soft(2.0), draw(2, 3, 7), draw(2, 3, 7)),
    ("distances", lambda s, t: F.smooth_l1_loss(distances(s), distances(t)), draw(6, 3), draw(6, 5)),
    ("angles", lambda s, t: F.smooth_l1_loss(angles(s), angles(t)), draw(5, 3), draw(5, 4)),
    ("similarities", lambda s, t: (similar(s) - similar(t)).pow(2).sum() / len(s) ** 2, draw(6, 3), draw(6, 5)),
    ("activity", lambda s, t: (activity(s) - activity(t)).pow(2).mean(), draw(2, 3, 4, 4), draw(2, 6, 4, 4)),
):
    student.requires_grad_()
    loss = f(student, teacher)
    loss.backward()
    losses.append({"name": name, "student": numbers(student), "teacher": numbers(teacher), "loss": loss.item(),
                   "gradient": numbers(student.grad)})
out["losses"] = losses
path = pathlib.Path(__file__).parent / "compress.json"
path.write_text(json.dumps(out) + "\n")
