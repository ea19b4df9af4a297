"""`lossaudit balance`: the stages of `audit`, and what each term weighs.

read_log, examine   as in an audit: the verdict is said, but it is not the question here
measure             shares, their course, ratios, other weights             balance/
findings            a dominant term; damage; a refuted formula as a warning
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from lossaudit import registry
from lossaudit.balance.gradients import gradient_shares, gradients_beside
from lossaudit.balance.measure import Measured, measure, not_trained
from lossaudit.balance.what_if import Question
from lossaudit.checks.dominant_term import dominating
from lossaudit.closure.check import Check
from lossaudit.closure.examine import LogEvidence, examine
from lossaudit.concluding import AuditOptions, choose_exit_code, conclude
from lossaudit.model.balance import Balance, GradientShares
from lossaudit.model.finding import Finding, Severity, Verdict
from lossaudit.model.reproduction import Input
from lossaudit.model.result import Result, Witness
from lossaudit.seeing import labelled, seen_log
from lossaudit.spec.normal_form import in_backquotes
from lossaudit.spec.schema import Spec
from lossaudit.witnesses.log import read_log
from lossaudit.witnesses.stored_result import read_result

DAMAGED, CHANGED, DOMINANT = "damaged-input", "changed-input", "dominant-term"
ONLY_SHARES = (
    "a result of `check` holds the shares of its decided rows, and neither their course nor ratios"
    " nor other weights: name the log itself"
)


def balance_logs(
    spec: Spec,
    logs: Sequence[str],
    questions: Sequence[Question] = (),
    options: AuditOptions | None = None,
) -> Result:
    """Weigh the terms of logs; each log is a witness of its own.

    Args:
        spec: what the logs are said to follow.
        logs: paths; "-" is standard input.
        questions: other weights of single terms.
        options: how to read, and which findings count.

    Returns:
        A result whose witnesses have a `balance`, with the audit's verdict. Its exit code is 3 only
        where no log has any shares: a formula that is refuted is a warning here.

    Raises:
        InputError: if a log cannot be opened or recognised.
        UsageError: if an option names something unknown.
    """
    options = options or AuditOptions()
    reads = [options.reading(spec)(path) for path in logs]
    evidence = [examine(spec, read.log, read.damage, read.changes) for read in reads]
    measured = [measure(e, questions) for e in evidence]
    pairs = list(zip(evidence, measured, strict=True))
    found = [f for e, m in pairs for f in labelled(_findings(e, m), e)]
    seen = [seen_log(read, e, {}) for read, e in zip(reads, evidence, strict=True)]
    audited = conclude(spec, seen, options, further=found)
    pulls = [_gradients(spec, path, options) for path in logs]
    witnesses = tuple(
        replace(w, shares=m.shares, balance=m.balance, gradients=shares)
        for w, m, (shares, _) in zip(audited.witnesses, measured, pulls, strict=True)
    )
    inputs = tuple(read for _, read in pulls if read is not None)
    return _settled(replace(audited, witnesses=witnesses, further_inputs=inputs), options)


def _gradients(
    spec: Spec, log: str, options: AuditOptions
) -> tuple[GradientShares | None, Input | None]:
    """The shares in the recorder's file of gradients, where it lies beside its file of terms."""
    path = gradients_beside(log)
    if path is None:
        return None, None
    read = read_log(path, None, progress=options.progress)
    evidence = examine(spec, read.log, read.damage, read.changes)
    return gradient_shares(evidence), Input(path, read.sha256)


def balance_result(
    path: str, questions: Sequence[Question] = (), options: AuditOptions | None = None
) -> Result:
    """Show the shares that a stored result holds.

    Args:
        path: what `--format json` wrote; "-" is standard input.
        questions: cannot be answered without the log; they are listed among what was skipped.
        options: which findings count.

    Raises:
        InputError: if it is no result, or one that cannot be read.
    """
    stored = read_result(path)
    kept = [f for finding in stored.findings for f in _of_interest(finding)]
    skipped = [(f"what-if {q}", "a result holds no rows: name the log itself") for q in questions]
    settled = replace(
        stored,
        witnesses=tuple(_with_balance(w) for w in stored.witnesses),
        findings=tuple(kept),
        skipped=tuple(skipped),
    )
    return _settled(settled, options or AuditOptions())


def _findings(evidence: LogEvidence, measured: Measured) -> Iterator[Finding]:
    """A refuted formula as a warning, damage, changes; dominant terms where it is not refuted."""
    for name, check in _checks().items():
        if check.refutes or name in (DAMAGED, CHANGED):
            for finding in check.run(evidence):
                yield from _of_interest(finding)
    outcome = evidence.outcome
    if outcome is None or not outcome.declared.refuted:
        steps = outcome.steps if outcome is not None else None
        yield from dominating(measured.shares, evidence.spec.max_share, steps)


def _of_interest(finding: Finding) -> Iterator[Finding]:
    """A finding as this command shows it, if it does."""
    check = _checks().get(finding.check)
    if finding.check in (DAMAGED, CHANGED, DOMINANT):
        yield finding
    elif check is not None and check.refutes:
        yield replace(finding, severity=Severity.WARNING)


def _checks() -> dict[str, Check]:
    return registry.load("lossaudit.checks", Check)


def _with_balance(witness: Witness) -> Witness:
    if witness.balance is not None:
        return witness
    if not witness.shares:
        return replace(witness, balance=Balance())
    weights = {n: w.declared for n, w in witness.weights.items()}
    cautions = [ONLY_SHARES]
    if witness.violations:
        cautions.append(not_trained(witness.violations, witness.decided, witness.verdict))
    balance = Balance(witness.decided, weights=weights, cautions=tuple(cautions))
    return replace(witness, balance=balance)


def _settled(result: Result, options: AuditOptions) -> Result:
    """With the exit code of this command, and the largest share in the reason."""
    is_shown = any(w.shares for w in result.witnesses)
    verdict = Verdict.PASS if is_shown else Verdict.INCONCLUSIVE
    damaged = any(f.check == DAMAGED for f in result.findings)
    code = choose_exit_code(verdict, result.findings, damaged, options)
    several = len(result.witnesses) > 1
    summaries = [
        (f"{w.source}: " if several else "") + text
        for w in result.witnesses
        if (text := _summary(w))
    ]
    new = [text for text in summaries if text not in result.reason]
    return replace(result, exit_code=code, reason="; ".join([result.reason, *new]))


def _summary(witness: Witness) -> str:
    if not witness.shares:
        return ""
    name, share = max(witness.shares.items(), key=lambda item: item[1].p50)
    return f"{in_backquotes(name)} has the largest share, {share.p50:.1%} at the median"
