"""Fourier transforms. Complex numbers are pairs of real ones."""

import torch

from recorder import normal, uniform

fft = torch.fft
SIZES = (1, 2, 5, 8)
OPTIONS = {"n6": {"n": 6}, "n3": {"n": 3}, "ortho": {"norm": "ortho"}, "forward": {"norm": "forward"}, "dim0": {"dim": 0}}
SEVERAL = {
    "plain": {},
    "s": {"s": (2, 4)},
    "dims": {"dim": (0, 2)},
    "ortho": {"norm": "ortho"},
    "forward": {"norm": "forward", "s": (2, 3), "dim": (1, 0)},
}


def on_pairs(f, gives_pairs=True):
    """A function of complex numbers as one of pairs."""

    def run(x, **options):
        y = f(torch.view_as_complex(x.contiguous()), **options)
        return torch.view_as_real(y) if gives_pairs else y

    return run


def to_pairs(f):
    return lambda *x, **options: torch.view_as_real(f(*x, **options).resolve_conj())


def window(x, kind, n, periodic):
    return getattr(torch, f"{kind}_window")(n, periodic=periodic, dtype=torch.float64).to(x.dtype)


def multiply(a, b):
    return torch.view_as_real(torch.view_as_complex(a.contiguous()) * torch.view_as_complex(b.contiguous()))


def cases(f):
    f.sums = True
    single = {
        "fft": (on_pairs(fft.fft), True),
        "ifft": (on_pairs(fft.ifft), True),
        "rfft": (to_pairs(fft.rfft), False),
        "irfft": (on_pairs(fft.irfft, False), True),
        "hfft": (on_pairs(fft.hfft, False), True),
        "ihfft": (to_pairs(fft.ihfft), False),
    }
    for name, (run, pairs) in single.items():
        tail = (2,) if pairs else ()
        for n in SIZES if name in ("fft", "rfft", "irfft") else ():
            if name == "irfft" and n == 1:
                continue
            f.case(name, str(n), run, [normal(n, *tail)])
        for label, options in OPTIONS.items():
            if name in ("hfft", "ihfft") and label not in ("n6", "ortho", "forward"):
                continue
            f.case(name, label, run, [normal(4, 2, *tail) if label == "dim0" else normal(2, 5, *tail)], **options)
    several = {
        "fft2": (on_pairs(fft.fft2), True),
        "ifft2": (on_pairs(fft.ifft2), True),
        "rfft2": (to_pairs(fft.rfft2), False),
        "irfft2": (on_pairs(fft.irfft2, False), True),
        "fftn": (on_pairs(fft.fftn), True),
        "ifftn": (on_pairs(fft.ifftn), True),
        "rfftn": (to_pairs(fft.rfftn), False),
        "irfftn": (on_pairs(fft.irfftn, False), True),
    }
    for name, (run, pairs) in several.items():
        for label, options in SEVERAL.items():
            if name in ("ifftn", "ifft2", "irfftn") and label in ("s", "ortho") or name.endswith("2") and label == "dims":
                continue
            f.case(name, label, run, [normal(2, 3, 3, *((2,) if pairs else ()))], **options)
    for n, d in ((1, 1.0), (4, 0.25), (7, 0.5)):
        none = lambda f: lambda x, n, d: f(n, d, dtype=x.dtype)
        f.case("fftfreq", str(n), none(fft.fftfreq), [normal(1)], fixed=(0,), n=n, d=d)
        f.case("rfftfreq", str(n), none(fft.rfftfreq), [normal(1)], fixed=(0,), n=n, d=d)
    for label, dims in (("all", None), ("one", [1]), ("both", [0, -1])):
        f.case("fftshift", label, lambda x, dims: fft.fftshift(x, dims), [normal(2, 5, 3)], dims=dims)
        f.case("ifftshift", label, lambda x, dims: fft.ifftshift(x, dims), [normal(2, 5, 3)], dims=dims)
    for kind in ("hann", "hamming", "blackman", "bartlett", "kaiser"):
        for n in (1, 5):
            for periodic in (True, False):
                attrs = {"kind": kind, "n": n, "periodic": periodic}
                f.case("window", f"{kind}_{n}_{periodic}", window, [normal(1)], fixed=(0,), **attrs)
    shaped = lambda x, n, beta, **_: torch.kaiser_window(n, True, beta, dtype=torch.float64).to(x.dtype)
    f.case("window", "kaiser_beta", shaped, [normal(1)], fixed=(0,), kind="kaiser", n=6, beta=3.5, periodic=True)
    angles = uniform(-3.0, 3.0, 4)
    f.case("polar", "plain", to_pairs(torch.polar), [uniform(0.5, 2.0, 4), angles])
    f.case("complex_abs", "plain", on_pairs(torch.abs, False), [normal(5, 2)])
    f.case("complex_angle", "plain", on_pairs(torch.angle, False), [normal(5, 2)])
    f.case("complex_conj", "plain", on_pairs(lambda z: z.conj().resolve_conj()), [normal(5, 2)])
    f.case("complex_mul", "broadcast", multiply, [normal(3, 1, 2), normal(4, 2)])

    def stft(x, window=None, **options):
        return torch.view_as_real(torch.stft(x, window=window, return_complex=True, **options).resolve_conj())

    def istft(x, window=None, **options):
        return torch.istft(torch.view_as_complex(x.contiguous()), window=window, **options)

    def stretched(x, window=None, **options):
        # Through the spectrum of a real signal, whose istft is the signal.
        z = torch.stft(x, window=window, return_complex=True, **{k: v for k, v in options.items() if k != "length"})
        return torch.istft(z, window=window, **options)

    hann = lambda n: lambda rng: torch.hann_window(n).numpy()
    f.case("stft", "plain", stft, [normal(20)], n_fft=8)
    f.case("stft", "window", stft, [normal(2, 19), uniform(0.2, 1.0, 8)], n_fft=8, hop_length=3)
    f.case("stft", "short_window", stft, [normal(2, 19), uniform(0.2, 1.0, 5)], n_fft=8, hop_length=5, win_length=5)
    f.case("stft", "normalized", stft, [normal(17), uniform(0.2, 1.0, 7)], n_fft=7, hop_length=2, normalized=True)
    f.case("stft", "all", stft, [normal(16), uniform(0.2, 1.0, 6)], n_fft=6, hop_length=4, onesided=False)
    f.case("stft", "uncentred", stft, [normal(2, 20), uniform(0.2, 1.0, 8)], n_fft=8, hop_length=3, center=False)
    for mode in ("constant", "replicate", "circular"):
        f.case("stft", mode, stft, [normal(2, 12)], n_fft=6, hop_length=3, pad_mode=mode)
    f.case("istft", "plain", istft, [normal(5, 6, 2)], n_fft=8)
    f.case("istft", "window", istft, [normal(2, 5, 6, 2), uniform(0.2, 1.0, 8)], n_fft=8, hop_length=3)
    f.case("istft", "short_window", istft, [normal(5, 6, 2), uniform(0.2, 1.0, 5)], n_fft=8, hop_length=2, win_length=5)
    f.case("istft", "normalized", istft, [normal(4, 5, 2), uniform(0.2, 1.0, 7)], n_fft=7, hop_length=2, normalized=True)
    f.case("istft", "uncentred", istft, [normal(5, 4, 2), uniform(0.2, 1.0, 8)], n_fft=8, hop_length=3, center=False)
    f.case("istft", "cut", istft, [normal(5, 4, 2), uniform(0.2, 1.0, 8)], n_fft=8, hop_length=3, length=7)
    f.case("istft", "filled", istft, [normal(5, 4, 2), uniform(0.2, 1.0, 8)], n_fft=8, hop_length=3, length=17)
    f.case("back", "hann", stretched, [normal(24), hann(8)], fixed=(1,), n_fft=8, hop_length=4, length=24)
