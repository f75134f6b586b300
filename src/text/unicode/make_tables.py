"""Writes tables.bin, the classes of characters that tokenizers tell apart and the tables of the normal forms, and texts.txt, what
characters decompose into.

    pip install unicodedata2==16.0.0 tokenizers==0.23.3
    python src/text/unicode/make_tables.py

Letters and numbers are those of Unicode 16, as in the reference implementation of byte-pair encoding. The reference
implementation of BERT's tokenizer has older tables, from about Unicode 8; its classes are found by asking it about every
character, so that ids agree for all of them. So are the normal forms.
"""

import pathlib
import struct

import unicodedata2 as unicode
from tokenizers import normalizers, pre_tokenizers


def one_replacement(a, b):
    """A table of replacements that knows one letter: of a cluster that begins with it, nothing else is left."""
    units = [0] * 256
    units[ord(a)] = 2 << 10 | 1 << 8 | ord(a)
    units[ord(a) ^ 2] = 1 << 31
    return struct.pack("<257I", 1024, *units) + b.encode() + b"\0"


SPLIT = pre_tokenizers.BertPreTokenizer()
CLEAN = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False)
WORDS = pre_tokenizers.Whitespace()
NFC, NFD, NFKD = (normalizer().normalize_str for normalizer in (normalizers.NFC, normalizers.NFD, normalizers.NFKD))
CLUSTERS = normalizers.Precompiled(one_replacement("a", "b"))
STRIP = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False)



def between(normalizer, c):
    """What a normalizer makes of a character between two letters."""
    return normalizer.normalize_str(f"x{c}x")[1:-1]


# In the order of `Table` in tables.rs.
CLASSES = [
    ("class `L`: letters", lambda c: unicode.category(c)[0] == "L"),
    ("class `N`: numbers", lambda c: unicode.category(c)[0] == "N"),
    ("class `P`, and the symbols of ASCII", lambda c: len(SPLIT.pre_tokenize_str(f"x{c}x")) == 3),
    ("class `Mn`: marks that combine with the character before", lambda c: between(STRIP, c) == ""),
    ("class `M`: marks", lambda c: normalizers.StripAccents().normalize_str(c) == ""),
    ("what is one cluster with the character before it", lambda c: CLUSTERS.normalize_str("a" + c) == "b"),
    ("what words are made of in regular expressions", lambda c: len(WORDS.pre_tokenize_str(f"x{c}x")) == 1),
    ("classes `Cc`, `Cf`, `Co`, but tab, line feed, carriage return", lambda c: between(CLEAN, c) == ""),
]


def characters():
    return (chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000)


def boundaries(wanted):
    """Where the class begins and ends, alternately: [begin, end, begin, end ...], ends excluded."""
    found = []
    for c in characters():
        if wanted(c):
            if found and found[-1] == ord(c):
                found[-1] += 1
            else:
                found += [ord(c), ord(c) + 1]
    return found


def table(columns, numbers):
    """A table of rows: how many columns and rows it has, then column by column how much each number is above the last one. All as
    variable-length numbers, the sign in the lowest bit."""
    packed = bytearray()

    def put(n):
        while n >= 128:
            packed.append(n & 127 | 128)
            n >>= 7
        packed.append(n)

    put(columns)
    put(len(numbers) // columns)
    for column in range(columns):
        last = 0
        for n in numbers[column::columns]:
            put((n - last) * 2 if n >= last else (last - n) * 2 - 1)
            last = n
    return bytes(packed)


def combining_class(c):
    """The class by which marks are ordered, if the reference orders the character."""
    found = unicode.combining(c)
    first, last = "\u0334", "\u0345"  # Of the lowest class but 0, and of the highest.
    moves = [NFD("x" + pair) != "x" + pair for pair in (c + first, last + c)]
    return found if any(moves) or NFD(c) in (first, last) else 0


def normal_tables():
    """Canonical and compatibility decompositions, classes of marks, compositions; and what characters decompose into."""
    texts, places = "", {}

    def decompositions(normalize, known):
        nonlocal texts
        found = []
        for c in characters():
            text = normalize(c)
            if 0xAC00 <= ord(c) < 0xD7A4 or text == known(c):  # Hangul syllables follow a rule.
                continue
            if text not in places:
                places[text] = len(texts.encode())
                texts += text
            found += [ord(c), places[text], len(text.encode())]
        return found

    tables = [table(3, decompositions(NFD, lambda c: c)), table(3, decompositions(NFKD, NFD))]
    ranges = []
    for c in characters():
        kind = combining_class(c)
        if kind and ranges and ranges[-2:] == [ord(c), kind]:
            ranges[-2] += 1
        elif kind:
            ranges += [ord(c), ord(c) + 1, kind]
    tables.append(table(3, ranges))
    pairs = []
    for c in characters():
        pair = unicode.decomposition(c).split()
        if len(pair) == 2 and not pair[0].startswith("<") and NFC("".join(chr(int(p, 16)) for p in pair)) == c:
            pairs.append([int(p, 16) for p in pair] + [ord(c)])
    tables.append(table(3, sum(sorted(pairs), [])))
    return tables, texts


def main():
    tables, texts = normal_tables()
    folder = pathlib.Path(__file__).parent
    classes = [table(2, boundaries(wanted)) for _, wanted in CLASSES]
    (folder / "tables.bin").write_bytes(b"".join(classes + tables))
    (folder / "texts.txt").write_text(texts, encoding="utf-8", newline="")


if __name__ == "__main__":
    main()
