"""Losses with every option, and the gradient of predictions and of float targets."""

import numpy as np
import torch
import torch.nn.functional as F

from recorder import exact, exactly, int_values, ints, normal, uniform, values

REDUCTIONS = ("mean", "sum", "none")


def simplex(rows, classes, *rest):
    """Probabilities over dimension 1, none of them small."""

    def draw(rng):
        p = rng.uniform(0.2, 1.0, (rows, classes, *rest))
        return (p / p.sum(axis=1, keepdims=True)).astype(np.float32)

    return draw


def cases(f):
    def regression(op, run, label="", prediction=normal(4, 3, scale=2.0), target=normal(4, 3), **attrs):
        for reduction in REDUCTIONS:
            f.case(op, f"{label}{reduction}", run, [prediction, target], reduction=reduction, **attrs)

    regression("mse", F.mse_loss)
    regression("mse", F.mse_loss, label="scalar_", prediction=normal(), target=normal())
    regression("mae", F.l1_loss)
    regression("mae", F.l1_loss, label="ties_", prediction=values(1.0, -2.0, 0.0), target=values(1.0, -2.5, -0.0))
    for delta in (1.0, 0.5, 2.5):
        regression("huber", F.huber_loss, label=f"delta{delta}_", delta=delta)
    regression(
        "huber",
        F.huber_loss,
        label="kinks_",
        prediction=values(1.0, -1.0, 0.0, 3.0, -3.0, 0.5),
        target=values(0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        delta=1.0,
    )

    weighted = {
        "mse": lambda x, y: F.mse_loss(x, y, reduction="none"),
        "mae": lambda x, y: F.l1_loss(x, y, reduction="none"),
        "huber": lambda x, y: F.huber_loss(x, y, reduction="none", delta=1.5),
    }
    reduce = {"mean": torch.mean, "sum": torch.sum, "none": lambda x: x}
    for op, each in weighted.items():
        for label, shape in (("elements", (4, 3)), ("examples", (4, 1))):
            for reduction in REDUCTIONS:
                run = lambda x, y, w, reduction, delta, each=each: reduce[reduction](each(x, y) * w)
                draws = [normal(4, 3, scale=2.0), normal(4, 3), uniform(0.0, 2.0, *shape)]
                f.case(op, f"weight_{label}_{reduction}", run, draws, fixed=(2,), reduction=reduction, delta=1.5)

    def cross_entropy(label, logits, target, weight=None, **attrs):
        def run(x, t, *w, **attrs):
            return F.cross_entropy(x, t, weight=w[0] if w else None, **attrs)

        draws = [logits, target] + ([weight] if weight else [])
        for reduction in REDUCTIONS:
            f.case("cross_entropy", f"{label}_{reduction}", run, draws, fixed=(2,), reduction=reduction, **attrs)

    logits, classes, weight = normal(6, 4, scale=2.0), ints(0, 4, 6), uniform(0.2, 2.0, 4)
    some_ignored = int_values(0, 3, 2, 1, 2, 0)
    cross_entropy("indices", logits, classes)
    cross_entropy("large", values(1000.0, 999.0, -1000.0, 50.0, -50.0, 0.0, shape=(2, 3)), int_values(1, 0))
    cross_entropy("one_class", normal(3, 1), int_values(0, 0, 0))
    cross_entropy("vector", normal(4), lambda rng: np.array(2, dtype=np.int64))
    cross_entropy("positions", normal(2, 4, 3), ints(0, 4, 2, 3))
    cross_entropy("positions_weight", normal(2, 4, 3), ints(0, 4, 2, 3), weight, label_smoothing=0.1)
    cross_entropy("smoothing", logits, classes, label_smoothing=0.1)
    cross_entropy("smoothing1", logits, classes, label_smoothing=1.0)
    cross_entropy("weight", logits, classes, weight)
    cross_entropy("weight_smoothing", logits, classes, weight, label_smoothing=0.2)
    cross_entropy("ignore", logits, some_ignored, ignore_index=2)
    cross_entropy("ignore_default", logits, int_values(0, -100, 2, 1, -100, 0))
    cross_entropy("ignore_weight_smoothing", logits, some_ignored, weight, ignore_index=2, label_smoothing=0.2)
    cross_entropy("all_ignored", normal(2, 3), int_values(-100, -100))
    cross_entropy("probabilities", logits, simplex(6, 4))
    cross_entropy("probabilities_positions", normal(2, 4, 3), simplex(2, 4, 3))
    cross_entropy("probabilities_weight", logits, simplex(6, 4), weight)
    cross_entropy("probabilities_smoothing", logits, simplex(6, 4), label_smoothing=0.1)
    cross_entropy("probabilities_weight_smoothing", logits, simplex(6, 4), weight, label_smoothing=0.1)

    def classes_last(label, shape, target, weight=None, **options):
        """Logits [.., classes]: PyTorch wants the classes in dimension 1."""

        def run(x, t, *w, classes_last, **attrs):
            rows = t.reshape(-1, x.shape[-1]) if t.is_floating_point() else t.reshape(-1)
            loss = F.cross_entropy(x.reshape(-1, x.shape[-1]), rows, weight=w[0] if w else None, **attrs)
            return loss.reshape(x.shape[:-1]) if attrs["reduction"] == "none" else loss

        draws = [normal(*shape), target] + ([weight] if weight else [])
        for reduction in REDUCTIONS:
            name = f"classes_last_{label}_{reduction}"
            f.case("cross_entropy", name, run, draws, fixed=(2,), classes_last=True, reduction=reduction, **options)

    def last_simplex(*shape):
        def draw(rng):
            p = rng.uniform(0.2, 1.0, shape)
            return (p / p.sum(axis=-1, keepdims=True)).astype(np.float32)

        return draw

    tokens = lambda rng: np.array([[0, -100, 3], [2, 1, -100]], dtype=np.int64)
    classes_last("vector", (4,), lambda rng: np.array(2, dtype=np.int64))
    classes_last("matrix", (6, 4), ints(0, 4, 6))
    classes_last("tokens", (2, 3, 4), tokens)
    classes_last("cube", (2, 2, 3, 4), ints(0, 4, 2, 2, 3))
    classes_last("weight", (2, 3, 4), tokens, weight)
    classes_last("weight_smoothing", (2, 3, 4), tokens, weight, label_smoothing=0.1)
    classes_last("ignore", (2, 3, 4), ints(0, 4, 2, 3), ignore_index=1)
    classes_last("probabilities", (2, 3, 4), last_simplex(2, 3, 4))
    classes_last("probabilities_weight_smoothing", (2, 3, 4), last_simplex(2, 3, 4), weight, label_smoothing=0.1)

    probability = uniform(0.02, 0.98, 4, 3)
    label01 = exactly(lambda rng: rng.integers(0, 2, (4, 3)).astype(np.float32))
    soft = uniform(0.0, 1.0, 4, 3)
    per_column, per_element = uniform(0.2, 3.0, 3), uniform(0.2, 3.0, 4, 3)

    def bce(label, prediction, target, weight=None):
        def run(p, t, *w, reduction):
            return F.binary_cross_entropy(p, t, weight=w[0] if w else None, reduction=reduction)

        for reduction in REDUCTIONS:
            f.case(
                "bce",
                f"{label}_{reduction}",
                run,
                [prediction, target] + ([weight] if weight else []),
                fixed=(2,),
                reduction=reduction,
            )

    bce("labels", probability, label01)
    bce("soft", probability, soft)
    bce("weight", probability, label01, per_element)
    bce("weight_columns", probability, label01, per_column)

    def bce_with_logits(label, prediction, target, weight=None, pos_weight=None):
        """Inputs after the target: `weight` if has_weight, then `pos_weight` if has_pos_weight."""

        def run(x, t, *w, reduction, has_weight, has_pos_weight):
            return F.binary_cross_entropy_with_logits(
                x,
                t,
                weight=w[0] if has_weight else None,
                pos_weight=w[-1] if has_pos_weight else None,
                reduction=reduction,
            )

        draws = [prediction, target] + [w for w in (weight, pos_weight) if w]
        for reduction in REDUCTIONS:
            f.case(
                "bce_with_logits",
                f"{label}_{reduction}",
                run,
                draws,
                fixed=(2, 3),
                reduction=reduction,
                has_weight=weight is not None,
                has_pos_weight=pos_weight is not None,
            )

    bce_with_logits("labels", normal(4, 3, scale=3.0), label01)
    bce_with_logits("soft", normal(4, 3, scale=3.0), soft)
    bce_with_logits("wide", values(-80.0, -30.0, -5.0, 0.0, 5.0, 30.0, 80.0), values(0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0))
    bce_with_logits("weight", normal(4, 3, scale=3.0), label01, weight=per_element)
    bce_with_logits("pos_weight", normal(4, 3, scale=3.0), label01, pos_weight=per_column)
    bce_with_logits("both_weights", normal(4, 3, scale=3.0), soft, weight=per_column, pos_weight=per_column)

    def closed_form(op, label, prediction, target, formula):
        """Where PyTorch has no reference. `formula` gives the losses before the reduction, and their derivatives."""
        for reduction in REDUCTIONS:
            case_id = f"{op}/{label}_{reduction}"
            case = {"id": case_id, "op": op, "inputs": 2, "outputs": 1, "attrs": {"reduction": reduction}}
            rng = f.rng(case_id)
            draws = (prediction, target)
            arrays = [draw(rng) for draw in draws]
            shape = formula(*arrays)[0].shape if reduction == "none" else ()
            up = np.asarray(rng.uniform(0.5, 2.0, shape), dtype=np.float32)

            def run(arrays, dtype):
                p, y, u = (torch.from_numpy(a).to(dtype).numpy() for a in (*arrays, up))
                losses, slopes = formula(p, y)
                out = {"mean": losses.mean(), "sum": losses.sum(), "none": losses}[reduction]
                if reduction == "none":
                    u = u.reshape(u.shape + (1,) * (p.ndim - u.ndim))
                elif reduction == "mean":
                    u = u / p.dtype.type(losses.size)
                return {"out.0": np.asarray(out), "grad.0": np.asarray(u * slopes)}

            runs = f.runs(case_id, run, arrays, exact(draws))
            f.record(case, {"in.0": arrays[0], "in.1": arrays[1], "up.0": up}, runs)

    # H(y, p) = -Σ y·log p over the classes of a row. A term with y = 0 is 0, at p = 0 too, and so is its derivative.
    def cross_entropy_rows(p, y):
        safe = np.where(y == 0, np.ones_like(p), p)
        return -(y * np.log(safe)).sum(axis=1), -y / safe

    def from_probabilities(label, probabilities, target):
        closed_form("cross_entropy_from_probabilities", label, probabilities, target, cross_entropy_rows)

    from_probabilities("soft", simplex(5, 4), simplex(5, 4))
    from_probabilities("one_hot", simplex(4, 3), lambda rng: np.eye(3, dtype=np.float32)[rng.integers(0, 3, 4)])
    from_probabilities(
        "certain",
        values(1.0, 0.0, 0.0, 0.0, 0.25, 0.75, shape=(2, 3)),
        values(1.0, 0.0, 0.0, 0.0, 0.5, 0.5, shape=(2, 3)),
    )

    # F.binary_cross_entropy as its documentation and code have it. Its own gradient divides by 1e-12 as an f32 number, in
    # f64 too, so only its f32 run is a reference.
    def bce_elements(p, y):
        with np.errstate(divide="ignore"):
            log_p, log_q = np.maximum(np.log(p), -100), np.maximum(np.log1p(-p), -100)
        losses, slopes = -(y * log_p + (1 - y) * log_q), (p - y) / np.maximum(p * (1 - p), p.dtype.type(1e-12))
        if p.dtype == np.float32:
            t = torch.from_numpy(p.copy()).requires_grad_()
            out = F.binary_cross_entropy(t, torch.from_numpy(y), reduction="none")
            out.sum().backward()
            assert np.allclose(losses, out.detach().numpy(), 1e-6) and np.allclose(slopes, t.grad.numpy(), 1e-6)
        return losses, slopes

    closed_form("bce", "edges", values(0.0, 1.0, 0.0, 1.0), values(0.0, 1.0, 1.0, 0.0), bce_elements)
