"""Learning rates: what ReduceLROnPlateau leaves after each value of a fixed sequence, and curves over the steps."""

import numpy as np
import torch
import transformers

NAN, INF = float("nan"), float("inf")
DEFAULTS = {
    "mode": "min",
    "factor": 0.1,
    "patience": 10,
    "threshold": 1e-4,
    "threshold_mode": "rel",
    "cooldown": 0,
    "min_lr": 0.0,
    "eps": 1e-8,
}
SETTINGS = {
    "defaults": {},
    "patience0": {"patience": 0, "factor": 0.5},
    "patience2": {"patience": 2, "factor": 0.5},
    "cooldown": {"patience": 1, "factor": 0.5, "cooldown": 3},
    "min_lr": {"patience": 1, "factor": 0.3, "min_lr": 0.002},
    "min_lr_above": {"patience": 0, "factor": 0.5, "min_lr": 0.2},
    "relative_threshold": {"patience": 2, "factor": 0.5, "threshold": 0.05},
    "absolute_threshold": {"patience": 2, "factor": 0.5, "threshold": 0.05, "threshold_mode": "abs"},
    "max": {"patience": 2, "factor": 0.5, "mode": "max"},
    "max_absolute": {"patience": 2, "factor": 0.5, "mode": "max", "threshold": 0.05, "threshold_mode": "abs"},
    "eps": {"patience": 0, "factor": 0.5, "eps": 0.01},
}


# Rate 0.1, for steps 0 to 30. Cosine annealing ends after its period here; PyTorch's goes up again.
CURVES = {
    "StepLR/every7": ("StepLR", {"step_size": 7, "gamma": 0.3}),
    "StepLR/every1": ("StepLR", {"step_size": 1, "gamma": 0.9}),
    "CosineAnnealingLR/to_zero": ("CosineAnnealingLR", {"T_max": 30}),
    "CosineAnnealingLR/floor": ("CosineAnnealingLR", {"T_max": 30, "eta_min": 0.002}),
    # A warm-up of ten steps: from a tenth of the rate, by a tenth each.
    "LinearLR/warm_up": ("LinearLR", {"start_factor": 0.1, "total_iters": 9}),
    "LinearLR/defaults": ("LinearLR", {"start_factor": 1.0 / 3, "end_factor": 1.0, "total_iters": 5}),
    "LinearLR/down": ("LinearLR", {"start_factor": 1.0, "end_factor": 0.25, "total_iters": 20}),
    # Not to 0, which PyTorch, going step by step, misses by its rounding.
    "LinearLR/to_a_twentieth": ("LinearLR", {"start_factor": 0.7, "end_factor": 0.05, "total_iters": 25}),
}

# The same for the curves of the transformers library, whose warm-ups begin at 0.
WARM_UPS = {
    "get_cosine_schedule_with_warmup/5_of_31": {"num_warmup_steps": 5, "num_training_steps": 30},
    "get_cosine_schedule_with_warmup/none": {"num_warmup_steps": 0, "num_training_steps": 30},
    "get_cosine_schedule_with_warmup/5_of_30_cycles2": {
        "num_warmup_steps": 5,
        "num_training_steps": 30,
        "num_cycles": 2.0,
    },
    "get_cosine_schedule_with_warmup/30_cycles0.3": {"num_warmup_steps": 0, "num_training_steps": 30, "num_cycles": 0.3},
    "get_cosine_with_hard_restarts_schedule_with_warmup/5_of_29": {
        "num_warmup_steps": 5,
        "num_training_steps": 29,
        "num_cycles": 3,
    },
    "get_cosine_with_hard_restarts_schedule_with_warmup/21": {
        "num_warmup_steps": 0,
        "num_training_steps": 21,
        "num_cycles": 2,
    },
    "get_cosine_with_hard_restarts_schedule_with_warmup/one": {"num_warmup_steps": 2, "num_training_steps": 25},
    "get_linear_schedule_with_warmup/5_of_25": {"num_warmup_steps": 5, "num_training_steps": 25},
    "get_inverse_sqrt_schedule/5": {"num_warmup_steps": 5},
    "get_inverse_sqrt_schedule/5_scale_20": {"num_warmup_steps": 5, "timescale": 20},
    "get_constant_schedule_with_warmup/5": {"num_warmup_steps": 5},
}


def optimizer():
    # The learning rate is an f64 number in PyTorch, whatever the parameters are.
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)


def cases(f):
    rng = f.rng("sequences")
    epochs = np.arange(60)
    sequences = {
        # Falls, then only wanders; falls on again; NaN and infinity on the way.
        "plateaus": np.concatenate(
            [np.exp(-epochs[:15] / 4), np.exp(-15 / 4) + 0.02 * rng.uniform(-1, 1, 30), 0.01 * np.exp(-epochs[:15] / 4)]
        ),
        "constant": np.full(30, 0.5),
        "negative": -1.0 - 0.1 * np.sqrt(epochs[:40]) + 0.15 * rng.uniform(-1, 1, 40),
        "not_finite": np.array([1.0, 0.9, NAN, 0.8, NAN, NAN, NAN, 0.7, INF, INF, INF, 0.6, -INF, 0.5, 0.5, 0.5]),
    }
    for sequence, metrics in sequences.items():
        f.put(f"sequence.{sequence}", metrics)
        for label, settings in SETTINGS.items():
            options = {**DEFAULTS, **settings}
            opt = optimizer()
            schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(opt, **options)
            trace = []
            for value in metrics:
                schedule.step(float(value))
                trace.append(opt.param_groups[0]["lr"])
            case = {
                "id": f"ReduceLROnPlateau/{sequence}_{label}",
                "op": "ReduceLROnPlateau",
                "attrs": {"lr": 0.1, "sequence": sequence, **options},
            }
            f.record(case, {"lr": np.array(trace)})

    curves = [(case_id, op, getattr(torch.optim.lr_scheduler, op), attrs) for case_id, (op, attrs) in CURVES.items()]
    for case_id, attrs in WARM_UPS.items():
        op = case_id.split("/")[0]
        curves.append((case_id, op, getattr(transformers, op), attrs))
    for case_id, op, make, attrs in curves:
        opt = optimizer()
        schedule = make(opt, **attrs)
        trace = []
        for _ in range(31):
            trace.append(opt.param_groups[0]["lr"])
            opt.step()
            schedule.step()
        f.record({"id": case_id, "op": op, "attrs": {"lr": 0.1, **attrs}}, {"lr": np.array(trace)})
