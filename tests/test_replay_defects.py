"""What no log shows: a replay names the defect, and is silent on the repaired twin."""

from __future__ import annotations

import pytest
from replay_cases import FOLDER, ReplayCase, replay_cases

from lossaudit.model.finding import Severity

CASES = {case.name: case for case in replay_cases()}
PARAMETERS = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@PARAMETERS
def test_defect_gets_its_verdict_and_its_name(case: ReplayCase) -> None:
    result = case.audit("defect")
    replayed = result.witnesses[-1] if result.witnesses[-1].kind == "replay" else None
    replayed = replayed or next(w for w in result.witnesses if w.kind == "replay")
    assert replayed.verdict.value == case.verdict, result.reason
    assert int(result.exit_code) == 1
    found = [f for f in result.findings if f.severity is not Severity.NOTE]
    assert [f.check for f in found] == [case.check]
    assert case.names in found[0].message
    assert found[0].evidence["also"] == []


@PARAMETERS
def test_repaired_twin_passes_in_silence(case: ReplayCase) -> None:
    result = case.audit("repaired")
    assert (result.verdict.value, int(result.exit_code)) == ("PASS", 0), result.reason
    assert result.findings == ()
    replayed = next(w for w in result.witnesses if w.kind == "replay")
    assert replayed.decided == len(replayed.replays) >= 1


def test_every_recorded_folder_is_a_case() -> None:
    recorded = {p.name for p in (FOLDER / "replays").iterdir()}
    assert recorded == {case.name for case in CASES.values() if not case.batches}


def test_total_alone_is_logged_so_that_no_log_decides() -> None:
    for case in CASES.values():
        logs = [w for w in case.audit("repaired").witnesses if w.kind == "log"]
        assert all(w.verdict.value == "INCONCLUSIVE" for w in logs)
