"""`lossaudit identify`: which formula does a log follow? No spec is needed.

read_log     a file becomes a table, with its damage                     witnesses/
identify     columns -> the simplest formula that no row refutes         closure/identify/
examine      that formula is put to all rows, as `check` would           closure/
conclude     PASS where one formula is established, else INCONCLUSIVE
"""

from __future__ import annotations

import platform
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from lossaudit import __version__, registry
from lossaudit.closure.binding import bind
from lossaudit.closure.check import Check
from lossaudit.closure.examine import LogEvidence, examine, unread_in_words
from lossaudit.closure.identify.candidate import Candidate
from lossaudit.closure.identify.columns import Question
from lossaudit.closure.identify.identify import Identified, identify
from lossaudit.closure.identify.trials import spec_of
from lossaudit.closure.verdict import combine, judge
from lossaudit.closure.witness import describe, describe_spec
from lossaudit.completing import complete
from lossaudit.concluding import AuditOptions, choose_exit_code
from lossaudit.model.finding import Finding, Verdict
from lossaudit.model.identification import Identification, RunnerUp
from lossaudit.model.places import OF_THE_INPUT
from lossaudit.model.result import Declared, ExitCode, Result, Witness
from lossaudit.seeing import labelled
from lossaudit.spec.schema import Spec
from lossaudit.spec.tree import number
from lossaudit.witnesses.log import ReadLog, read_log

CHECKS = "lossaudit.checks"


class Answer(Struct, frozen=True):
    """What was found in one log.

    Attributes:
        spec: of the formula, or one without terms where there is none.
        evidence: that spec on all rows of the log.
        witness: as reports show it.
    """

    spec: Spec
    evidence: LogEvidence
    witness: Witness

    @property
    def formula(self) -> str:
        """TOTAL = EXPRESSION; empty where nothing fits."""
        found = self.witness.identification
        return found.formula if found is not None else ""

    @property
    def is_refuted(self) -> bool:
        """Whether some row of the whole log refutes it."""
        outcome = self.evidence.outcome
        return outcome is not None and outcome.declared.refuted > 0


def identify_logs(
    question: Question, logs: Sequence[str], options: AuditOptions | None = None
) -> tuple[Result, Spec | None]:
    """Find the formula of logs; each log is a witness of its own.

    Args:
        question: what is known of the formula.
        logs: paths; "-" is standard input.
        options: how to read, and which findings count.

    Returns:
        The result, and the spec of the first formula that the verdict speaks of, established or
        not; None where no formula was found that holds on every row.

    Raises:
        InputError: if a log cannot be opened or recognised.
        UsageError: if an option names something unknown.
    """
    options = options or AuditOptions()
    reads = [read_log(path, options.reader, options.read, options.progress) for path in logs]
    answers = [_answer(question, read) for read in reads]
    result = _conclude(answers, any(read.is_damaged for read in reads), options)
    told = [a for a in answers if a.formula and not a.is_refuted]
    told.sort(key=lambda a: a.witness.verdict is not Verdict.PASS)
    return result, told[0].spec if told else None


def _answer(question: Question, read: ReadLog) -> Answer:
    found = identify(read.log, question)
    best = found.best
    if best is None or best.formula is None:
        spec = spec_of("", number(0.0), (), question)
        evidence = examine(replace(spec, total=()), read.log, read.damage, read.changes)
        verdict, reason = Verdict.INCONCLUSIVE, found.reason
    else:
        spec = spec_of(best.total, best.formula.tree, tuple(best.formula.weights), question)
        spec = replace(spec, formula_text=best.formula.text)
        evidence = examine(spec, read.log, read.damage, read.changes)
        verdict, reason = _verdict(found, best, evidence)
    witness = describe(evidence, verdict, reason, read.reader, read.sha256)
    told = _identification(found)
    witness = replace(witness, identification=told, formula=told.formula, total_tag=told.total)
    if best is not None and best.formula is None:
        witness = _with_total(witness, spec, best.total, read)
    return Answer(spec, evidence, witness)


def _with_total(witness: Witness, spec: Spec, total: str, read: ReadLog) -> Witness:
    """How a total of which no formula was found is written, and how often it is there."""
    resolutions = bind(replace(spec, total=(total,)), read.log).resolutions
    written = {tag: r.in_words() for tag, r in resolutions.items() if tag == total}
    return replace(witness, rows=read.log.columns[total].count, resolution=written)


def _verdict(found: Identified, best: Candidate, evidence: LogEvidence) -> tuple[Verdict, str]:
    """PASS where the formula is established and holds on all rows of the log."""
    verdict, reason = judge(evidence)
    outcome = evidence.outcome
    if outcome is not None and outcome.declared.refuted:
        rows = f"{outcome.declared.refuted:,} of {outcome.declared.decided:,} rows refute it"
        most = 2 * outcome.declared.refuted < outcome.declared.decided
        fits = "fits most rows" if most else "comes near"
        return Verdict.INCONCLUSIVE, f"{best.text} {fits}, but {rows}"
    if found.reason:
        return Verdict.INCONCLUSIVE, found.reason
    if verdict is not Verdict.PASS:
        return Verdict.INCONCLUSIVE, f"{best.text}: {reason}"
    if unread := evidence.unread:
        return Verdict.INCONCLUSIVE, f"{best.text} fits, but {unread_in_words(unread[0])}"
    assert outcome is not None
    rows = f"holds on all {outcome.declared.decided:,} decided rows"
    return Verdict.PASS, f"{best.text} {rows}, and no other formula of its columns does"


def _identification(found: Identified) -> Identification:
    best = found.best
    if best is None:
        return Identification()
    copies = [RunnerUp(f"`{c}`", f"repeats the total `{best.total}`") for c in best.copies]
    further = [
        RunnerUp(c.text, c.reason or "holds as well, for another total")
        for c in found.further
        if c.formula is not None
    ]
    return Identification(
        best.total,
        best.text,
        best.weights,
        (*best.runners_up, *copies, *further),
        best.left_out,
        best.rows,
    )


def _conclude(answers: Sequence[Answer], damaged: bool, options: AuditOptions) -> Result:
    verdict = combine([a.witness.verdict for a in answers])
    passed = {a.formula for a in answers if a.witness.verdict is Verdict.PASS}
    reason = answers[0].witness.reason
    if len(answers) > 1:
        reason = "; ".join(f"{a.witness.source}: {a.witness.reason}" for a in answers)
    if len(passed) > 1:
        verdict, reason = Verdict.INCONCLUSIVE, f"the logs follow different formulas: {reason}"
    found = [f for a in answers for f in _findings(a)]
    first = next((a for a in answers if a.formula), answers[0])
    spec = Declared("identified", "")
    if first.formula:
        spec = replace(
            describe_spec(first.spec, [first.evidence.binding.dtype]), formula=first.formula
        )
    result = Result(
        verdict,
        ExitCode.PASS,
        reason,
        spec,
        tuple(a.witness for a in answers),
        tuple(sorted(found, key=lambda f: (-f.severity.rank, f.check, f.witness))),
        (),
        __version__,
        {"python": platform.python_version()},
    )
    ran = OF_THE_INPUT if verdict is not Verdict.PASS else tuple(registry.load(CHECKS, Check))
    result = complete(result, ran, options.fail_on, options.baseline)
    return replace(result, exit_code=choose_exit_code(verdict, result.findings, damaged, options))


def _findings(answer: Answer) -> list[Finding]:
    """Damage; beside a formula that is established, everything that the checks say of it."""
    checks: dict[str, Check] = registry.load(CHECKS, Check)
    established = answer.witness.verdict is Verdict.PASS
    chosen = [c for name, c in checks.items() if established or name in OF_THE_INPUT]
    return [f for c in chosen for f in labelled(c.run(answer.evidence), answer.evidence)]
