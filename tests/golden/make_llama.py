"""Small random models of the families that `Llama` reads, as `transformers` publishes them, and what it computes with them.

Each model is a folder in tests/golden/pretrained/llama, with weights in 16 bits. Those that differ only in their positions have
the weights of another one, and their configuration in `expected.json`. That has: logits at two places of two texts, those of a padded
text, and of the gradient of every parameter the sum, the norm, and the sum with weights cos(0), cos(1), cos(2) …; and a greedy
continuation, which is the same with a cache and without.

    pip install torch==2.15.0 transformers==5.24.0
    python tests/golden/make_llama.py
"""

import copy
import json
import pathlib
import shutil

import torch
from transformers import AutoConfig, AutoModelForCausalLM

FOLDER = pathlib.Path(__file__).resolve().parent / "pretrained" / "llama"
SIZES = dict(
    vocab_size=31, hidden_size=16, intermediate_size=20, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=32, bos_token_id=None, eos_token_id=None, pad_token_id=None,
)
OWN_HEADS = dict(head_dim=6)
WINDOW = dict(sliding_window=4)
GEMMA = dict(head_dim=6, query_pre_attn_scalar=10, **WINDOW)
LLAMA3 = dict(rope_type="llama3", factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16)
LONG = dict(rope_type="longrope", short_factor=[1.0, 1.5], long_factor=[1.25, 4.0])

# model_type, options, and the folder that has the weights.
MODELS = {
    "llama": ("llama", dict(attention_bias=True, mlp_bias=True, **OWN_HEADS), None),
    "llama_tied": ("llama", dict(tie_word_embeddings=True, num_key_value_heads=4, hidden_act="gelu"), None),
    "linear": ("llama", dict(rope_parameters=dict(rope_type="linear", factor=2.5, rope_theta=500.0)), "llama"),
    "dynamic": ("llama", dict(rope_parameters=dict(rope_type="dynamic", factor=2.0, rope_theta=1e4),
                              max_position_embeddings=10), "llama"),
    "llama3": ("llama", dict(rope_parameters=LLAMA3 | dict(rope_theta=1e3)), "llama"),
    "yarn": ("llama", dict(rope_parameters=dict(rope_type="yarn", factor=4.0, rope_theta=1e4, beta_fast=2.0, beta_slow=0.5,
                                                original_max_position_embeddings=8)), "llama"),
    "yarn_scaled": ("llama", dict(rope_parameters=dict(rope_type="yarn", factor=8.0, rope_theta=100.0, mscale=0.7,
                                                       mscale_all_dim=1.2, original_max_position_embeddings=16,
                                                       truncate=False)), "llama"),
    "mistral": ("mistral", dict(**OWN_HEADS, **WINDOW), None),
    "qwen2": ("qwen2", dict(use_sliding_window=True, sliding_window=5, max_window_layers=1), None),
    "qwen3": ("qwen3", dict(tie_word_embeddings=True, **OWN_HEADS), None),
    "phi3": ("phi3", dict(num_attention_heads=2, num_key_value_heads=1, sliding_window=7,
                          rope_parameters=dict(rope_theta=1e4, partial_rotary_factor=0.75)), None),
    "phi3_short": ("phi3", dict(rope_parameters=LONG | dict(rope_theta=1e4), original_max_position_embeddings=24), None),
    "phi3_long": ("phi3", dict(rope_parameters=LONG | dict(rope_theta=1e4), original_max_position_embeddings=10),
                  "phi3_short"),
    "smollm3": ("smollm3", dict(no_rope_layers=[1, 0]), None),
    "gemma": ("gemma", OWN_HEADS, None),
    "gemma2": ("gemma2", GEMMA | dict(attn_logit_softcapping=2.0, final_logit_softcapping=3.0), None),
    "gemma3": ("gemma3_text", GEMMA | dict(sliding_window_pattern=2, rope_parameters={
        "full_attention": dict(rope_type="linear", factor=4.0, rope_theta=1e4),
        "sliding_attention": dict(rope_type="default", rope_theta=100.0)}), None),
}
# The same positions as earlier releases wrote them.
OLDER = {
    "linear": dict(rope_theta=500.0, rope_scaling=dict(type="linear", factor=2.5)),
    "llama3": dict(rope_theta=1e3, rope_scaling=LLAMA3),
    "phi3_long": dict(rope_theta=1e4, rope_scaling=dict(type="su", short_factor=LONG["short_factor"], long_factor=LONG["long_factor"])),
    "gemma3": dict(rope_theta=1e4, rope_local_base_freq=100.0, rope_scaling=dict(rope_type="linear", factor=4.0)),
}
TIME, NEW = 12, 6


def randomised(model):
    """Biases and norms are constants at first, which would hide a mistake. Weights are what 16 bits hold."""
    torch.manual_seed(7)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.25).copy_(p.half().float())
    return model


def made(model_type, options):
    config = AutoConfig.for_model(model_type, **(SIZES | options))
    config._attn_implementation = "eager"
    return AutoModelForCausalLM.from_config(config)


def expectations(model, name):
    model = model.eval()
    generator = torch.Generator().manual_seed(3)
    ids = torch.randint(0, SIZES["vocab_size"], (2, TIME), generator=generator)
    mask = torch.ones(2, TIME, dtype=torch.long)
    mask[1, :4] = 0
    with torch.no_grad():
        # In single precision: in double, `transformers` gives NaN where nothing is seen.
        padded = model(ids, attention_mask=mask, use_cache=False).logits[1, -1]
    model = model.double()
    logits = model(ids, use_cache=False).logits
    loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
    loss.backward()

    def sums(g):
        g = g.flatten()
        return digits([g.sum(), g.norm(), (g * torch.cos(torch.arange(len(g), dtype=g.dtype))).sum()])

    def digits(numbers):
        return [float(f"{float(number):.8g}") for number in numbers]

    grads = {key: sums(p.grad) for key, p in model.named_parameters()}
    greedy = []
    with torch.no_grad():
        for cached in [True, False]:
            found = model.generate(ids[:1, :5], max_new_tokens=NEW, do_sample=False, use_cache=cached, pad_token_id=0)
            greedy.append(found[0, 5:].tolist())
    # Of a dynamic scaling, keys that were turned for a shorter text stay as they were in the cache.
    assert greedy[0] == greedy[1] or name == "dynamic", (name, greedy)
    return {
        "ids": ids.tolist(), "logits": digits(logits[:, [6, -1]].flatten()), "padded": digits(padded), "loss": loss.item(),
        "grads": grads, "greedy": greedy[0],
    }


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    expected, weights = {}, {}
    for name, (model_type, options, shared) in MODELS.items():
        folder = FOLDER / name
        if shared is None:
            model = randomised(made(model_type, options))
        else:
            options = MODELS[shared][1] | options
            model = made(model_type, options)
            model.load_state_dict(weights[shared])
        weights[name] = {key: value.clone() for key, value in model.state_dict().items()}
        if name == "llama_tied":
            copy.deepcopy(model).half().model.save_pretrained(folder, max_shard_size="4KB")
            assert len(list(folder.glob("*.safetensors"))) > 1
        else:
            copy.deepcopy(model).half().save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        expected[name] = expectations(model, name) | {"weights": shared or name}
        if shared is not None:
            expected[name]["config"] = json.loads((folder / "config.json").read_text())
    # What earlier releases wrote means the same.
    for name, positions in OLDER.items():
        config = json.loads((FOLDER / name / "config.json").read_text())
        for left in ["rope_parameters", "transformers_version", "dtype"]:
            config.pop(left, None)
        config |= positions | {"torch_dtype": "float16"}
        if name != "phi3_long":
            # Whose `su` only its own code knew.
            older = FOLDER / "older"
            older.mkdir()
            (older / "config.json").write_text(json.dumps(config))
            model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(older), attn_implementation="eager")
            shutil.rmtree(older)
            model.load_state_dict(weights[name])
            again = expectations(model.float(), name)
            for a, b in zip(again["logits"], expected[name]["logits"]):
                assert abs(a - b) < 1e-7, name
        expected[f"{name}_older"] = {"same_as": name, "weights": expected[name]["weights"], "config": config}
    for name, (_, _, shared) in MODELS.items():
        if shared is not None:
            shutil.rmtree(FOLDER / name)
    (FOLDER / "expected.json").write_text(json.dumps(expected))


main()
