"""GPT-2 of `transformers` with random weights: logits, loss, the gradient of every parameter, ten steps of AdamW, and a
greedy continuation."""

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from recorder import DTYPES, ints

STEPS = 10
SIZES = {
    "tiny": {"vocab_size": 11, "n_positions": 8, "n_embd": 8, "n_layer": 1, "n_head": 1},
    "small": {"vocab_size": 29, "n_positions": 16, "n_embd": 16, "n_layer": 2, "n_head": 2},
    "untied": {"vocab_size": 23, "n_positions": 12, "n_embd": 12, "n_layer": 2, "n_head": 3, "tie_word_embeddings": False},
    "wide": {"vocab_size": 65, "n_positions": 24, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_inner": 80},
}


def cases(f):
    for label, size in SIZES.items():
        config = GPT2Config(
            **size, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, attn_implementation="eager", bos_token_id=0,
            eos_token_id=None, use_cache=True,
        )
        case_id = f"gpt/{label}"
        rng = f.rng(case_id)
        model = GPT2LMHeadModel(config).eval()
        shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
        start = {}
        for name, shape in shapes.items():
            shift = 1.0 if ".ln_" in name and name.endswith("weight") else 0.0
            start[name] = np.asarray(shift + 0.2 * rng.standard_normal(shape), dtype=np.float32)
        batch, time = 2, config.n_positions
        text = ints(0, config.vocab_size, batch, time + 1)(rng)
        prompt = ints(0, config.vocab_size, 1, time // 3)(rng)

        def run(dtype):
            torch.set_default_dtype(dtype)
            model = GPT2LMHeadModel(config).eval().to(dtype)
            torch.set_default_dtype(torch.float32)
            with torch.no_grad():
                for name, p in model.named_parameters():
                    p.copy_(torch.from_numpy(start[name]))
            ids, targets = torch.from_numpy(text[:, :-1]), torch.from_numpy(text[:, 1:])
            start_ids = torch.from_numpy(prompt)
            out = model.generate(
                start_ids,
                # Otherwise token 0 counts as padding.
                attention_mask=torch.ones_like(start_ids),
                max_new_tokens=time - prompt.shape[1],
                do_sample=False,
                pad_token_id=0,
            )
            opt = torch.optim.AdamW(model.parameters(), lr=1e-3)
            pairs, losses = {}, []
            for step in range(STEPS):
                logits = model(ids).logits
                loss = torch.nn.functional.cross_entropy(logits.reshape(-1, config.vocab_size), targets.reshape(-1))
                opt.zero_grad()
                loss.backward()
                if step == 0:
                    pairs["logits"] = logits.detach().numpy().copy()
                    pairs |= {f"grad.{name}": p.grad.numpy().copy() for name, p in model.named_parameters()}
                losses.append(loss.item())
                opt.step()
            pairs["losses"] = np.array(losses, dtype=pairs["logits"].dtype)
            return pairs, model(ids).logits.detach().numpy(), out.numpy()

        (f32, _, greedy32), (f64, after, greedy) = (run(dtype) for dtype in DTYPES.values())
        assert np.array_equal(greedy, greedy32), f"{case_id}: f32 and f64 continue differently"
        inputs = {f"param.{name}": array for name, array in start.items()}
        inputs |= {"text": text, "prompt": prompt, "greedy": greedy, "after": after}
        f.record(
            {"id": case_id, "op": "gpt", "inputs": 0, "outputs": 0, "attrs": {**size, "steps": STEPS}},
            inputs,
            **{name: (f32[name], f64[name]) for name in f32},
        )
