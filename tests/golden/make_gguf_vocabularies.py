"""Writes the GGUF files of tests/golden/tokenizers, and gguf.json, with which tests/golden/published_tokenizers.rs compares.

    pip install gguf==0.19.0 llama-cpp-python==0.3.36
    python tests/golden/make_gguf_vocabularies.py

The files have the vocabularies of kinds.json and no tensors; the ids are those of llama.cpp.
"""

import json
import os
import pathlib

import gguf

FOLDER = pathlib.Path(__file__).resolve().parent / "tokenizers"
KINDS = json.loads((FOLDER / "kinds.json").read_text())
NORMAL, UNKNOWN, CONTROL, USER, _, BYTE = range(1, 7)
MARK = "\u2581"


def checksum(ids):
    """FNV-1a over ids of four bytes each."""
    h = 0xCBF29CE484222325
    for b in b"".join(i.to_bytes(4, "little") for i in ids):
        h = (h ^ b) * 0x100000001B3 % (1 << 64)
    return f"{h:016x}"


def ordered(model):
    vocab = model["vocab"]
    return sorted(vocab, key=vocab.get) if isinstance(vocab, dict) else [token for token, _ in vocab]


def kind(token):
    if token == "<unk>":
        return UNKNOWN
    if token in ("<s>", "</s>", "<pad>", "<|endoftext|>", "[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"):
        return CONTROL
    return BYTE if token.startswith("<0x") and len(token) == 6 else NORMAL


def write(name, model, tokens, **options):
    path = FOLDER / f"{name}.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(8)
    writer.add_block_count(1)
    writer.add_feed_forward_length(8)
    writer.add_head_count(1)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(8)
    writer.add_tokenizer_model(model)
    writer.add_token_list(tokens)
    writer.add_token_types([kind(token) for token in tokens])
    for method, value in options.items():
        getattr(writer, f"add_{method}")(value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def files():
    models = KINDS["models"]
    for name, pre in [("bytes_smollm", "smollm"), ("bytes_llama", "llama-bpe")]:
        merges = [" ".join(pair) for pair in models["bytes"]["merges"]]
        options = {"tokenizer_pre": pre, "token_merges": merges, "bos_token_id": 0, "eos_token_id": 2, "unk_token_id": 3}
        yield write(name, "gpt2", ordered(models["bytes"]), **options)
    tokens = ordered(models["pieces"])
    ranks = {"".join(pair): -float(rank) for rank, pair in reversed(list(enumerate(models["pieces"]["merges"])))}
    scores = [ranks.get(token, 0.0 if kind(token) != NORMAL else -1e4) for token in tokens]
    options = {"token_scores": scores, "bos_token_id": 1, "eos_token_id": 2, "unk_token_id": 0}
    yield write("pieces", "llama", tokens, **options)
    yield write("pieces_plain", "llama", tokens, add_space_prefix=False, add_bos_token=False, add_eos_token=True, **options)
    tokens = ordered(models["unigram"])
    options = {"token_scores": [score for _, score in models["unigram"]["vocab"]], "eos_token_id": 1, "unk_token_id": 2}
    yield write("unigram", "t5", tokens, **options, add_space_prefix=True, remove_extra_whitespaces=True)


def main():
    from llama_cpp import Llama

    cases = json.loads((FOLDER / "expected.json").read_text())["bpe"]["encode"]
    texts = [case["text"] for case in cases][:29] + ["a<s> b </s>c", "<s>", " <s> x", "two  spaces   and\n\n lines "]
    found = {"texts": texts[29:], "files": {}}
    for path in files():
        llama = Llama(str(path), vocab_only=True, verbose=False)
        encode = lambda text: llama.tokenize(text.encode(), add_bos=True, special=True)
        found["files"][path.stem] = [encode(text) for text in texts]
        print(path.name, path.stat().st_size)
    if "DEMOTIC_MODELS" in os.environ:
        models = pathlib.Path(os.environ["DEMOTIC_MODELS"])
        (path,) = models.glob("**/SmolLM2-135M-Instruct.Q4_1.gguf")
        llama = Llama(str(path), vocab_only=True, verbose=False)
        every = [case["text"] for case in cases]
        ids = [llama.tokenize(text.encode(), add_bos=False, special=True) for text in every]
        found["smollm2"] = [checksum(i) for i in ids]
    (FOLDER / "gguf.json").write_text(json.dumps(found, separators=(",", ":")) + "\n")
    print((FOLDER / "gguf.json").stat().st_size)


if __name__ == "__main__":
    main()
