"""Who dominates: shares, their course, and ratios of the terms."""

from __future__ import annotations

from lossaudit.model.balance import Balance, Ratio, Share
from lossaudit.model.result import Witness
from lossaudit.rendering.grid import LONGEST_NAME, Cell, Grid, Heading, Tone, name_cell, room_beside
from lossaudit.rendering.numbers import render_number, render_percent
from lossaudit.rendering.safe_text import clip, escape_text, shorten_middle
from lossaudit.rendering.sparkline import LIMIT, render_bar, render_sparkline

LEAST_SPAN = 0.1
"""Ten percentage points: a line of shares that move less is not blown up to look like more."""

LONGEST_LINE = 60

SIGNS = {"positive": "+", "negative": "-", "mixed": "±", "zero": "0"}
TREND_TONES: dict[str, Tone] = {"rising": "strong", "falling": "strong", "unknown": "quiet"}


def shares_grid(witness: Witness, page_width: int) -> Grid | None:
    """How much of the total each weighted term makes up; in a balance the largest comes first."""
    if not witness.shares:
        return None
    balance = witness.balance
    if balance is None:
        headings, bar = _share_headings("mean share"), max(8, min(page_width - 50, LONGEST_LINE))
        rows = tuple(_share_row(t, s, None, bar) for t, s in witness.shares.items())
        return Grid("Shares of the declared formula", headings, rows)
    limit = limit_of(balance)
    marked = "" if limit is None else f", {LIMIT} {100 * limit:.4g}% allowed"
    term, *others = _share_headings(f"p50{marked}")
    names = ranked(witness)
    rows = tuple(
        (row[0], _weight_cell(balance.weights.get(t)), *row[1:])
        for t in names
        for row in (_share_row(t, witness.shares[t], limit, 0),)
    )
    headings = (term, Heading("weight", "right", drop=2), *others)
    bar = room_beside(headings, rows, page_width, LONGEST_LINE)
    rows = tuple(
        (*row[:-1], Cell(render_bar(p50, bar, limit), share_cell(p50, limit).tone))
        for row, p50 in zip(rows, (witness.shares[t].p50 for t in names), strict=True)
    )
    title = f"Shares of the declared formula, over {_counted(balance.rows)}"
    return Grid(title, headings, rows, _left_out(balance))


def gradients_grid(witness: Witness, page_width: int) -> Grid | None:
    """How strongly each weighted term pulls at the network, where the recorder wrote it."""
    found = witness.gradients
    if found is None or not found.shares:
        return None
    headings, bar = _share_headings("mean share"), max(8, min(page_width - 50, LONGEST_LINE))
    rows = tuple(_share_row(t, s, None, bar) for t, s in found.shares.items())
    left_out = "; ".join(f"{n:,} records left out: {why}" for why, n in found.left_out.items())
    return Grid(f"Shares of the gradients, over {_counted(found.rows)}", headings, rows, left_out)


def course_grid(witness: Witness, page_width: int) -> Grid | None:
    """How the shares move from the first row to the last."""
    balance = witness.balance
    if balance is None or not balance.courses:
        return None
    courses = {t: balance.courses[t] for t in ranked(witness) if t in balance.courses}
    is_signed = any(c.sign != "positive" for c in courses.values())
    headings = (
        Heading("term"),
        *((Heading("sign"),) if is_signed else ()),
        Heading("first", "right", detail="tenth"),
        Heading("last", "right", detail="tenth"),
        Heading("trend"),
        Heading("from first to last", drop=1),
    )
    rows = [
        (
            name_cell(term),
            *((Cell(SIGNS[course.sign]),) if is_signed else ()),
            Cell(render_percent(course.first_tenth)),
            Cell(render_percent(course.last_tenth)),
            Cell(course.trend, TREND_TONES.get(course.trend, "")),
        )
        for term, course in courses.items()
    ]
    line = room_beside(headings, [(*row, Cell("")) for row in rows], page_width, LONGEST_LINE)
    drawn = [Cell(render_sparkline(c.points, line, LEAST_SPAN)) for c in courses.values()]
    note = f"Each line has a range of its own, of {100 * LEAST_SPAN:.0f} points or more."
    if is_signed:
        note += " A share counts a term's size, whatever its sign."
    whole = tuple((*row, cell) for row, cell in zip(rows, drawn, strict=True))
    return Grid("Course of the shares", headings, whole, note)


def ratios_grid(witness: Witness, page_width: int) -> Grid | None:
    """How large the terms are beside each other, before their weights."""
    balance = witness.balance
    if balance is None or not balance.ratios:
        return None
    headings = (
        Heading("terms without weights"),
        Heading("p05", "right", drop=2),
        Heading("p50", "right"),
        Heading("p95", "right", drop=1),
        Heading("below 1 on"),
    )
    room = max(8, min((page_width - 56) // 2, LONGEST_NAME))
    rows = tuple(
        (
            Cell(f"{short(r.numerator, room)} / {short(r.denominator, room)}"),
            *(Cell(render_number(float(f"{v:.3g}"))) for v in (r.p05, r.p50, r.p95)),
            Cell(_often(r)),
        )
        for r in balance.ratios
    )
    return Grid("Ratios of the terms", headings, rows)


def ranked(witness: Witness) -> list[str]:
    """The terms, the one with the largest median share first."""
    return sorted(witness.shares, key=lambda term: -witness.shares[term].p50)


def _share_headings(bar: str) -> tuple[Heading, ...]:
    numbers = (Heading(name, "right") for name in ("mean", "p05", "p50", "p95"))
    return (Heading("term"), *numbers, Heading(bar, drop=1))


def _share_row(term: str, share: Share, limit: float | None, bar_width: int) -> tuple[Cell, ...]:
    return (
        name_cell(term),
        Cell(render_percent(share.mean)),
        Cell(render_percent(share.p05)),
        share_cell(share.p50, limit),
        Cell(render_percent(share.p95)),
        Cell(render_bar(share.mean, bar_width)),
    )


def _weight_cell(weight: float | None) -> Cell:
    return Cell("" if weight is None else render_number(weight))


def share_cell(share: float, limit: float | None) -> Cell:
    """A median share; one above the limit is marked, also where there is no colour."""
    if limit is not None and share > limit:
        return Cell(f"!{render_percent(share)}", "unsure")
    return Cell(render_percent(share))


def limit_of(balance: Balance) -> float | None:
    """The largest share allowed, if it is one: a stored result may say anything."""
    limit = balance.max_share
    return limit if limit is not None and 0 <= limit <= 1 else None


def _counted(rows: int) -> str:
    return f"{rows:,} rows" if rows != 1 else "1 row"


def _left_out(balance: Balance) -> str:
    ranked = sorted(balance.left_out.items(), key=lambda item: (-item[1], item[0]))
    return "; ".join(f"{_counted(count)} left out: {reason}" for reason, count in ranked)


def _often(ratio: Ratio) -> str:
    """On how many rows the first of two terms is the smaller one."""
    if ratio.below == ratio.rows:
        return f"all {ratio.rows:,} rows"
    return f"{f'{ratio.below:,}' if ratio.below else 'none'} of {ratio.rows:,} rows"


def short(name: str, width: int = 24) -> str:
    """A name in at most so many characters, escaped."""
    return shorten_middle(escape_text(clip(name, 200)), width)
