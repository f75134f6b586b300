"""Writes a BERT in a GGUF file, under the names and with the vocabulary that `llama.cpp`'s conversion gives them (tests/golden/gguf/bert.gguf),
two vocabularies alone (tests/golden/tokenizers/words*.gguf), and what `transformers` makes of them (tests/golden/gguf/bert.json).

    pip install torch==2.15.0 transformers==5.24.0 gguf==0.19.0
    python tests/golden/make_gguf_bert.py
"""

import json
import pathlib

import numpy as np
import torch
import transformers
from gguf import GGMLQuantizationType as Kind
from gguf import GGUFWriter, PoolingType
from gguf.quants import dequantize, quantize
from make_gguf_vocabularies import CONTROL, MARK, NORMAL, checksum

HERE = pathlib.Path(__file__).resolve().parent
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PARTS = {
    "attention.self.query": "attn_q", "attention.self.key": "attn_k", "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output", "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up", "output.dense": "ffn_down", "output.LayerNorm": "layer_output_norm",
}
TABLES = {
    "embeddings.word_embeddings": "token_embd", "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types", "embeddings.LayerNorm": "token_embd_norm",
}


def name_of(name):
    layer, kind = name.rsplit(".", 1)
    if layer in TABLES:
        return f"{TABLES[layer]}.{kind}"
    _, _, block, part = layer.split(".", 3)
    return f"blk.{block}.{PARTS[part]}.{kind}"


def add_vocabulary(writer, tokens):
    """Words with a mark before them, and what goes on with one without."""
    marked = [t if t in SPECIAL else t[2:] if t.startswith("##") else MARK + t for t in tokens]
    writer.add_token_type_count(2)
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("bert-bge")
    writer.add_token_list(marked)
    writer.add_token_types([CONTROL if t in SPECIAL else NORMAL for t in tokens])
    writer.add_unk_token_id(1)
    writer.add_sep_token_id(3)
    writer.add_pad_token_id(0)
    writer.add_uint32("tokenizer.ggml.cls_token_id", 2)
    writer.add_mask_token_id(4)


def close(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def tokenizer(tokens, lowercase):
    return transformers.BertTokenizer(vocab={t: i for i, t in enumerate(tokens)}, do_lower_case=lowercase)


def main():
    torch.set_num_threads(1)
    words = (HERE / "tokenizers/bert_vocab.txt").read_text().split("\n")[:-1]
    letters = [chr(c) for c in range(65, 91)]
    capitals = [w.capitalize() for w in words if w.isascii() and w.isalpha() and len(w) > 1][:300]
    cased = [*dict.fromkeys([*words[:900], *letters, *("##" + c for c in letters), *capitals, MARK, "##" + MARK])]
    texts = [case["text"] for case in json.loads((HERE / "tokenizers/expected.json").read_text())["bpe"]["encode"]]
    more = ["Ab" * 49 + "C", "Ab" * 50, "Ab" * 50 + "C", "x" * 20000, f"a{MARK}b {MARK}{MARK}c", "[CLS][SEP]  [MASK].", "\u0130I\u0131 \u1e9e\u00df"]
    expected = {"texts": more, "ids": {}}
    for name, tokens, lowercase in [("words", words, True), ("words_cased", cased, False)]:
        writer = GGUFWriter(HERE / f"tokenizers/{name}.gguf", "bert")
        add_vocabulary(writer, tokens)
        close(writer)
        theirs = tokenizer(tokens, lowercase)
        expected["ids"][name] = [checksum(theirs(text)["input_ids"]) for text in texts + more]

    tokens = words[:320]
    torch.manual_seed(3)
    config = transformers.BertConfig(
        vocab_size=len(tokens), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=48, layer_norm_eps=1e-7, attn_implementation="eager",
    )
    model = transformers.BertModel(config, add_pooling_layer=False).eval()
    writer = GGUFWriter(HERE / "gguf/bert.gguf", "bert")
    writer.add_context_length(48)
    writer.add_embedding_length(32)
    writer.add_block_count(2)
    writer.add_feed_forward_length(64)
    writer.add_head_count(4)
    writer.add_layer_norm_eps(1e-7)
    writer.add_causal_attention(False)
    writer.add_pooling_type(PoolingType.CLS)
    add_vocabulary(writer, tokens)
    with torch.no_grad():
        kinds = [Kind.Q8_0, Kind.F16, Kind.F32]
        for index, (name, value) in enumerate(model.named_parameters()):
            value.normal_(0, 0.3) if value.ndim == 2 else value.add_(0.2 * torch.randn_like(value))
            kind = kinds[index % 3] if value.ndim == 2 else Kind.F32
            x = value.numpy()
            blocks = x.copy() if kind == Kind.F32 else quantize(x, kind)
            writer.add_tensor(name_of(name), blocks, raw_dtype=kind)
            if kind != Kind.F32:
                value.copy_(torch.from_numpy(dequantize(blocks, kind).astype(np.float32)))
        close(writer)
        sentences = ["the other people of the world are not the same", "it was a time when all of them were there, and here too", "Nothing of it, or more."]
        batch = tokenizer(tokens, True)(sentences, padding=True, return_tensors="pt")
        hidden = model(**batch).last_hidden_state
        expected |= {
            "sentences": sentences,
            "ids_of_sentences": batch["input_ids"].tolist(),
            "first": torch.nn.functional.normalize(hidden[:, 0]).tolist(),
            "hidden": hidden[0].tolist(),
        }
    (HERE / "gguf/bert.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    main()
