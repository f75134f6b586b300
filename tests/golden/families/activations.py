"""Activation functions: exact kinks, wide inputs, and the settings of each."""

import torch
import torch.nn.functional as F

from recorder import normal, values

INF, NAN = float("inf"), float("nan")


def cases(f):
    plain = normal(3, 5, scale=2.0)
    wide = values(-80.0, -30.0, -12.5, -6.0, -3.0, -1.0, -1e-3, -1e-6, 1e-6, 1e-3, 1.0, 3.0, 6.0, 12.5, 30.0, 80.0)
    kinks = values(-3.0, -2.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 2.0, 3.0, 6.0)
    infinite = values(INF, -INF, NAN)

    def each(op, run, limits=True, **attrs):
        suffix = "".join(f"_{v:.3g}" for v in attrs.values())
        draws = {"plain": plain, "wide": wide, "kinks": kinks}
        if limits:
            draws["infinite"] = infinite
        for label, draw in draws.items():
            f.case(op, label + suffix, run, [draw], **attrs)

    each("relu", F.relu)
    for slope in (0.01, 0.3, 0.0):
        each("leaky_relu", F.leaky_relu, negative_slope=slope)
    for alpha in (1.0, 0.5, 2.0):
        each("elu", F.elu, alpha=alpha)
    each("selu", F.selu)
    # At an infinity x·Φ(x) is 0·∞ in some formulas; PyTorch's answers there are the limits or NaN by
    # accident of its code, so only finite inputs are references.
    each("gelu", F.gelu, limits=False)
    each("gelu_tanh", lambda x: F.gelu(x, approximate="tanh"), limits=False)
    each("silu", F.silu, limits=False)
    each("quick_gelu", lambda x: x * torch.sigmoid(1.702 * x), limits=False)
    each("mish", F.mish, limits=False)
    for beta, threshold in ((1.0, 20.0), (2.0, 20.0), (0.5, 5.0)):
        each("softplus", F.softplus, beta=beta, threshold=threshold)
    each("softsign", F.softsign, limits=False)
    for lo, hi in ((-1.0, 1.0), (-0.5, 2.0)):
        each("hardtanh", F.hardtanh, min_val=lo, max_val=hi)
    each("hardswish", F.hardswish, limits=False)
    # The gradient of F.hardsigmoid holds 1/6 as an f32 number, in f64 too.
    each("hardsigmoid", lambda x: torch.clamp(x + 3, 0, 6) / 6)
    each("relu6", F.relu6)
    each("sigmoid", torch.sigmoid)
    each("log_sigmoid", F.logsigmoid, limits=False)
    each("tanh", torch.tanh)

    large = values(1000.0, 1001.0, 1002.0, -500.0, -500.0, -500.0, 80.0, 0.0, -80.0, shape=(3, 3))
    masked = values(1.0, -INF, 2.0, -INF, 0.5, -INF, shape=(2, 3))
    for op, run in (("softmax", torch.softmax), ("log_softmax", torch.log_softmax)):
        for dim in (0, 1, 2, -1, -2):
            f.case(op, f"dim{dim}", run, [normal(2, 3, 4, scale=2.0)], dim=dim)
        f.case(op, "vector", run, [normal(7)], dim=0)
        f.case(op, "one_class", run, [normal(4, 1)], dim=1)
        f.case(op, "large", run, [large], dim=1)
        f.case(op, "long", run, [normal(2, 67, scale=3.0)], dim=-1)
    f.case("softmax", "minus_infinity", torch.softmax, [masked], dim=1)
    for dim in (0, 1, -1):
        f.case("glu", f"dim{dim}", F.glu, [normal(4, 6, 2)], dim=dim)
