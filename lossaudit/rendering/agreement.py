"""The agreement matrix: every formula against every witness."""

from __future__ import annotations

from msgspec.structs import replace

from lossaudit.model.finding import Verdict
from lossaudit.model.result import Result, Rival, Witness
from lossaudit.rendering.grid import Cell, Grid, Heading
from lossaudit.rendering.safe_text import clip, escape_text, shorten_middle
from lossaudit.rendering.short_paths import short_paths

WITHOUT_ROWS = ("source", "document")
"""Kinds of witness that state a formula once: "1/1 rows" would say nothing."""

LONGEST_FORMULA = 400
"""In the matrix; the headline shows more."""


def agreement_grid(result: Result, width: int, brief: bool = False) -> Grid:
    """Rows: the declared formula, the named rivals, the automatic rivals that survive somewhere.

    Columns: the formula's name with its text as detail, then one per witness, whose paths are
    shortened for a page of `width` characters. `brief` leaves out the words that a narrow page
    would wrap: "refuted 400/400" for "refuted on 400/400 rows".
    """
    room = min(max(width // (len(result.witnesses) + 1) - 6, 18), 56)
    headings = [Heading("formula", wraps=True)]
    names = short_paths([w.source for w in result.witnesses])
    headings += [_heading(w.kind, names[w.source], room) for w in result.witnesses]
    first = Cell("declared", "strong", clip(result.spec.formula, LONGEST_FORMULA))
    rows = [(first, *(_brief(_declared_cell(w), brief) for w in result.witnesses))]
    for name, formula in _named(result) + _survivors(result):
        cells = (_brief(_rival_cell(w, name), brief) for w in result.witnesses)
        shown = clip(formula, LONGEST_FORMULA)
        rows.append((Cell(shorten_middle(escape_text(name), 40), "strong", shown), *cells))
    return Grid("Agreement", tuple(headings), tuple(rows), _note(result))


def _brief(cell: Cell, brief: bool) -> Cell:
    """A refuted cell in as many words as one that agrees."""
    if not brief or " on " not in cell.text:
        return cell
    return replace(cell, text=cell.text.replace(" on ", " ").removesuffix(" rows"))


def _heading(kind: str, path: str, room: int) -> Heading:
    return Heading(kind, wraps=True, detail=shorten_middle(escape_text(path), room))


def _named(result: Result) -> list[tuple[str, str]]:
    """The spec's rivals, then named ones that only a witness knows."""
    known = dict(result.spec.rivals)
    for witness in result.witnesses:
        for rival in witness.rivals:
            if not rival.automatic:
                known.setdefault(rival.name, rival.formula)
    return list(known.items())


def _survivors(result: Result) -> list[tuple[str, str]]:
    found: dict[str, str] = {}
    for witness in result.witnesses:
        for rival in witness.rivals:
            if rival.automatic and rival.decided and not rival.refuted_rows:
                found.setdefault(rival.name, rival.formula)
    return list(found.items())


def _declared_cell(witness: Witness) -> Cell:
    if witness.violations and witness.verdict is Verdict.FAIL:
        return _refuted(witness, witness.violations, witness.decided, "bad")
    if witness.verdict is Verdict.FAIL:
        return Cell("✗ refuted", "bad")
    if witness.violations:
        share = f"{witness.violations:,}/{witness.decided:,}"
        return Cell(f"? cannot be told: {share} rows differ", "unsure")
    if witness.decided or witness.verdict is Verdict.PASS:
        return Cell(f"✓ agrees{_count(witness, witness.decided)}", "good")
    return Cell("? cannot be told", "unsure")


def _rival_cell(witness: Witness, name: str) -> Cell:
    rival = next((r for r in witness.rivals if r.name == name), None)
    if rival is None and not witness.decided:
        return Cell("? cannot be told", "unsure")
    if rival is None:
        return Cell("not tried", "quiet")
    if rival.refuted_rows:
        return _refuted(witness, rival.refuted_rows, rival.decided, "")
    if not rival.decided:
        return Cell("? cannot be told", "unsure")
    if witness.violations:
        return Cell(f"✓ agrees{_count(witness, rival.decided)}", "strong")
    return Cell(f"✓ agrees{_count(witness, rival.decided)}: cannot be told", "unsure")


def _refuted(witness: Witness, refuted: int, decided: int, tone: str) -> Cell:
    rows = "" if witness.kind in WITHOUT_ROWS else f" on {refuted:,}/{decided:,} rows"
    return Cell(f"✗ refuted{rows}", "bad" if tone == "bad" else "")


def _count(witness: Witness, decided: int) -> str:
    return "" if witness.kind in WITHOUT_ROWS or not decided else f" {decided:,}/{decided:,}"


def _note(result: Result) -> str:
    survivors = {name for name, _ in _survivors(result)}
    refuted = {r.name for w in result.witnesses for r in w.rivals if _is_refuted(r)} - survivors
    if not refuted:
        return ""
    names = ", ".join(sorted(shorten_middle(name, 40) for name in refuted)[:5])
    return f"Automatic rivals refuted: {names}{' and more' if len(refuted) > 5 else ''}."


def _is_refuted(rival: Rival) -> bool:
    return rival.automatic and rival.refuted_rows > 0
