"""Small random encoders as `transformers` publishes them, and what it computes with them.

Each model is a folder in tests/golden/pretrained/bert, with weights in 16 bits. `expected.json` has, in double precision: the
outputs for two texts of which one is padded, where they are seen; and of the gradient of every parameter the sum, the norm, and the
sum with weights cos(0), cos(1), cos(2) …, where the loss is the sum of the outputs with such weights. With a path to the
files of all-MiniLM-L6-v2 and `sentence-transformers` installed, `minilm.json` has the beginnings of its vectors.

    pip install torch==2.15.0 transformers==5.24.0 sentence-transformers
    python tests/golden/make_bert.py [FOLDER]
"""

import copy
import json
import pathlib
import shutil
import sys

import torch
import transformers

FOLDER = pathlib.Path(__file__).resolve().parent / "pretrained" / "bert"
SIZES = dict(vocab_size=29, max_position_embeddings=14, pad_token_id=1)
BERT = dict(hidden_size=12, num_hidden_layers=1, num_attention_heads=3, intermediate_size=20)
DISTIL = dict(dim=12, n_layers=1, n_heads=3, hidden_dim=20)
LABELS = dict(id2label={0: "bad", 1: "fair", 2: "good"}, label2id={"bad": 0, "fair": 1, "good": 2})
# The class, and options.
MODELS = {
    "bert": ("BertModel", BERT | dict(num_hidden_layers=2, type_vocab_size=3)),
    "bert_lm": ("BertForMaskedLM", BERT | dict(hidden_act="gelu_new")),
    "bert_untied": ("BertForMaskedLM", BERT | dict(tie_word_embeddings=False)),
    "bert_class": ("BertForSequenceClassification", BERT | LABELS),
    "bert_token": ("BertForTokenClassification", BERT | LABELS | dict(layer_norm_eps=1e-3)),
    "bert_answer": ("BertForQuestionAnswering", BERT),
    "roberta": ("RobertaModel", BERT | dict(type_vocab_size=1)),
    "roberta_lm": ("RobertaForMaskedLM", BERT),
    "roberta_class": ("RobertaForSequenceClassification", BERT | LABELS),
    "xlm_token": ("XLMRobertaForTokenClassification", BERT | LABELS),
    "distilbert": ("DistilBertModel", DISTIL | dict(n_layers=2)),
    "distilbert_lm": ("DistilBertForMaskedLM", DISTIL),
    "distilbert_class": ("DistilBertForSequenceClassification", DISTIL | LABELS),
    "distilbert_answer": ("DistilBertForQuestionAnswering", DISTIL),
}
MASK = [[1] * 9, [1] * 6 + [0] * 3]
TYPES = [[0] * 4 + [1] * 5, [0] * 3 + [1] * 3 + [0] * 3]
SENTENCES = [
    "The weather is lovely today.",
    "It's so sunny outside!",
    "He drove to the stadium.",
    "Stocks fell on Friday, as interest rates rose again.",
    "",
    "一只猫坐在垫子上。",
    "Naïve café — “quotes”, e-mail@example.org, 3.14159 and 🙂",
    "word " * 400,
]


def randomised(model):
    torch.manual_seed(11)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.25).copy_(p.half().float())
    return model


def digits(numbers):
    return [float(f"{float(number):.8g}") for number in numbers]


def expectations(model):
    model = model.eval().double()
    ids = torch.randint(2, SIZES["vocab_size"], (2, 9), generator=torch.Generator().manual_seed(5))
    mask = torch.tensor(MASK)
    ids[mask == 0] = SIZES["pad_token_id"]
    given = {"input_ids": ids, "attention_mask": mask}
    typed = getattr(model.config, "type_vocab_size", 0) > 1
    if typed:
        given["token_type_ids"] = torch.tensor(TYPES)
    found = model(**given)
    if hasattr(found, "start_logits"):
        output = torch.stack([found.start_logits, found.end_logits], -1)
    else:
        output = found.logits if hasattr(found, "logits") else found.last_hidden_state
    seen = output[mask == 1] if output.dim() == 3 else output
    pooled = getattr(found, "pooler_output", None)
    flat = seen.flatten()
    if pooled is not None:
        flat = torch.cat([flat, pooled.flatten()])
    weights = torch.cos(torch.arange(len(flat), dtype=flat.dtype))
    (flat * weights).sum().backward()

    def sums(g):
        g = g.flatten()
        return digits([g.sum(), g.norm(), (g * torch.cos(torch.arange(len(g), dtype=g.dtype))).sum()])

    grads = {key: sums(p.grad) for key, p in model.named_parameters() if p.grad is not None}
    # Of a vocabulary, few.
    kept = flat if len(flat) < 400 else flat[::5]
    return {"ids": ids.tolist(), "typed": typed, "output": digits(kept), "step": 1 if len(flat) < 400 else 5, "grads": grads}


def minilm(folder):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(folder, device="cpu")
    vectors = torch.tensor(model.encode(SENTENCES))
    alike = vectors @ vectors.T
    found = {
        "sentences": SENTENCES,
        "beginnings": [digits(row[:8]) for row in vectors],
        "alike": [digits(row) for row in alike],
    }
    (FOLDER / "minilm.json").write_text(json.dumps(found, ensure_ascii=False))


def main():
    if len(sys.argv) > 1:
        return minilm(sys.argv[1])
    kept = (FOLDER / "minilm.json").read_text() if (FOLDER / "minilm.json").exists() else None
    shutil.rmtree(FOLDER, ignore_errors=True)
    expected = {}
    for name, (kind, options) in MODELS.items():
        cls = getattr(transformers, kind)
        config = cls.config_class(**(SIZES | options))
        config._attn_implementation = "eager"
        model = randomised(cls(config))
        copy.deepcopy(model).half().save_pretrained(FOLDER / name)
        expected[name] = expectations(model)
    (FOLDER / "expected.json").write_text(json.dumps(expected))
    if kept is not None:
        (FOLDER / "minilm.json").write_text(kept)


main()
