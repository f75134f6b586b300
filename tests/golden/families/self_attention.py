"""Self-attention as in Llama: shared heads of keys and values, rotary positions, causal masks.

The layer is `LlamaAttention` of `transformers`. It gets the cosines and sines of its positions, which are computed here in the
type of the run, because `transformers` computes them in f32 always; both are compared.

Inputs: the positions, then a mask if there is one (true where a query may attend), then the parameters in the order in which
the layer names them.
"""

import torch
from torch.func import functional_call
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaAttention, LlamaRotaryEmbedding

from recorder import normal


def angles(config, first, steps, dtype):
    """Cosines and sines of the positions from `first` on, `[1, steps, head_dim]`."""
    exponents = torch.arange(0, config.head_dim, 2, dtype=torch.float64) / config.head_dim
    frequencies = config.rope_parameters["rope_theta"] ** -exponents
    at = torch.arange(first, first + steps, dtype=torch.float64)[:, None] * frequencies
    at = torch.cat([at, at], -1)[None]
    cos, sin = at.cos().to(dtype), at.sin().to(dtype)
    theirs = LlamaRotaryEmbedding(config)(cos, torch.arange(first, first + steps)[None])
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(theirs, (cos, sin)))
    return cos, sin


def some(*shape, share=0.7):
    """A mask that is mostly true, and always for the first key."""

    def draw(rng):
        mask = rng.random(shape) < share
        mask[..., 0] = True
        return mask

    return draw


def cases(f):
    f.sums = True

    def case(label, batch, steps, embed_dim, heads, kv_heads, head_dim, mask=None, rotary=True, theta=10000.0, bias=False):
        config = LlamaConfig(
            hidden_size=embed_dim,
            num_attention_heads=heads,
            num_key_value_heads=kv_heads,
            head_dim=head_dim,
            attention_bias=bias,
            max_position_embeddings=64,
            rope_parameters={"rope_type": "default", "rope_theta": theta},
            attn_implementation="sdpa",
        )
        module = LlamaAttention(config, layer_idx=0).eval()
        shapes = {name: tuple(p.shape) for name, p in module.named_parameters()}

        def run(x, *tensors, parameters, **_):
            given, weights = (tensors[:1], tensors[1:]) if mask else ((), tensors)
            seen = torch.ones(steps, steps, dtype=torch.bool).tril()[None, None]
            seen = seen & given[0] if given else seen
            places = angles(config, 0, steps, x.dtype)
            if not rotary:
                places = torch.ones_like(places[0]), torch.zeros_like(places[1])
            weights = dict(zip(parameters, weights))
            return functional_call(module, weights, (x, places, seen))[0]

        draws = [normal(batch, steps, embed_dim)] + ([mask] if mask else [])
        draws += [normal(*shape, scale=0.4) for shape in shapes.values()]
        f.case(
            "self_attention",
            label,
            run,
            draws,
            heads=heads,
            kv_heads=kv_heads,
            head_dim=head_dim,
            rotary=rotary,
            theta=theta,
            bias=bias,
            masked=mask is not None,
            parameters=list(shapes),
        )

    case("heads_of_their_own", 2, 5, 8, 2, 2, 4)
    case("shared_in_pairs", 2, 6, 16, 4, 2, 4)
    case("shared_by_all", 2, 6, 16, 4, 1, 4)
    case("wide_heads", 1, 7, 8, 4, 2, 8)
    case("without_positions", 2, 6, 16, 4, 2, 4, rotary=False)
    case("slow_turns", 1, 40, 12, 6, 2, 6, theta=500000.0)
    case("biases", 2, 5, 12, 4, 2, 4, bias=True)
    case("masked", 3, 6, 16, 4, 2, 4, mask=some(3, 1, 1, 6))
    case("two_steps", 2, 2, 16, 4, 2, 4)
