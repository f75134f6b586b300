"""What `scipy.stats.truncnorm` says of parts of the standard normal distribution: `python truncnorm.py > truncnorm.csv`.

A line: the bounds, then the distances from the lower bound (or, if that is -inf, from the upper one) of the quantiles at
1, 10, 25, 50, 75, 90 and 99 percent. Computed with mpmath and compared with SciPy 1.17 where its rounding does not show.
"""

import mpmath as mp
import numpy as np
from scipy.stats import truncnorm

mp.mp.dps = 60
LEVELS = [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99]
BOUNDS = [
    (-2, 2), (-1, 0.5), (0, 1e-12), (-1e-12, 1e-12), (0, 1.0), (0, 2.4), (0, 2.6), (-0.5, 1.9), (-np.inf, 0), (0, np.inf),
    (0.1, np.inf), (0.5, 1), (1, np.inf), (3, 3.1), (3, 9), (5, np.inf), (9, 10), (30, np.inf), (30, 30.01),
    (-np.inf, -4), (-8, -6), (-1, np.inf), (-40, 40), (100, 101),
]  # fmt: skip


def exact(a, b, level):
    """The quantile by bisection, with 60 digits."""
    mass = lambda x, y: (mp.erfc(x / mp.sqrt(2)) - mp.erfc(y / mp.sqrt(2))) / 2
    total = mass(mp.mpf(a), mp.mpf(b))
    low, high = mp.mpf(a), mp.mpf(min(b, max(a, 0) + 40))
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if mass(mp.mpf(a), middle) < level * total else (low, middle)
    return low


print("low,high," + ",".join(str(level) for level in LEVELS))
for a, b in BOUNDS:
    # The tails on the left mirror those on the right.
    left = np.isinf(a) or b < 0
    x, y = (-b, -a) if left else (a, b)
    levels = [1 - level for level in LEVELS] if left else LEVELS
    quantiles = [exact(x, y, mp.mpf(level)) if np.isfinite(x) else None for level in levels]
    if abs(x) <= 5 and y - x >= 0.01:
        scipy = truncnorm.ppf(levels, x, y)
        assert np.allclose(scipy, [float(q) for q in quantiles], rtol=1e-7, atol=1e-9), (a, b)
    offsets = [float(q - x) for q in quantiles]
    print(f"{a},{b}," + ",".join(repr(offset) for offset in offsets))
