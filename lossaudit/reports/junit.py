"""JUnit XML, as Jenkins, GitLab and others read it: one test case per check and witness.

FAIL is a `<failure>`, a damaged input an `<error>`, INCONCLUSIVE a `<skipped>` with the reason. A
witness about which nothing could be said passes no test case: a check that had nothing to look at
is no pass. Findings below `--fail-on`, and known ones, are in the output of a case that passes.

Source: the XSD of the Jenkins xUnit plugin, junit-10.xsd.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from lossaudit.model.finding import Finding, Verdict
from lossaudit.model.report import Page, Report
from lossaudit.model.result import Result, Witness
from lossaudit.model.steps import steps_in_words
from lossaudit.rendering.findings import also_fits, in_order
from lossaudit.rendering.safe_text import clip, escape_text

DAMAGE = "damaged-input"


def render(result: Result, page: Page) -> str:
    """A suite per witness; findings of none of them have one of their own."""
    root = ET.Element("testsuites", name="lossaudit")
    for witness in result.witnesses:
        root.append(_suite(result, witness))
    sources = {w.source for w in result.witnesses}
    others = [f for f in in_order(result.findings) if f.witness not in sources]
    if others or not result.witnesses:
        root.append(_suite_of_others(result, others))
    for key in ("tests", "failures", "errors"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    ET.indent(root)
    return f"<?xml version='1.0' encoding='UTF-8'?>\n{ET.tostring(root, encoding='unicode')}\n"


def _suite(result: Result, witness: Witness) -> ET.Element:
    findings = [f for f in in_order(result.findings) if f.witness == witness.source]
    cases = [_verdict_case(result, witness)]
    named = [*result.checks, *(f.check for f in findings)] if witness.kind == "log" else []
    named = named or [f.check for f in findings]
    for check in sorted(dict.fromkeys(named)):
        own = [f for f in findings if f.check == check]
        cases.append(_check_case(result, witness, check, own))
    for check, reason in result.skipped:
        case = _case(check, witness.source)
        case.append(ET.Element("skipped", message=_text(reason)))
        cases.append(case)
    return _filled(_text(f"{witness.kind} {witness.source}"), cases)


def _suite_of_others(result: Result, findings: list[Finding]) -> ET.Element:
    cases = []
    if not result.witnesses:
        case = _case("declared formula", result.spec.name)
        _judge(case, result.verdict, result.reason)
        cases.append(case)
    for check in sorted({f.check for f in findings}):
        case = _case(check, result.spec.name)
        _report(result, case, [f for f in findings if f.check == check])
        cases.append(case)
    return _filled("lossaudit", cases)


def _filled(name: str, cases: list[ET.Element]) -> ET.Element:
    """A suite with its counts."""
    suite = ET.Element("testsuite", name=name, tests=str(len(cases)))
    for key, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(key, str(sum(case.find(tag) is not None for case in cases)))
    suite.extend(cases)
    return suite


def _verdict_case(result: Result, witness: Witness) -> ET.Element:
    case = _case("declared formula", witness.source)
    excused = _is_excused(result, witness)
    _judge(case, Verdict.PASS if excused else witness.verdict, witness.reason, _ranges(witness))
    if excused:
        _say(case, f"{witness.verdict.value}, and no finding of it counts: {witness.reason}")
    elif witness.verdict is Verdict.PASS:
        _say(case, f"PASS: {witness.reason}")
    return case


def _is_excused(result: Result, witness: Witness) -> bool:
    """Whether a refuted witness changes no exit code: its findings are known, or mere warnings."""
    own = [f for f in result.findings if f.witness == witness.source]
    return witness.verdict is Verdict.FAIL and not _counted(result, own)


def _counted(result: Result, findings: list[Finding]) -> list[Finding]:
    return [f for f in findings if f.severity.rank >= result.fail_on.rank and not f.known]


def _judge(case: ET.Element, verdict: Verdict, reason: str, further: str = "") -> None:
    if verdict is Verdict.FAIL:
        failure = ET.SubElement(case, "failure", type="FAIL", message=_text(reason))
        failure.text = further or _text(reason)
    elif verdict is Verdict.INCONCLUSIVE:
        ET.SubElement(case, "skipped", message=_text(f"INCONCLUSIVE: {reason}"))


def _check_case(
    result: Result, witness: Witness, check: str, findings: list[Finding]
) -> ET.Element:
    case = _case(check, witness.source)
    _report(result, case, findings)
    if not findings and witness.verdict is Verdict.INCONCLUSIVE:
        ET.SubElement(case, "skipped", message=_text(f"INCONCLUSIVE: {witness.reason}"))
    return case


def _report(result: Result, case: ET.Element, findings: list[Finding]) -> None:
    """Findings that count as a failure, or as an error where the input is damaged; others said."""
    if counted := _counted(result, findings):
        tag = "error" if counted[0].check == DAMAGE else "failure"
        told = ET.SubElement(case, tag, type=_text(counted[0].check))
        told.set("message", _text(counted[0].message))
        told.text = "\n".join(_line(f) for f in counted)
    elif findings:
        _say(case, *(_line(f) for f in findings))


def _line(finding: Finding) -> str:
    place = finding.location or finding.witness
    steps = f", {steps_in_words(*finding.steps)}" if finding.steps else ""
    known = f" (known: {finding.known})" if finding.known else ""
    also = f" {also_fits(finding)}" if also_fits(finding) else ""
    return _text(f"{finding.severity}{steps}{known}: {finding.message}{also} [{place}]")


def _ranges(witness: Witness) -> str:
    """Where the formula is violated, runs of steps folded."""
    return "\n".join(_range_lines(witness))


def _range_lines(witness: Witness) -> Iterator[str]:
    yield f"{witness.violations:,} of {witness.decided:,} decided rows violate the formula"
    for run in witness.violation_ranges:
        rows = "1 row" if run.rows == 1 else f"{run.rows:,} rows"
        yield f"{steps_in_words(run.first, run.last)}: {rows}"
    rest = witness.violations - sum(run.rows for run in witness.violation_ranges)
    if witness.violation_ranges and rest > 0:
        yield f"and {rest:,} more"


def _case(name: str, source: str) -> ET.Element:
    return ET.Element("testcase", name=_text(name), classname=_text(source) or "lossaudit")


def _say(case: ET.Element, *lines: str) -> None:
    ET.SubElement(case, "system-out").text = "\n".join(_text(line) for line in lines)


def _text(text: str) -> str:
    return clip(escape_text(text))


REPORT = Report("junit", "JUnit XML: one test case per check and witness.", render)
