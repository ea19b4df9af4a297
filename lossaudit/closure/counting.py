"""What a block of decided rows adds to the counts, and why its other rows stayed undecided."""

from __future__ import annotations

import numpy as np

from lossaudit.closure.blocks import Prepared
from lossaudit.closure.decide import Block
from lossaudit.closure.outcome import Leaning, Tally
from lossaudit.closure.panel import Judged
from lossaudit.closure.rows import NO_TERM, Rows
from lossaudit.numerics.formats import gamma

SHARP = 0.25
"""Share of its total below which a row's tolerance must lie for its agreement to mean something."""

GRANTED = 0.05
"""Share of the terms that accumulating may have lost: a mean of 50 in bfloat16 excuses a fifth."""


def tally_of(judged: Judged, rows: Rows, block: Block, sharp: int) -> Tally:
    """Count a block; where some row is known to be sharp, others are not looked for."""
    decision = judged.decision
    refuted = np.flatnonzero(decision.refuted)
    ends = (
        (int(rows.step[refuted[0]]), int(rows.step[refuted[-1]])) if len(refuted) else (None,) * 2
    )
    narrow = 0
    if not sharp:
        narrow = int((decision.decided & (decision.tolerance <= SHARP * np.abs(block.total))).any())
        sharp = narrow and int(_lost_by_accumulating(block) <= GRANTED)
    return Tally(
        int(np.count_nonzero(decision.decided)),
        len(refuted),
        int(np.count_nonzero(decision.nonfinite)),
        sharp,
        int(narrow and not sharp),
        *ends,
    )


def _lost_by_accumulating(block: Block) -> float:
    """Relative error that the aggregate is granted on the row that is granted least."""
    lost = gamma(block.arithmetic.extra_roundings, block.arithmetic.form.unit_roundoff)
    return float(np.min(lost, initial=np.inf))


def leaning_of(judged: Judged) -> Leaning:
    """The rows that close only if terms of few round values were rounded."""
    if judged.leaning is None or not judged.leaning.any():
        return Leaning()
    residuals = judged.decision.residual[judged.leaning]
    above = int(np.count_nonzero(residuals > 0))
    return Leaning(above, len(residuals) - above)


def reasons_of(judged: Judged, prepared: Prepared) -> dict[str, int]:
    """Why rows stayed undecided, each counted under its first reason."""
    decision = judged.decision
    open_rows, counts = ~decision.decided, {}
    if not open_rows.any():
        return {}
    reasons = {NO_TERM: decision.missing, **prepared.barred}
    reasons[f"it closes only if {prepared.assumption}"] = judged.excused
    reasons["not finite on both sides, or bounds that say nothing"] = decision.vague
    for reason, where in reasons.items():
        counts[reason] = int((where & open_rows).sum())
        open_rows = open_rows & ~where
    return {reason: count for reason, count in counts.items() if count}
