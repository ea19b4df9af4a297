"""Automatic rivals, and the removal of those that say the same."""

from __future__ import annotations

import time

import pytest

from lossaudit.closure.rivals import MOST_AUTOMATIC, rivals_of, same_as
from lossaudit.spec.formula import parse_formula
from lossaudit.spec.normal_form import normal_form


def automatic(formula: str) -> dict[str, str]:
    return {r.name: r.expr for r in rivals_of(parse_formula(formula), {})}


def same(expr, text: str) -> bool:
    return normal_form(expr) == normal_form(parse_formula(text))


def test_weights_are_exchanged_terms_dropped_and_set_to_one() -> None:
    found = automatic("2.0*lip + latents")
    expected = {
        "drop lip": "latents",
        "drop latents": "2*lip",
        "all weights 1": "lip + latents",
        "exchange lip, latents": "lip + 2*latents",
    }
    assert list(found) == list(expected)
    for name, text in expected.items():
        assert same(found[name], text), name


@pytest.mark.parametrize(
    ("formula", "names"),
    [
        ("a + b", ["drop a", "drop b"]),
        ("a", ["drop a"]),
        ("2*a", ["drop a", "all weights 1"]),
        ("2*a + 3", ["drop a", "all weights 1"]),
        ("w*a + 1", ["drop a*w"]),
        (
            "0.5*max(a, 0) + b",
            ["drop max(a, 0)", "drop b", "all weights 1", "exchange max(a, 0), b"],
        ),
    ],
)
def test_rivals_that_say_the_same_are_left_out(formula: str, names: list[str]) -> None:
    assert list(automatic(formula)) == names


def test_signs_and_constants_stay() -> None:
    found = automatic("2*a - 3*b + 5")
    assert same(found["all weights 1"], "a - b + 5")
    assert same(found["drop a"], "-3*b + 5")


def test_named_rivals_come_first_and_say_it_once() -> None:
    declared = parse_formula("2*a + b")
    named = {"same": parse_formula("b + a*2"), "x": parse_formula("a + 2*b"),
             "y": parse_formula("2*b + a"), "z": parse_formula("a + b")}  # fmt: skip
    found = rivals_of(declared, named)
    assert [r.name for r in found] == ["x", "z", "drop a", "drop b"]
    assert [r.automatic for r in found] == [False, False, True, True]
    assert same_as(declared, named) == ("same",)


def test_automatic_rivals_are_marked() -> None:
    assert all(r.automatic for r in rivals_of(parse_formula("2*a + b"), {}))


def test_a_long_formula_has_a_bounded_number_of_rivals_quickly() -> None:
    declared = parse_formula(" + ".join(f"{i + 2}*t{i}" for i in range(100)))
    start = time.process_time()
    assert len(rivals_of(declared, {})) == MOST_AUTOMATIC
    assert time.process_time() - start < 2


def test_all_named_rivals_are_kept_however_many() -> None:
    named = {f"r{i}": parse_formula(f"a + {i + 2}*b") for i in range(100)}
    found = rivals_of(parse_formula("a + b"), named)
    assert len([r for r in found if not r.automatic]) == 100
