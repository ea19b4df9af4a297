"""Could a rival have been told from the declared formula at this precision?"""

from __future__ import annotations

import math

import pytest

from lossaudit.closure.replay.distinction import distinction, separation
from lossaudit.model.replay import Interval


def interval(value: float, half_width: float = 0.0) -> Interval:
    return Interval(value, value - half_width, value + half_width)


@pytest.mark.parametrize(
    ("declared", "rival", "half_width", "expected"),
    [
        (interval(1.0, 0.1), interval(2.0, 0.1), 0.0, 5.0),
        (interval(2.0, 0.1), interval(1.0, 0.1), 0.0, 5.0),
        (interval(1.0, 0.1), interval(2.0, 0.1), 0.4, 1.0),
        (interval(1.0, 0.5), interval(2.0, 0.75), 0.0, 0.8),
        (interval(1.0), interval(2.0), 0.0, math.inf),
        (interval(1.0), interval(1.0), 0.0, 0.0),
        (interval(1.0), interval(math.nan), 0.0, 0.0),
        (interval(1.0), interval(math.inf), 0.0, 0.0),
        (Interval(1.0, -math.inf, math.inf), interval(2.0), 0.0, 0.0),
    ],
)
def test_gap_over_what_is_left_open(
    declared: Interval, rival: Interval, half_width: float, expected: float
) -> None:
    assert separation(declared, rival, half_width) == pytest.approx(expected)


def test_only_the_sides_that_face_each_other_count() -> None:
    declared, rival = Interval(1.0, -100.0, 1.25), Interval(2.0, 1.75, 100.0)
    assert separation(declared, rival) == pytest.approx(2.0)


def test_the_clause_says_yes_or_no_with_numbers() -> None:
    declared = interval(0.25, 1e-6)
    assert distinction("diagram", declared, interval(0.3, 1e-6)) == (
        "diagram would give 0.3 instead of 0.25, 2.5e+04 x what precision leaves open"
    )
    assert distinction("diagram", declared, interval(0.25 + 1e-7, 1e-6)) == (
        "diagram would give 0.25 instead of 0.25, which cannot be told at this precision "
        "(0.05 x what it leaves open)"
    )
    assert distinction("diagram", interval(1.0), interval(2.0)).endswith("instead of 1, exactly")
