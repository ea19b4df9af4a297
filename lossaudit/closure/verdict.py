"""Evidence -> verdict: PASS and FAIL are earned on rows, all else is INCONCLUSIVE."""

from __future__ import annotations

from msgspec.structs import replace

from lossaudit.closure.binding import Binding
from lossaudit.closure.diagnosis.explanation import Explanation, fits_as_well
from lossaudit.closure.examine import LogEvidence
from lossaudit.closure.outcome import Outcome
from lossaudit.model.finding import Verdict
from lossaudit.model.steps import step_in_words
from lossaudit.spec.aggregate import aggregate_option
from lossaudit.spec.normal_form import in_backquotes


def judge(evidence: LogEvidence) -> tuple[Verdict, str]:
    """The verdict on one log, and why, in one sentence without a full stop."""
    outcome = evidence.outcome
    if outcome is None:
        return Verdict.INCONCLUSIVE, evidence.obstacle
    declared = outcome.declared
    if declared.refuted and evidence.not_additive and not evidence.explanations:
        unlike = f"{declared.refuted:,} of {declared.decided:,} rows do not close, and need not"
        return Verdict.INCONCLUSIVE, f"{unlike}: {evidence.not_additive}"
    if declared.refuted:
        start = declared.first_refuted or 0
        where = f"from {step_in_words(start) if evidence.known_steps else f'row {start:,}'}"
        rows = f"{declared.refuted:,} of {declared.decided:,} decided rows refute the formula"
        first = next(iter(evidence.explanations), None)
        follows = f"{first.summary}{fits_as_well(evidence.explanations)}: " if first else ""
        if first is not None and not first.decisive and not declared.nonfinite:
            return Verdict.INCONCLUSIVE, f"{follows}{rows} as it stands{_settle(first)}"
        return Verdict.FAIL, f"{follows}{rows}, {where}"
    if outcome.excused:
        rows = f"{outcome.excused:,} of {outcome.rows:,} rows close only if"
        return Verdict.INCONCLUSIVE, f"{rows} {outcome.assumption}; the digits do not exclude it"
    if not declared.decided:
        return (
            Verdict.INCONCLUSIVE,
            f"none of {outcome.rows:,} rows could be decided{_why(outcome)}",
        )
    if not outcome.leaning.is_rounding:
        rows = f"{outcome.leaning.rows:,} of {declared.decided:,} decided rows close only if"
        return Verdict.INCONCLUSIVE, f"{rows} {_rounded(evidence.binding)}, and may not be"
    several = f"all {declared.decided:,} decided rows"
    agreed = f"the formula holds on {several if declared.decided > 1 else 'the one decided row'}"
    return against_rivals(outcome, agreed)


def _rounded(binding: Binding) -> str:
    """The terms of few round values, as they would have been written."""
    found = [
        f"`{tag}` was rounded to {replace(binding.resolutions[tag], constant=False).in_words()}"
        for tag in binding.exact
    ]
    return " or ".join(found)


def _settle(excuse: Explanation) -> str:
    """The option under which the rows could be decided, where there is one."""
    option = excuse.facts.get("aggregate")
    tag, _, kind = str(option).rpartition("=")
    return f"; {aggregate_option(tag, kind)} would decide" if option else ""


def against_rivals(outcome: Outcome, agreed: str) -> tuple[Verdict, str]:
    """The verdict where the declared formula holds: is every named rival refuted?"""
    named = [(r, t) for r, t in outcome.rivals if not r.automatic]
    surviving = [(r, t) for r, t in named if not t.refuted]
    if surviving:
        rival, tally = surviving[0]
        fits = "fits them as well" if tally.decided else "could not be evaluated on any row"
        return Verdict.INCONCLUSIVE, f"{agreed}, but rival {in_backquotes(rival.name)} {fits}"
    if not outcome.declared.sharp:
        blunt = "on each the tolerance is above a quarter of the total, so agreeing proves little"
        if outcome.declared.accumulated:
            blunt = "accumulating so many values in this dtype may lose a twentieth of them or more"
        return Verdict.INCONCLUSIVE, f"{agreed}, but {blunt}"
    if outcome.rivals and not any(t.refuted for _, t in outcome.rivals):
        blunt = "these rows cannot tell it from any other formula: too few digits, or all zero"
        return Verdict.INCONCLUSIVE, f"{agreed}, but {blunt}"
    if named:
        word = "rival is" if len(named) == 1 else "rivals are"
        return Verdict.PASS, f"{agreed}, and {len(named)} named {word} refuted"
    return Verdict.PASS, agreed


def _why(outcome: Outcome) -> str:
    reasons = sorted(outcome.undecided.items(), key=lambda item: -item[1])
    return (
        ": " + "; ".join(f"{reason} ({count:,} rows)" for reason, count in reasons)
        if reasons
        else ""
    )


def combine(verdicts: list[Verdict]) -> Verdict:
    """Several witnesses: any FAIL is FAIL, else any PASS is PASS, else INCONCLUSIVE."""
    for verdict in (Verdict.FAIL, Verdict.PASS):
        if verdict in verdicts:
            return verdict
    return Verdict.INCONCLUSIVE
