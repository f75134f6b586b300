"""Writes the folders in tests/golden/pretrained, with which tests/golden/pretrained.rs compares: small models with random
weights as `transformers` publishes them, and what it computes with them.

    pip install torch==2.15.0 transformers==5.24.0 tokenizers==0.23.3
    python tests/golden/make_pretrained.py
"""

import json
import pathlib
import shutil

import torch
from safetensors.torch import load_file, save_file
from tokenizers import ByteLevelBPETokenizer
from transformers import GPT2Config, GPT2LMHeadModel, GPT2Model

HERE = pathlib.Path(__file__).resolve().parent
FOLDER = HERE / "pretrained"
END = "<|endoftext|>"
PROMPT = "The cat sat"


def tokenizer(folder):
    """Byte pairs learnt from a page of this project, as GPT-2's files."""
    bpe = ByteLevelBPETokenizer()
    text = (HERE / "tokenizers" / "corpus.txt").read_text()[:20000]
    bpe.train_from_iterator([text], vocab_size=300, special_tokens=[END], show_progress=False)
    bpe.save_model(str(folder))
    bpe.save(str(folder / "tokenizer.json"))
    (folder / "special_tokens_map.json").write_text(json.dumps({"eos_token": END, "bos_token": {"content": END}}))
    return bpe


def expectations(model, ids):
    model.eval()
    model.generation_config.eos_token_id = None
    with torch.no_grad():
        logits = model.double()(ids).logits
        greedy = model.generate(ids, max_new_tokens=8, do_sample=False, pad_token_id=0)[0, ids.shape[1]:]
    return {"ids": ids.tolist(), "logits": logits.flatten().tolist(), "greedy": greedy.tolist()}


def randomised(model):
    """Biases and norms are constants at first, which would hide a mistake."""
    torch.manual_seed(7)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.2)
    return model


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    expected = {}

    folder = FOLDER / "gpt2"
    folder.mkdir(parents=True)
    bpe = tokenizer(folder)
    size = bpe.get_vocab_size()
    prompt = torch.tensor([bpe.encode(PROMPT).ids])
    small = dict(vocab_size=size, n_positions=32, n_embd=16, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0)

    model = randomised(GPT2LMHeadModel(GPT2Config(**small)))
    model.save_pretrained(folder)
    expected["gpt2"] = expectations(model, prompt)
    new = expected["gpt2"]["greedy"]
    expected["gpt2"] |= {"prompt": PROMPT, "continuation": bpe.decode(new)}

    # In several files, and every option another one.
    config = GPT2Config(**small, n_inner=24, activation_function="gelu", tie_word_embeddings=False, embd_pdrop=0.25,
                        attn_pdrop=0.5, resid_pdrop=0.0, layer_norm_epsilon=1e-3, scale_attn_weights=False,
                        scale_attn_by_inverse_layer_idx=True)
    model = randomised(GPT2LMHeadModel(config))
    model.save_pretrained(FOLDER / "gpt2_options", max_shard_size="20KB")
    assert len(list((FOLDER / "gpt2_options").glob("*.safetensors"))) > 2
    expected["gpt2_options"] = expectations(model, prompt)

    # The body alone, in 16 bits, with the masks that older releases saved.
    model = randomised(GPT2LMHeadModel(GPT2Config(**small, activation_function="relu"))).half()
    body = FOLDER / "gpt2_body"
    model.transformer.save_pretrained(body)
    tensors = load_file(body / "model.safetensors")
    for i in range(2):
        tensors[f"h.{i}.attn.bias"] = torch.tril(torch.ones(32, 32)).view(1, 1, 32, 32).to(torch.uint8)
        tensors[f"h.{i}.attn.masked_bias"] = torch.tensor(-1e4)
    save_file(tensors, body / "model.safetensors", metadata={"format": "pt"})
    expected["gpt2_body"] = expectations(model, prompt)

    for leftover in FOLDER.glob("*/generation_config.json"):
        leftover.unlink()
    (FOLDER / "expected.json").write_text(json.dumps(expected))


main()
