"""Writes tests/golden/tokenizers/kinds.json, with which tests/golden/published_tokenizers.rs compares.

    pip install tokenizers==0.23.3
    python tests/golden/make_published.py

Each kind has the parts that a published `tokenizer.json` has, over a small vocabulary of its sort of model. The vocabularies
are trained without regard to words, so that tokens go across their boundaries and each boundary shows in the ids. Texts are
those of expected.json, and some with added tokens at all places.
"""

import json
import pathlib

from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, trainers

FOLDER = pathlib.Path(__file__).resolve().parent / "tokenizers"
CORPUS = (FOLDER / "corpus.txt").read_text()

# What every kind adds to its vocabulary; they meet each other, words, and white space in the texts.
ADDED = [
    AddedToken("<|endoftext|>", special=True, normalized=False),
    AddedToken("<mask>", special=True, normalized=False, lstrip=True),
    AddedToken("<right>", special=True, normalized=False, rstrip=True),
    AddedToken("<both>", special=False, normalized=False, lstrip=True, rstrip=True),
    AddedToken("word", special=False, normalized=False, single_word=True),
    AddedToken("Größe", special=False, normalized=True),
    AddedToken("\u212bngström", special=False, normalized=True),
    AddedToken("<|endoftext|>>", special=False, normalized=False),
    AddedToken("\n\n", special=False, normalized=False),
    AddedToken("人工", special=False, normalized=True, single_word=True),
]
TEXTS = [
    "<|endoftext|>",
    "a<|endoftext|>b <|endoftext|> c  <|endoftext|>  d<|endoftext|><|endoftext|>",
    "<|endoftext|>><|endoftext|>>> <|endoftext <|endoftext|",
    "x <mask> y  <mask>  z\t\n<mask>\u3000<mask> end",
    "x <right> y  <right>  z\t\n<right>\u3000<right> \n\n end",
    "x <both> y  <both>  z\t\n<both>\u3000<both> \n\n <mask> \n\n <both> \n\n",
    "word words sword a word, word_ _word 2word word-word Word éword wordé <mask>word",
    "Größe, große GRÖSSE Größen\u0301 Gro\u0308ße \u212bngström Ångström \u00e5ngström",
    "\n\n a\n\n\nb\n\n\n\nc \n\n d\r\n\r\n",
    "人工 人工智能 这人工 x人工y",
    " <|endoftext|> leading and trailing <mask> ",
]


def checksum(ids):
    """FNV-1a over ids of four bytes each, or over a text in UTF-8."""
    h = 0xCBF29CE484222325
    for b in ids.encode() if isinstance(ids, str) else b"".join(i.to_bytes(4, "little") for i in ids):
        h = (h ^ b) * 0x100000001B3 % (1 << 64)
    return f"{h:016x}"


def every_character(block=4096):
    """As in make_tokenizers.py."""
    codes = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    codes = [c for c in codes if c < 0x32400 or 0xE0000 <= c < 0xE0200 or c >= 0x10FFF0]
    return ["".join(f"x{chr(c)}x" for c in codes[at : at + block]) for at in range(0, len(codes), block)]


def byte_pairs():
    """Merges of bytes that go across words."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    trainer = trainers.BpeTrainer(
        vocab_size=900,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    page = "\n".join(texts()[:29])
    tokenizer.train_from_iterator([CORPUS[at : at + 300] for at in range(0, len(CORPUS), 300)] + [page] * 3, trainer)
    return json.loads(tokenizer.to_str())["model"]


def texts():
    cases = json.loads((FOLDER / "expected.json").read_text())["bpe"]["encode"]
    return [case["text"] for case in cases] + TEXTS


GPT2 = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
BYTES = {**GPT2, "use_regex": False}
TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
HEAD = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"


def split(pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}


def sequence(*parts, name="pretokenizers"):
    return {"type": "Sequence", name: list(parts)}


def template(single, pair, special):
    """From lists such as ["<s>", 0, "A", 0]."""
    pieces = lambda names: [
        {"Sequence": {"id": n, "type_id": t}} if n in "AB" else {"SpecialToken": {"id": n, "type_id": t}} for n, t in names
    ]
    tokens = {name: {"id": name, "ids": [i], "tokens": [name]} for name, i in special.items()}
    return {"type": "TemplateProcessing", "single": pieces(single), "pair": pieces(pair), "special_tokens": tokens}


BEGIN = template([("<s>", 0), ("A", 0)], [("<s>", 0), ("A", 0), ("<s>", 1), ("B", 1)], {"<s>": 0})
BYTE_KINDS = {
    "gpt2": {"pre_tokenizer": GPT2, "post_processor": {**GPT2, "add_prefix_space": True, "trim_offsets": False}},
    "prefixed": {"pre_tokenizer": {**GPT2, "add_prefix_space": True}},
    "roberta": {
        "pre_tokenizer": GPT2,
        "post_processor": {
            "type": "RobertaProcessing",
            "sep": ["</s>", 2],
            "cls": ["<s>", 0],
            "trim_offsets": True,
            "add_prefix_space": False,
        },
    },
    "smollm": {"pre_tokenizer": sequence({"type": "Digits", "individual_digits": True}, GPT2)},
    "llama3": {
        "pre_tokenizer": sequence(split({"Regex": HEAD + r"\p{N}{1,3}" + TAIL}), BYTES),
        "post_processor": sequence(GPT2, BEGIN, name="processors"),
        "options": {"ignore_merges": True},
    },
    "qwen2": {"normalizer": {"type": "NFC"}, "pre_tokenizer": sequence(split({"Regex": HEAD + r"\p{N}" + TAIL}), BYTES)},
}
DECODERS = {"bytes": {**GPT2, "add_prefix_space": True}}


def made(model, parts):
    """The file of a kind."""
    empty = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None}
    empty |= {"pre_tokenizer": None, "post_processor": None, "decoder": None}
    options = parts.get("options", {})
    rest = {name: part for name, part in parts.items() if name != "options"}
    tokenizer = Tokenizer.from_str(json.dumps({**empty, **rest, "model": {**model, **options}}))
    tokenizer.add_tokens(ADDED)
    return tokenizer


def kind(name, model_name, model, parts, page):
    tokenizer = made(model, {"decoder": DECODERS[model_name], **parts})
    file = json.loads(tokenizer.to_str())
    file["model"] = {key: value for key, value in file["model"].items() if key not in ("vocab", "merges")}
    encoded = [tokenizer.encode(text) for text in page]
    plain = [tokenizer.encode(text, add_special_tokens=False) for text in page]
    pairs = []
    for special in [True, False]:
        e = tokenizer.encode(page[2], page[8], add_special_tokens=special)
        pairs.append({"ids": e.ids, "type_ids": e.type_ids})
    readable = [i for i, text in enumerate(page) if len(text) < 120 or i < 29]
    return {
        "model": model_name,
        "file": file,
        "encode": [e.ids if i in readable else [checksum(e.ids)] for i, e in enumerate(encoded)],
        "plain": checksum([i for e in plain for i in e.ids]),
        "pairs": pairs,
        "decode": [checksum(tokenizer.decode(e.ids, skip_special_tokens=False)) for e in encoded],
        "without_special": checksum("".join(tokenizer.decode(e.ids) for e in encoded)),
        "every_character": [checksum(tokenizer.encode(text).ids) for text in every_character()],
    }


def main():
    page = texts()
    found = {"models": {"bytes": byte_pairs()}, "added": TEXTS, "kinds": {}}
    for name, parts in BYTE_KINDS.items():
        found["kinds"][name] = kind(name, "bytes", found["models"]["bytes"], parts, page)
    path = FOLDER / "kinds.json"
    path.write_text(json.dumps(found, ensure_ascii=True, separators=(",", ":")) + "\n")
    print(f"{path.stat().st_size / 1024:.1f} KiB")


if __name__ == "__main__":
    main()
