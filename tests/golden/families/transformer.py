"""Multi-head attention and transformer layers with every option: outputs, and gradients of inputs and parameters.

Inputs: the operands, then the masks (`masks` names them), then the parameters in the order in which the module names
them. Masks say with true where to attend, key padding where not to.
"""

import torch
from torch import nn
from torch.func import functional_call

from recorder import normal


def some(*shape, share=0.7):
    """A mask that is mostly true, and always for the first key."""

    def draw(rng):
        mask = rng.random(shape) < share
        mask[..., 0] = True
        return mask

    return draw


def padding(batch, keys):
    """All but the first sequence end in padding."""

    def draw(rng):
        lengths = [keys] + [max(1, keys - 1 - i % 3) for i in range(batch - 1)]
        return (torch.arange(keys)[None] >= torch.tensor(lengths)[:, None]).numpy()

    return draw


def causal(queries, keys):
    return ~torch.ones(queries, keys, dtype=torch.bool).tril(keys - queries)


def cases(f):
    f.sums = True
    def case(op, label, module, operands, call, masks=None, **attrs):
        masks = masks or {}
        shapes = {name: tuple(p.shape) for name, p in module.named_parameters()}

        def run(*tensors, operands, masks, parameters, **_):
            values = tensors[:operands]
            given = dict(zip(masks, tensors[operands:]))
            weights = dict(zip(parameters, tensors[operands + len(masks) :]))
            return call(lambda *a, **k: functional_call(module, weights, a, k), values, given)

        draws = [normal(*shape) for shape in operands] + list(masks.values())
        for name, shape in shapes.items():
            norm = "norm" in name and name.endswith("weight")
            draws.append(normal(*shape, scale=0.2, shift=1.0 if norm else 0.0))
        f.case(
            op, label, run, draws, operands=len(operands), masks=list(masks), parameters=list(shapes), **attrs
        )

    def attention(label, q, k=None, v=None, masks=None, is_causal=False, average=True, **options):
        module = nn.MultiheadAttention(q[-1], 2, batch_first=True, **options)
        operands = [q] if k is None else [q, k, v]

        def call(module, values, given):
            q, k, v = values if len(values) == 3 else values * 3
            mask = ~given["mask"] if "mask" in given else None
            if is_causal:
                mask = causal(q.shape[1], k.shape[1])
            return module(
                q, k, v, key_padding_mask=given.get("key_padding"), attn_mask=mask, average_attn_weights=average
            )

        case(
            "MultiheadAttention",
            label,
            module,
            operands,
            call,
            masks,
            causal=is_causal,
            average=average,
            bias=options.get("bias", True),
            bias_kv=options.get("add_bias_kv", False),
            zero=options.get("add_zero_attn", False),
            key_dim=options.get("kdim"),
            value_dim=options.get("vdim"),
        )

    q, k = (3, 4, 6), (3, 5, 6)
    attention("self", q)
    attention("self_causal", q, is_causal=True, average=False)
    attention("self_without_bias", q, bias=False)
    attention("self_padding", q, masks={"key_padding": padding(3, 4)})
    attention("cross", q, k, k)
    attention("cross_masks", q, k, k, masks={"mask": some(4, 5), "key_padding": padding(3, 5)})
    attention("mask_of_heads", q, k, k, masks={"mask": some(6, 4, 5)})
    attention("dims", q, (3, 5, 4), (3, 5, 3), kdim=4, vdim=3)
    attention("bias_kv", q, k, k, add_bias_kv=True, masks={"key_padding": padding(3, 5)})
    attention("zero", q, add_zero_attn=True, is_causal=True)
    attention("everything", q, (3, 5, 4), (3, 5, 3), kdim=4, vdim=3, add_bias_kv=True, add_zero_attn=True)

    def options(norm_first, activation, bias=True):
        layer = {"dim_feedforward": 10, "dropout": 0.0, "activation": activation, "layer_norm_eps": 1e-3}
        return {**layer, "batch_first": True, "norm_first": norm_first, "bias": bias}

    styles = (("post", False, "relu", True), ("pre", True, "gelu", True), ("no_bias", True, "relu", False))
    for style, norm_first, activation, bias in styles:
        how = options(norm_first, activation, bias)
        attrs = {"norm_first": norm_first, "activation": activation, "bias": bias}
        masks = {"mask": some(4, 4), "key_padding": padding(3, 4)}

        def encode(module, values, given):
            return module(values[0], ~given["mask"], src_key_padding_mask=given["key_padding"])

        layer = nn.TransformerEncoderLayer(6, 2, **how)
        case("TransformerEncoderLayer", style, layer, [q], encode, masks, **attrs)

        def decode(module, values, given):
            return module(
                values[0],
                values[1],
                causal(4, 4),
                ~given["mask"],
                memory_key_padding_mask=given["key_padding"],
            )

        layer = nn.TransformerDecoderLayer(6, 2, **how)
        masks = {"mask": some(4, 5), "key_padding": padding(3, 5)}
        case("TransformerDecoderLayer", style, layer, [q, k], decode, masks, **attrs)

        if style != "no_bias":
            norm = nn.LayerNorm(6, eps=1e-3)
            layer = nn.TransformerEncoderLayer(6, 2, **how)
            module = nn.TransformerEncoder(layer, 2, norm, enable_nested_tensor=False)
            case(
                "TransformerEncoder",
                style,
                module,
                [q],
                lambda module, values, given: module(values[0], causal(4, 4)),
                **attrs,
            )
            module = nn.Transformer(6, 2, 1, 1, **how)
            case(
                "Transformer",
                style,
                module,
                [(3, 7, 6), (3, 4, 6)],
                lambda module, values, given: module(*values, tgt_mask=causal(4, 4)),
                **attrs,
            )
