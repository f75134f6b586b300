"""Writes explain.json: explanations of small models, by Captum, SHAP and scikit-learn. See README.md.

    pip install torch==2.15.0 captum==0.9.0 shap==0.51.0 scikit-learn==1.9.1 PyALE==1.2.0
    python tests/golden/make_explain.py
"""

import json
import pathlib

import captum
import numpy as np
import shap
import sklearn
import torch
from captum.attr import (
    LRP, DeepLift, DeepLiftShap, GuidedBackprop, InputXGradient, IntegratedGradients, LayerGradCam, Occlusion, Saliency, ShapleyValues,
)
from captum.attr._utils.lrp_rules import Alpha1_Beta0_Rule, EpsilonRule, GammaRule
from captum.metrics import infidelity, sensitivity_max
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.inspection import partial_dependence
from sklearn.linear_model import LogisticRegression, Ridge

torch.set_default_dtype(torch.float64)
rng = np.random.default_rng(27)
nn = torch.nn


def numbers(x):
    x = x.detach().numpy() if torch.is_tensor(x) else np.asarray(x, dtype=np.float64)
    return [float(f"{v:.12g}") for v in x.ravel()]


def draw(*shape, scale=1.0):
    return torch.tensor(np.round(scale * rng.standard_normal(shape), 3))


def given(model):
    """Weights with few digits, and the list of them."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(draw(*p.shape, scale=0.5))
        for name, b in model.named_buffers():
            if name.endswith("running_mean"):
                b.copy_(draw(*b.shape, scale=0.3))
            elif name.endswith("running_var"):
                b.copy_(draw(*b.shape).abs() + 0.5)
    model.eval()
    return {name: numbers(p) for name, p in model.state_dict().items() if not name.endswith("tracked")}


class Dense(nn.Module):
    def __init__(self, act):
        super().__init__()
        self.fc1, self.act1, self.fc2, self.act2, self.fc3 = nn.Linear(4, 6), act(), nn.Linear(6, 5), act(), nn.Linear(5, 3)

    def forward(self, x):
        return self.fc3(self.act2(self.fc2(self.act1(self.fc1(x)))))


class Picture(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.norm, self.act1, self.pool1 = nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2)
        self.conv2, self.act2, self.pool2, self.fc = nn.Conv2d(3, 4, 2), nn.ReLU(), nn.AvgPool2d(2, stride=1), nn.Linear(16, 3)

    def forward(self, x):
        x = self.pool1(self.act1(self.norm(self.conv1(x))))
        return self.fc(self.pool2(self.act2(self.conv2(x))).flatten(1))


def gradients(model, x, base, background, target, lrp_layers):
    out = {}
    xg = x.clone().requires_grad_()
    out["saliency"] = Saliency(model).attribute(xg, target=target)
    out["gradient_x_input"] = InputXGradient(model).attribute(xg, target=target)
    out["guided"] = GuidedBackprop(model).attribute(xg, target=target)
    for method in ("gausslegendre", "riemann_left", "riemann_right", "riemann_middle"):
        out[f"ig_{method}"] = IntegratedGradients(model).attribute(x, base, target=target, n_steps=20, method=method)
    if any(isinstance(module, nn.MaxPool2d) for module in model.modules()):
        # Captum's rule for maxima takes gradients of the first example for those of all (`grad_input[0]`), and its sums are off.
        def deep(background):
            values = shap.DeepExplainer(model, background).shap_values(x, check_additivity=True)
            return np.stack([values[i, ..., int(t)] for i, t in enumerate(target)])

        out["deep_lift"], out["deep_shap"] = deep(base), deep(background)
    else:
        out["deep_lift"] = DeepLift(model).attribute(x, base, target=target)
        out["deep_shap"] = DeepLiftShap(model).attribute(x, background, target=target)
    for name, rule in (("epsilon", lambda: EpsilonRule(0.01)), ("gamma", lambda: GammaRule(0.25)), ("zplus", lambda: Alpha1_Beta0_Rule())):
        for layer in lrp_layers(model):
            layer.rule = rule()
        for module in model.modules():
            if isinstance(module, (nn.BatchNorm2d, nn.MaxPool2d, nn.AvgPool2d)):
                module.rule = EpsilonRule(0.01 if name == "epsilon" else 1e-9)
        out[f"lrp_{name}"] = LRP(model).attribute(x, target=target)
    return {name: numbers(v) for name, v in out.items()}


result = {"captum": captum.__version__, "shap": shap.__version__, "torch": torch.__version__, "scikit-learn": sklearn.__version__}
dense = lambda model: [m for m in model.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]

for name, act in (("relu", nn.ReLU), ("tanh", nn.Tanh)):
    torch.manual_seed(0)
    model = Dense(act)
    weights = given(model)
    x, base, background = draw(3, 4), draw(1, 4, scale=0.3), draw(5, 4)
    target = torch.tensor([2, 0, 1])
    case = {"weights": weights, "x": numbers(x), "base": numbers(base), "background": numbers(background), "target": target.tolist()}
    if act is nn.ReLU:
        case |= gradients(model, x, base, background, target, dense)
    else:
        case["deep_lift"] = numbers(DeepLift(model).attribute(x, base, target=target))
        case["lrp_epsilon"] = numbers(LRP(model).attribute(x, target=target))
    one = lambda z: model(torch.tensor(z))[:, 1].detach().numpy()
    kernel = shap.KernelExplainer(one, background.numpy())
    case["kernel_shap"] = numbers(kernel.shap_values(x.numpy(), l1_reg=False, silent=True))
    case["exact_shap"] = numbers(shap.ExactExplainer(one, shap.maskers.Independent(background.numpy(), max_samples=100))(x.numpy()).values)
    case["shapley_baseline"] = numbers(ShapleyValues(model).attribute(x, base.expand_as(x), target=1))
    # LIME with every coalition: a ridge regression on which features are there.
    masks = np.array([[(m >> i) & 1 for i in range(4)] for m in range(16)], dtype=np.float64)
    near = np.exp(-(1 - np.sqrt(masks.mean(1))) ** 2 / 0.25**2)
    rows = []
    for row in x.numpy():
        values = one(np.where(masks > 0, row, base.numpy()))
        fit = Ridge(alpha=0.1).fit(masks, values, sample_weight=near)
        rows.append([*fit.coef_, fit.intercept_, fit.score(masks, values, sample_weight=near)])
    case["lime"] = numbers(rows)
    noise = draw(6, 3, 4, scale=0.2)
    attr = torch.tensor(case["saliency"] if act is nn.ReLU else case["deep_lift"]).reshape(3, 4)
    turns = iter(noise)
    found = [infidelity(model, lambda z: (p, z - p), x, attr, target=target, n_perturb_samples=1) for p in noise]
    case["noise"], case["infidelity"] = numbers(noise), numbers(torch.stack(found).mean(0))
    ixg = lambda z: InputXGradient(model).attribute(z.clone().requires_grad_(), target=target)
    plain = ixg(x)
    norms = lambda z: z.reshape(3, -1).norm(dim=1)
    ours = torch.stack([norms(ixg(x + p) - plain) / norms(plain) for p in noise]).amax(0)
    theirs = torch.stack([sensitivity_max(lambda z, **_: (InputXGradient(model).attribute(z[0] if isinstance(z, tuple) else z, target=target),),
                                          x, perturb_func=lambda z: z + p, n_perturb_samples=1) for p in noise]).amax(0)
    assert torch.allclose(ours, theirs), (ours, theirs)
    case["sensitivity"] = numbers(theirs)
    result[name] = case

model = Picture()
weights = given(model)
x, base, background, target = draw(2, 2, 8, 8), draw(1, 2, 8, 8, scale=0.3), draw(3, 2, 8, 8), torch.tensor([1, 2])
case = {"weights": weights, "x": numbers(x), "base": numbers(base), "background": numbers(background), "target": target.tolist()}
case |= gradients(model, x, base, background, target, dense)
case["occlusion"] = numbers(Occlusion(model).attribute(x, (2, 3, 2), strides=(2, 2, 1), baselines=base, target=target))
for layer in ("act1", "act2"):
    module = getattr(model, layer)
    cam = LayerGradCam(model, module).attribute(x, target=target, relu_attributions=True)
    case[f"cam_{layer}"] = numbers(cam)
    case[f"cam_{layer}_large"] = numbers(nn.functional.interpolate(cam, (8, 8), mode="bilinear"))
    kept = []
    handle = module.register_forward_hook(lambda m, i, o: kept.append(o))
    score = model(x).gather(1, target[:, None]).sum()
    handle.remove()
    (g,) = torch.autograd.grad(score, kept[0])
    a = kept[0].detach()
    divisor = 2 * g**2 + (a.sum((2, 3), keepdim=True) * g**3)
    alpha = torch.where(divisor == 0, 0.0, g**2 / torch.where(divisor == 0, 1.0, divisor))
    weight = (alpha * g.clamp(min=0)).sum((2, 3), keepdim=True)
    case[f"cam_plus_{layer}"] = numbers((weight * a).sum(1).clamp(min=0))
result["picture"] = case


class Formula(RegressorMixin, BaseEstimator):
    def fit(self, x, y=None):
        self.n_features_in_ = x.shape[1]
        self.fitted_ = True
        return self

    def predict(self, x):
        x = np.asarray(x)
        return np.sin(x[:, 0]) * x[:, 1] + x[:, 2] ** 2 + 0.5 * x[:, 0]


data = np.round(rng.standard_normal((40, 3)), 3)
data[:, 2] += 0.5 * data[:, 0]
data = np.round(data, 3)
formula = Formula().fit(data)
options = {"method": "brute", "percentiles": (0.05, 0.95)}
both = partial_dependence(formula, data, [0], kind="both", grid_resolution=7, **options)
tables = {"data": numbers(data), "grid": numbers(both["grid_values"][0]), "average": numbers(both["average"]), "individual": numbers(both["individual"][0][:5])}
# Columns with about as many different values as there are points.
tables["few"] = []
for values, points in [([-0.1, 0.4, -0.3], 3), ([-0.1, 0.4, -0.3], 4), ([2.0, 0.0, 1.0, 1.0, 3.0, 1.0, 0.0, 2.0], 4), ([1.0, 5.0], 2), (list(np.round(np.sin(np.arange(50.0)), 1)), 10)]:
    column = np.stack([values, np.cos(values), np.arange(len(values)) / 10], 1)
    few = partial_dependence(formula, column, [0], grid_resolution=points, **options)
    tables["few"].append({"data": numbers(column), "points": points, "grid": numbers(few["grid_values"][0]), "average": numbers(few["average"])})
import pandas as pd
from PyALE import ale

frame = pd.DataFrame(data, columns=["a", "b", "c"])
effect = ale(X=frame, model=formula, feature=["a"], grid_size=8, include_CI=False, plot=False)
tables["ale_at"], tables["ale"], tables["ale_size"] = numbers(effect.index.values), numbers(effect["eff"].values), effect["size"].tolist()
result["tables"] = tables

# Influence of training examples: learning rate times the product of gradients, over two checkpoints, by autograd.
influence = {"checkpoints": [], "rates": [0.1, 0.05]}
x, y, z, w = draw(6, 4), torch.tensor([0, 1, 2, 0, 1, 2]), draw(2, 4), torch.tensor([1, 0])
total = torch.zeros(2, 6)
for rate in influence["rates"]:
    model = Dense(nn.ReLU)
    influence["checkpoints"].append(given(model))
    def grads(x, y):
        rows = []
        for i in range(len(x)):
            loss = nn.functional.cross_entropy(model(x[i : i + 1]), y[i : i + 1])
            rows.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))]))
        return torch.stack(rows)
    total += rate * grads(z, w) @ grads(x, y).T
influence |= {"x": numbers(x), "y": y.tolist(), "z": numbers(z), "w": w.tolist(), "scores": numbers(total)}
result["influence"] = influence

points = np.round(rng.standard_normal((60, 3)), 3)
labels = (points[:, 0] + 0.5 * rng.standard_normal(60) > 0.2).astype(int) + (points[:, 1] > 0.7)
fit = LogisticRegression(C=2.0, tol=1e-12, max_iter=10000).fit(points, labels)
result["probe"] = {"x": numbers(points), "labels": labels.tolist(), "probabilities": numbers(fit.predict_proba(points[:6])), "score": fit.score(points, labels)}

layers = rng.dirichlet(np.ones(4), (3, 2, 4))
layers = np.round(layers, 4)
rolled = {}
for how, fuse in (("mean", lambda a: a.mean(0)), ("max", lambda a: a.max(0)), ("min", lambda a: a.min(0))):
    joint = np.eye(4)
    for a in layers:
        a = fuse(a) + np.eye(4)
        joint = (a / a.sum(-1, keepdims=True)) @ joint
    rolled[how] = numbers(joint)
result["rollout"] = {"layers": numbers(layers), **rolled}

path = pathlib.Path(__file__).parent / "explain.json"
path.write_text(json.dumps(result, separators=(",", ":")) + "\n")
print(path, path.stat().st_size, "bytes")
