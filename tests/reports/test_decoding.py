"""A stored result reads back as what was written, and everything else is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from samples import FAIL, SAMPLES

from lossaudit.model.decoding import decode_result
from lossaudit.model.report import Page, Report
from lossaudit.model.result import Result
from lossaudit.registry import find, load


def again(result: Result) -> dict[str, Any]:
    return decode_result(json.loads(json.dumps(result.to_dict()))).to_dict()


@pytest.mark.parametrize("name", SAMPLES)
def test_a_result_reads_back_as_what_was_written(name: str) -> None:
    assert again(SAMPLES[name]) == SAMPLES[name].to_dict()


@pytest.mark.parametrize("form", load("lossaudit.reports", Report))
@pytest.mark.parametrize("name", SAMPLES)
def test_every_format_renders_a_stored_result_byte_by_byte_as_before(name: str, form: str) -> None:
    stored = find("lossaudit.reports", "json", Report).render(SAMPLES[name], Page())
    render = find("lossaudit.reports", form, Report).render
    again = decode_result(json.loads(stored))
    for page in (Page(), Page(120, colour=True)):
        assert render(again, page) == render(SAMPLES[name], page)


def test_it_reads_back_as_values_too() -> None:
    result = SAMPLES["balance"]
    (witness,) = decode_result(result.to_dict()).witnesses
    (expected,) = result.witnesses
    assert witness.balance == expected.balance
    assert witness.shares == expected.shares
    assert witness.first_violations == expected.first_violations
    assert witness.weights == expected.weights
    assert witness.rivals == expected.rivals


def test_keys_of_later_versions_are_passed_over() -> None:
    document = FAIL.to_dict()
    document["later"] = document["witnesses"][0]["later"] = {"deep": [1]}
    assert decode_result(document).to_dict() == FAIL.to_dict()


def changed(path: list[Any], value: Any) -> dict[str, Any]:
    document = SAMPLES["balance-many-terms"].to_dict()
    place = document
    for key in path[:-1]:
        place = place[key]
    assert path[-1] in (place if isinstance(place, dict) else range(len(place)))
    place[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["schema"], "lossaudit/2"),
        (["verdict"], "pass"),
        (["exit_code"], 5),
        (["exit_code"], True),
        (["reason"], None),
        (["spec"], []),
        (["spec", "rivals"], {"a": "b"}),
        (["witnesses"], {}),
        (["witnesses"], [None]),
        (["witnesses", 0, "kind"], "diary"),
        (["witnesses", 0, "decided"], -1),
        (["witnesses", 0, "decided"], 2**63),
        (["witnesses", 0, "rows"], 1.5),
        (["witnesses", 0, "weights", "loss_lip", "low"], "low"),
        (["witnesses", 0, "columns"], {"a": 1}),
        (["witnesses", 0, "balance", "rows"], "many"),
        (["balance"], None),
        (["balance", "terms", "mel"], {}),
        (["balance", "terms", "mel", "share", "p50"], "nan"),
        (["balance", "terms", "mel", "trend"], "up"),
        (["balance", "terms", "mel", "course"], [0.5] * 1001),
        (["balance", "terms", "mel", "sign"], "+"),
        (["balance", "ratios", 0, "below"], -1),
        (["balance", "ratios"], [[]]),
        (["balance", "equal"], []),
        (["balance", "what_if", 0, "weight"], None),
        (["balance", "cautions"], "one"),
        (["findings", 0, "severity"], "fatal"),
        (["findings", 0, "steps"], [1]),
        (["series", "total"], [None]),
        (["environment"], {"python": 3}),
        (["balance_witness"], -1),
        (["series_witness"], "0"),
        (["fail_on"], "fatal"),
        (["checks"], [1]),
        (["checks"], ["c"] * 1001),
        (["rules"], [{"check": "a"}]),
        (["repository_paths"], {"a": None}),
        (["witnesses", 0, "violation_ranges"], [{"first": 0}]),
        (["witnesses", 0, "violation_ranges"], [{"first": 0, "last": 2**64, "rows": 1}]),
        (["spec", "location"], {"line": 3}),
        (["findings", 0, "known"], None),
    ],
)
def test_what_the_layout_does_not_hold_is_refused_with_its_place(
    path: list[Any], value: Any
) -> None:
    document = changed(path, value)
    with pytest.raises(ValueError, match=r"\$|Expected `object`"):
        decode_result(document)


@pytest.mark.parametrize("document", [None, [], "x", 1, {}, {"schema": "lossaudit/1"}])
def test_what_is_no_result_is_refused(document: object) -> None:
    with pytest.raises(ValueError, match=r"Expected|missing"):
        decode_result(document)


@pytest.mark.parametrize("key", ["schema", "verdict", "spec", "witnesses", "findings", "balance"])
def test_a_missing_key_is_named(key: str) -> None:
    document = FAIL.to_dict()
    del document[key]
    with pytest.raises(ValueError, match=f"`{key}`"):
        decode_result(document)


def test_too_many_terms_are_refused() -> None:
    document = FAIL.to_dict()
    term = document["balance"]["terms"]["loss_lip"]
    document["balance"]["terms"] = {f"t{i}": term for i in range(1001)}
    with pytest.raises(ValueError, match="1000"):
        decode_result(document)


def test_the_shares_of_several_logs_go_to_the_first_that_has_rows() -> None:
    document = SAMPLES["two-witnesses"].to_dict()
    first, second = decode_result(document).witnesses
    assert list(first.shares) == ["loss_lip", "loss_latents"]
    assert second.shares == {}
