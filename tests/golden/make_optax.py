"""Writes `optax.safetensors`: sixty steps of the optimizers that `optax` has and PyTorch has not, on one small network.

    pip install jax==0.10.2 optax==0.2.8 numpy==2.4.6
    python make_optax.py [--seed N]
"""

import argparse
import pathlib
import sys

sys.dont_write_bytecode = True

import jax
import jax.numpy as jnp
import numpy as np
import optax

from recorder import NETWORK, SEED, Family, problem

STEPS = 60
KEPT = (1, 2, 7, 60)
SETTINGS = {
    "lamb": [
        {"learning_rate": 0.01},
        {"learning_rate": 0.02, "weight_decay": 0.1},
        {"learning_rate": 0.01, "b1": 0.8, "b2": 0.95, "eps": 1e-3, "weight_decay": 0.01, "matrices": True},
    ],
    "lars": [
        {"learning_rate": 1.0},
        {"learning_rate": 2.0, "weight_decay": 0.05, "momentum": 0.8, "nesterov": True},
        {"learning_rate": 0.1, "trust_coefficient": 0.05, "eps": 0.01, "momentum": 0.5, "matrices": True},
    ],
    "lion": [
        {"learning_rate": 1e-3, "weight_decay": 0.0},
        {"learning_rate": 2e-3, "weight_decay": 0.1, "b1": 0.8, "b2": 0.95},
        {"learning_rate": 1e-3},
    ],
}


def optimizer(name, settings):
    settings = dict(settings)
    if settings.pop("matrices", False):
        matrices = lambda tree: {name: x.ndim >= 2 for name, x in tree.items()}
        settings |= {"lamb": {"mask": matrices}, "lars": {"trust_ratio_mask": matrices}}[name]
    return getattr(optax, name)(**settings)


def cases(f):
    f.sums = True
    # Shared by every case.
    x, y, start = problem(f)

    def loss_of(p, x, y):
        hidden = jnp.tanh(x @ p["0.weight"].T + p["0.bias"])
        return jnp.mean((hidden @ p["2.weight"].T + p["2.bias"] - y) ** 2)

    def train(name, settings):
        opt = optimizer(name, settings)

        @jax.jit
        def step(p, state, x, y):
            loss, grads = jax.value_and_grad(loss_of)(p, x, y)
            updates, state = opt.update(grads, state, p)
            return optax.apply_updates(p, updates), state, loss

        def run(arrays, dtype):
            tx, ty, *values = (jnp.asarray(a, dtype=dtype) for a in arrays)
            p = dict(zip(NETWORK, values))
            state = opt.init(p)
            kept, losses = {name: [] for name in NETWORK}, []
            for number in range(1, STEPS + 1):
                p, state, loss = step(p, state, tx, ty)
                losses.append(loss)
                if number in KEPT:
                    for name in NETWORK:
                        kept[name].append(np.asarray(p[name]))
            found = {f"param.{name}": np.stack(history) for name, history in kept.items()}
            found |= {"losses": np.array(losses)}
            assert all(array.dtype == dtype for array in found.values())
            return found

        return run

    for name, all_settings in SETTINGS.items():
        for settings in all_settings:
            label = "_".join(f"{k}{v}" for k, v in settings.items())
            case = {"id": f"{name}/{label}", "op": name, "steps": KEPT, "attrs": settings}
            f.record(case, runs=f.runs(case["id"], train(name, settings), [x, y, *start.values()]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", "cpu")
    family = Family("optax", arguments.seed)
    family.versions = {"jax": jax.__version__, "optax": optax.__version__}
    cases(family)
    path = family.write(pathlib.Path(__file__).resolve().parent)
    print(f"{len(family.cases)} cases, {path.stat().st_size / 1024:.1f} KiB")


if __name__ == "__main__":
    main()
