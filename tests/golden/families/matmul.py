"""Products: vectors, matrices, batches with broadcasting, einsum."""

import torch

from recorder import normal

MATMUL = {
    "square": ((3, 3), (3, 3)),
    "wide": ((2, 5), (5, 7)),
    "row": ((1, 6), (6, 4)),
    "column": ((4, 6), (6, 1)),
    "vector_vector": ((5,), (5,)),
    "vector_matrix": ((5,), (5, 3)),
    "matrix_vector": ((3, 5), (5,)),
    "batch": ((2, 3, 4), (2, 4, 5)),
    "batch_matrix": ((2, 3, 4), (4, 5)),
    "matrix_batch": ((3, 4), (2, 4, 5)),
    "batch_vector": ((2, 3, 4), (4,)),
    "vector_batch": ((4,), (2, 4, 3)),
    "broadcast": ((2, 1, 3, 4), (3, 4, 2)),
    "broadcast_both": ((2, 1, 2, 3), (1, 3, 3, 2)),
    "empty_inner": ((2, 0), (0, 3)),
    "empty_rows": ((0, 4), (4, 3)),
    "larger": ((17, 33), (33, 19)),
}
EINSUM = {
    "ij,jk->ik": ((3, 4), (4, 2)),
    "ij,jk": ((3, 4), (4, 2)),
    "ba,cb": ((3, 4), (2, 3)),
    "bij,bjk->bik": ((2, 3, 4), (2, 4, 2)),
    "bhqd,bhkd->bhqk": ((2, 2, 3, 4), (2, 2, 5, 4)),
    "i,j->ij": ((3,), (4,)),
    "i,i->": ((5,), (5,)),
    "ij,ij->i": ((3, 4), (3, 4)),
    "ij->ji": ((3, 4),),
    "ij->": ((3, 4),),
    "ij->j": ((3, 4),),
    "ii->i": ((3, 3),),
    "ii": ((3, 3),),
    "iij->j": ((3, 3, 2),),
    "...ij,...jk->...ik": ((2, 1, 3, 4), (3, 4, 2)),
    "...i->...": ((2, 3, 4),),
    "ij,jk,kl->il": ((2, 3), (3, 4), (4, 2)),
    "bn,anm,bm->ba": ((2, 3), (4, 3, 5), (2, 5)),
}


def cases(f):
    f.sums = True
    def case(op, label, run, shapes, **attrs):
        f.case(op, label, run, [normal(*s) for s in shapes], **attrs)

    for label, shapes in MATMUL.items():
        case("matmul", label, torch.matmul, shapes)
    for n in (0, 1, 7, 67):
        case("dot", f"n{n}", torch.dot, ((n,), (n,)))
    case("outer", "plain", torch.outer, ((3,), (4,)))
    case("outer", "empty", torch.outer, ((0,), (4,)))
    for equation, shapes in EINSUM.items():
        case("einsum", equation, lambda *x, equation: torch.einsum(equation, *x), shapes, equation=equation)
