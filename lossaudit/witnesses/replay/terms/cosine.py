"""One minus the cosine similarity, torch.nn.functional.cosine_similarity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossaudit.errors import InputError
from lossaudit.spec.definition import Definition
from lossaudit.witnesses.replay.term_function import (
    Arranged,
    Losses,
    Operands,
    TermFunction,
    Units,
    elementwise,
    shape_of,
)

if TYPE_CHECKING:
    from torch import Tensor


def arrange(operands: Operands, definition: Definition) -> Arranged:
    """Vectors along `dim`; every other place is a row."""
    elementwise(operands, definition)
    dim, dims = definition.dim, operands.prediction.dim()
    if not dim.is_integer() or not -dims <= dim < dims:
        raise InputError(
            f"dim is {dim:g}, and {definition.prediction} is {shape_of(operands.prediction)}",
            expected=f"a whole number from {-dims} to {dims - 1}",
        )
    return Arranged(operands.each(lambda t: t.movedim(int(dim), -1)), dims - 1)


def losses(block: Operands, definition: Definition, units: Units) -> Losses:
    """1 - x.y / (max(|x|, eps) max(|y|, eps)).

    Roundings: three sums over the vector, two roots, and one of each operation; the dot product's
    count by the sum of its products' sizes.
    """
    x, y = block.prediction, block.target
    places, eps = x.shape[-1], definition.eps
    own = [vectors.norm(dim=-1) for vectors in (x, y)]
    lost = units.norm(own[0], places, eps) + units.norm(own[1], places, eps)
    norms = own[0].clamp(min=eps) * own[1].clamp(min=eps)
    products = x * y
    cosine = products.sum(-1) / norms
    size = products.abs().sum(-1) / norms
    error = (units.chain(places) + 8 + lost) * (size + cosine.abs()) + 2 * (1 + cosine.abs())
    return Losses(1 - cosine, error + 4 * places * units.floor)


def in_torch(operands: Operands, definition: Definition, reduction: str) -> Tensor:
    """One minus torch's own."""
    from torch.nn.functional import cosine_similarity

    x, y, *_ = operands
    rows = 1 - cosine_similarity(x, y, dim=int(definition.dim), eps=definition.eps)
    if reduction == "none":
        return rows
    return rows.sum() if reduction == "sum" else rows.mean()


COSINE = TermFunction(
    "cosine",
    "1 - x.y / (max(|x|, eps) max(|y|, eps)), vectors along dim",
    arrange,
    losses,
    in_torch,
    parameters=("dim", "eps"),
    roundings=24,
)
