"""Opens with `transformers` the folders that `Llama`, `Bert` and `T5` write, compares what they compute with what was computed before, and
records in tests/golden/pretrained/llama/read_back.json, .../bert/read_back.json and .../t5/read_back.json the configurations that were opened.

    DEMOTIC_PUBLISHED=/tmp/published cargo test -p demotic-tests --test golden -- what_is_written
    pip install torch==2.15.0 transformers==5.24.0
    python tests/golden/read_families.py /tmp/published
"""

import json
import pathlib
import sys

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

GOLDEN = pathlib.Path(__file__).resolve().parent / "pretrained"
MASK = [[1] * 9, [1] * 6 + [0] * 3]
TYPES = [[0] * 4 + [1] * 5, [0] * 3 + [1] * 3 + [0] * 3]


def opened(cls, folder):
    model, info = cls.from_pretrained(folder, output_loading_info=True, attn_implementation="eager")
    left = {what: sorted(map(str, names)) for what, names in info.items() if names}
    return model.eval().double(), left


def close(found, expected, name):
    expected = torch.tensor(expected, dtype=torch.double)
    assert torch.allclose(found.flatten(), expected, rtol=1e-6, atol=1e-6), name


def llamas(place):
    expected = json.loads((GOLDEN / "llama" / "expected.json").read_text())
    recorded = {}
    for name, entry in expected.items():
        entry = expected[entry.get("same_as", name)]
        model, left = opened(AutoModelForCausalLM, place / name)
        assert not left, f"{name}: {left}"
        with torch.no_grad():
            logits = model(torch.tensor(entry["ids"]), use_cache=False).logits[:, [6, -1]]
        close(logits, entry["logits"], name)
        recorded[name] = json.loads((place / name / "config.json").read_text())
    (GOLDEN / "llama" / "read_back.json").write_text(json.dumps(recorded))


def berts(place):
    expected = json.loads((GOLDEN / "bert" / "expected.json").read_text())
    recorded = {}
    for name, entry in expected.items():
        config = json.loads((place / name / "config.json").read_text())
        model, left = opened(getattr(transformers, config["architectures"][0]), place / name)
        assert not left, f"{name}: {left}"
        mask = torch.tensor(MASK)
        given = {"input_ids": torch.tensor(entry["ids"]), "attention_mask": mask}
        if entry["typed"]:
            given["token_type_ids"] = torch.tensor(TYPES)
        with torch.no_grad():
            found = model(**given)
        if hasattr(found, "start_logits"):
            output = torch.stack([found.start_logits, found.end_logits], -1)
        else:
            output = found.logits if hasattr(found, "logits") else found.last_hidden_state
        flat = (output[mask == 1] if output.dim() == 3 else output).flatten()
        if getattr(found, "pooler_output", None) is not None:
            flat = torch.cat([flat, found.pooler_output.flatten()])
        close(flat[:: entry["step"]], entry["output"], name)
        recorded[name] = config
    (GOLDEN / "bert" / "read_back.json").write_text(json.dumps(recorded))


def t5s(place):
    expected = json.loads((GOLDEN / "t5" / "expected.json").read_text())
    recorded = {}
    for name, entry in expected.items():
        model, left = opened(AutoModelForSeq2SeqLM, place / name)
        assert not left, f"{name}: {left}"
        source = torch.tensor(entry["source"])
        with torch.no_grad():
            found = model(input_ids=source, attention_mask=(source != 0).long(), decoder_input_ids=torch.tensor(entry["target"]))
        close(found.logits[:, [5, -1]], entry["logits"], name)
        recorded[name] = json.loads((place / name / "config.json").read_text())
    (GOLDEN / "t5" / "read_back.json").write_text(json.dumps(recorded))


llamas(pathlib.Path(sys.argv[1]) / "llama")
berts(pathlib.Path(sys.argv[1]) / "bert")
t5s(pathlib.Path(sys.argv[1]) / "t5")
