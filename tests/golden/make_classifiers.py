"""Small random language models that say what a text is, as `transformers` publishes them, and what it computes with them.

Each model is a folder in tests/golden/pretrained/classifiers, with weights in 16 bits. `expected.json` has the logits of texts padded on
the right, those of one with its mask, and of the gradient of every parameter the norm and the sum with weights cos(0), cos(1), cos(2) …

    pip install torch==2.15.0 transformers==5.24.0
    python tests/golden/make_classifiers.py
"""

import json
import pathlib
import shutil

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

FOLDER = pathlib.Path(__file__).resolve().parent / "pretrained" / "classifiers"
SIZES = dict(vocab_size=29, hidden_size=12, intermediate_size=10, num_hidden_layers=2, num_attention_heads=2,
             num_key_value_heads=1, max_position_embeddings=16, bos_token_id=None, eos_token_id=None)
NAMES = dict(id2label={0: "no", 1: "maybe", 2: "yes"}, label2id={"no": 0, "maybe": 1, "yes": 2})
MODELS = {
    "gpt2": dict(model_type="gpt2", vocab_size=29, n_positions=16, n_embd=12, n_layer=2, n_head=3, pad_token_id=0,
                 bos_token_id=None, eos_token_id=None, **NAMES),
    "llama": dict(model_type="llama", pad_token_id=28, num_labels=2, **SIZES),
    "qwen2": dict(model_type="qwen2", pad_token_id=0, **NAMES, **SIZES),
    "phi3": dict(model_type="phi3", pad_token_id=0, num_labels=1, **SIZES),
}


def make(name, options):
    options = dict(options)
    config = AutoConfig.for_model(options.pop("model_type"), attn_implementation="eager", **options)
    torch.manual_seed(len(name))
    model = AutoModelForSequenceClassification.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_((parameter + 0.2 * torch.randn_like(parameter)).half())
    folder = FOLDER / name
    model.half().save_pretrained(folder)
    model.float().eval()
    pad = config.pad_token_id
    texts = [[3, 1, 4, 1, 5, 9], [2, 6, 5, pad, pad, pad], [3, 5, 8, 9, 7, pad]]
    ids = torch.tensor(texts)
    logits = model(ids).logits
    # One text padded on the left, of which the padding is not seen.
    left = torch.tensor([[pad, pad, 2, 6, 5]])
    masked = model(left, attention_mask=(left != pad).long()).logits
    (logits * torch.arange(1.0, logits.numel() + 1).reshape(logits.shape).cos()).sum().backward()
    grads = {}
    for key, parameter in model.named_parameters():
        g = parameter.grad.double().flatten()
        grads[key] = [g.norm().item(), (g * torch.arange(len(g)).double().cos()).sum().item()]
    return dict(texts=texts, logits=logits.tolist(), left=left.tolist(), masked=masked.tolist(), grads=grads,
                labels=[config.id2label[i] for i in range(config.num_labels)])


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    expected = {name: make(name, options) for name, options in MODELS.items()}
    (FOLDER / "expected.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    main()
