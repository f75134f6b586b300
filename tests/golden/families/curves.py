"""Learning rates that depend on the step alone, for steps 0 to 60; the momentum, where it moves; two groups of parameters."""

import numpy as np
import torch
import transformers
from torch.optim import lr_scheduler

STEPS = 61
RATE = 0.1

CYCLE = {"base_lr": 0.01, "max_lr": 0.1}
SETTINGS = {
    "StepLR": [{"step_size": 7, "gamma": 0.3}, {"step_size": 1, "gamma": 0.95}, {"step_size": 100, "gamma": 0.1}],
    "MultiStepLR": [
        {"milestones": [5, 20, 21, 50], "gamma": 0.5},
        {"milestones": [10, 10, 30], "gamma": 0.3},
        {"milestones": [], "gamma": 0.1},
    ],
    "ExponentialLR": [{"gamma": 0.95}, {"gamma": 1.0}, {"gamma": 0.5}],
    "ConstantLR": [{"factor": 1.0 / 3, "total_iters": 5}, {"factor": 0.25, "total_iters": 40}, {"factor": 1.0, "total_iters": 3}],
    "LinearLR": [
        {"start_factor": 1.0 / 3, "end_factor": 1.0, "total_iters": 5},
        {"start_factor": 1.0, "end_factor": 0.2, "total_iters": 50},
        {"start_factor": 0.1, "end_factor": 0.9, "total_iters": 70},
    ],
    "PolynomialLR": [
        {"total_iters": 40, "power": 1.0},
        {"total_iters": 50, "power": 2.0},
        {"total_iters": 80, "power": 0.5},
    ],
    "CosineAnnealingLR": [{"T_max": 60}, {"T_max": 80, "eta_min": 0.01}],
    "CosineAnnealingWarmRestarts": [
        {"T_0": 10},
        {"T_0": 7, "T_mult": 2, "eta_min": 0.01},
        {"T_0": 1, "T_mult": 3},
    ],
    "OneCycleLR": [
        {"max_lr": 0.1, "total_steps": 60},
        {"max_lr": 0.1, "total_steps": 61, "pct_start": 0.1, "anneal_strategy": "linear", "div_factor": 10.0, "final_div_factor": 100.0},
        {"max_lr": 0.1, "total_steps": 61, "pct_start": 0.25, "three_phase": True, "base_momentum": 0.8, "max_momentum": 0.9},
        {"max_lr": 0.1, "total_steps": 61, "pct_start": 0.4, "three_phase": True, "anneal_strategy": "linear", "cycle_momentum": False},
        {"max_lr": 0.1, "total_steps": 61, "pct_start": 0.0},
        {"max_lr": 0.1, "total_steps": 61, "pct_start": 1.0, "cycle_momentum": False},
    ],
    "CyclicLR": [
        {**CYCLE, "step_size_up": 10},
        {**CYCLE, "step_size_up": 4, "step_size_down": 9, "mode": "triangular2"},
        {**CYCLE, "step_size_up": 7, "step_size_down": 5, "mode": "exp_range", "gamma": 0.97, "base_momentum": 0.7, "max_momentum": 0.95},
        {**CYCLE, "step_size_up": 1, "step_size_down": 1, "cycle_momentum": False},
        {**CYCLE, "step_size_up": 2000, "cycle_momentum": False},
    ],
    "LambdaLR": [{"lr_lambda": "0.95 ** t"}, {"lr_lambda": "1 / (1 + t)"}, {"lr_lambda": "(t + 1) / 5 if t < 5 else 1.0"}],
    "MultiplicativeLR": [{"lr_lambda": "0.95"}, {"lr_lambda": "0.5 if t % 7 == 0 else 1.02"}],
    "get_polynomial_decay_schedule_with_warmup": [
        {"num_warmup_steps": 5, "num_training_steps": 50, "lr_end": 0.01, "power": 2.0},
        {"num_warmup_steps": 0, "num_training_steps": 60, "lr_end": 1e-7, "power": 1.0},
    ],
}
# Parts with the number of steps after which the next one begins.
SEQUENCES = {
    "warm_up": [("LinearLR", {"start_factor": 0.1, "end_factor": 1.0, "total_iters": 9}), 10, ("ExponentialLR", {"gamma": 0.9})],
    "three": [
        ("ConstantLR", {"factor": 0.5, "total_iters": 30}),
        7,
        ("StepLR", {"step_size": 3, "gamma": 0.5}),
        25,
        ("PolynomialLR", {"total_iters": 20, "power": 1.0}),
    ],
}
PRODUCTS = {
    "two": [("ConstantLR", {"factor": 0.25, "total_iters": 20}), ("ExponentialLR", {"gamma": 0.95})],
    "three": [
        ("LinearLR", {"start_factor": 0.2, "end_factor": 1.0, "total_iters": 8}),
        ("StepLR", {"step_size": 10, "gamma": 0.5}),
        ("MultiStepLR", {"milestones": [15, 33], "gamma": 0.3}),
    ],
}


def trace(opt, schedule, of=lambda group: group["lr"]):
    found = []
    for _ in range(STEPS):
        found.append([[group["lr"], group["momentum"]] for group in opt.param_groups])
        if len(found) < STEPS and len(found) < getattr(schedule, "total_steps", STEPS):
            opt.step()
            schedule.step()
    return np.array(found)


def make(opt, name, settings):
    settings = dict(settings)
    if "lr_lambda" in settings:
        text = settings["lr_lambda"]
        settings["lr_lambda"] = lambda t: eval(text, {"t": t})
    return getattr(lr_scheduler, name, None)(opt, **settings) if hasattr(lr_scheduler, name) else getattr(transformers, name)(opt, **settings)


def optimizer(groups=1):
    parameters = [{"params": [torch.zeros(1, requires_grad=True)]} for _ in range(groups)]
    return torch.optim.SGD(parameters, lr=RATE, momentum=0.9)


def cases(f):
    def record(case_id, op, attrs, found):
        arrays = {"lr": found[:, 0, 0].copy()}
        if np.any(found[:, 0, 1] != 0.9):
            arrays["momentum"] = found[:, 0, 1].copy()
        if found.shape[1] > 1:
            arrays["group"] = found[:, 1, 0].copy()
        f.record({"id": case_id, "op": op, "attrs": {"lr": RATE, **attrs}}, arrays)

    for name, all_settings in SETTINGS.items():
        for number, settings in enumerate(all_settings):
            opt = optimizer()
            record(f"{name}/{number}", name, settings, trace(opt, make(opt, name, settings)))
    for label, parts in SEQUENCES.items():
        opt = optimizer()
        schedules = [make(opt, *part) for part in parts[::2]]
        schedule = lr_scheduler.SequentialLR(opt, schedules, milestones=parts[1::2])
        attrs = {"parts": [{"op": name, "attrs": settings} for name, settings in parts[::2]], "milestones": parts[1::2]}
        record(f"SequentialLR/{label}", "SequentialLR", attrs, trace(opt, schedule))
    for label, parts in PRODUCTS.items():
        opt = optimizer()
        schedule = lr_scheduler.ChainedScheduler([make(opt, *part) for part in parts])
        attrs = {"parts": [{"op": name, "attrs": settings} for name, settings in parts]}
        record(f"ChainedScheduler/{label}", "ChainedScheduler", attrs, trace(opt, schedule))
    opt = optimizer(2)
    schedule = lr_scheduler.LambdaLR(opt, [lambda t: 0.95**t, lambda t: 0.95**t * (0.0 if t < 10 else 0.1)])
    record("groups/late", "groups", {}, trace(opt, schedule))
