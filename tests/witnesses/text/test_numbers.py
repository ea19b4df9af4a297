"""Numbers in bulk against `float` and `count_decimals`, bit for bit."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lossaudit.model.table import Floats, Ints
from lossaudit.witnesses.columns import count_decimals
from lossaudit.witnesses.text.numbers import PADDING, Numbers, parse_numbers

NUMBER = re.compile(rb"-?(\d+)(?:\.(\d+))?(?:e([-+]?)(\d+))?\n")
TEXT = st.from_regex(r"\A-?[0-9]{1,12}(\.[0-9]{1,20})?(e[-+]?[0-9]{1,4})?\Z")


def parse(texts: list[str]) -> tuple[Floats, Ints]:
    buffer = "".join(f"{t}\n" for t in texts).encode() + b"x" * PADDING
    parts = []
    for match in NUMBER.finditer(buffer):
        spans = [match.span(group) if match[group] else (0, 0) for group in (1, 2, 4)]
        parts.append([n for a, b in spans for n in (a, b - a)] + [match[3] == b"-"])
    return parse_numbers(buffer, Numbers(*np.array(parts, np.int64).T))


@given(st.lists(TEXT, min_size=1, max_size=20))
@example(["-0", "0.1", "99999999.9999999", "91558756.44234785", "1e22", "1e23", "5e-324"])
@example(["123456789012", "1.5e3"])
@example(["0.12345678", "12345678", "1234567.12345678", "12345678.12345678", "9.007199254740993"])
@settings(max_examples=300)
def test_values_and_decimals_are_those_of_the_texts(texts: list[str]) -> None:
    got, decimals = parse(texts)
    assert [repr(v) for v in got.tolist()] == [repr(float(t)) for t in texts]
    assert decimals.tolist() == [count_decimals(t) for t in texts]


def test_every_number_of_up_to_six_digits_is_read() -> None:
    texts = [f"{n:0{width}}" for width in range(1, 5) for n in range(10**width)]
    texts += [f"{n / 100:.2f}" for n in range(-10_000, 10_000)]
    assert parse(texts)[0].tolist() == [float(t) for t in texts]
