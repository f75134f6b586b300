"""Writes tables.rs: the classes of characters that tokenizers tell apart, and decompositions without accents.

    pip install unicodedata2==16.0.0 tokenizers==0.23.3
    python src/text/unicode/make_tables.py && rustfmt src/text/unicode/tables.rs

Letters and numbers are those of Unicode 16, as in the reference implementation of byte-pair encoding. The reference
implementation of BERT's tokenizer has older tables, from about Unicode 8; its classes are found by asking it about every
character, so that ids agree for all of them.
"""

import pathlib

import unicodedata2 as unicode
from tokenizers import normalizers, pre_tokenizers

SPLIT = pre_tokenizers.BertPreTokenizer()
CLEAN = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False)
STRIP = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False)


def between(normalizer, c):
    """What a normalizer makes of a character between two letters."""
    return normalizer.normalize_str(f"x{c}x")[1:-1]


CLASSES = [
    ("LETTERS", "class `L`: letters", lambda c: unicode.category(c)[0] == "L"),
    ("NUMBERS", "class `N`: numbers", lambda c: unicode.category(c)[0] == "N"),
    ("PUNCTUATION", "class `P`, and the symbols of ASCII", lambda c: len(SPLIT.pre_tokenize_str(f"x{c}x")) == 3),
    ("NONSPACING_MARKS", "class `Mn`: marks that combine with the character before", lambda c: between(STRIP, c) == ""),
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


def main():
    parts = ["//! Made by `make_tables.py`.\n"]
    for name, doc, wanted in CLASSES:
        parts.append(array(name, f"Characters of {doc}: where they begin and end, alternately.", boundaries(wanted)))
    single, several = [], []
    for c in characters():
        if 0xAC00 <= ord(c) < 0xD7A4:  # Hangul syllables follow a rule
            continue
        left = between(STRIP, c)
        if left in (c, ""):
            continue
        if len(left) == 1:
            single += [ord(c), ord(left)]
        elif len(left) <= 3:
            several += [ord(c)] + [ord(d) for d in left] + [0] * (3 - len(left))
        else:
            raise ValueError(f"{c!r} decomposes into {len(left)} characters")
    doc = "Characters that are one character and non-spacing marks when decomposed, each followed by that character."
    parts.append(array("DECOMPOSED", doc, single))
    doc = "The others: each followed by what is left of it without non-spacing marks, filled up to three with zeros."
    parts.append(array("DECOMPOSED_OTHERS", doc, several))
    pathlib.Path(__file__).with_name("tables.rs").write_text("\n".join(parts))


if __name__ == "__main__":
    main()
