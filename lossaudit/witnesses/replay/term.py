"""A term's definition meets the tensors of a batch: found, checked, cut to the region."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from lossaudit import registry
from lossaudit.errors import InputError, UsageError
from lossaudit.numerics.formats import FORMATS
from lossaudit.spec.definition import Definition
from lossaudit.spec.hints import did_you_mean
from lossaudit.witnesses.replay.names import listed, shown
from lossaudit.witnesses.replay.regions import Region
from lossaudit.witnesses.replay.rounding import Chains
from lossaudit.witnesses.replay.sums import Rows
from lossaudit.witnesses.replay.term_function import Operands, TermFunction, shape_of

if TYPE_CHECKING:
    from torch import Tensor

_KINDS = "lossaudit.witnesses.replay.terms"
_OF_EVERY_KIND = frozenset(
    ("kind", "reduction", "prediction", "target", "region", "denominator", "dtype", "note")
)
_EXACT_INTEGERS = frozenset(("bool", "uint8", "int8"))
_PLAIN = frozenset(FORMATS) | _EXACT_INTEGERS | {"int16", "int32", "int64"}


class Term(Struct, frozen=True):
    """A term, ready to be summed.

    Attributes:
        function: its kind.
        definition: its parameters.
        rows: views of its tensors in the region, rows first.
        cropped: the same as torch's own function takes them.
        region: what was cut.
        all_rows: how many rows the whole tensors have.
        dtype: training's.
    """

    function: TermFunction
    definition: Definition
    rows: Rows
    cropped: Operands
    region: Region
    all_rows: int
    dtype: str

    @property
    def reduction(self) -> str:
        """The definition's, mean where it has none."""
        return self.definition.reduction or "mean"

    @property
    def samples(self) -> int:
        """The size of the first dimension."""
        return self.cropped.prediction.shape[0] if self.cropped.prediction.dim() else 1

    @property
    def chains(self) -> Chains:
        """How the rows are added up, where torch does so in a way of its own."""
        own = self.function.chains
        return own(self.cropped) if own is not None and self.reduction != "none" else Chains()

    @property
    def narrows(self) -> bool:
        """Whether converting the tensors to training's dtype may change a value."""
        numbers = filter(self.function.is_numbers, self.rows.operands.present())
        return any(_narrows(tensor, self.dtype) for tensor in numbers)


def term_functions() -> dict[str, TermFunction]:
    """Every term function by its name."""
    return registry.load(_KINDS, TermFunction)


def is_known_kind(kind: str) -> bool:
    """Whether a term function of that name exists."""
    return kind.replace("_", "-").lower() in registry.listed(_KINDS)


def term_function(definition: Definition) -> TermFunction:
    """The term function of a definition's kind.

    Raises:
        UsageError: if there is none, if it lacks the reduction, or if a parameter is not its own.
    """
    known = registry.listed(_KINDS)
    name = definition.kind.replace("_", "-").lower()
    if name not in known:
        names = [n.replace("-", "_") for n in known]
        raise UsageError(
            f"no term function is called {shown(definition.kind)}",
            expected=", ".join(names),
            hint=did_you_mean(definition.kind, names),
        )
    function: TermFunction = registry.find(_KINDS, name, TermFunction)
    if definition.reduction and definition.reduction not in function.reductions:
        raise UsageError(
            f"{function.name} has no reduction {definition.reduction!r}",
            expected=", ".join(function.reductions),
        )
    plain = Definition()
    for key in Definition.__slots__:
        changed = getattr(definition, key) != getattr(plain, key)
        if changed and key not in _OF_EVERY_KIND and key not in function.parameters:
            raise UsageError(
                f"{function.name} has no parameter {key!r}",
                expected=", ".join(function.parameters) or "none",
            )
    return function


def find_term(
    definition: Definition, tensors: Mapping[str, Tensor], dtype: str, region: Region
) -> Term:
    """Find a term's tensors, check them and cut the region; see `recompute_term`."""
    function = term_function(definition)
    if dtype not in FORMATS:
        raise UsageError(f"no training dtype is called {shown(dtype)}", expected=", ".join(FORMATS))
    whole = Operands(
        _find(definition.prediction, "prediction", tensors),
        _find(definition.target, "target", tensors),
        _find(definition.weight, "weight", tensors) if definition.weight else None,
        _find(definition.pos_weight, "pos_weight", tensors) if definition.pos_weight else None,
    )
    arranged = function.arrange(whole, definition)  # before the cut: shapes as the user knows them
    all_rows = arranged.operands.prediction.shape[: arranged.dims].numel()
    cropped = _cropped(whole, region, definition)
    if cropped is not whole:
        arranged = function.arrange(cropped, definition)
    shape = tuple(arranged.operands.prediction.shape[: arranged.dims])
    rows = Rows(arranged.operands, arranged.dims, region.mask_for(shape, tensors))
    return Term(function, definition, rows, cropped, region, all_rows, dtype)


def _find(name: str, role: str, tensors: Mapping[str, Tensor]) -> Tensor:
    if not name:
        raise UsageError(f"the term's definition names no {role}", expected=listed(tensors))
    if name not in tensors:
        raise InputError(
            f"the {role} {shown(name)} is not in the batch",
            expected=listed(tensors),
            hint=did_you_mean(name, tensors),
        )
    tensor = tensors[name]
    if str(tensor.layout) != "torch.strided" or tensor.is_quantized or tensor.is_meta:
        raise InputError(f"the {role} {shown(name)} is not a dense tensor with values")
    if str(tensor.dtype).removeprefix("torch.") not in _PLAIN:
        raise InputError(
            f"the {role} {shown(name)} is {shape_of(tensor)}", expected=", ".join(sorted(_PLAIN))
        )
    if not tensor.numel():
        raise InputError(f"the {role} {shown(name)} is empty: {shape_of(tensor)}")
    return tensor


def _cropped(whole: Operands, region: Region, definition: Definition) -> Operands:
    if region.kind in ("whole", "mask"):
        return whole
    shape, weight, pos_weight = whole.prediction.shape, whole.weight, whole.pos_weight
    if weight is not None and weight.shape == shape:
        weight = region.crop(weight, definition.weight)
    if pos_weight is not None:
        pos_weight = region.crop(pos_weight.expand(shape), definition.pos_weight)
    return Operands(
        region.crop(whole.prediction, definition.prediction),
        region.crop(whole.target, definition.target),
        weight,
        pos_weight,
    )


def _narrows(tensor: Tensor, dtype: str) -> bool:
    stored = str(tensor.dtype).removeprefix("torch.")
    if stored in _EXACT_INTEGERS or stored == dtype:
        return False
    if stored not in FORMATS:
        return True
    held, wanted = FORMATS[stored], FORMATS[dtype]
    return (
        held.significand_bits > wanted.significand_bits
        or held.smallest_subnormal < wanted.smallest_subnormal
        or held.largest > wanted.largest
    )
