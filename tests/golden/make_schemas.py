"""Random JSON schemas with texts of which `jsonschema` says whether they are valid: schemas.json.

    pip install jsonschema==4.26.0
    python tests/golden/make_schemas.py
"""

import json
import random
from pathlib import Path

import jsonschema

draw = random.Random(11)
PATTERNS = [
    "^a+$", "^[a-z]{2,4}$", "x", r"^\d{3}-\d{2}$", "^(foo|bar)+$", "[0-9]$", r"^\w", "^.{2,5}$", "^[^abc]*$", "a|^b$", r"^\\n$", '^"?$',
    r"^[\u0041-Z]$", "(ab)?c", r"^\S*$",
]
TEXTS = ["", "a", "aa", "abc", "foo", "foobar", "x1", "123-45", "b", "c", "Z", '"', "\\n", "é", "2024-02-29", "2023-02-29", "12:30:00Z", "a b", "7"]
NUMBERS = [0, 1, -1, 5, 10, -10, 99, 100, 1.5, -2.25, 0.1, 1000, 123456, -0.001, 3.14159, 7]
VALUES = [1, "a", 'b"\\', None, True, 2.5, [1, 2], {"k": "v"}, "é"]
NAMES = ["a", "b", "name", "äö", "x y", "na", 'n"q']


def schema(depth):
    kind = draw.random() * (1 if depth > 0 else 0.55)
    if kind < 0.14:
        made = {"type": draw.choice(["integer", "number"])}
        for key in ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]:
            if draw.random() < 0.3:
                made[key] = draw.choice(NUMBERS)
        if draw.random() < 0.25:
            made["multipleOf"] = draw.choice([1, 2, 5, 3, 10, 7, 250])
        return made
    if kind < 0.3:
        made = {"type": "string"}
        if draw.random() < 0.4:
            made["pattern"] = draw.choice(PATTERNS)
        if draw.random() < 0.3:
            made["minLength"] = draw.randint(0, 4)
        if draw.random() < 0.3:
            made["maxLength"] = draw.randint(2, 8)
        return made
    if kind < 0.36:
        return {"type": draw.choice(["boolean", "null"])}
    if kind < 0.45:
        return {"enum": [draw.choice(VALUES) for _ in range(draw.randint(1, 4))]}
    if kind < 0.5:
        return {"const": draw.choice([1, "x", None, False, [], {}])}
    if kind < 0.55:
        return {"type": [draw.choice(["string", "integer"]), draw.choice(["null", "boolean"])]}
    if kind < 0.7:
        made = {"type": "array", "items": schema(depth - 1)}
        if draw.random() < 0.4:
            made["minItems"] = draw.randint(0, 3)
        if draw.random() < 0.4:
            made["maxItems"] = draw.randint(1, 4)
        if draw.random() < 0.25:
            made["prefixItems"] = [schema(depth - 1) for _ in range(draw.randint(1, 2))]
        return made
    if kind < 0.88:
        names = draw.sample(NAMES, draw.randint(0, 4))
        made = {"type": "object", "properties": {name: schema(depth - 1) for name in names}}
        if names and draw.random() < 0.7:
            made["required"] = draw.sample(names, draw.randint(0, len(names)))
        if draw.random() < 0.5:
            made["additionalProperties"] = draw.choice([False, False, schema(0)])
        return made
    if kind < 0.92:
        return {"anyOf": [schema(depth - 1) for _ in range(draw.randint(1, 3))]}
    if kind < 0.95:
        return {"oneOf": [schema(depth - 1) for _ in range(draw.randint(1, 3))]}
    if kind < 0.98:
        return {"allOf": [schema(depth - 1) for _ in range(draw.randint(1, 2))]}
    return {"$ref": "#/$defs/tree"}


def any_value(depth=2):
    kind = draw.random()
    if depth == 0 or kind < 0.7:
        return draw.choice([*NUMBERS, *TEXTS, True, None, [], {}])
    if kind < 0.85:
        return [any_value(depth - 1) for _ in range(draw.randint(0, 3))]
    return {name: any_value(depth - 1) for name in draw.sample(NAMES, draw.randint(0, 3))}


def near(made, root):
    """A value that may well be valid, its properties in the order of the schema."""
    if draw.random() < 0.03:
        return any_value()
    if "$ref" in made:
        return near(root["$defs"]["tree"], root)
    for key in ["anyOf", "oneOf", "allOf"]:
        if key in made:
            return near(draw.choice(made[key]), root)
    if "enum" in made:
        return draw.choice(made["enum"])
    if "const" in made:
        return made["const"]
    kind = draw.choice(made["type"]) if isinstance(made["type"], list) else made["type"]
    if kind in ["integer", "number"]:
        step = made.get("multipleOf", 1)
        of_kind = [n for n in NUMBERS if kind == "number" or n == int(n)]
        return draw.choice([*of_kind, *(made[k] for k in ["minimum", "maximum"] if k in made), step * draw.randint(-20, 20)])
    if kind == "string":
        return draw.choice(TEXTS)
    if kind == "array":
        prefix = [near(item, root) for item in made.get("prefixItems", [])]
        return prefix + [near(made["items"], root) for _ in range(draw.randint(0, 3))]
    if kind == "object":
        needed = made.get("required", [])
        return {n: near(p, root) for n, p in made["properties"].items() if n in needed or draw.random() < 0.5}
    return {"boolean": draw.random() < 0.5, "null": None}[kind]


cases = []
for _ in range(120):
    root = schema(3)
    root["$defs"] = {"tree": {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"$ref": "#/$defs/tree"}, "maxItems": 2}]}}
    judge = jsonschema.Draft202012Validator(root)
    values = [near(root, root) for _ in range(16)] + [any_value() for _ in range(6)]
    texts = sorted({json.dumps(value, ensure_ascii=False) for value in values})
    valid = [text for text in texts if judge.is_valid(json.loads(text))]
    cases.append({"schema": json.dumps(root), "valid": valid, "invalid": [text for text in texts if text not in valid]})
Path(__file__).with_name("schemas.json").write_text(json.dumps(cases, ensure_ascii=False, separators=(",", ":")) + "\n")
