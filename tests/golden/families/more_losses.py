"""Losses with every option, edge cases among them: PyTorch's where it has the loss, otherwise Keras' (or the paper's) formula written
out in PyTorch's operations, so that gradients follow. A `weight` that PyTorch's function does not take multiplies the losses."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from recorder import apart, away, exactly, int_values, ints, normal, uniform, values

REDUCTIONS = ("mean", "sum", "none")
INF = float("inf")


def reduced(losses, reduction):
    return {"mean": losses.mean, "sum": losses.sum, "none": lambda: losses}[reduction]()


def simplex(*shape):
    """Probabilities over the last dimension, none of them small."""

    def draw(rng):
        p = rng.uniform(0.2, 1.0, shape)
        return (p / p.sum(axis=-1, keepdims=True)).astype(np.float32)

    return draw


def labels(*shape, no=-1.0):
    return exactly(lambda rng: rng.choice([no, 1.0], shape).astype(np.float32))


def matrix(*rows):
    return lambda rng: np.array(rows, dtype=np.int64)


def cases(f):
    def theirs(op, label, function, draws, fixed=(), **attrs):
        """A function of PyTorch that knows reductions."""
        for reduction in REDUCTIONS:
            f.case(op, f"{label}_{reduction}", function, draws, fixed=fixed, reduction=reduction, **attrs)

    def formula(op, label, function, draws, fixed=(), **attrs):
        """A formula for the losses before the reduction."""

        def run(*x, reduction, **attrs):
            return reduced(function(*x, **attrs), reduction)

        theirs(op, label, run, draws, fixed, **attrs)

    def weighted(op, label, function, draws, weight, fixed=(), **attrs):
        """The same with weights, which are the last of the inputs."""

        def run(*x, has_weight, **attrs):
            return function(*x[:-1], **attrs) * x[-1]

        formula(op, label, run, [*draws, weight], (*fixed, len(draws)), has_weight=True, **attrs)

    def every(function):
        """A function of PyTorch as a formula."""
        return lambda *x, **attrs: function(*x, reduction="none", **attrs)

    numbers, targets = normal(4, 3, scale=2.0), normal(4, 3)
    per_element, per_column = uniform(0.2, 3.0, 4, 3), uniform(0.2, 3.0, 3)

    # Numbers
    for beta in (1.0, 0.5, 2.5, 0.0):
        theirs("smooth_l1", f"beta{beta}", F.smooth_l1_loss, [numbers, targets], beta=beta)
    theirs("smooth_l1", "kinks", F.smooth_l1_loss, [values(1.0, -1.0, 0.0, 3.0, -3.0, 0.5), values(*[0.0] * 6)], beta=1.0)
    theirs("smooth_l1", "scalar", F.smooth_l1_loss, [normal(), normal()], beta=1.0)
    weighted("smooth_l1", "weight", every(F.smooth_l1_loss), [numbers, targets], per_element, beta=1.0)

    def pinball(x, y, q):
        return torch.where(y > x, q * (y - x), (1 - q) * (x - y))

    for q in (0.5, 0.1, 0.9):
        formula("quantile", f"q{q}", pinball, [numbers, targets], q=q)
    weighted("quantile", "weight", pinball, [numbers, targets], per_column, q=0.75)

    def log_cosh(x, y):
        # The far form of Keras, and for small differences the series: Keras' own loses their digits.
        d = (x - y).abs()
        far = d + F.softplus(-2 * d, threshold=1e4) - math.log(2)
        near = torch.log1p(2 * torch.sinh(d.clamp(max=2.0) / 2) ** 2)
        return torch.where(d > 1.5, far, near)

    formula("log_cosh", "plain", log_cosh, [numbers, targets])
    formula("log_cosh", "small", log_cosh, [normal(4, 3, scale=1e-3), values(*[0.0] * 12, shape=(4, 3))])
    far = values(1e3, -1e3, 1e30, -1e30, 88.0, -200.0, 20.0, 1e-4, -1e-10, 2.0, 0.0, -0.5)
    formula("log_cosh", "far", log_cosh, [far, values(*[0.0] * 12)])
    weighted("log_cosh", "weight", log_cosh, [numbers, targets], per_element)

    def mape(x, y):
        return 100 * ((y - x) / y.abs().clamp(min=1e-7)).abs()

    formula("mape", "plain", mape, [numbers, away(0.2, 0.0, 3.0, 4, 3)])
    formula("mape", "zero", mape, [values(1.0, -2.0, 0.5), values(0.0, 0.0, 1.0)], (1,))
    weighted("mape", "weight", mape, [numbers, away(0.2, 0.0, 3.0, 4, 3)], per_element)

    def msle(x, y):
        return (torch.log(x.clamp(min=1e-7) + 1) - torch.log(y.clamp(min=1e-7) + 1)) ** 2

    formula("msle", "plain", msle, [uniform(0.1, 9.0, 4, 3), uniform(0.0, 99.0, 4, 3)])
    formula("msle", "edges", msle, [values(-1.0, 0.5, 1e6, 3.0), values(2.0, 0.0, 7.0, 1e9)], (1,))
    weighted("msle", "weight", msle, [uniform(0.1, 9.0, 4, 3), uniform(0.0, 99.0, 4, 3)], per_element)

    # Distributions of numbers
    counts = exactly(lambda rng: rng.poisson(3.0, (4, 3)).astype(np.float32))
    rates = uniform(0.2, 6.0, 4, 3)
    for full in (False, True):
        name = "full_" if full else ""
        theirs("poisson_nll", f"{name}log", F.poisson_nll_loss, [normal(4, 3), counts], (1,), log_input=True, full=full, eps=1e-8)
        theirs("poisson_nll", f"{name}mean", F.poisson_nll_loss, [rates, counts], (1,), log_input=False, full=full, eps=1e-8)
        zero = [values(0.0, 0.0, 2.0, 0.5, 1.0), values(0.0, 3.0, 0.0, 1.0, 1.5)]
        theirs("poisson_nll", f"{name}zero", F.poisson_nll_loss, zero, (1,), log_input=False, full=full, eps=1e-3)
    theirs("poisson_nll", "tiny_eps", F.poisson_nll_loss, [values(0.0, 0.0), values(0.0, 3.0)], (1,), log_input=False, full=False, eps=1e-8)
    theirs("poisson_nll", "targets", F.poisson_nll_loss, [normal(4, 3), rates], log_input=True, full=False, eps=1e-8)
    weighted("poisson_nll", "weight", every(F.poisson_nll_loss), [normal(4, 3), counts], per_element, (1,), log_input=True, full=False, eps=1e-8)

    for full in (False, True):
        name = "full_" if full else ""
        for label, var in (("each", uniform(0.2, 4.0, 4, 3)), ("row", uniform(0.2, 4.0, 4, 1)), ("vector", uniform(0.2, 4.0, 4))):
            theirs("gaussian_nll", f"{name}{label}", F.gaussian_nll_loss, [numbers, targets, var], full=full, eps=1e-6)
    theirs("gaussian_nll", "limited", F.gaussian_nll_loss, [normal(4), normal(4), values(0.0, 0.05, 0.1, 0.4)], full=False, eps=0.1)
    weighted("gaussian_nll", "weight", every(F.gaussian_nll_loss), [numbers, targets, uniform(0.2, 4.0, 4, 3)], per_element, full=True, eps=1e-6)

    # Distributions over classes
    def kl_div(x, y, reduction, log_target, batch_mean):
        return F.kl_div(x, y, reduction="batchmean" if batch_mean else reduction, log_target=log_target)

    log_p = lambda rng: np.log(simplex(4, 3)(rng))
    for batch_mean in (False, True):
        name = "batch_" if batch_mean else ""
        theirs("kl_div", f"{name}plain", kl_div, [log_p, simplex(4, 3)], log_target=False, batch_mean=batch_mean)
        theirs("kl_div", f"{name}logs", kl_div, [log_p, log_p], log_target=True, batch_mean=batch_mean)
        zeros = values(0.0, 1.0, 0.0, 0.25, 0.75, 0.0, shape=(2, 3))
        theirs("kl_div", f"{name}zeros", kl_div, [normal(2, 3), zeros], (1,), log_target=False, batch_mean=batch_mean)
    theirs("kl_div", "cube", kl_div, [normal(2, 3, 2), uniform(0.1, 1.0, 2, 3, 2)], log_target=False, batch_mean=True)
    theirs("kl_div", "impossible", kl_div, [values(-INF, -1.0), values(0.5, 0.5)], (1,), log_target=False, batch_mean=False)
    kl_elements = lambda x, y, log_target, batch_mean: F.kl_div(x, y, reduction="none", log_target=log_target)
    weighted("kl_div", "weight", kl_elements, [log_p, simplex(4, 3)], per_element, log_target=False, batch_mean=False)

    def jensen_shannon(p, q):
        m = (p + q) / 2
        part = lambda a: torch.where(a > 0, a * torch.log(torch.where(a > 0, a, 1.0) / torch.where(m > 0, m, 1.0)), 0.0)
        return (part(p) + part(q)).sum(-1) / 2

    formula("jensen_shannon", "plain", jensen_shannon, [simplex(4, 3), simplex(4, 3)])
    formula("jensen_shannon", "cube", jensen_shannon, [simplex(2, 3, 4), simplex(2, 3, 4)])
    hard = values(1.0, 0.0, 0.0, 0.0, 0.5, 0.5, 0.0, 0.75, 0.25, shape=(3, 3))
    formula("jensen_shannon", "zeros", jensen_shannon, [hard, values(0.0, 1.0, 0.0, 0.0, 0.5, 0.5, 0.5, 0.0, 0.5, shape=(3, 3))], (0, 1))
    formula("jensen_shannon", "to_zeros", jensen_shannon, [simplex(3, 3), hard], (1,))
    weighted("jensen_shannon", "weight", jensen_shannon, [simplex(4, 3), simplex(4, 3)], uniform(0.2, 3.0, 4))

    # Probabilities of classes and their logarithms
    def nll(x, t, *w, ignore_index=-100, reduction):
        return F.nll_loss(x, t, weight=w[0] if w else None, ignore_index=ignore_index, reduction=reduction)

    logs, classes, weight = normal(6, 4), ints(0, 4, 6), uniform(0.2, 2.0, 4)
    some = int_values(0, 3, 2, 1, 2, 0)
    theirs("nll", "plain", nll, [logs, classes])
    theirs("nll", "weight", nll, [logs, classes, weight], (2,))
    theirs("nll", "ignore", nll, [logs, some], ignore_index=2)
    theirs("nll", "ignore_default", nll, [logs, int_values(0, -100, 2, 1, -100, 0)])
    theirs("nll", "ignore_weight", nll, [logs, some, weight], (2,), ignore_index=2)
    theirs("nll", "all_ignored", nll, [normal(2, 3), int_values(-100, -100)])
    theirs("nll", "positions", nll, [normal(2, 4, 3), ints(0, 4, 2, 3)])
    theirs("nll", "vector", nll, [normal(4), lambda rng: np.array(2, dtype=np.int64)])
    theirs("nll", "impossible", nll, [values(-INF, -1.0, -0.5, -2.0, shape=(2, 2)), int_values(0, 1)])

    def clipped(p):
        eps = torch.finfo(p.dtype).eps
        return p.clamp(eps, 1 - eps)

    def log_loss_yes(p, y, label_smoothing=0.0):
        p, y = clipped(p), y * (1 - label_smoothing) + label_smoothing / 2
        return -(y * torch.log(p) + (1 - y) * torch.log1p(-p))

    def log_loss_classes(p, t, label_smoothing=0.0):
        y = F.one_hot(t, p.shape[-1]).to(p.dtype) * (1 - label_smoothing) + label_smoothing / p.shape[-1]
        return -(y * torch.log(clipped(p))).sum(-1)

    for label, smoothing in (("", {}), ("smooth_", {"label_smoothing": 0.1})):
        formula("log_loss", f"{label}yes", log_loss_yes, [uniform(0.02, 0.98, 4, 3), labels(4, 3, no=0.0)], (1,), **smoothing)
        formula("log_loss", f"{label}classes", log_loss_classes, [simplex(5, 3), ints(0, 3, 5)], **smoothing)
        formula("log_loss", f"{label}cube", log_loss_classes, [simplex(2, 5, 3), ints(0, 3, 2, 5)], **smoothing)
    formula("log_loss", "vector", log_loss_classes, [simplex(3), lambda rng: np.array(2, dtype=np.int64)])
    formula("log_loss", "soft", log_loss_yes, [uniform(0.02, 0.98, 4, 3), uniform(0.0, 1.0, 4, 3)])
    weighted("log_loss", "weight", log_loss_classes, [simplex(5, 3), ints(0, 3, 5)], uniform(0.2, 2.0, 5))

    # Margins
    scores, signs = normal(4, 3, scale=1.5), labels(4, 3)
    kinks = [values(1.0, -1.0, 0.0, 1.0, 3.0), values(1.0, -1.0, 1.0, -1.0, 1.0)]

    def hinge(x, y):
        return (1 - y * x).clamp(min=0)

    def squared_hinge(x, y):
        return hinge(x, y) ** 2

    for op, run in (("hinge", hinge), ("squared_hinge", squared_hinge)):
        formula(op, "plain", run, [scores, signs], (1,))
        formula(op, "kinks", run, kinks, (1,))
        formula(op, "zero_one", lambda x, y, run=run: run(x, 2 * y - 1), [scores, labels(4, 3, no=0.0)], (1,))
        formula(op, "integers", lambda x, y, run=run: run(x, y.to(x.dtype)), [normal(5), int_values(1, -1, -1, 1, 1)])
        weighted(op, "weight", run, [scores, signs], per_element, (1,))
    theirs("soft_margin", "plain", F.soft_margin_loss, [scores, signs], (1,))
    theirs("soft_margin", "wide", lambda x, y, reduction: reduced(-F.logsigmoid(x * y), reduction), [values(80.0, -80.0, 1e4, -1e4, 0.0), values(1.0, 1.0, 1.0, 1.0, -1.0)], (1,))
    weighted("soft_margin", "weight", every(F.soft_margin_loss), [scores, signs], per_column, (1,))
    for margin in (1.0, 0.4):
        theirs("hinge_embedding", f"margin{margin}", F.hinge_embedding_loss, [uniform(0.0, 2.0, 4, 3), signs], (1,), margin=margin)
    theirs("hinge_embedding", "kinks", F.hinge_embedding_loss, kinks, (1,), margin=1.0)
    weighted("hinge_embedding", "weight", every(F.hinge_embedding_loss), [uniform(0.0, 2.0, 4, 3), signs], per_element, (1,), margin=1.0)

    def categorical_hinge(x, t):
        y = t if t.is_floating_point() else F.one_hot(t, x.shape[-1]).to(x.dtype)
        return ((1 - y) * x).amax(-1).sub((y * x).sum(-1)).add(1).clamp(min=0)

    formula("categorical_hinge", "classes", categorical_hinge, [normal(5, 4), ints(0, 4, 5)])
    formula("categorical_hinge", "one_hot", categorical_hinge, [normal(4, 4), exactly(lambda rng: np.eye(4, dtype=np.float32)[rng.permutation(4)])], (1,))
    formula("categorical_hinge", "cube", categorical_hinge, [normal(2, 3, 4), ints(0, 4, 2, 3)])
    formula("categorical_hinge", "all_lower", categorical_hinge, [values(2.0, -1.0, -3.0, -0.25, -1.0, -2.0, shape=(2, 3)), int_values(0, 0)])
    weighted("categorical_hinge", "weight", categorical_hinge, [normal(5, 4), ints(0, 4, 5)], uniform(0.2, 2.0, 5))

    def multi_margin(x, t, *w, p, margin, reduction):
        return F.multi_margin_loss(x, t, p=p, margin=margin, weight=w[0] if w else None, reduction=reduction)

    for p in (1, 2):
        for margin in (1.0, 0.3):
            theirs("multi_margin", f"p{p}_margin{margin}", multi_margin, [apart(5, 4), ints(0, 4, 5)], p=p, margin=margin)
        theirs("multi_margin", f"p{p}_weight", multi_margin, [apart(5, 4), ints(0, 4, 5), weight], (2,), p=p, margin=1.0)
    theirs("multi_margin", "vector", multi_margin, [apart(4), lambda rng: np.array(2, dtype=np.int64)], p=1, margin=1.0)

    lists = matrix([3, 0, -1, 1], [1, 2, 3, 0], [-1, 0, 1, 2], [2, 2, 0, -1], [1, -1, -1, 3])
    theirs("multi_label_margin", "lists", F.multilabel_margin_loss, [apart(5, 4), lists])
    theirs("multi_label_margin", "none", F.multilabel_margin_loss, [apart(2, 3), matrix([-1, 0, 0], [-1, -1, -1])])
    theirs("multi_label_margin", "vector", F.multilabel_margin_loss, [apart(4), int_values(3, 0, -1, 1)])
    weighted("multi_label_margin", "weight", every(F.multilabel_margin_loss), [apart(5, 4), lists], uniform(0.2, 2.0, 5))

    def multi_label_soft_margin(x, y, *w, reduction):
        return F.multilabel_soft_margin_loss(x, y, weight=w[0] if w else None, reduction=reduction)

    yes = labels(4, 3, no=0.0)
    theirs("multi_label_soft_margin", "plain", multi_label_soft_margin, [normal(4, 3, scale=3.0), yes], (1,))
    theirs("multi_label_soft_margin", "cube", multi_label_soft_margin, [normal(2, 4, 3), uniform(0.0, 1.0, 2, 4, 3)])
    theirs("multi_label_soft_margin", "weight", multi_label_soft_margin, [normal(4, 3), yes, per_column], (1, 2))

    # Focal losses: torchvision's formula, and the paper's, with 1 - p as a sigmoid of its own.
    def binary_focal(x, y, alpha, gamma):
        wrong = y * torch.sigmoid(-x) + (1 - y) * torch.sigmoid(x)
        losses = -(y * F.logsigmoid(x) + (1 - y) * F.logsigmoid(-x))
        losses = losses * wrong**gamma if gamma else losses
        return losses if alpha is None else losses * (alpha * y + (1 - alpha) * (1 - y))

    logits = normal(4, 3, scale=2.0)
    for alpha, gamma in ((0.25, 2.0), (None, 2.0), (0.6, 0.0), (None, 0.5), (0.25, 3.5)):
        formula("binary_focal", f"alpha{alpha}_gamma{gamma}", binary_focal, [logits, yes], (1,), alpha=alpha, gamma=gamma)
    formula("binary_focal", "soft", binary_focal, [logits, uniform(0.0, 1.0, 4, 3)], alpha=0.25, gamma=2.0)
    formula("binary_focal", "wide", binary_focal, [values(-80.0, 30.0, 1e3, -1e3, 0.0, 50.0), values(1.0, 0.0, 0.0, 1.0, 1.0, 1.0)], (1,), alpha=0.25, gamma=2.0)
    weighted("binary_focal", "weight", binary_focal, [logits, yes], per_element, (1,), alpha=0.25, gamma=2.0)

    def from_probabilities(p, y, alpha, gamma, from_probabilities):
        log_p, log_q = torch.log(p).clamp(min=-100), torch.log1p(-p).clamp(min=-100)
        return -(alpha * y * (1 - p) ** gamma * log_p + (1 - alpha) * (1 - y) * p**gamma * log_q)

    formula("binary_focal", "probabilities", from_probabilities, [uniform(0.02, 0.98, 4, 3), yes], (1,), alpha=0.25, gamma=2.0, from_probabilities=True)
    ends = [values(0.0, 1.0, 0.0, 1.0), values(1.0, 0.0, 0.0, 1.0)]
    formula("binary_focal", "certain", from_probabilities, ends, (0, 1), alpha=0.25, gamma=2.0, from_probabilities=True)

    def focal(x, t, *w, gamma, ignore_index=-100, reduction):
        losses = F.cross_entropy(x, t, ignore_index=ignore_index, reduction="none")
        losses = losses * (-torch.expm1(-losses)) ** gamma if gamma else losses
        counts = t != ignore_index
        if w:
            losses = losses * w[0][t.clamp(min=0)] * counts
        return losses.sum() / counts.sum() if reduction == "mean" else reduced(losses, reduction)

    for gamma in (2.0, 0.0, 3.5):
        theirs("focal", f"gamma{gamma}", focal, [normal(6, 4, scale=2.0), classes], gamma=gamma)
    theirs("focal", "weight", focal, [normal(6, 4, scale=2.0), classes, weight], (2,), gamma=2.0)
    theirs("focal", "ignore", focal, [normal(6, 4), int_values(0, -100, 2, 1, -100, 0)], gamma=2.0)
    theirs("focal", "ignore_weight", focal, [normal(6, 4), some, weight], (2,), gamma=2.0, ignore_index=2)
    theirs("focal", "positions", focal, [normal(2, 4, 3), ints(0, 4, 2, 3)], gamma=2.0)
    theirs("focal", "wide", focal, [values(1000.0, 0.0, -1000.0, -50.0, 0.0, 50.0, shape=(2, 3)), int_values(2, 0)], gamma=2.0)

    # Regions: Keras' formulas, over all of a batch or each example
    def dice(p, y, apart, smooth):
        dims = tuple(range(apart, p.ndim))
        return 1 - (2 * (p * y).sum(dims) + smooth) / (p.sum(dims) + y.sum(dims) + smooth)

    def tversky(p, y, apart, smooth, alpha, beta):
        dims = tuple(range(apart, p.ndim))
        both = (p * y).sum(dims)
        found, missed = (p * (1 - y)).sum(dims), ((1 - p) * y).sum(dims)
        return 1 - (both + smooth) / (both + alpha * found + beta * missed + smooth)

    masks = exactly(lambda rng: rng.integers(0, 2, (2, 3, 4)).astype(np.float32))
    soft = uniform(0.02, 0.98, 2, 3, 4)
    for apart_dims in (0, 1, 2):
        for smooth in (1e-7, 1.0):
            options = {"apart": apart_dims, "smooth": smooth}
            formula("dice", f"apart{apart_dims}_smooth{smooth}", dice, [soft, masks], (1,), **options)
            formula("tversky", f"apart{apart_dims}_smooth{smooth}", tversky, [soft, masks], (1,), alpha=0.3, beta=0.7, **options)
    formula("dice", "soft", dice, [soft, uniform(0.0, 1.0, 2, 3, 4)], apart=1, smooth=1e-7)
    nothing = values(*[0.0] * 4, shape=(1, 4))
    formula("dice", "nothing", dice, [nothing, nothing], (1,), apart=1, smooth=1.0)
    formula("tversky", "nothing", tversky, [nothing, nothing], (1,), apart=1, smooth=1.0, alpha=0.5, beta=0.5)
    weighted("dice", "weight", dice, [soft, masks], uniform(0.2, 2.0, 2), (1,), apart=1, smooth=1e-7)
    weighted("tversky", "weight", tversky, [soft, masks], uniform(0.2, 2.0, 2, 3), (1,), apart=2, smooth=1e-7, alpha=0.3, beta=0.7)

    # Pairs and triplets
    a, b, c = normal(5, 4), normal(5, 4), normal(5, 4)
    for margin in (0.0, 0.3, -0.5):
        theirs("cosine_embedding", f"margin{margin}", F.cosine_embedding_loss, [a, b, labels(5)], (2,), margin=margin)
    theirs("cosine_embedding", "vector", F.cosine_embedding_loss, [normal(4), normal(4), labels()], (2,), margin=0.0)
    zero = values(0.0, 0.0, 1.0, 2.0, shape=(2, 2))
    theirs("cosine_embedding", "zero", F.cosine_embedding_loss, [zero, normal(2, 2), values(1.0, 1.0)], (0, 1, 2), margin=0.0)
    weighted("cosine_embedding", "weight", every(F.cosine_embedding_loss), [a, b, labels(5)], uniform(0.2, 2.0, 5), (2,), margin=0.1)

    for margin in (0.0, 0.5):
        theirs("margin_ranking", f"margin{margin}", F.margin_ranking_loss, [scores, normal(4, 3), signs], (2,), margin=margin)
    theirs("margin_ranking", "ties", F.margin_ranking_loss, [values(1.0, 2.0, 3.0), values(1.0, 2.0, 2.5), values(1.0, -1.0, -1.0)], (2,), margin=0.0)
    weighted("margin_ranking", "weight", every(F.margin_ranking_loss), [scores, normal(4, 3), signs], per_element, (2,), margin=0.5)

    def contrastive(a, b, y, margin):
        d = F.pairwise_distance(a, b)
        return torch.where(y > 0, d, (margin - d).clamp(min=0)) ** 2 / 2

    for margin in (1.0, 4.0):
        formula("contrastive", f"margin{margin}", contrastive, [a, b, labels(5, no=0.0)], (2,), margin=margin)
    formula("contrastive", "vector", contrastive, [normal(4), normal(4), labels()], (2,), margin=3.0)
    same = values(1.0, 2.0, -1.0, 0.5, shape=(2, 2))
    formula("contrastive", "same", contrastive, [same, same, values(1.0, 0.0)], (0, 1, 2), margin=1.0)
    weighted("contrastive", "weight", contrastive, [a, b, labels(5, no=0.0)], uniform(0.2, 2.0, 5), (2,), margin=3.0)

    for label, options in (("default", {}), ("margin", {"margin": 0.3}), ("p1", {"p": 1.0}), ("p3", {"p": 3.0}), ("swap", {"swap": True}), ("eps", {"eps": 0.01})):
        options = {"margin": 1.0, "p": 2.0, "eps": 1e-6, "swap": False} | options
        theirs("triplet", label, F.triplet_margin_loss, [a, b, c], **options)
    cube = [normal(2, 3, 4), normal(2, 3, 4), normal(2, 3, 4)]
    theirs("triplet", "cube", F.triplet_margin_loss, cube, margin=1.0, p=2.0, eps=1e-6, swap=True)
    theirs("triplet", "vector", F.triplet_margin_loss, [normal(4), normal(4), normal(4)], margin=5.0, p=2.0, eps=1e-6, swap=False)
    weighted("triplet", "weight", every(F.triplet_margin_loss), [a, b, c], uniform(0.2, 2.0, 5), margin=1.0, p=2.0, eps=1e-6, swap=False)

    def with_distance(a, p, n, margin, swap, squared_distance, reduction):
        squared = lambda a, b: ((a - b) ** 2).sum(-1)
        return F.triplet_margin_with_distance_loss(
            a, p, n, distance_function=squared, margin=margin, swap=swap, reduction=reduction
        )

    for swap in (False, True):
        theirs("triplet", f"distance_swap{swap}", with_distance, [a, b, c], margin=2.0, swap=swap, squared_distance=True)

    def info_nce(q, k, *n, temperature, symmetric, reduction):
        unit = lambda x: F.normalize(x, dim=-1)
        if n:
            own = (unit(q) * unit(k)).sum(-1, keepdim=True)
            x = torch.cat([own, unit(q) @ unit(n[0]).T], 1)
            return F.cross_entropy(x / temperature, torch.zeros(len(x), dtype=torch.int64), reduction=reduction)
        x, t = unit(q) @ unit(k).T / temperature, torch.arange(len(q))
        there = F.cross_entropy(x, t, reduction=reduction)
        return (there + F.cross_entropy(x.T, t, reduction=reduction)) / 2 if symmetric else there

    for temperature in (0.1, 1.0):
        for symmetric in (False, True):
            theirs("info_nce", f"t{temperature}_symmetric{symmetric}", info_nce, [a, b], temperature=temperature, symmetric=symmetric)
    theirs("info_nce", "negatives", info_nce, [a, b, normal(7, 4)], temperature=0.5, symmetric=False)
    theirs("info_nce", "one", info_nce, [normal(1, 3), normal(1, 3)], (0, 1), temperature=0.5, symmetric=False)

    # CTC: PyTorch's gradient by log-probabilities has that of a log-softmax in it, so both go through one. Sequences are
    # [time, batch, classes] there.
    def ctc(x, targets, steps, labels, blank, zero_infinity, reduction, once):
        log_p = torch.log_softmax(x, -1)
        log_p = log_p.transpose(0, 1) if x.ndim == 3 else log_p
        steps, labels = (torch.tensor(n if x.ndim == 3 else n[0]) for n in (steps, labels))
        return F.ctc_loss(log_p, targets, steps, labels, blank=blank, reduction=reduction, zero_infinity=zero_infinity)

    def sequences(label, x, targets, steps, labels, blank=0, zero_infinity=False):
        theirs("ctc", label, ctc, [x, targets], steps=steps, labels=labels, blank=blank, zero_infinity=zero_infinity, once=True)

    sequences("padded", normal(3, 7, 5), matrix([1, 2, 3], [4, 1, 0], [2, 0, 0]), [7, 6, 5], [3, 2, 1])
    sequences("joined", normal(3, 7, 5), int_values(1, 2, 3, 4, 1, 2), [7, 6, 5], [3, 2, 1])
    sequences("repeated", normal(2, 8, 4), matrix([1, 1, 2, 2], [3, 3, 3, 0]), [8, 7], [4, 3])
    sequences("tight", normal(2, 4, 4), matrix([1, 2, 3, 1], [1, 1, 2, 0]), [4, 4], [4, 3])
    sequences("blank", normal(2, 6, 4), matrix([0, 1, 0], [2, 2, 1]), [6, 6], [3, 3], blank=3)
    sequences("empty_target", normal(2, 4, 3), matrix([1, 2], [0, 0]), [4, 3], [2, 0])
    sequences("no_targets", normal(2, 4, 3), lambda rng: np.zeros((2, 0), dtype=np.int64), [4, 4], [0, 0])
    sequences("too_long", normal(2, 3, 4), matrix([1, 1, 2], [1, 2, 3]), [3, 3], [3, 3], zero_infinity=True)
    sequences("single", normal(6, 4), int_values(1, 2, 2), [6], [3])
    sequences("long", normal(1, 60, 6), lambda rng: rng.integers(1, 6, (1, 20), dtype=np.int64), [60], [20])
    sequences("certain", normal(2, 5, 3, scale=20.0), matrix([1, 2], [2, 2]), [5, 5], [2, 2])

    # A critic: tanh of one layer, and a sum.
    def gradient_penalty(points, w1, b1, w2, reduction):
        x = points.detach().requires_grad_()
        scores = torch.tanh(x.flatten(1) @ w1.T + b1) @ w2.T
        slopes = torch.autograd.grad(scores.sum(), x, create_graph=True)[0]
        return ((slopes.flatten(1).norm(2, dim=1) - 1) ** 2).mean()

    weights = [normal(6, 4), normal(6), normal(1, 6)]
    f.case("gradient_penalty", "matrix", gradient_penalty, [normal(5, 4), *weights], fixed=(0,), reduction="mean")
    f.case("gradient_penalty", "pictures", gradient_penalty, [normal(3, 2, 2), *weights], fixed=(0,), reduction="mean")

    def wasserstein_critic(real, fake, w1, b1, w2, reduction):
        scores = lambda x: torch.tanh(x @ w1.T + b1) @ w2.T
        return scores(fake).mean() - scores(real).mean()

    f.case("wasserstein_critic", "without_penalty", wasserstein_critic, [normal(5, 4), normal(5, 4), *weights], fixed=(0, 1), reduction="mean")
