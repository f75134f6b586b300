"""What GPT-2 of `transformers` has besides its sizes: activations, scores scaled by the number of the layer, and texts of which
something is hidden (`attention_mask`) or stands elsewhere (`position_ids`). Logits and the gradient of every parameter, both of
the tokens that are seen.
"""

import numpy as np
import torch

from families.gpt import configuration, load, weights
from recorder import ints, normal

SIZE = {"vocab_size": 11, "n_positions": 10, "n_embd": 8, "n_layer": 2, "n_head": 2}
BATCH, TIME = 3, 7

RIGHT = [[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 0]]
LEFT = [row[::-1] for row in RIGHT]
HOLES = [[1, 0, 1, 1, 0, 1, 1], [1, 1, 1, 1, 1, 0, 1], [0, 1, 0, 0, 1, 1, 0]]


def counted(mask):
    """The positions that `generate` gives to padded prompts, of the tokens that are seen."""
    mask = np.array(mask)
    return np.maximum(mask.cumsum(1) - 1, 0)


OPTIONS = {
    "gelu_new": {"activation_function": "gelu_new"},
    "gelu": {"activation_function": "gelu"},
    "relu": {"activation_function": "relu"},
    "silu": {"activation_function": "silu"},
    "tanh": {"activation_function": "tanh"},
    "mish": {"activation_function": "mish"},
    "inverse": {"scale_attn_by_inverse_layer_idx": True},
    "inverse_untied_gelu": {
        "scale_attn_by_inverse_layer_idx": True,
        "tie_word_embeddings": False,
        "activation_function": "gelu",
    },
}
INPUTS = {
    "right": (RIGHT, None),
    "left": (LEFT, None),
    "left_counted": (LEFT, counted(LEFT)),
    "holes": (HOLES, None),
    "holes_counted": (HOLES, counted(HOLES)),
    "positions": (None, np.array([[3, 4, 5, 6, 7, 8, 9], [0, 2, 4, 6, 8, 1, 3], [9, 8, 7, 6, 5, 4, 3]])),
}


def cases(f):
    f.sums = True
    for label, options in OPTIONS.items():
        case(f, f"option/{label}", options, None, None)
    for label, (mask, positions) in INPUTS.items():
        case(f, f"input/{label}", {}, mask, positions)
    case(f, "input/left_counted_inverse", {"scale_attn_by_inverse_layer_idx": True}, LEFT, counted(LEFT))


def case(f, case_id, options, mask, positions):
    config = configuration(SIZE | options)
    rng = f.rng(case_id)
    start = weights(config, rng, 0.3)
    ids = ints(0, config.vocab_size, BATCH, TIME)(rng)
    seen = np.ones((BATCH, TIME), dtype=np.int64) if mask is None else np.array(mask)
    up = normal(BATCH, TIME, config.vocab_size)(rng)

    def run(arrays, dtype):
        model = load(config, arrays, dtype)
        given = {}
        if mask is not None:
            given["attention_mask"] = torch.from_numpy(seen)
        if positions is not None:
            given["position_ids"] = torch.from_numpy(positions)
        logits = model(torch.from_numpy(ids), **given).logits
        logits = logits * torch.from_numpy(seen).to(dtype).unsqueeze(-1)
        (logits * torch.from_numpy(up).to(dtype)).sum().backward()
        found = {"logits": logits.detach().numpy()}
        return found | {f"grad.{name}": p.grad.numpy().copy() for name, p in model.named_parameters()}

    inputs = {f"param.{name}": array for name, array in start.items()} | {"ids": ids, "up": up, "seen": seen}
    if positions is not None:
        inputs["positions"] = positions
    attrs = {**SIZE, **options, "masked": mask is not None}
    record = {"id": case_id, "op": "gpt", "inputs": 0, "outputs": 0, "attrs": attrs}
    f.record(record, inputs, f.runs(case_id, run, list(start.values())))
