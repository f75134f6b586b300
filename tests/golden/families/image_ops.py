"""What changes the size of images, takes them apart and warps them; margins; weights whose norm is fixed."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations

from recorder import normal, uniform

MODES = {
    "Nearest": {1: "nearest", 2: "nearest", 3: "nearest"},
    "NearestExact": {1: "nearest-exact", 2: "nearest-exact", 3: "nearest-exact"},
    "Linear": {1: "linear", 2: "bilinear", 3: "trilinear"},
    "Cubic": {2: "bicubic"},
    "Area": {1: "area", 2: "area", 3: "area"},
}
SHAPES = {1: (2, 3, 5), 2: (2, 2, 4, 5), 3: (1, 2, 2, 3, 4)}


def cases(f):
    f.sums = True

    def interpolate(label, dims, mode, shape=None, align_corners=False, **target):
        def run(x, mode, align_corners, size=None, scale=None, recompute=False):
            one = lambda a: a if a is None or len(a) > 1 else a[0]
            align = align_corners if mode in ("Linear", "Cubic") else None
            options = dict(mode=MODES[mode][dims], align_corners=align)
            if scale:
                options["recompute_scale_factor"] = recompute
            return F.interpolate(x, one(size), one(scale), **options)

        draw = normal(*(shape or SHAPES[dims]))
        f.case("interpolate", f"{dims}d_{mode}_{label}", run, [draw], mode=mode, align_corners=align_corners, **target)

    for mode, names in MODES.items():
        for dims in names:
            interpolate("larger", dims, mode, size=[9])
            interpolate("smaller", dims, mode, size=[3])
            interpolate("one", dims, mode, size=[1])
            interpolate("twice", dims, mode, scale=[2.0])
            if mode in ("Linear", "Cubic"):
                interpolate("aligned", dims, mode, size=[7], align_corners=True)
                interpolate("aligned_one", dims, mode, size=[1], align_corners=True)
        interpolate("each", 2, mode, size=[3, 11])
        interpolate("factors", 2, mode, scale=[1.7, 0.6])
        interpolate("recomputed", 2, mode, scale=[1.7, 0.6], recompute=True)
        interpolate("one_place", 2, mode, shape=(1, 2, 1, 1), size=[3, 2])
        interpolate("same", 2, mode, size=[4, 5])
        interpolate("empty", 2, mode, shape=(0, 2, 4, 5), size=[2, 3])

    def unfold(label, shape, **attrs):
        def run(x, kernel, stride=[1], padding=[0], dilation=[1]):
            one = lambda a: a[0] if len(a) == 1 else tuple(a)
            return F.unfold(x, one(kernel), one(dilation), one(padding), one(stride))

        f.case("im2col", label, run, [normal(*shape)], **attrs)

    def fold(label, shape, size, **attrs):
        def run(x, size, kernel, stride=[1], padding=[0], dilation=[1]):
            one = lambda a: a[0] if len(a) == 1 else tuple(a)
            return F.fold(x, tuple(size), one(kernel), one(dilation), one(padding), one(stride))

        f.case("col2im", label, run, [normal(*shape)], size=size, **attrs)

    unfold("default", (2, 3, 4, 5), kernel=[2])
    unfold("each", (2, 2, 5, 6), kernel=[3, 2], stride=[2, 1], padding=[1, 2], dilation=[1, 2])
    unfold("stride_beyond_kernel", (1, 2, 7, 7), kernel=[2], stride=[3])
    unfold("unbatched", (3, 4, 5), kernel=[2])
    unfold("empty", (0, 3, 4, 5), kernel=[2])
    fold("default", (2, 12, 12), [4, 5], kernel=[2])
    fold("each", (2, 12, 24), [5, 6], kernel=[3, 2], stride=[2, 1], padding=[1, 2], dilation=[1, 2])
    fold("stride_beyond_kernel", (1, 8, 4), [7, 7], kernel=[2], stride=[3])
    fold("unbatched", (12, 12), [4, 5], kernel=[2])

    shuffle = lambda x, factor: F.pixel_shuffle(x, factor)
    unshuffle = lambda x, factor: F.pixel_unshuffle(x, factor)
    f.case("pixel_shuffle", "images", shuffle, [normal(2, 12, 2, 3)], factor=2)
    f.case("pixel_shuffle", "unbatched", shuffle, [normal(9, 2, 2)], factor=3)
    f.case("pixel_shuffle", "two_batches", shuffle, [normal(2, 1, 4, 2, 3)], factor=2)
    f.case("pixel_unshuffle", "images", unshuffle, [normal(2, 3, 4, 6)], factor=2)
    f.case("pixel_unshuffle", "unbatched", unshuffle, [normal(1, 6, 3)], factor=3)

    def sample(label, mode, shape, places, reach=1.3, **attrs):
        dims = len(shape) - 2

        def run(x, grid, mode, padding="zeros", align_corners=False):
            return F.grid_sample(x, grid, mode, padding, align_corners)

        grid = uniform(-reach, reach, shape[0], *places, dims)
        f.case("grid_sample", f"{dims}d_{label}", run, [normal(*shape), grid], mode=mode, **attrs)

    for mode in ("bilinear", "nearest", "bicubic"):
        for padding in ("zeros", "border", "reflection"):
            for align in (False, True):
                label = f"{mode}_{padding}" + ("_aligned" if align else "")
                sample(label, mode, (2, 3, 4, 5), (3, 3), padding=padding, align_corners=align)
                if mode != "bicubic":
                    sample(label, mode, (1, 2, 3, 4, 2), (2, 2, 2), padding=padding, align_corners=align)
    sample("far_reflection", "bilinear", (1, 2, 4, 3), (3, 3), reach=6.0, padding="reflection")
    for padding in ("zeros", "border", "reflection"):
        sample(f"far_bicubic_{padding}", "bicubic", (1, 2, 4, 3), (3, 3), reach=15.0, padding=padding)
    sample("one_place", "bilinear", (1, 2, 1, 1), (2, 2), padding="border")
    sample("empty", "bilinear", (0, 2, 3, 3), (2, 2))

    affine = lambda theta, size, align_corners: F.affine_grid(theta, size, align_corners)
    for align in (False, True):
        label = "_aligned" if align else ""
        f.case("affine_grid", "2d" + label, affine, [normal(2, 2, 3)], size=[2, 3, 4, 5], align_corners=align)
        f.case("affine_grid", "3d" + label, affine, [normal(1, 3, 4)], size=[1, 2, 2, 3, 4], align_corners=align)
        f.case("affine_grid", "one" + label, affine, [normal(1, 2, 3)], size=[1, 1, 1, 3], align_corners=align)

    def pad(name, dims, label, margins, shape=None, value=None):
        shape = shape or SHAPES[dims]
        make = getattr(nn, f"{name}{dims}d")
        margins_of = margins[0] if len(margins) == 1 else tuple(margins)
        module = make(margins_of) if value is None else make(margins_of, value)
        attrs = dict(margins=margins) | ({} if value is None else dict(value=value))
        f.case(f"{name}{dims}d", label, lambda x, **_: module(x), [normal(*shape)], **attrs)

    for dims in (1, 2, 3):
        for name in ("ZeroPad", "ConstantPad", "ReflectionPad", "ReplicationPad", "CircularPad"):
            value = 2.5 if name == "ConstantPad" else None
            pad(name, dims, "all", [1], value=value)
            pad(name, dims, "each", [1, 0, 2, 1, 1, 0][: 2 * dims], value=value)
            pad(name, dims, "unbatched", [1], shape=SHAPES[dims][1:], value=value)
    pad("ZeroPad", 2, "negative", [-1, 2, 1, -2])

    def weight_norm(x, v, g):
        return F.linear(x, torch._weight_norm(v, g, 0))

    f.case("WeightNorm", "linear", weight_norm, [normal(4, 5), normal(3, 5), normal(3, 1)])

    for dim in (1, None):
        shape = (1, 5) if dim == 1 else (1, 1)
        run = lambda x, v, g, dim: F.linear(x, torch._weight_norm(v, g, dim) if dim is not None else v * g / v.norm())
        f.case("WeightNorm", f"dim{dim}", run, [normal(4, 5), normal(3, 5), normal(*shape)], dim=dim)

    def spectral_norm(x, weight, u, v, passes, steps, dim=0):
        """As the forward of PyTorch's parametrisation, which is compared with it here."""
        u, v = u.detach().clone(), v.detach().clone()
        layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False).to(x.dtype)
        layer.weight.data.copy_(weight.detach())
        parametrizations.spectral_norm(layer, n_power_iterations=steps, dim=dim)
        own = layer.parametrizations.weight[0]
        own._u.copy_(u)
        own._v.copy_(v)
        out = []
        matrix = weight if dim == 0 else weight.T
        layer.train()
        for k in range(passes + 1):
            if k == passes:
                layer.eval()
            theirs = layer(x)
            if k < passes:
                for _ in range(steps):
                    u = F.normalize(torch.mv(matrix, v), dim=0, eps=1e-12).detach()
                    v = F.normalize(torch.mv(matrix.T, u), dim=0, eps=1e-12).detach()
            out.append(F.linear(x, weight / torch.dot(u, torch.mv(matrix, v))))
            assert torch.allclose(out[-1], theirs, rtol=1e-4, atol=1e-6), (out[-1], theirs)
        return out

    for label, steps in (("one_step", 1), ("three_steps", 3)):
        draws = [normal(4, 5), normal(3, 5), normal(3), normal(5)]
        f.case("SpectralNorm", label, spectral_norm, draws, fixed=(2, 3), passes=2, steps=steps)
    draws = [normal(4, 5), normal(3, 5), normal(5), normal(3)]
    f.case("SpectralNorm", "dim1", spectral_norm, draws, fixed=(2, 3), passes=1, steps=1, dim=1)
