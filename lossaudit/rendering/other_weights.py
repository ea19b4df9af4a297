"""What other weights would do: those at which no term dominates, and those that were asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping

from lossaudit.model.balance import Balance, EqualShares, Share
from lossaudit.model.result import Witness
from lossaudit.rendering.balance_grids import LONGEST_LINE, limit_of, ranked, share_cell, short
from lossaudit.rendering.grid import Cell, Grid, Heading, Tone, name_cell, room_beside
from lossaudit.rendering.numbers import render_number, render_percent
from lossaudit.rendering.sparkline import render_stack

MOST_TERMS = 5
"""Terms that the other weights are shown for; the largest."""


def equal_grid(witness: Witness) -> Grid | None:
    """The weights at which no term dominates."""
    balance = witness.balance
    if balance is None or balance.equal is None:
        return None
    equal = balance.equal
    is_pair = bool(equal.alone)
    headings = (
        Heading("term"),
        Heading("weight", "right"),
        Heading("equal at", "right"),
        *(() if is_pair else (Heading("p50 then", "right"),)),
    )
    rows = tuple(
        (
            name_cell(term),
            Cell(render_number(weight)),
            Cell(_new_weight(term, equal), "strong"),
            *(() if is_pair else (Cell(_p50(equal.shares, term)),)),
        )
        for term, weight in ((t, balance.weights.get(t, math.nan)) for t in ranked(witness))
        if term in equal.weights
    )
    return Grid("Equal shares", headings, rows, _how_equal(equal))


def what_if_grid(witness: Witness, page_width: int) -> Grid | None:
    """The shares of the largest terms at other weights, as medians, and all means end to end."""
    balance = witness.balance
    if balance is None or not balance.what_if:
        return None
    terms = ranked(witness)
    shown = terms[:MOST_TERMS]
    headings = (
        Heading("weight"),
        *(Heading(f"{short(t, 16)} p50", "right", drop=1 + k) for k, t in enumerate(shown)),
        Heading("means, in this order", drop=len(shown) + 1),
    )
    named: list[tuple[str, Tone, Mapping[str, Share]]] = [("declared", "quiet", witness.shares)]
    for w in balance.what_if:
        named.append((f"{short(w.term)} = {render_number(w.weight)}", "", w.shares))
    numbers = [
        (Cell(name, tone), *(_median_cell(shares, t, balance) for t in shown))
        for name, tone, shares in named
    ]
    line = room_beside(headings, [(*row, Cell("")) for row in numbers], page_width, LONGEST_LINE)
    rows = tuple(
        (*row, Cell(render_stack([s[t].mean for t in terms if t in s], line)))
        for row, (_, _, s) in zip(numbers, named, strict=True)
    )
    notes = []
    if any(cell.tone == "unsure" for row in rows for cell in row):
        notes.append(f"! is above the {100 * (balance.max_share or 0):.4g}% allowed.")
    if len(terms) > 3:
        notes.append("The largest terms, as far as there is room; the JSON report has all of them.")
    return Grid("What if", headings, rows, " ".join(notes))


def _median_cell(shares: Mapping[str, Share], term: str, balance: Balance) -> Cell:
    return share_cell(shares[term].p50, limit_of(balance)) if term in shares else Cell("")


def _p50(shares: Mapping[str, Share], term: str) -> str:
    return render_percent(shares[term].p50) if term in shares else ""


def _new_weight(term: str, equal: EqualShares) -> str:
    if term in equal.left_out:
        return ""
    weight = equal.alone.get(term, equal.weights[term])
    kept = not equal.alone and term == equal.keeps
    return render_number(float(f"{weight:.4g}")) + (" (kept)" if kept else "")


def _how_equal(equal: EqualShares) -> str:
    if equal.alone:
        return (
            "Either weight, if the other stays: then each term is the larger one on half the rows."
        )
    text = "All together: then the medians of all |weight * term| are equal."
    if equal.left_out:
        names = ", ".join(short(name) for name in equal.left_out[:5])
        text += f" Left out, 0 on half of the rows or more: {names}."
    return text
