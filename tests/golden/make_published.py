"""Writes tests/golden/tokenizers/kinds.json, with which tests/golden/published_tokenizers.rs compares.

    pip install tokenizers==0.23.3
    python tests/golden/make_published.py

Each kind has the parts that a published `tokenizer.json` has, over a small vocabulary of its sort of model. The vocabularies
are trained without regard to words, so that tokens go across their boundaries and each boundary shows in the ids. Texts are
those of expected.json, and some with added tokens at all places.
"""

import base64
import json
import pathlib
import struct

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


MARK = "\u2581"


def pieces():
    """SentencePiece's kind of byte-pair encoding: characters, spaces as marks, and bytes to fall back on."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", MARK)
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=800, special_tokens=special, limit_alphabet=90, show_progress=False)
    tokenizer.train_from_iterator(lines(), trainer)
    return json.loads(tokenizer.to_str())["model"]


def unigram():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=700, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(lines(), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return {**model, "vocab": [[token, round(score, 4)] for token, score in model["vocab"]]}


def word_pieces():
    vocab = (FOLDER / "bert_vocab.txt").read_text().split("\n")[:-1][:1200]
    return {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
        "vocab": {token: i for i, token in enumerate(vocab)},
    }


def endings():
    """Bytes again, with tokens that end a word."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token="<|endoftext|>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines(), trainer)
    return json.loads(tokenizer.to_str())["model"]


def lines():
    return [CORPUS[at : at + 300] for at in range(0, len(CORPUS), 300)]


def charsmap(replacements):
    """A table of replacements in SentencePiece's form, as small as it gets: a trie in a double array."""
    texts, places = b"", {}
    for text in replacements.values():
        if text not in places:
            places[text] = len(texts)
            texts += text.encode() + b"\0"
    root = {}
    for key, text in replacements.items():
        node = root
        for byte in key.encode():
            node = node.setdefault(byte, {})
        node[None] = places[text]
    units, bases = {0: None}, set()

    def place(at, node, label):
        labels = [0 if byte is None else byte for byte in node]
        base = next(b for b in range(1, 1 << 16) if b not in bases and all(b ^ byte not in units for byte in labels))
        bases.add(base)
        units.update({base ^ byte: None for byte in labels})
        units[at] = (at ^ base) << 10 | (None in node) << 8 | label
        for byte, child in node.items():
            if byte is None:
                units[base] = 1 << 31 | child
            else:
                place(base ^ byte, child, byte)

    place(0, root, 0)
    size = (max(units) | 255) + 1
    trie = struct.pack(f"<{size}I", *(units.get(at) or 0 for at in range(size)))
    return base64.b64encode(struct.pack("<I", len(trie)) + trie + texts).decode()


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
CLIP = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
TO_MARK = {"type": "Replace", "pattern": {"String": " "}, "content": MARK}
FROM_MARK = [{"type": "Replace", "pattern": {"String": MARK}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]
STRIPPED = {"decoder": sequence(*FROM_MARK, {"type": "Strip", "content": " ", "start": 1, "stop": 0}, name="decoders")}


def metaspace(scheme, split=True):
    return {"type": "Metaspace", "replacement": MARK, "prepend_scheme": scheme, "split": split}


PIECE_BEGIN = template([("<s>", 0), ("A", 0)], [("<s>", 0), ("A", 0), ("<s>", 1), ("B", 1)], {"<s>": 1})
PIECE_KINDS = {
    "llama2": {
        "normalizer": sequence({"type": "Prepend", "prepend": MARK}, TO_MARK, name="normalizers"),
        "post_processor": PIECE_BEGIN,
        **STRIPPED,
    },
    "mistral": {"pre_tokenizer": metaspace("first", False), "post_processor": PIECE_BEGIN, **STRIPPED},
    "gemma": {
        "normalizer": TO_MARK,
        "pre_tokenizer": split({"String": " "}, "MergedWithPrevious"),
        "post_processor": PIECE_BEGIN,
    },
    "no_bytes": {"normalizer": TO_MARK, "options": {"byte_fallback": False}},
    "no_bytes_apart": {"pre_tokenizer": metaspace("never"), "options": {"byte_fallback": False, "fuse_unk": False}},
    "nothing_unknown": {"normalizer": TO_MARK, "options": {"byte_fallback": False, "unk_token": None, "ignore_merges": True}},
}
END = template([("A", 0), ("</s>", 0)], [("A", 0), ("</s>", 0), ("B", 0), ("</s>", 0)], {"</s>": 1})
# Letters with accents, what is looked up as a whole, what is dropped, and what stands for several.
TABLE = charsmap(
    {
        "ａ": "a", "ﬁ": "fi", "①": "1", "\t": " ", "\n": " ", "\u00a0": " ", "\u200b": "", "\u00ad": "", "e\u0301": "é",
        "Å": "Å", "½": "1/2", "가": "ga", "A\u030a": "Å", "\u0958": "\u0915\u093c", "한": "han", "…": "...", "q": "Q",
        "👍": "+", "\u0301": "'", "\r": "", "\u3000": " ",
    }
)
PRECOMPILED = {"type": "Precompiled", "precompiled_charsmap": TABLE}
UNIGRAM_KINDS = {
    "t5": {
        "normalizer": PRECOMPILED,
        "pre_tokenizer": sequence({"type": "WhitespaceSplit"}, metaspace("always")),
        "post_processor": END,
    },
    "xlm_roberta": {
        "normalizer": sequence(
            PRECOMPILED,
            {"type": "Strip", "strip_left": False, "strip_right": True},
            {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": MARK},
            name="normalizers",
        ),
        "pre_tokenizer": metaspace("always"),
        "post_processor": END,
    },
    "albert": {
        "normalizer": sequence(
            {"type": "Replace", "pattern": {"String": "``"}, "content": '"'},
            {"type": "NFKD"},
            {"type": "StripAccents"},
            {"type": "Lowercase"},
            name="normalizers",
        ),
        "pre_tokenizer": metaspace("first"),
        "post_processor": END,
    },
    "nfkc": {"normalizer": {"type": "NFKC"}, "pre_tokenizer": metaspace("never")},
    "nfd": {"normalizer": {"type": "NFD"}, "pre_tokenizer": {"type": "Punctuation", "behavior": "Contiguous"}},
}
BERT = {
    "type": "BertProcessing",
    "sep": ["[SEP]", 3],
    "cls": ["[CLS]", 2],
}


def bert(**options):
    normalizer = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None}
    return {
        "normalizer": {**normalizer, "lowercase": True, **options},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": BERT,
    }


WORD_KINDS = {
    "bert": bert(),
    "bert_cased": bert(lowercase=False),
    "bert_accents": bert(strip_accents=False, clean_text=False),
    "words": {"pre_tokenizer": {"type": "Whitespace"}},
    "digits": {
        "pre_tokenizer": sequence(
            {"type": "WhitespaceSplit"},
            {"type": "Digits", "individual_digits": False},
            {"type": "Punctuation", "behavior": "MergedWithNext"},
            {"type": "CharDelimiterSplit", "delimiter": "e"},
        ),
        "options": {"max_input_chars_per_word": 9},
    },
    "level": {"pre_tokenizer": {"type": "Whitespace"}, "options": {"type": "WordLevel"}},
}
ENDING_KINDS = {
    "clip": {
        "normalizer": sequence(
            {"type": "NFC"},
            {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
            {"type": "Lowercase"},
            name="normalizers",
        ),
        "pre_tokenizer": sequence(split({"Regex": CLIP}, "Removed", True), BYTES),
    },
}
DECODERS = {
    "bytes": {**GPT2, "add_prefix_space": True},
    "pieces": sequence(*FROM_MARK, name="decoders"),
    "unigram": metaspace("always"),
    "word_pieces": {"type": "WordPiece", "prefix": "##", "cleanup": True},
    "endings": {**GPT2, "add_prefix_space": True},
}
KINDS = {
    "bytes": (byte_pairs, BYTE_KINDS),
    "pieces": (pieces, PIECE_KINDS),
    "unigram": (unigram, UNIGRAM_KINDS),
    "word_pieces": (word_pieces, WORD_KINDS),
    "endings": (endings, ENDING_KINDS),
}


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
    readable = [*range(6), *range(len(page) - len(TEXTS), len(page))]
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
    found = {"models": {}, "added": TEXTS, "kinds": {}}
    for model_name, (make, kinds) in KINDS.items():
        model = found["models"][model_name] = make()
        for name, parts in kinds.items():
            found["kinds"][name] = kind(name, model_name, model, parts, page)
    path = FOLDER / "kinds.json"
    path.write_text(json.dumps(found, ensure_ascii=True, separators=(",", ":")) + "\n")
    print(f"{path.stat().st_size / 1024:.1f} KiB")


if __name__ == "__main__":
    main()
