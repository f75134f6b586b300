"""Models that make new examples, with given weights: results, losses and all gradients; what diffusion adds to examples and takes
out of them.

The network of diffusion models is `UNet2DModel` of the package `diffusers` (0.42.1), which computes the waves of its steps in f32; here
they are the closed form in f64. The schedules and steps back are closed forms in NumPy, and the script asserts that the schedulers of
`diffusers` say the same to the digits of f32.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel
from torch import nn
from torch.func import functional_call

from recorder import Spread, int_values, normal, spread


class Encoder(nn.Module):
    def __init__(self, input, channels, hidden, act):
        super().__init__()
        self.act = act
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in zip([input[0], *channels], channels)
        )
        with torch.no_grad():
            x = torch.zeros(1, *input)
            for conv in self.convs:
                x = conv(x)
        self.shape = tuple(x.shape[1:])
        sizes = [x.numel(), *hidden]
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
        self.features = sizes[-1]

    def forward(self, x):
        for conv in self.convs:
            x = self.act(conv(x))
        x = x.flatten(1)
        for layer in self.hidden:
            x = self.act(layer(x))
        return x


class Decoder(nn.Module):
    def __init__(self, encoder, input, channels, hidden, latent, act):
        super().__init__()
        self.act, self.shape = act, encoder.shape
        sizes = [math.prod(encoder.shape), *hidden, latent][::-1]
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
        self.convs, side = nn.ModuleList(), list(input[1:])
        for a, b in zip([input[0], *channels], channels):
            odd = [1 - n % 2 for n in side]
            self.convs.insert(0, nn.ConvTranspose2d(b, a, 3, stride=2, padding=1, output_padding=odd))
            side = [-(-n // 2) for n in side]

    def forward(self, x):
        layers = [*self.hidden, *self.convs]
        for i, layer in enumerate(layers):
            if i == len(self.hidden):
                x = x.reshape(len(x), *self.shape)
            x = layer(x)
            if i + 1 < len(layers):
                x = self.act(x)
        return x.reshape(len(x), *self.shape) if not self.convs else x


class Autoencoder(nn.Module):
    def __init__(self, input, channels, hidden, latent, act=torch.relu):
        super().__init__()
        self.encoder = Encoder(input, channels, hidden, act)
        self.code = nn.Linear(self.encoder.features, latent)
        self.decoder = Decoder(self.encoder, input, channels, hidden, latent, act)

    def forward(self, x):
        code = self.code(self.encoder(x))
        return [code, self.decoder(code)]


class Vae(nn.Module):
    def __init__(self, input, channels, hidden, latent, std, act):
        super().__init__()
        self.std = std
        self.encoder = Encoder(input, channels, hidden, act)
        self.mean = nn.Linear(self.encoder.features, latent)
        self.log_var = nn.Linear(self.encoder.features, latent)
        self.decoder = Decoder(self.encoder, input, channels, hidden, latent, act)

    def forward(self, x, beta=0.7):
        """The bound at the means of the codes, its two parts, and the examples of the means."""
        h = self.encoder(x)
        mean, log_var = self.mean(h), self.log_var(h)
        y = self.decoder(mean)
        if self.std is None:
            error = F.binary_cross_entropy_with_logits(y, x.detach(), reduction="sum") / len(x)
        else:
            error = ((y - x) ** 2 / (2 * self.std**2)).sum() / len(x)
        codes = torch.distributions.Normal(mean, (log_var / 2).exp())
        standard = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
        divergence = torch.distributions.kl_divergence(codes, standard).sum() / len(x)
        return [error + beta * divergence, error, divergence, y.sigmoid() if self.std is None else y]


def generator(channels, size, latent, width, extra):
    """PyTorch's example of DCGAN, for any size."""
    layers, inputs = [], latent
    for i in range(int(math.log2(size // 8)), -1, -1):
        step = (1, 0) if not layers else (2, 1)
        layers += [nn.ConvTranspose2d(inputs, width << i, 4, *step, bias=False), nn.BatchNorm2d(width << i), nn.ReLU()]
        inputs = width << i
    for _ in range(extra):
        layers += [nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers, nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False), nn.Tanh())


def discriminator(channels, size, width, extra, norm):
    layers = [nn.Conv2d(channels, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
    def add(conv):
        layers.extend([conv, *([nn.BatchNorm2d(conv.out_channels)] if norm else []), nn.LeakyReLU(0.2)])
    for _ in range(extra):
        add(nn.Conv2d(width, width, 3, 1, 1, bias=not norm))
    last = int(math.log2(size // 8))
    for i in range(last):
        add(nn.Conv2d(width << i, width << i + 1, 4, 2, 1, bias=not norm))
    return nn.Sequential(*layers, nn.Conv2d(width << last, 1, 4, 1, 0, bias=False), nn.Flatten(0))


class Main(nn.Module):
    def __init__(self, main):
        super().__init__()
        self.main = main

    def forward(self, x):
        return self.main(x)


class Waves(nn.Module):
    """`Timesteps(flip_sin_to_cos=True, downscale_freq_shift=0)` in f64."""

    def __init__(self, features):
        super().__init__()
        self.features = features

    def forward(self, steps):
        half = self.features // 2
        angles = steps.double()[:, None] * torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float64) / half)
        return torch.cat([angles.cos(), angles.sin()], dim=1)


def left_of(schedule, steps):
    """The products of 1 - beta, and the betas."""
    if schedule == "cosine":
        at = lambda i: math.cos((i / steps + 0.008) / 1.008 * math.pi / 2) ** 2
        betas = np.array([min(1 - at(i + 1) / at(i), 0.999) for i in range(steps)])
        theirs = dict(beta_schedule="squaredcos_cap_v2")
    else:
        betas = np.linspace(*schedule, steps)
        theirs = dict(beta_schedule="linear", beta_start=schedule[0], beta_end=schedule[1])
    left = np.cumprod(1 - betas)
    scheduler = DDPMScheduler(num_train_timesteps=steps, **theirs)
    np.testing.assert_allclose(scheduler.betas, betas, rtol=1e-3)
    np.testing.assert_allclose(scheduler.alphas_cumprod, left, rtol=1e-3)
    return left, betas, theirs


def cases(f):
    f.sums = True
    f.lean = 8

    def weights(module, scale):
        for name, p in module.named_parameters():
            is_norm = p.dim() == 1 and name.endswith("weight")
            yield Spread(0.5, 1.5, *p.shape) if is_norm else spread(*p.shape, scale=scale if p.dim() > 1 else 0.5)

    def model(op, label, make, inputs, run, scale=0.3, fixed=(), **attrs):
        names = [name for name, _ in make().named_parameters()]
        draws = [*inputs, *weights(make(), scale)]

        def call(*tensors, **_):
            # Not by the method of `diffusers`, which warns.
            module = nn.Module.to(make(), tensors[0].dtype)
            xs, given = tensors[: len(inputs)], dict(zip(names, tensors[len(inputs) :]))
            return run(module, lambda *x: functional_call(module, given, x), *xs)

        f.case(op, label, call, draws, fixed=fixed, parameters=names, **attrs)

    once = lambda module, call, *x: call(*x)

    def both(module, call, x):
        trained = call(x)
        module.eval()
        return [trained, call(x)]

    coder = dict(input=[5], channels=[], hidden=[], latent=2)
    model("Autoencoder", "dense", lambda: Autoencoder(**coder), [normal(3, 5)], once, **coder)
    coder = dict(input=[2, 5, 6], channels=[3, 4], hidden=[7], latent=3)
    model("Autoencoder", "convolutions", lambda: Autoencoder(**coder), [spread(2, 2, 5, 6)], once, **coder)
    dense = dict(input=[6], channels=[], hidden=[8, 5], latent=2)
    make = lambda: Vae(**dense, std=0.5, act=torch.tanh)
    model("Vae", "gaussian", make, [normal(4, 6)], once, scale=0.5, std=0.5, **dense)
    conv = dict(input=[1, 8, 7], channels=[3, 4], hidden=[], latent=2)
    make = lambda: Vae(**conv, std=None, act=torch.tanh)
    model("Vae", "bernoulli", make, [Spread(0, 1, 2, 1, 8, 7)], once, fixed=[0], std=None, **conv)

    for label, sizes in {"small": (1, 8, 5, 4, 1), "large": (3, 16, 4, 2, 0)}.items():
        channels, size, latent, width, extra = sizes
        make = lambda: Main(generator(channels, size, latent, width, extra))
        attrs = dict(channels=channels, size=size, latent=latent, width=width, extra=extra)
        model("DcganGenerator", label, make, [normal(3, latent, 1, 1)], both, **attrs)
        make = lambda: Main(discriminator(channels, size, width, extra, True))
        model("DcganDiscriminator", label, make, [spread(2, channels, size, size)], both, **attrs)

    def distance(module, call, real, made, points):
        points = points.detach().requires_grad_()
        slopes = torch.autograd.grad(call(points).sum(), points, create_graph=True)[0].flatten(1).norm(dim=1)
        return call(made).mean() - call(real).mean() + 10 * ((slopes - 1) ** 2).mean()

    make = lambda: Main(discriminator(1, 16, 3, 1, False))
    pictures = [spread(2, 1, 16, 16) for _ in range(3)]
    attrs = dict(channels=1, size=16, latent=1, width=3, extra=1)
    model("critic", "penalty", make, pictures, distance, fixed=[0, 1, 2], **attrs)

    def unet(label, x, steps, classes, channels, layers, attention, head, groups, known):
        def make():
            ways = ["AttnDownBlock2D" if a else "DownBlock2D" for a in attention]
            module = UNet2DModel(
                in_channels=x[1],
                out_channels=x[1],
                layers_per_block=layers,
                block_out_channels=channels,
                down_block_types=ways,
                up_block_types=[way.replace("Down", "Up") for way in ways[::-1]],
                norm_num_groups=groups,
                attention_head_dim=head,
                num_class_embeds=known and known + 1,
            )
            module.time_proj = Waves(channels[0])
            return module

        def run(module, call, x, steps, classes):
            # The last row stands for no class.
            rows = torch.where(classes < 0, known, classes) if known else None
            return call(x, steps, rows).sample

        inputs = [spread(*x), int_values(*steps), int_values(*classes)]
        attrs = dict(channels=channels, layers=layers, attention=attention, head=head, groups=groups, known=known)
        model("DiffusionUnet", label, make, inputs, run, scale=0.25, image_channels=x[1], **attrs)

    unet("classes", (2, 2, 4, 6), [3, 700], [-1, 1], [4, 8], 2, [False, True], 4, 2, 3)
    unet("sizes", (1, 1, 4, 8), [42], [0], [2, 4, 2], 1, [False] * 3, 2, 2, None)

    for label, (schedule, steps) in {
        "linear": ((1e-4, 0.02), 1000),
        "cosine": ("cosine", 50),
        "linear_one": ((0.1, 0.3), 1),
    }.items():
        left, betas, theirs = left_of(schedule, steps)
        attrs = dict(schedule=schedule, steps=steps)
        every = np.unique(np.linspace(0, steps - 1, 9).astype(int))
        picked = lambda one, at: one * torch.from_numpy(np.stack([betas[at.numpy()], left[at.numpy()]])).to(one.dtype)
        run = lambda one, at, **_: picked(one, at)
        f.case("schedule", label, run, [lambda rng: np.ones(1, np.float32), int_values(*every)], fixed=[0], **attrs)
        if steps == 1:
            continue
        for prediction in ("epsilon", "v_prediction")[: 2 if schedule == "cosine" else 1]:
            at = [0, steps // 3, steps - 1]
            of_x = torch.tensor(left[at]).sqrt()[:, None]
            of_noise = torch.tensor(1 - left[at]).sqrt()[:, None]

            def noisy(x, noise, at, **_):
                a, b = of_x.to(x.dtype), of_noise.to(x.dtype)
                return [a * x + b * noise, a * noise - b * x if prediction == "v_prediction" else noise * 1.0]

            inputs = [normal(3, 4), normal(3, 4), int_values(*at)]
            f.case("add_noise", f"{label}_{prediction}", noisy, inputs, prediction=prediction, **attrs)

            def back(x, predicted, noise, step, previous, eta, clip, **_):
                """The posterior of Ho et al. for neighbours, otherwise formula 12 of Song et al."""
                a, before = left[step], 1.0 if previous is None else left[previous]
                if prediction == "epsilon":
                    example = (x - (1 - a) ** 0.5 * predicted) / a**0.5
                else:
                    example = a**0.5 * x - (1 - a) ** 0.5 * predicted
                example = example.clamp(-clip, clip) if clip else example
                if eta == 1:
                    alpha = a / before
                    variance = (1 - before) / (1 - a) * (1 - alpha)
                    mean = before**0.5 * (1 - alpha) / (1 - a) * example + alpha**0.5 * (1 - before) / (1 - a) * x
                else:
                    variance = eta**2 * (1 - before) / (1 - a) * (1 - a / before)
                    left_noise = (x - a**0.5 * example) / (1 - a) ** 0.5
                    mean = before**0.5 * example + (1 - before - variance) ** 0.5 * left_noise
                return mean + variance**0.5 * noise

            few = steps // 10
            middle = steps - 1 - 3 * few
            for name, step, previous, eta, clip in [
                ("ancestral", middle, middle - 1, 1.0, 1.0),
                ("ancestral_last", 0, None, 1.0, None),
                ("ddim", middle, middle - few, 0.0, 1.0),
                ("ddim_noisy", middle, middle - few, 0.4, None),
                ("ddim_last", few - 1, None, 0.0, 1.0),
            ]:
                more = dict(step=step, previous=previous, eta=eta, clip=clip)
                f.case(
                    "step_back",
                    f"{label}_{prediction}_{name}",
                    back,
                    [normal(2, 3), normal(2, 3), normal(2, 3)],
                    fixed=[2],
                    prediction=prediction,
                    **more,
                    **attrs,
                )
                x, predicted, noise = (torch.randn(2, 3) for _ in range(3))
                common = dict(num_train_timesteps=steps, prediction_type=prediction, clip_sample=bool(clip), **theirs)
                if eta == 1:
                    # It draws its noise by itself.
                    noise = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
                    drawn = dict(generator=torch.Generator().manual_seed(0))
                    theirs_back = DDPMScheduler(**common).step(predicted, step, x, **drawn)
                else:
                    scheduler = DDIMScheduler(timestep_spacing="trailing", **common)
                    scheduler.set_timesteps(10)
                    options = dict(eta=eta, use_clipped_model_output=bool(clip), variance_noise=noise)
                    theirs_back = scheduler.step(predicted, step, x, **options)
                ours = back(x, predicted, noise, **more)
                torch.testing.assert_close(theirs_back.prev_sample.float(), ours.float(), rtol=1e-3, atol=1e-3)
