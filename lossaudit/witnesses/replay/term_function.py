"""What a term function is: a plugin that says how one kind of loss term comes from its tensors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from lossaudit.errors import InputError
from lossaudit.numerics.formats import FORMATS
from lossaudit.spec.definition import Definition
from lossaudit.witnesses.replay.rounding import Chains, accumulation_roundoff, additions

if TYPE_CHECKING:
    from torch import Tensor


class Operands(NamedTuple):
    """The tensors of a term, by what they are to it.

    In blocks the rows' dimensions come first and what belongs to one row last; `weight` and
    `pos_weight` are then as `TermFunction.arrange` made them.
    """

    prediction: Tensor
    target: Tensor
    weight: Tensor | None = None
    pos_weight: Tensor | None = None

    def each(self, change: Callable[[Tensor], Tensor]) -> Operands:
        """The same with every tensor changed."""
        more = (None if t is None else change(t) for t in self[2:])
        return Operands(change(self.prediction), change(self.target), *more)

    def present(self) -> list[Tensor]:
        """The tensors that there are, in this order."""
        return [t for t in self if t is not None]


class Units(Struct, frozen=True):
    """The training dtype's arithmetic, in units of its unit roundoff u.

    Attributes:
        dtype: torch's name.
    """

    dtype: str

    @property
    def largest(self) -> float:
        """The largest number of the dtype."""
        return FORMATS[self.dtype].largest

    @property
    def roundoff(self) -> float:
        """u itself."""
        return FORMATS[self.dtype].unit_roundoff

    @property
    def share(self) -> float:
        """The unit roundoff of the accumulation dtype, in units of u."""
        return accumulation_roundoff(self.dtype) / self.roundoff

    @property
    def floor(self) -> float:
        """What one product or quotient may lose to underflow: half the smallest subnormal."""
        form = FORMATS[self.dtype]
        return form.smallest_subnormal / (2 * form.unit_roundoff)

    def beyond(self, sizes: Tensor) -> Tensor:
        """Infinity where a number on the way overflows, 0 elsewhere."""
        import torch

        return torch.where(sizes > self.largest, math.inf, 0.0)

    def norm(self, norms: Tensor, places: int, least: float) -> Tensor:
        """What a vector's norm loses by underflow and overflow of its squares, relative to it.

        Args:
            norms: of vectors of `places` numbers.
            least: what keeps a norm of 0 from being divided by; it may underflow itself.

        Returns:
            Infinity where nothing certain is left of the norm.
        """
        import torch

        square = norms.square()
        lost = self.floor * (places / square + 1 / norms)
        lost = torch.where(lost * self.roundoff > 0.25, math.inf, lost) + self.beyond(square)
        of_zero = 0.0 if least >= FORMATS[self.dtype].smallest_subnormal else math.inf
        return torch.where(norms == 0, of_zero, lost)

    def chain(self, count: int) -> float:
        """What adding `count` numbers may lose, per unit of their absolute sum."""
        return additions(count) * self.share


class Losses(NamedTuple):
    """A block of rows, in float64.

    Attributes:
        value: the loss of each row.
        error: how far training's own value of it may lie, in units of u: for each of its roundings
            the size of what was rounded.
        weight: what the row adds to the denominator of a mean; None: 1.
    """

    value: Tensor
    error: Tensor
    weight: Tensor | None = None


class Arranged(NamedTuple):
    """Views in which the rows come first.

    Attributes:
        operands: prediction, target and whatever else is divided into rows, each with the same
            `dims` leading dimensions.
        dims: how many leading dimensions count rows.
    """

    operands: Operands
    dims: int


class TermFunction(Struct, frozen=True):
    """One kind of loss term.

    Attributes:
        name: as `kind` in a spec, torch's name where torch has the function.
        about: one line: the formula of a row.
        arrange: (operands, definition) -> views; raises `InputError` where shapes do not fit.
        losses: (a block in float64, definition, units) -> the losses of its rows; the block is its
            own, to be written over.
        torch: (operands in training's dtype, definition, reduction) -> torch's own value. The
            reduction is mean, sum, batchmean or none; with none, one loss for each row.
        in_float32: (a block of float32 operands, memory) -> the losses of its rows in that memory,
            exact but for one rounding; for large tensors, or None.
        parameters: the keys of the definition that it reads, besides those of every kind.
        reductions: those that it has.
        roundings: the most roundings that one row's loss takes.
        index_target: an integer target holds class indices, not numbers.
        positive: no row's loss is below zero.
        chains: (operands as torch's function takes them) -> how that adds up rows on a GPU; None:
            as torch adds numbers in general.
        layered: names with a `*` stand for one tensor of each layer.
    """

    name: str
    about: str
    arrange: Callable[[Operands, Definition], Arranged]
    losses: Callable[[Operands, Definition, Units], Losses]
    torch: Callable[[Operands, Definition, str], Tensor]
    in_float32: Callable[[Operands, Tensor], Tensor] | None = None
    parameters: tuple[str, ...] = ()
    reductions: tuple[str, ...] = ("mean", "sum", "none")
    roundings: int = 8
    index_target: bool = False
    layered: bool = False
    positive: bool = False
    chains: Callable[[Operands], Chains] | None = None

    def is_numbers(self, tensor: Tensor) -> bool:
        """Whether training converts a tensor to its dtype: class indices stay integers."""
        return bool(tensor.dtype.is_floating_point) or not self.index_target


def shape_of(tensor: Tensor) -> str:
    """(4, 3, 32, 32) float32, as messages show a tensor."""
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def elementwise(operands: Operands, definition: Definition) -> Arranged:
    """Every element is a row: all tensors must have one shape, since nothing is broadcast.

    Raises:
        InputError: if they differ.
    """
    shapes = {tuple(t.shape) for t in operands if t is not None}
    if len(shapes) > 1:
        names = (definition.prediction, definition.target, definition.weight, definition.pos_weight)
        words = "; ".join(
            f"{name} is {shape_of(t)}"
            for name, t in zip(names, operands, strict=True)
            if t is not None
        )
        raise InputError(
            f"shapes differ: {words}",
            expected="the same shape; replay never broadcasts, and training should not either",
            hint="store the tensors as the loss function received them",
        )
    return Arranged(operands, operands.prediction.dim())
