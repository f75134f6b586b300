"""Opens with `transformers` the folders that `Gpt::save_pretrained` writes, and records in tests/golden/pretrained/read_back.json what
they hold and what it computes with them. tests/golden/pretrained.rs compares with what is written now.

    pip install torch==2.15.0 transformers==5.24.0
    DEMOTIC_PUBLISHED=/tmp/published cargo test -p demotic-tests --test golden what_is_written_is
    python tests/golden/read_back.py /tmp/published
"""

import json
import pathlib
import struct
import sys

import torch
from transformers import GPT2LMHeadModel

GOLDEN = pathlib.Path(__file__).resolve().parent / "pretrained"


def header(path):
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        return json.loads(file.read(length))


def main(place):
    expected = json.loads((GOLDEN / "expected.json").read_text())
    recorded = {}
    for name in ["gpt2", "gpt2_options", "gpt2_body"]:
        folder = place / name
        entries = header(folder / "model.safetensors")
        metadata = entries.pop("__metadata__")
        model, info = GPT2LMHeadModel.from_pretrained(folder, output_loading_info=True)
        left = {what: sorted(names) for what, names in info.items() if names}
        assert not left, f"{name}: {left}"
        with torch.no_grad():
            logits = model.eval().double()(torch.tensor(expected[name]["ids"])).logits[0]
        # As those of the model that the folder was made of.
        original = torch.tensor(expected[name]["logits"], dtype=torch.double).view_as(logits)
        assert torch.allclose(logits, original, rtol=1e-9, atol=1e-9), name
        recorded[name] = {
            "tensors": {tensor: [entry["dtype"], entry["shape"]] for tensor, entry in entries.items()},
            "format": metadata["format"],
            "config": json.loads((folder / "config.json").read_text()),
            "logits": logits[-1].tolist(),
        }
    (GOLDEN / "read_back.json").write_text(json.dumps(recorded))


main(pathlib.Path(sys.argv[1]))
