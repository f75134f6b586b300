"""Linear algebra. Vectors of eigh and svd are defined up to their signs: their magnitudes are compared."""

import numpy as np
import torch

from recorder import normal


def firm(*shape):
    """Matrices that are far from singular ones."""
    return lambda rng: np.asarray(0.5 * rng.standard_normal(shape) + 2 * np.eye(*shape[-2:]), dtype=np.float32)


def symmetric(*shape):
    def draw(rng):
        x = rng.standard_normal(shape) + np.diag(2.0 * np.arange(shape[-1]))
        return np.asarray(x + np.swapaxes(x, -1, -2), dtype=np.float32)

    return draw


def positive(*shape):
    def draw(rng):
        x = rng.standard_normal(shape)
        return np.asarray(x @ np.swapaxes(x, -1, -2) + shape[-1] * np.eye(shape[-1]), dtype=np.float32)

    return draw


SHAPES = {"3": (3, 3), "1": (1, 1), "batch": (2, 3, 3), "5": (5, 5)}
NORMS = {"fro": "fro", "nuc": "nuc", "1": 1, "-1": -1, "2": 2, "-2": -2, "inf": float("inf"), "-inf": -float("inf")}


def cases(f):
    f.sums = True
    linalg = torch.linalg
    for label, shape in SHAPES.items():
        f.case("cholesky", label, linalg.cholesky, [positive(*shape)])
        f.case("inv", label, linalg.inv, [firm(*shape)])
        f.case("det", label, linalg.det, [firm(*shape)])
        f.case("slogdet", label, lambda x: linalg.slogdet(x)[1], [firm(*shape)])
        f.case("eigh", label, lambda x: ((v := linalg.eigh(x))[0], v[1].abs()), [symmetric(*shape)])
        f.case("matrix_exp", label, linalg.matrix_exp, [normal(*shape)])
    f.case("slogdet", "negative", lambda x: linalg.slogdet(-x)[1], [firm(3, 3)])
    f.case("sign", "negative", lambda x: linalg.slogdet(-x)[0], [firm(3, 3)], fixed=(0,))
    f.case("sign", "batch", lambda x: linalg.slogdet(x)[0], [normal(6, 4, 4)], fixed=(0,))
    f.case("matrix_exp", "large", linalg.matrix_exp, [normal(4, 4, scale=4.0)])
    f.case("matrix_exp", "small", linalg.matrix_exp, [normal(4, 4, scale=1e-3)])
    for label, a, b in (
        ("matrix", (3, 3), (3, 2)),
        ("vector", (3, 3), (3,)),
        ("vectors", (2, 3, 3), (2, 3)),
        ("batch", (2, 3, 3), (2, 3, 2)),
        ("broadcast", (2, 1, 3, 3), (4, 3, 1)),
    ):
        f.case("solve", label, linalg.solve, [firm(*a), normal(*b)])
        if len(b) >= 2 and label != "vectors":
            for upper in (True, False):
                run = lambda a, b, upper: linalg.solve_triangular(a, b, upper=upper)
                f.case("solve_triangular", f"{label}_upper{upper}", run, [firm(*a), normal(*b)], upper=upper)
    for label, shape in {"tall": (4, 2), "wide": (2, 4), "square": (3, 3), "batch": (2, 3, 2), "wide_batch": (2, 2, 3), "1": (1, 1)}.items():
        f.case("qr", label, lambda x: tuple(linalg.qr(x)), [firm(*shape)])
        f.case("qr", f"{label}_free", lambda x: tuple(linalg.qr(x)), [normal(*shape)])
        svd = lambda x: ((u := linalg.svd(x, full_matrices=False))[0].abs(), u[1], u[2].abs())
        f.case("svd", label, svd, [firm(*shape)])
        f.case("pinv", label, linalg.pinv, [firm(*shape)])
        for name, order in NORMS.items():
            f.case("matrix_norm", f"{label}_{name}", lambda x, order: linalg.matrix_norm(x, NORMS[order]), [firm(*shape)], order=name)
    for label, a, b in (("tall", (4, 2), (4, 3)), ("wide", (2, 4), (2, 1)), ("batch", (2, 4, 3), (2, 4, 2))):
        f.case("lstsq", label, lambda a, b: linalg.lstsq(a, b, driver="gelsd").solution, [firm(*a), normal(*b)])
