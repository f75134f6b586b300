"""Models for pictures as they are published, and what they compute (tests/golden/pretrained/images).

`networks.json`: networks of timm, of torchvision and of `efficientnet_lite_pytorch` with weights that follow from places, so that the file
holds only the names and shapes of their tensors: logits of a picture and gradients. `resized.json`: what Pillow makes of a picture in
other sizes. `whole.json`: what a small CLIP says of a picture and of words, from bytes to probabilities. `lite0.json`: logits of the real
EfficientNet-lite0, whose file is given. The folders: small random ViT, DeiT and CLIP models as `transformers` publishes them, with weights in 16 bits, and
`expected.json` with what it computes in double precision: outputs, and of the gradient of every parameter the sum, the norm, and the
sum with weights cos(0), cos(1), cos(2) …, where the loss is the sum of the outputs with such weights.

    pip install torch==2.15.0 torchvision==0.29.2 timm==1.0.31 transformers==5.24.0 efficientnet_lite_pytorch==0.1.0 pillow==13.0.0
    python tests/golden/make_images.py [efficientnet-lite0-57934424.pth]
"""

import json
import pathlib
import shutil
import sys

import numpy as np
import timm
import torch
import torchvision
import transformers
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from safetensors.torch import load_file

FOLDER = pathlib.Path(__file__).resolve().parent / "pretrained" / "images"
shutil.rmtree(FOLDER, ignore_errors=True)
FOLDER.mkdir(parents=True)


def mix(x):
    x = x.astype(np.uint32)
    with np.errstate(over="ignore"):
        x = (x ^ (x >> 16)) * np.uint32(0x85EBCA6B)
        x = (x ^ (x >> 13)) * np.uint32(0xC2B2AE35)
    return x ^ (x >> 16)


def formula(salt, shape, lo, hi):
    """Numbers from lo to hi that follow from their places."""
    count = int(np.prod(shape, dtype=np.int64))
    with np.errstate(over="ignore"):
        words = mix(np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B9) ^ mix(np.array([salt], dtype=np.uint32)))
    numbers = (words >> 8) / 2.0**24 * (hi - lo) + lo
    return torch.tensor(numbers.astype(np.float32)).reshape(shape)


def limits(name, shape):
    if name.endswith("running_var") or len(shape) == 1 and name.endswith("weight"):
        return 0.5, 1.5
    if len(shape) > 1:
        most = (4.0 / np.prod(shape[1:])) ** 0.5
        return -most, most
    return -0.2, 0.2


def digits(numbers):
    return [float(f"{float(number):.7g}") for number in numbers]


def network(model, size):
    model = model.eval()
    state, tensors = model.state_dict(), []
    for i, (name, tensor) in enumerate(state.items()):
        if not name.endswith("num_batches_tracked"):
            lo, hi = limits(name, tensor.shape)
            tensor.copy_(formula(i + 1, tuple(tensor.shape), lo, hi))
            tensors.append([i + 1, name, list(tensor.shape)])
    model.double()
    x = formula(0, (2, 3, size, size), -1, 1).double().requires_grad_()
    y = model(x)
    (y * torch.cos(torch.arange(y.shape[1], dtype=y.dtype))).sum().backward()
    stem = next(iter(model.parameters())).grad.flatten()
    return dict(
        size=size, tensors=tensors, logits=digits(y.flatten()[::3].tolist()),
        dx=digits(x.grad.flatten()[::197].tolist()), dstem=digits(stem[::61].tolist()),
    )


networks = {}
for name in ["resnet18", "mobilenetv2_050", "mobilenetv3_small_100", "efficientnet_b0", "tf_efficientnet_lite0"]:
    networks[f"timm {name}"] = network(timm.create_model(name, num_classes=10), 33)
networks["torchvision mobilenet_v3_small"] = network(torchvision.models.mobilenet_v3_small(num_classes=7), 33)
# Its padding is that for pictures of one size.
options = dict(image_size=33, num_classes=10)
networks["port efficientnet-lite0"] = network(EfficientNet.from_name("efficientnet-lite0", **options), 33)
text = json.dumps(networks, separators=(",", ":"))
(FOLDER / "networks.json").write_text(text)

pixels = formula(3, (19, 23, 3), 0, 256).numpy().astype(np.uint8)
# Edges, where rounding and clipping show.
pixels[5:9, 4:12] = [255, 0, 255]
picture, resized = Image.fromarray(pixels), {}
for name, how in dict(nearest=0, lanczos=1, bilinear=2, bicubic=3, box=4, hamming=5).items():
    for height, width in [(8, 7), (31, 40), (19, 5), (3, 23)]:
        out = np.asarray(picture.resize((width, height), how))
        resized[f"{name} {height} {width}"] = [int(out.astype(np.int64).sum()), out.flatten()[::5].tolist()]
(FOLDER / "resized.json").write_text(json.dumps(resized, separators=(",", ":")))

SIZES = dict(hidden_size=12, num_hidden_layers=1, num_attention_heads=3, intermediate_size=20, image_size=16, patch_size=8)
LABELS = dict(id2label={0: "cat", 1: "dog", 2: "pot"}, label2id={"cat": 0, "dog": 1, "pot": 2})
CLIP = dict(
    text_config=dict(
        hidden_size=12, num_hidden_layers=1, num_attention_heads=3, intermediate_size=20, vocab_size=30,
        max_position_embeddings=14, bos_token_id=28, eos_token_id=29, pad_token_id=1,
    ),
    vision_config=SIZES, projection_dim=7,
)
OLD = json.loads(json.dumps(CLIP))
OLD["text_config"] |= dict(eos_token_id=2, hidden_act="gelu", layer_norm_eps=1e-3)
OLD["vision_config"] |= dict(hidden_act="gelu", num_channels=1)
MODELS = {
    "vit": ("ViTForImageClassification", transformers.ViTConfig, SIZES | LABELS | dict(num_hidden_layers=2)),
    "vit_body": (
        "ViTModel", transformers.ViTConfig,
        SIZES | dict(pooler_output_size=5, pooler_act="relu", qkv_bias=False, hidden_act="gelu_new", layer_norm_eps=1e-3, num_channels=1),
    ),
    "vit_wide": ("ViTForImageClassification", transformers.ViTConfig, SIZES | LABELS | dict(image_size=[8, 16], patch_size=[4, 8])),
    "deit": ("DeiTForImageClassification", transformers.DeiTConfig, SIZES | LABELS),
    "deit_body": ("DeiTModel", transformers.DeiTConfig, SIZES),
    "deit_teacher": ("DeiTForImageClassificationWithTeacher", transformers.DeiTConfig, SIZES | LABELS),
    "clip": ("CLIPModel", transformers.CLIPConfig, CLIP),
    "clip_old": ("CLIPModel", transformers.CLIPConfig, OLD),
}
TEXTS = [[28, 5, 7, 29, 1], [28, 9, 29, 1, 1], [28, 3, 4, 11, 29]]


def outputs(model):
    vision = getattr(model.config, "vision_config", model.config)
    size = vision.image_size if isinstance(vision.image_size, (list, tuple)) else [vision.image_size] * 2
    x = formula(1, (2, vision.num_channels, *size), -1, 1).double()
    if model.config.model_type == "clip":
        found = model(input_ids=torch.tensor(TEXTS), pixel_values=x)
        return torch.cat([found.logits_per_image.flatten(), found.text_embeds.flatten(), found.image_embeds.flatten()])
    found = model(x)
    if hasattr(found, "logits"):
        return found.logits.flatten()
    pooled = found.pooler_output
    return torch.cat([found.last_hidden_state.flatten(), pooled.flatten()])


expected = {}
for name, (cls, config, options) in MODELS.items():
    torch.manual_seed(11)
    model = getattr(transformers, cls)(config(**options)).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.25).copy_(p.half().float())
    model.half().save_pretrained(FOLDER / name)
    saved = load_file(FOLDER / name / "model.safetensors")
    # Files have other names than modules.
    same = lambda p: [key for key, t in saved.items() if t.shape == p.shape and torch.equal(t, p)]
    names = {key: same(p) for key, p in model.named_parameters()}
    assert all(len(found) == 1 for found in names.values())
    model.double()
    y = outputs(model)
    (y * torch.cos(torch.arange(len(y), dtype=y.dtype))).sum().backward()
    grads = {}
    for key, p in model.named_parameters():
        if p.grad is None:
            continue
        key, g = names[key][0], p.grad.flatten()
        weights = torch.cos(torch.arange(len(g), dtype=g.dtype))
        grads[key] = digits([g.sum(), g.norm(), (g * weights).sum()])
    expected[name] = dict(output=digits(y.tolist()), grads=grads)
(FOLDER / "expected.json").write_text(json.dumps(expected, separators=(",", ":")))

# A whole CLIP: pictures and words in, probabilities out.
letters = "acdfghopt"
merges = [("p", "h"), ("ph", "o"), ("pho", "t"), ("phot", "o</w>"), ("o", "f</w>"), ("c", "a"), ("ca", "t</w>"), ("d", "o"), ("do", "g</w>")]
tokens = [*letters, *(letter + "</w>" for letter in letters), *(a + b for a, b in merges), "x", "<|startoftext|>", "<|endoftext|>"]
tokenizer = transformers.CLIPTokenizer(vocab={token: i for i, token in enumerate(tokens)}, merges=merges)
made = FOLDER / "made"
tokenizer.save_pretrained(made)
(made / "tokenizer.json").rename(FOLDER / "clip" / "tokenizer.json")
shutil.rmtree(made)
processor = transformers.CLIPImageProcessorPil(size={"shortest_edge": 18}, crop_size={"height": 16, "width": 16})
options = processor.to_dict()
(FOLDER / "clip" / "preprocessor_config.json").write_text(json.dumps(options))
values = processor(picture, return_tensors="pt")["pixel_values"].double()
classes = ["cat", "dog", "photo of a pot"]
ids = tokenizer([f"a photo of a {name}" for name in classes], padding=True, return_tensors="pt")["input_ids"]
model = transformers.CLIPModel.from_pretrained(FOLDER / "clip", dtype=torch.float64).eval()
logits = model(input_ids=ids, pixel_values=values).logits_per_image[0]
page = ["a photo of a cat", "A  Photo\nof a DOG!", "it's 12 dogs' <|endoftext|> x_y 🙂", ""]
whole = dict(
    classes=classes, probabilities=digits(logits.softmax(0).tolist()), pixels=digits(values.flatten()[::11].tolist()),
    page=[[text, tokenizer(text)["input_ids"]] for text in page],
)
vit = transformers.ViTImageProcessorPil(size={"height": 20, "width": 14}, resample=2)
(FOLDER / "vit" / "preprocessor_config.json").write_text(json.dumps(vit.to_dict()))
whole["vit"] = digits(vit(picture, return_tensors="pt")["pixel_values"].flatten()[::11].tolist())
(FOLDER / "whole.json").write_text(json.dumps(whole))

if len(sys.argv) > 1:
    lite = EfficientNet.from_name("efficientnet-lite0").eval()
    lite.load_state_dict(torch.load(sys.argv[1], weights_only=True))
    y = lite(formula(7, (1, 3, 224, 224), -2, 2))[0]
    real = dict(logits=digits(y[::37].tolist()), best=y.topk(5).indices.tolist())
    (FOLDER / "lite0.json").write_text(json.dumps(real))
