"""Writes the models in tests/golden/gguf, with which tests/golden/gguf_models.rs compares: small models of `transformers` with random
weights, in blocks of a few bits, under the names and in the order that `llama.cpp`'s conversion gives them; and the logits that
`transformers` computes with the numbers that the blocks stand for.

    pip install torch==2.15.0 transformers==5.24.0 gguf==0.19.0
    python tests/golden/make_gguf_models.py
"""

import json
import pathlib

import numpy as np
import torch
import transformers
from gguf import GGMLQuantizationType as Kind
from gguf import GGUFWriter
from gguf.quants import dequantize, quantize

FOLDER = pathlib.Path(__file__).resolve().parent / "gguf"
SIZES = dict(
    vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=64, rms_norm_eps=1e-5, bos_token_id=None, eos_token_id=None, pad_token_id=None,
)
PARTS = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "self_attn.qkv_proj": "attn_qkv", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "mlp.gate_up_proj": "ffn_up",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
}
GEMMA = {"post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm"}


def name_of(family, name):
    if name == "model.embed_tokens.weight":
        return "token_embd.weight"
    if name == "model.norm.weight":
        return "output_norm.weight"
    if name == "lm_head.weight":
        return "output.weight"
    _, _, block, part = name.split(".", 3)
    part, kind = part.rsplit(".", 1)
    parts = {**PARTS, **GEMMA} if family in ("gemma2", "gemma3") else PARTS
    return f"blk.{block}.{parts[part]}.{kind}"


def paired(x, heads):
    """Those that are turned together next to each other."""
    return x.reshape(heads, 2, x.shape[0] // heads // 2, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)


def write(name, family, model, kinds, settings):
    config = model.config
    writer = GGUFWriter(FOLDER / f"{name}.gguf", family)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    settings(writer)
    state = {}
    tied = config.tie_word_embeddings
    for index, (full, value) in enumerate(model.state_dict().items()):
        if tied and full == "lm_head.weight":
            continue
        x = value.numpy()
        kind = kinds[index % len(kinds)] if x.ndim == 2 else Kind.F32
        there = x
        if family == "llama" and (".q_proj." in full or ".k_proj." in full):
            there = paired(x, config.num_attention_heads if ".q_proj." in full else config.num_key_value_heads)
        if family.startswith("gemma") and full.endswith("norm.weight"):
            there = x + 1
        blocks = there if kind == Kind.F32 else quantize(np.ascontiguousarray(there), kind)
        writer.add_tensor(name_of(family, full), blocks, raw_dtype=kind)
        # Rows are blocks of their own, so it does not matter in which order they are rounded.
        state[full] = torch.from_numpy(x.copy() if kind == Kind.F32 else dequantize(quantize(x, kind), kind).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)
    model.tie_weights()


def main():
    FOLDER.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    ids = [[5, 9, 33, 60, 2, 7, 7, 41, 18, 0, 63, 22], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]]
    eight, mixed = [Kind.Q8_0], [Kind.Q4_1, Kind.Q8_0, Kind.Q5_0, Kind.Q4_0, Kind.Q5_1, Kind.F16]
    cases = {
        "llama": ("llama", transformers.LlamaConfig(**SIZES, rope_theta=10000.0, tie_word_embeddings=False), mixed, lambda w: w.add_rope_freq_base(10000.0)),
        "llama_tied": ("llama", transformers.LlamaConfig(**SIZES, rope_theta=500000.0, tie_word_embeddings=True, rope_scaling=dict(rope_type="linear", factor=2.0)), eight,
                       lambda w: (w.add_rope_freq_base(500000.0), w.add_rope_scaling_type(__import__("gguf").RopeScalingType.LINEAR), w.add_rope_scaling_factor(2.0))),
        "qwen2": ("qwen2", transformers.Qwen2Config(**SIZES, tie_word_embeddings=True), eight, lambda w: w.add_rope_freq_base(10000.0)),
        "qwen3": ("qwen3", transformers.Qwen3Config(**SIZES, head_dim=16, tie_word_embeddings=False), eight, lambda w: (w.add_rope_freq_base(10000.0), w.add_key_length(16))),
        "phi3": ("phi3", transformers.Phi3Config(**SIZES, tie_word_embeddings=False), eight, lambda w: (w.add_rope_freq_base(10000.0), w.add_rope_dimension_count(8))),
        "gemma2": ("gemma2", transformers.Gemma2Config(**SIZES, head_dim=16, query_pre_attn_scalar=16, sliding_window=4), eight,
                   lambda w: (w.add_key_length(16), w.add_sliding_window(4), w.add_attn_logit_softcapping(50.0), w.add_final_logit_softcapping(30.0))),
        "gemma3": ("gemma3", transformers.Gemma3TextConfig(**SIZES, head_dim=16, query_pre_attn_scalar=16, sliding_window=4), eight,
                   lambda w: (w.add_key_length(16), w.add_sliding_window(4), w.add_rope_freq_base(1000000.0))),
    }
    expected = {}
    for name, (family, config, kinds, settings) in cases.items():
        torch.manual_seed(len(name))
        config._attn_implementation = "eager"
        model = transformers.AutoModelForCausalLM.from_config(config).eval()
        with torch.no_grad():
            for key, value in model.named_parameters():
                value.normal_(0, 0.3) if value.ndim == 2 else value.add_(0.2 * torch.randn_like(value))
            write(name, family, model, kinds, settings)
            expected[name] = [round(x, 6) for x in model(torch.tensor(ids)).logits.flatten().tolist()]
    (FOLDER / "models.json").write_text(json.dumps({"ids": ids, "logits": expected}))


main()
