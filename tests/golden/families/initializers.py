"""Gains, and the statistics of large samples: random numbers themselves cannot agree between libraries."""

import torch
from torch import nn

SHAPE = (400, 300)


def cases(f):
    for nonlinearity, param in (
        ("linear", None),
        ("sigmoid", None),
        ("tanh", None),
        ("relu", None),
        ("leaky_relu", None),
        ("leaky_relu", 0.2),
        ("selu", None),
    ):
        f.record(
            {
                "id": f"gain/{nonlinearity}_{param}",
                "op": "gain",
                "attrs": {"nonlinearity": nonlinearity, "param": param},
                "gain": nn.init.calculate_gain(nonlinearity, param),
            }
        )

    def sample(op, fill, shape=SHAPE, **attrs):
        torch.manual_seed(0)
        t = torch.empty(*shape, dtype=torch.float64)
        fill(t, **attrs)
        label = "_".join(f"{k}{v}" for k, v in attrs.items()) or "default"
        statistics = {
            "mean": t.mean().item(),
            "std": t.std(correction=0).item(),
            "min": t.min().item(),
            "max": t.max().item(),
        }
        f.record({"id": f"{op}/{label}", "op": op, "attrs": attrs, "shape": shape, **statistics})

    sample("constant", lambda t, val: nn.init.constant_(t, val), val=0.3)
    sample("uniform", lambda t, a, b: nn.init.uniform_(t, a, b), a=-0.5, b=2.0)
    sample("normal", lambda t, mean, std: nn.init.normal_(t, mean, std), mean=1.0, std=0.5)
    for mean, std, a, b in ((0.0, 1.0, -2.0, 2.0), (0.5, 0.2, 0.3, 0.8)):
        sample(
            "truncated_normal",
            lambda t, mean, std, a, b: nn.init.trunc_normal_(t, mean, std, a, b),
            mean=mean,
            std=std,
            a=a,
            b=b,
        )
    for gain in (1.0, 5.0 / 3.0):
        sample("xavier_uniform", lambda t, gain: nn.init.xavier_uniform_(t, gain), gain=gain)
        sample("xavier_normal", lambda t, gain: nn.init.xavier_normal_(t, gain), gain=gain)
    for name in ("kaiming_uniform", "kaiming_normal"):
        for mode, nonlinearity, a in (("fan_in", "relu", 0.0), ("fan_out", "relu", 0.0), ("fan_in", "leaky_relu", 0.2)):
            sample(
                name,
                lambda t, mode, nonlinearity, a, name=name: getattr(nn.init, name + "_")(
                    t, a=a, mode=mode, nonlinearity=nonlinearity
                ),
                mode=mode,
                nonlinearity=nonlinearity,
                a=a,
            )
    # Keras' VarianceScaling: the variance is scale / fan, whatever the distribution; LeCun's are two of them.
    def variance_scaling(t, scale, fan, distribution):
        fan_in, fan_out = t.shape[1], t.shape[0]
        n = {"in": fan_in, "out": fan_out, "average": (fan_in + fan_out) / 2}[fan]
        std = (scale / n) ** 0.5
        if distribution == "truncated_normal":
            std /= 0.87962566103423978
            nn.init.trunc_normal_(t, 0.0, std, -2 * std, 2 * std)
        elif distribution == "normal":
            nn.init.normal_(t, 0.0, std)
        else:
            nn.init.uniform_(t, -((3 * scale / n) ** 0.5), (3 * scale / n) ** 0.5)

    for distribution in ("truncated_normal", "normal", "uniform"):
        for scale, fan in ((1.0, "in"), (2.0, "out"), (0.5, "average")):
            sample("variance_scaling", variance_scaling, scale=scale, fan=fan, distribution=distribution)
    for name, distribution in (("lecun_normal", "truncated_normal"), ("lecun_uniform", "uniform")):
        sample(name, lambda t, distribution=distribution: variance_scaling(t, 1.0, "in", distribution))

    # A convolution's weight: fan_in is 30·3·3.
    sample(
        "kaiming_normal",
        lambda t, mode, nonlinearity, a, kernel: nn.init.kaiming_normal_(t, a=a, mode=mode, nonlinearity=nonlinearity),
        shape=(40, 30, 3, 3),
        mode="fan_in",
        nonlinearity="relu",
        a=0.0,
        kernel=3,
    )

    torch.manual_seed(0)
    layer = nn.Linear(400, 300)
    for name, t in layer.named_parameters():
        t = t.detach().double()
        f.record(
            {
                "id": f"linear_default/{name}",
                "op": "linear_default",
                "attrs": {"parameter": name, "in_features": 400, "out_features": 300},
                "mean": t.mean().item(),
                "std": t.std(correction=0).item(),
                "min": t.min().item(),
                "max": t.max().item(),
            }
        )
