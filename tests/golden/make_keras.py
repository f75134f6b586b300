"""Writes `keras.safetensors`: what Keras has and PyTorch has not, or has otherwise: losses, layers, penalties, constraints, schedules,
and the spread of initial values and of noise.

    pip install keras==3.15.1 tensorflow-cpu==2.21.0 numpy==2.4.6
    python make_keras.py [--seed N]
"""

import argparse
import os
import pathlib
import sys

sys.dont_write_bytecode = True
os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}

import keras
import numpy as np
import tensorflow as tf

from recorder import SEED, Family, away, exact, exactly, normal, uniform, values

STEPS = 61


class Keras(Family):
    """Cases whose gradients TensorFlow takes."""

    sums = True

    def case(self, op, label, run, inputs, fixed=(), **attrs):
        case_id = f"{op}/{label}"
        rng = self.rng(case_id)
        arrays = [draw(rng) for draw in inputs]
        ups = []

        def compute(arrays, dtype):
            given = arrays[: len(inputs)]
            keras.config.set_floatx(np.dtype(dtype).name)
            tensors = [tf.constant(a, dtype=dtype if a.dtype.kind == "f" else None) for a in given]
            leaves = [i for i, a in enumerate(given) if a.dtype.kind == "f" and i not in fixed]
            with tf.GradientTape() as tape:
                for i in leaves:
                    tape.watch(tensors[i])
                out = run(*tensors, **attrs)
                out = list(out) if isinstance(out, (tuple, list)) else [out]
                if not ups:
                    drawn = self.rng(case_id + "#up")
                    ups.extend(away(0.5, 0.0, 1.5, *o.shape)(drawn) for o in out)
                sent = arrays[len(inputs) :] or ups
                total = tf.add_n([tf.reduce_sum(o * tf.constant(u, dtype=dtype)) for o, u in zip(out, sent)])
            found = {f"out.{k}": np.asarray(o) for k, o in enumerate(out)}
            grads = tape.gradient(total, [tensors[i] for i in leaves]) if leaves else []
            return found | {f"grad.{i}": np.asarray(g) for i, g in zip(leaves, grads) if g is not None}

        found = compute(arrays, np.float32)
        outputs = sum(name.startswith("out.") for name in found)
        if not any(name.startswith("grad.") for name in found):
            ups.clear()
        case = {"id": case_id, "op": op, "inputs": len(arrays), "outputs": outputs, "attrs": attrs}
        named = {f"in.{i}": a for i, a in enumerate(arrays)} | {f"up.{k}": u for k, u in enumerate(ups)}
        self.record(case, named, self.runs(case_id, compute, list(named.values()), exact(inputs), len(inputs)))


def labels(low, high, *shape):
    return exactly(lambda rng: rng.integers(low, high, shape).astype(np.float32))


def classes(n, *shape):
    """One-hot rows."""
    return exactly(lambda rng: np.eye(n, dtype=np.float32)[rng.integers(0, n, shape)])


def losses(f):
    theirs = {"mean": "sum_over_batch_size", "sum": "sum", "none": "none"}

    def loss(op, label, make, prediction, target, reductions=("mean",), **attrs):
        def run(x, y, reduction, **_):
            return make(reduction=theirs[reduction])(y, x)

        for reduction in reductions:
            f.case(op, f"{label}_{reduction}", run, [prediction, target], fixed=(1,), reduction=reduction, **attrs)

    of = keras.losses
    numbers, some = normal(4, 3, scale=2.0), normal(4, 3)

    # Keras' log 2 has the digits of single precision: the others are added.
    digits = np.float64(np.float32(np.log(2))) - np.log(2)
    log_cosh = lambda **o: lambda y, x: of.LogCosh(**o)(y, x) + tf.cast(digits, x.dtype)
    loss("log_cosh", "plain", log_cosh, numbers, some)
    loss("mape", "plain", of.MeanAbsolutePercentageError, numbers, away(0.2, 0.0, 3.0, 4, 3))
    loss("mape", "zero", of.MeanAbsolutePercentageError, values(1.0, -2.0, 0.5, shape=(1, 3)), values(0.0, 0.0, 1.0, shape=(1, 3)))
    loss("msle", "plain", of.MeanSquaredLogarithmicError, uniform(0.1, 9.0, 4, 3), uniform(0.0, 99.0, 4, 3))
    edges = values(-1.0, 0.5, 1e6, 3.0, shape=(1, 4)), values(2.0, 0.0, 7.0, 1e9, shape=(1, 4))
    loss("msle", "edges", of.MeanSquaredLogarithmicError, *edges)
    for label, target in (("signs", exactly(lambda rng: rng.choice([-1.0, 1.0], (4, 3)).astype(np.float32))), ("bits", labels(0, 2, 4, 3))):
        loss("hinge", label, of.Hinge, numbers, target)
        loss("squared_hinge", label, of.SquaredHinge, numbers, target)
    loss("categorical_hinge", "one_hot", of.CategoricalHinge, numbers, classes(3, 4), ("mean", "sum", "none"))
    loss("huber", "delta", lambda **o: of.Huber(0.7, **o), numbers, some, delta=0.7)
    loss("poisson_nll", "means", of.Poisson, uniform(0.2, 6.0, 4, 3), labels(0, 6, 4, 3), log_input=False, full=False, eps=1e-7)
    for alpha, gamma in ((0.25, 2.0), (0.6, 0.5)):
        make = lambda **o: of.BinaryFocalCrossentropy(True, alpha, gamma, from_logits=True, **o)
        loss("binary_focal", f"alpha{alpha}_gamma{gamma}", make, some, labels(0, 2, 4, 3), alpha=alpha, gamma=gamma)
    make = lambda **o: of.BinaryFocalCrossentropy(False, gamma=2.0, from_logits=True, **o)
    loss("binary_focal", "plain", make, some, labels(0, 2, 4, 3), alpha=None, gamma=2.0)
    for gamma in (2.0, 1.0):
        make = lambda **o: of.CategoricalFocalCrossentropy(1.0, gamma, from_logits=True, **o)
        loss("focal", f"gamma{gamma}", make, some, classes(3, 4), ("mean", "sum", "none"), gamma=gamma)
    soft, masks = uniform(0.02, 0.98, 2, 3, 4), labels(0, 2, 2, 3, 4)
    keras.config.set_epsilon(1e-30)
    loss("dice", "all", of.Dice, soft, masks, apart=0, smooth=1e-30)
    loss("dice", "examples", lambda **o: of.Dice(axis=(1, 2), **o), soft, masks, ("mean", "sum", "none"), apart=1, smooth=1e-30)
    for alpha, beta in ((0.5, 0.5), (0.3, 0.7)):
        # Its `alpha` is the factor of what was missed, and `beta` that of what was found in error: the other way round.
        make = lambda **o: of.Tversky(beta, alpha, axis=(1, 2), **o)
        loss("tversky", f"alpha{alpha}", make, soft, masks, ("mean", "none"), alpha=alpha, beta=beta, apart=1, smooth=1e-30)
    keras.config.set_epsilon(1e-7)


def layers(f):
    def call(layer, x, *weights):
        """A layer with these numbers in the place of its weights."""
        layer.build(tuple(x.shape))
        return layer.stateless_call(list(weights), [v.value for v in layer.non_trainable_variables], x)[0]

    turned = lambda x, *order: tf.transpose(x, order)

    def time_distributed(x, w, b):
        inner = keras.layers.Dense(w.shape[0], activation="tanh", dtype=x.dtype.name)
        return call(keras.layers.TimeDistributed(inner, dtype=x.dtype.name), x, turned(w, 1, 0), b)

    f.case("time_distributed", "dense", time_distributed, [normal(2, 5, 3), normal(4, 3), normal(4)])

    def time_distributed_conv(x, w, b):
        # Keras has the channels last.
        inner = keras.layers.Conv2D(w.shape[0], tuple(w.shape[2:]), dtype=x.dtype.name)
        y = call(keras.layers.TimeDistributed(inner, dtype=x.dtype.name), turned(x, 0, 1, 3, 4, 2), turned(w, 2, 3, 1, 0), b)
        return turned(y, 0, 1, 4, 2, 3)

    f.case("time_distributed", "conv", time_distributed_conv, [normal(2, 3, 2, 4, 5), normal(3, 2, 3, 2), normal(3)])

    def separable(x, w, p, b, stride, padding):
        layer = keras.layers.SeparableConv2D(p.shape[0], tuple(w.shape[2:]), stride, padding, dtype=x.dtype.name)
        y = call(layer, turned(x, 0, 2, 3, 1), turned(w, 2, 3, 0, 1), turned(p, 2, 3, 1, 0), b)
        return turned(y, 0, 3, 1, 2)

    for label, stride, padding, kernel in (("valid", 1, "valid", (3, 2)), ("stride", 2, "valid", (3, 3)), ("same", 1, "same", (3, 3))):
        draws = [normal(2, 3, 6, 7), normal(3, 1, *kernel), normal(5, 3, 1, 1), normal(5)]
        f.case("separable", label, separable, draws, stride=stride, padding=padding)

    def conv_lstm(films, w, b):
        hidden, channels = b.shape[0] // 4, films.shape[2]
        options = dict(padding="same", recurrent_activation="sigmoid", return_sequences=True, dtype=films.dtype.name)
        layer = keras.layers.ConvLSTM2D(hidden, tuple(w.shape[2:]), **options)
        kernel = turned(w, 2, 3, 1, 0)
        y = call(layer, turned(films, 0, 1, 3, 4, 2), kernel[:, :, :channels], kernel[:, :, channels:], b)
        return turned(y, 0, 1, 4, 2, 3)

    for label, kernel in (("square", (3, 3)), ("line", (1, 3))):
        f.case("conv_lstm", label, conv_lstm, [normal(2, 3, 3, 4, 5), normal(8, 5, *kernel, scale=0.5), normal(8)])

    def l1_l2(w, l1, l2):
        return keras.regularizers.L1L2(l1, l2)(w)

    f.case("l1_l2", "both", l1_l2, [away(0.1, 0.0, 2.0, 3, 4)], l1=0.25, l2=0.5)
    # Rows are ours, units in columns theirs.
    keras.config.set_epsilon(1e-30)
    f.case("unit_norm", "rows", lambda w: turned(keras.constraints.UnitNorm(0)(turned(w, 1, 0)), 1, 0), [normal(3, 4)], fixed=(0,))
    run = lambda w, most: turned(keras.constraints.MaxNorm(most, 0)(turned(w, 1, 0)), 1, 0)
    f.case("max_norm", "rows", run, [normal(5, 4)], fixed=(0,), most=2.0)
    keras.config.set_epsilon(1e-7)
    f.case("non_negative", "plain", lambda w: keras.constraints.NonNeg()(w), [normal(3, 4)], fixed=(0,))


def schedules(f):
    of = keras.optimizers.schedules
    made = {
        "cosine_restarts": [dict(first=7, factor=2, floor=0.1), dict(first=10, factor=1, floor=0.0), dict(first=1, factor=3, floor=0.0)],
        "polynomial": [dict(steps=40, floor=0.01, power=2.0), dict(steps=70, floor=0.0, power=0.5), dict(steps=20, floor=0.05, power=1.0)],
        "exponential": [dict(steps=10, factor=0.5, stairs=True), dict(steps=1, factor=0.9, stairs=False)],
        "inverse_time": [dict(steps=5, factor=0.5)],
        "milestones": [dict(at=[5, 20, 50], factor=0.5)],
        "cosine": [dict(steps=50, floor=0.2, warm_up=0), dict(steps=40, floor=0.1, warm_up=8)],
    }

    def schedule(op, first=None, factor=None, floor=0.0, steps=None, power=1.0, stairs=False, at=None, warm_up=0):
        if op == "cosine_restarts":
            return of.CosineDecayRestarts(0.1, first, float(factor), alpha=floor)
        if op == "polynomial":
            return of.PolynomialDecay(0.1, steps, floor, power)
        if op == "exponential":
            return of.ExponentialDecay(0.1, steps, factor, stairs)
        if op == "inverse_time":
            return of.InverseTimeDecay(0.1, steps, factor)
        if op == "milestones":
            # The step of a boundary still has the old rate there.
            return of.PiecewiseConstantDecay([n - 1 for n in at], [0.1 * factor**k for k in range(len(at) + 1)])
        if warm_up:
            return of.CosineDecay(0.0, steps, floor, warmup_target=0.1, warmup_steps=warm_up)
        return of.CosineDecay(0.1, steps, floor)

    for op, all_settings in made.items():
        for number, settings in enumerate(all_settings):

            def run(arrays, dtype, op=op, settings=settings):
                keras.config.set_floatx(np.dtype(dtype).name)
                rate = schedule(op, **settings)
                return {"lr": np.array([float(rate(tf.constant(t))) for t in range(STEPS)], dtype=dtype)}

            rates = run((), np.float64)["lr"]
            f.record({"id": f"schedule/{op}_{number}", "op": f"schedule.{op}", "attrs": settings}, {"lr": rates})


def spreads(f):
    """Mean, deviation and largest magnitude of many numbers."""
    of = keras.initializers
    seeded = dict(seed=1)
    makes = {
        "lecun_normal": of.LecunNormal(**seeded),
        "lecun_uniform": of.LecunUniform(**seeded),
        "he_normal": of.HeNormal(**seeded),
        "he_uniform": of.HeUniform(**seeded),
        "glorot_normal": of.GlorotNormal(**seeded),
        "glorot_uniform": of.GlorotUniform(**seeded),
        "scaling_out_normal": of.VarianceScaling(2.0, "fan_out", "untruncated_normal", **seeded),
        "scaling_average_uniform": of.VarianceScaling(0.5, "fan_avg", "uniform", **seeded),
        "scaling_in_truncated": of.VarianceScaling(1.5, "fan_in", "truncated_normal", **seeded),
    }
    keras.config.set_floatx("float32")
    drawn = {name: np.asarray(make((300, 500))) for name, make in makes.items()}
    noise = keras.layers.GaussianNoise(0.4, seed=1)(np.ones((300, 500), dtype=np.float32), training=True)
    drawn["gaussian_noise"] = np.asarray(noise) - 1
    for name, x in drawn.items():
        numbers = np.array([x.mean(), x.std(), np.abs(x).max()], dtype=np.float64)
        f.record({"id": f"spread/{name}", "op": f"spread.{name}", "attrs": {}}, {"numbers": numbers})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    family = Keras("keras", arguments.seed)
    family.versions = {"keras": keras.__version__, "tensorflow": tf.__version__}
    for cases in (losses, layers, schedules, spreads):
        cases(family)
    path = family.write(pathlib.Path(__file__).resolve().parent)
    print(f"{len(family.cases)} cases, {path.stat().st_size / 1024:.1f} KiB")


if __name__ == "__main__":
    main()
