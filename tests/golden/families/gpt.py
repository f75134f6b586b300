"""GPT-2 of `transformers` with random weights: logits, loss, the gradient of every parameter, ten steps of AdamW, and a
greedy continuation.

Then what others generate, greedily but for beams; a case's `model` is the `generator` whose weights it has. These are
large, so that no token is repeated without end. Tokens are new ones, with -1 from the end token of a row on.

`beam`: as in `generation`.
`batch`: prompts of different lengths, padded on the left.
`window`: on beyond the context, where only the last half of it is left whenever it is full.
"""

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from families.generation import BEAMS, beam_case, before_ends
from recorder import DTYPES, ints, normal

STEPS = 10
SIZES = {
    "tiny": {"vocab_size": 11, "n_positions": 8, "n_embd": 8, "n_layer": 1, "n_head": 1},
    "small": {"vocab_size": 29, "n_positions": 16, "n_embd": 16, "n_layer": 2, "n_head": 2},
    "untied": {"vocab_size": 23, "n_positions": 12, "n_embd": 12, "n_layer": 2, "n_head": 3, "tie_word_embeddings": False},
    "wide": {"vocab_size": 65, "n_positions": 24, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_inner": 80},
}

GENERATORS = {
    "a": {"vocab_size": 17, "n_positions": 16, "n_embd": 16, "n_layer": 2, "n_head": 2, "tie_word_embeddings": False},
    "b": {"vocab_size": 29, "n_positions": 12, "n_embd": 12, "n_layer": 3, "n_head": 3, "tie_word_embeddings": False},
}


def configuration(size):
    return GPT2Config(
        **size, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, attn_implementation="eager", bos_token_id=0,
        eos_token_id=None, use_cache=True,
    )


def weights(config, rng, scale):
    found = {}
    for name, p in GPT2LMHeadModel(config).named_parameters():
        shift = 1.0 if ".ln_" in name and name.endswith("weight") else 0.0
        found[name] = normal(*p.shape, scale=scale, shift=shift)(rng)
    return found


def load(config, arrays, dtype):
    torch.set_default_dtype(dtype)
    model = GPT2LMHeadModel(config).eval().to(dtype)
    torch.set_default_dtype(torch.float32)
    with torch.no_grad():
        for p, array in zip(model.parameters(), arrays):
            p.copy_(torch.from_numpy(array))
    return model


def cases(f):
    f.sums = True
    for label, size in SIZES.items():
        config = configuration(size)
        case_id = f"gpt/{label}"
        rng = f.rng(case_id)
        start = weights(config, rng, 0.2)
        batch, time = 2, config.n_positions
        text = ints(0, config.vocab_size, batch, time + 1)(rng)
        prompt = ints(0, config.vocab_size, 1, time // 3)(rng)

        # The logits after the steps, of every run.
        trained = []

        def train(arrays, dtype):
            model = load(config, arrays, dtype)
            ids, targets = torch.from_numpy(text[:, :-1]), torch.from_numpy(text[:, 1:])
            opt = torch.optim.AdamW(model.parameters(), lr=1e-3)
            found, losses = {}, []
            for step in range(STEPS):
                logits = model(ids).logits
                loss = torch.nn.functional.cross_entropy(logits.reshape(-1, config.vocab_size), targets.reshape(-1))
                opt.zero_grad()
                loss.backward()
                if step == 0:
                    found["logits"] = logits.detach().numpy().copy()
                    found |= {f"grad.{name}": p.grad.numpy().copy() for name, p in model.named_parameters()}
                losses.append(loss.item())
                opt.step()
            found["losses"] = np.array(losses, dtype=found["logits"].dtype)
            trained.append(model(ids).logits.detach().numpy())
            return found

        def greedy(dtype):
            ids = torch.from_numpy(prompt)
            out = load(config, start.values(), dtype).generate(
                ids,
                # Otherwise token 0 counts as padding.
                attention_mask=torch.ones_like(ids),
                max_new_tokens=time - prompt.shape[1],
                do_sample=False,
                pad_token_id=0,
            )
            return out.numpy()

        in_f32, in_f64 = (greedy(dtype) for dtype in DTYPES.values())
        assert np.array_equal(in_f32, in_f64), f"{case_id}: f32 and f64 continue differently"
        runs = f.runs(case_id, train, list(start.values()))
        inputs = {f"param.{name}": array for name, array in start.items()}
        inputs |= {"text": text, "prompt": prompt, "greedy": in_f64, "after": trained[1]}
        case = {"id": case_id, "op": "gpt", "inputs": 0, "outputs": 0, "attrs": {**size, "steps": STEPS}}
        f.record(case, inputs, runs)
    for label, size in GENERATORS.items():
        generated(f, label, size)


def generated(f, label, size):
    config = configuration(size)
    model_id = f"generator/{label}"
    rng = f.rng(model_id)
    start = weights(config, rng, 0.6)
    case = {"id": model_id, "op": "generator", "inputs": 0, "outputs": 0, "attrs": size}
    f.record(case, {f"param.{name}": array for name, array in start.items()})
    models = {dtype: load(config, start.values(), dtype) for dtype in DTYPES.values()}
    ends = [0, 3]

    for name, attrs in BEAMS.items():
        case_id = f"beam/{label}_{name}"
        attrs = {"model": model_id, "max_new_tokens": config.n_positions - 4, "end_tokens": ends, **attrs}
        prompt = ints(0, config.vocab_size, 4)(f.rng(case_id)).tolist()
        beam_case(f, case_id, attrs, lambda *given: load(config, *given), list(start.values()), prompt)

    def case(op, name, attrs, run):
        """`run` is the same in both types."""
        tokens, in_f32 = run(models[torch.float64]), run(models[torch.float32])
        case_id = f"{op}/{label}_{name}"
        assert np.array_equal(tokens, in_f32), f"{case_id}: f32 and f64 continue differently"
        attrs = {"model": model_id, **attrs}
        f.record({"id": case_id, "op": op, "inputs": 0, "outputs": 0, "attrs": attrs}, {"tokens": tokens})

    prompts = [ints(0, config.vocab_size, n)(rng).tolist() for n in (2, 5, 1, 5, 3)]

    def batch(model, prompts, ends):
        longest = max(map(len, prompts))
        padding = [longest - len(prompt) for prompt in prompts]
        out = model.generate(
            torch.tensor([[0] * n + prompt for n, prompt in zip(padding, prompts)]),
            attention_mask=torch.tensor([[0] * n + [1] * (longest - n) for n in padding]),
            max_new_tokens=config.n_positions - longest,
            do_sample=False,
            eos_token_id=ends or None,
            pad_token_id=0,
        )
        tokens = before_ends(out[:, longest:], ends)
        # There are fewer when every row came to its end.
        return np.pad(tokens, ((0, 0), (0, config.n_positions - longest - tokens.shape[1])), constant_values=-1)

    for name, end_tokens in (("without_end", []), ("ends", ends)):
        attrs = {"prompts": prompts, "end_tokens": end_tokens}
        case("batch", name, attrs, lambda model: batch(model, prompts, end_tokens))

    def window(model, prompt):
        seen, tokens = list(prompt), []
        while len(tokens) < 3 * config.n_positions:
            with torch.no_grad():
                tokens.append(int(model(torch.tensor([seen])).logits[0, -1].argmax()))
            seen.append(tokens[-1])
            if len(seen) > config.n_positions:
                seen = seen[-(config.n_positions // 2) :]
        return np.array(tokens)

    for prompt in prompts[:2]:
        case("window", f"{len(prompt)}", {"prompt": prompt}, lambda model: window(model, prompt))
