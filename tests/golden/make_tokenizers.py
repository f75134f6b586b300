"""Writes the files in tests/golden/tokenizers, with which tests/golden/tokenizers.rs compares.

    pip install tokenizers==0.23.3 keras-preprocessing==1.1.2
    python tests/golden/make_tokenizers.py

The vocabularies are trained on the project's own documentation, a copy of which is kept with them, so that later changes of
the documentation change nothing here.
"""

import json
import pathlib
import random

import tokenizers
from keras_preprocessing.text import Tokenizer as KerasTokenizer
from tokenizers import AddedToken, BertWordPieceTokenizer, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).resolve().parent
FOLDER = HERE / "tokenizers"
END = "<|endoftext|>"

# A page of everything: scripts, marks, emoji, controls, runs of white space.
PAGE = [
    "",
    " ",
    "Hello, world! It's 3.14 o'clock; we'll see, they'd say: I'm 100% sure you've won.",
    "DON'T SHOUT 'S 'LL, it''s don''t '",
    "   leading, trailing   ",
    "tabs\tand\t\ttabs\nline\n\n\nfeeds\r\nand\rreturns \n \n  mixed \t x",
    "no-break\u00a0space, thin\u2009space, ideographic\u3000space, line\u2028separator, next\u0085line\u2007end",
    "zero\u200bwidth\u200dand\ufeffmarks, soft\u00adhyphen",
    "这是一个关于人工智能的文本。人工智能将改变我们的生活。",
    "混合 Chinese 和 English，以及123数字。㐀𠀀豈",
    "日本語のテキスト、カタカナとひらがな。ﾊﾝｶｸ",
    "한국어 텍스트입니다. 각 음절",
    "Русский текст, Українська мова, Ελληνικά ΑΣ Σίσυφος",
    "العربية: مرحبا بالعالم، ١٢٣٤",
    "עברית: שָׁלוֹם עוֹלָם",
    "हिन्दी में पाठ और १२३, বাংলা কো, ไทย ภาษา",
    "Crème brûlée, naïve, Ångström, Zürich, İstanbul, ǅ, ﬁ, ß, ẞ, Ǆ",
    "e\u0301 decomposed, a\u0323\u0307, q\u0307\u0323, \u0344\u0958\u212b",
    "emoji: 😀 👩‍👩‍👧‍👦 🇩🇪 👍🏽 ❤️ 1️⃣",
    "math: ∀x∈ℝ: x² ≥ 0, ½ + ⅓ = ⅚, Ⅷ, ①②③, 𝒜𝔹ℂ, 𝟘𝟙",
    "code: fn main() { let x = 0x1F; println!(\"{x:?}\"); } // c++ && rust_lang == a[i]->b",
    "controls: \x00\x01\x07\x1b[0m\x7f\x80\x9f end",
    "replacement \ufffd and noncharacter \uffff\U0010ffff private \ue000",
    "$€£¥ + < = > | ~ ^ ` « » “quoted” ‘single’ — – … ·",
    "a" * 30 + " " + "ab" * 20 + " " + "-" * 17 + " " + "=" * 9 + "...." + "!" * 5,
    "snake_case CamelCase kebab-case http://example.org/path?q=1&r=2#frag user@example.org",
    f"one{END}two {END} three{END}",
    "<|endoftext <|endoftext|>|> [CLS] text [SEP] [MASK]ed [UNK] [pad] [PAD]",
    "unaffable unwanted running " + "x" * 99 + " " + "y" * 100 + " " + "z" * 101,
]


def random_texts():
    """Characters from everywhere, one after the other."""
    rng = random.Random(7)
    blocks = [(0, 0x80)] * 8 + [(0x80, 0x250), (0x300, 0x370), (0x370, 0x600), (0x900, 0xE00), (0x1100, 0x1200)]
    blocks += [(0x2000, 0x2C00), (0x3000, 0x3400), (0x4E00, 0x9FFF), (0xAC00, 0xD7A4), (0xF900, 0xFFFE), (0x1F300, 0x1FB00)]
    return ["".join(chr(rng.randrange(*rng.choice(blocks))) for _ in range(120)) for _ in range(30)]


def every_character(block=4096):
    """Assigned and unassigned, each between letters."""
    codes = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    # Planes 3 to 14 are empty but for ideographs, 15 and 16 for private use.
    codes = [c for c in codes if c < 0x32400 or 0xE0000 <= c < 0xE0200 or c >= 0x10FFF0]
    return ["".join(f"x{chr(c)}x" for c in codes[at : at + block]) for at in range(0, len(codes), block)]


def checksum(ids):
    """FNV-1a over ids of four bytes each."""
    h = 0xCBF29CE484222325
    for i in ids:
        for b in i.to_bytes(4, "little"):
            h = (h ^ b) * 0x100000001B3 % (1 << 64)
    return f"{h:016x}"


def corpus():
    path = FOLDER / "corpus.txt"
    if not path.exists():
        docs = HERE.parent.parent / "docs"
        parts = sorted((docs / "tutorials").glob("*.md")) + sorted((docs / "zh").glob("*.md"))
        path.write_text("\n".join(p.read_text() for p in parts))
    return path.read_text()


def byte_level(vocab_size, text):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([text], trainer)
    return tokenizer


def bpe(text):
    tokenizer = byte_level(3000, text)
    tokenizer.model.save(str(FOLDER))
    texts = PAGE + random_texts() + [text]
    rng = random.Random(5)
    sequences = [[rng.randrange(1, 257) for _ in range(40)] for _ in range(20)]
    sequences += [[rng.randrange(0, tokenizer.get_vocab_size()) for _ in range(40)] for _ in range(20)]
    split = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return {
        "encode": [{"text": t, "ids": tokenizer.encode(t).ids} for t in texts if t != text],
        "every_character": [checksum(tokenizer.encode(t).ids) for t in every_character()],
        "corpus_ids": tokenizer.encode(text).ids,
        # Broken UTF-8: tokens of single bytes in any order.
        "decode": [{"ids": ids, "text": tokenizer.decode(ids, skip_special_tokens=False)} for ids in sequences],
        # The lengths of the words, in the byte characters that stand for them.
        "words": [{"text": t, "lengths": [len(w) for w, _ in split.pre_tokenize_str(t)]} for t in PAGE + random_texts()],
    }


def bert(text):
    words = BertWordPieceTokenizer(clean_text=True, handle_chinese_chars=True, lowercase=True)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    extra = ["unaffable unwanted running these arguments repeatedly"] * 20
    words.train_from_iterator([text] + extra, vocab_size=2000, min_frequency=2, special_tokens=special, show_progress=False)
    vocab = words.get_vocab()
    path = FOLDER / "bert_vocab.txt"
    path.write_text("".join(token + "\n" for token in sorted(vocab, key=vocab.get)))
    found = {}
    texts = PAGE + random_texts()
    for name, options in {
        "uncased": {"lowercase": True},
        "cased": {"lowercase": False},
        "accents": {"lowercase": True, "strip_accents": False},
        "joined": {"lowercase": True, "handle_chinese_chars": False},
    }.items():
        tokenizer = BertWordPieceTokenizer(str(path), **options)
        found[name + "_every_character"] = [checksum(tokenizer.encode(t).ids) for t in every_character()]
        found[name] = [{"text": t, "ids": tokenizer.encode(t).ids} for t in texts]
    tokenizer = BertWordPieceTokenizer(str(path))
    rng = random.Random(5)
    size = tokenizer.get_vocab_size()
    sequences = [[rng.randrange(size) for _ in range(30)] for _ in range(20)]
    sequences += [tokenizer.encode(t).ids for t in PAGE]
    found["decode"] = [{"ids": ids, "text": tokenizer.decode(ids, skip_special_tokens=False)} for ids in sequences]
    found["pairs"] = []
    first, second = PAGE[2], PAGE[8]
    for a, b in [(first, second), (second, first), (first, ""), ("", "")]:
        for length in [None, 3, 4, 10, 11, 25, 40, 60]:
            tokenizer.no_truncation()
            if length is not None:
                tokenizer.enable_truncation(length)
            e = tokenizer.encode(a, b)
            found["pairs"].append({"first": a, "second": b, "max_length": length, "ids": e.ids, "type_ids": e.type_ids})
    return found


def keras():
    texts = PAGE[2:6] + [
        "The cat sat on the mat. The dog sat on the cat!",
        "A tie: b a, c b, d c; e d",
        "Dog, dog & DOG; unknown mat\tmat",
        "Οδυσσεύς ΟΔΥΣΣΕΥΣ ΑΣ",
        "这是一个文本。 这是 一个 sentence",
        "",
    ]
    queries = texts + ["the mystery cat <oov> sat", "zebra", "tie TIE Tie"]
    found = []
    for options in [
        {},
        {"num_words": 5},
        {"num_words": 5, "oov_token": "<oov>"},
        {"oov_token": "cat"},
        {"num_words": 1, "oov_token": "<oov>"},
        {"lower": False},
        {"char_level": True, "num_words": 20},
        {"char_level": True, "lower": False, "oov_token": "?"},
        {"filters": "aeiou.", "split": "-"},
        {"filters": "", "split": "at"},
    ]:
        tokenizer = KerasTokenizer(**options)
        tokenizer.fit_on_texts(texts[:3])
        tokenizer.fit_on_texts(texts[3:])
        sequences = tokenizer.texts_to_sequences(queries)
        odd = [[0, 1, 2, 3, 4, 5, 6], [100000, 1], []]
        found.append(
            {
                "options": options,
                "word_index": tokenizer.word_index,
                "word_counts": [[w, c, tokenizer.word_docs[w]] for w, c in tokenizer.word_counts.items()],
                "document_count": tokenizer.document_count,
                "sequences": sequences,
                "odd": odd,
                "texts": tokenizer.sequences_to_texts(sequences + odd),
            }
        )
    return {"fit": [texts[:3], texts[3:]], "queries": queries, "cases": found}


WORDS = "the a an is not do cat . ? ! , ' n't 'm 's 've 're | l o w e r lower".split()


def byte_fallback(model):
    """Llama's vocabulary on a small scale: special tokens, the 256 bytes, pieces with the mark of a space, characters."""
    pieces = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    pieces += ["\u2581", "\u2581\u2581", "\u2581a", "a", "b", "\u2581b", ".", "\u2581ab", "ab", "\u4eba", "\u00e9", "<0x", "<0xZZ>"]
    if model == "bpe":
        vocab = {piece: i for i, piece in enumerate(pieces)}
        merges = [("\u2581", "\u2581"), ("\u2581", "a"), ("a", "b"), ("\u2581", "ab"), ("\u2581", "b")]
        tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    else:
        scores = [(piece, 0.0 if i < 3 else -2.0 - i / 100) for i, piece in enumerate(pieces)]
        tokenizer = Tokenizer(models.Unigram(scores, unk_id=0, byte_fallback=True))
    tokenizer.add_special_tokens([AddedToken("<s>", special=True), AddedToken("</s>", special=True)])
    return tokenizer


def published():
    """Tokenizers with the parts that published `tokenizer.json` files have, and with every decoder there is."""
    mark, d = "\u2581", decoders
    llama = byte_fallback("bpe")
    llama.normalizer = normalizers.Sequence([normalizers.Prepend(mark), normalizers.Replace(" ", mark)])
    llama.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    llama.decoder = d.Sequence([d.Replace(mark, " "), d.ByteFallback(), d.Fuse(), d.Strip(" ", 1, 0)])
    gemma = byte_fallback("bpe")
    gemma.normalizer = normalizers.Replace(" ", mark)
    gemma.decoder = d.Sequence([d.Replace(mark, " "), d.ByteFallback(), d.Fuse()])
    t5 = byte_fallback("unigram")
    t5.pre_tokenizer = pre_tokenizers.Metaspace()
    t5.decoder = d.Metaspace()
    never = byte_fallback("unigram")
    never.decoder = d.Sequence([d.ByteFallback(), d.Metaspace(prepend_scheme="never")])
    fused = byte_fallback("unigram")
    fused.decoder = d.Sequence([d.Fuse(), d.Replace(mark + mark + "a", "<x>"), d.Strip("a", 2, 2)])
    found = {"llama": llama, "gemma": gemma, "t5": t5, "never": never, "fused": fused, "plain": byte_fallback("bpe")}
    vocab = {w: i for i, w in enumerate(dict.fromkeys(["[UNK]"] + WORDS + ["##er", "##'s", "low</w>", "</w>", "er</w>"]))}
    for name, decoder in {
        "pieces": d.WordPiece(),
        "suffix": d.BPEDecoder(),
        "ctc": d.CTC("a", "|"),
        "regex": d.Sequence([d.Replace(tokenizers.Regex("[aeiou]+"), "-"), d.WordPiece(cleanup=False)]),
    }.items():
        found[name] = Tokenizer(models.WordLevel(vocab, unk_token="[UNK]"))
        found[name].pre_tokenizer = pre_tokenizers.Whitespace()
        found[name].decoder = decoder
    rng = random.Random(11)
    bytes_of = lambda text: [3 + b for b in text.encode()]
    cases = {}
    for name, tokenizer in found.items():
        size = tokenizer.get_vocab_size()
        sequences = [[rng.randrange(size) for _ in range(rng.randrange(1, 40))] for _ in range(60)]
        if size > 256:
            parts = [bytes_of("\U0001F44D"), bytes_of("\u4f60"), [3 + 0xFF], [3 + 0xF0, 3 + 0x9F], bytes_of("x"), [1], [2]]
            parts += [[i] for i in range(259, size)] * 2
            sequences += [sum((rng.choice(parts) for _ in range(rng.randrange(1, 25))), []) for _ in range(120)]
            sequences += [tokenizer.encode(t).ids for t in ["a\U0001F44D\U0001F44D ab ab.", "  a b\u4eba\u6587", "", " "] + PAGE[:9]]
        else:
            sequences += [[rng.randrange(1, 24) for _ in range(rng.randrange(1, 20))] for _ in range(60)]
        sequences = [ids for ids in sequences if ids]
        decode = lambda ids, skip: tokenizer.decode(ids, skip_special_tokens=skip)
        cases[name] = {
            "json": json.loads(tokenizer.to_str()),
            "decode": [{"ids": ids, "text": decode(ids, False), "without_special": decode(ids, True)} for ids in sequences],
        }
    return cases


def main():
    FOLDER.mkdir(exist_ok=True)
    text = corpus()
    found = {"tokenizers": tokenizers.__version__, "bpe": bpe(text), "bert": bert(text), "keras": keras()}
    path = FOLDER / "expected.json"
    path.write_text(json.dumps(found, ensure_ascii=True, separators=(",", ":")) + "\n")
    path = FOLDER / "published.json"
    path.write_text(json.dumps(published(), ensure_ascii=True, separators=(",", ":")) + "\n")
    byte_level(800, text).save(str(FOLDER / "tokenizer.json"), pretty=False)
    for file in sorted(FOLDER.iterdir()):
        print(f"{file.name:16} {file.stat().st_size / 1024:7.1f} KiB")


if __name__ == "__main__":
    main()
