"""A sample batch: the tensors of one training step, and what its metadata says of the step."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct, field

from lossaudit.errors import InputError, UsageError
from lossaudit.model.replay import Depth, StoredFile
from lossaudit.spec.logged_weights import logged_weights
from lossaudit.spec.schema import Spec
from lossaudit.spec.tree import term_names
from lossaudit.witnesses.replay.names import listed, shown
from lossaudit.witnesses.replay.opened_file import OpenedFile
from lossaudit.witnesses.replay.tensor_file import open_tensor_file

if TYPE_CHECKING:
    from torch import Tensor

_STEP = re.compile(r"[0-9]{1,15}")
_NUMBER = re.compile(r"[+-]?([0-9]{1,400}(\.[0-9]{0,400})?|\.[0-9]{1,400})([eE][+-]?[0-9]{1,4})?")
_NONFINITE = {"nan", "inf", "-inf"}
_ABSENT = {"", "None"}
_DTYPES = ("float16", "bfloat16", "float32", "float64")
_MOST_TERMS = 1000
_LONGEST_PRODUCER = 200
_RANK = re.compile(r"[0-9]{1,9}")
_OWN = ("step", "total", "dtype", "rng", "producer", "rank", "environment")


class SampleBatch(Struct, frozen=True):
    """The tensors of one training step, as a recorder wrote them.

    Attributes:
        path: as named.
        step: as the log has it; None where the metadata lacks it.
        total: as logged; None where the metadata lacks it.
        terms: every other number of the metadata by its name, among them the terms as logged.
        dtype: of the total in training; None where the metadata lacks it.
        rng: the state of the random generators before the step, as the recorder writes it; empty
            where it was not stored.
        producer: who wrote it, for reports; at most 200 characters.
        rank: of the process that wrote it; 0 where the metadata has no whole number.
        environment: of the training, as JSON; unread.
        tensors: by the spec's names, mapped, not copied.
        opened: the file.
    """

    path: str
    tensors: Mapping[str, Tensor]
    opened: OpenedFile
    step: int | None = None
    total: float | None = None
    terms: Mapping[str, float] = field(default_factory=dict)
    dtype: str | None = None
    rng: str = ""
    producer: str = ""
    rank: int = 0
    environment: str = ""

    @property
    def file(self) -> StoredFile:
        """Path, sha256 and size; waits for the digest, which is computed meanwhile.

        Raises:
            InputError: if somebody wrote to the file since it was opened.
        """
        return self.opened.stored()


class RunsForward(Protocol):
    """What is asked of a model adapter here; see `adapter.Adapter`."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def inputs(self) -> Mapping[Depth, object]:
        """What each depth needs."""

    @property
    def outputs(self) -> Mapping[Depth, tuple[str, ...]]:
        """Which tensors each depth gives; empty where only running it tells."""

    def missing(self, depth: Depth, tensors: Mapping[str, Tensor]) -> list[str]:
        """What a batch lacks for a depth, in words."""


def read_batch(path: str) -> SampleBatch:
    """Read a sample batch.

    Args:
        path: a safetensors file. Its metadata may have `step`, `total`, `dtype`, `rng`, `producer`
            `rank` and the terms by the spec's names; all are text, and none is trusted.

    Raises:
        InputError: if the file is damaged, or its metadata is not what it should be.
    """
    opened = open_tensor_file(path)
    found = opened.metadata
    others = {k: v for k, v in found.items() if k not in _OWN and _is_number(v)}
    if len(others) > _MOST_TERMS:
        raise InputError(
            f"the metadata has {len(others):,} numbers", where=path, expected=f"up to {_MOST_TERMS}"
        )
    return SampleBatch(
        path,
        opened.tensors,
        opened.opened,
        _step(found.get("step", ""), path),
        _total(found.get("total", ""), path),
        {name: float(text) for name, text in others.items()},
        _dtype(found.get("dtype", ""), path),
        found.get("rng", ""),
        found.get("producer", "")[:_LONGEST_PRODUCER],
        _rank(found.get("rank", "")),
        found.get("environment", ""),
    )


def depth_of(spec: Spec, batch: SampleBatch, adapter: RunsForward | None = None) -> Depth:
    """How much of the step must be computed again to have every term of the formula.

    Args:
        spec: whose formula's terms are wanted.
        batch: what is there.
        adapter: a model that can compute predictions; None where there is none.

    Returns:
        "tensors" where every prediction and target is stored, else the shallowest depth whose
        inputs are there.

    Raises:
        InputError: if some tensor is missing and no model can compute it.
        UsageError: if the spec does not define a term.
    """
    wanted = _wanted(spec)
    lacking = {n: term for n, term in wanted.items() if not has_tensor(n, batch.tensors)}
    if not lacking:
        return "tensors"
    tried = []
    for depth in [d for d in ("decoder", "full") if adapter and d in adapter.inputs]:
        assert adapter is not None
        gives = adapter.outputs.get(depth, ())
        without = [n for n in lacking if gives and n not in gives]
        short = adapter.missing(depth, batch.tensors) + [shown(n) for n in without]
        if not short:
            return depth
        tried.append(f"{depth!r} lacks {', '.join(short)}")
    words = ", ".join(f"{shown(n)} of {shown(term)}" for n, term in sorted(lacking.items()))
    raise InputError(
        f"the batch lacks {words}"
        + (f"; {adapter.name} at depth {'; '.join(tried)}" if adapter and tried else ""),
        where=batch.path,
        expected=f"a prediction and a target of every term; there are {listed(batch.tensors)}",
        hint="" if adapter else "name a model that computes them, with --adapter",
    )


def has_tensor(name: str, tensors: Mapping[str, Tensor]) -> bool:
    """Whether a batch has a tensor, or one that matches where the name is a glob."""
    if name in tensors:
        return True
    from fnmatch import fnmatchcase

    return "*" in name and any(fnmatchcase(n, name) for n in tensors)


def _wanted(spec: Spec) -> dict[str, str]:
    """{tensor: the first term that needs it}, over the terms of the formula."""
    found: dict[str, str] = {}
    weights = logged_weights(spec)
    for term in term_names([spec.formula]):
        if term in spec.parameters or term in weights:
            continue
        definition = spec.terms.get(term)
        if definition is None or not definition.kind or not definition.prediction:
            raise UsageError(
                f"the spec {shown(spec.name)} does not say what the term {shown(term)} is "
                "computed from",
                expected=f"terms: {{{term}: {{kind: l1, prediction: TENSOR, target: TENSOR}}}}",
            )
        for name in (definition.prediction, definition.target):
            if name:
                found.setdefault(name, term)
    return found


def _is_number(text: str) -> bool:
    return text in _NONFINITE or bool(_NUMBER.fullmatch(text))


def _step(text: str, path: str) -> int | None:
    if text in _ABSENT:
        return None
    if not _STEP.fullmatch(text):
        raise InputError(
            f"the metadata's step is {shown(text)}",
            where=path,
            expected="a whole number of at most 15 digits, such as 101",
        )
    return int(text)


def _rank(text: str) -> int:
    return int(text) if _RANK.fullmatch(text) else 0


def _total(text: str, path: str) -> float | None:
    if text in _ABSENT:
        return None
    if not _is_number(text):
        raise InputError(
            f"the metadata's total is {shown(text)}",
            where=path,
            expected="a number as text, such as 1.889594316482544, or nan, inf, -inf",
        )
    return float(text)


def _dtype(text: str, path: str) -> str | None:
    name = text.removeprefix("torch.")
    if name in _ABSENT:
        return None
    if name not in _DTYPES:
        raise InputError(
            f"the metadata's dtype is {shown(text)}", where=path, expected=", ".join(_DTYPES)
        )
    return name
