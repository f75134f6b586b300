"""What Opacus says: epsilon of its accountants, gradients of single examples and their norms by its hooks; the Gaussian mechanism by mpmath's
closed form, ROC by scikit-learn, likelihood ratios and the skew normal by SciPy.

    python -m venv venv && venv/bin/pip install torch opacus==1.6.0 mpmath scikit-learn scipy
    venv/bin/python tests/golden/make_privacy.py
"""

import json
import pathlib
import warnings

import mpmath
import numpy as np
import torch
from opacus.accountants import PRVAccountant, RDPAccountant
from opacus.accountants.utils import get_noise_multiplier
from opacus.grad_sample import GradSampleModule
from opacus.layers import DPGRU, DPLSTM
from scipy import stats
from sklearn.metrics import roc_auc_score, roc_curve
from torch import nn
from torch.nn import functional as F

warnings.simplefilter("ignore")
GRID = [
    # noise, rate, steps, delta
    (1.1, 0.01, 1000, 1e-5),
    (0.7, 0.004, 5000, 1e-5),
    (2.0, 0.1, 200, 1e-6),
    (1.0, 1.0, 10, 1e-5),
    (0.5, 0.02, 30, 1e-4),
    (4.0, 0.25, 400, 1e-3),
    (1.3, 0.0005, 20000, 1e-7),
    (0.3, 0.001, 100, 1e-5),
    (10.0, 0.05, 100, 1e-8),
]
MIXED = [(1.0, 0.01, 300), (1.5, 0.02, 200), (0.8, 0.005, 100)]


def accountants():
    cases = []
    for history, delta in [([step[:3]], step[3]) for step in GRID] + [(MIXED, 1e-5)]:
        rdp, prv = RDPAccountant(), PRVAccountant()
        rdp.history = prv.history = [tuple(h) for h in history]
        found, order = rdp.get_privacy_spent(delta=delta)
        dprv = prv._get_dprv(eps_error=0.01, delta_error=delta / 1000)
        bounds = dprv.compute_epsilon(delta, delta / 1000, 0.01)
        cases.append(
            {
                "history": history,
                "delta": delta,
                "rdp": float(found),
                "order": float(order),
                "prv": [float(b) for b in bounds],
            }
        )
    return cases


# At the ends of what there is: one step, hardly any examples and all of them, little noise and much, a delta near 1 and near 0.
ENDS = [
    ([(30.0, 1e-5, 1)], 1e-5),
    ([(30.0, 1.0, 1)], 1e-5),
    ([(0.3, 1.0, 1)], 1e-5),
    ([(0.3, 1e-5, 1)], 1e-5),
    ([(1.0, 0.5, 1)], 0.1),
    ([(1.0, 0.01, 1000)], 1e-10),
    ([(5.0, 0.01, 20000)], 1e-6),
    ([(1.0, 1.0, 1)], 0.4),
    ([(0.5, 0.9, 20)], 1e-3),
    ([(2.0, 0.999, 10)], 1e-5),
    ([(1000.0, 1.0, 100)], 1e-3),
    ([(0.2, 0.05, 3)], 1e-4),
]


def ends():
    cases = []
    for history, delta in ENDS:
        prv = PRVAccountant()
        prv.history = history
        dprv = prv._get_dprv(eps_error=0.1, delta_error=delta / 1000)
        bounds = dprv.compute_epsilon(delta, delta / 1000, 0.1)
        cases.append({"history": history, "delta": delta, "prv": [float(b) for b in bounds]})
    return cases


def noises():
    return [
        {
            "epsilon": e,
            "delta": d,
            "rate": q,
            "steps": n,
            "noise": get_noise_multiplier(
                target_epsilon=e, target_delta=d, sample_rate=q, steps=n, epsilon_tolerance=1e-4
            ),
        }
        for e, d, q, n in [(2.0, 1e-5, 0.01, 1000), (0.5, 1e-6, 0.02, 500), (8.0, 1e-5, 0.1, 2000)]
    ]


def gaussian():
    mpmath.mp.dps = 60
    cases = []
    for noise in (0.2, 0.8, 1.0, 3.7, 25.0):
        for epsilon in (0.0, 0.1, 1.0, 8.0):
            s, e = mpmath.mpf(noise), mpmath.mpf(epsilon)
            delta = mpmath.ncdf(1 / (2 * s) - e * s) - mpmath.exp(e) * mpmath.ncdf(-1 / (2 * s) - e * s)
            cases.append([noise, epsilon, float(delta)])
    return cases


class Net(nn.Module):
    def __init__(self, parts, forward):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self.run = forward

    def forward(self, x):
        return self.run(self, x)


def networks():
    """Name, network, input."""
    x = lambda *shape: torch.randn(*shape)
    yield "mlp", nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)), x(6, 5)
    yield "cnn", nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 6, 3, stride=2, groups=2), nn.Flatten(), nn.Linear(24, 3)
    ), x(5, 2, 6, 6)
    yield "conv1d", nn.Sequential(nn.Conv1d(3, 4, 3, dilation=2), nn.Tanh(), nn.Flatten(), nn.Linear(20, 3)), x(4, 3, 9)
    yield "group_norm", nn.Sequential(nn.Conv2d(1, 4, 2), nn.GroupNorm(2, 4), nn.Flatten(), nn.Linear(36, 3)), x(5, 1, 4, 4)
    yield "layer_norm", nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.Linear(6, 3)), x(5, 4)
    yield "instance_norm", nn.Sequential(nn.InstanceNorm1d(3, affine=True), nn.Flatten(), nn.Linear(15, 3)), x(4, 3, 5)
    yield "embedding", Net(
        {"table": nn.Embedding(8, 4), "head": nn.Linear(4, 3)}, lambda net, x: net.head(torch.tanh(net.table(x)).mean(1))
    ), torch.randint(0, 8, (5, 6))
    last = lambda net, x: net.head(net.rnn(x)[0][:, -1])
    yield "lstm", Net({"rnn": DPLSTM(3, 4, batch_first=True), "head": nn.Linear(4, 3)}, last), x(4, 5, 3)
    yield "gru", Net({"rnn": DPGRU(3, 4, batch_first=True), "head": nn.Linear(4, 3)}, last), x(4, 5, 3)
    both = lambda net, x: net.head(net.rnn(x)[0].mean(1))
    yield "lstm_both_ways", Net(
        {"rnn": DPLSTM(3, 2, num_layers=2, bidirectional=True, batch_first=True), "head": nn.Linear(4, 3)}, both
    ), x(4, 5, 3)
    # DPMultiheadAttention of this version mixes up steps and examples if it is batch_first: its linear layers, and PyTorch's attention.
    parts = {part: nn.Linear(6, 6) for part in ("q_proj", "k_proj", "v_proj", "o_proj")}
    yield "attention", Net({"rnn": Net(parts, attend), "head": nn.Linear(6, 3)}, lambda net, x: net.head(net.rnn(x).mean(1))), x(4, 5, 6)


def attend(net, x):
    q, k, v = (part(x).unflatten(-1, (2, 3)).transpose(1, 2) for part in (net.q_proj, net.k_proj, net.v_proj))
    return net.o_proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


def flat(tensor):
    return [float(f"{v:.9g}") for v in tensor.detach().reshape(-1).tolist()]


def gradients():
    cases = []
    for seed, (name, net, x) in enumerate(networks()):
        torch.manual_seed(seed)
        net = net.double()
        for p in net.parameters():
            # What a file of nine digits holds.
            p.data = torch.tensor(flat(torch.randn_like(p) * 0.5)).reshape(p.shape)
        if x.is_floating_point():
            x = torch.tensor(flat(x), dtype=torch.float64).reshape(x.shape)
        net = net.double()
        y = torch.randint(0, 3, (len(x),))
        model = GradSampleModule(net, loss_reduction="sum")
        losses = F.cross_entropy(model(x), y, reduction="none")
        losses.sum().backward()
        parameters = {}
        for path, p in net.named_parameters():
            g = p.grad_sample.reshape(len(x), -1)
            parameters[path] = {
                "shape": list(p.shape),
                "values": flat(p),
                "norms": flat(g.norm(dim=1)),
                "first": flat(g[:, :4]),
            }
        cases.append(
            {"name": name, "shape": list(x.shape), "x": flat(x), "y": y.tolist(), "losses": flat(losses), "parameters": parameters}
        )
    return cases


def audits():
    rng = np.random.default_rng(5)
    members, others = rng.normal(0.6, 1, 40).round(2), rng.normal(0, 1, 60).round(2)
    truth, scores = np.r_[np.ones(40), np.zeros(60)], np.r_[members, others]
    fpr, tpr, _ = roc_curve(truth, scores, drop_intermediate=False)
    at = {str(limit): float(tpr[fpr <= limit].max()) for limit in (0.01, 0.05, 0.1, 0.5)}
    shadows, inside = rng.normal(1, 1, (12, 5)).round(3), rng.random((12, 5)) < 0.5
    shadows += inside
    target = rng.normal(1.5, 1, 5).round(3)
    online, offline, fixed = [], [], []
    spread = lambda mask: np.sqrt(np.mean([np.var(shadows[mask[:, j], j]) for j in range(5)]))
    wide = [spread(inside), spread(~inside)]
    for j in range(5):
        a, b = shadows[inside[:, j], j], shadows[~inside[:, j], j]
        online.append(stats.norm.logpdf(target[j], a.mean(), a.std()) - stats.norm.logpdf(target[j], b.mean(), b.std()))
        fixed.append(stats.norm.logpdf(target[j], a.mean(), wide[0]) - stats.norm.logpdf(target[j], b.mean(), wide[1]))
        offline.append(stats.norm.logcdf(target[j], b.mean(), b.std()))
    logits = rng.normal(0, 3, (4, 3)).round(3)
    y = rng.integers(0, 3, 4)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    confidence = [np.log(p[i, c]) - np.log(np.delete(p[i], c).sum()) for i, c in enumerate(y)]
    reference = stats.skewnorm.rvs(4, 20, 3, 300, random_state=1).round(3)
    mean, sd, skew = reference.mean(), reference.std(), stats.skew(reference)
    m = np.abs(skew) ** (2 / 3)
    d = np.sign(skew) * np.sqrt(np.pi / 2 * m / (m + ((4 - np.pi) / 2) ** (2 / 3)))
    shape, scale = d / np.sqrt(1 - d * d), sd / np.sqrt(1 - 2 * d * d / np.pi)
    place = mean - scale * d * np.sqrt(2 / np.pi)
    canaries = [21.0, 19.0, 17.5, 16.0]
    mpmath.mp.dps = 40

    def exposure(x):
        f = lambda t: 2 * mpmath.npdf(t) * mpmath.ncdf(mpmath.mpf(shape) * t)
        z = mpmath.mpf((x - place) / scale)
        return float(-mpmath.log(mpmath.quad(f, [z - 20, z - 5, z - 1, z]), 2))

    return {
        "members": members.tolist(),
        "others": others.tolist(),
        "auc": float(roc_auc_score(truth, scores)),
        "advantage": float((tpr - fpr).max()),
        "tpr": at,
        "shadows": shadows.round(3).tolist(),
        "inside": inside.tolist(),
        "target": target.tolist(),
        "online": online,
        "online_fixed": fixed,
        "offline": offline,
        "logits": logits.tolist(),
        "y": y.tolist(),
        "confidence": confidence,
        "reference": reference.tolist(),
        "canaries": canaries,
        "exposure": [exposure(x) for x in canaries],
    }


if __name__ == "__main__":
    torch.manual_seed(0)
    data = {
        "accountants": accountants(),
        "ends": ends(),
        "noises": noises(),
        "gaussian": gaussian(),
        "gradients": gradients(),
        "audits": audits(),
    }
    path = pathlib.Path(__file__).with_name("privacy.json")
    path.write_text(json.dumps(data, separators=(",", ":")) + "\n")
    print(path.stat().st_size)
