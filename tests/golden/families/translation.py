"""The models that read whole sequences, written in PyTorch: a transformer that classifies, an encoder-decoder transformer,
and an encoder-decoder LSTM with attention.

Inputs: the ids, then the parameters in the order in which the module names them. Sources may be padded with 0. Output: the
logits, of targets only where they are no padding.
"""

import math

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from recorder import normal

PADDING = 0


class Tokens(nn.Module):
    """Token vectors times the root of their size, with positions."""

    def __init__(self, vocab, length, width, learned):
        super().__init__()
        self.tokens = nn.Embedding(vocab, width)
        if learned:
            self.positions = nn.Embedding(length, width)
        self.learned, self.width = learned, width

    def forward(self, ids):
        x = self.tokens(ids) * math.sqrt(self.width)
        n = ids.shape[1]
        if self.learned:
            return x + self.positions(torch.arange(n))
        angle = torch.arange(n, dtype=torch.float64)[:, None]
        angle = angle * 10000.0 ** (-(torch.arange(0, self.width, 2, dtype=torch.float64)) / self.width)
        waves = torch.stack([angle.sin(), angle.cos()], -1).flatten(1)[:, : self.width]
        return x + waves.to(x.dtype)


class Classifier(nn.Module):
    def __init__(self, vocab, classes, length, width, heads, inner, layers, learned, norm_first, activation, pooling):
        super().__init__()
        self.embedding = Tokens(vocab, length, width, learned)
        layer = nn.TransformerEncoderLayer(
            width, heads, inner, 0.0, activation=activation, batch_first=True, norm_first=norm_first
        )
        norm = nn.LayerNorm(width) if norm_first else None
        self.encoder = nn.TransformerEncoder(layer, layers, norm, enable_nested_tensor=False)
        self.head = nn.Linear(width, classes)
        self.pooling = pooling

    def forward(self, ids):
        padding = ids == PADDING
        x = self.encoder(self.embedding(ids), src_key_padding_mask=padding)
        if self.pooling == "first":
            x = x[:, 0]
        elif self.pooling == "max":
            x = x.masked_fill(padding[:, :, None], -math.inf).amax(1)
        else:
            x = x.masked_fill(padding[:, :, None], 0.0).sum(1) / (~padding).sum(1, keepdim=True)
        return self.head(x)


class Transformer(nn.Module):
    def __init__(self, sources, targets, length, width, heads, inner, layers, learned, norm_first, activation, tied):
        super().__init__()
        self.source_embedding = Tokens(sources, length, width, learned)
        self.target_embedding = Tokens(targets, length, width, learned)
        self.transformer = nn.Transformer(
            width, heads, *layers, inner, 0.0, activation=activation, batch_first=True, norm_first=norm_first
        )
        self.transformer.encoder.enable_nested_tensor = False
        if not tied:
            self.head = nn.Linear(width, targets)
        self.tied = tied

    def forward(self, source, target):
        padding = source == PADDING
        causal = torch.triu(torch.ones(target.shape[1], target.shape[1], dtype=torch.bool), 1)
        y = self.transformer(
            self.source_embedding(source),
            self.target_embedding(target),
            tgt_mask=causal,
            src_key_padding_mask=padding,
            memory_key_padding_mask=padding,
            tgt_key_padding_mask=target == PADDING,
        )
        return y @ self.target_embedding.tokens.weight.T if self.tied else self.head(y)


class Lstm(nn.Module):
    def __init__(self, sources, targets, embedding, hidden, layers):
        super().__init__()
        self.source_embedding = nn.Embedding(sources, embedding)
        self.target_embedding = nn.Embedding(targets, embedding)
        self.encoder = nn.LSTM(embedding, hidden // 2, layers, batch_first=True, bidirectional=True)
        self.decoder = nn.LSTM(embedding, hidden, layers, batch_first=True)
        self.attention = nn.Linear(hidden, hidden, bias=False)
        self.combine = nn.Linear(2 * hidden, hidden, bias=False)
        self.head = nn.Linear(hidden, targets)

    def forward(self, source, target):
        padding = source == PADDING
        packed = pack_padded_sequence(
            self.source_embedding(source), (~padding).sum(1), batch_first=True, enforce_sorted=False
        )
        read, state = self.encoder(packed)
        read, _ = pad_packed_sequence(read, batch_first=True, total_length=source.shape[1])
        # Forward and backward states of a layer, one behind the other.
        state = tuple(torch.stack([torch.cat([s[i], s[i + 1]], -1) for i in range(0, len(s), 2)]) for s in state)
        written, _ = self.decoder(self.target_embedding(target), state)
        scores = self.attention(written) @ read.transpose(1, 2)
        context = scores.masked_fill(padding[:, None], -math.inf).softmax(-1) @ read
        return self.head(torch.tanh(self.combine(torch.cat([context, written], -1))))


def cases(f):
    f.sums = True
    def case(op, label, model, ids, **attrs):
        parameters = {name: tuple(p.shape) for name, p in model.named_parameters()}

        def run(*inputs, **_):
            given, weights = inputs[: len(ids)], inputs[len(ids) :]
            logits = torch.func.functional_call(model, dict(zip(parameters, weights)), given)
            return logits if len(ids) == 1 else logits[given[1] != PADDING]

        draws = [lengths_of_ids(*spec) for spec in ids]
        for name, shape in parameters.items():
            norm = ".norm" in name and name.endswith("weight")
            draws.append(normal(*shape, scale=0.2, shift=1.0 if norm else 0.0))
        f.case(op, label, run, draws, parameters=list(parameters), ids=len(ids), **attrs)

    def classifier(label, lengths, learned=False, norm_first=True, activation="gelu", pooling="mean", layers=2):
        sizes = {"vocab": 11, "classes": 3, "length": 8, "width": 8, "heads": 2, "inner": 12, "layers": layers}
        options = {"learned": learned, "norm_first": norm_first, "activation": activation, "pooling": pooling}
        model = Classifier(**sizes, **options)
        case("classifier", label, model, [(sizes["vocab"], lengths)], **sizes, **options)

    classifier("mean", [5, 3, 6])
    classifier("no_padding", [4, 4])
    classifier("max", [2, 6], pooling="max", learned=True)
    classifier("first", [6, 1, 3], pooling="first", norm_first=False, activation="relu")
    classifier("post_norm", [3, 8], norm_first=False, layers=1, learned=True)

    def transformer(label, sources, targets, learned=False, norm_first=True, activation="relu", tied=True, layers=(2, 2)):
        sizes = {"sources": 9, "targets": 7, "length": 8, "width": 8, "heads": 2, "inner": 12, "layers": layers}
        options = {"learned": learned, "norm_first": norm_first, "activation": activation, "tied": tied}
        model = Transformer(**sizes, **options)
        ids = [(sizes["sources"], sources), (sizes["targets"], targets)]
        case("transformer", label, model, ids, **sizes, **options)

    transformer("plain", [5, 5], [4, 4])
    transformer("padded", [5, 2, 7], [3, 6, 1])
    transformer("untied", [3, 5], [4, 2], tied=False, learned=True)
    transformer("post_norm", [4, 1], [2, 3], norm_first=False, activation="gelu", layers=(1, 2))

    def lstm(label, sources, targets, layers=1):
        sizes = {"sources": 9, "targets": 7, "embedding": 5, "hidden": 8, "layers": layers}
        ids = [(sizes["sources"], sources), (sizes["targets"], targets)]
        case("lstm", label, Lstm(**sizes), ids, **sizes)

    lstm("plain", [4, 4], [5, 5])
    lstm("padded", [2, 6, 1], [3, 1, 5])
    lstm("two_layers", [3, 5], [4, 2], layers=2)


def lengths_of_ids(vocab, lengths):
    """Rows of ids that are not padding, of these lengths, and padding behind them."""

    def draw(rng):
        ids = rng.integers(1, vocab, (len(lengths), max(lengths)))
        for row, length in zip(ids, lengths):
            row[length:] = PADDING
        return ids

    return draw
