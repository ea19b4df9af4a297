"""In which dtype training computed a term, where its definition does not say.

The spec and a batch name the dtype of the total. Tensors that are stored in half precision may have
been widened before the loss (`.float()`) or not, and then their term is a half number that is
widened when it is added to others: a float32 total of a bfloat16 term.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace as changed
from decimal import Decimal

from msgspec.structs import replace

from lossaudit.errors import InputError
from lossaudit.model.replay import Recomputed
from lossaudit.numerics.formats import FORMATS
from lossaudit.spec.definition import Definition
from lossaudit.witnesses.replay.batch import SampleBatch


def with_dtypes(
    declared: Mapping[str, Definition], batch: SampleBatch, dtype: str
) -> tuple[dict[str, Definition], list[str]]:
    """Definitions with the dtype of their tensors, where training may have computed in it.

    The value that the batch states of a term tells: one of float32 lies on bfloat16's grid once in
    65,536. Without it the coarser dtype is taken, whose interval holds what the finer one gives.

    Args:
        declared: the definitions.
        batch: with the tensors as they were stored.
        dtype: of the total.

    Returns:
        The definitions, and what of them is not known, in words.
    """
    found = dict(declared)
    guessed = list[str]()
    for name, definition in declared.items():
        stored = _stored(definition, batch)
        if definition.dtype or not stored or not _is_coarser(stored, dtype):
            continue
        value = batch.terms.get(name)
        if value is not None and not _is_written_in(value, stored):
            continue
        found[name] = changed(definition, dtype=stored)
        if value is None:
            guessed.append(f"`{name}` may have been computed in {stored}, as its tensors are")
    return found, guessed


def widened(
    terms: Mapping[str, Recomputed], definitions: Mapping[str, Definition], dtype: str
) -> dict[str, Recomputed]:
    """Terms in a coarser dtype than the total's, with what weighing and adding them in it loses.

    Each product and each sum of such terms is rounded to their dtype: once for the weight and once
    for every one of them.
    """
    coarse = [n for n in terms if _is_coarser(definitions[n].dtype, dtype)]
    found = dict(terms)
    for name in coarse:
        term, unit = terms[name], FORMATS[definitions[name].dtype].unit_roundoff
        reach = (1 + len(coarse)) * unit * max(abs(term.low), abs(term.high))
        found[name] = replace(term, low=term.low - reach, high=term.high + reach)
    return found


def check_claim(batch: SampleBatch, declared: str) -> None:
    """Refuse a batch that claims a coarser dtype than the spec's in which its total cannot be.

    It would excuse larger residuals than training could have had.

    Args:
        batch: whose metadata has a dtype.
        declared: the spec's dtype.

    Raises:
        InputError: if the two contradict each other.
    """
    claimed, total = batch.dtype or declared, batch.total
    if total is None or not _is_coarser(claimed, declared) or may_be_in(total, claimed):
        return
    raise InputError(
        f"the metadata says that the total is {claimed}, and {total!r} is no such number",
        where=batch.path,
        expected=f"the dtype in which training formed the total; the spec declares {declared}",
    )


def may_be_in(value: float, dtype: str) -> bool:
    """Whether a number of a dtype may have been written so, with as many decimals.

    Example:
        >>> may_be_in(1.234375, "bfloat16"), may_be_in(1.23, "bfloat16")
        (True, True)
        >>> may_be_in(1.2301, "bfloat16")
        False
    """
    import torch

    written = Decimal(repr(value))
    nearest = torch.tensor(value, dtype=torch.float64).to(getattr(torch, dtype)).item()
    if not math.isfinite(value) or not math.isfinite(nearest):
        return not math.isfinite(value)
    exponent = written.as_tuple().exponent
    assert isinstance(exponent, int)  # of a finite number
    return abs(Decimal(nearest) - written) <= Decimal(5).scaleb(exponent - 1)


def _stored(definition: Definition, batch: SampleBatch) -> str:
    """The dtype to which torch brings the term's tensors together; empty where some is missing."""
    import torch

    tensors = [batch.tensors.get(n) for n in (definition.prediction, definition.target)]
    floating = [t.dtype for t in tensors if t is not None and t.dtype.is_floating_point]
    if not floating or any(t is None for t in tensors):
        return ""
    name = str(torch.promote_types(floating[0], floating[-1])).removeprefix("torch.")
    return name if name in FORMATS else ""


def _is_coarser(one: str, other: str) -> bool:
    return bool(one) and FORMATS[one].significand_bits < FORMATS[other].significand_bits


def _is_written_in(value: float, dtype: str) -> bool:
    """Whether a number is one of a dtype; NaN and infinities are."""
    import torch

    exact = torch.tensor(value, dtype=torch.float64)
    return bool(exact != exact) or bool(exact.to(getattr(torch, dtype)).double() == exact)
