"""Scaled dot-product attention with every option, in blocks and for a single query."""

import numpy as np
import torch
import torch.nn.functional as F

from recorder import normal


def attention(q, k, v, mask=None, causal=False, scale=None):
    """PyTorch's, but for the causal mask, which is aligned at the last query and the last key."""
    if causal:
        seen = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).tril(k.shape[-2] - q.shape[-2])
        if mask is None:
            mask = seen
        elif mask.dtype == torch.bool:
            mask = mask & seen
        else:
            mask = mask.masked_fill(~seen, -torch.inf)
    grouped = q.dim() > 2 and q.shape[-3] != k.shape[-3]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale, enable_gqa=grouped)


def some(*shape, share=0.7, none=()):
    """A mask that is mostly true; the rows in `none` are false."""

    def draw(rng):
        mask = rng.random(shape) < share
        mask[..., 0] = True
        for row in none:
            mask[..., row, :] = False
        return mask

    return draw


def bias(*shape, hidden=0.0, none=()):
    """A mask to be added, with a share of -∞ and rows of nothing else."""

    def draw(rng):
        mask = rng.standard_normal(shape)
        mask[rng.random(shape) < hidden] = -np.inf
        mask[..., 0] = 0.5
        for row in none:
            mask[..., row, :] = -np.inf
        return np.asarray(mask, dtype=np.float32)

    return draw


def cases(f):
    f.sums = True
    def case(label, q, k, v, mask=None, fixed=False, causal=False, scale=None):
        draws = [normal(*q), normal(*k), normal(*v)] + ([mask] if mask else [])

        def run(q, k, v, mask=None, causal=False, scale=None):
            return attention(q, k, v, mask, causal, scale)

        f.case("attention", label, run, draws, fixed=(3,) if fixed else (), causal=causal, scale=scale)

    def sizes(batch, heads, queries, keys, width, value_width, kv_heads=None):
        kv_heads = kv_heads or heads
        return (*batch, heads, queries, width), (*batch, kv_heads, keys, width), (*batch, kv_heads, keys, value_width)

    small = sizes((2,), 3, 5, 7, 8, 6)
    square = sizes((2,), 3, 6, 6, 4, 4)
    case("plain", *small)
    case("scale", *small, scale=0.7)
    case("negative_scale", *small, scale=-0.3)
    case("causal", *square, causal=True)
    case("causal_more_keys", *small, causal=True)
    case("causal_more_queries", *sizes((2,), 3, 7, 5, 8, 6), causal=True)
    case("without_heads", (5, 4), (7, 4), (7, 3), causal=True)
    case("without_batch", (2, 5, 4), (2, 7, 4), (2, 7, 3), mask=some(2, 5, 7))
    case("two_batches", *sizes((2, 3), 2, 4, 5, 4, 4), mask=some(3, 1, 1, 5))

    case("bool", *small, mask=some(2, 3, 5, 7))
    case("bool_nothing_seen", *small, mask=some(2, 1, 5, 7, none=(1, 4)))
    case("bool_padding", *small, mask=some(2, 1, 1, 7))
    case("bool_rows", *small, mask=some(5, 1))
    case("bool_causal", *square, mask=some(6, 6, share=0.8), causal=True, scale=0.4)
    case("added_constant", *small, mask=bias(2, 3, 5, 7, hidden=0.3), fixed=True)
    case("added_constant_padding", *small, mask=bias(2, 1, 1, 7, hidden=0.3), fixed=True)
    case("added_constant_nothing_seen", *small, mask=bias(5, 7, hidden=0.3, none=(0, 3)), fixed=True)
    case("added_constant_causal", *square, mask=bias(3, 6, 6), fixed=True, causal=True)
    case("added", *small, mask=bias(2, 3, 5, 7))
    case("added_broadcast", *small, mask=bias(3, 1, 7))
    case("added_hidden", *small, mask=bias(5, 7, hidden=0.3))

    case("grouped", *sizes((2,), 4, 5, 7, 8, 6, kv_heads=2))
    case("multi_query", *sizes((2,), 3, 5, 7, 8, 6, kv_heads=1), causal=True)
    case("grouped_mask", *sizes((2,), 4, 5, 7, 4, 4, kv_heads=2), mask=some(2, 4, 5, 7))
    case("grouped_added", *sizes((2,), 4, 5, 7, 4, 4, kv_heads=2), mask=bias(4, 1, 7))

    one = sizes((2,), 2, 1, 19, 6, 4)
    case("single", *one)
    case("single_causal", *sizes((2,), 3, 1, 18, 6, 4), causal=True)
    case("single_bool", *one, mask=some(2, 1, 1, 19))
    case("single_added", *one, mask=bias(2, 1, 19, hidden=0.2), fixed=True)
    case("single_nothing_seen", *one, mask=some(2, 2, 1, 19, none=(0,)))
    case("single_grouped", *sizes((2,), 4, 1, 21, 8, 6, kv_heads=2), causal=True)
    case("single_multi_query", *sizes((2,), 6, 1, 21, 8, 6, kv_heads=1), mask=some(2, 6, 1, 21))
    case("single_key", *sizes((2,), 2, 3, 1, 4, 4))

    # Several blocks of queries and of keys, the last ones of odd sizes.
    case("blocks", *sizes((), 1, 70, 139, 8, 6))
    case("blocks_causal", *sizes((), 1, 131, 131, 8, 6), causal=True)
    case("blocks_causal_more_keys", *sizes((), 1, 35, 140, 8, 8), causal=True)
    case("blocks_bool", *sizes((), 1, 67, 130, 8, 8), mask=some(67, 130))
    case("blocks_added", *sizes((), 1, 67, 130, 8, 8), mask=bias(67, 130, hidden=0.2), fixed=True)
    case("blocks_grouped", *sizes((), 4, 33, 65, 4, 4, kv_heads=2), causal=True)
    case("wide", *sizes((), 1, 5, 9, 132, 130), causal=True)
