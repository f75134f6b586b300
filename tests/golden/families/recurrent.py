"""Recurrent layers and cells: outputs, final states, and the gradients of inputs, initial states and parameters.

Inputs: x, the initial state if there is one (hidden, then cell), then the parameters in the order in which the module
names them. Outputs: the outputs of all steps (not for cells), then the final state.

RecurrentLm is a language model of an embedding, recurrent layers and an output layer; its inputs are token ids and the
parameters, its output is the logits.
"""

from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from recorder import ints, normal


def with_parameters(module, parameters, weights):
    """The module with plain tensors instead of its parameters."""
    for name, weight in zip(parameters, weights):
        del module._parameters[name]
        setattr(module, name, weight)
    return module


def flat(output, state):
    return [output, *state] if isinstance(state, tuple) else [output, state]


def cases(f):
    f.sums = True
    def layer(
        kind, label, features=3, hidden=4, batch=2, time=5, state=False, lengths=None, single=False, train=True, **options
    ):
        make = lambda: getattr(nn, kind)(features, hidden, batch_first=True, **options).train(train)
        module = make()
        parameters = {name: tuple(p.shape) for name, p in module.named_parameters()}
        parts = module.num_layers * (2 if module.bidirectional else 1)
        batch_of = [] if single else [batch]
        states = []
        if state:
            states = [(parts, *batch_of, module.proj_size or hidden)]
            if kind == "LSTM":
                states.append((parts, *batch_of, hidden))

        def run(x, *rest, **_):
            initial, weights = rest[: len(states)], rest[len(states) :]
            module = with_parameters(make(), list(parameters), weights)
            initial = (tuple(initial) if kind == "LSTM" else initial[0]) if initial else None
            if lengths is None:
                return flat(*module(x, initial))
            packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            output, last = module(packed, initial)
            return flat(pad_packed_sequence(output, batch_first=True, total_length=time)[0], last)

        draws = [normal(*batch_of, time, features)]
        draws += [normal(*s, scale=0.5) for s in states]
        draws += [normal(*s, scale=hidden**-0.5) for s in parameters.values()]
        f.case(
            kind,
            label,
            run,
            draws,
            features=features,
            hidden=hidden,
            state=len(states),
            lengths=lengths,
            train=train,
            parameters=list(parameters),
            **options,
        )

    for kind in ("RNN", "LSTM", "GRU"):
        layer(kind, "plain")
        layer(kind, "state", state=True)
        layer(kind, "no_bias", bias=False, state=True)
        layer(kind, "two_layers", num_layers=2, state=True)
        layer(kind, "bidirectional", bidirectional=True, state=True)
        layer(kind, "everything", num_layers=2, bidirectional=True, state=True, lengths=[3, 5, 1], batch=3)
        layer(kind, "lengths", lengths=[2, 5, 4, 1], batch=4, state=True)
        layer(kind, "lengths_from_zeros", lengths=[2, 4, 5], batch=3, bidirectional=True)
        layer(kind, "all_shorter", lengths=[2, 3], bidirectional=True, state=True)
        layer(kind, "one_step", time=1, state=True, num_layers=2, bidirectional=True)
        layer(kind, "one_step_of_zeros", time=1)
        layer(kind, "one_unit", hidden=1, features=1, batch=1)
        layer(kind, "wide", hidden=19, features=7, batch=9, time=3, state=True)
        layer(kind, "single", single=True, state=True)
        layer(kind, "single_from_zeros", single=True, num_layers=2)
        layer(kind, "dropout_1", num_layers=2, dropout=1.0)
        layer(kind, "dropout_predict", num_layers=3, dropout=0.5, train=False)
    for label, more in {"relu": {}, "relu_everything": {"num_layers": 2, "bidirectional": True, "lengths": [5, 2]}}.items():
        layer("RNN", label, nonlinearity="relu", state=True, **more)
    layer("LSTM", "projection", proj_size=2, state=True)
    layer("LSTM", "projection_from_zeros", proj_size=3, bias=False)
    layer("LSTM", "projection_one_step", proj_size=2, time=1, state=True)
    layer(
        "LSTM",
        "projection_everything",
        proj_size=2,
        num_layers=2,
        bidirectional=True,
        state=True,
        lengths=[4, 1, 5],
        batch=3,
    )

    def cell(kind, label, features=3, hidden=4, batch=(2,), state=True, **options):
        make = lambda: getattr(nn, kind)(features, hidden, **options)
        parameters = {name: tuple(p.shape) for name, p in make().named_parameters()}
        count = (2 if kind == "LSTMCell" else 1) if state else 0

        def run(x, *rest, **_):
            initial, weights = rest[:count], rest[count:]
            module = with_parameters(make(), list(parameters), weights)
            result = module(x, (tuple(initial) if kind == "LSTMCell" else initial[0]) if initial else None)
            return list(result) if isinstance(result, tuple) else [result]

        draws = [normal(*batch, features)] + [normal(*batch, hidden, scale=0.5) for _ in range(count)]
        draws += [normal(*s, scale=hidden**-0.5) for s in parameters.values()]
        f.case(
            kind,
            label,
            run,
            draws,
            features=features,
            hidden=hidden,
            state=count,
            parameters=list(parameters),
            **options,
        )

    for kind in ("RNNCell", "LSTMCell", "GRUCell"):
        cell(kind, "plain")
        cell(kind, "from_zeros", state=False)
        cell(kind, "no_bias", bias=False)
        cell(kind, "single", batch=())
        cell(kind, "wide", hidden=33, features=20, batch=(9,))
    cell("RNNCell", "relu", nonlinearity="relu")

    def language_model(cell, label, vocab=11, embedding=4, hidden=5, layers=1, tied=False):
        make = lambda: getattr(nn, cell.upper())(embedding, hidden, layers, batch_first=True)
        inner = {name: tuple(p.shape) for name, p in make().named_parameters()}

        def run(ids, table, *weights, **_):
            recurrent, head = weights[: len(inner)], weights[len(inner) :]
            weight, bias = (table, *head) if tied else head
            output, _ = with_parameters(make(), list(inner), recurrent)(F.embedding(ids, table))
            return F.linear(output, weight, bias)

        shapes = {"embedding.weight": (vocab, embedding)} | {f"rnn.{name}": shape for name, shape in inner.items()}
        shapes |= {"head.bias": (vocab,)} if tied else {"head.weight": (vocab, hidden), "head.bias": (vocab,)}
        draws = [ints(0, vocab, 2, 4)] + [normal(*shape, scale=0.5) for shape in shapes.values()]
        f.case(
            "RecurrentLm",
            label,
            run,
            draws,
            cell=cell,
            vocab_size=vocab,
            embedding_size=embedding,
            hidden_size=hidden,
            num_layers=layers,
            tied=tied,
            parameters=list(shapes),
        )

    language_model("lstm", "lstm")
    language_model("lstm", "lstm_tied", embedding=5, layers=2, tied=True)
    language_model("gru", "gru", layers=2)
    language_model("rnn", "rnn")
