from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from msgspec.structs import replace
from samples import FAIL, HOSTILE_RESULT, SAMPLES, TWO_WITNESSES

from lossaudit.model.report import Page
from lossaudit.model.result import Result
from lossaudit.reports.json import REPORT

ROOT = Path(__file__).parent.parent.parent
SCHEMA = json.loads((ROOT / "docs/schema/result.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)


def refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def decoded(result: Result) -> Any:
    return json.loads(REPORT.render(result, Page()), parse_constant=refuse_constant)


@pytest.mark.parametrize("name", SAMPLES)
def test_looks_as_before(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"reports/json/{name}.expected", REPORT.render(SAMPLES[name], Page()))


def test_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("result", SAMPLES.values(), ids=SAMPLES)
def test_every_sample_follows_the_schema(result: Result) -> None:
    VALIDATOR.validate(decoded(result))


@pytest.mark.parametrize("result", SAMPLES.values(), ids=SAMPLES)
def test_text_means_what_the_result_holds(result: Result) -> None:
    assert decoded(result) == json.loads(json.dumps(result.to_dict()))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["schema"], "lossaudit/2"),
        (["verdict"], "UNSURE"),
        (["exit_code"], 5),
        (["witnesses", 0, "kind"], "diary"),
        (["witnesses", 0, "verdict"], "pass"),
        (["witnesses", 0, "decided"], -1),
        (["witnesses", 0, "weights", "loss_lip", "declared"], "many"),
        (["witnesses", 0, "rivals", 0, "verdict"], "FITS"),
        (["witnesses", 0, "first_violation", "residual"], None),
        (["findings", 0, "severity"], "fatal"),
        (["findings", 0, "steps"], [1]),
        (["findings", 0, "location", "line"], 0),
        (["balance", "terms", "loss_lip", "share", "p50"], "nan"),
        (["series", "total"], [None]),
    ],
)
def test_schema_refuses_what_the_contract_closes(path: list[Any], value: Any) -> None:
    document = decoded(FAIL)
    place = document
    for key in path[:-1]:
        place = place[key]
    assert path[-1] in (place if isinstance(place, dict) else range(len(place)))
    place[path[-1]] = value
    assert not VALIDATOR.is_valid(document)


@pytest.mark.parametrize("key", SCHEMA["required"])
def test_schema_misses_every_required_key(key: str) -> None:
    document = decoded(FAIL)
    del document[key]
    assert not VALIDATOR.is_valid(document)


def test_balance_and_series_come_from_the_first_witness_that_has_them() -> None:
    log_last = replace(TWO_WITNESSES, witnesses=TWO_WITNESSES.witnesses[::-1])
    assert decoded(log_last)["series"] == decoded(FAIL)["series"] != {}
    assert decoded(log_last)["balance"] == decoded(FAIL)["balance"] != {"terms": {}}


def test_keys_may_be_added() -> None:
    document = decoded(FAIL)
    document["later"] = document["witnesses"][0]["later"] = 1
    VALIDATOR.validate(document)


def test_invisible_characters_are_escaped() -> None:
    text = REPORT.render(HOSTILE_RESULT, Page())
    assert r"\u009b2J\u007f\u202eRLO\u2066\u200b\ufeff\u00ad\u2028\nnext[red]x" in text
    assert r"\udc80\udb40\udc41::add-mask" in text
