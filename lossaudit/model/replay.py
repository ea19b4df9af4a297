"""What recomputing one step from weights and a sample batch gave."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

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
        dtype: in which training formed the total.
        total_half: half the width of the interval that `total_logged` stands for, granting every
            way of writing that fits.
        likely_half, likely_given: `total_half` and `given` as they were likely written; a step that
            only these refute is not decided.
        total_source: the file in which `total_logged` stands.
        logged_halves: half-widths of `logged_terms`.
        given: names of the formula that were not recomputed, such as a logged weight.
        caution: what makes the intervals wide, or what they take for granted; empty if nothing.
        stated, stated_half: the total in the batch itself, where it has one.
        rank: of the process that recorded the batch; a log holds rank 0's totals.
        policy: in which numbers it was computed, by name, such as forward_pass, terms and draws.
        is_bounded: False where the rounding of the forward pass was not measured: the intervals are
            open, and nothing is decided with them.
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
    dtype: str = "float32"
    total_half: float = 0.0
    total_source: str = ""
    logged_halves: Mapping[str, float] = field(default_factory=dict)
    given: Mapping[str, Interval] = field(default_factory=dict)
    caution: str = ""
    stated: float | None = None
    stated_half: float = 0.0
    rank: int = 0
    policy: Mapping[str, str] = field(default_factory=dict)
    is_bounded: bool = True
    likely_half: float | None = None
    likely_given: Mapping[str, Interval] = field(default_factory=dict)

    @property
    def agrees(self) -> bool | None:
        """Whether the logged total may be the recomputed one; None where that cannot be said."""
        return self._may_be(self.total_logged, self.total_half, self.total)

    def term_agrees(self, name: str) -> bool | None:
        """Whether the logged value of a term may be the recomputed one; None as above."""
        if name not in self.terms:
            return None
        return self._may_be(
            self.logged_terms.get(name), self.logged_halves.get(name, 0.0), self.terms[name]
        )

    def _may_be(
        self, logged: float | None, half: float, found: Interval | Recomputed
    ) -> bool | None:
        return may_be(logged, half, found) if self.is_bounded else None


def may_be(logged: float | None, half: float, found: Interval | Recomputed) -> bool | None:
    """Whether the intervals of a logged and a recomputed number meet; None without both."""
    if logged is None or not math.isfinite(half) or math.isnan(found.low + found.high + logged):
        return None
    return found.low - half <= logged <= found.high + half


class Hypothesis(Struct, frozen=True):
    """The same steps recomputed in another way, to be compared with the same logged totals.

    Attributes:
        check: the name of the check that reports it where every row agrees.
        summary: what it means, a clause such as "`loss_lip` is taken on the whole image".
        replays: one for each step of the replays that it is to explain.
        facts: numbers, JSON-ready.
        decisive: False where it speaks of what was replayed and not of the formula.
    """

    check: str
    summary: str
    replays: tuple[Replay, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    decisive: bool = True
