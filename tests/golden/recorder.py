"""Runs one family of cases through PyTorch, in f32 and in f64, and writes what came out.

See README.md in this folder for the layout of the files and for the meaning of `floor`.
"""

import json
import struct
import zlib

import numpy as np

try:
    import torch
except ImportError:
    # `make_optax.py` runs where there is JAX in its place.
    torch = None

SEED = 20261125
# The tolerance of the f32 tests, and the part of it that PyTorch's own rounding may use up.
F32_TOLERANCE = 1e-5
F32_OWN_ERROR = 0.25 * F32_TOLERANCE
# The runs whose rounding counts; what all but the first are given is moved by up to a unit in the last place of f32.
RUNS = 17
NEAR = 2.0**-23
TYPES = torch or np
DTYPES = {"f32": TYPES.float32, "f64": TYPES.float64}
NAMES = {"float32": "F32", "float64": "F64", "int64": "I64", "bool": "BOOL"}


# Inputs: each of these returns a function that draws an array from the generator of the case.
def normal(*shape, scale=1.0, shift=0.0):
    return lambda rng: np.asarray(shift + scale * rng.standard_normal(shape), dtype=np.float32)


# Linear(3, 4), tanh, Linear(4, 2).
NETWORK = {"0.weight": (4, 3), "0.bias": (4,), "2.weight": (2, 4), "2.bias": (2,)}


def problem(f):
    """What the optimizers of a family learn: eight rows, a target of two numbers, and the parameters of `NETWORK` to begin with, kept beside the cases."""
    rng = f.rng("problem")
    start = {name: normal(*shape, scale=0.6)(rng) for name, shape in NETWORK.items()}
    x, y = normal(8, 3)(rng), normal(8, 2)(rng)
    for name, array in {"x": x, "y": y, **start}.items():
        f.put(f"problem.{name}", array)
    return x, y, start


def uniform(lo, hi, *shape):
    return lambda rng: np.asarray(rng.uniform(lo, hi, shape), dtype=np.float32)


def exactly(draw):
    """Numbers at kinks and limits, which no run moves."""
    draw.exact = True
    return draw


def values(*items, shape=None):
    array = np.array(items, dtype=np.float32)
    return exactly(lambda rng: array if shape is None else array.reshape(shape))


def ints(lo, hi, *shape):
    return lambda rng: rng.integers(lo, hi, shape, dtype=np.int64)


def int_values(*items):
    return lambda rng: np.array(items, dtype=np.int64)


def bools(*shape):
    return lambda rng: rng.integers(0, 2, shape).astype(bool)


def apart(*shape):
    """The numbers from -2 to 2 in some order: no two are nearly equal."""
    n = np.prod(shape, dtype=int)
    spread = lambda rng: (rng.permutation(n) + rng.uniform(0.2, 0.8, n)) * 4 / n - 2
    return lambda rng: np.asarray(spread(rng).reshape(shape), dtype=np.float32)


def away(gap, lo, hi, *shape):
    """Uniform magnitudes in [gap + lo, gap + hi] with random signs: nothing near zero."""
    return lambda rng: np.asarray((gap + rng.uniform(lo, hi, shape)) * rng.choice([-1.0, 1.0], shape), dtype=np.float32)


# What both sides compute: nothing of it is stored.
def mixed(z):
    """Scrambles 32-bit numbers, as the last step of MurmurHash3 does."""
    z = np.asarray(z, dtype=np.uint32)
    with np.errstate(over="ignore"):
        z = (z ^ (z >> np.uint32(16))) * np.uint32(0x85EBCA6B)
        z = (z ^ (z >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return z ^ (z >> np.uint32(16))


def words(salt, count):
    return mixed(np.uint32(salt) ^ np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B9))


def parts_of_one(words):
    return (words >> np.uint32(8)).astype(np.float64) / 2**24


class Spread:
    """Numbers from `lo` to `hi` that follow from their place; with `signs`, of both signs."""

    def __init__(self, lo, hi, *shape, signs=False):
        self.lo, self.hi = (float(f"{x:.4g}") for x in (lo, hi))
        self.shape, self.signs = shape, signs

    def numbers(self, salt):
        bits = words(salt, np.prod(self.shape, dtype=int))
        x = self.lo + (self.hi - self.lo) * parts_of_one(bits)
        if self.signs:
            x = np.where(bits & np.uint32(1), -x, x)
        return np.asarray(x.reshape(self.shape), dtype=np.float32)


def spread(*shape, scale=1.0):
    """As far from 0 as `normal`."""
    return Spread(-scale * 3**0.5, scale * 3**0.5, *shape)


# By how many sums a digest speaks of the elements of a piece.
SUMS = 3


def digest(array, piece):
    """Of each piece three sums with weights that follow from the place, and the norm: all elements decide."""
    x = np.asarray(array, dtype=np.float64).ravel()
    weights = [2 * parts_of_one(words(mixed(k + 1), x.size)) - 1 for k in range(SUMS)]
    pieces = [slice(i, i + piece) for i in range(0, x.size, piece)]
    numbers = [[*(np.sum(x[p] * w[p]) for w in weights), np.sum(x[p] ** 2) ** 0.5] for p in pieces]
    return np.asarray(numbers, dtype=array.dtype).ravel()


def exact(draws):
    """The numbers of those draws that no run moves."""
    return [i for i, draw in enumerate(draws) if getattr(draw, "exact", False)]


class Family:
    """One data file: its cases and their tensors.

    `sums`, which a family may set, says that its results are sums of products: see `runs`. `lean` is how many elements a result
    has at least of which only a digest is stored, of `piece` elements each; inputs that are `Spread` and gradients sent into outputs then follow from their places.
    `versions` are those of the packages that made it, where there is no PyTorch.
    """

    sums = False
    lean = None
    piece = 64
    versions = {}

    def __init__(self, name, seed=SEED):
        self.name = name
        self.seed = seed
        self.cases = []
        self.tensors = {}

    def rng(self, key):
        """The generator of one case: adding a case changes no other."""
        return np.random.Generator(np.random.PCG64([self.seed, zlib.crc32(f"{self.name}/{key}".encode())]))

    def case(self, op, label, run, inputs, fixed=(), signed_zero=False, **attrs):
        """Records `run(*inputs, **attrs)` and the gradient of each float input that is not in `fixed`."""
        case_id = f"{op}/{label}"
        rng = self.rng(case_id)
        salt, formulas, digests = zlib.crc32(f"{self.seed}/{self.name}/{case_id}".encode()), [], {}

        def array(name, draw):
            if not isinstance(draw, Spread):
                return draw(rng)
            formulas.append([name, draw.shape] + [draw.lo, draw.hi] * (not draw.signs))
            return draw.numbers(mixed((salt + len(formulas)) % 2**32))

        arrays = [array(f"in.{i}", draw) for i, draw in enumerate(inputs)]
        out, _ = forward(run, arrays, torch.float32, fixed, attrs)
        rng = self.rng(case_id + "#up")
        # Away from zero, so that no gradient is hidden by its upstream factor.
        up = lambda *shape: Spread(0.5, 2.0, *shape, signs=True) if self.lean else away(0.5, 0.0, 1.5, *shape)
        ups = {k: array(f"up.{k}", up(*o.shape)) for k, o in enumerate(out) if o.requires_grad}

        def differentiate(arrays, dtype):
            out, leaves = forward(run, arrays[: len(inputs)], dtype, fixed, attrs)
            found = {f"out.{k}": o.detach().numpy() for k, o in enumerate(out)}
            if ups:
                sent = [torch.from_numpy(u).to(dtype) for u in arrays[len(inputs) :]]
                grads = torch.autograd.grad([out[k] for k in ups], list(leaves.values()), sent, allow_unused=True)
                found |= {f"grad.{i}": g.numpy() for i, g in zip(leaves, grads) if g is not None}
            if self.lean:
                digests.update({name: a.shape for name, a in found.items() if a.size >= self.lean and a.dtype.kind == "f"})
            return {name: digest(a, self.piece) if name in digests else a for name, a in found.items()}

        case = {"id": case_id, "op": op, "inputs": len(arrays), "outputs": len(out), "attrs": attrs}
        if signed_zero:
            case["signed_zero"] = True
        named = {f"in.{i}": array for i, array in enumerate(arrays)} | {f"up.{k}": u for k, u in ups.items()}
        runs = self.runs(case_id, differentiate, list(named.values()), exact(inputs), len(inputs))
        if self.lean:
            case["made"] = {"salt": salt, "piece": self.piece, "formulas": formulas, "digests": list(digests.items())}
        self.record(case, named, runs)

    def runs(self, key, run, arrays, still=(), inputs=None):
        """Pairs of what `run(arrays, dtype)` returns, arrays by name, in f32 and in f64. The first is of these arrays, the
        others of nearly the same, whose rounding is another; those whose numbers are in `still` stay as they are.

        The runs in f64 get what was moved only of the first `inputs` arrays, in a family of sums of none.
        """
        pairs = []
        for k in range(RUNS):
            rng = self.rng(f"{key}#{k}")
            near = [
                np.asarray(a * (1 + NEAR * rng.uniform(-1, 1, a.shape)), dtype=np.float32)
                if k > 0 and i not in still and a.dtype == np.float32
                else a
                for i, a in enumerate(arrays)
            ]
            in_f32 = run(near, DTYPES["f32"])
            if k == 0 or not self.sums:
                n = len(arrays) if inputs is None else inputs
                in_f64 = run(near[:n] + list(arrays[n:]), DTYPES["f64"])
            pairs.append((in_f32, in_f64))
        return pairs

    def record(self, case, inputs=(), runs=()):
        """Stores arrays under the names of `inputs`, and what the first of the runs returned; all give the floors."""
        assert all(c["id"] != case["id"] for c in self.cases), f"two cases named {case['id']}"
        case["floors"] = {}
        made = case.get("made", {"formulas": (), "digests": ()})
        formulas = [formula[0] for formula in made["formulas"]]
        digests = [name for name, _ in made["digests"]]
        for name, array in dict(inputs).items():
            if name not in formulas:
                self.put(f"{case['id']}.{name}", array)
        for name, in_f32 in runs[0][0].items() if runs else ():
            in_f64 = runs[0][1][name]
            if in_f32.dtype != np.float32:
                assert np.array_equal(in_f32, in_f64), f"{case['id']} {name}: f32 and f64 differ"
                self.put(f"{case['id']}.{name}", in_f32)
                continue
            floor = max(needed_floor(a[name], b[name]) for a, b in runs)
            largest = np.max(np.abs(in_f64), initial=1.0, where=np.isfinite(in_f64))
            far = F32_OWN_ERROR * floor > 1e-4 * largest
            assert not far, f"{case['id']} {name}: f32 is too far from f64, floor {floor}\n{in_f32}\n{in_f64}"
            if floor:
                # Rounded up to two digits.
                case["floors"][name] = float(f"{1.05 * floor:.1e}")
            if name not in digests:
                self.put(f"{case['id']}.{name}.f32", in_f32)
                self.put(f"{case['id']}.{name}.f64", in_f64)
        if digests:
            for k, suffix in enumerate(DTYPES):
                self.put(f"{case['id']}.digests.{suffix}", np.concatenate([runs[0][k][name] for name in digests]))
        self.cases.append(case)

    def put(self, name, array):
        # PyTorch returns views (expanded gradients, transposes); the file holds plain arrays.
        self.tensors[name] = np.array(array, order="C")

    def write(self, folder):
        metadata = {
            "family": self.name,
            **({"torch": torch.__version__} if torch else self.versions),
            "numpy": np.__version__,
            "seed": str(self.seed),
            "cases": json.dumps(self.cases, separators=(",", ":")),
        }
        # Wide elements first keeps every tensor aligned.
        order = sorted(self.tensors, key=lambda n: (-self.tensors[n].dtype.itemsize, n))
        header, offset = {"__metadata__": metadata}, 0
        for name in order:
            t = self.tensors[name]
            end = offset + t.nbytes
            header[name] = {"dtype": NAMES[t.dtype.name], "shape": list(t.shape), "data_offsets": [offset, end]}
            offset = end
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        path = folder / f"{self.name}.safetensors"
        with open(path, "wb") as file:
            file.write(struct.pack("<Q", len(text)))
            file.write(text)
            for name in order:
                file.write(self.tensors[name].tobytes())
        return path


def forward(run, arrays, dtype, fixed, attrs):
    """The outputs of a run in this type, and the inputs that gradients are taken of."""
    tensors, leaves = [], {}
    for i, array in enumerate(arrays):
        t = torch.from_numpy(np.array(array))
        if array.dtype in (np.float32, np.float64):
            t = t.to(dtype)
            if i not in fixed:
                leaves[i] = t.requires_grad_()
        tensors.append(t)
    out = run(*tensors, **attrs)
    return list(out) if isinstance(out, (tuple, list)) else [out], leaves


def needed_floor(a, b):
    """The least floor at which PyTorch's f32 result `a` is within a quarter of the tolerance of its f64 result `b`."""
    a, b = np.asarray(a, dtype=np.float64).ravel(), np.asarray(b, dtype=np.float64).ravel()
    limits = np.finfo(np.float32)
    b = np.where(np.abs(b) > limits.max, np.copysign(np.inf, b), b)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    if not np.all(same | np.isfinite(a) & np.isfinite(b)):
        return np.inf
    a, b = a[~same], b[~same]
    error = np.abs(a - b) - limits.tiny
    return float(np.max(error[error > F32_OWN_ERROR * np.abs(b)], initial=0.0)) / F32_OWN_ERROR
