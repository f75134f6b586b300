"""What `transformers` leaves of the logits, and what its beam search finds.

`sampler`: the logits of one step go through the processors in their order; the output is the softmax of what comes out.
`beam`: a model whose next token depends on the last two tokens (before the first stands token 0) and on their place:
its logits are `table[a, b] + places[i]`. Without the places, the same steps in another order would be as likely, and
which of them stays among the beams anybody's choice. `ID.tokens` are the new tokens of the beams, best first, filled
up with -1 behind their ends; `ID.scores` their scores.
"""

import numpy as np
import torch
from recorder import normal, values
from transformers import GenerationConfig, GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.generation import logits_process as process
from transformers.modeling_outputs import CausalLMOutput

INF = float("inf")


def processors(attrs):
    steps = []
    if "bias" in attrs:
        steps.append(process.SequenceBiasLogitsProcessor([[[t], b] for t, b in attrs["bias"]]))
    if "repetition_penalty" in attrs:
        steps.append(process.RepetitionPenaltyLogitsProcessor(attrs["repetition_penalty"]))
    if "forbid" in attrs:
        steps.append(process.SuppressTokensLogitsProcessor(attrs["forbid"]))
    if "temperature" in attrs:
        steps.append(process.TemperatureLogitsWarper(attrs["temperature"]))
    if "top_k" in attrs:
        steps.append(process.TopKLogitsWarper(attrs["top_k"]))
    if "top_p" in attrs:
        steps.append(process.TopPLogitsWarper(attrs["top_p"]))
    if "min_p" in attrs:
        steps.append(process.MinPLogitsWarper(attrs["min_p"]))
    return steps


def filtered(scores, **attrs):
    ids, scores = torch.tensor([attrs.get("history", [0])]), scores[None]
    for step in processors(attrs):
        scores = step(ids, scores)
    return scores[0].softmax(-1)


SAMPLERS = {
    "plain": {},
    "cold": {"temperature": 0.3},
    "hot": {"temperature": 2.5},
    "top_k": {"top_k": 5},
    "top_k_1": {"top_k": 1},
    "top_k_above": {"top_k": 1000},
    "top_p": {"top_p": 0.7},
    "top_p_small": {"top_p": 0.01},
    "top_p_large": {"top_p": 0.99},
    "min_p": {"min_p": 0.1},
    "min_p_1": {"min_p": 1.0},
    "usual": {"temperature": 0.8, "top_k": 20, "top_p": 0.95},
    "all": {
        "bias": [[3, 1.5], [7, -2.0]],
        "repetition_penalty": 1.3,
        "history": [1, 4, 4, 9, 12],
        "forbid": [2, 11],
        "temperature": 0.7,
        "top_k": 12,
        "top_p": 0.9,
        "min_p": 0.05,
    },
    "repetition": {"repetition_penalty": 1.7, "history": [0, 5, 5, 6, 13]},
    "repetition_favoured": {"repetition_penalty": 0.6, "history": [2, 3]},
    "bias": {"bias": [[0, 4.0], [1, -4.0]]},
    "forbid": {"forbid": [0, 1, 2, 3, 4, 5]},
}


class Table(PreTrainedModel, GenerationMixin):
    config_class = PretrainedConfig
    _is_stateful = False

    def __init__(self, table, places):
        super().__init__(PretrainedConfig(vocab_size=table.shape[-1], num_hidden_layers=1, is_encoder_decoder=False))
        self.table = torch.nn.Parameter(table, requires_grad=False)
        self.places = torch.nn.Parameter(places, requires_grad=False)

    def forward(self, input_ids, attention_mask=None, **_):
        before = torch.nn.functional.pad(input_ids, (1, 0))[:, :-1]
        return CausalLMOutput(logits=self.table[before, input_ids] + self.places[: input_ids.shape[1]])

    def prepare_inputs_for_generation(self, input_ids, attention_mask=None, **_):
        return {"input_ids": input_ids}


BEAMS = {
    "two": {"num_beams": 2},
    "four": {"num_beams": 4},
    "full": {"num_beams": 4, "early_stopping": True},
    "never": {"num_beams": 4, "early_stopping": "never"},
    "sum": {"num_beams": 3, "length_penalty": 0.0},
    "short": {"num_beams": 3, "length_penalty": -1.0},
    "long": {"num_beams": 4, "length_penalty": 2.0},
    "long_never": {"num_beams": 4, "length_penalty": 2.0, "early_stopping": "never"},
    "min_new_tokens": {"num_beams": 3, "min_new_tokens": 5},
    "two_ends": {"num_beams": 3, "end_tokens": [0, 3]},
    "no_end": {"num_beams": 3, "end_tokens": []},
    "repetition": {"num_beams": 3, "repetition_penalty": 1.5},
}


def beam(model, prompt, attrs):
    """The new tokens of the beams, and their scores."""
    beams, ends = attrs["num_beams"], attrs.get("end_tokens", [0])
    config = GenerationConfig(
        num_beams=beams,
        num_return_sequences=beams,
        do_sample=False,
        max_new_tokens=attrs["max_new_tokens"],
        min_new_tokens=attrs.get("min_new_tokens"),
        length_penalty=attrs.get("length_penalty", 1.0),
        early_stopping=attrs.get("early_stopping", False),
        repetition_penalty=attrs.get("repetition_penalty", 1.0),
        eos_token_id=ends or None,
        pad_token_id=0,
        use_cache=False,
        output_scores=True,
        return_dict_in_generate=True,
    )
    ids = torch.tensor([prompt])
    # Without a mask, token 0 of a prompt counts as padding.
    out = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config)
    return before_ends(out.sequences[:, len(prompt) :], ends), out.sequences_scores.numpy()


def before_ends(tokens, ends):
    """-1 at the end token of each row, and behind it."""
    rows = []
    for row in tokens.tolist():
        end = next((i for i, t in enumerate(row) if t in ends), len(row))
        rows.append(row[:end] + [-1] * (len(row) - end))
    return np.array(rows, dtype=np.int64)


def cases(f):
    for name, attrs in SAMPLERS.items():
        for label, draw in {
            "v14": normal(14, scale=2.0),
            "v300": normal(300, scale=3.0),
            "ties": values(*[1.0, 0.0, 1.0, -2.0, 0.5, 0.5, 1.0, 0.0, 3.0, 0.25, -1.0, 2.0, 2.0, -INF]),
        }.items():
            # Which of equal tokens stays at the border of a nucleus is anybody's choice.
            if not (label == "ties" and "top_p" in attrs):
                f.case("sampler", f"{name}/{label}", filtered, [draw], fixed=(0,), **attrs)
    for name, attrs in BEAMS.items():
        for seed in range(3):
            case_id = f"beam/{name}/{seed}"
            make, tables, prompt = draw_table(f.rng(case_id))
            beam_case(f, case_id, {"max_new_tokens": 12, **attrs}, make, list(tables.values()), prompt, tables)


def draw_table(rng):
    tables = {"table": normal(7, 7, 7)(rng), "places": normal(14, 7)(rng)}
    return lambda arrays, dtype: Table(*(torch.from_numpy(a).to(dtype) for a in arrays)), tables, [4, 2]


def beam_case(f, case_id, attrs, make, arrays, prompt, stored=()):
    """`make(arrays, dtype)` is the model."""

    def run(arrays, dtype):
        tokens, scores = beam(make(arrays, dtype), prompt, attrs)
        # The scores are f32 there whatever the model is.
        return {"tokens": tokens, "scores": torch.from_numpy(scores).to(dtype).numpy()}

    case = {"id": case_id, "op": "beam", "inputs": 0, "outputs": 0, "attrs": {"prompt": prompt, **attrs}}
    f.record(case, stored, f.runs(case_id, run, arrays))
