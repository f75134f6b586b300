"""Optimizers and schedules with hyper-parameters drawn at random, extreme ones among them: sixty steps on one small network.

    COUNT=10 python tests/golden/make_golden.py random_rules     # so many of each

Settings of which PyTorch's single and double precision are far apart, as where a rate makes the loss infinite, are drawn again.
"""

import os

import numpy as np
import torch
from torch.optim import lr_scheduler

from recorder import problem

from .optimizer_rules import STEPS, train

COUNT = int(os.environ.get("COUNT", 0))
KEPT = (3, 60)
# How many of each are kept in the file.
KEPT_RULES, KEPT_SCHEDULES = 3, 4


def settings(name, rng):
    """Options of an optimizer, each with its default in half of the draws."""
    one = lambda *of: of[rng.integers(len(of))]
    between = lambda lo, hi: float(f"{np.exp(rng.uniform(np.log(lo), np.log(hi))):.3g}")
    may = lambda p=0.5: bool(rng.random() < p)
    found = {}

    def option(key, draw, p=0.5):
        if may(p):
            found[key] = draw()

    betas = lambda: (one(0.0, 0.5, 0.8, 0.9, 0.99), one(0.0, 0.5, 0.9, 0.999, 0.9999))
    decay = lambda: one(0.0, 1e-4, 0.01, 0.3, 1.0)
    eps = lambda: one(1e-16, 1e-10, 1e-4, 0.1, 1.0)
    option("weight_decay", decay)
    if name in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "ASGD", "Adadelta", "Adamax", "NAdam", "RAdam", "Rprop", "Adafactor"):
        option("maximize", lambda: True, 0.2)
    rates = dict(SGD=(1e-4, 0.5), RMSprop=(1e-5, 0.05), Adagrad=(1e-4, 0.5), ASGD=(1e-4, 0.5), Adadelta=(1e-3, 5.0), Rprop=(1e-5, 0.02))
    rate = between(*rates.get(name, (1e-5, 0.1)))
    if name in ("Adam", "AdamW", "Adamax", "NAdam", "RAdam"):
        option("betas", betas)
        option("eps", eps)
    if name in ("Adam", "AdamW"):
        option("amsgrad", lambda: True)
    if name == "SGD":
        option("momentum", lambda: one(0.3, 0.9, 0.99, 0.999))
        if found.get("momentum"):
            if may():
                found["nesterov"] = True
            else:
                option("dampening", lambda: one(0.1, 0.5, 1.0))
    if name == "RMSprop":
        option("alpha", lambda: one(0.0, 0.5, 0.9, 0.999))
        option("eps", eps)
        option("momentum", lambda: one(0.3, 0.9))
        option("centered", lambda: True)
    if name == "Adagrad":
        option("lr_decay", lambda: one(0.01, 0.1, 1.0))
        option("eps", eps)
        option("initial_accumulator_value", lambda: one(0.01, 1.0))
    if name == "ASGD":
        option("lambd", lambda: one(0.0, 0.01, 0.3))
        option("alpha", lambda: one(0.0, 0.5, 1.0))
        option("t0", lambda: one(0.0, 3.0, 20.0))
    if name == "Adadelta":
        option("rho", lambda: one(0.0, 0.5, 0.99))
        option("eps", lambda: one(1e-8, 1e-3, 0.1))
    if name == "NAdam":
        option("momentum_decay", lambda: one(0.0, 0.1, 1.0))
    if name in ("NAdam", "RAdam"):
        option("decoupled_weight_decay", lambda: True)
    if name == "Rprop":
        found.pop("weight_decay", None)
        option("etas", lambda: (one(0.1, 0.5, 0.9), one(1.05, 1.2, 1.5)))
        found["step_sizes"] = (one(1e-8, 1e-5), one(1e-3, 0.01))
    if name == "Adafactor":
        option("beta2_decay", lambda: one(-0.3, -0.8, -1.0))
        option("eps", lambda: (one(1e-8, 1e-4, 1e-2), one(1e-3, 0.1)))
        option("d", lambda: one(1.0, 1.5, 3.0))
    if name == "Muon":
        option("momentum", lambda: one(0.0, 0.5, 0.99))
        option("nesterov", lambda: False)
        option("ns_steps", lambda: one(1, 3, 7))
        option("eps", lambda: one(1e-10, 0.1))
        option("adjust_lr_fn", lambda: one("match_rms_adamw", "spectral_unclamped"))
    return {"lr": rate} | found


NAMES = ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "ASGD", "Adadelta", "Adamax", "NAdam", "RAdam", "Rprop", "Adafactor", "Muon"]


def schedule(name, rng):
    one = lambda *of: of[rng.integers(len(of))]
    part = lambda: float(f"{rng.uniform(0.01, 1.0):.3g}")
    steps = lambda: one(1, 2, 7, 30, 59, 60, 61, 200)
    if name == "StepLR":
        return {"step_size": steps(), "gamma": one(part(), 1.0, 0.0)}
    if name == "MultiStepLR":
        return {"milestones": sorted(int(n) for n in rng.integers(0, 70, one(1, 3, 6))), "gamma": part()}
    if name == "ExponentialLR":
        return {"gamma": one(part(), 1.0, 0.999)}
    if name == "ConstantLR":
        return {"factor": one(part(), 1.0), "total_iters": steps()}
    if name == "LinearLR":
        return {"start_factor": part(), "end_factor": one(part(), 1.0, 0.0), "total_iters": steps()}
    if name == "PolynomialLR":
        return {"total_iters": steps(), "power": one(0.1, 0.5, 1.0, 2.5, 9.0)}
    if name == "CosineAnnealingLR":
        return {"T_max": one(60, 61, 200), "eta_min": one(0.0, 1e-4, 0.09)}
    if name == "CosineAnnealingWarmRestarts":
        return {"T_0": one(1, 2, 7, 60, 100), "T_mult": one(1, 2, 5), "eta_min": one(0.0, 1e-4, 0.09)}
    if name == "OneCycleLR":
        found = {"max_lr": 0.1, "total_steps": one(61, 62, 200), "pct_start": one(0.05, 0.3, 0.5, 0.95), "anneal_strategy": one("cos", "linear")}
        found |= {"div_factor": one(1.0, 10.0, 25.0), "final_div_factor": one(1.0, 1e4), "cycle_momentum": one(True, False)}
        return found | ({"three_phase": True, "pct_start": one(0.05, 0.3, 0.45)} if rng.random() < 0.4 else {})
    found = {"base_lr": one(0.0, 0.01), "max_lr": 0.1, "step_size_up": one(1, 3, 10, 100), "step_size_down": one(1, 4, 9, 100)}
    found |= {"mode": one("triangular", "triangular2", "exp_range"), "cycle_momentum": one(True, False)}
    return found | ({"gamma": one(0.5, 0.97, 1.0)} if found["mode"] == "exp_range" else {})


SCHEDULES = [
    *("StepLR", "MultiStepLR", "ExponentialLR", "ConstantLR", "LinearLR", "PolynomialLR", "CosineAnnealingLR"),
    *("CosineAnnealingWarmRestarts", "OneCycleLR", "CyclicLR"),
]


def cases(f):
    f.sums = True
    x, y, start = problem(f)

    def bounded(arrays, dtype, name, options):
        found = train(arrays, dtype, name, options, KEPT)
        assert np.isfinite(found["losses"]).all() and found["losses"].max() < 1e4, "the loss is beyond all bounds"
        return found

    refused = {}
    for name in NAMES:
        made, tries = 0, 0
        while made < (COUNT or KEPT_RULES) and tries < 200:
            tries += 1
            key = f"{name}/{tries}"
            options = settings(name, f.rng(key))
            before = set(f.tensors)
            try:
                case = {"id": key, "op": name, "steps": KEPT, "attrs": options}
                f.record(case, runs=f.runs(key, lambda arrays, dtype: bounded(arrays, dtype, name, options), [x, y, *start.values()]))
                made += 1
            except (AssertionError, ValueError) as e:
                torch.set_default_dtype(torch.float32)
                for key in set(f.tensors) - before:
                    del f.tensors[key]
                refused[name] = refused.get(name, 0) + 1
    if COUNT:
        print(refused)

    for name in SCHEDULES:
        for number in range(COUNT or KEPT_SCHEDULES):
            key = f"{name}/{number}"
            options = schedule(name, f.rng(key))
            opt = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)
            made = getattr(lr_scheduler, name)(opt, **options)
            rates = []
            for _ in range(STEPS + 1):
                rates.append([opt.param_groups[0]["lr"], opt.param_groups[0]["momentum"]])
                if len(rates) <= STEPS:
                    opt.step()
                    made.step()
            rates = np.array(rates)
            arrays = {"lr": rates[:, 0].copy()} | ({"momentum": rates[:, 1].copy()} if options.get("cycle_momentum") else {})
            f.record({"id": key, "op": name, "attrs": {"lr": 0.1, **options}}, arrays)
