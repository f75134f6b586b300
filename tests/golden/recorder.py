"""Runs one family of cases through PyTorch, in f32 and in f64, and writes what came out.

See README.md in this folder for the layout of the files and for the meaning of `floor`.
"""

import json
import struct
import zlib

import numpy as np
import torch

SEED = 20240229
# The tolerance of the f32 tests, and the part of it that PyTorch's own rounding may use up.
F32_TOLERANCE = 1e-5
F32_OWN_ERROR = 0.25 * F32_TOLERANCE
DTYPES = {"f32": torch.float32, "f64": torch.float64}
NAMES = {"float32": "F32", "float64": "F64", "int64": "I64", "bool": "BOOL"}


# Inputs: each of these returns a function that draws an array from the generator of the case.
def normal(*shape, scale=1.0, shift=0.0):
    return lambda rng: np.asarray(shift + scale * rng.standard_normal(shape), dtype=np.float32)


def uniform(lo, hi, *shape):
    return lambda rng: np.asarray(rng.uniform(lo, hi, shape), dtype=np.float32)


def values(*items, shape=None):
    array = np.array(items, dtype=np.float32)
    return lambda rng: array if shape is None else array.reshape(shape)


def ints(lo, hi, *shape):
    return lambda rng: rng.integers(lo, hi, shape, dtype=np.int64)


def int_values(*items):
    return lambda rng: np.array(items, dtype=np.int64)


def bools(*shape):
    return lambda rng: rng.integers(0, 2, shape).astype(bool)


def away(gap, lo, hi, *shape):
    """Uniform magnitudes in [gap + lo, gap + hi] with random signs: nothing near zero."""
    return lambda rng: np.asarray((gap + rng.uniform(lo, hi, shape)) * rng.choice([-1.0, 1.0], shape), dtype=np.float32)


class Family:
    """One data file: its cases and their tensors."""

    def __init__(self, name):
        self.name = name
        self.cases = []
        self.tensors = {}

    def rng(self, key):
        """The generator of one case: adding a case changes no other."""
        return np.random.Generator(np.random.PCG64([SEED, zlib.crc32(f"{self.name}/{key}".encode())]))

    def case(self, op, label, run, inputs, fixed=(), signed_zero=False, shakes=0, **attrs):
        """Records `run(*inputs, **attrs)` and the gradient of each float input that is not in `fixed`.

        For the floors, `shakes` more runs in f64 have inputs that differ by up to half a unit in the last place of f32:
        no run in f32 can be expected to be closer than those.
        """
        case_id = f"{op}/{label}"
        assert all(c["id"] != case_id for c in self.cases), f"two cases named {case_id}"
        rng = self.rng(case_id)
        arrays = [draw(rng) for draw in inputs]
        results = {name: self._run(run, arrays, dtype, fixed, attrs, case_id) for name, dtype in DTYPES.items()}
        (out32, up, grad32), (out64, _, grad64) = results["f32"], results["f64"]
        shaken = []
        for k in range(shakes):
            noise = self.rng(f"{case_id}#shake{k}")
            near = [
                a * (1 + 2.0**-24 * noise.uniform(-1, 1, a.shape)) if a.dtype == np.float32 else a for a in arrays
            ]
            shaken.append(self._run(run, near, torch.float64, fixed, attrs, case_id))

        case = {"id": case_id, "op": op, "inputs": len(arrays), "outputs": len(out32), "attrs": attrs, "floors": {}}
        if signed_zero:
            case["signed_zero"] = True
        for i, array in enumerate(arrays):
            self.put(f"{case_id}.in.{i}", array)
        for k, (a, b) in enumerate(zip(out32, out64)):
            if a.dtype == np.float32:
                self._pair(case, f"out.{k}", a, b, [out[k] for out, _, _ in shaken])
            else:
                assert np.array_equal(a, b), f"{case_id}: f32 and f64 differ in output {k}"
                self.put(f"{case_id}.out.{k}", a)
        for k, u in up.items():
            self.put(f"{case_id}.up.{k}", u)
        for i in grad32:
            self._pair(case, f"grad.{i}", grad32[i], grad64[i], [grad[i] for _, _, grad in shaken])
        self.cases.append(case)

    def _run(self, run, arrays, dtype, fixed, attrs, case_id):
        tensors, leaves = [], {}
        for i, array in enumerate(arrays):
            t = torch.from_numpy(np.array(array))
            if array.dtype in (np.float32, np.float64):
                t = t.to(dtype)
                if i not in fixed:
                    leaves[i] = t.requires_grad_()
            tensors.append(t)
        out = run(*tensors, **attrs)
        out = list(out) if isinstance(out, (tuple, list)) else [out]
        rng = self.rng(case_id + "#up")
        up = {}
        for k, o in enumerate(out):
            if o.requires_grad:
                # Away from zero, so that no gradient is hidden by its upstream factor.
                up[k] = away(0.5, 0.0, 1.5, *o.shape)(rng)
        grads = {}
        if up:
            ups = [torch.from_numpy(u).to(dtype).reshape(out[k].shape) for k, u in up.items()]
            found = torch.autograd.grad([out[k] for k in up], list(leaves.values()), ups, allow_unused=True)
            grads = {i: g.numpy() for i, g in zip(leaves, found) if g is not None}
        return [o.detach().numpy() for o in out], up, grads

    def _pair(self, case, name, a, b, shaken=()):
        floors = [smallest_floor(near, b) for near in (a, *shaken)]
        floor = None if None in floors else max(floors)
        assert floor is not None, f"{case['id']} {name}: f32 is too far from f64\n{a}\n{b}"
        if floor:
            case["floors"][name] = floor
        self.put(f"{case['id']}.{name}.f32", a)
        self.put(f"{case['id']}.{name}.f64", b)

    def put(self, name, array):
        # PyTorch returns views (expanded gradients, transposes); the file holds plain arrays.
        self.tensors[name] = np.array(array, order="C")

    def record(self, case, inputs=(), **pairs):
        """For what is not a function with a gradient: stores arrays under the names of `inputs`, and
        an (f32, f64) pair under each other name."""
        case.setdefault("floors", {})
        for name, array in dict(inputs).items():
            self.put(f"{case['id']}.{name}", array)
        for name, (a, b) in pairs.items():
            self._pair(case, name, a, b)
        self.cases.append(case)

    def write(self, folder):
        metadata = {
            "family": self.name,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "seed": str(SEED),
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


def smallest_floor(a, b):
    """The least floor at which PyTorch's f32 result `a` is within a quarter of the tolerance of its f64 result `b`."""
    a, b = np.asarray(a, dtype=np.float64).ravel(), np.asarray(b, dtype=np.float64).ravel()
    largest = float(np.finfo(np.float32).max)
    b = np.where(np.abs(b) > largest, np.copysign(np.inf, b), b)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    finite = np.isfinite(a) & np.isfinite(b)
    if not np.all(same | finite):
        return None
    a, b = a[finite], b[finite]
    if a.size == 0:
        return 0.0
    scale = min(1.0, float(np.max(np.abs(b))))
    tiny = float(np.finfo(np.float32).tiny)
    for floor in (0.0, 1e-6 * scale, 1e-4 * scale, 1e-2 * scale, scale, 1.0):
        if np.all(np.abs(a - b) <= F32_OWN_ERROR * np.maximum(np.abs(b), floor) + tiny):
            return floor
    return None
