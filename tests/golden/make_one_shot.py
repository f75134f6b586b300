"""Pruning in one shot as its papers have it (Wanda, SparseGPT), and the truncation of SVD-LLM: writes one_shot.json.

    pip install torch==2.15.0 numpy==2.4.6
    python tests/golden/make_one_shot.py
"""

import json
import pathlib

import numpy as np
import torch

rng = np.random.default_rng(20261129)
torch.set_num_threads(1)
out = {"versions": {"torch": torch.__version__.split("+")[0], "numpy": np.__version__}}


def draw(*shape, digits=2):
    return torch.tensor(np.round(rng.standard_normal(shape), digits), dtype=torch.float64)


def numbers(t, digits=None):
    values = [float(x) if digits is None else float(f"{x:.{digits}g}") for x in t.detach().double().flatten()]
    return {"shape": list(t.shape), "values": values}


def wanda(w, x, share, groups):
    score = w.abs() * x.norm(dim=0)
    mask = torch.ones_like(w)
    if groups:
        keep, of = groups
        for first in range(0, w.shape[1], of):
            part = score[:, first:first + of]
            mask.scatter_(1, first + part.topk(of - keep, dim=1, largest=False)[1], 0)
    else:
        order = score.sort(dim=1, stable=True)[1]
        mask.scatter_(1, order[:, :round(w.shape[1] * share)], 0)
    return mask


def sparse_gpt(w, x, share, groups, block=128, damping=0.01):
    """Algorithm 1 of Frantar and Alistarh, with exactly the share of each block."""
    w = w.clone()
    h = x.t() @ x
    dead = torch.diag(h) == 0
    h[dead, dead] = 1
    w[:, dead] = 0
    h += damping * torch.mean(torch.diag(x.t() @ x)) * torch.diag((~dead).double())
    upper = torch.linalg.cholesky(torch.linalg.inv(h), upper=True)
    columns = w.shape[1]
    for first in range(0, columns, block):
        end = min(first + block, columns)
        part, kept = w[:, first:end].clone(), torch.zeros_like(w[:, first:end])
        errors, u = torch.zeros_like(part), upper[first:end, first:end]
        mask = torch.zeros_like(part, dtype=torch.bool)
        if not groups:
            score = part**2 / torch.diag(u) ** 2
            gone = score.flatten().sort(stable=True)[1][:round(score.numel() * share)]
            mask.view(-1)[gone] = True
        for i in range(end - first):
            if groups and i % groups[1] == 0:
                keep, of = groups
                score = part[:, i:i + of] ** 2 / torch.diag(u)[i:i + of] ** 2
                mask.scatter_(1, i + score.topk(of - keep, dim=1, largest=False)[1], True)
            q = part[:, i].clone()
            q[mask[:, i]] = 0
            error = (part[:, i] - q) / u[i, i]
            kept[:, i] = q
            part[:, i:] -= error.unsqueeze(1) @ u[i, i:].unsqueeze(0)
            errors[:, i] = error
        w[:, first:end] = kept
        w[:, end:] -= errors @ upper[first:end, end:]
    return w


cases = []
for inputs, outputs, examples in ((12, 5, 9), (136, 4, 30)):
    w, x = draw(outputs, inputs), draw(examples, inputs, digits=1)
    x[:, 3] = 0
    x[:, 5] *= 4
    case = {"weight": numbers(w), "inputs": numbers(x), "results": []}
    for share, groups in ((0.5, None), (0.3, None), (0.0, (2, 4)), (0.0, (1, 4))):
        result = {"share": share, "groups": list(groups) if groups else None}
        result["wanda"] = numbers(wanda(w, x, share, groups), 1)
        result["sparse_gpt"] = numbers(sparse_gpt(w, x, share, groups), 8)
        case["results"].append(result)
    cases.append(case)
out["one_shot"] = cases

w, x = draw(7, 9), draw(30, 4, digits=1) @ draw(4, 9, digits=1) + 0.1 * draw(30, 9, digits=1)
x = torch.round(x, decimals=2)
lower = torch.linalg.cholesky(x.t() @ x)
factors = []
for rank in (1, 2, 3):
    u, s, vt = torch.linalg.svd(w)
    plain = u[:, :rank] * s[:rank] @ vt[:rank]
    u, s, vt = torch.linalg.svd(w @ lower)
    seen = torch.linalg.solve(lower.t(), (u[:, :rank] * s[:rank] @ vt[:rank]).t()).t()
    factors.append({"rank": rank, "plain": numbers(plain, 8), "seen": numbers(seen, 8),
                    "error": float(((x @ (w - seen).t()).norm() / (x @ w.t()).norm()))})
out["low_rank"] = {"weight": numbers(w), "inputs": numbers(x), "factors": factors}

path = pathlib.Path(__file__).with_name("one_shot.json")
path.write_text(json.dumps(out, separators=(",", ":")) + "\n")
print(path, path.stat().st_size)
