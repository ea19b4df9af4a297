from __future__ import annotations

import json

import pytest
from google.protobuf import json_format
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from samples import HOSTILE_RESULT, PASS, PASSING, SAMPLES

from lossaudit.model.report import Page
from lossaudit.model.result import Result
from lossaudit.reports.in_toto import PREDICATE, REPORT


def parsed(result: Result) -> Statement:
    """As the format's own library reads it."""
    text = REPORT.render(result, Page())
    return Statement.copy_from_pb(json_format.Parse(text, statement_pb2.Statement()))


@pytest.mark.parametrize("name", [n for n, r in SAMPLES.items() if r.witnesses])
def test_the_formats_own_library_accepts_it(name: str) -> None:
    parsed(SAMPLES[name]).validate()


def test_subjects_are_the_inputs_and_the_predicate_is_the_result() -> None:
    statement = parsed(PASS).pb
    subjects = {s.name: s.digest["sha256"] for s in statement.subject}
    assert subjects == {PASSING.source: PASSING.sha256, "spec musetalk-v1": PASS.spec.sha256}
    assert statement.predicate_type == PREDICATE
    predicate = json_format.MessageToDict(statement.predicate)
    assert predicate["verdict"] == "PASS"
    assert predicate["witnesses"][0]["decided"] == PASSING.decided
    assert "series" not in predicate


def test_hostile_names_keep_it_json() -> None:
    assert json.loads(REPORT.render(HOSTILE_RESULT, Page()))["predicateType"] == PREDICATE
