"""What recomputing one step from weights and a sample batch gave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field

Depth = Literal["tensors", "decoder", "full"]


class StoredFile(Struct, frozen=True):
    """A file that was read: its path as found, the sha256 of its bytes, its size in bytes."""

    path: str
    sha256: str
    size: int


class Recomputed(Struct, frozen=True):
    """One term of one batch, computed twice.

    Attributes:
        value: as training computed it, in its dtype and order where those are defined.
        float64: the same tensors, in float64.
        low, high: what training may have computed from the same weights and batch: its rounding,
            the measured noise of the forward pass, and the draws that nobody stored.
        blocked: the tensors were too large for torch's own function, so that `value` is `float64`
            rounded to training's dtype.
    """

    value: float
    float64: float
    low: float
    high: float
    blocked: bool = False


class Interval(Struct, frozen=True):
    """A number and what it may be."""

    value: float
    low: float
    high: float


class Replay(Struct, frozen=True):
    """One step recomputed from a sample batch, and from weights unless its tensors suffice.

    Attributes:
        step: as the batch states it.
        batch: path of the sample batch.
        checkpoint: path of the weights, empty at depth "tensors".
        depth: which part of the step was computed again.
        device: such as "cpu" or "cuda:0".
        total: the declared formula on the recomputed terms.
        terms: by the spec's names.
        total_logged: in the batch or the log of that step; None where neither has it.
        logged_terms: the terms logged for that step, as far as known.
        files: every file that was read for it.
    """

    step: int
    batch: str
    checkpoint: str
    depth: Depth
    device: str
    total: Interval
    terms: Mapping[str, Recomputed]
    total_logged: float | None = None
    logged_terms: Mapping[str, float] = field(default_factory=dict)
    files: tuple[StoredFile, ...] = ()
