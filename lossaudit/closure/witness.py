"""Evidence -> the witness's entry in a result."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from lossaudit.closure.examine import LogEvidence
from lossaudit.closure.outcome import Outcome, ViolatingRow
from lossaudit.model.finding import Location, Verdict
from lossaudit.model.result import NO_WEIGHTS, Declared, Rival, Violation, Weight, Witness
from lossaudit.model.steps import steps_in_words
from lossaudit.spec.formula_text import render
from lossaudit.spec.normal_form import in_backquotes
from lossaudit.spec.schema import Spec


def describe(
    evidence: LogEvidence, verdict: Verdict, reason: str, reader: str, sha256: str
) -> Witness:
    """What a log said, as reports show it."""
    binding, outcome = evidence.binding, evidence.outcome
    base = Witness(
        "log",
        evidence.log.source,
        verdict,
        reason,
        render(binding.declared),
        reader=reader,
        sha256=sha256,
        records=evidence.log.records,
        rows=evidence.log.columns[binding.total].count if binding.total else 0,
        total_tag=binding.total or "",
        columns=dict(binding.tags),
        resolution={t: r.in_words() for t, r in binding.resolutions.items()},
    )
    return base if outcome is None else with_outcome(base, outcome, evidence.locate)


def with_outcome(base: Witness, outcome: Outcome, locate: Callable[[int], Location]) -> Witness:
    """A witness's entry with what the fold over its rows concluded.

    Args:
        base: without it.
        outcome: of the fold.
        locate: where a record stands.
    """
    return replace(
        base,
        rows=outcome.rows,
        decided=outcome.declared.decided,
        violations=outcome.declared.refuted,
        first_violations=tuple(_violation(v, locate) for v in outcome.violations),
        undecided=dict(outcome.undecided),
        weights=_weights(outcome),
        weights_note=_weights_note(outcome),
        rivals=tuple(
            Rival(r.name, render(r.expr), t.refuted, t.decided, r.automatic)
            for r, t in outcome.rivals
        ),
        shares=dict(outcome.shares),
        series=dict(outcome.series),
        violation_ranges=outcome.runs,
    )


def describe_spec(spec: Spec, dtypes: Sequence[str]) -> Declared:
    """The declaration; the dtype is the one that tolerances were derived for."""
    return Declared(
        spec.name,
        spec.formula_text,
        tuple((name, text) for name, (_, text) in spec.rivals.items()),
        spec.sha256,
        dtypes[0] if len(set(dtypes)) == 1 else spec.dtype,
        spec.sources,
        Location(spec.path, spec.line) if spec.path and spec.line else None,
    )


def _violation(row: ViolatingRow, locate: Callable[[int], Location]) -> Violation:
    return Violation(
        row.step,
        row.total,
        row.recomputed,
        row.residual,
        row.tolerance,
        locate(row.record),
        row.terms,
    )


def _weights(outcome: Outcome) -> dict[str, Weight]:
    box = outcome.box
    if box is None:
        return {name: Weight(declared) for name, declared in outcome.weights.items()}
    ends = zip(outcome.weights.items(), box.low.tolist(), box.high.tolist(), strict=True)
    return {name: Weight(declared, low, high) for (name, declared), low, high in ends}


def _weights_note(outcome: Outcome) -> str:
    box, notes = outcome.box, []
    if box is None:
        notes.append(NO_WEIGHTS)
    elif not box.complete and outcome.stretch:
        first, last = outcome.stretch
        rows = box.stop - box.start
        notes.append(
            f"over the longest consistent stretch: {rows:,} rows, {steps_in_words(first, last)}"
        )
    wide = _uncertain(outcome)
    for a, b, correlation in outcome.correlated:
        if a in wide and b in wide:
            together = (
                f"{in_backquotes(a)} and {in_backquotes(b)} move together (r = {correlation:.4f})"
            )
            notes.append(f"{together}: their single weights can hardly be told")
    return "; ".join(notes)


def _uncertain(outcome: Outcome) -> set[str]:
    """Weights whose certified interval is wider than a twentieth of the declared weight."""
    if outcome.box is None:
        return set()
    widths = (outcome.box.high - outcome.box.low).tolist()
    pairs = zip(outcome.weights.items(), widths, strict=True)
    return {name for (name, declared), width in pairs if width > 0.05 * abs(declared)}
