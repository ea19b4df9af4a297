"""A pytest plugin: the fixture `loss_audit` puts a training step or a log to its spec.

    def test_the_step_is_the_published_loss(loss_audit):
        loss_audit("musetalk-v1", total=loss, terms={"loss_lip": lip, "loss_latents": latents})
        loss_audit("audits/my.loss.yaml", log="runs/smoke/log.jsonl")

Loaded into every pytest run where lossaudit is installed, so that nothing is imported before the
fixture is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lossaudit.model.result import Result
    from lossaudit.spec.schema import Spec

WIDTH = 100


@pytest.fixture
def loss_audit(tmp_path: Path) -> Callable[..., Result]:
    """`loss_audit(spec, log=LOG)` or `loss_audit(spec, total=..., terms={...})`.

    The test fails with the audit's report unless its exit code is 0; INCONCLUSIVE is no pass
    without `allow_inconclusive=True`. The result is returned.

    Args of the function:
        spec: a preset's name, a spec file, "TOTAL = EXPRESSION", or a `Spec`.
        log: a log file or event folder.
        total: the total of one step, or of several, a number or a tensor of one element each.
        terms: by the spec's names, likewise.
        allow_inconclusive: whether a test may pass on rows that decide nothing.
    """
    # pytest shows this text with --fixtures; what is called is below

    def audit(
        spec: str | Spec,
        log: str | Path | None = None,
        *,
        total: Any = None,
        terms: Mapping[str, Any] | None = None,
        allow_inconclusive: bool = False,
    ) -> Result:
        __tracebackhide__ = True
        if (log is None) == (total is None or terms is None):
            raise TypeError("loss_audit takes either a log, or a total with its terms")
        declared = _declared(spec)
        if log is None:
            log = tmp_path / "step.csv"
            log.write_text(_rows(declared, total, terms or {}), "utf-8")
        return _audited(declared, str(log), allow_inconclusive)

    return audit


def _declared(spec: str | Spec) -> Spec:
    from lossaudit.spec.load import load_spec, spec_from_formula, spec_path

    if not isinstance(spec, str):
        return spec
    is_formula = "=" in spec and spec_path(spec) is None
    return spec_from_formula(spec) if is_formula else load_spec(spec)


def _audited(spec: Spec, log: str, allow_inconclusive: bool) -> Result:
    from lossaudit.audit import AuditOptions, check_logs
    from lossaudit.model.report import Page
    from lossaudit.rendering.safe_text import escape_text
    from lossaudit.reports.full import REPORT

    __tracebackhide__ = True
    result = check_logs(spec, [log], AuditOptions(allow_inconclusive=allow_inconclusive))
    if result.exit_code:
        report = REPORT.render(result, Page(WIDTH))
        # pytest's summary of a run shows the first line alone
        head = escape_text(f"{result.verdict} {result.spec.name}: {result.reason}")
        pytest.fail(f"{head}\n{report}", pytrace=False)
    return result


def _rows(spec: Spec, total: Any, terms: Mapping[str, Any]) -> str:
    """The steps as a CSV table, under the tags that the spec looks for first.

    Numbers are written with 18 digits: they are the ones of the step, not rounded ones of a log.
    """
    import csv
    from io import StringIO

    columns = {(spec.total or ("total",))[0]: _numbers(total)}
    columns |= {spec.tags.get(n, (n,))[0]: _numbers(values) for n, values in terms.items()}
    counts = {tag: len(values) for tag, values in columns.items()}
    if len(set(counts.values())) != 1:
        raise ValueError(f"the total and the terms have different numbers of steps: {counts}")
    table = StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["step", *columns])
    for step, row in enumerate(zip(*columns.values(), strict=True)):
        writer.writerow([step, *(f"{number:.17e}" for number in row)])
    return table.getvalue()


def _numbers(values: Any) -> list[float]:
    """Numbers or tensors of one element, one or a list of them; a tensor gives what it holds."""
    if isinstance(values, Sequence) or (getattr(values, "ndim", 0) or 0) > 0:
        return [float(v) for v in values]
    return [float(values)]
