"""Small random models of T5, as `transformers` publishes them, and what it computes with them.

Each model is a folder in tests/golden/pretrained/t5, with weights in 16 bits. `expected.json` has: logits at two places of two
targets, the same with masks of both sides, the loss, of the gradient of every parameter the sum, the norm, and the sum with weights
cos(0), cos(1), cos(2) …, the encoder's output at two places, a greedy continuation, which is the same with a cache and without, and
the two best of three beams.

    pip install torch==2.15.0 transformers==5.24.0
    python tests/golden/make_t5.py
"""

import json
import pathlib
import shutil

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForSeq2SeqLM, T5EncoderModel

FOLDER = pathlib.Path(__file__).resolve().parent / "pretrained" / "t5"
SIZES = dict(
    vocab_size=29, d_model=12, d_kv=5, d_ff=14, num_layers=2, num_heads=3, relative_attention_num_buckets=8,
    relative_attention_max_distance=20, decoder_start_token_id=0, initializer_factor=1.0,
)
MODELS = {
    "relu": ("t5", dict()),
    "gated": ("t5", dict(feed_forward_proj="gated-gelu", num_decoder_layers=1, tie_word_embeddings=False, own_head=True)),
    "silu": ("t5", dict(feed_forward_proj="gated-silu", num_heads=2, num_layers=1, relative_attention_num_buckets=7,
                        tie_word_embeddings=False)),
    "gelu": ("t5", dict(feed_forward_proj="gelu", num_layers=1, layer_norm_epsilon=1e-3, own_head=True)),
    "mt5": ("mt5", dict(num_layers=1, own_head=True)),
}
PADDED, NEW = 5, 8


def randomised(model):
    """Norms are constants at first, which would hide a mistake. Weights are what 16 bits hold."""
    torch.manual_seed(11)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.3).copy_(p.half().float())
    return model


def digits(numbers):
    return [float(f"{float(number):.8g}") for number in numbers.flatten()]


def sums(g):
    g = g.flatten()
    return digits(torch.stack([g.sum(), g.norm(), (g * torch.cos(torch.arange(len(g), dtype=g.dtype))).sum()]))


def expectations(model, name):
    model = model.eval().double()
    generator = torch.Generator().manual_seed(5)
    source = torch.randint(2, SIZES["vocab_size"], (2, 26), generator=generator)
    source[1, -PADDED:] = 0
    target = torch.randint(2, SIZES["vocab_size"], (2, 24), generator=generator)
    target[:, 0] = 0
    seen = (source != 0).long()
    logits = model(input_ids=source, attention_mask=seen, decoder_input_ids=target, use_cache=False).logits
    loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), target[:, 1:].flatten())
    loss.backward()
    grads = {key: sums(p.grad) for key, p in model.named_parameters()}
    source_mask, target_mask = torch.ones_like(source), torch.ones_like(target)
    source_mask[0, 3:7] = 0
    target_mask[1, 2:5] = 0
    with torch.no_grad():
        masked = model(input_ids=source, attention_mask=source_mask, decoder_input_ids=target,
                       decoder_attention_mask=target_mask, use_cache=False).logits
        hidden = model.encoder(input_ids=source, attention_mask=seen).last_hidden_state
        greedy = [model.generate(source, attention_mask=seen, max_new_tokens=NEW, do_sample=False, use_cache=cached).tolist()
                  for cached in [True, False]]
        beams = model.generate(source[:1], attention_mask=seen[:1], max_new_tokens=NEW, num_beams=3, num_return_sequences=2,
                               do_sample=False, output_scores=True, return_dict_in_generate=True)
    assert greedy[0] == greedy[1], (name, greedy)

    def cut(row):
        row = row[1:]
        return row[:row.index(1)] if 1 in row else row

    return {
        "source": source.tolist(), "target": target.tolist(), "logits": digits(logits[:, [5, -1]]),
        "masked": digits(masked[:, [5, -1]]), "loss": loss.item(), "grads": grads, "hidden": digits(hidden[:, [0, 20]]),
        "greedy": [cut(row) for row in greedy[0]],
        "beams": [cut(row) for row in beams.sequences.tolist()], "scores": digits(beams.sequences_scores),
    }


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    expected = {}
    for name, (model_type, options) in MODELS.items():
        folder = FOLDER / name
        own_head = options.pop("own_head", False)
        config = AutoConfig.for_model(model_type, **(SIZES | options))
        config._attn_implementation = "eager"
        model = randomised(AutoModelForSeq2SeqLM.from_config(config))
        model.half().save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        file = folder / "model.safetensors"
        tensors = load_file(file)
        if own_head:
            # As the published files have it, whatever the library ties when it makes one.
            tensors["lm_head.weight"] = torch.randn(SIZES["vocab_size"], SIZES["d_model"]).half()
        if name == "relu":
            # What the first releases had, and what is there twice.
            tensors["encoder.embed_tokens.weight"] = tensors["shared.weight"].clone()
            tensors["lm_head.weight"] = tensors["shared.weight"].clone()
        save_file(tensors, file, metadata={"format": "pt"})
        if name == "silu":
            # As it is written since the fifth version, or before.
            written = json.loads((folder / "config.json").read_text())
            written.pop("scale_decoder_outputs"), written.pop("transformers_version")
            written |= {"tie_word_embeddings": False, "n_positions": 512, "output_past": True}
            (folder / "config.json").write_text(json.dumps(written, indent=1))
        model = AutoModelForSeq2SeqLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
        expected[name] = expectations(model, name)
        if name == "relu":
            T5EncoderModel.from_pretrained(folder, dtype=torch.float16).save_pretrained(FOLDER / "encoder")
    (FOLDER / "expected.json").write_text(json.dumps(expected, separators=(",", ":")))


if __name__ == "__main__":
    main()
