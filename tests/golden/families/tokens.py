"""What stands between tokens and the layers above them: tables of vectors."""

import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from recorder import int_values, ints, normal


def cases(f):
    def embedding(label, ids, rows=5, dim=3, **attrs):
        # PyTorch's second argument is the table; here the ids come first, as in the method.
        f.case("embedding", label, F.embedding, [ids, normal(rows, dim)], **attrs)

    embedding("vector", ints(0, 5, 7))
    embedding("matrix", ints(0, 5, 2, 4))
    embedding("scalar", ints(0, 5))
    embedding("cube", ints(0, 5, 2, 2, 3))
    embedding("empty", ints(0, 5, 0, 3))
    embedding("all_the_same", int_values(3, 3, 3, 3))
    embedding("wide", ints(0, 7, 3, 5), rows=7, dim=20)
    embedding("padding", int_values(1, 0, 4, 0, 2), padding_idx=0)
    embedding("padding_absent", int_values(1, 2, 4), padding_idx=0)
    embedding("all_padding", int_values(2, 2), padding_idx=2)
    embedding("frequency", int_values(1, 0, 4, 0, 1, 1), scale_grad_by_freq=True)
    embedding("frequency_padding", int_values(1, 0, 4, 0, 1, 1), scale_grad_by_freq=True, padding_idx=1)

    def layer(label, **options):
        module = nn.Embedding(6, 4, **options)

        def run(ids, weight, **_):
            return functional_call(module, {"weight": weight}, (ids,))

        f.case("Embedding", label, run, [int_values(5, 0, 2, 5, 3, 0), normal(6, 4)], **options)

    layer("default")
    layer("padding", padding_idx=5)
    layer("frequency", scale_grad_by_freq=True)
    layer("both", padding_idx=0, scale_grad_by_freq=True)
