"""How strongly each weighted term pulls at some tensors: norms of gradients, asked of autograd."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lossaudit.errors import UsageError
from lossaudit.recorder.weights import demand_scalar, derivatives

if TYPE_CHECKING:
    from torch import Tensor


def gradient_norms(
    total: Tensor, terms: Mapping[str, Any], at: Sequence[Tensor]
) -> dict[str, float | None]:
    """The Euclidean norm of each weighted term's gradient, over all elements of `at` together.

        norm_i = || (d total / d term_i) * (d term_i / d at) ||

    Two terms of equal size may pull at the network very differently; this is what it is trained
    with, as far as plain gradient descent goes. One backward pass from each term to `at`; call it
    before `backward()`: neither `.grad` of any tensor nor the graph changes.

    Args:
        total: shape () or of one element, as it will be differentiated.
        terms: by name, of one element each, the very tensors that the total was computed from.
        at: tensors that need gradients and that the terms are computed from, any shape: the last
            layer's weights, or a prediction.

    Returns:
        For each name the norm, squares summed in float64; 0.0 where the term does not depend on
        `at` but on something else that is trained; None where the total does not depend on it.

    Raises:
        UsageError: if `at` holds something else than tensors that need gradients, or the total
            cannot be differentiated.
    """
    import torch

    places = list(at)
    for place in places:
        if not isinstance(place, torch.Tensor) or not place.requires_grad:
            raise UsageError(
                "gradients_at holds what needs no gradient",
                expected="a sequence of tensors that the terms are computed from",
            )
    demand_scalar("total", total)
    norms: dict[str, float | None] = dict.fromkeys(terms)
    for name, term in terms.items():
        if not isinstance(term, torch.Tensor) or not term.requires_grad:
            continue
        demand_scalar(name, term)
        (weight,) = derivatives(total, [term], torch.ones_like(total))
        if weight is not None:
            found = derivatives(term, places, weight)
            squares = [g.detach().double().square().sum() for g in found if g is not None]
            norms[name] = float(torch.stack(squares).sum().sqrt().item()) if squares else 0.0
    return norms
