"""Writes tables.rs, the classes of characters that tokenizers tell apart, and normal_tables.rs, for the normal forms.

    pip install unicodedata2==16.0.0 tokenizers==0.23.3
    python src/text/unicode/make_tables.py && rustfmt src/text/unicode/*tables.rs

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


CLASSES = [
    ("LETTERS", "class `L`: letters", lambda c: unicode.category(c)[0] == "L"),
    ("NUMBERS", "class `N`: numbers", lambda c: unicode.category(c)[0] == "N"),
    ("PUNCTUATION", "class `P`, and the symbols of ASCII", lambda c: len(SPLIT.pre_tokenize_str(f"x{c}x")) == 3),
    ("NONSPACING_MARKS", "class `Mn`: marks that combine with the character before", lambda c: between(STRIP, c) == ""),
    ("MARKS", "class `M`: marks", lambda c: normalizers.StripAccents().normalize_str(c) == ""),
    ("JOINING", "what is one cluster with the character before it", lambda c: CLUSTERS.normalize_str("a" + c) == "b"),
    ("WORD", "what words are made of in regular expressions", lambda c: len(WORDS.pre_tokenize_str(f"x{c}x")) == 1),
    ("CONTROLS", "classes `Cc`, `Cf`, `Co`, but tab, line feed, carriage return", lambda c: between(CLEAN, c) == ""),
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


def array(name, doc, numbers):
    body = ", ".join(f"{n:#x}" for n in numbers)
    return f"/// {doc}\npub(super) static {name}: [u32; {len(numbers)}] = [{body}];\n"


def combining_class(c):
    """The class by which marks are ordered, if the reference orders the character."""
    found = unicode.combining(c)
    first, last = "\u0334", "\u0345"  # Of the lowest class but 0, and of the highest.
    moves = [NFD("x" + pair) != "x" + pair for pair in (c + first, last + c)]
    return found if any(moves) or NFD(c) in (first, last) else 0


def normal_tables():
    """Decompositions, classes and compositions."""
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
            found += [ord(c), places[text] << 8 | len(text.encode())]
        return found

    doc = "Characters whose {} decomposition is another text: each followed by its place in `TEXTS` and its length."
    parts = ["//! Made by `make_tables.py`.\n"]
    parts.append(array("CANONICAL", doc.format("canonical"), decompositions(NFD, lambda c: c)))
    doc = doc.format("compatibility").replace("another text", "not the canonical one")
    parts.append(array("COMPATIBILITY", doc, decompositions(NFKD, NFD)))
    escaped = "".join(f"\\u{{{ord(c):x}}}" for c in texts)
    parts.append(f'/// What they decompose into.\npub(super) static TEXTS: &str = "{escaped}";\n')
    ranges = []
    for c in characters():
        kind = combining_class(c)
        if kind and ranges and ranges[-2:] == [ord(c), kind]:
            ranges[-2] += 1
        elif kind:
            ranges += [ord(c), ord(c) + 1, kind]
    doc = "Classes by which marks are ordered: where characters of one begin and end, and the class."
    parts.append(array("COMBINING_CLASSES", doc, ranges))
    pairs = []
    for c in characters():
        pair = unicode.decomposition(c).split()
        if len(pair) == 2 and not pair[0].startswith("<") and NFC("".join(chr(int(p, 16)) for p in pair)) == c:
            pairs.append([int(p, 16) for p in pair] + [ord(c)])
    doc = "Pairs of characters that are composed to one, each with that, in the order of the pairs."
    parts.append(array("COMPOSED", doc, sum(sorted(pairs), [])))
    return "\n".join(parts)


def main():
    parts = ["//! Made by `make_tables.py`.\n"]
    for name, doc, wanted in CLASSES:
        parts.append(array(name, f"Characters of {doc}: where they begin and end, alternately.", boundaries(wanted)))
    pathlib.Path(__file__).with_name("tables.rs").write_text("\n".join(parts))
    pathlib.Path(__file__).with_name("normal_tables.rs").write_text(normal_tables())


if __name__ == "__main__":
    main()
