"""Recomputed steps as a grid: the totals first, then each term in both of its values."""

from __future__ import annotations

import math
from pathlib import PurePath

from lossaudit.model.replay import Interval, Recomputed, Replay
from lossaudit.model.result import Witness
from lossaudit.model.steps import NO_STEP
from lossaudit.rendering.grid import Cell, Grid, Heading, name_cell
from lossaudit.rendering.numbers import (
    decimals_for,
    render_interval,
    render_number,
    render_total,
)
from lossaudit.rendering.safe_text import escape_text, shorten_middle

MOST_REPLAYS = 12
OWN = {"tensors": "its own tensors", "decoder": "its decoded latents", "full": "weights"}
"""From what a batch without weights is replayed."""

LONGEST_NAME = 20
OPEN = 1e-5
"""Of a number whose interval is open: what is taken for its half-width when it is written."""


def replays_grid(witness: Witness) -> Grid | None:
    """One row a step: what was logged, what was recomputed, and whether the two can be one."""
    shown = shown_replays(witness)
    if not shown:
        return None
    headings = (
        Heading("step", "right"),
        Heading("batch", drop=1, detail="replayed from"),
        Heading("logged", "right"),
        Heading("recomputed", "right", detail="may be"),
        Heading("agrees"),
    )
    more = len(witness.replays) - len(shown)
    cautions = dict.fromkeys(r.caution for r in shown if r.caution)
    notes = [f"and {more:,} more"] if more > 0 else []
    notes.append(f"replayed on {', '.join(dict.fromkeys(r.device for r in shown))}")
    if len(witness.replays) > 1:
        means = (f"{n} {render_number(v)}" for n, v in witness.means.items())
        notes.append(f"mean over {len(witness.replays):,} steps: {', '.join(means)}")
    return Grid(
        "Recomputed totals",
        headings,
        tuple(_total_row(r) for r in shown),
        ". ".join([*notes, *list(cautions)[:3]]),
    )


def replayed_terms_grid(witness: Witness) -> Grid | None:
    """One row a step and term: as training computed it, in float64, and as logged."""
    shown = [r for r in shown_replays(witness) if r.terms]
    if not shown:
        return None
    headings = (
        Heading("step", "right"),
        Heading("term"),
        Heading("logged", "right", drop=2),
        Heading("recomputed", "right"),
        Heading("in float64", "right", drop=1),
        Heading("may be", drop=3),
        Heading("agrees"),
    )
    rows = tuple(_term_row(r, name, i) for r in shown for i, name in enumerate(r.terms))
    return Grid("Recomputed terms", headings, rows)


def shown_replays(witness: Witness) -> list[Replay]:
    """The replays that a page has room for, those that do not agree before the others."""
    replays = list(witness.replays)
    if len(replays) <= MOST_REPLAYS:
        return replays
    off = [i for i, r in enumerate(replays) if r.agrees is False][:MOST_REPLAYS]
    rest = [i for i in range(len(replays)) if i not in set(off)]
    kept = sorted([*off, *rest[: MOST_REPLAYS - len(off)]])
    return [replays[i] for i in kept]


def _total_row(replay: Replay) -> tuple[Cell, ...]:
    decimals = _decimals(replay.total)
    logged = replay.total_logged
    used = _name(replay.checkpoint) if replay.checkpoint else OWN[replay.depth]
    between = render_interval(replay.total.low, replay.total.high)
    return (
        Cell(_step(replay)),
        Cell(_name(replay.batch), "", used),
        Cell("none" if logged is None else render_total(logged, decimals)),
        Cell(render_total(replay.total.value, decimals), "", between),
        _agreement(replay, replay.agrees),
    )


def _term_row(replay: Replay, name: str, place: int) -> tuple[Cell, ...]:
    term = replay.terms[name]
    decimals = _decimals(term)
    logged = replay.logged_terms.get(name)
    return (
        Cell("" if place else _step(replay)),
        name_cell(name),
        Cell("" if logged is None else render_total(logged, decimals)),
        Cell(render_total(term.value, decimals)),
        Cell(render_total(term.float64, decimals + 2)),
        Cell(render_interval(term.low, term.high), "quiet"),
        _agreement(replay, replay.term_agrees(name)),
    )


def _agreement(replay: Replay, agrees: bool | None) -> Cell:
    if agrees is None:
        return Cell("not logged" if replay.is_bounded else "no bound", "quiet")
    return Cell("✓ yes", "good") if agrees else Cell("✗ no", "bad")


def _step(replay: Replay) -> str:
    return "none" if replay.step == NO_STEP else f"{replay.step:,}"


def _decimals(number: Interval | Recomputed) -> int:
    """As many decimals as the interval tells, and one more; six digits where it is open."""
    half = 0.5 * (number.high - number.low)
    return decimals_for(0.0, half if math.isfinite(half) else OPEN * abs(number.value)) + 1


def _name(path: str) -> str:
    name = PurePath(path).name.removesuffix(".safetensors")
    return shorten_middle(escape_text(name), LONGEST_NAME)
